//! What a view shall look like, as data: computed without touching anything, printed by
//! `--dry-run`, carried out by [`crate::build`].

mod show;
mod sys;

use crate::cgroup::Membership;
use crate::mountinfo::{Index, Mount};
use crate::tree::is_local;
use caddis_policy::View;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The steps that make a view, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The file systems that are seen through overlays; the first one is that of `/`.
    pub overlays: Vec<Overlay>,
    /// What is mounted over them, outer directories first.
    pub steps: Vec<Step>,
    /// Mounts of the host that cannot be shown: the layer of their changes would need a name longer
    /// than a file can have.
    pub left_out: Vec<PathBuf>,
}

/// A local file system of the host, seen through an overlay of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// Where the host has it, and where the environment has it.
    pub at: PathBuf,
    /// The name of its upper layer in the environment's directory.
    pub upper: String,
    /// Programs on it are not executed on the host either.
    pub noexec: bool,
    /// Setuid bits on it have no effect on the host either.
    pub nosuid: bool,
    /// Directories that hide the base's.
    pub front: Vec<Front>,
}

/// An entry of the front layer, which lies above veil and guard and below the user's changes. It
/// is made for each instance, in memory, so that an empty environment needs no room on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Front {
    /// A directory or file that is seen empty at first; what the user puts there is part of the changes. Where the
    /// base has none, none is seen, whatever appears there later.
    Empty(PathBuf),
    /// The same where the host has mounted a file system of its own, which lends it owner and mode.
    EmptyMount(PathBuf),
    /// A place for a mount, inside a directory that is seen empty.
    MountPoint(PathBuf),
    /// A place where something is mounted. What lies under the mount is covered on the host; here the
    /// user could take the directories above away, so that the mount finds no place at the next start.
    Covered(PathBuf),
    /// A file of the host's accounts that the user cannot read: one with every password locked.
    Locked(PathBuf, Locked),
}

/// Which file with locked passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// Of the users.
    Shadow,
    /// Of the groups.
    Gshadow,
}

/// Made anew at each start, as an account that was added meanwhile would be missing: PAM refuses it.
const LOCKED: [(&str, Locked); 2] = [
    ("/etc/gshadow", Locked::Gshadow),
    ("/etc/shadow", Locked::Shadow),
];

/// Something mounted over the overlays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The overlay of that index in [`Plan::overlays`]; `/` is not among these.
    Overlay(usize),
    /// A mount of the host as it is. The kernel goes on checking every access with the user's own ids.
    Pass {
        /// Where it is.
        at: PathBuf,
        /// Nothing can be written.
        read_only: bool,
        /// A server answers for it, or a program.
        server: bool,
    },
    /// A directory or file in the instance's private memory.
    Memory {
        /// Where it is.
        at: PathBuf,
        /// What it is on the host, as far as the user sees that: type and mode.
        mode: Option<u32>,
    },
    /// A directory or file that is seen empty and cannot be written.
    Hide {
        /// Where it is.
        at: PathBuf,
        /// What it is on the host, as far as the user sees that: type and mode.
        mode: Option<u32>,
    },
    /// `/dev` with the allowed devices.
    Dev,
    /// `/sys` of the host, read-only, without what is mounted below it.
    Sys,
    /// The part of a hierarchy of cgroups that is the instance's own.
    Cgroup {
        /// Where it is.
        at: PathBuf,
        /// Of version 1, or 2.
        fstype: String,
        /// Which hierarchy.
        options: Vec<String>,
    },
    /// `/run`, private, with what the policy exposes of the host's.
    Run,
    /// The user's home directory.
    Home(PathBuf),
    /// A path that the policy exposes: a socket, a directory with sockets.
    Expose(PathBuf),
    /// `/proc` for the environment's own processes. Last, and without anything mounted over it, or
    /// the kernel would refuse nested containers a `/proc` of theirs.
    Proc,
}

/// Trees of the host that are never looked into: each has a step of its own.
const SPECIAL: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// File systems that are windows into the kernel: mounted anywhere else than at their usual place
/// (for a chroot, say) they would show what belongs to the host, its processes for one.
const KERNEL_WINDOWS: [&str; 19] = [
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "mqueue",
    "nfsd",
    "nsfs",
    "proc",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "sysfs",
    "tracefs",
];

/// What the plan is made for, beside the policy and the mount table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The user's id, for `{uid}` in exposed paths.
    pub uid: u32,
    /// The home directory, resolved; `None`: there is none.
    pub home: Option<PathBuf>,
    /// The cgroups of whoever starts the instance.
    pub cgroups: Vec<Membership>,
    /// Type and mode of what the host has at places of the view, as far as the user sees them.
    pub modes: BTreeMap<PathBuf, u32>,
}

/// The longest name of a file, without room for what stands behind that of an upper layer.
const LONGEST_NAME: usize = 255 - ".work".len();

