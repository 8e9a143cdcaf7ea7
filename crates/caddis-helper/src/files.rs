//! Files that a session's caller hands on to its command: those of a login that sshd or PAM made for it (`--files`).
//!
//! What they cannot do is to bring in what could not come otherwise. A hostile user has better ways: the standard
//! streams may be anything, and a socket in the home directory takes any descriptor across. What is refused here is
//! what a login never has and what would open an environment by mistake, for each program that runs in it:
//!
//! - a directory leads by `..` to the host's own tree, out of reach of the view's guard;
//! - a device or a FIFO is what the policy, or the user's terminal, is to give;
//! - files of `/proc`, `/sys` and of the kernel's own file systems (namespaces, processes, what BPF, fanotify, io_uring
//!   and the like hand out) stand for things of the host, and some of them ask for rights when they are used: then those
//!   of container root would count;
//! - a regular file that was opened with `O_PATH` is no right to read it: it would be opened inside, where container
//!   root may leave a group that the file's mode keeps out. A socket in the file system cannot be had in another way.

use caddis_sys::{close_from, inherited};
use caddis_view::Error;
use caddis_view::error::Context;
use rustix::fs::{AtFlags, FileType, OFlags, StatxFlags, fcntl_getfl, fstatfs, statx};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// The first one's number.
pub(crate) const FIRST: u8 = 3;

/// How many there may be.
pub const MOST: u8 = 8;

/// Takes the first `count` of them, each of which may be handed on, and closes the others. For a caller who can still
/// end this process: a file system may let it wait.
pub(crate) fn take(count: u8) -> Result<Vec<OwnedFd>, Error> {
    close_from((FIRST + count).into()).doing("close", || "the caller's descriptors")?;
    let refused = |number: RawFd, errno| Error::kernel("hand on", descriptor(number), errno);
    let files = inherited(FIRST.into(), count).map_err(|(number, errno)| refused(number, errno))?;
    for file in &files {
        let number = file.as_raw_fd();
        match unfit(file).map_err(|errno| refused(number, errno))? {
            None => {}
            Some(what) => {
                let reason = format!("it is {what}, and only regular files and sockets are");
                return Err(Error::refused("hand on", descriptor(number), reason));
            }
        }
    }
    Ok(files)
}

/// Whether what is executed next gets them.
pub(crate) fn handed_on(files: &[OwnedFd], whether: bool) -> Result<(), Error> {
    let flags = match whether {
        true => FdFlags::empty(),
        false => FdFlags::CLOEXEC,
    };
    let set = |file: &OwnedFd| fcntl_setfd(file, flags).doing("fcntl", || "the caller's files");
    files.iter().try_for_each(set)
}

fn descriptor(number: RawFd) -> String {
    format!("descriptor {number}")
}

/// What is wrong with it, if anything is.
fn unfit(file: &OwnedFd) -> Result<Option<&'static str>, Errno> {
    // What a file is, the kernel knows without asking its server, which may not answer root.
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let stat = statx(file, c"", flags, StatxFlags::TYPE)?;
    Ok(match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::Socket => None,
        FileType::RegularFile if fcntl_getfl(file)?.contains(OFlags::PATH) => {
            Some("a file that was not opened to be read (O_PATH)")
        }
        FileType::RegularFile if is_the_kernels(file) => Some("a file of the kernel's own"),
        FileType::RegularFile => None,
        FileType::Directory => Some("a directory"),
        FileType::Fifo => Some("a pipe or FIFO"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        _ => Some("of no type that can be named"),
    })
}

/// In the kernel's `include/uapi/linux/magic.h`: these hold files, and need not know how much room there is.
const WITHOUT_SIZE: [i64; 3] = [
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0x6573_5546, // FUSE
];

/// Whether its file system stores nothing: such a one has no size (see simple_statfs in the kernel).
fn is_the_kernels(file: &OwnedFd) -> bool {
    // One that cannot answer is on another machine.
    fstatfs(file).is_ok_and(|stat| stat.f_blocks == 0 && !WITHOUT_SIZE.contains(&stat.f_type))
}
