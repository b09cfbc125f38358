//! What broke, or could not be accepted; a rule's "no" is not among it.

use std::time::Duration;

use crate::db::DbError;
use crate::db::unit_of_work::Transient;
use crate::domain::account::AccountId;
use crate::domain::code::Code;

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    Db(#[from] DbError),
    /// Input that cannot be accepted; the message says what to give instead.
    #[error("{message}")]
    Invalid { code: Code, message: String },
    #[error("{0}")]
    NotFound(String),
    #[error("busy: {0}")]
    Busy(String),
    #[error("{0}; nothing was written")]
    RepairLimit(String),
    #[error("account {account}: {what}")]
    Contradiction { account: AccountId, what: &'static str },
    /// The connection broke and did not come back, or the disk failed: the operation may or may not have been applied.
    #[error("{cause}; whether the operation was applied is unknown: send it again with --idempotency-key {key}")]
    Unknown { key: String, cause: DbError },
    /// The same of many operations that are applied together.
    #[error(
        "{cause}; whether all of it was applied or nothing is unknown: \
         before it is sent again, `ledger intents show {key} --user-id {user_id}` tells"
    )]
    InDoubt {
        user_id: String,
        key: String,
        cause: DbError,
    },
    #[error("interrupted")]
    Interrupted,
}

impl LedgerError {
    pub fn invalid(code: Code, message: impl ToString) -> Self {
        Self::Invalid {
            code,
            message: message.to_string(),
        }
    }

    /// For what nobody has asked for under a key: it is done again by itself, and sees then what became of it.
    #[must_use]
    pub fn without_key(self) -> Self {
        match self {
            Self::Unknown { cause, .. } => Self::Db(cause),
            other => other,
        }
    }

    /// Whether others can go on: damage of an account, somebody who holds it for too long, a server that is away.
    pub const fn concerns_one_account(&self) -> bool {
        matches!(
            self,
            Self::Db(DbError::Integrity(_) | DbError::Busy(_) | DbError::Retry(_) | DbError::Away(_))
                | Self::Contradiction { .. }
        )
    }

    /// Of a file, or of standard output: a full disk is told as one, whatever is written.
    pub fn unwritable(place: impl std::fmt::Display, error: &std::io::Error) -> Self {
        let text = format!("{place} cannot be written: {error}");
        let code = match DbError::of_storage(&text) {
            Some(_) => Code::Storage,
            None => Code::InvalidInput,
        };
        Self::invalid(code, text)
    }

    /// Whether there is no telling from here what became of a commit.
    pub const fn leaves_open(&self) -> bool {
        matches!(self, Self::Db(error) if error.leaves_open())
    }

    /// Whether there is no connection any more.
    pub const fn is_cut_off(&self) -> bool {
        matches!(self, Self::Db(DbError::Lost(_) | DbError::Unreachable(_)))
    }

    pub const fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Db(DbError::Busy(_) | DbError::Retry(_)))
    }

    /// Whether others would meet the same: a lock that does not come free, a disk, a server, rights or a schema.
    ///
    /// Of many at once; a transaction of one account that is busy says nothing about the others.
    pub const fn befalls_all(&self) -> bool {
        matches!(
            self,
            Self::Interrupted
                | Self::Db(
                    DbError::Busy(_)
                        | DbError::Lost(_)
                        | DbError::Unreachable(_)
                        | DbError::Storage(_)
                        | DbError::Denied(_)
                        | DbError::Schema(_)
                        | DbError::Configuration(_),
                )
        )
    }

    pub const fn code(&self) -> Code {
        match self {
            Self::Db(error) | Self::Unknown { cause: error, .. } | Self::InDoubt { cause: error, .. } => match error {
                DbError::Unreachable(_) | DbError::Lost(_) | DbError::Away(_) => Code::Unreachable,
                DbError::Storage(_) => Code::Storage,
                DbError::Busy(_) | DbError::Retry(_) => Code::Busy,
                DbError::Schema(_) => Code::Schema,
                DbError::Configuration(_) => Code::Configuration,
                DbError::Denied(_) => Code::Denied,
                DbError::Integrity(_) => Code::Integrity,
                DbError::Taken(_) | DbError::Failed(_) => Code::Internal,
            },
            Self::Invalid { code, .. } => *code,
            Self::NotFound(_) => Code::NotFound,
            Self::Busy(_) => Code::Busy,
            Self::RepairLimit(_) => Code::RepairLimit,
            Self::Contradiction { .. } => Code::Integrity,
            Self::Interrupted => Code::Interrupted,
        }
    }
}

/// An error that is told beside what was found: it has kept a job from some of its work and not from the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    pub code: Code,
    pub message: String,
}

impl From<LedgerError> for Obstacle {
    fn from(error: LedgerError) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

impl Transient for LedgerError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Db(error) if error.is_transient())
    }

    fn still_busy(self, waited: Duration) -> Self {
        match self {
            Self::Db(error) => Self::Db(error.still_busy(waited)),
            other => other,
        }
    }
}
