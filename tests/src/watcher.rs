//! `caddis admin watch` of a host, to be talked to.

use caddis_lab::{Host, HostChild, Output, eventually};

use crate::Environments;

/// A watcher that watches. Not the test's own child: nsenter would be stopped together with it.
#[derive(Debug)]
pub struct Watcher<'host> {
    host: &'host Host,
    shell: HostChild,
    /// Its process id in the host.
    pub pid: String,
}

/// Starts one; it watches when this returns.
pub fn watch(host: &Host) -> Watcher<'_> {
    let script = "caddis admin watch --verbose 2>&1 & echo $!; wait $!";
    let mut shell = host.spawn("root", script);
    let pid = shell.line();
    shell.until(" for what happened before\n");
    Watcher { host, shell, pid }
}

impl Watcher<'_> {
    /// What it says, up to and including `text`.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> String {
        self.shell.until(text)
    }

    /// Sends it the signal of this name.
    pub fn kill(&self, signal: &str) {
        let script = format!("kill -{signal} {}", self.pid);
        self.host.sh("root", &script).ok();
    }

    /// Stops it: none of its threads does anything when this returns.
    pub fn stop(&self) {
        self.kill("STOP");
        let states = format!("cat /proc/{}/task/*/status | grep ^State:", self.pid);
        eventually("it has stopped", || {
            let states = self.host.sh("root", &states).ok();
            states.stdout.lines().all(|line| line.contains("\tT "))
        });
    }

    /// Waits until it has ended.
    pub fn wait(self) -> Output {
        self.shell.wait()
    }
}

/// What alice's environment says to a script.
pub fn seen(host: &Host, script: &str) -> String {
    let output = host.inside("alice", script);
    output.text().to_owned()
}
