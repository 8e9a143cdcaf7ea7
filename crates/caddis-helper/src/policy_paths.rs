//! The paths that the policy names, as they are on this host.
//!
//! They are looked up with the user's rights, and only on the host's own file systems: a path that
//! a server or another user's program answers for stays as the policy writes it. So does one in a
//! directory that the user cannot pass, since the user must not learn whether it exists.

use caddis_policy::View;
use caddis_view::credentials::as_user;
use caddis_view::error::Context;
use caddis_view::tree::Local;
use caddis_view::{Error, Identity};
use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The administrator's paths without links; those that do not exist are left out, except for private ones whose
/// directory exists: they are not to be seen either once they do. One that cannot be looked up for
/// another reason is not: what is to be hidden would show.
pub(crate) fn resolved(view: &View, local: &Local, identity: &Identity) -> Result<View, Error> {
    let resolve = |paths: &[PathBuf], to_come: bool| -> Result<Vec<PathBuf>, Error> {
        let mut resolved = Vec::with_capacity(paths.len());
        for path in paths {
            match without_links(local, path) {
                Ok(path) => resolved.push(path),
                Err(errno) if ABSENT.contains(&errno) => {
                    let place = path.parent().zip(path.file_name()).filter(|_| to_come);
                    let place = place.and_then(|(above, name)| {
                        Some(without_links(local, above).ok()?.join(name))
                    });
                    resolved.extend(place);
                }
                Err(errno) => {
                    return Err(Error::kernel("find", path.display(), errno).hint(
                        "the policy names it under `view`; an administrator can take it out there",
                    ));
                }
            }
        }
        Ok(resolved)
    };
    let all = || -> Result<View, Error> {
        Ok(View {
            private: resolve(&view.private, true)?,
            memory: resolve(&view.memory, false)?,
            hidden: resolve(&view.hidden, false)?,
            shared: resolve(&view.shared, false)?,
            read_only: resolve(&view.read_only, false)?,
            ..view.clone()
        })
    };
    as_user(identity, || Ok(all())).doing("take the ids of", || identity.uid)?
}

/// Like canonicalize(3), but a link that others than root could have made leads nowhere: in a
/// directory that users can write, any of them would decide what all others see. A path stays as it
/// is if it cannot be looked up without asking a server, or by this process.
pub fn without_links(local: &Local, path: &Path) -> Result<PathBuf, Errno> {
    match local.open(path, OFlags::PATH) {
        // Most have none on their way, as far as it goes: the policy's paths are normalised.
        Ok(found) if !is_link(fstat(&found)?.st_mode) => Ok(path.to_owned()),
        Ok(_) | Err(Errno::LOOP | Errno::XDEV) => walk(local, path),
        Err(Errno::ACCESS) => walk(local, path),
        Err(errno) => Err(errno),
    }
}

fn is_link(mode: u32) -> bool {
    FileType::from_raw_mode(mode) == FileType::Symlink
}

fn walk(local: &Local, path: &Path) -> Result<PathBuf, Errno> {
    let words = |path: &Path| -> Vec<OsString> {
        let words = path.components().rev();
        words.map(|word| word.as_os_str().to_owned()).collect()
    };
    let (mut found, mut rest, mut links) = (PathBuf::from("/"), words(path), 0);
    while let Some(word) = rest.pop() {
        if word == ".." {
            found.pop();
            continue;
        }
        let here = found.join(&word);
        let file = match local.open(&here, OFlags::PATH) {
            Err(Errno::XDEV | Errno::ACCESS) => {
                found = here;
                found.extend(rest.into_iter().rev());
                return Ok(found);
            }
            other => fstat(other?)?,
        };
        if !is_link(file.st_mode) {
            found = here;
            continue;
        }
        let above = fstat(local.open(&found, OFlags::PATH)?)?;
        if file.st_uid != 0 && (above.st_uid != 0 || above.st_mode & 0o022 != 0) {
            return Err(Errno::NOENT);
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::LOOP);
        }
        // An absolute one begins with "/", which join makes the whole path.
        let target = local.link(&here)?.ok_or(Errno::NOENT)?;
        rest.extend(words(&target));
    }
    Ok(found)
}

/// As in the kernel.
const MOST_LINKS: u32 = 40;

/// What is said of a path that leads nowhere.
const ABSENT: [Errno; 2] = [Errno::NOENT, Errno::NOTDIR];
