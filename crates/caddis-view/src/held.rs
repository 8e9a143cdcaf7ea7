//! Files of the base that the processes of an environment hold open or mapped, and which of them are outdated: the
//! administrator has replaced or removed them since, and the old ones live on for as long as they are held.
//!
//! Only what the kernel keeps in memory is read (`maps` and `fdinfo` of `/proc/PID`): to ask a file itself could wait
//! for a server that does not answer.

use crate::error::{Context, Result};
use crate::instance::Instance;
use crate::mountinfo::read_for;
use crate::process::start_of;
use crate::refresh::Overlays;
use crate::tree::Local;
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat, StatxFlags, fstat, makedev, openat2, statx,
};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A file of the base that a process holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// Its path when it was opened, on the host and in the environment, unless its user has renamed a directory.
    pub path: PathBuf,
    /// The mount point of the overlay that it is seen through.
    pub at: PathBuf,
    /// Its inode number in the base.
    pub inode: u64,
}

/// The overlays of an instance, as the kernel names them in what it tells of processes.
#[derive(Debug)]
pub struct Layers {
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    /// Where it is mounted.
    at: PathBuf,
    /// The id of the mount of the environment's overlay.
    mount: u64,
    /// The guard, and its device number.
    guard: OwnedFd,
    device: u64,
}

/// Overlayfs puts the number of the layer into the highest bits of an inode number (`xino=on`, for which at most that
/// many are needed with the layers of a view). None are set for the upper layer.
const LAYER_BITS: u64 = 0b111 << 61;

/// A process can have many mappings; those of files are the first ones of each program and library, and of no interest
/// beyond this many.
const MOST_LINES: usize = 100_000;

/// The same for what is open.
const MOST_OPEN: usize = 10_000;

/// What is looked for comes first; the locks of a file, any number of them, come later.
const MOST_INFO: u64 = 4096;

impl Layers {
    /// Those of `overlays` of `instance`.
    pub fn of(instance: &Instance, overlays: &Overlays) -> Result<Layers> {
        let path = format!("/proc/{}/mountinfo", instance.pid.as_raw_nonzero());
        let mounts = crate::mountinfo::read(&path)?;
        let mut layers = Vec::new();
        for (environment, guard) in overlays.environments.iter().zip(&overlays.guards) {
            let id = statx(environment, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
                .doing("statx", || "an overlay of the environment")?
                .stx_mnt_id;
            // One that has found no place in the view.
            let Some(mount) = mounts.iter().find(|mount| mount.id == id) else {
                continue;
            };
            layers.push(Layer {
                at: mount.at.clone(),
                mount: id,
                guard: fcntl_dupfd_cloexec(guard, 3).doing("dup", || "a guard")?,
                device: fstat(guard).doing("stat", || "a guard")?.st_dev,
            });
        }
        Ok(Layers { layers })
    }

    /// What the process `pid` of the host holds of the base. Nothing, if it has ended.
    #[must_use]
    pub fn held_by(&self, pid: i32) -> BTreeSet<Held> {
        let mapped = self.mapped(pid).unwrap_or_default();
        let opened = self.opened(pid).unwrap_or_default();
        mapped.into_iter().chain(opened).collect()
    }

    fn mapped(&self, pid: i32) -> std::io::Result<BTreeSet<Held>> {
        let maps = BufReader::new(fs::File::open(format!("/proc/{pid}/maps"))?);
        let mut held = BTreeSet::new();
        for line in maps.split(b'\n').take(MOST_LINES) {
            let line = line?;
            let Some((device, inode, path)) = parse_mapping(&line) else {
                continue;
            };
            // The path in the guard, which is mounted nowhere.
            if let Some(layer) = self.layers.iter().find(|layer| layer.device == device) {
                let inside = path.strip_prefix("/").unwrap_or(&path);
                held.insert(Held {
                    path: layer.at.join(inside),
                    at: layer.at.clone(),
                    inode,
                });
            }
        }
        Ok(held)
    }

    fn opened(&self, pid: i32) -> std::io::Result<BTreeSet<Held>> {
        let mut held = BTreeSet::new();
        let numbers = fs::read_dir(format!("/proc/{pid}/fdinfo"))?.flatten();
        for entry in numbers.take(MOST_OPEN) {
            let number = entry.file_name();
            let Ok(path) = fs::read_link(Path::new(&format!("/proc/{pid}/fd")).join(&number))
            else {
                continue;
            };
            // Not even asked about: the kernel names each of the files that an epoll descriptor
            // waits for, a million of them.
            if !path.is_absolute() {
                continue;
            }
            let info = format!("/proc/{pid}/fdinfo/{}", number.display());
            let info = start_of(&info, MOST_INFO).unwrap_or_default();
            let Some((mount, inode)) = parse_fdinfo(&info) else {
                continue;
            };
            let layer = self.layers.iter().find(|layer| layer.mount == mount);
            let Some(layer) = layer.filter(|_| inode & LAYER_BITS != 0) else {
                continue;
            };
            let file = Held {
                path: without_mark(path),
                at: layer.at.clone(),
                inode: inode & !LAYER_BITS,
            };
            if layer.is_bases(&file) {
                held.insert(file);
            }
        }
        Ok(held)
    }
}

impl Layer {
    /// Whether it is a file of the base's, not of another layer of ours that has something of that name: the guard keeps
    /// the name as long as the file is held.
    fn is_bases(&self, held: &Held) -> bool {
        match look(&self.guard, &held.path, &self.at) {
            Ok(stat) => held.is(&stat),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => false,
            // The user does not get there any more.
            Err(_) => true,
        }
    }
}

/// What is at `path` below the directory that is seen at `at`. Its names may be a user's, who can put links and mounts
/// that lead anywhere in their place.
fn look(directory: &OwnedFd, path: &Path, at: &Path) -> std::result::Result<Stat, Errno> {
    let inside = match path.strip_prefix(at) {
        Ok(inside) if inside != Path::new("") => inside,
        _ => Path::new("."),
    };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    fstat(openat2(directory, inside, flags, Mode::empty(), resolve)?)
}

impl Held {
    /// Whether `stat` is about that file, as seen through any overlay.
    #[must_use]
    pub fn is(&self, stat: &Stat) -> bool {
        stat.st_ino & !LAYER_BITS == self.inode
    }

