//! `revert`: gives up the user's own version of paths.

use super::trial;
use crate::arguments::Revert;
use crate::caller::{Whom, only_tell};
use crate::host::RUN;
use crate::output;
use crate::plan::host;
use crate::policy_paths::resolved;
use crate::preferred::{By, environment};
use caddis_changes::revert::{Change, Ground, Outcome, Reverted, State, What};
use caddis_policy::Policy;
use caddis_view::store::{Environments, missing};
use caddis_view::{Error, veil};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(crate) fn run(policy: &Policy, whom: &Whom, revert: Revert) -> Result<u8, Error> {
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
    // Only now: whoever reads this slowly keeps nobody waiting.
    only_tell()?;
    said.iter().for_each(|said| output::warn(said));
    outcomes.iter().for_each(tell);
    Ok(0)
}

fn tell(outcome: &Outcome) {
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
    let path = output::encode(outcome.path.as_os_str().as_bytes());
    let files = outcome.files;
    output::plain(&format!(
        "path={path}\tchange={change}\tfiles={files}\tstate={state}"
    ));
}
