//! Percentiles of many numbers in little memory.

/// Counts numbers in steps that grow with them: 64 to each power of two.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max: u64,
}

/// In bits: a percentile is at most one part in 64 too high, and exact below 64.
const PRECISION: u32 = 6;

/// How much too high a percentile may be, in hundredths of a percent.
pub const ERROR_BASIS_POINTS: u32 = 10_000 >> PRECISION;

impl Histogram {
    pub fn add(&mut self, value: u64) {
        let step = step_of(value);
        if step >= self.counts.len() {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] += 1;
        self.count += 1;
        self.max = self.max.max(value);
    }

    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The largest number, exactly; `None` of nothing.
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The smallest number that at least `percent` of 100 do not exceed, never too low; `None` of nothing.
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut below = 0;
        for (step, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= rank {
                return Some(highest_of(step).min(self.max));
            }
        }
        None
    }
}

fn step_of(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(PRECISION + 1);
    let within = value >> shift;
    let within = u32::try_from(within).unwrap_or(u32::MAX);
    (shift << PRECISION).saturating_add(within) as usize
}

/// The highest number that falls into the step.
fn highest_of(step: usize) -> u64 {
    let step = step as u64;
    let shift = (step >> PRECISION).saturating_sub(1);
    let within = step - (shift << PRECISION);
    ((within + 1) << shift).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_falls_into_a_step_that_is_hardly_higher() {
        let numbers = (0..2_000).chain((0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) - 1, (1 << bit) + 1]));
        for value in numbers.chain([u64::MAX, 999_983, 123_456_789]) {
            let highest = highest_of(step_of(value));
            assert!(highest >= value, "{value} {highest}");
            assert!(highest - value <= value / 64, "{value} {highest}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_numbers() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.percentile(50), histogram.max()), (None, None));
        for value in (1..=1_000).rev() {
            histogram.add(value * 1_000);
        }
        for (percent, exact) in [(1, 10_000), (50, 500_000), (95, 950_000), (99, 990_000)] {
            let told = histogram.percentile(percent).unwrap();
            assert!((exact..=exact + exact / 64).contains(&told), "{percent}: {told}");
        }
        assert_eq!(
            (histogram.percentile(100), histogram.max()),
            (Some(1_000_000), Some(1_000_000))
        );
    }
}
