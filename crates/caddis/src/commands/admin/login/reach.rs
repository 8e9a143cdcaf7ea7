//! Whether the drop-in counts for somebody, told from what sshd says that holds for them.

use std::fmt;

use super::sshd::Settings;

/// What becomes of a user's logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// sshd runs caddis-login.
    Ours,
    /// sshd runs something else, said at a place that it reads before.
    Other(String),
    /// sshd sees the host only from that directory on, where there is no caddis-login.
    Chroot(String),
    /// The drop-in does not count.
    Nothing,
}

impl Reach {
    /// Reads it off the settings.
    pub fn of(settings: &Settings, program: &str) -> Self {
        match (
            settings.get("forcecommand"),
            settings.get("chrootdirectory"),
        ) {
            (None, _) => Self::Nothing,
            (Some(command), _) if command != program => Self::Other(command.to_owned()),
            (Some(_), Some(directory)) => Self::Chroot(directory.to_owned()),
            (Some(_), None) => Self::Ours,
        }
    }

    /// Where to put it right.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Ours => "",
            Self::Other(_) => {
                "another Match block says so before ours, or sshd does not read ours: look in /etc/ssh/sshd_config, then in \
                 the files beside ours"
            }
            Self::Chroot(_) => {
                "take ChrootDirectory away for these users, or leave their group out"
            }
            Self::Nothing => {
                "put the line `Include /etc/ssh/sshd_config.d/*.conf` at the beginning of /etc/ssh/sshd_config; if it is there, a \
                 Match block before ours says `ForceCommand none`"
            }
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => write!(f, "sshd runs caddis-login"),
            Self::Other(command) => write!(f, "sshd runs `{command}` (ForceCommand)"),
            Self::Chroot(directory) => {
                write!(f, "sshd locks them into {directory} (ChrootDirectory)")
            }
            Self::Nothing => write!(f, "sshd does not read our ForceCommand"),
        }
    }
}

/// Where caddis-login looks for the key that was used, in this order.
const KEYS_IT_KNOWS: [&str; 2] = [".ssh/authorized_keys", ".ssh/authorized_keys2"];

/// What goes past caddis-login, or is lost with it, for a user whom it reaches.
pub fn cautions(settings: &Settings) -> Vec<String> {
    let mut cautions = Vec::new();
    for (key, directive) in [
        ("authorizedkeyscommand", "AuthorizedKeysCommand"),
        ("authorizedprincipalscommand", "AuthorizedPrincipalsCommand"),
        ("authorizedprincipalsfile", "AuthorizedPrincipalsFile"),
    ] {
        if settings.get(key).is_some() {
            cautions.push(format!(
                "{directive} is set: a `command=` in what it holds is NOT honoured, who is restricted to it gets an environment"
            ));
        }
    }
    let words = settings.get("authorizedkeysfile").unwrap_or_default();
    let files = words
        .split(' ')
        .map(|file| file.strip_prefix("%h/").unwrap_or(file));
    // In another order another line of a key may be the first one.
    if !words.is_empty()
        && !KEYS_IT_KNOWS
            .iter()
            .copied()
            .take(files.clone().count())
            .eq(files)
    {
        cautions.push(format!(
            "AuthorizedKeysFile is {words}: caddis-login reads {}, and a `command=` elsewhere is NOT honoured, who is restricted \
             to it gets an environment",
            KEYS_IT_KNOWS.join(", then ")
        ));
    }
    if settings
        .get("gssapienablek5users")
        .is_some_and(|value| value != "no")
    {
        cautions.push(
            "GSSAPIEnablek5users is set: a command in ~/.k5users is NOT honoured, who is restricted to it gets an environment"
                .to_owned(),
        );
    }
    if settings
        .get("permituserenvironment")
        .is_some_and(|value| value != "no")
    {
        cautions.push(
            "PermitUserEnvironment is set: what users put into ~/.ssh/environment is set for the host's shell already".to_owned(),
        );
    }
    if !settings.has("acceptenv", "CADDIS_LOGIN_ENV") {
        cautions.push(
            "another AcceptEnv takes the place of ours: clients cannot choose an environment by CADDIS_LOGIN_ENV".to_owned(),
        );
    }
    for pattern in settings.all("acceptenv") {
        if lets_say_the_key(pattern) {
            cautions.push(format!(
                "AcceptEnv {pattern} lets clients set SSH_USER_AUTH: where sshd cannot say itself which key was used, they do"
            ));
        }
    }
    if settings.get("exposeauthinfo") != Some("yes") {
        cautions.push(
            "another ExposeAuthInfo comes before ours: a `command=` of keys is NOT honoured"
                .to_owned(),
        );
    }
    cautions
}

