//! The mount table of the host, as data.

use crate::error::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
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
    /// A mount of another user covers it, at the same place or further up: it is not seen on the
    /// host.
    pub covered: bool,
}

/// The mount table of this process.
pub const OWN: &str = "/proc/self/mountinfo";

/// Reads the mount table in the file `path`: [`OWN`], or that of another process.
pub fn read(path: &str) -> Result<Vec<Mount>> {
    Ok(parse(&text(path)?))
}

/// Reads the mount table of this process as far as it concerns the user `uid`; see [`parse_for`].
pub fn read_for(uid: u32) -> Result<Vec<Mount>> {
    Ok(parse_for(&text(OWN)?, uid))
}

fn text(path: &str) -> Result<Vec<u8>> {
    // Room for that of most hosts: the kernel says no size, and without one it would be read in small pieces.
    let mut table = Vec::with_capacity(16 << 10);
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut table))
        .map_err(|error| Error::refused("read", path, error))?;
    Ok(table)
}

/// Reads the text of `/proc/self/mountinfo`: the mounts that can be reached by their path, outer
/// ones first. Left out are those that another mount covers, at the same place or further up; a line
/// that cannot be understood is passed over, as the kernel may add forms.
///
/// Every mount is taken for that of a directory; [`Mount::directory`] is for the caller to correct.
#[must_use]
pub fn parse(text: &[u8]) -> Vec<Mount> {
    reachable(lines(text).filter_map(parse_line).collect())
}

/// The same without the mounts that no environment of the user `uid` shows: file systems for which
/// a program of another user answers, and all that is mounted on or below them. Any user can mount
/// a thousand of them, with paths of four kilobytes each; here each needs no more time than its
/// line takes to read.
///
/// What only such a mount covers is [`Mount::covered`].
#[must_use]
pub fn parse_for(text: &[u8], uid: u32) -> Vec<Mount> {
    let left_out = of_others(text, uid);
    let is_left_out = |line: &[u8]| ids(line).is_some_and(|(id, _)| left_out.contains(&id));
    let kept = lines(text).filter(|line| !is_left_out(line));
    let kept: Vec<Mount> = kept.filter_map(parse_line).collect();
    if left_out.is_empty() {
        return reachable(kept);
    }
    // Of those, the few that lie above another mount decide whether that can be reached.
    let places: HashSet<&[u8]> = kept
        .iter()
        .flat_map(|mount| mount.at.ancestors())
        .map(|place| place.as_os_str().as_bytes())
        .collect();
    let matters = |line: &&[u8]| {
        !is_left_out(line) || place(line).is_some_and(|place| places.contains(&place[..]))
    };
    let all = lines(text).filter(matters).filter_map(parse_line);
    let reached: HashSet<u64> = reachable(all.collect())
        .iter()
        .map(|mount| mount.id)
        .collect();
    let mut mounts = reachable(kept);
    for mount in &mut mounts {
        mount.covered = !reached.contains(&mount.id);
    }
    mounts
}

/// The ids of mounts for which a program of a user other than root and `uid` answers, and of all
/// mounts on them.
fn of_others(text: &[u8], uid: u32) -> HashSet<u64> {
    let heads: Vec<(u64, u64, bool)> = lines(text)
        .filter_map(|line| {
            let (id, parent) = ids(line)?;
            Some((id, parent, is_of_another(line, uid)))
        })
        .collect();
    let mut found = HashSet::new();
    let of_another = heads.iter().filter(|(_, _, of_another)| *of_another);
    let mut pending: Vec<u64> = of_another.map(|(id, ..)| *id).collect();
    let mut on: HashMap<u64, Vec<u64>> = HashMap::new();
    if !pending.is_empty() {
        for (id, parent, _) in &heads {
            on.entry(*parent).or_default().push(*id);
        }
    }
    while let Some(id) = pending.pop() {
        if found.insert(id) {
            pending.extend(on.get(&id).into_iter().flatten());
        }
    }
    found
}

