//! The processes of instances, as the host's `/proc` shows them.

use crate::output::encode;
use caddis_policy::{EnvName, IdRange};
use caddis_view::process::{Stat, field};
use caddis_view::{Identity, Instance};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// A process on the host.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its id on the host.
    pub host: i32,
    /// Its ids in the pid namespaces below, outermost first.
    inner: Vec<i32>,
    parent: i32,
    pid_namespace: u64,
    /// Its user, as the host sees it.
    pub uid: u32,
    /// Its terminal, as the kernel encodes it; 0: none.
    pub terminal: u64,
    /// When it started, in seconds since the boot.
    pub started: u64,
}

impl Process {
    /// Its id in the environment.
    pub fn inside(&self) -> i32 {
        self.inner.first().copied().unwrap_or(0)
    }

    /// Its command line, its name if it has none; bytes as the process left them.
    pub fn command(&self) -> Vec<u8> {
        let mut line = self.read("cmdline");
        while line.last() == Some(&0) {
            line.pop();
        }
        if line.is_empty() {
            return [b"[", self.name().as_slice(), b"]"].concat();
        }
        line.iter()
            .map(|byte| if *byte == 0 { b' ' } else { *byte })
            .collect()
    }

    /// Its name, as the kernel has it.
    pub fn name(&self) -> Vec<u8> {
        self.read("comm").trim_ascii_end().to_vec()
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(format!("/proc/{}/{file}", self.host)).unwrap_or_default()
    }
}

/// All processes of the host, by their id.
#[must_use]
pub fn all() -> BTreeMap<i32, Process> {
    that(|_| true)
}

/// Those that may be in an environment of `identity`'s, which is a fraction of the work on a busy host.
#[must_use]
pub fn of_user(identity: &Identity) -> BTreeMap<i32, Process> {
    that(|pid| {
        let owner = fs::metadata(format!("/proc/{pid}")).map(|metadata| metadata.uid());
        let inner = |uid| identity.range.inner_uid(uid).is_some();
        // What is not dumpable seems to be root's; see proc(5).
        owner.is_ok_and(|uid| uid == 0 || uid == identity.uid || inner(uid))
    })
}

fn that(wanted: impl Fn(i32) -> bool) -> BTreeMap<i32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| wanted(*pid))
        .filter_map(|pid| Some((pid, read(pid)?)))
        .collect()
}

/// Ticks of `/proc/PID/stat` in a second: `USER_HZ`, which is 100 on every Linux.
const TICKS: u64 = 100;

fn read(pid: i32) -> Option<Process> {
    let namespace = fs::metadata(format!("/proc/{pid}/ns/pid")).ok()?.ino();
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    // A dead one whose parent, init it may be, has not looked after it yet is no session's any more.
    let stat = Stat::of(pid).ok()?.filter(|stat| stat.state != 'Z')?;
    Some(Process {
        host: pid,
        inner: field(&status, "NSpid:")?
            .skip(1)
            .filter_map(|id| id.parse().ok())
            .collect(),
        parent: stat.parent,
        pid_namespace: namespace,
        uid: field(&status, "Uid:")?.next()?.parse().ok()?,
        terminal: stat.terminal.into(),
        started: stat.started / TICKS,
    })
}

/// The processes of `instance` without process 1, those of pid namespaces nested in it as well; and
/// for each the first process of its session, if it has one.
pub fn of_instance<'a>(
    all: &'a BTreeMap<i32, Process>,
    instance: &Instance,
) -> Vec<(&'a Process, Option<i32>)> {
    let first = instance.pid.as_raw_nonzero().get();
    let Some(init) = all.get(&first) else {
        return Vec::new();
    };
    let belongs = |process: &Process| {
        let mut one = Some(process);
        for _ in 0..all.len() {
            match one {
                Some(process) if process.pid_namespace == init.pid_namespace => return true,
                Some(process) => one = all.get(&process.parent),
                None => return false,
            }
        }
        false
    };
    let members: BTreeMap<i32, &Process> = all
        .iter()
        .filter(|(pid, process)| **pid != first && belongs(process))
        .map(|(pid, process)| (*pid, process))
        .collect();
    members
        .values()
        .map(|process| (*process, session(&members, process, first)))
        .collect()
}

/// Goes up from a process to the one whose parent is outside of the instance: the first process of
/// its session. A daemon that has left its session is process 1's child instead.
fn session(members: &BTreeMap<i32, &Process>, process: &Process, first: i32) -> Option<i32> {
    let mut one = process;
    for _ in 0..members.len() {
        match members.get(&one.parent) {
            Some(parent) => one = parent,
            None if one.parent == first => return None,
            None => return Some(one.inside()),
        }
    }
    None
}

/// A process of an environment, as others read of it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Whose environment.
    pub uid: u32,
    /// Which.
    pub name: &'a EnvName,
    /// The host ids of its inner ids, where they are known.
    pub range: Option<&'a IdRange>,
    /// When the machine was started; see [`boot_time`].
    pub booted: u64,
}

impl Shown<'_> {
    /// A line of fields about `process`, of the session of that first process.
    #[must_use]
    pub fn line(&self, process: &Process, session: Option<i32>) -> String {
        let Shown { uid, name, .. } = self;
        // A host id outside of the range, the user's own among them, stands for itself.
        let inner = self.range.and_then(|range| range.inner_uid(process.uid));
        let user = inner.unwrap_or(process.uid);
        let session = session.map_or("-".to_owned(), |pid| pid.to_string());
        format!(
            "uid={uid}\tenv={name}\tpid={}\thost={}\tuser={user}\tsession={session}\t\
             tty={}\tstart={}\tcommand={}",
            process.inside(),
            process.host,
            terminal(process.terminal),
            self.booted + process.started,
            encode(&process.command()),
        )
    }
}

/// The name of a terminal by its number, see "tty_nr" in proc_pid_stat(5); pseudo-terminals have the
/// major numbers 136 to 143.
fn terminal(number: u64) -> String {
    let major = (number >> 8) & 0xfff;
    let minor = (number & 0xff) | ((number >> 12) & 0xfff00);
    match major {
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 => format!("tty{minor}"),
        _ => "-".to_owned(),
    }
}

/// When the machine was started, in seconds since 1970.
#[must_use]
pub fn boot_time() -> u64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))
        .and_then(|seconds| seconds.trim().parse().ok())
        .unwrap_or(0)
}
