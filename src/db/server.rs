//! What the database says of itself, for `ledger doctor`; each engine is asked in its own words.

use diesel::deserialize;

use super::backend::Engine;
use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::sql;
use crate::domain::time::Timestamp;

/// `SQLite 3.51.3`, `PostgreSQL 15.8`, `PostgreSQL 15.8, through a pooler`, `PostgreSQL 15.8, with ledger.sharded = on`,
/// `Citus 13.2-1 on 4 nodes, PostgreSQL 17.6`.
pub fn version(db: &mut Db) -> Result<String, DbError> {
    let (name, select) = match db.engine() {
        Engine::Sqlite => ("SQLite", "SELECT sqlite_version()"),
        Engine::Postgres => ("PostgreSQL", "SELECT current_setting('server_version')"),
    };
    let version: Option<String> = db.row(&sql(select))?;
    let mut server = format!("{name} {}", version.unwrap_or_default());
    if db.connection.shares_session() {
        server += ", through a pooler";
    }
    let Some(citus) = citus_version(db)? else {
        let told = if db.connection.is_sharded() {
            ", with ledger.sharded = on"
        } else {
            ""
        };
        return Ok(server + told);
    };
    let nodes: Option<i64> = db.row(&sql(
        "SELECT COUNT(*) FROM pg_dist_node WHERE noderole = 'primary' AND isactive AND shouldhaveshards",
    ))?;
    Ok(format!("Citus {citus} on {} nodes, {server}", nodes.unwrap_or(0)))
}

/// The version of Citus; `None` where the tables are all on this server.
fn citus_version(db: &mut Db) -> Result<Option<String>, DbError> {
    if db.is_sqlite() {
        return Ok(None);
    }
    db.row(&sql("SELECT extversion FROM pg_extension WHERE extname = 'citus'"))
}

/// A table of a cluster that is not where it should be.
#[derive(Clone, Debug)]
pub struct Misplaced {
    pub table: String,
    /// What belongs to an account, as opposed to a small list that belongs on every node.
    pub is_growing: bool,
    /// Spread over the nodes already, but not by the account or not along with the balance rows.
    pub is_distributed: bool,
}

impl FromRow for Misplaced {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            table: columns.text()?,
            is_growing: columns.boolean()?,
            is_distributed: columns.boolean()?,
        })
    }
}

/// The tables that would have statements of one account go to several nodes; `None` where there is no cluster.
pub fn misplaced_tables(db: &mut Db) -> Result<Option<Vec<Misplaced>>, DbError> {
    if citus_version(db)?.is_none() {
        return Ok(None);
    }
    let misplaced = db.rows(&sql(
        "SELECT CAST(c.relname AS TEXT), a.attname IS NOT NULL, p.logicalrelid IS NOT NULL \
         FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id' \
         LEFT JOIN pg_dist_partition p ON p.logicalrelid = c.oid \
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE '\\_\\_%' \
         AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') \
         AND CASE WHEN a.attname IS NULL THEN p.partmethod = 'n' ELSE p.partmethod = 'h' \
         AND column_to_column_name(p.logicalrelid, p.partkey) = 'account_id' AND p.colocationid = \
         (SELECT colocationid FROM pg_dist_partition WHERE logicalrelid = to_regclass('balances')) END IS NOT TRUE \
         ORDER BY c.relname",
    ))?;
    Ok(Some(misplaced))
}

/// The server's time; `None` where the database has no clock of its own.
pub fn clock(db: &mut Db) -> Result<Option<Timestamp>, DbError> {
    if db.is_sqlite() {
        return Ok(None);
    }
    let micros: Option<i64> = db.row(&sql(
        "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
    ))?;
    Ok(micros.map(Timestamp::from_micros))
}

/// The settings on which it rests that an acknowledged operation is not lost, and those of them that are not right.
pub fn careless_settings(db: &mut Db) -> Result<Vec<(&'static str, String)>, DbError> {
    // Opening the connection has refused what SQLite could have wrong, and fsync = off.
    if db.is_sqlite() {
        return Ok(Vec::new());
    }
    let mut careless = Vec::new();
    for name in ["synchronous_commit", "full_page_writes"] {
        let value: Option<String> = db.row(&sql("SELECT current_setting(?)").bind(name))?;
        careless.extend(value.filter(|value| value == "off").map(|value| (name, value)));
    }
    Ok(careless)
}

/// What refuses every change of the entries, of which somebody has taken or switched off these.
pub fn guards_missing(db: &mut Db) -> Result<Vec<&'static str>, DbError> {
    let (guards, select): (&[&'static str], _) = match db.engine() {
        Engine::Sqlite => (
            &["entries_no_update", "entries_no_delete", "entries_no_replace"],
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entries'",
        ),
        Engine::Postgres => (
            &["entries_no_change", "entries_no_truncate"],
            "SELECT CAST(tgname AS TEXT) FROM pg_trigger WHERE tgrelid = 'entries'::regclass AND tgenabled IN ('O', 'A')",
        ),
    };
    let there: Vec<String> = db.rows(&sql(select))?;
    let is_missing = |guard: &&&str| !there.iter().any(|name| name == *guard);
    Ok(guards.iter().filter(is_missing).copied().collect())
}

/// What a role may do with the entries, the most that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    Superuser,
    Owner,
    Append,
    Read,
    None,
}

impl FromRow for Rights {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(match columns.int()? {
            4 => Self::Superuser,
            3 => Self::Owner,
            2 => Self::Append,
            1 => Self::Read,
            _ => Self::None,
        })
    }
}

/// Who is connected, with which rights; `None` where the database knows no roles, or has no entries yet.
pub fn role(db: &mut Db) -> Result<Option<(String, Rights)>, DbError> {
    if db.is_sqlite() {
        return Ok(None);
    }
    db.row(&sql(
        "SELECT CAST(r.rolname AS TEXT), CAST(CASE WHEN r.rolsuper THEN 4 WHEN pg_has_role(c.relowner, 'USAGE') THEN 3 \
         WHEN has_table_privilege(c.oid, 'INSERT') THEN 2 WHEN has_table_privilege(c.oid, 'SELECT') THEN 1 \
         ELSE 0 END AS BIGINT) \
         FROM pg_class c, pg_roles r WHERE c.oid = to_regclass('entries') AND r.rolname = current_user",
    ))
}
