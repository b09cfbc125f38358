//! What is sorted is sorted by its bytes, on both engines, whatever language the server's database has.

use crate::common::layout::shared_server;
use crate::common::{Engine, Ledger, TestDatabase};

/// Names that a language puts in another order than their bytes do.
const NAMES: [&str; 6] = ["b", "A", "a-b", "aB", "_x", "ab"];

const LISTS: [&str; 21] = [
    "account list",
    "access list",
    "currency list",
    "explain --user-id ab",
    "history --user-id ab",
    "recharge list",
    "holds",
    "purchase list",
    "gift list",
    "recurring list",
    "suspensions",
    "intents list --limit 500",
    "alerts list",
    "trial-balance",
    "report usage",
    "report revenue",
    "report churn",
    "forecast",
    "export --to ndjson",
    "export --to hledger",
    "export --to beancount",
];

fn in_english() -> Ledger {
    let server = shared_server();
    server.psql(
        "postgres",
        "CREATE DATABASE english TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8'",
    );
    let ledger = Ledger::new(&server.url("english"));
    ledger.run_words("migrate up").expect_code(0);
    let first = server.psql(
        "english",
        "SELECT name FROM (VALUES ('b'), ('A'), ('a')) n (name) ORDER BY 1 LIMIT 1",
    );
    assert_eq!(first, "a", "the database has the order of a language");
    ledger
}

/// Something of everything for each name, under each name.
fn fill(ledger: &Ledger) {
    let mut number = 0;
    let mut run = |line: &str, code: i32| {
        number += 1;
        let key = format!("{}{number}", NAMES[number % NAMES.len()]);
        let line = line.replace("KEY", &format!("--idempotency-key {key}"));
        ledger.run_words(&line).expect_code(code);
    };
    for unit in ["Pts", "PTS", "CREDIT"] {
        let code = if unit == "Pts" { 2 } else { 0 };
        run(&format!("currency add {unit} --exponent 0"), code);
    }
    for user in NAMES {
        run(&format!("account create --user-id {user}"), 0);
        run(&format!("account create --user-id {user} --currency PTS"), 0);
        for name in NAMES {
            let method = format!("m{}", name.to_lowercase().replace('-', "_"));
            run(
                &format!("recharge --user-id {user} --amount 100 --method {method} KEY"),
                0,
            );
            run(
                &format!("charge --user-id {user} --amount 1 --service {name} --reference {name} --grants {name} KEY"),
                0,
            );
            run(&format!("freeze --user-id {user} --amount 1 --service {name} KEY"), 0);
        }
        run(
            &format!("charge --user-id {user} --amount 1000 --service vps --suspend KEY"),
            1,
        );
        run(
            &format!("purchase record --user-id {user} --amount 5 --credits 5 --currency PTS KEY"),
            0,
        );
        run(
            &format!("gift grant --user-id {user} --credits 5 --currency PTS KEY"),
            0,
        );
        run(
            &format!("recurring add --user-id {user} --amount 1 --service vps --every month KEY"),
            0,
        );
    }
}

/// How long something took is never the same.
fn without_durations(text: &str) -> String {
    let mut parts = text.split("\"duration_us\":");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| {
        shown + part.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}

#[test]
fn lists_come_in_the_same_order_on_both_engines() {
    let sqlite = TestDatabase::fresh(Engine::Sqlite).ledger();
    let english = in_english();
    for ledger in [&sqlite, &english] {
        fill(ledger);
    }
    for list in LISTS {
        let line = if list.starts_with("export") {
            list.to_owned()
        } else {
            format!("{list} --format json")
        };
        let [expected, found] =
            [&sqlite, &english].map(|ledger| without_durations(&ledger.run_words(&line).expect_code(0).stdout));
        assert_eq!(found, expected, "{list}");
    }
}
