//! Process 1 of an instance: builds the view as root, gives up everything, then reaps processes and
//! ends the instance when it is not needed any more.

use crate::afterwards::{Afterwards, Next, Rules};
use crate::apart;
use crate::build::{Built, Materials, build, cut_loose};
use crate::credentials::stay_closed;
use crate::error::{Context, Error, Result, write_all};
use crate::handover::Taker;
use crate::leftover::Processes;
use crate::process::Stat;
use crate::record::{ENDS, Record};
use crate::start::{Start, Waiting};
use crate::visits::{Verdict, Visits};
use caddis_sys::{
    Caught, Code, anybody_left, close_all_but, kill_everyone, replace_arguments_and_variables,
    signalfd, unshare,
};
use rustix::event::epoll;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{
    Gid, Resource, Rlimit, Signal, Uid, WaitOptions, getrlimit, setrlimit, setsid, wait,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, LinkNameSpaceType, UnshareFlags, clear_ambient_capability_set,
    move_into_link_name_space, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use rustix::time::Timespec;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// What process 1 is called, by which its record is believed.
const NAME: &CStr = c"caddis-init";

/// What process 1 holds on to from the start. Beside it, its own signals and events, the veil's lock, and what comes with the
/// view: the user namespace, the overlays and the instance's `/proc`. Everything else is closed.
pub(crate) struct Held {
    /// The read end of the FIFO that sessions hold open.
    pub(crate) sessions: OwnedFd,
    /// The instance's lock, in an open file description of its own.
    pub(crate) lock: OwnedFd,
    /// Where process 1 notes who it is, and others that they have joined.
    pub(crate) record: OwnedFd,
}

/// The life of process 1. Does not return while the instance lives; an error means that there is none.
pub(crate) fn live(
    start: &Start<'_>,
    held: &Held,
    namespace: &Taker,
    waiting: &mut Option<Waiting>,
) -> Result<()> {
    let root = (Some(Uid::from_raw(0)), Some(Gid::from_raw(0)));
    set_thread_res_gid(root.1, root.1, root.1).doing("setresgid", || 0)?;
    set_thread_res_uid(root.0, root.0, root.0).doing("setresuid", || 0)?;
    live_long();
    leave_the_terminal()?;
    // Before the record, which is believed only of a process of this name.
    rustix::thread::set_name(NAME).doing("name", || "process 1")?;
    // Before the first mount on the environment's layers: whoever comes after a kill -9 must know
    // whom to wait for.
    let own = Stat::of_caller()?
        .ok_or_else(|| Error::refused("understand", "/proc/self/stat", "it has another form"))?;
    write_all(&held.record, &Record::text(&own, &held.record)?)
        .doing("write", || "the record of process 1")?;
    let first = Visits::default().and(start.login);
    first.write(&held.record)?;
    Verdict::Empty.write(&held.record, 0)?;
    // Before there is a view: what is called /proc in there is the user's to name.
    let code = Code::of_this_program().doing("read", || "/proc/self/maps")?;
    // Process 1 is a copy of the first session's process, whose command line and variables others in the instance (the
    // command line also others on the host) could read. Nothing depends on it: no reason not to start.
    let _ = replace_arguments_and_variables(NAME);
    // Where there is none, it stays with the first session.
    let apart = apart::open().ok();
    cut_loose()?;
    let veil = start.veil()?;
    let Built {
        user_namespace,
        overlays,
        proc,
        silent,
    } = build(&Materials {
        plan: start.plan,
        identity: start.identity,
        policy: start.policy,
        user_namespace: namespace,
        environment: start.environment()?,
        trial: start.trial,
        veil: veil.directory,
        workshop: start.run.to_owned(),
    })?;
    let processes = Processes::new(proc);
    let signals = signalfd().doing("signalfd", || "process 1")?;
    // While an error can still be told.
    let events = watch(held, &signals)?;
    // What the caller had open, and the directories of the host that were needed to build.
    let kept = [
        &held.sessions,
        &held.lock,
        &held.record,
        &veil.lock,
        processes.descriptor(),
        &signals,
        &events,
    ];
    let callers = waiting.iter().flat_map(|caller| {
        [&caller.answers, &caller.lock]
            .into_iter()
            .chain(&caller.goes)
    });
    let kept = kept.into_iter().chain(callers).chain(&overlays);
    let kept = kept.chain([&user_namespace]).chain(&apart);
    close_all_but(&kept.map(AsFd::as_fd).collect::<Vec<_>>())
        .doing("close", || "the builder's descriptors")?;
    drop_privileges(start, &user_namespace)?;
    // It only keeps the books: the end of a session, which wakes it, is not to wait for it.
    let _ = caddis_sys::never_preempt();
    if let Some(caller) = waiting.take() {
        caller.say_ready(&silent)?;
    }
    // After the cgroup namespace was made, of which the first session's cgroup is the root; and beside that session, for it
    // takes some ten milliseconds.
    if let Some(way) = apart {
        let _ = apart::go(&way);
    }
    let afterwards = Afterwards::new(held, &processes, Rules::new(start.policy, start.trial));
    let grace = start.policy.session.stop_grace;
    attend(held, &signals, &events, &code, afterwards, grace)
}

/// The first session's terminal, pipes and name are not to be held by a process that may outlive it.
fn leave_the_terminal() -> Result<()> {
    setsid().doing("setsid", || "process 1")?;
    leave_standard_files()
}

/// Gives up the caller's standard files.
pub(crate) fn leave_standard_files() -> Result<()> {
    let null = openat(
        CWD,
        "/dev/null",
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .doing("open", || "/dev/null")?;
    rustix::stdio::dup2_stdin(&null).doing("dup2", || "/dev/null")?;
    rustix::stdio::dup2_stdout(&null).doing("dup2", || "/dev/null")?;
    rustix::stdio::dup2_stderr(&null).doing("dup2", || "/dev/null")
}

/// Undoes the first session's limit of processor time, as far as one may: the kernel would end process 1 for it,
/// and with it all sessions.
fn live_long() {
    let maximum = getrlimit(Resource::Cpu).maximum;
    let none = [None, maximum].map(|limit| Rlimit {
        current: limit,
        maximum: limit,
    });
    let _ = none
        .into_iter()
        .find(|limit| setrlimit(Resource::Cpu, *limit).is_ok());
}

/// From host root to nobody with nothing but the right to signal the instance's processes: had process 1
/// container root's id, a setuid program which that one puts into the user's home could stop it from the host,
/// and root would wait for its lock.
///
/// The process's memory still belongs to the initial user namespace and is not dumpable (it came from
/// a setuid program and never calls execve), so container root cannot trace it or look at its
/// descriptors or its root; see ptrace_may_access in the kernel.
fn drop_privileges(start: &Start<'_>, user_namespace: &OwnedFd) -> Result<()> {
    // The namespace's owner, who has all rights in it.
    let nobody = Some(Uid::from_raw(start.identity.nobodys_uid()));
    set_thread_res_uid(nobody, nobody, nobody).doing("setresuid", || "process 1")?;
    stay_closed().doing("prctl", || "PR_SET_DUMPABLE")?;
    move_into_link_name_space(user_namespace.as_fd(), Some(LinkNameSpaceType::User))
        .doing("setns", || "the instance's user namespace")?;
    unshare(UnshareFlags::NEWUTS | UnshareFlags::NEWIPC | UnshareFlags::NEWCGROUP)
        .doing("unshare", || "the uts, ipc and cgroup namespaces")?;
    if let Some(hostname) = start.hostname {
        rustix::system::sethostname(hostname.as_bytes()).doing("sethostname", || hostname)?;
    }
    let group = Some(Gid::from_raw(0));
    set_thread_groups(&[]).doing("setgroups", || "process 1")?;
    set_thread_res_gid(group, group, group).doing("setresgid", || "container root")?;
    capabilities(CapabilitySet::KILL)?;
    set_no_new_privs(true).doing("set", || "no_new_privs")?;
    stay_closed().doing("prctl", || "PR_SET_DUMPABLE")
}

/// Gives up all capabilities but `kept`.
pub(crate) fn capabilities(kept: CapabilitySet) -> Result<()> {
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    clear_ambient_capability_set().doing("clear", || "the ambient capabilities")?;
    set_capabilities(None, sets).doing("capset", || format!("{kept:?}"))
}

/// Tells when a session begins or ends, and when a signal has come.
fn watch(held: &Held, signals: &OwnedFd) -> Result<OwnedFd> {
    let events =
        epoll::create(epoll::CreateFlags::CLOEXEC).doing("epoll_create", || "process 1")?;
    // Edge-triggered: a FIFO that nobody has open for writing would be ready all the time.
    let edge = epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ET;
    let level = epoll::EventFlags::IN;
    let data = epoll::EventData::new_u64;
    epoll::add(&events, &held.sessions, data(0), edge)
        .and_then(|()| epoll::add(&events, signals, data(1), level))
        .doing("epoll_ctl", || "process 1")?;
    Ok(events)
}

/// Reaps and waits: for the last session to end, then for what comes [`afterwards`](crate::afterwards).
fn attend(
    held: &Held,
    signals: &OwnedFd,
    events: &OwnedFd,
    code: &Code,
    mut afterwards: Afterwards<'_>,
    grace: Duration,
) -> Result<()> {
    loop {
        reap();
        let limit = match afterwards.next()? {
            Next::Wait => None,
            Next::WaitFor(time) => {
                // It may be long.
                let _ = code.release();
                Some(Timespec {
                    tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: time.subsec_nanos().into(),
                })
            }
            Next::End => return Ok(()),
        };
        let mut ready = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }; 4];
        match epoll::wait(events, &mut ready[..], limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).doing("epoll_wait", || "process 1"),
        }
        while let Some(caught) = Caught::read(signals).doing("read", || "a signal")? {
            if caught.signal == Signal::TERM.as_raw() {
                return stop(held, signals, grace);
            }
        }
    }
}

