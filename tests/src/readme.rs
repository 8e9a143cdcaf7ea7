//! The README's sessions, as they are printed there: typed, and what is said compared.

use caddis_lab::Host;

const README: &str = include_str!("../../README.md");

/// What somebody types somewhere, and what is printed then.
#[derive(Debug)]
pub struct Step {
    /// Who, as the prompt says.
    pub user: String,
    /// On which machine.
    pub machine: String,
    /// The line.
    pub command: String,
    expected: Vec<String>,
}

impl Step {
    /// Types it as `user` of the host, and compares.
    #[track_caller]
    pub fn follow(&self, host: &Host, user: &str) {
        let script = format!("{{ {}\n}} 2>&1", self.command);
        let output = host.sh(user, &script).ok();
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert!(matches(&self.expected, &lines), "{self:#?}\n{output}");
    }
}

/// The steps of the first block of code below the heading.
///
/// # Panics
/// If there is none, or if something is printed before anything is typed.
#[must_use]
pub fn steps(heading: &str) -> Vec<Step> {
    let Some(section) = README.split(heading).nth(1) else {
        panic!("the README has no section {heading:?}");
    };
    let Some(block) = section.split("```").nth(1) else {
        panic!("the section {heading:?} has no block of code");
    };
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines().skip(1) {
        match (typed(line), steps.last_mut()) {
            (Some(step), _) => steps.push(step),
            (None, Some(step)) => step.expected.push(line.to_owned()),
            (None, None) => panic!("{line:?} is printed by nobody"),
        }
    }
    steps
}

/// `user@machine:~$ command`, or root's.
fn typed(line: &str) -> Option<Step> {
    let (prompt, command) = ["$ ", "# "].iter().find_map(|mark| line.split_once(mark))?;
    let (user, machine) = prompt.strip_suffix(":~")?.split_once('@')?;
    Some(Step {
        user: user.to_owned(),
        machine: machine.to_owned(),
        command: command.to_owned(),
        expected: Vec::new(),
    })
}

/// Whether `lines` are `expected`, in which a line of three dots stands for any number of lines.
fn matches(expected: &[String], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((dots, rest)) if dots == "…" => {
            (0..=lines.len()).any(|skipped| matches(rest, &lines[skipped..]))
        }
        Some((line, rest)) => lines.first() == Some(&line.as_str()) && matches(rest, &lines[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_output_would_be_noticed() {
        let text = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| (*line).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(matches(&text(&["a", "…", "b"]), &["a", "x", "y", "b"]));
        assert!(matches(&text(&["…"]), &[]));
        assert!(!matches(&text(&["a"]), &["a", "b"]));
        assert!(!matches(&text(&["a", "…", "b"]), &["a", "x"]));
    }

    #[test]
    fn a_prompt_says_who_and_where() {
        let step = typed("root@login1:~# echo $HOME # x").map(|step| (step.user, step.command));
        assert_eq!(step, Some(("root".into(), "echo $HOME # x".into())));
        assert!(typed("costs 5 $ each").is_none());
    }
}
