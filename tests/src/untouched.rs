//! What a host's files were before, and whether they still are.

use caddis_lab::Host;
use std::collections::BTreeSet;

/// Whether anything happened to a host.
pub trait Untouched {
    /// A line for each file of the host's root file system: name, mode, owner, size, times of its content's
    /// and of its inode's last change, link target. Without homes and Caddis's own state, which are to change.
    fn files(&self) -> String;

    /// The test ends here if [`Untouched::files`] is not what it was.
    fn still_has(&self, before: &str);
}

impl Untouched for Host {
    fn files(&self) -> String {
        let script = "find / -xdev \\( -path /var/lib/caddis -o -path '/home/*' -o -path /run \\) -prune -o \
                      -printf '%p %y %m %U:%G %s %T@ %C@ %l\\n' | sort";
        let files = self.sh("root", script).ok().stdout;
        assert!(files.lines().count() > 5000, "{files}");
        files
    }

    #[track_caller]
    fn still_has(&self, before: &str) {
        let after = self.files();
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let (before, after) = (lines(before), lines(&after));
        let changed: Vec<_> = before.symmetric_difference(&after).take(20).collect();
        assert!(changed.is_empty(), "the host changed: {changed:#?}");
    }
}
