//! Writing events, in the transaction of what they tell of.

use super::clock::unique_name;
use crate::db::outbox::{NewEvent, events_insert};
use crate::db::{Db, DbError};
use crate::domain::account::AccountId;
use crate::domain::event::Event;
use crate::domain::text::escape_unprintable;
use crate::domain::time::Timestamp;

/// The event as it will be kept, under a delivery id that nothing else has.
pub(super) fn sealed_event(account: AccountId, event: &Event, at: Timestamp) -> NewEvent {
    NewEvent {
        account,
        kind: event.kind,
        payload: escape_unprintable(&event.payload.to_string()).into_owned(),
        delivery_id: unique_name(),
        at,
    }
}

/// Writes the events of one account in the running transaction.
pub(super) fn tell(db: &mut Db, account: AccountId, events: &[Event], at: Timestamp) -> Result<(), DbError> {
    let events: Vec<NewEvent> = events.iter().map(|event| sealed_event(account, event, at)).collect();
    events_insert(db, &events)
}
