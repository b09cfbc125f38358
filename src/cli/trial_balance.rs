//! `ledger trial-balance`

use clap::Args;

use super::context::Context;
use super::values::time;
use super::{help, signals};
use crate::domain::code::Exit;
use crate::ledger::trial_balance::trial_balance;
use crate::render;

/// Show debits and credits of every account of the book, by currency: their totals are equal
///
/// The figures of all users are one account each, every counter-account of the entries is another. Without --at, what
/// the balance rows come to is shown beside what the entries come to; where they differ it exits 1.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger trial-balance
    ledger trial-balance --at 2026-03-01T00:00:00Z --format csv"))]
pub struct TrialBalanceArgs {
    /// As it was after each account's last entry made by this moment (RFC 3339)
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub fn run(context: &Context<'_>, args: &TrialBalanceArgs) -> anyhow::Result<Exit> {
    let at = time(args.at.as_deref(), "--at")?;
    signals::long_work();
    let report = context.with_ledger(|ledger| trial_balance(ledger, at, &context.progress()))?;
    context.ended(&render::trial_balance::trial_balance(&report), report.exit())
}
