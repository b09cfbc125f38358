//! The `outbox` table: events, written in the transaction of their cause.

use super::backend::Engine;
use super::connection::Db;
use super::error::DbError;
use super::statement::{Column, known, known_statement, sql};
use crate::domain::account::AccountId;
use crate::domain::event::EventKind;
use crate::domain::time::Timestamp;

/// An event still without its number.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub account: AccountId,
    pub kind: EventKind,
    /// JSON.
    pub payload: String,
    pub delivery_id: String,
    pub at: Timestamp,
}

/// Writes events in their order; each gets the next number of its account.
///
/// Whoever writes an event of the same account at the same moment, without the account's lock, is waited for, and the
/// transaction must then be run again: numbers are given in the order of the commits, without gaps.
pub fn events_insert(db: &mut Db, events: &[NewEvent]) -> Result<(), DbError> {
    let inserted = match events {
        [] => return Ok(()),
        [event] => event_insert(db, event),
        events => match db.engine() {
            Engine::Sqlite => events.iter().try_for_each(|event| event_insert(db, event)),
            Engine::Postgres => insert_together(db, events),
        },
    };
    inserted.map_err(DbError::taken_is_retry)
}

fn event_insert(db: &mut Db, event: &NewEvent) -> Result<(), DbError> {
    known_statement!(
        Insert,
        "INSERT INTO outbox (account_id, number, kind, payload, delivery_id, created_at) \
         SELECT ?, COALESCE(MAX(number), 0) + 1, ?, ?, ?, ? FROM outbox WHERE account_id = ?"
    );
    let insert = known::<Insert>()
        .bind(event.account.get())
        .bind(event.kind.name())
        .bind(event.payload.as_str())
        .bind(event.delivery_id.as_str())
        .bind(event.at.micros())
        .bind(event.account.get());
    db.execute(&insert).map(|_| ())
}

fn insert_together(db: &mut Db, events: &[NewEvent]) -> Result<(), DbError> {
    let ints = |of: &dyn Fn(&NewEvent) -> i64| Column::ints(events, |event| Some(of(event)));
    let texts = |of: for<'e> fn(&'e NewEvent) -> &'e str| Column::texts(events, |event| Some(of(event)));
    let places = Column::Ints((0_i64..).take(events.len()).map(Some).collect());
    let mut accounts: Vec<i64> = events.iter().map(|event| event.account.get()).collect();
    accounts.sort_unstable();
    accounts.dedup();
    // Looked up once for each account, before the first is written: each look would go through all that have been.
    let insert = sql(
        "WITH last AS MATERIALIZED (SELECT a.id, (SELECT MAX(o.number) FROM outbox o WHERE o.account_id = a.id) AS number \
         FROM unnest(?) AS a (id)) \
         INSERT INTO outbox (account_id, number, kind, payload, delivery_id, created_at) \
         SELECT n.account_id, COALESCE(l.number, 0) + ROW_NUMBER() OVER (PARTITION BY n.account_id ORDER BY n.place), \
         n.kind, n.payload, n.delivery_id, n.created_at \
         FROM unnest(?, ?, ?, ?, ?, ?) AS n (account_id, place, kind, payload, delivery_id, created_at) \
         JOIN last l ON l.id = n.account_id",
    )
    .bind(Column::ints(&accounts, |account| Some(*account)))
    .bind(ints(&|event| event.account.get()))
    .bind(places)
    .bind(texts(|event| event.kind.name()))
    .bind(texts(|event| &event.payload))
    .bind(texts(|event| &event.delivery_id))
    .bind(ints(&|event| event.at.micros()));
    db.execute(&insert).map(|_| ())
}
