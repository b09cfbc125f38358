//! Money operations: what was applied, and the entries it made.

use serde_json::{Value, json};

use super::document::{Block, Document};
use super::hold::hold_fields;
use super::purchase::{gift_fields, purchase_fields, standing};
use super::recharge::recharge_fields;
use super::suspension::{lasted, suspension_fields};
use crate::domain::account::Account;
use crate::domain::currency::Currency;
use crate::domain::entry::Entry;
use crate::domain::text::{IdempotencyKey, Json};
use crate::ledger::post::Posted;
use crate::ledger::record::Record;

/// An operation applied now, or before under the same key.
pub fn posted(command: &'static str, posted: &Posted, already: bool, key: &IdempotencyKey) -> Document {
    Document::single(command, posted_fields(posted, already, key), told(posted, already, key))
}

pub fn posted_fields(posted: &Posted, already: bool, key: &IdempotencyKey) -> Value {
    let account = &posted.account;
    let currency = &account.currency;
    let amount = |minor| currency.show(minor).to_string();
    let figures = &posted.figures;
    let mut data = json!({
        "outcome": if already { "already_applied" } else { "applied" },
        "user_id": account.user_id.as_str(),
        "currency": currency.code().as_str(),
        "balance": amount(figures.balance),
        "held": amount(figures.held),
        "debt": amount(figures.debt),
        "idempotency_key": key.as_str(),
        "entries": posted.entries.iter().map(|entry| entry_fields(entry, currency)).collect::<Vec<_>>(),
    });
    match &posted.record {
        None => {}
        Some(Record::Recharge(recharge)) => data["recharge"] = recharge_fields(account, recharge),
        Some(Record::Hold(hold)) => data["hold"] = hold_fields(account, hold),
        Some(Record::Purchase(purchase)) => data["purchase"] = purchase_fields(account, purchase),
        Some(Record::Gift(gift)) => data["gift"] = gift_fields(account, gift),
    }
    if let Some(ended) = &posted.resumed {
        data["resumed"] = suspension_fields(currency, ended, ended.suspended_at);
    }
    data
}

fn told(posted: &Posted, already: bool, key: &IdempotencyKey) -> Vec<Block> {
    let Account { user_id, currency, .. } = &posted.account;
    let show = |minor| format!("{} {}", currency.show(minor), currency.code());
    let mut lines = Vec::new();
    if already {
        lines.push(Block::Line("Already applied; nothing was written.".into()));
    }
    for entry in &posted.entries {
        lines.push(Block::Line(format!(
            "Entry {} of user {user_id}: {} {} ({})",
            entry.seq,
            entry.movement.kind,
            show(entry.movement.deltas.principal()),
            entry.movement.counter_account.as_str(),
        )));
    }
    if let Some(ended) = &posted.resumed {
        let duration = lasted(ended.duration(ended.suspended_at));
        lines.push(Block::Line(format!("The account is resumed after {duration}.")));
    }
    let mut pairs = Vec::new();
    match &posted.record {
        None => {}
        Some(Record::Recharge(recharge)) => {
            pairs.push(("Recharge", format!("{} {}", recharge.id, recharge.status.name())));
        }
        Some(Record::Hold(hold)) => pairs.push(("Hold", format!("{} {}", hold.id, hold.status.name()))),
        Some(Record::Purchase(purchase)) => {
            pairs.push(("Purchase", format!("{} {}", purchase.id, standing(purchase))));
            pairs.push(("Credits", show(purchase.credits)));
        }
        Some(Record::Gift(gift)) => {
            let standing = if gift.deactivated.is_some() {
                "deactivated"
            } else {
                "active"
            };
            pairs.push(("Gift", format!("{} {standing}", gift.id)));
        }
    }
    pairs.push(("Balance", show(posted.figures.balance)));
    if !posted.figures.held.is_zero() {
        pairs.push(("Held", show(posted.figures.held)));
    }
    if !posted.figures.debt.is_zero() {
        pairs.push(("Debt", show(posted.figures.debt)));
    }
    pairs.push(("Key", key.to_string()));
    lines.push(Block::Pairs(pairs));
    lines
}

/// An entry with every column that an auditor needs.
pub fn entry_fields(entry: &Entry, currency: &Currency) -> Value {
    let amount = |minor| currency.show(minor).to_string();
    let (deltas, after, stamp) = (&entry.movement.deltas, &entry.after, &entry.stamp);
    let before = |after: crate::domain::money::Minor, delta| after.minus(delta).map(amount).unwrap_or_default();
    json!({
        "seq": entry.seq,
        "at": stamp.at.to_string(),
        "kind": entry.movement.kind.name(),
        "amount": amount(deltas.balance),
        "held_change": amount(deltas.held),
        "debt_change": amount(deltas.debt),
        "currency": currency.code().as_str(),
        "balance_before": before(after.balance, deltas.balance),
        "balance_after": amount(after.balance),
        "held_before": before(after.held, deltas.held),
        "held_after": amount(after.held),
        "debt_after": amount(after.debt),
        "counter_account": entry.movement.counter_account.as_str(),
        "service": entry.movement.counter_account.as_service(),
        "reference": stamp.note.reference.as_ref().map(super::super::domain::text::Reference::as_str),
        "description": stamp.note.description.as_ref().map(super::super::domain::text::Description::as_str),
        "metadata": stamp.note.metadata.as_ref().map(Json::value),
        "actor": stamp.actor.as_str(),
        "reverses": entry.movement.reverses,
        "idempotency_key": stamp.key.as_ref().map(IdempotencyKey::as_str),
        "hash": entry.hash.to_string(),
    })
}
