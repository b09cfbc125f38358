//! A connection to SQLite or PostgreSQL, and how they differ in beginning, locking, streaming and committing.
//!
//! The rest of `db` speaks SQL through [`Connection`], the same text for both wherever they understand it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::{DefaultLoadingMode, SimpleConnection};
use diesel::pg::PgRowByRowLoadingMode;
use diesel::{Connection as _, PgConnection, RunQueryDsl, SqliteConnection};
use tempfile::NamedTempFile;

use super::copy::{Rows, Target, copy};
use super::error::DbError;
use super::postgres;
use super::rows::{FromRow, Loaded};
use super::statement::{Kind, Statement, sql};
use super::url::DatabaseUrl;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Joins the entry `l` at which another row stands, given by that row's columns for account and sequence number.
    ///
    /// PostgreSQL's planner, without statistics, looks a plain join up by the sequence number alone and reads an entry
    /// of every account; the limit makes it use the whole key.
    pub fn join_entry(self, account: &str, seq: &str) -> String {
        match self {
            Self::Sqlite => format!("LEFT JOIN entries l ON l.account_id = {account} AND l.seq = {seq}"),
            Self::Postgres => format!(
                "LEFT JOIN LATERAL (SELECT e.hash, e.balance_after, e.held_after, e.debt_after FROM entries e \
                 WHERE e.account_id = {account} AND e.seq = {seq} LIMIT 1) l ON TRUE"
            ),
        }
    }
}

impl Engine {
    /// A text column to be sorted by its bytes, whatever the database's language is.
    pub fn by_bytes(self, column: &str) -> String {
        match self {
            Self::Sqlite => column.to_owned(),
            Self::Postgres => format!("{column} COLLATE \"C\""),
        }
    }
}

/// Whether a commit waits until the disk has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// For intents: the log is sequential, so a durable effect implies its intent.
    Relaxed,
    Full,
}

/// A connection to either engine.
pub enum Connection {
    Sqlite {
        connection: SqliteConnection,
        durability: Durability,
    },
    Postgres {
        connection: PgConnection,
        is_sharded: bool,
        session: Session,
    },
}

/// Whose session of the server a connection speaks to.
pub enum Session {
    Own,
    /// Somebody else's with the next transaction: a pooler stands in between. Nothing is left in it, so each transaction
    /// is told the settings anew.
    Shared {
        settings: String,
    },
}

impl Connection {
    /// Connects and asserts the settings on which durability rests. Does not look at the schema.
    pub fn open(url: &DatabaseUrl, lock_timeout: Duration) -> Result<Self, DbError> {
        match url {
            DatabaseUrl::Sqlite(path) => open_sqlite(path),
            DatabaseUrl::Postgres(address) => postgres::open(address, url, lock_timeout),
        }
    }

    pub const fn engine(&self) -> Engine {
        match self {
            Self::Sqlite { .. } => Engine::Sqlite,
            Self::Postgres { .. } => Engine::Postgres,
        }
    }

    /// Whether the rows of one account may be on another server than those of the next. A statement then has to name
    /// its account for every table that has one, and to change one table only.
    pub const fn is_sharded(&self) -> bool {
        matches!(self, Self::Postgres { is_sharded: true, .. })
    }

    /// Whether a pooler may give the next transaction another session.
    pub const fn shares_session(&self) -> bool {
        matches!(
            self,
            Self::Postgres {
                session: Session::Shared { .. },
                ..
            }
        )
    }

    /// Runs a statement; how many rows it touched.
    pub fn execute(&mut self, statement: &Statement<'_, impl Kind>) -> Result<usize, DbError> {
        let done = match self {
            Self::Sqlite { connection, .. } => statement.execute(connection),
            Self::Postgres { connection, .. } => statement.execute(connection),
        };
        Ok(done?)
    }

    pub fn rows<T: FromRow>(&mut self, statement: &Statement<'_, impl Kind>) -> Result<Vec<T>, DbError> {
        let loaded: Vec<Loaded<T>> = match self {
            Self::Sqlite { connection, .. } => statement.load(connection),
            Self::Postgres { connection, .. } => statement.load(connection),
        }?;
        Ok(loaded.into_iter().map(|Loaded(row)| row).collect())
    }

    pub fn row<T: FromRow>(&mut self, statement: &Statement<'_, impl Kind>) -> Result<Option<T>, DbError> {
        Ok(self.rows(statement)?.into_iter().next())
    }

