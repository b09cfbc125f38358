//! The `entries` table: written once, read in order.

use diesel::deserialize;

use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::{Binds, known, known_statement, sql, sql_of_accounts};
use crate::domain::account::AccountId;
use crate::domain::balance::Figures;
use crate::domain::chain::ChainHash;
use crate::domain::entry::{CounterAccount, Deltas, Entry, EntryKind, Movement, Note, Stamp, Standing, Total};
use crate::domain::money::Minor;
use crate::domain::snapshot::Reversible;
use crate::domain::text::{Actor, Description, IdempotencyKey, Json, Reference};
use crate::domain::time::Timestamp;

pub(super) const COLUMNS: &str = "seq, balance_delta, held_delta, debt_delta, kind, balance_after, held_after, \
     debt_after, reverses, at, hash, counter_account, actor, idempotency_key, reference, description, metadata";

/// Binds an entry's values in the order of [`COLUMNS`].
pub(super) fn bind_entry<'a, B: Binds<'a>>(row: B, entry: &'a Entry) -> B {
    let Entry {
        seq,
        movement,
        after,
        stamp,
        hash,
    } = entry;
    let row = row
        .int(*seq)
        .int(movement.deltas.balance.get())
        .int(movement.deltas.held.get())
        .int(movement.deltas.debt.get())
        .text(movement.kind.name())
        .int(after.balance.get())
        .int(after.held.get())
        .int(after.debt.get())
        .int(movement.reverses)
        .int(stamp.at.micros())
        .bytes(hash.as_bytes())
        .text(movement.counter_account.as_str())
        .text(stamp.actor.as_str())
        .text(stamp.key.as_ref().map(IdempotencyKey::as_str));
    bind_note(row, &stamp.note)
}

/// Binds reference, description and metadata.
pub(super) fn bind_note<'a, B: Binds<'a>>(row: B, note: &'a Note) -> B {
    row.text(note.reference.as_ref().map(Reference::as_str))
        .text(note.description.as_ref().map(Description::as_str))
        .text(note.metadata.as_ref().map(Json::as_str))
}

impl FromRow for Entry {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let seq = columns.int()?;
        let mut minor = || columns.int().map(Minor::new);
        let deltas = Deltas {
            balance: minor()?,
            held: minor()?,
            debt: minor()?,
        };
        let kind = EntryKind::parse(&columns.text()?).ok_or("an entry has an unknown kind")?;
        let mut minor = || columns.int().map(Minor::new);
        let after = Standing {
            balance: minor()?,
            held: minor()?,
            debt: minor()?,
        };
        let reverses = columns.optional_int()?;
        let at = Timestamp::from_micros(columns.int()?);
        let hash = ChainHash::from_bytes(columns.hash()?);
        let counter_account = CounterAccount::stored(columns.text()?);
        let actor = Actor::parse(&columns.text()?)?;
        let key = columns
            .optional_text()?
            .map(|text| IdempotencyKey::parse(&text))
            .transpose()?;
        let note = read_note(columns)?;
        Ok(Self {
            seq,
            movement: Movement {
                kind,
                deltas,
                counter_account,
                reverses,
            },
            after,
            stamp: Stamp { note, actor, key, at },
            hash,
        })
    }
}

/// Reference, description and metadata.
pub(super) fn read_note(columns: &mut impl Columns) -> deserialize::Result<Note> {
    Ok(Note {
        reference: columns
            .optional_text()?
            .map(|text| Reference::parse(&text))
            .transpose()?,
        description: columns
            .optional_text()?
            .map(|text| Description::parse(&text))
            .transpose()?,
        metadata: columns.optional_text()?.map(Json::stored),
    })
}

/// Appends to the journal. [`DbError::Taken`] says that somebody else has appended meanwhile.
pub fn entry_insert(db: &mut Db, account: AccountId, entry: &Entry) -> Result<(), DbError> {
    known_statement!(
        Insert,
        format!(
            "INSERT INTO entries (account_id, {COLUMNS}) VALUES (?{})",
            ", ?".repeat(17)
        )
    );
    db.execute(&bind_entry(known::<Insert>().bind(account.get()), entry))
        .map(|_| ())
}

