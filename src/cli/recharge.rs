//! `ledger recharge ...` and `ledger expire-recharges`

use clap::{Args, Subcommand};

use super::arguments::{KeyArg, ListArgs, NoteArgs};
use super::callback::{self, CallbackArgs};
use super::context::{Context, invalid};
use super::help;
use super::values::{amount, expiry, json, one_of};
use crate::domain::code::{Code, Exit};
use crate::domain::operation::{Operation, Settle};
use crate::domain::recharge::{RechargeGoal, RechargeId, RechargeStatus};
use crate::domain::text::{PaymentMethod, UserId};
use crate::ledger::post::Request;
use crate::ledger::recharge::RechargeQuery;
use crate::ledger::{LedgerError, expiry as expiring, recharge};
use crate::render;

/// Top an account up, at once or in steps
///
/// By itself it records the payment and completes it. With --pending it only opens a recharge, which
/// `recharge complete` turns into money once, whoever asks how often.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = help::single("\
    ledger recharge --user-id 5 --amount 500000 --method zalo_pay
    ledger recharge --user-id 5 --amount 20 --method momo --pending --expires-in 30m
    ledger recharge complete r5-1 --gateway-response '{\"txn\":\"A1\"}'
    ledger recharge list --user-id 5"))]
pub struct RechargeArgs {
    #[command(subcommand)]
    step: Option<RechargeCommand>,
    #[command(flatten)]
    open: OpenArgs,
}

/// Required unless a step is given, which is why they are optional here.
#[derive(Debug, Args)]
struct OpenArgs {
    /// Who owns the account: 5, a UUID
    #[arg(long, value_name = "ID", required = true)]
    user_id: Option<String>,
    /// Plain decimal digits: 1500, 1500.50
    #[arg(long, required = true, allow_hyphen_values = true)]
    amount: Option<String>,
    /// bank_transfer, credit_card, paypal, zalo_pay, momo, or any other name
    #[arg(long, required = true)]
    method: Option<String>,
    /// Leave it pending until the gateway answers
    #[arg(long)]
    pending: bool,
    /// With --pending: how long it may take, such as 30m
    #[arg(long, requires = "pending", value_name = "SPAN")]
    expires_in: Option<String>,
    /// What the gateway said, as JSON
    #[arg(long, value_name = "JSON")]
    gateway_response: Option<String>,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    key: KeyArg,
}

#[derive(Debug, Subcommand)]
enum RechargeCommand {
    /// The money has come: add it to the balance, once
    #[command(after_help = help::single("ledger recharge complete r5-1\n\
        ledger recharge complete r5-1 --gateway-response '{\"txn\":\"A1\"}'"))]
    Complete(StepArgs),
    /// The gateway has taken it up; it no longer expires
    #[command(after_help = help::single("ledger recharge process r5-1"))]
    Process(StepArgs),
    /// The gateway has refused it
    #[command(after_help = help::single("ledger recharge fail r5-1 --gateway-response '{\"error\":\"declined\"}'"))]
    Fail(StepArgs),
    /// The user has given it up
    #[command(after_help = help::single("ledger recharge cancel r5-1"))]
    Cancel(StepArgs),
    /// Show recharges, newest first
    #[command(after_help = help::single("\
        ledger recharge list --user-id 5
        ledger recharge list --status pending"))]
    List(RechargeListArgs),
    Callback(CallbackArgs),
}

#[derive(Debug, Args)]
struct StepArgs {
    /// The recharge, such as r12-7
    id: String,
    /// What the gateway said, as JSON
    #[arg(long, value_name = "JSON")]
    gateway_response: Option<String>,
    #[command(flatten)]
    key: KeyArg,
}

#[derive(Debug, Args)]
struct RechargeListArgs {
    #[command(flatten)]
    list: ListArgs,
    /// pending, processing, completed, failed, cancelled or expired
    #[arg(long)]
    status: Option<String>,
}

/// Expire pending recharges whose time has run out
#[derive(Debug, Args)]
#[command(after_help = help::job("ledger expire-recharges -q"))]
pub struct ExpireRechargesArgs {}

pub fn run(context: &Context<'_>, args: &RechargeArgs) -> anyhow::Result<Exit> {
    match &args.step {
        Some(RechargeCommand::Complete(step)) => advance(context, step, RechargeGoal::Completed),
        Some(RechargeCommand::Process(step)) => advance(context, step, RechargeGoal::Processing),
        Some(RechargeCommand::Fail(step)) => advance(context, step, RechargeGoal::Failed),
        Some(RechargeCommand::Cancel(step)) => advance(context, step, RechargeGoal::Cancelled),
        Some(RechargeCommand::List(args)) => list(context, args),
        Some(RechargeCommand::Callback(args)) => callback::run(context, args),
        None => open(context, &args.open),
    }
}

fn open(context: &Context<'_>, args: &OpenArgs) -> anyhow::Result<Exit> {
    let (note, key) = (args.note.parse()?, args.key.parse()?);
    let user_id = UserId::parse(args.user_id.as_deref().unwrap_or_default()).map_err(invalid)?;
    let method = PaymentMethod::parse(args.method.as_deref().unwrap_or_default())
        .map_err(|e| LedgerError::invalid(Code::InvalidMethod, e))?;
    let gateway_response = json(args.gateway_response.as_deref(), "--gateway-response")?;
    let expires_in = expiry(args.expires_in.as_deref())?;
    let settle = if args.pending {
        Settle::Later { expires_in }
    } else {
        Settle::Now
    };
    context.post(|ledger| {
        let currency = context.currency(ledger)?;
        let operation = Operation::Recharge {
            amount: amount(args.amount.as_deref().unwrap_or_default(), &currency)?,
            method,
            settle,
            gateway_response,
        };
        Ok(Request {
            user_id,
            currency,
            operation,
            note,
            key,
        })
    })
}

fn advance(context: &Context<'_>, args: &StepArgs, to: RechargeGoal) -> anyhow::Result<Exit> {
    let id: RechargeId = args.id.parse().map_err(invalid)?;
    let gateway_response = json(args.gateway_response.as_deref(), "--gateway-response")?;
    let key = args.key.parse()?;
    let answer = context.with_ledger(|ledger| recharge::advance(ledger, id, to, gateway_response, key))?;
    context.answered(&answer)
}

fn list(context: &Context<'_>, args: &RechargeListArgs) -> anyhow::Result<Exit> {
    let query = RechargeQuery {
        account: args.list.account(context)?,
        status: one_of(
            args.status.as_deref(),
            "--status",
            &RechargeStatus::ALL,
            RechargeStatus::name,
        )?,
        limit: args.list.limit(),
    };
    let (views, now) = context.with_ledger(|ledger| Ok((recharge::list(ledger, &query)?, ledger.now())))?;
    context.done(&render::recharge::recharges(&views, now))
}

pub fn run_expire(context: &Context<'_>, _args: &ExpireRechargesArgs) -> anyhow::Result<Exit> {
    super::signals::long_work();
    let done = context.with_ledger(expiring::expire_recharges)?;
    let document = render::expiry::expired("expire-recharges", "recharges", &done);
    context.ended(&document, done.exit())
}
