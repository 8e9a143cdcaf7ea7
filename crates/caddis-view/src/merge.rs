//! The overlays of a view: what is taken from the host, opened as the user, and how it is merged.

use crate::build::Materials;
use crate::credentials::with_credentials;
use crate::dev;
use crate::error::{Context, Error, Result};
use crate::front;
use crate::identity::Identity;
use crate::layers::{clone_mount, environment, guard, refuse_if_in_use};
use crate::memory::Memory;
use crate::plan::{Overlay, Step};
use crate::trial::upper_layers;
use caddis_sys::MountAttr;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::MountAttrFlags;
use rustix::thread::CapabilitySet;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What the plan takes from the host, opened with the user's own rights and nothing more: a mount
/// below a directory that the user cannot pass on the host must not come within reach here. `None`:
/// out of the user's reach, or not there.
pub(crate) struct Sources {
    /// For each overlay of the plan.
    pub(crate) overlays: Vec<Option<OwnedFd>>,
    /// For each step of the plan.
    pub(crate) steps: Vec<Option<OwnedFd>>,
    /// Of `/dev`.
    pub(crate) devices: Vec<dev::Source>,
}

/// Opens the sources of a plan.
pub(crate) fn open_sources(materials: &Materials<'_>) -> Result<Sources> {
    let Identity { uid, gid, .. } = *materials.identity;
    let open = |path: &Path, directory: bool| {
        let mut flags = OFlags::PATH | OFlags::CLOEXEC;
        if directory {
            flags |= OFlags::DIRECTORY;
        }
        openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS).ok()
    };
    let sources = with_credentials(uid, gid, CapabilitySet::empty(), || {
        let overlays = materials
            .plan
            .overlays
            .iter()
            .map(|overlay| open(&overlay.at, true))
            .collect();
        let steps = materials
            .plan
            .steps
            .iter()
            .map(|step| match step {
                Step::Pass { at, .. } => open(at, false),
                Step::Expose(path) => open(path, false),
                Step::Home(path) => open(path, true),
                _ => None,
            })
            .collect();
        Ok(Sources {
            overlays,
            steps,
            devices: dev::open_sources(&materials.policy.devices),
        })
    });
    sources.doing("take the ids of", || format!("user {uid}"))
}

/// A file system of the base as the environment sees it.
pub(crate) struct Merged {
    /// The environment's overlay, detached.
    pub(crate) environment: OwnedFd,
    /// The guard below it.
    pub(crate) guard: OwnedFd,
}

/// The overlays of the plan; `None` where the user does not get to the base.
pub(crate) fn overlays(
    materials: &Materials<'_>,
    memory: &Memory,
    sources: &Sources,
    read_only: &MountAttr<'_>,
) -> Result<Vec<Option<Merged>>> {
    let plan = materials.plan.overlays.iter().zip(&sources.overlays);
    plan.enumerate()
        .map(|(index, (overlay, source))| {
            let merge = |source| merged(materials, memory, index, overlay, source, read_only);
            source.as_ref().map(merge).transpose()
        })
        .collect()
}

/// Guard, veil, front and changes of one file system of the base, merged.
fn merged(
    materials: &Materials<'_>,
    memory: &Memory,
    index: usize,
    overlay: &Overlay,
    source: &OwnedFd,
    read_only: &MountAttr<'_>,
) -> Result<Merged> {
    let on = |error: Error| Error {
        object: format!("{} ({})", overlay.at.display(), error.object),
        ..error
    };
    let base_name = format!("base{index}");
    let guard_name = format!("guard{index}");
    memory.directory(&base_name, 0o755)?;
    memory.directory(&guard_name, 0o755)?;
    let base = clone_mount(source, false, read_only)
        .map_err(on)
        .map_err(|error| {
            error.hint(
                "the file system cannot be id-mapped; name its mount point under `view.shared` or \
             `view.read_only` in the policy",
            )
        })?;
    memory.attach(&base, &base_name)?;
    let guard = guard(materials.identity, "empty", &base_name).map_err(on)?;
    memory.attach(&guard, &guard_name)?;

    let upper = upper_layers(&materials.environment, &overlay.at, materials.trial)?;
    let mut lowers = Vec::new();
    if let Some(below) = upper.below.as_deref() {
        refuse_if_in_use(materials.identity, below).map_err(on)?;
        lowers.push(below);
    }
    let front_name = format!("front{index}");
    if !overlay.front.is_empty() {
        front::build(&front_name, overlay, materials.identity)?;
        lowers.push(front_name.as_str());
    }
    let relative = overlay.at.strip_prefix("/").unwrap_or(&overlay.at);
    let veil = Path::new("veil")
        .join(relative)
        .to_string_lossy()
        .into_owned();
    let veil = veil.trim_end_matches('/');
    if rustix::fs::lstat(veil)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    {
        lowers.push(veil);
    }
    lowers.push(&guard_name);
    let mut flags = MountAttrFlags::empty();
    flags.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, overlay.noexec);
    flags.set(MountAttrFlags::MOUNT_ATTR_NOSUID, overlay.nosuid);
    let environment = environment(
        materials.identity,
        &lowers,
        &upper.changes,
        &upper.work,
        flags,
    )
    .map_err(on)?;
    Ok(Merged { environment, guard })
}
