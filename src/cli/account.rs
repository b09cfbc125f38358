//! `ledger account ...`

use std::fs::File;
use std::io::stdin;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::arguments::UserArg;
use super::context::{Context, invalid};
use super::help;
use super::values::{amount, optional, threshold};
use crate::domain::code::Exit;
use crate::domain::currency::CurrencyCode;
use crate::domain::text::{Description, UserId};
use crate::input::accounts::AccountLine;
use crate::ledger::account::{self, AccountFilter, Change, Changed, NewAccount, Setting, Settings};
use crate::ledger::{Ledger, LedgerError, currency, import};
use crate::render;
use crate::render::failure::Failure;

#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    Create(CreateArgs),
    Show(ShowArgs),
    List(AccountListArgs),
    Import(ImportArgs),
    /// Refuse charges and freezes; money in is still taken
    #[command(after_help = help::single("ledger account lock --user-id 5 --reason \"chargeback\""))]
    Lock(ReasonArgs),
    /// Allow charges again
    #[command(after_help = help::single("ledger account unlock --user-id 5 --reason \"settled\""))]
    Unlock(ReasonArgs),
    /// Close an empty account for good
    #[command(after_help = help::single("ledger account close --user-id 5 --reason \"has left\""))]
    Close(ReasonArgs),
    Set(SetArgs),
}

/// Create an account; one that exists is left alone
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger account create --user-id 5
    ledger account create --user-id 5 --currency VND --low-balance-threshold 10000"))]
pub struct CreateArgs {
    #[command(flatten)]
    user: UserArg,
    #[command(flatten)]
    threshold: ThresholdArg,
}

#[derive(Debug, Args)]
struct ThresholdArg {
    /// Below this the balance of a new account counts as low
    #[arg(
        long,
        env = "LEDGER_LOW_BALANCE_THRESHOLD",
        value_name = "AMOUNT",
        allow_hyphen_values = true,
        hide_env_values = true
    )]
    low_balance_threshold: Option<String>,
}

/// Show an account's figures and settings
#[derive(Debug, Args)]
#[command(after_help = help::single("ledger account show --user-id 5"))]
pub struct ShowArgs {
    #[command(flatten)]
    user: UserArg,
}

/// List accounts in the order of their creation
#[derive(Debug, Args)]
#[command(after_help = help::single("ledger account list --limit 20\nledger account list --only-currency --currency VND"))]
pub struct AccountListArgs {
    /// Most to show
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Continue after the account of this number (`account` in the JSON)
    #[arg(long, default_value_t = 0)]
    after: i64,
    /// Only accounts in --currency
    #[arg(long)]
    only_currency: bool,
}

/// Create accounts from a CSV or NDJSON file; existing ones are left alone
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger account import users.csv
    ledger account import - < users.ndjson"))]
pub struct ImportArgs {
    /// Columns or fields: user_id, and as wished currency and low_balance_threshold; - is standard input
    file: PathBuf,
    #[command(flatten)]
    threshold: ThresholdArg,
}

#[derive(Debug, Args)]
pub struct ReasonArgs {
    #[command(flatten)]
    user: UserArg,
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
}

/// Change an account's threshold and limits
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger account set --user-id 5 --low-balance-threshold 10000
    ledger account set --user-id 5 --charges-per-minute 60 --spend-per-day 500
    ledger account set --user-id 5 --spend-per-day none"))]
pub struct SetArgs {
    #[command(flatten)]
    user: UserArg,
    /// An amount, or none
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    low_balance_threshold: Option<String>,
    /// A number, or none
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    charges_per_minute: Option<String>,
    /// An amount, or none
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    spend_per_day: Option<String>,
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
}

pub fn run(context: &Context<'_>, command: &AccountCommand) -> anyhow::Result<Exit> {
    match command {
        AccountCommand::Create(args) => create(context, args),
        AccountCommand::Show(args) => show(context, args),
        AccountCommand::List(args) => list(context, args),
        AccountCommand::Import(args) => import_file(context, args),
        AccountCommand::Lock(args) => change(context, "account-lock", (&args.user, &args.reason), Change::Lock),
        AccountCommand::Unlock(args) => change(context, "account-unlock", (&args.user, &args.reason), Change::Unlock),
        AccountCommand::Close(args) => change(context, "account-close", (&args.user, &args.reason), Change::Close),
        AccountCommand::Set(args) => set(context, args),
    }
}

fn create(context: &Context<'_>, args: &CreateArgs) -> anyhow::Result<Exit> {
    let user_id = args.user.parse()?;
    let (view, created) = context.with_ledger(|ledger| {
        let currency = context.currency(ledger)?;
        let given = args.threshold.low_balance_threshold.as_deref();
        let request = NewAccount {
            user_id,
            low_balance_threshold: given.map(|text| threshold(text, &currency)).transpose()?,
            currency,
        };
        account::create(ledger, &request)
    })?;
    let headline = if created {
        "Account created."
    } else {
        "The account exists; it was left alone."
    };
    let extra = [("created", json!(created))];
    context.done(&render::account::account(
        "account-create",
        &view,
        &extra,
        Some(headline.into()),
    ))
}

