//! The log of administrative acts.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::domain::account::AccountId;
use crate::ledger::operations::ActView;

/// What was there before or after, as it was recorded.
fn recorded(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| {
        serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
    })
}

fn act_fields(view: &ActView) -> Value {
    let ActView { act, account } = view;
    json!({
        "id": act.id,
        "at": act.at.to_string(),
        "command": act.command,
        "actor": act.actor.as_str(),
        "origin": act.origin,
        "account": (act.account != AccountId::NONE).then_some(act.account.get()),
        "user_id": account.as_ref().map(|account| account.user_id.as_str()),
        "currency": account.as_ref().map(|account| account.currency.code().as_str()),
        "run_id": act.run_id,
        "before": recorded(act.before.as_ref()),
        "after": recorded(act.after.as_ref()),
    })
}

pub fn operations(views: &[ActView]) -> Document {
    let table = Block::Table {
        headers: vec!["Time", "Command", "By", "From", "User", "Changed"],
        rows: views
            .iter()
            .map(|view| {
                let ActView { act, account } = view;
                vec![
                    act.at.to_string(),
                    act.command.clone(),
                    act.actor.to_string(),
                    act.origin.clone().unwrap_or_default(),
                    account
                        .as_ref()
                        .map(|account| format!("{} {}", account.user_id, account.currency.code()))
                        .unwrap_or_default(),
                    changed(&recorded(act.before.as_ref()), &recorded(act.after.as_ref())),
                ]
            })
            .collect(),
    };
    Document::list(
        "operations-list",
        "operations",
        views.iter().map(act_fields).collect(),
        vec![table],
    )
}

/// The fields that are not as they were: `locked: false -> true`.
fn changed(before: &Value, after: &Value) -> String {
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let Some(after) = after.as_object() else {
        return "removed".into();
    };
    let was = |name: &String| before.get(name).unwrap_or(&Value::Null);
    let lines: Vec<String> = after
        .iter()
        .filter(|(name, value)| was(name) != *value)
        .map(|(name, value)| match was(name) {
            Value::Null => format!("{name}: {}", shown(value)),
            old => format!("{name}: {} -> {}", shown(old), shown(value)),
        })
        .collect();
    lines.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_told() {
        let before = json!({"locked": false, "limit": 5, "reason": null});
        let after = json!({"locked": true, "limit": 5, "reason": "chargeback"});
        assert_eq!(changed(&before, &after), "locked: false -> true, reason: chargeback");
        assert_eq!(changed(&Value::Null, &json!({"code": "POINTS"})), "code: POINTS");
        assert_eq!(changed(&before, &Value::Null), "removed");
    }
}
