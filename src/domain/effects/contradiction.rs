//! The second look at a posting: what must have moved, reckoned from what was asked and found alone.

use super::super::balance::{self, Figures};
use super::super::money::{Amount, Minor};
use super::super::operation::{IfSpent, Operation, Settle};
use super::super::purchase::{CreditState, Purchase};
use super::super::recharge::RechargeGoal;
use super::super::snapshot::{Found, Reversible, Snapshot};
use super::Posting;

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
    let asked = match Asked::of(operation, &snapshot.found) {
        Ok(asked) => asked,
        Err(wrong) => return Some(wrong),
    };
    if wealth(after) - wealth(before) != asked.wealth {
        return Some("the entries move another amount than was asked");
    }
    if wide(after.held) - wide(before.held) != asked.held {
        return Some("the entries hold another amount than was asked");
    }
    // What is there pays first.
    if after.debt > before.debt && !(may_become_debt(operation) && after.balance.is_zero()) {
        return Some("the entries make a debt that was not asked for");
    }
    None
}

/// All that the account has, less what it owes.
fn wealth(figures: &Figures) -> i128 {
    wide(figures.balance) + wide(figures.held) - wide(figures.debt)
}

/// Sums and differences of figures that are each within their range need not be.
fn wide(minor: Minor) -> i128 {
    i128::from(minor.get())
}

/// By how much an operation must have moved an account.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    wealth: i128,
    held: i128,
}

impl Asked {
    const NOTHING: Self = Self { wealth: 0, held: 0 };

    const fn wealth(wealth: i128) -> Self {
        Self { wealth, held: 0 }
    }

    const fn held(held: i128) -> Self {
        Self { wealth: 0, held }
    }

    fn of(operation: &Operation, found: &Found) -> Result<Self, &'static str> {
        Ok(match operation {
            Operation::Charge { amount, .. } | Operation::Penalty { amount } => Self::wealth(-wide(amount.minor())),
            Operation::Adjust { amount } => Self::wealth(wide(amount.minor())),
            Operation::Recharge { amount, settle, .. } => match settle {
                Settle::Now => Self::wealth(wide(amount.minor())),
                Settle::Later { .. } => Self::NOTHING,
            },
            Operation::MoveRecharge { to, .. } => match (found, to) {
                (Found::Recharge(recharge), RechargeGoal::Completed) => Self::wealth(wide(recharge.amount.minor())),
                _ => Self::NOTHING,
            },
            Operation::Freeze { amount, .. } => Self::held(wide(amount.minor())),
            Operation::Commit { amount, keep_open, .. } => {
                let left = left_of_hold(found)?;
                let spent = part(left, *amount)?;
                Self {
                    wealth: -spent,
                    held: if *keep_open { -spent } else { -left },
                }
            }
            Operation::Release { amount, .. } => Self::held(-part(left_of_hold(found)?, *amount)?),
            Operation::ExpireHold { .. } => Self::held(-left_of_hold(found)?),
            Operation::Refund { amount, .. } => match left_of_entry(found)? {
                left if left < 0 => Self::wealth(part(-left, *amount)?),
                _ => return Err("a refund of what took nothing"),
            },
            Operation::Reverse { amount, .. } => {
                let left = left_of_entry(found)?;
                Self::wealth(-left.signum() * part(left.abs(), *amount)?)
            }
            Operation::RecordPurchase(_) => Self::NOTHING,
            Operation::GrantGift { credits, .. } => Self::wealth(wide(credits.minor())),
            Operation::TransferCredit { .. } => match found {
                Found::Purchase(purchase, _) => Self::wealth(wide(purchase.credits)),
                _ => return Err("credits of no purchase"),
            },
            Operation::DeactivatePurchase { .. } => match found {
                Found::Purchase(purchase, entry) => Self::wealth(-brought_by(purchase, entry.as_ref())?),
                _ => return Err("the end of no purchase"),
            },
            Operation::DeactivateGift { .. } => match found {
                Found::Gift(_, entry) => Self::wealth(-left_of(entry)),
                _ => return Err("the end of no gift"),
            },
        })
    }
}

/// The part that was asked for, all unless an amount was given; never more than there is.
fn part(left: i128, amount: Option<Amount>) -> Result<i128, &'static str> {
    let part = amount.map_or(left, |amount| wide(amount.minor()));
    if part > left {
        return Err("more was asked than was left");
    }
    Ok(part)
}

fn left_of_hold(found: &Found) -> Result<i128, &'static str> {
    match found {
        Found::Hold(hold) => Ok(wide(hold.remaining)),
        _ => Err("a part of no hold"),
    }
}

fn left_of_entry(found: &Found) -> Result<i128, &'static str> {
    match found {
        Found::Entry(entry, _) => Ok(left_of(entry)),
        _ => Err("a part of no entry"),
    }
}

/// What the entry moved and nobody has taken back, with its sign.
fn left_of(entry: &Reversible) -> i128 {
    let deltas = &entry.movement.deltas;
    let moved = wide(deltas.balance) + wide(deltas.held);
    moved - moved.signum() * wide(entry.reversed)
}

/// What is left of the credits that a purchase has brought.
fn brought_by(purchase: &Purchase, entry: Option<&Reversible>) -> Result<i128, &'static str> {
    match (purchase.pending.map(|credit| credit.state), entry) {
        (Some(CreditState::Transferred), Some(entry)) => Ok(left_of(entry)),
        (Some(CreditState::Transferred), None) => Err("credits that came by no entry"),
        _ => Ok(0),
    }
}

const fn may_become_debt(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::Reverse {
            if_spent: IfSpent::Debt,
            ..
        } | Operation::DeactivatePurchase {
            if_spent: IfSpent::Debt,
            ..
        } | Operation::DeactivateGift {
            if_spent: IfSpent::Debt,
            ..
        }
    )
}

#[cfg(test)]
mod tests;
