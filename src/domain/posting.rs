//! The rule book: what an operation does to an account, or why it may not.
//!
//! [`decide`] is pure and knows every kind of entry. It is called under the account's lock (or on a
//! snapshot whose every change since is noticed when writing), by every way into the ledger.

mod holds;
mod purchases;
mod recharges;
mod reversals;

use super::access::{Access, GrantId};
use super::balance::Figures;
use super::effects::{Effects, GrantWrite, RecordWrite, Verdict};
use super::entry::{CounterAccount, Deltas, EntryKind, Movement};
use super::money::{Amount, Minor, SignedAmount};
use super::operation::Operation;
use super::refusal::Refusal;
use super::snapshot::{Snapshot, Usage};
use super::suspension::unpaid;
use super::text::Service;
use super::time::Timestamp;

/// Judges `operation` on `snapshot` at `now`.
pub fn decide(snapshot: &Snapshot, operation: &Operation, now: Timestamp) -> Verdict {
    match judge(snapshot, operation, now) {
        Ok(verdict) => verdict,
        Err(refusal) => match unpaid(operation, &refusal) {
            Some(suspension) => Verdict::Suspend(refusal, suspension),
            None => Verdict::Refuse(refusal),
        },
    }
}

fn judge(snapshot: &Snapshot, operation: &Operation, now: Timestamp) -> Result<Verdict, Refusal> {
    if snapshot.account.closed && !moves_nothing(snapshot, operation) {
        return Err(Refusal::AccountClosed);
    }
    let Some(effects) = effects(snapshot, operation, now)? else {
        return Ok(Verdict::Already);
    };
    // Every figure on the way stays within range.
    effects.figures_after(&snapshot.state.figures)?;
    Ok(Verdict::Apply(effects))
}

/// What may be done to a closed account too: a purchase whose credits will never come is taken back, a recharge that
/// was still open ends without its money.
fn moves_nothing(snapshot: &Snapshot, operation: &Operation) -> bool {
    match operation {
        Operation::DeactivatePurchase { .. } => purchases::moves_nothing(snapshot),
        Operation::MoveRecharge { to, .. } => recharges::moves_nothing(snapshot, *to),
        _ => false,
    }
}

/// `None` when it is as asked already.
fn effects(snapshot: &Snapshot, operation: &Operation, now: Timestamp) -> Result<Option<Effects>, Refusal> {
    let figures = &snapshot.state.figures;
    match operation {
        Operation::Charge {
            amount,
            service,
            grants,
            ..
        } => charge(snapshot, (*amount, service), grants.as_ref(), now),
        Operation::Adjust { amount } => adjust(figures, *amount),
        Operation::Penalty { amount } => penalty(figures, *amount),
        Operation::Recharge {
            amount,
            method,
            settle,
            gateway_response,
        } => recharges::open(snapshot, (*amount, method), *settle, gateway_response.as_ref(), now),
        Operation::MoveRecharge {
            number,
            to,
            gateway_response,
            claim,
        } => return recharges::advance(snapshot, *number, *to, gateway_response.as_ref(), claim.as_ref(), now),
        Operation::Freeze {
            amount,
            service,
            expires_in,
        } => holds::freeze(snapshot, *amount, service.as_ref(), *expires_in, now),
        Operation::Commit {
            hold,
            amount,
            keep_open,
        } => holds::commit(snapshot, *hold, *amount, *keep_open, now),
        Operation::Release { hold, amount } => holds::release(snapshot, *hold, *amount, now),
        Operation::ExpireHold { hold } => return holds::expire(snapshot, *hold, now),
        Operation::Refund { entry, amount } => reversals::refund(snapshot, *entry, *amount, now),
        Operation::Reverse {
            entry,
            amount,
            if_spent,
        } => reversals::reverse(snapshot, *entry, *amount, *if_spent, now),
        Operation::RecordPurchase(purchase) => purchases::record(snapshot, purchase, now),
        Operation::TransferCredit { purchase } => return purchases::transfer(snapshot, *purchase, now),
        Operation::DeactivatePurchase { purchase, if_spent } => {
            return purchases::deactivate(snapshot, *purchase, *if_spent, now);
        }
        Operation::GrantGift { credits, paid } => purchases::grant(snapshot, *credits, paid.as_ref(), now),
        Operation::DeactivateGift { gift, if_spent } => {
            return purchases::deactivate_gift(snapshot, *gift, *if_spent, now);
        }
    }
    .map(Some)
}

