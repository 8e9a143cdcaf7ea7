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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;

    fn text(version: &str, state: &str) -> String {
        format!("Package: p\nStatus: {state}\nVersion: {version}\n")
    }

    /// `None`: the package is not there.
    fn decided(
        then: &[Option<&str>],
        now: Option<&str>,
        user: Option<&str>,
        files: Files,
        named: bool,
    ) -> (Owner, bool) {
        let texts = |one: Option<&str>| one.map(str::to_owned).unwrap_or_default();
        let then: Vec<String> = then.iter().map(|one| texts(*one)).collect();
        let (now, user) = (texts(now), texts(user));
        let parsed = |text| Status::parse(text).unwrap();
        let then: Vec<Status<'_>> = then.iter().map(|text| parsed(text.as_bytes())).collect();
        let (now, user) = (parsed(now.as_bytes()), parsed(user.as_bytes()));
        let decision = decide(&Versions {
            then: then.iter().map(|then| then.get(b"p")).collect(),
            now: now.get(b"p"),
            user: user.get(b"p"),
            files,
            named,
        });
        (decision.owner, decision.conflict)
    }

    #[test]
    fn the_database_follows_the_files() {
        let ok = "install ok installed";
        let [one, two, three] = ["1", "2", "3"].map(|version| text(version, ok));
        let [one, two, three] = [&one, &two, &three].map(|text| Some(text.as_str()));
        let held = text("1", "hold ok installed");
        let held = Some(held.as_str());
        let (base, wanted, user) = (Owner::Base, Owner::BaseAsWanted, Owner::User);
        let (none, own, removed) = (Files::Base, Files::User, Files::Removed);
        let cases = [
            // Nobody, the administrator, the user, both, both the same.
            (&[one][..], one, one, none, (base, false)),
            (&[one], two, one, none, (base, false)),
            (&[one], None, one, none, (base, false)),
            (&[None], one, None, none, (base, false)),
            (&[one], one, two, own, (user, false)),
            (&[None], None, two, own, (user, false)),
            (&[one], two, three, own, (user, true)),
            (&[one], None, three, own, (user, true)),
            (&[one], two, None, removed, (user, true)),
            (&[one], two, two, none, (base, false)),
            // Unpacked by the user, so its files are the user's, whatever the paragraphs say.
            (&[one], two, one, own, (user, true)),
            (&[one], two, two, own, (user, false)),
            // Removed by the user when the base had it, then by the administrator, who has it again.
            (&[None], one, None, removed, (user, true)),
            // Only wished.
            (&[one], two, held, none, (wanted, true)),
            (&[one], None, held, none, (wanted, true)),
            (&[one], one, held, none, (user, false)),
            // Begun before, and cut short; or copied from either.
            (&[one, two], two, two, none, (base, false)),
            (&[one, two], three, two, none, (base, false)),
            (&[one, two], three, one, none, (base, false)),
            // Nobody knows.
            (&[], two, one, none, (base, false)),
            (&[], two, one, own, (user, false)),
            (&[], None, one, none, (base, false)),
            (&[], two, None, removed, (user, false)),
        ];
        for (number, (then, now, own, files, expected)) in cases.into_iter().enumerate() {
            assert_eq!(decided(then, now, own, files, false), expected, "{number}");
        }
    }

    #[test]
    fn what_was_named_is_named_until_it_is_settled() {
        let [one, two] = ["1", "2"].map(|version| text(version, "install ok installed"));
        let held = text("2", "hold ok installed");
        let [one, two, held] = [&one, &two, &held].map(|text| Some(text.as_str()));
        let user = |user| decided(&[two], two, user, Files::User, true);
        assert_eq!(user(one), (Owner::User, true));
        assert_eq!(user(two), (Owner::User, false));
        assert_eq!(user(held), (Owner::User, false));
    }
}
