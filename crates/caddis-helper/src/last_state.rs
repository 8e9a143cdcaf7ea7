//! Where environments lie, remembered in root's run-time directory. Root must be able to end
//! environments without a policy; of the policy, that needs this path only.

use crate::host::RUN;
use caddis_policy::Policy;
use caddis_view::error::Context;
use caddis_view::replace::replace;
use caddis_view::store::top_directory;
use caddis_view::{Error, Result};
use rustix::fs::{Mode, OFlags, RenameFlags, openat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// No user's directory has such a name.
const FILE: &str = ".state";

/// How its temporary names begin.
const UNFINISHED: &str = ".state.";

/// Remembers the state directory of a policy that is in order.
pub fn remember(policy: &Policy) -> Result<()> {
    let state = &policy.storage.state;
    if last().is_ok_and(|last| last.as_ref() == Some(state)) {
        return Ok(());
    }
    let run = top_directory(Path::new(RUN))?;
    let text = state.as_os_str().as_bytes();
    replace(&run, UNFINISHED, FILE, text, RenameFlags::empty())
}

/// What was remembered last; `None`: nothing since the boot.
fn last() -> Result<Option<PathBuf>> {
    let run = top_directory(Path::new(RUN))?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = match openat(&run, FILE, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno).doing("open", || FILE),
    };
    let mut bytes = Vec::new();
    std::fs::File::from(file)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::refused("read", FILE, error))?;
    Ok(Some(PathBuf::from(OsStr::from_bytes(&bytes))))
}

/// The policy, or the part of it that root needs to look at environments and to end them, with
/// warnings for root.
pub fn policy_or_last() -> Result<(Policy, Vec<String>)> {
    let error = match crate::host::policy() {
        Ok(policy) => return Ok((policy, Vec::new())),
        Err(error) => error,
    };
    let mut policy = Policy::default();
    if let Some(state) = last()? {
        policy.storage.state = state;
    }
    let state = policy.storage.state.display();
    let hint = error.hint.iter().map(|hint| format!("hint: {hint}"));
    let going_on = format!("going on without it, with the environments in {state}");
    let warnings = std::iter::once(error.to_string()).chain(hint);
    let warnings = warnings.chain([going_on]).collect();
    Ok((policy, warnings))
}
