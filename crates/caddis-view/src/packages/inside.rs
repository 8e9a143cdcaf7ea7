//! The child that merges: joins the instance and does there, as container root without any capability, what the user
//! could do as well. The files are the user's, who may hold them up, put something else in their place, or kill it.
//!
//! Each file is replaced by a rename, the one with the packages last, under dpkg's own locks; so whoever looks sees
//! the old one or the new one, and a merge that was cut short is done again from where it was.

use super::due::Due;
use super::merge::Outcome;
use super::{INFO, LIBRARY, MOST, UNFINISHED};
use crate::credentials::stay_closed;
use crate::error::{words, write_all};
use crate::init::capabilities;
use caddis_packages::{Conflict, Input, Own, Plan, STATUS, plan};
use caddis_sys::close_all_but;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, ResolveFlags, StatVfsMountFlags,
    fchmod, fcntl_lock, fstat, fstatfs, fstatvfs, fsync, openat, openat2, renameat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitySet, ThreadNameSpaceType, move_into_thread_name_spaces, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

/// Why nothing was done, or not all.
#[derive(Debug)]
struct Stopped {
    reason: String,
    /// Some of it was.
    partly: bool,
}

impl From<String> for Stopped {
    fn from(reason: String) -> Stopped {
        Stopped {
            reason,
            partly: false,
        }
    }
}

/// Merges, and writes what came of it to `answer`.
pub(super) fn run(process_1: &OwnedFd, answer: &OwnedFd, due: &Due) {
    let done = join(process_1, answer).and_then(|()| merge(due));
    let (outcome, lines) = match done {
        Ok(plan) => (Outcome::Merged, told(&plan)),
        Err(Stopped { reason, partly }) => {
            let outcome = if partly {
                Outcome::Partly
            } else {
                Outcome::Untouched
            };
            (outcome, vec![format!("failed={}", plain(&reason))])
        }
    };
    let word = match outcome {
        Outcome::Merged => "merged",
        Outcome::Untouched => "untouched",
        Outcome::Partly => "partly",
    };
    let lines: Vec<String> = std::iter::once(word.to_owned()).chain(lines).collect();
    let _ = write_all(answer, format!("{}\n", lines.join("\n")).as_bytes());
}

/// Leaves everything of the host's behind; see [`crate::join`] for what keeps others in there from getting at this
/// process.
fn join(process_1: &OwnedFd, answer: &OwnedFd) -> Result<(), Stopped> {
    let failed = |what: &str, errno: Errno| format!("cannot {what}: {}", words(errno));
    let leave = |errno| failed("leave the host", errno);
    close_all_but(&[process_1.as_fd(), answer.as_fd()]).map_err(leave)?;
    let namespaces = ThreadNameSpaceType::USER | ThreadNameSpaceType::MOUNT;
    move_into_thread_name_spaces(process_1.as_fd(), namespaces)
        .and_then(|()| stay_closed())
        .map_err(|errno| failed("join the environment", errno))?;
    close_all_but(&[answer.as_fd()]).map_err(leave)?;
    let (user, group) = (Some(Uid::ROOT), Some(Gid::ROOT));
    set_thread_groups(&[]).map_err(leave)?;
    set_thread_res_gid(group, group, group).map_err(leave)?;
    set_thread_res_uid(user, user, user).map_err(leave)?;
    stay_closed().map_err(leave)?;
    capabilities(CapabilitySet::empty()).map_err(|error| error.to_string())?;
    set_no_new_privs(true)
        .and_then(|()| stay_closed())
        .map_err(leave)?;
    Ok(())
}

fn merge(due: &Due) -> Result<Plan, Stopped> {
    let library = library()?;
    let dpkg = directory(&library, "dpkg").map_err(|errno| about("dpkg", errno))?;
    on_an_overlay(&dpkg)?;
    // As apt does, then as dpkg does. Both are held until this process ends.
    let _locks = [lock(&dpkg, "lock-frontend")?, lock(&dpkg, "lock")?];
    nothing_in_progress(&dpkg)?;
    let own = own(&library, due)?;
    let input = Input {
        then: &due.then,
        now: &due.now,
        own: &own,
        named: &due.named,
    };
    let plan = plan(&input)
        .map_err(|broken| format!("{LIBRARY}/{STATUS} cannot be understood: {broken}"))?;
    let partly = |reason| Stopped {
        reason,
        partly: true,
    };
    carry_out(&library, &plan).map_err(partly)?;
    Ok(plan)
}

