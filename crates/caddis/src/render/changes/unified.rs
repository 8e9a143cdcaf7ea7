//! Lines that differ, in unified format.

use std::ops::Range;

use anstyle::{AnsiColor, Style};
use imara_diff::{Algorithm, Diff, InternedInput, Token, sources::byte_lines};

use crate::render::style::{BAD, GOOD, Look};

/// Lines shown before and after a difference.
const CONTEXT: u32 = 3;

/// Where a hunk begins.
const PLACE: Style = AnsiColor::Cyan.on_default();

/// Two texts, compared line by line.
pub struct Compared<'a> {
    input: InternedInput<&'a [u8]>,
    diff: Diff,
}

impl<'a> Compared<'a> {
    pub fn new(old: &'a [u8], new: &'a [u8]) -> Self {
        let input = InternedInput::new(byte_lines(old), byte_lines(new));
        let mut diff = Diff::compute(Algorithm::Histogram, &input);
        diff.postprocess_lines(&input);
        Self { input, diff }
    }

    /// How many lines were added, and how many removed.
    pub fn counts(&self) -> (u32, u32) {
        (self.diff.count_additions(), self.diff.count_removals())
    }

    /// The hunks.
    pub fn hunks(&self, look: Look) -> Vec<u8> {
        let hunks: Vec<_> = self
            .diff
            .hunks()
            .map(|hunk| (hunk.before, hunk.after))
            .collect();
        // Those whose context would touch are shown as one.
        let together = hunks.chunk_by(|(one, _), (next, _)| next.start - one.end <= 2 * CONTEXT);
        let mut text = Vec::new();
        for hunks in together {
            self.hunk(hunks, look, &mut text);
        }
        text
    }

    fn hunk(&self, hunks: &[(Range<u32>, Range<u32>)], look: Look, text: &mut Vec<u8>) {
        let (Some(first), Some(last)) = (hunks.first(), hunks.last()) else {
            return;
        };
        let before = first.0.start.min(CONTEXT);
        let length = u32::try_from(self.input.before.len()).unwrap_or(u32::MAX);
        let after = (length - last.0.end).min(CONTEXT);
        let old = first.0.start - before..last.0.end + after;
        let new = first.1.start - before..last.1.end + after;
        let place = format!("@@ -{} +{} @@", place(&old), place(&new));
        text.extend(look.paint(PLACE, &place).bytes());
        text.push(b'\n');
        let mut at = old.start;
        for (removed, added) in hunks {
            self.lines(
                &self.input.before,
                at..removed.start,
                " ",
                Style::new(),
                look,
                text,
            );
            self.lines(&self.input.before, removed.clone(), "-", BAD, look, text);
            self.lines(&self.input.after, added.clone(), "+", GOOD, look, text);
            at = removed.end;
        }
        self.lines(
            &self.input.before,
            at..old.end,
            " ",
            Style::new(),
            look,
            text,
        );
    }

    fn lines(
        &self,
        side: &[Token],
        range: Range<u32>,
        mark: &str,
        style: Style,
        look: Look,
        text: &mut Vec<u8>,
    ) {
        let range =
            usize::try_from(range.start).unwrap_or(0)..usize::try_from(range.end).unwrap_or(0);
        for token in side.get(range).unwrap_or_default() {
            let line = self.input.interner[*token];
            let (line, ended) = match line.strip_suffix(b"\n") {
                Some(line) => (line, true),
                None => (line, false),
            };
            let (on, off) = if look.colour && style != Style::new() {
                (style.render().to_string(), style.render_reset().to_string())
            } else {
                Default::default()
            };
            for part in [on.as_bytes(), mark.as_bytes(), line, off.as_bytes(), b"\n"] {
                text.extend_from_slice(part);
            }
            if !ended {
                text.extend_from_slice(b"\\ No newline at end of file\n");
            }
        }
    }
}

/// The first line and how many, as diff(1) counts.
fn place(lines: &Range<u32>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        count => format!("{},{count}", lines.start + 1),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hunks(old: &str, new: &str) -> String {
        let compared = Compared::new(old.as_bytes(), new.as_bytes());
        String::from_utf8(compared.hunks(Look::PLAIN)).unwrap_or_default()
    }

    #[test]
    fn as_diff_does() {
        assert_eq!(
            hunks("a\nb\nc\n", "a\nx\nc\n"),
            "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"
        );
        assert_eq!(hunks("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(hunks("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
        assert_eq!(
            hunks("a", "a\n"),
            "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"
        );
        let many: String = (0..20).map(|line| format!("{line}\n")).collect();
        let changed = many.replace("2\n3\n", "x\n3\n").replace("17\n", "y\n");
        let text = hunks(&many, &changed);
        assert_eq!(text.matches("@@ -").count(), 2, "{text}");
        assert_eq!(hunks(&many, &many), "");
    }

    /// Applies hunks as patch(1) does, without tolerance.
    fn applied(old: &str, hunks: &str) -> String {
        let lines: Vec<&str> = old.split_inclusive('\n').collect();
        let (mut new, mut used) = (String::new(), 0);
        let mut hunks = hunks.lines().peekable();
        while let Some(line) = hunks.next() {
            if let Some(place) = line.strip_prefix("@@ -") {
                let place = place.split(' ').next().unwrap();
                let (start, count) = place.split_once(',').unwrap_or((place, "1"));
                let start: usize = start.parse().unwrap();
                let start = if count == "0" { start } else { start - 1 };
                lines[used..start].iter().for_each(|line| new += line);
                used = start;
                continue;
            }
            let (mark, text) = line.split_at(1);
            let ended = hunks.next_if(|next| next.starts_with('\\')).is_none();
            let text = format!("{text}{}", if ended { "\n" } else { "" });
            if mark != "+" {
                assert_eq!(lines[used], text);
                used += 1;
            }
            if mark != "-" {
                new += &text;
            }
        }
        lines[used..].iter().for_each(|line| new += line);
        new
    }

    proptest! {
        #[test]
        fn what_is_told_makes_one_of_the_other(old in "([abc]{1,2}\n){0,30}[ab]?", new in "([abc]{1,2}\n){0,30}[ab]?") {
            prop_assert_eq!(applied(&old, &hunks(&old, &new)), new);
        }

        #[test]
        fn a_line_is_taken_from_its_place(lines in prop::collection::vec("[a-z]{3}", 1..60), at: prop::sample::Index) {
            let old: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let at = at.index(lines.len());
            let new: String = lines.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, line)| format!("{line}\n")).collect();
            let compared = Compared::new(old.as_bytes(), new.as_bytes());
            prop_assert_eq!(compared.counts(), (0, 1));
            prop_assert_eq!(applied(&old, &hunks(&old, &new)), new);
        }
    }
}