impl Plan {
    /// Computes the plan. The paths of `view` have been resolved (no symlinks) by the caller.
    #[must_use]
    pub fn new(view: &View, mounts: &[Mount], wish: &Wish) -> Plan {
        let covered = |path: &Path| {
            let own = |list: &[PathBuf]| list.iter().any(|one| path.starts_with(one));
            own(&view.private)
                || own(&view.memory)
                || own(&view.hidden)
                || SPECIAL.iter().any(|special| path.starts_with(special))
        };
        let mut shown: Vec<&Mount> = mounts
            .iter()
            .filter(|mount| !mount.covered && !covered(&mount.at))
            .filter(|mount| !KERNEL_WINDOWS.contains(&mount.fstype.as_str()))
            .collect();
        shown.sort_by_key(|mount| mount.at.components().count());
        let overlaid = |mount: &Mount| {
            mount.directory
                && (mount.at == Path::new("/")
                    || (view.overlay_types.contains(&mount.fstype)
                        && !view.shared.contains(&mount.at)
                        && !view.read_only.contains(&mount.at)))
        };
        let (cannot, shown): (Vec<&Mount>, Vec<&Mount>) = shown
            .into_iter()
            .partition(|mount| overlaid(mount) && upper_name(&mount.at).len() > LONGEST_NAME);
        let mut overlays: Vec<Overlay> = shown
            .iter()
            .filter(|mount| overlaid(mount))
            .map(|mount| Overlay {
                at: mount.at.clone(),
                upper: upper_name(&mount.at),
                noexec: mount.noexec,
                nosuid: mount.nosuid,
                front: Vec::new(),
            })
            .collect();
        let places: HashMap<PathBuf, usize> = overlays
            .iter()
            .enumerate()
            .map(|(index, overlay)| (overlay.at.clone(), index))
            .collect();
        let mut steps: Vec<Step> = shown
            .iter()
            .filter(|mount| mount.at != Path::new("/"))
            .map(|mount| match places.get(&mount.at) {
                Some(index) => Step::Overlay(*index),
                None => Step::Pass {
                    at: mount.at.clone(),
                    read_only: view.read_only.contains(&mount.at),
                    server: !is_local(mount, &view.overlay_types),
                },
            })
            .collect();

        let points = mounts
            .iter()
            .map(|mount| &mount.at)
            .filter(|at| !covered(at));
        // The kernel's own places, too: root of an environment can rename what is mounted on, by way of a mount
        // namespace in which it is not.
        let special = SPECIAL.map(PathBuf::from);
        let all = Index::new(mounts);
        for point in points
            .chain(&special)
            .chain(&view.memory)
            .chain(&view.hidden)
        {
            let on = point.parent().and_then(|above| all.containing(above));
            if let Some(index) = on.and_then(|on| places.get(&on.at)) {
                overlays[*index].front.push(Front::Covered(point.clone()));
            }
        }

        let table = Index::new(shown.iter().copied());
        let mut front = |path: &Path, entry: Front| {
            let index = *places.get(&table.containing(path)?.at)?;
            overlays[index].front.push(entry);
            Some(())
        };
        let memory = |path: &Path| Step::Memory {
            at: path.to_owned(),
            mode: wish.modes.get(path).copied(),
        };
        for (path, kind) in LOCKED {
            front(Path::new(path), Front::Locked(path.into(), kind));
        }
        for path in &view.private {
            let mounted = all
                .at(path)
                .filter(|mount| is_local(mount, &view.overlay_types));
            let entry = match mounted.filter(|_| table.at(path).is_none()) {
                Some(_) => Front::EmptyMount(path.clone()),
                None => Front::Empty(path.clone()),
            };
            if front(path, entry).is_none() {
                steps.push(memory(path));
            }
        }
        steps.extend(view.memory.iter().map(|path| memory(path)));
        steps.extend(view.hidden.iter().map(|path| Step::Hide {
            at: path.clone(),
            mode: wish.modes.get(path).copied(),
        }));
        steps.push(Step::Dev);
        steps.extend(sys::steps(mounts, &wish.cgroups));
        steps.push(Step::Run);
        if let Some(home) = &wish.home {
            if view
                .private
                .iter()
                .any(|private| home.starts_with(private) && home != private)
            {
                front(home, Front::MountPoint(home.clone()));
            }
            steps.push(Step::Home(home.clone()));
        }
        steps.extend(view.exposed(wish.uid).map(Step::Expose));
        steps.push(Step::Proc);
        Plan {
            overlays,
            steps,
            left_out: cannot.into_iter().map(|mount| mount.at.clone()).collect(),
        }
    }

    /// Where something is mounted over the overlays, so that what these have there is not seen.
    pub fn mount_points(&self) -> impl Iterator<Item = &Path> {
        self.steps.iter().filter_map(|step| match step {
            Step::Overlay(index) => self
                .overlays
                .get(*index)
                .map(|overlay| overlay.at.as_path()),
            Step::Pass { at, .. }
            | Step::Cgroup { at, .. }
            | Step::Memory { at, .. }
            | Step::Hide { at, .. }
            | Step::Home(at)
            | Step::Expose(at) => Some(at),
            Step::Dev => Some(Path::new("/dev")),
            Step::Sys => Some(Path::new("/sys")),
            Step::Run => Some(Path::new("/run")),
            Step::Proc => Some(Path::new("/proc")),
        })
    }
}

/// The name of the upper layer of the file system at `at`: `@` for `/`, `@var@lib` for `/var/lib`.
/// What is no letter, digit, `_` or `-` is percent-encoded, so no two places share a name, and none ends
/// like the directories beside it (`.work`).
#[must_use]
pub fn upper_name(at: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut name = String::from("@");
    for (index, component) in at.components().skip(1).enumerate() {
        if index > 0 {
            name.push('@');
        }
        for byte in component.as_os_str().as_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => {
                    name.push(char::from(*byte));
                }
                other => name.push_str(&format!("%{other:02X}")),
            }
        }
    }
    name
}

#[cfg(test)]
mod tests;
