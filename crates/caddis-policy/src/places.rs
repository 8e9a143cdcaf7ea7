//! One place, one rule: no path may be in two lists of the table `view`.

use toml::de::{DeTable, DeValue};

use crate::value::{Fault, quoted};
use crate::view::View;

/// A path of a list, and the byte of the text where it stands; none if the list is not in the
/// text, so that its default holds.
struct Place {
    list: &'static str,
    path: String,
    at: Option<usize>,
}

/// The paths that are in two lists, each with the list to which the fault belongs.
pub(crate) fn contradictions(document: &DeTable<'_>) -> Vec<(&'static str, Fault)> {
    let Some(DeValue::Table(view)) = document.get("view").map(|value| value.get_ref()) else {
        return Vec::new();
    };
    let places = all(view);
    let mut found = Vec::new();
    for (index, place) in places.iter().enumerate() {
        for other in places.iter().skip(index + 1) {
            if place.path == other.path && place.list != other.list {
                found.extend(fault(place, other));
            }
        }
    }
    found
}

fn all(view: &DeTable<'_>) -> Vec<Place> {
    let mut places = Vec::new();
    for (list, paths) in View::default().places() {
        match view.get(list).map(|value| value.get_ref()) {
            None => places.extend(paths.iter().map(|path| Place {
                list,
                path: path.to_string_lossy().into_owned(),
                at: None,
            })),
            Some(DeValue::Array(items)) => {
                for item in items.iter() {
                    if let DeValue::String(path) = item.get_ref() {
                        let at = Some(item.span().start);
                        places.push(Place {
                            list,
                            path: path.to_string(),
                            at,
                        });
                    }
                }
            }
            // Another fault, which has been found where the list was read.
            Some(_) => {}
        }
    }
    places
}

/// The fault belongs to the later one of those that stand in the text.
fn fault(a: &Place, b: &Place) -> Option<(&'static str, Fault)> {
    let (here, there) = if b.at >= a.at { (b, a) } else { (a, b) };
    let by_default = if there.at.is_none() {
        " by default"
    } else {
        ""
    };
    let problem = format!(
        "{} is also in `view.{}`{by_default}",
        quoted(&here.path),
        there.list
    );
    let allowed = Some(format!(
        "one rule for each place; write `{}` without it, or this list",
        there.list
    ));
    Some((
        here.list,
        Fault {
            at: here.at?,
            problem,
            allowed,
        },
    ))
}
