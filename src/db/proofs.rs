//! The `proofs` table: through which entry each account has been proven, and what it came to there.

use std::sync::LazyLock;

use diesel::deserialize;

use super::backend::Engine;
use super::balances::bind_state;
use super::connection::Db;
use super::entries::{read_figures, sum, sum_where, summed_figures};
use super::error::DbError;
use super::rows::{Columns, FromRow};
use super::snapshot::{STATE_COLUMNS, read_state};
use super::statement::{Column, sql, sql_of_accounts};
use crate::domain::account::AccountId;
use crate::domain::balance::State;
use crate::domain::chain::ChainHash;
use crate::domain::entry::Standing;
use crate::domain::money::Minor;
use crate::domain::proof::{Held, Proof, Screened};
use crate::domain::time::Timestamp;

impl FromRow for Held {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let account = AccountId::new(columns.int()?);
        let state = read_state(columns)?.ok_or("a proof is empty")?;
        let hash = columns.optional_hash()?.map(ChainHash::from_bytes);
        let mut minor = || columns.optional_int().map(|minor| minor.map(Minor::new));
        let after = match (minor()?, minor()?, minor()?) {
            (Some(balance), Some(held), Some(debt)) => Some(Standing { balance, held, debt }),
            _ => None,
        };
        Ok(Self {
            proof: Proof { account, state },
            entry: hash.zip(after),
        })
    }
}

/// The proofs of the accounts in `first..=last`, in order, each with the entry it was made at.
pub fn proofs_held(db: &mut Db, first: i64, last: i64) -> Result<Vec<Held>, DbError> {
    let select = format!(
        "SELECT p.account_id, p.balance, p.held, p.debt, p.total_recharged, p.total_spent, p.seq, p.chain_head, \
         l.hash, l.balance_after, l.held_after, l.debt_after FROM proofs p {} \
         WHERE p.account_id BETWEEN ? AND ? ORDER BY p.account_id",
        db.engine().join_entry("p.account_id", "p.seq")
    );
    db.rows(&sql_of_accounts(&select, (first, last)))
}

/// What was proven of one account.
pub fn proof_held(db: &mut Db, account: AccountId) -> Result<Option<Held>, DbError> {
    Ok(proofs_held(db, account.get(), account.get())?.into_iter().next())
}

/// An account as the screen sees it; `None` where it has no proof or no balance row.
#[derive(Clone, Debug)]
pub struct Seen {
    pub id: AccountId,
    pub user_id: String,
    pub currency: String,
    pub screened: Option<Screened>,
}

impl FromRow for Seen {
    fn from_row(columns: &mut impl Columns) -> deserialize::Result<Self> {
        let id = AccountId::new(columns.int()?);
        let (user_id, currency) = (columns.text()?, columns.text()?);
        let states = read_state(columns)?.zip(read_state(columns)?);
        let Some((stored, proven)) = states else {
            return Ok(Self {
                id,
                user_id,
                currency,
                screened: None,
            });
        };
        let screened = Screened {
            stored,
            proven,
            same_settings: columns.boolean()?,
            entries: columns.int()?,
            last_seq: columns.int()?,
            proof_stands: columns.boolean()?,
            row_stands: columns.boolean()?,
            later: read_figures(columns)?,
        };
        Ok(Self {
            id,
            user_id,
            currency,
            screened: Some(screened),
        })
    }
}

/// Every account in `first..=last`, in order: its balance row, its proof, and the entries from the proven one on.
///
/// They are found by the key, nothing before them is read.
pub fn proofs_screened(db: &mut Db, first: i64, last: i64) -> Result<Vec<Seen>, DbError> {
    let states = format!(
        "a.id, a.user_id, a.currency, {STATE_COLUMNS}, \
         p.balance, p.held, p.debt, p.total_recharged, p.total_spent, p.seq, p.chain_head, \
         b.settings_revision = a.revision"
    );
    let joined = "accounts a LEFT JOIN balances b ON b.account_id = a.id LEFT JOIN proofs p ON p.account_id = a.id";
    let select = match db.engine() {
        Engine::Sqlite => screen_of_sqlite(&states, joined),
        Engine::Postgres => {
            // Compiling the statement would take longer than running it.
            db.connection
                .script("SET LOCAL jit = off; SET LOCAL enable_bitmapscan = off")?;
            screen_of_postgres(&states, joined)
        }
    };
    db.rows(&sql_of_accounts(&select, (first, last)))
}

