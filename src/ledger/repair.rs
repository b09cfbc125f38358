//! Setting one balance row right, under its account's lock, with a record of what it was.

use serde_json::{Value, json};

use super::Ledger;
use super::act::act;
use super::error::LedgerError;
use crate::db::balances::{self, StoredBalance, StoredRow};
use crate::db::proofs::proof_held;
use crate::db::unit_of_work::write;
use crate::db::{Db, DbError, entries};
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::{Break, State, fold};
use crate::domain::drift::{Drift, compare};
use crate::domain::proof::Held;

/// Where an account's chain stops following from what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainBreak {
    pub seq: i64,
    pub reason: Break,
}

/// What became of one account.
#[derive(Clone, Debug)]
pub enum Repair {
    /// It is right: it was never wrong, or somebody has written it since.
    Unneeded,
    Done(Vec<Drift>),
    /// Its entries cannot be trusted, so its row is left as it is.
    Broken(ChainBreak),
}

/// Folds every entry of an account and holds the end against what was proven of it; the state, or where the chain breaks.
pub fn refold(db: &mut Db, account: &Account) -> Result<Result<State, ChainBreak>, LedgerError> {
    let name = (account.user_id.as_str(), account.currency.code().as_str());
    let mut state = State::default();
    let mut broken = None;
    entries::entries_stream(db, account.id, |entry| -> Result<(), LedgerError> {
        if broken.is_none() {
            match fold(&state, name, &entry) {
                Ok(next) => state = next,
                Err(reason) => broken = Some(ChainBreak { seq: entry.seq, reason }),
            }
        }
        Ok(())
    })?;
    // What is cut off the end leaves a chain that follows.
    let broken = match broken {
        None => proof_held(db, account.id)?.and_then(contradiction),
        found => found,
    };
    Ok(broken.map_or(Ok(state), Err))
}

/// How what was proven is no longer so.
pub fn contradiction(held: Held) -> Option<ChainBreak> {
    let seq = held.proof.state.last_seq;
    held.contradiction().map(|reason| ChainBreak { seq, reason })
}

/// That entries were proven of an account that is gone, with them.
pub fn gone(held: &Held) -> Option<ChainBreak> {
    let seq = held.proof.state.last_seq;
    (seq > 0).then_some(ChainBreak {
        seq,
        reason: Break::Gone,
    })
}

/// Recomputes the account's row from its entries and writes it where it differs.
pub fn repair(ledger: &mut Ledger, id: AccountId, command: &str, run_id: &str) -> Result<Repair, LedgerError> {
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    write(&mut ledger.db, "repair", |db| {
        let Some(stored) = balances::balance_lock(db, id)? else {
            return Ok(Repair::Unneeded);
        };
        let missing = stored.account.as_ref().filter(|_| stored.row.is_none());
        if let Some(account) = missing
            && !balances::balance_claim(db, account)?
        {
            // Somebody has just made the row that was missing: look again, under its lock.
            return Err(DbError::Retry("the missing balance row has appeared".into()).into());
        }
        let (drifts, after) = match &stored.account {
            None => match proof_held(db, id)?.as_ref().and_then(gone) {
                Some(broken) => return Ok(Repair::Broken(broken)),
                None => (extra(&stored), None),
            },
            Some(account) => match refold(db, account)? {
                Err(broken) => {
                    // What was missing stays so: the empty row was only there to hold others off.
                    if missing.is_some() {
                        balances::balance_delete(db, id)?;
                    }
                    return Ok(Repair::Broken(broken));
                }
                Ok(state) => (drifts(&stored, account, &state), Some((account, state))),
            },
        };
        if drifts.is_empty() {
            return Ok(Repair::Unneeded);
        }
        match &after {
            Some((account, state)) => balances::balance_put(db, account, state)?,
            None => balances::balance_delete(db, id)?,
        }
        let after = after.map(|(account, state)| {
            describe(&StoredRow {
                state,
                settings_revision: account.revision,
            })
        });
        act(id, command, (&actor, at))
            .in_run(run_id)
            .before(stored.row.map(|row| describe(&row)))
            .after(after)
            .record(db)?;
        Ok(Repair::Done(drifts))
    })
}

/// In what a stored row differs from the state of its account's entries.
pub fn drifts(stored: &StoredBalance, account: &Account, actual: &State) -> Vec<Drift> {
    match &stored.row {
        None => vec![Drift::Missing { actual: actual.figures }],
        Some(row) => compare((&row.state, row.settings_revision), (actual, account.revision)),
    }
}

/// A balance row without an account.
pub fn extra(stored: &StoredBalance) -> Vec<Drift> {
    stored
        .row
        .iter()
        .map(|row| Drift::Extra {
            stored: row.state.figures,
        })
        .collect()
}

fn describe(row: &StoredRow) -> Value {
    let figures = &row.state.figures;
    json!({
        "balance": figures.balance.get(),
        "held": figures.held.get(),
        "debt": figures.debt.get(),
        "total_recharged": figures.total_recharged.get(),
        "total_spent": figures.total_spent.get(),
        "last_seq": row.state.last_seq,
        "chain_head": row.state.chain_head.to_string(),
        "settings_revision": row.settings_revision,
    })
}
