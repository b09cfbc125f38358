//! `verify-sync --deep` of a ledger so large that entries and intents are read at once, on a connection each.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::Value;

use crate::cli::json;
use crate::common::{Engine, Raise, TestDatabase, on_both_engines};

const ACCOUNTS: usize = 1_200;

fn seeded(db: &TestDatabase) {
    let line = format!("seed --accounts {ACCOUNTS} --entries 12000 --days 20 -q");
    db.ledger().run_words(&line).expect_code(0);
    json(db, "verify-sync --deep").expect_code(0);
}

/// Account, table and record of every difference.
fn named(report: &Value) -> BTreeSet<(i64, String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = report["differences"].as_array().unwrap().iter();
    rows.map(|row| {
        let account = row["account"].as_i64().unwrap_or_default();
        (account, text(row, "field"), text(row, "record"))
    })
    .collect()
}

on_both_engines! {
    fn what_is_wrong_is_named_and_nothing_else(db: TestDatabase) {
        seeded(&db);
        // The second charge of three accounts, its intent, and an intent of another one.
        let find = "SELECT i.account_id, i.first_seq, i.idempotency_key FROM intents i WHERE i.operation = 'charge' \
            AND i.state = 'applied' AND i.subject IS NULL AND i.account_id > 600 ORDER BY i.account_id, i.first_seq";
        let found = db.sql(&format!("{find} LIMIT 2000"));
        let mut charges: Vec<(i64, i64, String)> = Vec::new();
        for line in found.lines() {
            let mut cells = line.split('|');
            let mut next = || cells.next().unwrap().to_owned();
            let charge = (next().parse().unwrap(), next().parse().unwrap(), next());
            if charges.last().is_none_or(|(account, ..)| *account != charge.0) {
                charges.push(charge);
            }
        }
        db.sql("CREATE TABLE kept_entries AS SELECT * FROM entries; CREATE TABLE kept_intents AS SELECT * FROM intents");
        let (one, other) = (&charges[10], &charges[20]);
        let entry = format!("account_id = {} AND seq = {}", one.0, one.1);
        let intent = format!("account_id = {} AND idempotency_key = '{}'", one.0, one.2);
        let (seq, record) = (one.1.to_string(), format!("{} (1)", one.2));
        let mut cases = vec![
            (format!("UPDATE intents SET payload = REPLACE(payload, '\"amount\":\"', '\"amount\":\"1') WHERE {intent}"), "intents", record.as_str()),
            (format!("UPDATE intents SET payload = 'x' WHERE {intent}"), "intents", &record),
            (format!("UPDATE intents SET actor = 'mallory' WHERE {intent}"), "intents", &record),
            (format!("UPDATE intents SET first_seq = first_seq + 1, last_seq = last_seq + 1 WHERE {intent}"), "intents", &record),
            (format!("UPDATE intents SET first_seq = 999999999, last_seq = 999999999 WHERE {intent}"), "intents", &record),
            (format!("UPDATE intents SET account_id = {} WHERE {intent}", other.0), "intents", ""),
            (format!("UPDATE intents SET account_id = 999999 WHERE {intent}"), "intents", ""),
            (format!("DELETE FROM intents WHERE {intent}"), "intents", ""),
            (format!("UPDATE entries SET description = 'x' WHERE {entry}"), "entries", &seq),
        ];
        if db.engine == Engine::Sqlite {
            // PostgreSQL keeps its own promise there.
            cases.push((format!("UPDATE entries SET hash = SUBSTR(hash, 1, 5) WHERE {entry}"), "account", ""));
        }
        for (damage, table, record) in cases {
            db.unguarded(&damage);
            let told = json(&db, "verify-sync --deep").expect_code(6).data();
            let found = named(&told);
            let right = |(account, field, named): &(i64, String, String)| {
                *account == one.0 && field == table && (named == record || record.is_empty())
            };
            assert!(found.iter().any(right), "{damage}: {found:?}");
            let touched = [one.0, other.0, 999_999];
            assert!(found.iter().all(|(account, ..)| touched.contains(account)), "{damage}: {found:?}");
            assert_eq!(told["checked"], ACCOUNTS, "{damage}");
            db.unguarded("DELETE FROM entries; INSERT INTO entries SELECT * FROM kept_entries; \
                DELETE FROM intents; INSERT INTO intents SELECT * FROM kept_intents");
        }
        json(&db, "verify-sync --deep").expect_code(0);
    }

    fn it_sees_one_moment_while_others_hold_money(db: TestDatabase) {
        seeded(&db);
        let users: Vec<String> = (0..40).map(|n| format!("busy-{n}")).collect();
        for user in &users {
            db.ledger().fund(user, "1000");
        }
        let (stop, frozen) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            for worker in 0..8 {
                let (db, users, stop, frozen) = (&db, &users, &stop, &frozen);
                scope.spawn(move || {
                    let ledger = db.ledger();
                    for round in worker.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let line = format!("freeze --user-id {} --amount 1 --reference a:1", users[round % users.len()]);
                        ledger.run_words(&line).expect_code(0);
                        frozen.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let _over_even_after_a_panic = Raise(&stop);
            for _ in 0..20 {
                let told = json(&db, "verify-sync --deep").expect_code(0).data();
                assert_eq!(told["checked"], ACCOUNTS + users.len(), "{told}");
            }
        });
        assert!(frozen.into_inner() > 0);
        db.ledger().proven();
    }
}
