//! What the database says of itself, for `ledger doctor`; each engine is asked in its own words.

use diesel::deserialize;

use super::backend::Engine;
use super::connection::Db;
use super::error::DbError;
use super::statement::{Columns, FromRow, sql};
use crate::domain::time::Timestamp;

/// `SQLite 3.51.3`, `PostgreSQL 15.8`.
pub fn version(db: &mut Db) -> Result<String, DbError> {
    let (name, select) = match db.engine() {
        Engine::Sqlite => ("SQLite", "SELECT sqlite_version()"),
        Engine::Postgres => ("PostgreSQL", "SELECT current_setting('server_version')"),
    };
    let version: Option<String> = db.row(&sql(select))?;
    Ok(format!("{name} {}", version.unwrap_or_default()))
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

/// What a role may do with the entries, the most that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    Superuser,
    Owner,
    Append,
    Read,
    None,
}

struct Role(String, Rights);

impl FromRow for Role {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let name = columns.text()?;
        let rights = match columns.int()? {
            4 => Rights::Superuser,
            3 => Rights::Owner,
            2 => Rights::Append,
            1 => Rights::Read,
            _ => Rights::None,
        };
        Ok(Self(name, rights))
    }
}

/// Who is connected, with which rights; `None` where the database knows no roles, or has no entries yet.
pub fn role(db: &mut Db) -> Result<Option<(String, Rights)>, DbError> {
    if db.is_sqlite() {
        return Ok(None);
    }
    let role: Option<Role> = db.row(&sql(
        "SELECT CAST(r.rolname AS TEXT), CAST(CASE WHEN r.rolsuper THEN 4 WHEN pg_has_role(c.relowner, 'USAGE') THEN 3 \
         WHEN has_table_privilege(c.oid, 'INSERT') THEN 2 WHEN has_table_privilege(c.oid, 'SELECT') THEN 1 \
         ELSE 0 END AS BIGINT) \
         FROM pg_class c, pg_roles r WHERE c.oid = to_regclass('entries') AND r.rolname = current_user",
    ))?;
    Ok(role.map(|Role(name, rights)| (name, rights)))
}

/// How many attempts have been pending since before that moment. Reads all of them.
pub fn attempts_left(db: &mut Db, before: Timestamp) -> Result<i64, DbError> {
    let select = sql("SELECT COUNT(*) FROM intents WHERE state = 'pending' AND created_at <= ?");
    Ok(db.row(&select.bind(before.micros()))?.unwrap_or(0))
}
