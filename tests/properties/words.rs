//! The model's words in the ledger's, and the ledger's in the model's.

use chrono::TimeDelta;
use ledger::domain::balance;
use ledger::domain::currency::Currency;
use ledger::domain::entry;
use ledger::domain::hold;
use ledger::domain::money::{Amount, Minor, SignedAmount};
use ledger::domain::operation::{self as asked, IfSpent, Settle};
use ledger::domain::recharge;
use ledger::domain::suspension;
use ledger::domain::text::{Actor, Description, IdempotencyKey, Json, PaymentMethod, Reference, Service, UserId};
use ledger::domain::time::Timestamp;

use super::model::{
    AccountName, Entry, Figures, Hold, HoldStatus, Note, Operation, Recharge, RechargeStatus, Step, Suspension,
};

pub fn user(name: &AccountName) -> UserId {
    UserId::parse(&name.user_id).unwrap()
}

pub fn currency(name: &AccountName) -> Currency {
    Currency::iso(&name.currency).unwrap()
}

pub fn minor(units: i64) -> Minor {
    Minor::new(units)
}

pub fn amount(units: i64) -> Amount {
    Amount::new(minor(units)).unwrap()
}

pub fn description(text: &str) -> Description {
    Description::parse(text).unwrap()
}

pub fn key(step: &Step) -> Option<IdempotencyKey> {
    step.key.as_deref().map(|key| IdempotencyKey::parse(key).unwrap())
}

/// Whether the ledger takes texts with it: steps of a recharge go by the ones it was opened with.
pub fn has_note(operation: &Operation) -> bool {
    !operation.is_administration()
        && !matches!(
            operation,
            Operation::RechargeProcess { .. }
                | Operation::RechargeComplete { .. }
                | Operation::RechargeFail { .. }
                | Operation::RechargeCancel { .. }
        )
}

pub fn note(step: &Step) -> entry::Note {
    let Note {
        reference,
        description: line,
        metadata,
    } = &step.note;
    entry::Note {
        reference: reference.as_deref().map(|text| Reference::parse(text).unwrap()),
        description: line.as_deref().map(description),
        metadata: metadata
            .as_deref()
            .map(|text| Json::parse(text, "the metadata").unwrap()),
    }
}

pub fn operation(wanted: &Operation) -> asked::Operation {
    match wanted {
        Operation::Recharge { amount: paid, method } => opened_recharge(*paid, method, Settle::Now),
        Operation::RechargePending {
            amount: promised,
            method,
            expires_in,
        } => {
            let expires_in = expires_in.map(TimeDelta::seconds);
            opened_recharge(*promised, method, Settle::Later { expires_in })
        }
        Operation::Charge {
            amount: charged,
            service,
            suspend,
        } => asked::Operation::Charge {
            amount: amount(*charged),
            service: Service::parse(service).unwrap(),
            suspend: *suspend,
        },
        Operation::Adjust { amount } => asked::Operation::Adjust {
            amount: SignedAmount::new(minor(*amount)).unwrap(),
        },
        Operation::Penalty { amount: taken } => asked::Operation::Penalty { amount: amount(*taken) },
        Operation::Credit { amount: given } => asked::Operation::Credit { amount: amount(*given) },
        Operation::Gift { amount: given } => asked::Operation::Gift { amount: amount(*given) },
        Operation::Clawback {
            amount: taken,
            may_become_debt,
        } => asked::Operation::Clawback {
            amount: amount(*taken),
            reverses: None,
            if_spent: if_spent(*may_become_debt),
        },
        other => operation_on_record(other),
    }
}

/// The operations on holds and on entries.
fn operation_on_record(wanted: &Operation) -> asked::Operation {
    match wanted {
        Operation::Freeze {
            amount: frozen,
            service,
            expires_in,
        } => asked::Operation::Freeze {
            amount: amount(*frozen),
            service: service.as_deref().map(|service| Service::parse(service).unwrap()),
            expires_in: expires_in.map(TimeDelta::seconds),
        },
        Operation::Commit {
            hold,
            amount: part,
            keep_open,
        } => asked::Operation::Commit {
            hold: *hold as i64,
            amount: part.map(amount),
            keep_open: *keep_open,
        },
        Operation::Release { hold, amount: part } => asked::Operation::Release {
            hold: *hold as i64,
            amount: part.map(amount),
        },
        Operation::ExpireHold { hold } => asked::Operation::ExpireHold { hold: *hold as i64 },
        Operation::Refund { entry, amount: part } => asked::Operation::Refund {
            entry: *entry as i64,
            amount: part.map(amount),
        },
        Operation::Reverse {
            entry,
            amount: part,
            may_become_debt,
        } => asked::Operation::Reverse {
            entry: *entry as i64,
            amount: part.map(amount),
            if_spent: if_spent(*may_become_debt),
        },
        other => unreachable!("{other:?} is no posting"),
    }
}

