//! The first process of a session: joins the instance's namespaces, becomes the user or container
//! root, and executes the command.
//!
//! Until execve(2) it is a process of a setuid program with root's memory, and others in the instance
//! can see it. What keeps them from getting at it (ptrace, `/proc/PID/fd`, `/proc/PID/root`) is that
//! its memory belongs to the initial user namespace and is not dumpable; that it has no descriptor but
//! the caller's three, those that are handed on, one pipe and two that stand for processes of ours; and that its
//! root and working directory are the instance's from the moment it has joined.

use crate::credentials::stay_closed;
use crate::ending::wait_for_end;
use crate::error::{Context, Error, Result, printable, words, write_all};
use crate::filter::filter_session;
use crate::identity::Identity;
use crate::init::capabilities;
use crate::start::view_stands;
use caddis_policy::{Policy, Root};
use caddis_sys::{
    Signals, close_all_but, default_actions, execve, join_new_session_keyring, set_mask,
};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{
    Gid, Resource, Rlimit, Signal, Uid, chdir, ioctl_tiocsctty, set_parent_process_death_signal,
    setrlimit, setsid, umask,
};
use rustix::termios::isatty;
use rustix::thread::{
    CapabilitySet, ThreadNameSpaceType, move_into_thread_name_spaces,
    remove_capability_from_bounding_set, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to run in an environment, and what of the caller's process state goes with it.
#[derive(Debug)]
pub struct Command {
    /// As container root, not as the user.
    pub root: bool,
    /// Programs to try, with their arguments; the next one is tried when one does not exist.
    pub choices: Vec<Vec<CString>>,
    /// The whole environment of the command.
    pub variables: Vec<CString>,
    /// Where to start; if it does not exist inside, the home directory, then `/`.
    pub directory: Option<PathBuf>,
    /// The home directory.
    pub home: PathBuf,
    /// What to tell the caller before it runs.
    pub warnings: Vec<String>,
    /// The caller's file mode creation mask.
    pub umask: Mode,
    /// The caller's limits that the helper had changed.
    pub limits: Vec<(Resource, Rlimit)>,
    /// The signals that the caller had blocked.
    pub mask: Signals,
    /// Make the terminal on descriptor 0, 1 or 2 the controlling one, in a new session.
    pub own_terminal: bool,
    /// Keep root's keys away from it: root runs it for somebody else.
    pub own_keyring: bool,
    /// Files of the caller's, which keep their numbers. Nobody else keeps them.
    pub files: Vec<OwnedFd>,
}

/// Why a command did not start, with the exit status for it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: u8,
    pub(crate) error: Error,
}

/// What the new process says first, unless it fails before: it is in the instance.
pub(crate) const JOINED: u8 = 0;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { status: 125, error }
    }
}

/// What the command's process goes by.
pub(crate) struct Way<'a> {
    /// Process 1, whose namespaces it joins.
    pub(crate) process_1: &'a OwnedFd,
    /// The session's outer process.
    pub(crate) outer: &'a OwnedFd,
    /// Where it hears that the view stands, if that is still being built.
    pub(crate) go: Option<&'a OwnedFd>,
    /// Where it says how far it has come.
    pub(crate) report: &'a OwnedFd,
}

/// Becomes the command. Returns only on failure.
pub(crate) fn become_command(
    way: &Way<'_>,
    identity: &Identity,
    policy: &Policy,
    command: &Command,
) -> std::result::Result<std::convert::Infallible, Failure> {
    if command.own_keyring {
        join_new_session_keyring().doing("leave", || "root's session keyring")?;
    }
    filter_session(&policy.kernel)?;
    // The lock on the instance and the descriptor that counts sessions are the outer process's.
    let own = [way.report, way.process_1, way.outer];
    let kept = own.into_iter().chain(way.go).chain(&command.files);
    let kept = kept.map(AsFd::as_fd);
    close_all_but(&kept.collect::<Vec<_>>()).doing("close", || "the helper's descriptors")?;
    let silent = match way.go.map(view_stands).transpose()? {
        // The outer process knows why.
        Some(None) => std::process::exit(125),
        Some(Some(silent)) => silent,
        None => Vec::new(),
    };
    // All at once: either everything is the instance's or nothing is.
    let namespaces = ThreadNameSpaceType::USER
        | ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
        | ThreadNameSpaceType::CONTROL_GROUP;
    move_into_thread_name_spaces(way.process_1.as_fd(), namespaces)
        .doing("setns", || "the instance's namespaces")?;
    rustix::io::write(way.report, &[JOINED]).doing("write", || "to the session")?;
    let kept = [way.report, way.outer].into_iter().chain(&command.files);
    close_all_but(&kept.map(AsFd::as_fd).collect::<Vec<_>>())
        .doing("close", || "the helper's descriptors")?;
    become_user(identity, &policy.root, command.root)?;
    if command.own_terminal {
        take_terminal()?;
    } else if command.own_keyring {
        // Whoever has a controlling terminal can type into it (TIOCSTI); root's is not for this one.
        setsid().doing("setsid", || "the command")?;
    }
    // Whoever kills the session's process outside means this one too.
    set_parent_process_death_signal(Some(Signal::KILL))
        .doing("set", || "the parent death signal")?;
    // It may have been killed before.
    if wait_for_end(way.outer, Some(Duration::ZERO))? {
        std::process::exit(125);
    }
    let elsewhere = go_to(command)?;
    // A caller who does not read keeps only this process waiting, and can end it: signals reach it
    // from here on.
    set_mask(command.mask).doing("restore", || "the caller's signal mask")?;
    let silent = silent.iter().map(|path| {
        let path = path.display();
        format!("leave out {path}: its file server does not answer")
    });
    let said = command.warnings.iter().cloned().chain(silent);
    said.chain(elsewhere).for_each(|text| warn(&text));
    give_back(command)?;
    Err(execute(command))
}

