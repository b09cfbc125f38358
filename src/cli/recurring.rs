//! `ledger recurring add`, `list`, `cancel` and `run`

use chrono::{Datelike, NaiveDate, TimeDelta, Weekday};
use clap::{Args, Subcommand, ValueEnum, value_parser};

use super::arguments::{KeyArg, ListArgs, NoteArgs, UserArg};
use super::context::{Context, invalid};
use super::values::{amount, date, one_of, span};
use super::{help, signals};
use crate::domain::calendar::{Every, MonthDay, Schedule, Zone, minute_of_day};
use crate::domain::code::Exit;
use crate::domain::recurring::{RecurringId, RecurringState, Retries};
use crate::domain::text::{Description, Service};
use crate::domain::time::Timestamp;
use crate::ledger::LedgerError;
use crate::ledger::recurring::run::{Terms, run as run_due};
use crate::ledger::recurring::{self, Add, Added, Cancelled, RecurringQuery};
use crate::render;
use crate::render::failure::Failure;

#[derive(Debug, Subcommand)]
pub enum RecurringCommand {
    Add(Box<AddArgs>),
    List(RecurringListArgs),
    Cancel(CancelArgs),
    Run(RunArgs),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EveryArg {
    Day,
    Week,
    Month,
}

/// Agree on a charge that comes every day, week or month
///
/// Nothing is charged yet: `ledger recurring run` charges each period once, whatever is run how often or how late. A
/// day that a month does not have is its last one: --on 31 is 28 February and 31 March. Without --starts, the first
/// period is the first one still to come; with a day of the past, the periods since then are charged too.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger recurring add --user-id 5 --amount 10 --service vps --every month --on 31
    ledger recurring add --user-id 5 --amount 2.50 --service backup --every week --on mon --at 02:00 --timezone Europe/Berlin
    ledger recurring add --user-id 5 --amount 1 --service cdn --every day --starts 2026-03-01 --ends 2026-05-31"))]
pub struct AddArgs {
    #[command(flatten)]
    user: UserArg,
    /// Plain decimal digits: 1500, 1500.50
    #[arg(long, allow_hyphen_values = true)]
    amount: String,
    /// What is paid for: vps, hosting, email, cdn, ssl ...
    #[arg(long)]
    service: String,
    /// How often
    #[arg(long, value_enum)]
    every: EveryArg,
    /// The day: 1 to 31 of the month, or mon to sun of the week; that of the beginning unless given
    #[arg(long, value_name = "DAY")]
    on: Option<String>,
    /// The time of day there
    #[arg(long, value_name = "HH:MM", default_value = "00:00")]
    at: String,
    /// Whose days and hours these are, such as Europe/Berlin
    #[arg(
        long,
        value_name = "ZONE",
        env = "LEDGER_RECURRING_TIMEZONE",
        default_value = "UTC",
        hide_env_values = true
    )]
    timezone: String,
    /// The day from which on it is charged; today unless given
    #[arg(long, value_name = "YYYY-MM-DD")]
    starts: Option<String>,
    /// The last day that may be charged; for ever unless given
    #[arg(long, value_name = "YYYY-MM-DD")]
    ends: Option<String>,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    key: KeyArg,
}

/// Show recurring charges, in order of account
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger recurring list --user-id 5
    ledger recurring list --state active --format csv"))]
pub struct RecurringListArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Only those that are active, ended or cancelled
    #[arg(long)]
    state: Option<String>,
}

/// End a recurring charge
///
/// What was charged stays; give it back with `ledger refund`. Waits for a run that is at work, up to --lock-timeout:
/// once it is cancelled, nothing more is charged.
#[derive(Debug, Args)]
#[command(after_help = help::single("ledger recurring cancel c5-1 --reason \"contract ended\""))]
pub struct CancelArgs {
    /// The recurring charge, such as c12-7
    id: String,
    /// Why, for the log
    #[arg(long)]
    reason: String,
}

/// Charge what is due, each period once
///
/// Periods that were missed are charged one by one, oldest first. One that cannot be paid is tried again so long after
/// the first refusal as --retries says; after the last time the account is suspended, and the period stays due until a
/// sufficient recharge or `ledger resume` opens the account again. Locked
/// and suspended accounts wait; what a closed account owed is cancelled. Exits 7 when some were refused: they are named.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger recurring run -q
    ledger recurring run --retries 1d,3d,7d --max-catch-up 31
    ledger recurring run --now 2026-03-01T02:00:00Z --format json"))]
pub struct RunArgs {
    /// How long after the first refusal a period is tried again, or none
    #[arg(
        long,
        value_name = "SPANS",
        env = "LEDGER_RECURRING_RETRIES",
        default_value = "1d,3d,7d",
        hide_env_values = true
    )]
    retries: String,
    /// Most periods of one recurring charge that are charged in one run
    #[arg(long, value_name = "N", env = "LEDGER_RECURRING_MAX_CATCH_UP", default_value_t = 31,
        value_parser = value_parser!(u32).range(1..), hide_env_values = true)]
    max_catch_up: u32,
}

