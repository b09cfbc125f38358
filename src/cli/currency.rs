//! `ledger currency ...`

use clap::{Args, Subcommand};

use super::context::{Context, invalid};
use super::help;
use crate::domain::code::Exit;
use crate::domain::currency::CurrencyCode;
use crate::ledger::currency;
use crate::render;

#[derive(Debug, Subcommand)]
pub enum CurrencyCommand {
    Add(AddArgs),
    /// Show the units this ledger has added
    #[command(after_help = help::single("ledger currency list"))]
    List,
}

/// Add a unit that ISO 4217 does not have
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger currency add POINTS --exponent 0
    ledger currency add FCFA --exponent 2"))]
pub struct AddArgs {
    /// 2 to 12 upper-case letters, digits or underscores
    code: String,
    /// How many decimal places its amounts have
    #[arg(long)]
    exponent: u8,
}

pub fn run(context: &Context<'_>, command: &CurrencyCommand) -> anyhow::Result<Exit> {
    let document = match command {
        CurrencyCommand::Add(args) => {
            let code = CurrencyCode::parse(&args.code).map_err(invalid)?;
            let (currency, added) = context.with_ledger(|ledger| currency::add(ledger, &code, args.exponent))?;
            render::account::currency_added(&currency, added)
        }
        CurrencyCommand::List => render::account::currencies(&context.with_ledger(currency::list)?),
    };
    context.done(&document)
}
