//! Which shell.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::invocation::PROGRAM;

/// What nearly every system has.
const LAST: [&str; 2] = ["/bin/bash", "/bin/sh"];

/// The shells to try, the best first: those that are preferred, then the usual ones. This program is never among them,
/// under whatever name: it would call itself for ever. `resolve` follows links.
pub fn candidates(
    preferred: impl IntoIterator<Item = PathBuf>,
    resolve: impl Fn(&Path) -> Option<PathBuf>,
) -> Vec<PathBuf> {
    let mut shells: Vec<PathBuf> = Vec::new();
    for shell in preferred.into_iter().chain(LAST.map(PathBuf::from)) {
        let is_this = |path: &Path| path.file_name() == Some(OsStr::new(PROGRAM));
        let own = is_this(&shell) || resolve(&shell).is_some_and(|path| is_this(&path));
        if shell.is_absolute() && !own && !shells.contains(&shell) {
            shells.push(shell);
        }
    }
    shells
}

/// The name that a shell is called by, which tells it whether it is a login shell.
pub fn name(shell: &Path, login: bool) -> OsString {
    let mut name = OsString::from(if login { "-" } else { "" });
    name.push(shell.file_name().unwrap_or(shell.as_os_str()));
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_users_own_comes_first() {
        let linked = |path: &Path| {
            (path == Path::new("/bin/link")).then(|| PathBuf::from("/x/caddis-login"))
        };
        let of = |shells: &[&str]| {
            let found = candidates(shells.iter().map(PathBuf::from), linked);
            found
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(of(&["/bin/zsh"]), "/bin/zsh /bin/bash /bin/sh");
        assert_eq!(of(&["/bin/sh"]), "/bin/sh /bin/bash");
        assert_eq!(
            of(&["/usr/local/bin/caddis-login", "/bin/link", "", "zsh"]),
            "/bin/bash /bin/sh"
        );
    }

    #[test]
    fn the_name_says_whether_somebody_logs_in() {
        assert_eq!(name(Path::new("/bin/zsh"), true), "-zsh");
        assert_eq!(name(Path::new("/bin/zsh"), false), "zsh");
    }

    proptest! {
        #[test]
        fn there_is_always_a_shell_and_never_this_program(shells: Vec<String>) {
            let found = candidates(shells.into_iter().map(PathBuf::from), |_| None);
            prop_assert!(found.len() >= 2);
            prop_assert!(found.iter().all(|shell| shell.is_absolute() && !shell.ends_with(PROGRAM)));
        }
    }
}
