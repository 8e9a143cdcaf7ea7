//! Carries out a [`Plan`]: runs as process 1 of the new pid namespace, as the host's root, in a copy
//! of the host's mount namespace, and ends with the view as that namespace's root.

use crate::dev;
use crate::error::{Context, Error, Result};
use crate::front;
use crate::identity::Identity;
use crate::layers::{attach, clone_mount, environment, guard, new_filesystem, with_credentials};
use crate::plan::{Overlay, Plan, Step};
use crate::store::layer_directories;
use caddis_policy::Policy;
use caddis_sys::MountAttr;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, chmodat, chownat, fstat, mkdirat, openat,
    openat2,
};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{Gid, Uid, chdir, fchdir, pivot_root};
use rustix::thread::{CapabilitySet, capabilities};
use std::os::fd::{AsFd, OwnedFd};
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
    /// The user namespace whose maps the layers get.
    pub user_namespace: &'a OwnedFd,
    /// The environment's directory, opened in this mount namespace.
    pub environment: OwnedFd,
    /// The veil, opened in this mount namespace.
    pub veil: OwnedFd,
    /// A directory of the host that only root can reach, to build on.
    pub workshop: PathBuf,
}

/// Nothing in a mount of the host acts with more rights inside than its user has.
pub const HARMLESS: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// Makes host changes come in and ours not go out.
pub fn cut_loose() -> Result<()> {
    let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", flags).doing("make", || "the mounts slaves of the host's")
}

pub(crate) struct Builder<'a> {
    pub(crate) materials: &'a Materials<'a>,
    /// The instance's private memory: scaffolding first, `/tmp`, `/run` and the like later.
    pub(crate) memory: OwnedFd,
    /// The root of the view.
    root: OwnedFd,
    memories: u32,
}

/// Builds the view and makes it the root of this mount namespace.
pub fn build(materials: &Materials<'_>) -> Result<()> {
    let memory = private_memory(materials)?;
    let sources = open_sources(materials)?;
    let root = first_overlay(materials, &sources)?;
    let mut builder = Builder {
        materials,
        memory,
        root,
        memories: 0,
    };
    for step in &materials.plan.steps {
        builder.step(step, &sources)?;
    }
    enter(&builder.root)
}

/// One tmpfs holds all that belongs to the instance only. It becomes the working directory, so that
/// overlays can be given short relative paths, which work on every kernel and tell nothing of the
/// host in `/proc/mounts`.
fn private_memory(materials: &Materials<'_>) -> Result<OwnedFd> {
    let options = [
        ("source", "caddis"),
        ("size", materials.policy.storage.memory.as_str()),
        ("mode", "0700"),
    ];
    let memory = new_filesystem("tmpfs", &options, MountAttrFlags::empty(), |create| {
        create()
    })?;
    let workshop = openat(
        CWD,
        &materials.workshop,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .doing("open", || materials.workshop.display())?;
    attach(&memory, &workshop).doing("mount tmpfs on", || materials.workshop.display())?;
    fchdir(&memory).doing("fchdir", || "the instance's memory")?;
    for name in ["empty", "root", "veil", "env"] {
        scaffold(name)?;
    }
    let map = MountAttr::default().idmapped(materials.user_namespace);
    let changes = clone_mount(&materials.environment, false, &map)?;
    attach_scaffold(&changes, "env")?;
    let map = MountAttr::new(MountAttrFlags::MOUNT_ATTR_RDONLY).idmapped(materials.user_namespace);
    attach_scaffold(&clone_mount(&materials.veil, false, &map)?, "veil")?;
    Ok(memory)
}

fn scaffold(name: &str) -> Result<()> {
    mkdirat(CWD, name, Mode::from_raw_mode(0o755)).doing("create", || name)
}

fn attach_scaffold(mount: &OwnedFd, name: &str) -> Result<()> {
    let at = openat(
        CWD,
        name,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .doing("open", || name)?;
    attach(mount, &at).doing("move_mount to", || name)
}

/// What the plan takes from the host, opened with the user's own rights and nothing more: a mount
/// below a directory that the user cannot pass on the host must not come within reach here. `None`:
/// out of the user's reach, or not there.
struct Sources {
    overlays: Vec<Option<OwnedFd>>,
    steps: Vec<Option<OwnedFd>>,
}

fn open_sources(materials: &Materials<'_>) -> Result<Sources> {
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
        Ok(Sources { overlays, steps })
    });
    sources.doing("take the ids of", || format!("user {uid}"))
}

fn first_overlay(materials: &Materials<'_>, sources: &Sources) -> Result<OwnedFd> {
    let (Some(overlay), Some(Some(source))) =
        (materials.plan.overlays.first(), sources.overlays.first())
    else {
        return Err(Error::refused(
            "see",
            "/",
            "the user cannot open the root directory",
        ));
    };
    let root = merged(materials, 0, overlay, source)?;
    attach_scaffold(&root, "root")?;
    Ok(root)
}

