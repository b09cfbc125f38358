//! `metrics`: true figures in a format that Prometheus accepts, at a cost that does not grow with the history.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::common::story::{prepare, steps};
use crate::common::{TestDatabase, on_both_engines};

/// The lines of the metrics without comments.
fn values(db: &TestDatabase) -> Vec<String> {
    let printed = db.ledger().run_words("metrics --output -").expect_code(0).stdout;
    printed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn has(values: &[String], line: &str) {
    assert!(
        values.iter().any(|value| value == line),
        "{line} is not among\n{}",
        values.join("\n")
    );
}

#[track_caller]
fn accepted_by_promtool(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is needed, see .ci/run");
    std::io::Write::write_all(&mut promtool.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}

on_both_engines! {
    fn they_tell_what_the_ledger_comes_to(db: TestDatabase) {
        prepare(&db);
        for step in steps().iter().take_while(|step| step.line != "doctor") {
            step.run(&db.ledger(), &[]).expect_code(0);
        }
        for _ in 0..2 {
            db.ledger().run_words("freeze --user-id 5 --amount 0.25").expect_code(0);
        }
        db.ledger().run_words("purchase record --user-id 5 --amount 500000 --currency POINTS --pending-hours 0").expect_code(0);
        db.sql("UPDATE balances SET balance = balance + 1 WHERE account_id = 1");
        db.ledger().at("2026-03-01T12:05:00Z").run_words("verify-sync").expect_code(1);

        let file = db.directory().join("ledger.prom");
        db.ledger().run_words("metrics --output ledger.prom").expect_code(0);

        let text = std::fs::read_to_string(&file).unwrap();
        accepted_by_promtool(&text);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        let figures = db.sql("SELECT COUNT(*) FROM entries; SELECT balance, held FROM balances WHERE account_id = 1");
        let (entries, figures) = figures.split_once('\n').unwrap();
        let (balance, held) = figures.split_once('|').unwrap();
        let balance: f64 = balance.parse().unwrap();
        let values = values(&db);
        let sum: i64 = values.iter().filter_map(|line| line.strip_prefix("ledger_entries_total{")).map(|rest| rest.split_once(' ').unwrap().1.parse::<i64>().unwrap()).sum();
        assert_eq!(sum.to_string(), entries);
        for line in [
            "ledger_accounts{currency=\"POINTS\"} 1",
            "ledger_accounts{currency=\"USD\"} 3",
            &format!("ledger_balance{{currency=\"USD\"}} {:.2}", balance / 100.0),
            &format!("ledger_held{{currency=\"USD\"}} 0.{held}"),
            "ledger_holds_open 2",
            "ledger_recharges_pending 0",
            "ledger_credits_pending 1",
            "ledger_credits_due 1",
            "ledger_intents_stranded 0",
            "ledger_alerts_open{severity=\"warning\"} 2",
            "ledger_alerts_open{severity=\"critical\"} 0",
            "ledger_job_exit_code{job=\"verify-sync\"} 1",
            "ledger_job_exit_code{job=\"health\"} 0",
            "ledger_job_start_timestamp_seconds{job=\"health\"} 1772366400.000000",
            "ledger_job_duration_seconds{job=\"health\"} 0.000000",
        ] {
            has(&values, line);
        }
let digest = db.sql("SELECT digest FROM job_runs WHERE job = 'verify-sync' ORDER BY id DESC LIMIT 1");
        assert!(values.iter().any(|line| line.starts_with(&format!("ledger_digest_info{{digest=\"{digest}\""))), "{values:?}");
    }

    fn an_empty_ledger_has_metrics_too(db: TestDatabase) {
        let text = db.ledger().run_words("metrics --output -").expect_code(0).stdout;
        accepted_by_promtool(&text);
        assert!(!text.contains("ledger_intents_stranded"), "no audit has counted them\n{text}");
        let rows = db.ledger().run_words("metrics --output - --format json").expect_code(0).data();
        assert_eq!(rows["metrics"][0]["name"], "ledger_build_info");
    }

    fn neither_entries_nor_attempts_are_read(db: TestDatabase) {
        db.ledger().fund("5", "10");
        db.sql("ALTER TABLE entries RENAME TO entries_elsewhere; ALTER TABLE intents RENAME TO intents_elsewhere");
        has(&values(&db), "ledger_balance{currency=\"USD\"} 10.00");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_told() {
    let db = TestDatabase::fresh(crate::common::Engine::Sqlite);
    for place in ["/nowhere/at/all/ledger.prom", "/dev/null"] {
        let refused = db.ledger().run(&["metrics", "--output", place]).expect_code(2);
        assert!(refused.stderr.contains(place), "{}", refused.stderr);
    }
}
