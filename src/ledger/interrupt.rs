//! A request from outside to stop at the next safe point.

use std::sync::atomic::{AtomicBool, Ordering};

use super::error::LedgerError;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Asks long work to stop between two transactions.
pub fn request() {
    REQUESTED.store(true, Ordering::Relaxed);
}

/// Called by long work where stopping leaves nothing half done.
pub fn check() -> Result<(), LedgerError> {
    if REQUESTED.load(Ordering::Relaxed) {
        Err(LedgerError::Interrupted)
    } else {
        Ok(())
    }
}
