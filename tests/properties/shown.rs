//! What the command line prints of the model's records, field by field.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

use super::model::{
    AccountName, CreditState, Entry, Figures, Gift, Grant, Hold, HoldStatus, Model, Purchase, Recharge, RechargeStatus,
    Suspension, hex,
};
use crate::oracles::decimal;

/// An amount with the digits of its currency.
pub fn amount(units: i64, currency: &str) -> String {
    let places = if currency == "VND" { 0 } else { 2 };
    decimal::shown(units, places)
}

pub fn time(micros: i64) -> String {
    let time = DateTime::from_timestamp_micros(micros).expect("the calendar has it");
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

pub fn figures(figures: &Figures, currency: &str) -> Value {
    json!({
        "balance": amount(figures.balance, currency),
        "held": amount(figures.held, currency),
        "debt": amount(figures.debt, currency),
    })
}

/// All of it.
pub fn entry(entry: &Entry, currency: &str) -> Value {
    let amount = |units| amount(units, currency);
    let note = &entry.note;
    json!({
        "seq": entry.seq,
        "at": time(entry.at_micros),
        "kind": entry.kind,
        "amount": amount(entry.balance_delta),
        "held_change": amount(entry.held_delta),
        "debt_change": amount(entry.debt_delta),
        "currency": currency,
        "balance_before": amount(entry.balance_after - entry.balance_delta),
        "balance_after": amount(entry.balance_after),
        "held_before": amount(entry.held_after - entry.held_delta),
        "held_after": amount(entry.held_after),
        "debt_after": amount(entry.debt_after),
        "counter_account": entry.counter_account,
        "service": entry.counter_account.strip_prefix("revenue:"),
        "reference": note.reference,
        "description": note.description,
        "metadata": note.metadata.as_ref().map(|text| serde_json::from_str::<Value>(text).expect("the model keeps JSON")),
        "actor": entry.actor,
        "reverses": entry.reverses,
        "idempotency_key": entry.idempotency_key,
        "hash": hex(&entry.hash),
    })
}

/// What the model knows of the record that the answer shows, and what is shown of it.
pub fn record<'a>(data: &'a Value, model: &Model, name: &AccountName) -> Option<(Value, &'a Value)> {
    let of = |kind: &str| data.get(kind);
    let (expected, shown) = if let Some(shown) = of("recharge") {
        (recharge(&model.recharges(name)[number(shown) - 1], name), shown)
    } else if let Some(shown) = of("hold") {
        (hold(&model.holds(name)[number(shown) - 1], name), shown)
    } else if let Some(shown) = of("purchase") {
        (purchase(&model.purchases(name)[number(shown) - 1], name), shown)
    } else if let Some(shown) = of("gift") {
        (gift(&model.gifts(name)[number(shown) - 1], name), shown)
    } else {
        let shown = of("access")?;
        let of_the_entry = |grant: &&Grant| grant.entry == number(shown) as i64;
        let known = model.grants(name).iter().find(of_the_entry);
        (grant(known.expect("the model has the grant"), name), shown)
    };
    Some((expected, shown))
}

/// The fields of what is shown that are expected to be something.
pub fn of_those(expected: &Value, shown: &Value) -> Value {
    let fields = expected.as_object().expect("fields").keys();
    let found: Map<String, Value> = fields
        .map(|name| (name.clone(), shown[name.as_str()].clone()))
        .collect();
    Value::Object(found)
}

/// Of `r12-7`, 7.
fn number(shown: &Value) -> usize {
    let id = shown["id"].as_str().and_then(|id| id.split_once('-'));
    id.and_then(|(_, number)| number.parse().ok())
        .unwrap_or_else(|| panic!("no id in {shown}"))
}

fn recharge(recharge: &Recharge, name: &AccountName) -> Value {
    json!({
        "user_id": name.user_id,
        "amount": amount(recharge.amount, &name.currency),
        "currency": name.currency,
        "method": recharge.method,
        "status": match recharge.status {
            RechargeStatus::Pending => "pending",
            RechargeStatus::Processing => "processing",
            RechargeStatus::Completed => "completed",
            RechargeStatus::Failed => "failed",
            RechargeStatus::Cancelled => "cancelled",
            RechargeStatus::Expired => "expired",
        },
        "expires_at": recharge.expires_at.map(time),
        "reference": recharge.note.reference,
    })
}

