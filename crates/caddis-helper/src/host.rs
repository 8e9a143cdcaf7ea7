//! The files of the administrator that are read: policy, accounts, id ranges. All of them must be
//! root's alone to write.

use caddis_policy::{IdRange, NO_POLICY, Policy, SYSCONFDIR, SubEntry, id_range, parse_subid};
use caddis_trust::{Fault, Kind};
use caddis_view::Error;
use std::io::Read as _;
use std::path::Path;

/// Where the run-time state is.
pub const RUN: &str = "/run/caddis";

/// The policy. A rule that is not there is no permission: without a file, or with one that others than root could
/// exchange, nobody starts anything.
pub fn policy() -> Result<Policy, Error> {
    let path = format!("{SYSCONFDIR}/policy.toml");
    let Some(text) = trusted(&path)? else {
        return Err(Error::refused("read the policy", &path, "there is none").hint(NO_POLICY));
    };
    caddis_policy::parse_bytes(&text).map_err(|errors| {
        Error::refused(
            "read the policy",
            &path,
            errors.to_string().replace('\n', "; "),
        )
        .hint("the administrator can see all with `caddis admin policy check`")
    })
}

/// The content of a file that only root can change or exchange; `None`: there is none.
fn trusted(path: &str) -> Result<Option<Vec<u8>>, Error> {
    let file = match caddis_trust::open(Path::new(path)) {
        Ok(file) => file,
        Err(fault) if fault.kind == Kind::Missing => return Ok(None),
        Err(fault) => return Err(untrusted(path, &fault)),
    };
    let mut bytes = Vec::new();
    std::fs::File::from(file)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::refused("read", path, error))?;
    Ok(Some(bytes))
}

fn untrusted(path: &str, fault: &Fault) -> Error {
    let object = fault.path.display();
    let error = match fault.kind {
        Kind::Kernel(errno) => Error::kernel("open", object, errno),
        _ if fault.path == Path::new(path) => Error::refused("trust", object, fault.reason()),
        _ => {
            let reason = format!("{path} could be exchanged there: {}", fault.reason());
            Error::refused("trust", object, reason)
        }
    };
    match fault.remedy() {
        Some(remedy) => error.hint(remedy),
        None => error,
    }
}

/// The first field of the line of `path` whose third one is `id`: a user's or a group's name. Only
/// the local files; this program is static and has no name service.
pub fn local_name(path: &str, id: u32) -> Option<String> {
    let text = String::from_utf8_lossy(&trusted(path).ok()??).into_owned();
    let id = id.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    })
}

/// The entries of `/etc/subuid` or `/etc/subgid`.
fn sub_ids(path: &str) -> Result<Vec<SubEntry>, Error> {
    let text = trusted(path)?.unwrap_or_default();
    Ok(parse_subid(&String::from_utf8_lossy(&text)))
}

/// The host ids of a user's environments.
pub fn range(policy: &Policy, uid: u32, name: Option<&str>) -> Result<IdRange, Error> {
    let (subuid, subgid) = (sub_ids("/etc/subuid")?, sub_ids("/etc/subgid")?);
    id_range(&policy.ids, uid, name, &subuid, &subgid).map_err(|error| {
        Error::refused("find", format!("an id range for user {uid}"), error).hint(
            "the administrator can add one to /etc/subuid and /etc/subgid, or see `ids` in the policy",
        )
    })
}
