//! Recurring charges: the same amount for the same service, once in every period.

use chrono::{NaiveDate, TimeDelta};
use serde_json::json;

use super::calendar::Schedule;
use super::entry::Note;
use super::money::Amount;
use super::named::named;
use super::operation::Operation;
use super::purchase::Deactivation;
use super::record_id::record_id;
use super::text::{Actor, IdempotencyKey, Json, Service, TextError};
use super::time::Timestamp;

record_id!(
    /// How a recurring charge is named outside: `c12-7`.
    RecurringId, 'c', "a recurring charge", "ledger recurring list"
);

/// What the key of every charge begins with that was made for a period.
pub const KEY_PREFIX: &str = "recurring:";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecurringCharge {
    pub id: RecurringId,
    pub amount: Amount,
    pub service: Service,
    pub schedule: Schedule,
    pub starts_on: NaiveDate,
    /// The last day that may be due.
    pub ends_on: Option<NaiveDate>,
    /// The period that comes next; `None` once it has ended or was cancelled.
    pub next: Option<Due>,
    /// Periods charged so far.
    pub charged: i64,
    pub created_at: Timestamp,
    pub created_by: Actor,
    pub cancelled: Option<Deactivation>,
    /// Goes on to every entry.
    pub note: Note,
    /// The caller's name for it.
    pub key: Option<IdempotencyKey>,
}

/// A period that is to be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its day in the schedule's time zone.
    pub on: NaiveDate,
    pub at: Timestamp,
    /// When it is tried, next: `at` until it was refused.
    pub try_at: Timestamp,
    pub refused: Option<Refused>,
}

/// How a period could not be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub first_at: Timestamp,
    /// At least one.
    pub times: i64,
}

named! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum RecurringState {
        Active = "active",
        /// Every period up to its last day has been charged.
        Ended = "ended",
        Cancelled = "cancelled",
    }
}

/// How long after the first refusal a period is tried again; in order, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries(Vec<TimeDelta>);

impl Retries {
    /// `None` unless each is longer than the one before.
    pub fn new(spans: Vec<TimeDelta>) -> Option<Self> {
        let rising = spans.windows(2).all(|pair| pair[0] < pair[1]);
        let positive = spans.iter().all(|span| *span > TimeDelta::zero());
        (rising && positive).then_some(Self(spans))
    }

    /// When a period is tried again that has been refused so often; `None` when that was the last time.
    fn after(&self, refused: Refused) -> Option<Timestamp> {
        let nth = usize::try_from(refused.times).ok()?.checked_sub(1)?;
        self.0.get(nth).map(|span| refused.first_at.after(*span))
    }
}

impl Due {
    /// The period of that day, not yet tried; `None` past the last day or the end of the calendar.
    pub fn first(schedule: &Schedule, on: Option<NaiveDate>, ends_on: Option<NaiveDate>) -> Option<Self> {
        let on = on.filter(|on| ends_on.is_none_or(|last| *on <= last))?;
        let at = schedule.due_at(on)?;
        Some(Self {
            on,
            at,
            try_at: at,
            refused: None,
        })
    }

    /// The same period after one refusal more; `None` when it has been tried often enough.
    pub fn refused(&self, now: Timestamp, retries: &Retries) -> Option<Self> {
        let refused = match self.refused {
            Some(before) => Refused {
                times: before.times.saturating_add(1),
                ..before
            },
            None => Refused {
                first_at: now,
                times: 1,
            },
        };
        // A time that has passed meanwhile is no second chance within the same run.
        let try_at = retries.after(refused)?.max(now.after(TimeDelta::microseconds(1)));
        Some(Self {
            try_at,
            refused: Some(refused),
            ..*self
        })
    }

    /// The same period as if it had never been tried.
    #[must_use]
    pub const fn afresh(&self) -> Self {
        Self {
            try_at: self.at,
            refused: None,
            ..*self
        }
    }
}

impl RecurringCharge {
    pub const fn state(&self) -> RecurringState {
        match (&self.cancelled, &self.next) {
            (Some(_), _) => RecurringState::Cancelled,
            (None, Some(_)) => RecurringState::Active,
            (None, None) => RecurringState::Ended,
        }
    }

    /// The period that follows, if there is one.
    pub fn following(&self, due: &Due) -> Option<Due> {
        Due::first(&self.schedule, self.schedule.next(due.on), self.ends_on)
    }

    /// What is asked for each period; `suspend` where the account is to be suspended if it cannot pay.
    pub fn operation(&self, suspend: bool) -> Operation {
        Operation::Charge {
            amount: self.amount,
            service: self.service.clone(),
            suspend,
            grants: None,
        }
    }

    /// The one key under which a period can be charged.
    pub fn key_of(&self, due: &Due) -> Result<IdempotencyKey, TextError> {
        IdempotencyKey::parse(&format!("{KEY_PREFIX}{}:{}", self.id, self.schedule.period(due.on)))
    }

    /// What is remembered with the entry of a period: its own metadata unless some was given.
    pub fn note_of(&self, due: &Due) -> Result<Note, TextError> {
        let period = self.schedule.period(due.on);
        let own = json!({"recurring": self.id.to_string(), "period": period}).to_string();
        let metadata = match &self.note.metadata {
            Some(given) => given.clone(),
            None => Json::parse(&own, "the metadata")?,
        };
        Ok(Note {
            metadata: Some(metadata),
            ..self.note.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::{Every, Zone};
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_refused_period_is_tried_again_so_long_after_the_first_refusal_and_then_no_more() {
        let retries = Retries::new(vec![TimeDelta::days(1), TimeDelta::days(3)]).unwrap();
        let daily = Schedule::new(Every::Day, 120, Zone::UTC).unwrap();
        let due = Due::first(&daily, "2026-03-01".parse().ok(), None).unwrap();

        let once = due.refused(at("2026-03-01T02:05:00Z"), &retries).unwrap();
        assert_eq!(once.try_at, at("2026-03-02T02:05:00Z"));
        // A late run does not put the next one off.
        let twice = once.refused(at("2026-03-02T09:00:00Z"), &retries).unwrap();
        assert_eq!(twice.try_at, at("2026-03-04T02:05:00Z"));
        assert_eq!(twice.refused(at("2026-03-04T03:00:00Z"), &retries), None);
        assert_eq!(twice.afresh(), due);
        // A run so late that the next time has passed too is one time, not two.
        let late = once.refused(at("2026-04-01T00:00:00Z"), &retries).unwrap();
        assert!(late.try_at > at("2026-04-01T00:00:00Z"));
    }

    #[test]
    fn retries_come_one_after_the_other() {
        for bad in [[3, 1], [1, 1], [0, 1]] {
            assert_eq!(Retries::new(bad.map(TimeDelta::days).into()), None);
        }
        assert!(Retries::new(Vec::new()).is_some());
    }
}
