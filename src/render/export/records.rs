//! Lines of NDJSON for what stands beside the entries; read back by `input/export/records.rs`, field by field.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::super::posting::Text;
use crate::domain::access::AccessGrant;
use crate::domain::account::Account;
use crate::domain::entry::Note;
use crate::domain::hold::Hold;
use crate::domain::intent::Intent;
use crate::domain::money::Shown;
use crate::domain::purchase::{Deactivation, Gift, Paid, Purchase};
use crate::domain::recharge::Recharge;
use crate::domain::recurring::RecurringCharge;
use crate::domain::suspension::Suspension;
use crate::domain::text::{Actor, Description, IdempotencyKey, Json, Reference, Service, escape_unprintable};
use crate::domain::time::Timestamp;
use crate::ledger::export::Beside;
use crate::ledger::operations::Act;

/// A line: whose it is, and the fields of its kind.
#[derive(Serialize)]
pub struct Record<'a> {
    #[serde(rename = "record")]
    kind: &'static str,
    user_id: &'a str,
    currency: &'a str,
    #[serde(flatten)]
    fields: Fields<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Fields<'a> {
    Recharge(RechargeFields<'a>),
    Hold(HoldFields<'a>),
    Purchase(PurchaseFields<'a>),
    Gift(GiftFields<'a>),
    Grant(GrantFields<'a>),
    Suspension(SuspensionFields<'a>),
    Recurring(Box<RecurringFields<'a>>),
    Act(ActFields<'a>),
    Intent(IntentFields<'a>),
}

pub fn record<'a>(account: &'a Account, beside: &'a Beside) -> Record<'a> {
    let (kind, fields) = match beside {
        Beside::Recharge(recharge) => ("recharge", Fields::Recharge(recharge_fields(account, recharge))),
        Beside::Hold(hold) => ("hold", Fields::Hold(hold_fields(account, hold))),
        Beside::Purchase(purchase) => ("purchase", Fields::Purchase(purchase_fields(account, purchase))),
        Beside::Gift(gift) => ("gift", Fields::Gift(gift_fields(account, gift))),
        Beside::Grant(grant) => ("grant", Fields::Grant(grant_fields(grant))),
        Beside::Suspension(suspension) => ("suspension", Fields::Suspension(suspension_fields(account, suspension))),
        Beside::Recurring(charge) => (
            "recurring",
            Fields::Recurring(Box::new(recurring_fields(account, charge))),
        ),
        Beside::Act(act) => ("act", Fields::Act(act_fields(act))),
        Beside::Intent(intent) => ("intent", Fields::Intent(intent_fields(intent))),
    };
    Record {
        kind,
        user_id: account.user_id.as_str(),
        currency: account.currency.code().as_str(),
        fields,
    }
}

#[derive(Serialize)]
struct NoteFields<'a> {
    reference: Option<&'a str>,
    description: Option<&'a str>,
    /// JSON, as it is stored.
    metadata: Option<&'a str>,
}

fn note_fields(note: &Note) -> NoteFields<'_> {
    NoteFields {
        reference: note.reference.as_ref().map(Reference::as_str),
        description: note.description.as_ref().map(Description::as_str),
        metadata: note.metadata.as_ref().map(Json::as_str),
    }
}

#[derive(Serialize)]
struct RechargeFields<'a> {
    number: i64,
    amount: Text<Shown>,
    method: &'a str,
    status: &'static str,
    created_at: Text<Timestamp>,
    expires_at: Option<Text<Timestamp>>,
    finished_at: Option<Text<Timestamp>>,
    entry: Option<i64>,
    gateway_response: Option<&'a str>,
    #[serde(flatten)]
    note: NoteFields<'a>,
}

fn recharge_fields<'a>(account: &Account, recharge: &'a Recharge) -> RechargeFields<'a> {
    RechargeFields {
        number: recharge.id.number,
        amount: Text(account.currency.show(recharge.amount.minor())),
        method: recharge.method.as_str(),
        status: recharge.status.name(),
        created_at: Text(recharge.created_at),
        expires_at: recharge.expires_at.map(Text),
        finished_at: recharge.finished_at.map(Text),
        entry: recharge.entry_seq,
        gateway_response: recharge.gateway_response.as_ref().map(Json::as_str),
        note: note_fields(&recharge.note),
    }
}

#[derive(Serialize)]
struct HoldFields<'a> {
    number: i64,
    amount: Text<Shown>,
    remaining: Text<Shown>,
    committed: Text<Shown>,
    released: Text<Shown>,
    status: &'static str,
    service: Option<&'a str>,
    created_at: Text<Timestamp>,
    expires_at: Option<Text<Timestamp>>,
    finished_at: Option<Text<Timestamp>>,
    entry: i64,
    #[serde(flatten)]
    note: NoteFields<'a>,
}

fn hold_fields<'a>(account: &Account, hold: &'a Hold) -> HoldFields<'a> {
    let amount = |minor| Text(account.currency.show(minor));
    HoldFields {
        number: hold.id.number,
        amount: amount(hold.amount.minor()),
        remaining: amount(hold.remaining),
        committed: amount(hold.committed),
        released: amount(hold.released),
        status: hold.status.name(),
        service: hold.service.as_ref().map(Service::as_str),
        created_at: Text(hold.created_at),
        expires_at: hold.expires_at.map(Text),
        finished_at: hold.finished_at.map(Text),
        entry: hold.entry_seq,
        note: note_fields(&hold.note),
    }
}

