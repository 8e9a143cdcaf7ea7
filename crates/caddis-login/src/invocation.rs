//! How this program was called, and what is wanted of it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::manage;
use crate::start::Start;
use crate::variables::{self, ORIGINAL_COMMAND, Variables};

/// This program's name.
pub const PROGRAM: &str = "caddis-login";

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// To land in the environment.
    Environment(Start),
    /// The plain host.
    Host(Start),
    /// The command line of Caddis, on the host: to look after environments.
    Manage(OsString),
    /// `--help`
    Help,
    /// `--version`
    Version,
}

/// How this program was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What is wanted.
    pub wanted: Wanted,
    /// By sshd, in place of what the client asked for. Then what the key's owner has said is still to be done.
    pub forced: bool,
    /// Or by su(1), in a session of another user's that sshd has started: it gives a shell its bare name, while sshd has
    /// the user's shell run a forced command, by its path.
    pub perhaps_su: bool,
}

impl Invocation {
    /// Understands the arguments, the program's name among them, and the variables. Nothing is an error: what is not
    /// this program's own business is the shell's.
    pub fn read(arguments: &[OsString], variables: &Variables) -> Self {
        let (name, rest) = match arguments.split_first() {
            Some((name, rest)) => (name.as_bytes(), rest),
            None => (&b""[..], &[][..]),
        };
        let login = name.starts_with(b"-");
        let asked = |wanted| Self {
            wanted,
            forced: false,
            perhaps_su: false,
        };
        match rest {
            [] if login => asked(Wanted::Environment(Start::login_shell())),
            [] => without_arguments(variables, !name.contains(&b'/')),
            [option] if option == "--help" => asked(Wanted::Help),
            [option] if option == "--version" => asked(Wanted::Version),
            [option, words @ ..] if option == "--host" => asked(Wanted::Host(joined(words))),
            // sshd runs a forced command by way of the user's shell, which this is, too.
            [option, string] if option == "-c" && own(string) == Some(Own::Alone) => {
                without_arguments(variables, false)
            }
            [option, string] if option == "-c" && is_addressed(string) => {
                asked(wanted_by(string.clone()))
            }
            arguments => asked(Wanted::Environment(Start::Shell {
                login,
                arguments: arguments.to_vec(),
            })),
        }
    }
}

/// As sshd calls a forced command, or su(1) a shell.
fn without_arguments(variables: &Variables, bare_name: bool) -> Invocation {
    let by_sshd = variables::get(variables, "SSH_CONNECTION").is_some();
    let wanted = match variables::get(variables, ORIGINAL_COMMAND) {
        Some(string) => wanted_by(string.to_owned()),
        None => Wanted::Environment(Start::Shell {
            login: by_sshd,
            arguments: Vec::new(),
        }),
    };
    Invocation {
        wanted,
        forced: by_sshd,
        perhaps_su: by_sshd && bare_name,
    }
}

/// What a command string asks for that sshd would otherwise have run.
pub fn wanted_by(string: OsString) -> Wanted {
    match own(&string) {
        Some(Own::Alone) => return Wanted::Environment(Start::login_shell()),
        Some(Own::Host(rest)) if rest.is_empty() => return Wanted::Host(Start::login_shell()),
        Some(Own::Host(rest)) => return Wanted::Host(Start::command(rest)),
        None => {}
    }
    if manage::arguments(&string).is_some() {
        return Wanted::Manage(string);
    }
    Wanted::Environment(match sftp(string.as_bytes()) {
        Some(arguments) => Start::Sftp { arguments },
        None => Start::command(string),
    })
}

/// Whether a command string is for Caddis, not for a shell.
fn is_addressed(string: &OsStr) -> bool {
    own(string).is_some() || manage::arguments(string).is_some()
}

/// A command string that is addressed to this program.
#[derive(Debug, PartialEq, Eq)]
enum Own {
    /// Its name and nothing else.
    Alone,
    /// `--host`, and the rest of the string for the shell to read.
    Host(OsString),
}

fn own(string: &OsStr) -> Option<Own> {
    let bytes = string.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b' ');
    let (word, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
    let named = word == PROGRAM.as_bytes()
        || word.starts_with(b"/")
            && word.rsplit(|byte| *byte == b'/').next() == Some(PROGRAM.as_bytes());
    match rest.trim_ascii_start() {
        _ if !named => None,
        [] => Some(Own::Alone),
        rest => match rest.strip_prefix(b"--host")? {
            [] => Some(Own::Host(OsString::new())),
            [b' ', rest @ ..] => Some(Own::Host(OsString::from_vec(rest.to_vec()))),
            _ => None,
        },
    }
}

/// The arguments of sshd's built-in server, which are words and no shell's business.
fn sftp(string: &[u8]) -> Option<Vec<OsString>> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let rest = string.strip_prefix(b"internal-sftp")?;
    if rest.first().is_some_and(|byte| !is_blank(byte)) {
        return None;
    }
    let words = rest.split(is_blank).filter(|word| !word.is_empty());
    Some(
        words
            .map(|word| OsString::from_vec(word.to_vec()))
            .collect(),
    )
}

