//! `caddis-login`: a login lands in the user's environment.
//!
//! It is a user's shell in `/etc/passwd`, or what sshd runs instead of what a client asks for (`ForceCommand`), and it
//! becomes the user's real shell: on the host for root and for those whom the policy lets through, else in the
//! environment. It holds no privilege. It runs twice:
//!
//! - `outside` decides where the login leads, opens what sshd and PAM have made for the session, and becomes the helper,
//!   with this very program as the session's command;
//! - `inside` is that command: it puts the session's files where they are expected, and becomes the shell.
//!
//! | module | idea |
//! |---|---|
//! | `invocation` | how it was called → what is wanted |
//! | `start` | what is to be started in the end, also as words from the one half to the other |
//! | `authorized_keys`, `key`, `certificate`, `authorities` | what a key's owner has said is to run with it |
//! | `outside`, `bypass`, `forced`, `handed`, `manage` | the first half |
//! | `inside`, `carry`, `relay`, `stream` | the second half |
//! | `attendant`, `hold` | what is left on the host to look after environments, and the way to it |
//! | `beside` | a process beside the session |
//! | `shell`, `execute` | which shell, and becoming it |
//! | `motd` | what sshd does not show where it forces a command |
//! | `variables` | what shells before have left in the environment variables |
//! | `small_file` | reading what somebody else may have made into anything |
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod attendant;
mod authorities;
mod authorized_keys;
mod beside;
mod bypass;
mod carry;
mod certificate;
mod execute;
mod forced;
mod handed;
mod hold;
mod inside;
mod invocation;
mod key;
mod manage;
mod motd;
mod outside;
mod relay;
mod shell;
mod small_file;
mod start;
mod stream;
mod variables;

use std::convert::Infallible;
use std::ffi::OsString;
use std::process::ExitCode;

use caddis_client::error::{Error, FAILED};
use caddis_client::session::is_in_user_namespace;
use invocation::{Invocation, Wanted};

const HELP: &str = "\
caddis-login: the login shell that leads into your environment

Usage: caddis-login [SHELL ARGUMENTS]     your shell, in your environment
       caddis-login --host [COMMAND...]   your shell on the plain host, where the policy allows it

The administrator makes it the users' shell, or sshd's ForceCommand. `man caddis-login` says more.
";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some((first, rest)) = arguments.get(1..).and_then(<[_]>::split_first)
        && first == inside::OPTION
    {
        return ended(inside::run(rest));
    }
    let variables: Vec<_> = std::env::vars_os().collect();
    let invocation = Invocation::read(&arguments, &variables);
    match invocation.wanted {
        Wanted::Help => print(HELP),
        Wanted::Version => print(concat!("caddis-login ", env!("CARGO_PKG_VERSION"), "\n")),
        _ if rustix::process::getuid().is_root() || is_in_user_namespace() => {
            ended(execute::here(invocation, variables))
        }
        _ => ended(outside::run(invocation, variables)),
    }
}

/// Only failures come here: standard output is the client's, so nothing is said there.
fn ended(result: Result<Infallible, Error>) -> ExitCode {
    match result {
        Ok(never) => match never {},
        Err(error) => ExitCode::from(error.report(FAILED)),
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(Error::from(error).report(FAILED)),
    }
}
