//! From an image to a running host: what `caddis-lab host-init` does as the first process of the new
//! namespaces. `unshare(1)` made them; when this returns, the caller becomes the host's PID 1.

use crate::error::{Context, LabError, Result};
use rustix::fs::{CWD, FileType, Gid, Mode, Uid};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a host is made of. It travels as arguments from the test to `caddis-lab host-init`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The host's name.
    pub name: String,
    /// Where the root is mounted until it is the root.
    pub mount_point: PathBuf,
    /// The image of the root file system; unlinked once it is mounted.
    pub root: Disk,
    /// Whether the root is an overlay on the image instead of the image itself.
    pub overlay: bool,
    /// Whether its PID 1 is systemd.
    pub systemd: bool,
    /// Further file systems on images of their own.
    pub disks: Vec<Disk>,
    /// Further file systems in memory, with their mount options.
    pub memory: Vec<(PathBuf, String)>,
}

/// A file system on an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Where it belongs in the host.
    pub place: PathBuf,
    /// As mount(8) names it.
    pub kind: String,
    /// The image.
    pub image: PathBuf,
}

impl Spec {
    /// The arguments of `caddis-lab host-init`.
    pub fn to_arguments(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = vec![self.name.clone().into(), self.mount_point.clone()];
        all.push(if self.overlay { "overlay" } else { "plain" }.into());
        all.push(if self.systemd { "systemd" } else { "cat" }.into());
        for disk in std::iter::once(&self.root).chain(&self.disks) {
            all.extend([
                "disk".into(),
                disk.place.clone(),
                disk.kind.clone().into(),
                disk.image.clone(),
            ]);
        }
        for (place, options) in &self.memory {
            all.extend([
                "memory".into(),
                place.clone(),
                options.clone().into(),
                PathBuf::new(),
            ]);
        }
        all
    }

    /// The other direction.
    pub fn from_arguments(arguments: &[String]) -> Result<Spec> {
        let bad = || {
            LabError(format!(
                "host-init: these arguments are not a host: {arguments:?}"
            ))
        };
        let [name, mount_point, overlay, systemd, rest @ ..] = arguments else {
            return Err(bad());
        };
        let (mut disks, mut memory) = (Vec::new(), Vec::new());
        for four in rest.chunks(4) {
            match four {
                [what, place, kind, image] if what == "disk" => {
                    disks.push(Disk {
                        place: place.into(),
                        kind: kind.clone(),
                        image: image.into(),
                    });
                }
                [what, place, options, _] if what == "memory" => {
                    memory.push((place.into(), options.clone()))
                }
                _ => return Err(bad()),
            }
        }
        if disks.is_empty() {
            return Err(bad());
        }
        let root = disks.remove(0);
        let (name, mount_point) = (name.clone(), mount_point.into());
        Ok(Spec {
            name,
            mount_point,
            root,
            overlay: overlay == "overlay",
            systemd: systemd == "systemd",
            disks,
            memory,
        })
    }
}

/// Builds the host around this process: mounts, devices, name, network.
pub fn become_host(spec: &Spec) -> Result<()> {
    let root = &spec.mount_point;
    // Nothing that happens here may reach the machine, whatever it was told about propagation before.
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .context("make all mounts private")?;
    mount_root(spec)?;
    for disk in &spec.disks {
        let place = inside(root, &disk.place)?;
        mount_image(disk, &place)?;
    }
    for (place, options) in &spec.memory {
        let place = inside(root, place)?;
        mount_new(
            "tmpfs",
            &place,
            MountFlags::NOSUID | MountFlags::NODEV,
            options,
        )?;
    }
    kernel_file_systems(root, spec.systemd)?;
    devices(root, spec.systemd)?;
    change_root(root)?;
    // As systemd leaves it on an ordinary machine: a mount made later is seen by those who follow this tree.
    mount_change(
        "/",
        MountPropagationFlags::SHARED | MountPropagationFlags::REC,
    )
    .context("make all mounts shared")?;
    rustix::system::sethostname(spec.name.as_bytes())
        .context(format_args!("set the host name {}", spec.name))?;
    fs::write("/etc/hostname", format!("{}\n", spec.name)).context("write /etc/hostname")?;
    let hosts = format!(
        "127.0.0.1\tlocalhost\n127.0.1.1\t{}\n::1\tlocalhost ip6-localhost\n",
        spec.name
    );
    fs::write("/etc/hosts", hosts).context("write /etc/hosts")?;
    crate::store::run(Command::new("/usr/sbin/ip").args(["link", "set", "lo", "up"]))
}

fn mount_root(spec: &Spec) -> Result<()> {
    let root = &spec.mount_point;
    if !spec.overlay {
        return mount_image(&spec.root, root);
    }
    // A live system or a container has a root like this: an overlay on something read-only.
    mount_new("tmpfs", root, MountFlags::empty(), "mode=755")?;
    let [lower, upper, work, merged] =
        ["lower", "upper", "work", "merged"].map(|part| root.join(part));
    for part in [&lower, &upper, &work, &merged] {
        fs::create_dir(part).context(format_args!("create {}", part.display()))?;
    }
    mount_image(&spec.root, &lower)?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    mount_new("overlay", &merged, MountFlags::empty(), &options)?;
    rustix::mount::mount_move(&merged, root).context("move the overlay to the root")
}

