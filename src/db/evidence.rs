//! What intents and records claim of the entries, handed over to be judged: the rules are `domain::evidence` and
//! `domain::opened`.

use diesel::deserialize;

use super::backend::Engine;
use super::checks::REVOKED_BY_AUDIT;
use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::{in_accounts, sql, sql_of_accounts};
use crate::domain::account::AccountId;
use crate::domain::entry::EntryKind;
use crate::domain::evidence::{Attempt, Named};
use crate::domain::opened::{Granted, Opened};

/// A kind of entry that a record must name, and the table of those records.
pub const RECORDED: [(EntryKind, &str); 4] = [
    (EntryKind::Recharge, "recharges"),
    (EntryKind::Freeze, "holds"),
    (EntryKind::Credit, "pending_credits"),
    (EntryKind::Gift, "gifts"),
];

/// How many entries the records of that table name, by account; an account without any is not among them.
pub fn named_entries(db: &mut Db, table: &str, first: i64, last: i64) -> Result<Vec<(AccountId, i64)>, DbError> {
    let select = format!(
        "SELECT account_id, COUNT(DISTINCT entry_seq) FROM {table} WHERE account_id BETWEEN ? AND ? \
         AND entry_seq IS NOT NULL GROUP BY account_id"
    );
    db.rows(&sql_of_accounts(&select, (first, last)))
}

/// The entries of that kind which no record of the table names.
pub fn unrecorded(db: &mut Db, account: AccountId, kind: EntryKind, table: &str) -> Result<Vec<i64>, DbError> {
    let select = format!(
        "SELECT r.seq FROM entries r WHERE r.account_id = ? AND r.kind = ? AND NOT EXISTS (SELECT 1 FROM {table} x \
         WHERE x.account_id = r.account_id AND x.entry_seq = r.seq) ORDER BY r.seq"
    );
    db.rows(&sql(select).bind(account.get()).bind(kind.name()))
}

/// The outcome of an attempt that may well be told whole by its entry, of which there is one.
///
/// Not by IN, for which SQLite would look in a table of its own.
const PLAIN: &str = "(CASE i.operation WHEN 'charge' THEN i.subject IS NULL WHEN 'recharge' THEN i.subject IS NOT NULL \
     WHEN 'adjust' THEN i.subject IS NULL WHEN 'penalty' THEN i.subject IS NULL ELSE 1 = 0 END \
     AND i.state = 'applied' AND i.reason IS NULL AND i.attempt > 0 AND i.first_seq = i.last_seq)";

/// An attempt as stored, right or wrong.
pub enum Told {
    Plain(PlainAttempt),
    /// With the first entry that it names.
    Other(AccountId, Box<Attempt>),
}

/// An attempt that may be told by its entry.
#[derive(Clone, Debug)]
pub struct PlainAttempt {
    pub account: AccountId,
    /// The entry that it names.
    pub seq: i64,
    /// Key, operation, actor and payload, each ended with a zero, which no text of an entry holds.
    pub claim: Vec<u8>,
    /// Where in it the payload begins.
    pub payload_at: usize,
}

const TOLD: &str = "i.account_id, i.first_seq, i.idempotency_key, i.operation, i.actor, i.payload, \
     i.attempt, i.state, i.last_seq, i.subject, i.reason";

/// The entries that an attempt says it made and that carry its key, and what the first of them is. Most make one, which
/// is joined as `e`; only where there are more are they counted.
const NAMED: &str = "CASE WHEN e.seq IS NULL THEN CAST(0 AS BIGINT) \
     WHEN i.last_seq = i.first_seq AND e.idempotency_key = i.idempotency_key THEN CAST(1 AS BIGINT) \
     ELSE (SELECT COUNT(*) FROM entries x WHERE x.account_id = i.account_id AND x.seq BETWEEN i.first_seq \
     AND i.last_seq AND x.idempotency_key = i.idempotency_key) END, \
     e.kind, e.balance_delta, e.held_delta, e.debt_delta, e.reverses, e.counter_account, e.actor, \
     e.reference, e.description, e.metadata";

impl FromRow for Told {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let plain = columns.boolean()?;
        let (account, first_seq) = (AccountId::new(columns.int()?), columns.optional_int()?);
        if let Some(seq) = first_seq.filter(|_| plain) {
            return read_plain(columns, account, seq).map(Self::Plain);
        }
        let mut attempt = Attempt {
            first_seq,
            key: columns.text()?,
            operation: columns.text()?,
            actor: columns.text()?,
            payload: columns.text()?,
            attempt: columns.int()?,
            state: columns.text()?,
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
        Ok(Self::Other(account, Box::new(attempt)))
    }
}

fn read_plain(columns: &mut impl Columns, account: AccountId, seq: i64) -> deserialize::Result<PlainAttempt> {
    let mut claim = Vec::with_capacity(256);
    let mut payload_at = 0;
    for _text in ["idempotency_key", "operation", "actor", "payload"] {
        payload_at = claim.len();
        columns.append_text(&mut claim)?;
        claim.push(0);
    }
    Ok(PlainAttempt {
        account,
        seq,
        claim,
        payload_at,
    })
}

