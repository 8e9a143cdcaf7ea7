//! The known word that a misspelt one was probably meant to be.

/// The nearest of `known`, if it is near enough to be worth a question.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    // Nobody misspells this much, and the work below grows with the square of the length.
    if word.len() > 64 {
        return None;
    }
    let (distance, best) = known.map(|other| (far(&word, other), other)).min()?;
    let tolerance = (best.len().max(word.len()) / 4).max(1);
    (distance <= tolerance).then_some(best)
}

/// The distance, but a word that only goes on longer is a near one: `linger` and `linger_time`.
fn far(word: &str, known: &str) -> usize {
    let goes_on =
        word.len().min(known.len()) >= 3 && (word.starts_with(known) || known.starts_with(word));
    distance(word, known).min(if goes_on { 1 } else { usize::MAX })
}

/// How many characters must be changed, put in, taken out or swapped with their neighbour
/// (restricted Damerau–Levenshtein distance).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(last.len());
        row.push(i + 1);
        for (j, &y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y))
                .min(last[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}
