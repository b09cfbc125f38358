//! The schema: embedded migrations, the same names for both engines.

use std::path::PathBuf;

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use super::backend::Connection;
use super::connection::Db;
use super::error::DbError;
use super::statement::sql;
use super::unit_of_work;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrationStatus {
    pub applied: Vec<String>,
    pub pending: Vec<String>,
    /// Applied here, but not known to this program: a newer one was at work.
    pub unknown: Vec<String>,
}

impl MigrationStatus {
    pub fn read(db: &mut Db) -> Result<Self, DbError> {
        let known = known(db)?;
        let applied = applied(db)?;
        let (here, unknown): (Vec<_>, Vec<_>) = applied.into_iter().partition(|version| known.contains(version));
        let pending = known.into_iter().filter(|version| !here.contains(version)).collect();
        Ok(Self {
            applied: here,
            pending,
            unknown,
        })
    }

    fn refuse_newer(&self) -> Result<(), DbError> {
        if self.unknown.is_empty() {
            return Ok(());
        }
        Err(DbError::Schema(format!(
            "the ledger's schema is newer than this program (it has {}); use a newer `ledger`",
            self.unknown.join(", ")
        )))
    }
}

/// Copies a SQLite ledger that is not new beside itself before its schema changes; where it went.
pub fn backup(db: &mut Db) -> Result<Option<PathBuf>, DbError> {
    let before = MigrationStatus::read(db)?;
    let Some(last) = before.pending.last().filter(|_| !before.applied.is_empty()) else {
        return Ok(None);
    };
    let Some(copied) = db.copied(&format!("before-{last}"))? else {
        return Ok(None);
    };
    // Somebody else may have changed it meanwhile, and has a copy of what was before.
    if MigrationStatus::read(db)?.pending.is_empty() {
        return Ok(None);
    }
    copied.keep().map(Some)
}

/// Applies what is pending, all or nothing; the versions applied.
pub fn up(db: &mut Db) -> Result<Vec<String>, DbError> {
    unit_of_work::write(db, "migrate", |db| {
        // Two that migrate at once: the second waits here, and finds nothing left to do.
        db.connection.script(
            "CREATE TABLE IF NOT EXISTS __diesel_schema_migrations \
             (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        )?;
        if matches!(db.connection, Connection::Postgres { .. }) {
            db.connection
                .script("LOCK TABLE __diesel_schema_migrations IN EXCLUSIVE MODE")?;
        }
        let status = MigrationStatus::read(db)?;
        status.refuse_newer()?;
        run_pending(db)?;
        Ok(status.pending)
    })
}

/// What every command asks first: is the schema the one this program was built for? What it applied to make it so.
pub fn require_current(db: &mut Db) -> Result<Vec<String>, DbError> {
    let status = MigrationStatus::read(db)?;
    status.refuse_newer()?;
    if status.pending.is_empty() {
        return Ok(Vec::new());
    }
    if db.is_sqlite() {
        if let Some(copy) = backup(db)? {
            log::warn!(
                "the schema is brought up to date; {} is a copy of the ledger as it was",
                copy.display()
            );
        }
        return up(db);
    }
    Err(DbError::Schema(
        "the database is not migrated; run `ledger migrate up`".into(),
    ))
}

/// Our own transaction is around it, so each migration is run and recorded here as diesel's harness would.
fn run_pending(db: &mut Db) -> Result<(), DbError> {
    let applied = applied(db)?;
    let failed = |error: &dyn std::fmt::Display| DbError::Schema(format!("a migration failed: {error}"));
    macro_rules! run {
        ($connection:expr, $source:expr, $engine:ty) => {
            for migration in MigrationSource::<$engine>::migrations(&$source).map_err(|e| failed(&e))? {
                if !applied.contains(&migration.name().version().to_string()) {
                    migration.run($connection).map_err(|e| failed(&e))?;
                }
            }
        };
    }
    match &mut db.connection {
        Connection::Sqlite { connection, .. } => run!(connection, SQLITE, Sqlite),
        Connection::Postgres { connection, .. } => run!(connection, POSTGRES, Pg),
    }
    for version in known(db)?.iter().filter(|version| !applied.contains(version)) {
        db.execute(&sql("INSERT INTO __diesel_schema_migrations (version) VALUES (?)").bind(version.as_str()))?;
    }
    Ok(())
}

/// The versions this program has, in order.
fn known(db: &Db) -> Result<Vec<String>, DbError> {
    let failed = |error: &dyn std::fmt::Display| DbError::Schema(format!("the migrations cannot be read: {error}"));
    macro_rules! versions {
        ($source:expr, $engine:ty) => {
            MigrationSource::<$engine>::migrations(&$source)
                .map_err(|e| failed(&e))?
                .iter()
                .map(|migration| migration.name().version().to_string())
                .collect()
        };
    }
    let mut versions: Vec<String> = match db.connection {
        Connection::Sqlite { .. } => versions!(SQLITE, Sqlite),
        Connection::Postgres { .. } => versions!(POSTGRES, Pg),
    };
    versions.sort();
    Ok(versions)
}

/// The versions the database has; none where nobody has migrated it yet.
fn applied(db: &mut Db) -> Result<Vec<String>, DbError> {
    match db.rows(&sql(
        "SELECT CAST(version AS TEXT) FROM __diesel_schema_migrations ORDER BY version",
    )) {
        Err(DbError::Schema(_)) => Ok(Vec::new()),
        versions => versions,
    }
}
