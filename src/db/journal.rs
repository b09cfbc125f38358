//! The journal read to be checked: every entry with what is hashed of it, as fast as it can be read.

use diesel::deserialize;

use super::backend::Engine;
use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::{Column, in_accounts, sql};
use crate::domain::account::AccountId;
use crate::domain::balance::{Place, ReadEntry};
use crate::domain::chain::{ChainHash, EntryForm};
use crate::domain::entry::{Deltas, EntryKind, Standing};
use crate::domain::money::Minor;

/// The columns of [`ReadEntry`], after the account: the form's in their order, and the hash.
const COLUMNS: &str = "account_id, seq, kind, balance_delta, held_delta, debt_delta, balance_after, held_after, \
     debt_after, counter_account, reference, description, metadata, actor, reverses, idempotency_key, at, hash";

impl FromRow for ReadEntry {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let mut form = EntryForm::new();
        let seq = columns.int()?;
        form.integer(seq);
        let mut kind = None;
        form.field(|to| -> deserialize::Result<bool> {
            let at = to.len();
            let given = columns.append_text(to)?;
            kind = str::from_utf8(&to[at..]).ok().and_then(EntryKind::parse);
            Ok(given)
        })?;
        let mut figures = [Minor::ZERO; 6];
        for figure in &mut figures {
            let minor = columns.int()?;
            form.integer(minor);
            *figure = Minor::new(minor);
        }
        for _text in ["counter_account", "reference", "description", "metadata", "actor"] {
            form.field(|to| columns.append_text(to))?;
        }
        form.field(|to| -> deserialize::Result<bool> {
            let reverses = columns.optional_int()?;
            to.extend(reverses.iter().flat_map(|seq| seq.to_be_bytes()));
            Ok(reverses.is_some())
        })?;
        let mut keyed = false;
        form.field(|to| -> deserialize::Result<bool> {
            keyed = columns.append_text(to)?;
            Ok(keyed)
        })?;
        form.integer(columns.int()?);
        let hash = ChainHash::from_bytes(columns.hash()?);
        let [balance_delta, held_delta, debt_delta, balance, held, debt] = figures;
        let deltas = Deltas {
            balance: balance_delta,
            held: held_delta,
            debt: debt_delta,
        };
        let after = Standing { balance, held, debt };
        let place = Place { seq, after, hash };
        Ok(Self {
            kind,
            deltas,
            place,
            keyed,
            form,
        })
    }
}

/// Hands over every entry of the accounts with ids in that range, each account's mostly in order.
pub fn entries_read<E: From<DbError>>(
    db: &mut Db,
    accounts: (i64, i64),
    mut each: impl FnMut(AccountId, ReadEntry) -> Result<(), E>,
) -> Result<(), E> {
    // SQLite keeps the rows in this order; PostgreSQL would have to look each of them up.
    let order = match db.engine() {
        Engine::Sqlite => "ORDER BY account_id, seq",
        Engine::Postgres => "",
    };
    let select = format!(
        "SELECT {COLUMNS} FROM entries WHERE account_id {} {order}",
        in_accounts(accounts)
    );
    db.connection
        .stream_portions(&select, |(account, entry)| each(account, entry))
}

/// Hands over the entries of one account from `first` on, in order.
pub fn entries_read_in_order<E: From<DbError>>(
    db: &mut Db,
    account: AccountId,
    first: i64,
    limit: i64,
    mut each: impl FnMut(ReadEntry) -> Result<(), E>,
) -> Result<(), E> {
    let select = format!("SELECT {COLUMNS} FROM entries WHERE account_id = ? AND seq >= ? ORDER BY seq LIMIT ?");
    let select = sql(select).bind(account.get()).bind(first).bind(limit);
    db.connection.stream(&select, |(_, entry): (AccountId, _)| each(entry))
}

/// The hashes of these entries, in their order; `None` for one that is not there.
pub fn hashes_at(db: &mut Db, places: &[(AccountId, i64)]) -> Result<Vec<Option<ChainHash>>, DbError> {
    match db.engine() {
        Engine::Sqlite => {
            let find = |(account, seq): &(AccountId, i64)| {
                let find = sql("SELECT hash FROM entries WHERE account_id = ? AND seq = ?");
                let found: Option<Option<ChainHash>> = db.row(&find.bind(account.get()).bind(*seq))?;
                Ok(found.flatten())
            };
            places.iter().map(find).collect()
        }
        Engine::Postgres => {
            let find = sql(
                "SELECT (SELECT e.hash FROM entries e WHERE e.account_id = n.account_id AND e.seq = n.seq) \
                 FROM unnest(?, ?) WITH ORDINALITY n (account_id, seq, place) ORDER BY n.place",
            )
            .bind(Column::ints(places, |(account, _)| Some(account.get())))
            .bind(Column::ints(places, |(_, seq)| Some(*seq)));
            db.rows(&find)
        }
    }
}

impl FromRow for Option<ChainHash> {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        Ok(columns.optional_hash()?.map(ChainHash::from_bytes))
    }
}
