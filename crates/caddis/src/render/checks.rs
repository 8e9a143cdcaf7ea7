//! What `doctor` found, a line each.

use super::style::{BAD, FAINT, GOOD, Look, WARN};
use super::text::shown;
use crate::helper::{Check, Level};

/// One line per check: how it came out, what was looked at, what was found, what to do.
pub fn as_lines(checks: &[Check], look: Look) -> String {
    let widest = checks
        .iter()
        .map(|check| check.topic.len())
        .max()
        .unwrap_or(0);
    checks
        .iter()
        .map(|check| line(check, widest, look))
        .collect()
}

fn line(check: &Check, widest: usize, look: Look) -> String {
    let level = match check.level {
        Level::Ok => look.paint(GOOD, "ok  "),
        Level::Warn => look.paint(WARN, "warn"),
        Level::Fail => look.paint(BAD, "FAIL"),
    };
    let topic = format!("{:widest$}", shown(check.topic.as_bytes()));
    let hint = match &check.hint {
        Some(hint) => look.paint(FAINT, &format!(" -> {}", shown(hint.as_bytes()))),
        None => String::new(),
    };
    format!("{level}  {topic}  {}{hint}\n", shown(check.text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each() {
        let check = |level, topic: &str, text: &str, hint: Option<&str>| Check {
            level,
            topic: topic.into(),
            text: text.into(),
            hint: hint.map(Into::into),
        };
        let checks = [
            check(Level::Ok, "kernel", "Linux 6.18", None),
            check(Level::Fail, "home", "/home/a: two\nlines", Some("make it")),
        ];
        let expected = "ok    kernel  Linux 6.18\nFAIL  home    /home/a: two\\nlines -> make it\n";
        assert_eq!(as_lines(&checks, Look::PLAIN), expected);
    }
}
