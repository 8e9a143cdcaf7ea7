//! Services of a host that a test starts when it needs them.

use crate::HostChild;
use crate::eventually;
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

    /// Whether systemd is its PID 1, as sd_booted(3) asks.
    fn has_systemd(&self) -> bool {
        self.exists("/run/systemd/system")
    }

    /// Waits until systemd has started everything.
    pub(crate) fn wait_for_systemd(&self) {
        // From here on it can be asked, and be waited for.
        eventually("systemd answers", || self.exists("/run/systemd/private"));
        let state = self.sh("root", "systemctl is-system-running --wait");
        if state.text() != "running" {
            let why = self.sh(
                "root",
                "systemctl --no-pager --failed; journalctl --no-pager -p warning",
            );
            panic!("systemd does not run as it should:\n{state}\n{why}");
        }
    }

    /// Starts sshd with the host's own keys; it is there when this returns.
    pub fn start_sshd(&self) {
        self.start_sshd_with("");
    }

    /// The same with further lines of configuration. sshd takes the first word on a matter, and that is theirs.
    pub fn start_sshd_with(&self, lines: &str) {
        self.write("/etc/ssh/sshd_config.d/10-lab.conf", lines, 0o644);
        if self.has_systemd() {
            self.sh("root", "systemctl restart ssh").ok();
            return;
        }
        // Logins are noted where there is a file to note them in; on other machines systemd makes it.
        self.sh(
            "root",
            "mkdir -p -m 755 /run/sshd && install -g utmp -m 664 /dev/null /run/utmp && /usr/sbin/sshd",
        )
        .ok();
        // Written when it listens, and there, but empty, a moment before.
        eventually("sshd listens", || {
            let pid = self.text_if_there("/run/sshd.pid");
            pid.is_some_and(|pid| pid.ends_with('\n'))
        });
    }

    /// Starts cron, which runs the users' `@reboot` lines at once.
    pub fn start_cron(&self) {
        self.sh("root", "cron").ok();
    }

    /// Starts a Kerberos realm of the host's own, with alice's and carol's passwords and the host's keytab.
    pub fn start_kerberos(&self) {
        self.write(
            "/etc/krb5.conf",
            "[libdefaults]\n default_realm = LAB\n dns_lookup_kdc = false\n dns_lookup_realm = false\n \
             dns_canonicalize_hostname = false\n rdns = false\n forwardable = true\n\
             [realms]\n LAB = {\n  kdc = 127.0.0.1\n }\n\
             [domain_realm]\n localhost = LAB\n",
            0o644,
        );
        // krb5kdc binds before it becomes a daemon.
        self.sh(
            "root",
            "set -e; kdb5_util create -s -r LAB -P master; \
             for user in alice bob carol; do kadmin.local -q \"addprinc -pw $user $user\"; done; \
             kadmin.local -q 'addprinc -randkey host/localhost'; kadmin.local -q 'ktadd host/localhost'; krb5kdc",
        )
        .ok();
    }

    /// Starts an X server as this user, whose display `:7` is from here on; it lives as long as what is returned.
    pub fn start_x_server(&self, user: &str) -> HostChild {
        self.sh("root", "install -d -m 1777 /tmp/.X11-unix").ok();
        let mut server = self.spawn(
            user,
            "xauth add :7 . $(mcookie) && exec Xvfb :7 -displayfd 1 -screen 0 640x480x24 -nolisten tcp \
             -auth ~/.Xauthority",
        );
        // Said when clients can connect.
        assert_eq!(server.line(), "7");
        server
    }
}
