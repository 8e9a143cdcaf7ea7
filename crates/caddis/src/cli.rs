//! The command line's grammar, and nothing else: each command's own arguments are in its file under `commands`.

use std::ffi::OsString;
use std::io::Write;

use clap::{Args, Parser, Subcommand};

use crate::commands;
use crate::error::FAILED;

/// A private root on a shared machine.
#[derive(Debug, Parser)]
#[command(
    name = "caddis",
    version,
    about = "A private root on a shared machine",
    long_about = "Caddis gives you a private, writable view of this machine's own \"/\" in which you are root.\n\
                  What you change there is yours alone; what the administrator changes below shows through.",
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = EXAMPLES
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  caddis enter                             a shell in your environment
  caddis root apt-get install -y cowsay    install a package in it
  caddis run -e project make -j8           run a command in another one
  caddis try --root apt-get upgrade        see what it does before it counts
  caddis status                            what you have changed, and what was changed below since
  caddis list                              what you have, and how big it is

Inside a login, what has to be done outside (status, diff, list, …) is done there for you. `caddis-login`(1) says how.

Exit status: the command's own; 128+n if signal n ended it; 125 if Caddis failed;
126 if the command cannot be executed; 127 if it was not found.";

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Enter(commands::enter::Enter),
    Run(commands::run::Run),
    Root(commands::root::Root),
    Try(commands::trial::Try),
    New(commands::new::New),
    List(commands::list::List),
    Remove(commands::remove::Remove),
    Status(commands::status::StatusOf),
    Diff(commands::diff::Diff),
    Revert(commands::revert::Revert),
    Ps(commands::ps::Ps),
    Stop(commands::stop::Stop),
    Config(commands::config::Config),
    Doctor(commands::doctor::Doctor),
    Admin(commands::admin::Admin),
    Generate(commands::generate::Generate),
}

/// Parses the arguments. What clap has to say, help included, is printed here; then the exit status is returned.
pub fn parse(arguments: &[OsString]) -> Result<Cli, u8> {
    if let Some(command) = session_command(arguments) {
        return Ok(Cli { command });
    }
    Cli::try_parse_from(arguments).map_err(|error| {
        if error.print().is_err() {
            let _ = std::io::stderr().flush();
        }
        match error.exit_code() {
            0 => 0,
            _ => usage_code(arguments),
        }
    })
}

/// The commands that are run all the time, by a grammar of that one command only: to set up the grammar of all of them
/// takes longer than everything else that this program does for `caddis run`. Whatever is not plainly right is left to
/// the whole grammar, which knows what to say about it.
fn session_command(arguments: &[OsString]) -> Option<Command> {
    fn parsed<T: Args>(arguments: &[OsString]) -> Option<T> {
        let grammar = T::augment_args(
            clap::Command::new("caddis")
                .no_binary_name(true)
                .disable_help_flag(true),
        );
        T::from_arg_matches(&grammar.try_get_matches_from(arguments).ok()?).ok()
    }
    let [_, command, rest @ ..] = arguments else {
        return None;
    };
    match command.to_str()? {
        "enter" => parsed(rest).map(Command::Enter),
        "run" => parsed(rest).map(Command::Run),
        "root" => parsed(rest).map(Command::Root),
        _ => None,
    }
}

