//! `ledger history`

use clap::Args;

use super::arguments::{BetweenArgs, UserArg};
use super::context::Context;
use super::help;
use super::values::{one_of, optional};
use crate::domain::code::Exit;
use crate::domain::entry::{CounterAccount, EntryKind};
use crate::domain::text::Service;
use crate::ledger::inspect::{self, HistoryFilter};
use crate::render;

/// Show an account's entries, newest first
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger history --user-id 5
    ledger history --user-id 5 --kind service_fee --service vps --since 2026-03-01T00:00:00Z
    ledger history --user-id 5 --before 120 --format csv"))]
pub struct HistoryArgs {
    #[command(flatten)]
    user: UserArg,
    /// Most to show
    #[arg(long, default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    between: BetweenArgs,
    /// recharge, service_fee, refund, adjustment, penalty, freeze, commit, release, credit, gift, clawback, debt_recovery
    #[arg(long)]
    kind: Option<String>,
    /// Only what was paid for this service
    #[arg(long)]
    service: Option<String>,
    /// Only entries with a smaller sequence number: the next page
    #[arg(long, value_name = "SEQ")]
    before: Option<i64>,
}

pub fn run(context: &Context<'_>, args: &HistoryArgs) -> anyhow::Result<Exit> {
    let user_id = args.user.parse()?;
    let kind = one_of(args.kind.as_deref(), "--kind", &EntryKind::ALL, EntryKind::name)?;
    let service = optional(args.service.as_deref(), Service::parse)?;
    let filter = HistoryFilter {
        since: args.between.since()?,
        until: args.between.until()?,
        kind,
        counter_account: service.as_ref().map(CounterAccount::service),
        before: args.before,
        limit: i64::from(args.limit),
    };
    let history =
        context.with_ledger(|ledger| inspect::history(ledger, &user_id, &context.currency_code()?, &filter))?;
    context.done(&render::inspect::history(&history))
}
