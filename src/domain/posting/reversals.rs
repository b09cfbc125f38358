//! Taking back what an entry moved: a refund for what was spent, a clawback for what was given; never more than it moved.

use super::super::effects::{Effects, GrantWrite, RecordWrite};
use super::super::entry::{CounterAccount, Deltas, EntryKind, Movement};
use super::super::money::{Amount, Minor};
use super::super::operation::IfSpent;
use super::super::refusal::Refusal;
use super::super::snapshot::{Found, Reversible, Snapshot};
use super::super::time::Timestamp;
use super::{covers, inflow, outflow, with_debt_recovery};

/// Gives back what a charge, a commit or a penalty took.
pub(super) fn refund(
    snapshot: &Snapshot,
    seq: i64,
    amount: Option<Amount>,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    let target = target(snapshot, seq)?;
    match kind_of_reversal(target.movement.kind) {
        Some(EntryKind::Refund) => reverse(snapshot, seq, amount, IfSpent::Refuse, now),
        _ => Err(not_reversible(seq)),
    }
}

pub(super) fn reverse(
    snapshot: &Snapshot,
    seq: i64,
    amount: Option<Amount>,
    if_spent: IfSpent,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    let target = target(snapshot, seq)?;
    let kind = kind_of_reversal(target.movement.kind).ok_or_else(|| not_reversible(seq))?;
    let moved = target.movement.deltas.balance.plus(target.movement.deltas.held)?;
    let (asked, is_all) = part_of_rest(target, moved, amount)?;
    let figures = &snapshot.state.figures;
    let from = target.movement.counter_account.clone();
    if kind == EntryKind::Clawback {
        return take_back(snapshot, asked, from, seq, if_spent);
    }
    let reverses = Some(seq);
    if moved.is_negative() {
        let given_back = inflow(kind, asked, from);
        let mut effects = with_debt_recovery(figures, vec![Movement { reverses, ..given_back }])?;
        if is_all {
            effects.record = revocation(snapshot, now);
        }
        return Ok(effects);
    }
    covers(figures, asked)?;
    let taken = outflow(kind, asked, from);
    Ok(Effects::of(vec![Movement { reverses, ..taken }]))
}

/// Ends the access that the entry has paid for: the last of the money takes it along, a part of it does not.
fn revocation(snapshot: &Snapshot, now: Timestamp) -> Option<RecordWrite> {
    match &snapshot.found {
        Found::Entry(_, Some(grant)) if grant.revoked.is_none() => Some(RecordWrite::Grant(GrantWrite::Revoke {
            number: grant.id.number,
            at: now,
        })),
        _ => None,
    }
}

fn target(snapshot: &Snapshot, seq: i64) -> Result<&Reversible, Refusal> {
    match &snapshot.found {
        Found::Entry(target, _) => Ok(target),
        _ => Err(Refusal::NotFound {
            what: format!("entry {seq}"),
        }),
    }
}

fn not_reversible(seq: i64) -> Refusal {
    Refusal::NotReversible {
        what: format!("entry {seq}"),
    }
}

/// The kind of entry that takes such an entry back; `None` where there is nothing to take back, or another way to do it.
const fn kind_of_reversal(kind: EntryKind) -> Option<EntryKind> {
    match kind {
        EntryKind::ServiceFee | EntryKind::Commit | EntryKind::Penalty => Some(EntryKind::Refund),
        EntryKind::Recharge | EntryKind::Credit | EntryKind::Gift => Some(EntryKind::Clawback),
        EntryKind::Adjustment => Some(EntryKind::Adjustment),
        EntryKind::Refund | EntryKind::Freeze | EntryKind::Release | EntryKind::Clawback | EntryKind::DebtRecovery => {
            None
        }
    }
}

/// The amount asked for, all that is left unless one is given; and whether it is all.
fn part_of_rest(target: &Reversible, moved: Minor, amount: Option<Amount>) -> Result<(Amount, bool), Refusal> {
    let what = || format!("entry {}", target.seq);
    let size = if moved.is_negative() { moved.negated()? } else { moved };
    let remaining = size.minus(target.reversed)?;
    let Some(all) = Amount::new(remaining) else {
        return Err(Refusal::AlreadyFinal {
            what: what(),
            became: "reversed",
        });
    };
    match amount {
        Some(part) if part > all => Err(Refusal::ExceedsRemaining {
            what: what(),
            remaining,
            requested: part.minor(),
        }),
        Some(part) => Ok((part, part == all)),
        None => Ok((all, true)),
    }
}

/// Takes back what was given; what is no longer there is refused, or becomes debt.
pub(super) fn take_back(
    snapshot: &Snapshot,
    amount: Amount,
    from: CounterAccount,
    reverses: i64,
    if_spent: IfSpent,
) -> Result<Effects, Refusal> {
    let figures = &snapshot.state.figures;
    if if_spent == IfSpent::Refuse {
        covers(figures, amount)?;
    }
    let taken = amount.minor().min(figures.balance).max(Minor::ZERO);
    Ok(Effects::of(vec![Movement {
        kind: EntryKind::Clawback,
        deltas: Deltas {
            balance: taken.negated()?,
            held: Minor::ZERO,
            debt: amount.minor().minus(taken)?,
        },
        counter_account: from,
        reverses: Some(reverses),
    }]))
}