fn charge(
    snapshot: &Snapshot,
    (amount, service): (Amount, &Service),
    grants: Option<&Access>,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    may_spend(snapshot, amount)?;
    let paid = outflow(EntryKind::ServiceFee, amount, CounterAccount::service(service));
    let mut effects = Effects::of(vec![paid]);
    if let Some(access) = grants {
        effects.record = Some(granted(snapshot, access, now)?);
    }
    Ok(effects)
}

/// The right to what the charge pays for, under the number of the charge's entry.
fn granted(snapshot: &Snapshot, access: &Access, now: Timestamp) -> Result<RecordWrite, Refusal> {
    let id = GrantId {
        account: snapshot.account.id,
        number: snapshot.next_entry()?,
    };
    Ok(RecordWrite::Grant(GrantWrite::Open {
        id,
        resource: access.resource.clone(),
        expires_at: access.expires_in.map(|span| now.after(span)),
        at: now,
    }))
}

fn penalty(figures: &Figures, amount: Amount) -> Result<Effects, Refusal> {
    covers(figures, amount)?;
    let fine = outflow(EntryKind::Penalty, amount, CounterAccount::named("income:penalty"));
    Ok(Effects::of(vec![fine]))
}

fn covers(figures: &Figures, amount: Amount) -> Result<(), Refusal> {
    if figures.balance < amount.minor() {
        return Err(Refusal::InsufficientBalance {
            balance: figures.balance,
            required: amount.minor(),
        });
    }
    Ok(())
}

/// What charges and freezes have in common: the account is free to spend, within its limits, and can pay.
fn may_spend(snapshot: &Snapshot, amount: Amount) -> Result<(), Refusal> {
    if snapshot.account.locked {
        return Err(Refusal::AccountLocked);
    }
    if snapshot.account.suspension.is_some() {
        return Err(Refusal::AccountSuspended);
    }
    let Usage {
        charges_last_minute,
        spent_today,
    } = snapshot.usage;
    if let Some(allowed) = snapshot.account.limits.charges_per_minute
        && charges_last_minute >= u64::from(allowed)
    {
        return Err(Refusal::LimitExceeded {
            limit: "charges and freezes per minute",
            allowed: allowed.to_string(),
        });
    }
    if let Some(allowed) = snapshot.account.limits.spend_per_day
        // What is held may be spent any moment.
        && spent_today.plus(snapshot.state.figures.held)?.plus(amount.minor())? > allowed.minor()
    {
        let currency = &snapshot.account.currency;
        let allowed = currency.show_with_code(allowed.minor());
        return Err(Refusal::LimitExceeded {
            limit: "spent per day",
            allowed,
        });
    }
    covers(&snapshot.state.figures, amount)
}

fn outflow(kind: EntryKind, amount: Amount, counter_account: CounterAccount) -> Movement {
    Movement {
        kind,
        deltas: Deltas::of_balance(amount.outflow()),
        counter_account,
        reverses: None,
    }
}

fn inflow(kind: EntryKind, amount: Amount, counter_account: CounterAccount) -> Movement {
    Movement {
        kind,
        deltas: Deltas::of_balance(amount.minor()),
        counter_account,
        reverses: None,
    }
}

/// Money that becomes available pays the account's debt first, by an entry of its own.
fn with_debt_recovery(figures: &Figures, mut movements: Vec<Movement>) -> Result<Effects, Refusal> {
    let after = figures.moved_by(&movements)?;
    if let Some(recovered) = Amount::new(after.debt.min(after.balance)) {
        movements.push(Movement {
            kind: EntryKind::DebtRecovery,
            deltas: Deltas {
                balance: recovered.outflow(),
                held: Minor::ZERO,
                debt: recovered.outflow(),
            },
            counter_account: CounterAccount::named("receivable:debt"),
            reverses: None,
        });
    }
    Ok(Effects::of(movements))
}

fn income(figures: &Figures, kind: EntryKind, amount: Amount, from: &'static str) -> Result<Effects, Refusal> {
    with_debt_recovery(figures, vec![inflow(kind, amount, CounterAccount::named(from))])
}

fn adjust(figures: &Figures, amount: SignedAmount) -> Result<Effects, Refusal> {
    let movement = Movement {
        kind: EntryKind::Adjustment,
        deltas: Deltas::of_balance(amount.minor()),
        counter_account: CounterAccount::named("equity:adjustment"),
        reverses: None,
    };
    if amount.minor().is_positive() {
        return with_debt_recovery(figures, vec![movement]);
    }
    let taken = Amount::new(amount.minor().negated()?).ok_or(Refusal::OutOfRange)?;
    covers(figures, taken)?;
    Ok(Effects::of(vec![movement]))
}
