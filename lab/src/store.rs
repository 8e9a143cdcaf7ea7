//! The store: a directory on a file system with reflinks where one run of the tests keeps its images.
//!
//! `lab/run-tests` makes it and names it in `CADDIS_LAB_STORE`. It is mounted in the mount namespace of
//! that run only and its file is already unlinked, so it cannot outlive the run.

use crate::error::{Context, LabError, Result};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where images are and the lab's own program is.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    directory: PathBuf,
}

impl Store {
    /// The store of this run of the tests.
    pub(crate) fn open() -> Result<Store> {
        let directory = PathBuf::from(variable("CADDIS_LAB_STORE")?);
        if !directory.join("base.ext4").exists() {
            return Err(LabError(format!(
                "open the store {}: it holds no image of a host; start tests with `make test` (`make test T=name` for one)",
                directory.display()
            )));
        }
        Ok(Store { directory })
    }

    /// A file of the store that outlives a host.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A name nobody else uses, for a file that is unlinked as soon as it is mounted.
    pub(crate) fn fresh(&self, what: &str) -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.directory
            .join(format!("{what}.{}.{number}", process::id()))
    }

    /// Where a host's root is mounted while it is set up; each host does so in a mount namespace of its own.
    pub(crate) fn mount_point(&self) -> PathBuf {
        self.directory.join("mnt")
    }

    /// Makes `name` with `make`, once for all tests of the run, and returns its path.
    ///
    /// `make` gets a temporary path, so a killed maker leaves nothing that looks finished.
    pub(crate) fn once(
        &self,
        name: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path(name);
        let lock_path = self.path(&format!("{name}.lock"));
        let lock =
            File::create(&lock_path).context(format_args!("create {}", lock_path.display()))?;
        lock.lock()
            .context(format_args!("lock {}", lock_path.display()))?;
        if !path.exists() {
            let unfinished = self.fresh(name);
            make(&unfinished)?;
            fs::rename(&unfinished, &path)
                .context(format_args!("rename {}", unfinished.display()))?;
        }
        Ok(path)
    }
}

/// The directory of the built programs: `caddis-lab` itself and what is installed in hosts.
pub(crate) fn programs() -> Result<PathBuf> {
    Ok(PathBuf::from(variable("CADDIS_LAB_BIN")?))
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|_| {
        LabError(format!(
            "start a host: the variable {name} is not set; start tests with `make test` (`make test T=name` for one)"
        ))
    })
}

/// A copy-on-write copy; a plain sparse copy where the file system has no reflinks.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let source = File::open(from).context(format_args!("open {}", from.display()))?;
    let target = File::create(to).context(format_args!("create {}", to.display()))?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        return Ok(());
    }
    run(Command::new("cp")
        .arg("--sparse=always")
        .arg("--")
        .arg(from)
        .arg(to))
}

/// Runs a program of the machine for its effect; what it printed is the reason if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context(format_args!("run {command:?}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError(format!(
        "run {command:?}: {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )))
}
