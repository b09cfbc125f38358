//! `ledger charge`

use clap::Args;

use super::arguments::{KeyArg, NoteArgs, UserArg, amount};
use super::context::{Context, invalid};
use super::help;
use crate::domain::code::Exit;
use crate::domain::operation::Operation;
use crate::domain::text::Service;
use crate::ledger::post::{Request, post};

/// Charge an account for a service
///
/// Refused (402) when the balance is smaller than the amount: nothing is written then but the attempt.
#[derive(Debug, Args)]
#[command(after_help = help::money("\
    ledger charge --user-id 5 --amount 50000 --service vps --reference VpsUsage:123
    ledger charge --user-id 5 --amount 0.50 --service email --idempotency-key usage-2026-03-01"))]
pub struct ChargeArgs {
    #[command(flatten)]
    user: UserArg,
    /// Plain decimal digits: 1500, 1500.50
    #[arg(long, allow_hyphen_values = true)]
    amount: String,
    /// What is paid for: vps, hosting, email, cdn, ssl ...
    #[arg(long)]
    service: String,
    #[command(flatten)]
    note: NoteArgs,
    #[command(flatten)]
    key: KeyArg,
}

pub fn run(context: &Context<'_>, args: &ChargeArgs) -> anyhow::Result<Exit> {
    let (user_id, note, key) = (args.user.parse()?, args.note.parse()?, args.key.parse()?);
    let service = Service::parse(&args.service).map_err(invalid)?;
    let mut ledger = context.ledger()?;
    let currency = context.currency(&mut ledger)?;
    let amount = amount(&args.amount, &currency)?;
    let request = Request {
        user_id,
        currency,
        operation: Operation::Charge { amount, service },
        note,
        key,
    };
    let answer = post(&mut ledger, &request)?;
    ledger.leave_open();
    context.answered("charge", &answer)
}
