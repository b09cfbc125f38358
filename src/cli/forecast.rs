//! `ledger forecast`

use chrono::TimeDelta;
use clap::{Args, value_parser};

use super::arguments::OwnerArg;
use super::context::{Context, invalid};
use super::values::lifetime;
use super::{help, signals};
use crate::domain::code::Exit;
use crate::domain::forecast::HORIZON;
use crate::ledger::forecast::{self, Query};
use crate::render;

/// How long do balances last?
///
/// From what each account has spent a day on each service lately (charges and commits, less refunds) and the recurring
/// charges that are known to be due. The balance that ends soonest comes first. Exits 1 when one ends within the time
/// that warns; with -q it is silent otherwise.
#[derive(Debug, Args)]
#[command(mut_arg("user_id", |arg| arg.help("Only this user's account, in --currency")), after_help = help::single("\
    ledger forecast --warn-within 3d -q
    ledger forecast --user-id 5
    ledger forecast --days 7 --format csv --limit 1000000"))]
pub struct ForecastArgs {
    #[command(flatten)]
    owner: OwnerArg,
    /// How many days of the past count; of a younger account, its age
    #[arg(long, default_value_t = 30, value_parser = value_parser!(u32).range(1..=3660))]
    days: u32,
    /// Warn of balances that end within this time, at most 366d
    #[arg(long, value_name = "SPAN", default_value = "7d")]
    warn_within: String,
    /// Most accounts to show
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

pub fn run(context: &Context<'_>, args: &ForecastArgs) -> anyhow::Result<Exit> {
    let query = Query {
        account: args.owner.account(context)?,
        currency: context.given_currency()?,
        history: TimeDelta::days(i64::from(args.days)),
        warn_within: lifetime(Some(&args.warn_within), "--warn-within")?
            .filter(|span| *span <= HORIZON)
            .ok_or_else(|| invalid("--warn-within is at most 366d: no forecast looks further"))?,
        limit: usize::try_from(args.limit)?,
    };
    signals::long_work();
    let report = context.with_ledger(|ledger| forecast::forecast(ledger, &query, &context.progress()))?;
    context.ended(&render::forecast::report(&report), report.exit())
}
