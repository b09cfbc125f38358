//! `ledger balance`

use clap::Args;
use serde_json::json;

use super::arguments::{UserArg, time};
use super::context::Context;
use super::help;
use crate::domain::code::Exit;
use crate::ledger::{account, inspect};
use crate::render;

/// Show an account's balance, now or at a past moment
#[derive(Debug, Args)]
#[command(after_help = help::reading("\
    ledger balance --user-id 5
    ledger balance --user-id 5 --at 2026-03-01T00:00:00Z --format json"))]
pub struct BalanceArgs {
    #[command(flatten)]
    user: UserArg,
    /// As it was after the last entry made by this moment (RFC 3339)
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

pub fn run(context: &Context<'_>, args: &BalanceArgs) -> anyhow::Result<Exit> {
    let user_id = args.user.parse()?;
    let at = time(args.at.as_deref(), "--at")?;
    let mut ledger = context.ledger()?;
    let code = context.currency_code()?;
    let view = match at {
        None => account::find(&mut ledger, &user_id, &code)?,
        Some(at) => inspect::balance_at(&mut ledger, &user_id, &code, at)?,
    };
    ledger.leave_open();
    let extra = at.map(|at| ("at", json!(at.to_string())));
    let headline = at.map(|at| format!("As of {at}:"));
    context.done(&render::account::account("balance", &view, extra.as_slice(), headline))
}
