//! What lies below the changes: the base as its user may see it, under veil and front.

use super::plan::is_directory;
use super::uppers::Upper;
use caddis_policy::View;
use caddis_view::Identity;
use caddis_view::credentials::as_user;
use caddis_view::mountinfo::Mount;
use caddis_view::overlayfs::{OPAQUE, is_whiteout};
use caddis_view::patient::open_directory;
use caddis_view::tree::{open_beneath, path_of};
use rustix::fs::{OFlags, Stat, fstat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// What an environment stands on.
#[derive(Debug)]
pub struct Ground<'a> {
    /// Whose environment it is.
    pub identity: &'a Identity,
    /// The policy's paths, resolved.
    pub view: &'a View,
    /// The host's mounts.
    pub mounts: &'a [Mount],
    /// The veil's directory.
    pub veil: &'a OwnedFd,
}

/// What is found below a name of the changes.
#[derive(Debug)]
pub(super) enum Look {
    /// There is nothing.
    Nothing,
    /// A directory.
    Directory(OwnedFd),
    /// Something else.
    Other(OwnedFd, Stat),
    /// The user may not know, or it is a stand-in.
    Unknown,
}

/// The layers below those of one upper layer.
#[derive(Debug)]
pub(super) struct Below<'a> {
    ground: &'a Ground<'a>,
    at: PathBuf,
    base: Option<OwnedFd>,
}

/// Files of the front layer, which each instance has of its own.
const OF_THE_INSTANCE: [&str; 2] = ["/etc/gshadow", "/etc/shadow"];

impl<'a> Below<'a> {
    pub(super) fn new(ground: &'a Ground<'a>, upper: &Upper) -> Result<Below<'a>, Errno> {
        let base = open_directory(ground.identity, &upper.at);
        let base = base.map_err(|error| error.errno.unwrap_or(Errno::IO))?;
        Ok(Below {
            ground,
            at: upper.at.clone(),
            base: base.ok(),
        })
    }

    /// Whose environment it is.
    pub(super) fn identity(&self) -> &Identity {
        self.ground.identity
    }

    /// Looks at `path`, relative to the root of the layer.
    pub(super) fn look(&self, path: &Path) -> Look {
        let whole = if path == Path::new("") {
            self.at.clone()
        } else {
            self.at.join(path)
        };
        let covers = |covering: &PathBuf| whole.starts_with(covering) && whole != *covering;
        if self.ground.view.private.iter().any(covers) {
            return Look::Nothing;
        }
        if OF_THE_INSTANCE.iter().any(|own| whole == Path::new(own)) {
            return Look::Unknown;
        }
        if let Some(found) = self.veiled(&whole) {
            return found;
        }
        let Some(base) = &self.base else {
            return Look::Unknown;
        };
        let opened = as_user(self.ground.identity, || {
            open_beneath(base, path, OFlags::PATH)
        });
        match opened {
            Ok(found) => seen(found),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Look::Nothing,
            Err(_) => Look::Unknown,
        }
    }

    /// What the veil has for `path`. Its directories are root's own and hold nothing secret.
    fn veiled(&self, path: &Path) -> Option<Look> {
        let inside = path.strip_prefix("/").unwrap_or(path);
        if inside == Path::new("") {
            return None;
        }
        let mut walked = PathBuf::new();
        let mut opaque = false;
        for component in inside.components() {
            walked.push(component);
            match open_beneath(self.ground.veil, &walked, OFlags::PATH) {
                Ok(found) if walked == inside => {
                    return match fstat(&found) {
                        Ok(stat) if is_whiteout(&stat) => Some(Look::Nothing),
                        // One that lets the base show through is the base's.
                        Ok(stat) if is_directory(stat.st_mode) && !is_opaque(&found) => None,
                        Ok(stat) if is_directory(stat.st_mode) => Some(Look::Directory(found)),
                        _ => Some(Look::Unknown),
                    };
                }
                Ok(found) => opaque |= is_opaque(&found),
                Err(_) => return opaque.then_some(Look::Nothing),
            }
        }
        None
    }
}

fn seen(found: OwnedFd) -> Look {
    match fstat(&found) {
        Ok(stat) if is_directory(stat.st_mode) => Look::Directory(found),
        Ok(stat) => Look::Other(found, stat),
        Err(_) => Look::Unknown,
    }
}

fn is_opaque(directory: &OwnedFd) -> bool {
    let mut value = [0_u8; 1];
    matches!(
        rustix::fs::getxattr(path_of(directory), OPAQUE, &mut value[..]),
        Ok(1) if value == *b"y"
    )
}
