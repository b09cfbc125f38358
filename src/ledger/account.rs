//! Accounts: creating, showing, locking, setting, closing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::{Value, json};

use super::Ledger;
use super::act::act;
use super::error::LedgerError;
use crate::db::accounts;
pub use crate::db::accounts::{Listed, NewAccount};
use crate::db::unit_of_work::write;
use crate::db::{Db, DbError, snapshot};
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::Figures;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::money::{Amount, Minor};
use crate::domain::refusal::Refusal;
use crate::domain::text::{Actor, Description, UserId};
use crate::domain::time::Timestamp;

/// An account with its figures.
#[derive(Clone, Debug)]
pub struct AccountView {
    pub account: Account,
    pub figures: Figures,
    pub last_seq: i64,
}

/// Creates the account; `false` beside it when it was there already, and then nothing of it is changed.
pub fn create(ledger: &mut Ledger, new: &NewAccount) -> Result<(AccountView, bool), LedgerError> {
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    let created = write(&mut ledger.db, "account create", |db| {
        insert(db, new, "account create", (&actor, at))
    })?;
    let view = show(ledger, &new.user_id, new.currency.code())?;
    Ok((view, created))
}

/// Creates the account and records the act; `false` when it was there already.
pub(super) fn insert(
    db: &mut Db,
    new: &NewAccount,
    command: &str,
    (actor, at): (&Actor, Timestamp),
) -> Result<bool, LedgerError> {
    // Somebody who took the same number first is a reason to try again, not to fail.
    let created = accounts::account_insert(db, new, at).map_err(DbError::taken_is_retry)?;
    let Some(id) = created else { return Ok(false) };
    let after = json!({
        "user_id": new.user_id.as_str(),
        "currency": new.currency.code().as_str(),
        "exponent": new.currency.exponent(),
        "low_balance_threshold": new.low_balance_threshold.map(Minor::get),
        // Limits are for `account set`.
        "charges_per_minute": null,
        "spend_per_day": null,
    });
    act(id, command, (actor, at)).after(after).record(db)?;
    Ok(true)
}

/// The account of that user and currency.
pub fn find(ledger: &mut Ledger, user_id: &UserId, currency: &CurrencyCode) -> Result<Account, LedgerError> {
    Ok(look_up(&mut ledger.db, user_id, currency)?.account)
}

/// The account with its figures, its balance row as stored.
pub fn show(ledger: &mut Ledger, user_id: &UserId, currency: &CurrencyCode) -> Result<AccountView, LedgerError> {
    view(look_up(&mut ledger.db, user_id, currency)?)
}

/// As the database has it.
pub(super) fn look_up(db: &mut Db, user_id: &UserId, currency: &CurrencyCode) -> Result<Listed, LedgerError> {
    let found = accounts::accounts_of_user(db, user_id, Some(currency))?;
    found.into_iter().next().ok_or_else(|| {
        LedgerError::NotFound(format!(
            "user {user_id} has no {currency} account; create it with `ledger account create`"
        ))
    })
}

/// The accounts of a user, in all currencies or one; there is at least one.
pub(super) fn all_of(
    db: &mut Db,
    user_id: &UserId,
    currency: Option<&CurrencyCode>,
) -> Result<Vec<Listed>, LedgerError> {
    let found = accounts::accounts_of_user(db, user_id, currency)?;
    if found.is_empty() {
        return Err(LedgerError::NotFound(format!("user {user_id} has no such account")));
    }
    Ok(found)
}

/// The account that a list is of; `None` where it is of all.
pub fn chosen(ledger: &mut Ledger, account: Option<&(UserId, CurrencyCode)>) -> Result<Option<AccountId>, LedgerError> {
    account
        .map(|(user_id, currency)| Ok(find(ledger, user_id, currency)?.id))
        .transpose()
}

/// The account of that number, or what is told where there is none.
pub(super) fn by_id(ledger: &mut Ledger, id: AccountId, none: impl FnOnce() -> String) -> Result<Account, LedgerError> {
    let listed = accounts::account_by_id(&mut ledger.db, id)?;
    listed
        .map(|listed| listed.account)
        .ok_or_else(|| LedgerError::NotFound(none()))
}

/// What was found, each with the account it belongs to, which is looked up once; `None` where that is gone.
pub(super) fn with_owners<T>(
    ledger: &mut Ledger,
    found: Vec<T>,
    owner: impl Fn(&T) -> AccountId,
) -> Result<Vec<(Option<Account>, T)>, LedgerError> {
    let mut known: HashMap<AccountId, Option<Account>> = HashMap::new();
    let mut with_owners = Vec::with_capacity(found.len());
    for one in found {
        let id = owner(&one);
        let account = match known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let listed = accounts::account_by_id(&mut ledger.db, id)?;
                unknown.insert(listed.map(|listed| listed.account))
            }
        };
        with_owners.push((account.clone(), one));
    }
    Ok(with_owners)
}

/// Whose account it is, and in which currency.
pub fn owner_of(ledger: &mut Ledger, id: AccountId) -> Result<Option<(UserId, Currency)>, LedgerError> {
    let listed = accounts::account_by_id(&mut ledger.db, id)?;
    Ok(listed.map(|listed| (listed.account.user_id, listed.account.currency)))
}

