//! The processes of an instance as its process 1 sees them: by the name that the kernel has for them, which each may
//! choose for itself.

use crate::process::Stat;
use rustix::fs::{Mode, OFlags, RawDir, ResolveFlags, openat2};
use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// The instance's `/proc`, opened while the view was built. Process 1 opens nothing by a path of the view, where a name
/// is the user's to give; here a way out, by a mount or a link, is no way.
pub(crate) struct Processes(OwnedFd);

const STAY: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

impl Processes {
    /// `proc` is the root of the file system.
    pub(crate) fn new(proc: OwnedFd) -> Processes {
        Processes(proc)
    }

    pub(crate) fn descriptor(&self) -> &OwnedFd {
        &self.0
    }

    /// A process of one of these names that lives.
    ///
    /// # Errors
    /// There is no room at the moment to look.
    pub(crate) fn find(&self, names: &[String]) -> Result<Option<u32>, Errno> {
        let directory = self.open(".", OFlags::DIRECTORY)?;
        let mut buffer = [MaybeUninit::uninit(); 2048];
        let mut entries = RawDir::new(directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let pid = entry.file_name().to_str().ok();
            if let Some(pid) = pid.and_then(|name| name.parse().ok())
                && self.is_called(pid, names)?
            {
                return Ok(Some(pid));
            }
        }
        Ok(None)
    }

    /// Whether this process lives and has one of these names.
    ///
    /// # Errors
    /// As [`Processes::find`].
    pub(crate) fn is_called(&self, pid: u32, names: &[String]) -> Result<bool, Errno> {
        // Not ourselves.
        if pid == 1 {
            return Ok(false);
        }
        let (mut name, mut stat) = ([0; 32], [0; 1024]);
        if !is_one_of(self.read(&format!("{pid}/comm"), &mut name)?, names) {
            return Ok(false);
        }
        // A dead process that nobody looks after keeps its name.
        let stat = Stat::parse(self.read(&format!("{pid}/stat"), &mut stat)?);
        Ok(stat.is_some_and(|stat| stat.state != 'Z'))
    }

    /// Empty where the process has ended.
    fn read<'a>(&self, path: &str, buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
        let opened = self.open(path, OFlags::empty());
        match opened.and_then(|file| rustix::io::read(file, &mut *buffer)) {
            Ok(length) => Ok(&buffer[..length]),
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => Err(errno),
            Err(_) => Ok(&[]),
        }
    }

    fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
        openat2(&self.0, path, flags, Mode::empty(), STAY)
    }
}

/// `comm` is what is read from the file of that name: the name and a line feed. A name may hold line feeds, too.
fn is_one_of(comm: &[u8], names: &[String]) -> bool {
    comm.strip_suffix(b"\n")
        .is_some_and(|comm| names.iter().any(|name| name.as_bytes() == comm))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_as_a_whole() {
        let names = ["tmux: server".to_owned(), "screen".to_owned()];
        for (comm, expected) in [
            (&b"screen\n"[..], true),
            (b"tmux: server\n", true),
            (b"screen\n\n", false),
            (b"\nscreen\n", false),
            (b"screens\n", false),
            (b"scree\n", false),
            (b"Screen\n", false),
            (b"tmux\n", false),
            (b"\n", false),
            (b"", false),
        ] {
            assert_eq!(is_one_of(comm, &names), expected, "{comm:?}");
        }
    }
}
