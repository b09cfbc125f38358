//! Rows of another ledger, written as they stood there: accounts with their ids and settings, entries with their
//! hashes, and everything beside them.

use super::access::grant_insert;
use super::backend::Engine;
use super::bulk::entry_cells;
use super::connection::Db;
use super::copy::Target;
use super::entries::entry_insert;
use super::error::DbError;
use super::export::Beside;
use super::gifts::gift_insert;
use super::holds::hold_insert;
use super::intents_bulk::ENDED;
use super::operations::operation_restore;
use super::purchases::purchase_insert;
use super::recharges::recharge_insert;
use super::recurring::recurring_insert;
use super::statement::{Binds, known, known_statement, sql};
use super::suspensions::suspension_insert;
use crate::domain::account::{Account, AccountId};
use crate::domain::entry::Entry;
use crate::domain::intent::Intent;
use crate::domain::money::Minor;

/// Holds everybody else off who wants to open an account, until the transaction ends.
pub fn accounts_lock(db: &mut Db) -> Result<(), DbError> {
    match db.engine() {
        // A writing transaction has the whole file.
        Engine::Sqlite => Ok(()),
        Engine::Postgres => db.connection.script("LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE"),
    }
}

/// An account under its own id; its balance row is not there yet.
pub fn account_restore(db: &mut Db, account: &Account) -> Result<(), DbError> {
    let insert = sql(
        "INSERT INTO accounts (id, user_id, currency, exponent, low_balance_threshold, charges_per_minute, \
         spend_per_day, locked, closed, suspension, revision, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(account.id.get())
    .bind(account.user_id.as_str())
    .bind(account.currency.code().as_str())
    .bind(i64::from(account.currency.exponent()))
    .bind(account.low_balance_threshold.map(Minor::get))
    .bind(account.limits.charges_per_minute.map(i64::from))
    .bind(account.limits.spend_per_day.map(|amount| amount.minor().get()))
    .bind(account.locked)
    .bind(account.closed)
    .bind(account.suspension)
    .bind(account.revision)
    .bind(account.created_at.micros());
    db.execute(&insert).map(|_| ())
}

/// Entries of accounts that are there.
pub fn entries_restore(db: &mut Db, entries: &[(AccountId, Entry)]) -> Result<(), DbError> {
    match db.engine() {
        Engine::Sqlite => entries
            .iter()
            .try_for_each(|(account, entry)| entry_insert(db, *account, entry)),
        Engine::Postgres => {
            let entries = entries.iter().map(|(account, entry)| (*account, entry));
            db.connection.copy(Target::Entries, entries, entry_cells).map(|_| ())
        }
    }
}

/// Attempts with how they ended; how long they took is not known.
pub fn intents_restore(db: &mut Db, intents: &[Intent]) -> Result<(), DbError> {
    match db.engine() {
        Engine::Sqlite => intents.iter().try_for_each(|intent| intent_restore(db, intent)),
        Engine::Postgres => db
            .connection
            .copy(Target::Intents, intents.iter(), |rows, intent| {
                bind_intent(rows, intent)
            })
            .map(|_| ()),
    }
}

fn intent_restore(db: &mut Db, intent: &Intent) -> Result<(), DbError> {
    known_statement!(
        Insert,
        format!("INSERT INTO intents ({ENDED}) VALUES (?{})", ", ?".repeat(12))
    );
    db.execute(&bind_intent(known::<Insert>(), intent)).map(|_| ())
}

fn bind_intent<'a, B: Binds<'a>>(row: B, intent: &'a Intent) -> B {
    row.int(intent.account.get())
        .text(intent.key.as_str())
        .int(i64::from(intent.attempt))
        .text(intent.operation.as_str())
        .text(intent.payload.as_str())
        .text(intent.actor.as_str())
        .int(intent.created_at.micros())
        .text(intent.state.name())
        .text(intent.reason.as_deref())
        .int(intent.entries.map(|(first, _)| first))
        .int(intent.entries.map(|(_, last)| last))
        .int(intent.subject)
        .int(None)
}

/// A record beside the entries of an account that is there.
pub fn beside_restore(db: &mut Db, beside: &Beside) -> Result<(), DbError> {
    match beside {
        Beside::Recharge(recharge) => recharge_insert(db, recharge),
        Beside::Hold(hold) => hold_insert(db, hold),
        Beside::Purchase(purchase) => purchase_insert(db, purchase),
        Beside::Gift(gift) => gift_insert(db, gift),
        Beside::Grant(grant) => grant_insert(db, grant),
        Beside::Suspension(suspension) => suspension_insert(db, suspension),
        Beside::Recurring(charge) => recurring_insert(db, charge),
        Beside::Act(act) => operation_restore(db, act),
        Beside::Intent(intent) => intents_restore(db, std::slice::from_ref(intent)),
    }
}
