//! The README's session of three people, as it is printed there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use caddis_lab::Host;

const README: &str = include_str!("../../README.md");

/// What somebody types, and what is printed then.
#[derive(Debug)]
struct Step {
    user: String,
    command: String,
    expected: Vec<String>,
}

/// The steps of the first block of code below the heading.
fn steps(heading: &str) -> Vec<Step> {
    let section = README.split(heading).nth(1).expect("the section");
    let block = section.split("```").nth(1).expect("a block of code");
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines().skip(1) {
        let typed = ["$ ", "# "].iter().find_map(|prompt| {
            let (before, command) = line.split_once(prompt)?;
            let (user, _) = before.split_once("@login1:")?;
            Some((user.to_owned(), command.to_owned()))
        });
        match (typed, steps.last_mut()) {
            (Some((user, command)), _) => steps.push(Step {
                user,
                command,
                expected: Vec::new(),
            }),
            (None, Some(step)) => step.expected.push(line.to_owned()),
            (None, None) => panic!("{line:?} is printed by nobody"),
        }
    }
    steps
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

#[test]
fn the_session_of_the_readme_works_as_printed() {
    let host = Host::builder().name("login1").start().unwrap();
    let steps = steps("## One machine, maintained once");
    assert!(steps.len() >= 8, "{steps:#?}");
    for step in steps {
        let script = format!("{{ {}\n}} 2>&1", step.command);
        let output = host.sh(&step.user, &script).ok();
        let lines: Vec<&str> = output.stdout.lines().collect();
        assert!(matches(&step.expected, &lines), "{step:#?}\n{output}");
    }
}

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
