//! What a series of measurements says: pure.

use serde::Serialize;

/// A series of measurements in few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// How many there were.
    pub runs: usize,
    /// The smallest, which says what the program itself needs where other work disturbs.
    pub min: f64,
    /// The middle one.
    pub median: f64,
    /// The largest.
    pub max: f64,
    /// The median distance from the median: how far they scatter, whatever a few far ones do.
    pub mad: f64,
}

/// How many times a series is the other one: the medians' ratio and the range that holds 95 % of its values when
/// the rounds are drawn anew.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// Of the medians.
    pub value: f64,
    /// The lower end of the range.
    pub low: f64,
    /// The upper end of the range.
    pub high: f64,
}

/// `None`: there is nothing to summarise.
pub fn summary(values: &[f64]) -> Option<Summary> {
    let sorted = sorted(values);
    let middle = median(&sorted)?;
    let distances = sorted.iter().map(|value| (value - middle).abs());
    Some(Summary {
        runs: sorted.len(),
        min: *sorted.first()?,
        median: middle,
        max: *sorted.last()?,
        mad: median(&self::sorted(&distances.collect::<Vec<_>>()))?,
    })
}

/// The ratio of `values` to `base`, two series of the same rounds. What disturbs a round disturbs both, so whole rounds
/// are drawn.
pub fn ratio(values: &[f64], base: &[f64]) -> Option<Ratio> {
    const DRAWS: usize = 2000;
    let of = |left: &[f64], right: &[f64]| {
        let right = median(&sorted(right)).filter(|right| *right > 0.0)?;
        Some(median(&sorted(left))? / right)
    };
    let rounds = values.len().min(base.len());
    let value = of(values, base)?;
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let mut ratios = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        let drawn: Vec<usize> = (0..rounds).map(|_| random.below(rounds)).collect();
        let pick = |series: &[f64]| drawn.iter().map(|index| series[*index]).collect::<Vec<_>>();
        ratios.extend(of(&pick(values), &pick(base)));
    }
    let ratios = sorted(&ratios);
    Some(Ratio {
        value,
        low: *ratios.get(ratios.len() / 40)?,
        high: *ratios.get(ratios.len().checked_sub(1 + ratios.len() / 40)?)?,
    })
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some((sorted.get(middle - 1)? + upper) / 2.0)
}

/// Xorshift: the same report for the same figures, and no better randomness is needed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap_or(1).max(1)).unwrap_or(0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_far_value_moves_neither_the_median_nor_the_scatter() {
        let all = summary(&[3.0, 1.0, 2.0, 900.0, 2.0]).unwrap();
        assert_eq!((all.min, all.median, all.max), (1.0, 2.0, 900.0));
        assert_eq!((all.mad, all.runs), (1.0, 5));
        assert_eq!(summary(&[1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(summary(&[]), None);
    }

    #[test]
    fn a_ratio_lies_within_its_range() {
        let base: Vec<f64> = (0..60).map(|round| 10.0 + f64::from(round % 5)).collect();
        let values: Vec<f64> = base.iter().map(|value| value * 2.0).collect();
        let all = ratio(&values, &base).unwrap();
        assert_eq!(all.value, 2.0);
        // The rounds are drawn together, so nothing of their scatter is left.
        assert_eq!((all.low, all.high), (2.0, 2.0));
        let other: Vec<f64> = base.iter().rev().map(|value| value * 3.0).collect();
        let all = ratio(&other, &base).unwrap();
        assert!(all.low <= all.value && all.value <= all.high);
    }

    #[test]
    fn a_ratio_to_nothing_is_none() {
        assert_eq!(ratio(&[1.0], &[]), None);
        assert_eq!(ratio(&[1.0], &[0.0]), None);
    }
}
