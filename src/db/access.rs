//! The `access_grants` table.

use diesel::deserialize;

use super::connection::Db;
use super::deactivation::{bind_deactivation, read_deactivation};
use super::error::DbError;
use super::intents;
use super::rows::{Columns, FromRow};
use super::statement::sql;
use crate::domain::access::{AccessGrant, GrantId};
use crate::domain::account::AccountId;
use crate::domain::intent::Intent;
use crate::domain::purchase::Deactivation;
use crate::domain::text::{Actor, Resource};
use crate::domain::time::Timestamp;

pub(super) const COLUMNS: &str = "account_id, entry_seq, resource, granted_at, granted_by, expires_at, revoked_at, revoked_by, \
     revoked_why";

impl FromRow for AccessGrant {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            id: GrantId::from_row(columns)?,
            resource: Resource::parse(&columns.text()?)?,
            granted_at: Timestamp::from_micros(columns.int()?),
            granted_by: Actor::parse(&columns.text()?)?,
            expires_at: columns.optional_int()?.map(Timestamp::from_micros),
            revoked: read_deactivation(columns)?,
        })
    }
}

pub fn grant_find(db: &mut Db, id: GrantId) -> Result<Option<AccessGrant>, DbError> {
    let find = format!("SELECT {COLUMNS} FROM access_grants WHERE account_id = ? AND entry_seq = ?");
    db.row(&sql(find).bind(id.account.get()).bind(id.number))
}

/// Writes the grant of a new entry; what stands there already belonged to no charge.
pub fn grant_insert(db: &mut Db, grant: &AccessGrant) -> Result<(), DbError> {
    let insert = sql(format!(
        "INSERT INTO access_grants ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (account_id, entry_seq) DO UPDATE SET resource = excluded.resource, \
         granted_at = excluded.granted_at, granted_by = excluded.granted_by, expires_at = excluded.expires_at, \
         revoked_at = excluded.revoked_at, revoked_by = excluded.revoked_by, revoked_why = excluded.revoked_why"
    ))
    .bind(grant.id.account.get())
    .bind(grant.id.number)
    .bind(grant.resource.as_str())
    .bind(grant.granted_at.micros())
    .bind(grant.granted_by.as_str())
    .bind(grant.expires_at.map(Timestamp::micros));
    db.execute(&bind_deactivation(insert, grant.revoked.as_ref()))
        .map(|_| ())
}

/// Notes who ended a grant; `false` when somebody had before.
pub fn grant_revoke(db: &mut Db, id: GrantId, how: &Deactivation) -> Result<bool, DbError> {
    let update = sql(
        "UPDATE access_grants SET revoked_at = ?, revoked_by = ?, revoked_why = ? \
         WHERE account_id = ? AND entry_seq = ? AND revoked_at IS NULL",
    );
    let update = bind_deactivation(update, Some(how))
        .bind(id.account.get())
        .bind(id.number);
    Ok(db.execute(&update)? == 1)
}

/// The grant of that account and resource that lasts longest; a revoked one only where there is no other.
pub fn grant_best(db: &mut Db, account: AccountId, resource: &Resource) -> Result<Option<AccessGrant>, DbError> {
    let select = format!(
        "SELECT {COLUMNS} FROM access_grants WHERE account_id = ? AND resource = ? \
         ORDER BY CASE WHEN revoked_at IS NULL THEN 0 ELSE 1 END, \
         COALESCE(expires_at, 9223372036854775807) DESC, entry_seq DESC LIMIT 1"
    );
    db.row(&sql(select).bind(account.get()).bind(resource.as_str()))
}

/// Which grants a list shows.
#[derive(Clone, Debug, Default)]
pub struct GrantFilter<'a> {
    pub account: Option<AccountId>,
    pub resource: Option<&'a Resource>,
    /// Only those that are neither revoked nor expired then.
    pub active_at: Option<Timestamp>,
    pub limit: i64,
}

/// Newest first.
pub fn grants_list(db: &mut Db, filter: &GrantFilter<'_>) -> Result<Vec<AccessGrant>, DbError> {
    let active = "revoked_at IS NULL AND COALESCE(expires_at, 9223372036854775807) > ?";
    let list = sql(format!("SELECT {COLUMNS} FROM access_grants WHERE 1 = 1"))
        .given("account_id = ?", filter.account.map(AccountId::get))
        .given("resource = ?", filter.resource.map(Resource::as_str))
        .given(active, filter.active_at.map(Timestamp::micros));
    db.rows(&list.first("granted_at DESC, account_id DESC, entry_seq DESC", filter.limit))
}

/// A grant that does not stand with its charge.
#[derive(Clone, Debug)]
pub struct Unfounded {
    pub grant: AccessGrant,
    /// Whether there is a charge, all of which has been given back.
    pub refunded: bool,
}

impl FromRow for Unfounded {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            grant: AccessGrant::from_row(columns)?,
            refunded: columns.boolean()?,
        })
    }
}

/// Whether all that the charge `e` has taken was given back; its account and its seq as the statement knows them best.
macro_rules! all_given_back {
    ($account:literal, $seq:literal) => {
        concat!(
            "(SELECT CAST(COALESCE(SUM(x.balance_delta), 0) AS BIGINT) FROM entries x WHERE x.account_id = ",
            $account,
            " AND x.reverses = ",
            $seq,
            " AND x.kind = 'refund') >= -e.balance_delta"
        )
    };
}
pub(super) use all_given_back;

/// Grants in force, of the accounts in `first..=last`, without a charge or with one that was given back.
pub fn grants_unfounded(db: &mut Db, first: i64, last: i64, limit: i64) -> Result<Vec<Unfounded>, DbError> {
    let select = sql(concat!(
        "SELECT g.account_id, g.entry_seq, g.resource, g.granted_at, g.granted_by, g.expires_at, g.revoked_at, \
         g.revoked_by, g.revoked_why, e.seq IS NOT NULL FROM access_grants g \
         LEFT JOIN entries e ON e.account_id = g.account_id AND e.seq = g.entry_seq AND e.kind = 'service_fee' \
         WHERE g.account_id BETWEEN ? AND ? AND g.revoked_at IS NULL AND (e.seq IS NULL OR ",
        all_given_back!("g.account_id", "g.entry_seq"),
        ") ORDER BY g.account_id, g.entry_seq LIMIT ?"
    ));
    db.rows(&select.bind(first).bind(last).bind(limit))
}

/// Charges of the accounts in `first..=last` that were to give access and have no grant: their attempts.
///
/// Only of these is the subject known, so that reading all attempts from end to end is quickest; hence the plus signs.
pub fn charges_ungranted(db: &mut Db, first: i64, last: i64, limit: i64) -> Result<Vec<Intent>, DbError> {
    let select = format!(
        "SELECT {} FROM intents i WHERE +account_id BETWEEN ? AND ? AND operation = 'charge' AND state = 'applied' \
         AND subject IS NOT NULL AND NOT EXISTS (SELECT 1 FROM access_grants g WHERE g.account_id = i.account_id \
         AND g.entry_seq = i.subject) ORDER BY +account_id, subject LIMIT ?",
        intents::COLUMNS
    );
    db.rows(&sql(select).bind(first).bind(last).bind(limit))
}