/// The place of a line's mount.
fn place(line: &[u8]) -> Option<Vec<u8>> {
    Some(unescape(line.split(|byte| *byte == b' ').nth(4)?))
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

/// Those that can be reached by their path.
fn reachable(mounts: Vec<Mount>) -> Vec<Mount> {
    let mut sorted: Vec<(usize, Mount)> = mounts.into_iter().enumerate().collect();
    // The table's order: mounts above a place come before it, and mounts at one place follow each
    // other.
    sorted.sort_by(|(_, a), (_, b)| a.at.cmp(&b.at));
    // Where the lowest one of a place was in the table, how deep it is, and the uppermost one.
    let mut reached: Vec<(usize, usize, Mount)> = Vec::new();
    // Those above the place at hand, outer ones first.
    let mut above: Vec<usize> = Vec::new();
    for (order, mount) in sorted {
        while let Some(last) = above.last()
            && !mount.at.starts_with(&reached[*last].2.at)
        {
            above.pop();
        }
        let nearest = above.last().copied();
        match nearest.filter(|nearest| reached[*nearest].2.at == mount.at) {
            Some(same) if reached[same].2.id == mount.parent => reached[same].2 = mount,
            Some(_) => {}
            None if nearest.is_none_or(|nearest| reached[nearest].2.id == mount.parent) => {
                above.push(reached.len());
                reached.push((order, mount.at.components().count(), mount));
            }
            None => {}
        }
    }
    reached.sort_by_key(|(order, depth, _)| (*depth, *order));
    reached.into_iter().map(|(.., mount)| mount).collect()
}

/// The first two fields of a line.
fn ids(line: &[u8]) -> Option<(u64, u64)> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    Some((number()?, number()?))
}

/// Whether a program of another user than root and `uid` answers for the file system.
fn is_of_another(line: &[u8], uid: u32) -> bool {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut fields = fields.by_ref().skip_while(|field| *field != b"-").skip(3);
    fuse_user(fields.next().unwrap_or_default()).is_some_and(|user| user != 0 && user != uid)
}

