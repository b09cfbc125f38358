//! `ledger health`

use clap::Args;

use super::context::Context;
use super::{help, signals};
use crate::domain::code::Exit;
use crate::ledger::health;
use crate::render;

/// Look for figures that cannot be as they are
///
/// CRITICAL: a negative figure, or open holds that the entries do not cover. Leaves an alert, exits 6 and waits for
/// a person. WARNING: a held amount that is not the sum of the open holds, or a balance row that is missing; --fix
/// recomputes it from the entries. The database's view health_findings shows the same. Credits that have been due for
/// more than a day are told beside that, and exit 1.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger health -q
    ledger health --fix"))]
pub struct HealthArgs {
    /// Repair what is only a WARNING
    #[arg(long)]
    fix: bool,
    /// Do not copy a SQLite ledger before repairing it
    #[arg(long)]
    no_backup: bool,
}

pub fn run(context: &Context<'_>, args: &HealthArgs) -> anyhow::Result<Exit> {
    signals::long_work();
    let report = context.with_ledger(|ledger| health::health(ledger, args.fix, !args.no_backup))?;
    context.ended_at(&render::health::report(&report), report.exit(), report.stopped.as_ref())
}