/// How much of the ledger the accounts of a page have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// So little that each of their attempts is looked up.
    Part,
    /// So much that all attempts there are are gone through.
    Whole,
}

/// Hands over every attempt of the accounts in `first..=last`, in no order; entries are looked up for few of them.
pub fn attempts<E: From<DbError>>(
    db: &mut Db,
    (first, last): (i64, i64),
    reach: Reach,
    each: impl FnMut(Told) -> Result<(), E>,
) -> Result<(), E> {
    let accounts = in_accounts((first, last));
    let select = match db.engine() {
        Engine::Sqlite => {
            let intents = match reach {
                // It would look the rows up in the order of their keys, one page for each; so it does page by page.
                Reach::Part => format!(
                    "(SELECT rowid AS place FROM intents WHERE account_id {accounts} ORDER BY place) o \
                     CROSS JOIN intents i ON i.rowid = o.place"
                ),
                Reach::Whole => "intents i NOT INDEXED".to_owned(),
            };
            format!(
                "SELECT {PLAIN} IS TRUE, {TOLD}, {NAMED} FROM {intents} LEFT JOIN entries e \
                 ON e.account_id = i.account_id AND e.seq = CASE WHEN {PLAIN} THEN NULL ELSE i.first_seq END \
                 WHERE i.account_id {accounts}"
            )
        }
        // As a plain join it would look at all entries for a few.
        Engine::Postgres => format!(
            "SELECT e.looked IS NULL, {TOLD}, {NAMED} FROM intents i LEFT JOIN LATERAL (SELECT TRUE AS looked, x.* \
             FROM (SELECT) plain LEFT JOIN entries x ON x.account_id = i.account_id AND x.seq = i.first_seq \
             WHERE {PLAIN} IS NOT TRUE OFFSET 0) e ON TRUE WHERE i.account_id {accounts}"
        ),
    };
    db.connection.stream_portions(&select, each)
}

/// Hands over the attempts of one account that may be told by their entries, each with its entry.
pub fn plain_attempts<E: From<DbError>>(
    db: &mut Db,
    account: AccountId,
    mut each: impl FnMut(Attempt) -> Result<(), E>,
) -> Result<(), E> {
    let select = format!(
        "SELECT 1 = 0, {TOLD}, {NAMED} FROM intents i LEFT JOIN entries e ON e.account_id = i.account_id \
         AND e.seq = i.first_seq WHERE i.account_id = ? AND {PLAIN}"
    );
    db.connection
        .stream(&sql(select).bind(account.get()), |told| match told {
            Told::Other(_, attempt) => each(*attempt),
            Told::Plain(_) => Ok(()),
        })
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

impl FromRow for Opened {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
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
        })
    }
}

/// Hands over every record of the accounts in `first..=last` with the intent that opened it, and its table.
pub fn opened_records<E: From<DbError>>(
    db: &mut Db,
    first: i64,
    last: i64,
    mut each: impl FnMut(AccountId, &'static str, Opened) -> Result<(), E>,
) -> Result<(), E> {
    let accounts = in_accounts((first, last));
    for (table, operation, columns) in OPENED {
        let select = format!(
            "SELECT r.account_id, r.number, i.payload, {columns} FROM {table} r JOIN intents i \
             ON i.account_id = r.account_id AND i.subject = r.number AND i.operation = '{operation}' \
             AND i.state = 'applied' WHERE r.account_id {accounts} AND i.account_id {accounts}"
        );
        db.connection
            .stream_portions(&select, |(account, opened)| each(account, table, opened))?;
    }
    Ok(())
}

impl FromRow for Granted {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self {
            number: columns.int()?,
            payload: columns.text()?,
            resource: columns.text()?,
            granted_at: columns.int()?,
            expires_at: columns.optional_int()?,
            taken_back: columns.optional_text()?,
            why: columns.optional_text()?,
        })
    }
}

/// Hands over every access grant of the accounts in `first..=last` with the intent of the charge that has paid for it.
pub fn granted<E: From<DbError>>(
    db: &mut Db,
    first: i64,
    last: i64,
    mut each: impl FnMut(AccountId, Granted) -> Result<(), E>,
) -> Result<(), E> {
    let accounts = in_accounts((first, last));
    let select = format!(
        "SELECT r.account_id, r.entry_seq, i.payload, r.resource, r.granted_at, r.expires_at, \
         (SELECT MIN(m.payload) FROM entries e JOIN intents m ON m.account_id = e.account_id \
         AND m.idempotency_key = e.idempotency_key AND m.state = 'applied' WHERE e.account_id = r.account_id \
         AND e.reverses = r.entry_seq AND e.at = r.revoked_at AND m.subject = r.entry_seq AND NOT {REVOKED_BY_AUDIT} \
         HAVING COUNT(*) = 1), \
         r.revoked_why FROM access_grants r JOIN intents i ON i.account_id = r.account_id AND i.subject = r.entry_seq \
         AND i.operation = 'charge' AND i.state = 'applied' WHERE r.account_id {accounts} AND i.account_id {accounts}"
    );
    db.connection
        .stream_portions(&select, |(account, granted)| each(account, granted))
}
