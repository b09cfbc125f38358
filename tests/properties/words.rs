//! The model's words in the ledger's, and the ledger's in the model's.

mod records;

use chrono::TimeDelta;
use ledger::domain::access;
use ledger::domain::balance;
use ledger::domain::currency::Currency;
use ledger::domain::entry;
use ledger::domain::money::{Amount, Minor, SignedAmount};
use ledger::domain::operation::{self as asked, IfSpent, NewPurchase, Settle};
use ledger::domain::purchase;
use ledger::domain::recharge::RechargeGoal;
use ledger::domain::text::{Description, IdempotencyKey, Json, PaymentMethod, Reference, Resource, Service, UserId};

pub use records::{event, gift, grant, hold, purchase, recharge, suspension};

use super::model::{Access, AccountName, Entry, Figures, Note, Operation, Paid, Step};

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
            grants,
        } => asked::Operation::Charge {
            amount: amount(*charged),
            service: Service::parse(service).unwrap(),
            suspend: *suspend,
            grants: grants.as_ref().map(access),
        },
        Operation::Adjust { amount } => asked::Operation::Adjust {
            amount: SignedAmount::new(minor(*amount)).unwrap(),
        },
        Operation::Penalty { amount: taken } => asked::Operation::Penalty { amount: amount(*taken) },
        Operation::RechargeProcess { number } => moved_recharge(*number, RechargeGoal::Processing),
        Operation::RechargeComplete { number } => moved_recharge(*number, RechargeGoal::Completed),
        Operation::RechargeFail { number } => moved_recharge(*number, RechargeGoal::Failed),
        Operation::RechargeCancel { number } => moved_recharge(*number, RechargeGoal::Cancelled),
        other => operation_on_credits(other).unwrap_or_else(|| operation_on_record(other)),
    }
}

fn moved_recharge(number: usize, to: RechargeGoal) -> asked::Operation {
    asked::Operation::MoveRecharge {
        number: number as i64,
        to,
        gateway_response: None,
        claim: None,
    }
}

fn access(wanted: &Access) -> access::Access {
    access::Access {
        resource: Resource::parse(&wanted.resource).unwrap(),
        expires_in: wanted.expires_in.map(TimeDelta::seconds),
    }
}

/// The operations on purchases and gifts.
fn operation_on_credits(wanted: &Operation) -> Option<asked::Operation> {
    Some(match wanted {
        Operation::RecordPurchase {
            paid: price,
            credits,
            pending_for,
        } => asked::Operation::RecordPurchase(NewPurchase {
            paid: paid(price),
            credits: minor(*credits),
            pending_for: TimeDelta::seconds(*pending_for),
        }),
        Operation::TransferCredit { purchase } => asked::Operation::TransferCredit {
            purchase: *purchase as i64,
        },
        Operation::DeactivatePurchase {
            purchase,
            may_become_debt,
        } => asked::Operation::DeactivatePurchase {
            purchase: *purchase as i64,
            if_spent: if_spent(*may_become_debt),
        },
        Operation::GrantGift { credits, paid: price } => asked::Operation::GrantGift {
            credits: amount(*credits),
            paid: price.as_ref().map(paid),
        },
        Operation::DeactivateGift { gift, may_become_debt } => asked::Operation::DeactivateGift {
            gift: *gift as i64,
            if_spent: if_spent(*may_become_debt),
        },
        _ => return None,
    })
}

fn paid(price: &Paid) -> purchase::Paid {
    purchase::Paid {
        amount: amount(price.amount),
        currency: Currency::iso(&price.currency).unwrap(),
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
        awaits_key: false,
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
