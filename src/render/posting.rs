//! Money operations: what was applied, and the entries it made.

use std::fmt::Display;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::access::{grant_fields, grant_standing};
use super::document::{Block, Document, value};
use super::hold::hold_fields;
use super::purchase::{gift_fields, purchase_fields, standing};
use super::recharge::recharge_fields;
use super::suspension::{lasted, suspension_fields};
use crate::domain::account::Account;
use crate::domain::chain::ChainHash;
use crate::domain::currency::Currency;
use crate::domain::entry::Entry;
use crate::domain::money::{Minor, Shown};
use crate::domain::operation::OperationKind;
use crate::domain::text::{Description, IdempotencyKey, Json, Reference};
use crate::domain::time::Timestamp;
use crate::ledger::post::{Answer, Posted};
use crate::ledger::record::Record;

/// An operation applied now, or before under the same key.
pub fn posted(answer: &Answer, posted: &Posted, already: bool) -> Document {
    let fields = value(&posted_fields(posted, already, &answer.key));
    Document::single(command(answer.operation), fields, told(posted, already, &answer.key))
}

/// The command that does it.
const fn command(operation: OperationKind) -> &'static str {
    match operation {
        OperationKind::RechargeComplete
        | OperationKind::RechargeProcess
        | OperationKind::RechargeFail
        | OperationKind::RechargeCancel
        | OperationKind::RechargeExpire => OperationKind::Recharge.name(),
        other => other.name(),
    }
}

/// What programs read of it.
pub fn posted_fields<'a>(posted: &'a Posted, already: bool, key: &'a IdempotencyKey) -> PostedFields<'a> {
    let account = &posted.account;
    let currency = &account.currency;
    let figures = &posted.standing;
    let (mut recharge, mut hold, mut purchase, mut gift, mut access) = (None, None, None, None, None);
    match posted.record.as_deref() {
        None => {}
        Some(Record::Recharge(record)) => recharge = Some(recharge_fields(account, record)),
        Some(Record::Hold(record)) => hold = Some(hold_fields(account, record)),
        Some(Record::Purchase(record)) => purchase = Some(purchase_fields(account, record)),
        Some(Record::Gift(record)) => gift = Some(gift_fields(account, record)),
        Some(Record::Grant(record)) => access = Some(grant_fields(account, record)),
    }
    let resumed = posted.resumed.as_deref();
    PostedFields {
        outcome: if already { "already_applied" } else { "applied" },
        user_id: account.user_id.as_str(),
        currency: currency.code().as_str(),
        balance: Text(currency.show(figures.balance)),
        held: Text(currency.show(figures.held)),
        debt: Text(currency.show(figures.debt)),
        idempotency_key: key.as_str(),
        entries: Entries(&posted.entries, currency),
        recharge,
        hold,
        purchase,
        gift,
        access,
        resumed: resumed.map(|ended| suspension_fields(currency, ended, ended.suspended_at)),
    }
}

/// A value shown as a JSON text.
#[derive(Clone, Copy, Debug)]
pub struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

struct Entries<'a>(&'a [Entry], &'a Currency);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(entries, currency) = self;
        serializer.collect_seq(entries.iter().map(|entry| entry_fields(entry, currency)))
    }
}

#[derive(Serialize)]
pub struct PostedFields<'a> {
    outcome: &'static str,
    user_id: &'a str,
    currency: &'a str,
    balance: Text<Shown>,
    held: Text<Shown>,
    debt: Text<Shown>,
    idempotency_key: &'a str,
    entries: Entries<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recharge: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purchase: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gift: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<Value>,
}

fn told(posted: &Posted, already: bool, key: &IdempotencyKey) -> Vec<Block> {
    let Account { user_id, currency, .. } = &*posted.account;
    let show = |minor| currency.show_with_code(minor);
    let mut lines = Vec::new();
    if already {
        lines.push(Block::Line("Already applied; nothing was written.".into()));
    }
    for entry in posted.entries.iter() {
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
    match posted.record.as_deref() {
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
        Some(Record::Grant(grant)) => pairs.push(("Access", grant_standing(grant))),
    }
    pairs.push(("Balance", show(posted.standing.balance)));
    if !posted.standing.held.is_zero() {
        pairs.push(("Held", show(posted.standing.held)));
    }
    if !posted.standing.debt.is_zero() {
        pairs.push(("Debt", show(posted.standing.debt)));
    }
    pairs.push(("Key", key.to_string()));
    lines.push(Block::Pairs(pairs));
    lines
}

/// An entry with every column that an auditor needs.
#[derive(Serialize)]
pub struct EntryFields<'a> {
    seq: i64,
    at: Text<Timestamp>,
    kind: &'static str,
    amount: Text<Shown>,
    held_change: Text<Shown>,
    debt_change: Text<Shown>,
    currency: &'a str,
    balance_before: Option<Text<Shown>>,
    balance_after: Text<Shown>,
    held_before: Option<Text<Shown>>,
    held_after: Text<Shown>,
    debt_after: Text<Shown>,
    counter_account: &'a str,
    service: Option<&'a str>,
    reference: Option<&'a str>,
    description: Option<&'a str>,
    metadata: Option<Value>,
    actor: &'a str,
    reverses: Option<i64>,
    idempotency_key: Option<&'a str>,
    hash: Text<ChainHash>,
}

pub fn entry_fields<'a>(entry: &'a Entry, currency: &'a Currency) -> EntryFields<'a> {
    let amount = |minor| Text(currency.show(minor));
    let (movement, after, stamp) = (&entry.movement, &entry.after, &entry.stamp);
    let deltas = &movement.deltas;
    let before = |after: Minor, delta| after.minus(delta).ok().map(amount);
    EntryFields {
        seq: entry.seq,
        at: Text(stamp.at),
        kind: movement.kind.name(),
        amount: amount(deltas.balance),
        held_change: amount(deltas.held),
        debt_change: amount(deltas.debt),
        currency: currency.code().as_str(),
        balance_before: before(after.balance, deltas.balance),
        balance_after: amount(after.balance),
        held_before: before(after.held, deltas.held),
        held_after: amount(after.held),
        debt_after: amount(after.debt),
        counter_account: movement.counter_account.as_str(),
        service: movement.counter_account.as_service(),
        reference: stamp.note.reference.as_ref().map(Reference::as_str),
        description: stamp.note.description.as_ref().map(Description::as_str),
        metadata: stamp.note.metadata.as_ref().map(Json::value),
        actor: stamp.actor.as_str(),
        reverses: movement.reverses,
        idempotency_key: stamp.key.as_ref().map(IdempotencyKey::as_str),
        hash: Text(entry.hash),
    }
}
