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
        ..Wish::default()
    };
    Plan::new(view, &parse(LOGIN_NODE), &wish)
}

fn memory(at: &str) -> Step {
    let at = at.into();
    Step::Memory { at, mode: None }
}

#[test]
fn what_cannot_have_a_layer_is_left_out_and_covered() {
    let long = format!("/{}/{}", "x".repeat(200), "y".repeat(100));
    let text =
        format!("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / {long} rw - ext4 /dev/sdb rw\n");
    let plan = Plan::new(&View::default(), &parse(text.as_bytes()), &Wish::default());
    assert_eq!(plan.left_out, [PathBuf::from(&long)]);
    assert_eq!(plan.overlays.len(), 1);
    assert!(
        plan.overlays[0]
            .front
            .contains(&Front::Covered(long.into()))
    );
}

#[test]
fn a_login_node_is_seen_as_it_should_be() {
    let view = View {
        private: vec!["/home".into(), "/var/tmp".into(), "/var/log/wtmp".into()],
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
           private  /var/tmp\n  \
           private  /var/log/wtmp\n\
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
    assert!(plan(&view).steps.contains(&memory("/scratch/tmp")));
}

#[test]
fn of_what_is_mounted_below_sys_others_do_not_show() {
    let text: &[u8] = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
        2 1 0:5 / /sys rw - sysfs sysfs rw\n\
        3 2 0:6 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        4 3 0:7 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n\
        5 3 0:8 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        6 3 0:9 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
        7 2 0:10 / /sys/fs/fuse/connections rw - fusectl fusectl rw\n\
        8 2 0:11 / /sys/kernel/security rw - securityfs securityfs rw\n";
    let wish = Wish {
        cgroups: crate::cgroup::parse(b"2:memory:/slurm/job_7\n1:pids:/\n0::/user.slice\n"),
        ..Wish::default()
    };
    let shown = Plan::new(&View::default(), &parse(text), &wish).to_string();
    let shown: Vec<&str> = shown
        .lines()
        .filter(|line| line.contains("  /sys") && !line.starts_with(' '))
        .collect();
    assert_eq!(
        shown,
        [
            "sysfs    /sys  read-only",
            "host     /sys/fs/cgroup  read-only",
            "host     /sys/kernel/security  read-only",
            "cgroup   /sys/fs/cgroup/unified  read-only",
            "cgroup   /sys/fs/cgroup/memory  read-only",
            "hide     /sys/fs/cgroup/pids",
            "hide     /sys/fs/fuse/connections",
        ]
    );
}

#[test]
fn a_private_file_is_in_the_front_of_its_file_system_or_in_memory() {
    let view = View {
        private: vec!["/var/log/wtmp".into(), "/scratch/log/wtmp".into()],
        ..View::default()
    };
    let plan = plan(&view);
    assert_eq!(
        plan.overlays[1].front,
        [Front::Empty("/var/log/wtmp".into())]
    );
    assert!(plan.steps.contains(&memory("/scratch/log/wtmp")));
}

proptest! {
    #[test]
    fn of_a_hierarchy_in_whose_root_the_caller_is_nothing_shows(
        places in proptest::collection::vec("/sys(/[abc]){1,3}", 0..6),
        types in proptest::collection::vec("cgroup|cgroup2|fusectl|tmpfs", 6),
    ) {
        let mut mounts = parse(b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
        for (at, fstype) in places.iter().zip(&types) {
            mounts.push(Mount { at: at.into(), fstype: fstype.clone(), options: "rw,pids".into(), ..mounts[0].clone() });
        }
        let wish = Wish { cgroups: crate::cgroup::parse(b"1:pids:/\n0::/\n"), ..Wish::default() };
        for step in Plan::new(&View::default(), &mounts, &wish).steps {
            let own = matches!(step, Step::Cgroup { .. });
            prop_assert!(!own);
            if let Step::Pass { at, .. } = step {
                prop_assert!(mounts.iter().any(|mount| mount.at == at && mount.fstype == "tmpfs"));
            }
        }
    }

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
