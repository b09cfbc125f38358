//! The `intents` table for many attempts at once.

use std::collections::HashSet;
use std::time::Duration;

use super::backend::Engine;
use super::connection::Db;
use super::copy::Target;
use super::error::DbError;
use super::intents::{
    COLUMNS, DECISIVE_FIRST, Made, NewIntent, intent_applied, intent_ended, intent_find, intent_insert, micros,
};
use super::statement::{Binds, Column, known, known_statement, sql};
use crate::domain::account::AccountId;
use crate::domain::intent::{Intent, IntentState};
use crate::domain::text::IdempotencyKey;

/// A first attempt, and how it ended.
#[derive(Clone, Debug)]
pub struct Ended<'a> {
    pub account: AccountId,
    pub new: NewIntent<'a>,
    pub end: End,
    pub took: Duration,
}

#[derive(Clone, Copy, Debug)]
pub enum End {
    Applied(Made),
    /// With the code that says why.
    Refused(&'static str),
    Failed(&'static str),
}

impl End {
    const fn state(self) -> IntentState {
        match self {
            Self::Applied(_) => IntentState::Applied,
            Self::Refused(_) => IntentState::Refused,
            Self::Failed(_) => IntentState::Failed,
        }
    }

    const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Applied(_) => None,
            Self::Refused(reason) | Self::Failed(reason) => Some(reason),
        }
    }

    const fn subject(self) -> Option<i64> {
        match self {
            Self::Applied(made) => made.subject,
            Self::Refused(_) | Self::Failed(_) => None,
        }
    }

