//! Which places of the host are no base for environments: what changes there is nobody's business.

use caddis_helper::policy_paths::without_links;
use caddis_policy::Policy;
use caddis_view::mountinfo::read_for;
use caddis_view::tree::Local;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Made anew for every environment, whatever the policy says.
const NEVER: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// The places, by their paths as given and as they are without links.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(BTreeSet<PathBuf>);

impl Places {
    pub(super) fn of(policy: &Policy) -> Places {
        let view = &policy.view;
        let lists = [
            &view.private,
            &view.memory,
            &view.hidden,
            &view.shared,
            &view.read_only,
        ];
        let given = lists.into_iter().flatten().cloned();
        // All that users change in their environments is there.
        let given = given
            .chain([policy.storage.state.clone()])
            .chain(NEVER.map(PathBuf::from));
        let mounts = read_for(0).unwrap_or_default();
        let local = Local::new(&mounts, &view.overlay_types);
        let both = given.flat_map(|path| {
            let resolved = without_links(&local, &path).ok();
            std::iter::once(path).chain(resolved)
        });
        // A root that is one of them, by way of a link, would be everything.
        Places(both.filter(|path| path.parent().is_some()).collect())
    }

    /// Whether environments see what is in the directory `path`.
    pub(super) fn matter(&self, path: &Path) -> bool {
        path.is_absolute() && !path.ancestors().any(|above| self.0.contains(above))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_and_what_users_change_are_no_base() {
        let places = Places::of(&Policy::default());
        for path in [
            "/",
            "/etc",
            "/var",
            "/var/lib",
            "/homestead/x",
            "/usr/src/linux",
        ] {
            assert!(places.matter(Path::new(path)), "{path}");
        }
        for path in [
            "/home",
            "/home/alice/x",
            "/tmp",
            "/var/tmp/y",
            "/var/lib/caddis/env/1000/default/@/etc",
            "/run/x",
            "(unreachable)/etc",
        ] {
            assert!(!places.matter(Path::new(path)), "{path}");
        }
    }
}
