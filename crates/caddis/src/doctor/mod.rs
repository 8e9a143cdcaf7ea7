//! What can be checked of a host without privilege, and the helper's own checks after that.

mod accounts;
mod host;
mod ids;
mod install;
mod policy;
mod whom;

use std::ffi::OsStr;

pub use policy::load as load_policy;

use crate::error::Error;
use crate::helper::call::for_value;
use crate::helper::{Call, Check, Level};
use crate::session::is_inside;
use whom::Whom;

/// Looks at everything; for the caller, or for the user named.
pub fn examine(user: Option<&OsStr>) -> Result<Vec<Check>, Error> {
    let whom = Whom::find(user)?;
    let mut checks = vec![host::kernel(), host::namespaces()];
    let (policy, read) = policy::load();
    checks.push(read);
    if is_inside() {
        checks.push(warn(
            "inside",
            "this is an environment, not the host",
            "ask again outside",
        ));
    } else {
        checks.push(host::root(&policy));
    }
    if rustix::process::getuid().is_root() {
        checks.push(accounts::lines());
    }
    if let Some(whom) = &whom {
        checks.extend([whom.home(), whom.access(&policy), ids::range(&policy, whom)]);
    }
    let install = install::helper();
    let usable = install.level != Level::Fail;
    checks.push(install);
    if usable {
        let whom = whom.filter(|whom| whom.somebody_else);
        let of = whom.map(|whom| for_value(whom.account.uid, &whom.groups));
        checks.extend(helpers(&Call::new("check").maybe("--for", of)));
    }
    Ok(checks)
}

/// What the helper finds; that it cannot be asked is a finding, too.
fn helpers(call: &Call) -> Vec<Check> {
    let read = call.records().and_then(|records| {
        records
            .iter()
            .map(Check::read)
            .collect::<Result<Vec<_>, _>>()
    });
    read.unwrap_or_else(|error| vec![fail("helper", one_line(&error), "see its message")])
}

fn one_line(error: &Error) -> String {
    match error.kind {
        crate::error::Kind::Reported(code) => format!("its own checks ended with status {code}"),
        _ => error.message().to_owned(),
    }
}

fn ok(topic: &str, text: impl Into<String>) -> Check {
    Check {
        level: Level::Ok,
        topic: topic.into(),
        text: text.into(),
        hint: None,
    }
}

fn warn(topic: &str, text: impl Into<String>, hint: impl Into<String>) -> Check {
    Check {
        level: Level::Warn,
        topic: topic.into(),
        text: text.into(),
        hint: Some(hint.into()),
    }
}

fn fail(topic: &str, text: impl Into<String>, hint: impl Into<String>) -> Check {
    Check {
        level: Level::Fail,
        topic: topic.into(),
        text: text.into(),
        hint: Some(hint.into()),
    }
}
