//! All that there is of an account, as the ledger lists it.

use ledger::domain::access::AccessGrant;
use ledger::domain::currency::CurrencyCode;
use ledger::domain::delivery::WrittenEvent;
use ledger::domain::entry::Entry;
use ledger::domain::hold::Hold;
use ledger::domain::purchase::{Gift, Purchase};
use ledger::domain::recharge::Recharge;
use ledger::domain::suspension::Suspension;
use ledger::domain::text::{IdempotencyKey, UserId};
use ledger::ledger::access::{self, GrantQuery};
use ledger::ledger::hold::{self, HoldQuery};
use ledger::ledger::inspect::{self, HistoryFilter};
use ledger::ledger::notify::review::{self, DeliveryQuery};
use ledger::ledger::purchase::{self, PurchaseQuery};
use ledger::ledger::recharge::{self, RechargeQuery};
use ledger::ledger::suspension::{self, SuspensionQuery};

use super::Desk;
use crate::properties::model::AccountName;
use crate::properties::words::{currency, user};

/// More than a history can make.
const ALL: i64 = 1_000;

impl Desk {
    /// Oldest first.
    pub fn journal(&mut self, name: &AccountName) -> Vec<Entry> {
        self.last_entries(name, ALL)
    }

    /// The keys of that many last entries, the oldest of them first.
    pub fn last_keys(&mut self, name: &AccountName, entries: usize) -> Vec<Option<String>> {
        let last = self.last_entries(name, entries as i64);
        let keys = last.into_iter().map(|entry| entry.stamp.key);
        keys.map(|key| key.as_ref().map(IdempotencyKey::to_string)).collect()
    }

    fn last_entries(&mut self, name: &AccountName, limit: i64) -> Vec<Entry> {
        let filter = HistoryFilter {
            limit,
            ..HistoryFilter::default()
        };
        let history = inspect::history(&mut self.ledger, &user(name), currency(name).code(), &filter).unwrap();
        history.entries.into_iter().rev().collect()
    }

    /// In the order of their numbers.
    pub fn recharges(&mut self, name: &AccountName) -> Vec<Recharge> {
        let query = RechargeQuery {
            account: Some(named(name)),
            status: None,
            limit: ALL,
        };
        let listed = recharge::list(&mut self.ledger, &query).unwrap().into_iter();
        let mut recharges: Vec<Recharge> = listed.map(|view| view.recharge).collect();
        recharges.sort_by_key(|recharge| recharge.id.number);
        recharges
    }

    /// In the order of their numbers.
    pub fn holds(&mut self, name: &AccountName) -> Vec<Hold> {
        let query = HoldQuery {
            account: Some(named(name)),
            status: None,
            limit: ALL,
        };
        let listed = hold::list(&mut self.ledger, &query).unwrap().into_iter();
        let mut holds: Vec<Hold> = listed.map(|view| view.hold).collect();
        holds.sort_by_key(|hold| hold.id.number);
        holds
    }

    /// In the order of their numbers.
    pub fn suspensions(&mut self, name: &AccountName) -> Vec<Suspension> {
        let query = SuspensionQuery {
            account: Some(named(name)),
            active: false,
            limit: ALL,
        };
        let listed = suspension::list(&mut self.ledger, &query).unwrap().into_iter();
        let mut suspensions: Vec<Suspension> = listed.map(|view| view.suspension).collect();
        suspensions.sort_by_key(|suspension| suspension.number);
        suspensions
    }

    /// In the order of their numbers.
    pub fn events(&mut self, name: &AccountName) -> Vec<WrittenEvent> {
        let query = DeliveryQuery {
            account: Some(named(name)),
            state: None,
            limit: ALL,
        };
        let listed = review::list(&mut self.ledger, &query).unwrap().into_iter();
        let mut events: Vec<WrittenEvent> = listed.map(|listed| listed.event).collect();
        events.sort_by_key(|event| event.id.number);
        events
    }

    /// In the order of their numbers.
    pub fn purchases(&mut self, name: &AccountName) -> Vec<Purchase> {
        let query = PurchaseQuery {
            account: Some(named(name)),
            state: None,
            limit: ALL,
        };
        let listed = purchase::purchases(&mut self.ledger, &query).unwrap().into_iter();
        let mut purchases: Vec<Purchase> = listed.map(|view| view.purchase).collect();
        purchases.sort_by_key(|purchase| purchase.id.number);
        purchases
    }

    /// In the order of their charges.
    pub fn grants(&mut self, name: &AccountName) -> Vec<AccessGrant> {
        let query = GrantQuery {
            account: Some(named(name)),
            resource: None,
            active: false,
            limit: ALL,
        };
        let listed = access::list(&mut self.ledger, &query).unwrap().into_iter();
        let mut grants: Vec<AccessGrant> = listed.map(|view| view.grant).collect();
        grants.sort_by_key(|grant| grant.id.number);
        grants
    }

    /// In the order of their numbers.
    pub fn gifts(&mut self, name: &AccountName) -> Vec<Gift> {
        let listed = purchase::gifts(&mut self.ledger, Some(&named(name)), ALL).unwrap();
        let mut gifts: Vec<Gift> = listed.into_iter().map(|view| view.gift).collect();
        gifts.sort_by_key(|gift| gift.id.number);
        gifts
    }
}

fn named(name: &AccountName) -> (UserId, CurrencyCode) {
    (user(name), currency(name).code().clone())
}
