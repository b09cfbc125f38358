//! `ledger adjust` and `ledger penalty`: changes by hand, never without a reason.

use clap::Args;

use super::arguments::{KeyArg, NoteArgs, UserArg, amount, amount_error};
use super::context::Context;
use super::help;
use crate::domain::code::Exit;
use crate::domain::money::SignedAmount;
use crate::domain::operation::Operation;
use crate::ledger::post::{Request, post};

/// Correct a balance by hand, up or down
///
/// A negative adjustment beyond the balance is refused (402).
#[derive(Debug, Args)]
#[command(after_help = help::money("\
    ledger adjust --user-id 5 --amount -200 --reason \"charged twice on 3 March\"
    ledger adjust --user-id 5 --amount 15.50 --reason \"goodwill\""))]
pub struct AdjustArgs {
    #[command(flatten)]
    user: UserArg,
    /// With a sign: 200, +200 or -200
    #[arg(long, allow_hyphen_values = true)]
    amount: String,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    key: KeyArg,
}

/// Fine an account
///
/// A lock does not protect from it; a balance that is too small does (402).
#[derive(Debug, Args)]
#[command(after_help = help::money("\
    ledger penalty --user-id 5 --amount 10 --reason \"spam complaint 4711\""))]
pub struct PenaltyArgs {
    #[command(flatten)]
    user: UserArg,
    /// Plain decimal digits: 1500, 1500.50
    #[arg(long, allow_hyphen_values = true)]
    amount: String,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    key: KeyArg,
}

pub fn run_adjust(context: &Context<'_>, args: &AdjustArgs) -> anyhow::Result<Exit> {
    let (user_id, note, key) = (args.user.parse()?, args.note.with_reason()?, args.key.parse()?);
    let mut ledger = context.ledger()?;
    let currency = context.currency(&mut ledger)?;
    let amount = SignedAmount::parse(&args.amount, &currency).map_err(amount_error)?;
    let request = Request {
        user_id,
        currency,
        operation: Operation::Adjust { amount },
        note,
        key,
    };
    let answer = post(&mut ledger, &request)?;
    ledger.leave_open();
    context.answered("adjust", &answer)
}

pub fn run_penalty(context: &Context<'_>, args: &PenaltyArgs) -> anyhow::Result<Exit> {
    let (user_id, note, key) = (args.user.parse()?, args.note.with_reason()?, args.key.parse()?);
    let mut ledger = context.ledger()?;
    let currency = context.currency(&mut ledger)?;
    let amount = amount(&args.amount, &currency)?;
    let request = Request {
        user_id,
        currency,
        operation: Operation::Penalty { amount },
        note,
        key,
    };
    let answer = post(&mut ledger, &request)?;
    ledger.leave_open();
    context.answered("penalty", &answer)
}
