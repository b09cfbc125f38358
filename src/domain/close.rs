//! The close of a period: what the entries came to before it, in it, and what came too late to be in the last one.
//!
//! Entries belong to a period by the time they give, never by when they were committed. Who was late is told by the
//! sequence number: a close remembers the last entry of each account that it saw.

use chrono::TimeDelta;

use super::balance::Figures;
use super::entry::{Deltas, EntryKind};
use super::time::Timestamp;

/// Number and sums of entries, in minor units. Sums over many accounts may be beyond 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub entries: i64,
    pub balance: i128,
    pub held: i128,
    pub debt: i128,
}

impl Totals {
    /// Of an account with that many entries.
    pub fn of_account(entries: i64, figures: &Figures) -> Self {
        Self {
            entries,
            balance: figures.balance.get().into(),
            held: figures.held.get().into(),
            debt: figures.debt.get().into(),
        }
    }

    /// Of one entry.
    pub fn of_entry(deltas: &Deltas) -> Self {
        Self {
            entries: 1,
            balance: deltas.balance.get().into(),
            held: deltas.held.get().into(),
            debt: deltas.debt.get().into(),
        }
    }

    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries.saturating_add(other.entries),
            balance: self.balance.saturating_add(other.balance),
            held: self.held.saturating_add(other.held),
            debt: self.debt.saturating_add(other.debt),
        }
    }

    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            entries: self.entries.saturating_sub(other.entries),
            balance: self.balance.saturating_sub(other.balance),
            held: self.held.saturating_sub(other.held),
            debt: self.debt.saturating_sub(other.debt),
        }
    }
}

/// An entry as an audit looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub seq: i64,
    pub kind: EntryKind,
    pub deltas: Deltas,
    /// The entry that it takes back, or a part of it.
    pub reverses: Option<i64>,
    pub at: Timestamp,
    pub key: Option<String>,
}

/// What a close remembers of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountClose {
    pub until: Timestamp,
    /// The last entry that there was.
    pub position: i64,
    /// Of the entries that were made before `until`.
    pub totals: Totals,
}

/// The period that is audited, and the close before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub since: Timestamp,
    /// Exclusive.
    pub until: Timestamp,
    /// When the last close was made, where it is one that this audit goes on from.
    pub last_close: Option<Timestamp>,
}

impl Bounds {
    /// Entries before it are only looked at where they came late.
    pub fn earliest(&self) -> Timestamp {
        let earliest = self.since.min(self.until);
        self.last_close.map_or(earliest, |close| earliest.min(close))
    }
}

/// An entry this much older than the close that it came after was not just under way.
pub const LATE_AT_MOST: TimeDelta = TimeDelta::hours(1);

/// Adds up the recent entries of one account.
#[derive(Clone, Debug)]
pub struct Tally {
    bounds: Bounds,
    /// Where a close goes on from: when, the position, and what it said.
    prior: Option<AccountClose>,
    period: Totals,
    /// At or after `until`.
    later: Totals,
    /// Before the last close, and recorded after it.
    late: Totals,
    /// From the last close on, and of these what is before `until`.
    since_close: Totals,
    moved: Totals,
    backdated: Vec<i64>,
}

/// How an account's entries tie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tied {
    pub opening: Totals,
    pub period: Totals,
    pub closing: Totals,
    /// Against the last close, where there is one.
    pub close: Option<TiedToClose>,
    /// What this close remembers.
    pub next: AccountClose,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TiedToClose {
    /// What the close said.
    pub said: Totals,
    /// What the same entries come to now: anything else than `said` is a history that was changed.
    pub now: Totals,
    /// Recorded after the close with a time before it.
    pub late: Totals,
    /// From the close to `until`.
    pub moved: Totals,
    /// Of the late ones, those that cannot just have been under way; the first of them.
    pub backdated: Vec<i64>,
}

/// How many entries a finding names at most.
pub const NAMED_AT_MOST: usize = 20;

impl Tally {
    /// `prior` is what the last close remembers of the account; an account it did not see had nothing.
    pub fn new(bounds: Bounds, prior: Option<AccountClose>) -> Self {
        let prior = bounds.last_close.map(|close| {
            let unseen = AccountClose {
                until: close,
                position: 0,
                totals: Totals::default(),
            };
            let prior = prior.unwrap_or(unseen);
            // An audit that was interrupted has closed some accounts and not the ledger.
            AccountClose {
                until: prior.until.max(close),
                ..prior
            }
        });
        Self {
            bounds,
            prior,
            period: Totals::default(),
            later: Totals::default(),
            late: Totals::default(),
            since_close: Totals::default(),
            moved: Totals::default(),
            backdated: Vec::new(),
        }
    }

