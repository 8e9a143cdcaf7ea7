//! Points in time as people remember them.

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
const YEAR: u64 = 365 * DAY;

/// How long ago that was. What lies in the future, by a clock that was set, is now.
pub fn ago(then: u64, now: u64) -> String {
    let seconds = now.saturating_sub(then);
    let (count, unit) = match seconds {
        0..MINUTE => return "just now".to_owned(),
        MINUTE..HOUR => (seconds / MINUTE, "minute"),
        HOUR..DAY => (seconds / HOUR, "hour"),
        DAY..WEEK => (seconds / DAY, "day"),
        WEEK..YEAR => (seconds / WEEK, "week"),
        _ => (seconds / YEAR, "year"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

/// How long something has been going on, briefly: `12s`, `5m`, `3h`, `2d`.
pub fn elapsed(then: u64, now: u64) -> String {
    let seconds = now.saturating_sub(then);
    match seconds {
        0..MINUTE => format!("{seconds}s"),
        MINUTE..HOUR => format!("{}m", seconds / MINUTE),
        HOUR..DAY => format!("{}h", seconds / HOUR),
        _ => format!("{}d", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well() {
        let now = 2_000_000_000;
        let cases = [
            (0, "just now"),
            (60, "1 minute ago"),
            (7200, "2 hours ago"),
            (8 * DAY, "1 week ago"),
        ];
        for (before, text) in cases {
            assert_eq!(ago(now - before, now), text);
        }
        assert_eq!(ago(now + 5, now), "just now");
        assert_eq!(ago(0, now), "63 years ago");
        assert_eq!(
            [0, 59, 60, 3600, 90_000].map(|s| elapsed(now - s, now)),
            ["0s", "59s", "1m", "1h", "1d"]
        );
    }
}
