//! `ledger balance`

use clap::Args;
use serde_json::json;

use super::arguments::UserArg;
use super::context::Context;
use super::help;
use super::values::{amount, time};
use crate::domain::code::Exit;
use crate::domain::money::Minor;
use crate::domain::text::UserId;
use crate::ledger::inspect::Affordable;
use crate::ledger::{account, inspect};
use crate::render;
use crate::render::failure::Failure;

/// Show an account's balance, now or at a past moment
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger balance --user-id 5
    ledger balance --user-id 5 --require 1500 -q && echo \"can pay\"
    ledger balance --user-id 5 --at 2026-03-01T00:00:00Z --format json"))]
pub struct BalanceArgs {
    #[command(flatten)]
    user: UserArg,
    /// The figures as they were after the last entry made by this moment (RFC 3339); locks and limits are today's
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Could it pay this much now? Exits 1 and says why when not: short of money, locked, suspended, over a limit
    #[arg(long, value_name = "AMOUNT", conflicts_with = "at", allow_hyphen_values = true)]
    require: Option<String>,
}

pub fn run(context: &Context<'_>, args: &BalanceArgs) -> anyhow::Result<Exit> {
    let user_id = args.user.parse()?;
    let at = time(args.at.as_deref(), "--at")?;
    if let Some(required) = &args.require {
        return could_pay(context, &user_id, required);
    }
    let view = context.with_ledger(|ledger| {
        let code = context.currency_code()?;
        match at {
            None => account::show(ledger, &user_id, &code),
            Some(at) => inspect::balance_at(ledger, &user_id, &code, at),
        }
    })?;
    let extra = at.map(|at| ("at", json!(at.to_string())));
    let headline = at.map(|at| format!("As of {at}:"));
    context.done(&render::account::account("balance", &view, extra.as_slice(), headline))
}

fn could_pay(context: &Context<'_>, user_id: &UserId, required: &str) -> anyhow::Result<Exit> {
    let (judged, required, currency) = context.with_ledger(|ledger| {
        let currency = context.currency(ledger)?;
        let required = amount(required, &currency)?;
        let judged = inspect::could_pay(ledger, user_id, currency.code(), required)?;
        Ok((judged, required, currency))
    })?;
    let view = match judged {
        Affordable::Yes(view) => view,
        Affordable::No(refusal) => return Err(Failure::refused(&refusal, &currency, None).into()),
    };
    let required = currency.show(required.minor()).to_string();
    let headline = format!("Can pay {required} {}:", currency.code());
    let extra = [
        ("required", json!(required)),
        ("short_of", json!(currency.show(Minor::ZERO).to_string())),
    ];
    context.done(&render::account::account("balance", &view, &extra, Some(headline)))
}
