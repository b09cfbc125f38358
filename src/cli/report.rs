//! `ledger report revenue`, `usage`, `churn`, `topups` and `daily`

use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};

use super::context::{Context, invalid};
use super::{help, signals};
use crate::domain::code::Exit;
use crate::domain::period::{Step, midnight};
use crate::domain::time::Timestamp;
use crate::ledger::LedgerError;
use crate::ledger::report::{self, Query};
use crate::render;

#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    Revenue(RevenueArgs),
    Usage(UsageArgs),
    Churn(ChurnArgs),
    Topups(TopupsArgs),
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

/// Reads `2026-03-01`, which is its midnight in UTC, or a time.
fn day_or_time(text: Option<&str>, what: &str) -> Result<Option<Timestamp>, LedgerError> {
    let parse = |text: &str| match text.parse::<NaiveDate>() {
        Ok(day) => midnight(day),
        Err(_) => Timestamp::parse(text).ok(),
    };
    let wrong = || {
        invalid(format!(
            "{what} is a day such as 2026-03-01, or a time such as 2026-03-01T12:00:00Z"
        ))
    };
    text.map(|text| parse(text).ok_or_else(wrong)).transpose()
}

/// What came in, by payment method
///
/// Counts completed recharges when they completed; what was taken back of them stands beside it, when that happened.
#[derive(Debug, Args)]
#[command(after_help = help::reading("\
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
#[command(after_help = help::reading("\
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
#[command(after_help = help::reading("ledger report churn --by month"))]
pub struct ChurnArgs {
    #[command(flatten)]
    period: PeriodArgs,
}

/// How top-ups develop
///
/// Number, sum and average of completed recharges, how many accounts made them, and how the sum changed from the period
/// before.
#[derive(Debug, Args)]
#[command(after_help = help::reading("ledger report topups --by week --since 2026-01-01"))]
pub struct TopupsArgs {
    #[command(flatten)]
    period: PeriodArgs,
}

pub fn run(context: &Context<'_>, command: &ReportCommand) -> anyhow::Result<Exit> {
    let (ReportCommand::Revenue(RevenueArgs { period })
    | ReportCommand::Usage(UsageArgs { period })
    | ReportCommand::Churn(ChurnArgs { period })
    | ReportCommand::Topups(TopupsArgs { period })) = command;
    let query = period.query(context)?;
    signals::long_work();
    let mut ledger = context.ledger()?;
    let progress = context.progress();
    let document = match command {
        ReportCommand::Revenue(_) => render::report::revenue(&report::revenue(&mut ledger, &query, &progress)?),
        ReportCommand::Usage(_) => render::report::usage(&report::usage(&mut ledger, &query, &progress)?),
        ReportCommand::Churn(_) => render::report::churn(&report::churn(&mut ledger, &query)?),
        ReportCommand::Topups(_) => render::report::topups(&report::topups(&mut ledger, &query, &progress)?),
    };
    ledger.leave_open();
    context.done(&document)
}