/// `/var/lib` as it is seen inside. A link in the place of a directory of the base's leads out of the environment's
/// own changes, perhaps into the user's home.
fn library() -> Result<OwnedFd, String> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat2(
        CWD,
        LIBRARY,
        flags,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    );
    opened.map_err(|errno| format!("cannot open {LIBRARY}: {}", words(errno)))
}

const WITHIN: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

fn directory(library: &OwnedFd, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat2(library, path, flags, Mode::empty(), WITHIN)
}

/// `OVERLAYFS_SUPER_MAGIC` in the kernel's `include/uapi/linux/magic.h`.
const OVERLAYFS: i64 = 0x794c_7630;

fn on_an_overlay(directory: &OwnedFd) -> Result<(), String> {
    let own = fstatfs(directory).is_ok_and(|stat| stat.f_type == OVERLAYFS);
    let writable =
        fstatvfs(directory).is_ok_and(|stat| !stat.f_flag.contains(StatVfsMountFlags::RDONLY));
    if own && writable {
        Ok(())
    } else {
        Err(format!("{LIBRARY}/dpkg is not the environment's own"))
    }
}

fn about(path: &str, errno: Errno) -> String {
    format!("cannot open {LIBRARY}/{path}: {}", words(errno))
}

/// As dpkg locks its database: a POSIX lock on the whole file.
fn lock(dpkg: &OwnedFd, name: &str) -> Result<OwnedFd, String> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o640);
    let path = format!("dpkg/{name}");
    let file = openat2(dpkg, name, flags, mode, WITHIN).map_err(|errno| about(&path, errno))?;
    is_file(&file, &path)?;
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::AGAIN | Errno::ACCESS) => {
            Err("dpkg or apt is running in the environment".to_owned())
        }
        Err(errno) => Err(format!("cannot lock {LIBRARY}/{path}: {}", words(errno))),
    }
}

fn is_file(file: &OwnedFd, path: &str) -> Result<(), String> {
    let regular = |mode| FileType::from_raw_mode(mode) == FileType::RegularFile;
    if fstat(file).is_ok_and(|stat| regular(stat.st_mode)) {
        Ok(())
    } else {
        Err(format!("{LIBRARY}/{path} is not a file"))
    }
}

/// What dpkg has done and not yet written down is in files of this directory.
fn nothing_in_progress(dpkg: &OwnedFd) -> Result<(), String> {
    let entries = match directory(dpkg, "updates").and_then(Dir::new) {
        Err(Errno::NOENT) => return Ok(()),
        other => other.map_err(|errno| about("dpkg/updates", errno))?,
    };
    for entry in entries {
        let entry = entry.map_err(|errno| about("dpkg/updates", errno))?;
        if !entry.file_name().to_bytes().starts_with(b".") {
            return Err(
                "dpkg was interrupted; `dpkg --configure -a` there goes on with it".to_owned(),
            );
        }
    }
    Ok(())
}

/// Reads what the environment has of its own.
fn own(library: &OwnedFd, due: &Due) -> Result<Own, String> {
    let mut own = Own {
        info: due.names.info.clone(),
        ..Own::default()
    };
    let mut left = MOST;
    for path in &due.names.files {
        let content = read(library, path, left)?;
        left = left.saturating_sub(content.len());
        own.files.insert(path.clone(), content);
    }
    Ok(own).and_then(|own| unchanged(library, due).map(|()| own))
}

