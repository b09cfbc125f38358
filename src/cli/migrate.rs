//! `ledger migrate ...`

use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::help;
use crate::domain::code::Exit;
use crate::ledger::migrate;
use crate::render::{Block, Document};

#[derive(Debug, Subcommand)]
pub enum MigrateCommand {
    /// Show which migrations are applied and which are pending (exit 1)
    #[command(after_help = help::single("ledger migrate status"))]
    Status,
    /// Apply what is pending, all or nothing
    #[command(after_help = help::job("ledger migrate up"))]
    Up,
}

pub fn run(context: &Context<'_>, command: &MigrateCommand) -> anyhow::Result<Exit> {
    let (url, lock_timeout) = (context.database_url()?, context.lock_timeout()?);
    match command {
        MigrateCommand::Status => {
            let status = migrate::status(&url, lock_timeout)?;
            let data = json!({"applied": status.applied, "pending": status.pending, "unknown": status.unknown});
            let human = vec![Block::Pairs(vec![
                ("Applied", listed(&status.applied)),
                ("Pending", listed(&status.pending)),
                ("Unknown (newer)", listed(&status.unknown)),
            ])];
            let exit = match (status.unknown.is_empty(), status.pending.is_empty()) {
                (false, _) => Exit::Configuration,
                (true, false) => Exit::No,
                (true, true) => Exit::Done,
            };
            context.ended(&Document::single("migrate-status", data, human), exit)
        }
        MigrateCommand::Up => {
            let migrated = migrate::up(&url, lock_timeout, (&context.actor()?, context.clock()?))?;
            let backup = migrated.backup.map(|path| path.display().to_string());
            let mut pairs = vec![("Applied now", listed(&migrated.applied))];
            pairs.extend(backup.clone().map(|path| ("Copy before", path)));
            let data = json!({"applied": migrated.applied, "backup": backup});
            context.done(&Document::single("migrate-up", data, vec![Block::Pairs(pairs)]))
        }
    }
}

fn listed(versions: &[String]) -> String {
    if versions.is_empty() {
        "none".into()
    } else {
        versions.join(", ")
    }
}
