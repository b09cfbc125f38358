//! The `ledger` command: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ledger::cli::main()
}