fn opened_recharge(units: i64, method: &str, settle: Settle) -> asked::Operation {
    asked::Operation::Recharge {
        amount: amount(units),
        method: PaymentMethod::parse(method).unwrap(),
        settle,
        gateway_response: None,
    }
}

fn if_spent(may_become_debt: bool) -> IfSpent {
    if may_become_debt {
        IfSpent::Debt
    } else {
        IfSpent::Refuse
    }
}

pub fn figures(figures: &balance::Figures) -> Figures {
    Figures {
        balance: figures.balance.get(),
        held: figures.held.get(),
        debt: figures.debt.get(),
        total_recharged: figures.total_recharged.get(),
        total_spent: figures.total_spent.get(),
    }
}

pub fn entry(entry: &entry::Entry) -> Entry {
    let entry::Entry {
        seq,
        movement,
        after,
        stamp,
        hash,
    } = entry;
    Entry {
        seq: *seq,
        kind: movement.kind.name(),
        balance_delta: movement.deltas.balance.get(),
        held_delta: movement.deltas.held.get(),
        debt_delta: movement.deltas.debt.get(),
        balance_after: after.balance.get(),
        held_after: after.held.get(),
        debt_after: after.debt.get(),
        counter_account: movement.counter_account.as_str().to_owned(),
        note: noted(&stamp.note),
        actor: stamp.actor.as_str().to_owned(),
        reverses: movement.reverses,
        idempotency_key: stamp.key.as_ref().map(|key| key.as_str().to_owned()),
        at_micros: stamp.at.micros(),
        hash: *hash.as_bytes(),
    }
}

fn noted(note: &entry::Note) -> Note {
    Note {
        reference: note.reference.as_ref().map(|text| text.as_str().to_owned()),
        description: note.description.as_ref().map(|text| text.as_str().to_owned()),
        metadata: note.metadata.as_ref().map(|json| json.as_str().to_owned()),
    }
}

pub fn recharge(recharge: &recharge::Recharge) -> Recharge {
    Recharge {
        amount: recharge.amount.minor().get(),
        method: recharge.method.as_str().to_owned(),
        status: match recharge.status {
            recharge::RechargeStatus::Pending => RechargeStatus::Pending,
            recharge::RechargeStatus::Processing => RechargeStatus::Processing,
            recharge::RechargeStatus::Completed => RechargeStatus::Completed,
            recharge::RechargeStatus::Failed => RechargeStatus::Failed,
            recharge::RechargeStatus::Cancelled => RechargeStatus::Cancelled,
            recharge::RechargeStatus::Expired => RechargeStatus::Expired,
        },
        expires_at: recharge.expires_at.map(Timestamp::micros),
        note: noted(&recharge.note),
    }
}

pub fn hold(hold: &hold::Hold) -> Hold {
    Hold {
        amount: hold.amount.minor().get(),
        remaining: hold.remaining.get(),
        committed: hold.committed.get(),
        released: hold.released.get(),
        status: match hold.status {
            hold::HoldStatus::Open => HoldStatus::Open,
            hold::HoldStatus::Committed => HoldStatus::Committed,
            hold::HoldStatus::Released => HoldStatus::Refunded,
            hold::HoldStatus::Expired => HoldStatus::Expired,
        },
        service: hold.service.as_ref().map(|service| service.as_str().to_owned()),
        created_at: hold.created_at.micros(),
        expires_at: hold.expires_at.map(Timestamp::micros),
        finished_at: hold.finished_at.map(Timestamp::micros),
        entry: hold.entry_seq,
        note: noted(&hold.note),
    }
}

pub fn suspension(suspension: &suspension::Suspension) -> Suspension {
    let resumed_by = suspension.resumed_by.as_ref().map(Actor::to_string);
    Suspension {
        reason: suspension.reason.as_str().to_owned(),
        suspended_at: suspension.suspended_at.micros(),
        suspended_by: suspension.suspended_by.as_str().to_owned(),
        balance: suspension.balance.get(),
        required: suspension.required.map(Minor::get),
        resumed: suspension.resumed_at.map(Timestamp::micros).zip(resumed_by),
    }
}
