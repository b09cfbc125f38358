//! `ledger freeze`, `ledger commit`, `ledger holds` and `ledger expire-holds`

use clap::Args;

use super::arguments::{ListArgs, MoneyArgs, PartArgs, Reason};
use super::context::{Context, invalid};
use super::help;
use super::values::{amount, expiry, one_of, optional};
use crate::domain::code::Exit;
use crate::domain::hold::{HoldId, HoldStatus};
use crate::domain::money::Amount;
use crate::domain::operation::Operation;
use crate::domain::text::Service;
use crate::ledger::expiry as expiring;
use crate::ledger::hold::{self, HoldQuery};
use crate::render;

/// Set money aside until it is committed, refunded or expires
///
/// Prints the hold's id. Refused like a charge: 402, 409, 429.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger freeze --user-id 5 --amount 5 --reference activation:77 --reason \"SIM activation\" --expires-in 20m
    ledger commit --hold h5-1
    ledger refund --hold h5-1"))]
pub struct FreezeArgs {
    #[command(flatten)]
    money: MoneyArgs,
    /// What it will have paid for, once committed
    #[arg(long)]
    service: Option<String>,
    /// Give it back after this time, such as 20m
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<String>,
}

/// Spend what a hold has set aside
///
/// Of a part, the rest is given back, or stays held with --keep-open. A hold ends once: what it became is told (409).
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger commit --hold h5-1
    ledger commit --hold h5-1 --amount 3
    ledger commit --hold h5-1 --amount 3 --keep-open"))]
pub struct CommitArgs {
    /// The hold, such as h12-7
    #[arg(long, value_name = "ID")]
    hold: String,
    /// Keep the rest held, for a later commit
    #[arg(long, requires = "amount")]
    keep_open: bool,
    #[command(flatten)]
    part: PartArgs,
}

/// Show holds, newest first
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger holds --user-id 5
    ledger holds --status open"))]
pub struct HoldsArgs {
    #[command(flatten)]
    list: ListArgs,
    /// open, committed, refunded or expired
    #[arg(long)]
    status: Option<String>,
}

/// Give back holds whose time has run out
///
/// An account that is touched needs no job: its overdue holds are given back first.
#[derive(Debug, Args)]
#[command(after_help = help::job("ledger expire-holds -q"))]
pub struct ExpireHoldsArgs {}

pub fn run_freeze(context: &Context<'_>, args: &FreezeArgs) -> anyhow::Result<Exit> {
    let expires_in = expiry(args.expires_in.as_deref())?;
    args.money.post(context, Reason::Optional, |text, currency| {
        Ok(Operation::Freeze {
            amount: amount(text, currency)?,
            service: optional(args.service.as_deref(), Service::parse)?,
            expires_in,
        })
    })
}

pub fn run_commit(context: &Context<'_>, args: &CommitArgs) -> anyhow::Result<Exit> {
    let keep_open = args.keep_open;
    end(context, &args.hold, &args.part, |hold, amount| Operation::Commit {
        hold,
        amount,
        keep_open,
    })
}

/// Ends a hold, or a part of it; the hold's id says whose it is.
pub fn end(
    context: &Context<'_>,
    hold: &str,
    part: &PartArgs,
    operation: impl FnOnce(i64, Option<Amount>) -> Operation,
) -> anyhow::Result<Exit> {
    let id: HoldId = hold.parse().map_err(invalid)?;
    context.post(|ledger| {
        let account = hold::account_of(ledger, id)?;
        part.request((account.user_id, account.currency), |amount| {
            operation(id.number, amount)
        })
    })
}

pub fn run_list(context: &Context<'_>, args: &HoldsArgs) -> anyhow::Result<Exit> {
    let query = HoldQuery {
        account: args.list.account(context)?,
        status: one_of(args.status.as_deref(), "--status", &HoldStatus::ALL, HoldStatus::name)?,
        limit: args.list.limit(),
    };
    let (views, now) = context.with_ledger(|ledger| Ok((hold::list(ledger, &query)?, ledger.now())))?;
    context.done(&render::hold::holds(&views, now))
}

pub fn run_expire(context: &Context<'_>, _args: &ExpireHoldsArgs) -> anyhow::Result<Exit> {
    super::signals::long_work();
    let done = context.with_ledger(expiring::expire_holds)?;
    context.ended(&render::expiry::expired("expire-holds", "holds", &done), done.exit())
}
