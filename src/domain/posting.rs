//! The rule book: what an operation does to an account, or why it may not.
//!
//! [`decide`] is pure and knows every kind of entry. It is called under the account's lock (or on a
//! snapshot whose every change since is noticed when writing), by every way into the ledger.

use super::balance::Figures;
use super::effects::{Effects, HoldWrite, RechargeWrite, Verdict};
use super::entry::{CounterAccount, Deltas, EntryKind, Movement, Note};
use super::hold::{Hold, HoldStatus};
use super::money::{Amount, Minor, OutOfRange, SignedAmount};
use super::operation::{IfSpent, Operation, Settle};
use super::recharge::{Recharge, RechargeId, RechargeStatus, Step};
use super::refusal::Refusal;
use super::snapshot::{Found, Snapshot, Usage};
use super::text::{Json, PaymentMethod};
use super::time::Timestamp;

/// Judges `operation` on `snapshot` at `now`.
pub fn decide(snapshot: &Snapshot, operation: &Operation, now: Timestamp) -> Verdict {
    match judge(snapshot, operation, now) {
        Ok(verdict) => verdict,
        Err(refusal) => Verdict::Refuse(refusal),
    }
}

impl From<OutOfRange> for Refusal {
    fn from(_: OutOfRange) -> Self {
        Self::OutOfRange
    }
}

fn judge(snapshot: &Snapshot, operation: &Operation, now: Timestamp) -> Result<Verdict, Refusal> {
    if snapshot.account.closed {
        return Err(Refusal::AccountClosed);
    }
    let figures = &snapshot.state.figures;
    let effects = match operation {
        Operation::Charge { amount, service } => {
            may_spend(snapshot, *amount)?;
            Effects::of(vec![outflow(
                EntryKind::ServiceFee,
                *amount,
                CounterAccount::service(service),
            )])
        }
        Operation::Adjust { amount } => adjust(figures, *amount)?,
        Operation::Penalty { amount } => {
            covers(figures, *amount)?;
            Effects::of(vec![outflow(
                EntryKind::Penalty,
                *amount,
                CounterAccount::named("revenue:penalty"),
            )])
        }
        Operation::Recharge {
            amount,
            method,
            settle,
            gateway_response,
        } => open_recharge(snapshot, *amount, method, *settle, gateway_response.as_ref(), now)?,
        Operation::MoveRecharge {
            number,
            to,
            gateway_response,
        } => match move_recharge(snapshot, *number, *to, gateway_response.as_ref(), now)? {
            Some(effects) => effects,
            None => return Ok(Verdict::Already),
        },
        Operation::Freeze { amount, expires_in } => freeze(snapshot, *amount, expires_in.map(|span| now.after(span)))?,
        Operation::Commit {
            hold,
            amount,
            keep_open,
        } => commit(snapshot, *hold, *amount, *keep_open, now)?,
        Operation::Release { hold, amount } => release(snapshot, *hold, *amount, now)?,
        Operation::Reverse { entry, amount } => reverse(snapshot, *entry, *amount)?,
        Operation::Credit { amount } => income(figures, EntryKind::Credit, *amount, "promotions:credit")?,
        Operation::Gift { amount } => income(figures, EntryKind::Gift, *amount, "promotions:gift")?,
        Operation::Clawback {
            amount,
            reverses,
            if_spent,
        } => clawback(figures, *amount, *reverses, *if_spent)?,
    };
    within_range(figures, &effects.movements)?;
    Ok(Verdict::Apply(effects))
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
    if snapshot.suspended {
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
            limit: "charges per minute",
            allowed: allowed.to_string(),
        });
    }
    if let Some(allowed) = snapshot.account.limits.spend_per_day
        && spent_today.plus(amount.minor())? > allowed.minor()
    {
        let currency = &snapshot.account.currency;
        let allowed = format!("{} {}", currency.show(allowed.minor()), currency.code());
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

/// Money that comes in pays the account's debt first, by an entry of its own.
fn with_debt_recovery(figures: &Figures, inflow: Movement) -> Result<Effects, Refusal> {
    let after = figures.moved(inflow.kind, inflow.deltas)?;
    let mut movements = vec![inflow];
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
    with_debt_recovery(figures, inflow(kind, amount, CounterAccount::named(from)))
}

fn adjust(figures: &Figures, amount: SignedAmount) -> Result<Effects, Refusal> {
    let movement = Movement {
        kind: EntryKind::Adjustment,
        deltas: Deltas::of_balance(amount.minor()),
        counter_account: CounterAccount::named("equity:adjustment"),
        reverses: None,
    };
    if amount.minor().is_positive() {
        return with_debt_recovery(figures, movement);
    }
    let taken = Amount::new(amount.minor().negated()?).ok_or(Refusal::OutOfRange)?;
    covers(figures, taken)?;
    Ok(Effects::of(vec![movement]))
}

fn open_recharge(
    snapshot: &Snapshot,
    amount: Amount,
    method: &PaymentMethod,
    settle: Settle,
    gateway_response: Option<&Json>,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    let Found::NextNumber(number) = snapshot.found else {
        return Err(Refusal::NotFound {
            what: "the number of the next recharge".into(),
        });
    };
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
            effects = recharged(&snapshot.state.figures, amount, method)?;
            recharge.status = RechargeStatus::Completed;
            recharge.finished_at = Some(now);
            recharge.entry_seq = snapshot.state.last_seq.checked_add(1);
        }
    }
    effects.recharge = Some(RechargeWrite::Open(recharge));
    Ok(effects)
}

