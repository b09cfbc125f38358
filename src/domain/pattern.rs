//! Unusual patterns, told from the streams of one account's entries and attempts: what was seen, where, and why it is
//! unusual. Nothing here is proof of anything; each is something that a person should look at.

use std::collections::VecDeque;

use chrono::TimeDelta;

use super::close::{NAMED_AT_MOST, Seen};
use super::entry::EntryKind;
use super::money::Minor;
use super::time::Timestamp;

/// From where on a habit is unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// More operations of one account within a minute.
    pub per_minute: u32,
    /// An amount that is at least so many times the usual one.
    pub amount_factor: u32,
    /// So many attempts in a row that were refused or failed.
    pub failures_in_a_row: u32,
    /// So many recharges of which at least half was given back, within 24 hours.
    pub cycles_per_day: u32,
    /// A volume that is more than so many times the usual, or less than that part of it.
    pub volume_factor: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            per_minute: 60,
            amount_factor: 100,
            failures_in_a_row: 20,
            cycles_per_day: 3,
            volume_factor: 5,
        }
    }
}

/// What an account's usual amount is taken from: its last amounts of the same kind.
pub const HABIT: usize = 20;

/// Below this many there is no habit yet.
const HABIT_FROM: usize = 5;

/// Something unusual about one account; entries by their sequence numbers, the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The busiest minute.
    ManyOperations {
        operations: u32,
        from: Timestamp,
        entries: Vec<i64>,
    },
    /// The largest of those amounts, and what was usual then.
    UnusualAmount {
        kind: EntryKind,
        amount: Minor,
        usual: Minor,
        entries: Vec<i64>,
    },
    /// The longest run; the keys of its first attempts.
    Failures {
        attempts: u32,
        from: Timestamp,
        until: Timestamp,
        keys: Vec<String>,
    },
    RechargeCycles {
        cycles: u32,
        entries: Vec<i64>,
    },
}

impl Pattern {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ManyOperations { .. } => "many_operations",
            Self::UnusualAmount { .. } => "unusual_amount",
            Self::Failures { .. } => "failures_in_a_row",
            Self::RechargeCycles { .. } => "recharge_cycles",
        }
    }
}

/// Watches the entries of one account, oldest first. What came before the period makes its habits known.
#[derive(Debug)]
pub struct Watch {
    thresholds: Thresholds,
    period: (Timestamp, Timestamp),
    minute: Minute,
    amounts: Amounts,
    cycles: Cycles,
}

impl Watch {
    /// `until` is exclusive.
    pub fn new(thresholds: Thresholds, since: Timestamp, until: Timestamp) -> Self {
        Self {
            thresholds,
            period: (since, until),
            minute: Minute::default(),
            amounts: Amounts::default(),
            cycles: Cycles::default(),
        }
    }

    pub fn see(&mut self, seen: &Seen) {
        let is_told = seen.at >= self.period.0 && seen.at < self.period.1;
        self.minute.see(seen, self.thresholds.per_minute, is_told);
        self.amounts.see(seen, self.thresholds.amount_factor, is_told);
        self.cycles.see(seen, is_told);
    }

    pub fn finish(self) -> Vec<Pattern> {
        let mut found = Vec::new();
        found.extend(self.minute.busiest);
        found.extend(self.amounts.largest);
        let cycles = u32::try_from(self.cycles.most.len()).unwrap_or(u32::MAX);
        if cycles >= self.thresholds.cycles_per_day {
            let ends = self.cycles.most.iter().flat_map(|cycle| [cycle.recharge, cycle.back]);
            found.push(Pattern::RechargeCycles {
                cycles,
                entries: ends.take(NAMED_AT_MOST).collect(),
            });
        }
        found
    }
}

/// The operations of the last minute; entries under one key are one, and so are credits that one run has brought.
#[derive(Debug, Default)]
struct Minute {
    recent: VecDeque<(Timestamp, i64)>,
    last: Option<(Option<String>, Timestamp)>,
    busiest: Option<Pattern>,
}

