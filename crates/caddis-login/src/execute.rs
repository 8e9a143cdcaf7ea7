//! Becoming a shell.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use caddis_client::error::Error;
use caddis_client::session::is_in_user_namespace;
use caddis_client::user::Account;
use caddis_client::user::account::accounts;
use caddis_sys::{default_actions, execve};
use rustix::io::Errno;
use rustix::process::{Signal, getuid};

use crate::forced::Unknown;
use crate::invocation::{Invocation, Wanted, wanted_by};
use crate::start::Start;
use crate::variables::{LOGIN_NAME, Variables, get, set, tidy};
use crate::{forced, shell, small_file};

/// Where distributions have the sftp server.
const SFTP_SERVERS: [&str; 4] = [
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/sftp-server",
];

/// An account database inside may be anything; a real one of this size has a hundred thousand users.
const MOST: u64 = 16 << 20;

/// For whom there is nothing to decide: root, and everybody inside, where the user database is the user's to change.
pub fn here(invocation: Invocation, mut variables: Variables) -> Result<Infallible, Error> {
    let account = account(get(&variables, LOGIN_NAME));
    let home = account.as_ref().map(|account| account.home.as_os_str());
    let forced = match invocation.forced {
        true => match forced::command(&variables, home, invocation.perhaps_su) {
            Ok(command) => command,
            // Nothing of root's that cannot be read keeps root out. What others can bring about must not let anybody in.
            Err(Unknown::Unread(_)) => None,
            Err(Unknown::Key(_)) if is_in_user_namespace() => None,
            Err(unknown) => return Err(unknown.into()),
        },
        false => None,
    };
    tidy(&mut variables, invocation.forced, forced.is_some());
    match forced.map_or(invocation.wanted, wanted_by) {
        Wanted::Host(_) if is_in_user_namespace() => Err(Error::failed(
            "log in to the plain host: this is inside of an environment",
        )
        .hint("leave it first (`exit`), then try again on the host")),
        Wanted::Host(wanted) | Wanted::Environment(wanted) => start(
            wanted,
            account.map(|account| account.shell.into()),
            variables,
        ),
        Wanted::Manage(string) => start(
            Start::command(string),
            account.map(|account| account.shell.into()),
            variables,
        ),
        // These never get here.
        Wanted::Help | Wanted::Version => Err(Error::usage("there is nothing to start")),
    }
}

/// The local account of whoever runs this: of several with one number that of the login's `name`.
pub fn account(name: Option<&OsStr>) -> Option<Account> {
    let text = small_file::read(Path::new("/etc/passwd"), MOST).ok()?;
    let uid = getuid().as_raw();
    let own = || accounts(&text).filter(|account| account.uid == uid);
    let named = own().find(|account| Some(account.name.as_os_str()) == name);
    named.or_else(|| own().next())
}

/// Becomes what is to be started: by the first shell that is there, for a shell.
pub fn start(
    start: Start,
    preferred: impl IntoIterator<Item = PathBuf>,
    mut variables: Variables,
) -> Result<Infallible, Error> {
    // The C library's start in Rust had it ignored.
    default_actions(&[Signal::PIPE.as_raw()]);
    let shells = shell::candidates(preferred, |path| std::fs::canonicalize(path).ok());
    let (login, arguments) = match start {
        Start::Sftp { arguments } => return sftp(&arguments, &shells, variables),
        Start::Shell { login, arguments } => (login, arguments),
    };
    let mut failed = None;
    for (number, path) in shells.iter().enumerate() {
        set(&mut variables, "SHELL", path);
        let reason = execute(path, shell::name(path, login), &arguments, &variables);
        let first = failed.get_or_insert_with(|| not_started(path, reason));
        if reason == Errno::TOOBIG {
            break;
        }
        if let Some(next) = shells.get(number + 1) {
            let text = format!("caddis: {}; trying {}\n", first.message(), next.display());
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }
    let failed = failed.unwrap_or_else(|| Error::failed("start a shell: there is none"));
    Err(match is_in_user_namespace() {
        // Whoever has broken all shells of an environment gets in no more.
        true if !failed.is_hinted() => failed.hint(
            "if it is what you have changed: `ssh HOST caddis status` shows it; `caddis revert` and `caddis remove`, in \
             the same way, give it up",
        ),
        _ => failed,
    })
}

fn not_started(path: &Path, reason: Errno) -> Error {
    let error = Error::io("execute", path.display(), reason);
    match reason {
        Errno::TOOBIG => {
            error.hint("arguments and variables together are longer than the kernel takes")
        }
        _ => error,
    }
}

fn sftp(
    arguments: &[OsString],
    shells: &[PathBuf],
    mut variables: Variables,
) -> Result<Infallible, Error> {
    if let Some(shell) = shells.first() {
        set(&mut variables, "SHELL", shell);
    }
    let mut reason = Errno::NOENT;
    for path in SFTP_SERVERS.map(Path::new) {
        match execute(path, "sftp-server".into(), arguments, &variables) {
            Errno::NOENT | Errno::NOTDIR => {}
            other => reason = other,
        }
    }
    Err(Error::io("execute", SFTP_SERVERS[0], reason)
        .hint("install the sftp server (Debian: openssh-sftp-server), in the environment if it is gone there"))
}

/// Returns only on failure.
fn execute(path: &Path, name: OsString, arguments: &[OsString], variables: &Variables) -> Errno {
    let argv = std::iter::once(name.as_os_str()).chain(arguments.iter().map(OsString::as_os_str));
    let variables = variables
        .iter()
        .map(|(name, value)| [name.as_os_str(), value].join(OsStr::new("=")));
    let strings = (
        CString::new(path.as_os_str().as_bytes()),
        argv.map(|word| CString::new(word.as_bytes()))
            .collect::<Result<Vec<_>, _>>(),
        variables
            .map(|variable| CString::new(variable.into_vec()))
            .collect::<Result<Vec<_>, _>>(),
    );
    match strings {
        (Ok(path), Ok(argv), Ok(variables)) => execve(&path, &argv, &variables),
        // From a kernel that ends strings with a NUL byte there is none.
        _ => Errno::INVAL,
    }
}
