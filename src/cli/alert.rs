//! `ledger alerts ...`

use clap::{Args, Subcommand};

use super::context::Context;
use super::help;
use crate::domain::code::Exit;
use crate::ledger::alert;
use crate::render;

#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    List(AlertsListArgs),
    Ack(AckArgs),
}

/// Show open alerts, newest first
#[derive(Debug, Args)]
#[command(after_help = help::reading("\
    ledger alerts list
    ledger alerts list --all --format json"))]
pub struct AlertsListArgs {
    /// Closed ones too
    #[arg(long)]
    all: bool,
    /// Most to show
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

/// Take notice of an alert; it stays open until its cause is gone
#[derive(Debug, Args)]
#[command(after_help = help::money("ledger alerts ack 018f3c1e-7b1a-7c3e-9d2f-aa55aa55aa55"))]
pub struct AckArgs {
    /// The alert, as the list shows it
    id: String,
}

pub fn run(context: &Context<'_>, command: &AlertsCommand) -> anyhow::Result<Exit> {
    let mut ledger = context.ledger()?;
    let document = match command {
        AlertsCommand::List(args) => {
            let alerts = alert::list(&mut ledger, args.all, i64::from(args.limit))?;
            render::alert::alerts(&alerts)
        }
        AlertsCommand::Ack(args) => {
            let (alert, new) = alert::acknowledge(&mut ledger, &args.id)?;
            render::alert::acknowledged(&alert, new)
        }
    };
    ledger.leave_open();
    context.done(&document)
}
