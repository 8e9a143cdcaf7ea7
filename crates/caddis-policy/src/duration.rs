//! Lengths of time as policies write them: `0`, `250ms`, `90s`, `5m`, `1h`.

use std::time::Duration;

/// A year: longer ones are surely slips, and every sum with the clock stays far from overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What the error message of a wrong duration offers.
pub(crate) const ALLOWED: &str =
    "\"0\", or a whole number and a unit: \"250ms\", \"90s\", \"5m\", \"1h\", up to \"8760h\"";

/// `None` if the text is no duration, or a longer one than a year.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().ok()?;
    let seconds_each = match unit {
        "ms" => return Some(Duration::from_millis(number)).filter(|&length| length <= LONGEST),
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        _ => return None,
    };
    number
        .checked_mul(seconds_each)
        .map(Duration::from_secs)
        .filter(|&length| length <= LONGEST)
}
