//! How much goes into one transaction of many.

use std::time::Duration;

/// As many as keep other writers waiting only for a moment.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    size: usize,
    largest: usize,
    target: Duration,
}

impl Pace {
    const FIRST: usize = 1_000;
    const SMALLEST: usize = 100;

    /// For writers that wait so long, and never more than `largest`: what is at work is held in memory.
    pub fn new(lock_timeout: Duration, largest: usize) -> Self {
        Self {
            size: Self::FIRST.min(largest),
            largest,
            target: Duration::from_millis(2_500).min(lock_timeout / 2),
        }
    }

    pub const fn size(&self) -> usize {
        self.size
    }

    /// Learns from how long the last transaction took.
    ///
    /// Much of that is for the first operation on an account, whatever comes after it: so what is too long is not cut
    /// by more than it is too long.
    pub fn took(&mut self, span: Duration) {
        let (span, target) = (span.as_millis().max(1), self.target.as_millis());
        let enough = target * 4 / 5;
        if (enough..=target).contains(&span) {
            return;
        }
        let size = self.size as u128;
        let size = (size * enough / span).clamp(size / 2, size * 4);
        self.size = usize::try_from(size)
            .unwrap_or(self.largest)
            .clamp(Self::SMALLEST, self.largest.max(Self::SMALLEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a transaction of so many takes where each costs so many microseconds, and all of them so many milliseconds.
    fn span(size: usize, each: u64, all: u64) -> Duration {
        Duration::from_micros(size as u64 * each) + Duration::from_millis(all)
    }

    #[test]
    fn it_comes_close_to_what_others_may_wait_and_not_beyond() {
        for (each, all) in [(10, 0), (20, 1_000), (100, 500), (1_000, 0), (5_000, 100)] {
            let mut pace = Pace::new(Duration::from_secs(10), 1_000_000);
            let spans: Vec<Duration> = (0..40)
                .map(|_| {
                    let span = span(pace.size(), each, all);
                    pace.took(span);
                    span
                })
                .collect();
            let settled = &spans[20..];
            assert!(
                settled.iter().all(|span| (2_000..=2_500).contains(&span.as_millis())),
                "{each} {all}: {settled:?}"
            );
        }
    }

    #[test]
    fn it_keeps_within_its_bounds_and_follows_a_lock_timeout() {
        let mut pace = Pace::new(Duration::from_secs(10), 50_000);
        for _ in 0..20 {
            pace.took(Duration::ZERO);
        }
        assert_eq!(pace.size(), 50_000);
        for _ in 0..20 {
            pace.took(Duration::from_mins(1));
        }
        assert_eq!(pace.size(), Pace::SMALLEST);
        let mut hurried = Pace::new(Duration::from_millis(200), 50_000);
        hurried.took(Duration::from_millis(200));
        assert_eq!(hurried.size(), 500);
    }
}
