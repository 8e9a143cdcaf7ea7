//! The files of the administrator that are read: policy, accounts, id ranges. All of them must be
//! root's alone to write.

use caddis_policy::{IdRange, Policy, SYSCONFDIR, SubEntry, accounts, id_range, parse_subid};
use caddis_view::Error;
use caddis_view::error::Context;
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io::Read as _;

/// Where the run-time state is.
pub const RUN: &str = "/run/caddis";

/// The policy; the defaults if there is no file.
pub fn policy() -> Result<Policy, Error> {
    let path = format!("{SYSCONFDIR}/policy.toml");
    let Some(text) = trusted(&path)? else {
        return Ok(Policy::default());
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

/// The content of a file of root's; `None`: there is none.
fn trusted(path: &str) -> Result<Option<Vec<u8>>, Error> {
    let file = match openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno).doing("open", || path),
    };
    let stat = fstat(&file).doing("stat", || path)?;
    if stat.st_uid != 0 || stat.st_mode & 0o022 != 0 {
        let reason = "it must belong to root, and nobody else may write it";
        return Err(Error::refused("trust", path, reason)
            .hint(format!("chown root: {path} && chmod go-w {path}")));
    }
    let mut bytes = Vec::new();
    std::fs::File::from(file)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::refused("read", path, error))?;
    Ok(Some(bytes))
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

/// The host ids of these users' environments; those who cannot have any are left out. Each file is read once.
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
