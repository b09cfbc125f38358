//! `ledger report revenue`, `usage`, `churn`, `topups` and `daily`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::context::Context;
use super::values::{date, day_or_time};
use super::{help, signals};
use crate::domain::code::Exit;
use crate::domain::period::Step;
use crate::ledger::report::{self, Query};
use crate::ledger::{Ledger, LedgerError};
use crate::render::progress::Bar;
use crate::render::{self, Document};

#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    Revenue(RevenueArgs),
    Usage(UsageArgs),
    Churn(ChurnArgs),
    Topups(TopupsArgs),
    Daily(DailyArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StepArg {
    Day,
    /// From Monday on, by its ISO number
    Week,
    Month,
}

impl From<StepArg> for Step {
    fn from(step: StepArg) -> Self {
        match step {
            StepArg::Day => Self::Day,
            StepArg::Week => Self::Week,
            StepArg::Month => Self::Month,
        }
    }
}

/// Which time, and in which steps.
#[derive(Debug, Args)]
struct PeriodArgs {
    /// How long a period is, in UTC
    #[arg(long, value_enum, default_value = "day")]
    by: StepArg,
    /// Beginning, a day or a time (RFC 3339); 30 days, 12 weeks or 12 months before the end unless given
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// End, itself not in it; now unless given
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl PeriodArgs {
    fn query(&self, context: &Context<'_>) -> Result<Query, LedgerError> {
        Ok(Query {
            step: self.by.into(),
            since: day_or_time(self.since.as_deref(), "--since")?,
            until: day_or_time(self.until.as_deref(), "--until")?,
            currency: context.given_currency()?,
        })
    }
}

/// What came in, by payment method
///
/// Counts completed recharges when they completed; what was taken back of them stands beside it, when that happened.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger report revenue --by month
    ledger report revenue --by day --since 2026-03-01 --until 2026-04-01 --format csv"))]
pub struct RevenueArgs {
    #[command(flatten)]
    period: PeriodArgs,
}

/// What was spent, by service
///
/// Counts charges, committed holds and penalties; what was refunded stands beside it, when that happened. Over all time
/// the net is what `total_spent` of the accounts comes to.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger report usage --by week
    ledger report usage --by month --currency USD --format json"))]
pub struct UsageArgs {
    #[command(flatten)]
    period: PeriodArgs,
}

/// How many accounts were suspended and resumed
///
/// Shows how many still were at the end of each period, what they had when they were suspended, and how long those that
/// were resumed had been suspended on average.
#[derive(Debug, Args)]
#[command(after_help = help::single("ledger report churn --by month"))]
pub struct ChurnArgs {
    #[command(flatten)]
    period: PeriodArgs,
}

/// How top-ups develop
///
/// Number, sum and average of completed recharges, how many accounts made them, and how the sum changed from the period
/// before.
#[derive(Debug, Args)]
#[command(after_help = help::single("ledger report topups --by week --since 2026-01-01"))]
pub struct TopupsArgs {
    #[command(flatten)]
    period: PeriodArgs,
}

/// A day at a glance, on a page for the morning
///
/// What to look at with the next command to type, entries and attempts of 30 days, balances, revenue, usage, top accounts,
/// balances that end soon, and the last runs of the jobs. With --html one file that needs nothing else: no script, no
/// network; it is written as a whole or not at all. Nothing in the ledger is changed, and the exit code does not judge:
/// `health` and `audit` do.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger report daily --html morning.html -q
    ledger report daily --date 2026-03-01 --format json"))]
pub struct DailyArgs {
    /// Write the page to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The day, in UTC; yesterday unless given
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,
}

pub fn run(context: &Context<'_>, command: &ReportCommand) -> anyhow::Result<Exit> {
    signals::long_work();
    match command {
        ReportCommand::Revenue(args) => show(context, &args.period, |ledger, query, progress| {
            Ok(render::report::revenue(&report::revenue(ledger, query, progress)?))
        }),
        ReportCommand::Usage(args) => show(context, &args.period, |ledger, query, progress| {
            Ok(render::report::usage(&report::usage(ledger, query, progress)?))
        }),
        ReportCommand::Churn(args) => show(context, &args.period, |ledger, query, _| {
            Ok(render::report::churn(&report::churn(ledger, query)?))
        }),
        ReportCommand::Topups(args) => show(context, &args.period, |ledger, query, progress| {
            Ok(render::report::topups(&report::topups(ledger, query, progress)?))
        }),
        ReportCommand::Daily(args) => run_daily(context, args),
    }
}

fn show(
    context: &Context<'_>,
    period: &PeriodArgs,
    report: impl FnOnce(&mut Ledger, &Query, &Bar) -> Result<Document, LedgerError>,
) -> anyhow::Result<Exit> {
    let query = period.query(context)?;
    let document = context.with_ledger(|ledger| report(ledger, &query, &context.progress()))?;
    context.done(&document)
}

fn run_daily(context: &Context<'_>, args: &DailyArgs) -> anyhow::Result<Exit> {
    let day = date(args.date.as_deref(), "--date")?;
    let daily = context.with_ledger(|ledger| report::daily::daily(ledger, day, &context.progress()))?;
    if let Some(path) = &args.html {
        render::report::daily::write_page(&daily, path)
            .map_err(|error| LedgerError::unwritable(format_args!("--html {}", path.display()), &error))?;
    }
    context.done(&render::report::daily::document(&daily, args.html.as_deref()))
}