fn recharged(figures: &Figures, amount: Amount, method: &PaymentMethod) -> Result<Effects, Refusal> {
    with_debt_recovery(
        figures,
        inflow(EntryKind::Recharge, amount, CounterAccount::gateway(method)),
    )
}

fn move_recharge(
    snapshot: &Snapshot,
    number: i64,
    to: RechargeStatus,
    gateway_response: Option<&Json>,
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
    match recharge.step(to, now) {
        Step::AlreadyThere => return Ok(None),
        Step::Ended(became) => {
            return Err(Refusal::AlreadyFinal {
                what: format!("recharge {id}"),
                became: became.name(),
            });
        }
        Step::Take => {}
    }
    let mut effects = match to {
        RechargeStatus::Completed => recharged(&snapshot.state.figures, recharge.amount, &recharge.method)?,
        _ => Effects::default(),
    };
    effects.recharge = Some(RechargeWrite::Move {
        number,
        from: recharge.status,
        to,
        at: now,
        gateway_response: gateway_response.cloned(),
    });
    Ok(Some(effects))
}

const HOLDS: &str = "holds";

fn freeze(snapshot: &Snapshot, amount: Amount, expires_at: Option<Timestamp>) -> Result<Effects, Refusal> {
    may_spend(snapshot, amount)?;
    let Found::NextNumber(number) = snapshot.found else {
        return Err(Refusal::NotFound {
            what: "the number of the next hold".into(),
        });
    };
    let movement = Movement {
        kind: EntryKind::Freeze,
        deltas: Deltas {
            balance: amount.outflow(),
            held: amount.minor(),
            debt: Minor::ZERO,
        },
        counter_account: CounterAccount::named(HOLDS),
        reverses: None,
    };
    let hold = Hold {
        number,
        amount,
        remaining: amount.minor(),
        status: HoldStatus::Open,
        expires_at,
    };
    Ok(Effects {
        movements: vec![movement],
        hold: Some(HoldWrite::Open(hold)),
        recharge: None,
    })
}

/// The open hold of that number, and the amount of it that is asked for.
fn open_hold(
    snapshot: &Snapshot,
    number: i64,
    amount: Option<Amount>,
    now: Timestamp,
) -> Result<(&Hold, Amount), Refusal> {
    let what = || format!("hold {number}");
    let Found::Hold(hold) = &snapshot.found else {
        return Err(Refusal::NotFound { what: what() });
    };
    let status = hold.status_at(now);
    let Some(remaining) = Amount::new(hold.remaining).filter(|_| status == HoldStatus::Open) else {
        return Err(Refusal::AlreadyFinal {
            what: what(),
            became: status.name(),
        });
    };
    let asked = amount.unwrap_or(remaining);
    if asked > remaining {
        return Err(Refusal::ExceedsRemaining {
            what: what(),
            remaining: remaining.minor(),
            requested: asked.minor(),
        });
    }
    Ok((hold, asked))
}

