//! The `recharges` table.

use diesel::deserialize;

use super::connection::Db;
use super::entries::{bind_note, read_note};
use super::error::DbError;
use super::statement::{Columns, FromRow, sql};
use crate::domain::account::AccountId;
use crate::domain::money::{Amount, Minor};
use crate::domain::recharge::{Recharge, RechargeId, RechargeStatus};
use crate::domain::text::{Json, PaymentMethod};
use crate::domain::time::Timestamp;

pub(super) const COLUMNS: &str = "account_id, number, amount, method, status, created_at, expires_at, finished_at, entry_seq, \
     gateway_response, reference, description, metadata";

impl FromRow for Recharge {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let id = RechargeId {
            account: AccountId::new(columns.int()?),
            number: columns.int()?,
        };
        Ok(Self {
            id,
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
    let insert = sql(format!(
        "INSERT INTO recharges ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))
    .bind(recharge.id.account.get())
    .bind(recharge.id.number)
    .bind(recharge.amount.minor().get())
    .bind(recharge.method.as_str())
    .bind(recharge.status.name())
    .bind(recharge.created_at.micros())
    .bind(recharge.expires_at.map(Timestamp::micros))
    .bind(recharge.finished_at.map(Timestamp::micros))
    .bind(recharge.entry_seq)
    .bind(recharge.gateway_response.as_ref().map(Json::as_str));
    db.execute(&bind_note(insert, &recharge.note)).map(|_| ())
}

/// One step of a recharge; `entry_seq` is the entry that completed it.
#[derive(Clone, Debug)]
pub struct RechargeStep<'a> {
    pub from: RechargeStatus,
    pub to: RechargeStatus,
    pub at: Timestamp,
    pub gateway_response: Option<&'a Json>,
    pub entry_seq: Option<i64>,
}

/// Takes the step; `false` when the recharge is no longer where it was.
pub fn recharge_move(db: &mut Db, id: RechargeId, step: &RechargeStep<'_>) -> Result<bool, DbError> {
    let finished = step.to.is_final().then_some(step.at.micros());
    let update = sql("UPDATE recharges SET status = ?, finished_at = ?, entry_seq = ?, \
         gateway_response = COALESCE(?, gateway_response) WHERE account_id = ? AND number = ? AND status = ?")
    .bind(step.to.name())
    .bind(finished)
    .bind(step.entry_seq)
    .bind(step.gateway_response.map(Json::as_str))
    .bind(id.account.get())
    .bind(id.number)
    .bind(step.from.name());
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
    let mut text = format!("SELECT {COLUMNS} FROM recharges WHERE 1 = 1");
    if filter.account.is_some() {
        text.push_str(" AND account_id = ?");
    }
    let by_time = filter.status.and_then(|(status, _)| match status {
        RechargeStatus::Pending => Some(" AND status = ? AND (expires_at IS NULL OR expires_at > ?)"),
        RechargeStatus::Expired => Some(" AND (status = ? OR (status = 'pending' AND expires_at <= ?))"),
        _ => None,
    });
    if filter.status.is_some() {
        text.push_str(by_time.unwrap_or(" AND status = ?"));
    }
    text.push_str(" ORDER BY created_at DESC, account_id DESC, number DESC LIMIT ?");
    let mut statement = sql(text);
    if let Some(account) = filter.account {
        statement = statement.bind(account.get());
    }
    if let Some((status, now)) = filter.status {
        statement = statement.bind(status.name());
        if by_time.is_some() {
            statement = statement.bind(now.micros());
        }
    }
    db.rows(&statement.bind(filter.limit))
}

/// Pending recharges whose time had run out at `now`, in order of id after `after`.
pub fn recharges_overdue(
    db: &mut Db,
    now: Timestamp,
    after: (i64, i64),
    limit: i64,
) -> Result<Vec<RechargeId>, DbError> {
    struct Row(RechargeId);
    impl FromRow for Row {
        fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
            Ok(Self(RechargeId {
                account: AccountId::new(columns.int()?),
                number: columns.int()?,
            }))
        }
    }
    let select = sql(
        "SELECT account_id, number FROM recharges WHERE status = 'pending' AND expires_at <= ? \
         AND (account_id > ? OR (account_id = ? AND number > ?)) ORDER BY account_id, number LIMIT ?",
    )
    .bind(now.micros())
    .bind(after.0)
    .bind(after.0)
    .bind(after.1)
    .bind(limit);
    let rows: Vec<Row> = db.rows(&select)?;
    Ok(rows.into_iter().map(|Row(id)| id).collect())
}
