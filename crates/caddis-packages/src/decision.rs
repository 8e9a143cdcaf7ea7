//! Whose version of a package counts.

use crate::status::{Group, same};

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The base's as it is now, which may be that it is gone.
    Base,
    /// The same, with what the user wants of the package (`hold`).
    BaseAsWanted,
    /// The user's.
    User,
}

/// What came of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) owner: Owner,
    /// The administrator changed it as well, and not to the same.
    pub(crate) conflict: bool,
}

/// What the user's layer has of a package's own files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// Nothing of importance: they are the base's.
    Base,
    /// All of them: the user has unpacked the package.
    User,
    /// They are taken away: the user has removed the package.
    Removed,
}

/// What there is to say of one package.
#[derive(Debug)]
pub(crate) struct Versions<'a, 'b> {
    /// What it may have been in the base when the user's copy was taken, the earliest first.
    pub(crate) then: Vec<Option<&'b Group<'a>>>,
    pub(crate) now: Option<&'b Group<'a>>,
    pub(crate) user: Option<&'b Group<'a>>,
    pub(crate) files: Files,
    /// It was a conflict before.
    pub(crate) named: bool,
}

/// Decides. The database has to describe the files that are seen: a version counts as the user's if its files are.
pub(crate) fn decide(versions: &Versions<'_, '_>) -> Decision {
    let Versions {
        then,
        now,
        user,
        files,
        named,
    } = versions;
    let (now, user) = (*now, *user);
    let own = matches!(
        (files, user),
        (Files::User, Some(_)) | (Files::Removed, None)
    );
    let settled = |owner| Decision {
        owner,
        conflict: false,
    };
    if same(user, now) {
        return settled(if own { Owner::User } else { Owner::Base });
    }
    let Some(earliest) = then.first() else {
        // Nobody knows what the base was: only files tell.
        return settled(if own { Owner::User } else { Owner::Base });
    };
    let base_changed = !same(*earliest, now);
    if !own {
        if then.iter().any(|then| same(*then, user)) {
            return settled(Owner::Base);
        }
        let only_wanted = |then: &Option<&Group<'_>>| match (then, user) {
            (Some(then), Some(user)) => user.says_but_for_want(then),
            _ => false,
        };
        if base_changed && then.iter().any(only_wanted) {
            // The files are the base's whatever the user wants.
            return Decision {
                owner: Owner::BaseAsWanted,
                conflict: true,
            };
        }
    }
    let settled_since = match (user, now) {
        (Some(user), Some(now)) => user.says_but_for_want(now),
        _ => false,
    };
    Decision {
        owner: Owner::User,
        conflict: base_changed || (*named && !settled_since),
    }
}