/// Words as ssh(1) sends them: for a shell to read, with a space between.
fn joined(words: &[OsString]) -> Start {
    match words {
        [] => Start::login_shell(),
        words => Start::command(words.join(OsStr::new(" "))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(words: &[&str], original: Option<&str>) -> Invocation {
        let words: Vec<OsString> = words.iter().map(Into::into).collect();
        let mut variables = vec![("SSH_CONNECTION".into(), "a b".into())];
        variables.extend(original.map(|original| (ORIGINAL_COMMAND.into(), original.into())));
        Invocation::read(&words, &variables)
    }

    fn shell(login: bool, words: &[&str]) -> Wanted {
        Wanted::Environment(Start::Shell {
            login,
            arguments: words.iter().map(Into::into).collect(),
        })
    }

    #[test]
    fn as_a_login_shell_the_arguments_are_the_shells() {
        for name in ["-caddis-login", "-sh"] {
            assert_eq!(read(&[name], None).wanted, shell(true, &[]));
            // What a forced command left there is none of a login shell's.
            assert_eq!(read(&[name], Some("id")).wanted, shell(true, &[]));
            assert_eq!(read(&[name, "-i"], None).wanted, shell(true, &["-i"]));
        }
        for words in [
            &["caddis-login", "-c", "a  'b'"][..],
            &["caddis-login", "-lc", "x"],
            &["sh", "-l"],
            &["sh", "-c", ""],
            &["sh", "-c", "caddis-login --hosts"],
            &["sh", "-c", "my/caddis-login --host"],
            &["sh", "-c", "caddis-login --host", "x"],
            &["sh", "-c", "internal-sftp"],
        ] {
            let invocation = read(words, None);
            assert_eq!(invocation.wanted, shell(false, &words[1..]));
            assert!(!invocation.forced);
        }
    }

    #[test]
    fn as_a_forced_command_it_does_what_the_client_asked() {
        let forced = |original| {
            let invocation = read(&["/usr/local/bin/caddis-login"], original);
            assert!(invocation.forced && !invocation.perhaps_su);
            // The user's shell in /etc/passwd may be this program as well.
            let twice = read(&["caddis-login", "-c", "/usr/bin/caddis-login"], original);
            assert_eq!(invocation, twice);
            invocation.wanted
        };
        assert_eq!(forced(None), shell(true, &[]));
        assert_eq!(forced(Some("")), shell(false, &["-c", ""]));
        assert_eq!(forced(Some("a 'b' $c")), shell(false, &["-c", "a 'b' $c"]));
        assert_eq!(forced(Some("--help")), shell(false, &["-c", "--help"]));
        assert_eq!(forced(Some("caddis-login")), shell(true, &[]));
        let sftp = |words: &[&str]| {
            let arguments = words.iter().map(Into::into).collect();
            Wanted::Environment(Start::Sftp { arguments })
        };
        assert_eq!(forced(Some("internal-sftp")), sftp(&[]));
        assert_eq!(
            forced(Some("internal-sftp -d  /a\t-R")),
            sftp(&["-d", "/a", "-R"])
        );
        let near = "internal-sftpd";
        assert_eq!(forced(Some(near)), shell(false, &["-c", near]));
    }

    #[test]
    fn su_without_a_dash_gives_no_login_shell() {
        let invocation = Invocation::read(&["caddis-login".into()], &Vec::new());
        assert_eq!(invocation.wanted, shell(false, &[]));
        assert!(!invocation.forced);
        assert!(read(&["caddis-login"], None).perhaps_su);
    }

    #[test]
    fn the_plain_host_can_be_asked_for_in_three_ways() {
        let command = |string: &str| Wanted::Host(Start::command(string));
        let login = Wanted::Host(Start::login_shell());
        assert_eq!(read(&["caddis-login", "--host"], None).wanted, login);
        assert_eq!(
            read(&["caddis-login", "--host", "ls", "-l"], None).wanted,
            command("ls -l")
        );
        for (string, wanted) in [
            ("caddis-login --host", &login),
            ("/opt/x/caddis-login  --host ", &login),
            ("caddis-login --host  ls 'a  b'", &command(" ls 'a  b'")),
        ] {
            assert_eq!(&read(&["caddis-login"], Some(string)).wanted, wanted);
            assert_eq!(&read(&["caddis-login", "-c", string], None).wanted, wanted);
        }
    }

    #[test]
    fn it_says_what_it_is() {
        assert_eq!(read(&["caddis-login", "--help"], None).wanted, Wanted::Help);
        assert_eq!(
            read(&["caddis-login", "--version"], None).wanted,
            Wanted::Version
        );
        assert_eq!(
            read(&["-sh", "--help", "x"], None).wanted,
            shell(true, &["--help", "x"])
        );
    }

    proptest! {
        #[test]
        fn a_command_string_is_never_changed(string in "[^\0]*") {
            prop_assume!(!string.contains(PROGRAM) && !string.starts_with("internal-sftp"));
            let wanted = Wanted::Environment(Start::command(&string));
            prop_assert_eq!(&read(&["caddis-login"], Some(&string)).wanted, &wanted);
            prop_assert_eq!(&read(&["caddis-login", "-c", &string], None).wanted, &wanted);
        }

        #[test]
        fn what_follows_host_is_never_changed(string in "[^\0]+") {
            let whole = format!("caddis-login --host {string}");
            let wanted = Wanted::Host(Start::command(&string));
            prop_assert_eq!(read(&["caddis-login"], Some(&whole)).wanted, wanted);
        }

        #[test]
        fn any_arguments_mean_something(words: Vec<Vec<u8>>, original: Option<Vec<u8>>) {
            let words: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
            let original = original.map(|bytes| (ORIGINAL_COMMAND.into(), OsString::from_vec(bytes)));
            Invocation::read(&words, &original.into_iter().collect());
        }
    }
}
