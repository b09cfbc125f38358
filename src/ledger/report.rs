//! Reports: what came in, what was spent, who was suspended, how top-ups develop. All from the entries and the log of
//! suspensions, period by period.
//!
//! Accounts are read in pages, each on one snapshot; what is kept grows with the periods and names, not with accounts or
//! entries.

pub mod daily;

use std::collections::BTreeMap;

use super::Ledger;
use super::error::LedgerError;
use super::pages::each_page;
use super::progress::Progress;
pub use crate::db::reports::Sums;
use crate::db::reports::{Selection, moved_by_account, moved_by_day, stops};
use crate::db::unit_of_work::read;
use crate::domain::account::AccountId;
use crate::domain::code::Code;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::{EntryKind, Total, method_named, service_named};
use crate::domain::period::{Periods, Step};
use crate::domain::time::Timestamp;

/// Which time a report is about, and in which steps.
#[derive(Clone, Debug)]
pub struct Query {
    pub step: Step,
    /// 30 days, 12 weeks or 12 months before `until` unless given.
    pub since: Option<Timestamp>,
    /// Exclusive; now unless given.
    pub until: Option<Timestamp>,
    /// Every one unless given.
    pub currency: Option<CurrencyCode>,
}

impl Query {
    fn periods(&self, ledger: &Ledger) -> Result<Periods, LedgerError> {
        let until = self.until.unwrap_or_else(|| ledger.now());
        let before = match self.step {
            Step::Day => 30,
            Step::Week | Step::Month => 12,
        };
        let since = match self.since {
            Some(since) => since,
            None => self
                .step
                .start_before(until, before)
                .unwrap_or(Timestamp::from_micros(0)),
        };
        Periods::cut(self.step, since, until).map_err(|error| LedgerError::invalid(Code::InvalidInput, error))
    }
}

/// A report's periods and its lines, in order of period, currency and name.
#[derive(Clone, Debug)]
pub struct Report<Line> {
    pub periods: Periods,
    pub lines: Vec<Line>,
    /// The same over all periods together; one line per currency.
    pub totals: Vec<Line>,
}

/// The order of lines: period, currency with its digits, name.
type Key = (usize, String, u8, String);

fn key(period: usize, currency: &Currency, name: &str) -> Key {
    let (code, exponent) = (currency.code().to_string(), currency.exponent());
    (period, code, exponent, name.to_owned())
}

/// Money that came in by one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revenue {
    pub period: usize,
    pub currency: Currency,
    /// `None` for all of them.
    pub method: Option<String>,
    /// Completed recharges.
    pub recharges: i64,
    pub amount: i128,
    /// What was taken back of recharges, whenever they were made.
    pub taken_back: i128,
}

impl Revenue {
    pub const fn net(&self) -> i128 {
        self.amount - self.taken_back
    }
}

impl ByCounterAccount for Revenue {
    fn name(counter_account: &str) -> Option<&str> {
        method_named(counter_account)
    }

    fn empty(period: usize, currency: Currency, method: Option<String>) -> Self {
        Self {
            period,
            currency,
            method,
            recharges: 0,
            amount: 0,
            taken_back: 0,
        }
    }

    fn add(&mut self, kind: EntryKind, sums: &Sums) {
        if kind == EntryKind::Recharge {
            self.recharges += sums.entries;
            self.amount += sums.balance;
        } else {
            self.taken_back -= sums.balance - sums.debt;
        }
    }
}

/// Completed recharges by payment method: the entries of kind `recharge`, less the clawbacks that name a gateway.
pub fn revenue(ledger: &mut Ledger, query: &Query, progress: &dyn Progress) -> Result<Report<Revenue>, LedgerError> {
    let kinds = [EntryKind::Recharge, EntryKind::Clawback];
    by_counter_account::<Revenue>(ledger, (query, &kinds), progress)
}

/// A line of a report that is summed up by counter-account.
trait ByCounterAccount: Sized {
    /// What the line is called that an entry with this counter-account counts in; `None` where it counts in none.
    fn name(counter_account: &str) -> Option<&str>;

    /// `name` is `None` for the total.
    fn empty(period: usize, currency: Currency, name: Option<String>) -> Self;

    fn add(&mut self, kind: EntryKind, sums: &Sums);
}

