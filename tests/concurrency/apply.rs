//! `apply` of the same file by several at once, and single operations on the same accounts meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{at_once, charge};
use crate::common::{Output, TestDatabase, on_both_engines};

const ACCOUNTS: usize = 8;
const LINES: usize = 1_200;
const FUNDS: usize = 1_000;
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// Two charges, then a recharge, of one unit each, over all accounts in turn; the last may be refused.
fn file(db: &TestDatabase) {
    let line = |number: usize| {
        let (op, rest) = if number % 3 == 2 {
            ("recharge", r#""method":"momo""#)
        } else {
            ("charge", r#""service":"vps""#)
        };
        let user = number % ACCOUNTS + 1;
        format!(
            "{{\"op\":\"{op}\",\"user_id\":\"{user}\",\"amount\":\"1\",{rest},\"idempotency_key\":\"line-{number:05}\"}}\n"
        )
    };
    let lines: String = (0..LINES).map(line).collect();
    std::fs::write(db.directory().join("lines.ndjson"), lines).unwrap();
}

fn accounts(db: &TestDatabase) {
    db.ledger().import_funded_users(ACCOUNTS, FUNDS);
}

/// By key, how often each outcome was told.
fn told(outputs: &[Output]) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in outputs.iter().flat_map(Output::json_lines) {
        let data = &row["data"];
        let text = |name: &str| data[name].as_str().unwrap_or_else(|| panic!("{row}")).to_owned();
        told.entry(text("idempotency_key")).or_default().push(text("outcome"));
    }
    told
}

/// Every line has one entry, one intent that says so, and no account has lost or won anything.
#[track_caller]
fn assert_applied_once(db: &TestDatabase, charged_besides: usize) {
    let lines = "idempotency_key LIKE 'line-%'";
    let count = |text: &str| {
        db.sql(&format!(
            "SELECT COUNT(*), COUNT(DISTINCT idempotency_key) FROM {text} AND {lines}"
        ))
    };
    let once = format!("{LINES}|{LINES}");
    assert_eq!(count("entries WHERE 1 = 1"), once);
    assert_eq!(count("intents WHERE state = 'applied' AND attempt = 1"), once);
    assert_eq!(
        db.sql(&format!("SELECT COUNT(*) FROM intents WHERE {lines}")),
        LINES.to_string()
    );
    let recharged = LINES / 3;
    let expected = 100 * (ACCOUNTS * FUNDS + 2 * recharged - LINES - charged_besides);
    assert_eq!(db.sql("SELECT SUM(balance) FROM balances"), expected.to_string());
    db.ledger().proven();
}

on_both_engines! {
    fn the_same_file_by_several_at_once_is_applied_once(db: TestDatabase) {
        accounts(&db);
        file(&db);
        let line = vec!["apply", "lines.ndjson", "--lock-timeout", "30s"];
        let started = Instant::now();

        let outputs: Vec<Output> = at_once(&db.ledger(), &vec![line; 3])
            .into_iter()
            .map(|output| output.expect_code(0))
            .collect();

        let told = told(&outputs);
        assert_eq!(told.len(), LINES);
        for (key, mut outcomes) in told {
            outcomes.sort();
            assert_eq!(outcomes, ["already_applied", "already_applied", "applied"], "{key}");
        }
        assert_applied_once(&db, 0);
        // Nobody waits for a key that somebody else has settled until the lock's time is over.
        assert!(started.elapsed() < LOCK_TIMEOUT, "{:?}", started.elapsed());
    }

    fn single_charges_go_on_while_files_are_applied(db: TestDatabase) {
        accounts(&db);
        file(&db);
        let users: Vec<String> = (1..=ACCOUNTS).map(|user| user.to_string()).collect();
        let apply = ["apply", "lines.ndjson", "--lock-timeout", "30s"].to_vec();
        let mut lines = vec![apply.clone(), apply];
        lines.extend((0..3 * ACCOUNTS).map(|turn| {
            let mut line = charge(&users[turn % ACCOUNTS], "1");
            line.extend(["--lock-timeout", "30s"]);
            line
        }));

        for output in at_once(&db.ledger(), &lines) {
            output.expect_code(0);
        }

        assert_applied_once(&db, 3 * ACCOUNTS);
    }

    fn the_lines_of_a_file_by_single_commands_at_the_same_time_are_done_once(db: TestDatabase) {
        accounts(&db);
        file(&db);
        let keys: Vec<String> = (0..LINES).filter(|number| number % 3 < 2).map(|number| format!("line-{number:05}")).collect();
        let users: Vec<String> = (1..=ACCOUNTS).map(|user| user.to_string()).collect();
        let mut lines = vec![["apply", "lines.ndjson", "--lock-timeout", "30s"].to_vec()];
        lines.extend(keys.iter().step_by(keys.len() / 24).map(|key| {
            let number: usize = key["line-".len()..].parse().unwrap();
            let mut line = charge(&users[number % ACCOUNTS], "1");
            line.extend(["--lock-timeout", "30s", "--idempotency-key", key]);
            line
        }));

        let started = Instant::now();
        for output in at_once(&db.ledger(), &lines) {
            output.expect_code(0);
        }

        assert!(started.elapsed() < LOCK_TIMEOUT, "{:?}", started.elapsed());
        assert_applied_once(&db, 0);
    }
}
