//! What follows from a decision: the writes, the entries in their chain, and a second look at both.

mod contradiction;

use std::sync::Arc;

pub use self::contradiction::contradiction;

use super::access::GrantId;
use super::balance::{self, Figures, State};
use super::entry::{Entry, Movement, Stamp};
use super::hold::Hold;
use super::money::{Amount, Minor, OutOfRange};
use super::purchase::{CreditState, GiftId, Paid, PendingCredit, PurchaseId};
use super::recharge::{Recharge, RechargeStatus};
use super::refusal::Refusal;
use super::snapshot::Snapshot;
use super::suspension::Unpaid;
use super::text::Resource;
use super::time::Timestamp;

/// What the rule book says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Apply(Effects),
    /// It is as asked already; nothing to write.
    Already,
    Refuse(Refusal),
    /// Refused, and the account is suspended for it.
    Suspend(Refusal, Unpaid),
}

/// What is to be written, all or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    pub movements: Vec<Movement>,
    pub record: Option<RecordWrite>,
    /// The number of the suspension that it ends.
    pub resumes: Option<i64>,
}

impl Effects {
    /// Nothing but entries of the account.
    pub const fn is_plain(&self) -> bool {
        self.record.is_none() && self.resumes.is_none()
    }

    /// The figures after every movement.
    pub fn figures_after(&self, before: &Figures) -> Result<Figures, OutOfRange> {
        before.moved_by(&self.movements)
    }

    pub(super) fn of(movements: Vec<Movement>) -> Self {
        Self {
            movements,
            ..Self::default()
        }
    }
}

/// The record besides the entries that an operation makes or changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordWrite {
    Recharge(RechargeWrite),
    Hold(HoldWrite),
    Purchase(PurchaseWrite),
    Gift(GiftWrite),
    Grant(GrantWrite),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RechargeWrite {
    Open(Recharge),
    /// The recharge as it is from now on, if it is still in the status it had.
    Move {
        from: RechargeStatus,
        after: Recharge,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldWrite {
    Open(Hold),
    /// The hold as it is from now on, if it is still open with what remained before.
    Move {
        remaining_before: Minor,
        after: Hold,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PurchaseWrite {
    Open {
        id: PurchaseId,
        paid: Paid,
        credits: Minor,
        at: Timestamp,
        pending: Option<PendingCredit>,
    },
    /// The credits have come, by the first entry of the posting.
    Transfer { number: i64, at: Timestamp },
    Deactivate {
        number: i64,
        /// From which state to which the credits go, where there are any.
        credit: Option<(CreditState, CreditState)>,
        at: Timestamp,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GiftWrite {
    Open {
        id: GiftId,
        paid: Option<Paid>,
        credits: Amount,
        entry_seq: i64,
        at: Timestamp,
    },
    Deactivate {
        number: i64,
        at: Timestamp,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantWrite {
    Open {
        id: GrantId,
        resource: Resource,
        expires_at: Option<Timestamp>,
        at: Timestamp,
    },
    Revoke {
        number: i64,
        at: Timestamp,
    },
}

/// The entries of an applied operation, and the account's state with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    pub entries: Arc<[Entry]>,
    pub state: State,
}

/// The entries of `effects` after the snapshot's state, chained and stamped.
pub fn seal(snapshot: &Snapshot, effects: &Effects, stamp: &Stamp) -> Result<Posting, OutOfRange> {
    let account = (
        snapshot.account.user_id.as_str(),
        snapshot.account.currency.code().as_str(),
    );
    let mut entries = Vec::with_capacity(effects.movements.len());
    let mut state = snapshot.state;
    for movement in &effects.movements {
        let (entry, after) = balance::append(&state, account, movement.clone(), stamp)?;
        entries.push(entry);
        state = after;
    }
    Ok(Posting {
        entries: entries.into(),
        state,
    })
}
