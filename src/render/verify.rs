//! Reports of `verify-sync` and `rebuild`.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::domain::account::Account;
use crate::domain::drift::Drift;
use crate::domain::money::Minor;
use crate::ledger::error::Obstacle;
use crate::ledger::verify::{Finding, Report};

pub fn report(command: &'static str, report: &Report, fixing: bool) -> Document {
    let rows: Vec<Value> = report.findings.iter().flat_map(differences).collect();
    let unseen = report.unseen.iter();
    let unseen: Vec<Value> = unseen
        .map(|account| json!({ "user_id": account.user_id.as_str(), "currency": account.currency.code().as_str() }))
        .collect();
    let data = json!({
        "run_id": report.run_id,
        "checked": report.checked,
        "in_sync": report.in_sync,
        "fixed": report.fixed,
        "needs_attention": report.needs_attention,
        "entries": report.entries,
        "summed": report.summed,
        "digest": report.digest.map(|digest| digest.to_string()),
        "backup": report.backup.as_ref().map(|path| path.display().to_string()),
        "anchor": report.anchored.as_ref().map(|anchored| json!({
            "file": anchored.file.display().to_string(),
            "checked": anchored.checked,
            "appended": anchored.appended,
            "torn": anchored.torn,
        })),
        "stopped": report.stopped.as_ref().map(obstacle),
        "differences": rows,
        "unseen": unseen,
    });
    Document {
        command,
        data,
        rows,
        human: told(report, fixing),
    }
}

/// What stood in the way of something.
pub(super) fn obstacle(met: &Obstacle) -> Value {
    json!({ "code": met.code.name(), "message": met.message })
}

/// One row per difference; a damaged journal is a difference of its own.
fn differences(finding: &Finding) -> Vec<Value> {
    let row = |field: &str, stored: Value, actual: Value, difference: Value| {
        json!({
            "user_id": finding.account.as_ref().map(|account| account.user_id.as_str()),
            "currency": finding.account.as_ref().map(|account| account.currency.code().as_str()),
            "account": finding.id.get(),
            "field": field,
            "stored": stored,
            "actual": actual,
            "difference": difference,
            "first_broken_entry": finding.broken.map(|broken| broken.seq),
            "record": Value::Null,
            "kind": Value::Null,
            "fixed": finding.fixed,
            "obstacle": finding.obstacle.as_ref().map(obstacle),
        })
    };
    let mut rows: Vec<Value> = finding
        .drifts
        .iter()
        .map(|drift| {
            let (stored, actual, difference) = sides(finding.account.as_ref(), drift);
            row(drift.field(), stored.into(), actual.into(), difference.into())
        })
        .collect();
    if let Some(broken) = finding.broken {
        rows.push(row("chain", Value::Null, broken.reason.meaning().into(), Value::Null));
    }
    if finding.orphaned {
        rows.push(row(
            "entries",
            Value::Null,
            "entries of an account that does not exist".into(),
            Value::Null,
        ));
    }
    if rows.is_empty()
        && let Some(met) = &finding.obstacle
    {
        rows.push(row("account", Value::Null, met.message.as_str().into(), Value::Null));
    }
    for issue in &finding.issues {
        let mut wrong = row(issue.table, Value::Null, issue.what.as_str().into(), Value::Null);
        wrong["record"] = issue.record.as_str().into();
        wrong["kind"] = issue.kind.into();
        rows.push(wrong);
    }
    rows
}

/// Stored, actual and difference as text; amounts with the account's digits.
fn sides(account: Option<&Account>, drift: &Drift) -> (Option<String>, Option<String>, Option<String>) {
    let show = |minor: Minor| account.map_or_else(|| minor.get().to_string(), |a| a.currency.show(minor).to_string());
    match drift {
        Drift::Amount { stored, actual, .. } => (
            Some(show(*stored)),
            Some(show(*actual)),
            actual.minus(*stored).ok().map(show),
        ),
        Drift::Number { stored, actual, .. } => (
            Some(stored.to_string()),
            Some(actual.to_string()),
            actual.checked_sub(*stored).map(|difference| difference.to_string()),
        ),
        Drift::Head { stored, actual } => (Some(stored.to_string()), Some(actual.to_string()), None),
        Drift::Missing { actual } => (None, Some(show(actual.balance)), Some(show(actual.balance))),
        Drift::Extra { stored } => (
            Some(show(stored.balance)),
            None,
            stored.balance.negated().ok().map(show),
        ),
    }
}