/// Guard, veil, front and changes of one file system of the base, merged.
fn merged(
    materials: &Materials<'_>,
    index: usize,
    overlay: &Overlay,
    source: &OwnedFd,
) -> Result<OwnedFd> {
    let on = |error: Error| Error {
        object: format!("{} ({})", overlay.at.display(), error.object),
        ..error
    };
    let base_name = format!("base{index}");
    let guard_name = format!("guard{index}");
    scaffold(&base_name)?;
    scaffold(&guard_name)?;
    let map = MountAttr::new(MountAttrFlags::MOUNT_ATTR_RDONLY).idmapped(materials.user_namespace);
    let base = clone_mount(source, false, &map)
        .map_err(on)
        .map_err(|error| {
            error.hint(
                "the file system cannot be id-mapped; name its mount point under `view.shared` or \
             `view.read_only` in the policy",
            )
        })?;
    attach_scaffold(&base, &base_name)?;
    attach_scaffold(
        &guard(materials.identity, "empty", &base_name).map_err(on)?,
        &guard_name,
    )?;

    let mut lowers = Vec::new();
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
    let (upper, work) = layer_directories(&materials.environment, &overlay.at)?;
    let mut flags = MountAttrFlags::empty();
    flags.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, overlay.noexec);
    flags.set(MountAttrFlags::MOUNT_ATTR_NOSUID, overlay.nosuid);
    environment(
        materials.identity,
        &lowers,
        &format!("env/{upper}"),
        &format!("env/{work}"),
        flags,
    )
    .map_err(on)
}

