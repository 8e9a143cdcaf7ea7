//! `sessions`: who is in which environment, and who still runs what the administrator has replaced on the host.

use crate::say::{self, plain};
use caddis_helper::host::{self, RUN};
use caddis_helper::output::encode;
use caddis_helper::processes::{self, Process, Shown, boot_time};
use caddis_policy::{EnvName, Policy};
use caddis_view::held::Layers;
use caddis_view::refresh::{Overlays, instances};
use caddis_view::{Result, Runtime};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The first process of each session.
    All,
    /// Each process that holds outdated files of the base open or mapped, with a line for each file.
    Stale,
}

pub(crate) fn run(policy: &Policy, which: Which) -> Result<u8> {
    let all = processes::all();
    let booted = boot_time();
    let mut status = 0;
    for (uid, name) in instances(Path::new(RUN))? {
        let local = host::local_name("/etc/passwd", uid);
        let range = host::range(policy, uid, local.as_deref()).ok();
        let shown = Shown {
            uid,
            name: name.as_str(),
            range: range.as_ref(),
            booted,
        };
        // One that cannot be looked at does not hide the others.
        if let Err(error) = one(&shown, uid, &name, &all, which) {
            say::error(&error);
            status = crate::FAILED;
        }
    }
    Ok(status)
}

fn one(
    shown: &Shown<'_>,
    uid: u32,
    name: &EnvName,
    all: &BTreeMap<i32, Process>,
    which: Which,
) -> Result<()> {
    let Some(instance) = Runtime::peek(Path::new(RUN), uid, name)? else {
        return Ok(());
    };
    let members = processes::of_instance(all, &instance);
    if which == Which::All {
        let first = members
            .iter()
            .filter(|(process, session)| *session == Some(process.inside()));
        for (process, session) in first {
            plain(&shown.line(process, *session));
        }
        return Ok(());
    }
    let Some(overlays) = Overlays::of(&instance)? else {
        return Ok(());
    };
    let layers = Layers::of(&instance, &overlays)?;
    for (process, session) in members {
        for held in layers.held_by(process.host) {
            if held.is_outdated()? {
                let file = encode(held.path.as_os_str().as_bytes());
                plain(&format!("{}\tfile={file}", shown.line(process, session)));
            }
        }
    }
    Ok(())
}
