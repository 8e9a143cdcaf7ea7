//! The variables of a session that root starts for somebody else.

use std::ffi::OsString;

use crate::user::Account;

/// What the search path is after a login, where nothing says otherwise.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";

/// What describes the terminal and the language rather than the person. Everything else of root's stays with root: it
/// may hold secrets, and the user can read the variables of their own processes.
fn is_neutral(name: &str) -> bool {
    matches!(
        name,
        "TERM" | "COLORTERM" | "NO_COLOR" | "LANG" | "LANGUAGE" | "TZ"
    ) || name.starts_with("LC_")
}

/// The variables as after a login of the user.
pub fn for_somebody_else(
    account: &Account,
    roots: &[(OsString, OsString)],
) -> Vec<(OsString, OsString)> {
    let neutral = roots
        .iter()
        .filter(|(name, _)| name.to_str().is_some_and(is_neutral))
        .cloned();
    let own = [
        ("HOME", account.home.clone()),
        ("USER", account.name.clone()),
        ("LOGNAME", account.name.clone()),
        ("SHELL", account.shell.clone()),
        ("PATH", PATH.into()),
    ];
    neutral
        .chain(own.map(|(name, value)| (name.into(), value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_neutral_goes_along() {
        let account = Account {
            name: "a".into(),
            uid: 1,
            gid: 1,
            home: "/home/a".into(),
            shell: "/bin/sh".into(),
        };
        let roots = [
            "TERM",
            "LC_ALL",
            "PATH",
            "HOME",
            "AWS_SECRET",
            "LD_PRELOAD",
            "XDG_RUNTIME_DIR",
        ]
        .map(|name| (OsString::from(name), OsString::from("root's")));
        let text: Vec<String> = for_somebody_else(&account, &roots)
            .iter()
            .map(|(name, value)| format!("{}={}", name.display(), value.display()))
            .collect();
        assert_eq!(
            text,
            [
                "TERM=root's",
                "LC_ALL=root's",
                "HOME=/home/a",
                "USER=a",
                "LOGNAME=a",
                "SHELL=/bin/sh",
                &format!("PATH={PATH}")
            ]
        );
    }
}