    fn entries(self) -> Option<(i64, i64)> {
        match self {
            Self::Applied(made) => made.entries,
            Self::Refused(_) | Self::Failed(_) => None,
        }
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
    .bind(Column::ints(attempts, |(account, _)| Some(account.get())))
    .bind(Column::texts(attempts, |(_, new)| Some(new.key.as_str())))
    .bind(Column::texts(attempts, |(_, new)| Some(new.operation)))
    .bind(Column::texts(attempts, |(_, new)| Some(new.payload.as_str())))
    .bind(Column::texts(attempts, |(_, new)| Some(new.actor.as_str())))
    .bind(Column::ints(attempts, |(_, new)| Some(new.created_at.micros())));
    let mut fresh: HashSet<(i64, String)> = db.rows(&insert)?.into_iter().collect();
    Ok(attempts
        .iter()
        // Of a key that comes twice, the first is the new one.
        .map(|(account, new)| fresh.remove(&(account.get(), new.key.to_string())))
        .collect())
}

/// What became of these keys, as [`intent_find`] tells it of one; keys that nobody has used are missing.
pub fn intents_find(db: &mut Db, keys: &[(AccountId, &IdempotencyKey)]) -> Result<Vec<Intent>, DbError> {
    // Many shards would be asked for all of them.
    if db.engine() == Engine::Sqlite || db.connection.is_sharded() {
        let find = |(account, key): &(AccountId, &IdempotencyKey)| intent_find(db, *account, key).transpose();
        return keys.iter().filter_map(find).collect();
    }
    let find = format!(
        "SELECT DISTINCT ON (account_id, idempotency_key) {COLUMNS} FROM intents \
         JOIN unnest(?, ?) n (of_account, of_key) ON account_id = of_account AND idempotency_key = of_key \
         ORDER BY account_id, idempotency_key, {DECISIVE_FIRST}"
    );
    let accounts = Column::ints(keys, |(account, _)| Some(account.get()));
    db.rows(
        &sql(find)
            .bind(accounts)
            .bind(Column::texts(keys, |(_, key)| Some(key.as_str()))),
    )
}

/// Records first attempts together with how they ended; `false` when one of the keys is known already, and then the
/// transaction must not be kept.
pub fn intents_insert_ended(db: &mut Db, ended: &[Ended<'_>]) -> Result<bool, DbError> {
    match db.engine() {
        Engine::Sqlite => {
            for one in ended {
                if !intent_insert_ended(db, one)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Engine::Postgres => match db
            .connection
            .copy(Target::Intents, ended.iter(), |rows, one| bind_ended(rows, one))
        {
            Ok(_) => Ok(true),
            Err(DbError::Taken(_)) => Ok(false),
            Err(error) => Err(error),
        },
    }
}

/// What [`bind_ended`] and the copies of a restored ledger give.
pub(super) const ENDED: &str = "account_id, idempotency_key, attempt, operation, payload, actor, created_at, state, \
     reason, first_seq, last_seq, subject, duration_us";

fn bind_ended<'a, B: Binds<'a>>(row: B, ended: &'a Ended<'_>) -> B {
    let Ended {
        account,
        new,
        end,
        took,
    } = ended;
    let entries = end.entries();
    row.int(account.get())
        .text(new.key.as_str())
        .int(1)
        .text(new.operation)
        .text(new.payload.as_str())
        .text(new.actor.as_str())
        .int(new.created_at.micros())
        .text(end.state().name())
        .text(end.reason())
        .int(entries.map(|(first, _)| first))
        .int(entries.map(|(_, last)| last))
        .int(end.subject())
        .int(micros(*took))
}

fn intent_insert_ended(db: &mut Db, ended: &Ended<'_>) -> Result<bool, DbError> {
    known_statement!(
        Insert,
        format!(
            "INSERT INTO intents ({ENDED}) VALUES (?{}) \
             ON CONFLICT (account_id, idempotency_key, attempt) DO NOTHING",
            ", ?".repeat(12)
        )
    );
    Ok(db.execute(&bind_ended(known::<Insert>(), ended))? == 1)
}

/// Notes how first attempts that were recorded before ended, in the transaction of their effects.
pub fn intents_end(db: &mut Db, ended: &[Ended<'_>]) -> Result<(), DbError> {
    if db.engine() == Engine::Sqlite {
        for Ended {
            account,
            new,
            end,
            took,
        } in ended
        {
            match end {
                End::Applied(made) => {
                    if !intent_applied(db, *account, new.key, 1, *made, *took)? {
                        return Err(DbError::settled_elsewhere("an intent"));
                    }
                }
                End::Refused(reason) | End::Failed(reason) => {
                    if !intent_ended(db, *account, new.key, 1, end.state(), reason, *took)? {
                        return Err(DbError::settled_elsewhere("an intent"));
                    }
                }
            }
        }
        return Ok(());
    }
    let update = sql(
        "UPDATE intents i SET state = n.state, reason = n.reason, first_seq = n.first_seq, last_seq = n.last_seq, \
         subject = n.subject, duration_us = n.duration_us FROM unnest(?, ?, ?, ?, ?, ?, ?, ?) \
         AS n (account_id, idempotency_key, state, reason, first_seq, last_seq, subject, duration_us) \
         WHERE i.account_id = n.account_id AND i.idempotency_key = n.idempotency_key AND i.attempt = 1 \
         AND i.state = 'pending'",
    )
    .bind(Column::ints(ended, |e| Some(e.account.get())))
    .bind(Column::texts(ended, |e| Some(e.new.key.as_str())))
    .bind(Column::texts(ended, |e| Some(e.end.state().name())))
    .bind(Column::texts(ended, |e| e.end.reason()))
    .bind(Column::ints(ended, |e| e.end.entries().map(|(first, _)| first)))
    .bind(Column::ints(ended, |e| e.end.entries().map(|(_, last)| last)))
    .bind(Column::ints(ended, |e| e.end.subject()))
    .bind(Column::ints(ended, |e| Some(micros(e.took))));
    if db.execute(&update)? == ended.len() {
        Ok(())
    } else {
        Err(DbError::settled_elsewhere("an intent"))
    }
}
