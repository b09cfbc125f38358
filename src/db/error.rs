//! What can go wrong with a database, by what the caller can do about it.

use diesel::result::{DatabaseErrorKind, Error};

/// Messages never contain a password: they come from the server, or name the target without it.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("the database is not reachable: {0}; try again, or look closer with `ledger doctor`")]
    Unreachable(String),
    /// The connection broke in the middle; what was in flight may or may not have been committed.
    #[error("the connection to the database was lost: {0}")]
    Lost(String),
    /// The server answers, but for the rows of some accounts it depends on another, which does not.
    #[error("a server that keeps a part of the accounts is not reachable: {0}; try again when it is back")]
    Away(String),
    /// The disk is full or fails. A commit that ended like this may still be found done after a crash.
    #[error("the database's disk is full or fails ({0}): free space, see to the disk, then try again")]
    Storage(String),
    #[error("busy: {0}")]
    Busy(String),
    /// Serialisation failure, deadlock: the same transaction may succeed when run again.
    #[error("the transaction must be run again: {0}")]
    Retry(String),
    /// A key is taken: somebody else was first.
    #[error("a unique key is taken: {0}")]
    Taken(String),
    #[error("{0}")]
    Schema(String),
    #[error("{0}")]
    Configuration(String),
    #[error("the database refuses it: {0}")]
    Denied(String),
    #[error("{0}")]
    Integrity(String),
    #[error("the database failed: {0}")]
    Failed(String),
}

impl DbError {
    /// Whether running the whole transaction again may help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Retry(_))
    }

    /// A row is not as it was read, although the lock is held.
    pub fn moved(what: &str, lock: &str) -> Self {
        Self::Retry(format!("{what} moved under {lock}"))
    }

    pub fn settled_elsewhere(what: &str) -> Self {
        Self::Retry(format!("{what} was settled by somebody else"))
    }

    /// Where who comes second may try again: it finds what the first has written.
    #[must_use]
    pub fn taken_is_retry(self) -> Self {
        match self {
            Self::Taken(text) => Self::Retry(text),
            other => other,
        }
    }

    /// What a text says about the disk, if it does.
    pub fn of_storage(text: &str) -> Option<Self> {
        let about_storage = STORAGE.iter().any(|needle| text.contains(needle));
        about_storage.then(|| Self::Storage(text.to_owned()))
    }

    /// Of a file that cannot be used: the disk's fault where the text says so, else one to be mended by whoever named it.
    pub fn of_file(text: String) -> Self {
        Self::of_storage(&text).unwrap_or(Self::Configuration(text))
    }

    /// Whether there is no telling from here what became of a commit: the connection, a server or the disk is gone.
    pub const fn leaves_open(&self) -> bool {
        matches!(
            self,
            Self::Lost(_) | Self::Unreachable(_) | Self::Away(_) | Self::Storage(_)
        )
    }
}

/// What the coordinator of a cluster says of the others.
const AWAY: [&str; 4] = [
    "connection to the remote node",
    "could not establish any connections to the node",
    "failure on connection marked as essential",
    "lost connection to node",
];

const LOST: [&str; 9] = [
    "server closed the connection",
    "terminating connection",
    "connection to server",
    "no connection to the server",
    "connection not open",
    "could not receive data",
    "could not send data",
    "the database system is",
    "SSL connection has been closed",
];

const STORAGE: [&str; 6] = [
    "disk I/O error",
    "database or disk is full",
    "No space left on device",
    "Input/output error",
    "could not extend file",
    "could not fsync file",
];

/// Engines and drivers report much as "unknown"; the text decides then.
impl From<Error> for DbError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        let says = |needle: &str| text.contains(needle);
        match &error {
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Taken(text),
            Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Retry(text),
            _ if AWAY.iter().any(|needle| says(needle)) => Self::Away(text),
            Error::DatabaseError(DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand, _) => {
                Self::Lost(text)
            }
            Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => Self::Denied(text),
            _ if LOST.iter().any(|needle| says(needle)) => Self::Lost(text),
            _ if let Some(storage) = Self::of_storage(&text) => storage,
            _ if says("UNIQUE constraint failed") => Self::Taken(text),
            _ if says("deadlock detected") || says("could not serialize") => Self::Retry(text),
            _ if says("database is locked") || says("database table is locked") => {
                Self::Busy("another process holds the database's lock".into())
            }
            _ if says("lock timeout") => Self::Busy("another process holds the account's lock".into()),
            _ if says("statement timeout") => {
                Self::Busy("the server ended what took too long (statement_timeout)".into())
            }
            _ if says("permission denied") || says("must be owner") => Self::Denied(format!(
                "{text}; the role that is connected may not do this, see `ledger roles sql`"
            )),
            _ if says("readonly database") => Self::Denied(text),
            _ if says("unable to open database file") => Self::Denied(format!(
                "{text}: this user may not open it, or its -wal and -shm beside it, or write to their directory"
            )),
            _ if says("no such table") || says("no such column") || missing_relation(&text) => Self::Schema(format!(
                "the schema is not as expected ({text}); see `ledger migrate status`"
            )),
            _ if says("file is not a database") => {
                Self::Configuration("the file is not a SQLite database (or is encrypted)".into())
            }
            _ if says("malformed") || says("integer overflow") || says("out of range") => Self::Integrity(text),
            Error::DeserializationError(_) => Self::Integrity(format!("a stored value cannot be read: {text}")),
            _ => Self::Failed(text),
        }
    }
}

fn missing_relation(text: &str) -> bool {
    (text.contains("relation") || text.contains("column")) && text.contains("does not exist")
}