/// The status of a usage error: 2 as usual, but 125 for the commands whose other statuses belong to what they run.
pub fn usage_code(arguments: &[OsString]) -> u8 {
    let runs_something = arguments.get(1).is_some_and(|command| {
        ["enter", "run", "root", "try"]
            .iter()
            .any(|name| command == name)
    });
    if runs_something { FAILED } else { 2 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use clap::CommandFactory;
    use proptest::prelude::*;

    use super::*;

    fn parsed(line: &[&str]) -> Result<Command, u8> {
        let arguments: Vec<OsString> = std::iter::once("caddis")
            .chain(line.iter().copied())
            .map(Into::into)
            .collect();
        Cli::try_parse_from(&arguments)
            .map(|cli| cli.command)
            .map_err(|_| usage_code(&arguments))
    }

    fn run(line: &[&str]) -> commands::run::Run {
        match parsed(line) {
            Ok(Command::Run(run)) => run,
            other => panic!("{line:?} gave {other:?}"),
        }
    }

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_after_the_command_belong_to_the_command() {
        assert_eq!(run(&["run", "ls", "-l"]).command, ["ls", "-l"]);
        assert_eq!(
            run(&["run", "ls", "-e", "x", "--help"]).command,
            ["ls", "-e", "x", "--help"]
        );
        assert_eq!(
            run(&["run", "-e", "x", "ls", "--user", "y"]).command,
            ["ls", "--user", "y"]
        );
    }

    #[test]
    fn a_double_dash_ends_our_options_once() {
        assert_eq!(run(&["run", "--", "-odd", "x"]).command, ["-odd", "x"]);
        assert_eq!(
            run(&["run", "git", "log", "--", "file"]).command,
            ["git", "log", "--", "file"]
        );
        assert_eq!(
            run(&["run", "--", "git", "--", "file"]).command,
            ["git", "--", "file"]
        );
    }

    #[test]
    fn an_unknown_option_is_not_taken_for_a_command() {
        assert_eq!(parsed(&["run", "--bogus"]).err(), Some(125));
        assert_eq!(parsed(&["run"]).err(), Some(125));
        assert_eq!(parsed(&["enter", "a", "b"]).err(), Some(125));
        assert_eq!(parsed(&["list", "--bogus"]).err(), Some(2));
        assert_eq!(parsed(&["frobnicate"]).err(), Some(2));
    }

    #[test]
    fn empty_and_odd_arguments_pass() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(vec![b'-', 0xff]);
        let line = [
            "caddis".into(),
            "run".into(),
            "printf".into(),
            OsString::new(),
            odd.clone(),
        ];
        match Cli::try_parse_from(line).map(|cli| cli.command) {
            Ok(Command::Run(run)) => {
                assert_eq!(run.command, ["printf".into(), OsString::new(), odd])
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn root_takes_a_command_or_none() {
        let Ok(Command::Root(none)) = parsed(&["root", "-e", "x"]) else {
            panic!()
        };
        assert!(none.command.is_empty());
        let Ok(Command::Root(some)) = parsed(&["root", "apt-get", "install", "-y", "sl"]) else {
            panic!()
        };
        assert_eq!(some.command, ["apt-get", "install", "-y", "sl"]);
    }

    #[test]
    fn what_is_for_outside_is_a_command() {
        let command = Cli::command();
        let names: Vec<_> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        let known = caddis_client::outside::COMMANDS;
        assert!(known.iter().all(|one| names.contains(one)), "{names:?}");
    }

    #[test]
    fn conflicts_are_refused() {
        assert_eq!(parsed(&["stop", "--all", "x"]).err(), Some(2));
        assert_eq!(parsed(&["admin", "stop"]).err(), Some(2));
        assert_eq!(
            parsed(&["admin", "list", "--user", "a", "--all"]).err(),
            Some(2)
        );
        assert_eq!(parsed(&["remove"]).err(), Some(2));
    }

    proptest! {
        /// The short way must never read a line differently from the long one.
        #[test]
        fn both_grammars_agree(
            command in "enter|run|root",
            words in prop::collection::vec("-e|-ex|--env|--env=x|--user|--dry-run|--|-|ls|-h|--help|-V|--dry|e?\\PC?", 0..6),
        ) {
            let line: Vec<OsString> = ["caddis", &command].into_iter().map(str::to_owned).chain(words).map(Into::into).collect();
            if let Some(short) = session_command(&line) {
                let long = Cli::try_parse_from(&line).map(|cli| cli.command);
                prop_assert_eq!(format!("{:?}", Some(short)), format!("{:?}", long.ok()));
            }
        }
    }

    /// Each command a person can see comes with examples.
    #[test]
    fn every_command_has_examples() {
        fn visit(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("Example"), "`{path}` has no examples");
            assert!(
                command.get_about().is_some(),
                "`{path}` does not say what it does"
            );
            command
                .get_subcommands()
                .filter(|sub| !sub.is_hide_set())
                .for_each(|sub| visit(sub, &path));
        }
        visit(&Cli::command(), "");
    }
}
