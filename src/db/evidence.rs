//! What intents and records claim of the entries, handed over to be judged: the rules are `domain::evidence` and
//! `domain::opened`.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::statement::{Columns, FromRow, sql};
use crate::domain::account::AccountId;
use crate::domain::entry::EntryKind;
use crate::domain::evidence::{Attempt, Named};
use crate::domain::opened::Opened;

/// A kind of entry that a record must name, and the table of those records.
pub const RECORDED: [(EntryKind, &str); 4] = [
    (EntryKind::Recharge, "recharges"),
    (EntryKind::Freeze, "holds"),
    (EntryKind::Credit, "pending_credits"),
    (EntryKind::Gift, "gifts"),
];

/// How many entries the records of that table name, by account; an account without any is not among them.
pub fn named_entries(db: &mut Db, table: &str, first: i64, last: i64) -> Result<Vec<(AccountId, i64)>, DbError> {
    struct Count(AccountId, i64);
    impl FromRow for Count {
        fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
            Ok(Self(AccountId::new(columns.int()?), columns.int()?))
        }
    }
    let select = format!(
        "SELECT account_id, COUNT(DISTINCT entry_seq) FROM {table} WHERE account_id BETWEEN ? AND ? \
         AND entry_seq IS NOT NULL GROUP BY account_id"
    );
    let counts: Vec<Count> = db.rows(&sql(select).bind(first).bind(last))?;
    Ok(counts
        .into_iter()
        .map(|Count(account, count)| (account, count))
        .collect())
}

/// The entries of that kind which no record of the table names.
pub fn unrecorded(db: &mut Db, account: AccountId, kind: EntryKind, table: &str) -> Result<Vec<i64>, DbError> {
    let select = format!(
        "SELECT r.seq FROM entries r WHERE r.account_id = ? AND r.kind = ? AND NOT EXISTS (SELECT 1 FROM {table} x \
         WHERE x.account_id = r.account_id AND x.entry_seq = r.seq) ORDER BY r.seq"
    );
    db.rows(&sql(select).bind(account.get()).bind(kind.name()))
}

struct Tried(AccountId, Attempt);

impl FromRow for Tried {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let account = AccountId::new(columns.int()?);
        let mut attempt = Attempt {
            key: columns.text()?,
            attempt: columns.int()?,
            operation: columns.text()?,
            payload: columns.text()?,
            actor: columns.text()?,
            state: columns.text()?,
            first_seq: columns.optional_int()?,
            last_seq: columns.optional_int()?,
            subject: columns.optional_int()?,
            reason: columns.optional_text()?,
            own_entries: columns.int()?,
            entry: None,
        };
        if let Some(kind) = columns.optional_text()? {
            attempt.entry = Some(Named {
                kind,
                balance_delta: columns.int()?,
                held_delta: columns.int()?,
                debt_delta: columns.int()?,
                reverses: columns.optional_int()?,
                counter_account: columns.text()?,
                actor: columns.text()?,
                reference: columns.optional_text()?,
                description: columns.optional_text()?,
                metadata: columns.optional_text()?,
            });
        }
        Ok(Self(account, attempt))
    }
}

/// Hands over every intent of the accounts in `first..=last`, each with the first entry that it names.
pub fn attempts<E: From<DbError>>(
    db: &mut Db,
    first: i64,
    last: i64,
    mut each: impl FnMut(AccountId, Attempt) -> Result<(), E>,
) -> Result<(), E> {
    // Most make one entry, which is joined; only where there are more are they counted.
    let select = format!(
        "SELECT i.account_id, i.idempotency_key, i.attempt, i.operation, i.payload, i.actor, i.state, \
         i.first_seq, i.last_seq, i.subject, i.reason, \
         CASE WHEN i.last_seq = i.first_seq AND e.idempotency_key = i.idempotency_key THEN CAST(1 AS BIGINT) \
         ELSE (SELECT COUNT(*) FROM entries x WHERE x.account_id = i.account_id AND x.seq BETWEEN i.first_seq \
         AND i.last_seq AND x.idempotency_key = i.idempotency_key) END, \
         e.kind, e.balance_delta, e.held_delta, e.debt_delta, e.reverses, e.counter_account, e.actor, \
         e.reference, e.description, e.metadata FROM intents i \
         LEFT JOIN entries e ON e.account_id = i.account_id AND e.seq = i.first_seq \
         WHERE i.account_id BETWEEN {first} AND {last}"
    );
    db.connection
        .stream_portions(&select, |Tried(account, attempt)| each(account, attempt))
}

