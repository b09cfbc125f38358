//! Recharges: opened, moved on by whoever knows how the payment went, completed once.

use super::super::effects::{Effects, RechargeWrite, RecordWrite};
use super::super::entry::{CounterAccount, EntryKind, Note};
use super::super::money::Amount;
use super::super::operation::{Claim, Settle};
use super::super::recharge::{Recharge, RechargeGoal, RechargeId, RechargeStatus, Step};
use super::super::refusal::Refusal;
use super::super::snapshot::{Found, Snapshot};
use super::super::text::{Json, PaymentMethod};
use super::super::time::Timestamp;
use super::{inflow, with_debt_recovery};

pub(super) fn open(
    snapshot: &Snapshot,
    (amount, method): (Amount, &PaymentMethod),
    settle: Settle,
    gateway_response: Option<&Json>,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    let number = snapshot.next_number("recharge")?;
    let mut recharge = Recharge {
        id: RechargeId {
            account: snapshot.account.id,
            number,
        },
        amount,
        method: method.clone(),
        status: RechargeStatus::Pending,
        created_at: now,
        expires_at: None,
        finished_at: None,
        entry_seq: None,
        gateway_response: gateway_response.cloned(),
        note: Note::default(),
    };
    let mut effects = Effects::default();
    match settle {
        Settle::Later { expires_in } => recharge.expires_at = expires_in.map(|span| now.after(span)),
        Settle::Now => {
            effects = completed(snapshot, amount, method)?;
            recharge.status = RechargeStatus::Completed;
            recharge.finished_at = Some(now);
            recharge.entry_seq = Some(snapshot.next_entry()?);
        }
    }
    effects.record = Some(RecordWrite::Recharge(RechargeWrite::Open(recharge)));
    Ok(effects)
}

/// The money has come: it pays debt first, and may end a suspension.
fn completed(snapshot: &Snapshot, amount: Amount, method: &PaymentMethod) -> Result<Effects, Refusal> {
    let recharged = inflow(EntryKind::Recharge, amount, CounterAccount::gateway(method));
    let mut effects = with_debt_recovery(&snapshot.state.figures, vec![recharged])?;
    let after = effects.figures_after(&snapshot.state.figures)?;
    effects.resumes = snapshot
        .suspension
        .as_ref()
        .filter(|suspension| suspension.is_lifted_by(&snapshot.account, &after))
        .map(|suspension| suspension.number);
    Ok(effects)
}

/// Whether the recharge only ends, so that no money moves.
pub(super) fn moves_nothing(snapshot: &Snapshot, to: RechargeGoal) -> bool {
    let ends = matches!(
        to,
        RechargeGoal::Failed | RechargeGoal::Cancelled | RechargeGoal::Expired
    );
    ends && matches!(snapshot.found, Found::Recharge(_))
}

/// `None` when the recharge is there already.
pub(super) fn advance(
    snapshot: &Snapshot,
    number: i64,
    to: RechargeGoal,
    gateway_response: Option<&Json>,
    claim: Option<&Claim>,
    now: Timestamp,
) -> Result<Option<Effects>, Refusal> {
    let id = RechargeId {
        account: snapshot.account.id,
        number,
    };
    let Found::Recharge(recharge) = &snapshot.found else {
        return Err(Refusal::NotFound {
            what: format!("recharge {id}"),
        });
    };
    if let Some(claim) = claim {
        must_match(recharge, claim)?;
    }
    match recharge.step(to, now) {
        Step::AlreadyThere => return Ok(None),
        Step::Ended(became) => {
            return Err(Refusal::AlreadyFinal {
                what: format!("recharge {id}"),
                became: became.name(),
            });
        }
        Step::NotDue => {
            return Err(Refusal::NotDue {
                what: format!("recharge {id}"),
            });
        }
        Step::Take => {}
    }
    let mut after = Recharge {
        status: to.status(),
        finished_at: to.status().is_final().then_some(now),
        ..recharge.clone()
    };
    if let Some(response) = gateway_response {
        after.gateway_response = Some(response.clone());
    }
    let mut effects = Effects::default();
    if to == RechargeGoal::Completed {
        effects = completed(snapshot, recharge.amount, &recharge.method)?;
        after.entry_seq = Some(snapshot.next_entry()?);
    }
    let from = recharge.status;
    effects.record = Some(RecordWrite::Recharge(RechargeWrite::Move { from, after }));
    Ok(Some(effects))
}

/// A gateway speaks of this very payment, or of none.
fn must_match(recharge: &Recharge, claim: &Claim) -> Result<(), Refusal> {
    let differs_in = if recharge.method != claim.method {
        "method"
    } else if recharge.amount != claim.amount {
        "amount"
    } else {
        return Ok(());
    };
    Err(Refusal::ClaimMismatch {
        what: format!("recharge {}", recharge.id),
        differs_in,
    })
}
