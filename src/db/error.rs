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
}

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

/// Engines and drivers report much as "unknown"; the text decides then.
impl From<Error> for DbError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        let says = |needle: &str| text.contains(needle);
        match &error {
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Taken(text),
            Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Retry(text),
            Error::DatabaseError(DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand, _) => {
                Self::Lost(text)
            }
            Error::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => Self::Denied(text),
            _ if LOST.iter().any(|needle| says(needle)) => Self::Lost(text),
            _ if says("UNIQUE constraint failed") => Self::Taken(text),
            _ if says("deadlock detected") || says("could not serialize") => Self::Retry(text),
            _ if says("database is locked") || says("database table is locked") => {
                Self::Busy("another process holds the database's lock".into())
            }
            _ if says("lock timeout") => Self::Busy("another process holds the account's lock".into()),
            _ if says("permission denied") || says("must be owner") => Self::Denied(format!(
                "{text}; the role that is connected may not do this, see `ledger roles sql`"
            )),
            _ if says("readonly database") => Self::Denied(text),
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
