//! Lines of what stands beside the entries: the counterpart of `render/export/records.rs`, field by field.
//!
//! A line with a field that is unknown or missing is refused: what is not understood would be lost.

use chrono::NaiveDate;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::Wrong;
use super::told::{Told, amount, currency, minor, named, note, value};
use crate::domain::access::{AccessGrant, GrantId};
use crate::domain::account::Account;
use crate::domain::calendar::{Every, Schedule};
use crate::domain::currency::CurrencyCode;
use crate::domain::hold::{Hold, HoldId, HoldStatus};
use crate::domain::intent::{Intent, IntentState, Payload, is_reason};
use crate::domain::money::Amount;
use crate::domain::purchase::{CreditState, Deactivation, Gift, GiftId, Paid, PendingCredit, Purchase, PurchaseId};
use crate::domain::recharge::{Recharge, RechargeId, RechargeStatus};
use crate::domain::recurring::{Due, RecurringCharge, RecurringId, Refused};
use crate::domain::suspension::Suspension;
use crate::domain::text::{Actor, Description, IdempotencyKey, Json, PaymentMethod, Reference, Resource, Service};
use crate::domain::time::Timestamp;
use crate::ledger::clock::unique_name;
use crate::ledger::export::Beside;
use crate::ledger::operations::Act;

/// A line that belongs to an account.
pub trait BesideLine {
    fn owner(&self) -> (String, String);
    fn beside(self, account: &Account) -> Result<Beside, Wrong>;
}

/// Declares the line of a record beside the entries, with whose it is; `..note` stands for the fields of a note.
macro_rules! beside_line {
    ($name:ident { $($field:ident: $type:ty,)* ..note } => |$line:ident, $account:ident, $note:ident| $beside:expr) => {
        beside_line!($name {
            $($field: $type,)*
            reference: Option<Told<Reference>>,
            description: Option<Told<Description>>,
            metadata: Option<Told<Json>>,
        } => |$line, $account| {
            let $note = note($line.reference, $line.description, $line.metadata);
            $beside
        });
    };
    ($name:ident { $($field:ident: $type:ty,)* } => |$line:ident, $account:ident| $beside:expr) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            #[serde(rename = "record")]
            _record: IgnoredAny,
            user_id: String,
            currency: String,
            $($field: $type,)*
        }

        impl BesideLine for $name {
            fn owner(&self) -> (String, String) {
                (self.user_id.clone(), self.currency.clone())
            }

            fn beside(self, $account: &Account) -> Result<Beside, Wrong> {
                let $line = self;
                Ok($beside)
            }
        }
    };
}

beside_line!(RechargeLine {
    number: i64,
    amount: String,
    method: Told<PaymentMethod>,
    status: String,
    created_at: Told<Timestamp>,
    expires_at: Option<Told<Timestamp>>,
    finished_at: Option<Told<Timestamp>>,
    entry: Option<i64>,
    gateway_response: Option<Told<Json>>,
    ..note
} => |line, account, note| Beside::Recharge(Recharge {
    id: RechargeId { account: account.id, number: line.number },
    amount: amount(account, &line.amount)?,
    method: line.method.0,
    status: named(&line.status, RechargeStatus::parse)?,
    created_at: line.created_at.0,
    expires_at: value(line.expires_at),
    finished_at: value(line.finished_at),
    entry_seq: line.entry,
    gateway_response: value(line.gateway_response),
    note,
}));

beside_line!(HoldLine {
    number: i64,
    amount: String,
    remaining: String,
    committed: String,
    released: String,
    status: String,
    service: Option<Told<Service>>,
    created_at: Told<Timestamp>,
    expires_at: Option<Told<Timestamp>>,
    finished_at: Option<Told<Timestamp>>,
    entry: i64,
    ..note
} => |line, account, note| Beside::Hold(Hold {
    id: HoldId { account: account.id, number: line.number },
    amount: amount(account, &line.amount)?,
    remaining: minor(account, &line.remaining)?,
    committed: minor(account, &line.committed)?,
    released: minor(account, &line.released)?,
    status: named(&line.status, HoldStatus::parse)?,
    service: value(line.service),
    created_at: line.created_at.0,
    expires_at: value(line.expires_at),
    finished_at: value(line.finished_at),
    entry_seq: line.entry,
    note,
}));

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PaidField {
    amount: String,
    currency: Told<CurrencyCode>,
    exponent: u8,
}

