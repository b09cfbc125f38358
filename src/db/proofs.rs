//! The `proofs` table: through which entry each account has been proven, and what it came to there.

use std::sync::LazyLock;

use diesel::deserialize;

use super::backend::Engine;
use super::balances::bind_state;
use super::connection::Db;
use super::entries::{Summed, summed_columns};
use super::error::DbError;
use super::snapshot::read_state;
use super::statement::{Column, Columns, FromRow, sql};
use crate::domain::account::AccountId;
use crate::domain::balance::State;
use crate::domain::chain::ChainHash;
use crate::domain::entry::Standing;
use crate::domain::money::Minor;
use crate::domain::proof::{Held, Proof};
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
        db.engine().join_proven_entry()
    );
    db.rows(&sql(select).bind(first).bind(last))
}

/// What the entries after each account's proof come to, all of them where there is no proof, in order of account.
///
/// Accounts with ids in `first..=last`; those without such entries are not among them.
pub fn entries_summed_since_proof(db: &mut Db, first: i64, last: i64) -> Result<Vec<Summed>, DbError> {
    let sums = summed_columns();
    let select = match db.engine() {
        // CROSS JOIN keeps the order of the loops: each account's range is found by key.
        Engine::Sqlite => format!(
            "SELECT a.id, {sums} FROM accounts a LEFT JOIN proofs p ON p.account_id = a.id CROSS JOIN entries e \
             WHERE e.account_id = a.id AND e.seq > COALESCE(p.seq, 0) AND a.id BETWEEN ? AND ? \
             GROUP BY a.id ORDER BY a.id"
        ),
        Engine::Postgres => format!(
            "SELECT a.id, s.* FROM accounts a LEFT JOIN proofs p ON p.account_id = a.id CROSS JOIN LATERAL \
             (SELECT {sums} FROM entries e WHERE e.account_id = a.id AND e.seq > COALESCE(p.seq, 0) HAVING COUNT(*) > 0) s \
             WHERE a.id BETWEEN ? AND ? ORDER BY a.id"
        ),
    };
    db.rows(&sql(select).bind(first).bind(last))
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

fn put_rows(db: &mut Db, proofs: &[Proof], at: Timestamp, run_id: &str) -> Result<(), DbError> {
    let text = |rows: usize| {
        let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
        format!("{INSERT} VALUES {values} {ON_CONFLICT}")
    };
    static FULL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{INSERT} VALUES {} {ON_CONFLICT}",
            vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; ROWS].join(", ")
        )
    });
    let mut statement = if proofs.len() == ROWS {
        sql(FULL.as_str())
    } else {
        sql(text(proofs.len()))
    };
    for Proof { account, state } in proofs {
        statement = bind_state(statement.bind(account.get()), state)
            .bind(at.micros())
            .bind(run_id);
    }
    db.execute(&statement).map(|_| ())
}

fn put_columns(db: &mut Db, proofs: &[Proof], at: Timestamp, run_id: &str) -> Result<(), DbError> {
    let ints = |of: &dyn Fn(&State) -> i64| Column::Ints(proofs.iter().map(|proof| Some(of(&proof.state))).collect());
    let put = sql(format!(
        "{INSERT} SELECT n.*, ?, ? FROM unnest(?, ?, ?, ?, ?, ?, ?, ?) n {ON_CONFLICT}"
    ));
    let put = put
        .bind(at.micros())
        .bind(run_id)
        .bind(Column::Ints(
            proofs.iter().map(|proof| Some(proof.account.get())).collect(),
        ))
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
