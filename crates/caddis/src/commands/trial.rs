//! `caddis try`

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::Stdio;

use caddis_policy::EnvName;
use clap::{Args, ValueHint};

use super::diff::Diff;
use super::output::look_of;
use super::question::{answer, can_ask};
use crate::error::{Error, FAILED};
use crate::helper::{Call, Changes};
use crate::render::changes::short::line;
use crate::session::{Ended, Request, Role, attend, named_or_meant, require_own_environments};

/// Run a command in a throw-away copy of an environment, then keep or discard what it changed
///
/// Nothing is copied: what the command changes goes into a layer of its own. When it has ended, you see the difference
/// and decide. Until then nothing else uses the environment. Your home and what is passed through from the host are
/// not part of the copy: what is changed there is changed. What follows COMMAND belongs to the command.
///
/// Without a COMMAND, decides about a try that was interrupted before anybody could.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Try {
    /// The environment [default: yours, see `caddis config`]
    #[arg(short, long, value_name = "ENV")]
    pub env: Option<OsString>,

    /// Run the command as the environment's root
    #[arg(short, long)]
    pub root: bool,

    /// Do not ask: keep the changes if the command succeeds, discard them if it fails
    #[arg(long, conflicts_with = "discard")]
    pub keep: bool,

    /// Do not ask: discard the changes
    #[arg(long)]
    pub discard: bool,

    /// The command and its arguments
    #[arg(value_name = "COMMAND", trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  caddis try --root apt-get upgrade        see what it does before it counts
  caddis try -e project make install
  caddis try --keep --root ./setup         all of it or, if it fails, nothing
  caddis try --discard                     about a try that was interrupted

Exit status: the command's own; 128+n if signal n ended it; 125 if Caddis failed;
126 if the command cannot be executed; 127 if it was not found.";

/// What becomes of the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Keep,
    Discard,
    Look,
    Shell,
}

impl Try {
    /// Runs the command, shows what it changed, and sees to it that somebody decides.
    pub fn run(self) -> Result<u8, Error> {
        require_own_environments()?;
        let name = named_or_meant(self.env.as_deref(), Call::new("config"))?;
        let said = self.keep || self.discard;
        if !said && !can_ask() {
            return Err(Error::failed(format!(
                "try something in `{name}`: there is no terminal to ask on whether to keep the changes"
            ))
            .hint("--keep keeps them if the command succeeds, --discard discards them"));
        }
        if self.command.is_empty() {
            return self.decide(&name, &changes(&name)?, 0).map(|()| 0);
        }
        let Ended {
            status,
            told_to_end,
        } = self.session(&name, self.command.clone())?;
        // If it is Caddis that has failed, there may be no try, and the reason has been given.
        if status == FAILED && !is_there(&name) {
            return Ok(status);
        }
        if told_to_end && !said {
            leave(&name);
            return Ok(status);
        }
        self.decide(&name, &changes(&name)?, status)?;
        Ok(status)
    }

    fn session(&self, name: &EnvName, command: Vec<OsString>) -> Result<Ended, Error> {
        attend(Request {
            environment: Some(name.as_str().into()),
            command,
            trial: true,
            ..Request::new(if self.root { Role::Root } else { Role::User })
        })
    }

    fn decide(&self, name: &EnvName, changes: &Summary, status: u8) -> Result<(), Error> {
        // Of what did not even start nobody wants to hear that.
        if status != FAILED || changes.count > 0 {
            show(&changes.text())?;
        }
        let word = match (self.keep, self.discard) {
            (true, _) if status == 0 => Some(Word::Keep),
            (false, false) if changes.count > 0 => self.ask(name)?,
            _ => Some(Word::Discard),
        };
        match word {
            Some(Word::Keep) => call("--keep", name).records()?,
            Some(_) => call("--discard", name).records()?,
            None => {
                leave(name);
                return Ok(());
            }
        };
        Ok(())
    }

