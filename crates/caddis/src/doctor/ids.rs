//! Is there an id range that nobody else uses?

use std::path::Path;

use caddis_client::text;
use caddis_policy::accounts::groups;
use caddis_policy::{IdRange, Policy, RANGE, SubEntry, gid_map, id_range, parse_subid};

use super::whom::Whom;
use super::{fail, ok};
use crate::error::Error;
use crate::helper::Check;
use crate::user::account::{accounts, read_if_there};
use crate::user::getent::getent;

const TOPIC: &str = "ids";

/// The user's range: there, and free of real users and groups.
pub fn range(policy: &Policy, whom: &Whom) -> Check {
    let uid = whom.account.uid;
    let (subuid, subgid) = match (entries("/etc/subuid"), entries("/etc/subgid")) {
        (Ok(subuid), Ok(subgid)) => (subuid, subgid),
        (Err(error), _) | (_, Err(error)) => {
            return fail(TOPIC, error.message(), "make it readable for everybody");
        }
    };
    let hint = "see [ids] in the policy, /etc/subuid and /etc/subgid";
    let range = match id_range(
        &policy.ids,
        uid,
        Some(whom.account.name.as_encoded_bytes()),
        &subuid,
        &subgid,
    ) {
        Ok(range) => range,
        Err(error) => return fail(TOPIC, bare(&error.to_string(), "id range: "), hint),
    };
    if let Err(error) = gid_map(&whom.groups, range.gid_start) {
        return fail(TOPIC, bare(&error.to_string(), "group map: "), hint);
    }
    match taken(&range) {
        Ok(None) => ok(TOPIC, shown(&range)),
        Ok(Some(taken)) => fail(TOPIC, format!("{}, but {taken}", shown(&range)), hint),
        Err(error) => fail(TOPIC, error.message(), "is the name service working?"),
    }
}

/// The topic says what it is about already.
fn bare(text: &str, topic: &str) -> String {
    text.strip_prefix(topic).unwrap_or(text).to_owned()
}

fn entries(path: &str) -> Result<Vec<SubEntry>, Error> {
    let text = read_if_there(Path::new(path))?;
    Ok(parse_subid(&text))
}

fn shown(range: &IdRange) -> String {
    let of = |start: u32| format!("{start} to {}", start.saturating_add(RANGE - 1));
    match range.uid_start == range.gid_start {
        true => format!("environments use the ids {}", of(range.uid_start)),
        false => format!(
            "environments use the uids {} and the gids {}",
            of(range.uid_start),
            of(range.gid_start)
        ),
    }
}

/// A real user or group within the range. Name services that do not list all they know can still be asked for single
/// ids: the one of container root is the one that matters most.
fn taken(range: &IdRange) -> Result<Option<String>, Error> {
    let within = |start: u32, id: u32| id.checked_sub(start).is_some_and(|offset| offset < RANGE);
    let uid_of_root = range.uid_start.to_string();
    for text in [
        getent("passwd", None)?,
        getent("passwd", Some(uid_of_root.as_ref()))?,
    ] {
        if let Some(user) = accounts(&text).find(|account| within(range.uid_start, account.uid)) {
            return Ok(Some(format!(
                "user {} has uid {}",
                user.name.display(),
                user.uid
            )));
        }
    }
    let gid_of_root = range.gid_start.to_string();
    for text in [
        getent("group", None)?,
        getent("group", Some(gid_of_root.as_ref()))?,
    ] {
        if let Some(group) = groups(&text).find(|group| within(range.gid_start, group.gid)) {
            let name = text::shown(group.name);
            return Ok(Some(format!("group {name} has gid {}", group.gid)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_well() {
        let both = IdRange {
            uid_start: 100_000,
            gid_start: 100_000,
        };
        assert_eq!(shown(&both), "environments use the ids 100000 to 165535");
        let two = IdRange {
            gid_start: 200_000,
            ..both
        };
        assert_eq!(
            shown(&two),
            "environments use the uids 100000 to 165535 and the gids 200000 to 265535"
        );
    }
}
