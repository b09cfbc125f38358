//! Reports of `audit`: every finding with where, why, and the next command to type.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::domain::close::Totals;
use crate::domain::currency::Currency;
use crate::domain::histogram::ERROR_BASIS_POINTS;
use crate::ledger::audit::{CurrencyReport, Ends, Finding, Report};

pub fn report(report: &Report) -> Document {
    let rows: Vec<Value> = report.findings.list.iter().map(finding).collect();
    let Ends {
        applied,
        refused,
        failed,
        pending,
    } = report.ends();
    let data = json!({
        "run_id": report.run_id,
        "since": report.since.to_string(),
        "until": report.until.to_string(),
        "last_close": report.last_close.map(|at| at.to_string()),
        "closed": report.closed,
        "accounts": report.accounts,
        "in_sync": report.in_sync,
        "digest": report.digest.to_string(),
        "totals": report.currencies.iter().map(totals).collect::<Vec<_>>(),
        "kinds": report.currencies.iter().flat_map(kinds).collect::<Vec<_>>(),
        "attempts": {
            "applied": applied,
            "refused": refused,
            "failed": failed,
            "pending": pending,
            "success_percent": success(report),
            "by_operation": operations(report),
            "reasons": reasons(report),
        },
        "duration_us": durations(report),
        "in_work": report.in_work,
        "stranded": report.stranded,
        "entries": report.entries,
        "usual_entries": report.usual_volume,
        "critical": report.findings.critical,
        "warning": report.findings.warning,
        "mended": report.findings.mended(),
        "alerts_closed": report.alerts_closed,
        "findings": rows,
        "omitted_findings": report.findings.omitted,
        "recommendations": recommendations(report),
    });
    Document {
        command: "audit",
        data,
        rows,
        human: told(report),
    }
}

fn finding(finding: &Finding) -> Value {
    let owner = finding.owner.as_ref();
    json!({
        "severity": finding.severity.name(),
        "finding": finding.name,
        "account": finding.id.map(crate::domain::account::AccountId::get),
        "user_id": owner.map(|(user_id, _)| user_id.as_str()),
        "currency": owner.map(|(_, currency)| currency.as_str()),
        "message": finding.message,
        "entries": finding.entries,
        "keys": finding.keys,
        "next": finding.next,
        "mended": finding.mended,
    })
}

fn sums(currency: &Currency, totals: &Totals) -> Value {
    let show = |sum| currency.show_sum(sum).to_string();
    json!({
        "entries": totals.entries,
        "balance": show(totals.balance),
        "held": show(totals.held),
        "debt": show(totals.debt),
    })
}

fn totals(report: &CurrencyReport) -> Value {
    let sums = |totals: &Totals| sums(&report.currency, totals);
    json!({
        "currency": report.currency.code().as_str(),
        "accounts": report.accounts,
        "opening": sums(&report.opening),
        "period": sums(&report.period),
        "closing": sums(&report.closing),
        "last_close": report.tie.as_ref().map(|tie| sums(&tie.said)),
        "last_close_now": report.tie.as_ref().map(|tie| sums(&tie.now)),
        "late": report.tie.as_ref().map(|tie| sums(&tie.late)),
        "since_last_close": report.tie.as_ref().map(|tie| sums(&tie.moved)),
    })
}

fn kinds(report: &CurrencyReport) -> Vec<Value> {
    let of = |(kind, totals): (&crate::domain::entry::EntryKind, &Totals)| {
        let mut row = json!({"currency": report.currency.code().as_str(), "kind": kind.name()});
        if let (Some(row), Value::Object(sums)) = (row.as_object_mut(), sums(&report.currency, totals)) {
            row.extend(sums);
        }
        row
    };
    report.kinds.iter().map(of).collect()
}

/// With two decimals, rounded down.
fn success(report: &Report) -> Option<String> {
    let points = report.success_basis_points()?;
    Some(format!("{}.{:02}", points / 100, points % 100))
}

fn operations(report: &Report) -> Vec<Value> {
    let of = |(operation, ends): (&String, &Ends)| {
        json!({
            "operation": operation,
            "applied": ends.applied,
            "refused": ends.refused,
            "failed": ends.failed,
            "pending": ends.pending,
        })
    };
    report.operations.iter().map(of).collect()
}

fn reasons(report: &Report) -> Vec<Value> {
    let reasons = report.reasons.iter();
    reasons
        .map(|((operation, state, reason), count)| {
            json!({"operation": operation, "state": state, "reason": reason, "count": count})
        })
        .collect()
}

fn durations(report: &Report) -> Value {
    let percentile = |percent| report.durations.percentile(percent);
    json!({
        "count": report.durations.count(),
        "p50": percentile(50),
        "p95": percentile(95),
        "p99": percentile(99),
        "max": report.durations.max(),
        // A percentile may be that much too high, never too low; the maximum is exact.
        "error_basis_points": ERROR_BASIS_POINTS,
    })
}

/// What to do, each once: of many findings of one kind, the first.
fn advice(report: &Report) -> Vec<(&Finding, usize)> {
    let mut advice: Vec<(&Finding, usize)> = Vec::new();
    for finding in report.findings.list.iter().filter(|finding| !finding.mended) {
        let same = |known: &&mut (&Finding, usize)| {
            known.0.next == finding.next || (known.0.name == finding.name && known.0.owner.is_some())
        };
        match advice.iter_mut().find(same) {
            Some((_, count)) => *count += 1,
            None => advice.push((finding, 1)),
        }
    }
    advice
}

