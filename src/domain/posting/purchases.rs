//! Purchases, their credits and gifts: what was earned comes once, when it is due, and is taken back once.

use super::super::effects::{Effects, GiftWrite, PurchaseWrite, RecordWrite};
use super::super::entry::{EntryKind, Movement};
use super::super::money::Amount;
use super::super::operation::{IfSpent, NewPurchase};
use super::super::purchase::{CreditState, GiftId, Paid, PendingCredit, Purchase, PurchaseId};
use super::super::refusal::Refusal;
use super::super::snapshot::{Found, Reversible, Snapshot};
use super::super::time::Timestamp;
use super::income;
use super::reversals::take_back;

/// Records a purchase; its credits come when they are due.
pub(super) fn record(snapshot: &Snapshot, purchase: &NewPurchase, now: Timestamp) -> Result<Effects, Refusal> {
    let NewPurchase {
        paid,
        credits,
        pending_for,
    } = purchase;
    let earned = Amount::new(*credits).map(|credits| PendingCredit {
        credits,
        due_at: now.after(*pending_for),
        state: CreditState::Pending,
        settled_at: None,
        entry_seq: None,
    });
    let id = PurchaseId {
        account: snapshot.account.id,
        number: snapshot.next_number("purchase")?,
    };
    let record = RecordWrite::Purchase(PurchaseWrite::Open {
        id,
        paid: paid.clone(),
        credits: *credits,
        at: now,
        pending: earned,
    });
    Ok(Effects {
        record: Some(record),
        ..Effects::default()
    })
}

fn found(snapshot: &Snapshot, number: i64) -> Result<(&Purchase, Option<&Reversible>), Refusal> {
    match &snapshot.found {
        Found::Purchase(purchase, entry) => Ok((purchase, entry.as_ref())),
        _ => Err(Refusal::NotFound {
            what: name(snapshot, number),
        }),
    }
}

fn name(snapshot: &Snapshot, number: i64) -> String {
    let account = snapshot.account.id;
    format!("purchase {}", PurchaseId { account, number })
}

/// Brings the credits that are due; `None` when they have been brought.
pub(super) fn transfer(snapshot: &Snapshot, number: i64, now: Timestamp) -> Result<Option<Effects>, Refusal> {
    let (purchase, _) = found(snapshot, number)?;
    let what = || format!("the credit of {}", name(snapshot, number));
    let Some(pending) = purchase.pending else {
        return Err(Refusal::NotFound { what: what() });
    };
    match pending.state {
        CreditState::Transferred => return Ok(None),
        state @ (CreditState::Inactive | CreditState::TakenBack) => {
            return Err(Refusal::AlreadyFinal {
                what: what(),
                became: state.name(),
            });
        }
        CreditState::Pending if !pending.is_due(now) => return Err(Refusal::NotDue { what: what() }),
        CreditState::Pending => {}
    }
    let figures = &snapshot.state.figures;
    let mut effects = income(figures, EntryKind::Credit, pending.credits, "promotions:credit")?;
    effects.record = Some(RecordWrite::Purchase(PurchaseWrite::Transfer { number, at: now }));
    Ok(Some(effects))
}

/// Whether the credits have not come, or are gone already, so that taking the purchase back moves no money.
pub(super) fn moves_nothing(snapshot: &Snapshot) -> bool {
    let brought = |p: &Purchase| {
        p.deactivated.is_none() && p.pending.is_some_and(|credit| credit.state == CreditState::Transferred)
    };
    matches!(&snapshot.found, Found::Purchase(purchase, _) if !brought(purchase))
}

/// Takes a purchase back, with exactly what it has brought; `None` when that was done before.
pub(super) fn deactivate(
    snapshot: &Snapshot,
    number: i64,
    if_spent: IfSpent,
    now: Timestamp,
) -> Result<Option<Effects>, Refusal> {
    let (purchase, entry) = found(snapshot, number)?;
    if purchase.deactivated.is_some() {
        return Ok(None);
    }
    let state = purchase.pending.map(|credit| credit.state);
    let (mut effects, credit) = match (state, entry) {
        (Some(from @ CreditState::Transferred), Some(entry)) => (
            taken_back(snapshot, entry, if_spent)?,
            Some((from, CreditState::TakenBack)),
        ),
        (Some(from), _) => (Effects::default(), Some((from, CreditState::Inactive))),
        (None, _) => (Effects::default(), None),
    };
    effects.record = Some(RecordWrite::Purchase(PurchaseWrite::Deactivate {
        number,
        credit,
        at: now,
    }));
    Ok(Some(effects))
}

/// What is left of what the entry brought; nothing where it has been reversed.
fn taken_back(snapshot: &Snapshot, entry: &Reversible, if_spent: IfSpent) -> Result<Effects, Refusal> {
    let Movement {
        deltas,
        counter_account,
        ..
    } = &entry.movement;
    match Amount::new(deltas.balance.minus(entry.reversed)?) {
        Some(rest) => take_back(snapshot, rest, counter_account.clone(), entry.seq, if_spent),
        None => Ok(Effects::default()),
    }
}

/// Gives credits at once.
pub(super) fn grant(
    snapshot: &Snapshot,
    credits: Amount,
    paid: Option<&Paid>,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    let figures = &snapshot.state.figures;
    let mut effects = income(figures, EntryKind::Gift, credits, "promotions:gift")?;
    let id = GiftId {
        account: snapshot.account.id,
        number: snapshot.next_number("gift")?,
    };
    effects.record = Some(RecordWrite::Gift(GiftWrite::Open {
        id,
        paid: paid.cloned(),
        credits,
        entry_seq: snapshot.next_entry()?,
        at: now,
    }));
    Ok(effects)
}

/// Takes a gift back; `None` when that was done before.
pub(super) fn deactivate_gift(
    snapshot: &Snapshot,
    number: i64,
    if_spent: IfSpent,
    now: Timestamp,
) -> Result<Option<Effects>, Refusal> {
    let Found::Gift(gift, entry) = &snapshot.found else {
        let account = snapshot.account.id;
        return Err(Refusal::NotFound {
            what: format!("gift {}", GiftId { account, number }),
        });
    };
    if gift.deactivated.is_some() {
        return Ok(None);
    }
    let mut effects = taken_back(snapshot, entry, if_spent)?;
    effects.record = Some(RecordWrite::Gift(GiftWrite::Deactivate { number, at: now }));
    Ok(Some(effects))
}