/// The proven entry is looked up, and those after it are summed.
fn screen_of_sqlite(states: &str, joined: &str) -> String {
    let last = |column: &str| format!("COALESCE(s.{column}, f.{column})");
    let (hash, balance, held, debt) = (
        last("hash"),
        last("balance_after"),
        last("held_after"),
        last("debt_after"),
    );
    // A column beside MAX is that of the row with the greatest value; CROSS JOIN keeps the order of the loops.
    let [balance_sum, held_sum, debt_sum, recharged, spent] = summed_figures(sum);
    let since = format!(
        "SELECT q.account_id, COUNT(*) AS entries, MAX(e.seq) AS seq, e.hash, e.balance_after, e.held_after, \
         e.debt_after, {balance_sum} AS balance, {held_sum} AS held, {debt_sum} AS debt, {recharged} AS recharged, \
         {spent} AS spent FROM proofs q CROSS JOIN entries e ON e.account_id = q.account_id AND e.seq > q.seq \
         WHERE q.account_id BETWEEN ? AND ? GROUP BY q.account_id"
    );
    format!(
        "SELECT {states}, COALESCE(s.entries, 0), {}, \
         COALESCE(f.hash = p.chain_head AND f.balance_after = p.balance AND f.held_after = p.held \
         AND f.debt_after = p.debt, 1 = 0), \
         COALESCE({hash} = b.chain_head AND {balance} = b.balance AND {held} = b.held AND {debt} = b.debt, 1 = 0), \
         COALESCE(s.balance, 0), COALESCE(s.held, 0), COALESCE(s.debt, 0), COALESCE(s.recharged, 0), COALESCE(s.spent, 0) \
         FROM {joined} LEFT JOIN entries f ON f.account_id = a.id AND f.seq = p.seq \
         LEFT JOIN ({since}) s ON s.account_id = a.id WHERE a.id BETWEEN ? AND ? ORDER BY a.id",
        "COALESCE(s.seq, f.seq, 0)",
    )
}

/// One descent of the key per account, and all in one aggregate.
fn screen_of_postgres(states: &str, joined: &str) -> String {
    let stands = |place: &str, by: &str| {
        format!(
            "COALESCE(BOOL_OR(e.hash = {by}.chain_head AND e.balance_after = {by}.balance \
             AND e.held_after = {by}.held AND e.debt_after = {by}.debt) FILTER (WHERE e.seq = {place}), FALSE)"
        )
    };
    let (proof, row) = (stands("p.seq", "p"), stands("b.last_seq", "b"));
    let sums = summed_figures(|of| sum_where(of, "FILTER (WHERE e.seq > p.seq)")).join(", ");
    format!(
        "SELECT {states}, s.* FROM {joined} CROSS JOIN LATERAL (SELECT COUNT(*) FILTER (WHERE e.seq > p.seq), \
         COALESCE(MAX(e.seq), 0), {proof}, {row}, {sums} FROM entries e \
         WHERE e.account_id = a.id AND e.seq >= p.seq) s WHERE a.id BETWEEN ? AND ? ORDER BY a.id"
    )
}