/// What was paid, with the digits of its own currency.
#[derive(Serialize)]
struct PaidFields<'a> {
    amount: Text<Shown>,
    currency: &'a str,
    exponent: u8,
}

fn paid_fields(paid: &Paid) -> PaidFields<'_> {
    PaidFields {
        amount: Text(paid.currency.show(paid.amount.minor())),
        currency: paid.currency.code().as_str(),
        exponent: paid.currency.exponent(),
    }
}

#[derive(Serialize)]
struct DeactivationFields<'a> {
    at: Text<Timestamp>,
    by: &'a str,
    why: Option<&'a str>,
}

fn deactivation_fields(deactivation: &Deactivation) -> DeactivationFields<'_> {
    DeactivationFields {
        at: Text(deactivation.at),
        by: deactivation.by.as_str(),
        why: deactivation.why.as_ref().map(Description::as_str),
    }
}

#[derive(Serialize)]
struct PendingFields {
    due_at: Text<Timestamp>,
    state: &'static str,
    settled_at: Option<Text<Timestamp>>,
    entry: Option<i64>,
}

#[derive(Serialize)]
struct PurchaseFields<'a> {
    number: i64,
    paid: PaidFields<'a>,
    credits: Text<Shown>,
    /// The credits' way; nothing where it earned none.
    pending: Option<PendingFields>,
    created_at: Text<Timestamp>,
    created_by: &'a str,
    deactivated: Option<DeactivationFields<'a>>,
    #[serde(flatten)]
    note: NoteFields<'a>,
}

fn purchase_fields<'a>(account: &Account, purchase: &'a Purchase) -> PurchaseFields<'a> {
    PurchaseFields {
        number: purchase.id.number,
        paid: paid_fields(&purchase.paid),
        credits: Text(account.currency.show(purchase.credits)),
        pending: purchase.pending.map(|credit| PendingFields {
            due_at: Text(credit.due_at),
            state: credit.state.name(),
            settled_at: credit.settled_at.map(Text),
            entry: credit.entry_seq,
        }),
        created_at: Text(purchase.created_at),
        created_by: purchase.created_by.as_str(),
        deactivated: purchase.deactivated.as_ref().map(deactivation_fields),
        note: note_fields(&purchase.note),
    }
}

#[derive(Serialize)]
struct GiftFields<'a> {
    number: i64,
    paid: Option<PaidFields<'a>>,
    credits: Text<Shown>,
    entry: i64,
    created_at: Text<Timestamp>,
    created_by: &'a str,
    deactivated: Option<DeactivationFields<'a>>,
    #[serde(flatten)]
    note: NoteFields<'a>,
}

fn gift_fields<'a>(account: &Account, gift: &'a Gift) -> GiftFields<'a> {
    GiftFields {
        number: gift.id.number,
        paid: gift.paid.as_ref().map(paid_fields),
        credits: Text(account.currency.show(gift.credits.minor())),
        entry: gift.entry_seq,
        created_at: Text(gift.created_at),
        created_by: gift.created_by.as_str(),
        deactivated: gift.deactivated.as_ref().map(deactivation_fields),
        note: note_fields(&gift.note),
    }
}

#[derive(Serialize)]
struct GrantFields<'a> {
    /// Of the charge that paid for it.
    entry: i64,
    resource: &'a str,
    granted_at: Text<Timestamp>,
    granted_by: &'a str,
    expires_at: Option<Text<Timestamp>>,
    revoked: Option<DeactivationFields<'a>>,
}

fn grant_fields(grant: &AccessGrant) -> GrantFields<'_> {
    GrantFields {
        entry: grant.id.number,
        resource: grant.resource.as_str(),
        granted_at: Text(grant.granted_at),
        granted_by: grant.granted_by.as_str(),
        expires_at: grant.expires_at.map(Text),
        revoked: grant.revoked.as_ref().map(deactivation_fields),
    }
}

#[derive(Serialize)]
struct SuspensionFields<'a> {
    number: i64,
    reason: &'a str,
    suspended_at: Text<Timestamp>,
    suspended_by: &'a str,
    balance: Text<Shown>,
    required: Option<Text<Shown>>,
    resumed_at: Option<Text<Timestamp>>,
    resumed_by: Option<&'a str>,
}