/// Gives the command what the helper had taken or changed of the caller's process state.
fn give_back(command: &Command) -> Result<()> {
    for (resource, limit) in &command.limits {
        setrlimit(*resource, *limit).doing("restore", || "the caller's limits")?;
    }
    umask(command.umask);
    default_actions(&[Signal::PIPE.as_raw(), Signal::XFSZ.as_raw()]);
    set_mask(command.mask).doing("restore", || "the caller's signal mask")
}

#[expect(clippy::disallowed_methods, reason = "nothing is written")]
fn take_terminal() -> Result<()> {
    setsid().doing("setsid", || "the command")?;
    let terminals = [
        rustix::stdio::stdin(),
        rustix::stdio::stdout(),
        rustix::stdio::stderr(),
    ];
    match terminals.into_iter().find(|fd| isatty(fd)) {
        Some(terminal) => {
            ioctl_tiocsctty(terminal).doing("make", || "the terminal the controlling one")
        }
        None => Ok(()),
    }
}

/// `CAP_LAST_CAP` of the newest kernel known.
const LAST_CAPABILITY: u32 = 40;

/// The user, or container root, with no capability left over from the helper. Capabilities that the
/// policy withholds leave the bounding set, so that no setuid program inside brings them back.
fn become_user(identity: &Identity, root: &Root, as_root: bool) -> Result<()> {
    for number in 0..=LAST_CAPABILITY {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if !policy_set(root).contains(capability) {
            match remove_capability_from_bounding_set(capability) {
                // A kernel that does not know the capability has none to withhold.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(errno) => return Err(errno).doing("drop", || "capabilities"),
            }
        }
    }
    let (uid, gid, groups) = if as_root {
        (0, 0, vec![])
    } else {
        let groups = identity
            .groups
            .iter()
            .map(|gid| Gid::from_raw(*gid))
            .collect();
        (identity.uid, identity.gid, groups)
    };
    let (user, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    set_thread_groups(&groups).doing("setgroups", || format!("user {uid}"))?;
    set_thread_res_gid(group, group, group).doing("setresgid", || gid)?;
    set_thread_res_uid(user, user, user).doing("setresuid", || uid)?;
    stay_closed().doing("prctl", || "PR_SET_DUMPABLE")?;
    // What execve(2) will give: user id 0 what the bounding set leaves, and anybody else nothing.
    let kept = if as_root {
        policy_set(root)
    } else {
        CapabilitySet::empty()
    };
    capabilities(kept)
}

/// The capabilities that the policy leaves to container root.
fn policy_set(root: &Root) -> CapabilitySet {
    let bits = root
        .capabilities
        .iter()
        .map(|kept| 1_u64 << u32::from(kept.number()));
    CapabilitySet::from_bits_retain(bits.fold(0, |all, one| all | one))
}

/// Writes to the caller's standard error, as the user or as container root: this process has become
/// the one that will be the command.
#[expect(
    clippy::disallowed_methods,
    reason = "it has no rights but the command's"
)]
fn warn(text: &str) {
    let text = format!("caddis: {}\n", printable(text));
    let _ = write_all(rustix::stdio::stderr(), text.as_bytes());
}

