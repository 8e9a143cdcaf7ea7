//! The files of the administrator that are read: policy, accounts, id ranges. All of them must be
//! root's alone to write.

use caddis_policy::{
    IdRange, NO_POLICY, Policy, SYSCONFDIR, SubEntry, accounts, id_range, parse_subid,
};
use caddis_trust::{Fault, Kind};
use caddis_view::Error;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// Where the run-time state is.
pub const RUN: &str = "/run/caddis";

/// The policy. A missing rule is no permission: without a policy file, or with one that others than
/// root could exchange, nobody starts anything.
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

/// The name of the user `id`, or, where `path` is `/etc/group`, of the group: as bytes, for a rule
/// of the policy or a line of `/etc/subuid` for one name must not fit another. Only of the local
/// files; this program is static and has no name service.
pub fn local_name(path: &str, id: u32) -> Option<Vec<u8>> {
    let text = trusted(path).ok()??;
    let name = match path {
        "/etc/group" => accounts::groups(&text)
            .find(|group| group.gid == id)
            .map(|group| group.name),
        _ => accounts::users(&text)
            .find(|user| user.uid == id)
            .map(|user| user.name),
    };
    name.map(<[u8]>::to_vec)
}

/// The entries of `/etc/subuid` or `/etc/subgid`.
fn sub_ids(path: &str) -> Result<Vec<SubEntry>, Error> {
    let text = trusted(path)?.unwrap_or_default();
    Ok(parse_subid(&text))
}

/// The host ids of these users' environments; those who cannot have any are left out. Each file is
/// read once.
pub(crate) fn ranges(policy: &Policy, uids: &[u32]) -> Vec<(u32, IdRange)> {
    let (Ok(subuid), Ok(subgid)) = (sub_ids("/etc/subuid"), sub_ids("/etc/subgid")) else {
        return Vec::new();
    };
    let names = local_users();
    uids.iter()
        .filter_map(|uid| {
            let name = names.get(uid).map(Vec::as_slice);
            let range = id_range(&policy.ids, *uid, name, &subuid, &subgid).ok()?;
            Some((*uid, range))
        })
        .collect()
}

/// The names of all local users by their ids: the first one of each id.
fn local_users() -> BTreeMap<u32, Vec<u8>> {
    let text = trusted("/etc/passwd").ok().flatten().unwrap_or_default();
    let mut names = BTreeMap::new();
    for user in accounts::users(&text) {
        names.entry(user.uid).or_insert_with(|| user.name.to_vec());
    }
    names
}

/// The host ids of a user's environments.
pub fn range(policy: &Policy, uid: u32, name: Option<&[u8]>) -> Result<IdRange, Error> {
    let (subuid, subgid) = (sub_ids("/etc/subuid")?, sub_ids("/etc/subgid")?);
    id_range(&policy.ids, uid, name, &subuid, &subgid).map_err(|error| {
        Error::refused("find", format!("an id range for user {uid}"), error).hint(
            "the administrator can add one to /etc/subuid and /etc/subgid, or see `ids` in the policy",
        )
    })
}
