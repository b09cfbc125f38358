//! The ledger's records in the model's words.

use ledger::domain::access;
use ledger::domain::delivery::WrittenEvent;
use ledger::domain::event::EventKind;
use ledger::domain::hold;
use ledger::domain::money::Minor;
use ledger::domain::purchase;
use ledger::domain::recharge;
use ledger::domain::suspension;
use ledger::domain::text::Actor;
use ledger::domain::time::Timestamp;

use super::noted;
use crate::properties::model::{
    Credit, CreditState, Gift, Grant, Hold, HoldStatus, Paid, Purchase, Recharge, RechargeStatus, Suspension,
};

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

pub fn purchase(purchase: &purchase::Purchase) -> Purchase {
    let credit = purchase.pending.map(|credit| Credit {
        amount: credit.credits.minor().get(),
        due_at: credit.due_at.micros(),
        state: match credit.state {
            purchase::CreditState::Pending => CreditState::Pending,
            purchase::CreditState::Inactive => CreditState::Inactive,
            purchase::CreditState::Transferred => CreditState::Transferred,
            purchase::CreditState::TakenBack => CreditState::TakenBack,
        },
        settled_at: credit.settled_at.map(Timestamp::micros),
        entry: credit.entry_seq,
    });
    assert_eq!(
        credit.as_ref().map_or(0, |credit| credit.amount),
        purchase.credits.get()
    );
    Purchase {
        paid: paid(&purchase.paid),
        created_at: purchase.created_at.micros(),
        created_by: purchase.created_by.as_str().to_owned(),
        deactivated: purchase.deactivated.as_ref().map(deactivated),
        credit,
        note: noted(&purchase.note),
    }
}

pub fn gift(gift: &purchase::Gift) -> Gift {
    Gift {
        credits: gift.credits.minor().get(),
        paid: gift.paid.as_ref().map(paid),
        entry: gift.entry_seq,
        created_at: gift.created_at.micros(),
        created_by: gift.created_by.as_str().to_owned(),
        deactivated: gift.deactivated.as_ref().map(deactivated),
        note: noted(&gift.note),
    }
}

pub fn grant(grant: &access::AccessGrant) -> Grant {
    Grant {
        entry: grant.id.number,
        resource: grant.resource.as_str().to_owned(),
        granted_at: grant.granted_at.micros(),
        granted_by: grant.granted_by.as_str().to_owned(),
        expires_at: grant.expires_at.map(Timestamp::micros),
        revoked: grant.revoked.as_ref().map(deactivated),
    }
}

fn paid(paid: &purchase::Paid) -> Paid {
    Paid {
        amount: paid.amount.minor().get(),
        currency: paid.currency.code().as_str().to_owned(),
    }
}

fn deactivated(deactivation: &purchase::Deactivation) -> (i64, String) {
    (deactivation.at.micros(), deactivation.by.as_str().to_owned())
}

/// One line, as the model tells it; amounts in minor units.
pub fn event(event: &WrittenEvent) -> String {
    let payload: serde_json::Value = serde_json::from_str(&event.payload).expect("a payload is JSON");
    let text = |field: &str| payload[field].as_str().unwrap_or("-").to_owned();
    let number = |field: &str| payload[field].to_string();
    let minor = |field: &str| match payload[field].as_str() {
        Some(digits) => digits.replace('.', "").parse::<i64>().expect("an amount").to_string(),
        None => "-".to_owned(),
    };
    let kind = event.kind.name();
    match event.kind {
        EventKind::LowBalance => format!("{kind} {} {} {}", minor("balance"), minor("threshold"), number("entry")),
        EventKind::RechargeCompleted => {
            let recharge = text("recharge");
            let (_, recharge) = recharge.split_once('-').expect("a recharge's id");
            format!(
                "{kind} {recharge} {} {} {}",
                minor("amount"),
                text("method"),
                minor("balance")
            )
        }
        EventKind::Suspended => {
            let (suspension, balance, required) = (number("suspension"), minor("balance"), minor("required"));
            format!("{kind} {suspension} {balance} {required} {}", text("reason"))
        }
        EventKind::Resumed => format!("{kind} {}", number("suspension")),
        EventKind::ChargeRefused => {
            let (service, reference, code) = (text("service"), text("reference"), text("code"));
            format!("{kind} {} {service} {reference} {code}", minor("amount"))
        }
        EventKind::AlertOpened => format!("{kind} {}", text("cause")),
    }
}
