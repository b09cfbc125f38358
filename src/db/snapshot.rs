//! An account as a decision sees it: settings, figures, and whether the two copies agree.

use std::sync::Arc;

use diesel::deserialize;

use super::accounts::account_named;
use super::backend::Engine;
use super::connection::Db;
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::statement::{known, known_statement};
use crate::domain::account::{Account, AccountId, Limits};
use crate::domain::balance::{Figures, State};
use crate::domain::chain::ChainHash;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::Standing;
use crate::domain::money::{Amount, Minor};
use crate::domain::text::UserId;
use crate::domain::time::Timestamp;

/// An account with its balance row, as one statement read them.
#[derive(Clone, Debug)]
pub struct Located {
    pub account: Arc<Account>,
    pub state: State,
}

macro_rules! account_columns {
    () => {
        "a.id, a.user_id, a.currency, a.exponent, a.low_balance_threshold, a.charges_per_minute, a.spend_per_day, \
         a.locked, a.closed, a.suspension, a.revision, a.created_at"
    };
}

macro_rules! state_columns {
    () => {
        "b.balance, b.held, b.debt, b.total_recharged, b.total_spent, b.last_seq, b.chain_head"
    };
}

/// The columns of an [`Account`], from `accounts a`.
pub(super) const ACCOUNT_COLUMNS: &str = account_columns!();

/// The columns that [`read_state`] reads, from `balances b`.
pub(super) const STATE_COLUMNS: &str = state_columns!();

/// The columns of [`Located`], from `accounts a`, `balances b` and its last entry `l`.
pub(super) const COLUMNS: &str = concat!(
    account_columns!(),
    ", ",
    state_columns!(),
    ", l.hash, l.balance_after, l.held_after, l.debt_after"
);

/// The tables of [`COLUMNS`].
pub(super) fn joins(engine: Engine) -> String {
    format!(
        "accounts a LEFT JOIN balances b ON b.account_id = a.id {}",
        engine.join_entry("b.account_id", "b.last_seq")
    )
}

fn by_name(engine: Engine) -> String {
    format!(
        "SELECT {COLUMNS} FROM {} WHERE a.user_id = ? AND a.currency = ?",
        joins(engine)
    )
}

fn by_id(engine: Engine) -> String {
    format!("SELECT {COLUMNS} FROM {} WHERE a.id = ?", joins(engine))
}

/// The number once for each table, so that each is looked up on the one server that has this account.
fn by_id_in_every_table() -> String {
    format!(
        "SELECT {COLUMNS} FROM accounts a LEFT JOIN balances b ON b.account_id = a.id AND b.account_id = ? \
         LEFT JOIN entries l ON l.account_id = b.account_id AND l.account_id = ? AND l.seq = b.last_seq WHERE a.id = ?"
    )
}

/// The account of that user and currency, or `None`.
pub fn find(db: &mut Db, user_id: &UserId, currency: &CurrencyCode) -> Result<Option<Located>, DbError> {
    checked(find_row(db, user_id, currency)?)
}

/// The same, not looked at yet.
pub(super) fn find_row(db: &mut Db, user_id: &UserId, currency: &CurrencyCode) -> Result<Option<SnapshotRow>, DbError> {
    known_statement!(Sqlite, by_name(Engine::Sqlite));
    known_statement!(Postgres, by_name(Engine::Postgres));
    if db.connection.is_sharded() {
        let id = account_named(db, user_id, currency)?;
        return id.map_or(Ok(None), |id| look_at_row(db, id));
    }
    let (user_id, currency) = (user_id.as_str(), currency.as_str());
    match db.engine() {
        Engine::Sqlite => db.row(&known::<Sqlite>().bind(user_id).bind(currency)),
        Engine::Postgres => db.row(&known::<Postgres>().bind(user_id).bind(currency)),
    }
}

/// The account under its lock, held until the transaction ends.
pub fn lock(db: &mut Db, id: AccountId) -> Result<Option<Located>, DbError> {
    db.connection.lock_balance(id.get())?;
    look(db, id)
}

/// The same of an account that was there a moment ago.
pub fn locked(db: &mut Db, id: AccountId) -> Result<Located, DbError> {
    lock(db, id)?.ok_or_else(|| gone(id))
}

/// What is told of an account that was there a moment ago.
pub fn gone(id: AccountId) -> DbError {
    DbError::Integrity(format!("account {id} has disappeared"))
}

/// The account as it is, without its lock.
pub fn look(db: &mut Db, id: AccountId) -> Result<Option<Located>, DbError> {
    checked(look_at_row(db, id)?)
}

