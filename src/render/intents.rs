//! Intents: what was tried, and what came of settling and replaying it.

use serde_json::{Value, json};

use super::document::{Block, Document, value};
use super::failure::Failure;
use super::posting::{entry_fields, posted_fields};
use super::suspension::suspended;
use crate::domain::account::Account;
use crate::domain::code::Exit;
use crate::domain::intent::{Intent, IntentState};
use crate::ledger::intents::{IntentView, KeyHistory, Recorded, Replayed, Resolution};
use crate::ledger::post::Outcome;

fn intent_fields(account: &Account, intent: &Intent) -> Value {
    json!({
        "user_id": account.user_id.as_str(),
        "currency": account.currency.code().as_str(),
        "idempotency_key": intent.key.as_str(),
        "attempt": intent.attempt,
        "operation": intent.operation,
        "state": intent.state.name(),
        "reason": intent.reason,
        "first_entry": intent.entries.map(|(first, _)| first),
        "last_entry": intent.entries.map(|(_, last)| last),
        "actor": intent.actor.as_str(),
        "created_at": intent.created_at.to_string(),
    })
}

fn recorded_fields(account: &Account, recorded: &Recorded) -> Value {
    let mut fields = intent_fields(account, &recorded.intent);
    let took = recorded.took.and_then(|took| u64::try_from(took.as_micros()).ok());
    fields["duration_us"] = took.into();
    // As it is, also where it is no JSON any more.
    let payload = recorded.intent.payload.as_str();
    fields["payload"] = serde_json::from_str(payload).unwrap_or_else(|_| payload.into());
    fields
}

/// What came of it, in a word or two.
fn outcome(intent: &Intent) -> String {
    let made = match intent.entries {
        Some((first, last)) if first == last => format!("entry {first}"),
        Some((first, last)) => format!("entries {first} to {last}"),
        None => intent.reason.clone().unwrap_or_default(),
    };
    format!("{} {made}", intent.state.name()).trim_end().to_owned()
}

pub fn list(views: &[IntentView]) -> Document {
    let rows: Vec<Value> = views
        .iter()
        .map(|view| recorded_fields(&view.account, &view.recorded))
        .collect();
    let table = Block::Table {
        headers: vec![
            "Time",
            "User",
            "Currency",
            "Key",
            "Attempt",
            "Operation",
            "Outcome",
            "By",
        ],
        rows: views
            .iter()
            .map(|IntentView { account, recorded }| {
                let intent = &recorded.intent;
                vec![
                    intent.created_at.to_string(),
                    account.user_id.to_string(),
                    account.currency.code().to_string(),
                    intent.key.to_string(),
                    intent.attempt.to_string(),
                    intent.operation.clone(),
                    outcome(intent),
                    intent.actor.to_string(),
                ]
            })
            .collect(),
    };
    Document::list("intents-list", "intents", rows, vec![table])
}

pub fn show(history: &KeyHistory) -> Document {
    let KeyHistory {
        account,
        key,
        attempts,
        entries,
    } = history;
    let currency = &account.currency;
    let rows: Vec<Value> = attempts
        .iter()
        .map(|recorded| recorded_fields(account, recorded))
        .collect();
    let made: Vec<Value> = entries
        .iter()
        .map(|entry| value(&entry_fields(entry, currency)))
        .collect();
    let data = json!({
        "user_id": account.user_id.as_str(),
        "currency": currency.code().as_str(),
        "idempotency_key": key.as_str(),
        "attempts": rows,
        "entries": made,
    });
    let mut human = Vec::new();
    for recorded in attempts {
        let intent = &recorded.intent;
        human.push(Block::Pairs(vec![
            ("Attempt", intent.attempt.to_string()),
            ("Operation", intent.operation.clone()),
            ("Time", intent.created_at.to_string()),
            ("By", intent.actor.to_string()),
            ("Payload", intent.payload.as_str().to_owned()),
            ("Outcome", outcome(intent)),
        ]));
    }
    for entry in entries {
        human.push(Block::Line(format!(
            "Entry {}: {} {} {} ({})",
            entry.seq,
            entry.movement.kind,
            currency.show(entry.movement.deltas.principal()),
            currency.code(),
            entry.movement.counter_account.as_str(),
        )));
    }
    Document {
        command: "intents-show",
        data,
        rows,
        human,
    }
}

/// One that could not be settled or replayed, with the reason.
fn failed_fields(account: &Account, intent: &Intent, failure: &Failure) -> Value {
    let mut fields = intent_fields(account, intent);
    fields["error"] = failure.object();
    fields
}

