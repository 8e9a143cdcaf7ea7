//! The kernel and the base.

use caddis_client::text::shown;
use caddis_policy::Policy;

use super::{fail, ok, warn};
use crate::helper::Check;

/// The first kernel that has all that is needed.
const OLDEST: (u32, u32) = (6, 6);

/// New enough?
pub fn kernel() -> Check {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    match version(&release) {
        Some(version) if version >= OLDEST => ok("kernel", format!("Linux {release}")),
        _ => fail(
            "kernel",
            format!("Linux {release} is too old"),
            format!("install Linux {}.{} or later", OLDEST.0, OLDEST.1),
        ),
    }
}

/// Major and minor of a kernel release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// May there be user namespaces, also nested ones?
pub fn namespaces() -> Check {
    let topic = "namespaces";
    let setting = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    match setting("user/max_user_namespaces") {
        None => {
            return fail(
                topic,
                "this kernel has no user namespaces",
                "use a kernel with CONFIG_USER_NS",
            );
        }
        Some(0) => {
            return fail(
                topic,
                "user namespaces are switched off",
                "sysctl user.max_user_namespaces=63000",
            );
        }
        Some(_) => {}
    }
    // These two only keep ordinary users from making namespaces of their own; the helper's are not affected.
    for (name, off) in [
        ("kernel/unprivileged_userns_clone", 0),
        ("kernel/apparmor_restrict_unprivileged_userns", 1),
    ] {
        if setting(name) == Some(off) {
            let name = name.replace('/', ".");
            return warn(
                topic,
                format!("rootless containers will not work in environments ({name}={off})"),
                format!("sysctl {name}={}, if they are wanted", 1 - off),
            );
        }
    }
    ok(topic, "user namespaces are allowed")
}

/// Can the base be stacked on?
pub fn root(policy: &Policy) -> Check {
    let topic = "base";
    let Some(kind) = std::fs::read("/proc/self/mountinfo")
        .ok()
        .and_then(|table| root_type(&table))
    else {
        return warn(
            topic,
            "the file system of / cannot be determined",
            "is /proc mounted?",
        );
    };
    if policy.view.overlay_types.contains(&kind) {
        return ok(topic, format!("/ is {kind}"));
    }
    let why = match kind.as_str() {
        "overlay" => "cannot be id-mapped or stacked on again (is this a container?)".to_owned(),
        "nfs" | "nfs4" => "cannot be id-mapped".to_owned(),
        _ => "is not among the types in view.overlay_types".to_owned(),
    };
    let hint = format!(
        "use a host whose / is one of {}",
        policy.view.overlay_types.join(", ")
    );
    fail(topic, format!("/ is {kind}, which {why}"), hint)
}

/// The type of what is mounted last on `/` (`proc_pid_mountinfo(5)`). Other mounts are any user's,
/// and their paths any bytes.
fn root_type(mountinfo: &[u8]) -> Option<String> {
    let lines = mountinfo.split(|byte| *byte == b'\n');
    let mut of_root = lines.filter(|line| fields(line).nth(4) == Some(b"/"));
    let mut after = fields(of_root.next_back()?).skip_while(|field| *field != b"-");
    after.nth(1).map(shown)
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        assert_eq!(version("6.18.44-generic"), Some((6, 18)));
        assert_eq!(version("6.6-rc1"), Some((6, 6)));
        assert_eq!(version("10"), None);
        assert!(version("6.10.0") > Some(OLDEST) && version("5.15.0") < Some(OLDEST));
    }

    #[test]
    fn finds_the_type_of_root() {
        let text = "21 1 0:1 / / rw - rootfs none rw\n\
                    22 21 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                    23 22 0:2 / /proc rw - proc proc rw\n";
        assert_eq!(root_type(text.as_bytes()).as_deref(), Some("ext4"));
        let odd = [
            text.as_bytes(),
            b"24 22 0:3 / /home/alice/\xe9 rw - fuse a\xe9 rw\n",
        ]
        .concat();
        assert_eq!(root_type(&odd).as_deref(), Some("ext4"));
        assert_eq!(root_type(b""), None);
    }

    #[test]
    fn names_types_that_do_not_work() {
        assert!(
            !Policy::default()
                .view
                .overlay_types
                .iter()
                .any(|kind| kind == "overlay" || kind == "nfs")
        );
    }
}