/// Sums the entries of these kinds up, by period, currency and counter-account.
fn by_counter_account<Line: ByCounterAccount>(
    ledger: &mut Ledger,
    (query, kinds): (&Query, &[EntryKind]),
    progress: &dyn Progress,
) -> Result<Report<Line>, LedgerError> {
    let periods = query.periods(ledger)?;
    let (mut lines, mut totals) = (BTreeMap::new(), BTreeMap::new());
    each_page(ledger, progress, |db, page| {
        for moved in moved_by_day(db, page, selection(&periods, kinds, query))? {
            let counted = Line::name(&moved.counter_account).zip(periods.index_of(moved.day));
            let Some((name, period)) = counted else { continue };
            let currency = &moved.currency;
            lines
                .entry(key(period, currency, name))
                .or_insert_with(|| Line::empty(period, currency.clone(), Some(name.to_owned())))
                .add(moved.kind, &moved.sums);
            totals
                .entry(key(0, currency, ""))
                .or_insert_with(|| Line::empty(0, currency.clone(), None))
                .add(moved.kind, &moved.sums);
        }
        Ok(())
    })?;
    Ok(Report {
        periods,
        lines: lines.into_values().collect(),
        totals: totals.into_values().collect(),
    })
}

fn selection<'a>(periods: &Periods, kinds: &'a [EntryKind], query: &'a Query) -> Selection<'a> {
    Selection {
        time: (periods.since(), periods.until()),
        kinds,
        currency: query.currency.as_ref(),
    }
}

/// The kinds that count towards what was spent.
fn spending() -> Vec<EntryKind> {
    let spent = |kind: &EntryKind| kind.total() == Some(Total::Spent);
    EntryKind::ALL.iter().copied().filter(spent).collect()
}

/// What left balance and held together.
const fn spent(sums: &Sums) -> i128 {
    -(sums.balance + sums.held)
}

/// Money spent on one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    pub period: usize,
    pub currency: Currency,
    /// `revenue:vps`, `income:penalty`, `income:hold`; `None` for all of them.
    pub counter_account: Option<String>,
    /// Charges, commits and penalties.
    pub charges: i64,
    pub spent: i128,
    pub refunds: i64,
    /// Given back in this period, whenever it was spent.
    pub refunded: i128,
}

impl Usage {
    pub const fn net(&self) -> i128 {
        self.spent - self.refunded
    }

    /// The service, where it was one.
    pub fn service(&self) -> Option<&str> {
        service_named(self.counter_account.as_deref()?)
    }
}

impl ByCounterAccount for Usage {
    fn name(counter_account: &str) -> Option<&str> {
        Some(counter_account)
    }

    fn empty(period: usize, currency: Currency, counter_account: Option<String>) -> Self {
        Self {
            period,
            currency,
            counter_account,
            charges: 0,
            spent: 0,
            refunds: 0,
            refunded: 0,
        }
    }

    fn add(&mut self, kind: EntryKind, sums: &Sums) {
        if kind == EntryKind::Refund {
            self.refunds += sums.entries;
            self.refunded -= spent(sums);
        } else {
            self.charges += sums.entries;
            self.spent += spent(sums);
        }
    }
}

/// What was spent by service: charges, commits and penalties, less refunds; together what `total_spent` grew by.
pub fn usage(ledger: &mut Ledger, query: &Query, progress: &dyn Progress) -> Result<Report<Usage>, LedgerError> {
    by_counter_account::<Usage>(ledger, (query, &spending()), progress)
}

/// A currency's line of every period, also of those in which nothing happened, and its total.
type Trend<Line> = (Vec<Line>, Line);

fn trend<Line>(periods: &Periods, empty: impl Fn(usize) -> Line) -> Trend<Line> {
    ((0..periods.list.len()).map(&empty).collect(), empty(0))
}

impl<Line> Report<Line> {
    fn of_trends(periods: Periods, by_currency: BTreeMap<Key, Trend<Line>>) -> Self {
        let (lines, totals): (Vec<_>, Vec<_>) = by_currency.into_values().unzip();
        Self {
            periods,
            lines: lines.into_iter().flatten().collect(),
            totals,
        }
    }
}

/// How often and how much users topped up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topups {
    pub period: usize,
    pub currency: Currency,
    pub recharges: i64,
    pub amount: i128,
    /// Accounts with at least one.
    pub accounts: i64,
    /// The last one that was counted.
    counted: Option<AccountId>,
}

impl Topups {
    const fn empty(period: usize, currency: Currency) -> Self {
        Self {
            period,
            currency,
            recharges: 0,
            amount: 0,
            accounts: 0,
            counted: None,
        }
    }

    fn add(&mut self, account: AccountId, sums: &Sums) {
        self.recharges += sums.entries;
        self.amount += sums.balance;
        // An account's days come one after the other.
        if self.counted != Some(account) {
            self.accounts += 1;
            self.counted = Some(account);
        }
    }

    /// Rounded to the nearest minor unit, halves up.
    pub fn average(&self) -> Option<i128> {
        let count = i128::from(self.recharges);
        (count > 0).then(|| (2 * self.amount + count).div_euclid(2 * count))
    }

