//! What a decision sees: one account at one moment, and the record that the operation is about.
//!
//! Nothing is looked up later: what is not in here cannot count. Whoever reads one holds the account's lock, or notices
//! when writing that the account has moved on.

use std::sync::Arc;

use chrono::TimeDelta;

use super::access::AccessGrant;
use super::account::Account;
use super::balance::State;
use super::entry::Movement;
use super::hold::Hold;
use super::money::Minor;
use super::purchase::{Gift, Purchase};
use super::recharge::Recharge;
use super::refusal::Refusal;
use super::suspension::Suspension;

/// An entry and how much of it earlier reversals have already taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversible {
    pub seq: i64,
    pub movement: Movement,
    pub reversed: Minor,
}

/// What the account has done lately, for its limits; counted only where it has limits. Freezes count as charges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub charges_last_minute: u64,
    pub spent_today: Minor,
}

/// The span over which `charges_per_minute` counts.
pub const RATE_SPAN: TimeDelta = TimeDelta::minutes(1);

/// All that a decision needs to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub account: Arc<Account>,
    pub state: State,
    /// The active suspension, where the operation may end it.
    pub suspension: Option<Suspension>,
    pub usage: Usage,
    pub found: Found,
}

impl Snapshot {
    /// The number of a new record of that name.
    pub(super) fn next_number(&self, what: &str) -> Result<i64, Refusal> {
        match self.found {
            Found::NextNumber(number) => Ok(number),
            _ => Err(Refusal::NotFound {
                what: format!("the number of the next {what}"),
            }),
        }
    }

    /// The number of the next entry of the account.
    pub(super) fn next_entry(&self) -> Result<i64, Refusal> {
        self.state.last_seq.checked_add(1).ok_or(Refusal::OutOfRange)
    }
}

/// The subject of the operation as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The operation has no subject, or it does not exist.
    Nothing,
    /// The number that a new recharge, hold, purchase or gift gets.
    NextNumber(i64),
    Recharge(Recharge),
    Hold(Hold),
    /// An entry, and the access that it has paid for.
    Entry(Reversible, Option<Box<AccessGrant>>),
    /// A purchase, and the entry that brought its credits.
    Purchase(Box<Purchase>, Option<Reversible>),
    /// A gift, and the entry that brought it.
    Gift(Box<Gift>, Reversible),
}
