//! The processes of instances, as the host's `/proc` shows them.

use crate::caller::Whom;
use crate::host::{local_name, range};
use crate::output::encode;
use caddis_policy::{IdRange, Policy};
use caddis_view::Instance;
use caddis_view::process::{Stat, Status, pid_namespace, start_of};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// So much of a command line is read. A process can have it point to all of its memory.
const MOST: u64 = 64 * 1024;

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
    /// Its real, effective, saved and file-system user id.
    pub uids: [u32; 4],
    /// Its terminal, as the kernel encodes it; 0: none.
    pub terminal: u64,
    /// When it started, in seconds since the boot.
    pub started: u64,
}

impl Process {
    /// Its id in the environment; that of the host for one that is in none.
    pub fn inside(&self) -> i32 {
        self.inner.first().copied().unwrap_or(self.host)
    }

    /// Whether it is in a pid namespace below the host's.
    pub(crate) fn is_below(&self) -> bool {
        !self.inner.is_empty()
    }

    /// Its command line, its name if it has none; bytes as the process left them. Not those of
    /// another process that has got its number since, which may be anybody's.
    pub fn command(&self) -> Vec<u8> {
        let command = self.command_now();
        let stat = Stat::of(self.host).ok().flatten();
        let same = stat.is_some_and(|stat| stat.started / TICKS == self.started);
        match same {
            true => command,
            false => b"[ended]".to_vec(),
        }
    }

    fn command_now(&self) -> Vec<u8> {
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
        start_of(&format!("/proc/{}/{file}", self.host), MOST).unwrap_or_default()
    }
}

/// All processes of the host, by their id.
#[must_use]
pub fn all() -> BTreeMap<i32, Process> {
    that(|_| true)
}

/// Those that may be in an environment of this user's, whose host ids are in `range`. That is a
/// fraction of the work on a busy host, and no other user decides how much it is.
#[must_use]
pub fn of_user(user: u32, range: &IdRange) -> BTreeMap<i32, Process> {
    let inner = |uid| range.inner_uid(uid).is_some();
    that(|pid| {
        let owner = fs::metadata(format!("/proc/{pid}")).map(|metadata| metadata.uid());
        // What is not dumpable seems to be root's; see proc(5).
        owner.is_ok_and(|uid| uid == 0 || uid == user || inner(uid))
    })
}

/// Those that may be in one of the requested environments: for a user, no more than their own.
pub(crate) fn of_those(policy: &Policy, whom: &Whom, uids: &[u32]) -> BTreeMap<i32, Process> {
    let range = |uid| {
        let name = local_name("/etc/passwd", uid);
        range(policy, uid, name.as_deref()).ok()
    };
    match (whom.by_root, uids) {
        (false, [uid]) => range(*uid).map_or_else(all, |range| of_user(*uid, &range)),
        _ => all(),
    }
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
    let namespace = pid_namespace(pid)?;
    // A dead one whose parent, init it may be, has not looked after it yet is no session's any more.
    let status = Status::of(pid).filter(|status| !status.is_dead())?;
    let stat = Stat::of(pid).ok()??;
    Some(Process {
        host: pid,
        inner: status.inner,
        parent: stat.parent,
        pid_namespace: namespace,
        uid: status.uids[0],
        uids: status.uids,
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
    // When the processes were read, its number may have been that of a process of the host, in
    // whose namespace are all others of the host.
    let Some(init) = all.get(&first).filter(|init| init.is_below()) else {
        return Vec::new();
    };
    // Downwards from those of its pid namespace, so that each is visited once however deep it is.
    let mut children: BTreeMap<i32, Vec<&Process>> = BTreeMap::new();
    for process in all.values() {
        children.entry(process.parent).or_default().push(process);
    }
    let below = |from: Vec<&'a Process>, visit: &mut dyn FnMut(&'a Process) -> bool| {
        let mut ahead = from;
        while let Some(process) = ahead.pop() {
            if visit(process) {
                ahead.extend(children.get(&process.host).into_iter().flatten().copied());
            }
        }
    };
    let inside = all
        .values()
        .filter(|process| process.pid_namespace == init.pid_namespace);
    let mut members = BTreeSet::new();
    below(inside.collect(), &mut |process| {
        members.insert(process.host)
    });
    members.remove(&first);
    // The first process of a session has its parent outside of the instance. A daemon that has left
    // its session is process 1's child instead.
    let mut sessions = BTreeMap::new();
    for process in members.iter().filter_map(|pid| all.get(pid)) {
        if process.parent != first && !members.contains(&process.parent) {
            below(vec![process], &mut |one| {
                sessions.insert(one.host, process.inside()).is_none()
            });
        }
    }
    members
        .iter()
        .filter_map(|pid| Some((all.get(pid)?, sessions.get(pid).copied())))
        .collect()
}

/// A process of an environment, as others read of it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Whose environment.
    pub uid: u32,
    /// Which; `-`: none.
    pub name: &'a str,
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
        let ids = match process.is_below() {
            true => &process.uids[..1],
            // The range's is what it is shown for.
            false => &process.uids[..],
        };
        let inner = self
            .range
            .and_then(|range| ids.iter().find_map(|uid| range.inner_uid(*uid)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

    /// By id, parent, and pid namespace.
    fn table(of: &[(i32, i32, u64)]) -> BTreeMap<i32, Process> {
        let one = |&(host, parent, pid_namespace): &(i32, i32, u64)| Process {
            host,
            inner: vec![host + 1000],
            parent,
            pid_namespace,
            uid: 1,
            uids: [1; 4],
            terminal: 0,
            started: 0,
        };
        of.iter().map(|line| (line.0, one(line))).collect()
    }

    #[allow(clippy::expect_used)]
    fn instance(first: i32) -> Instance {
        Instance {
            pid: Pid::from_raw(first).expect("a number"),
            pidfd: pidfd_open(getpid(), PidfdFlags::empty()).expect("a process"),
        }
    }

    #[test]
    fn members_and_their_sessions_are_found_from_above() {
        let all = table(&[
            (1, 0, 1),
            (2, 1, 1),
            // Process 1, which a process of the host has started.
            (10, 2, 7),
            // A session: its first process, a child, and what is in a pid namespace of its own.
            (11, 2, 7),
            (12, 11, 7),
            (13, 12, 8),
            (14, 13, 8),
            // A daemon, and a child of it.
            (15, 10, 7),
            (16, 15, 9),
            // Another environment, and one in a circle: a number that is used again.
            (20, 2, 5),
            (21, 22, 5),
            (22, 21, 5),
        ]);
        let found = |first| -> Vec<(i32, Option<i32>)> {
            let members = of_instance(&all, &instance(first)).into_iter();
            members
                .map(|(process, session)| (process.host, session))
                .collect()
        };
        let session = Some(1011);
        assert_eq!(
            found(10),
            [
                (11, session),
                (12, session),
                (13, session),
                (14, session),
                (15, None),
                (16, None)
            ]
        );
        assert_eq!(found(20), [(21, None), (22, None)]);
        assert_eq!(found(99), []);
    }

    #[test]
    fn a_long_chain_is_no_more_work_than_a_short_one() {
        let chain: Vec<(i32, i32, u64)> = (10..20_000).map(|pid| (pid, pid - 1, 7)).collect();
        let all = table(&chain);
        let members = of_instance(&all, &instance(10));
        assert_eq!(members.len(), chain.len() - 1);
    }
}
