//! Carries out a [`Plan`]: runs as process 1 of the new pid namespace, as the host's root, in a copy
//! of the host's mount namespace, and ends with the view as that namespace's root.

use crate::dev;
use crate::error::{Context, Error, Result};
use crate::handover::Taker;
use crate::identity::Identity;
use crate::layers::{clone_mount, new_filesystem};
use crate::memory::Memory;
use crate::merge::{Merged, open_sources, overlays};
use crate::patient::owner;
use crate::place::{Missing, View};
use crate::plan::{Plan, Step};
use caddis_policy::Policy;
use caddis_sys::{MountAttr, unshare};
use rustix::fs::{CWD, FileType, Mode, OFlags, openat};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{chdir, fchdir, pivot_root, umask};
use rustix::thread::UnshareFlags;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What a view is built from.
#[derive(Debug)]
pub struct Materials<'a> {
    /// What to build.
    pub plan: &'a Plan,
    /// For whom.
    pub identity: &'a Identity,
    /// The administrator's policy.
    pub policy: &'a Policy,
    /// Where the user namespace comes from whose maps the layers get.
    pub(crate) user_namespace: &'a Taker,
    /// The environment's directory, opened in this mount namespace.
    pub environment: OwnedFd,
    /// What is changed goes into the layer of its try.
    pub trial: bool,
    /// The veil, opened in this mount namespace.
    pub veil: OwnedFd,
    /// A directory of the host that only root can reach, to build on.
    pub workshop: PathBuf,
}

/// For mounts of the host: devices and setuid programs on them have no effect. (A mount that the host adds
/// below one later comes without these; what is in it belongs to no id that is mapped, so the kernel
/// honours no setuid bit there either.)
pub const HARMLESS: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// For what the kernel shows of itself, which root of the view has nothing to change in.
const TO_LOOK_AT: MountAttrFlags = HARMLESS
    .union(MountAttrFlags::MOUNT_ATTR_RDONLY)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Something of the host's as it is there, with all that is mounted in it.
pub(crate) fn pass_through(source: impl AsFd) -> Result<OwnedFd> {
    clone_mount(source, true, &MountAttr::new(HARMLESS).recursive())
}

/// Makes host changes come in and ours not go out.
pub fn cut_loose() -> Result<()> {
    let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", flags).doing("make", || "the mounts slaves of the host's")
}

pub(crate) struct Builder<'a> {
    pub(crate) materials: &'a Materials<'a>,
    pub(crate) memory: Memory,
    pub(crate) view: View<'a>,
    memories: u32,
    proc: Option<OwnedFd>,
}

/// What is left to hold on to of a view that stands.
pub(crate) struct Built {
    pub(crate) user_namespace: OwnedFd,
    /// Its overlays, each before its guard, by which root can have the kernel look at the base again; see
    /// [`crate::refresh`].
    pub(crate) overlays: Vec<OwnedFd>,
    /// The root of its `/proc`.
    pub(crate) proc: OwnedFd,
    /// What is not shown because its server does not answer.
    pub(crate) silent: Vec<PathBuf>,
}