    /// Asks until there is an answer; `None`: there is nobody to give one.
    fn ask(&self, name: &EnvName) -> Result<Option<Word>, Error> {
        loop {
            let question = "Keep these changes? [k]eep, [d]iscard, [l]ook, [s]hell:";
            let Some(answer) = answer(question) else {
                return Ok(None);
            };
            match word(&answer) {
                Some(Word::Look) => look_at(name)?,
                Some(Word::Shell) => {
                    if self.session(name, Vec::new())?.told_to_end {
                        return Ok(None);
                    }
                    show(&changes(name)?.text())?;
                }
                Some(word) => return Ok(Some(word)),
                None => {}
            }
        }
    }
}

fn call(word: &str, name: &EnvName) -> Call {
    Call::new("try").flag(word, true).operands([name.as_str()])
}

/// What the try has changed, if the caller may decide about it.
fn changes(name: &EnvName) -> Result<Summary, Error> {
    call("--check", name).records()?;
    let mut stream = Changes::of(difference(), Some(name.as_str()), false, Vec::new())?;
    let mut summary = Summary::default();
    while let Some(change) = stream.next()? {
        summary.count += 1;
        if summary.count <= MOST {
            summary
                .lines
                .push_str(&line(&change, look_of(&io::stderr())));
        }
    }
    stream.end()?;
    Ok(summary)
}

/// All of it, as a patch; or only the names, where standard output is the command's.
fn look_at(name: &EnvName) -> Result<(), Error> {
    if io::stdout().is_terminal() {
        return Diff::of_try(name).run().map(drop);
    }
    let mut stream = Changes::of(difference(), Some(name.as_str()), false, Vec::new())?;
    while let Some(change) = stream.next()? {
        show(&line(&change, look_of(&io::stderr())))?;
    }
    stream.end()
}

fn difference() -> Call {
    Call::new("diff").flag("--try", true)
}

/// Whether there is a try to decide on.
fn is_there(name: &EnvName) -> bool {
    let mut call = call("--check", name).to_command();
    let quiet = call.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn word(answer: &str) -> Option<Word> {
    match answer.trim().to_ascii_lowercase().as_str() {
        "k" | "keep" => Some(Word::Keep),
        "d" | "discard" => Some(Word::Discard),
        "l" | "look" => Some(Word::Look),
        "s" | "shell" => Some(Word::Shell),
        _ => None,
    }
}

/// To standard error: standard output is the command's.
fn show(text: &str) -> Result<(), Error> {
    let mut error = io::stderr().lock();
    Ok(error.write_all(text.as_bytes())?)
}

/// Nobody is there to decide.
fn leave(name: &EnvName) {
    let text = format!(
        "caddis: nothing is decided: `caddis try -e {name} --keep` keeps the changes; the next use of `{name}` discards \
         them\n"
    );
    // Whoever it is for may have hung up.
    let _ = show(&text);
}

/// How many lines are shown before anybody asks for more.
const MOST: usize = 20;

/// What is shown before anybody asks for more.
#[derive(Debug, Default)]
struct Summary {
    lines: String,
    count: usize,
}

impl Summary {
    fn text(&self) -> String {
        if self.count == 0 {
            return "caddis: nothing was changed\n".to_owned();
        }
        let mut text = self.lines.clone();
        if let Some(more) = self.count.checked_sub(MOST).filter(|more| *more > 0) {
            text.push_str(&format!("… and {more} more\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_word_decides() {
        assert_eq!(word("k\n"), Some(Word::Keep));
        assert_eq!(word(" Discard \n"), Some(Word::Discard));
        assert_eq!([word("\n"), word("y"), word("kd")], [None; 3]);
    }

    #[test]
    fn a_summary_is_short() {
        assert!(Summary::default().text().contains("nothing was changed"));
        let summary = |count| Summary {
            lines: "M  /etc/a\n".repeat(MOST),
            count,
        };
        assert_eq!(summary(MOST).text().lines().count(), MOST);
        assert!(summary(MOST + 3).text().ends_with("… and 3 more\n"));
    }
}
