//! The `intents` table for many attempts at once.

use std::collections::HashSet;

use diesel::deserialize;

use super::backend::Engine;
use super::connection::Db;
use super::error::DbError;
use super::intents::{Made, NewIntent, intent_applied, intent_ended, intent_insert, micros};
use super::statement::{Column, Columns, FromRow, sql};
use crate::domain::account::AccountId;
use crate::domain::intent::IntentState;
use crate::domain::text::IdempotencyKey;

/// How a first attempt ended.
#[derive(Clone, Debug)]
pub struct Ended<'a> {
    pub account: AccountId,
    pub key: &'a IdempotencyKey,
    pub outcome: Result<Made, &'static str>,
    pub took: std::time::Duration,
}

struct Name(i64, String);

impl FromRow for Name {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self(columns.int()?, columns.text()?))
    }
}

/// Records first attempts; which of them are the first that was heard of their key.
pub fn intents_insert(db: &mut Db, attempts: &[(AccountId, NewIntent<'_>)]) -> Result<Vec<bool>, DbError> {
    if db.engine() == Engine::Sqlite {
        let insert = |(account, new): &(AccountId, NewIntent<'_>)| intent_insert(db, *account, new, 1);
        return attempts.iter().map(insert).collect();
    }
    let insert = sql(
        "INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at) \
         SELECT account_id, idempotency_key, 1, operation, payload, actor, created_at \
         FROM unnest(?, ?, ?, ?, ?, ?) AS n (account_id, idempotency_key, operation, payload, actor, created_at) \
         ON CONFLICT (account_id, idempotency_key, attempt) DO NOTHING RETURNING account_id, idempotency_key",
    )
    .bind(Column::Ints(attempts.iter().map(|(a, _)| Some(a.get())).collect()))
    .bind(Column::Texts(
        attempts.iter().map(|(_, n)| Some(n.key.as_str())).collect(),
    ))
    .bind(Column::Texts(attempts.iter().map(|(_, n)| Some(n.operation)).collect()))
    .bind(Column::Texts(
        attempts.iter().map(|(_, n)| Some(n.payload.as_str())).collect(),
    ))
    .bind(Column::Texts(
        attempts.iter().map(|(_, n)| Some(n.actor.as_str())).collect(),
    ))
    .bind(Column::Ints(
        attempts.iter().map(|(_, n)| Some(n.created_at.micros())).collect(),
    ));
    let rows: Vec<Name> = db.rows(&insert)?;
    let mut fresh: HashSet<(i64, String)> = rows.into_iter().map(|Name(id, key)| (id, key)).collect();
    Ok(attempts
        .iter()
        // Of a key that comes twice, the first is the new one.
        .map(|(account, new)| fresh.remove(&(account.get(), new.key.to_string())))
        .collect())
}

/// Notes how first attempts ended, in the transaction of their effects.
pub fn intents_end(db: &mut Db, ended: &[Ended<'_>]) -> Result<(), DbError> {
    if db.engine() == Engine::Sqlite {
        for Ended {
            account,
            key,
            outcome,
            took,
        } in ended
        {
            match outcome {
                Ok(made) => {
                    if !intent_applied(db, *account, key, 1, *made, *took)? {
                        return Err(settled_elsewhere());
                    }
                }
                Err(reason) => intent_ended(db, *account, key, 1, IntentState::Refused, reason, *took)?,
            }
        }
        return Ok(());
    }
    let made = |of: &dyn Fn(&Made) -> Option<i64>| {
        let values = ended.iter().map(|end| end.outcome.as_ref().ok().and_then(of));
        Column::Ints(values.collect())
    };
    let state = |end: &Ended<'_>| match end.outcome {
        Ok(_) => IntentState::Applied,
        Err(_) => IntentState::Refused,
    };
    let update = sql(
        "UPDATE intents i SET state = n.state, reason = n.reason, first_seq = n.first_seq, last_seq = n.last_seq, \
         duration_us = n.duration_us FROM unnest(?, ?, ?, ?, ?, ?, ?) \
         AS n (account_id, idempotency_key, state, reason, first_seq, last_seq, duration_us) \
         WHERE i.account_id = n.account_id AND i.idempotency_key = n.idempotency_key AND i.attempt = 1 \
         AND i.state = 'pending'",
    )
    .bind(Column::Ints(ended.iter().map(|e| Some(e.account.get())).collect()))
    .bind(Column::Texts(ended.iter().map(|e| Some(e.key.as_str())).collect()))
    .bind(Column::Texts(ended.iter().map(|e| Some(state(e).name())).collect()))
    .bind(Column::Texts(
        ended.iter().map(|e| e.outcome.as_ref().err().copied()).collect(),
    ))
    .bind(made(&|m| m.entries.map(|(first, _)| first)))
    .bind(made(&|m| m.entries.map(|(_, last)| last)))
    .bind(Column::Ints(ended.iter().map(|e| Some(micros(e.took))).collect()));
    if db.execute(&update)? == ended.len() {
        Ok(())
    } else {
        Err(settled_elsewhere())
    }
}

fn settled_elsewhere() -> DbError {
    DbError::Retry("an intent was settled by somebody else".into())
}
