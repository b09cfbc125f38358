//! Attempts afterwards: listing them, settling those that a crash left behind, and replaying those that failed.

use chrono::TimeDelta;
use serde_json::json;

use super::account::{chosen, find, with_owners};
use super::act::act;
use super::error::LedgerError;
use super::payload;
use super::post::{Answer, Request, post};
use super::{Ledger, interrupt};
use crate::db::DbError;
use crate::db::accounts::{account_by_id, page_end};
use crate::db::entries::{entries_between, entries_of_key};
use crate::db::intents::{Made, intent_find};
pub use crate::db::intents_list::Recorded;
use crate::db::intents_list::{
    IntentFilter, Left, Settlement, intent_settle_pending, intents_left, intents_list, intents_of_key,
};
use crate::db::snapshot::{self, gone};
use crate::db::unit_of_work::{read, write};
use crate::domain::account::{Account, AccountId};
use crate::domain::code::Code;
use crate::domain::currency::CurrencyCode;
use crate::domain::entry::Entry;
use crate::domain::intent::{APPLIED_BEFORE, Intent, IntentState, STRANDED};
use crate::domain::operation::OperationKind;
use crate::domain::text::{IdempotencyKey, UserId};
use crate::domain::time::Timestamp;

/// An attempt and whose it is.
#[derive(Clone, Debug)]
pub struct IntentView {
    pub account: Account,
    pub recorded: Recorded,
}

/// Which attempts a list shows.
#[derive(Clone, Debug)]
pub struct IntentQuery {
    pub account: Option<(UserId, CurrencyCode)>,
    pub state: Option<IntentState>,
    pub operation: Option<OperationKind>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Only attempts that were made at least so long ago.
    pub older_than: Option<TimeDelta>,
    pub limit: i64,
}

/// Newest first.
pub fn list(ledger: &mut Ledger, query: &IntentQuery) -> Result<Vec<IntentView>, LedgerError> {
    let account = chosen(ledger, query.account.as_ref())?;
    // Whoever is old enough was made before this moment.
    let aged = query
        .older_than
        .map(|span| ledger.now().after(-span).after(TimeDelta::microseconds(1)));
    let filter = IntentFilter {
        account,
        state: query.state,
        operation: query.operation,
        since: query.since,
        until: query.until.into_iter().chain(aged).min(),
        limit: query.limit,
    };
    let found = intents_list(&mut ledger.db, &filter)?;
    let found = with_owners(ledger, found, |recorded| recorded.intent.account)?.into_iter();
    let view = |(account, recorded): (Option<Account>, Recorded)| match account {
        Some(account) => Ok(IntentView { account, recorded }),
        None => Err(gone(recorded.intent.account).into()),
    };
    found.map(view).collect()
}

fn account_of(ledger: &mut Ledger, id: AccountId) -> Result<Account, LedgerError> {
    let listed = account_by_id(&mut ledger.db, id)?;
    Ok(listed.ok_or_else(|| gone(id))?.account)
}

/// All that was tried under one key, and what came of it.
#[derive(Clone, Debug)]
pub struct KeyHistory {
    pub account: Account,
    pub key: IdempotencyKey,
    /// The first one first.
    pub attempts: Vec<Recorded>,
    /// What the applied attempt made.
    pub entries: Vec<Entry>,
}

pub fn show(
    ledger: &mut Ledger,
    user_id: &UserId,
    currency: &CurrencyCode,
    key: &IdempotencyKey,
) -> Result<KeyHistory, LedgerError> {
    let account = find(ledger, user_id, currency)?;
    read(&mut ledger.db, |db| {
        let attempts = intents_of_key(db, account.id, key)?;
        if attempts.is_empty() {
            return Err(unknown(user_id, key));
        }
        let mut entries = Vec::new();
        for recorded in &attempts {
            if let Some((first, last)) = recorded.intent.entries {
                entries.extend(entries_between(db, account.id, first, last)?);
            }
        }
        Ok(KeyHistory {
            account,
            key: key.clone(),
            attempts,
            entries,
        })
    })
}

fn unknown(user_id: &UserId, key: &IdempotencyKey) -> LedgerError {
    LedgerError::NotFound(format!(
        "user {user_id} has no intent with the key {key}; `ledger intents list --user-id {user_id}` shows them"
    ))
}

/// Which attempts are settled or replayed.
#[derive(Clone, Debug)]
pub enum Choice {
    Key(UserId, CurrencyCode, IdempotencyKey),
    /// Those of an account, or of the whole ledger.
    All(Option<(UserId, CurrencyCode)>),
}

