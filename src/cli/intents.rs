//! `ledger intents ...`

use chrono::TimeDelta;
use clap::{Args, Subcommand};

use super::arguments::{BetweenArgs, ListArgs, OwnerArg, UserArg};
use super::context::{Context, invalid};
use super::values::{one_of, span};
use super::{help, signals};
use crate::domain::code::Exit;
use crate::domain::intent::IntentState;
use crate::domain::operation::OperationKind;
use crate::domain::text::IdempotencyKey;
use crate::ledger::LedgerError;
use crate::ledger::intents::{self, Choice, IntentQuery, Replays};
use crate::render;

#[derive(Debug, Subcommand)]
pub enum IntentsCommand {
    List(IntentsListArgs),
    Show(ShowArgs),
    Resolve(ResolveArgs),
    Replay(ReplayArgs),
}

/// Show attempts and how they ended, newest first
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger intents list --user-id 5
    ledger intents list --state pending --older-than 10m
    ledger intents list --state failed --operation charge --since 2026-03-01T00:00:00Z --format csv"))]
pub struct IntentsListArgs {
    #[command(flatten)]
    list: ListArgs,
    /// pending, applied, refused or failed
    #[arg(long)]
    state: Option<String>,
    /// charge, recharge, freeze ...: as `apply` calls them
    #[arg(long)]
    operation: Option<String>,
    #[command(flatten)]
    between: BetweenArgs,
    /// Made at least so long ago: 30s, 10m, 48h
    #[arg(long, value_name = "SPAN")]
    older_than: Option<String>,
}

/// Show every attempt under a key: what was asked, what came of it, the entries it made
#[derive(Debug, Args)]
#[command(after_help = help::single("ledger intents show u-1 --user-id 5"))]
pub struct ShowArgs {
    /// The idempotency key
    key: String,
    #[command(flatten)]
    user: UserArg,
}

/// Settle attempts that a crash left pending, from what really happened
///
/// One with entries under its key was applied; one without had no effect and is marked failed (stranded), so that
/// `intents replay --stranded` can make it again. Each is settled under its account's lock and recorded in the log of
/// operations. Attempts younger than --older-than may be in work and are left alone.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger intents resolve
    ledger intents resolve u-1 --user-id 5 --older-than 1m"))]
pub struct ResolveArgs {
    /// Only this idempotency key
    #[arg(requires = "user_id")]
    key: Option<String>,
    #[command(flatten)]
    owner: OwnerArg,
    #[command(flatten)]
    age: AgeArg,
}

/// Make failed or stranded attempts again, each under its own key, so that nothing is done twice
///
/// What was asked is read from the recorded payload and judged anew by the rules, as if the command had been sent again
/// with its key; one alone is answered as that command answers. What has been applied meanwhile stays as it is. Exits 7 when some were refused or failed again.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger intents replay u-1 --user-id 5
    ledger intents replay --stranded
    ledger intents replay --failed --user-id 5"))]
pub struct ReplayArgs {
    /// Only this idempotency key
    #[arg(requires = "user_id", required_unless_present_any = ["failed", "stranded"])]
    key: Option<String>,
    #[command(flatten)]
    owner: OwnerArg,
    /// All that failed
    #[arg(long, conflicts_with_all = ["key", "stranded"])]
    failed: bool,
    /// All that a crash left behind: pending for --older-than, or resolved as stranded
    #[arg(long, conflicts_with = "key")]
    stranded: bool,
    #[command(flatten)]
    age: AgeArg,
}

/// How long a pending attempt is left to whoever is at work on it.
#[derive(Debug, Args)]
struct AgeArg {
    /// Leave pending attempts alone that are younger: 30s, 10m, 48h
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    older_than: String,
}

impl AgeArg {
    fn parse(&self) -> Result<TimeDelta, LedgerError> {
        age(&self.older_than)
    }
}

fn age(text: &str) -> Result<TimeDelta, LedgerError> {
    TimeDelta::from_std(span(text, "--older-than")?).map_err(invalid)
}

fn key(text: &str) -> Result<IdempotencyKey, LedgerError> {
    IdempotencyKey::parse(text).map_err(invalid)
}

pub fn run(context: &Context<'_>, command: &IntentsCommand) -> anyhow::Result<Exit> {
    match command {
        IntentsCommand::List(args) => run_list(context, args),
        IntentsCommand::Show(args) => {
            let (user_id, key) = (args.user.parse()?, key(&args.key)?);
            let history =
                context.with_ledger(|ledger| intents::show(ledger, &user_id, &context.currency_code()?, &key))?;
            context.done(&render::intents::show(&history))
        }
        IntentsCommand::Resolve(args) => run_resolve(context, args),
        IntentsCommand::Replay(args) => run_replay(context, args),
    }
}

fn run_list(context: &Context<'_>, args: &IntentsListArgs) -> anyhow::Result<Exit> {
    let operation = one_of(
        args.operation.as_deref(),
        "--operation",
        &OperationKind::ALL,
        OperationKind::name,
    )?;
    let query = IntentQuery {
        account: args.list.account(context)?,
        state: one_of(args.state.as_deref(), "--state", &IntentState::ALL, IntentState::name)?,
        operation,
        since: args.between.since()?,
        until: args.between.until()?,
        older_than: args.older_than.as_deref().map(age).transpose()?,
        limit: args.list.limit(),
    };
    let views = context.with_ledger(|ledger| intents::list(ledger, &query))?;
    context.done(&render::intents::list(&views))
}

fn run_resolve(context: &Context<'_>, args: &ResolveArgs) -> anyhow::Result<Exit> {
    let account = args.owner.account(context)?;
    let choice = match (&args.key, account) {
        (Some(text), Some((user_id, currency))) => Choice::Key(user_id, currency, key(text)?),
        (_, account) => Choice::All(account),
    };
    let age = args.age.parse()?;
    signals::long_work();
    let resolution = context.with_ledger(|ledger| intents::resolve(ledger, &choice, age))?;
    let (document, exit) = render::intents::resolved(&resolution);
    context.ended(&document, exit)
}

fn run_replay(context: &Context<'_>, args: &ReplayArgs) -> anyhow::Result<Exit> {
    let account = args.owner.account(context)?;
    let age = args.age.parse()?;
    if let (Some(text), Some((user_id, currency))) = (&args.key, &account) {
        let key = key(text)?;
        let answer = context.with_ledger(|ledger| intents::replay_key(ledger, (user_id, currency, &key), age))?;
        return context.answered(&answer);
    }
    let which = if args.failed {
        Replays::Failed
    } else {
        Replays::Stranded
    };
    signals::long_work();
    let replayed = context.with_ledger(|ledger| intents::replay(ledger, account, which, age))?;
    let (document, exit) = render::intents::replayed(&replayed);
    context.ended(&document, exit)
}
