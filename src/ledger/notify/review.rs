//! What was told and what was not: listing deliveries, and making them again.

use serde_json::json;

pub use crate::db::deliveries::Listed;
use crate::db::deliveries::{self, Again, DeliveryFilter};
use crate::db::unit_of_work::write;
use crate::domain::account::AccountId;
use crate::domain::currency::CurrencyCode;
use crate::domain::delivery::{Delivery, DeliveryState};
use crate::domain::event::EventId;
use crate::domain::text::UserId;
use crate::ledger::account::chosen;
use crate::ledger::act::act;
use crate::ledger::{Ledger, LedgerError};

/// Which deliveries a list shows.
#[derive(Clone, Debug)]
pub struct DeliveryQuery {
    pub account: Option<(UserId, CurrencyCode)>,
    pub state: Option<DeliveryState>,
    pub limit: i64,
}

/// Newest first.
pub fn list(ledger: &mut Ledger, query: &DeliveryQuery) -> Result<Vec<Listed>, LedgerError> {
    let account = chosen(ledger, query.account.as_ref())?;
    let filter = DeliveryFilter {
        account,
        state: query.state,
        limit: query.limit,
    };
    Ok(deliveries::deliveries_list(&mut ledger.db, &filter)?)
}

/// Lets the deliveries of an event begin anew, whatever became of them; how many.
pub fn resend(ledger: &mut Ledger, id: EventId) -> Result<u64, LedgerError> {
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    write(&mut ledger.db, "notify resend", |db| {
        let before = deliveries::deliveries_of(db, id)?.ok_or_else(|| {
            LedgerError::NotFound(format!("event {id} does not exist; `ledger notify list` shows them"))
        })?;
        if before.is_empty() {
            return Ok(0);
        }
        let states = |delivery: &Delivery| json!({"channel": delivery.channel, "state": delivery.state.name()});
        let states: Vec<_> = before.iter().map(states).collect();
        let resent = deliveries::deliveries_again(db, Again::Of(id), at)?;
        act(id.account, "notify resend", (&actor, at))
            .before(json!({"event": id.to_string(), "deliveries": states}))
            .after(json!({"event": id.to_string(), "pending": resent}))
            .record(db)?;
        Ok(resent as u64)
    })
}

/// Lets every delivery that was given up begin anew; how many.
pub fn resend_dead(ledger: &mut Ledger) -> Result<u64, LedgerError> {
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    write(&mut ledger.db, "notify resend", |db| {
        let resent = deliveries::deliveries_again(db, Again::Dead, at)?;
        if resent > 0 {
            act(AccountId::NONE, "notify resend --dead", (&actor, at))
                .before(json!({"dead": resent}))
                .after(json!({"pending": resent}))
                .record(db)?;
        }
        Ok(resent as u64)
    })
}
