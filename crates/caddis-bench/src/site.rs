//! Where it all happens: a disposable host with Caddis and the other programs in it, and a runner for each user.

use crate::arguments::Arguments;
use crate::candidates::{Others, tree};
use crate::error::{Context, Error, Result};
use crate::runner::{Request, Runner};
use caddis_lab::Host;
use std::cell::Cell;
use std::fs;

/// Where this program is in the host, and so in every environment of it.
pub const PROGRAM: &str = "/opt/bench/caddis-bench";
/// Where the files are that are read and written.
pub const FILES: &str = "/srv/bench";
const POLICY: &str = "/etc/caddis/policy.toml";

/// How long an instance without sessions lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linger {
    /// It ends with its last session.
    Off,
    /// As the policy has it that is installed.
    Default,
    /// Longer than any suite takes.
    Long,
}

/// A user of the host, or nobody of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// An ordinary user.
    Alice,
    /// Root of the host.
    Root,
    /// The caller, on the machine itself.
    Machine,
}

/// The host and the runners.
#[derive(Debug)]
pub struct Site {
    // The runners end before their host does.
    alice: Runner,
    root: Runner,
    machine: Runner,
    host: Host,
    /// The other programs.
    pub others: Others,
    /// How often each thing is measured.
    pub runs: usize,
    /// How many environments run side by side.
    pub many: usize,
    policy: String,
    linger: Option<Linger>,
    next: Cell<u32>,
}

impl Site {
    /// Starts the host and puts the programs there.
    pub fn open(arguments: &Arguments) -> Result<Site> {
        let host = Host::builder()
            .name("bench")
            .start()
            .context("start the host")?;
        let made = "mkdir -p /opt/bench /srv/bench && chown alice:alice /srv/bench && chmod 755 /opt/bench";
        run(&host, "root", made)?;
        let own = fs::read("/proc/self/exe").context("read this program")?;
        host.write(PROGRAM, own, 0o755);
        tree::make(&host)?;
        let others = Others::install(&host, arguments.docker_image.as_deref())?;
        let policy = host.read_text(POLICY);
        Ok(Site {
            alice: Runner::start(&host, "alice", PROGRAM),
            root: Runner::start(&host, "root", PROGRAM),
            machine: Runner::Here(crate::runner::Server::default()),
            others,
            runs: arguments.runs.max(1),
            many: arguments.many.max(1),
            policy,
            linger: None,
            next: Cell::new(0),
            host,
        })
    }

    /// The runner of a user.
    pub fn runner(&mut self, who: Who) -> &mut Runner {
        match who {
            Who::Alice => &mut self.alice,
            Who::Root => &mut self.root,
            Who::Machine => &mut self.machine,
        }
    }

    /// A name that no environment or container has had.
    pub fn fresh_name(&self) -> String {
        self.next.set(self.next.get() + 1);
        format!("b{}", self.next.get())
    }

    /// Sets the linger time in the host's policy.
    pub fn set_linger(&mut self, linger: Linger) -> Result<()> {
        if self.linger == Some(linger) {
            return Ok(());
        }
        let time = match linger {
            Linger::Off => Some("linger = \"0\""),
            Linger::Default => None,
            Linger::Long => Some("linger = \"60m\""),
        };
        let lines = self.policy.lines().map(|line| match time {
            Some(other) if line.starts_with("linger =") => other,
            _ => line,
        });
        let text = lines.collect::<Vec<_>>().join("\n") + "\n";
        let path = POLICY.to_owned();
        self.root.seconds(&Request::Write { path, text })?;
        self.linger = Some(linger);
        Ok(())
    }

    /// Ends all environments and waits until they are gone.
    pub fn stop_all(&mut self) -> Result<()> {
        self.alice.time(
            ["/usr/local/bin/caddis", "stop", "--all"]
                .map(Into::into)
                .into(),
        )?;
        self.settle()?;
        Ok(())
    }

    /// Waits until what is on its way down is gone; the seconds that took.
    pub fn settle(&mut self) -> Result<f64> {
        self.root.seconds(&Request::Settle)
    }

    /// Ends and removes all environments, so that the next suite finds what the first one found.
    pub fn clean(&mut self) -> Result<()> {
        self.stop_all()?;
        run(
            &self.host,
            "root",
            "rm -rf /var/lib/caddis/env/* /run/caddis/*",
        )
    }

    /// Prepares the host for logins and starts its sshd.
    pub fn serve_ssh(&self, prepare: &str) -> Result<()> {
        run(&self.host, "root", &format!("set -e\n{prepare}"))?;
        self.host.start_sshd();
        Ok(())
    }

    /// Something of the host, looked up by a shell of root's.
    pub fn look(&self, script: &str) -> String {
        self.host.sh("root", script).stdout.trim().to_owned()
    }
}

/// Runs a script in the host, for its effect.
pub fn run(host: &Host, user: &str, script: &str) -> Result<()> {
    let output = host.sh(user, script);
    if output.code() == 0 {
        return Ok(());
    }
    Err(Error(format!("prepare the host: {output}")))
}