pub fn resolved(resolution: &Resolution) -> (Document, Exit) {
    let count = |state: IntentState| resolution.resolved.iter().filter(|r| r.intent.state == state).count();
    let (applied, stranded) = (count(IntentState::Applied), count(IntentState::Failed));
    let mut rows: Vec<Value> = Vec::new();
    let mut lines = Vec::new();
    for done in &resolution.resolved {
        let mut fields = intent_fields(&done.account, &done.intent);
        fields["error"] = Value::Null;
        rows.push(fields);
        lines.push(format!(
            "{} of user {}: {}",
            done.intent.key,
            done.account.user_id,
            outcome(&done.intent)
        ));
    }
    for (account, intent, error) in &resolution.failed {
        let failure = Failure::new(error.code(), error);
        rows.push(failed_fields(account, intent, &failure));
        lines.push(format!(
            "{} of user {}: {}",
            intent.key,
            account.user_id,
            failure.sentence()
        ));
    }
    let mut human: Vec<Block> = lines.into_iter().map(Block::Line).collect();
    human.push(Block::Pairs(vec![
        ("Applied", applied.to_string()),
        ("Without effect", stranded.to_string()),
        ("Not settled", resolution.failed.len().to_string()),
    ]));
    if resolution.chunks > 0 {
        human.push(Block::Line(format!(
            "{} attempts of `ledger apply` at a whole chunk had been left; send the file again, or what is missing of it.",
            resolution.chunks
        )));
    }
    if stranded > 0 {
        human.push(Block::Line(
            "What had no effect is made again by `ledger intents replay --stranded`.".into(),
        ));
    }
    let data = json!({
        "applied": applied,
        "failed": stranded,
        "not_settled": resolution.failed.len(),
        "chunks": resolution.chunks,
        "intents": rows,
    });
    let exit = if resolution.failed.is_empty() {
        Exit::Done
    } else {
        Exit::Partly
    };
    let document = Document {
        command: "intents-resolve",
        data,
        rows,
        human,
    };
    (document, exit)
}

pub fn replayed(all: &[Replayed]) -> (Document, Exit) {
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    let (mut applied, mut already, mut refused, mut failed) = (0_u64, 0_u64, 0_u64, 0_u64);
    for replayed in all {
        let (word, failure) = match &replayed.answer {
            Ok(answer) => match &answer.outcome {
                Outcome::Applied(_) => ("applied", None),
                Outcome::AlreadyApplied(_) => ("already_applied", None),
                Outcome::Refused(refusal) => ("refused", Some(Failure::refused(refusal, &answer.currency, None))),
                Outcome::Suspended(refusal, suspension) => {
                    let failure = Failure::refused(refusal, &answer.currency, None);
                    ("refused", Some(suspended(failure, suspension, &answer.currency)))
                }
            },
            Err(error) => ("failed", Some(Failure::new(error.code(), error))),
        };
        *match word {
            "applied" => &mut applied,
            "already_applied" => &mut already,
            "refused" => &mut refused,
            _ => &mut failed,
        } += 1;
        rows.push(replayed_fields(replayed, word, failure.as_ref()));
        let why = failure.map_or_else(String::new, |failure| format!(": {}", failure.sentence()));
        let Replayed { account, intent, .. } = replayed;
        lines.push(format!(
            "{} ({}) of user {}: {word}{why}",
            intent.key, intent.operation, account.user_id
        ));
    }
    let mut human: Vec<Block> = lines.into_iter().map(Block::Line).collect();
    human.push(Block::Pairs(vec![
        ("Applied", applied.to_string()),
        ("Already applied", already.to_string()),
        ("Refused", refused.to_string()),
        ("Failed", failed.to_string()),
    ]));
    let data = json!({
        "applied": applied,
        "already_applied": already,
        "refused": refused,
        "failed": failed,
        "intents": rows,
    });
    let document = Document {
        command: "intents-replay",
        data,
        rows,
        human,
    };
    let exit = if refused + failed == 0 {
        Exit::Done
    } else {
        Exit::Partly
    };
    (document, exit)
}

fn replayed_fields(replayed: &Replayed, outcome: &str, failure: Option<&Failure>) -> Value {
    let Replayed {
        account,
        intent,
        answer,
    } = replayed;
    let result = match answer.as_ref().map(|answer| (&answer.outcome, &answer.key)) {
        Ok((Outcome::Applied(posted), key)) => value(&posted_fields(posted, false, key)),
        Ok((Outcome::AlreadyApplied(posted), key)) => value(&posted_fields(posted, true, key)),
        _ => Value::Null,
    };
    json!({
        "user_id": account.user_id.as_str(),
        "currency": account.currency.code().as_str(),
        "idempotency_key": intent.key.as_str(),
        "operation": intent.operation,
        "outcome": outcome,
        "result": result,
        "error": failure.map(Failure::object),
    })
}
