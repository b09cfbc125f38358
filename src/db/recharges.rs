//! The `recharges` table.

use diesel::deserialize;

use super::connection::Db;
use super::entries::{bind_note, read_note};
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::{Binds, known, known_statement, sql};
use crate::domain::account::AccountId;
use crate::domain::money::{Amount, Minor};
use crate::domain::recharge::{Recharge, RechargeId, RechargeStatus};
use crate::domain::text::{Json, PaymentMethod};
use crate::domain::time::Timestamp;

pub(super) const COLUMNS: &str = "account_id, number, amount, method, status, created_at, expires_at, finished_at, entry_seq, \
     gateway_response, reference, description, metadata";

impl FromRow for Recharge {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            id: RechargeId::from_row(columns)?,
            amount: Amount::new(Minor::new(columns.int()?)).ok_or("a recharge has an impossible amount")?,
            method: PaymentMethod::parse(&columns.text()?)?,
            status: RechargeStatus::parse(&columns.text()?).ok_or("a recharge has an unknown status")?,
            created_at: Timestamp::from_micros(columns.int()?),
            expires_at: columns.optional_int()?.map(Timestamp::from_micros),
            finished_at: columns.optional_int()?.map(Timestamp::from_micros),
            entry_seq: columns.optional_int()?,
            gateway_response: columns.optional_text()?.map(Json::stored),
            note: read_note(columns)?,
        })
    }
}

pub fn recharge_find(db: &mut Db, id: RechargeId) -> Result<Option<Recharge>, DbError> {
    let find = format!("SELECT {COLUMNS} FROM recharges WHERE account_id = ? AND number = ?");
    db.row(&sql(find).bind(id.account.get()).bind(id.number))
}

pub fn recharge_insert(db: &mut Db, recharge: &Recharge) -> Result<(), DbError> {
    known_statement!(
        Insert,
        format!("INSERT INTO recharges ({COLUMNS}) VALUES (?{})", ", ?".repeat(12))
    );
    db.execute(&bind_recharge(known::<Insert>(), recharge)).map(|_| ())
}

/// Binds [`COLUMNS`].
pub(super) fn bind_recharge<'a, B: Binds<'a>>(row: B, recharge: &'a Recharge) -> B {
    let row = row
        .int(recharge.id.account.get())
        .int(recharge.id.number)
        .int(recharge.amount.minor().get())
        .text(recharge.method.as_str())
        .text(recharge.status.name())
        .int(recharge.created_at.micros())
        .int(recharge.expires_at.map(Timestamp::micros))
        .int(recharge.finished_at.map(Timestamp::micros))
        .int(recharge.entry_seq)
        .text(recharge.gateway_response.as_ref().map(Json::as_str));
    bind_note(row, &recharge.note)
}

/// Writes what became of a recharge; `false` when it is no longer in that status.
pub fn recharge_move(db: &mut Db, from: RechargeStatus, after: &Recharge) -> Result<bool, DbError> {
    known_statement!(
        Move,
        "UPDATE recharges SET status = ?, finished_at = ?, entry_seq = ?, gateway_response = ? \
         WHERE account_id = ? AND number = ? AND status = ?"
    );
    let update = known::<Move>()
        .bind(after.status.name())
        .bind(after.finished_at.map(Timestamp::micros))
        .bind(after.entry_seq)
        .bind(after.gateway_response.as_ref().map(Json::as_str))
        .bind(after.id.account.get())
        .bind(after.id.number)
        .bind(from.name());
    Ok(db.execute(&update)? == 1)
}

/// Which recharges a list shows.
#[derive(Clone, Debug, Default)]
pub struct RechargeFilter {
    pub account: Option<AccountId>,
    /// The status that counts at the moment beside it.
    pub status: Option<(RechargeStatus, Timestamp)>,
    pub limit: i64,
}

/// Newest first.
pub fn recharges_list(db: &mut Db, filter: &RechargeFilter) -> Result<Vec<Recharge>, DbError> {
    let mut list = sql(format!("SELECT {COLUMNS} FROM recharges WHERE 1 = 1"));
    list = list.given("account_id = ?", filter.account.map(AccountId::get));
    if let Some((status, now)) = filter.status {
        let now = now.micros();
        list = match status {
            RechargeStatus::Pending => list.and("status = 'pending' AND (expires_at IS NULL OR expires_at > ?)", now),
            RechargeStatus::Expired => {
                list.and("(status = 'expired' OR (status = 'pending' AND expires_at <= ?))", now)
            }
            _ => list.and("status = ?", status.name()),
        };
    }
    db.rows(&list.first("created_at DESC, account_id DESC, number DESC", filter.limit))
}

/// Pending recharges whose time had run out at `now`, in order of id after `after`.
///
/// Said once more in the words of the index of open ones, which SQLite would not see to be meant: it would go through
/// every recharge there ever was.
pub fn recharges_overdue(
    db: &mut Db,
    now: Timestamp,
    after: (i64, i64),
    limit: i64,
) -> Result<Vec<RechargeId>, DbError> {
    let select = sql(
        "SELECT account_id, number FROM recharges WHERE status = 'pending' AND status IN ('pending', 'processing') \
         AND expires_at <= ? AND (account_id, number) > (?, ?) ORDER BY account_id, number LIMIT ?",
    )
    .bind(now.micros())
    .bind(after.0)
    .bind(after.1)
    .bind(limit);
    db.rows(&select)
}