/// Builds the view and makes it the root of this mount namespace.
pub(crate) fn build(materials: &Materials<'_>) -> Result<Built> {
    // Modes are given in full where something is made.
    umask(Mode::empty());
    let memory = scaffolding(materials)?;
    let sources = open_sources(materials)?;
    // As late as possible: it is made meanwhile.
    let user_namespace = materials.user_namespace.take()?;
    let map = MountAttr::default().idmapped(&user_namespace);
    let read_only = MountAttr::new(MountAttrFlags::MOUNT_ATTR_RDONLY).idmapped(&user_namespace);
    memory.attach(&clone_mount(&materials.environment, false, &map)?, "env")?;
    memory.attach(&clone_mount(&materials.veil, false, &read_only)?, "veil")?;
    let overlays = overlays(materials, &memory, &sources, &read_only)?;
    let Some(Some(Merged {
        environment: root, ..
    })) = overlays.first()
    else {
        return Err(Error::refused(
            "see",
            "/",
            "the user cannot open the root directory",
        ));
    };
    memory.attach(root, "root")?;
    dev::make_nodes(&memory, &materials.policy.devices, materials.identity)?;
    let mut view = View::new(root, materials.identity)?;
    view.own(memory.mount())?;
    for merged in overlays.iter().flatten() {
        view.own(&merged.environment)?;
    }
    let mut builder = Builder {
        materials,
        memory,
        view,
        memories: 0,
        proc: None,
    };
    if materials
        .plan
        .steps
        .iter()
        .any(|step| matches!(step, Step::Cgroup { .. }))
    {
        // What is mounted in it begins at the cgroup that this process is in.
        unshare(UnshareFlags::NEWCGROUP).doing("unshare", || "the cgroup namespace")?;
    }
    View::places(materials.identity, || {
        for (step, source) in materials.plan.steps.iter().zip(&sources.steps) {
            builder.step(step, source.as_ref(), &overlays, &sources.devices)?;
        }
        Ok(())
    })?;
    enter(builder.view.root())?;
    let Builder { proc, .. } = builder;
    let proc = proc.ok_or_else(|| Error::refused("keep", "/proc", "the plan has none"))?;
    let kept = overlays.into_iter().flatten();
    let kept = kept.flat_map(|merged| [merged.environment, merged.guard]);
    Ok(Built {
        user_namespace,
        overlays: in_order(kept)?,
        proc,
        silent: sources.silent,
    })
}

/// Gives descriptors ascending numbers, by which others find out what belongs together.
fn in_order(overlays: impl Iterator<Item = OwnedFd>) -> Result<Vec<OwnedFd>> {
    let mut next = 3;
    let mut ordered = Vec::new();
    for overlay in overlays {
        let again = fcntl_dupfd_cloexec(&overlay, next).doing("dup", || "an overlay")?;
        next = again.as_raw_fd() + 1;
        ordered.push(again);
    }
    Ok(ordered)
}

/// The instance's memory, with the places for the layers.
fn scaffolding(materials: &Materials<'_>) -> Result<Memory> {
    let size = &materials.policy.storage.memory;
    let memory = Memory::new(size, &materials.workshop, materials.identity)?;
    for name in ["empty", "root", "veil", "env"] {
        memory.directory(name, 0o755)?;
    }
    Ok(memory)
}