    pub fn add(&mut self, seen: &Seen) {
        let one = Totals::of_entry(&seen.deltas);
        if seen.at >= self.bounds.until {
            self.later = self.later.plus(one);
        } else if seen.at >= self.bounds.since {
            self.period = self.period.plus(one);
        }
        let Some(prior) = &self.prior else { return };
        if seen.at >= prior.until {
            self.since_close = self.since_close.plus(one);
            if seen.at < self.bounds.until {
                self.moved = self.moved.plus(one);
            }
        } else if seen.seq > prior.position {
            self.late = self.late.plus(one);
            let long_ago = seen.at.after(LATE_AT_MOST) < prior.until;
            if long_ago && self.backdated.len() < NAMED_AT_MOST {
                self.backdated.push(seen.seq);
            }
        }
    }

    /// `all` are the account's entries, recent or not, the last of which is `last_seq`.
    pub fn finish(self, all: Totals, last_seq: i64) -> Tied {
        let closing = all.minus(self.later);
        let close = self.prior.map(|prior| TiedToClose {
            said: prior.totals,
            now: all.minus(self.since_close).minus(self.late),
            late: self.late,
            moved: self.moved,
            backdated: self.backdated,
        });
        Tied {
            opening: closing.minus(self.period),
            period: self.period,
            closing,
            close,
            next: AccountClose {
                until: self.bounds.until,
                position: last_seq,
                totals: closing,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::money::Minor;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn seen(seq: i64, balance: i64, seconds: i64) -> Seen {
        Seen {
            seq,
            kind: EntryKind::Adjustment,
            deltas: Deltas::of_balance(Minor::new(balance)),
            reverses: None,
            at: at(seconds),
            key: None,
        }
    }

    fn totals(entries: i64, balance: i128) -> Totals {
        Totals {
            entries,
            balance,
            ..Totals::default()
        }
    }

    const BOUNDS: Bounds = Bounds {
        since: Timestamp::from_micros(10_000_000_000),
        until: Timestamp::from_micros(20_000_000_000),
        last_close: Some(Timestamp::from_micros(10_000_000_000)),
    };

    fn tied(prior: Option<AccountClose>, entries: &[Seen]) -> Tied {
        let mut tally = Tally::new(BOUNDS, prior);
        let mut all = Totals::default();
        for entry in entries {
            all = all.plus(Totals::of_entry(&entry.deltas));
            tally.add(entry);
        }
        tally.finish(all, entries.last().map_or(0, |entry| entry.seq))
    }

    #[test]
    fn until_is_exclusive_and_since_is_not() {
        let tied = tied(
            None,
            &[
                seen(1, 1, 9_999),
                seen(2, 10, 10_000),
                seen(3, 100, 19_999),
                seen(4, 1_000, 20_000),
            ],
        );
        assert_eq!(
            (tied.opening, tied.period, tied.closing),
            (totals(1, 1), totals(2, 110), totals(3, 111))
        );
        assert_eq!((tied.next.position, tied.next.totals), (4, totals(3, 111)));
    }

    #[test]
    fn what_was_under_way_at_the_close_is_late_and_not_a_change() {
        let prior = AccountClose {
            until: at(10_000),
            position: 2,
            totals: totals(1, 5),
        };
        // Entry 2 was there already and belonged to the next period; entry 3 came after and says it was before.
        let entries = [
            seen(1, 5, 100),
            seen(2, 10, 10_000),
            seen(3, 100, 9_999),
            seen(4, 7, 10_001),
        ];
        let close = tied(Some(prior), &entries).close.unwrap();
        assert_eq!((close.said, close.now), (totals(1, 5), totals(1, 5)));
        assert_eq!((close.late, close.moved), (totals(1, 100), totals(2, 17)));
        assert!(close.backdated.is_empty());
    }

    #[test]
    fn a_changed_history_and_backdated_entries_are_told() {
        let prior = AccountClose {
            until: at(10_000),
            position: 1,
            totals: totals(1, 5),
        };
        let close = tied(Some(prior), &[seen(1, 6, 100), seen(2, 10, 6_000)]).close.unwrap();
        assert_ne!(close.said, close.now);
        assert_eq!(close.backdated, [2]);
    }
}
