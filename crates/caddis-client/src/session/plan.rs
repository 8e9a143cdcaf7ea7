//! A session as a call of the helper: a pure function from what was asked and who asked.

use std::ffi::OsStr;

use super::variables::for_somebody_else;
use super::{Caller, Request, Role, environment_name};
use crate::call::{Call, for_value};
use crate::error::Error;
use crate::user::Account;

/// Whose environment the session is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum For {
    /// The caller's, with the account where one is known.
    Caller(Option<Account>),
    /// Another user's, with that user's groups. Root only.
    SomebodyElse(Account, Vec<u32>),
}

impl For {
    /// Whether root acts for a user.
    pub fn is_somebody_else(&self) -> bool {
        matches!(self, Self::SomebodyElse(..))
    }

    /// The user's account, where one is known.
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::Caller(account) => account.as_ref(),
            Self::SomebodyElse(account, _) => Some(account),
        }
    }
}

/// Nothing else is a home or a shell to the helper; a user database may hold anything.
pub fn is_absolute(path: &OsStr) -> bool {
    path.as_encoded_bytes().starts_with(b"/")
}

/// The helper's call for a session; `own_terminal` asks the helper for a terminal session apart from the caller's.
pub fn plan(
    request: Request,
    caller: &Caller,
    whom: &For,
    own_terminal: bool,
) -> Result<Call, Error> {
    let name = request
        .environment
        .map(|name| environment_name(&name))
        .transpose()?;
    let account = whom.account();
    let home = account
        .map(|account| &account.home)
        .filter(|home| is_absolute(home));
    let shell = account
        .map(|account| &account.shell)
        .filter(|shell| is_absolute(shell));
    let role = match request.role {
        Role::User => "user",
        Role::Root => "root",
        Role::Login => "login",
    };
    let call = Call::new("session")
        .maybe("--env", name.as_ref().map(caddis_policy::EnvName::as_str))
        .option("--as", role)
        .maybe("--home", home)
        .maybe("--shell", shell)
        .maybe("--name", account.map(|account| &account.name))
        .maybe("--cwd", caller.directory.as_ref());
    let call = match whom {
        For::Caller(_) => call.variables(caller.variables.iter().cloned()),
        For::SomebodyElse(account, groups) => call
            .option("--for", for_value(account.uid, groups))
            .variables(for_somebody_else(account, &caller.variables)),
    };
    Ok(call
        .flag("--ctty", own_terminal)
        .maybe("--stack", caller.stack.map(|bytes| bytes.to_string()))
        .flag("--dry-run", request.dry_run)
        .flag("--try", request.trial)
        .flag("--login", request.login)
        .maybe(
            "--files",
            (request.files > 0).then(|| request.files.to_string()),
        )
        .command(request.command))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn alice() -> Account {
        Account {
            name: "alice".into(),
            uid: 1000,
            gid: 1000,
            home: "/home/alice".into(),
            shell: "/bin/zsh".into(),
        }
    }

    fn caller() -> Caller {
        Caller {
            uid: 1000,
            inside: false,
            directory: Some("/srv".into()),
            variables: vec![
                ("PATH".into(), "/bin".into()),
                ("SECRET".into(), "s".into()),
            ],
            stack: None,
        }
    }

    fn request(role: Role, command: &[&str]) -> Request {
        Request {
            command: command.iter().map(Into::into).collect(),
            ..Request::new(role)
        }
    }

    fn line(call: &Call) -> String {
        let words: Vec<_> = call
            .arguments()
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        words.join(" ")
    }

    #[test]
    fn run_hands_everything_over() {
        let call = plan(
            request(Role::User, &["ls", "-l"]),
            &caller(),
            &For::Caller(Some(alice())),
            false,
        )
        .unwrap();
        assert_eq!(
            line(&call),
            "session --as user --home /home/alice --shell /bin/zsh --name alice --cwd /srv -- ls -l"
        );
        let names: Vec<&OsString> = call.environment().iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["+PATH", "+SECRET"]);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut request = request(Role::Login, &[]);
        request.environment = Some("x".into());
        request.dry_run = true;
        let caller = Caller {
            directory: None,
            ..caller()
        };
        let call = plan(request, &caller, &For::Caller(None), false).unwrap();
        assert_eq!(line(&call), "session --env x --as login --dry-run");
    }

    #[test]
    fn for_somebody_else_no_variable_of_roots_goes_along() {
        let whom = For::SomebodyElse(alice(), vec![1000, 27]);
        let call = plan(request(Role::Root, &["id"]), &caller(), &whom, true).unwrap();
        assert!(
            line(&call).ends_with("--cwd /srv --for 1000:1000,27 --ctty -- id"),
            "{}",
            line(&call)
        );
        assert!(call.environment().iter().all(|(name, _)| name != "+SECRET"));
        assert!(
            call.environment()
                .contains(&("+HOME".into(), "/home/alice".into()))
        );
    }

    #[test]
    fn a_bad_name_is_a_usage_error() {
        let mut request = request(Role::User, &["true"]);
        request.environment = Some("../x".into());
        let error = plan(request, &caller(), &For::Caller(None), false).unwrap_err();
        assert_eq!(error.code(125), 125);
        assert_eq!(error.code(2), 2);
    }
}
