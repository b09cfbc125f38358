//! The rule book: what an operation does to an account, or why it may not.
//!
//! [`decide`] is pure and knows every kind of entry. It is called under the account's lock (or on a
//! snapshot whose every change since is noticed when writing), by every way into the ledger.

use chrono::TimeDelta;

use super::account::Account;
use super::balance::{self, Figures, State};
use super::entry::{CounterAccount, Deltas, Entry, EntryKind, Movement, Note, Stamp};
use super::hold::{Hold, HoldStatus};
use super::money::{Amount, Minor, OutOfRange, SignedAmount};
use super::recharge::{Recharge, RechargeId, RechargeStatus, Step};
use super::refusal::Refusal;
use super::text::{Json, PaymentMethod, Service};
use super::time::Timestamp;

/// Everything that moves an account's figures or the records that stand for money on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    Charge {
        amount: Amount,
        service: Service,
    },
    Adjust {
        amount: SignedAmount,
    },
    Penalty {
        amount: Amount,
    },
    /// Opens a recharge; `Settle::Now` completes it in the same breath.
    Recharge {
        amount: Amount,
        method: PaymentMethod,
        settle: Settle,
        gateway_response: Option<Json>,
    },
    /// Takes the recharge of that number to another status.
    MoveRecharge {
        number: i64,
        to: RechargeStatus,
        gateway_response: Option<Json>,
    },
    Freeze {
        amount: Amount,
        expires_in: Option<TimeDelta>,
    },
    /// Spends what is held, all of it unless an amount is given; the rest is released, or kept open.
    Commit {
        hold: i64,
        amount: Option<Amount>,
        keep_open: bool,
    },
    /// Gives back what is held, all of it unless an amount is given.
    Release {
        hold: i64,
        amount: Option<Amount>,
    },
    /// Takes back an entry, what is left of it unless an amount is given.
    Reverse {
        entry: i64,
        amount: Option<Amount>,
    },
    Credit {
        amount: Amount,
    },
    Gift {
        amount: Amount,
    },
    Clawback {
        amount: Amount,
        reverses: Option<i64>,
        if_spent: IfSpent,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    Now,
    Later { expires_in: Option<TimeDelta> },
}

/// What a clawback does where the credits are no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfSpent {
    Refuse,
    Debt,
}

/// The record besides the account that an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    None,
    NewRecharge,
    Recharge(i64),
    NewHold,
    Hold(i64),
    Entry(i64),
}

impl Operation {
    pub const fn subject(&self) -> Subject {
        match self {
            Self::Charge { .. }
            | Self::Adjust { .. }
            | Self::Penalty { .. }
            | Self::Credit { .. }
            | Self::Gift { .. }
            | Self::Clawback { .. } => Subject::None,
            Self::Recharge { .. } => Subject::NewRecharge,
            Self::MoveRecharge { number, .. } => Subject::Recharge(*number),
            Self::Freeze { .. } => Subject::NewHold,
            Self::Commit { hold, .. } | Self::Release { hold, .. } => Subject::Hold(*hold),
            Self::Reverse { entry, .. } => Subject::Entry(*entry),
        }
    }
}

/// An entry and how much of it earlier reversals have already taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversible {
    pub seq: i64,
    pub movement: Movement,
    pub reversed: Minor,
}

/// What the account has done lately, for its limits; counted only where it has limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub charges_last_minute: u64,
    pub spent_today: Minor,
}

/// The span over which `charges_per_minute` counts.
pub const RATE_SPAN: TimeDelta = TimeDelta::minutes(1);

/// All that a decision needs to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub account: Account,
    pub state: State,
    pub suspended: bool,
    pub usage: Usage,
    pub found: Found,
}

/// The subject of the operation as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The operation has no subject, or it does not exist.
    Nothing,
    /// The number that a new recharge or hold gets.
    NextNumber(i64),
    Recharge(Recharge),
    Hold(Hold),
    Entry(Reversible),
}

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

    fn of(movements: Vec<Movement>) -> Self {
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