/// The entries `first..=last` of an account, oldest first.
pub fn entries_between(db: &mut Db, account: AccountId, first: i64, last: i64) -> Result<Vec<Entry>, DbError> {
    known_statement!(
        Between,
        format!("SELECT {COLUMNS} FROM entries WHERE account_id = ? AND seq BETWEEN ? AND ? ORDER BY seq")
    );
    db.rows(&known::<Between>().bind(account.get()).bind(first).bind(last))
}

/// Hands over every entry of an account, oldest first, without holding them all.
pub fn entries_stream<E: From<DbError>>(
    db: &mut Db,
    account: AccountId,
    each: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    let select = format!("SELECT {COLUMNS} FROM entries WHERE account_id = ? ORDER BY seq");
    db.connection.stream(&sql(select).bind(account.get()), each)
}

/// An entry behind the account it belongs to.
pub(super) struct OfAccount(pub(super) AccountId, pub(super) Entry);

impl FromRow for OfAccount {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(Self(AccountId::new(columns.int()?), Entry::from_row(columns)?))
    }
}

/// Hands over every entry of the accounts with ids in `first..=last`, in order of account and sequence number.
pub fn entries_stream_of_accounts<E: From<DbError>>(
    db: &mut Db,
    first: i64,
    last: i64,
    mut each: impl FnMut(AccountId, Entry) -> Result<(), E>,
) -> Result<(), E> {
    let select =
        format!("SELECT account_id, {COLUMNS} FROM entries WHERE account_id BETWEEN ? AND ? ORDER BY account_id, seq");
    let select = sql(select).bind(first).bind(last);
    db.connection
        .stream(&select, |OfAccount(account, entry)| each(account, entry))
}

/// The entry, and how much of it others have taken back.
pub fn entry_reversible(db: &mut Db, account: AccountId, seq: i64) -> Result<Option<Reversible>, DbError> {
    let Some(entry) = entries_between(db, account, seq, seq)?.into_iter().next() else {
        return Ok(None);
    };
    let taken_back = sql(format!(
        "SELECT {} FROM entries WHERE account_id = ? AND reverses = ?",
        sum("ABS(balance_delta - debt_delta)")
    ));
    let reversed = db.row(&taken_back.bind(account.get()).bind(seq))?.unwrap_or(0);
    Ok(Some(Reversible {
        seq,
        movement: entry.movement,
        reversed: Minor::new(reversed),
    }))
}

/// Which entries a history shows.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub kind: Option<EntryKind>,
    pub counter_account: Option<CounterAccount>,
    /// Only entries with a smaller sequence number: the next page.
    pub before: Option<i64>,
    pub limit: i64,
}

/// Newest first.
pub fn entries_history(db: &mut Db, account: AccountId, filter: &HistoryFilter) -> Result<Vec<Entry>, DbError> {
    let list = sql(format!("SELECT {COLUMNS} FROM entries WHERE account_id = ?"))
        .bind(account.get())
        .given("at >= ?", filter.since.map(Timestamp::micros))
        .given("at < ?", filter.until.map(Timestamp::micros))
        .given("kind = ?", filter.kind.map(EntryKind::name))
        .given(
            "counter_account = ?",
            filter.counter_account.as_ref().map(CounterAccount::as_str),
        )
        .given("seq < ?", filter.before);
    db.rows(&list.first("seq DESC", filter.limit))
}

/// Number and sums of the entries of one kind and counter-account, in minor units.
///
/// One kind's sum may be beyond 64 bits although no figure of the account ever is.
#[derive(Clone, Debug)]
pub struct Breakdown {
    pub kind: EntryKind,
    pub counter_account: String,
    pub entries: i64,
    pub balance: i128,
    pub held: i128,
    pub debt: i128,
}

impl FromRow for Breakdown {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let kind = EntryKind::parse(&columns.text()?).ok_or("an entry has an unknown kind")?;
        let (counter_account, entries) = (columns.text()?, columns.int()?);
        let (balance, held, debt) = (read_wide(columns)?, read_wide(columns)?, read_wide(columns)?);
        Ok(Self {
            kind,
            counter_account,
            entries,
            balance,
            held,
            debt,
        })
    }
}