fn commit(
    snapshot: &Snapshot,
    number: i64,
    amount: Option<Amount>,
    keep_open: bool,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    let (hold, spent) = open_hold(snapshot, number, amount, now)?;
    let rest = hold.remaining.minus(spent.minor())?;
    let mut movements = vec![Movement {
        kind: EntryKind::Commit,
        deltas: Deltas {
            balance: Minor::ZERO,
            held: spent.outflow(),
            debt: Minor::ZERO,
        },
        counter_account: CounterAccount::named("revenue:hold"),
        reverses: None,
    }];
    let kept = if keep_open { rest } else { Minor::ZERO };
    if let Some(released) = Amount::new(rest).filter(|_| !keep_open) {
        movements.push(released_movement(released));
    }
    let status = if kept.is_zero() {
        HoldStatus::Committed
    } else {
        HoldStatus::Open
    };
    Ok(Effects {
        movements,
        hold: Some(HoldWrite::Move {
            number,
            remaining: kept,
            status,
        }),
        recharge: None,
    })
}

fn released_movement(amount: Amount) -> Movement {
    Movement {
        kind: EntryKind::Release,
        deltas: Deltas {
            balance: amount.minor(),
            held: amount.outflow(),
            debt: Minor::ZERO,
        },
        counter_account: CounterAccount::named(HOLDS),
        reverses: None,
    }
}

fn release(snapshot: &Snapshot, number: i64, amount: Option<Amount>, now: Timestamp) -> Result<Effects, Refusal> {
    let (hold, released) = open_hold(snapshot, number, amount, now)?;
    let remaining = hold.remaining.minus(released.minor())?;
    let status = if remaining.is_zero() {
        HoldStatus::Released
    } else {
        HoldStatus::Open
    };
    let mut effects = with_debt_recovery(&snapshot.state.figures, released_movement(released))?;
    effects.hold = Some(HoldWrite::Move {
        number,
        remaining,
        status,
    });
    Ok(effects)
}

/// Reversing gives back what an entry moved: a refund for what was spent, a clawback for what was given.
fn reverse(snapshot: &Snapshot, seq: i64, amount: Option<Amount>) -> Result<Effects, Refusal> {
    let what = || format!("entry {seq}");
    let Found::Entry(target) = &snapshot.found else {
        return Err(Refusal::NotFound { what: what() });
    };
    let kind = match target.movement.kind {
        EntryKind::ServiceFee | EntryKind::Commit | EntryKind::Penalty => EntryKind::Refund,
        EntryKind::Recharge | EntryKind::Credit | EntryKind::Gift => EntryKind::Clawback,
        EntryKind::Adjustment => EntryKind::Adjustment,
        EntryKind::Refund | EntryKind::Freeze | EntryKind::Release | EntryKind::Clawback | EntryKind::DebtRecovery => {
            return Err(Refusal::NotReversible { what: what() });
        }
    };
    let moved = target.movement.deltas.balance.plus(target.movement.deltas.held)?;
    let size = if moved.is_negative() { moved.negated()? } else { moved };
    let remaining = size.minus(target.reversed)?;
    let asked = match (amount, Amount::new(remaining)) {
        (None, None) => {
            return Err(Refusal::AlreadyFinal {
                what: what(),
                became: "reversed",
            });
        }
        (None, Some(all)) => all,
        (Some(part), _) if part.minor() > remaining => {
            return Err(Refusal::ExceedsRemaining {
                what: what(),
                remaining,
                requested: part.minor(),
            });
        }
        (Some(part), _) => part,
    };
    let figures = &snapshot.state.figures;
    let counter_account = target.movement.counter_account.clone();
    let gives_back = moved.is_negative();
    let movement = if gives_back {
        inflow(kind, asked, counter_account)
    } else {
        outflow(kind, asked, counter_account)
    };
    let movement = Movement {
        reverses: Some(seq),
        ..movement
    };
    if gives_back {
        return with_debt_recovery(figures, movement);
    }
    covers(figures, asked)?;
    Ok(Effects::of(vec![movement]))
}

fn clawback(figures: &Figures, amount: Amount, reverses: Option<i64>, if_spent: IfSpent) -> Result<Effects, Refusal> {
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
        counter_account: CounterAccount::named("promotions:clawback"),
        reverses,
    }]))
}

/// Every figure on the way stays within range.
fn within_range(figures: &Figures, movements: &[Movement]) -> Result<(), Refusal> {
    movements
        .iter()
        .try_fold(*figures, |figures, m| figures.moved(m.kind, m.deltas))?;
    Ok(())
}
