//! What a host may be made of beyond the ordinary one.

use crate::error::{Context, Result};
use crate::host::Host;
use crate::installed;
use crate::setup::{Disk, Spec};
use crate::store::{Store, copy, run};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file system of a further disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// Debian's default, without blocks that are kept for root.
    Ext4,
    /// The same with them, as mkfs.ext4 makes it; for a further disk.
    Ext4WithReserve,
    /// With reflinks; at least 300 MiB.
    Xfs,
    /// With reflinks; at least 128 MiB.
    Btrfs,
}

impl FileSystem {
    fn name(self) -> &'static str {
        match self {
            FileSystem::Ext4 | FileSystem::Ext4WithReserve => "ext4",
            FileSystem::Xfs => "xfs",
            FileSystem::Btrfs => "btrfs",
        }
    }
}

/// What the host's `/` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootKind {
    /// A local file system.
    Local(FileSystem),
    /// An overlay, as in a container or a live system. Caddis refuses such a base.
    Overlay,
}

/// A host that is not started yet.
#[derive(Debug, Clone)]
pub struct HostBuilder {
    name: String,
    root: RootKind,
    caddis: bool,
    systemd: bool,
    disks: Vec<(PathBuf, FileSystem, String)>,
    memory: Vec<(PathBuf, String)>,
}

impl HostBuilder {
    pub(crate) fn new() -> HostBuilder {
        HostBuilder {
            name: "host".into(),
            root: RootKind::Local(FileSystem::Ext4),
            caddis: true,
            systemd: false,
            disks: Vec::new(),
            memory: Vec::new(),
        }
    }

    /// Its host name.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// What its `/` is.
    pub fn root(mut self, kind: RootKind) -> Self {
        self.root = kind;
        self
    }

    /// A plain Debian, without Caddis.
    pub fn without_caddis(mut self) -> Self {
        self.caddis = false;
        self
    }

    /// A host with systemd as PID 1, with logind, D-Bus, sshd, cron and rsyslogd running, and with cgroups of its own.
    pub fn systemd(mut self) -> Self {
        self.systemd = true;
        self
    }

    /// A further file system on a disk of its own, `size` as truncate(1) takes it; a small one for tests of
    /// a full disk. It is empty, also where the image has files.
    pub fn disk(mut self, place: impl AsRef<Path>, kind: FileSystem, size: &str) -> Self {
        self.disks.push((place.as_ref().into(), kind, size.into()));
        self
    }

    /// A tmpfs with the given mount options (`size=16m,mode=1777`).
    pub fn memory(mut self, place: impl AsRef<Path>, options: &str) -> Self {
        self.memory.push((place.as_ref().into(), options.into()));
        self
    }

    /// Starts it.
    pub fn start(self) -> Result<Host> {
        self.start_keeping(None)
    }

    /// Starts it and gives its root's image a second name, which stays.
    pub(crate) fn start_keeping(self, keep: Option<&Path>) -> Result<Host> {
        let store = Store::open()?;
        let ordinary = self.root == RootKind::Local(FileSystem::Ext4);
        // Installing takes over a second, and a copy of the installed image nothing: done once for all hosts.
        let from = match self.root {
            RootKind::Local(FileSystem::Ext4) if self.systemd => installed::systemd_image(&store)?,
            RootKind::Local(FileSystem::Ext4) if self.caddis => installed::image(&store)?,
            RootKind::Local(kind) => base(&store, kind)?,
            RootKind::Overlay => base(&store, FileSystem::Ext4)?,
        };
        let kind = match self.root {
            RootKind::Local(kind) => kind,
            RootKind::Overlay => FileSystem::Ext4,
        };
        let image = store.fresh("root");
        copy(&from, &image)?;
        if kind == FileSystem::Btrfs {
            // Hosts that run side by side have copies of one image, which the kernel would take for the same disk.
            run(Command::new("btrfstune").args(["-m", "--"]).arg(&image))?;
        }
        if let Some(name) = keep {
            let _ = fs::remove_file(name);
            fs::hard_link(&image, name).context(format_args!("link {}", name.display()))?;
        }
        let mut disks = Vec::new();
        for (place, kind, size) in &self.disks {
            let image = store.fresh("disk");
            make(*kind, &image, size)?;
            disks.push(Disk {
                place: place.clone(),
                kind: kind.name().into(),
                image,
            });
        }
        let spec = Spec {
            name: self.name,
            mount_point: store.mount_point(),
            root: Disk {
                place: "/".into(),
                kind: kind.name().into(),
                image,
            },
            overlay: self.root == RootKind::Overlay,
            systemd: self.systemd,
            disks,
            memory: self.memory,
        };
        let special = !ordinary || !spec.disks.is_empty() || !spec.memory.is_empty();
        let host = Host::from_spec(&spec)?;
        if self.systemd {
            host.wait_for_systemd();
        }
        if self.caddis && !ordinary {
            installed::install(&host)?;
        }
        if self.caddis && special && self.root != RootKind::Overlay {
            installed::build_veil(&host);
        }
        Ok(host)
    }
}

/// The image of a plain host on the given file system; the cached one is ext4, others are made from it.
fn base(store: &Store, kind: FileSystem) -> Result<PathBuf> {
    let ext4 = store.path("base.ext4");
    if kind == FileSystem::Ext4 {
        return Ok(ext4);
    }
    store.once(&format!("base.{}", kind.name()), |image| {
        make(kind, image, "12G")?;
        // In a mount namespace of its own, so nothing stays mounted whatever happens.
        let script = "set -e; mount -t ext4 -o loop,ro,noload -- \"$1\" \"$3\"; mount -t tmpfs tmpfs \"$3/mnt\"; \
                      mkdir \"$3/mnt/target\"; mount -t \"$4\" -o loop -- \"$2\" \"$3/mnt/target\"; \
                      cp -a --one-file-system -- \"$3\"/. \"$3/mnt/target/\"; umount \"$3/mnt/target\"";
        run(Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--", "sh", "-c", script, "sh"])
            .args([&ext4, image, &store.mount_point()])
            .arg(kind.name()))
    })
}

fn make(kind: FileSystem, image: &Path, size: &str) -> Result<()> {
    File::create_new(image).context(format_args!("create {}", image.display()))?;
    let made = run(Command::new("truncate").args(["-s", size, "--"]).arg(image)).and_then(|()| {
        let mut mkfs = Command::new(format!("mkfs.{}", kind.name()));
        match kind {
            FileSystem::Ext4 => mkfs.args(["-q", "-m", "0"]),
            FileSystem::Ext4WithReserve => mkfs.args(["-q"]),
            FileSystem::Xfs => mkfs.args(["-q", "-m", "reflink=1"]),
            FileSystem::Btrfs => mkfs.args(["-q"]),
        };
        run(mkfs.arg(image))
    });
    if made.is_err() {
        let _ = fs::remove_file(image);
    }
    made
}
