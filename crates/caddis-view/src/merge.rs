//! The overlays of a view: what is taken from the host, opened as the user, and how it is merged.

use crate::build::Materials;
use crate::credentials;
use crate::dev;
use crate::error::{Context, Error, Result};
use crate::front;
use crate::identity::Identity;
use crate::layers::{clone_mount, environment, guard, refuse_if_in_use};
use crate::memory::Memory;
use crate::patient::{Wanted, open_all};
use crate::plan::{Overlay, Plan, Step};
use crate::trial::upper_layers;
use caddis_sys::MountAttr;
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// What the plan takes from the host, opened with the user's own rights and nothing more: a mount
/// below a directory that the user cannot pass on the host must not come within reach here. `None`:
/// out of the user's reach, or not there, or on a server that does not answer.
pub(crate) struct Sources {
    /// For each overlay of the plan.
    pub(crate) overlays: Vec<Option<OwnedFd>>,
    /// For each step of the plan.
    pub(crate) steps: Vec<Option<OwnedFd>>,
    /// Of `/dev`.
    pub(crate) devices: Vec<dev::Source>,
    /// What does not answer.
    pub(crate) silent: Vec<PathBuf>,
}

/// Opens the sources of a plan.
pub(crate) fn open_sources(materials: &Materials<'_>) -> Result<Sources> {
    let Materials { plan, identity, .. } = *materials;
    let overlays = plan.overlays.iter().map(|overlay| Some(base(overlay)));
    let steps = plan.steps.iter().map(|step| {
        let (path, directory, server) = match step {
            Step::Pass { at, server, .. } => (at, false, *server),
            Step::Expose(path) => (path, false, false),
            Step::Home(path) => (path, true, false),
            _ => return None,
        };
        Some(Wanted {
            path,
            directory,
            server,
        })
    });
    let all: Vec<Option<Wanted<'_>>> = overlays.chain(steps).collect();
    let wanted: Vec<Wanted<'_>> = all.iter().flatten().copied().collect();
    let mut silent = Vec::new();
    let mut opened = open_all(identity, &wanted)?.into_iter().zip(&wanted);
    let mut opened = all.iter().map(|one| {
        let (opened, wanted) = one.as_ref().and_then(|_| opened.next())?;
        if opened.as_ref().err() == Some(&Errno::TIMEDOUT) {
            silent.push(wanted.path.to_owned());
        }
        opened.ok()
    });
    let overlays = opened.by_ref().take(plan.overlays.len()).collect();
    let steps = opened.collect();
    let devices = as_user(identity, || dev::open_sources(&materials.policy.devices))?;
    Ok(Sources {
        overlays,
        steps,
        devices,
        silent,
    })
}

/// Opens only what the overlays of a plan are made of.
pub(crate) fn open_bases(plan: &Plan, identity: &Identity) -> Result<Vec<Option<OwnedFd>>> {
    let wanted: Vec<Wanted<'_>> = plan.overlays.iter().map(base).collect();
    let opened = open_all(identity, &wanted)?;
    Ok(opened.into_iter().map(std::result::Result::ok).collect())
}

fn base(overlay: &Overlay) -> Wanted<'_> {
    Wanted {
        path: &overlay.at,
        directory: true,
        server: false,
    }
}

fn as_user<T>(identity: &Identity, action: impl FnOnce() -> T) -> Result<T> {
    credentials::as_user(identity, || Ok(action()))
        .doing("take the ids of", || format!("user {}", identity.uid))
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
    let identity = materials.identity;
    let Lowers { mut names, guard } = lowers(identity, memory, index, overlay, source, read_only)?;
    let upper = upper_layers(&materials.environment, &overlay.at, source, materials.trial)?;
    if let Some(below) = upper.below {
        refuse_if_in_use(identity, &below).map_err(|error| on(overlay, error))?;
        names.insert(0, below);
    }
    let mut flags = MountAttrFlags::empty();
    flags.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, overlay.noexec);
    flags.set(MountAttrFlags::MOUNT_ATTR_NOSUID, overlay.nosuid);
    let environment = environment(identity, &names, &upper.changes, &upper.work, flags)
        .map_err(|error| on(overlay, error))?;
    Ok(Merged { environment, guard })
}

/// What lies below the changes.
pub(crate) struct Lowers {
    /// Where the layers are mounted in the working directory, the uppermost first; the last one is the guard.
    pub(crate) names: Vec<String>,
    pub(crate) guard: OwnedFd,
}

/// Guard, veil and front of one file system of the base.
pub(crate) fn lowers(
    identity: &Identity,
    memory: &Memory,
    index: usize,
    overlay: &Overlay,
    source: &OwnedFd,
    read_only: &MountAttr<'_>,
) -> Result<Lowers> {
    let base_name = format!("base{index}");
    let guard_name = format!("guard{index}");
    memory.directory(&base_name, 0o755)?;
    memory.directory(&guard_name, 0o755)?;
    let base = clone_mount(source, false, read_only)
        .map_err(|error| on(overlay, error))
        .map_err(|error| {
            error.hint(
                "the file system cannot be id-mapped; name its mount point under `view.shared` or \
             `view.read_only` in the policy",
            )
        })?;
    memory.attach(&base, &base_name)?;
    let guard = guard(identity, "empty", &base_name).map_err(|error| on(overlay, error))?;
    memory.attach(&guard, &guard_name)?;

    let mut names = Vec::new();
    let front_name = format!("front{index}");
    if !overlay.front.is_empty() {
        front::build(memory, &front_name, overlay, identity, source)?;
        names.push(front_name);
    }
    let relative = overlay.at.strip_prefix("/").unwrap_or(&overlay.at);
    let veil = Path::new("veil").join(relative);
    let veil = veil.to_string_lossy().trim_end_matches('/').to_owned();
    if rustix::fs::lstat(veil.as_str())
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    {
        names.push(veil);
    }
    names.push(guard_name);
    Ok(Lowers { names, guard })
}

fn on(overlay: &Overlay, error: Error) -> Error {
    Error {
        object: format!("{} ({})", overlay.at.display(), error.object),
        ..error
    }
}
