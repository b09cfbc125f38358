//! `ledger alerts ...`

use clap::{Args, Subcommand};

use super::arguments::ListArgs;
use super::context::{Context, invalid};
use super::help;
use crate::domain::alert::Severity;
use crate::domain::code::Exit;
use crate::ledger::LedgerError;
use crate::ledger::alert::{self, AlertQuery};
use crate::render;

#[derive(Debug, Subcommand)]
pub enum AlertsCommand {
    List(AlertsListArgs),
    Ack(AckArgs),
}

/// Show open alerts, newest first
#[derive(Debug, Args)]
#[command(after_help = help::single("\
    ledger alerts list
    ledger alerts list --severity critical
    ledger alerts list --user-id 5 --all --format json"))]
pub struct AlertsListArgs {
    /// Closed ones too
    #[arg(long)]
    all: bool,
    /// Only of this severity: warning or critical
    #[arg(long)]
    severity: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

impl AlertsListArgs {
    fn query(&self, context: &Context<'_>) -> Result<AlertQuery, LedgerError> {
        let severity = |name: &String| {
            Severity::parse(&name.to_ascii_uppercase()).ok_or_else(|| invalid("--severity is warning or critical"))
        };
        Ok(AlertQuery {
            account: self.list.account(context)?,
            severity: self.severity.as_ref().map(severity).transpose()?,
            all: self.all,
            limit: self.list.limit(),
        })
    }
}

/// Take notice of an alert; it stays open until its cause is gone
#[derive(Debug, Args)]
#[command(after_help = help::single("ledger alerts ack 018f3c1e-7b1a-7c3e-9d2f-aa55aa55aa55"))]
pub struct AckArgs {
    /// The alert, as the list shows it
    id: String,
}

pub fn run(context: &Context<'_>, command: &AlertsCommand) -> anyhow::Result<Exit> {
    let document = match command {
        AlertsCommand::List(args) => {
            let alerts = context.with_ledger(|ledger| alert::list(ledger, &args.query(context)?))?;
            render::alert::alerts(&alerts)
        }
        AlertsCommand::Ack(args) => {
            let (alert, new) = context.with_ledger(|ledger| alert::acknowledge(ledger, &args.id))?;
            render::alert::acknowledged(&alert, new)
        }
    };
    context.done(&document)
}