impl Minute {
    fn see(&mut self, seen: &Seen, allowed: u32, is_told: bool) {
        let is_same = |(key, at): &(Option<String>, Timestamp)| match (key, &seen.key) {
            (Some(last), Some(key)) => last == key,
            (None, None) => seen.kind == EntryKind::Credit && *at == seen.at,
            _ => false,
        };
        if self.last.as_ref().is_some_and(is_same) {
            return;
        }
        self.last = Some((seen.key.clone(), seen.at));
        while let Some((at, _)) = self.recent.front() {
            // A clock that was set back begins anew.
            if at.after(TimeDelta::minutes(1)) > seen.at && *at <= seen.at {
                break;
            }
            self.recent.pop_front();
        }
        self.recent.push_back((seen.at, seen.seq));
        let operations = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        let most = match &self.busiest {
            Some(Pattern::ManyOperations { operations, .. }) => *operations,
            _ => allowed,
        };
        if is_told
            && operations > most
            && let Some((from, _)) = self.recent.front()
        {
            self.busiest = Some(Pattern::ManyOperations {
                operations,
                from: *from,
                entries: self.recent.iter().map(|(_, seq)| *seq).take(NAMED_AT_MOST).collect(),
            });
        }
    }
}

/// The last amounts of each kind that people ask for.
#[derive(Debug, Default)]
struct Amounts {
    habits: Vec<(EntryKind, VecDeque<u64>)>,
    largest: Option<Pattern>,
}

/// Whether somebody has chosen the amount; what follows from an earlier entry has that one's.
const fn is_chosen(kind: EntryKind) -> bool {
    match kind {
        EntryKind::Recharge
        | EntryKind::ServiceFee
        | EntryKind::Adjustment
        | EntryKind::Penalty
        | EntryKind::Freeze
        | EntryKind::Credit
        | EntryKind::Gift => true,
        EntryKind::Refund | EntryKind::Commit | EntryKind::Release | EntryKind::Clawback | EntryKind::DebtRecovery => {
            false
        }
    }
}

impl Amounts {
    fn see(&mut self, seen: &Seen, factor: u32, is_told: bool) {
        if !is_chosen(seen.kind) {
            return;
        }
        let known = self.habits.iter().position(|(kind, _)| *kind == seen.kind);
        let at = known.unwrap_or_else(|| {
            self.habits.push((seen.kind, VecDeque::with_capacity(HABIT)));
            self.habits.len() - 1
        });
        let habit = &mut self.habits[at].1;
        let amount = seen.deltas.principal().magnitude();
        let usual = median(habit);
        if habit.len() == HABIT {
            habit.pop_front();
        }
        habit.push_back(amount);
        if let Some(usual) = usual
            && is_told
            && u128::from(amount) >= u128::from(usual) * u128::from(factor)
        {
            self.tell(seen, usual);
        }
    }

    fn tell(&mut self, seen: &Seen, usual_now: u64) {
        let principal = seen.deltas.principal();
        match &mut self.largest {
            Some(Pattern::UnusualAmount {
                kind,
                amount,
                usual,
                entries,
            }) => {
                if entries.len() < NAMED_AT_MOST {
                    entries.push(seen.seq);
                }
                if principal.magnitude() > amount.magnitude() {
                    *kind = seen.kind;
                    *amount = principal;
                    *usual = minor(usual_now);
                }
            }
            _ => {
                self.largest = Some(Pattern::UnusualAmount {
                    kind: seen.kind,
                    amount: principal,
                    usual: minor(usual_now),
                    entries: vec![seen.seq],
                });
            }
        }
    }
}

fn minor(units: u64) -> Minor {
    Minor::new(i64::try_from(units).unwrap_or(i64::MAX))
}

/// The lower of the two in the middle; `None` where there is no habit yet.
fn median(habit: &VecDeque<u64>) -> Option<u64> {
    if habit.len() < HABIT_FROM {
        return None;
    }
    let mut sorted: Vec<u64> = habit.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get((sorted.len() - 1) / 2).copied()
}

/// A recharge, and the entry by which at least half of it was gone again.
#[derive(Clone, Debug)]
struct Cycle {
    recharge: i64,
    back: i64,
    at: Timestamp,
}

/// A recharge of which less than half has been given back.
#[derive(Clone, Debug)]
struct Kept {
    recharge: i64,
    amount: u64,
    back: u64,
}

/// How many recharges an account may have made since one that is given back, for that to be noticed.
const KEPT: usize = 1_000;

#[derive(Debug, Default)]
struct Cycles {
    /// In order.
    kept: VecDeque<Kept>,
    recent: VecDeque<Cycle>,
    most: Vec<Cycle>,
}

