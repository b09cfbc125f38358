//! The rules of the ledger once more, as naively as possible, to compare the
//! real thing with. It shares nothing with it: whoever changes a rule has to
//! change it twice.

mod account;
mod chain;
mod events;
mod examples;
mod gifts;
mod grants;
mod holds;
mod limits;
pub mod make;
mod money;
mod operation;
mod purchases;
mod recharges;
mod reversals;
mod suspensions;

pub use chain::{Hash, hex};
pub use gifts::Gift;
pub use grants::Grant;
pub use holds::{Hold, HoldStatus};
pub use money::{Entry, Figures};
pub use operation::{Access, AccountName, Answer, Note, Operation, Paid, Step};
pub use purchases::{Credit, CreditState, Purchase};
pub use recharges::{Recharge, RechargeStatus};
pub use reversals::{REFUNDABLE, REVERSIBLE};
pub use suspensions::Suspension;

use account::Account;

/// The whole ledger.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// In the order of their creation.
    accounts: Vec<Account>,
}

impl Model {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn apply(&mut self, step: &Step) -> Answer {
        if !step.operation.has_valid_amount() {
            return Answer::Refused("invalid_amount");
        }
        match step.operation {
            Operation::CreateAccount => self.create(&step.account),
            Operation::ExpireRecharges => {
                for account in &mut self.accounts {
                    account.expire_recharges(&step.actor, step.at_micros);
                }
                Answer::Applied
            }
            Operation::ExpireHolds => {
                for account in &mut self.accounts {
                    account.expire_overdue_holds(&step.actor, step.at_micros);
                }
                Answer::Applied
            }
            Operation::TransferDueCredits => {
                for account in &mut self.accounts {
                    account.transfer_due_credits(&step.actor, step.at_micros);
                }
                Answer::Applied
            }
            _ => match self.account_mut(&step.account) {
                Some(account) => account.apply(step),
                None => Answer::Refused("not_found"),
            },
        }
    }

    fn create(&mut self, name: &AccountName) -> Answer {
        if self.exists(name) {
            return Answer::AlreadyApplied;
        }
        self.accounts.push(Account::new(name.clone()));
        Answer::Applied
    }

    pub fn exists(&self, name: &AccountName) -> bool {
        self.account(name).is_some()
    }

    /// In the order of their creation.
    pub fn names(&self) -> Vec<AccountName> {
        self.accounts.iter().map(|account| account.name.clone()).collect()
    }

    /// All zero for an unknown account.
    pub fn figures(&self, name: &AccountName) -> Figures {
        self.account(name).map(|account| account.figures).unwrap_or_default()
    }

    pub fn entries(&self, name: &AccountName) -> &[Entry] {
        self.account(name).map_or(&[], |account| &account.entries)
    }

    /// What the key made when it was applied.
    pub fn entries_of_key(&self, name: &AccountName, key: &str) -> &[Entry] {
        self.account(name).map_or(&[], |account| account.entries_of_key(key))
    }

    /// Number 1 is the first.
    pub fn recharges(&self, name: &AccountName) -> &[Recharge] {
        self.account(name).map_or(&[], |account| &account.recharges)
    }

    /// Number 1 is the first.
    pub fn holds(&self, name: &AccountName) -> &[Hold] {
        self.account(name).map_or(&[], |account| &account.holds)
    }

    /// Number 1 is the first.
    pub fn purchases(&self, name: &AccountName) -> &[Purchase] {
        self.account(name).map_or(&[], |account| &account.purchases)
    }

    /// Number 1 is the first.
    pub fn gifts(&self, name: &AccountName) -> &[Gift] {
        self.account(name).map_or(&[], |account| &account.gifts)
    }

    /// In the order of their charges.
    pub fn grants(&self, name: &AccountName) -> &[Grant] {
        self.account(name).map_or(&[], |account| &account.grants)
    }

    /// The accounts that the job will look at.
    pub fn with_due_credits(&self, now: i64) -> Vec<AccountName> {
        let is_due = |purchase: &Purchase| purchase.credit.as_ref().is_some_and(|credit| credit.is_due(now));
        let accounts = self
            .accounts
            .iter()
            .filter(|account| account.purchases.iter().any(is_due));
        accounts.map(|account| account.name.clone()).collect()
    }

    /// Number 1 is the first.
    pub fn suspensions(&self, name: &AccountName) -> &[Suspension] {
        self.account(name).map_or(&[], |account| &account.suspensions)
    }

    /// The oldest first.
    pub fn events(&self, name: &AccountName) -> &[String] {
        self.account(name).map_or(&[], |account| &account.events)
    }

    /// Its number.
    pub fn active_suspension(&self, name: &AccountName) -> Option<usize> {
        let account = self.account(name)?;
        account.active_suspension().map(|_| account.suspensions.len())
    }

    pub fn is_locked(&self, name: &AccountName) -> bool {
        self.account(name).is_some_and(|account| account.locked)
    }

    pub fn is_closed(&self, name: &AccountName) -> bool {
        self.account(name).is_some_and(|account| account.closed)
    }

    /// The accounts whose last entries wait for the keys that the ledger made up for them, and how many do.
    pub fn awaiting_keys(&self) -> Vec<(AccountName, usize)> {
        let waiting = self.accounts.iter().filter(|account| account.unsealed() > 0);
        waiting
            .map(|account| (account.name.clone(), account.unsealed()))
            .collect()
    }

    /// Tells the keys of the entries that wait for one, in their order.
    pub fn learn_keys(&mut self, name: &AccountName, keys: Vec<Option<String>>) {
        if let Some(account) = self.account_mut(name) {
            account.learn_keys(keys);
        }
    }

    pub fn digest(&self) -> Hash {
        chain::digest(&self.accounts)
    }

    fn account(&self, name: &AccountName) -> Option<&Account> {
        self.accounts.iter().rfind(|account| account.name == *name)
    }

    fn account_mut(&mut self, name: &AccountName) -> Option<&mut Account> {
        self.accounts.iter_mut().rfind(|account| account.name == *name)
    }
}
