//! `veil`: builds the veil again if the base has changed.

use crate::caller::real_uid;
use crate::output;
use caddis_policy::Policy;
use caddis_view::Error;

pub(crate) fn run(policy: &Policy) -> Result<u8, Error> {
    if real_uid() != 0 {
        return Err(Error::refused("refresh", "the veil", "only root may do so"));
    }
    let done = caddis_view::veil::refresh(policy)?;
    let what = if done.built { "built" } else { "unchanged" };
    output::line(&[
        ("veil", &done.generation.to_string()),
        ("entries", &done.entries.to_string()),
        ("state", what),
    ]);
    Ok(0)
}
