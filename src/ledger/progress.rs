//! How long work tells how far it has come, without knowing who watches.

pub trait Progress {
    /// What is counted, where it is not accounts; said before the beginning.
    fn counts(&self, _what: &'static str) {}
    /// The number of steps there will be.
    fn begin(&self, total: u64);
    fn advance(&self, steps: u64);
    fn finish(&self);
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn begin(&self, _total: u64) {}

    fn advance(&self, _steps: u64) {}

    fn finish(&self) {}
}