/// The columns of [`Opened`] in each table, from the record `r` and the intent `i` that opened it.
const OPENED: [(&str, &str, &str); 4] = [
    (
        "recharges",
        "recharge",
        "r.amount, r.method, r.created_at, r.expires_at, NULL, NULL, NULL, r.gateway_response, \
         NOT EXISTS (SELECT 1 FROM intents m WHERE m.account_id = r.account_id AND m.subject = r.number \
         AND m.state = 'applied' AND m.operation LIKE 'recharge-%'), \
         r.reference, r.description, r.metadata, NULL, NULL",
    ),
    (
        "holds",
        "freeze",
        "r.amount, r.service, r.created_at, r.expires_at, NULL, NULL, NULL, NULL, 1 = 0, \
         r.reference, r.description, r.metadata, NULL, NULL",
    ),
    (
        "purchases",
        "purchase-record",
        "r.credits, NULL, r.created_at, (SELECT c.due_at FROM pending_credits c WHERE c.account_id = r.account_id \
         AND c.number = r.number), r.paid, r.paid_currency, r.paid_exponent, NULL, 1 = 0, \
         r.reference, r.description, r.metadata, (SELECT MIN(m.payload) FROM intents m \
         WHERE m.account_id = r.account_id AND m.subject = r.number AND m.state = 'applied' \
         AND m.operation = 'deactivate-purchase' AND r.deactivated_at IS NOT NULL HAVING COUNT(*) = 1), \
         r.deactivated_why",
    ),
    (
        "gifts",
        "gift-grant",
        "r.credits, NULL, r.created_at, NULL, r.paid, r.paid_currency, r.paid_exponent, NULL, 1 = 0, \
         r.reference, r.description, r.metadata, (SELECT MIN(m.payload) FROM intents m \
         WHERE m.account_id = r.account_id AND m.subject = r.number AND m.state = 'applied' \
         AND m.operation = 'gift-deactivate' AND r.deactivated_at IS NOT NULL HAVING COUNT(*) = 1), \
         r.deactivated_why",
    ),
];

struct Record(AccountId, Opened);

impl FromRow for Record {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let account = AccountId::new(columns.int()?);
        let opened = Opened {
            number: columns.int()?,
            payload: columns.text()?,
            amount: columns.int()?,
            name: columns.optional_text()?,
            created_at: columns.int()?,
            until: columns.optional_int()?,
            paid: columns.optional_int()?,
            paid_currency: columns.optional_text()?,
            paid_exponent: columns.optional_int()?,
            gateway_response: columns.optional_text()?,
            unmoved: columns.boolean()?,
            reference: columns.optional_text()?,
            description: columns.optional_text()?,
            metadata: columns.optional_text()?,
            taken_back: columns.optional_text()?,
            why: columns.optional_text()?,
        };
        Ok(Self(account, opened))
    }
}

/// Hands over every record of the accounts in `first..=last` with the intent that opened it, and its table.
pub fn opened_records<E: From<DbError>>(
    db: &mut Db,
    first: i64,
    last: i64,
    mut each: impl FnMut(AccountId, &'static str, Opened) -> Result<(), E>,
) -> Result<(), E> {
    for (table, operation, columns) in OPENED {
        let select = format!(
            "SELECT r.account_id, r.number, i.payload, {columns} FROM {table} r JOIN intents i \
             ON i.account_id = r.account_id AND i.subject = r.number AND i.operation = '{operation}' \
             AND i.state = 'applied' WHERE r.account_id BETWEEN {first} AND {last}"
        );
        db.connection
            .stream_portions(&select, |Record(account, opened)| each(account, table, opened))?;
    }
    Ok(())
}