pub fn run(context: &Context<'_>, command: &RecurringCommand) -> anyhow::Result<Exit> {
    match command {
        RecurringCommand::Add(args) => add(context, args),
        RecurringCommand::List(args) => list(context, args),
        RecurringCommand::Cancel(args) => cancel(context, args),
        RecurringCommand::Run(args) => charge_due(context, args),
    }
}

impl AddArgs {
    /// `starts_on` is the day whose weekday or number counts where none is given.
    fn every(&self, starts_on: NaiveDate) -> Result<Every, LedgerError> {
        match (self.every, self.on.as_deref()) {
            (EveryArg::Day, None) => Ok(Every::Day),
            (EveryArg::Day, Some(_)) => Err(invalid("--on is for --every week or month")),
            (EveryArg::Week, None) => Ok(Every::Week(starts_on.weekday())),
            (EveryArg::Week, Some(day)) => match day.parse::<Weekday>() {
                Ok(weekday) => Ok(Every::Week(weekday)),
                Err(_) => Err(invalid(
                    "--on is a day of the week: mon, tue, wed, thu, fri, sat or sun",
                )),
            },
            (EveryArg::Month, given) => {
                let day = given.map_or(Some(starts_on.day()), |text| text.parse().ok());
                day.and_then(MonthDay::new)
                    .map(Every::Month)
                    .ok_or_else(|| invalid("--on is a day of the month from 1 to 31"))
            }
        }
    }

    fn schedule(&self, now: Timestamp, starts_on: Option<NaiveDate>) -> Result<Schedule, LedgerError> {
        let zone: Zone = self
            .timezone
            .parse()
            .map_err(|error| invalid(format!("--timezone: {error}")))?;
        let today = || zone.date_at(now).ok_or_else(|| invalid("now is beyond the calendar"));
        let every = self.every(starts_on.map_or_else(today, Ok)?)?;
        minute_of_day(&self.at)
            .and_then(|minute| Schedule::new(every, minute, zone))
            .ok_or_else(|| invalid("--at is a time of day such as 02:00"))
    }
}

fn add(context: &Context<'_>, args: &AddArgs) -> anyhow::Result<Exit> {
    let (user_id, note, key) = (args.user.parse()?, args.note.parse()?, args.key.parse()?);
    let service = Service::parse(&args.service).map_err(invalid)?;
    let starts_on = date(args.starts.as_deref(), "--starts")?;
    let ends_on = date(args.ends.as_deref(), "--ends")?;
    let schedule = args.schedule(context.clock()?.now(), starts_on)?;
    let (added, request) = context.with_ledger(|ledger| {
        let currency = context.currency(ledger)?;
        let request = Add {
            user_id,
            amount: amount(&args.amount, &currency)?,
            currency,
            service,
            schedule,
            day_is_given: args.on.is_some(),
            starts_on,
            ends_on,
            note,
            key,
        };
        Ok((recurring::add(ledger, &request)?, request))
    })?;
    match added {
        Added::Done(view) => context.done(&render::recurring::added(&view, true)),
        Added::Already(view) => context.done(&render::recurring::added(&view, false)),
        Added::Refused(refusal) => Err(Failure::refused(&refusal, &request.currency, request.key.as_ref()).into()),
    }
}

fn list(context: &Context<'_>, args: &RecurringListArgs) -> anyhow::Result<Exit> {
    let query = RecurringQuery {
        account: args.list.account(context)?,
        state: one_of(
            args.state.as_deref(),
            "--state",
            &RecurringState::ALL,
            RecurringState::name,
        )?,
        limit: args.list.limit(),
    };
    let views = context.with_ledger(|ledger| recurring::list(ledger, &query))?;
    context.done(&render::recurring::list(&views))
}

fn cancel(context: &Context<'_>, args: &CancelArgs) -> anyhow::Result<Exit> {
    let id: RecurringId = args.id.parse().map_err(invalid)?;
    let reason = Description::parse(&args.reason).map_err(invalid)?;
    let done = context.with_ledger(|ledger| recurring::cancel(ledger, id, &reason))?;
    match done {
        Cancelled::Done(view) => context.done(&render::recurring::cancelled(&view, true)),
        Cancelled::Already(view) => context.done(&render::recurring::cancelled(&view, false)),
    }
}

/// Reads `1d,3d,7d`; `none` is no retry at all.
fn retries(text: &str) -> Result<Retries, LedgerError> {
    let spans = match text {
        "none" => Vec::new(),
        _ => text
            .split(',')
            .map(|part| TimeDelta::from_std(span(part.trim(), "each of --retries")?).map_err(invalid))
            .collect::<Result<_, _>>()?,
    };
    Retries::new(spans).ok_or_else(|| {
        invalid("--retries are spans after the first refusal, each longer than the one before: 1d,3d,7d")
    })
}

fn charge_due(context: &Context<'_>, args: &RunArgs) -> anyhow::Result<Exit> {
    let terms = Terms {
        retries: retries(&args.retries)?,
        max_catch_up: args.max_catch_up,
    };
    signals::long_work();
    let done = context.with_ledger(|ledger| run_due(ledger, &terms, &context.progress_in("recurring charges")))?;
    context.ended(&render::recurring::run(&done), done.exit())
}