/// How an attempt that had been left pending was settled.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub account: Account,
    /// As it is now.
    pub intent: Intent,
}

#[derive(Debug, Default)]
pub struct Resolution {
    pub resolved: Vec<Resolved>,
    /// How many attempts of `apply` at a whole chunk had been left; what was in them has attempts of its own, if any.
    pub chunks: usize,
    /// Those that could not be settled, with the reason.
    pub failed: Vec<(Account, Intent, LedgerError)>,
}

/// Settles attempts that have been pending for `older_than` from what really happened: with entries under their key
/// they were applied, without any they had no effect.
pub fn resolve(ledger: &mut Ledger, choice: &Choice, older_than: TimeDelta) -> Result<Resolution, LedgerError> {
    let mut resolution = Resolution::default();
    match choice {
        Choice::Key(user_id, currency, key) => {
            let account = find(ledger, user_id, currency)?;
            let attempts = intents_of_key(&mut ledger.db, account.id, key)?;
            if attempts.is_empty() {
                return Err(unknown(user_id, key));
            }
            for Recorded { intent, .. } in attempts {
                if intent.state == IntentState::Pending {
                    old_enough(&intent, ledger.now(), older_than)?;
                    resolution.note(settle(ledger, &account, &intent)?, account.clone());
                }
            }
        }
        Choice::All(account) => {
            let left = Left::Pending(ledger.now().after(-older_than));
            if account.is_none() {
                resolution.chunks = settle_chunks(ledger, left)?;
            }
            for_each_left(ledger, account.as_ref(), &[left], |ledger, account, intent| {
                match settle(ledger, &account, &intent) {
                    Ok(settled) => resolution.note(settled, account),
                    Err(error) if error.concerns_one_account() => resolution.failed.push((account, intent, error)),
                    Err(error) => return Err(error),
                }
                Ok(())
            })?;
        }
    }
    Ok(resolution)
}

impl Resolution {
    fn note(&mut self, settled: Option<Intent>, account: Account) {
        self.resolved.extend(settled.map(|intent| Resolved { account, intent }));
    }
}