/// `user_id` among the options of a file system.
fn fuse_user(options: &[u8]) -> Option<u32> {
    options.split(|byte| *byte == b',').find_map(|one| {
        std::str::from_utf8(one.strip_prefix(b"user_id=")?)
            .ok()?
            .parse()
            .ok()
    })
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let (id, parent) = ids(line)?;
    let at = unescape(fields.nth(4)?);
    let options = fields.next()?;
    let option = |name: &[u8]| options.split(|byte| *byte == b',').any(|one| one == name);
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let fstype = fields.next()?;
    let of_filesystem = fields.nth(1).unwrap_or_default();
    Some(Mount {
        id,
        parent,
        at: PathBuf::from(OsString::from_vec(at)),
        fstype: String::from_utf8_lossy(fstype).into_owned(),
        noexec: option(b"noexec"),
        nosuid: option(b"nosuid"),
        directory: true,
        options: String::from_utf8_lossy(of_filesystem).into_owned(),
        fuse_user: fuse_user(of_filesystem),
        covered: false,
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

/// Mounts by their places, of which each has one.
#[derive(Debug)]
pub struct Index<'a>(HashMap<&'a Path, &'a Mount>);

impl<'a> Index<'a> {
    /// That of `mounts`.
    pub fn new(mounts: impl IntoIterator<Item = &'a Mount>) -> Index<'a> {
        let mounts = mounts.into_iter().map(|mount| (mount.at.as_path(), mount));
        Index(mounts.collect())
    }

    /// What is mounted at `path`.
    #[must_use]
    pub fn at(&self, path: &Path) -> Option<&'a Mount> {
        self.0.get(path).copied()
    }

    /// The mount that a path lies on: the one with the longest matching place.
    #[must_use]
    pub fn containing(&self, path: &Path) -> Option<&'a Mount> {
        path.ancestors().find_map(|above| self.at(above))
    }
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
        let mounts = Index::new(&mounts);
        let on = |path: &str| mounts.containing(Path::new(path)).map(|mount| mount.id);
        assert_eq!(on("/srv/a b/c"), Some(40));
        assert_eq!(on("/srv/a bc"), Some(22));
    }

    #[test]
    fn mounts_of_another_user_and_all_on_them_are_no_part_of_it() {
        let ids = |uid| {
            let mounts = parse_for(TABLE, uid);
            let ids = mounts.iter().map(|mount| (mount.id, mount.covered));
            ids.collect::<Vec<_>>()
        };
        let all = [22, 30, 40, 42].map(|id| (id, false));
        assert_eq!(ids(1001), all);
        // What it covers is known to be there, and not to be seen.
        assert_eq!(
            ids(1000),
            [(22, false), (30, false), (31, true), (41, true)]
        );
        assert_eq!(ids(0), ids(1000));
    }

    fn containing<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
        let above = mounts.iter().filter(|mount| path.starts_with(&mount.at));
        above.max_by_key(|mount| mount.at.components().count())
    }

    /// The first version, which takes the square of the number of mounts: [`reachable`] must find
    /// the same.
    fn by_comparing_all(text: &[u8]) -> Vec<Mount> {
        let mut mounts: Vec<Mount> = lines(text).filter_map(parse_line).collect();
        mounts.sort_by_key(|mount| mount.at.components().count());
        let mut reached: Vec<Mount> = Vec::new();
        for place in mounts.chunk_by(|a, b| a.at.components().count() == b.at.components().count())
        {
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

    /// A table of mounts with these places and parents, every third one of user 1000.
    fn table(places: &[(String, u64)]) -> String {
        let line = |(number, (at, parent)): (usize, &(String, u64))| {
            let (id, user) = (
                number + 2,
                if number % 3 == 0 { ",user_id=1000" } else { "" },
            );
            format!("{id} {parent} 0:{id} / {at} rw - tmpfs t rw{user}\n")
        };
        let lines: String = places.iter().enumerate().map(line).collect();
        format!("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n{lines}")
    }

    proptest::proptest! {
        #[test]
        fn the_same_mounts_are_reached_as_by_comparing_all(
            places in proptest::collection::vec(("(/[ab]{1,2}){1,4}", 1_u64..14), 0..14),
        ) {
            let text = table(&places);
            proptest::prop_assert_eq!(parse(text.as_bytes()), by_comparing_all(text.as_bytes()));
        }

        #[test]
        fn mounts_of_another_user_change_nothing_but_what_is_on_them(
            places in proptest::collection::vec(("(/[ab]{1,2}){1,4}", 1_u64..14), 0..14),
        ) {
            let text = table(&places);
            let mut others: Vec<u64> = Vec::new();
            for _ in 0..=places.len() {
                for mount in lines(text.as_bytes()).filter_map(parse_line) {
                    if mount.fuse_user == Some(1000) || others.contains(&mount.parent) {
                        others.push(mount.id);
                    }
                }
            }
            let without: String = text
                .lines()
                .filter(|line| ids(line.as_bytes()).is_none_or(|(id, _)| !others.contains(&id)))
                .map(|line| format!("{line}\n"))
                .collect();
            let found = parse_for(text.as_bytes(), 1001);
            let ids = |mounts: Vec<Mount>| mounts.iter().map(|one| one.id).collect::<Vec<_>>();
            let seen = found.iter().filter(|mount| !mount.covered).cloned().collect();
            let mut reached = parse(text.as_bytes());
            reached.retain(|mount| !others.contains(&mount.id));
            proptest::prop_assert_eq!(ids(seen), ids(reached));
            proptest::prop_assert_eq!(ids(found), ids(parse(without.as_bytes())));
            proptest::prop_assert_eq!(parse_for(text.as_bytes(), 1000), parse(text.as_bytes()));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: Vec<u8>, uid: u32) {
            let _ = parse(&text);
            let _ = parse_for(&text, uid);
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