/// A sum that may be beyond 64 bits: the upper and the lower 32 bits apart, of which neither can overflow.
pub(super) fn wide_sum(of: &str) -> String {
    format!(
        "{}, {}",
        sum(&format!("({of}) >> 32")),
        sum(&format!("({of}) & 4294967295"))
    )
}

pub(super) fn read_wide(columns: &mut impl Columns) -> deserialize::Result<i128> {
    let (high, low) = (columns.int()?, columns.int()?);
    Ok((i128::from(high) << 32) + i128::from(low))
}

/// A sum of one account, which fits; one that left the range by damage stays at its end.
pub(super) fn clamped(sum: i128) -> i64 {
    i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
}

struct Wide(i128);

impl FromRow for Wide {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        read_wide(columns).map(Self)
    }
}

/// What an account's figures are made of.
pub fn entries_breakdown(db: &mut Db, account: AccountId) -> Result<Vec<Breakdown>, DbError> {
    let select = format!(
        "SELECT kind, counter_account, COUNT(*), {}, {}, {} FROM entries WHERE account_id = ? \
         GROUP BY kind, counter_account ORDER BY {}, {}",
        wide_sum("balance_delta"),
        wide_sum("held_delta"),
        wide_sum("debt_delta"),
        db.by_bytes("kind"),
        db.by_bytes("counter_account"),
    );
    db.rows(&sql(select).bind(account.get()))
}

/// What an account did lately, for its limits: charges and freezes since `minute`, money spent since `day`. A clock that
/// was set back frees nothing.
///
/// What is refunded counts for the day on which it was spent.
pub fn entries_usage(
    db: &mut Db,
    account: AccountId,
    minute: Timestamp,
    day: Timestamp,
) -> Result<(i64, Minor), DbError> {
    let names: Vec<String> = kinds_of(Total::Spent)
        .map(|kind| format!("'{}'", kind.name()))
        .collect();
    let spent = names.join(", ");
    let charges =
        sql("SELECT COUNT(*) FROM entries WHERE account_id = ? AND kind IN ('service_fee', 'freeze') AND at > ?")
            .bind(account.get())
            .bind(minute.micros());
    let spending = sql(format!(
        "SELECT {} FROM entries e WHERE account_id = ? AND at >= ? AND kind IN ({spent}) \
         AND (reverses IS NULL OR EXISTS (SELECT 1 FROM entries o WHERE o.account_id = ? \
         AND o.seq = e.reverses AND o.at >= ?))",
        wide_sum("-(balance_delta + held_delta)")
    ))
    .bind(account.get())
    .bind(day.micros())
    .bind(account.get())
    .bind(day.micros());
    let Wide(spent) = db.row(&spending)?.unwrap_or(Wide(0));
    Ok((db.row(&charges)?.unwrap_or(0), Minor::new(clamped(spent))))
}

/// What the entries of an account come to.
#[derive(Clone, Copy, Debug)]
pub struct Summed {
    pub account: AccountId,
    pub entries: i64,
    pub figures: Figures,
}

impl FromRow for Summed {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let account = AccountId::new(columns.int()?);
        let entries = columns.int()?;
        let figures = read_figures(columns)?;
        Ok(Self {
            account,
            entries,
            figures,
        })
    }
}

/// The columns of [`summed_figures`].
pub(super) fn read_figures(columns: &mut impl Columns) -> deserialize::Result<Figures> {
    let mut minor = || columns.int().map(Minor::new);
    Ok(Figures {
        balance: minor()?,
        held: minor()?,
        debt: minor()?,
        total_recharged: minor()?,
        total_spent: minor()?,
    })
}

/// The sums of the accounts with ids in `first..=last`, in order of account.
///
/// The same as folding the entries, left to the database because it is many times faster.
pub fn entries_summed(db: &mut Db, first: i64, last: i64) -> Result<Vec<Summed>, DbError> {
    let statement = format!(
        "SELECT account_id, {} FROM entries WHERE account_id BETWEEN ? AND ? GROUP BY account_id ORDER BY account_id",
        summed_columns()
    );
    db.rows(&sql_of_accounts(&statement, (first, last)))
}

