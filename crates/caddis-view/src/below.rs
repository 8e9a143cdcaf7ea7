//! The changes of an environment, and beside them what it would show without: for whoever compares both. Those of a try
//! are compared with the environment.
//!
//! Nothing of the environment has to run, and no lock is taken. What is compared is never a layer here: two overlays must
//! not change the same, so it is only read as it lies on disk.

use crate::build::cut_loose;
use crate::credentials::stay_closed;
use crate::error::{Context, Result};
use crate::filter::filter_reader;
use crate::identity::Identity;
use crate::init::capabilities;
use crate::layers::{clone_mount, without_changes};
use crate::memory::Memory;
use crate::merge::{Lowers, lowers, open_bases};
use crate::plan::Overlay;
use crate::start::Start;
use crate::store::root_directory;
use crate::trial::TRY;
use crate::userns;
use crate::veil::Veil;
use caddis_sys::{MountAttr, unshare};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::process::{Uid, umask};
use rustix::thread::{
    CapabilitySet, UnshareFlags, set_keep_capabilities, set_no_new_privs, set_thread_res_uid,
};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// Both sides of every file system of an environment.
#[derive(Debug)]
pub struct Below {
    /// One for each file system in which something was changed.
    pub layers: Vec<Layer>,
    /// What is not seen of them: something else is mounted there.
    pub covered: Vec<PathBuf>,
    /// As long as the veil is looked at, it is not to be removed.
    _veil: Veil,
}

/// Both sides of one file system. Owners are the host ids of the environment's users on both.
#[derive(Debug)]
pub struct Layer {
    /// Where the environment has it.
    pub at: PathBuf,
    /// The changes as they are on disk, to be listed.
    pub upper: OwnedFd,
    /// What there would be without them; an `O_PATH` descriptor.
    pub below: OwnedFd,
    /// The base alone, by way of the guard: the lowest layer of it.
    pub base: OwnedFd,
    /// The other layers of it, which are ours: what is in there was made for this reader, or for this host.
    pub ours: Vec<OwnedFd>,
}

/// Builds what lies below the changes of an environment, in a mount namespace that this process enters for it. What
/// cannot be read by the user on the host cannot be read there: the guard is part of it.
pub fn layers(start: &Start<'_>) -> Result<Below> {
    let Start { plan, identity, .. } = *start;
    unshare(UnshareFlags::NEWNS).doing("unshare", || "the mount namespace")?;
    cut_loose()?;
    // Modes are given in full where something is made.
    umask(Mode::empty());
    let memory = Memory::new(&start.policy.storage.memory, start.run, identity)?;
    for name in ["empty", "veil", "env"] {
        memory.directory(name, 0o755)?;
    }
    let bases = open_bases(plan, identity)?;
    let user_namespace = userns::create(identity, 0)?;
    let read_only = MountAttr::new(READ_ONLY).idmapped(&user_namespace);
    let veil = start.veil()?;
    memory.attach(&clone_mount(&veil.directory, false, &read_only)?, "veil")?;
    let environment = start.environment()?;
    let mine = match start.trial {
        true => root_directory(&environment, TRY, false)?,
        false => start.environment()?,
    };
    let mine = clone_mount(mine, false, &read_only)?;
    memory.attach(&clone_mount(environment, false, &read_only)?, "env")?;
    let mut layers = Vec::new();
    for (index, (overlay, base)) in plan.overlays.iter().zip(&bases).enumerate() {
        let Some(base) = base else { continue };
        let Some(upper) = upper(&mine, overlay)? else {
            continue;
        };
        let Lowers { mut names, guard } =
            lowers(identity, &memory, index, overlay, base, &read_only)?;
        let changes = format!("env/{}", overlay.upper);
        if start.trial && rustix::fs::lstat(changes.as_str()).is_ok() {
            names.insert(0, changes);
        }
        // All but the guard.
        let above = &names[..names.len().saturating_sub(1)];
        let below = if above.is_empty() {
            memory.open(&names[0])?
        } else {
            without_changes(identity, &names)?
        };
        let ours = above.iter().map(|name| memory.open(name));
        layers.push(Layer {
            at: overlay.at.clone(),
            upper,
            below,
            base: guard,
            ours: ours.collect::<Result<_>>()?,
        });
    }
    Ok(Below {
        layers,
        covered: plan.mount_points().map(PathBuf::from).collect(),
        _veil: veil,
    })
}

/// For what is only read: a device in there is not even opened.
const READ_ONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOSUID)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// The changes of one file system; `None`: there are none yet.
fn upper(changes: &OwnedFd, overlay: &Overlay) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match openat2(changes, &overlay.upper, flags, Mode::empty(), resolve) {
        Ok(upper) => Ok(Some(upper)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno).doing("open the changes of", || overlay.at.display()),
    }
}

/// Drops everything that a reader does not need. The rest reads overlayfs' own attributes and all
/// of the user's changes; it writes to `outputs` only, and the guard still refuses what the user
/// cannot read of the host.
///
/// The reader of the output decides how long this process lives, with those two capabilities. A
/// filter of system calls leaves only calls that read: no mount, no namespace, no ptrace, no
/// program, no other id.
///
/// `caller` may end this process, which holds nothing that others wait for, as any program of theirs; who does it for
/// somebody else, being root, is not to be held up by them.
pub fn only_read(identity: &Identity, caller: u32, outputs: &[BorrowedFd<'_>]) -> Result<()> {
    let (user, nobody) = (Uid::from_raw(caller), identity.nobodys_uid());
    let effective = if user.is_root() {
        Uid::from_raw(nobody)
    } else {
        user
    };
    set_keep_capabilities(true).doing("prctl", || "PR_SET_KEEPCAPS")?;
    set_thread_res_uid(Some(user), Some(effective), Some(user))
        .doing("setresuid", || "the caller")?;
    capabilities(CapabilitySet::SYS_ADMIN | CapabilitySet::DAC_READ_SEARCH)?;
    set_no_new_privs(true).doing("set", || "no_new_privs")?;
    stay_closed().doing("prctl", || "PR_SET_DUMPABLE")?;
    filter_reader(outputs)
}
