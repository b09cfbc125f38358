//! Holds: money set aside until it is committed, released or expires.

use super::entry::Note;
use super::money::{Amount, Minor};
use super::named::named;
use super::record_id::record_id;
use super::text::Service;
use super::time::Timestamp;

record_id!(
    /// How a hold is named outside: `h12-7`.
    HoldId, 'h', "a hold", "ledger holds"
);

named! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum HoldStatus {
        Open = "open",
        Committed = "committed",
        Released = "refunded",
        Expired = "expired",
    }
}

/// A freeze and what became of it: `amount = remaining + committed + released`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub id: HoldId,
    pub amount: Amount,
    /// Still held; zero once it has ended.
    pub remaining: Minor,
    pub committed: Minor,
    pub released: Minor,
    pub status: HoldStatus,
    /// What it will have paid for, once committed.
    pub service: Option<Service>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// The entry that set the money aside.
    pub entry_seq: i64,
    /// Goes on to the entries that end it, where they say nothing else.
    pub note: Note,
}

impl Hold {
    /// Whether its time has run out although nobody has ended it yet.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.status == HoldStatus::Open && self.expires_at.is_some_and(|at| at <= now)
    }

    /// The hold with the status that counts at `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        Self {
            status: self.status_at(now),
            ..self.clone()
        }
    }

    /// The status that counts at `now`: an overdue hold has expired, whether or not the job has come by.
    pub fn status_at(&self, now: Timestamp) -> HoldStatus {
        if self.is_overdue(now) {
            HoldStatus::Expired
        } else {
            self.status
        }
    }
}