fn show(context: &Context<'_>, args: &ShowArgs) -> anyhow::Result<Exit> {
    let user_id = args.user.parse()?;
    let view = context.with_ledger(|ledger| account::show(ledger, &user_id, &context.currency_code()?))?;
    context.done(&render::account::account("account-show", &view, &[], None))
}

fn list(context: &Context<'_>, args: &AccountListArgs) -> anyhow::Result<Exit> {
    let currency = args.only_currency.then(|| context.currency_code()).transpose()?;
    let filter = AccountFilter {
        currency,
        after: args.after,
        limit: args.limit,
    };
    let listed = context.with_ledger(|ledger| account::list(ledger, &filter))?;
    let is_whole = listed.iter().all(|one| one.stored.is_some());
    let exit = if is_whole { Exit::Done } else { Exit::Integrity };
    context.ended(&render::account::accounts(&listed), exit)
}

fn change(
    context: &Context<'_>,
    command: &'static str,
    (user, reason): (&UserArg, &Option<String>),
    change: Change,
) -> anyhow::Result<Exit> {
    let user_id = user.parse()?;
    let reason = optional(reason.as_deref(), Description::parse)?;
    let (changed, currency) = context.with_ledger(|ledger| {
        let currency = context.currency(ledger)?;
        let changed = account::change(ledger, &user_id, currency.code(), &change, reason.as_ref())?;
        Ok((changed, currency))
    })?;
    let (view, done) = match changed {
        Changed::Done(view) => (view, true),
        Changed::Already(view) => (view, false),
        Changed::Refused(refusal) => {
            return Err(Failure::refused(&refusal, &currency, None).into());
        }
    };
    let headline = (!done).then(|| "It was so already; nothing was written.".to_string());
    context.done(&render::account::account(
        command,
        &view,
        &[("changed", json!(done))],
        headline,
    ))
}

fn set(context: &Context<'_>, args: &SetArgs) -> anyhow::Result<Exit> {
    let currency = context.with_ledger(|ledger| context.currency(ledger))?;
    let settings = Settings {
        low_balance_threshold: setting(args.low_balance_threshold.as_deref(), |text| threshold(text, &currency))?,
        charges_per_minute: setting(args.charges_per_minute.as_deref(), |text| {
            text.parse()
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(|| invalid("--charges-per-minute is a number above zero"))
        })?,
        spend_per_day: setting(args.spend_per_day.as_deref(), |text| amount(text, &currency))?,
    };
    change(
        context,
        "account-set",
        (&args.user, &args.reason),
        Change::Set(settings),
    )
}

/// Not given: keep it; `none`: remove it; else what it says.
fn setting<T>(text: Option<&str>, read: impl Fn(&str) -> Result<T, LedgerError>) -> Result<Setting<T>, LedgerError> {
    match text {
        None => Ok(Setting::Keep),
        Some("none") => Ok(Setting::Remove),
        Some(text) => read(text).map(Setting::To),
    }
}

fn import_file(context: &Context<'_>, args: &ImportArgs) -> anyhow::Result<Exit> {
    let unreadable = |error: &dyn std::fmt::Display| invalid(format!("{}: {error}", args.file.display()));
    let lines = if args.file.as_os_str() == "-" {
        crate::input::accounts::read(stdin().lock())
    } else {
        crate::input::accounts::read(File::open(&args.file).map_err(|e| unreadable(&e))?)
    };
    let lines = lines.map_err(|error| unreadable(&error))?;
    super::signals::long_work();
    let mut refused = Vec::new();
    let imported = context.with_ledger(|ledger| {
        let default = context.currency_code()?;
        let mut requests = Vec::with_capacity(lines.len());
        for (number, line) in lines {
            let read = line.map_err(invalid).and_then(|mut line| {
                let otherwise = &args.threshold.low_balance_threshold;
                line.low_balance_threshold = line.low_balance_threshold.or_else(|| otherwise.clone());
                request(ledger, &line, &default)
            });
            match read {
                Ok(request) => requests.push(request),
                Err(LedgerError::Invalid { message, .. }) => refused.push((number, message)),
                // It is not the line's fault.
                Err(error) => return Err(error),
            }
        }
        import::import(ledger, &requests)
    })?;
    let exit = if refused.is_empty() { Exit::Done } else { Exit::Partly };
    context.ended(&render::account::imported(imported, &refused), exit)
}

fn request(ledger: &mut Ledger, line: &AccountLine, default: &CurrencyCode) -> Result<NewAccount, LedgerError> {
    let user_id = UserId::parse(&line.user_id).map_err(invalid)?;
    let code = match &line.currency {
        Some(code) => CurrencyCode::parse(code).map_err(invalid)?,
        None => default.clone(),
    };
    let currency = currency::resolve(ledger, &code)?;
    let low_balance_threshold = match &line.low_balance_threshold {
        Some(amount) => Some(threshold(amount, &currency)?),
        None => None,
    };
    Ok(NewAccount {
        user_id,
        currency,
        low_balance_threshold,
    })
}
