//! The attendant: a process of the user's on the host, for as long as the login lasts, that looks after environments for
//! whoever is inside. `caddis status` at the prompt inside is `caddis status` on the host.
//!
//! It executes nothing but `caddis`, with one of the commands that run nothing of the user's, and with the variables that
//! the login came with. From inside come the arguments and the three streams; what they could be used for, a process inside
//! can do in other ways: any socket in the home directory takes words and descriptors across.
//!
//! Its socket has no name by the time anybody is inside: there is nothing to find on the host, and nothing is left there
//! however this ends. Connecting takes a descriptor of it (see `hold`) and the permission to write to it, which only the
//! user has, and container root, who is root over what the user owns. So it does not ask who it is that connects.

use std::ffi::OsStr;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use caddis_client::call::code_of;
use caddis_client::error::{Error, FAILED};
use caddis_client::outside::{Answer, FROM_INSIDE, LONGEST, Wish};
use caddis_sys::{block_all, default_actions, empty_mask, set_mask, signalfd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, mkdir, open, rmdir, unlink};
use rustix::io::{Errno, dup};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, SocketType,
    accept_with, recv, recvmsg, send,
};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, kill_process_group, pidfd_open, waitid,
};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::beside::{self, FLAGS, listen_at};
use crate::manage;
use crate::variables::{Variables, set};

/// How many commands there may be at a time; who comes later waits.
const MOST: usize = 16;

/// Signals that go on to a command: those that end one, and those of job control.
const PASSED: [Signal; 6] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::STOP,
    Signal::CONT,
];

/// Starts it. Returned is the way to it: a descriptor under the lowest number that is free, which execve(2) leaves open.
pub fn start(variables: &Variables) -> io::Result<OwnedFd> {
    let session = pidfd_open(getpid(), PidfdFlags::empty())?;
    let (listener, way) = listen_nowhere()?;
    if beside::fork()?.is_some() {
        drop((session, listener));
        return Ok(dup(&way)?);
    }
    // Whoever logs in is not told that this ends.
    let _ = serve(&listener, &session, variables);
    std::process::exit(0);
}

/// A socket that listens, and a descriptor of its file, which is gone.
fn listen_nowhere() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut random = [0; 8];
    getrandom(&mut random, GetRandomFlags::empty())?;
    // In no directory that a variable names: that may be on a file system that has no sockets.
    let directory = PathBuf::from(format!("/tmp/.caddis-{:016x}", u64::from_ne_bytes(random)));
    let path = directory.join("host");
    // A signal that ends this must not leave them there.
    let mask = block_all()?;
    let made = mkdir(&directory, Mode::RWXU).and_then(|()| {
        let made = listen_and_open(&path);
        let _ = unlink(&path);
        let _ = rmdir(&directory);
        made
    });
    set_mask(mask)?;
    made
}

fn listen_and_open(path: &Path) -> Result<(OwnedFd, OwnedFd), Errno> {
    let listener = listen_at(path, SocketType::SEQPACKET)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok((listener, open(path, flags, Mode::empty())?))
}

