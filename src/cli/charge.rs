//! `ledger charge`

use clap::Args;

use super::arguments::{MoneyArgs, Reason, amount};
use super::context::{Context, invalid};
use super::help;
use crate::domain::code::Exit;
use crate::domain::operation::Operation;
use crate::domain::text::Service;

/// Charge an account for a service
///
/// Refused (402) when the balance is smaller than the amount: nothing is written then but the attempt, and with
/// --suspend a suspension, which a sufficient recharge ends.
#[derive(Debug, Args)]
#[command(after_help = help::money("\
    ledger charge --user-id 5 --amount 50000 --service vps --reference VpsUsage:123
    ledger charge --user-id 5 --amount 0.50 --service email --idempotency-key usage-2026-03-01
    ledger charge --user-id 5 --amount 0.50 --service vps --suspend"))]
pub struct ChargeArgs {
    #[command(flatten)]
    money: MoneyArgs,
    /// What is paid for: vps, hosting, email, cdn, ssl ...
    #[arg(long)]
    service: String,
    /// Suspend the account if it cannot pay
    #[arg(long)]
    suspend: bool,
}

pub fn run(context: &Context<'_>, args: &ChargeArgs) -> anyhow::Result<Exit> {
    args.money.post(context, "charge", Reason::Optional, |text, currency| {
        Ok(Operation::Charge {
            service: Service::parse(&args.service).map_err(invalid)?,
            amount: amount(text, currency)?,
            suspend: args.suspend,
        })
    })
}