/// The same without what belongs to no account any more.
pub(super) fn owned<T>(
    ledger: &mut Ledger,
    found: Vec<T>,
    owner: impl Fn(&T) -> AccountId,
) -> Result<impl Iterator<Item = (Account, T)>, LedgerError> {
    let found = with_owners(ledger, found, owner)?.into_iter();
    Ok(found.filter_map(|(account, one)| Some((account?, one))))
}

/// Without a balance row nobody can tell what there is: that it was nothing would be a lie.
pub(super) fn view(listed: Listed) -> Result<AccountView, LedgerError> {
    let Listed { account, stored } = listed;
    match stored {
        None => Err(snapshot::without_row(&account).into()),
        Some(state) => Ok(AccountView {
            account,
            figures: state.figures,
            last_seq: state.last_seq,
        }),
    }
}

/// Which accounts a list shows.
#[derive(Clone, Debug)]
pub struct AccountFilter {
    pub currency: Option<CurrencyCode>,
    /// Continue after the account of that number.
    pub after: i64,
    pub limit: usize,
}

/// In order of creation, also those whose balance row is missing.
pub fn list(ledger: &mut Ledger, filter: &AccountFilter) -> Result<Vec<Listed>, LedgerError> {
    let mut shown = Vec::new();
    let mut after = filter.after;
    while shown.len() < filter.limit {
        let page = accounts::accounts_page(&mut ledger.db, after, 1_000)?;
        let Some(last) = page.last() else { break };
        after = last.account.id.get();
        let wanted = |listed: &Listed| {
            filter
                .currency
                .as_ref()
                .is_none_or(|code| listed.account.currency.code() == code)
        };
        shown.extend(page.into_iter().filter(wanted));
    }
    shown.truncate(filter.limit);
    Ok(shown)
}

/// A change of an account's settings.
#[derive(Clone, Debug)]
pub enum Change {
    Lock,
    Unlock,
    Close,
    Set(Settings),
}

/// What `account set` does with one setting.
#[derive(Clone, Copy, Debug, Default)]
pub enum Setting<T> {
    #[default]
    Keep,
    Remove,
    To(T),
}

impl<T> Setting<T> {
    fn apply(self, current: Option<T>) -> Option<T> {
        match self {
            Self::Keep => current,
            Self::Remove => None,
            Self::To(value) => Some(value),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    pub low_balance_threshold: Setting<Minor>,
    pub charges_per_minute: Setting<u32>,
    pub spend_per_day: Setting<Amount>,
}

#[derive(Clone, Debug)]
pub enum Changed {
    Done(AccountView),
    /// It was so before; nothing was written.
    Already(AccountView),
    Refused(Refusal),
}

/// Changes the settings under the account's lock and records the act.
pub fn change(
    ledger: &mut Ledger,
    user_id: &UserId,
    currency: &CurrencyCode,
    change: &Change,
    reason: Option<&Description>,
) -> Result<Changed, LedgerError> {
    let id = find(ledger, user_id, currency)?.id;
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    write(&mut ledger.db, "account change", |db| {
        let located = snapshot::locked(db, id)?;
        let figures = located.state.figures;
        let before = located.account;
        let after = match changed(&before, &figures, change) {
            Ok(after) => after,
            Err(refusal) => return Ok(Changed::Refused(refusal)),
        };
        let seen = |account: Account| AccountView {
            account,
            figures,
            last_seq: located.state.last_seq,
        };
        if after == *before {
            return Ok(Changed::Already(seen(after)));
        }
        accounts::settings_update(db, &after)?;
        act(id, change.command(), (&actor, at))
            .before(settings_of(&before, None))
            .after(settings_of(&after, reason))
            .record(db)?;
        Ok(Changed::Done(seen(after)))
    })
}

impl Change {
    const fn command(&self) -> &'static str {
        match self {
            Self::Lock => "account lock",
            Self::Unlock => "account unlock",
            Self::Close => "account close",
            Self::Set(_) => "account set",
        }
    }
}

fn changed(before: &Account, figures: &Figures, change: &Change) -> Result<Account, Refusal> {
    let mut after = before.clone();
    match change {
        Change::Lock => after.locked = true,
        Change::Unlock => after.locked = false,
        Change::Close => {
            let Figures {
                balance, held, debt, ..
            } = *figures;
            if !(balance.is_zero() && held.is_zero() && debt.is_zero()) {
                return Err(Refusal::AccountNotEmpty { balance, held, debt });
            }
            after.closed = true;
        }
        Change::Set(settings) => {
            let Settings {
                low_balance_threshold,
                charges_per_minute,
                spend_per_day,
            } = *settings;
            after.low_balance_threshold = low_balance_threshold.apply(before.low_balance_threshold);
            after.limits.charges_per_minute = charges_per_minute.apply(before.limits.charges_per_minute);
            after.limits.spend_per_day = spend_per_day.apply(before.limits.spend_per_day);
        }
    }
    Ok(after)
}

fn settings_of(account: &Account, reason: Option<&Description>) -> Value {
    json!({
        "low_balance_threshold": account.low_balance_threshold.map(Minor::get),
        "charges_per_minute": account.limits.charges_per_minute,
        "spend_per_day": account.limits.spend_per_day.map(|amount| amount.minor().get()),
        "locked": account.locked,
        "closed": account.closed,
        "reason": reason.map(Description::as_str),
    })
}
