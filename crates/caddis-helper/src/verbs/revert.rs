//! `revert`: gives up the user's own version of paths.

use super::trial;
use crate::answer::Answer;
use crate::arguments::Revert;
use crate::caller::Whom;
use crate::host::RUN;
use crate::output::encode;
use crate::plan::host;
use crate::policy_paths::resolved;
use crate::preferred::{By, environment};
use caddis_changes::revert::{Change, Ground, Outcome, Reverted, State, What};
use caddis_policy::Policy;
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, veil};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(crate) fn run(policy: &Policy, whom: &Whom, revert: Revert) -> Result<Answer, Error> {
    let identity = whom.identity(policy)?;
    let environments = Environments::of(&policy.storage.state, identity.uid, false)?;
    let named = revert.name.as_ref();
    let name = environment(policy, environments.as_ref(), named, By::Command)?;
    let environments = environments.ok_or_else(|| missing(&name))?;
    let veil = veil::newest(&policy.storage.state)?;
    let (mounts, local) = host(policy, &identity)?;
    let reverted = Reverted {
        name: &name,
        environments: &environments,
        ground: Ground {
            identity: &identity,
            view: &resolved(&policy.view, &local, &identity)?,
            mounts: &mounts,
            veil: &veil.directory,
        },
        run: Path::new(RUN),
    };
    let what = revert.paths.map_or(What::Everything, What::Paths);
    let mut said = None;
    let outcomes = if revert.dry_run {
        reverted.dry_run(&what)?
    } else {
        reverted.revert(&what, revert.most, &mut |runtime| {
            said = trial::make_way(policy, &environments, runtime, &name)?;
            Ok(())
        })?
    };
    let mut answer = Answer::default();
    said.into_iter().for_each(|said| answer.warn(said));
    let lines = outcomes.iter().map(line);
    lines.for_each(|line| answer.line(line));
    Ok(answer)
}

/// What became of one path.
fn line(outcome: &Outcome) -> String {
    let change = match outcome.change {
        Change::Added => "A",
        Change::Modified => "M",
        Change::Deleted => "D",
        Change::Type => "T",
        Change::Attributes => "P",
    };
    let state = match outcome.state {
        State::Planned => "planned",
        State::Done => "done",
        State::Copied => "copied",
        State::Held => "held",
        State::Changed => "changed",
    };
    let path = encode(outcome.path.as_os_str().as_bytes());
    let files = outcome.files;
    format!("path={path}\tchange={change}\tfiles={files}\tstate={state}")
}
