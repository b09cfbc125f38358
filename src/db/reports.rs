//! What reports sum: the entries of whole pages of accounts by day, kind and counter-account.
//!
//! There is no index by time, so each of these reads every entry of its accounts: once for a report, and no charge
//! pays for it.

use diesel::deserialize;

use super::connection::Db;
use super::entries::{read_wide, wide_sum};
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::{Statement, sql};
use crate::domain::account::AccountId;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::EntryKind;
use crate::domain::money::Minor;
use crate::domain::recurring::KEY_PREFIX;
use crate::domain::time::Timestamp;

/// Which entries are summed.
#[derive(Clone, Copy, Debug)]
pub struct Selection<'a> {
    /// From the first moment to before the second.
    pub time: (Timestamp, Timestamp),
    pub kinds: &'a [EntryKind],
    pub currency: Option<&'a CurrencyCode>,
}

/// In microseconds: a time divided by it is the number of its day since 1970. A time is no amount, so that it may be.
const DAY: i64 = 86_400_000_000;

impl<'a> Selection<'a> {
    /// The condition on `entries e` and `accounts a`; binds what [`Self::bind`] does.
    fn condition(&self) -> String {
        let kinds: Vec<String> = self.kinds.iter().map(|kind| format!("'{}'", kind.name())).collect();
        let currency = if self.currency.is_some() {
            " AND a.currency = ?"
        } else {
            ""
        };
        format!(
            "e.account_id BETWEEN ? AND ? AND e.at >= ? AND e.at < ? AND e.kind IN ({}){currency}",
            kinds.join(", ")
        )
    }

    fn bind(&self, select: String, (first, last): (i64, i64)) -> Statement<'a> {
        let (since, until) = self.time;
        let statement = sql(select)
            .bind(first)
            .bind(last)
            .bind(since.micros())
            .bind(until.micros());
        match self.currency {
            Some(currency) => statement.bind(currency.as_str()),
            None => statement,
        }
    }
}

/// Sums of the three figures' deltas, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub entries: i64,
    pub balance: i128,
    pub held: i128,
    pub debt: i128,
}

fn sums_of_entries() -> String {
    format!(
        "COUNT(*), {}, {}, {}",
        wide_sum("e.balance_delta"),
        wide_sum("e.held_delta"),
        wide_sum("e.debt_delta")
    )
}

fn read_sums(columns: &mut impl Columns) -> deserialize::Result<Sums> {
    Ok(Sums {
        entries: columns.int()?,
        balance: read_wide(columns)?,
        held: read_wide(columns)?,
        debt: read_wide(columns)?,
    })
}

/// What the entries of one day, kind and counter-account did.
#[derive(Clone, Debug)]
pub struct DayMoved {
    pub currency: Currency,
    /// Midnight, at which the day begins.
    pub day: Timestamp,
    pub kind: EntryKind,
    pub counter_account: String,
    pub sums: Sums,
}

fn read_day(columns: &mut impl Columns) -> deserialize::Result<Timestamp> {
    let day = columns.int()?;
    Ok(Timestamp::from_micros(day.saturating_mul(DAY)))
}

impl FromRow for DayMoved {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            currency: Currency::from_row(columns)?,
            day: read_day(columns)?,
            kind: EntryKind::parse(&columns.text()?).ok_or("an entry has an unknown kind")?,
            counter_account: columns.text()?,
            sums: read_sums(columns)?,
        })
    }
}

/// What the entries of the accounts `first..=last` did, day by day.
pub fn moved_by_day(db: &mut Db, page: (i64, i64), what: Selection<'_>) -> Result<Vec<DayMoved>, DbError> {
    let select = format!(
        "SELECT a.currency, a.exponent, e.at / {DAY}, e.kind, e.counter_account, {} FROM entries e \
         JOIN accounts a ON a.id = e.account_id WHERE {} GROUP BY 1, 2, 3, 4, 5",
        sums_of_entries(),
        what.condition()
    );
    db.rows(&what.bind(select, page))
}

/// What the entries of one account did on one day.
#[derive(Clone, Debug)]
pub struct AccountDay {
    pub account: AccountId,
    pub currency: Currency,
    pub day: Timestamp,
    pub sums: Sums,
}

impl FromRow for AccountDay {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            account: AccountId::new(columns.int()?),
            currency: Currency::from_row(columns)?,
            day: read_day(columns)?,
            sums: read_sums(columns)?,
        })
    }
}

/// Hands over what each of the accounts `first..=last` did on each day, in order of account and day.
pub fn moved_by_account<E: From<DbError>>(
    db: &mut Db,
    page: (i64, i64),
    what: Selection<'_>,
    each: impl FnMut(AccountDay) -> Result<(), E>,
) -> Result<(), E> {
    let select = format!(
        "SELECT e.account_id, a.currency, a.exponent, e.at / {DAY}, {} FROM entries e \
         JOIN accounts a ON a.id = e.account_id WHERE {} GROUP BY 1, 2, 3, 4 ORDER BY 1, 4",
        sums_of_entries(),
        what.condition()
    );
    db.connection.stream(&what.bind(select, page), each)
}

