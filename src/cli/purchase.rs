//! `ledger purchase ...`, `ledger deactivate-purchase`, `ledger gift ...` and `ledger process-pending-credits`

use clap::{Args, Subcommand};

use super::arguments::{KeyArg, ListArgs, NoteArgs, UserArg};
use super::context::{Context, invalid};
use super::refund::IfSpentArg;
use super::values::{amount, one_of, optional, pending_span, per_credit};
use super::{help, signals};
use crate::domain::account::AccountId;
use crate::domain::code::Exit;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::operation::{IfSpent, Operation};
use crate::domain::purchase::{CreditState, GiftId, Paid, PurchaseId};
use crate::domain::worth::{Terms, Worth, Worthless};
use crate::ledger::post::Request;
use crate::ledger::purchase::{self, PurchaseQuery};
use crate::ledger::{Ledger, LedgerError, credits, currency};
use crate::render;

const PURCHASE_PER_CREDIT: &str = "100000";
const GIFT_PER_CREDIT: &str = "5000";
const PENDING_HOURS: &str = "48";

#[derive(Debug, Subcommand)]
pub enum PurchaseCommand {
    Record(RecordArgs),
    List(PurchaseListArgs),
}

#[derive(Debug, Subcommand)]
pub enum GiftCommand {
    Grant(GrantArgs),
    Deactivate(DeactivateGiftArgs),
    List(GiftListArgs),
}

/// What was paid, and how much it is worth in credits.
#[derive(Debug, Args)]
struct WorthArgs {
    /// What was paid, plain decimal digits
    #[arg(long, allow_hyphen_values = true)]
    amount: Option<String>,
    /// The currency it was paid in, unless it is the account's
    #[arg(long, env = "LEDGER_PURCHASE_CURRENCY", value_name = "CODE", hide_env_values = true)]
    paid_in: Option<String>,
    /// The credits themselves, instead of reckoning them
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    credits: Option<String>,
}

/// What purchases and gifts are worth where a line of many does not say it.
#[derive(Debug, Args)]
pub struct TermsArgs {
    /// What one credit of a purchase costs, unless a line has per_credit
    #[arg(
        long,
        env = "LEDGER_PURCHASE_PER_CREDIT",
        default_value = PURCHASE_PER_CREDIT,
        value_name = "AMOUNT",
        hide_env_values = true
    )]
    purchase_per_credit: String,
    /// What one credit of a gift costs, unless a line has per_credit
    #[arg(
        long,
        env = "LEDGER_GIFT_PER_CREDIT",
        default_value = GIFT_PER_CREDIT,
        value_name = "AMOUNT",
        hide_env_values = true
    )]
    gift_per_credit: String,
    /// How long the credits of a purchase are pending, unless a line has pending_hours
    #[arg(
        long,
        env = "LEDGER_PENDING_HOURS",
        default_value = PENDING_HOURS,
        value_name = "HOURS",
        hide_env_values = true
    )]
    pending_hours: String,
    /// The currency that is paid in, unless a line has paid_in; else the account's
    #[arg(long, env = "LEDGER_PURCHASE_CURRENCY", value_name = "CODE", hide_env_values = true)]
    paid_in: Option<String>,
}

impl TermsArgs {
    pub fn parse(&self) -> Result<Terms, LedgerError> {
        Ok(Terms {
            purchase_per_credit: per_credit(&self.purchase_per_credit, "--purchase-per-credit")?,
            gift_per_credit: per_credit(&self.gift_per_credit, "--gift-per-credit")?,
            pending_for: pending_span(&self.pending_hours)?,
            paid_in: optional(self.paid_in.as_deref(), CurrencyCode::parse)?,
        })
    }
}

/// Record a purchase that earns credits
///
/// The credits are the amount divided by --per-credit, rounded down to whole ones, or those given. They come after
/// the pending time, by `process-pending-credits`.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger purchase record --user-id 5 --amount 500000 --reference INV-1 --currency POINTS
    ledger purchase record --user-id 5 --amount 19.99 --paid-in USD --credits 20 --currency POINTS"))]
