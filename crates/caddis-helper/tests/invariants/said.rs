//! The way back: what a request would be as a command line.

use super::option_of;
use caddis_helper::arguments::{Request, Revert, Setting, Target, Verb};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// A request as a command line again.
pub fn said(request: &Request) -> Vec<OsString> {
    let mut line = Line(Vec::new());
    match &request.verb {
        Verb::Session(session) => {
            line.word("session");
            line.option(
                "--env",
                session.name.as_ref().map(|name| name.as_str().into()),
            );
            line.option(
                "--as",
                Some(format!("{:?}", session.who).to_lowercase().into()),
            );
            line.option("--home", session.home.clone().map(Into::into));
            line.option("--shell", session.shell.clone());
            line.option("--cwd", session.directory.clone().map(Into::into));
            line.option(
                "--stack",
                session.stack.map(|bytes| bytes.to_string().into()),
            );
            line.flag("--ctty", session.own_terminal);
            line.flag("--dry-run", session.dry_run);
            line.flag("--try", session.trial);
            line.flag("--login", session.login);
            let files = (session.files > 0).then(|| session.files.to_string().into());
            line.option("--files", files);
        }
        Verb::New { name, from } => {
            line.word("new");
            line.option("--from", from.as_ref().map(|name| name.as_str().into()));
            line.word(name.as_str());
        }
        Verb::Remove { names, force } => {
            line.word("remove");
            line.flag("--force", *force);
            names.iter().for_each(|name| line.word(name.as_str()));
        }
        Verb::Ps { name } => {
            line.word("ps");
            name.iter().for_each(|name| line.word(name.as_str()));
        }
        Verb::Stop { name } => {
            line.word("stop");
            name.iter().for_each(|name| line.word(name.as_str()));
        }
        Verb::StopEvery => {
            line.word("stop");
            line.flag("--every", !request.everybody);
        }
        Verb::Config { name, setting } => {
            line.word("config");
            line.word(name.as_str());
            line.setting(setting);
        }
        Verb::Own { setting } => {
            line.word("config");
            line.flag("--own", true);
            line.setting(setting);
        }
        Verb::Which => {
            line.word("config");
            line.flag("--which", true);
        }
        Verb::Diff(diff) => {
            line.word("diff");
            line.option("--env", diff.name.as_ref().map(|name| name.as_str().into()));
            line.flag("--content", diff.content);
            line.flag("--try", diff.trial);
        }
        Verb::Try { name, word } => {
            line.word("try");
            line.word(&option_of(*word));
            line.word(name.as_str());
        }
        Verb::Packages { name, status } => {
            line.word("packages");
            line.flag("--status", *status);
            line.word(name.as_str());
        }
        Verb::List => line.word("list"),
        Verb::Check => line.word("check"),
        Verb::Revert(revert) => {
            line.word("revert");
            line.option(
                "--env",
                revert.name.as_ref().map(|name| name.as_str().into()),
            );
            line.option("--most", revert.most.map(|files| files.to_string().into()));
            line.flag("--dry-run", revert.dry_run);
            line.flag("--every", revert.paths.is_none());
        }
    }
    line.flag("--all", request.everybody);
    line.option("--name", request.login.clone().map(OsString::from_vec));
    let target = request.target.as_ref().map(|Target { uid, gids }| {
        let gids: Vec<String> = gids.iter().map(u32::to_string).collect();
        format!("{uid}:{}", gids.join(",")).into()
    });
    line.option("--for", target);
    match &request.verb {
        Verb::Session(session) => {
            line.word("--");
            line.0.extend(session.command.iter().cloned());
        }
        Verb::Diff(diff) => {
            line.word("--");
            line.0.extend(diff.paths.iter().map(OsString::from));
        }
        _ => {}
    }
    if let Verb::Revert(Revert {
        paths: Some(paths), ..
    }) = &request.verb
    {
        line.word("--");
        line.0.extend(paths.iter().map(OsString::from));
    }
    line.0
}

struct Line(Vec<OsString>);

impl Line {
    fn word(&mut self, word: &str) {
        self.0.push(word.into());
    }

    fn setting(&mut self, setting: &Setting) {
        match setting {
            Setting::ShowAll => {}
            Setting::Show(key) => self.word(key),
            Setting::Change(key, value) => self.word(&format!("{key}={value}")),
        }
    }

    fn option(&mut self, option: &str, value: Option<OsString>) {
        if let Some(value) = value {
            self.0.extend([option.into(), value]);
        }
    }

    fn flag(&mut self, option: &str, wanted: bool) {
        if wanted {
            self.word(option);
        }
    }
}
