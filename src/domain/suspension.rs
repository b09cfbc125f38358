//! Suspensions: an account that did not pay, or was stopped by hand, and when it was let go on.

use chrono::TimeDelta;

use super::account::{Account, AccountId};
use super::balance::Figures;
use super::money::Minor;
use super::operation::Operation;
use super::refusal::Refusal;
use super::text::{Actor, Description};
use super::time::Timestamp;

/// One line of an account's suspension log; at most one of them is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    pub account: AccountId,
    pub number: i64,
    pub reason: Description,
    pub suspended_at: Timestamp,
    pub suspended_by: Actor,
    /// The balance when it was suspended.
    pub balance: Minor,
    /// What it could not pay; `None` when a person suspended it, and then only a person resumes it.
    pub required: Option<Minor>,
    pub resumed_at: Option<Timestamp>,
    pub resumed_by: Option<Actor>,
}

impl Suspension {
    /// The balance that ends it: enough for what was asked, and not below the account's threshold.
    pub fn lifting_balance(&self, account: &Account) -> Option<Minor> {
        let threshold = account.low_balance_threshold.unwrap_or(Minor::ZERO);
        self.required.map(|required| required.max(threshold))
    }

    /// Whether money that has come in ends it.
    pub fn is_lifted_by(&self, account: &Account, figures: &Figures) -> bool {
        let enough = self.lifting_balance(account);
        self.resumed_at.is_none() && enough.is_some_and(|enough| figures.balance >= enough)
    }

    /// How long it lasted; until `now` while it does.
    pub fn duration(&self, now: Timestamp) -> TimeDelta {
        let end = self.resumed_at.unwrap_or(now);
        TimeDelta::microseconds(end.micros().saturating_sub(self.suspended_at.micros()))
    }
}

/// Why an account is to be suspended: it could not pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpaid {
    pub reason: Description,
    pub balance: Minor,
    pub required: Minor,
}

/// The suspension that a refused charge asked for.
pub fn unpaid(operation: &Operation, refusal: &Refusal) -> Option<Unpaid> {
    let Operation::Charge {
        service, suspend: true, ..
    } = operation
    else {
        return None;
    };
    let Refusal::InsufficientBalance { balance, required } = refusal else {
        return None;
    };
    let reason = Description::parse(&format!("could not pay for {service}")).ok()?;
    Some(Unpaid {
        reason,
        balance: *balance,
        required: *required,
    })
}