    /// Hands each row over as it arrives, so that a large answer needs no memory.
    pub fn stream<T: FromRow, E: From<DbError>>(
        &mut self,
        statement: &Statement<'_>,
        mut each: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Sqlite { connection, .. } => {
                let rows = statement
                    .load_iter::<Loaded<T>, DefaultLoadingMode>(connection)
                    .map_err(DbError::from)?;
                for row in rows {
                    each(row.map_err(DbError::from)?.0)?;
                }
            }
            Self::Postgres { connection, .. } => {
                let rows = statement
                    .load_iter::<Loaded<T>, PgRowByRowLoadingMode>(connection)
                    .map_err(DbError::from)?;
                for row in rows {
                    each(row.map_err(DbError::from)?.0)?;
                }
            }
        }
        Ok(())
    }

    /// As [`Self::stream`], for very many rows in no particular order, of a statement without values; within a
    /// transaction.
    ///
    /// PostgreSQL hands them over in large portions, which is cheaper than row by row, and in the order in which they
    /// lie on the disk, from its beginning.
    pub fn stream_portions<T: FromRow, E: From<DbError>>(
        &mut self,
        statement: &str,
        mut each: impl FnMut(T) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.engine() == Engine::Sqlite {
            return self.stream(&sql(statement.to_owned()), each);
        }
        self.script(&format!(
            "SET LOCAL jit = off; SET LOCAL synchronize_seqscans = off; SET LOCAL cursor_tuple_fraction = 1; \
             DECLARE portions NO SCROLL CURSOR FOR {statement}"
        ))?;
        let fetch = sql("FETCH 1000 FROM portions");
        loop {
            let mut rows = 0;
            if let Self::Postgres { connection, .. } = self {
                let portion = fetch
                    .load_iter::<Loaded<T>, DefaultLoadingMode>(connection)
                    .map_err(DbError::from)?;
                for row in portion {
                    rows += 1;
                    each(row.map_err(DbError::from)?.0)?;
                }
            }
            if rows == 0 {
                break;
            }
        }
        Ok(self.script("CLOSE portions")?)
    }

    /// Appends rows as one stream, which PostgreSQL alone has; see [`copy`].
    pub fn copy<I: Iterator + Clone>(
        &mut self,
        target: Target,
        items: I,
        cells: impl Fn(&mut Rows, I::Item) -> &mut Rows,
    ) -> Result<usize, DbError> {
        match self {
            Self::Sqlite { .. } => Err(DbError::Configuration("SQLite has no COPY".into())),
            Self::Postgres { connection, .. } => Ok(copy(connection, target, items, cells)?),
        }
    }

    /// Runs a script of statements without values or results.
    pub fn script(&mut self, text: &str) -> Result<(), DbError> {
        match self {
            Self::Sqlite { connection, .. } => connection.batch_execute(text),
            Self::Postgres { connection, .. } => connection.batch_execute(text),
        }?;
        Ok(())
    }

    /// Begins a writing transaction.
    ///
    /// SQLite takes the write lock at once: a transaction that reads first and writes later could not wait for it.
    pub fn begin_write(&mut self, durability: Durability) -> Result<(), DbError> {
        if let Self::Sqlite {
            connection,
            durability: current,
        } = self
            && *current != durability
        {
            // FULL waits for the disk at every commit, NORMAL only at checkpoints.
            connection.batch_execute(match durability {
                Durability::Full => "PRAGMA synchronous = FULL",
                Durability::Relaxed => "PRAGMA synchronous = NORMAL",
            })?;
            *current = durability;
        }
        match (self.engine(), durability) {
            (Engine::Sqlite, _) => self.execute(&sql("BEGIN IMMEDIATE")).map(|_| ()),
            (Engine::Postgres, Durability::Full) => self.begin("BEGIN"),
            (Engine::Postgres, Durability::Relaxed) => self.begin("BEGIN; SET LOCAL synchronous_commit = off"),
        }
    }

    /// Begins a transaction by that script, and tells it what its session has not been told.
    fn begin(&mut self, script: &str) -> Result<(), DbError> {
        match self {
            Self::Postgres {
                session: Session::Shared { settings },
                ..
            } => {
                let script = format!("{script}; {settings}");
                self.script(&script)
            }
            _ => self.script(script),
        }
    }

    /// For a stream of large transactions.
    pub fn begin_bulk(&mut self) -> Result<(), DbError> {
        match self.engine() {
            // What each statement may have to undo stays in memory: once it has gone to a file, which a few pages are
            // enough for, every page that any statement changes is written there first. The log is folded in less often,
            // so that a page which several transactions change is written back once. An entry's account is not looked up
            // again: it was found under the lock that is held.
            Engine::Sqlite => self.script(
                "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 131072; PRAGMA foreign_keys = OFF; \
                 PRAGMA cache_size = -16000",
            ),
            Engine::Postgres => Ok(()),
        }
    }

    /// Folds the long log in, as far as nobody is reading it, so that the next command need not.
    pub fn end_bulk(&mut self) -> Result<(), DbError> {
        match self.engine() {
            Engine::Sqlite => self.script(
                "PRAGMA temp_store = DEFAULT; PRAGMA wal_autocheckpoint = 1000; PRAGMA foreign_keys = ON; \
                 PRAGMA wal_checkpoint(PASSIVE)",
            ),
            Engine::Postgres => Ok(()),
        }
    }

    /// Begins a transaction that sees one moment and writes nothing.
    pub fn begin_read(&mut self) -> Result<(), DbError> {
        self.begin(match self.engine() {
            Engine::Sqlite => "BEGIN",
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        })
    }

    pub fn commit(&mut self) -> Result<(), DbError> {
        match self.engine() {
            // Prepared once; a script is parsed every time.
            Engine::Sqlite => self.execute(&sql("COMMIT")).map(|_| ()),
            Engine::Postgres => self.script("COMMIT"),
        }
    }

    /// Takes the lock of an account's balance row, where the transaction does not hold everything already.
    ///
    /// By UPDATE, because a lock taken by SELECT does not hold off a move of the row between servers.
    pub fn lock_balance(&mut self, account_id: i64) -> Result<(), DbError> {
        if self.engine() == Engine::Postgres {
            self.execute(&sql("UPDATE balances SET last_seq = last_seq WHERE account_id = ?").bind(account_id))?;
        }
        Ok(())
    }

    /// Copies the whole of a SQLite database beside itself; the copy is gone again unless it is kept.
    pub fn copy_to(&mut self, to: PathBuf) -> Result<Copied, DbError> {
        let mut part = tempfile::Builder::new();
        part.prefix(to.file_name().unwrap_or_default()).suffix(".part");
        let part = part
            .tempfile_in(to.parent().unwrap_or(Path::new("")))
            .map_err(|error| uncopied(&to, &error))?;
        self.execute(&sql("VACUUM INTO ?").bind(part.path().to_string_lossy().as_ref()))?;
        part.as_file().sync_all().map_err(|error| uncopied(&to, &error))?;
        Ok(Copied { part, to })
    }
}

