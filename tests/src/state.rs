//! What root sees of environments from the outside: their records, their files, their processes.

use caddis_lab::{Host, eventually};

/// The states of processes that have ended, and the others; see proc_pid_stat(5).
const DEAD: &str = "ZX";
const ALIVE: &str = "R,S,D,T,t,I";

/// A host's state as far as Caddis keeps any.
pub trait State {
    /// Replaces the host's policy.
    fn policy(&self, text: &str);

    /// The same, and ends all instances, so that it holds for the next one.
    fn policy_in_force(&self, text: &str);

    /// The process id on the host of process 1 of an environment that runs or lingers.
    fn first_process(&self, uid: u32, environment: &str) -> Option<u32>;

    /// How many processes of the host have this in their command line; choose a text of your own. One that is dead and
    /// not reaped yet has ended.
    fn count(&self, text: &str) -> usize;

    /// Waits until this many processes have this in their command line: a shell that has forked says so before its child
    /// has called execve.
    fn comes_to(&self, text: &str, count: usize);

    /// Ends all processes of this name, and waits until they are gone. By name: the kernel forgets a command line before
    /// it closes the files.
    fn end_all(&self, name: &str);

    /// Waits until process 1 of each of so many instances is in the cgroup that is no session's, of a host with systemd: a
    /// moment after the first session has begun.
    fn are_apart(&self, instances: usize);

    /// The mounts of the host, a line each, without their ids.
    fn mounts(&self) -> String;
}

impl State for Host {
    fn policy(&self, text: &str) {
        self.write("/etc/caddis/policy.toml", text, 0o644);
    }

    fn policy_in_force(&self, text: &str) {
        self.policy(text);
        self.sh("root", "caddis admin stop --all").ok();
    }

    fn first_process(&self, uid: u32, environment: &str) -> Option<u32> {
        let path = format!("/run/caddis/{uid}/{environment}/init");
        let record = self.text_if_there(&path)?;
        let pid: u32 = record.split(' ').nth(1)?.parse().ok()?;
        // It may go, or be dead already and only not reaped yet.
        let stat = self.text_if_there(&format!("/proc/{pid}/stat"))?;
        let state = stat
            .strip_prefix(&format!("{pid} (caddis-init) "))?
            .chars()
            .next()?;
        (!DEAD.contains(state)).then_some(pid)
    }

    fn count(&self, text: &str) -> usize {
        let found = self.run("root", &["pgrep", "-c", "-r", ALIVE, "-f", "--", text]);
        found.text().parse().unwrap_or(usize::MAX)
    }

    #[track_caller]
    fn comes_to(&self, text: &str, count: usize) {
        eventually(&format!("{count} of {text:?}"), || {
            self.count(text) == count
        });
    }

    fn end_all(&self, name: &str) {
        self.sh("root", &format!("pkill -x '{name}'")).ok();
        eventually(&format!("no {name} is left"), || {
            self.sh("root", &format!("pgrep -x '{name}'")).code() == 1
        });
    }

    fn are_apart(&self, instances: usize) {
        let there = "/sys/fs/cgroup/caddis/cgroup.procs";
        eventually("process 1 is apart", || {
            let inside = self.sh("root", &format!("wc -l < {there}"));
            inside.text() == instances.to_string()
        });
    }

    fn mounts(&self) -> String {
        self.sh("root", "cut -d' ' -f3- /proc/self/mountinfo")
            .ok()
            .stdout
    }
}