    /// The base has another file of that name now, or none.
    pub fn is_outdated(&self) -> Result<bool> {
        match base(&self.at).and_then(|base| look(&base, &self.path, &self.at)) {
            Ok(stat) => Ok(!self.is(&stat)),
            // A link in the place of a directory, or a mount.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(true),
            Err(errno) => Err(errno).doing("stat", || self.path.display()),
        }
    }
}

/// The root of the file system at `at` of the host.
fn base(at: &Path) -> std::result::Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // Mostly the kernel knows the way. Else it is walked, so that nobody is asked for it.
    let known = ResolveFlags::NO_SYMLINKS | ResolveFlags::CACHED;
    match openat2(CWD, at, flags, Mode::empty(), known) {
        Err(Errno::AGAIN) => {
            let mounts = read_for(0).map_err(|error| error.errno.unwrap_or(Errno::IO))?;
            Local::new(&mounts, &[]).open(at, OFlags::PATH | OFlags::DIRECTORY)
        }
        other => other,
    }
}

/// Device, inode and path of a line of `/proc/PID/maps`; see proc_pid_maps(5).
fn parse_mapping(line: &[u8]) -> Option<(u64, u64, PathBuf)> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let device = std::str::from_utf8(fields.nth(3)?).ok()?;
    let inode = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let path = fields.next()?.trim_ascii_start();
    let (high, low) = device.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    let device = makedev(number(high)?, number(low)?);
    let path = PathBuf::from(OsStr::from_bytes(path));
    path.is_absolute()
        .then(|| (device, inode, without_mark(path)))
}

/// Mount id and inode of `/proc/PID/fdinfo/N`; see proc_pid_fdinfo(5).
fn parse_fdinfo(text: &[u8]) -> Option<(u64, u64)> {
    let text = String::from_utf8_lossy(text);
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Some((number("mnt_id:")?, number("ino:")?))
}

/// What is held is called so, and its name, once new sessions have a newer version.
pub const RENEWED: &str = ".caddis-renewed.";

/// The kernel marks a name that is no longer there.
fn without_mark(path: PathBuf) -> PathBuf {
    let Some(bare) = path.as_os_str().as_bytes().strip_suffix(b" (deleted)") else {
        return path;
    };
    let path = PathBuf::from(OsStr::from_bytes(bare));
    let name = path.file_name().unwrap_or_default().as_bytes();
    match name.strip_prefix(RENEWED.as_bytes()) {
        Some(name) => path.with_file_name(OsStr::from_bytes(name)),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{major, minor};

    #[test]
    fn a_mapping_is_read() {
        let line =
            b"7f12-7f13 r-xp 00028000 fe:01 5047                       /usr/lib/a b.so (deleted)";
        let (device, inode, path) = parse_mapping(line).expect("a file");
        assert_eq!((major(device), minor(device), inode), (0xfe, 1, 5047));
        assert_eq!(path, Path::new("/usr/lib/a b.so"));
        assert_eq!(
            parse_mapping(b"7ffd-7ffe rw-p 00000000 00:00 0        [stack]"),
            None
        );
        assert_eq!(parse_mapping(b"7ffd-7ffe rw-p 00000000 00:00 0 "), None);
    }

    #[test]
    fn an_open_file_is_read() {
        let text = b"pos:\t0\nflags:\t0100000\nmnt_id:\t56\nino:\t9223372036854791143\n";
        assert_eq!(parse_fdinfo(text), Some((56, 9_223_372_036_854_791_143)));
        assert_eq!(parse_fdinfo(b"pos:\t0\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text: Vec<u8>) {
            let _ = (parse_mapping(&text), parse_fdinfo(&text));
        }
    }
}
