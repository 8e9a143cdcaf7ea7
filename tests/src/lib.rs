//! What the tests across crates share. Each file in `tests/` is one capability; each test starts a host of
//! its own (see `docs/lab.md`).
#![forbid(unsafe_code)]
// A failed expectation ends the test there and then.
#![allow(clippy::panic)]

pub mod admin_login;
pub mod attack;
pub mod login;
pub mod packages;
pub mod readme;
pub mod revert;
pub mod watcher;

mod install;
mod owner;
mod script;
mod ssh;
mod state;
mod terminal;
mod told;
mod trial;
mod untouched;

pub use install::make;
pub use owner::held_by_another;
pub use script::strict;
pub use ssh::{Ssh, Way, another_sshd};
pub use state::State;
pub use terminal::{commands_are_told_of_the_size, in_foreground, stopped_and_continued};
pub use told::{NothingLeft, Told};
pub use trial::interrupted_try;
pub use untouched::Untouched;

use caddis_lab::{Host, HostChild, HostCommand, Output};

/// The setuid helper, as it is installed.
pub const HELPER: &str = "/usr/local/libexec/caddis/caddis-helper";

/// Commands in a user's environment, as the user would type them.
pub trait Environments {
    /// `caddis run bash -c SCRIPT` as this user, in their environment "default".
    fn inside(&self, user: &str, script: &str) -> Output;

    /// `caddis root bash -c SCRIPT` as this user: the environment's root.
    fn inside_root(&self, user: &str, script: &str) -> Output;

    /// `caddis run bash -c SCRIPT`, started and left running: a session to talk to.
    fn session(&self, user: &str, script: &str) -> HostChild;

    /// `caddis` with these arguments as this user, killed before the system call of that number among those of
    /// `calls` (names, with commas between them) that one of its processes makes.
    fn caddis_killed_at(
        &self,
        user: &str,
        calls: &str,
        number: u32,
        arguments: &[&str],
    ) -> HostCommand<'_>;

    /// `caddis` with these arguments as this user, to be refined.
    fn caddis(&self, user: &str, arguments: &[&str]) -> HostCommand<'_>;
}

impl Environments for Host {
    fn inside(&self, user: &str, script: &str) -> Output {
        self.caddis(user, &["run", "bash", "-c", script]).run()
    }

    fn inside_root(&self, user: &str, script: &str) -> Output {
        self.caddis(user, &["root", "bash", "-c", script]).run()
    }

    fn session(&self, user: &str, script: &str) -> HostChild {
        self.caddis(user, &["run", "bash", "-c", script]).spawn()
    }

    fn caddis_killed_at(
        &self,
        user: &str,
        calls: &str,
        number: u32,
        arguments: &[&str],
    ) -> HostCommand<'_> {
        let inject = format!("inject={calls}:signal=KILL:when={number}");
        let strace = ["strace", "-f", "-u", user, "-o", "/dev/null", "-e", &inject];
        self.command("root", &[&strace[..], &["caddis"], arguments].concat())
    }

    fn caddis(&self, user: &str, arguments: &[&str]) -> HostCommand<'_> {
        let mut argv = vec!["caddis"];
        argv.extend(arguments);
        self.command(user, &argv)
    }
}