/// Whether a pattern of sshd's is about the variable in which it says which key was used.
fn lets_say_the_key(pattern: &str) -> bool {
    fn matches(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=name.len()).any(|at| matches(rest, &name[at..])),
            ([b'?', rest @ ..], [_, name @ ..]) => matches(rest, name),
            ([byte, rest @ ..], [first, name @ ..]) => byte == first && matches(rest, name),
            _ => false,
        }
    }
    // A row of stars means what one does, and would take long.
    let mut pattern = pattern.as_bytes().to_vec();
    pattern.dedup_by(|one, other| [*one, *other] == *b"**");
    matches(&pattern, b"SSH_USER_AUTH")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "authorizedkeyscommand none\nauthorizedprincipalscommand none\nauthorizedprincipalsfile none\npermituserenvironment no\nexposeauthinfo yes\n\
                         authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2\nacceptenv CADDIS_LOGIN_ENV\n";

    fn reach(text: &str) -> Reach {
        Reach::of(&Settings::parse(text), "/b/caddis-login")
    }

    #[test]
    fn tells_who_is_reached() {
        assert_eq!(
            reach("forcecommand /b/caddis-login\nchrootdirectory none\n"),
            Reach::Ours
        );
        assert_eq!(reach("forcecommand none\n"), Reach::Nothing);
        assert_eq!(
            reach("forcecommand internal-sftp\nchrootdirectory /srv\n"),
            Reach::Other("internal-sftp".into())
        );
        assert_eq!(
            reach("forcecommand /b/caddis-login\nchrootdirectory /srv\n"),
            Reach::Chroot("/srv".into())
        );
    }

    #[test]
    fn names_the_directive() {
        let second = " .ssh/authorized_keys2\n";
        for (from, to) in [
            (second, second),
            (second, "\n"),
            (
                second,
                " %h/.ssh/authorized_keys2\ngssapienablek5users no\n",
            ),
        ] {
            let plain = PLAIN.replace(from, to);
            assert_eq!(cautions(&Settings::parse(&plain)), [""; 0], "{plain}");
        }
        for (from, to, directive) in [
            (
                "authorizedkeyscommand none",
                "authorizedkeyscommand /x",
                "AuthorizedKeysCommand",
            ),
            (
                "authorizedprincipalscommand none",
                "authorizedprincipalscommand /x",
                "AuthorizedPrincipalsCommand",
            ),
            (
                "authorizedprincipalsfile none",
                "authorizedprincipalsfile /x",
                "AuthorizedPrincipalsFile",
            ),
            (
                ".ssh/authorized_keys ",
                "/etc/keys/%u ",
                "AuthorizedKeysFile",
            ),
            (
                ".ssh/authorized_keys .ssh/authorized_keys2",
                ".ssh/authorized_keys2 .ssh/authorized_keys",
                "AuthorizedKeysFile",
            ),
            (
                ".ssh/authorized_keys .ssh/authorized_keys2",
                ".ssh/authorized_keys2",
                "AuthorizedKeysFile",
            ),
            (
                "exposeauthinfo yes",
                "exposeauthinfo yes\ngssapienablek5users yes",
                "GSSAPIEnablek5users",
            ),
            (
                "permituserenvironment no",
                "permituserenvironment yes",
                "PermitUserEnvironment",
            ),
            (
                "permituserenvironment no",
                "permituserenvironment A,B",
                "PermitUserEnvironment",
            ),
            ("acceptenv CADDIS_LOGIN_ENV", "acceptenv LANG", "AcceptEnv"),
            (
                "acceptenv CADDIS_LOGIN_ENV",
                "acceptenv LC_*\nacceptenv SSH_U???_*\nacceptenv CADDIS_LOGIN_ENV",
                "SSH_USER_AUTH",
            ),
            ("exposeauthinfo yes", "exposeauthinfo no", "ExposeAuthInfo"),
        ] {
            let cautions = cautions(&Settings::parse(&PLAIN.replace(from, to)));
            assert!(
                cautions.len() == 1 && cautions[0].contains(directive),
                "{cautions:?}"
            );
        }
    }
}
