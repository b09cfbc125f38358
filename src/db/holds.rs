//! The `holds` table.

use diesel::deserialize;

use super::connection::Db;
use super::entries::{bind_note, read_note};
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::{Binds, known, known_statement, sql};
use crate::domain::account::AccountId;
use crate::domain::hold::{Hold, HoldId, HoldStatus};
use crate::domain::money::{Amount, Minor};
use crate::domain::text::Service;
use crate::domain::time::Timestamp;

pub(super) const COLUMNS: &str = "account_id, number, amount, remaining, committed, released, status, service, created_at, \
     expires_at, finished_at, entry_seq, reference, description, metadata";

impl FromRow for Hold {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            id: HoldId::from_row(columns)?,
            amount: Amount::new(Minor::new(columns.int()?)).ok_or("a hold has an impossible amount")?,
            remaining: Minor::new(columns.int()?),
            committed: Minor::new(columns.int()?),
            released: Minor::new(columns.int()?),
            status: HoldStatus::parse(&columns.text()?).ok_or("a hold has an unknown status")?,
            service: columns.optional_text()?.map(|text| Service::parse(&text)).transpose()?,
            created_at: Timestamp::from_micros(columns.int()?),
            expires_at: columns.optional_int()?.map(Timestamp::from_micros),
            finished_at: columns.optional_int()?.map(Timestamp::from_micros),
            entry_seq: columns.int()?,
            note: read_note(columns)?,
        })
    }
}

pub fn hold_find(db: &mut Db, id: HoldId) -> Result<Option<Hold>, DbError> {
    let find = format!("SELECT {COLUMNS} FROM holds WHERE account_id = ? AND number = ?");
    db.row(&sql(find).bind(id.account.get()).bind(id.number))
}

pub fn hold_insert(db: &mut Db, hold: &Hold) -> Result<(), DbError> {
    known_statement!(
        Insert,
        format!("INSERT INTO holds ({COLUMNS}) VALUES (?{})", ", ?".repeat(14))
    );
    db.execute(&bind_hold(known::<Insert>(), hold)).map(|_| ())
}

/// Binds [`COLUMNS`].
pub(super) fn bind_hold<'a, B: Binds<'a>>(row: B, hold: &'a Hold) -> B {
    let row = row
        .int(hold.id.account.get())
        .int(hold.id.number)
        .int(hold.amount.minor().get())
        .int(hold.remaining.get())
        .int(hold.committed.get())
        .int(hold.released.get())
        .text(hold.status.name())
        .text(hold.service.as_ref().map(Service::as_str))
        .int(hold.created_at.micros())
        .int(hold.expires_at.map(Timestamp::micros))
        .int(hold.finished_at.map(Timestamp::micros))
        .int(hold.entry_seq);
    bind_note(row, &hold.note)
}

/// Writes what became of a hold; `false` when it is no longer open with what remained of it.
pub fn hold_move(db: &mut Db, remaining_before: Minor, after: &Hold) -> Result<bool, DbError> {
    known_statement!(
        Move,
        "UPDATE holds SET remaining = ?, committed = ?, released = ?, status = ?, finished_at = ? \
         WHERE account_id = ? AND number = ? AND status = 'open' AND remaining = ?"
    );
    let update = known::<Move>()
        .bind(after.remaining.get())
        .bind(after.committed.get())
        .bind(after.released.get())
        .bind(after.status.name())
        .bind(after.finished_at.map(Timestamp::micros))
        .bind(after.id.account.get())
        .bind(after.id.number)
        .bind(remaining_before.get());
    Ok(db.execute(&update)? == 1)
}

/// Which holds a list shows.
#[derive(Clone, Debug, Default)]
pub struct HoldFilter {
    pub account: Option<AccountId>,
    /// The status that counts at the moment beside it.
    pub status: Option<(HoldStatus, Timestamp)>,
    pub limit: i64,
}

/// Newest first.
pub fn holds_list(db: &mut Db, filter: &HoldFilter) -> Result<Vec<Hold>, DbError> {
    let mut list = sql(format!("SELECT {COLUMNS} FROM holds WHERE 1 = 1"));
    list = list.given("account_id = ?", filter.account.map(AccountId::get));
    if let Some((status, now)) = filter.status {
        let now = now.micros();
        list = match status {
            HoldStatus::Open => list.and("status = 'open' AND (expires_at IS NULL OR expires_at > ?)", now),
            HoldStatus::Expired => list.and("(status = 'expired' OR (status = 'open' AND expires_at <= ?))", now),
            HoldStatus::Committed | HoldStatus::Released => list.and("status = ?", status.name()),
        };
    }
    db.rows(&list.first("created_at DESC, account_id DESC, number DESC", filter.limit))
}

/// The account's open holds, overdue ones too.
pub fn holds_open_of(db: &mut Db, account: AccountId) -> Result<Vec<Hold>, DbError> {
    let select = format!("SELECT {COLUMNS} FROM holds WHERE account_id = ? AND status = 'open' ORDER BY number");
    db.rows(&sql(select).bind(account.get()))
}

/// The account's open holds whose time had run out at `now`.
pub fn holds_overdue_of(db: &mut Db, account: AccountId, now: Timestamp) -> Result<Vec<Hold>, DbError> {
    let select = format!(
        "SELECT {COLUMNS} FROM holds WHERE account_id = ? AND status = 'open' AND expires_at <= ? ORDER BY number"
    );
    db.rows(&sql(select).bind(account.get()).bind(now.micros()))
}

/// The accounts with overdue holds.
pub fn accounts_overdue(db: &mut Db, now: Timestamp) -> Result<Vec<AccountId>, DbError> {
    let select = sql("SELECT DISTINCT account_id FROM holds WHERE status = 'open' AND expires_at <= ?");
    db.rows(&select.bind(now.micros()))
}

/// Open holds whose time had run out at `now`, in order of id after `after`.
pub fn holds_overdue(db: &mut Db, now: Timestamp, after: (i64, i64), limit: i64) -> Result<Vec<HoldId>, DbError> {
    let select = sql(
        "SELECT account_id, number FROM holds WHERE status = 'open' AND expires_at <= ? \
         AND (account_id, number) > (?, ?) ORDER BY account_id, number LIMIT ?",
    )
    .bind(now.micros())
    .bind(after.0)
    .bind(after.1)
    .bind(limit);
    db.rows(&select)
}
