//! Numbers that look random and are the same on every machine and in every version: SplitMix64.

/// A stream of numbers that follows from its seed alone.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..bound`; 0 where that is empty.
    pub fn below(&mut self, bound: u64) -> u64 {
        let scaled = (u128::from(self.draw()) * u128::from(bound)) >> 64;
        u64::try_from(scaled).unwrap_or_default()
    }

    /// One of `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low.saturating_add_unsigned(self.below(low.abs_diff(high).saturating_add(1)))
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// The index of one of so many.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }

    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// The index of one of so many, where each doubling of the index is as likely as the one before: the first few
    /// get much, the many behind them a little each.
    pub fn skewed_index(&mut self, length: usize) -> usize {
        let octaves = u64::from(length.max(1).ilog2()) + 1;
        let first = (1_usize << self.below(octaves)) - 1;
        let width = (first + 1).min(length.max(1) - first);
        first + self.index(width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        let drawn: Vec<u64> = (0..5).map(|_| random.draw()).collect();
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        assert_eq!(drawn, expected);
    }

    #[test]
    fn what_is_drawn_is_within_its_bounds_and_reaches_both() {
        let mut random = Random::new(1);
        for length in [1, 2, 3, 10, 1_000] {
            let drawn: Vec<usize> = (0..40_000).map(|_| random.skewed_index(length)).collect();
            assert_eq!(
                (drawn.iter().min(), drawn.iter().max()),
                (Some(&0), Some(&(length - 1)))
            );
        }
        let between: Vec<i64> = (0..1_000).map(|_| random.between(-3, 3)).collect();
        assert_eq!((between.iter().min(), between.iter().max()), (Some(&-3), Some(&3)));
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn the_first_get_much_more_than_the_last() {
        let mut random = Random::new(1);
        let drawn: Vec<usize> = (0..10_000).map(|_| random.skewed_index(1_000)).collect();
        let count = |range: std::ops::Range<usize>| drawn.iter().filter(|index| range.contains(index)).count();
        assert!(count(0..10) > 2_000 && count(500..1_000) > 500 && count(0..10) > count(500..1_000));
    }
}
