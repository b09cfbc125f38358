//! How much goes into one transaction of many.

use std::time::Duration;

/// As many as keep other writers waiting only for a moment.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    size: i64,
    target: Duration,
}

impl Pace {
    const FIRST: i64 = 1_000;
    const SMALLEST: i64 = 100;
    const LARGEST: i64 = 20_000;

    pub fn new(lock_timeout: Duration) -> Self {
        Self {
            size: Self::FIRST,
            target: Duration::from_millis(250).min(lock_timeout / 4),
        }
    }

    pub const fn size(&self) -> i64 {
        self.size
    }

    /// Learns from how long the last transaction took.
    pub fn took(&mut self, span: Duration) {
        if span < self.target / 2 {
            self.size = (self.size * 2).min(Self::LARGEST);
        } else if span > self.target {
            self.size = (self.size / 2).max(Self::SMALLEST);
        }
    }
}
