//! The paths that the policy names, as they are on this host.

use caddis_policy::View;
use caddis_view::Error;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The administrator's paths without links; those that do not exist are left out, except for private ones whose
/// directory exists: they are not to be seen either once they do. One that cannot be looked up for
/// another reason is not: what is to be hidden would show.
pub(crate) fn resolved(view: &View) -> Result<View, Error> {
    let resolve = |paths: &[PathBuf], to_come: bool| -> Result<Vec<PathBuf>, Error> {
        let mut resolved = Vec::with_capacity(paths.len());
        for path in paths {
            match without_links(path) {
                Ok(path) => resolved.push(path),
                Err(error) if ABSENT.contains(&error.kind()) => {
                    let place = path.parent().zip(path.file_name()).filter(|_| to_come);
                    let place =
                        place.and_then(|(above, name)| Some(without_links(above).ok()?.join(name)));
                    resolved.extend(place);
                }
                Err(error) => {
                    return Err(Error::refused("find", path.display(), error).hint(
                        "the policy names it under `view`; an administrator can take it out there",
                    ));
                }
            }
        }
        Ok(resolved)
    };
    Ok(View {
        private: resolve(&view.private, true)?,
        memory: resolve(&view.memory, false)?,
        hidden: resolve(&view.hidden, false)?,
        shared: resolve(&view.shared, false)?,
        read_only: resolve(&view.read_only, false)?,
        ..view.clone()
    })
}

/// As canonicalize(3), but a link that somebody else than root may have put there leads nowhere: below a directory where
/// users can write, any of them would decide what all others see, or that they see nothing.
fn without_links(path: &Path) -> io::Result<PathBuf> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Err(Errno::LOOP) => walk(path),
        // Most have none on their way, as far as it goes: the policy's paths are normalised.
        other => Ok(other.map(|_| path.to_owned())?),
    }
}

fn walk(path: &Path) -> io::Result<PathBuf> {
    let words = |path: &Path| {
        let words = path.components().rev();
        words
            .map(|word| word.as_os_str().to_owned())
            .collect::<Vec<_>>()
    };
    let (mut found, mut rest, mut links) = (PathBuf::from("/"), words(path), 0);
    while let Some(word) = rest.pop() {
        if word == ".." {
            found.pop();
            continue;
        }
        let here = found.join(&word);
        let file = fs::symlink_metadata(&here)?;
        if !file.is_symlink() {
            found = here;
            continue;
        }
        let above = fs::symlink_metadata(&found)?;
        if file.uid() != 0 && (above.uid() != 0 || above.mode() & 0o022 != 0) {
            return Err(ErrorKind::NotFound.into());
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        // An absolute one begins with "/", which join makes the whole path.
        rest.extend(words(&fs::read_link(&here)?));
    }
    Ok(found)
}

/// As in the kernel.
const MOST_LINKS: u32 = 40;

/// What is said of a path that leads nowhere.
const ABSENT: [ErrorKind; 2] = [ErrorKind::NotFound, ErrorKind::NotADirectory];
