//! `report daily`: for people on a terminal, for programs, and as a page.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

pub use super::page::page;
use super::usage_name;
use crate::ledger::report::daily::{Book, Daily, RecordedRun, Todo, TopAccount};
use crate::render::document::{Block, Document};
use crate::render::sink::Sink;

/// Writes the page as a whole or not at all.
pub fn write_page(daily: &Daily, path: &Path) -> io::Result<()> {
    let mut sink = Sink::open(Some(path))?;
    sink.buffer().push_str(&page(daily));
    sink.finish()
}

fn todo_fields(todo: &Todo) -> Value {
    json!({"severity": todo.severity.name(), "what": todo.what, "next": todo.next})
}

fn job_fields(run: &RecordedRun) -> Value {
    let counts = run
        .counts
        .as_deref()
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({
        "job": run.job,
        "started_at": run.started_at.to_string(),
        "finished_at": run.finished_at.map(|at| at.to_string()),
        "exit_code": run.exit_code,
        "counts": counts,
    })
}

fn book_fields(book: &Book) -> Value {
    let show = |units: i128| book.currency.show_sum(units).to_string();
    let top =
        |top: &TopAccount| json!({"user_id": top.user_id.as_str(), "entries": top.entries, "spent": show(top.spent)});
    let revenue = book.revenue.iter().map(|line| {
        json!({"method": line.method, "recharges": line.recharges, "amount": show(line.amount),
            "taken_back": show(line.taken_back), "net": show(line.net())})
    });
    let usage = book.usage.iter().map(|line| {
        json!({"service": line.service(), "counter_account": line.counter_account, "charges": line.charges,
            "spent": show(line.spent), "refunded": show(line.refunded), "net": show(line.net())})
    });
    json!({
        "currency": book.currency.code().as_str(),
        "balances": book.balances.iter().copied().map(show).collect::<Vec<_>>(),
        "revenue": revenue.collect::<Vec<_>>(),
        "usage": usage.collect::<Vec<_>>(),
        "top_accounts": book.top.iter().map(top).collect::<Vec<_>>(),
    })
}

/// `path` where a page was written.
pub fn document(daily: &Daily, path: Option<&Path>) -> Document {
    let days = daily.days.list.iter().zip(&daily.entries).zip(&daily.attempts);
    let days = days.map(|((day, entries), ends)| {
        json!({"day": day.name, "entries": entries, "applied": ends.applied, "refused": ends.refused,
            "failed": ends.failed, "pending": ends.pending})
    });
    let path = path.map(|path| path.display().to_string());
    let data = json!({
        "date": daily.day.to_string(),
        "at": daily.now.to_string(),
        "html": path,
        "accounts": daily.accounts,
        "open_alerts": daily.open_alerts,
        "ending_soon": daily.forecast.warnings,
        "findings": daily.todo.iter().map(todo_fields).collect::<Vec<_>>(),
        "jobs": daily.jobs.iter().map(job_fields).collect::<Vec<_>>(),
        "days": days.collect::<Vec<_>>(),
        "currencies": daily.books.iter().map(book_fields).collect::<Vec<_>>(),
    });
    let human = match path {
        Some(path) => vec![Block::Line(format!("Written to {path}."))],
        None => told(daily),
    };
    Document::single("report-daily", data, human)
}

fn told(daily: &Daily) -> Vec<Block> {
    let today = daily.attempts.last().copied().unwrap_or_default();
    let mut blocks = vec![Block::Pairs(vec![
        ("Day", daily.day.to_string()),
        ("Accounts", daily.accounts.to_string()),
        ("Entries", daily.entries.last().copied().unwrap_or(0).to_string()),
        (
            "Attempts",
            format!(
                "{} applied, {} refused, {} failed",
                today.applied, today.refused, today.failed
            ),
        ),
        ("Open alerts", daily.open_alerts.to_string()),
        ("Ending soon", format!("{} balances", daily.forecast.warnings)),
    ])];
    if daily.todo.is_empty() {
        blocks.push(Block::Line("Nothing to look at.".into()));
    } else {
        let row = |todo: &Todo| vec![todo.severity.name().into(), todo.what.clone(), todo.next.clone()];
        blocks.push(Block::Table {
            headers: vec!["Severity", "What", "Next"],
            rows: daily.todo.iter().map(row).collect(),
        });
    }
    let lines: Vec<Vec<String>> = daily.books.iter().flat_map(lines).collect();
    if !lines.is_empty() {
        blocks.push(Block::Table {
            headers: vec!["Currency", "", "", "Amount"],
            rows: lines,
        });
    }
    blocks
}

/// What the day came to in one currency.
fn lines(book: &Book) -> Vec<Vec<String>> {
    let line = |what: &str, name: &str, units: i128| {
        let amount = book.currency.show_sum(units).to_string();
        vec![
            book.currency.code().to_string(),
            what.to_owned(),
            name.to_owned(),
            amount,
        ]
    };
    let balance = book.balances.last().copied().unwrap_or(0);
    let mut lines = vec![line("balance and held", "", balance)];
    let revenue = book.revenue.iter();
    lines.extend(revenue.map(|of| line("revenue", of.method.as_deref().unwrap_or_default(), of.net())));
    lines.extend(book.usage.iter().map(|of| line("usage", usage_name(of), of.net())));
    lines.extend(
        book.top
            .iter()
            .map(|top| line("spent most", top.user_id.as_str(), top.spent)),
    );
    lines
}
