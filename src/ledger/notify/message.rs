//! What is said of an event: the JSON that programs get, and the text that people get.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::domain::delivery::WrittenEvent;
use crate::domain::event::EventKind;
use crate::domain::text::{escape, escape_unprintable};

/// The event as one line of JSON, the same at every attempt.
pub fn body(event: &WrittenEvent) -> String {
    let (user_id, currency) = event.about.as_ref().map_or((None, None), |(user_id, currency)| {
        (Some(user_id.as_str()), Some(currency.as_str()))
    });
    let body = json!({
        "schema": "ledger.event/1",
        "delivery_id": event.delivery_id,
        "id": event.id.to_string(),
        "event": event.kind.name(),
        "user_id": user_id,
        "currency": currency,
        "created_at": event.created_at.to_string(),
        "data": payload(event),
    });
    format!("{}\n", escape_unprintable(&body.to_string()))
}

/// A stored text that is no JSON any more comes back as a JSON string.
fn payload(event: &WrittenEvent) -> Value {
    serde_json::from_str(&event.payload).unwrap_or_else(|_| event.payload.clone().into())
}

/// One line without anything that could begin another.
pub fn subject(event: &WrittenEvent) -> String {
    let what = match event.kind {
        EventKind::LowBalance => "low balance",
        EventKind::RechargeCompleted => "recharge completed",
        EventKind::Suspended => "suspended",
        EventKind::Resumed => "resumed",
        EventKind::ChargeRefused => "charge refused",
        EventKind::AlertOpened => "alert",
    };
    let whose = event.about.as_ref().map_or_else(
        || "the ledger as a whole".to_owned(),
        |(user_id, currency)| format!("user {user_id} ({currency})"),
    );
    escape(&format!("ledger: {what}, {whose}")).into_owned()
}

/// A field a line.
pub fn text(event: &WrittenEvent) -> String {
    let mut lines = vec![subject(event), String::new()];
    if let Value::Object(fields) = payload(event) {
        lines.extend(fields.iter().filter_map(|(name, value)| {
            let value = match value {
                Value::Null => return None,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            Some(format!("{}: {value}", name.replace('_', " ")))
        }));
    }
    lines.push(String::new());
    lines.push(format!("time: {}", event.created_at));
    lines.push(format!("event: {} ({})", event.id, event.delivery_id));
    lines.push(String::new());
    let lines: Vec<Cow<'_, str>> = lines.iter().map(|line| escape(line)).collect();
    lines.join("\r\n")
}
