//! The `ledger` command: parse, run, exit code.

use std::process::ExitCode;

/// Bulk runs allocate much; the system's allocator was a third of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ledger::cli::main()
}
