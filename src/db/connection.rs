//! An open ledger: a connection whose schema has been checked.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::backend::{Connection, Copied, Engine};
use super::error::DbError;
use super::migrate;
use super::rows::FromRow;
use super::statement::{Kind, Statement};
use super::unit_of_work;
use super::url::DatabaseUrl;

pub struct Db {
    pub(super) connection: Connection,
    /// Whether a unit of work is under way, which is repeated as a whole.
    pub(super) in_transaction: bool,
    url: DatabaseUrl,
    lock_timeout: Duration,
    /// From where the ledger is administered: `user@host`.
    origin: Option<String>,
    /// The migrations that opening it has applied.
    migrated: Vec<String>,
}

/// What to do about a schema that is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// It must be there; a new SQLite file gets it.
    Expected,
    /// Leave it alone: `migrate` looks for itself.
    Unchecked,
}

impl Db {
    pub fn open(url: &DatabaseUrl, lock_timeout: Duration, schema: Schema) -> Result<Self, DbError> {
        let connection = retried_open(url, lock_timeout)?;
        let mut db = Self {
            connection,
            in_transaction: false,
            url: url.clone(),
            lock_timeout,
            origin: None,
            migrated: Vec::new(),
        };
        if schema == Schema::Expected {
            db.migrated = migrate::require_current(&mut db)?;
        }
        Ok(db)
    }

    /// What is recorded with administrative acts from now on.
    pub fn set_origin(&mut self, origin: String) {
        self.origin = Some(origin);
    }

    pub(super) fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The migrations that opening it has applied: of a new SQLite file all of them.
    pub fn migrated(&self) -> &[String] {
        &self.migrated
    }

    /// A second connection to the same ledger, with less memory of its own.
    pub fn another(&self) -> Result<Self, DbError> {
        let mut other = Self::open(&self.url, self.lock_timeout, Schema::Expected)?;
        other.origin.clone_from(&self.origin);
        other.read_once()?;
        Ok(other)
    }

    /// Keeps fewer pages in memory: whoever reads each of them once has no use for them afterwards.
    pub fn read_once(&mut self) -> Result<(), DbError> {
        if self.is_sqlite() {
            self.connection.script("PRAGMA cache_size = -4000")?;
        }
        Ok(())
    }

    /// Replaces a broken connection, waiting for a server that is just starting again.
    pub fn reconnect(&mut self) -> Result<(), DbError> {
        let deadline = Instant::now() + self.lock_timeout;
        loop {
            match Connection::open(&self.url, self.lock_timeout) {
                Ok(connection) => {
                    self.connection = connection;
                    return Ok(());
                }
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    pub const fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    pub const fn lock_timeout(&self) -> Duration {
        self.lock_timeout
    }

    pub(super) const fn engine(&self) -> Engine {
        self.connection.engine()
    }

    pub const fn is_sqlite(&self) -> bool {
        matches!(self.engine(), Engine::Sqlite)
    }

    /// Whether all accounts are under the same lock, so that who waits for one waits for all.
    pub const fn has_one_lock(&self) -> bool {
        self.is_sqlite()
    }

    /// Prepares for a stream of large transactions; to be ended with [`Db::end_bulk`].
    pub fn begin_bulk(&mut self) -> Result<(), DbError> {
        self.connection.begin_bulk()
    }

    pub fn end_bulk(&mut self) -> Result<(), DbError> {
        self.connection.end_bulk()
    }

    /// A column to be sorted by its bytes, as SQLite does by itself.
    pub(super) fn by_bytes(&self, column: &str) -> String {
        self.engine().by_bytes(column)
    }

    /// Copies a SQLite ledger beside itself before something rewrites it; where it went.
    pub fn backup(&mut self, label: &str) -> Result<Option<PathBuf>, DbError> {
        self.copied(label)?.map(Copied::keep).transpose()
    }

    /// The same, still to be kept.
    pub(super) fn copied(&mut self, label: &str) -> Result<Option<Copied>, DbError> {
        let DatabaseUrl::Sqlite(path) = &self.url else {
            return Ok(None);
        };
        let mut copy = path.clone().into_os_string();
        copy.push(format!(".{label}.backup"));
        self.connection.copy_to(copy.into()).map(Some)
    }

    pub(super) fn execute(&mut self, statement: &Statement<'_, impl Kind>) -> Result<usize, DbError> {
        self.patiently(|connection| connection.execute(statement))
    }

    pub(super) fn rows<T: FromRow>(&mut self, statement: &Statement<'_, impl Kind>) -> Result<Vec<T>, DbError> {
        self.patiently(|connection| connection.rows(statement))
    }

    pub(super) fn row<T: FromRow>(&mut self, statement: &Statement<'_, impl Kind>) -> Result<Option<T>, DbError> {
        self.patiently(|connection| connection.row(statement))
    }

    /// Repeats a statement that has done nothing. SQLite locks readers out for a moment while another process recovers
    /// or folds in the log. On PostgreSQL a statement outside of a transaction is one by itself, which may have failed
    /// for the sake of another; within one, the whole of it is to be repeated. In a session that others use too, it
    /// needs a transaction around it, to be told how long it may wait.
    fn patiently<T>(&mut self, mut run: impl FnMut(&mut Connection) -> Result<T, DbError>) -> Result<T, DbError> {
        if self.connection.shares_session() && !self.in_transaction {
            return unit_of_work::write(self, "statement", |db| run(&mut db.connection));
        }
        let (is_sqlite, is_alone) = (self.is_sqlite(), !self.in_transaction);
        let may_be_repeated = |error: &DbError| match error {
            DbError::Busy(_) => is_sqlite,
            DbError::Retry(_) => !is_sqlite && is_alone,
            _ => false,
        };
        let first = run(&mut self.connection);
        if !matches!(&first, Err(error) if may_be_repeated(error)) {
            return first;
        }
        let deadline = Instant::now() + self.lock_timeout;
        loop {
            std::thread::sleep(Duration::from_micros(fastrand::u64(500..3_000)));
            match run(&mut self.connection) {
                Err(error) if may_be_repeated(&error) && Instant::now() < deadline => {}
                result => return result,
            }
        }
    }
}

/// Several processes that create the file at once wait for each other.
fn retried_open(url: &DatabaseUrl, lock_timeout: Duration) -> Result<Connection, DbError> {
    let deadline = Instant::now() + lock_timeout;
    loop {
        match Connection::open(url, lock_timeout) {
            Err(error) if error.is_transient() && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => return opened,
        }
    }
}
