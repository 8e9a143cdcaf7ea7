//! Logins by ssh: alice's account, bob's client, a real sshd between them, all on one host.

use caddis_lab::{Host, HostCommand, Output, Pty, eventually};
use std::ffi::OsStr;

/// Starts one more sshd beside that of [`Host::start_sshd`], with these options; it listens when this returns. It becomes
/// a daemon before that, so the end of the command says nothing.
pub fn another_sshd(host: &Host, options: &str) {
    let file = "/run/another-sshd.pid";
    let start = format!("mkdir -p -m 755 /run/sshd && /usr/sbin/sshd -o PidFile={file} {options}");
    host.sh("root", &start).ok();
    eventually("the other sshd listens", || host.exists(file));
}

/// How alice's logins come to Caddis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Not at all: what a test expects of sshd and its clients has to be true without Caddis as well.
    Plain,
    /// By sshd's `ForceCommand`, as `caddis admin login enable` has it: for all but root and who else is let through.
    ForceCommand,
    /// As alice's login shell in `/etc/passwd`.
    Shell,
}

impl Way {
    /// What `CADDIS_ENV` says in a login that names no environment.
    pub fn environment(self) -> &'static str {
        match self {
            Way::Plain => "",
            Way::ForceCommand | Way::Shell => "default",
        }
    }

    fn set_up(self, host: &Host) {
        match self {
            Way::Plain => {}
            Way::ForceCommand => {
                // sshd, which checks its configuration, wants its directory. It is not running yet.
                let enable = "mkdir -p -m 755 /run/sshd && caddis admin login enable --no-reload";
                host.sh("root", enable).ok();
            }
            Way::Shell => {
                let accept = "AcceptEnv CADDIS_LOGIN_ENV\n";
                host.write("/etc/ssh/sshd_config.d/60-caddis.conf", accept, 0o644);
                host.sh("root", "usermod -s /usr/local/bin/caddis-login alice")
                    .ok();
            }
        }
    }
}

/// Makes a test of each function, once for each way, so that a failure names the way.
#[macro_export]
macro_rules! every_way {
    ($($test:ident),* $(,)?) => {
        $crate::every_way!(@plain Plain $($test)*);
        $crate::every_way!(@force_command ForceCommand $($test)*);
        $crate::every_way!(@shell Shell $($test)*);
    };
    (@$module:ident $way:ident $($test:ident)*) => {
        mod $module {
            $(#[test]
            fn $test() {
                super::$test($crate::Way::$way);
            })*
        }
    };
}

/// A host with sshd, into which bob can log in with his key: as alice (`ssh there`), as carol and as root.
#[derive(Debug)]
pub struct Ssh {
    /// The machine that is logged in to, and bob's as well.
    pub host: Host,
    /// How alice gets in.
    pub way: Way,
}

impl Ssh {
    /// An ordinary one.
    pub fn start(way: Way) -> Ssh {
        Ssh::start_with(way, "")
    }

    /// One with further lines in sshd's configuration.
    pub fn start_with(way: Way, lines: &str) -> Ssh {
        let host = Host::start().unwrap_or_else(|error| panic!("{error}"));
        Ssh::on(host, way, lines)
    }

    /// The same on a host that is already prepared for it.
    pub fn on(host: Host, way: Way, lines: &str) -> Ssh {
        host.sh(
            "bob",
            "mkdir -m 700 .ssh && ssh-keygen -q -t ed25519 -N '' -C bob -f .ssh/id_ed25519 && cat > .ssh/config <<'E'\n\
             Host there project plain\n HostName localhost\n User alice\n\
             Host carol\n HostName localhost\n User carol\n\
             Host root\n HostName localhost\n User root\n\
             Host project\n SetEnv CADDIS_LOGIN_ENV=project\n\
             Host *\n BatchMode yes\n UpdateHostKeys no\nE",
        )
        .ok();
        host.sh(
            "root",
            "set -e; sed 's/^/localhost /' /etc/ssh/ssh_host_ed25519_key.pub > /etc/ssh/ssh_known_hosts\n\
             for user in alice carol root; do\n home=$(getent passwd $user | cut -d: -f6)\n\
             install -d -m 700 -o $user -g $user $home/.ssh\n\
             install -m 600 -o $user -g $user /home/bob/.ssh/id_ed25519.pub $home/.ssh/authorized_keys\ndone",
        )
        .ok();
        way.set_up(&host);
        host.start_sshd_with(lines);
        Ssh { host, way }
    }

    /// bob's `ssh` with these arguments, to be refined.
    pub fn ssh<S: AsRef<OsStr>>(&self, arguments: &[S]) -> HostCommand<'_> {
        let mut argv = vec![OsStr::new("ssh")];
        argv.extend(arguments.iter().map(AsRef::as_ref));
        self.host.command("bob", &argv)
    }

    /// `ssh there COMMAND`.
    pub fn run(&self, command: &str) -> Output {
        self.ssh(&["there", command]).run()
    }

    /// `ssh -tt there` on a terminal of bob's, at alice's prompt.
    #[track_caller]
    pub fn login(&self) -> Pty {
        let mut pty = self.terminal(&["-tt", "there"]);
        pty.expect("alice@host:~$ ");
        pty
    }

    /// bob's `ssh` with these arguments on a terminal.
    pub fn terminal(&self, arguments: &[&str]) -> Pty {
        self.ssh(arguments).env("TERM", "dumb").pty()
    }

    /// The test ends here unless alice's commands run where they should: in her environment, or on the plain host.
    #[track_caller]
    pub fn lands(&self) {
        let mark = "/var/tmp/landed";
        let said = self.run(&format!("touch {mark}; echo \"[$CADDIS_ENV]\""));
        assert_eq!(
            said.ok().text(),
            format!("[{}]", self.way.environment()),
            "{:?}",
            self.way
        );
        assert_eq!(self.host.exists(mark), self.way == Way::Plain);
    }
}
