//! The `recurring_charges` table.

use chrono::NaiveDate;
use diesel::deserialize;

use super::connection::Db;
use super::deactivation::{bind_deactivation, read_deactivation};
use super::entries::{bind_note, read_note};
use super::error::DbError;
use super::rows::{Columns, FromRow, Numbered};
use super::snapshot::ACCOUNT_COLUMNS;
use super::statement::{in_accounts, sql, sql_of_accounts};
use crate::domain::account::{Account, AccountId};
use crate::domain::calendar::{Every, Schedule};
use crate::domain::intent::IntentState;
use crate::domain::money::{Amount, Minor};
use crate::domain::purchase::Deactivation;
use crate::domain::recurring::{Due, KEY_PREFIX, RecurringCharge, RecurringId, RecurringState, Refused};
use crate::domain::text::{Actor, IdempotencyKey, Service};
use crate::domain::time::Timestamp;

/// Of `recurring_charges r`.
pub(super) const COLUMNS: &str = "r.account_id, r.number, r.amount, r.service, r.every, r.on_day, r.at_minute, r.timezone, \
     r.starts_on, r.ends_on, r.next_on, r.next_at, r.try_at, r.refused_at, r.refused_times, r.charged, r.created_at, \
     r.created_by, r.cancelled_at, r.cancelled_by, r.cancelled_why, r.idempotency_key, r.reference, r.description, \
     r.metadata";

fn read_schedule(columns: &mut impl Columns) -> deserialize::Result<Schedule> {
    let every = columns.text()?;
    let every = Every::stored(&every, columns.optional_int()?).ok_or("a recurring charge has an impossible day")?;
    let minute = u16::try_from(columns.int()?)?;
    let zone = columns.text()?.parse()?;
    Schedule::new(every, minute, zone).ok_or_else(|| "a recurring charge has an impossible time".into())
}

fn read_next(columns: &mut impl Columns) -> deserialize::Result<Option<Due>> {
    let on = read_date(columns)?;
    let at = columns.optional_int()?.map(Timestamp::from_micros);
    let try_at = columns.optional_int()?.map(Timestamp::from_micros);
    let first_at = columns.optional_int()?.map(Timestamp::from_micros);
    let times = columns.int()?;
    let refused = match (first_at, times) {
        (Some(first_at), 1..) => Some(Refused { first_at, times }),
        (None, 0) => None,
        _ => return Err("a recurring charge was refused an impossible number of times".into()),
    };
    match (on, at, try_at) {
        (Some(on), Some(at), Some(try_at)) => Ok(Some(Due {
            on,
            at,
            try_at,
            refused,
        })),
        (None, None, None) if refused.is_none() => Ok(None),
        _ => Err("a recurring charge has half of a next period".into()),
    }
}

fn read_date(columns: &mut impl Columns) -> deserialize::Result<Option<NaiveDate>> {
    Ok(columns.optional_text()?.map(|text| text.parse()).transpose()?)
}

/// What cannot be read is told with the id.
impl FromRow for RecurringCharge {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let id = RecurringId::from_row(columns)?;
        Self::read(id, columns).map_err(|error| format!("{id}: {error}").into())
    }
}

impl RecurringCharge {
    fn read(id: RecurringId, columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            id,
            amount: Amount::new(Minor::new(columns.int()?)).ok_or("a recurring charge has an impossible amount")?,
            service: Service::parse(&columns.text()?)?,
            schedule: read_schedule(columns)?,
            starts_on: read_date(columns)?.ok_or("a recurring charge has no beginning")?,
            ends_on: read_date(columns)?,
            next: read_next(columns)?,
            charged: columns.int()?,
            created_at: Timestamp::from_micros(columns.int()?),
            created_by: Actor::parse(&columns.text()?)?,
            cancelled: read_deactivation(columns)?,
            key: columns
                .optional_text()?
                .map(|text| IdempotencyKey::parse(&text))
                .transpose()?,
            note: read_note(columns)?,
        })
    }
}

pub fn recurring_find(db: &mut Db, id: RecurringId) -> Result<Option<RecurringCharge>, DbError> {
    let find = format!("SELECT {COLUMNS} FROM recurring_charges r WHERE r.account_id = ? AND r.number = ?");
    db.row(&sql(find).bind(id.account.get()).bind(id.number))
}

