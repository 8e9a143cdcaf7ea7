//! What `caddis revert` gave up, or would.

use super::text::shown;
use crate::helper::Reverted;

/// A line for each path.
pub fn as_lines(list: &[Reverted]) -> String {
    list.iter().map(line).collect()
}

fn line(one: &Reverted) -> String {
    let files = match one.files {
        0 | 1 => String::new(),
        files => format!("  ({files} files)"),
    };
    let remark = match one.state.as_str() {
        "copied" => "  (a copy of the base's, for as long as processes have yours open)",
        "held" => "  (still yours: it is in use)",
        "changed" => "  (left alone: it has just changed)",
        _ => "",
    };
    format!("{:<2} {}{files}{remark}\n", one.change, shown(&one.path))
}

/// What there is to lose.
pub fn question(planned: &[Reverted]) -> String {
    let files: u64 = planned.iter().map(|one| one.files).sum();
    match planned {
        [one] => format!("Give up {files} files in {}?", shown(&one.path)),
        _ => format!(
            "Give up {files} files of yours in {} places?",
            planned.len()
        ),
    }
}

/// What to say of paths that are still the user's.
pub fn left_over(done: &[Reverted]) -> Option<String> {
    let held: Vec<&Reverted> = done.iter().filter(|one| one.state == "held").collect();
    match held[..] {
        [] => None,
        [one] => Some(format!("give up {}: it is in use", shown(&one.path))),
        [one, ..] => Some(format!(
            "give up {} and {} more: they are in use",
            shown(&one.path),
            held.len() - 1
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str, change: &str, files: u64, state: &str) -> Reverted {
        Reverted {
            path: path.into(),
            change: change.into(),
            files,
            state: state.into(),
        }
    }

    #[test]
    fn each_path_has_a_line() {
        let list = [
            one("/a\n", "M", 1, "done"),
            one("/b", "A", 12, "planned"),
            one("/c", "D", 0, "held"),
        ];
        assert_eq!(
            as_lines(&list),
            "M  /a\\n\nA  /b  (12 files)\nD  /c  (still yours: it is in use)\n"
        );
        assert_eq!(question(&list), "Give up 13 files of yours in 3 places?");
        assert_eq!(question(&list[1..2]), "Give up 12 files in /b?");
        assert_eq!(
            left_over(&list).as_deref(),
            Some("give up /c: it is in use")
        );
        assert_eq!(left_over(&list[..2]), None);
    }
}
