//! Entries: the journal's immutable lines, the source of truth.

use std::fmt;
use std::sync::Arc;

use super::chain::ChainHash;
use super::money::Minor;
use super::named::named;
use super::text::{Actor, Description, IdempotencyKey, Json, PaymentMethod, Reference, Service};
use super::time::Timestamp;

named! {
    /// What an entry does to the figures; see the CHECKs of the `entries` table for the same in SQL.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum EntryKind {
        /// Money in from a gateway.
        Recharge = "recharge",
        /// A charge for a service.
        ServiceFee = "service_fee",
        /// Gives back what a charge, a commit or a penalty took.
        Refund = "refund",
        /// A correction by hand, either way.
        Adjustment = "adjustment",
        /// A fine.
        Penalty = "penalty",
        /// Balance becomes held.
        Freeze = "freeze",
        /// Held money is spent.
        Commit = "commit",
        /// Held money becomes balance again.
        Release = "release",
        /// Credits earned by a purchase.
        Credit = "credit",
        /// Credits given.
        Gift = "gift",
        /// Takes back what was given; what is no longer there becomes debt.
        Clawback = "clawback",
        /// Pays debt off from the balance.
        DebtRecovery = "debt_recovery",
    }
}

/// Which running total an entry counts towards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// `total_recharged` grows by the balance delta.
    Recharged,
    /// `total_spent` grows by what left balance and held together (a refund lowers it).
    Spent,
}

impl EntryKind {
    /// The one definition of the totals; the SQL of `verify-sync` is built from it too.
    pub const fn total(self) -> Option<Total> {
        match self {
            Self::Recharge => Some(Total::Recharged),
            Self::ServiceFee | Self::Penalty | Self::Commit | Self::Refund => Some(Total::Spent),
            Self::Adjustment
            | Self::Freeze
            | Self::Release
            | Self::Credit
            | Self::Gift
            | Self::Clawback
            | Self::DebtRecovery => None,
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How an entry moves the three figures of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deltas {
    pub balance: Minor,
    pub held: Minor,
    pub debt: Minor,
}

impl Deltas {
    /// What people call the entry's amount: of a commit or a clawback into debt, the balance does not move.
    pub const fn principal(&self) -> Minor {
        match (self.balance.is_zero(), self.held.is_zero()) {
            (false, _) => self.balance,
            (true, false) => self.held,
            (true, true) => self.debt,
        }
    }

    /// As [`Self::principal`], but what is taken into debt is taken as much as what is paid.
    pub fn worth(&self) -> i128 {
        let principal = i128::from(self.principal().get());
        match (self.debt.is_positive(), self.held.is_zero()) {
            (true, true) => i128::from(self.balance.get()) - i128::from(self.debt.get()),
            _ => principal,
        }
    }

    /// Only the available balance moves.
    pub const fn of_balance(balance: Minor) -> Self {
        Self {
            balance,
            held: Minor::ZERO,
            debt: Minor::ZERO,
        }
    }
}

/// The three figures as they stand after an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub balance: Minor,
    pub held: Minor,
    pub debt: Minor,
}

/// Where the money came from or went to, as an account of double entry: `revenue:vps`.
///
/// The service of a charge and the method of a recharge are its second part; they are stored nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CounterAccount(Arc<str>);

const REVENUE: &str = "revenue:";
const GATEWAY: &str = "gateway:";

impl CounterAccount {
    pub fn service(service: &Service) -> Self {
        Self(format!("{REVENUE}{service}").into())
    }

    pub fn gateway(method: &PaymentMethod) -> Self {
        Self(format!("{GATEWAY}{}", method.as_str()).into())
    }

    pub fn named(name: &'static str) -> Self {
        Self(name.into())
    }

    /// A name that the ledger itself stored earlier.
    pub fn stored(name: String) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The service that was paid for, if it was one.
    pub fn as_service(&self) -> Option<&str> {
        service_named(&self.0)
    }
}

/// The service that a counter-account of that name is for.
pub fn service_named(counter_account: &str) -> Option<&str> {
    counter_account.strip_prefix(REVENUE)
}

/// The method of payment that a counter-account of that name is for.
pub fn method_named(counter_account: &str) -> Option<&str> {
    counter_account.strip_prefix(GATEWAY)
}

/// What the caller wants to be remembered with an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    pub reference: Option<Reference>,
    pub description: Option<Description>,
    pub metadata: Option<Json>,
}

/// An entry as decided, before it has a place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    pub kind: EntryKind,
    pub deltas: Deltas,
    pub counter_account: CounterAccount,
    /// Sequence number of the entry that this one takes back.
    pub reverses: Option<i64>,
}

/// Who, when and under which key: what the entries of one operation share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub note: Note,
    pub actor: Actor,
    pub key: Option<IdempotencyKey>,
    pub at: Timestamp,
}

/// One line of an account's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// 1, 2, 3 ... without gaps per account; the order of the journal.
    pub seq: i64,
    pub movement: Movement,
    pub after: Standing,
    pub stamp: Stamp,
    pub hash: ChainHash,
}
