//! Without an instance nobody sees the changes: each path is given up by one rename.

use super::below::{Below, Ground, Look};
use super::plan::{Layer, open_beneath, split};
use super::stash::Stash;
use super::substitute::copy_attributes;
use super::{Outcome, State};
use caddis_view::error::Context;
use caddis_view::{Result, tree};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

pub(super) fn carry_out(
    environment: &OwnedFd,
    ground: &Ground<'_>,
    layers: &[Layer],
) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for layer in layers.iter().filter(|layer| !layer.steps.is_empty()) {
        let stash = Stash::of(environment, &layer.upper.name)?;
        let top = layer.open(environment)?;
        let changed = |path: &&PathBuf| layer.steps.iter().any(|step| step.path.starts_with(path));
        for path in layer.paths.iter().filter(changed) {
            let object = || layer.shown(path).display().to_string();
            if path == Path::new("") {
                for (name, _) in tree::names(&top).doing("list", object)? {
                    give_up(&stash, &top, &name)?;
                }
                let below = Below::new(ground, &layer.upper).doing("open", object)?;
                if let Look::Directory(base) = below.look(path) {
                    copy_attributes(ground.identity, &base, &top)
                        .doing("give back the attributes of", object)?;
                }
            } else {
                let (parent, name) = split(path);
                let parent = open_beneath(&top, parent).doing("open", object)?;
                give_up(&stash, &parent, &name)?;
            }
        }
        outcomes.extend(
            layer
                .steps
                .iter()
                .map(|step| layer.outcome(step, State::Done)),
        );
    }
    Ok(outcomes)
}

fn give_up(stash: &Stash, parent: &OwnedFd, name: &CString) -> Result<()> {
    match stash.take(parent, name)? {
        Some(aside) => stash.discard(&aside),
        None => Ok(()),
    }
}
