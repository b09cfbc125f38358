//! What every `--help` ends with: examples and exit codes, from the one table of codes.

use crate::domain::code::Exit;

const MONEY: [Exit; 8] = [
    Exit::Done,
    Exit::No,
    Exit::Usage,
    Exit::Configuration,
    Exit::Unreachable,
    Exit::Busy,
    Exit::Integrity,
    Exit::Internal,
];

const READING: [Exit; 5] = [
    Exit::Done,
    Exit::No,
    Exit::Usage,
    Exit::Configuration,
    Exit::Unreachable,
];

pub fn overview() -> String {
    let first = "First steps:\n  ledger demo\n  ledger account create --user-id 5\n  \
                 ledger recharge --user-id 5 --amount 100 --method momo\n  \
                 ledger charge --user-id 5 --amount 15 --service vps\n  ledger verify-sync";
    format!("{first}\n\n{}", exit_codes(&Exit::ALL))
}

/// For commands that move money.
pub fn money(examples: &str) -> String {
    format!("Examples:\n{}\n\n{}", indented(examples), exit_codes(&MONEY))
}

/// For commands that only look.
pub fn reading(examples: &str) -> String {
    format!("Examples:\n{}\n\n{}", indented(examples), exit_codes(&READING))
}

/// For jobs.
pub fn job(examples: &str) -> String {
    format!("Examples:\n{}\n\n{}", indented(examples), exit_codes(&Exit::ALL))
}

fn indented(examples: &str) -> String {
    examples
        .lines()
        .map(|line| format!("  {}", line.trim()))
        .collect::<Vec<_>>()
        .join("\n")
}

fn exit_codes(codes: &[Exit]) -> String {
    let lines: Vec<String> = codes
        .iter()
        .map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()))
        .collect();
    format!("Exit codes:\n{}", lines.join("\n"))
}
