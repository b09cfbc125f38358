use std::sync::atomic::{AtomicBool, Ordering};

/// Raises a flag in the end, so that other threads end too, even after a panic.
pub struct Raise<'a>(pub &'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
