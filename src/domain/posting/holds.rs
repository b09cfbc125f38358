//! Holds: money is set aside, and then spent, given back or left to expire; exactly one of them, once.

use chrono::TimeDelta;

use super::super::balance::Figures;
use super::super::effects::{Effects, HoldWrite, RecordWrite};
use super::super::entry::{CounterAccount, Deltas, EntryKind, Movement, Note};
use super::super::hold::{Hold, HoldId, HoldStatus};
use super::super::money::{Amount, Minor};
use super::super::refusal::Refusal;
use super::super::snapshot::{Found, Snapshot};
use super::super::text::Service;
use super::super::time::Timestamp;
use super::{may_spend, with_debt_recovery};

const HOLDS: &str = "holds";

pub(super) fn freeze(
    snapshot: &Snapshot,
    amount: Amount,
    service: Option<&Service>,
    expires_in: Option<TimeDelta>,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    may_spend(snapshot, amount)?;
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
        id: HoldId {
            account: snapshot.account.id,
            number: snapshot.next_number("hold")?,
        },
        amount,
        remaining: amount.minor(),
        committed: Minor::ZERO,
        released: Minor::ZERO,
        status: HoldStatus::Open,
        service: service.cloned(),
        created_at: now,
        expires_at: expires_in.map(|span| now.after(span)),
        finished_at: None,
        entry_seq: snapshot.next_entry()?,
        note: Note::default(),
    };
    let mut effects = Effects::of(vec![movement]);
    effects.record = Some(RecordWrite::Hold(HoldWrite::Open(hold)));
    Ok(effects)
}

fn hold_of(snapshot: &Snapshot, number: i64) -> Result<&Hold, Refusal> {
    match &snapshot.found {
        Found::Hold(hold) => Ok(hold),
        _ => Err(Refusal::NotFound {
            what: name(snapshot, number),
        }),
    }
}

fn name(snapshot: &Snapshot, number: i64) -> String {
    let account = snapshot.account.id;
    format!("hold {}", HoldId { account, number })
}

/// The open hold of that number, and the amount of it that is asked for.
fn open_hold(
    snapshot: &Snapshot,
    number: i64,
    amount: Option<Amount>,
    now: Timestamp,
) -> Result<(&Hold, Amount), Refusal> {
    let hold = hold_of(snapshot, number)?;
    let what = name(snapshot, number);
    let status = hold.status_at(now);
    let Some(remaining) = Amount::new(hold.remaining).filter(|_| status == HoldStatus::Open) else {
        return Err(Refusal::AlreadyFinal {
            what,
            became: status.name(),
        });
    };
    let asked = amount.unwrap_or(remaining);
    if asked > remaining {
        return Err(Refusal::ExceedsRemaining {
            what,
            remaining: remaining.minor(),
            requested: asked.minor(),
        });
    }
    Ok((hold, asked))
}

/// Spends `amount` of the hold; the rest is released, or kept for a later commit.
pub(super) fn commit(
    snapshot: &Snapshot,
    number: i64,
    amount: Option<Amount>,
    keep_open: bool,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    let (hold, spent) = open_hold(snapshot, number, amount, now)?;
    let committed = Movement {
        kind: EntryKind::Commit,
        deltas: Deltas {
            balance: Minor::ZERO,
            held: spent.outflow(),
            debt: Minor::ZERO,
        },
        counter_account: hold
            .service
            .as_ref()
            .map_or_else(|| CounterAccount::named("income:hold"), CounterAccount::service),
        reverses: None,
    };
    let mut after = hold.clone();
    after.committed = hold.committed.plus(spent.minor())?;
    after.remaining = hold.remaining.minus(spent.minor())?;
    let rest = Amount::new(after.remaining).filter(|_| !keep_open);
    let mut movements = vec![committed];
    if let Some(rest) = rest {
        after.released = hold.released.plus(rest.minor())?;
        after.remaining = Minor::ZERO;
        movements.push(released(rest));
    }
    ended(
        &snapshot.state.figures,
        hold,
        after,
        HoldStatus::Committed,
        movements,
        now,
    )
}

/// Gives `amount` of the hold back.
pub(super) fn release(
    snapshot: &Snapshot,
    number: i64,
    amount: Option<Amount>,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    let (hold, asked) = open_hold(snapshot, number, amount, now)?;
    given_back(&snapshot.state.figures, hold, asked, HoldStatus::Released, now)
}

/// Gives an overdue hold back; `None` when it has expired already.
pub(super) fn expire(snapshot: &Snapshot, number: i64, now: Timestamp) -> Result<Option<Effects>, Refusal> {
    let hold = hold_of(snapshot, number)?;
    match (hold.status, Amount::new(hold.remaining)) {
        (HoldStatus::Expired, _) => Ok(None),
        (HoldStatus::Open, Some(remaining)) if hold.is_overdue(now) => {
            given_back(&snapshot.state.figures, hold, remaining, HoldStatus::Expired, now).map(Some)
        }
        (HoldStatus::Open, _) => Err(Refusal::NotDue {
            what: name(snapshot, number),
        }),
        (status @ (HoldStatus::Committed | HoldStatus::Released), _) => Err(Refusal::AlreadyFinal {
            what: name(snapshot, number),
            became: status.name(),
        }),
    }
}

/// Gives `amount` of the hold back, without any of it being spent.
fn given_back(
    figures: &Figures,
    hold: &Hold,
    amount: Amount,
    becomes: HoldStatus,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    let after = Hold {
        released: hold.released.plus(amount.minor())?,
        remaining: hold.remaining.minus(amount.minor())?,
        ..hold.clone()
    };
    ended(figures, hold, after, becomes, vec![released(amount)], now)
}

fn released(amount: Amount) -> Movement {
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

/// The hold stays open while something is left of it. Money that becomes available again pays debt first.
fn ended(
    figures: &Figures,
    before: &Hold,
    mut after: Hold,
    becomes: HoldStatus,
    movements: Vec<Movement>,
    now: Timestamp,
) -> Result<Effects, Refusal> {
    if after.remaining.is_zero() {
        after.status = becomes;
        after.finished_at = Some(now);
    }
    let mut effects = with_debt_recovery(figures, movements)?;
    effects.record = Some(RecordWrite::Hold(HoldWrite::Move {
        remaining_before: before.remaining,
        after,
    }));
    Ok(effects)
}
