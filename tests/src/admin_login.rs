//! `caddis admin login` on a host whose people are in different groups, and sshd's own word for what came of it.

use caddis_lab::{Host, Output};

use crate::Environments;

/// The file in which logins are turned on.
pub const DROP_IN: &str = "/etc/ssh/sshd_config.d/60-caddis.conf";

/// One of the site's that sshd reads before.
pub const EARLIER: &str = "/etc/ssh/sshd_config.d/10-site.conf";

/// What sshd is to run.
pub const PROGRAM: &str = "/usr/local/bin/caddis-login";

/// alice and carol are in proj, bob and root in proj and sudo, dave in neither.
pub fn host() -> Host {
    let host = Host::start().unwrap_or_else(|error| panic!("{error}"));
    let script = "mkdir -m 755 /run/sshd; useradd -m -s /bin/bash dave; usermod -aG proj,sudo bob; usermod -aG proj,sudo root";
    host.sh("root", script).ok();
    host
}

/// `caddis admin login` with these arguments, by root.
pub fn login(host: &Host, arguments: &[&str]) -> Output {
    host.caddis("root", &[&["admin", "login"], arguments].concat())
        .run()
}

/// What an answer says.
pub trait Shows {
    /// Itself, if it contains this; else the test ends here.
    fn shows(self, text: &str) -> Output;
}

impl Shows for Output {
    #[track_caller]
    fn shows(self, text: &str) -> Output {
        assert!(self.stdout.contains(text), "no {text:?} in {self}");
        self
    }
}

/// What sshd says holds for a user.
pub fn holds(host: &Host, user: &str, keyword: &str) -> String {
    let ask =
        format!("sshd -T -C user={user},host=localhost,addr=127.0.0.1 | sed -n 's/^{keyword} //p'");
    host.sh("root", &ask).ok().text().to_owned()
}

/// Who of all five gets caddis-login.
pub fn sent(host: &Host) -> Vec<&'static str> {
    let users = ["alice", "bob", "carol", "dave", "root"];
    users
        .into_iter()
        .filter(|user| holds(host, user, "forcecommand") == PROGRAM)
        .collect()
}