/// Root looked at the names before the database was locked here.
fn unchanged(library: &OwnedFd, due: &Due) -> Result<(), String> {
    let look = || rustix::fs::statat(library, STATUS, AtFlags::SYMLINK_NOFOLLOW).ok();
    let Some(before) = due.names.status else {
        return Ok(());
    };
    let same = look().is_some_and(|now| {
        (now.st_size, now.st_mtime, now.st_mtime_nsec)
            == (before.st_size, before.st_mtime, before.st_mtime_nsec)
    });
    let character = FileType::from_raw_mode(before.st_mode) == FileType::CharacterDevice;
    if same || character {
        Ok(())
    } else {
        Err("dpkg has just changed the environment's packages".to_owned())
    }
}

fn read(library: &OwnedFd, path: &str, most: usize) -> Result<Vec<u8>, String> {
    // Without waiting for the other end of a FIFO.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat2(library, path, flags, Mode::empty(), WITHIN) {
        // Taken away.
        Err(Errno::NOENT) if path != STATUS => return Ok(Vec::new()),
        other => other.map_err(|errno| about(path, errno))?,
    };
    is_file(&file, path)?;
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    if fstat(&file).is_ok_and(|stat| u64::try_from(stat.st_size).unwrap_or(u64::MAX) > limit) {
        return Err(format!("{LIBRARY}/{path} is too large"));
    }
    let mut bytes = Vec::new();
    let read = std::fs::File::from(file)
        .take(limit)
        .read_to_end(&mut bytes);
    read.map_err(|error| {
        crate::Error::refused("read", format!("{LIBRARY}/{path}"), error).to_string()
    })?;
    Ok(bytes)
}

fn carry_out(library: &OwnedFd, plan: &Plan) -> Result<(), String> {
    if !plan.hide.is_empty() {
        let info = directory(library, INFO).map_err(|errno| about(INFO, errno))?;
        for name in &plan.hide {
            match unlinkat(&info, name.as_slice(), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => {
                    let name = String::from_utf8_lossy(name);
                    return Err(format!(
                        "cannot hide {LIBRARY}/{INFO}/{name}: {}",
                        words(errno)
                    ));
                }
            }
        }
    }
    for (path, text) in &plan.write {
        let failed = |errno| format!("cannot write {LIBRARY}/{path}: {}", words(errno));
        let (above, name) = path.rsplit_once('/').unwrap_or((".", path));
        let above = directory(library, above).map_err(failed)?;
        on_an_overlay(&above)?;
        replace(&above, name, text).map_err(failed)?;
    }
    Ok(())
}

/// Writes a new file and gives it the former one's name.
fn replace(directory: &OwnedFd, name: &str, text: &[u8]) -> Result<(), Errno> {
    let new = format!("{name}{UNFINISHED}");
    match unlinkat(directory, &new, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    let former = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    let mode = former.map_or(0o644, |stat| stat.st_mode & 0o777);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, &new, flags, Mode::RUSR | Mode::WUSR)?;
    write_all(&file, text)?;
    fchmod(&file, Mode::from_raw_mode(mode))?;
    fsync(&file)?;
    renameat(directory, &new, directory, name)?;
    fsync(directory)
}

/// The most that is told of one environment's packages.
const MOST_TOLD: usize = 2000;

fn told(plan: &Plan) -> Vec<String> {
    let conflict = |conflict: &Conflict| {
        let [base, user] =
            [&conflict.base, &conflict.user].map(|version| version.as_deref().unwrap_or_default());
        format!("package={}\tbase={base}\tuser={user}", conflict.package)
    };
    let left = plan.left.iter().map(|(path, broken)| {
        let path = plain(&format!("{LIBRARY}/{path}"));
        format!("left={path}\treason=it cannot be understood: {broken}")
    });
    plan.conflicts
        .iter()
        .take(MOST_TOLD)
        .map(conflict)
        .chain(left.take(MOST_TOLD))
        .collect()
}

/// A text as a field's value.
fn plain(text: &str) -> String {
    let shown = |byte: u8| {
        let fits = (byte.is_ascii_graphic() || byte == b' ') && byte != b'%';
        if fits { char::from(byte) } else { '?' }
    };
    text.bytes().map(shown).collect()
}
