//! The cgroups that this process is in, as data.
//!
//! A host's tree of cgroups tells who is logged in (`user.slice/user-1001.slice`) and what they run
//! (`slurm/uid_1001/job_7`), so an instance is shown the part below its own cgroup, by way of a cgroup namespace. Where
//! that is the whole tree, it is shown nothing.

/// The cgroups of this process.
pub const OWN: &str = "/proc/self/cgroup";

/// Where a process is in one hierarchy, as `/proc/self/cgroup` lists it; see cgroups(7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// What tells this hierarchy from others: controllers, `name=systemd`; nothing for that of version 2.
    pub controllers: Vec<String>,
    /// The process is in the root of the hierarchy, or outside of what its cgroup namespace shows (it was put there from
    /// without, as by nsenter(1)), and so in nothing of its own.
    pub at_root: bool,
}

/// The memberships of this process; none where the kernel has no cgroups.
#[must_use]
pub fn read() -> Vec<Membership> {
    parse(&std::fs::read(OWN).unwrap_or_default())
}

/// Reads the text of `/proc/self/cgroup`. A line that cannot be understood is passed over: what is not known to be the
/// process's own is not shown.
#[must_use]
pub fn parse(text: &[u8]) -> Vec<Membership> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Membership> {
    let mut fields = line.splitn(3, |byte| *byte == b':').skip(1);
    let controllers = std::str::from_utf8(fields.next()?).ok()?;
    let path = fields.next()?;
    let controllers = controllers.split(',').filter(|name| !name.is_empty());
    Some(Membership {
        controllers: controllers.map(str::to_owned).collect(),
        at_root: path == b"/" || path == b"/.." || path.starts_with(b"/../"),
    })
}

/// The options with which the kernel finds the hierarchy again that the host has mounted as `fstype` with `options`;
/// `None`: this process has nothing of its own there.
#[must_use]
pub fn options(own: &[Membership], fstype: &str, options: &str) -> Option<Vec<String>> {
    let wanted = |option: &&str| match option.split_once('=') {
        Some((key, _)) => key == "name",
        // Those of the mount, not of the hierarchy.
        None => !["rw", "ro"].contains(option),
    };
    let options: Vec<&str> = options.split(',').filter(wanted).collect();
    let (options, mut here) = match fstype {
        "cgroup2" => (
            Vec::new(),
            own.iter()
                .filter(|one| one.controllers.is_empty())
                .collect(),
        ),
        "cgroup" => {
            let named = |one: &&Membership| {
                one.controllers
                    .iter()
                    .any(|name| options.contains(&name.as_str()))
            };
            (
                options.clone(),
                own.iter().filter(named).collect::<Vec<_>>(),
            )
        }
        _ => return None,
    };
    let one = here.pop()?;
    (here.is_empty() && !one.at_root).then(|| options.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &[u8] = b"9:name=systemd:/user.slice/user-1000.slice/session-2.scope\n\
        8:cpu,cpuacct:/\n\
        4:memory:/slurm/uid_1000/job_7:8\n\
        garbage\n\
        0::/user.slice/user-1000.slice/session-2.scope\n";

    #[test]
    fn only_hierarchies_with_something_of_ones_own_are_shown() {
        let own = parse(HYBRID);
        let found = |fstype, text| options(&own, fstype, text);
        assert_eq!(
            found("cgroup2", "rw,nsdelegate,memory_recursiveprot"),
            Some(vec![])
        );
        assert_eq!(found("cgroup", "rw,memory"), Some(vec!["memory".into()]));
        assert_eq!(
            found("cgroup", "ro,xattr,release_agent=/x,name=systemd"),
            Some(vec!["xattr".into(), "name=systemd".into()])
        );
        // In the root, where everybody else's are seen; in none that is known.
        assert_eq!(found("cgroup", "rw,cpu,cpuacct"), None);
        assert_eq!(found("cgroup", "rw,pids"), None);
        assert_eq!(found("tmpfs", "rw,memory"), None);
        for nothing in ["0::/\n", "0::/..\n", "0::/../other.scope\n"] {
            let own = parse(nothing.as_bytes());
            assert_eq!(options(&own, "cgroup2", "rw"), None, "{nothing}");
        }
        // A name like any other.
        assert_eq!(
            options(&parse(b"0::/..own\n"), "cgroup2", "rw"),
            Some(vec![])
        );
        assert_eq!(options(&[], "cgroup2", "rw"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text: Vec<u8>, more: String) {
            let _ = options(&parse(&text), "cgroup", &more);
        }

        #[test]
        fn what_is_at_the_root_is_never_shown(names in "[a-z]{1,3}(,[a-z]{1,3}){0,3}") {
            let own = parse(format!("1:{names}:/\n0::/\n").as_bytes());
            proptest::prop_assert_eq!(options(&own, "cgroup", &format!("rw,{names}")), None);
            proptest::prop_assert_eq!(options(&own, "cgroup2", "rw"), None);
        }
    }
}
