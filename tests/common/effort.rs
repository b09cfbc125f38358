//! How much of a campaign is run: a few rounds in the suite, as many as asked for otherwise.

use std::fmt;
use std::time::{Duration, Instant};

/// Repeats a failure: the seed is in its message.
pub const SEED_VARIABLE: &str = "LEDGER_TEST_SEED";

pub fn seed() -> u64 {
    match std::env::var(SEED_VARIABLE) {
        Ok(text) => text.parse().expect("the seed is a number"),
        Err(_) => fastrand::u64(..),
    }
}

/// The same in every run of the suite, so that it does not find today what it did not find yesterday: that is what
/// campaigns are for.
pub fn smoke_seed() -> u64 {
    std::env::var(SEED_VARIABLE).map_or(1, |text| text.parse().expect("the seed is a number"))
}

/// When a fault has been tried often enough.
#[derive(Clone, Copy, Debug)]
pub enum Effort {
    Rounds(usize),
    Until(Instant),
}

impl Effort {
    pub fn lasting(duration: Duration) -> Self {
        Self::Until(Instant::now() + duration)
    }

    /// Whether to go on after so many rounds; there is at least one.
    pub fn wants_more(self, rounds: usize) -> bool {
        match self {
            Self::Rounds(wanted) => rounds < wanted,
            Self::Until(end) => rounds == 0 || Instant::now() < end,
        }
    }
}

/// What a campaign has tried, for its report.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub rounds: usize,
    /// What there was to try, where that is a list.
    pub of: Option<usize>,
    pub notes: String,
    /// What went wrong, each with what repeats it.
    pub findings: Vec<String>,
}

impl Tally {
    pub fn rounds(rounds: usize) -> Self {
        Self {
            rounds,
            ..Self::default()
        }
    }

    /// One more round, which goes on after a failure so that all are found.
    pub fn round(&mut self, name: impl FnOnce() -> String, round: impl FnOnce()) {
        self.rounds += 1;
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(round)).is_err() {
            self.findings.push(name());
        }
    }

    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(
            self.findings.is_empty(),
            "{} findings: {:#?}",
            self.findings.len(),
            self.findings
        );
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.rounds)?;
        if let Some(of) = self.of {
            write!(formatter, " of {of}")?;
        }
        if !self.notes.is_empty() {
            write!(formatter, "  ({})", self.notes)?;
        }
        Ok(())
    }
}