/// A copy of the database that has not got its name yet.
pub struct Copied {
    part: NamedTempFile,
    to: PathBuf,
}

impl Copied {
    /// From now on it is there, as a whole; where.
    pub fn keep(self) -> Result<PathBuf, DbError> {
        self.part
            .persist(&self.to)
            .map_err(|error| uncopied(&self.to, &error))?;
        Ok(self.to)
    }
}

fn uncopied(to: &Path, error: &dyn std::fmt::Display) -> DbError {
    DbError::of_file(format!("{} cannot be written: {error}", to.display()))
}

/// Creates an empty file that only its owner can read.
fn create_private(path: &Path) -> Result<(), DbError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match created {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(DbError::of_file(format!(
            "{} cannot be created: {error}",
            path.display()
        ))),
        _ => Ok(()),
    }
}

fn open_sqlite(path: &Path) -> Result<Connection, DbError> {
    let unusable = |error: &dyn std::fmt::Display| {
        DbError::of_file(format!("{} cannot be opened as a database: {error}", path.display()))
    };
    create_private(path)?;
    let text = path.to_str().ok_or_else(|| unusable(&"its path is not valid UTF-8"))?;
    // A name that begins with "file:" would be read as a URI with options.
    let text = if text.starts_with("file:") {
        format!("./{text}")
    } else {
        text.to_string()
    };
    let mut connection = SqliteConnection::establish(&text).map_err(|error| unusable(&error))?;
    // Waiting for the lock is the unit of work's, which is fair and can tell how long it waited.
    connection
        .batch_execute(
            "PRAGMA busy_timeout = 2000; PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; \
             PRAGMA cache_size = -32000;",
        )
        .map_err(DbError::from)?;
    let mut opened = Connection::Sqlite {
        connection,
        durability: Durability::Full,
    };
    let mode: Option<String> = opened.row(&sql("PRAGMA journal_mode = WAL"))?;
    if mode.as_deref() != Some("wal") {
        return Err(unusable(
            &"it cannot use write-ahead logging (a network or read-only file system?)",
        ));
    }
    let synchronous: Option<i64> = opened.row(&sql("PRAGMA synchronous"))?;
    if synchronous != Some(2) {
        return Err(unusable(&"it does not accept synchronous = FULL"));
    }
    opened.script("PRAGMA busy_timeout = 0")?;
    Ok(opened)
}