/// The sums of one account through the entry `last`; `None` where it has none.
pub fn entries_summed_through(db: &mut Db, account: AccountId, last: i64) -> Result<Option<Summed>, DbError> {
    let statement = format!(
        "SELECT account_id, {} FROM entries WHERE account_id = ? AND seq <= ? GROUP BY account_id",
        summed_columns()
    );
    db.row(&sql(statement).bind(account.get()).bind(last))
}

/// The last entry made by `until`; 0 where there is none.
pub fn entries_last_seq_at(db: &mut Db, account: AccountId, until: Timestamp) -> Result<i64, DbError> {
    let last = sql("SELECT COALESCE(MAX(seq), 0) FROM entries WHERE account_id = ? AND at <= ?");
    Ok(db.row(&last.bind(account.get()).bind(until.micros()))?.unwrap_or(0))
}

/// The first and the last entry that were made under a key.
pub fn entries_of_key(db: &mut Db, account: AccountId, key: &IdempotencyKey) -> Result<Option<(i64, i64)>, DbError> {
    let select = sql("SELECT MIN(seq), MAX(seq) FROM entries WHERE account_id = ? AND idempotency_key = ?");
    let ends: Option<(Option<i64>, Option<i64>)> = db.row(&select.bind(account.get()).bind(key.as_str()))?;
    Ok(ends.and_then(|(first, last)| first.zip(last)))
}

fn summed_columns() -> String {
    format!("COUNT(*), {}", summed_figures(sum).join(", "))
}

/// The five figures, each as `sum` sums it.
pub(super) fn summed_figures(sum: impl Fn(&str) -> String) -> [String; 5] {
    // `CASE kind WHEN` reads the kind once per row, and the commonest come first.
    let of_kinds = |total: Total, of: &str| {
        let whens: Vec<String> = kinds_of(total)
            .map(|kind| format!(" WHEN '{}' THEN {of}", kind.name()))
            .collect();
        format!("CASE kind{} END", whens.concat())
    };
    [
        sum("balance_delta"),
        sum("held_delta"),
        sum("debt_delta"),
        sum(&of_kinds(Total::Recharged, "balance_delta")),
        format!("-{}", sum(&of_kinds(Total::Spent, "balance_delta + held_delta"))),
    ]
}

/// The one way to sum amounts: exact, an error when beyond 64 bits, zero of nothing.
pub(super) fn sum(of: &str) -> String {
    sum_where(of, "")
}

/// The same of some rows; `filter` is `FILTER (WHERE ...)`.
pub(super) fn sum_where(of: &str, filter: &str) -> String {
    format!("CAST(COALESCE(SUM({of}) {filter}, 0) AS BIGINT)")
}

/// The kinds that count towards a total.
fn kinds_of(total: Total) -> impl Iterator<Item = EntryKind> {
    EntryKind::ALL
        .iter()
        .copied()
        .filter(move |kind| kind.total() == Some(total))
}

/// Place, hash and figures of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    pub seq: i64,
    pub hash: ChainHash,
    pub after: Standing,
}

impl FromRow for Last {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let seq = columns.int()?;
        let hash = ChainHash::from_bytes(columns.hash()?);
        let mut minor = || columns.int().map(Minor::new);
        let after = Standing {
            balance: minor()?,
            held: minor()?,
            debt: minor()?,
        };
        Ok(Self { seq, hash, after })
    }
}

/// The last entry of each account in `first..=last`, in order of account.
pub fn entries_last(db: &mut Db, first: i64, last: i64) -> Result<Vec<(AccountId, Last)>, DbError> {
    // One look-up by key per account, which neither engine would choose by itself for a join.
    let select = sql_of_accounts(
        "SELECT e.account_id, e.seq, e.hash, e.balance_after, e.held_after, e.debt_after \
         FROM accounts a JOIN entries e ON e.account_id = a.id \
         AND e.seq = (SELECT x.seq FROM entries x WHERE x.account_id = a.id ORDER BY x.seq DESC LIMIT 1) \
         WHERE a.id BETWEEN ? AND ? ORDER BY a.id",
        (first, last),
    );
    db.rows(&select)
}
