//! Deliveries: one event on its way to one channel, tried until it is there or given up.

use chrono::TimeDelta;

use super::currency::CurrencyCode;
use super::event::{EventId, EventKind};
use super::named::named;
use super::text::UserId;
use super::time::Timestamp;

/// An event as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenEvent {
    pub id: EventId,
    pub kind: EventKind,
    /// A JSON object.
    pub payload: String,
    /// What a receiver knows a repeated delivery by: the same at every attempt, on every channel.
    pub delivery_id: String,
    pub created_at: Timestamp,
    /// Whose account it is about; `None` for the ledger as a whole.
    pub about: Option<(UserId, CurrencyCode)>,
}

named! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum DeliveryState {
        Pending = "pending",
        Delivered = "delivered",
        /// Given up, until a person asks for it again.
        Dead = "dead",
    }
}

/// How far the delivery of an event to a channel has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub channel: String,
    pub state: DeliveryState,
    /// Since it was made out, or asked for again.
    pub attempts: u32,
    /// While it is pending.
    pub next_attempt_at: Option<Timestamp>,
    /// What the last attempt that failed has met.
    pub last_error: Option<String>,
    pub finished_at: Option<Timestamp>,
}

impl Delivery {
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_attempt_at.is_some_and(|at| at <= now)
    }

    /// After an attempt that was taken.
    #[must_use]
    pub fn delivered(&self, now: Timestamp) -> Self {
        Self {
            state: DeliveryState::Delivered,
            attempts: self.attempts.saturating_add(1),
            next_attempt_at: None,
            finished_at: Some(now),
            ..self.clone()
        }
    }

    /// After an attempt that failed: to be tried again, or given up.
    #[must_use]
    pub fn failed(&self, reason: &str, retries: &Retries, now: Timestamp, jitter: Jitter) -> Self {
        let attempts = self.attempts.saturating_add(1);
        let gives_up = attempts >= retries.attempts;
        Self {
            state: if gives_up {
                DeliveryState::Dead
            } else {
                DeliveryState::Pending
            },
            attempts,
            next_attempt_at: (!gives_up).then(|| now.after(retries.wait(attempts, jitter))),
            last_error: Some(reason.to_owned()),
            finished_at: gives_up.then_some(now),
            ..self.clone()
        }
    }
}

/// A random share in thousandths, so that receivers that come back are not met by everything at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter(u16);

impl Jitter {
    pub const MOST: u16 = 1_000;

    pub fn new(thousandths: u16) -> Self {
        Self(thousandths.min(Self::MOST))
    }
}

/// How often, and after which waits, a delivery is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// After so many it is given up.
    pub attempts: u32,
    /// The wait after the first attempt, and what each further one multiplies it by.
    pub base: TimeDelta,
    pub factor: u32,
    /// The longest wait.
    pub cap: TimeDelta,
}

impl Retries {
    /// Between half of the wait after so many attempts, and all of it.
    fn wait(&self, attempts: u32, jitter: Jitter) -> TimeDelta {
        let cap = self.cap.num_microseconds().unwrap_or(i64::MAX);
        let base = self.base.num_microseconds().unwrap_or(i64::MAX);
        let times = i64::from(self.factor).saturating_pow(attempts.saturating_sub(1));
        let whole = base.saturating_mul(times).min(cap);
        let half = whole / 2;
        let share = i128::from(jitter.0) * i128::from(whole - half) / i128::from(Jitter::MOST);
        TimeDelta::microseconds(half + i64::try_from(share).unwrap_or(half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRIES: Retries = Retries {
        attempts: 4,
        base: TimeDelta::seconds(60),
        factor: 3,
        cap: TimeDelta::seconds(600),
    };

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn pending(attempts: u32) -> Delivery {
        Delivery {
            channel: "webhook".into(),
            state: DeliveryState::Pending,
            attempts,
            next_attempt_at: Some(NOW),
            last_error: None,
            finished_at: None,
        }
    }

    #[test]
    fn waits_grow_up_to_the_cap_and_are_spread_over_their_second_half() {
        for (attempts, whole) in [(1, 60), (2, 180), (3, 540), (4, 600), (5, 600), (u32::MAX, 600)] {
            let wait = |jitter| RETRIES.wait(attempts, Jitter::new(jitter)).num_seconds();
            assert_eq!((wait(0), wait(500), wait(1_000)), (whole / 2, whole * 3 / 4, whole));
            assert_eq!(wait(u16::MAX), whole);
        }
        let endless = Retries {
            base: TimeDelta::MAX,
            cap: TimeDelta::MAX,
            ..RETRIES
        };
        assert!(endless.wait(9, Jitter::new(1_000)) > TimeDelta::zero());
    }

    #[test]
    fn a_delivery_is_tried_so_often_and_then_given_up() {
        let mut delivery = pending(0);
        for attempts in 1..=3 {
            delivery = delivery.failed("503", &RETRIES, NOW, Jitter::new(1_000));
            assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Pending, attempts));
            assert!(!delivery.is_due(NOW));
        }
        assert!(delivery.is_due(NOW.after(TimeDelta::seconds(540))));
        let dead = delivery.failed("503", &RETRIES, NOW, Jitter::new(0));
        assert_eq!((dead.state, dead.attempts), (DeliveryState::Dead, 4));
        assert_eq!((dead.next_attempt_at, dead.finished_at), (None, Some(NOW)));
        let there = delivery.delivered(NOW);
        assert_eq!((there.state, there.attempts), (DeliveryState::Delivered, 4));
        assert_eq!((there.next_attempt_at, there.finished_at), (None, Some(NOW)));
    }
}