impl PaidField {
    fn paid(self) -> Result<Paid, Wrong> {
        let currency = currency(self.currency.0, self.exponent)?;
        Ok(Paid {
            amount: Amount::parse(&self.amount, &currency).map_err(|error| error.to_string())?,
            currency,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeactivationField {
    at: Told<Timestamp>,
    by: Told<Actor>,
    why: Option<Told<Description>>,
}

fn deactivation(field: Option<DeactivationField>) -> Option<Deactivation> {
    field.map(|field| Deactivation {
        at: field.at.0,
        by: field.by.0,
        why: value(field.why),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PendingField {
    due_at: Told<Timestamp>,
    state: String,
    settled_at: Option<Told<Timestamp>>,
    entry: Option<i64>,
}

impl PendingField {
    /// All the credits of a purchase come together.
    fn pending(self, credits: Option<Amount>) -> Result<PendingCredit, Wrong> {
        Ok(PendingCredit {
            credits: credits.ok_or("no credits are on their way where none were earned")?,
            due_at: self.due_at.0,
            state: named(&self.state, CreditState::parse)?,
            settled_at: value(self.settled_at),
            entry_seq: self.entry,
        })
    }
}

beside_line!(PurchaseLine {
    number: i64,
    paid: PaidField,
    credits: String,
    pending: Option<PendingField>,
    created_at: Told<Timestamp>,
    created_by: Told<Actor>,
    deactivated: Option<DeactivationField>,
    ..note
} => |line, account, note| {
    let credits = minor(account, &line.credits)?;
    let pending = line.pending.map(|pending| pending.pending(Amount::new(credits)));
    Beside::Purchase(Purchase {
        id: PurchaseId { account: account.id, number: line.number },
        paid: line.paid.paid()?,
        credits,
        created_at: line.created_at.0,
        created_by: line.created_by.0,
        deactivated: deactivation(line.deactivated),
        note,
        pending: pending.transpose()?,
    })
});

beside_line!(GiftLine {
    number: i64,
    paid: Option<PaidField>,
    credits: String,
    entry: i64,
    created_at: Told<Timestamp>,
    created_by: Told<Actor>,
    deactivated: Option<DeactivationField>,
    ..note
} => |line, account, note| Beside::Gift(Gift {
    id: GiftId { account: account.id, number: line.number },
    paid: line.paid.map(PaidField::paid).transpose()?,
    credits: amount(account, &line.credits)?,
    entry_seq: line.entry,
    created_at: line.created_at.0,
    created_by: line.created_by.0,
    deactivated: deactivation(line.deactivated),
    note,
}));

beside_line!(GrantLine {
    entry: i64,
    resource: Told<Resource>,
    granted_at: Told<Timestamp>,
    granted_by: Told<Actor>,
    expires_at: Option<Told<Timestamp>>,
    revoked: Option<DeactivationField>,
} => |line, account| Beside::Grant(AccessGrant {
    id: GrantId { account: account.id, number: line.entry },
    resource: line.resource.0,
    granted_at: line.granted_at.0,
    granted_by: line.granted_by.0,
    expires_at: value(line.expires_at),
    revoked: deactivation(line.revoked),
}));

beside_line!(SuspensionLine {
    number: i64,
    reason: Told<Description>,
    suspended_at: Told<Timestamp>,
    suspended_by: Told<Actor>,
    balance: String,
    required: Option<String>,
    resumed_at: Option<Told<Timestamp>>,
    resumed_by: Option<Told<Actor>>,
} => |line, account| Beside::Suspension(Suspension {
    account: account.id,
    number: line.number,
    reason: line.reason.0,
    suspended_at: line.suspended_at.0,
    suspended_by: line.suspended_by.0,
    balance: minor(account, &line.balance)?,
    required: line.required.map(|text| minor(account, &text)).transpose()?,
    resumed_at: value(line.resumed_at),
    resumed_by: value(line.resumed_by),
}));

beside_line!(RecurringLine {
    number: i64,
    amount: String,
    service: Told<Service>,
    every: String,
    on: Option<i64>,
    at: String,
    timezone: String,
    starts_on: Told<NaiveDate>,
    ends_on: Option<Told<NaiveDate>>,
    next_on: Option<Told<NaiveDate>>,
    next_at: Option<Told<Timestamp>>,
    try_at: Option<Told<Timestamp>>,
    refused_at: Option<Told<Timestamp>>,
    refused_times: i64,
    charged: i64,
    created_at: Told<Timestamp>,
    created_by: Told<Actor>,
    cancelled: Option<DeactivationField>,
    idempotency_key: Option<Told<IdempotencyKey>>,
    ..note
} => |line, account, note| {
    let refused_times = line.refused_times;
    let refused = value(line.refused_at).map(|first_at| Refused { first_at, times: refused_times });
    let next = match (value(line.next_on), value(line.next_at), value(line.try_at)) {
        (Some(on), Some(at), Some(try_at)) => Some(Due { on, at, try_at, refused }),
        (None, None, None) => None,
        _ => return Err("a period that comes next has a day, a moment and a time to try it".into()),
    };
    Beside::Recurring(Box::new(RecurringCharge {
        id: RecurringId { account: account.id, number: line.number },
        amount: amount(account, &line.amount)?,
        service: line.service.0,
        schedule: schedule(&line.every, line.on, &line.at, &line.timezone)?,
        starts_on: line.starts_on.0,
        ends_on: value(line.ends_on),
        next,
        charged: line.charged,
        created_at: line.created_at.0,
        created_by: line.created_by.0,
        cancelled: deactivation(line.cancelled),
        note,
        key: value(line.idempotency_key),
    }))
});

fn schedule(every: &str, on: Option<i64>, at: &str, timezone: &str) -> Result<Schedule, Wrong> {
    let every = named(every, |name| Every::stored(name, on))?;
    let zone = timezone
        .parse()
        .map_err(|_| format!("this version knows no time zone `{timezone}`"))?;
    let minute = at.split_once(':').and_then(|(hours, minutes)| {
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        hours.checked_mul(60)?.checked_add(minutes)
    });
    let schedule = minute.and_then(|minute| Schedule::new(every, minute, zone));
    // Written back it is the same text: 1:99 is no time of day.
    let schedule = schedule.filter(|schedule| schedule.time_of_day() == at);
    schedule.ok_or_else(|| "a time of day is written as 02:00".into())
}

beside_line!(ActLine {
    command: Told<Description>,
    actor: Told<Actor>,
    at: Told<Timestamp>,
    before: Option<Told<Json>>,
    after: Option<Told<Json>>,
    origin: Option<Told<Description>>,
} => |line, account| Beside::Act(Act {
    account: account.id,
    id: unique_name(),
    run_id: None,
    command: line.command.0.to_string(),
    actor: line.actor.0,
    at: line.at.0,
    before: value(line.before).map(|json| json.as_str().to_owned()),
    after: value(line.after).map(|json| json.as_str().to_owned()),
    origin: value(line.origin).map(|origin| origin.to_string()),
}));

beside_line!(IntentLine {
    idempotency_key: Told<IdempotencyKey>,
    attempt: i32,
    operation: Told<Description>,
    payload: Value,
    actor: Told<Actor>,
    created_at: Told<Timestamp>,
    state: String,
    reason: Option<String>,
    first_entry: Option<i64>,
    last_entry: Option<i64>,
    subject: Option<i64>,
} => |line, account| {
    if let Some(reason) = line.reason.as_deref().filter(|reason| !is_reason(reason)) {
        return Err(format!("this version knows no reason `{reason}`"));
    }
    Beside::Intent(Intent {
        account: account.id,
        key: line.idempotency_key.0,
        attempt: line.attempt,
        operation: line.operation.0.to_string(),
        payload: payload(line.payload),
        actor: line.actor.0,
        created_at: line.created_at.0,
        state: named(&line.state, IntentState::parse)?,
        entries: line.first_entry.zip(line.last_entry),
        subject: line.subject,
        reason: line.reason,
    })
});

/// The very text that a repeated key is compared with; one that was no JSON is exported as a text.
fn payload(value: Value) -> Payload {
    Payload::stored(match value {
        Value::String(text) => text,
        value => value.to_string(),
    })
}