fn hold(hold: &Hold, name: &AccountName) -> Value {
    let amount = |units| amount(units, &name.currency);
    json!({
        "user_id": name.user_id,
        "currency": name.currency,
        "amount": amount(hold.amount),
        "remaining": amount(hold.remaining),
        "committed": amount(hold.committed),
        "refunded": amount(hold.released),
        "status": match hold.status {
            HoldStatus::Open => "open",
            HoldStatus::Committed => "committed",
            HoldStatus::Refunded => "refunded",
            HoldStatus::Expired => "expired",
        },
        "service": hold.service,
        "created_at": time(hold.created_at),
        "expires_at": hold.expires_at.map(time),
        "finished_at": hold.finished_at.map(time),
        "entry": hold.entry,
        "reference": hold.note.reference,
        "description": hold.note.description,
    })
}

fn purchase(purchase: &Purchase, name: &AccountName) -> Value {
    let credit = purchase.credit.as_ref();
    json!({
        "user_id": name.user_id,
        "paid": amount(purchase.paid.amount, &purchase.paid.currency),
        "paid_currency": purchase.paid.currency,
        "credits": amount(credit.map_or(0, |credit| credit.amount), &name.currency),
        "currency": name.currency,
        "credit_state": credit.map(|credit| match credit.state {
            CreditState::Pending => "pending",
            CreditState::Inactive => "inactive",
            CreditState::Transferred => "transferred",
            CreditState::TakenBack => "taken_back",
        }),
        "due_at": credit.map(|credit| time(credit.due_at)),
        "settled_at": credit.and_then(|credit| credit.settled_at).map(time),
        "entry": credit.and_then(|credit| credit.entry),
        "created_at": time(purchase.created_at),
        "created_by": purchase.created_by,
        "reference": purchase.note.reference,
        "active": purchase.deactivated.is_none(),
        "deactivated_at": purchase.deactivated.as_ref().map(|(at, _)| time(*at)),
        "deactivated_by": purchase.deactivated.as_ref().map(|(_, by)| by),
    })
}

fn gift(gift: &Gift, name: &AccountName) -> Value {
    json!({
        "user_id": name.user_id,
        "paid": gift.paid.as_ref().map(|paid| amount(paid.amount, &paid.currency)),
        "paid_currency": gift.paid.as_ref().map(|paid| &paid.currency),
        "credits": amount(gift.credits, &name.currency),
        "currency": name.currency,
        "entry": gift.entry,
        "created_at": time(gift.created_at),
        "created_by": gift.created_by,
        "reference": gift.note.reference,
        "active": gift.deactivated.is_none(),
        "deactivated_at": gift.deactivated.as_ref().map(|(at, _)| time(*at)),
        "deactivated_by": gift.deactivated.as_ref().map(|(_, by)| by),
    })
}

fn grant(grant: &Grant, name: &AccountName) -> Value {
    json!({
        "user_id": name.user_id,
        "currency": name.currency,
        "resource": grant.resource,
        "entry": grant.entry,
        "granted_at": time(grant.granted_at),
        "granted_by": grant.granted_by,
        "expires_at": grant.expires_at.map(time),
        "revoked_at": grant.revoked.as_ref().map(|(at, _)| time(*at)),
        "revoked_by": grant.revoked.as_ref().map(|(_, by)| by),
    })
}

pub fn suspension(suspension: &Suspension, currency: &str) -> Value {
    let ended = suspension.resumed.as_ref();
    json!({
        "reason": suspension.reason,
        "suspended_at": time(suspension.suspended_at),
        "suspended_by": suspension.suspended_by,
        "balance": amount(suspension.balance, currency),
        "required": suspension.required.map(|units| amount(units, currency)),
        "currency": currency,
        "resumed_at": ended.map(|(at, _)| time(*at)),
        "resumed_by": ended.map(|(_, by)| by),
        "active": ended.is_none(),
    })
}