/// The one that its caller has given that name.
pub fn recurring_named(
    db: &mut Db,
    account: AccountId,
    key: &IdempotencyKey,
) -> Result<Option<RecurringCharge>, DbError> {
    let find = format!("SELECT {COLUMNS} FROM recurring_charges r WHERE r.account_id = ? AND r.idempotency_key = ?");
    db.row(&sql(find).bind(account.get()).bind(key.as_str()))
}

pub fn recurring_insert(db: &mut Db, charge: &RecurringCharge) -> Result<(), DbError> {
    let schedule = &charge.schedule;
    let (zone, starts_on) = (schedule.zone.to_string(), charge.starts_on.to_string());
    let ends_on = charge.ends_on.map(|on| on.to_string());
    let next_on = charge.next.map(|due| due.on.to_string());
    let refused = charge.next.and_then(|due| due.refused);
    let insert = sql(
        "INSERT INTO recurring_charges (account_id, number, amount, service, every, on_day, at_minute, timezone, \
         starts_on, ends_on, next_on, next_at, try_at, refused_at, refused_times, charged, created_at, created_by, \
         cancelled_at, cancelled_by, cancelled_why, idempotency_key, reference, description, metadata) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(charge.id.account.get())
    .bind(charge.id.number)
    .bind(charge.amount.minor().get())
    .bind(charge.service.as_str())
    .bind(schedule.every.name())
    .bind(schedule.every.day_number())
    .bind(i64::from(schedule.minute()))
    .bind(zone.as_str())
    .bind(starts_on.as_str())
    .bind(ends_on.as_deref())
    .bind(next_on.as_deref())
    .bind(charge.next.map(|due| due.at.micros()))
    .bind(charge.next.map(|due| due.try_at.micros()))
    .bind(refused.map(|refused| refused.first_at.micros()))
    .bind(refused.map_or(0, |refused| refused.times))
    .bind(charge.charged)
    .bind(charge.created_at.micros())
    .bind(charge.created_by.as_str());
    let insert =
        bind_deactivation(insert, charge.cancelled.as_ref()).bind(charge.key.as_ref().map(IdempotencyKey::as_str));
    db.execute(&bind_note(insert, &charge.note)).map(|_| ())
}

/// Goes on from the period `from`: to another one, to another time of the same one, or to none. `false` when that
/// period is no longer the next.
pub fn recurring_move(
    db: &mut Db,
    id: RecurringId,
    from: &Due,
    (to, charged): (Option<&Due>, bool),
) -> Result<bool, DbError> {
    let (from_on, to_on) = (from.on.to_string(), to.map(|due| due.on.to_string()));
    let refused = to.and_then(|due| due.refused);
    let update = sql(
        "UPDATE recurring_charges SET next_on = ?, next_at = ?, try_at = ?, refused_at = ?, refused_times = ?, \
         charged = charged + ? WHERE account_id = ? AND number = ? AND next_on = ?",
    )
    .bind(to_on.as_deref())
    .bind(to.map(|due| due.at.micros()))
    .bind(to.map(|due| due.try_at.micros()))
    .bind(refused.map(|refused| refused.first_at.micros()))
    .bind(refused.map_or(0, |refused| refused.times))
    .bind(i64::from(charged))
    .bind(id.account.get())
    .bind(id.number)
    .bind(from_on.as_str());
    Ok(db.execute(&update)? == 1)
}

/// Ends an active one for good; `false` when it is none any more.
pub fn recurring_cancel(db: &mut Db, id: RecurringId, how: &Deactivation) -> Result<bool, DbError> {
    let update = sql(
        "UPDATE recurring_charges SET cancelled_at = ?, cancelled_by = ?, cancelled_why = ?, next_on = NULL, \
         next_at = NULL, try_at = NULL, refused_at = NULL, refused_times = 0 \
         WHERE account_id = ? AND number = ? AND next_on IS NOT NULL",
    );
    let update = bind_deactivation(update, Some(how))
        .bind(id.account.get())
        .bind(id.number);
    Ok(db.execute(&update)? == 1)
}

/// A recurring charge and whose it is.
#[derive(Clone, Debug)]
pub struct RecurringView {
    pub charge: RecurringCharge,
    pub account: Account,
}

impl FromRow for RecurringView {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            charge: RecurringCharge::from_row(columns)?,
            account: Account::from_row(columns)?,
        })
    }
}

/// Which recurring charges a list shows.
#[derive(Clone, Debug, Default)]
pub struct RecurringFilter {
    pub account: Option<AccountId>,
    pub state: Option<RecurringState>,
    pub limit: i64,
}

