//! `ledger operations ...`

use clap::{Args, Subcommand};

use super::arguments::{BetweenArgs, ListArgs};
use super::context::Context;
use super::help;
use crate::domain::code::Exit;
use crate::ledger::operations::{self, ActQuery};
use crate::render;

#[derive(Debug, Subcommand)]
pub enum OperationsCommand {
    List(OperationsListArgs),
}

/// Show administrative acts, newest first: who, from where, which command, before and after
///
/// Accounts created and imported, locked, unlocked, set, closed, suspended and resumed; currencies added; recurring
/// charges agreed on and cancelled; balance rows and access repaired; ledgers imported; migrations; alerts acknowledged
/// and closed; events sent again; intents resolved. Money operations are in `ledger intents list`.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger operations list --user-id 5
    ledger operations list --command \"account lock\" --since 2026-03-01T00:00:00Z
    ledger operations list --limit 1000 --format csv"))]
pub struct OperationsListArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Only this command: "account lock", "verify-sync --fix"
    #[arg(long)]
    command: Option<String>,
    #[command(flatten)]
    between: BetweenArgs,
}

pub fn run(context: &Context<'_>, command: &OperationsCommand) -> anyhow::Result<Exit> {
    let OperationsCommand::List(args) = command;
    let query = ActQuery {
        account: args.list.account(context)?,
        command: args.command.clone(),
        since: args.between.since()?,
        until: args.between.until()?,
        limit: args.list.limit(),
    };
    let views = context.with_ledger(|ledger| operations::list(ledger, &query))?;
    context.done(&render::operations::operations(&views))
}
