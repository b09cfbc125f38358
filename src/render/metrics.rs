//! Metrics in the text format of Prometheus.

use serde_json::{Value, json};

use super::document::{Block, Document};
use crate::ledger::metrics::{CurrencyTally, Metrics, RecordedRun};

/// A name with its meaning, and its values by labels.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    samples: Vec<Sample>,
}

struct Sample {
    labels: Vec<(&'static str, String)>,
    /// As digits: an amount is exact here, whatever the reader makes of it.
    value: String,
}

fn gauge(name: &'static str, help: &'static str, samples: Vec<Sample>) -> Family {
    Family {
        name,
        help,
        kind: "gauge",
        samples,
    }
}

fn plain(value: impl ToString) -> Vec<Sample> {
    vec![labelled(Vec::new(), value)]
}

fn labelled(labels: Vec<(&'static str, String)>, value: impl ToString) -> Sample {
    Sample {
        labels,
        value: value.to_string(),
    }
}

fn families(metrics: &Metrics) -> Vec<Family> {
    let mut families = about_the_ledger(metrics);
    families.extend(by_currency(metrics));
    families.extend(by_job(metrics));
    families
}

fn about_the_ledger(metrics: &Metrics) -> Vec<Family> {
    let waiting = &metrics.waiting;
    let alerts = metrics.alerts.iter();
    let alerts =
        alerts.map(|(severity, open)| labelled(vec![("severity", severity.name().to_ascii_lowercase())], open));
    let build = vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("engine", metrics.engine.to_owned()),
    ];
    let digest = metrics.digest.iter();
    let digest = digest.map(|(job, digest)| labelled(vec![("digest", digest.clone()), ("job", job.clone())], 1));
    vec![
        gauge(
            "ledger_build_info",
            "The program that wrote this, and the kind of its database.",
            vec![labelled(build, 1)],
        ),
        gauge(
            "ledger_schema_info",
            "The last migration of the database's schema.",
            vec![labelled(vec![("version", metrics.schema.clone())], 1)],
        ),
        gauge(
            "ledger_digest_info",
            "The digest of the whole ledger, as the latest run of a job found it.",
            digest.collect(),
        ),
        gauge(
            "ledger_written_timestamp_seconds",
            "When this was written.",
            plain(seconds(metrics.at.micros())),
        ),
        gauge(
            "ledger_holds_open",
            "Holds that are neither committed nor given back.",
            plain(waiting.open_holds),
        ),
        gauge(
            "ledger_recharges_pending",
            "Recharges that are neither completed nor given up.",
            plain(waiting.pending_recharges),
        ),
        gauge(
            "ledger_credits_pending",
            "Credits of purchases that have not come yet.",
            plain(waiting.pending_credits),
        ),
        gauge(
            "ledger_credits_due",
            "Pending credits whose time has come.",
            plain(waiting.due_credits),
        ),
        gauge(
            "ledger_intents_stranded",
            "Attempts that a crash had left pending when the latest audit counted them.",
            metrics.stranded.map(plain).unwrap_or_default(),
        ),
        gauge(
            "ledger_alerts_open",
            "Alerts whose cause is not gone.",
            alerts.collect(),
        ),
    ]
}

fn by_currency(metrics: &Metrics) -> Vec<Family> {
    type Figure = fn(&CurrencyTally) -> String;
    let figures: [(&str, &str, &str, Figure); 7] = [
        ("ledger_accounts", "Accounts, closed ones included.", "gauge", |tally| {
            tally.accounts.to_string()
        }),
        (
            "ledger_accounts_locked",
            "Accounts that are locked.",
            "gauge",
            |tally| tally.locked.to_string(),
        ),
        (
            "ledger_accounts_suspended",
            "Accounts that are suspended.",
            "gauge",
            |tally| tally.suspended.to_string(),
        ),
        (
            "ledger_balance",
            "What is available, in units of the currency.",
            "gauge",
            |tally| tally.currency.show_sum(tally.balance).to_string(),
        ),
        (
            "ledger_held",
            "What is held, in units of the currency.",
            "gauge",
            |tally| tally.currency.show_sum(tally.held).to_string(),
        ),
        (
            "ledger_debt",
            "What is owed, in units of the currency.",
            "gauge",
            |tally| tally.currency.show_sum(tally.debt).to_string(),
        ),
        ("ledger_entries_total", "Entries of the journal.", "counter", |tally| {
            tally.entries.to_string()
        }),
    ];
    let family = |(name, help, kind, figure): (&'static str, &'static str, &'static str, Figure)| {
        let tallies = metrics.currencies.iter();
        let samples =
            tallies.map(|tally| labelled(vec![("currency", tally.currency.code().to_string())], figure(tally)));
        Family {
            name,
            help,
            kind,
            samples: samples.collect(),
        }
    };
    figures.map(family).into()
}

fn by_job(metrics: &Metrics) -> Vec<Family> {
    type Figure = fn(&RecordedRun) -> Option<String>;
    let figures: [(&str, &str, Figure); 4] = [
        (
            "ledger_job_start_timestamp_seconds",
            "When the latest run of a job began.",
            |run| Some(seconds(run.started_at.micros())),
        ),
        (
            "ledger_job_end_timestamp_seconds",
            "When the latest run of a job ended.",
            |run| Some(seconds(run.finished_at?.micros())),
        ),
        (
            "ledger_job_duration_seconds",
            "How long the latest run of a job took.",
            |run| Some(seconds(run.finished_at?.micros() - run.started_at.micros())),
        ),
        (
            "ledger_job_exit_code",
            "How the latest run of a job ended; 0 is well.",
            |run| Some(run.exit_code?.to_string()),
        ),
    ];
    let family = |(name, help, figure): (&'static str, &'static str, Figure)| {
        let sample = |run: &RecordedRun| Some(labelled(vec![("job", run.job.clone())], figure(run)?));
        gauge(name, help, metrics.jobs.iter().filter_map(sample).collect())
    };
    figures.map(family).into()
}

fn seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    format!(
        "{sign}{}.{:06}",
        micros.unsigned_abs() / 1_000_000,
        micros.unsigned_abs() % 1_000_000
    )
}

/// The text that the collector reads; a family without a value is left out.
fn text(families: &[Family]) -> String {
    let mut text = String::new();
    for Family {
        name,
        help,
        kind,
        samples,
    } in families.iter().filter(|family| !family.samples.is_empty())
    {
        text.extend(["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"]);
        for sample in samples {
            let labels: Vec<String> = sample
                .labels
                .iter()
                .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
                .collect();
            let labels = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", labels.join(","))
            };
            text.extend([name, labels.as_str(), " ", &sample.value, "\n"]);
        }
    }
    text
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The metrics as a collector reads them, and as a document.
pub fn exposition(metrics: &Metrics, file: Option<&str>) -> (String, Document) {
    let families = families(metrics);
    let text = text(&families);
    let rows: Vec<Value> = families.iter().flat_map(rows).collect();
    let shown = match file {
        Some(file) => format!("{} values in {file}", rows.len()),
        None => text.trim_end().to_owned(),
    };
    let document = Document::list("metrics", "metrics", rows, vec![Block::Line(shown)]);
    (text, document)
}

fn rows(family: &Family) -> Vec<Value> {
    let samples = family.samples.iter();
    let row = |sample: &Sample| {
        let labels = sample
            .labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)));
        let labels: serde_json::Map<String, Value> = labels.collect();
        json!({"name": family.name, "labels": labels, "value": sample.value})
    };
    samples.map(row).collect()
}
