//! `/etc/nsswitch.conf`: whether the local files know all of a user's groups.

/// Whether the names of groups come from nowhere but the local files.
pub fn group_names_are_local(nsswitch: &[u8]) -> bool {
    is_local(nsswitch, &["group"])
}

/// Whether group membership comes from nowhere but the local files. `systemd` counts as local, too: it adds groups of
/// its own, but puts none of the users of the files into them.
pub fn groups_are_local(nsswitch: &[u8]) -> bool {
    is_local(nsswitch, &["initgroups", "group"])
}

/// Whether the first of these databases that the file speaks of is local.
fn is_local(nsswitch: &[u8], databases: &[&str]) -> bool {
    let text = String::from_utf8_lossy(nsswitch);
    let sources = |database: &&str| {
        text.lines().find_map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            let (name, sources) = line.split_once(':')?;
            (name.trim() == *database).then(|| sources.to_owned())
        })
    };
    let Some(sources) = databases.iter().find_map(sources) else {
        return true;
    };
    // An action such as `[NOTFOUND=return]` names no source.
    sources
        .split_whitespace()
        .all(|source| source.starts_with('[') || matches!(source, "files" | "systemd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_local_from_remote() {
        assert!(groups_are_local(
            b"passwd: files sss\ngroup:   files systemd\n"
        ));
        assert!(groups_are_local(
            b"group: files [SUCCESS=merge] systemd # ldap\n"
        ));
        assert!(groups_are_local(b"hosts: dns\n"));
        assert!(!groups_are_local(b"group: files sss\n"));
        assert!(!groups_are_local(b"group: files\ninitgroups: files ldap\n"));
        assert!(group_names_are_local(
            b"group: files\ninitgroups: files ldap\n"
        ));
        assert!(groups_are_local(b"group: files ldap\ninitgroups: files\n"));
    }
}
