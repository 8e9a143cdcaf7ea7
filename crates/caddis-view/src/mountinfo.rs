//! The mount table of the host, as data.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A mount as `/proc/self/mountinfo` lists it, see proc_pid_mountinfo(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The kernel's id of the mount.
    pub id: u64,
    /// The id of the mount that it is mounted on.
    pub parent: u64,
    /// Where it is mounted.
    pub at: PathBuf,
    /// The type of its file system; `fuse.sshfs` and the like keep their subtype.
    pub fstype: String,
    /// Programs on it are not executed.
    pub noexec: bool,
    /// Setuid bits on it have no effect.
    pub nosuid: bool,
    /// A directory is mounted, not a single file.
    pub directory: bool,
    /// The options of its file system (not of the mount).
    pub options: String,
    /// The user whose program answers for it, of a FUSE file system.
    pub fuse_user: Option<u32>,
}

/// The mount table of this process.
pub const OWN: &str = "/proc/self/mountinfo";

/// Reads the mount table in the file `path`: [`OWN`], or that of another process.
pub fn read(path: &str) -> Result<Vec<Mount>> {
    // Room for that of most hosts: the kernel says no size, and without one it would be read in small pieces.
    let mut table = Vec::with_capacity(16 << 10);
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut table))
        .map_err(|error| Error::refused("read", path, error))?;
    Ok(parse(&table))
}

/// Reads the text of `/proc/self/mountinfo`: the mounts that can be reached by their path, outer
/// ones first. Left out are those that another mount covers, at the same place or further up; a line
/// that cannot be understood is passed over, as the kernel may add forms.
///
/// Every mount is taken for that of a directory; [`Mount::directory`] is for the caller to correct.
#[must_use]
pub fn parse(text: &[u8]) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = text
        .split(|byte| *byte == b'\n')
        .filter_map(parse_line)
        .collect();
    mounts.sort_by_key(|mount| mount.at.components().count());
    let mut reached: Vec<Mount> = Vec::new();
    for place in mounts.chunk_by(|a, b| a.at.components().count() == b.at.components().count()) {
        let above = reached.clone();
        for mount in place {
            let bottom = containing(&above, &mount.at).is_none_or(|on| on.id == mount.parent);
            let stacked = reached
                .iter()
                .position(|one| one.at == mount.at && one.id == mount.parent);
            match stacked {
                Some(covered) => reached[covered] = mount.clone(),
                None if bottom && !reached.iter().any(|one| one.at == mount.at) => {
                    reached.push(mount.clone());
                }
                None => {}
            }
        }
    }
    reached
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    let (id, parent) = (number()?, number()?);
    let at = unescape(fields.nth(2)?);
    let options = fields.next()?;
    let option = |name: &[u8]| options.split(|byte| *byte == b',').any(|one| one == name);
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let fstype = fields.next()?;
    let of_filesystem = fields.nth(1).unwrap_or_default();
    let fuse_user = of_filesystem.split(|byte| *byte == b',').find_map(|one| {
        std::str::from_utf8(one.strip_prefix(b"user_id=")?)
            .ok()?
            .parse()
            .ok()
    });
    Some(Mount {
        id,
        parent,
        at: PathBuf::from(OsString::from_vec(at)),
        fstype: String::from_utf8_lossy(fstype).into_owned(),
        noexec: option(b"noexec"),
        nosuid: option(b"nosuid"),
        directory: true,
        options: String::from_utf8_lossy(of_filesystem).into_owned(),
        fuse_user,
    })
}

/// Undoes the kernel's escapes: a backslash and three octal digits for blank, tab, newline, backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        match tail {
            [
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ] if *first == b'\\' => {
                bytes.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

/// The mount that a path lies on: the one with the longest matching place.
#[must_use]
pub fn containing<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.at))
        .max_by_key(|mount| mount.at.components().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        30 22 0:5 / /dev rw,nosuid - devtmpfs udev rw\n\
        31 22 8:2 / /srv/a\\040b rw,noexec,nosuid - xfs /dev/sdb rw\n\
        garbage\n\
        40 31 0:40 / /srv/a\\040b rw - fuse.sshfs host: rw,user_id=1001\n\
        41 31 0:41 / /srv/a\\040b/covered rw - ext4 /dev/sdc rw\n\
        42 40 0:42 / /srv/a\\040b/shown rw - ext4 /dev/sdd rw\n";

    #[test]
    fn a_mount_that_another_one_covers_does_not_show() {
        let mounts = parse(TABLE);
        let ids: Vec<u64> = mounts.iter().map(|mount| mount.id).collect();
        assert_eq!(ids, [22, 30, 40, 42]);
        assert_eq!(mounts[2].at, Path::new("/srv/a b"));
        assert_eq!(mounts[2].fstype, "fuse.sshfs");
        assert_eq!(mounts[2].fuse_user, Some(1001));
        assert!(!mounts[2].noexec);
    }

    #[test]
    fn a_path_lies_on_the_deepest_mount_above_it() {
        let mounts = parse(TABLE);
        assert_eq!(
            containing(&mounts, Path::new("/srv/a b/c")).map(|m| m.id),
            Some(40)
        );
        assert_eq!(
            containing(&mounts, Path::new("/srv/a bc")).map(|m| m.id),
            Some(22)
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text: Vec<u8>) {
            let _ = parse(&text);
        }

        #[test]
        fn escapes_are_undone(path in "[ \\\\\t\na-z/]{0,20}") {
            let escaped: String = path.bytes().map(|byte| match byte {
                b' ' | b'\\' | b'\t' | b'\n' => format!("\\{byte:03o}"),
                other => char::from(other).to_string(),
            }).collect();
            proptest::prop_assert_eq!(unescape(escaped.as_bytes()), path.as_bytes());
        }
    }
}