/// Balance rows and proofs with ids in `first..=last` that belong to no account, in order.
pub fn strays(db: &mut Db, first: i64, last: i64) -> Result<Vec<AccountId>, DbError> {
    let count = |table: &str| format!("(SELECT COUNT(*) FROM {table} WHERE account_id BETWEEN ? AND ?)");
    let known = |table: &str| {
        format!("(SELECT COUNT(*) FROM accounts JOIN {table} ON account_id = id WHERE id BETWEEN ? AND ?)")
    };
    let surplus = format!(
        "SELECT {} + {} - {} - {}",
        count("balances"),
        count("proofs"),
        known("balances"),
        known("proofs")
    );
    if db.row(&sql_of_accounts(&surplus, (first, last)))?.unwrap_or(0) == 0 {
        return Ok(Vec::new());
    }
    let of = |table: &str| {
        format!(
            "SELECT account_id FROM {table} WHERE account_id BETWEEN ? AND ? \
             AND NOT EXISTS (SELECT 1 FROM accounts WHERE id = account_id)"
        )
    };
    let strays = format!("{} UNION {} ORDER BY 1", of("balances"), of("proofs"));
    db.rows(&sql_of_accounts(&strays, (first, last)))
}

/// Proofs in one statement on SQLite, whose statements have a limited number of values.
const ROWS: usize = 100;

/// Writes proofs, each over the one that was there.
pub fn proofs_put(db: &mut Db, proofs: &[Proof], at: Timestamp, run_id: &str) -> Result<(), DbError> {
    match db.engine() {
        Engine::Sqlite => {
            for rows in proofs.chunks(ROWS) {
                put_rows(db, rows, at, run_id)?;
            }
            Ok(())
        }
        Engine::Postgres => put_columns(db, proofs, at, run_id),
    }
}

const INSERT: &str = "INSERT INTO proofs (account_id, balance, held, debt, total_recharged, total_spent, seq, \
     chain_head, proven_at, run_id)";

const ON_CONFLICT: &str = "ON CONFLICT (account_id) DO UPDATE SET balance = excluded.balance, held = excluded.held, \
     debt = excluded.debt, total_recharged = excluded.total_recharged, total_spent = excluded.total_spent, \
     seq = excluded.seq, chain_head = excluded.chain_head, proven_at = excluded.proven_at, run_id = excluded.run_id";

fn insert_rows(rows: usize) -> String {
    let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
    format!("{INSERT} VALUES {values} {ON_CONFLICT}")
}

fn put_rows(db: &mut Db, proofs: &[Proof], at: Timestamp, run_id: &str) -> Result<(), DbError> {
    static FULL: LazyLock<String> = LazyLock::new(|| insert_rows(ROWS));
    let mut statement = if proofs.len() == ROWS {
        sql(FULL.as_str())
    } else {
        sql(insert_rows(proofs.len()))
    };
    for Proof { account, state } in proofs {
        statement = bind_state(statement.bind(account.get()), state)
            .bind(at.micros())
            .bind(run_id);
    }
    db.execute(&statement).map(|_| ())
}

fn put_columns(db: &mut Db, proofs: &[Proof], at: Timestamp, run_id: &str) -> Result<(), DbError> {
    let ints = |of: &dyn Fn(&State) -> i64| Column::ints(proofs, |proof| Some(of(&proof.state)));
    let put = sql(format!(
        "{INSERT} SELECT n.*, ?, ? FROM unnest(?, ?, ?, ?, ?, ?, ?, ?) n {ON_CONFLICT}"
    ));
    let put = put
        .bind(at.micros())
        .bind(run_id)
        .bind(Column::ints(proofs, |proof| Some(proof.account.get())))
        .bind(ints(&|state| state.figures.balance.get()))
        .bind(ints(&|state| state.figures.held.get()))
        .bind(ints(&|state| state.figures.debt.get()))
        .bind(ints(&|state| state.figures.total_recharged.get()))
        .bind(ints(&|state| state.figures.total_spent.get()))
        .bind(ints(&|state| state.last_seq))
        .bind(Column::Bytes(
            proofs
                .iter()
                .map(|proof| proof.state.chain_head.as_bytes().as_slice())
                .collect(),
        ));
    db.execute(&put).map(|_| ())
}
