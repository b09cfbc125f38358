//! Two readers of one page, on a connection each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::db::{Db, DbError};
use crate::ledger::error::LedgerError;
use crate::ledger::interrupt;

/// Lets two readers stop together.
#[derive(Default)]
pub(super) struct Together {
    given_up: AtomicBool,
}

impl Together {
    /// Called now and then by both: there is no use in going on when the other has failed, or nobody waits any more.
    pub(super) fn check(&self) -> Result<(), LedgerError> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(LedgerError::Interrupted);
        }
        interrupt::check()
    }

    /// Both at once, where there is a second connection; otherwise one after the other.
    pub(super) fn read<A, B: Send>(
        &self,
        (db, beside): (&mut Db, Option<&mut Db>),
        one: impl FnOnce(&mut Db) -> Result<A, LedgerError>,
        other: impl FnOnce(&mut Db) -> Result<B, LedgerError> + Send,
    ) -> Result<(A, B), LedgerError> {
        let Some(beside) = beside else {
            return Ok((one(db)?, other(db)?));
        };
        let (here, there) = thread::scope(|scope| {
            let there = scope.spawn(|| self.watched(other(beside)));
            let here = self.watched(one(db));
            let there = there
                .join()
                .unwrap_or_else(|_| Err(DbError::Failed("the second reader has stopped".into()).into()));
            (here, there)
        });
        match (here, there) {
            (Ok(here), Ok(there)) => Ok((here, there)),
            // That it has stopped may be for the other's sake.
            (Err(LedgerError::Interrupted) | Ok(_), Err(error)) | (Err(error), _) => Err(error),
        }
    }

    fn watched<T>(&self, done: Result<T, LedgerError>) -> Result<T, LedgerError> {
        if done.is_err() {
            self.given_up.store(true, Ordering::Relaxed);
        }
        done
    }
}
