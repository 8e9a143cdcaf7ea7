//! `caddis diff --packages`: the packages of an environment against the machine's own. The helper hands over the
//! environment's database as it is; both are read here, without any privilege.

use std::ffi::OsStr;
use std::io::ErrorKind;

use caddis_packages::differences;

use super::output::{look, print};
use crate::error::Error;
use crate::helper::Call;
use crate::render::packages::{as_json, as_table};
use crate::session::{named_or_meant, require_own_environments};

/// The machine's own database.
const BASE: &str = "/var/lib/dpkg/status";

/// Compares, and shows what differs.
pub fn run(env: Option<&OsStr>, json: bool) -> Result<u8, Error> {
    require_own_environments()?;
    let name = named_or_meant(env, Call::new("config"))?;
    let base = base()?;
    let own = Call::new("packages")
        .flag("--status", true)
        .operands([name.as_str()])
        .bytes()?;
    let changes = match own.is_empty() {
        true => Vec::new(),
        false => differences(&base, &own).map_err(|broken| {
            Error::failed(format!("compare the packages of `{name}`: {broken}"))
                .hint("the environment's /var/lib/dpkg/status is damaged; status-old beside it is the one before")
        })?,
    };
    print(&match json {
        true => as_json(&changes)?,
        false => as_table(&changes, look()),
    })?;
    Ok(0)
}

fn base() -> Result<Vec<u8>, Error> {
    std::fs::read(BASE).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::failed(
            "compare packages: this machine's are not dpkg's, and no others are supported",
        )
        .hint("`caddis diff` without --packages compares files"),
        _ => Error::io("read", BASE, error),
    })
}