/// Serves until the session has ended.
fn serve(listener: &OwnedFd, session: &OwnedFd, variables: &Variables) -> Result<(), Errno> {
    beside::settle(c"caddis-attend", &[listener, session].map(AsFd::as_fd))?;
    // What sshd or a parent has done with them is not for the commands.
    default_actions(&PASSED.map(Signal::as_raw));
    // Ignored, it would lose their status.
    default_actions(&[Signal::CHILD.as_raw()]);
    // Told of by a descriptor: that a command has stopped.
    block_all()?;
    let signals = signalfd()?;
    let mut requests: Vec<Request> = Vec::new();
    loop {
        let mut polled = vec![
            PollFd::new(session, PollFlags::IN),
            PollFd::new(&signals, PollFlags::IN),
        ];
        if requests.len() < MOST {
            polled.push(PollFd::new(listener, PollFlags::IN));
        }
        requests
            .iter()
            .for_each(|request| request.wait_for(&mut polled));
        match poll(&mut polled, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        if !polled[0].revents().is_empty() || beside::told_to_end(&signals)? {
            requests.iter_mut().for_each(Request::leave);
            return Ok(());
        }
        requests.retain_mut(|request| request.go_on(variables));
        while requests.len() < MOST {
            match accept_with(listener, FLAGS) {
                Ok(connection) => requests.push(Request {
                    connection: Some(connection),
                    command: None,
                    stopping: false,
                }),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// One connection: a message, a command, an answer.
#[derive(Debug)]
struct Request {
    /// `None`: whoever asked has gone.
    connection: Option<OwnedFd>,
    command: Option<Running>,
    /// The command has been told to stop, and whoever asked is to be told that it has.
    stopping: bool,
}

/// A command and what it is waited for by. Its process group has its number.
#[derive(Debug)]
struct Running {
    child: Child,
    process: OwnedFd,
    group: Pid,
}

impl Request {
    fn wait_for<'a>(&'a self, polled: &mut Vec<PollFd<'a>>) {
        let process = self.command.as_ref().map(|command| &command.process);
        for descriptor in self.connection.iter().chain(process) {
            polled.push(PollFd::new(descriptor, PollFlags::IN));
        }
    }

    /// Does what can be done without waiting. Returns whether there is more to come.
    fn go_on(&mut self, variables: &Variables) -> bool {
        if self.command.is_none() {
            let Some(connection) = &self.connection else {
                return false;
            };
            let (wish, streams) = match receive(connection) {
                Ok(Some(received)) => received,
                // Nothing is answered to what makes no sense.
                Ok(None) => return false,
                Err(errno) => return errno == Errno::AGAIN || errno == Errno::INTR,
            };
            match start_command(wish, streams, variables) {
                Ok(running) => self.command = Some(running),
                Err(error) => {
                    self.ended(FAILED, &error.to_string());
                    return false;
                }
            }
        }
        match self
            .command
            .as_mut()
            .map(|command| command.child.try_wait())
        {
            Some(Ok(None)) => {}
            Some(Ok(Some(status))) => {
                self.ended(code_of(status), "");
                return false;
            }
            Some(Err(_)) | None => return false,
        }
        self.listen();
        self.look_whether_stopped();
        true
    }

    fn look_whether_stopped(&mut self) {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        if self.stopping
            && let Some(command) = &self.command
            && let Ok(Some(_)) = waitid(WaitId::PidFd(command.process.as_fd()), options)
        {
            self.stopping = false;
            self.answer(&Answer::Stopped);
        }
    }

    /// Passes signals on.
    fn listen(&mut self) {
        let mut number = [0];
        while let Some(connection) = &self.connection {
            match recv(connection, &mut number, RecvFlags::DONTWAIT) {
                Ok((1, _)) => {
                    let known = |signal: &Signal| signal.as_raw() == i32::from(number[0]);
                    if let Some(signal) = PASSED.into_iter().find(known) {
                        self.stopping = signal == Signal::STOP;
                        self.signal(signal);
                    }
                }
                Err(Errno::AGAIN | Errno::INTR) => return,
                _ => {
                    self.leave();
                    self.connection = None;
                }
            }
        }
    }

    /// Nobody waits for the command any more: it is told to end. What ends sessions, this one too, is not kept from it: by
    /// then it is the helper, which no signal of the user's reaches.
    fn leave(&mut self) {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(command) = &self.command {
            let _ = kill_process_group(command.group, signal);
        }
    }

    fn ended(&self, status: u8, text: &str) {
        let text = text.as_bytes().to_vec();
        self.answer(&Answer::Ended { status, text });
    }

    fn answer(&self, answer: &Answer) {
        if let Some(connection) = &self.connection {
            let _ = send(
                connection,
                &answer.to_bytes(),
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            );
        }
    }
}

/// The message with its three streams; `None`: it makes no sense.
fn receive(connection: &OwnedFd) -> Result<Option<(Wish, [OwnedFd; 3])>, Errno> {
    let mut bytes = vec![0; LONGEST + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let message = recvmsg(
        connection,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        flags,
    )?;
    let streams: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if message
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
        || !streams.iter().all(is_stream)
    {
        return Ok(None);
    }
    let wish = Wish::from_bytes(bytes.get(..message.bytes).unwrap_or_default());
    Ok(wish.zip(streams.try_into().ok()))
}

/// A directory of the view's is of no use as a stream, and no business of a process outside.
fn is_stream(descriptor: &OwnedFd) -> bool {
    fstat(descriptor).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Directory)
}

/// Starts `caddis` in a process group of its own: its terminal, if it has one, is not this session's.
fn start_command(
    wish: Wish,
    streams: [OwnedFd; 3],
    variables: &Variables,
) -> Result<Running, Error> {
    let mut variables = variables.clone();
    for (name, value) in [("TERM", &wish.term), ("NO_COLOR", &wish.no_color)] {
        set(&mut variables, name, value);
    }
    let mut command = manage::command(variables);
    let [input, output, error] = streams.map(Stdio::from);
    command
        .args([OsStr::new(FROM_INSIDE), &wish.environment, &wish.directory])
        .args(&wish.arguments)
        .stdin(input)
        .stdout(output)
        .stderr(error)
        .process_group(0);
    // What is blocked here would be blocked there.
    let failed = |errno| Error::io("unblock", "signals", errno);
    set_mask(empty_mask()).map_err(failed)?;
    let child = command.spawn();
    block_all().map_err(failed)?;
    let child = child.map_err(|reason| manage::not_executed(&command, reason))?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let failed = |errno| Error::io("wait for", "caddis on the host", errno);
    let group = group.ok_or(Errno::SRCH).map_err(failed)?;
    let process = pidfd_open(group, PidfdFlags::empty()).map_err(failed)?;
    Ok(Running {
        child,
        process,
        group,
    })
}