/// Says that whoever comes now is to wait for the end.
pub(crate) fn mark_ending(held: &Held) -> Result<()> {
    rustix::io::pwrite(&held.record, &[ENDS], 0).doing("write", || "the record of process 1")?;
    Ok(())
}

/// Asked to stop: passes SIGTERM on to all processes and ends with the last of them, or after `grace`:
/// the kernel then kills those that are left.
fn stop(held: &Held, signals: &OwnedFd, grace: Duration) -> Result<()> {
    let since = Instant::now();
    mark_ending(held)?;
    kill_everyone(Signal::TERM.as_raw()).doing("kill", || "the processes of the environment")?;
    kill_everyone(Signal::CONT.as_raw()).doing("kill", || "the processes of the environment")?;
    loop {
        reap();
        if !anybody_left() || since.elapsed() >= grace {
            return Ok(());
        }
        let mut fds = [rustix::event::PollFd::new(
            signals,
            rustix::event::PollFlags::IN,
        )];
        // A process whose parent is outside (a session's first one) ends without a signal to us, so
        // look again from time to time.
        let moment = Timespec {
            tv_sec: 0,
            tv_nsec: 20_000_000,
        };
        match rustix::event::poll(&mut fds, Some(&moment)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).doing("poll", || "process 1"),
        }
        while Caught::read(signals)
            .doing("read", || "a signal")?
            .is_some()
        {}
    }
}

/// Signals every process but ourselves until none is left to be signalled.
pub(crate) fn end_all(signal: Signal) -> Result<()> {
    kill_everyone(signal.as_raw()).doing("kill", || "the processes of the environment")?;
    reap();
    Ok(())
}

fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}