fn suspension_fields<'a>(account: &Account, suspension: &'a Suspension) -> SuspensionFields<'a> {
    let amount = |minor| Text(account.currency.show(minor));
    SuspensionFields {
        number: suspension.number,
        reason: suspension.reason.as_str(),
        suspended_at: Text(suspension.suspended_at),
        suspended_by: suspension.suspended_by.as_str(),
        balance: amount(suspension.balance),
        required: suspension.required.map(amount),
        resumed_at: suspension.resumed_at.map(Text),
        resumed_by: suspension.resumed_by.as_ref().map(Actor::as_str),
    }
}

#[derive(Serialize)]
struct RecurringFields<'a> {
    number: i64,
    amount: Text<Shown>,
    service: &'a str,
    every: &'static str,
    /// Of the month, or of the week from Monday 1 on.
    on: Option<i64>,
    at: String,
    timezone: String,
    starts_on: String,
    ends_on: Option<String>,
    /// The day that comes next.
    next_on: Option<String>,
    next_at: Option<Text<Timestamp>>,
    try_at: Option<Text<Timestamp>>,
    refused_at: Option<Text<Timestamp>>,
    refused_times: i64,
    charged: i64,
    created_at: Text<Timestamp>,
    created_by: &'a str,
    cancelled: Option<DeactivationFields<'a>>,
    idempotency_key: Option<&'a str>,
    #[serde(flatten)]
    note: NoteFields<'a>,
}

fn recurring_fields<'a>(account: &Account, charge: &'a RecurringCharge) -> RecurringFields<'a> {
    let (schedule, next) = (&charge.schedule, charge.next);
    let refused = next.and_then(|due| due.refused);
    RecurringFields {
        number: charge.id.number,
        amount: Text(account.currency.show(charge.amount.minor())),
        service: charge.service.as_str(),
        every: schedule.every.name(),
        on: schedule.every.day_number(),
        at: schedule.time_of_day(),
        timezone: schedule.zone.to_string(),
        starts_on: charge.starts_on.to_string(),
        ends_on: charge.ends_on.map(|day| day.to_string()),
        next_on: next.map(|due| due.on.to_string()),
        next_at: next.map(|due| Text(due.at)),
        try_at: next.map(|due| Text(due.try_at)),
        refused_at: refused.map(|refused| Text(refused.first_at)),
        refused_times: refused.map_or(0, |refused| refused.times),
        charged: charge.charged,
        created_at: Text(charge.created_at),
        created_by: charge.created_by.as_str(),
        cancelled: charge.cancelled.as_ref().map(deactivation_fields),
        idempotency_key: charge.key.as_ref().map(IdempotencyKey::as_str),
        note: note_fields(&charge.note),
    }
}

#[derive(Serialize)]
struct ActFields<'a> {
    command: &'a str,
    actor: &'a str,
    at: Text<Timestamp>,
    /// JSON, as it is stored; what earlier versions let into it, but can't be read back, is escaped.
    before: Option<Cow<'a, str>>,
    after: Option<Cow<'a, str>>,
    origin: Option<&'a str>,
}

/// Without its id and its run, which are random: the same history gives the same lines.
fn act_fields(act: &Act) -> ActFields<'_> {
    ActFields {
        command: &act.command,
        actor: act.actor.as_str(),
        at: Text(act.at),
        before: act.before.as_deref().map(escape_unprintable),
        after: act.after.as_deref().map(escape_unprintable),
        origin: act.origin.as_deref(),
    }
}

#[derive(Serialize)]
struct IntentFields<'a> {
    idempotency_key: &'a str,
    attempt: i32,
    operation: &'a str,
    payload: Value,
    actor: &'a str,
    created_at: Text<Timestamp>,
    state: &'static str,
    reason: Option<&'a str>,
    first_entry: Option<i64>,
    last_entry: Option<i64>,
    /// The number of the record that it made or moved.
    subject: Option<i64>,
}

/// Without how long it took, which is no part of the history.
fn intent_fields(intent: &Intent) -> IntentFields<'_> {
    let payload = intent.payload.as_str();
    IntentFields {
        idempotency_key: intent.key.as_str(),
        attempt: intent.attempt,
        operation: &intent.operation,
        payload: serde_json::from_str(payload).unwrap_or_else(|_| payload.into()),
        actor: intent.actor.as_str(),
        created_at: Text(intent.created_at),
        state: intent.state.name(),
        reason: intent.reason.as_deref(),
        first_entry: intent.entries.map(|(first, _)| first),
        last_entry: intent.entries.map(|(_, last)| last),
        subject: intent.subject,
    }
}
