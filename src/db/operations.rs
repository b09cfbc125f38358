//! The `operations` table: administrative acts and repairs, with what they found and left.

use super::connection::Db;
use super::error::DbError;
use super::statement::sql;
use crate::domain::account::AccountId;
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;

/// An act to be remembered. `before` and `after` are JSON.
#[derive(Clone, Debug)]
pub struct NewOperation<'a> {
    pub account: AccountId,
    pub id: &'a str,
    pub run_id: Option<&'a str>,
    pub command: &'a str,
    pub actor: &'a Actor,
    pub at: Timestamp,
    pub before: Option<&'a str>,
    pub after: Option<&'a str>,
}

pub fn operation_insert(db: &mut Db, new: &NewOperation<'_>) -> Result<(), DbError> {
    let insert = sql(
        "INSERT INTO operations (account_id, id, run_id, command, actor, at, before, after) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.account.get())
    .bind(new.id)
    .bind(new.run_id)
    .bind(new.command)
    .bind(new.actor.as_str())
    .bind(new.at.micros())
    .bind(new.before)
    .bind(new.after);
    db.execute(&insert).map(|_| ())
}