/// What the entries of one account did for one counter-account.
#[derive(Clone, Debug)]
pub struct Habit {
    pub account: AccountId,
    pub counter_account: String,
    pub sums: Sums,
}

impl FromRow for Habit {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            account: AccountId::new(columns.int()?),
            counter_account: columns.text()?,
            sums: read_sums(columns)?,
        })
    }
}

/// Whether an entry was made in the name of one of its account's recurring charges.
fn recurs(entry: &str) -> String {
    let name = format!("'{KEY_PREFIX}c' || {entry}.account_id || '-'");
    format!("COALESCE({entry}.idempotency_key > {name} AND {entry}.idempotency_key < {name} || ':', 1 = 0)")
}

/// What each of the accounts `first..=last` did without being charged for what recurs, or getting it back; in order of
/// account and counter-account.
pub fn habits(db: &mut Db, page: (i64, i64), what: Selection<'_>) -> Result<Vec<Habit>, DbError> {
    let counter_account = db.by_bytes("e.counter_account");
    let select = format!(
        "SELECT e.account_id, e.counter_account, {} FROM entries e JOIN accounts a ON a.id = e.account_id WHERE {} \
         AND NOT {recurs} AND NOT EXISTS (SELECT 1 FROM entries o WHERE o.account_id = e.account_id \
         AND o.seq = e.reverses AND {given_back}) GROUP BY e.account_id, e.counter_account ORDER BY e.account_id, {counter_account}",
        sums_of_entries(),
        what.condition(),
        recurs = recurs("e"),
        given_back = recurs("o"),
    );
    db.rows(&what.bind(select, page))
}

/// What the entries of one currency came to.
#[derive(Clone, Debug)]
pub struct Standing {
    pub currency: Currency,
    pub sums: Sums,
}

impl FromRow for Standing {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            currency: Currency::from_row(columns)?,
            sums: read_sums(columns)?,
        })
    }
}

/// What the selected entries of the accounts `first..=last` come to.
pub fn moved_in_all(db: &mut Db, page: (i64, i64), what: Selection<'_>) -> Result<Vec<Standing>, DbError> {
    let select = format!(
        "SELECT a.currency, a.exponent, {} FROM entries e JOIN accounts a ON a.id = e.account_id WHERE {} \
         GROUP BY 1, 2",
        sums_of_entries(),
        what.condition()
    );
    db.rows(&what.bind(select, page))
}

/// A suspension as churn sees it.
#[derive(Clone, Debug)]
pub struct Stop {
    pub currency: Currency,
    pub suspended_at: Timestamp,
    pub resumed_at: Option<Timestamp>,
    /// When it was suspended.
    pub balance: Minor,
}

impl FromRow for Stop {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            currency: Currency::from_row(columns)?,
            suspended_at: Timestamp::from_micros(columns.int()?),
            resumed_at: columns.optional_int()?.map(Timestamp::from_micros),
            balance: Minor::new(columns.int()?),
        })
    }
}

/// Hands over every suspension that began before `until`.
pub fn stops<E: From<DbError>>(
    db: &mut Db,
    until: Timestamp,
    currency: Option<&CurrencyCode>,
    each: impl FnMut(Stop) -> Result<(), E>,
) -> Result<(), E> {
    let select = sql(
        "SELECT a.currency, a.exponent, s.suspended_at, s.resumed_at, s.balance FROM suspensions s \
         JOIN accounts a ON a.id = s.account_id WHERE s.suspended_at < ?",
    )
    .bind(until.micros())
    .given("a.currency = ?", currency.map(CurrencyCode::as_str));
    db.connection.stream(&select, each)
}

/// How many attempts of a day ended in a state.
#[derive(Clone, Debug)]
pub struct Attempts {
    pub day: Timestamp,
    pub state: String,
    pub count: i64,
}

impl FromRow for Attempts {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            day: read_day(columns)?,
            state: columns.text()?,
            count: columns.int()?,
        })
    }
}

/// The attempts of all accounts from `since` to before `until`.
pub fn attempts_by_day(db: &mut Db, (since, until): (Timestamp, Timestamp)) -> Result<Vec<Attempts>, DbError> {
    let select = format!(
        "SELECT i.created_at / {DAY}, i.state, COUNT(*) FROM intents i WHERE i.account_id > 0 \
         AND i.created_at >= ? AND i.created_at < ? GROUP BY 1, 2 ORDER BY 1, 2"
    );
    db.rows(&sql(select).bind(since.micros()).bind(until.micros()))
}
