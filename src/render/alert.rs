//! Alerts.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::domain::account::AccountId;
use crate::domain::alert::Alert;
use crate::domain::text::Actor;

fn alert_fields(alert: &Alert) -> Value {
    json!({
        "id": alert.id,
        "severity": alert.severity.name(),
        "cause": alert.cause,
        "message": alert.message,
        "account": alert.account.map(AccountId::get),
        "first_seen": alert.first_seen.to_string(),
        "last_seen": alert.last_seen.to_string(),
        "closed_at": alert.closed_at.map(|at| at.to_string()),
        "acknowledged_at": alert.acknowledged_at.map(|at| at.to_string()),
        "acknowledged_by": alert.acknowledged_by.as_ref().map(Actor::as_str),
    })
}

pub fn alerts(alerts: &[Alert]) -> Document {
    let table = Block::Table {
        headers: vec!["Id", "Severity", "Message", "First seen", "Last seen", "State"],
        rows: alerts
            .iter()
            .map(|alert| {
                vec![
                    alert.id.clone(),
                    alert.severity.name().into(),
                    alert.message.clone(),
                    alert.first_seen.to_string(),
                    alert.last_seen.to_string(),
                    state(alert),
                ]
            })
            .collect(),
    };
    let rows = alerts.iter().map(alert_fields).collect();
    Document::list("alerts-list", "alerts", rows, vec![table])
}

fn state(alert: &Alert) -> String {
    match (alert.closed_at, &alert.acknowledged_by) {
        (Some(at), _) => format!("closed {at}"),
        (None, Some(by)) => format!("acknowledged by {by}"),
        (None, None) => "open".into(),
    }
}

/// `new` is false where somebody had taken notice before.
pub fn acknowledged(alert: &Alert, new: bool) -> Document {
    let mut data = alert_fields(alert);
    data["changed"] = new.into();
    let line = match &alert.acknowledged_by {
        Some(by) if !new => format!("Already acknowledged by {by}: {}", alert.message),
        _ => format!("Acknowledged: {}", alert.message),
    };
    Document::single("alerts-ack", data, vec![Block::Line(line)])
}
