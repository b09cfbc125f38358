//! `forecast`: how long balances last, from what was spent lately and what is known to be due.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::Ledger;
use super::account::look_up;
use super::error::LedgerError;
use super::pages::each_page;
use super::progress::Progress;
use crate::db::Db;
use crate::db::accounts::accounts_between;
use crate::db::recurring::recurring_active;
use crate::db::reports::{Habit, Selection, habits};
use crate::db::snapshot::without_row;
use crate::db::unit_of_work::read;
use crate::domain::account::{Account, AccountId};
use crate::domain::code::Exit;
use crate::domain::currency::CurrencyCode;
use crate::domain::entry::EntryKind;
use crate::domain::forecast::{Burn, HORIZON, empty_at};
use crate::domain::money::Minor;
use crate::domain::recurring::RecurringCharge;
use crate::domain::text::UserId;
use crate::domain::time::Timestamp;

#[derive(Clone, Debug)]
pub struct Query {
    /// One account; all of them unless given.
    pub account: Option<(UserId, CurrencyCode)>,
    /// Of all accounts, those in this currency.
    pub currency: Option<CurrencyCode>,
    /// How much of the past counts; at least a day.
    pub history: TimeDelta,
    /// A balance that ends sooner is a warning.
    pub warn_within: TimeDelta,
    /// Most accounts to show, those that end soonest.
    pub limit: usize,
}

/// What is spent on one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceBurn {
    /// `revenue:vps`, `income:hold`.
    pub counter_account: String,
    pub burn: Burn,
}

/// One account's future.
#[derive(Clone, Debug)]
pub struct Forecast {
    pub account: Account,
    pub balance: Minor,
    /// By service, without what recurs.
    pub services: Vec<ServiceBurn>,
    /// All services together.
    pub burn: Burn,
    /// What is known to be due within the time that warns, overdue periods included: how many, and how much.
    pub due: (u64, i128),
    /// `None` where it lasts for more than a year.
    pub empty_at: Option<Timestamp>,
    pub is_warning: bool,
}

#[derive(Clone, Debug)]
pub struct Report {
    pub now: Timestamp,
    pub history: TimeDelta,
    pub warn_within: TimeDelta,
    /// Accounts that spend or will be charged.
    pub accounts: u64,
    pub warnings: u64,
    /// Those that end soonest first; not more than were asked for.
    pub list: Vec<Forecast>,
}

impl Report {
    pub const fn exit(&self) -> Exit {
        if self.warnings > 0 { Exit::No } else { Exit::Done }
    }
}

/// Spending that may go on: a penalty is no habit.
const HABITS: [EntryKind; 3] = [EntryKind::ServiceFee, EntryKind::Commit, EntryKind::Refund];

pub fn forecast(ledger: &mut Ledger, query: &Query, progress: &dyn Progress) -> Result<Report, LedgerError> {
    let mut report = Report {
        now: ledger.now(),
        history: query.history,
        warn_within: query.warn_within,
        accounts: 0,
        warnings: 0,
        list: Vec::new(),
    };
    match &query.account {
        Some((user_id, currency)) => {
            let id = look_up(&mut ledger.db, user_id, currency)?.account.id.get();
            read(&mut ledger.db, |db| look(db, query, (id, id), &mut report))?;
        }
        None => each_page(ledger, progress, |db, page| look(db, query, page, &mut report))?,
    }
    Ok(report)
}

/// Adds the accounts with ids in `first..=last`.
fn look(db: &mut Db, query: &Query, range: (i64, i64), report: &mut Report) -> Result<(), LedgerError> {
    let what = Selection {
        time: (report.now.after(-query.history), report.now),
        kinds: &HABITS,
        currency: query.currency.as_ref(),
    };
    let mut habits = by_account(habits(db, range, what)?, |habit: &Habit| habit.account);
    let mut recurring = by_account(recurring_active(db, range)?, |charge: &RecurringCharge| {
        charge.id.account
    });
    for listed in accounts_between(db, range)? {
        let id = listed.account.id;
        let (habits, recurring) = (habits.remove(&id), recurring.remove(&id));
        let is_asked = query
            .currency
            .as_ref()
            .is_none_or(|code| listed.account.currency.code() == code);
        if !is_asked || listed.account.closed || (habits.is_none() && recurring.is_none() && query.account.is_none()) {
            continue;
        }
        let Some(state) = listed.stored else {
            let missing = without_row(&listed.account);
            if query.account.is_some() {
                return Err(missing.into());
            }
            log::warn!("{missing}");
            continue;
        };
        let forecast = of_account(
            (listed.account, state.figures.balance),
            &habits.unwrap_or_default(),
            &recurring.unwrap_or_default(),
            report,
        );
        report.accounts += 1;
        report.warnings += u64::from(forecast.is_warning);
        report.list.push(forecast);
    }
    let soonest = |forecast: &Forecast| (forecast.empty_at.is_none(), forecast.empty_at, forecast.account.id);
    report.list.sort_by_key(soonest);
    report.list.truncate(query.limit);
    Ok(())
}

fn by_account<T>(rows: Vec<T>, account: impl Fn(&T) -> AccountId) -> BTreeMap<AccountId, Vec<T>> {
    let mut groups: BTreeMap<AccountId, Vec<T>> = BTreeMap::new();
    for row in rows {
        groups.entry(account(&row)).or_default().push(row);
    }
    groups
}

fn of_account(
    (account, balance): (Account, Minor),
    habits: &[Habit],
    recurring: &[RecurringCharge],
    report: &Report,
) -> Forecast {
    // What a young account has spent, it has spent in the time that it has been there.
    let age = TimeDelta::microseconds(report.now.micros().saturating_sub(account.created_at.micros()));
    let span = report.history.min(age).max(TimeDelta::days(1));
    let services: Vec<ServiceBurn> = habits
        .iter()
        .filter(|habit| habit.counter_account != "income:penalty")
        .map(|habit| ServiceBurn {
            counter_account: habit.counter_account.clone(),
            burn: Burn {
                spent: -(habit.sums.balance + habit.sums.held),
                span,
            },
        })
        .collect();
    let burn = Burn {
        spent: services.iter().map(|service| service.burn.spent).sum(),
        span,
    };
    let due = upcoming(recurring, report.now.after(HORIZON));
    let empty_at = empty_at(report.now, balance, burn, &due);
    let soon = report.now.after(report.warn_within);
    let within: Vec<&(Timestamp, Minor)> = due.iter().filter(|(at, _)| *at <= soon).collect();
    Forecast {
        account,
        balance,
        services,
        burn,
        due: (
            within.len() as u64,
            within.iter().map(|(_, amount)| i128::from(amount.get())).sum(),
        ),
        empty_at,
        is_warning: empty_at.is_some_and(|at| at <= soon),
    }
}

/// Every period that comes due until then, in order of time.
fn upcoming(recurring: &[RecurringCharge], until: Timestamp) -> Vec<(Timestamp, Minor)> {
    let mut due: Vec<(Timestamp, Minor)> = Vec::new();
    for charge in recurring {
        let periods = std::iter::successors(charge.next, |due| charge.following(due));
        due.extend(
            periods
                .take_while(|due| due.at <= until)
                .map(|due| (due.at, charge.amount.minor())),
        );
    }
    due.sort();
    due
}
