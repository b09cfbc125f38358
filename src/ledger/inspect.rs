//! Looking at an account: balance now or at a past moment, history, and why it is what it is.

use super::Ledger;
use super::account::{AccountView, find};
use super::error::LedgerError;
pub use crate::db::entries::HistoryFilter;
use crate::db::entries::{self, Breakdown};
use crate::db::unit_of_work::read;
use crate::domain::account::Account;
use crate::domain::balance::Figures;
use crate::domain::currency::CurrencyCode;
use crate::domain::entry::Entry;
use crate::domain::text::UserId;
use crate::domain::time::Timestamp;

/// The account as it was after its last entry made by `at`.
pub fn balance_at(
    ledger: &mut Ledger,
    user_id: &UserId,
    currency: &CurrencyCode,
    at: Timestamp,
) -> Result<AccountView, LedgerError> {
    let account = find(ledger, user_id, currency)?.account;
    let (last_seq, figures) = read(&mut ledger.db, |db| -> Result<_, LedgerError> {
        let last_seq = entries::entries_last_seq_at(db, account.id, at)?;
        let summed = entries::entries_summed_through(db, account.id, last_seq)?;
        Ok((last_seq, summed.map_or_else(Figures::default, |summed| summed.figures)))
    })?;
    Ok(AccountView {
        account,
        figures,
        last_seq,
    })
}

#[derive(Clone, Debug)]
pub struct History {
    pub account: Account,
    /// Newest first.
    pub entries: Vec<Entry>,
    /// Give this as `--before` for the next page; `None` on the last.
    pub next_before: Option<i64>,
}

pub fn history(
    ledger: &mut Ledger,
    user_id: &UserId,
    currency: &CurrencyCode,
    filter: &HistoryFilter,
) -> Result<History, LedgerError> {
    let account = find(ledger, user_id, currency)?.account;
    // One more than asked tells whether there is a next page.
    let wanted = HistoryFilter {
        limit: filter.limit.saturating_add(1),
        ..filter.clone()
    };
    let mut entries = entries::entries_history(&mut ledger.db, account.id, &wanted)?;
    let more = i64::try_from(entries.len()).is_ok_and(|found| found > filter.limit);
    if more {
        entries.pop();
    }
    let next_before = entries.last().filter(|_| more).map(|entry| entry.seq);
    Ok(History {
        account,
        entries,
        next_before,
    })
}

/// What the figures of an account are made of.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub view: AccountView,
    pub parts: Vec<Breakdown>,
}

pub fn explain(ledger: &mut Ledger, user_id: &UserId, currency: &CurrencyCode) -> Result<Explanation, LedgerError> {
    let id = find(ledger, user_id, currency)?.account.id;
    read(&mut ledger.db, |db| {
        let listed = crate::db::accounts::account_by_id(db, id)?
            .ok_or_else(|| LedgerError::NotFound(format!("account {id} does not exist")))?;
        let parts = entries::entries_breakdown(db, id)?;
        Ok(Explanation {
            view: super::account::view(listed),
            parts,
        })
    })
}
