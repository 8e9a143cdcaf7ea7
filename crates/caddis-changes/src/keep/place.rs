//! Where a directory of a try is found in its environment: as the kernel looks for it, through opaque directories
//! and redirects.

use caddis_view::Result;
use caddis_view::error::Context;
use caddis_view::overlayfs::{Marks, Redirect, marks};
use caddis_view::tree::open_directory;
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// A directory as the environment has it; with neither, it has none there.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// In its upper layer.
    pub(super) upper: Option<Rc<OwnedFd>>,
    /// In the layers below that.
    pub(super) below: Option<PathBuf>,
}

impl Place {
    /// The top directory of a layer.
    pub(super) fn root(upper: Option<Rc<OwnedFd>>) -> Place {
        Place {
            upper,
            below: Some(PathBuf::from("/")),
        }
    }

    /// What the directory `name` of the try, in the one that is found here, is found as.
    pub(super) fn of(&self, root: &Place, name: &CStr, marks: &Marks) -> Result<Place> {
        if marks.opaque {
            return Ok(Place::default());
        }
        match &marks.redirect {
            None => self.inner(name),
            Some(Redirect::Sibling(name)) => self.inner(&c_name(name)),
            Some(Redirect::Absolute(path)) => root.at(path),
        }
    }

    /// What `path` leads to from the top directory.
    fn at(&self, path: &Path) -> Result<Place> {
        let mut place = self.clone();
        for component in path.components() {
            if let Component::Normal(name) = component {
                place = place.inner(&c_name(name))?;
            }
        }
        Ok(place)
    }

    /// The directory `name` in this one.
    fn inner(&self, name: &CStr) -> Result<Place> {
        let join = |name: &OsStr| self.below.as_ref().map(|below| below.join(name));
        let own_name = OsStr::from_bytes(name.to_bytes());
        let opened = match &self.upper {
            Some(upper) => open_directory(&**upper, name),
            None => Err(Errno::NOENT),
        };
        let upper = match opened {
            Ok(upper) => upper,
            Err(Errno::NOENT) => {
                return Ok(Place {
                    upper: None,
                    below: join(own_name),
                });
            }
            // A whiteout, or a file: nothing is seen through it.
            Err(Errno::NOTDIR | Errno::LOOP) => return Ok(Place::default()),
            Err(errno) => return Err(errno).doing("open", || name.to_string_lossy().into_owned()),
        };
        let marks = marks(&upper).doing("read the attributes of", || {
            name.to_string_lossy().into_owned()
        })?;
        let below = match marks.redirect {
            _ if marks.opaque => None,
            None => join(own_name),
            Some(Redirect::Sibling(name)) => join(&name),
            Some(Redirect::Absolute(path)) => Some(path),
        };
        Ok(Place {
            upper: Some(Rc::new(upper)),
            below,
        })
    }
}

/// A redirect is read as a text, which ends at a NUL.
fn c_name(name: &OsStr) -> CString {
    let bytes = name.as_bytes().split(|byte| *byte == 0).next();
    CString::new(bytes.unwrap_or_default()).unwrap_or_default()
}