fn told(report: &Report, fixing: bool) -> Vec<Block> {
    let mut blocks = Vec::new();
    if !report.findings.is_empty() {
        blocks.push(Block::Table {
            headers: vec!["User", "Currency", "Field", "Stored", "Actual", "Difference", "Outcome"],
            rows: report.findings.iter().flat_map(table_rows).collect(),
        });
    }
    if let Some(path) = &report.backup {
        blocks.push(Block::Line(format!("Backup: {}", path.display())));
    }
    blocks.push(Block::Line(format!("Checked: {} accounts", report.checked)));
    blocks.push(Block::Line(format!("In sync: {}", report.in_sync)));
    blocks.push(Block::Line(format!("Fixed: {}", report.fixed)));
    blocks.push(Block::Line(format!("Needs attention: {}", report.needs_attention)));
    match report.digest {
        Some(digest) => blocks.push(Block::Line(format!("Digest: {digest} ({} entries)", report.entries))),
        None => blocks.push(Block::Line(format!(
            "Not looked at: {}, on a server that is not reachable; without them there is no digest",
            named(&report.unseen)
        ))),
    }
    if let Some(anchored) = &report.anchored {
        let (added, torn) = match (anchored.appended, anchored.torn) {
            (true, true) => ("today's was added", "; one that was torn off was replaced"),
            (true, false) => ("today's was added", ""),
            (false, true) => ("today's was not added", "; the last one is torn off"),
            (false, false) => ("today's was not added", ""),
        };
        blocks.push(Block::Line(format!(
            "Anchors: {} checked, {added}{torn}",
            anchored.checked
        )));
    }
    if report.summed < report.entries {
        blocks.push(Block::Line(format!(
            "Summed: {} entries, the others by what was proven before",
            report.summed
        )));
    }
    if report.findings.iter().any(Finding::is_integrity) {
        blocks.push(Block::Line(
            "What an outcome names is damaged and cannot be recomputed; restore it from a backup.".into(),
        ));
    } else if report.needs_attention > 0 && !fixing {
        blocks.push(Block::Line("Repair with: ledger verify-sync --fix".into()));
    }
    blocks
}

/// The first of many accounts.
fn named(accounts: &[Account]) -> String {
    const SHOWN: usize = 10;
    let name = |account: &Account| format!("user {} in {}", account.user_id, account.currency.code());
    let names: Vec<String> = accounts.iter().take(SHOWN).map(name).collect();
    match accounts.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more (all of them with --format json)", names.join(", ")),
    }
}

fn table_rows(finding: &Finding) -> Vec<Vec<String>> {
    let outcome = match (finding.fixed, finding.broken, finding.orphaned, &finding.obstacle) {
        (true, ..) => "fixed".to_string(),
        (_, Some(broken), ..) => format!("entry {}: {}", broken.seq, broken.reason.meaning()),
        (_, _, true, _) => "entries without account".into(),
        (.., Some(met)) => format!("left as it is: {}", met.message),
        _ => "differs".into(),
    };
    let who = finding
        .account
        .as_ref()
        .map_or_else(|| format!("account {}", finding.id), |a| a.user_id.to_string());
    let currency = finding
        .account
        .as_ref()
        .map(|a| a.currency.code().to_string())
        .unwrap_or_default();
    let row = |field: &str, sides: (Option<String>, Option<String>, Option<String>)| {
        let (stored, actual, difference) = sides;
        let short = |text: Option<String>| {
            let text = text.unwrap_or_else(|| "-".into());
            if field == "chain_head" {
                text.chars().take(12).collect()
            } else {
                text
            }
        };
        vec![
            who.clone(),
            currency.clone(),
            field.to_string(),
            short(stored),
            short(actual),
            difference.unwrap_or_default(),
            outcome.clone(),
        ]
    };
    let mut rows: Vec<Vec<String>> = finding
        .drifts
        .iter()
        .map(|drift| row(drift.field(), sides(finding.account.as_ref(), drift)))
        .collect();
    if rows.is_empty() && (finding.broken.is_some() || finding.orphaned || finding.obstacle.is_some()) {
        rows.push(row("entries", (None, None, None)));
    }
    rows.extend(finding.issues.iter().map(|issue| {
        let mut cells = row(issue.table, (None, None, None));
        let named = if issue.record.is_empty() {
            String::new()
        } else {
            format!("{}: ", issue.record)
        };
        if let Some(outcome) = cells.last_mut() {
            *outcome = format!("{named}{}", issue.what);
        }
        cells
    }));
    rows
}