/// An attempt at a chunk ends in the transaction of its work: one that was left had no effect.
fn settle_chunks(ledger: &mut Ledger, left: Left) -> Result<usize, LedgerError> {
    let chunks = intents_left(&mut ledger.db, (AccountId::NONE.get(), AccountId::NONE.get()), left)?;
    let mut settled = 0;
    for chunk in &chunks {
        interrupt::check()?;
        let stranded = Settlement::Failed(STRANDED);
        match write(&mut ledger.db, "intents resolve", |db| {
            intent_settle_pending(db, chunk, stranded)
        }) {
            Ok(is_settled) => settled += usize::from(is_settled),
            // Somebody is at work on it.
            Err(DbError::Busy(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(settled)
}

/// `None` where it is pending no more: whoever was at work on it has finished.
fn settle(ledger: &mut Ledger, account: &Account, left: &Intent) -> Result<Option<Intent>, LedgerError> {
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    write(&mut ledger.db, "intents resolve", |db| {
        // With the lock nobody is between an effect and its outcome, which are written together.
        snapshot::locked(db, account.id)?;
        let decisive = intent_find(db, account.id, &left.key)?;
        let applied_before = decisive.is_some_and(|intent| intent.state == IntentState::Applied);
        let settlement = match entries_of_key(db, account.id, &left.key)? {
            _ if applied_before => Settlement::Failed(APPLIED_BEFORE),
            Some(entries) => Settlement::Applied(Made {
                entries: Some(entries),
                subject: None,
            }),
            None => Settlement::Failed(STRANDED),
        };
        if !intent_settle_pending(db, left, settlement)? {
            return Ok(None);
        }
        let settled = match settlement {
            Settlement::Applied(made) => Intent {
                state: IntentState::Applied,
                entries: made.entries,
                ..left.clone()
            },
            Settlement::Failed(reason) => Intent {
                state: IntentState::Failed,
                reason: Some(reason.into()),
                ..left.clone()
            },
        };
        let (key, attempt) = (left.key.as_str(), left.attempt);
        let before = json!({"idempotency_key": key, "attempt": attempt, "state": left.state.name()});
        let after = json!({
            "idempotency_key": key,
            "attempt": attempt,
            "state": settled.state.name(),
            "reason": settled.reason,
            "first_entry": settled.entries.map(|(first, _)| first),
            "last_entry": settled.entries.map(|(_, last)| last),
        });
        act(account.id, "intents resolve", (&actor, at))
            .before(before)
            .after(after)
            .record(db)?;
        Ok(Some(settled))
    })
}

/// What became of an attempt that was made again.
#[derive(Debug)]
pub struct Replayed {
    pub account: Account,
    pub intent: Intent,
    pub answer: Result<Answer, LedgerError>,
}

/// Which attempts are made again when no key is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replays {
    /// Whatever failed, left behind or not.
    Failed,
    /// What a crash left behind: pending for long, or settled as such.
    Stranded,
}

/// Makes one attempt again, under its key: what was applied is not applied again.
pub fn replay_key(
    ledger: &mut Ledger,
    (user_id, currency, key): (&UserId, &CurrencyCode, &IdempotencyKey),
    older_than: TimeDelta,
) -> Result<Answer, LedgerError> {
    let account = find(ledger, user_id, currency)?;
    let intent = intent_find(&mut ledger.db, account.id, key)?.ok_or_else(|| unknown(user_id, key))?;
    if intent.state == IntentState::Pending {
        old_enough(&intent, ledger.now(), older_than)?;
    }
    again(ledger, &account, &intent)
}

/// Makes all those attempts again, each under its key.
pub fn replay(
    ledger: &mut Ledger,
    account: Option<(UserId, CurrencyCode)>,
    which: Replays,
    older_than: TimeDelta,
) -> Result<Vec<Replayed>, LedgerError> {
    let left = match which {
        Replays::Failed => vec![Left::Failed],
        Replays::Stranded => vec![
            Left::FailedFor(STRANDED),
            Left::Pending(ledger.now().after(-older_than)),
        ],
    };
    let mut replayed = Vec::new();
    for_each_left(ledger, account.as_ref(), &left, |ledger, account, intent| {
        // Of a key only the attempt that counts: an earlier one may have failed and a later one not.
        let decisive = intent_find(&mut ledger.db, account.id, &intent.key)?;
        if decisive.is_none_or(|decisive| decisive.attempt != intent.attempt) {
            return Ok(());
        }
        let answer = match again(ledger, &account, &intent) {
            Err(error) if goes_on_after(&error) => Err(error),
            Err(error) => return Err(error),
            Ok(answer) => Ok(answer),
        };
        replayed.push(Replayed {
            account,
            intent,
            answer,
        });
        Ok(())
    })?;
    Ok(replayed)
}

/// Whether the other attempts may fare better.
const fn goes_on_after(error: &LedgerError) -> bool {
    error.concerns_one_account() || matches!(error, LedgerError::Invalid { .. })
}

fn again(ledger: &mut Ledger, account: &Account, intent: &Intent) -> Result<Answer, LedgerError> {
    let (operation, note) = payload::read(&intent.payload, &account.currency)
        .map_err(|error| LedgerError::invalid(Code::InvalidInput, format!("{}: {error}", intent.key)))?;
    post(ledger, &Request::of(account, operation, note, Some(intent.key.clone())))
}

/// A younger one may be in the hands of a process that is alive.
fn old_enough(intent: &Intent, now: Timestamp, older_than: TimeDelta) -> Result<(), LedgerError> {
    if intent.created_at <= now.after(-older_than) {
        return Ok(());
    }
    Err(LedgerError::invalid(
        Code::NotDue,
        format!(
            "the intent {} is pending since {} and may still be in work; wait, or give a shorter --older-than",
            intent.key, intent.created_at
        ),
    ))
}

/// Accounts per look: bounds what is in hand at a time.
const PAGE: i64 = 10_000;

/// Hands over the attempts of an account, or of all page by page, that were left so.
fn for_each_left(
    ledger: &mut Ledger,
    account: Option<&(UserId, CurrencyCode)>,
    left: &[Left],
    mut each: impl FnMut(&mut Ledger, Account, Intent) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let mut in_page = |ledger: &mut Ledger, page: (i64, i64)| -> Result<(), LedgerError> {
        for left in left {
            for intent in intents_left(&mut ledger.db, page, *left)? {
                interrupt::check()?;
                let account = account_of(ledger, intent.account)?;
                each(ledger, account, intent)?;
            }
        }
        Ok(())
    };
    if let Some((user_id, currency)) = account {
        let id = find(ledger, user_id, currency)?.id.get();
        return in_page(ledger, (id, id));
    }
    let mut after = 0;
    while let Some(end) = page_end(&mut ledger.db, after, PAGE)? {
        in_page(ledger, (after + 1, end))?;
        after = end;
    }
    Ok(())
}