pub struct RecordArgs {
    #[command(flatten)]
    user: UserArg,
    #[command(flatten)]
    worth: WorthArgs,
    /// What one credit costs
    #[arg(
        long,
        env = "LEDGER_PURCHASE_PER_CREDIT",
        default_value = PURCHASE_PER_CREDIT,
        value_name = "AMOUNT",
        hide_env_values = true
    )]
    per_credit: String,
    /// How long the credits are pending, in hours
    #[arg(
        long,
        env = "LEDGER_PENDING_HOURS",
        default_value = PENDING_HOURS,
        value_name = "HOURS",
        hide_env_values = true
    )]
    pending_hours: String,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    key: KeyArg,
}

/// Give credits at once
///
/// The credits are the amount divided by --per-credit, rounded down to whole ones, or those given.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger gift grant --user-id 5 --amount 250000 --currency POINTS
    ledger gift grant --user-id 5 --credits 50 --reason \"birthday\" --currency POINTS"))]
pub struct GrantArgs {
    #[command(flatten)]
    user: UserArg,
    #[command(flatten)]
    worth: WorthArgs,
    /// What one credit costs
    #[arg(
        long,
        env = "LEDGER_GIFT_PER_CREDIT",
        default_value = GIFT_PER_CREDIT,
        value_name = "AMOUNT",
        hide_env_values = true
    )]
    per_credit: String,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    key: KeyArg,
}

/// Show purchases, newest first
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger purchase list --user-id 5 --currency POINTS
    ledger purchase list --state pending"))]
pub struct PurchaseListArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Of the credits: pending, inactive, transferred or taken_back
    #[arg(long)]
    state: Option<String>,
}

/// Show gifts, newest first
#[derive(Debug, Args)]
#[command(after_help = help::single("ledger gift list --user-id 5 --currency POINTS"))]
pub struct GiftListArgs {
    #[command(flatten)]
    list: ListArgs,
}

/// Why something is taken back, and what to do where it is spent.
#[derive(Debug, Args)]
struct TakeBackArgs {
    /// What to do when the credits are gone
    #[arg(long, value_enum, default_value = "refuse")]
    if_spent: IfSpentArg,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    key: KeyArg,
}

/// Take a purchase back, with exactly the credits it has brought
///
/// Credits still pending will not come and the balance stays as it is. Credits that have come are subtracted, once;
/// where they are spent, it is refused (402), or with --if-spent debt what is missing becomes a debt that later money
/// pays off first. Done again, it does nothing and says so.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger deactivate-purchase p5-1 --reason \"order cancelled\"
    ledger deactivate-purchase p5-1 --reason \"fraud\" --if-spent debt"))]
pub struct DeactivatePurchaseArgs {
    /// The purchase, such as p12-7
    id: String,
    #[command(flatten)]
    how: TakeBackArgs,
}

/// Take a gift back, once
#[derive(Debug, Args)]
#[command(after_help = help::single("ledger gift deactivate g5-1 --reason \"granted twice\""))]
pub struct DeactivateGiftArgs {
    /// The gift, such as g12-7
    id: String,
    #[command(flatten)]
    how: TakeBackArgs,
}

/// Bring the credits that are due
///
/// Each credit comes once, however many runs there are; a run that was killed is finished by the next. Exits 7 when
/// some could not be brought: they stay pending and are named.
#[derive(Debug, Args)]
#[command(after_help = help::job("\
    ledger process-pending-credits -q
    ledger process-pending-credits --now 2026-03-03T02:00:00Z"))]
pub struct ProcessPendingCreditsArgs {}

pub fn run_purchase(context: &Context<'_>, command: &PurchaseCommand) -> anyhow::Result<Exit> {
    match command {
        PurchaseCommand::Record(args) => record(context, args),
        PurchaseCommand::List(args) => list(context, args),
    }
}

pub fn run_gift(context: &Context<'_>, command: &GiftCommand) -> anyhow::Result<Exit> {
    match command {
        GiftCommand::Grant(args) => grant(context, args),
        GiftCommand::Deactivate(args) => deactivate_gift(context, args),
        GiftCommand::List(args) => gift_list(context, args),
    }
}