    /// In tenths of a percent of the amount of the period before, towards zero; `None` where that was nothing.
    pub fn change_per_mille(&self, before: &Self) -> Option<i128> {
        ((self.amount - before.amount) * 1000).checked_div(before.amount)
    }
}

/// Completed recharges as a trend; every period of every currency that has any, also those without.
pub fn topups(ledger: &mut Ledger, query: &Query, progress: &dyn Progress) -> Result<Report<Topups>, LedgerError> {
    let periods = query.periods(ledger)?;
    let kinds = [EntryKind::Recharge];
    let mut by_currency: BTreeMap<Key, Trend<Topups>> = BTreeMap::new();
    each_page(ledger, progress, |db, page| {
        moved_by_account(
            db,
            page,
            selection(&periods, &kinds, query),
            |moved| -> Result<(), LedgerError> {
                let Some(period) = periods.index_of(moved.day) else {
                    return Ok(());
                };
                let currency = &moved.currency;
                let (lines, total) = by_currency
                    .entry(key(0, currency, ""))
                    .or_insert_with(|| trend(&periods, |period| Topups::empty(period, currency.clone())));
                lines[period].add(moved.account, &moved.sums);
                total.add(moved.account, &moved.sums);
                Ok(())
            },
        )
    })?;
    Ok(Report::of_trends(periods, by_currency))
}

/// How many accounts were stopped and let go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Churn {
    pub period: usize,
    pub currency: Currency,
    pub suspended: i64,
    pub resumed: i64,
    /// Suspended when the period ended.
    pub still_suspended: i64,
    /// What the accounts had that were suspended in it, then.
    pub balance: i128,
    /// How long those were suspended together that were resumed in it, in microseconds.
    pub lasted: i128,
}

impl Churn {
    const fn empty(period: usize, currency: Currency) -> Self {
        Self {
            period,
            currency,
            suspended: 0,
            resumed: 0,
            still_suspended: 0,
            balance: 0,
            lasted: 0,
        }
    }

    /// In whole seconds, rounded down.
    pub fn average_seconds(&self) -> Option<i128> {
        self.lasted.checked_div(i128::from(self.resumed) * 1_000_000)
    }
}

/// Suspensions that began and ended; every period of every currency that has any.
pub fn churn(ledger: &mut Ledger, query: &Query) -> Result<Report<Churn>, LedgerError> {
    let periods = query.periods(ledger)?;
    let mut by_currency: BTreeMap<Key, Trend<Churn>> = BTreeMap::new();
    let currency = query.currency.as_ref();
    read(&mut ledger.db, |db| {
        stops(db, periods.until(), currency, |stop| -> Result<(), LedgerError> {
            let (lines, total) = by_currency
                .entry(key(0, &stop.currency, ""))
                .or_insert_with(|| trend(&periods, |period| Churn::empty(period, stop.currency.clone())));
            let since = periods.since();
            let began = periods.index_of(stop.suspended_at);
            let ended = stop.resumed_at.and_then(|at| periods.index_of(at));
            if let Some(began) = began.filter(|_| stop.suspended_at >= since) {
                for line in [&mut lines[began], &mut *total] {
                    line.suspended += 1;
                    line.balance += i128::from(stop.balance.get());
                }
            }
            if let Some((ended, at)) = ended.zip(stop.resumed_at).filter(|(_, at)| *at >= since) {
                for line in [&mut lines[ended], &mut *total] {
                    line.resumed += 1;
                    line.lasted += i128::from(at.micros()) - i128::from(stop.suspended_at.micros());
                }
            }
            let is_over = stop.resumed_at.is_some_and(|at| at < since);
            if let Some(began) = began.filter(|_| !is_over) {
                let last = ended.unwrap_or(lines.len());
                for line in lines.iter_mut().take(last).skip(began) {
                    line.still_suspended += 1;
                }
                total.still_suspended += i64::from(ended.is_none());
            }
            Ok(())
        })
    })?;
    Ok(Report::of_trends(periods, by_currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topups(recharges: i64, amount: i128) -> Topups {
        Topups {
            recharges,
            amount,
            ..Topups::empty(0, Currency::iso("USD").unwrap())
        }
    }

    #[test]
    fn averages_are_rounded_and_changes_cut() {
        assert_eq!(topups(3, 100).average(), Some(33));
        assert_eq!(topups(3, 200).average(), Some(67));
        assert_eq!(topups(2, 3).average(), Some(2));
        assert_eq!(topups(0, 0).average(), None);
        assert_eq!(topups(1, 300).change_per_mille(&topups(1, 200)), Some(500));
        assert_eq!(topups(1, 199).change_per_mille(&topups(1, 300)), Some(-336));
        assert_eq!(topups(1, 1).change_per_mille(&topups(0, 0)), None);
    }
}
