//! `check`: the part of `caddis doctor` that only root can see.

use crate::answer::Answer;
use crate::caller::Whom;
use crate::host::RUN;
use crate::output::fields;
use caddis_policy::Policy;
use caddis_view::store::{Environments, top_directory};
use caddis_view::{Error, veil};
use std::path::Path;

pub(crate) fn run(policy: &Policy, whom: &Whom) -> Result<Answer, Error> {
    let mut answer = Answer::default();
    let mut tell = |topic: &str, found: Result<String, Error>| tell(&mut answer, topic, found);
    let state = &policy.storage.state;
    tell(
        "state directory",
        top_directory(state).map(|_| state.display().to_string()),
    );
    tell(
        "run-time directory",
        top_directory(Path::new(RUN)).map(|_| RUN.to_owned()),
    );
    tell("veil", veil::newest(state).map(|_| "built".to_owned()));
    if whom.is_root() {
        // About the host alone: root has no environments.
        return Ok(answer);
    }
    match whom.identity(policy) {
        Ok(identity) => {
            let range = identity.range;
            let text = format!(
                "users {}+65536, groups {}+65536",
                range.uid_start, range.gid_start
            );
            tell("id range", Ok(text));
            let environments = Environments::of(state, identity.uid, false);
            tell(
                "environments",
                environments.and_then(|found| match found {
                    Some(found) => Ok(found.names()?.len().to_string()),
                    None => Ok("none yet".to_owned()),
                }),
            );
        }
        Err(error) => tell("id range", Err(error)),
    }
    Ok(answer)
}

fn tell(answer: &mut Answer, topic: &str, found: Result<String, Error>) {
    let (level, text, hint) = match found {
        Ok(text) => ("ok", text, None),
        Err(error) => ("fail", error.to_string(), error.hint),
    };
    answer.line(fields(&[
        ("level", level),
        ("topic", topic),
        ("text", &text),
        ("hint", hint.as_deref().unwrap_or_default()),
    ]));
}