const WITH_ACCOUNT: &str = "FROM recurring_charges r JOIN accounts a ON a.id = r.account_id";

fn with_account() -> String {
    format!("SELECT {COLUMNS}, {ACCOUNT_COLUMNS} {WITH_ACCOUNT}")
}

/// In order of account and number.
pub fn recurring_list(db: &mut Db, filter: &RecurringFilter) -> Result<Vec<RecurringView>, DbError> {
    let state = match filter.state {
        None => "1 = 1",
        Some(RecurringState::Active) => "r.next_on IS NOT NULL",
        Some(RecurringState::Ended) => "r.next_on IS NULL AND r.cancelled_at IS NULL",
        Some(RecurringState::Cancelled) => "r.cancelled_at IS NOT NULL",
    };
    let list = sql(format!("{} WHERE {state}", with_account()));
    let list = list.given("r.account_id = ?", filter.account.map(AccountId::get));
    db.rows(&list.first("r.account_id, r.number", filter.limit))
}

/// What is to be tried at `now`, in order of account and number after `after`.
pub fn recurring_due(
    db: &mut Db,
    now: Timestamp,
    after: (i64, i64),
    limit: i64,
) -> Result<Vec<Numbered<RecurringView>>, DbError> {
    let select = sql(format!(
        "SELECT r.account_id, r.number, {COLUMNS}, {ACCOUNT_COLUMNS} {WITH_ACCOUNT} \
         WHERE r.try_at <= ? AND (r.account_id, r.number) > (?, ?) \
         ORDER BY r.account_id, r.number LIMIT ?"
    ))
    .bind(now.micros())
    .bind(after.0)
    .bind(after.1)
    .bind(limit);
    db.rows(&select)
}

/// How many there are to be tried at `now`.
pub fn recurring_due_count(db: &mut Db, now: Timestamp) -> Result<i64, DbError> {
    let count = sql("SELECT COUNT(*) FROM recurring_charges WHERE try_at <= ?").bind(now.micros());
    Ok(db.row(&count)?.unwrap_or(0))
}

/// All of the accounts with ids in `first..=last`, in order of account and number.
pub fn recurring_between(db: &mut Db, accounts: (i64, i64)) -> Result<Vec<Numbered<RecurringCharge>>, DbError> {
    let select = format!(
        "SELECT r.account_id, r.number, {COLUMNS} FROM recurring_charges r WHERE r.account_id BETWEEN ? AND ? \
         ORDER BY r.account_id, r.number"
    );
    db.rows(&sql_of_accounts(&select, accounts))
}

/// An attempt to charge a period, under the key that names it.
#[derive(Clone, Debug)]
pub struct PeriodAttempt {
    pub id: RecurringId,
    pub key: String,
    pub applied: bool,
    pub payload: String,
}

impl FromRow for PeriodAttempt {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            id: RecurringId::from_row(columns)?,
            key: columns.text()?,
            applied: columns.text()? == IntentState::Applied.name(),
            payload: columns.text()?,
        })
    }
}

/// Hands over what was applied or refused in the name of recurring charges of the accounts with ids in `first..=last`.
pub fn period_attempts<E: From<DbError>>(
    db: &mut Db,
    accounts: (i64, i64),
    each: impl FnMut(PeriodAttempt) -> Result<(), E>,
) -> Result<(), E> {
    // Every key in a name begins with it and a colon, which a semicolon follows.
    let name = format!("'{KEY_PREFIX}c' || r.account_id || '-' || r.number");
    let select = format!(
        "SELECT r.account_id, r.number, i.idempotency_key, i.state, i.payload FROM recurring_charges r JOIN intents i \
         ON i.account_id = r.account_id AND i.idempotency_key > {name} || ':' AND i.idempotency_key < {name} || ';' \
         WHERE r.account_id {accounts} AND i.account_id {accounts} AND i.state IN ('applied', 'refused')",
        accounts = in_accounts(accounts)
    );
    db.connection.stream(&sql(select), each)
}

/// The active ones of the accounts with ids in `first..=last`, in order of account and number.
pub fn recurring_active(db: &mut Db, (first, last): (i64, i64)) -> Result<Vec<RecurringCharge>, DbError> {
    let select = sql(format!(
        "SELECT {COLUMNS} FROM recurring_charges r WHERE r.account_id BETWEEN ? AND ? AND r.try_at IS NOT NULL \
         ORDER BY r.account_id, r.number"
    ));
    db.rows(&select.bind(first).bind(last))
}
