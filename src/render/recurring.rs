//! Recurring charges and their runs.

use serde_json::{Value, json};

use super::document::{Block, Document};
use super::unreadable;
use crate::domain::calendar::Every;
use crate::domain::recurring::RecurringCharge;
use crate::domain::text::{Description, IdempotencyKey, Reference};
use crate::ledger::recurring::RecurringView;
use crate::ledger::recurring::run::{Done, Kept, Unpaid};

fn fields(view: &RecurringView) -> Value {
    let RecurringView { charge, account } = view;
    let next = charge.next.as_ref();
    let cancelled = charge.cancelled.as_ref();
    json!({
        "id": charge.id.to_string(),
        "user_id": account.user_id.as_str(),
        "currency": account.currency.code().as_str(),
        "amount": account.currency.show(charge.amount.minor()).to_string(),
        "service": charge.service.as_str(),
        "every": charge.schedule.every.name(),
        "on": charge.schedule.every.day_number(),
        "at": charge.schedule.time_of_day(),
        "timezone": charge.schedule.zone.to_string(),
        "starts_on": charge.starts_on.to_string(),
        "ends_on": charge.ends_on.map(|on| on.to_string()),
        "state": charge.state().name(),
        "charged": charge.charged,
        "next_period": next.map(|due| charge.schedule.period(due.on)),
        "next_at": next.map(|due| due.at.to_string()),
        "refused": next.and_then(|due| due.refused).map_or(0, |refused| refused.times),
        "retry_at": next.filter(|due| due.refused.is_some()).map(|due| due.try_at.to_string()),
        "created_at": charge.created_at.to_string(),
        "created_by": charge.created_by.as_str(),
        "cancelled_at": cancelled.map(|how| how.at.to_string()),
        "cancelled_by": cancelled.map(|how| how.by.as_str()),
        "cancelled_why": cancelled.and_then(|how| how.why.as_ref()).map(Description::as_str),
        "reference": charge.note.reference.as_ref().map(Reference::as_str),
        "description": charge.note.description.as_ref().map(Description::as_str),
        "idempotency_key": charge.key.as_ref().map(IdempotencyKey::as_str),
    })
}

/// `day 31 of every month at 02:00 (Europe/Berlin)`
fn rhythm(charge: &RecurringCharge) -> String {
    let schedule = &charge.schedule;
    let day = match schedule.every {
        Every::Day => "every day".to_owned(),
        Every::Week(day) => format!("every {day}"),
        Every::Month(day) => format!("day {} of every month", day.get()),
    };
    format!("{day} at {} ({})", schedule.time_of_day(), schedule.zone)
}

fn amount(view: &RecurringView) -> String {
    let currency = &view.account.currency;
    currency.show_with_code(view.charge.amount.minor())
}

fn told(view: &RecurringView, headline: &str) -> Vec<Block> {
    let charge = &view.charge;
    let mut pairs = vec![
        ("Id", charge.id.to_string()),
        ("User", view.account.user_id.to_string()),
        ("Amount", amount(view)),
        ("Service", charge.service.to_string()),
        ("When", rhythm(charge)),
    ];
    match (&charge.next, &charge.cancelled) {
        (Some(due), _) => pairs.push(("Next", format!("{}, due {}", charge.schedule.period(due.on), due.at))),
        (None, Some(how)) => pairs.push(("Cancelled", format!("{} by {}", how.at, how.by.as_str()))),
        (None, None) => {}
    }
    pairs.push(("Charged", format!("{} periods", charge.charged)));
    vec![Block::Line(headline.into()), Block::Pairs(pairs)]
}

/// After `recurring add`; `new` is false where the same key had agreed on it before.
pub fn added(view: &RecurringView, new: bool) -> Document {
    let headline = if new {
        "Agreed; `ledger recurring run` charges it when it is due."
    } else {
        "Already agreed; nothing was written."
    };
    changed("recurring-add", view, (new, headline))
}

/// After `recurring cancel`; `new` is false where it had ended before.
pub fn cancelled(view: &RecurringView, new: bool) -> Document {
    let headline = if new {
        "Cancelled; what was charged stays.".to_owned()
    } else {
        format!("Already {}; nothing was written.", view.charge.state().name())
    };
    changed("recurring-cancel", view, (new, &headline))
}

fn changed(command: &'static str, view: &RecurringView, (changed, headline): (bool, &str)) -> Document {
    let mut data = fields(view);
    data["changed"] = changed.into();
    Document::single(command, data, told(view, headline))
}

