//! `ledger adjust` and `ledger penalty`: changes by hand, never without a reason.

use clap::Args;

use super::arguments::{MoneyArgs, Reason};
use super::context::Context;
use super::help;
use super::values::{amount, amount_error};
use crate::domain::code::Exit;
use crate::domain::money::SignedAmount;
use crate::domain::operation::Operation;

/// Correct a balance by hand, up or down
///
/// A negative adjustment beyond the balance is refused (402).
#[derive(Debug, Args)]
#[command(mut_arg("amount", |arg| arg.help("With a sign: 200, +200 or -200")), after_help = help::single("\
    ledger adjust --user-id 5 --amount -200 --reason \"charged twice on 3 March\"
    ledger adjust --user-id 5 --amount 15.50 --reason \"goodwill\""))]
pub struct AdjustArgs {
    #[command(flatten)]
    money: MoneyArgs,
}

/// Fine an account
///
/// A lock does not protect from it; a balance that is too small does (402).
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger penalty --user-id 5 --amount 10 --reason \"spam complaint 4711\""))]
pub struct PenaltyArgs {
    #[command(flatten)]
    money: MoneyArgs,
}

pub fn run_adjust(context: &Context<'_>, args: &AdjustArgs) -> anyhow::Result<Exit> {
    args.money.post(context, Reason::Required, |text, currency| {
        let amount = SignedAmount::parse(text, currency).map_err(amount_error)?;
        Ok(Operation::Adjust { amount })
    })
}

pub fn run_penalty(context: &Context<'_>, args: &PenaltyArgs) -> anyhow::Result<Exit> {
    args.money.post(context, Reason::Required, |text, currency| {
        let amount = amount(text, currency)?;
        Ok(Operation::Penalty { amount })
    })
}
