//! Speaks to people: arguments in, outcomes out. Holds no rule.
//!
//! One file per command, each an `Args` whose doc comments are the help, and a `run` that builds a
//! request, calls one operation and shows its outcome.

mod access;
mod account;
mod alert;
mod apply;
mod arguments;
mod audit;
mod balance;
mod callback;
mod charge;
mod completions;
mod config;
mod context;
mod correction;
mod currency;
mod demo;
mod discreet_log;
mod doctor;
mod dotenv;
mod explain;
mod export;
mod forecast;
mod health;
mod help;
mod history;
mod hold;
mod intents;
mod metrics;
mod migrate;
mod notify;
mod operations;
pub mod panics;
mod purchase;
mod rebuild;
mod recharge;
mod recurring;
mod refund;
mod report;
mod roles;
mod schedule;
mod secret;
mod seed;
mod signals;
mod suspension;
mod trial_balance;
mod values;
mod verify_sync;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::context::{Context, Global};
use crate::domain::code::{Code, Exit};
use crate::domain::text::is_unprintable;
use crate::ledger::LedgerError;
use crate::render::failure::Failure;
use crate::render::{Format, Writer};

/// Administers the prepaid balances of a service's users
///
/// Every money operation is an entry in an append-only journal; balances are kept beside it for speed,
/// proven equal by `verify-sync`, and repaired from it by `verify-sync --fix`.
#[derive(Debug, Parser)]
#[command(name = "ledger", version, propagate_version = true, after_help = help::overview(), max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create, show, lock and close accounts
    #[command(subcommand)]
    Account(account::AccountCommand),
    Recharge(recharge::RechargeArgs),
    Charge(charge::ChargeArgs),
    Apply(apply::ApplyArgs),
    Freeze(hold::FreezeArgs),
    Commit(hold::CommitArgs),
    Refund(refund::RefundArgs),
    Reverse(refund::ReverseArgs),
    Holds(hold::HoldsArgs),
    Adjust(correction::AdjustArgs),
    Penalty(correction::PenaltyArgs),
    /// Record purchases that earn credits
    #[command(subcommand)]
    Purchase(purchase::PurchaseCommand),
    DeactivatePurchase(purchase::DeactivatePurchaseArgs),
    ProcessPendingCredits(purchase::ProcessPendingCreditsArgs),
    /// Give credits, and take them back
    #[command(subcommand)]
    Gift(purchase::GiftCommand),
    /// Ask who has paid for access to what
    #[command(subcommand)]
    Access(access::AccessCommand),
    /// Charge the same every day, week or month
    #[command(subcommand)]
    Recurring(recurring::RecurringCommand),
    Suspend(suspension::SuspendArgs),
    Resume(suspension::ResumeArgs),
    Suspensions(suspension::SuspensionsArgs),
    Balance(balance::BalanceArgs),
    History(history::HistoryArgs),
    Explain(explain::ExplainArgs),
    TrialBalance(trial_balance::TrialBalanceArgs),
    Export(export::ExportArgs),
    Forecast(forecast::ForecastArgs),
    /// Show what came in, what was spent and who was suspended, by day, week or month
    #[command(subcommand)]
    Report(report::ReportCommand),
    VerifySync(verify_sync::VerifySyncArgs),
    Rebuild(rebuild::RebuildArgs),
    Health(health::HealthArgs),
    Audit(audit::AuditArgs),
    ExpireHolds(hold::ExpireHoldsArgs),
    ExpireRecharges(recharge::ExpireRechargesArgs),
    /// Show attempts, settle what a crash left behind, make failed ones again
    #[command(subcommand)]
    Intents(intents::IntentsCommand),
    /// Show what a person has to look at, and take notice of it
    #[command(subcommand)]
    Alerts(alert::AlertsCommand),
    Notify(notify::NotifyArgs),
    /// Show what was administered, by whom and from where
    #[command(subcommand)]
    Operations(operations::OperationsCommand),
    /// Add units beyond ISO 4217, such as POINTS
    #[command(subcommand)]
    Currency(currency::CurrencyCommand),
    /// Show or bring up to date the database's schema
    #[command(subcommand)]
    Migrate(migrate::MigrateCommand),
    Doctor(doctor::DoctorArgs),
    Metrics(metrics::MetricsArgs),
    Schedule(schedule::ScheduleArgs),
    /// Say who may do what, where the database knows roles
    #[command(subcommand)]
    Roles(roles::RolesCommand),
    /// Show what is set, and where
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Completions(completions::CompletionsArgs),
    Man(completions::ManArgs),
    Seed(seed::SeedArgs),
    Demo(demo::DemoArgs),
}

/// Parses, runs, and turns whatever came of it into an exit code.
pub fn main() -> ExitCode {
    // Options and the environment come before it: existing variables are not replaced.
    let inherited = config::variables_set();
    let settings = dotenv::read();
    // To put every command's help in order takes longer than to parse: only where somebody may read it.
    let parsed = Cli::command()
        .try_get_matches()
        .or_else(|_| command().try_get_matches());
    let parsed = parsed.and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        Ok((cli, config::Given::new(matches, inherited)))
    });
    let (cli, given) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return ExitCode::from(usage(&error).code()),
    };
    let writer = cli.global.writer();
    cli.global.start_log();
    if let Err(error) = settings {
        return ExitCode::from(report(&error.into(), writer).code());
    }
    let context = Context::new(&cli.global);
    let monitor = match context.monitor() {
        Ok(monitor) => monitor,
        Err(error) => return ExitCode::from(report(&error.into(), writer).code()),
    };
    if let Some(monitor) = &monitor {
        monitor.started();
    }
    let exit = panics::caught(writer, || {
        signals::install();
        run(&context, &cli.command, &given).unwrap_or_else(|error| report(&error, writer))
    });
    let exit = signals::exit_of(exit);
    if let Some(monitor) = &monitor {
        monitor.ended(exit);
    }
    ExitCode::from(exit.code())
}