/// Mounts an image by way of a loop device that lets go of it with the last mount, and unlinks the image: from
/// here on it lives exactly as long as the host.
fn mount_image(disk: &Disk, place: &Path) -> Result<()> {
    let options = match disk.kind.as_str() {
        // No flushes down to the machine's disk and no lazy writing of empty inode tables: a host has no
        // power cut to survive.
        "ext4" => "loop,barrier=0,noinit_itable",
        // Hosts that run side by side have copies of one image, which the kernel would take for the same disk.
        "xfs" => "loop,nouuid",
        _ => "loop",
    };
    crate::store::run(
        Command::new("mount")
            .args(["-t", &disk.kind, "-o", options, "--"])
            .arg(&disk.image)
            .arg(place),
    )?;
    fs::remove_file(&disk.image).context(format_args!("unlink {}", disk.image.display()))
}

fn kernel_file_systems(root: &Path, systemd: bool) -> Result<()> {
    let plain = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let proc = root.join("proc");
    mount_new("proc", &proc, plain, "")?;
    let sys = root.join("sys");
    mount_new("sysfs", &sys, plain, "")?;
    let cgroup = sys.join("fs/cgroup");
    mount_new("cgroup2", &cgroup, plain, "")?;
    let read_only = |place: &Path| {
        rustix::mount::mount_remount(place, plain | MountFlags::BIND | MountFlags::RDONLY, "")
            .context(format_args!("make {} read-only", place.display()))
    };
    if systemd {
        // It sets what the kernel has one of, the machine's: settings of the kernel and its devices.
        read_only(&sys)?;
        let settings = proc.join("sys");
        rustix::mount::mount_bind(&settings, &settings).context("bind /proc/sys")?;
        read_only(&settings)?;
    } else {
        // The tree is the machine's: seen, not touched.
        read_only(&cgroup)?;
    }
    mount_new(
        "tmpfs",
        &root.join("run"),
        MountFlags::NOSUID | MountFlags::NODEV,
        "mode=755",
    )?;
    let lock = root.join("run/lock");
    fs::create_dir(&lock).context("create /run/lock")?;
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o1777))
        .context("set the mode of /run/lock")
}

/// The ordinary nodes of `/dev`, as a machine without extra hardware has them.
fn devices(root: &Path, systemd: bool) -> Result<()> {
    let dev = root.join("dev");
    mount_new(
        "tmpfs",
        &dev,
        MountFlags::NOSUID | MountFlags::NOEXEC,
        "mode=755",
    )?;
    for (name, major, minor, mode, group) in [
        ("null", 1, 3, 0o666, 0),
        ("zero", 1, 5, 0o666, 0),
        ("full", 1, 7, 0o666, 0),
        ("random", 1, 8, 0o666, 0),
        ("urandom", 1, 9, 0o666, 0),
        ("kmsg", 1, 11, 0o644, 0),
        ("tty", 5, 0, 0o666, 5),
        ("ptmx", 5, 2, 0o666, 5),
        ("fuse", 10, 229, 0o666, 0),
        // A disk that exists on no machine: something to be refused.
        ("sdz", 8, 400, 0o660, 6),
    ] {
        // systemd would write its log there, and read the machine's.
        if systemd && name == "kmsg" {
            continue;
        }
        let path = dev.join(name);
        let kind = if name == "sdz" {
            FileType::BlockDevice
        } else {
            FileType::CharacterDevice
        };
        let device = rustix::fs::makedev(major, minor);
        rustix::fs::mknodat(CWD, &path, kind, Mode::empty(), device)
            .context(format_args!("make the device {name}"))?;
        let group = Gid::from_raw(group);
        rustix::fs::chown(&path, Some(Uid::ROOT), Some(group))
            .context(format_args!("chown {name}"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .context(format_args!("chmod {name}"))?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(name)).context(format_args!("link /dev/{name}"))?;
    }
    let plain = MountFlags::NOSUID | MountFlags::NOEXEC;
    // An instance of its own; 5 is Debian's group tty.
    let pts = inside(root, Path::new("/dev/pts"))?;
    mount_new(
        "devpts",
        &pts,
        plain,
        "newinstance,ptmxmode=666,gid=5,mode=620",
    )?;
    let shm = inside(root, Path::new("/dev/shm"))?;
    mount_new(
        "tmpfs",
        &shm,
        MountFlags::NOSUID | MountFlags::NODEV,
        "mode=1777",
    )?;
    let mqueue = inside(root, Path::new("/dev/mqueue"))?;
    mount_new("mqueue", &mqueue, plain | MountFlags::NODEV, "")
}

/// Makes `root` the root and lets go of the machine's whole tree.
fn change_root(root: &Path) -> Result<()> {
    rustix::process::chdir(root).context(format_args!("change to {}", root.display()))?;
    rustix::process::pivot_root(".", ".")
        .context(format_args!("pivot_root to {}", root.display()))?;
    unmount(".", UnmountFlags::DETACH).context("unmount the machine's root")?;
    rustix::process::chdir("/").context("change to /")
}

fn mount_new(kind: &str, place: &Path, flags: MountFlags, options: &str) -> Result<()> {
    let options = std::ffi::CString::new(options).context("mount options")?;
    mount(kind, place, kind, flags, options.as_c_str())
        .context(format_args!("mount {kind} on {}", place.display()))
}

/// The place of a path of the host below the root that is being set up; made if it is not there.
fn inside(root: &Path, path: &Path) -> Result<PathBuf> {
    let place = root.join(
        path.strip_prefix("/")
            .context(format_args!("{} is not absolute", path.display()))?,
    );
    fs::create_dir_all(&place).context(format_args!("create {}", place.display()))?;
    Ok(place)
}

/// This process's id as the machine sees it: `/proc` is still the machine's when this is asked.
pub fn id_on_the_machine() -> Result<String> {
    let link = fs::read_link("/proc/self").context("read /proc/self")?;
    Ok(link.to_string_lossy().into_owned())
}
