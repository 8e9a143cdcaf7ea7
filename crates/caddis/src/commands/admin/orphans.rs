//! Selects environments whose account is gone.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::error::Error;
use crate::helper::{Call, Orphan};

/// Those that there are; of the former user of this name or number only, if one is named.
pub fn orphans(user: Option<&OsStr>) -> Result<(Vec<Orphan>, u8), Error> {
    let (records, status) = Call::admin("orphans").answer()?;
    let list: Result<Vec<Orphan>, Error> = records.iter().map(Orphan::read).collect();
    let mut list = list?;
    if let Some(user) = user {
        list.retain(|orphan| is_of(orphan, user));
    }
    Ok((list, status))
}

fn is_of(orphan: &Orphan, user: &OsStr) -> bool {
    orphan.user == user.as_bytes() || user == orphan.uid.to_string().as_str()
}
