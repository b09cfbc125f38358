//! `ledger rebuild`

use clap::Args;

use super::context::Context;
use super::verify_sync::ScopeArgs;
use super::{help, signals};
use crate::domain::code::Exit;
use crate::ledger::rebuild;
use crate::render;

/// Recompute every balance row from scratch, entry by entry
///
/// Also where rows are missing or belong to no account. An account whose entries are damaged is left as it is.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger rebuild
    ledger rebuild --user-id 5"))]
pub struct RebuildArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Do not copy a SQLite ledger before rebuilding it
    #[arg(long)]
    no_backup: bool,
}

pub fn run(context: &Context<'_>, args: &RebuildArgs) -> anyhow::Result<Exit> {
    let scope = args.scope.parse(context)?;
    signals::long_work();
    let report =
        context.with_ledger(|ledger| rebuild::rebuild(ledger, &scope, !args.no_backup, &context.progress()))?;
    let document = render::verify::report("rebuild", &report, true);
    context.ended_at(&document, report.exit(), report.stopped.as_ref())
}