/// Goes where the caller was, if that exists inside; else returns what there is to say.
fn go_to(command: &Command) -> Result<Option<String>> {
    let wanted = command.directory.as_deref().unwrap_or(&command.home);
    let Err(errno) = chdir(wanted) else {
        return Ok(None);
    };
    let instead = if chdir(&command.home).is_ok() {
        command.home.as_path()
    } else {
        chdir("/").doing("chdir", || "/")?;
        Path::new("/")
    };
    Ok(Some(format!(
        "cannot go to {} inside the environment: {}; starting in {}",
        wanted.display(),
        words(errno),
        instead.display()
    )))
}

/// What EAGAIN means for execve(2).
const TOO_MANY: &str = "there are as many processes as `ulimit -u` allows, in this session or in the one that started \
    the environment, or as `limits.processes` of the policy allows; `caddis stop` ends them all";

/// Executes the first choice that exists: 127 if none does, 126 if it exists and cannot be executed.
fn execute(command: &Command) -> Failure {
    let mut failure = Failure::from(Error::refused("execute", "the command", "it is empty"));
    for argv in &command.choices {
        let Some(name) = argv.first() else { continue };
        let errno = search(name, argv, &command.variables);
        let shown = name.to_string_lossy().into_owned();
        let status = if errno == Errno::NOENT { 127 } else { 126 };
        let mut error = Error::kernel("execute", shown, errno);
        if errno == Errno::AGAIN {
            error = error.hint(TOO_MANY);
        }
        failure = Failure { status, error };
        if errno != Errno::NOENT {
            break;
        }
    }
    failure
}

/// As execvp(3): a name without a slash is looked up in the command's own `PATH`.
fn search(name: &CStr, argv: &[CString], variables: &[CString]) -> Errno {
    if name.to_bytes().contains(&b'/') {
        return execve(name, argv, variables);
    }
    if name.is_empty() {
        return Errno::NOENT;
    }
    let path = variables
        .iter()
        .find_map(|variable| variable.to_bytes().strip_prefix(b"PATH="))
        .unwrap_or(b"/usr/local/bin:/usr/bin:/bin");
    let mut answer = Errno::NOENT;
    for directory in path.split(|byte| *byte == b':') {
        let file = Path::new(OsStr::from_bytes(if directory.is_empty() {
            b"."
        } else {
            directory
        }))
        .join(OsStr::from_bytes(name.to_bytes()));
        let Ok(file) = CString::new(file.as_os_str().as_bytes()) else {
            continue;
        };
        match execve(&file, argv, variables) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => answer = Errno::ACCESS,
            other => return other,
        }
    }
    answer
}

/// Becomes the command from inside an instance, where the setuid bit has made the caller container
/// root and there is nothing to join. Returns only on failure.
#[must_use]
pub fn execute_inside(uid: u32, gid: u32, command: &Command) -> (u8, Error) {
    let become_it = || -> Result<()> {
        let (uid, gid) = if command.root { (0, 0) } else { (uid, gid) };
        let (user, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        if command.root {
            set_thread_groups(&[]).doing("setgroups", || "container root")?;
        }
        set_thread_res_gid(group, group, group).doing("setresgid", || gid)?;
        set_thread_res_uid(user, user, user).doing("setresuid", || uid)?;
        give_back(command)
    };
    let Failure { status, error } = match become_it() {
        Ok(()) => execute(command),
        Err(error) => error.into(),
    };
    (status, error)
}

/// What the session's outer process keeps: the user's id, as the kernel of the host sees it, and the
/// right to signal processes of the instance, nothing else.
pub(crate) fn become_monitor(process_1: impl AsFd, identity: &Identity) -> Result<()> {
    let kept = match move_into_thread_name_spaces(process_1.as_fd(), ThreadNameSpaceType::USER) {
        Ok(()) => CapabilitySet::KILL,
        // Process 1 has just ended, and the kernel ends the command with it: its status is the answer.
        Err(Errno::SRCH) => CapabilitySet::empty(),
        Err(errno) => return Err(errno).doing("setns", || "the instance's user namespace"),
    };
    let (user, group) = (
        Some(Uid::from_raw(identity.uid)),
        Some(Gid::from_raw(identity.gid)),
    );
    set_thread_groups(&[]).doing("setgroups", || "the session")?;
    set_thread_res_gid(group, group, group).doing("setresgid", || identity.gid)?;
    set_thread_res_uid(user, user, user).doing("setresuid", || identity.uid)?;
    capabilities(kept)?;
    set_no_new_privs(true).doing("set", || "no_new_privs")?;
    stay_closed().doing("prctl", || "PR_SET_DUMPABLE")
}
