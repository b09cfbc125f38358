//! Accounts: one user in one currency.

use std::fmt;

use super::currency::Currency;
use super::money::{Amount, Minor};
use super::text::UserId;
use super::time::Timestamp;

/// The internal number that leads every key; given in the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(i64);

impl AccountId {
    /// Stands where a record belongs to no account: the ledger as a whole.
    pub const NONE: Self = Self(0);

    pub const fn new(id: i64) -> Self {
        Self(id)
    }

    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Ceilings that a charge is held against; `None` is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub charges_per_minute: Option<u32>,
    pub spend_per_day: Option<Amount>,
}

impl Limits {
    pub const fn any(&self) -> bool {
        self.charges_per_minute.is_some() || self.spend_per_day.is_some()
    }
}

/// Identity and settings of an account. Its figures are in [`super::balance::State`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub user_id: UserId,
    pub currency: Currency,
    pub low_balance_threshold: Option<Minor>,
    pub limits: Limits,
    pub locked: bool,
    pub closed: bool,
    /// The number of the active suspension.
    pub suspension: Option<i64>,
    /// Grows with every change of the settings, so that a decision made on older ones is noticed.
    pub revision: i64,
    pub created_at: Timestamp,
}

impl Account {
    /// The first account, of user 1, as it was created; for unit tests.
    #[cfg(test)]
    pub fn sample(currency: Currency) -> Self {
        Self {
            id: AccountId::new(1),
            user_id: UserId::parse("1").unwrap(),
            currency,
            low_balance_threshold: None,
            limits: Limits::default(),
            locked: false,
            closed: false,
            suspension: None,
            revision: 0,
            created_at: Timestamp::from_micros(0),
        }
    }

    /// Whether such a balance is below the account's threshold.
    pub fn is_low(&self, balance: Minor) -> bool {
        self.low_balance_threshold.is_some_and(|threshold| balance < threshold)
    }
}