fn run(context: &Context<'_>, command: &Command, given: &config::Given) -> anyhow::Result<Exit> {
    match command {
        Command::Account(args) => account::run(context, args),
        Command::Recharge(args) => recharge::run(context, args),
        Command::Charge(args) => charge::run(context, args),
        Command::Apply(args) => apply::run(context, args),
        Command::Freeze(args) => hold::run_freeze(context, args),
        Command::Commit(args) => hold::run_commit(context, args),
        Command::Refund(args) => refund::run_refund(context, args),
        Command::Reverse(args) => refund::run_reverse(context, args),
        Command::Holds(args) => hold::run_list(context, args),
        Command::Purchase(args) => purchase::run_purchase(context, args),
        Command::DeactivatePurchase(args) => purchase::run_deactivate(context, args),
        Command::ProcessPendingCredits(args) => purchase::run_process(context, args),
        Command::Gift(args) => purchase::run_gift(context, args),
        Command::Access(args) => access::run(context, args),
        Command::Recurring(args) => recurring::run(context, args),
        Command::Suspend(args) => suspension::run_suspend(context, args),
        Command::Resume(args) => suspension::run_resume(context, args),
        Command::Suspensions(args) => suspension::run_list(context, args),
        Command::Health(args) => health::run(context, args),
        Command::Audit(args) => audit::run(context, args),
        Command::ExpireHolds(args) => hold::run_expire(context, args),
        Command::Intents(args) => intents::run(context, args),
        Command::Operations(args) => operations::run(context, args),
        Command::Alerts(args) => alert::run(context, args),
        Command::Notify(args) => notify::run(context, args),
        Command::Adjust(args) => correction::run_adjust(context, args),
        Command::Penalty(args) => correction::run_penalty(context, args),
        Command::Balance(args) => balance::run(context, args),
        Command::History(args) => history::run(context, args),
        Command::Explain(args) => explain::run(context, args),
        Command::TrialBalance(args) => trial_balance::run(context, args),
        Command::Export(args) => export::run(context, args),
        Command::Forecast(args) => forecast::run(context, args),
        Command::Report(args) => report::run(context, args),
        Command::VerifySync(args) => verify_sync::run(context, args),
        Command::Rebuild(args) => rebuild::run(context, args),
        Command::ExpireRecharges(args) => recharge::run_expire(context, args),
        Command::Currency(args) => currency::run(context, args),
        Command::Migrate(args) => migrate::run(context, args),
        Command::Doctor(args) => doctor::run(context, args),
        Command::Metrics(args) => metrics::run(context, args),
        Command::Roles(args) => roles::run(context, args),
        Command::Schedule(args) => schedule::run(context, args, given),
        Command::Config(args) => config::run(context, args, &Cli::command(), given),
        Command::Completions(args) => completions::run_completions(context, args, Cli::command()),
        Command::Man(args) => completions::run_man(context, args, Cli::command()),
        Command::Seed(args) => seed::run(context, args),
        Command::Demo(args) => demo::run(context, args),
    }
}

/// The one place where an error becomes a message and a code.
fn report(error: &anyhow::Error, writer: Writer) -> Exit {
    let unwritten = error
        .downcast_ref::<std::io::Error>()
        .map(|error| LedgerError::unwritable("the output", error));
    let known = error.downcast_ref::<LedgerError>().or(unwritten.as_ref());
    let failure = match (error.downcast_ref::<Failure>(), known) {
        (Some(failure), _) => failure.clone(),
        (None, Some(error)) => Failure::new(error.code(), error),
        (None, None) => Failure::new(Code::Internal, format!("{error:#}")),
    };
    // Standard error may be gone; the exit code still tells.
    let _ = writer.fail(&failure.object(), &failure.sentence());
    failure.code.exit()
}

/// Help and version are answers; everything else is wrong usage.
fn usage(error: &clap::Error) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return Exit::Done;
    }
    let text = error.render().to_string();
    let as_it_is = !text.chars().any(|c| c != '\n' && is_unprintable(c));
    if !wants_objects() && as_it_is {
        let _ = error.print();
    } else {
        let failure = Failure::new(Code::InvalidInput, text.trim());
        let writer = Writer {
            format: if wants_objects() { Format::Json } else { Format::Table },
            quiet: false,
        };
        let sentence = failure.sentence();
        // The sentence of a usage error begins with that word already.
        let _ = writer.fail(&failure.object(), sentence.trim_start_matches("error: "));
    }
    Exit::Usage
}

/// Whether a program is reading, judged before the arguments could be parsed.
fn wants_objects() -> bool {
    let arguments: Vec<String> = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let given = arguments
        .iter()
        .enumerate()
        .find_map(|(at, argument)| match argument.strip_prefix("--format") {
            Some("") => arguments.get(at + 1).cloned(),
            Some(value) => value.strip_prefix('=').map(str::to_string),
            None => None,
        });
    let format = given.or_else(|| std::env::var("LEDGER_FORMAT").ok());
    matches!(format.as_deref(), Some("json" | "ndjson" | "csv"))
}

/// The whole command tree, with its help as people see it.
pub fn command() -> clap::Command {
    help::examples_first(Cli::command())
}
