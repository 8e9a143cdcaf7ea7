//! The files of the administrator that are read: policy, accounts, id ranges. All of them must be
//! root's alone to write.

use caddis_policy::{IdRange, Policy, SYSCONFDIR, SubEntry, id_range, parse_subid};
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

/// The host ids of these users' environments; those who cannot have any are left out. Each file is
/// read once.
pub(crate) fn ranges(policy: &Policy, uids: &[u32]) -> Vec<(u32, IdRange)> {
    let (Ok(subuid), Ok(subgid)) = (sub_ids("/etc/subuid"), sub_ids("/etc/subgid")) else {
        return Vec::new();
    };
    let names = local_names("/etc/passwd");
    uids.iter()
        .filter_map(|uid| {
            let name = names.get(uid).map(String::as_str);
            let range = id_range(&policy.ids, *uid, name, &subuid, &subgid).ok()?;
            Some((*uid, range))
        })
        .collect()
}

/// The names of all local users or groups by their ids: the first one of each id.
fn local_names(path: &str) -> BTreeMap<u32, String> {
    let text = trusted(path).ok().flatten().unwrap_or_default();
    let mut names = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':').map(std::str::from_utf8);
        if let (Some(Ok(name)), Some(Ok(id))) = (fields.next(), fields.nth(1))
            && let Ok(id) = id.parse()
        {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
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
