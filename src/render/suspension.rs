//! Suspensions.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::document::{Block, Document};
use super::failure::Failure;
use crate::domain::account::Account;
use crate::domain::currency::Currency;
use crate::domain::suspension::Suspension;
use crate::domain::text::Actor;
use crate::domain::time::Timestamp;
use crate::ledger::suspension::SuspensionView;

/// The duration is that until `now` while the suspension lasts.
pub fn suspension_fields(currency: &Currency, suspension: &Suspension, now: Timestamp) -> Value {
    let amount = |minor| currency.show(minor).to_string();
    json!({
        "number": suspension.number,
        "reason": suspension.reason.as_str(),
        "suspended_at": suspension.suspended_at.to_string(),
        "suspended_by": suspension.suspended_by.as_str(),
        "balance": amount(suspension.balance),
        "required": suspension.required.map(amount),
        "currency": currency.code().as_str(),
        "resumed_at": suspension.resumed_at.map(|at| at.to_string()),
        "resumed_by": suspension.resumed_by.as_ref().map(Actor::as_str),
        "duration_seconds": suspension.duration(now).num_seconds(),
        "active": suspension.resumed_at.is_none(),
    })
}

fn with_user(view: &SuspensionView, now: Timestamp) -> Value {
    let mut fields = suspension_fields(&view.account.currency, &view.suspension, now);
    fields["user_id"] = view.account.user_id.as_str().into();
    fields
}

/// `2d 3h`, `5m 7s`: the two largest units.
pub fn lasted(span: TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown: Vec<String> = parts[first..]
        .iter()
        .take(2)
        .filter(|(count, _)| *count > 0 || seconds == 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    shown.join(" ")
}

/// After `suspend` or `resume`; `changed` is false where it was so before.
pub fn changed(command: &'static str, view: &SuspensionView, changed: bool, now: Timestamp) -> Document {
    let SuspensionView { account, suspension } = view;
    let mut data = with_user(view, now);
    data["changed"] = changed.into();
    let headline = match (suspension.resumed_at.is_some(), changed) {
        (false, true) => "Suspended.".to_string(),
        (false, false) => "Already suspended; nothing was written.".into(),
        (true, _) => format!("Resumed after {}.", lasted(suspension.duration(now))),
    };
    let show = |minor| account.currency.show_with_code(minor);
    let pairs = vec![
        ("User", account.user_id.to_string()),
        ("Reason", suspension.reason.to_string()),
        ("Suspended", suspension.suspended_at.to_string()),
        ("Balance then", show(suspension.balance)),
    ];
    Document::single(command, data, vec![Block::Line(headline), Block::Pairs(pairs)])
}

pub fn not_suspended(account: &Account) -> Document {
    let data = json!({
        "user_id": account.user_id.as_str(),
        "currency": account.currency.code().as_str(),
        "changed": false,
        "active": false,
    });
    let line = format!("User {} is not suspended; nothing was written.", account.user_id);
    Document::single("resume", data, vec![Block::Line(line)])
}

pub fn suspensions(views: &[SuspensionView], now: Timestamp) -> Document {
    let rows = views.iter().map(|view| with_user(view, now)).collect();
    let table = Block::Table {
        headers: vec!["User", "Suspended", "Resumed", "Duration", "Balance then", "Reason"],
        rows: views
            .iter()
            .map(|SuspensionView { account, suspension }| {
                vec![
                    account.user_id.to_string(),
                    suspension.suspended_at.to_string(),
                    suspension.resumed_at.map(|at| at.to_string()).unwrap_or_default(),
                    lasted(suspension.duration(now)),
                    account.currency.show_with_code(suspension.balance),
                    suspension.reason.to_string(),
                ]
            })
            .collect(),
    };
    Document::list("suspensions", "suspensions", rows, vec![table])
}

/// A charge that was refused, and the account suspended for it.
pub fn suspended(failure: Failure, suspension: &Suspension, currency: &Currency) -> Failure {
    let mut details = failure.details;
    details["suspension"] = suspension_fields(currency, suspension, suspension.suspended_at);
    Failure {
        message: format!("{}; the account is suspended now", failure.message),
        details,
        ..failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_show_their_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (61, "1m 1s"),
            (3_600, "1h"),
            (90_061, "1d 1h"),
            (86_400 + 60, "1d"),
        ] {
            assert_eq!(lasted(TimeDelta::seconds(seconds)), text);
        }
    }
}
