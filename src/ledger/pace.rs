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
    pub fn took(&mut self, span: Duration) {
        if span < self.target / 8 {
            self.size = (self.size * 4).min(self.largest);
        } else if span < self.target / 2 {
            self.size = (self.size * 2).min(self.largest);
        } else if span > self.target {
            self.size = (self.size / 2).max(Self::SMALLEST);
        }
    }
}
