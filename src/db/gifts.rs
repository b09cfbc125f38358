//! The `gifts` table.

use diesel::deserialize;

use super::connection::Db;
use super::deactivation::{bind_deactivation, read_deactivation};
use super::entries::{bind_note, read_note};
use super::error::DbError;
use super::purchases::{bind_paid, read_paid};
use super::rows::{Columns, FromRow};
use super::statement::sql;
use crate::domain::account::AccountId;
use crate::domain::money::{Amount, Minor};
use crate::domain::purchase::{Deactivation, Gift, GiftId};
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;

pub(super) const COLUMNS: &str = "account_id, number, paid, paid_currency, paid_exponent, credits, entry_seq, created_at, \
     created_by, deactivated_at, deactivated_by, deactivated_why, reference, description, metadata";

impl FromRow for Gift {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            id: GiftId::from_row(columns)?,
            paid: read_paid(columns)?,
            credits: Amount::new(Minor::new(columns.int()?)).ok_or("a gift has an impossible amount")?,
            entry_seq: columns.int()?,
            created_at: Timestamp::from_micros(columns.int()?),
            created_by: Actor::parse(&columns.text()?)?,
            deactivated: read_deactivation(columns)?,
            note: read_note(columns)?,
        })
    }
}

pub fn gift_find(db: &mut Db, id: GiftId) -> Result<Option<Gift>, DbError> {
    let find = format!("SELECT {COLUMNS} FROM gifts WHERE account_id = ? AND number = ?");
    db.row(&sql(find).bind(id.account.get()).bind(id.number))
}

pub fn gift_insert(db: &mut Db, gift: &Gift) -> Result<(), DbError> {
    let insert = sql(format!("INSERT INTO gifts ({COLUMNS}) VALUES (?{})", ", ?".repeat(14)))
        .bind(gift.id.account.get())
        .bind(gift.id.number);
    let insert = bind_paid(insert, gift.paid.as_ref())
        .bind(gift.credits.minor().get())
        .bind(gift.entry_seq)
        .bind(gift.created_at.micros())
        .bind(gift.created_by.as_str());
    let insert = bind_deactivation(insert, gift.deactivated.as_ref());
    db.execute(&bind_note(insert, &gift.note)).map(|_| ())
}

/// Notes who took a gift back; `false` when somebody had before.
pub fn gift_deactivate(db: &mut Db, id: GiftId, how: &Deactivation) -> Result<bool, DbError> {
    let update = sql(
        "UPDATE gifts SET deactivated_at = ?, deactivated_by = ?, deactivated_why = ? \
         WHERE account_id = ? AND number = ? AND deactivated_at IS NULL",
    );
    let update = bind_deactivation(update, Some(how))
        .bind(id.account.get())
        .bind(id.number);
    Ok(db.execute(&update)? == 1)
}

/// Newest first; of all accounts or one.
pub fn gifts_list(db: &mut Db, account: Option<AccountId>, limit: i64) -> Result<Vec<Gift>, DbError> {
    let list = sql(format!("SELECT {COLUMNS} FROM gifts WHERE 1 = 1"));
    let list = list.given("account_id = ?", account.map(AccountId::get));
    db.rows(&list.first("created_at DESC, account_id DESC, number DESC", limit))
}
