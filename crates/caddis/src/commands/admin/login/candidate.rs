//! sshd's drop-ins as they would be.
//!
//! Whether a drop-in counts depends on where it stands: on the Include lines, on the files before it. So sshd itself
//! reads the candidate in its own place, in a mount namespace where an overlay puts it there. On the host nothing has
//! changed meanwhile, whatever happens to this process.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::Command;

use super::place::{DIRECTORY, NAME};
use crate::error::Error;

/// Only root can write there. Whoever has the lock of [`super::place::Place`] uses it, so one that was killed leaves
/// nothing that would be in the way.
const LAYER: &str = "/run/caddis-login";

/// The overlay needs no upper layer: nothing is written to it.
const IN_PLACE: &str =
    "mount -t overlay -o \"lowerdir=$1:$2\" overlay \"$2\" && shift 2 && exec \"$@\"";

/// A drop-in that is not in force.
#[derive(Debug)]
pub struct Candidate {
    layer: PathBuf,
}

impl Candidate {
    /// Writes it where sshd does not look.
    pub fn new(text: &str) -> Result<Self, Error> {
        let failed = |error| Error::io("write", format!("{LAYER}/{NAME}"), error);
        remove().map_err(failed)?;
        // An overlay shows the uppermost directory's mode: nobody but root is there to see it.
        DirBuilder::new()
            .mode(0o700)
            .create(LAYER)
            .map_err(failed)?;
        let made = Self {
            layer: LAYER.into(),
        };
        fs::write(made.layer.join(NAME), text).map_err(failed)?;
        Ok(made)
    }

    /// A program that finds the candidate in its place. A failed mount ends it with mount's own words.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--propagation",
                "private",
                "--",
                "sh",
                "-c",
                IN_PLACE,
                "sh",
            ])
            .arg(&self.layer)
            .args([DIRECTORY, program]);
        command
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        let _ = remove();
    }
}

fn remove() -> io::Result<()> {
    match fs::remove_dir_all(LAYER) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
