//! `ledger charge`

use clap::Args;

use super::arguments::{MoneyArgs, Reason};
use super::context::{Context, invalid};
use super::help;
use super::values::{amount, lifetime, optional};
use crate::domain::access::Access;
use crate::domain::code::Exit;
use crate::domain::operation::Operation;
use crate::domain::text::{Resource, Service};
use crate::ledger::LedgerError;

/// Charge an account for a service
///
/// Refused (402) when the balance is smaller than the amount: nothing is written then but the attempt, and with
/// --suspend a suspension, which a sufficient recharge ends. Access that is granted ends when the whole charge has been
/// given back, by a refund or a reversal; a part of it does not end it.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger charge --user-id 5 --amount 50000 --service vps --reference VpsUsage:123
    ledger charge --user-id 5 --amount 0.50 --service email --idempotency-key usage-2026-03-01
    ledger charge --user-id 5 --amount 0.50 --service vps --suspend
    ledger charge --user-id 5 --amount 9 --service analysis --grants profile_analysis:acme --access-expires 30d"))]
pub struct ChargeArgs {
    #[command(flatten)]
    money: MoneyArgs,
    /// What is paid for: vps, hosting, email, cdn, ssl ...
    #[arg(long)]
    service: String,
    /// Suspend the account if it cannot pay
    #[arg(long)]
    suspend: bool,
    /// Give access to this in the same breath; see `ledger access check`
    #[arg(long, value_name = "RESOURCE")]
    grants: Option<String>,
    /// How long the access lasts, such as 30d; for ever unless given
    #[arg(long, value_name = "SPAN", requires = "grants")]
    access_expires: Option<String>,
}

impl ChargeArgs {
    fn access(&self) -> Result<Option<Access>, LedgerError> {
        let resource = optional(self.grants.as_deref(), Resource::parse)?;
        let expires_in = lifetime(self.access_expires.as_deref(), "--access-expires")?;
        Ok(resource.map(|resource| Access { resource, expires_in }))
    }
}

pub fn run(context: &Context<'_>, args: &ChargeArgs) -> anyhow::Result<Exit> {
    args.money.post(context, Reason::Optional, |text, currency| {
        Ok(Operation::Charge {
            service: Service::parse(&args.service).map_err(invalid)?,
            amount: amount(text, currency)?,
            suspend: args.suspend,
            grants: args.access()?,
        })
    })
}
