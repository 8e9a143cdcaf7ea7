//! Inside an environment that a login has led into: what has to be done outside is asked of the host.
//!
//! The other end is the attendant of `caddis-login`, which the session's variables name. It gets the arguments and our
//! standard streams, and runs the same command on the host; signals go on to it, and its exit status is ours.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use caddis_client::outside::{Answer, PLACE, Wish, is_for_outside};
use caddis_client::session::{HERE, is_in_user_namespace};
use caddis_sys::{Caught, Signals, block_all, default_actions, set_mask, signalfd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, recv, send, sendmsg, socket_with,
};
use rustix::process::{Signal, getpid, kill_process};

use crate::error::Error;
use crate::render::text::shown;

/// How long an answer may be: a status and a message.
const LONGEST_ANSWER: usize = 1 << 12;

/// Has the host do it, if this is inside and the command is of use outside only. `None`: it is not.
pub fn ask(arguments: &[OsString]) -> Option<Result<u8, Error>> {
    let arguments = arguments.get(1..)?;
    let here = std::env::var_os(HERE).filter(|name| !name.is_empty())?;
    // The variable may be anybody's; the kernel decides.
    if !is_for_outside(arguments.first()?) || !is_in_user_namespace() {
        return None;
    }
    let Some(connection) = connection() else {
        return Some(Err(nobody_to_ask(&here)));
    };
    let directory = std::env::current_dir().unwrap_or_default();
    let variable = |name| std::env::var_os(name).unwrap_or_default();
    let wish = Wish {
        environment: here,
        directory: directory.into(),
        term: variable("TERM"),
        no_color: variable("NO_COLOR"),
        arguments: arguments.to_vec(),
    };
    Some(wish_for(&wish, &connection))
}

fn connection() -> Option<OwnedFd> {
    let place = std::env::var_os(PLACE)?;
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    );
    let socket = socket.ok()?;
    connect(&socket, &SocketAddrUnix::new(place.as_os_str()).ok()?).ok()?;
    Some(socket)
}

/// There is no login that has led here, or it is over: this was left running, or it is a tmux of a former one.
fn nobody_to_ask(here: &OsStr) -> Error {
    let here = shown(here.as_encoded_bytes());
    let error = Error::failed(format!(
        "cannot do that here: this is inside the environment \"{here}\""
    ));
    match std::env::var_os("SSH_CONNECTION") {
        Some(_) => error.hint("`ssh HOST caddis …` does it, typed where you have logged in from"),
        None => error.hint("leave it first (`exit`), then try again on the host"),
    }
}

fn failed(errno: Errno) -> Error {
    Error::io("ask", "the host", errno)
}

fn wish_for(wish: &Wish, connection: &OwnedFd) -> Result<u8, Error> {
    let bytes = wish.to_bytes().ok_or_else(|| {
        failed(Errno::MSGSIZE).hint("name fewer paths at a time, or a directory they are in")
    })?;
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    let streams = [input.as_fd(), output.as_fd(), error.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&streams));
    // Before the command is there that signals are for.
    let mask = block_all().map_err(failed)?;
    let signals = signalfd().map_err(failed)?;
    sendmsg(
        connection,
        &[IoSlice::new(&bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )
    .map_err(failed)?;
    let (status, ended_by) = answer(connection, &signals)?;
    if let Some(signal) = ended_by {
        end_by(signal, mask);
    }
    Ok(status)
}

/// Waits for the answer. Returned are the status and the signal that was passed on and has ended the command, if one has.
fn answer(connection: &OwnedFd, signals: &OwnedFd) -> Result<(u8, Option<Signal>), Error> {
    let mut passed = None;
    loop {
        let mut polled = [connection, signals].map(|one| PollFd::new(one, PollFlags::IN));
        match poll(&mut polled, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let is_answered = !polled[0].revents().is_empty();
        while let Some(caught) = Caught::read(signals).map_err(failed)? {
            passed = pass_on(caught.signal, connection).or(passed);
        }
        if !is_answered {
            continue;
        }
        let mut bytes = [0; LONGEST_ANSWER];
        let (length, _) = recv(connection, &mut bytes, RecvFlags::empty()).map_err(failed)?;
        match bytes.get(..length).and_then(Answer::from_bytes) {
            Some(Answer::Stopped) => {
                let _ = kill_process(getpid(), Signal::STOP);
                tell(connection, Signal::CONT);
            }
            Some(Answer::Ended { status, text }) => {
                let _ = io::stderr().lock().write_all(&text);
                let ended = |signal: &Signal| i32::from(status) == 128 + signal.as_raw();
                return Ok((status, passed.filter(ended)));
            }
            None => {
                return Err(Error::failed(
                    "ask the host: it has ended without an answer",
                ));
            }
        }
    }
}

fn tell(connection: &OwnedFd, signal: Signal) {
    let number = u8::try_from(signal.as_raw()).unwrap_or_default();
    // The answer, or the end of the connection, is about to be read.
    let _ = send(connection, &[number], SendFlags::NOSIGNAL);
}

/// Passes on what would end this process or stop it. Returned is a signal that may end the command.
fn pass_on(number: i32, connection: &OwnedFd) -> Option<Signal> {
    let is = |signal: &Signal| signal.as_raw() == number;
    if is(&Signal::TSTP) {
        // The command is in no job of this terminal's. So that it does not read what is meant for the shell, this process
        // stops when it is told that the command has.
        tell(connection, Signal::STOP);
    }
    let ends = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];
    let signal = ends.into_iter().find(is)?;
    tell(connection, signal);
    Some(signal)
}

/// Ends as the command has, so that a shell sees it as well.
fn end_by(signal: Signal, mask: Signals) {
    default_actions(&[signal.as_raw()]);
    let _ = set_mask(mask);
    let _ = kill_process(getpid(), signal);
}
