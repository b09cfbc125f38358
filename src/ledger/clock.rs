//! The only place that asks what time it is.

use std::time::{Duration, Instant};

use chrono::Utc;
use uuid::Uuid;

use crate::domain::time::Timestamp;

/// Where "now" comes from: the system, or a fixed moment (`--now`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    System,
    Fixed(Timestamp),
}

impl Clock {
    pub fn now(self) -> Timestamp {
        match self {
            Self::System => wall_clock(),
            Self::Fixed(now) => now,
        }
    }
}

/// The real time, for what must not be moved by `--now`: leases.
#[expect(clippy::disallowed_methods, reason = "the clock's home")]
pub fn wall_clock() -> Timestamp {
    Timestamp::from_utc(Utc::now())
}

/// A new name that nobody else has, growing with time.
pub fn unique_name() -> String {
    Uuid::now_v7().to_string()
}

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
