//! A cgroup of a host's own, for a host whose PID 1 makes cgroups: systemd.
//!
//! It is a new directory below the cgroup that the test is in, of which the host sees nothing but this part. The
//! machine's own cgroups stay as they are.

use crate::error::{Context, LabError, Result};
use crate::wait::eventually;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// What names of such directories begin with; the id of the process that made it and a number follow.
const NAME: &str = "caddis-lab.";

/// Removed with this, when no process of the host is left.
#[derive(Debug)]
pub(crate) struct OwnCgroup(PathBuf);

impl OwnCgroup {
    /// Makes one, and removes those that killed tests have left.
    pub(crate) fn new() -> Result<OwnCgroup> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let parent = of_this_process()?;
        for left in fs::read_dir(&parent)
            .context(format_args!("read {}", parent.display()))?
            .flatten()
        {
            let name = left.file_name().to_string_lossy().into_owned();
            let owner = name
                .strip_prefix(NAME)
                .and_then(|rest| rest.split('.').next());
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                remove(&left.path());
            }
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{NAME}{}.{number}", process::id()));
        fs::create_dir(&path).context(format_args!("create {}", path.display()))?;
        Ok(OwnCgroup(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// The directory of this process's cgroup in the tree of version 2, wherever that is mounted.
fn of_this_process() -> Result<PathBuf> {
    let read = |path: &str| fs::read_to_string(path).context(format_args!("read {path}"));
    let mounts = read("/proc/self/mountinfo")?;
    let mounted = mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let whole = mount.split(' ').nth(3)? == "/";
        (whole && kind.starts_with("cgroup2 ")).then(|| mount.split(' ').nth(4))?
    });
    let groups = read("/proc/self/cgroup")?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    match (mounted, own) {
        (Some(mounted), Some(own)) => Ok(Path::new(mounted).join(own)),
        _ => Err(LabError(
            "make a cgroup for a host: this machine has no tree of cgroups of version 2 mounted"
                .into(),
        )),
    }
}

/// Ends what is in a cgroup and those below, and removes them. Another test may be about to do the same.
fn remove(path: &Path) {
    eventually(&format!("{} is removed", path.display()), || {
        let _ = fs::write(path.join("cgroup.kill"), "1");
        match remove_tree(path) {
            Ok(()) => true,
            Err(error) => error.kind() == ErrorKind::NotFound && !path.exists(),
        }
    });
}

fn remove_tree(path: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}
