//! `ledger suspend`, `ledger resume` and `ledger suspensions`

use clap::Args;

use super::arguments::{ListArgs, UserArg};
use super::context::{Context, invalid};
use super::help;
use crate::domain::code::Exit;
use crate::domain::text::Description;
use crate::ledger::suspension::{self, Resumed, Suspended, SuspensionQuery};
use crate::render;
use crate::render::failure::Failure;

/// Stop an account: charges and freezes are refused (409) until it is resumed
///
/// Money in is still taken. An account suspended by hand is resumed by hand.
#[derive(Debug, Args)]
#[command(after_help = help::single("ledger suspend --user-id 5 --reason \"abuse report 17\""))]
pub struct SuspendArgs {
    #[command(flatten)]
    user: UserArg,
    /// Why, for the log
    #[arg(long)]
    reason: String,
}

/// Let a suspended account go on
#[derive(Debug, Args)]
#[command(after_help = help::single("ledger resume --user-id 5"))]
pub struct ResumeArgs {
    #[command(flatten)]
    user: UserArg,
}

/// Show the suspension log, newest first
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger suspensions --active
    ledger suspensions --user-id 5"))]
pub struct SuspensionsArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Only accounts that are suspended now
    #[arg(long)]
    active: bool,
}

pub fn run_suspend(context: &Context<'_>, args: &SuspendArgs) -> anyhow::Result<Exit> {
    let user_id = args.user.parse()?;
    let reason = Description::parse(&args.reason).map_err(invalid)?;
    let (done, currency, now) = context.with_ledger(|ledger| {
        let currency = context.currency(ledger)?;
        let done = suspension::suspend(ledger, &user_id, currency.code(), &reason)?;
        Ok((done, currency, ledger.now()))
    })?;
    match done {
        Suspended::Done(view) => context.done(&render::suspension::changed("suspend", &view, true, now)),
        Suspended::Already(view) => context.done(&render::suspension::changed("suspend", &view, false, now)),
        Suspended::Refused(refusal) => Err(Failure::refused(&refusal, &currency, None).into()),
    }
}

pub fn run_resume(context: &Context<'_>, args: &ResumeArgs) -> anyhow::Result<Exit> {
    let user_id = args.user.parse()?;
    let (done, now) = context.with_ledger(|ledger| {
        let done = suspension::resume(ledger, &user_id, &context.currency_code()?)?;
        Ok((done, ledger.now()))
    })?;
    match done {
        Resumed::Done(view) => context.done(&render::suspension::changed("resume", &view, true, now)),
        Resumed::NotSuspended(account) => context.done(&render::suspension::not_suspended(&account)),
    }
}

pub fn run_list(context: &Context<'_>, args: &SuspensionsArgs) -> anyhow::Result<Exit> {
    let query = SuspensionQuery {
        account: args.list.account(context)?,
        active: args.active,
        limit: args.list.limit(),
    };
    let (views, now) = context.with_ledger(|ledger| Ok((suspension::list(ledger, &query)?, ledger.now())))?;
    context.done(&render::suspension::suspensions(&views, now))
}
