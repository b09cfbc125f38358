//! `ledger roles ...`

use clap::{Args, Subcommand};

use super::context::{Context, invalid};
use super::help;
use crate::domain::code::Exit;
use crate::ledger::{DatabaseUrl, LedgerError};
use crate::render;

#[derive(Debug, Subcommand)]
pub enum RolesCommand {
    Sql(RolesSqlArgs),
}

/// Print SQL for PostgreSQL that makes the roles auditor, operator and admin, and gives each its rights
///
/// An auditor reads everything. An operator does every money operation and every job, and cannot change what was
/// written to the journal. An admin owns the tables and migrates. Run it as a superuser, and again after each
/// `ledger migrate up`. On SQLite the rights to the file are all there is: who may write to it may do anything.
#[derive(Debug, Args)]
#[command(after_help = help::text("\
    ledger roles sql | psql -v ON_ERROR_STOP=1 ledger
    ledger roles sql --schema billing --prefix billing_"))]
pub struct RolesSqlArgs {
    /// Where the ledger's tables are
    #[arg(long, value_name = "NAME", default_value = "public")]
    schema: String,
    /// What the names of the roles begin with
    #[arg(long, value_name = "TEXT", default_value = "ledger_")]
    prefix: String,
}

pub fn run(context: &Context<'_>, RolesCommand::Sql(args): &RolesCommand) -> anyhow::Result<Exit> {
    if let DatabaseUrl::Sqlite(path) = context.database_url()? {
        let message = format!(
            "SQLite has no roles: whoever may write to the file may do anything. Who may only read is given a copy: \
             `sqlite3 {} '.backup copy.db'`; give --database-url postgres://... for the roles of PostgreSQL",
            path.display()
        );
        return Err(invalid(message).into());
    }
    let schema = identifier(&args.schema, "--schema")?;
    let prefix = identifier(&args.prefix, "--prefix")?;
    context.written(&render::roles::roles(schema, prefix))
}

/// What needs no quotes in SQL.
fn identifier<'a>(text: &'a str, what: &str) -> Result<&'a str, LedgerError> {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if begins && text.len() <= 50 && text.bytes().all(is_plain) {
        Ok(text)
    } else {
        Err(invalid(format!(
            "{what} is a name of lower-case letters, digits and underscores"
        )))
    }
}
