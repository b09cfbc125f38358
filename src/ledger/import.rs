//! Importing accounts: new ones are created, existing ones left alone.

use super::account::{NewAccount, insert};
use super::error::LedgerError;
use super::{Ledger, interrupt};
use crate::db::unit_of_work::write;

/// How many accounts of an import were created, and how many were there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub created: u64,
    pub existing: u64,
}

/// Accounts per transaction.
const BATCH: usize = 500;

pub fn import(ledger: &mut Ledger, accounts: &[NewAccount]) -> Result<Imported, LedgerError> {
    let mut imported = Imported::default();
    for batch in accounts.chunks(BATCH) {
        interrupt::check()?;
        let (actor, at) = (ledger.actor.clone(), ledger.now());
        let created = write(&mut ledger.db, "account import", |db| {
            let mut created = 0;
            for new in batch {
                created += u64::from(insert(db, new, "account import", (&actor, at))?);
            }
            Ok::<u64, LedgerError>(created)
        })?;
        imported.created += created;
        imported.existing += batch.len() as u64 - created;
    }
    Ok(imported)
}