fn recommendations(report: &Report) -> Vec<Value> {
    let told = advice(report).into_iter();
    told.map(|(finding, count)| json!({"why": finding.message, "findings": count, "next": finding.next}))
        .collect()
}

fn told(report: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    if !report.findings.list.is_empty() {
        blocks.push(findings_table(report));
    }
    if report.findings.omitted > 0 {
        blocks.push(Block::Line(format!("And {} findings more.", report.findings.omitted)));
    }
    blocks.push(Block::Pairs(summary(report)));
    blocks.push(totals_table(report));
    if report.entries > 0 {
        blocks.push(kinds_table(report));
    }
    if !report.operations.is_empty() {
        blocks.push(attempts_table(report));
    }
    if !report.reasons.is_empty() {
        blocks.push(reasons_table(report));
    }
    let advice = advice(report);
    if !advice.is_empty() {
        blocks.push(Block::Line("Next:".into()));
        blocks.extend(advice.into_iter().map(|(finding, count)| {
            let more = if count > 1 {
                format!("  ({count} findings)")
            } else {
                String::new()
            };
            Block::Line(format!("  {}{more}", finding.next))
        }));
    }
    blocks
}

fn findings_table(report: &Report) -> Block {
    let row = |finding: &Finding| {
        let entries: Vec<String> = finding.entries.iter().map(i64::to_string).collect();
        vec![
            finding.severity.name().into(),
            finding.name.clone(),
            finding
                .owner
                .as_ref()
                .map(|(user_id, _)| user_id.to_string())
                .unwrap_or_default(),
            finding.message.clone(),
            entries.join(" "),
            finding.keys.join(" "),
            if finding.mended { "mended" } else { "" }.into(),
        ]
    };
    Block::Table {
        headers: vec!["Severity", "Finding", "User", "What", "Entries", "Keys", ""],
        rows: report.findings.list.iter().map(row).collect(),
    }
}

fn summary(report: &Report) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("Period", format!("{} to {}", report.since, report.until)),
        (
            "Last close",
            report.last_close.map_or_else(|| "none".into(), |at| at.to_string()),
        ),
        ("Checked", format!("{} accounts", report.accounts)),
        ("In sync", report.in_sync.to_string()),
        (
            "Entries",
            match report.usual_volume {
                Some(usual) => format!("{} (usual: {usual})", report.entries),
                None => report.entries.to_string(),
            },
        ),
        (
            "Success",
            success(report).map_or_else(|| "-".into(), |percent| format!("{percent} %")),
        ),
        ("Took", took(report)),
        (
            "Pending",
            format!("{} in work, {} stranded", report.in_work, report.stranded),
        ),
        ("Critical", report.findings.critical.to_string()),
        ("Warning", report.findings.warning.to_string()),
    ];
    if report.repair {
        pairs.push(("Mended", report.findings.mended().to_string()));
        pairs.push(("Closed", format!("{} alerts", report.alerts_closed)));
    }
    pairs
}

fn took(report: &Report) -> String {
    let shown = |micros: Option<u64>| micros.map_or_else(|| "-".into(), |micros| format!("{micros} us"));
    format!(
        "half within {}, 95 % {}, 99 % {}, the longest {}",
        shown(report.durations.percentile(50)),
        shown(report.durations.percentile(95)),
        shown(report.durations.percentile(99)),
        shown(report.durations.max()),
    )
}

fn totals_table(report: &Report) -> Block {
    let mut rows = Vec::new();
    for of in &report.currencies {
        let mut row = |name: &str, totals: &Totals| {
            rows.push(vec![
                of.currency.code().to_string(),
                name.into(),
                totals.entries.to_string(),
                of.currency.show_sum(totals.balance).to_string(),
                of.currency.show_sum(totals.held).to_string(),
                of.currency.show_sum(totals.debt).to_string(),
            ]);
        };
        row("opening", &of.opening);
        row("period", &of.period);
        row("closing", &of.closing);
        if let Some(tie) = &of.tie {
            row("last close", &tie.said);
            row("came late", &tie.late);
            row("since then", &tie.moved);
        }
    }
    Block::Table {
        headers: vec!["Currency", "", "Entries", "Balance", "Held", "Debt"],
        rows,
    }
}

fn kinds_table(report: &Report) -> Block {
    let rows = report.currencies.iter().flat_map(|of| {
        of.kinds.iter().map(|(kind, totals)| {
            vec![
                of.currency.code().to_string(),
                kind.name().into(),
                totals.entries.to_string(),
                of.currency.show_sum(totals.balance).to_string(),
                of.currency.show_sum(totals.held).to_string(),
                of.currency.show_sum(totals.debt).to_string(),
            ]
        })
    });
    Block::Table {
        headers: vec!["Currency", "Kind", "Entries", "Balance", "Held", "Debt"],
        rows: rows.collect(),
    }
}

fn attempts_table(report: &Report) -> Block {
    let row = |(operation, ends): (&String, &Ends)| {
        vec![
            operation.clone(),
            ends.applied.to_string(),
            ends.refused.to_string(),
            ends.failed.to_string(),
            ends.pending.to_string(),
        ]
    };
    Block::Table {
        headers: vec!["Operation", "Applied", "Refused", "Failed", "Pending"],
        rows: report.operations.iter().map(row).collect(),
    }
}

fn reasons_table(report: &Report) -> Block {
    let reasons = report.reasons.iter();
    let rows = reasons.map(|((operation, state, reason), count)| {
        vec![operation.clone(), (*state).into(), reason.clone(), count.to_string()]
    });
    Block::Table {
        headers: vec!["Operation", "Ended", "Reason", "Attempts"],
        rows: rows.collect(),
    }
}
