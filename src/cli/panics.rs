//! A defect of the program: told by its place alone, because what a panic says may hold anything.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use crate::domain::code::{Code, Exit};
use crate::render::Writer;
use crate::render::failure::Failure;

/// Runs `work`; a panic in it is an internal error with its exit code.
pub fn caught(writer: Writer, work: impl FnOnce() -> Exit) -> Exit {
    set_hook(Box::new(move |panic| {
        let place = panic
            .location()
            .map(|place| format!(" at {}:{}", place.file(), place.line()));
        let message = format!(
            "internal error{}; this is a defect of the program. Whether the operation was applied is told by its \
             idempotency key: send it again",
            place.unwrap_or_default()
        );
        let failure = Failure::new(Code::Internal, message);
        // Standard error may be gone; the exit code still tells.
        let _ = writer.fail(&failure.object(), &failure.sentence());
    }));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Exit::Internal)
}