impl Cycles {
    fn see(&mut self, seen: &Seen, is_told: bool) {
        let given_back = match seen.kind {
            EntryKind::Recharge => {
                if self.kept.len() == KEPT {
                    self.kept.pop_front();
                }
                self.kept.push_back(Kept {
                    recharge: seen.seq,
                    amount: seen.deltas.principal().magnitude(),
                    back: 0,
                });
                return;
            }
            EntryKind::Clawback | EntryKind::Refund => {
                u64::try_from(seen.deltas.worth().unsigned_abs()).unwrap_or(u64::MAX)
            }
            _ => return,
        };
        // What takes back something else counts for the last recharge.
        let named = self.kept.iter().position(|kept| Some(kept.recharge) == seen.reverses);
        let Some(place) = named.or_else(|| self.kept.len().checked_sub(1)) else {
            return;
        };
        let kept = &mut self.kept[place];
        kept.back = kept.back.saturating_add(given_back);
        if kept.back.saturating_mul(2) < kept.amount {
            return;
        }
        let cycle = Cycle {
            recharge: kept.recharge,
            back: seen.seq,
            at: seen.at,
        };
        self.kept.remove(place);
        self.ended(cycle, is_told);
    }

    fn ended(&mut self, cycle: Cycle, is_told: bool) {
        while let Some(first) = self.recent.front()
            && first.at.after(TimeDelta::days(1)) <= cycle.at
        {
            self.recent.pop_front();
        }
        self.recent.push_back(cycle);
        if self.recent.len() > NAMED_AT_MOST {
            self.recent.pop_front();
        }
        if is_told && self.recent.len() > self.most.len() {
            self.most = self.recent.iter().cloned().collect();
        }
    }
}

/// Watches how the attempts of one account ended, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Failures {
    run: Option<(u32, Timestamp, Timestamp, Vec<String>)>,
    longest: Option<(u32, Timestamp, Timestamp, Vec<String>)>,
}

impl Failures {
    pub fn see(&mut self, at: Timestamp, key: &str, succeeded: bool) {
        if succeeded {
            self.run = None;
            return;
        }
        let (attempts, _, last, keys) = self.run.get_or_insert_with(|| (0, at, at, Vec::new()));
        *attempts = attempts.saturating_add(1);
        *last = at;
        if keys.len() < NAMED_AT_MOST {
            keys.push(key.to_owned());
        }
        let so_far = self.longest();
        if self.run.as_ref().is_some_and(|run| run.0 > so_far) {
            self.longest.clone_from(&self.run);
        }
    }

    /// Of the runs so far.
    pub fn longest(&self) -> u32 {
        self.longest.as_ref().map_or(0, |longest| longest.0)
    }

    /// Keeps the numbers alone.
    pub fn forget_keys(&mut self) {
        for (_, _, _, keys) in [&mut self.run, &mut self.longest].into_iter().flatten() {
            *keys = Vec::new();
        }
    }

    pub fn finish(self, thresholds: &Thresholds) -> Option<Pattern> {
        let (attempts, from, until, keys) = self.longest?;
        (attempts >= thresholds.failures_in_a_row).then_some(Pattern::Failures {
            attempts,
            from,
            until,
            keys,
        })
    }
}

/// A volume of entries that is far from the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusualVolume {
    pub entries: u64,
    /// What the same time had on average before.
    pub usual: u64,
}

impl UnusualVolume {
    pub const fn name(self) -> &'static str {
        if self.entries > self.usual {
            "high_volume"
        } else {
            "low_volume"
        }
    }
}

/// What came before is judged by from this many days on, and from this many entries a day on.
const DAYS_KNOWN: i64 = 7;
const ENTRIES_A_DAY: i128 = 20;

/// Compares `entries` in a span with those in the span before it. A part of a day may well be silent.
pub fn unusual_volume(
    (entries, span): (u64, TimeDelta),
    (entries_before, span_before): (u64, TimeDelta),
    thresholds: &Thresholds,
) -> Option<UnusualVolume> {
    let micros = |span: TimeDelta| i128::from(span.num_microseconds().unwrap_or(i64::MAX));
    let (now, before) = (i128::from(entries), i128::from(entries_before));
    let factor = i128::from(thresholds.volume_factor);
    let day = micros(TimeDelta::days(1));
    if span_before < TimeDelta::days(DAYS_KNOWN)
        || span <= TimeDelta::zero()
        || before * day < ENTRIES_A_DAY * micros(span_before)
    {
        return None;
    }
    // Rates are compared by multiplying across, so that nothing is rounded.
    let (rate, usual_rate) = (now * micros(span_before), before * micros(span));
    let is_high = rate > usual_rate * factor;
    let is_low = span >= TimeDelta::days(1) && rate * factor < usual_rate;
    let usual = u64::try_from(usual_rate / micros(span_before)).unwrap_or(u64::MAX);
    (is_high || is_low).then_some(UnusualVolume { entries, usual })
}

#[cfg(test)]
mod tests;
