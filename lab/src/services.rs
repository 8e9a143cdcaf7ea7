//! Services of a host that a test starts when it needs them.

use crate::HostChild;
use crate::host::Host;

impl Host {
    /// Starts rsyslogd: from here on `/dev/log` is there and `/var/log/syslog` fills.
    pub fn start_syslog(&self) {
        // There before it starts, so that a reader can wait for its first line.
        self.sh(
            "root",
            "install -o root -g adm -m 640 /dev/null /var/log/syslog && rsyslogd",
        )
        .ok();
        self.wait_for_log("rsyslogd");
    }

    /// Waits until the system log has a line that contains `text`, and returns it.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) -> String {
        let argv = ["tail", "-F", "-n", "+1", "/var/log/syslog"];
        let mut reader: HostChild = self.command("root", &argv).spawn();
        loop {
            let line = reader.line();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Starts sshd with the host's own keys; it is there when this returns.
    pub fn start_sshd(&self) {
        // sshd binds before it becomes a daemon, so its first process ends when connections are accepted.
        self.sh("root", "mkdir -p -m 755 /run/sshd && /usr/sbin/sshd")
            .ok();
    }
}
