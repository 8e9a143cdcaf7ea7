//! What is left of a request that could not be met: a sentence, and nothing else.

use crate::State;
use caddis_lab::{Host, Output, eventually};

/// Whether Caddis said why it did not do something.
pub trait Told {
    /// Itself, when it was refused with 125 (or 126: the command could not be executed) and one sentence that names
    /// operation, object and reason, with one hint at most; else the test ends here.
    fn told(self) -> Output;

    /// The same for a request about several environments, where each may have a sentence.
    fn told_of_each(self) -> Output;
}

impl Told for Output {
    #[track_caller]
    fn told(self) -> Output {
        let output = self.told_of_each();
        let sentences = output
            .stderr
            .lines()
            .filter(|line| !line.starts_with("  hint: "));
        assert_eq!(sentences.count(), 1, "{output}");
        output
    }

    #[track_caller]
    fn told_of_each(self) -> Output {
        assert!([125, 126].contains(&self.code()), "{self}");
        let mut former = "  hint: ";
        for line in self.stderr.lines() {
            let sentence = line.starts_with("caddis: ") && line.matches(": ").count() >= 2;
            let hint = line.starts_with("  hint: ") && !former.starts_with("  hint: ");
            assert!(sentence || hint, "{self}");
            former = line;
        }
        assert!(!self.stderr.is_empty(), "{self}");
        // What a runtime says, and what means nothing to whoever reads it.
        for noise in [
            "panicked",
            "internal error",
            "os error",
            "RUST_",
            "overflowed",
            "memory allocation",
        ] {
            assert!(!self.stderr.contains(noise), "{noise}: {self}");
        }
        self
    }
}

/// Whether a host is as if nobody had ever used Caddis, but for the environments on disk.
pub trait NothingLeft {
    /// The test ends here unless, with all environments stopped, the host has the mounts of `before`, no process of
    /// Caddis's, no lock and no half-made environment.
    fn has_nothing_left(&self, before: &str);
}

impl NothingLeft for Host {
    #[track_caller]
    fn has_nothing_left(&self, before: &str) {
        self.sh("root", "caddis admin stop --all").ok();
        eventually("no process of Caddis's is left", || {
            self.count("^caddis") == 0
        });
        assert_eq!(self.mounts(), before);
        // The kernel forgets a lock with the last process that has its file open, so each can be had at once.
        self.sh("root", "find /run/caddis -name lock -exec flock -n {} true \\; -o -name lock -print -exec false {} +")
            .ok();
        let names = self
            .sh(
                "root",
                "find /var/lib/caddis/env -mindepth 2 -maxdepth 2 -name '.*' ! -name .account",
            )
            .ok();
        assert_eq!(names.stdout, "", "half-made environments");
    }
}
