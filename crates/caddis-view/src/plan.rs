//! What a view shall look like, as data: computed without touching anything, printed by
//! `--dry-run`, carried out by [`crate::build`].

use crate::mountinfo::{Mount, containing};
use caddis_policy::View;
use std::fmt;
use std::path::{Path, PathBuf};

/// The steps that make a view, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The file systems that are seen through overlays; the first one is that of `/`.
    pub overlays: Vec<Overlay>,
    /// What is mounted over them, outer directories first.
    pub steps: Vec<Step>,
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
    /// Seen empty at first; what the user puts there is part of the changes.
    Empty(PathBuf),
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
    },
    /// A directory in the instance's private memory.
    Memory(PathBuf),
    /// A directory that is seen empty and cannot be written.
    Hide(PathBuf),
    /// `/dev` with the allowed devices.
    Dev,
    /// `/sys` of the host, read-only.
    Sys,
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
}

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
            .filter(|mount| !covered(&mount.at))
            .filter(|mount| !KERNEL_WINDOWS.contains(&mount.fstype.as_str()))
            // Another user's program would be asked at each start, and could keep us waiting.
            .filter(|mount| {
                mount
                    .fuse_user
                    .is_none_or(|user| user == 0 || user == wish.uid)
            })
            .collect();
        shown.sort_by_key(|mount| mount.at.components().count());
        let overlaid = |mount: &Mount| {
            mount.directory
                && (mount.at == Path::new("/")
                    || (view.overlay_types.contains(&mount.fstype)
                        && !view.shared.contains(&mount.at)
                        && !view.read_only.contains(&mount.at)))
        };
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
        let mut steps: Vec<Step> = shown
            .iter()
            .filter(|mount| mount.at != Path::new("/"))
            .map(
                |mount| match overlays.iter().position(|overlay| overlay.at == mount.at) {
                    Some(index) => Step::Overlay(index),
                    None => Step::Pass {
                        at: mount.at.clone(),
                        read_only: view.read_only.contains(&mount.at),
                    },
                },
            )
            .collect();

        let points = mounts
            .iter()
            .map(|mount| &mount.at)
            .filter(|at| !covered(at));
        // The kernel's own places, too: root of an environment can rename what is mounted on, by way of a mount
        // namespace in which it is not.
        let special = SPECIAL.map(PathBuf::from);
        for point in points
            .chain(&special)
            .chain(&view.memory)
            .chain(&view.hidden)
        {
            let below = point.parent().and_then(|above| containing(mounts, above));
            let found =
                below.and_then(|on| overlays.iter_mut().find(|overlay| overlay.at == on.at));
            if let Some(overlay) = found {
                overlay.front.push(Front::Covered(point.clone()));
            }
        }

        let table: Vec<Mount> = shown.into_iter().cloned().collect();
        let mut front = |path: &Path, entry: Front| {
            let mount = containing(&table, path)?;
            let overlay = overlays.iter_mut().find(|overlay| overlay.at == mount.at)?;
            overlay.front.push(entry);
            Some(())
        };
        for (path, kind) in LOCKED {
            front(Path::new(path), Front::Locked(path.into(), kind));
        }
        for path in &view.private {
            if front(path, Front::Empty(path.clone())).is_none() {
                steps.push(Step::Memory(path.clone()));
            }
        }
        steps.extend(view.memory.iter().cloned().map(Step::Memory));
        steps.extend(view.hidden.iter().cloned().map(Step::Hide));
        steps.extend([Step::Dev, Step::Sys, Step::Run]);
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
        let uid = wish.uid.to_string();
        steps.extend(
            view.expose
                .iter()
                .map(|path| Step::Expose(path.replace("{uid}", &uid).into())),
        );
        steps.push(Step::Proc);
        Plan { overlays, steps }
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

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for overlay in &self.overlays {
            write!(
                f,
                "overlay  {}  upper={}",
                overlay.at.display(),
                overlay.upper
            )?;
            if overlay.noexec {
                f.write_str(" noexec")?;
            }
            if overlay.nosuid {
                f.write_str(" nosuid")?;
            }
            writeln!(f)?;
            for front in &overlay.front {
                match front {
                    Front::Empty(path) => writeln!(f, "  private  {}", path.display())?,
                    Front::MountPoint(path) => writeln!(f, "  mount point  {}", path.display())?,
                    Front::Covered(path) => writeln!(f, "  covered  {}", path.display())?,
                    Front::Locked(path, _) => writeln!(f, "  locked  {}", path.display())?,
                }
            }
        }
        for step in &self.steps {
            match step {
                Step::Overlay(_) => {}
                Step::Pass {
                    at,
                    read_only: false,
                } => writeln!(f, "host     {}", at.display())?,
                Step::Pass {
                    at,
                    read_only: true,
                } => writeln!(f, "host     {}  read-only", at.display())?,
                Step::Memory(path) => writeln!(f, "memory   {}", path.display())?,
                Step::Hide(path) => writeln!(f, "hide     {}", path.display())?,
                Step::Dev => writeln!(f, "devices  /dev")?,
                Step::Sys => writeln!(f, "sysfs    /sys  read-only")?,
                Step::Run => writeln!(f, "memory   /run")?,
                Step::Home(path) => writeln!(f, "home     {}", path.display())?,
                Step::Expose(path) => writeln!(f, "expose   {}", path.display())?,
                Step::Proc => writeln!(f, "proc     /proc")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mountinfo::parse;
    use proptest::prelude::*;

    /// A login node: root and /var on local disks, homes and scratch from servers, odds and ends.
    const LOGIN_NODE: &[u8] = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
        2 1 8:2 / /var rw,nosuid,noexec - xfs /dev/sda2 rw\n\
        3 1 0:5 / /proc rw - proc proc rw\n\
        4 1 0:6 / /home rw - nfs4 server:/home rw\n\
        5 1 0:7 / /scratch rw - lustre mds:/scratch rw\n\
        6 5 8:3 / /scratch/local rw - ext4 /dev/sdb rw\n\
        7 1 0:8 / /run rw - tmpfs tmpfs rw\n\
        8 7 0:9 / /run/user/1000 rw - tmpfs tmpfs rw\n\
        9 1 0:10 / /srv/jail/proc rw - proc proc rw\n\
        10 1 0:11 / /opt/site rw - nfs4 server:/site rw\n\
        11 1 0:12 / /tmp rw - tmpfs tmpfs rw\n";

    fn plan(view: &View) -> Plan {
        let wish = Wish {
            uid: 1000,
            home: Some("/home/alice".into()),
        };
        Plan::new(view, &parse(LOGIN_NODE), &wish)
    }

    #[test]
    fn a_login_node_is_seen_as_it_should_be() {
        let view = View {
            read_only: vec!["/opt/site".into()],
            hidden: vec!["/boot".into()],
            expose: vec!["/run/munge".into(), "/run/user/{uid}".into()],
            ..View::default()
        };
        assert_eq!(
            plan(&view).to_string(),
            "overlay  /  upper=@\n  \
               covered  /var\n  \
               covered  /scratch\n  \
               covered  /opt/site\n  \
               covered  /srv/jail/proc\n  \
               covered  /dev\n  \
               covered  /proc\n  \
               covered  /run\n  \
               covered  /sys\n  \
               covered  /tmp\n  \
               covered  /boot\n  \
               locked  /etc/gshadow\n  \
               locked  /etc/shadow\n  \
               private  /home\n  \
               mount point  /home/alice\n\
             overlay  /var  upper=@var noexec nosuid\n  \
               private  /var/tmp\n\
             overlay  /scratch/local  upper=@scratch@local\n\
             host     /scratch\n\
             host     /opt/site  read-only\n\
             memory   /tmp\n\
             hide     /boot\n\
             devices  /dev\n\
             sysfs    /sys  read-only\n\
             memory   /run\n\
             home     /home/alice\n\
             expose   /run/munge\n\
             expose   /run/user/1000\n\
             proc     /proc\n"
        );
    }

    #[test]
    fn an_overlay_inside_a_passed_mount_is_mounted_after_it() {
        let steps = plan(&View::default()).steps;
        let outer = steps
            .iter()
            .position(|step| matches!(step, Step::Pass { at, .. } if at == Path::new("/scratch")));
        let inner = steps.iter().position(|step| *step == Step::Overlay(2));
        assert!(outer.is_some() && outer < inner);
    }

    #[test]
    fn a_private_directory_on_a_passed_mount_is_in_memory() {
        let view = View {
            private: vec!["/scratch/tmp".into()],
            ..View::default()
        };
        assert!(
            plan(&view)
                .steps
                .contains(&Step::Memory("/scratch/tmp".into()))
        );
    }

    proptest! {
        #[test]
        fn upper_layers_of_two_places_never_share_a_name(
            a in "(/[a-z@%.+-]{1,4}){1,3}", b in "(/[a-z@%.+-]{1,4}){1,3}",
        ) {
            let (path_a, path_b) = (Path::new(&a), Path::new(&b));
            prop_assert_eq!(
                upper_name(path_a) == upper_name(path_b),
                path_a.components().eq(path_b.components())
            );
            prop_assert!(!upper_name(path_a).contains('/'));
        }

        #[test]
        fn nothing_shows_where_the_policy_hides(
            places in proptest::collection::vec("(/[ab]){1,3}", 0..6),
            private in proptest::collection::vec("(/[ab]){1,2}", 0..3),
            types in proptest::collection::vec("ext4|nfs|proc|tmpfs", 6),
        ) {
            let mut mounts = parse(b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
            for (at, fstype) in places.iter().zip(&types) {
                mounts.push(Mount { at: at.into(), fstype: fstype.clone(), ..mounts[0].clone() });
            }
            let private: Vec<PathBuf> = private.iter().map(PathBuf::from).collect();
            let view = View { private: private.clone(), ..View::default() };
            let plan = Plan::new(&view, &mounts, &Wish::default());
            let shown = plan.overlays.iter().map(|overlay| &overlay.at).chain(
                plan.steps.iter().filter_map(|step| match step {
                    Step::Pass { at, .. } => Some(at),
                    _ => None,
                }),
            );
            for at in shown {
                prop_assert!(!private.iter().any(|hidden| at.starts_with(hidden)));
            }
            prop_assert_eq!(plan.steps.last(), Some(&Step::Proc));
        }
    }
}
