//! `ledger access ...`

use clap::{Args, Subcommand};

use super::arguments::{ListArgs, UserArg};
use super::context::{Context, invalid};
use super::help;
use super::values::optional;
use crate::domain::code::Exit;
use crate::domain::text::Resource;
use crate::ledger::access::{self, GrantQuery};
use crate::render;

#[derive(Debug, Subcommand)]
pub enum AccessCommand {
    Check(CheckArgs),
    List(AccessListArgs),
}

/// Has somebody paid for access? Exits 0 for yes and 1 for no
///
/// Looks at the user's accounts in every currency, unless --currency names one. Access ends when it has expired, or
/// when the whole charge that paid for it was refunded or reversed; a refund of a part of it does not end it.
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger access check --user-id 5 --resource profile_analysis:acme -q && echo \"may read\"
    ledger access check --user-id 5 --resource profile_analysis:acme --format json"))]
pub struct CheckArgs {
    #[command(flatten)]
    user: UserArg,
    /// What the access is to, as it was given to charge --grants
    #[arg(long)]
    resource: String,
}

/// List access that charges have paid for, newest first
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger access list --user-id 5
    ledger access list --resource profile_analysis:acme --active --format csv"))]
pub struct AccessListArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Only to this
    #[arg(long)]
    resource: Option<String>,
    /// Only what gives access now: neither revoked nor expired
    #[arg(long)]
    active: bool,
}

pub fn run(context: &Context<'_>, command: &AccessCommand) -> anyhow::Result<Exit> {
    match command {
        AccessCommand::Check(args) => check(context, args),
        AccessCommand::List(args) => list(context, args),
    }
}

fn check(context: &Context<'_>, args: &CheckArgs) -> anyhow::Result<Exit> {
    let user_id = args.user.parse()?;
    let resource = Resource::parse(&args.resource).map_err(invalid)?;
    let currency = context.given_currency()?;
    let checked = context.with_ledger(|ledger| access::check(ledger, &user_id, currency.as_ref(), &resource))?;
    let exit = if checked.allowed() { Exit::Done } else { Exit::No };
    context.ended(&render::access::checked(&checked), exit)
}

fn list(context: &Context<'_>, args: &AccessListArgs) -> anyhow::Result<Exit> {
    let query = GrantQuery {
        account: args.list.account(context)?,
        resource: optional(args.resource.as_deref(), Resource::parse)?,
        active: args.active,
        limit: args.list.limit(),
    };
    let views = context.with_ledger(|ledger| access::list(ledger, &query))?;
    context.done(&render::access::grants(&views))
}
