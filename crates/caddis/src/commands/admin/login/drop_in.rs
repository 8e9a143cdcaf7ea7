//! The drop-in as text, and back.

use super::group_name::GroupName;

/// For whom sshd runs caddis-login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropIn {
    /// Members of these; everybody if there are none.
    pub groups: Vec<GroupName>,
    /// But not members of these.
    pub bypass: Vec<GroupName>,
    /// Where caddis-login is.
    pub program: String,
}

/// `AcceptEnv` stands before the block: in it, it would take the place of what is accepted elsewhere.
const HEADER: &str = "\
# Written by `caddis admin login enable`, which replaces it when it is run again.
# It has sshd run caddis-login, which leads into an environment of Caddis, instead of the user's shell.
# To take it away: `caddis admin login disable`; or delete this file and reload sshd.

# Which environment, said by the client: `SetEnv CADDIS_LOGIN_ENV=NAME`
AcceptEnv CADDIS_LOGIN_ENV

";

const MATCH: &str = "Match User *,!root";
const GROUP: &str = " Group ";
const FORCE: &str = "    ForceCommand ";
/// caddis-login looks up the key that was used, to honour its `command=`, which sshd does not beside a ForceCommand.
const EXPOSE: &str = "    ExposeAuthInfo yes";

impl DropIn {
    /// The file's text.
    pub fn render(&self) -> String {
        let group = self.pattern().map(|pattern| format!("{GROUP}{pattern}"));
        let program = &self.program;
        format!(
            "{HEADER}{MATCH}{}\n{FORCE}{program}\n{EXPOSE}\n",
            group.unwrap_or_default()
        )
    }

    /// sshd takes a negated match of any of a user's groups for a mismatch, but wants one that is not negated.
    fn pattern(&self) -> Option<String> {
        if self.groups.is_empty() && self.bypass.is_empty() {
            return None;
        }
        let everybody = self.groups.is_empty().then(|| "*".to_owned());
        let names = self.groups.iter().map(|name| name.to_string());
        let but = self.bypass.iter().map(|name| format!("!{name}"));
        let pattern = everybody
            .into_iter()
            .chain(names)
            .chain(but)
            .collect::<Vec<_>>()
            .join(",");
        Some(match pattern.contains(' ') {
            true => format!("\"{pattern}\""),
            false => pattern,
        })
    }

    /// Reads what was rendered, by this version or one with other comments; nothing if it says anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let condition = text.lines().find_map(|line| line.strip_prefix(MATCH))?;
        let program = text.lines().find_map(|line| line.strip_prefix(FORCE))?;
        let (mut groups, mut bypass) = (Vec::new(), Vec::new());
        if let Some(pattern) = condition.strip_prefix(GROUP) {
            for word in pattern.trim_matches('"').split(',') {
                match word.strip_prefix('!') {
                    Some(name) => bypass.push(GroupName::new(name).ok()?),
                    None if word == "*" => {}
                    None => groups.push(GroupName::new(word).ok()?),
                }
            }
        }
        let program = program.to_owned();
        let found = Self {
            groups,
            bypass,
            program,
        };
        directives(text)
            .eq(directives(&found.render()))
            .then_some(found)
    }
}

/// The lines that mean something.
fn directives(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(names: &[&str]) -> Vec<GroupName> {
        names
            .iter()
            .map(|name| GroupName::new(name).unwrap())
            .collect()
    }

    fn condition(groups: &[&str], bypass: &[&str]) -> String {
        let drop_in = DropIn {
            groups: names(groups),
            bypass: names(bypass),
            program: "/x".into(),
        };
        let text = drop_in.render();
        text.lines()
            .find(|line| line.starts_with("Match"))
            .unwrap()
            .to_owned()
    }

    #[test]
    fn the_condition_names_who_is_meant_and_who_is_not() {
        assert_eq!(condition(&[], &[]), "Match User *,!root");
        assert_eq!(
            condition(&[], &["sudo", "wheel"]),
            "Match User *,!root Group *,!sudo,!wheel"
        );
        assert_eq!(
            condition(&["a", "b"], &["sudo"]),
            "Match User *,!root Group a,b,!sudo"
        );
        assert_eq!(
            condition(&["domain users"], &["sudo"]),
            "Match User *,!root Group \"domain users,!sudo\""
        );
    }

    #[test]
    fn comments_do_not_count_and_anything_else_does() {
        let drop_in = DropIn {
            groups: names(&["a"]),
            bypass: names(&["sudo"]),
            program: "/x".into(),
        };
        let text = drop_in.render();
        assert_eq!(
            DropIn::parse(&format!("# older words\n\n{text}\n# and more\n")),
            Some(drop_in)
        );
        assert_eq!(DropIn::parse(&format!("{text}    PermitTTY no\n")), None);
        assert_eq!(
            DropIn::parse(&text.replace("AcceptEnv", "#AcceptEnv")),
            None
        );
        assert_eq!(DropIn::parse(&text.replace("!root", "!bob")), None);
        assert_eq!(DropIn::parse(""), None);
    }

    fn name() -> impl Strategy<Value = GroupName> {
        "[\\w+.@$-][\\w \\\\+.@$-]{0,20}"
            .prop_filter_map("a name", |name| GroupName::new(&name).ok())
    }

    proptest! {
        #[test]
        fn what_is_rendered_is_read_again(
            groups in prop::collection::vec(name(), 0..4),
            bypass in prop::collection::vec(name(), 0..4),
            program in "(/[a-z.-]{1,9}){1,4}",
        ) {
            let drop_in = DropIn { groups, bypass, program };
            prop_assert_eq!(DropIn::parse(&drop_in.render()), Some(drop_in));
        }

        #[test]
        fn whatever_is_read_would_be_written_so(text in "(Match User \\*,!root( Group .*)?\n|    ForceCommand .*\n|\\PC*\n|AcceptEnv CADDIS_LOGIN_ENV\n|    ExposeAuthInfo yes\n){0,8}") {
            if let Some(found) = DropIn::parse(&text) {
                prop_assert!(directives(&text).eq(directives(&found.render())));
            }
        }
    }
}
