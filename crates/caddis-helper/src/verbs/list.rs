//! `list`: the environments of a user, a line each.

use crate::caller::Whom;
use crate::host::RUN;
use crate::{output, processes};
use caddis_policy::Policy;
use caddis_view::store::Environments;
use caddis_view::{Error, Runtime};
use std::collections::BTreeSet;
use std::path::Path;

pub(crate) fn run(policy: &Policy, whom: &Whom) -> Result<u8, Error> {
    let uids = whom.uids(policy)?;
    let all = processes::all();
    for uid in uids {
        let Some(environments) = Environments::of(&policy.storage.state, uid, false)? else {
            continue;
        };
        for name in environments.names()? {
            let (state, sessions) = match Runtime::peek(Path::new(RUN), uid, &name)? {
                None => ("stopped", 0),
                Some(instance) => {
                    let sessions: BTreeSet<i32> = processes::of_instance(&all, &instance)
                        .into_iter()
                        .filter_map(|(_, session)| session)
                        .collect();
                    (
                        if sessions.is_empty() {
                            "idle"
                        } else {
                            "running"
                        },
                        sessions.len(),
                    )
                }
            };
            let usage = environments.usage(&name)?;
            output::line(&[
                ("uid", &uid.to_string()),
                ("name", name.as_str()),
                ("state", state),
                ("sessions", &sessions.to_string()),
                ("bytes", &usage.bytes.to_string()),
                ("used", &usage.used.to_string()),
            ]);
        }
    }
    Ok(0)
}
