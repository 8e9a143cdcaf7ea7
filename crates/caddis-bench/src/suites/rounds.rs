//! Rounds: each candidate once, then each once more. What the machine does besides hits all of them alike.

use crate::error::Result;

/// Measures each of `candidates` in `runs` rounds, after one that does not count. A round begins with another
/// candidate each time, so nobody always comes after the same one.
pub fn rounds<C>(
    candidates: &[C],
    runs: usize,
    mut measure: impl FnMut(&C) -> Result<f64>,
) -> Result<Vec<Vec<f64>>> {
    let mut series = vec![Vec::with_capacity(runs); candidates.len()];
    for round in 0..=runs {
        for turn in 0..candidates.len() {
            let index = (round + turn) % candidates.len();
            let value = measure(&candidates[index])?;
            if round > 0 {
                series[index].push(value);
            }
        }
    }
    Ok(series)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_every_candidate_and_the_first_does_not_count() {
        let mut order = Vec::new();
        let series = rounds(&[10.0, 20.0, 30.0], 2, |candidate| {
            order.push(*candidate);
            Ok(*candidate)
        });
        assert_eq!(series.unwrap(), [[10.0; 2], [20.0; 2], [30.0; 2]]);
        assert_eq!(
            order,
            [10.0, 20.0, 30.0, 20.0, 30.0, 10.0, 30.0, 10.0, 20.0]
        );
    }
}