pub fn list(views: &[RecurringView]) -> Document {
    let row = |view: &RecurringView| {
        let charge = &view.charge;
        let next = match &charge.next {
            Some(due) => due.try_at.to_string(),
            None => charge.state().name().to_owned(),
        };
        vec![
            charge.id.to_string(),
            view.account.user_id.to_string(),
            amount(view),
            charge.service.to_string(),
            rhythm(charge),
            next,
            charge.charged.to_string(),
            charge
                .next
                .and_then(|due| due.refused)
                .map_or_else(String::new, |refused| refused.times.to_string()),
        ]
    };
    let table = Block::Table {
        headers: vec!["Id", "User", "Amount", "Service", "When", "Next", "Charged", "Refused"],
        rows: views.iter().map(row).collect(),
    };
    Document::list(
        "recurring-list",
        "recurring",
        views.iter().map(fields).collect(),
        vec![table],
    )
}

fn unpaid_fields(unpaid: &Unpaid) -> Value {
    let Unpaid {
        view,
        due,
        kept,
        reason,
    } = unpaid;
    let (code, retry_at) = match kept {
        Kept::Refused { code, retry_at } => (Some(code.name()), *retry_at),
        _ => (None, None),
    };
    json!({
        "id": view.charge.id.to_string(),
        "user_id": view.account.user_id.as_str(),
        "currency": view.account.currency.code().as_str(),
        "amount": view.account.currency.show(view.charge.amount.minor()).to_string(),
        "service": view.charge.service.as_str(),
        "period": view.charge.schedule.period(due.on),
        "due_at": due.at.to_string(),
        "outcome": kept.name(),
        "code": code,
        "reason": reason,
        "retry_at": retry_at.map(|at| at.to_string()),
    })
}

pub fn run(done: &Done) -> Document {
    let rows: Vec<Value> = done.unpaid.iter().map(unpaid_fields).collect();
    let unreadable: unreadable::Unreadable = done
        .unreadable
        .iter()
        .map(|(id, why)| (id.to_string(), why.clone()))
        .collect();
    let data = json!({
        "charged": done.charged,
        "already": done.already,
        "refused": done.count("refused"),
        "suspended": done.count("suspended"),
        "waiting": done.count("waiting"),
        "failed": done.count("failed"),
        "unpaid": rows,
        "unreadable": unreadable::fields(&unreadable),
    });
    let mut human = Vec::new();
    if !done.unpaid.is_empty() {
        human.push(unpaid_table(&done.unpaid));
    }
    human.extend(unreadable::people(unreadable));
    human.push(Block::Pairs(vec![
        ("Charged", format!("{} periods", done.charged)),
        ("Already charged", done.already.to_string()),
        ("Refused", done.count("refused").to_string()),
        ("Suspended", done.count("suspended").to_string()),
        ("Waiting", done.count("waiting").to_string()),
        ("Failed", (done.count("failed") + done.unreadable.len()).to_string()),
    ]));
    human.extend(advice(done));
    Document {
        command: "recurring-run",
        data,
        rows,
        human,
    }
}

fn unpaid_table(unpaid: &[Unpaid]) -> Block {
    let row = |unpaid: &Unpaid| {
        let retry = match &unpaid.kept {
            Kept::Refused { retry_at, .. } => retry_at.map_or_else(|| "next run".into(), |at| at.to_string()),
            _ => String::new(),
        };
        vec![
            unpaid.view.charge.id.to_string(),
            unpaid.view.account.user_id.to_string(),
            amount(&unpaid.view),
            unpaid.view.charge.schedule.period(unpaid.due.on),
            unpaid.kept.name().into(),
            unpaid.reason.clone(),
            retry,
        ]
    };
    Block::Table {
        headers: vec!["Id", "User", "Amount", "Period", "Outcome", "Why", "Tried again"],
        rows: unpaid.iter().map(row).collect(),
    }
}

fn advice(done: &Done) -> Vec<Block> {
    let cases = [
        (
            "suspended",
            "Suspended accounts go on once a recharge suffices: `ledger suspensions --active`.",
        ),
        (
            "catch_up",
            "Run `ledger recurring run` again for the periods that are left, or raise --max-catch-up.",
        ),
        (
            "failed",
            "Look with `ledger verify-sync --user-id ...` at accounts that failed.",
        ),
    ];
    let lines = cases.iter().filter(|(name, _)| done.count(name) > 0);
    lines.map(|(_, line)| Block::Line((*line).into())).collect()
}