impl WorthArgs {
    /// What was given; amounts paid in another currency are read with its digits.
    fn parse(&self, ledger: &mut Ledger, unit: &Currency) -> Result<Worth, LedgerError> {
        let paid = match &self.amount {
            Some(text) => {
                let currency = match &self.paid_in {
                    Some(code) => currency::resolve(ledger, &CurrencyCode::parse(code).map_err(invalid)?)?,
                    None => unit.clone(),
                };
                let amount = amount(text, &currency)?;
                Some(Paid { amount, currency })
            }
            None => None,
        };
        let credits = self.credits.as_deref().map(|text| amount(text, unit)).transpose()?;
        Ok(Worth { paid, credits })
    }
}

fn worthless(why: Worthless) -> LedgerError {
    LedgerError::invalid(why.code(), why)
}

fn record(context: &Context<'_>, args: &RecordArgs) -> anyhow::Result<Exit> {
    let (user_id, note, key) = (args.user.parse()?, args.note.parse()?, args.key.parse()?);
    let pending_for = pending_span(&args.pending_hours)?;
    let rate = per_credit(&args.per_credit, "--per-credit")?;
    context.post(|ledger| {
        let unit = context.currency(ledger)?;
        let worth = args.worth.parse(ledger, &unit)?;
        Ok(Request {
            operation: worth.purchase(rate, pending_for, &unit).map_err(worthless)?,
            user_id,
            currency: unit,
            note,
            key,
        })
    })
}

fn grant(context: &Context<'_>, args: &GrantArgs) -> anyhow::Result<Exit> {
    let (user_id, note, key) = (args.user.parse()?, args.note.parse()?, args.key.parse()?);
    let rate = per_credit(&args.per_credit, "--per-credit")?;
    context.post(|ledger| {
        let unit = context.currency(ledger)?;
        let worth = args.worth.parse(ledger, &unit)?;
        Ok(Request {
            operation: worth.gift(rate, &unit).map_err(worthless)?,
            user_id,
            currency: unit,
            note,
            key,
        })
    })
}

pub fn run_deactivate(context: &Context<'_>, args: &DeactivatePurchaseArgs) -> anyhow::Result<Exit> {
    let id: PurchaseId = args.id.parse().map_err(invalid)?;
    let named = (id.account, format!("purchase {id}"));
    args.how
        .take_back(context, named, |if_spent| Operation::DeactivatePurchase {
            purchase: id.number,
            if_spent,
        })
}

fn deactivate_gift(context: &Context<'_>, args: &DeactivateGiftArgs) -> anyhow::Result<Exit> {
    let id: GiftId = args.id.parse().map_err(invalid)?;
    let named = (id.account, format!("gift {id}"));
    args.how
        .take_back(context, named, |if_spent| Operation::DeactivateGift {
            gift: id.number,
            if_spent,
        })
}

impl TakeBackArgs {
    /// Takes back what stands in that account under that name.
    fn take_back(
        &self,
        context: &Context<'_>,
        (account, name): (AccountId, String),
        operation: impl FnOnce(IfSpent) -> Operation,
    ) -> anyhow::Result<Exit> {
        let said = (self.note.with_reason()?, self.key.parse()?);
        let answer = context.with_ledger(|ledger| {
            purchase::deactivate(ledger, account, &name, operation(self.if_spent.into()), said)
        })?;
        context.answered(&answer)
    }
}

fn list(context: &Context<'_>, args: &PurchaseListArgs) -> anyhow::Result<Exit> {
    let query = PurchaseQuery {
        account: args.list.account(context)?,
        state: one_of(args.state.as_deref(), "--state", &CreditState::ALL, CreditState::name)?,
        limit: args.list.limit(),
    };
    let views = context.with_ledger(|ledger| purchase::purchases(ledger, &query))?;
    context.done(&render::purchase::purchases(&views))
}

fn gift_list(context: &Context<'_>, args: &GiftListArgs) -> anyhow::Result<Exit> {
    let account = args.list.account(context)?;
    let views = context.with_ledger(|ledger| purchase::gifts(ledger, account.as_ref(), args.list.limit()))?;
    context.done(&render::purchase::gifts(&views))
}

pub fn run_process(context: &Context<'_>, _args: &ProcessPendingCreditsArgs) -> anyhow::Result<Exit> {
    signals::long_work();
    let done = context.with_ledger(|ledger| credits::process(ledger, &context.progress()))?;
    context.ended(&render::purchase::processed(&done), done.exit())
}
