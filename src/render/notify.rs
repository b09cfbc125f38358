//! Deliveries of events.

use serde_json::{Value, json};

use super::document::{Block, Document};
use super::unreadable;
use crate::domain::account::AccountId;
use crate::domain::delivery::{Delivery, DeliveryState, WrittenEvent};
use crate::domain::event::EventId;
use crate::ledger::notify::review::Listed;
use crate::ledger::notify::{ChannelReport, Failure, Report, Stopped};

pub fn report(report: &Report) -> Document {
    let rows: Vec<Value> = report.channels.iter().map(channel_fields).collect();
    let data = json!({
        "configured": !report.unconfigured,
        "channels": rows,
        "failures": failures(report).map(failure_fields).collect::<Vec<_>>(),
        "pending": report.pending,
        "dead": report.dead,
        "pruned": report.pruned,
        "unreadable": unreadable::fields(&unreadable(report)),
    });
    Document {
        command: "notify",
        data,
        rows,
        human: people(report),
    }
}

fn failures(report: &Report) -> impl Iterator<Item = &Failure> {
    report.channels.iter().flat_map(|channel| &channel.failures)
}

fn unreadable(report: &Report) -> unreadable::Unreadable {
    let named = |(&(account, number), why): (&(i64, i64), &String)| {
        let account = AccountId::new(account);
        (EventId { account, number }.to_string(), why.clone())
    };
    report.unreadable.iter().map(named).collect()
}

fn people(report: &Report) -> Vec<Block> {
    if report.unconfigured {
        return vec![Block::Line(
            "No channel is configured, so events wait: set LEDGER_NOTIFY_SMTP_URL, LEDGER_NOTIFY_WEBHOOK_URL or \
             LEDGER_NOTIFY_COMMAND, or LEDGER_NOTIFY_EVENTS=none."
                .into(),
        )];
    }
    let mut human: Vec<Block> = report.channels.iter().map(channel_line).collect();
    if failures(report).next().is_some() {
        human.push(Block::Table {
            headers: vec!["Event", "What", "Channel", "Attempts", "Error", "Next attempt"],
            rows: failures(report).map(failure_row).collect(),
        });
    }
    human.extend(unreadable::people(unreadable(report)));
    let mut pairs = vec![
        ("Pending:", report.pending.to_string()),
        ("Dead:", report.dead.to_string()),
    ];
    if report.pruned > 0 {
        pairs.push(("Pruned:", report.pruned.to_string()));
    }
    human.push(Block::Pairs(pairs));
    if report.dead > 0 {
        human.push(Block::Line(
            "See `ledger notify list --dead`; `ledger notify resend --dead` tries them again.".into(),
        ));
    }
    human
}

fn stopped(stopped: Stopped) -> &'static str {
    match stopped {
        Stopped::TimeIsUp => "time_is_up",
        Stopped::Unreachable => "unreachable",
    }
}

fn channel_fields(channel: &ChannelReport) -> Value {
    json!({
        "channel": channel.name,
        "delivered": channel.delivered,
        "failed": channel.failed,
        "died": channel.died,
        "stopped": channel.stopped.map(stopped),
    })
}

fn channel_line(channel: &ChannelReport) -> Block {
    let stopped = match channel.stopped {
        None => "",
        Some(Stopped::TimeIsUp) => "; the time was up, the next run goes on",
        Some(Stopped::Unreachable) => "; nobody answers there, the rest waits for the next run",
    };
    Block::Line(format!(
        "{}: {} delivered, {} failed, {} given up{stopped}",
        channel.name, channel.delivered, channel.failed, channel.died
    ))
}

fn failure_fields(failure: &Failure) -> Value {
    json!({
        "event": failure.event.to_string(),
        "kind": failure.kind.name(),
        "channel": failure.delivery.channel,
        "state": failure.delivery.state.name(),
        "attempts": failure.delivery.attempts,
        "error": failure.delivery.last_error,
        "next_attempt_at": failure.delivery.next_attempt_at.map(|at| at.to_string()),
    })
}

fn failure_row(failure: &Failure) -> Vec<String> {
    let delivery = &failure.delivery;
    vec![
        failure.event.to_string(),
        failure.kind.name().into(),
        delivery.channel.clone(),
        delivery.attempts.to_string(),
        delivery.last_error.clone().unwrap_or_default(),
        delivery
            .next_attempt_at
            .map_or_else(|| "never: given up".into(), |at| at.to_string()),
    ]
}

pub fn deliveries(listed: &[Listed]) -> Document {
    let table = Block::Table {
        headers: vec![
            "Event",
            "What",
            "User",
            "Created",
            "Channel",
            "State",
            "Attempts",
            "Last error",
        ],
        rows: listed.iter().map(listed_row).collect(),
    };
    let rows = listed.iter().map(listed_fields).collect();
    Document::list("notify-list", "deliveries", rows, vec![table])
}

fn user(event: &WrittenEvent) -> String {
    let named = event
        .about
        .as_ref()
        .map(|(user_id, currency)| format!("{user_id} {currency}"));
    named.unwrap_or_default()
}

/// An event without a delivery waits for the next run, or nobody wanted it.
fn state(listed: &Listed) -> &'static str {
    match &listed.delivery {
        Some(delivery) => delivery.state.name(),
        None if listed.is_distributed => "unwanted",
        None => DeliveryState::Pending.name(),
    }
}

fn listed_row(listed: &Listed) -> Vec<String> {
    let of = |field: fn(&Delivery) -> String| listed.delivery.as_ref().map(field).unwrap_or_default();
    vec![
        listed.event.id.to_string(),
        listed.event.kind.name().into(),
        user(&listed.event),
        listed.event.created_at.to_string(),
        of(|delivery| delivery.channel.clone()),
        state(listed).into(),
        of(|delivery| delivery.attempts.to_string()),
        of(|delivery| delivery.last_error.clone().unwrap_or_default()),
    ]
}

fn listed_fields(listed: &Listed) -> Value {
    let Listed { event, delivery, .. } = listed;
    let delivery = delivery.as_ref();
    let about = event.about.as_ref();
    json!({
        "event": event.id.to_string(),
        "kind": event.kind.name(),
        "user_id": about.map(|(user_id, _)| user_id.as_str()),
        "currency": about.map(|(_, currency)| currency.as_str()),
        "delivery_id": event.delivery_id,
        "created_at": event.created_at.to_string(),
        "payload": serde_json::from_str::<Value>(&event.payload).unwrap_or_default(),
        "channel": delivery.map(|delivery| delivery.channel.as_str()),
        "state": state(listed),
        "attempts": delivery.map(|delivery| delivery.attempts),
        "next_attempt_at": delivery.and_then(|delivery| delivery.next_attempt_at).map(|at| at.to_string()),
        "last_error": delivery.and_then(|delivery| delivery.last_error.as_deref()),
        "finished_at": delivery.and_then(|delivery| delivery.finished_at).map(|at| at.to_string()),
    })
}

/// How many deliveries will be made again.
pub fn resent(count: u64) -> Document {
    let line = match count {
        0 => "Nothing to send again".to_owned(),
        1 => "1 delivery is due again; `ledger notify` makes it".to_owned(),
        count => format!("{count} deliveries are due again; `ledger notify` makes them"),
    };
    Document::single("notify-resend", json!({"resent": count}), vec![Block::Line(line)])
}
