//! `caddis-login` as su, cron and sshd call it, without any of them.

use caddis_lab::{Host, HostCommand, Output};

/// The program.
pub const LOGIN: &str = "/usr/local/bin/caddis-login";

/// What it goes by.
pub const POLICY: &str = "/etc/caddis/policy.toml";

/// Where a login has led: a command that says so.
pub const WHERE: &str = "echo ${CADDIS_ENV-host}";

/// `program` with these arguments, called `name`.
pub fn called<'host>(
    host: &'host Host,
    user: &str,
    program: &str,
    name: &str,
    arguments: &[&str],
) -> HostCommand<'host> {
    let exec =
        r#"name=$1 program=$2; shift 2; unset SHLVL PWD OLDPWD; exec -a "$name" "$program" "$@""#;
    let argv = ["bash", "-c", exec, "-", name, program];
    host.command(user, &[&argv[..], arguments].concat())
}

/// As sshd calls a forced command for this client's command.
pub fn forced<'host>(host: &'host Host, user: &str, original: Option<&str>) -> HostCommand<'host> {
    let command = called(host, user, "/bin/bash", "bash", &["-c", LOGIN])
        .env("SSH_CONNECTION", "::1 1000 ::1 22")
        .env("SSH_CLIENT", "::1 1000 22");
    match original {
        Some(original) => command.env("SSH_ORIGINAL_COMMAND", original),
        None => command,
    }
}

/// What a command answers.
pub trait Answers {
    /// The test ends here unless it succeeds and says this.
    fn answers(self, text: &str);
}

impl Answers for Output {
    #[track_caller]
    fn answers(self, text: &str) {
        assert_eq!((self.text(), self.code()), (text, 0), "{self}");
    }
}
