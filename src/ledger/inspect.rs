//! Looking at an account: balance now or at a past moment, history, and why it is what it is.

use super::Ledger;
use super::account::{AccountView, find, view};
use super::error::LedgerError;
use super::post::usage;
use super::suspension::active;
use crate::db::accounts::account_by_id;
pub use crate::db::entries::HistoryFilter;
use crate::db::entries::{self, Breakdown};
use crate::db::holds;
use crate::db::snapshot::{self, Located};
use crate::db::unit_of_work::read;
use crate::domain::account::Account;
use crate::domain::balance::Figures;
use crate::domain::code::Code;
use crate::domain::currency::CurrencyCode;
use crate::domain::effects::Verdict;
use crate::domain::entry::Entry;
use crate::domain::hold::Hold;
use crate::domain::money::{Amount, OutOfRange};
use crate::domain::operation::Operation;
use crate::domain::posting::decide;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::{Found, Snapshot, Usage};
use crate::domain::suspension::Suspension;
use crate::domain::text::{Service, UserId};
use crate::domain::time::Timestamp;

/// The account as it was after its last entry made by `at`.
pub fn balance_at(
    ledger: &mut Ledger,
    user_id: &UserId,
    currency: &CurrencyCode,
    at: Timestamp,
) -> Result<AccountView, LedgerError> {
    let account = find(ledger, user_id, currency)?;
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
    let account = find(ledger, user_id, currency)?;
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

/// Whether an account could pay; with the figures that a charge would meet.
#[derive(Clone, Debug)]
pub enum Affordable {
    Yes(AccountView),
    No(Refusal),
}

/// Asks the rule book whether a charge of that amount would be let through now; writes nothing.
pub fn could_pay(
    ledger: &mut Ledger,
    user_id: &UserId,
    currency: &CurrencyCode,
    amount: Amount,
) -> Result<Affordable, LedgerError> {
    let id = find(ledger, user_id, currency)?.id;
    let now = ledger.now();
    let operation = Operation::Charge {
        amount,
        service: Service::parse("any").map_err(|error| LedgerError::invalid(Code::Internal, error))?,
        suspend: false,
        grants: None,
    };
    read(&mut ledger.db, |db| {
        let Located { account, mut state } =
            snapshot::look(db, id)?.ok_or_else(|| LedgerError::NotFound(format!("account {id} does not exist")))?;
        // A charge would give back what is overdue first, and that pays a debt before it can be spent.
        for hold in holds::holds_overdue_of(db, id, now)? {
            let expire = Operation::ExpireHold { hold: hold.id.number };
            let snapshot = Snapshot {
                account: account.clone(),
                state,
                suspension: None,
                usage: Usage::default(),
                found: Found::Hold(hold),
            };
            if let Verdict::Apply(effects) = decide(&snapshot, &expire, now) {
                state.figures = effects.figures_after(&state.figures).map_err(beyond_range)?;
            }
        }
        // Shown as they were judged: what is overdue is no longer held.
        let view = AccountView {
            account: Account::clone(&account),
            figures: state.figures,
            last_seq: state.last_seq,
        };
        let snapshot = Snapshot {
            usage: usage(db, &account, now)?,
            suspension: None,
            found: Found::Nothing,
            account,
            state,
        };
        Ok(match decide(&snapshot, &operation, now) {
            Verdict::Refuse(refusal) | Verdict::Suspend(refusal, _) => Affordable::No(refusal),
            Verdict::Apply(_) | Verdict::Already => Affordable::Yes(view),
        })
    })
}

fn beyond_range(error: OutOfRange) -> LedgerError {
    LedgerError::invalid(Code::Integrity, error)
}

/// What the figures of an account are made of, and what stands in the way of them.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub view: AccountView,
    pub parts: Vec<Breakdown>,
    pub open_holds: Vec<Hold>,
    pub suspension: Option<Suspension>,
    /// Counted only where the account has limits.
    pub usage: Usage,
    pub at: Timestamp,
}

pub fn explain(ledger: &mut Ledger, user_id: &UserId, currency: &CurrencyCode) -> Result<Explanation, LedgerError> {
    let id = find(ledger, user_id, currency)?.id;
    let at = ledger.now();
    read(&mut ledger.db, |db| {
        let listed =
            account_by_id(db, id)?.ok_or_else(|| LedgerError::NotFound(format!("account {id} does not exist")))?;
        Ok(Explanation {
            parts: entries::entries_breakdown(db, id)?,
            open_holds: holds::holds_open_of(db, id)?,
            suspension: active(db, &listed.account)?,
            usage: usage(db, &listed.account, at)?,
            view: view(listed)?,
            at,
        })
    })
}
