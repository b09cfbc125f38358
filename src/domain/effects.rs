//! What follows from a decision: the writes, the entries in their chain, and a second look at both.

use super::balance::{self, Figures, State};
use super::entry::{Entry, Movement, Stamp};
use super::hold::{Hold, HoldStatus};
use super::money::{Minor, OutOfRange};
use super::operation::{Operation, Settle};
use super::recharge::{Recharge, RechargeStatus};
use super::refusal::Refusal;
use super::snapshot::{Found, Snapshot};
use super::text::Json;
use super::time::Timestamp;

/// What the rule book says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Apply(Effects),
    /// It is as asked already; nothing to write.
    Already,
    Refuse(Refusal),
}

/// What is to be written, all or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    pub movements: Vec<Movement>,
    pub recharge: Option<RechargeWrite>,
    pub hold: Option<HoldWrite>,
}

impl Effects {
    /// Nothing but entries of the account.
    pub const fn is_plain(&self) -> bool {
        self.recharge.is_none() && self.hold.is_none()
    }

    pub(super) fn of(movements: Vec<Movement>) -> Self {
        Self {
            movements,
            ..Self::default()
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RechargeWrite {
    Open(Recharge),
    Move {
        number: i64,
        from: RechargeStatus,
        to: RechargeStatus,
        at: Timestamp,
        gateway_response: Option<Json>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldWrite {
    Open(Hold),
    Move {
        number: i64,
        remaining: Minor,
        status: HoldStatus,
    },
}

/// The entries of an applied operation, and the account's state with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    pub entries: Vec<Entry>,
    pub state: State,
}

/// The entries of `effects` after the snapshot's state, chained and stamped.
pub fn seal(snapshot: &Snapshot, effects: &Effects, stamp: &Stamp) -> Result<Posting, OutOfRange> {
    let account = (
        snapshot.account.user_id.as_str(),
        snapshot.account.currency.code().as_str(),
    );
    let mut posting = Posting {
        entries: Vec::with_capacity(effects.movements.len()),
        state: snapshot.state,
    };
    for movement in &effects.movements {
        let (entry, state) = balance::append(&posting.state, account, movement.clone(), stamp)?;
        posting.entries.push(entry);
        posting.state = state;
    }
    Ok(posting)
}

/// Holds the finished posting against what was asked, independently of how it was decided.
///
/// Returns what is wrong, for an error that rolls the transaction back.
pub fn contradiction(snapshot: &Snapshot, operation: &Operation, posting: &Posting) -> Option<&'static str> {
    let (before, after) = (&snapshot.state.figures, &posting.state.figures);
    let negative = [after.balance, after.held, after.debt]
        .into_iter()
        .any(Minor::is_negative);
    if negative {
        return Some("a figure became negative");
    }
    let account = (
        snapshot.account.user_id.as_str(),
        snapshot.account.currency.code().as_str(),
    );
    let refolded = posting
        .entries
        .iter()
        .try_fold(snapshot.state, |state, entry| balance::fold(&state, account, entry));
    if refolded != Ok(posting.state) {
        return Some("the entries do not fold to the new state");
    }
    let wealth = |f: &Figures| i128::from(f.balance.get()) + i128::from(f.held.get()) - i128::from(f.debt.get());
    let moved = wealth(after) - wealth(before);
    let asked = match operation {
        Operation::Charge { amount, .. } | Operation::Penalty { amount } | Operation::Clawback { amount, .. } => {
            amount.outflow()
        }
        Operation::Adjust { amount } => amount.minor(),
        Operation::Recharge {
            amount,
            settle: Settle::Now,
            ..
        }
        | Operation::Credit { amount }
        | Operation::Gift { amount } => amount.minor(),
        Operation::Recharge { .. } | Operation::Freeze { .. } | Operation::Release { .. } => Minor::ZERO,
        Operation::MoveRecharge { to, .. } => match (&snapshot.found, to) {
            (Found::Recharge(recharge), RechargeStatus::Completed) => recharge.amount.minor(),
            _ => Minor::ZERO,
        },
        // What these move depends on what was left; the fold above has checked the entries themselves.
        Operation::Commit { .. } | Operation::Reverse { .. } => return None,
    };
    (moved != i128::from(asked.get())).then_some("the entries move another amount than was asked")
}