impl Builder<'_> {
    fn step(&mut self, step: &Step, sources: &Sources) -> Result<()> {
        let plan = self.materials.plan;
        let source = plan
            .steps
            .iter()
            .position(|one| std::ptr::eq(one, step))
            .and_then(|index| sources.steps.get(index))
            .and_then(Option::as_ref);
        match step {
            Step::Overlay(index) => {
                let (Some(overlay), Some(Some(source))) =
                    (plan.overlays.get(*index), sources.overlays.get(*index))
                else {
                    return Ok(());
                };
                let mount = merged(self.materials, *index, overlay, source)?;
                self.show(&mount, &overlay.at, Missing::PassOver)
            }
            Step::Pass { at, read_only } => {
                let Some(source) = source else { return Ok(()) };
                let mut flags = HARMLESS;
                flags.set(MountAttrFlags::MOUNT_ATTR_RDONLY, *read_only);
                let mount = clone_mount(source, false, &MountAttr::new(flags))?;
                self.show(&mount, at, Missing::PassOver)
            }
            Step::Memory(path) => {
                self.memories += 1;
                let name = format!("memory{}", self.memories);
                let mode = rustix::fs::stat(path).map_or(0o1777, |stat| stat.st_mode & 0o7777);
                self.memory_directory(&name, mode)?;
                self.show(&self.clone_memory(&name, HARMLESS)?, path, Missing::Create)
            }
            Step::Hide(path) => {
                let flags = HARMLESS | MountAttrFlags::MOUNT_ATTR_RDONLY;
                self.show(&self.clone_memory("empty", flags)?, path, Missing::PassOver)
            }
            Step::Dev => dev::build(self),
            Step::Sys => {
                let sys = openat(CWD, "/sys", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
                    .doing("open", || "/sys")?;
                let flags = HARMLESS
                    | MountAttrFlags::MOUNT_ATTR_RDONLY
                    | MountAttrFlags::MOUNT_ATTR_NOEXEC;
                let mount = clone_mount(&sys, true, &MountAttr::new(flags).recursive())?;
                self.show(&mount, Path::new("/sys"), Missing::Create)
            }
            Step::Run => self.run(),
            Step::Home(path) => {
                let Some(source) = source else { return Ok(()) };
                // The path came from outside; what counts is whose directory it is.
                let owner = fstat(source).doing("stat", || path.display())?.st_uid;
                if owner != self.materials.identity.uid {
                    return Ok(());
                }
                let mount = clone_mount(source, true, &MountAttr::new(HARMLESS).recursive())?;
                self.show(&mount, path, Missing::Create)
            }
            Step::Expose(path) => {
                let Some(source) = source else { return Ok(()) };
                let kind = FileType::from_raw_mode(
                    fstat(source).doing("stat", || path.display())?.st_mode,
                );
                let mount = clone_mount(source, true, &MountAttr::new(HARMLESS).recursive())?;
                let missing = if kind == FileType::Directory {
                    Missing::Create
                } else {
                    Missing::CreateFile
                };
                self.show(&mount, path, missing)
            }
            Step::Proc => {
                let flags = HARMLESS | MountAttrFlags::MOUNT_ATTR_NOEXEC;
                let proc = new_filesystem("proc", &[], flags, |create| create())?;
                self.show(&proc, Path::new("/proc"), Missing::Create)
            }
        }
    }

    /// `/run`, with the rule that makes sudo ask the environment's user for no password.
    fn run(&mut self) -> Result<()> {
        self.memory_directory("run", 0o755)?;
        self.memory_directory("run/lock", 0o1777)?;
        self.memory_directory("run/user", 0o755)?;
        self.memory_directory("run/caddis", 0o755)?;
        // sudo keeps the variables that say where one is: `caddis root` asks for the first one, Debian's
        // prompt for the second.
        let rule = format!(
            "Defaults env_keep += \"CADDIS_ENV debian_chroot\"\n\
             #{} ALL=(ALL:ALL) NOPASSWD: ALL\n",
            self.materials.identity.uid
        );
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let path = "run/caddis/sudoers";
        let file = openat(&self.memory, path, flags, Mode::from_raw_mode(0o440))
            .doing("create", || path)?;
        rustix::io::write(&file, rule.as_bytes()).doing("write", || path)?;
        self.give(path)?;
        self.show(
            &self.clone_memory("run", HARMLESS)?,
            Path::new("/run"),
            Missing::Create,
        )
    }

    /// A directory in the instance's memory that belongs to container root.
    pub(crate) fn memory_directory(&self, name: &str, mode: u32) -> Result<()> {
        mkdirat(&self.memory, name, Mode::RWXU).doing("create", || name)?;
        self.give(name)?;
        // Not in mkdirat, from which the umask would take bits.
        chmodat(
            &self.memory,
            name,
            Mode::from_raw_mode(mode),
            AtFlags::empty(),
        )
        .doing("chmod", || name)
    }

    fn give(&self, name: &str) -> Result<()> {
        let identity = self.materials.identity;
        let owner = Some(Uid::from_raw(identity.host_uid(0)));
        let group = Some(Gid::from_raw(identity.host_gid(0)));
        chownat(&self.memory, name, owner, group, AtFlags::SYMLINK_NOFOLLOW).doing("chown", || name)
    }

    /// A mount of a directory in the instance's memory.
    pub(crate) fn clone_memory(&self, name: &str, flags: MountAttrFlags) -> Result<OwnedFd> {
        let flags_path = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            openat(&self.memory, name, flags_path, Mode::empty()).doing("open", || name)?;
        clone_mount(&directory, false, &MountAttr::new(flags))
    }

    /// Mounts `mount` at `path` of the view. Links in the path are the user's own and lead nowhere
    /// but within the view.
    pub(crate) fn show(&self, mount: &OwnedFd, path: &Path, missing: Missing) -> Result<()> {
        let find = || {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            openat2(&self.root, path, flags, Mode::empty(), resolve)
        };
        let at = match (find(), missing) {
            (Ok(at), _) => at,
            (
                Err(Errno::NOENT | Errno::ACCESS | Errno::NOTDIR | Errno::LOOP),
                Missing::PassOver,
            ) => {
                return Ok(());
            }
            (Err(Errno::NOENT), _) => {
                self.make_place(path, missing)?;
                find().doing("find the mount point", || path.display())?
            }
            (Err(errno), _) => return Err(errno).doing("find the mount point", || path.display()),
        };
        attach(mount, at).doing("mount on", || path.display())
    }

    /// Makes a mount point, as container root and below the view's root only.
    fn make_place(&self, path: &Path, missing: Missing) -> Result<()> {
        let identity = self.materials.identity;
        let all = capabilities(None)
            .doing("capget", || "of the helper")?
            .permitted;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let open = |path: &Path| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            openat2(&self.root, path, flags, Mode::empty(), resolve)
        };
        let make = || {
            let mut walked = PathBuf::from("/");
            let count = path.components().count();
            for (index, component) in path.components().enumerate().skip(1) {
                let parent = open(&walked)?;
                let name = component.as_os_str();
                let result = if index + 1 == count && missing == Missing::CreateFile {
                    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                    openat(&parent, name, flags, Mode::from_raw_mode(0o644)).map(drop)
                } else {
                    mkdirat(&parent, name, Mode::from_raw_mode(0o755))
                };
                match result {
                    Ok(()) | Err(Errno::EXIST) => walked.push(component),
                    Err(errno) => return Err(errno),
                }
            }
            Ok(())
        };
        with_credentials(identity.host_uid(0), identity.host_gid(0), all, make)
            .doing("create the mount point", || path.display())
    }
}

/// What to do when the view has no place for a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The user cannot reach it on the host either, or has removed it.
    PassOver,
    /// Make a directory.
    Create,
    /// Make a file.
    CreateFile,
}

/// Makes `root` the root of this mount namespace and lets the host's go. Not chroot(2), which would
/// leave the host's mounts there to be found and forbids nested user namespaces.
fn enter(root: impl AsFd) -> Result<()> {
    fchdir(root).doing("fchdir", || "the view")?;
    pivot_root(".", ".").doing("pivot_root", || "to the view")?;
    unmount(".", UnmountFlags::DETACH).doing("umount", || "the host's mounts")?;
    chdir("/").doing("chdir", || "/")
}