fn look_at_row(db: &mut Db, id: AccountId) -> Result<Option<SnapshotRow>, DbError> {
    known_statement!(Sqlite, by_id(Engine::Sqlite));
    known_statement!(Postgres, by_id(Engine::Postgres));
    known_statement!(Sharded, by_id_in_every_table());
    if db.connection.is_sharded() {
        let id = id.get();
        return db.row(&known::<Sharded>().bind(id).bind(id).bind(id));
    }
    match db.engine() {
        Engine::Sqlite => db.row(&known::<Sqlite>().bind(id.get())),
        Engine::Postgres => db.row(&known::<Postgres>().bind(id.get())),
    }
}

fn checked(row: Option<SnapshotRow>) -> Result<Option<Located>, DbError> {
    row.map(SnapshotRow::checked).transpose()
}

/// The row, before its balance row has been held against its last entry.
pub(super) struct SnapshotRow {
    account: Account,
    row: Option<State>,
    last_entry: Option<(ChainHash, Standing)>,
}

impl SnapshotRow {
    pub(super) fn account_id(&self) -> AccountId {
        self.account.id
    }

    /// A balance row that does not repeat the last entry is not built upon: the damage would go into the journal.
    pub(super) fn checked(self) -> Result<Located, DbError> {
        let account = self.account;
        let Some(state) = self.row else {
            return Err(without_row(&account));
        };
        let repeats = match self.last_entry {
            Some((hash, after)) => hash == state.chain_head && after == state.figures.standing(),
            None => state == State::default(),
        };
        if !repeats {
            return Err(drifted("the balance row does not match the last entry", &account));
        }
        Ok(Located {
            account: Arc::new(account),
            state,
        })
    }
}

/// What is told of an account whose balance row is missing.
pub fn without_row(account: &Account) -> DbError {
    drifted("there is no balance row", account)
}

fn drifted(what: &str, account: &Account) -> DbError {
    let (user_id, currency) = (&account.user_id, account.currency.code());
    DbError::Integrity(format!(
        "{what} of user {user_id} in {currency}; nothing was done; \
         run `ledger verify-sync --user-id {user_id} --currency {currency} --fix`"
    ))
}

/// What cannot be read is told with the account's number.
impl FromRow for Account {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let id = AccountId::from_row(columns)?;
        read_account_of(id, columns).map_err(|error| format!("account {id}: {error}").into())
    }
}

fn read_account_of(id: AccountId, columns: &mut impl Columns) -> deserialize::Result<Account> {
    let user_id = UserId::parse(&columns.text()?)?;
    let code = CurrencyCode::parse(&columns.text()?)?;
    let exponent = u8::try_from(columns.int()?)?;
    let currency = Currency::new(code, exponent).ok_or("an account has an impossible exponent")?;
    let low_balance_threshold = columns.optional_int()?.map(Minor::new);
    let charges_per_minute = columns.optional_int()?.map(u32::try_from).transpose()?;
    let spend_per_day = columns.optional_int()?.map(Minor::new).and_then(Amount::new);
    Ok(Account {
        id,
        user_id,
        currency,
        low_balance_threshold,
        limits: Limits {
            charges_per_minute,
            spend_per_day,
        },
        locked: columns.boolean()?,
        closed: columns.boolean()?,
        suspension: columns.optional_int()?,
        revision: columns.int()?,
        created_at: Timestamp::from_micros(columns.int()?),
    })
}

/// Seven columns of a balance row that an outer join may have left empty.
pub(super) fn read_state(columns: &mut impl Columns) -> deserialize::Result<Option<State>> {
    let mut figures = [None; 6];
    for figure in &mut figures {
        *figure = columns.optional_int()?;
    }
    let head = columns.optional_hash()?;
    let [
        Some(balance),
        Some(held),
        Some(debt),
        Some(total_recharged),
        Some(total_spent),
        Some(last_seq),
    ] = figures
    else {
        return Ok(None);
    };
    Ok(Some(State {
        figures: Figures {
            balance: Minor::new(balance),
            held: Minor::new(held),
            debt: Minor::new(debt),
            total_recharged: Minor::new(total_recharged),
            total_spent: Minor::new(total_spent),
        },
        last_seq,
        chain_head: ChainHash::from_bytes(head.ok_or("a balance row has no chain head")?),
    }))
}

impl FromRow for SnapshotRow {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let account = Account::from_row(columns)?;
        let row = read_state(columns)?;
        let hash = columns.optional_hash()?;
        let after = [
            columns.optional_int()?,
            columns.optional_int()?,
            columns.optional_int()?,
        ];
        let last_entry = match (hash, after) {
            (Some(hash), [Some(balance), Some(held), Some(debt)]) => Some((
                ChainHash::from_bytes(hash),
                Standing {
                    balance: Minor::new(balance),
                    held: Minor::new(held),
                    debt: Minor::new(debt),
                },
            )),
            _ => None,
        };
        Ok(Self {
            account,
            row,
            last_entry,
        })
    }
}