impl Builder<'_> {
    fn step(
        &mut self,
        step: &Step,
        source: Option<&OwnedFd>,
        overlays: &[Option<Merged>],
        devices: &[dev::Source],
    ) -> Result<()> {
        match step {
            Step::Overlay(index) => {
                let (Some(overlay), Some(Some(merged))) = (
                    self.materials.plan.overlays.get(*index),
                    overlays.get(*index),
                ) else {
                    return Ok(());
                };
                self.view
                    .show(&merged.environment, &overlay.at, Missing::PassOver)
            }
            Step::Pass { at, read_only, .. } => {
                let Some(source) = source else { return Ok(()) };
                let mut flags = HARMLESS;
                flags.set(MountAttrFlags::MOUNT_ATTR_RDONLY, *read_only);
                let mount = clone_mount(source, false, &MountAttr::new(flags))?;
                self.view.show(&mount, at, Missing::PassOver)
            }
            Step::Memory { at, mode } => {
                let directory = mode.map(is_directory);
                let missing = match directory {
                    Some(false) => Missing::CreateFile,
                    _ => Missing::Create,
                };
                let (view, memory) = (&self.view, &self.memory);
                let name = next_name(&mut self.memories);
                view.show_fitting(at, missing, directory, |directory| {
                    if !directory {
                        return nothing(memory, &name, HARMLESS, mode.unwrap_or(0o600));
                    }
                    memory.directory(&name, mode.unwrap_or(0o1777) & 0o7777)?;
                    memory.part(&name, HARMLESS)
                })
            }
            Step::Hide { at, mode } => {
                let flags = HARMLESS | MountAttrFlags::MOUNT_ATTR_RDONLY;
                let (view, memory) = (&self.view, &self.memory);
                let name = next_name(&mut self.memories);
                let directory = mode.map(is_directory);
                view.show_fitting(
                    at,
                    Missing::PassOver,
                    directory,
                    |directory| match directory {
                        true => memory.part("empty", flags),
                        false => nothing(memory, &name, flags, 0o444),
                    },
                )
            }
            Step::Dev => dev::build(self, devices),
            Step::Sys => {
                let sys = openat(CWD, "/sys", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                    .doing("open", || "/sys")?;
                let mount = clone_mount(&sys, false, &MountAttr::new(TO_LOOK_AT))?;
                self.view.show(&mount, Path::new("/sys"), Missing::Insist)
            }
            Step::Cgroup {
                at,
                fstype,
                options,
            } => {
                let options: Vec<(&str, &str)> = options
                    .iter()
                    .map(|option| option.split_once('=').unwrap_or((option, "")))
                    .collect();
                // The host may have given a hierarchy up meanwhile. Less is seen then; nobody is kept out for it.
                let mount = new_filesystem(fstype, &options, TO_LOOK_AT, |create| create());
                let Ok(mount) = mount else { return Ok(()) };
                self.view.show(&mount, at, Missing::PassOver)
            }
            Step::Run => self.run(),
            Step::Home(path) => {
                let Some(source) = source else { return Ok(()) };
                // The path came from outside; what counts is whose directory it is.
                let owner = owner(source).doing("stat", || path.display())?;
                if owner != self.materials.identity.uid {
                    return Ok(());
                }
                self.view
                    .show(&pass_through(source)?, path, Missing::Create)
            }
            Step::Expose(path) => {
                let Some(source) = source else { return Ok(()) };
                let missing = Missing::like(source).doing("stat", || path.display())?;
                self.view.show(&pass_through(source)?, path, missing)
            }
            Step::Proc => {
                let flags = HARMLESS | MountAttrFlags::MOUNT_ATTR_NOEXEC;
                let proc = new_filesystem("proc", &[], flags, |create| create())?;
                self.view.show(&proc, Path::new("/proc"), Missing::Insist)?;
                self.proc = Some(proc);
                Ok(())
            }
        }
    }

    /// `/run`, with the rule that makes sudo ask the environment's user for no password.
    fn run(&mut self) -> Result<()> {
        self.memory.directory("run", 0o755)?;
        self.memory.directory("run/lock", 0o1777)?;
        // screen cannot make it as the user, and nothing makes it inside as systemd-tmpfiles does on a host.
        self.memory.directory("run/screen", 0o1777)?;
        self.memory.directory("run/user", 0o755)?;
        self.memory.directory("run/caddis", 0o755)?;
        // sudo keeps the variables that say where one is: `caddis root` asks for the first one, Debian's
        // prompt for the third. The second one leads to the host's `caddis status`.
        let rule = format!(
            "Defaults env_keep += \"CADDIS_ENV CADDIS_HOST debian_chroot\"\n\
             #{} ALL=(ALL:ALL) NOPASSWD: ALL\n",
            self.materials.identity.uid
        );
        self.memory.file("run/caddis/sudoers", &rule, 0o440)?;
        self.view.show(
            &self.memory.part("run", HARMLESS)?,
            Path::new("/run"),
            Missing::Insist,
        )
    }
}

fn is_directory(mode: u32) -> bool {
    FileType::from_raw_mode(mode) == FileType::Directory
}

fn next_name(memories: &mut u32) -> String {
    *memories += 1;
    format!("memory{memories}")
}

/// An empty file in the instance's memory.
fn nothing(memory: &Memory, name: &str, flags: MountAttrFlags, mode: u32) -> Result<OwnedFd> {
    memory.file(name, "", mode & 0o777)?;
    memory.part(name, flags)
}

/// Makes `root` the root of this mount namespace and lets the host's go. Not chroot(2), which would
/// leave the host's mounts there to be found and forbids nested user namespaces.
fn enter(root: impl AsFd) -> Result<()> {
    fchdir(root).doing("fchdir", || "the view")?;
    pivot_root(".", ".").doing("pivot_root", || "to the view")?;
    unmount(".", UnmountFlags::DETACH).doing("umount", || "the host's mounts")?;
    chdir("/").doing("chdir", || "/")
}
