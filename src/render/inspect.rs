//! History and explanation of an account.

use serde_json::{Value, json};

use super::document::{Block, Document, value};
use super::hold::hold_fields;
use super::posting::entry_fields;
use super::suspension::suspension_fields;
use crate::domain::currency::Currency;
use crate::domain::entry::Entry;
use crate::ledger::account::AccountView;
use crate::ledger::inspect::{Explanation, History};

pub fn history(history: &History) -> Document {
    let currency = &history.account.currency;
    let rows: Vec<Value> = history
        .entries
        .iter()
        .map(|entry| value(&entry_fields(entry, currency)))
        .collect();
    let mut human = vec![table(&history.entries, currency)];
    if let Some(before) = history.next_before {
        human.push(Block::Line(format!("Older entries: add --before {before}")));
    }
    let data = json!({
        "user_id": history.account.user_id.as_str(),
        "currency": currency.code().as_str(),
        "entries": rows,
        "next_before": history.next_before,
    });
    Document {
        command: "history",
        data,
        rows,
        human,
    }
}

/// With what is owed, where anything is: of a clawback into debt, the balance tells nothing.
fn table(entries: &[Entry], currency: &Currency) -> Block {
    let with_debt = entries
        .iter()
        .any(|entry| !entry.after.debt.is_zero() || !entry.movement.deltas.debt.is_zero());
    let row = |entry: &Entry| {
        let note = &entry.stamp.note;
        let show = |minor| currency.show(minor).to_string();
        let mut row = vec![
            entry.seq.to_string(),
            entry.stamp.at.to_string(),
            entry.movement.kind.to_string(),
            currency.show_sum(entry.movement.deltas.worth()).to_string(),
            show(entry.after.balance),
            show(entry.after.held),
        ];
        row.extend(with_debt.then(|| show(entry.after.debt)));
        row.extend([
            entry.movement.counter_account.as_str().into(),
            note.reference.as_ref().map(ToString::to_string).unwrap_or_default(),
            note.description.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]);
        row
    };
    let mut headers = vec!["Seq", "Time", "Kind", "Amount", "Balance", "Held"];
    headers.extend(with_debt.then_some("Debt"));
    headers.extend(["Counter-account", "Reference", "Description"]);
    Block::Table {
        headers,
        rows: entries.iter().map(row).collect(),
    }
}

pub fn explanation(explanation: &Explanation) -> Document {
    let Explanation {
        view,
        parts,
        open_holds,
        suspension,
        usage,
        at,
    } = explanation;
    let AccountView {
        account,
        figures,
        last_seq: _,
    } = view;
    let currency = &account.currency;
    let amount = |minor| currency.show(minor).to_string();
    let sum = |units| currency.show_sum(units).to_string();
    let rows: Vec<Value> = parts
        .iter()
        .map(|part| {
            json!({
                "kind": part.kind.name(),
                "counter_account": part.counter_account,
                "entries": part.entries,
                "balance": sum(part.balance),
                "held": sum(part.held),
                "debt": sum(part.debt),
                "currency": currency.code().as_str(),
            })
        })
        .collect();
    let table = Block::Table {
        headers: vec!["Kind", "Counter-account", "Entries", "Balance", "Held", "Debt"],
        rows: parts
            .iter()
            .map(|part| {
                vec![
                    part.kind.to_string(),
                    part.counter_account.clone(),
                    part.entries.to_string(),
                    sum(part.balance),
                    sum(part.held),
                    sum(part.debt),
                ]
            })
            .collect(),
    };
    let reasons = reasons(explanation);
    let limited = account.limits.any();
    let data = json!({
        "user_id": account.user_id.as_str(),
        "currency": currency.code().as_str(),
        "balance": amount(figures.balance),
        "held": amount(figures.held),
        "debt": amount(figures.debt),
        "parts": rows,
        "open_holds": open_holds.iter().map(|hold| hold_fields(account, &hold.at(*at))).collect::<Vec<_>>(),
        "suspension": suspension.as_ref().map(|s| suspension_fields(currency, s, *at)),
        "charges_last_minute": limited.then_some(usage.charges_last_minute),
        "spent_today": limited.then(|| amount(usage.spent_today)),
        "reasons": reasons,
    });
    let mut human = vec![table];
    human.extend(reasons.into_iter().map(Block::Line));
    Document {
        command: "explain",
        data,
        rows,
        human,
    }
}

/// The figures and what stands in the way of them, in sentences.
fn reasons(explanation: &Explanation) -> Vec<String> {
    let Explanation {
        view: AccountView {
            account,
            figures,
            last_seq,
        },
        open_holds,
        suspension,
        usage,
        at,
        ..
    } = explanation;
    let show = |minor| account.currency.show_with_code(minor);
    let mut reasons = vec![format!(
        "{} is available after {last_seq} entries, {} is held, {} is owed.",
        show(figures.balance),
        account.currency.show(figures.held),
        account.currency.show(figures.debt),
    )];
    reasons.extend(open_holds.iter().map(|hold| {
        let end = match hold.expires_at {
            Some(_) if hold.is_overdue(*at) => ", overdue: it is given back when the account is touched".into(),
            Some(expires_at) => format!(" until {expires_at}"),
            None => String::new(),
        };
        format!("Hold {} sets {} aside{end}.", hold.id, show(hold.remaining))
    }));
    if account.closed {
        reasons.push("The account is closed: nothing can be charged or paid in.".into());
    } else if account.locked {
        reasons.push("The account is locked: nothing can be charged, money in is still taken.".into());
    }
    if let Some(suspension) = suspension {
        let way_out = match suspension.lifting_balance(account) {
            Some(enough) => format!("a recharge that brings the balance to {} resumes it", show(enough)),
            None => "`ledger resume` opens it".into(),
        };
        reasons.push(format!(
            "The account is suspended since {} ({}): nothing can be charged; {way_out}.",
            suspension.suspended_at, suspension.reason,
        ));
    }
    if let Some(allowed) = account.limits.charges_per_minute {
        let counted = usage.charges_last_minute;
        reasons.push(format!(
            "Of {allowed} charges and freezes per minute, {counted} have been made."
        ));
    }
    if let Some(allowed) = account.limits.spend_per_day {
        let (spent, held) = (show(usage.spent_today), show(figures.held));
        reasons.push(format!(
            "Of {} per day, {spent} has been spent and {held} is held.",
            show(allowed.minor())
        ));
    }
    if let Some(threshold) = account
        .low_balance_threshold
        .filter(|_| account.is_low(figures.balance))
    {
        reasons.push(format!("The balance is below the threshold of {}.", show(threshold)));
    }
    reasons
}
