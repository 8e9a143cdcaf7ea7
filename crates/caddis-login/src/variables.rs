//! Environment variables: what is between sshd or login(1) and the user's shell leaves nothing behind.

use std::ffi::{OsStr, OsString};

/// Names and values.
pub type Variables = Vec<(OsString, OsString)>;

/// Where sshd puts what the client asked for, when it runs something else.
pub const ORIGINAL_COMMAND: &str = "SSH_ORIGINAL_COMMAND";

/// Where sshd names the file that says how the user has proved who they are.
pub const USER_AUTH: &str = "SSH_USER_AUTH";

/// By what name the user has logged in.
pub const LOGIN_NAME: &str = "LOGNAME";

/// The environment that the client wants to land in.
pub const ENVIRONMENT: &str = "CADDIS_LOGIN_ENV";

/// What shells set for their children: sshd has the user's shell run a forced command. Debian's bash, for one, reads
/// `~/.bashrc` for a command over ssh only if `SHLVL` says that it is the first one.
const OF_SHELLS: [&str; 5] = ["SHLVL", "PWD", "OLDPWD", "_", "A__z"];

/// The value of a variable.
pub fn get<'a>(variables: &'a Variables, name: &str) -> Option<&'a OsStr> {
    variables
        .iter()
        .find(|(one, _)| one == name)
        .map(|(_, value)| value.as_os_str())
}

/// Sets a variable.
pub fn set(variables: &mut Variables, name: &str, value: impl Into<OsString>) {
    variables.retain(|(one, _)| one != name);
    variables.push((name.into(), value.into()));
}

/// What the user's shell would have without this program. Of what sshd says because this program is its forced command,
/// only what the key's owner expects stays: `original_command`.
pub fn tidy(variables: &mut Variables, forced: bool, original_command: bool) {
    variables.retain(|(name, _)| {
        let is = |one: &str| name == one;
        let shells = forced && OF_SHELLS.into_iter().any(is);
        !(shells || is(ENVIRONMENT) || forced && !original_command && is(ORIGINAL_COMMAND))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(forced: bool, original_command: bool) -> String {
        let names = [
            "SHLVL",
            "PATH",
            "_",
            ORIGINAL_COMMAND,
            USER_AUTH,
            ENVIRONMENT,
            "LANG",
        ];
        let mut variables = names.map(|name| (name.into(), "x".into())).to_vec();
        tidy(&mut variables, forced, original_command);
        let names: Vec<_> = variables.iter().map(|(name, _)| name.to_str()).collect();
        names.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_forced_command_leaves_no_trace() {
        assert_eq!(left(true, false), format!("PATH {USER_AUTH} LANG"));
        assert_eq!(
            left(true, true),
            format!("PATH {ORIGINAL_COMMAND} {USER_AUTH} LANG")
        );
    }

    #[test]
    fn a_login_shell_changes_nothing_of_others() {
        assert_eq!(
            left(false, false),
            format!("SHLVL PATH _ {ORIGINAL_COMMAND} {USER_AUTH} LANG")
        );
    }

    #[test]
    fn the_last_word_counts() {
        let mut variables = vec![("A".into(), "1".into()), ("A".into(), "2".into())];
        set(&mut variables, "A", "3");
        assert_eq!(variables.len(), 1);
        assert_eq!(get(&variables, "A"), Some(OsStr::new("3")));
        assert_eq!(get(&variables, "B"), None);
    }
}
