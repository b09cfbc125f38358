//! `export` and `trial-balance`: independent accounting programs read the whole ledger and agree with every figure.

mod accountants;
mod chain;
mod story;

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use accountants::{assert_hledger_agrees, balances_by_hledger, bean_check, hledger, plain};
use chain::recomputed;
use story::{STRANGE_JSON, STRANGE_TEXT, all_kinds, long_ledger};

use crate::cli::{digest, json, refused, with_balance};
use crate::common::{Engine, Ledger, TestDatabase, on_both_engines};

/// How many entries the long ledger has; a campaign asks for a hundred thousand.
const ENTRIES_VARIABLE: &str = "LEDGER_TEST_EXPORT_ENTRIES";

#[track_caller]
fn export(ledger: &Ledger, to: &str) -> String {
    ledger.run(&["export", "--to", to]).expect_code(0).stdout
}

/// Exports into a file of the ledger's directory.
#[track_caller]
fn export_file(ledger: &Ledger, to: &str) -> PathBuf {
    let path = ledger.directory().join(format!("book.{to}"));
    let file = path.to_str().unwrap();
    ledger.run(&["export", "--to", to, "--output", file]).expect_code(0);
    path
}

/// Changes one text in a file that has it.
#[track_caller]
fn tampered(file: &Path, from: &str, to: &str) -> PathBuf {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    let path = file.with_extension("tampered");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    path
}

on_both_engines! {
    fn a_dash_is_standard_output(db: TestDatabase) {
        db.ledger().import_funded_users(2, 5);
        let plain = db.ledger().run_words("export --to ndjson").expect_code(0).stdout;
        assert_eq!(db.ledger().run_words("export --to ndjson --output -").expect_code(0).stdout, plain);
        assert!(!db.directory().join("-").exists());
    }

    fn hledger_agrees_with_every_balance(db: TestDatabase) {
        let ledger = all_kinds(&db);
        let file = export_file(&ledger, "hledger");
        assert_hledger_agrees(&ledger, &file);
        // The texts arrive as they were given, as far as a comma lets them; none of them says anything else.
        let tags = hledger(&file, &["tags"]).unwrap();
        let known = ["actor", "at", "counter", "description", "key", "metadata", "reference", "reverses", "user_id"];
        assert_eq!(tags.lines().collect::<Vec<_>>(), known);
        let references = hledger(&file, &["tags", "--values", "reference"]).unwrap();
        assert!(references.replace("%2C", ",").contains(STRANGE_TEXT), "{references}");
        let dates = hledger(&file, &["stats"]).unwrap();
        assert!(dates.contains("2026-02-28 to 2026-03-06"), "{dates}");
    }

    fn bean_check_accepts_the_other_book(db: TestDatabase) {
        let ledger = all_kinds(&db);
        let file = export_file(&ledger, "beancount");
        bean_check(&file).unwrap();
        // It would not, were any figure another.
        for (from, to) in [("  12.50 USD", "  12.51 USD"), ("balance Liabilities:Users:5:POINTS:Balance  -3", "balance Liabilities:Users:5:POINTS:Balance  -4")] {
            let told = bean_check(&tampered(&file, from, to)).unwrap_err();
            assert!(told.contains("balance") || told.contains("Balance"), "{told}");
        }
    }

    fn a_balance_row_that_is_wrong_by_a_cent_is_found_by_either_program(db: TestDatabase) {
        let ledger = all_kinds(&db);
        db.sql("UPDATE balances SET held = held + 1 WHERE account_id = 1");
        let told = hledger(&export_file(&ledger, "hledger"), &["check"]).unwrap_err();
        assert!(told.contains("liabilities:users:5:USD:held"), "{told}");
        let told = bean_check(&export_file(&ledger, "beancount")).unwrap_err();
        assert!(told.contains("Balance failed for 'Liabilities:Users:5:USD:Held'"), "{told}");
        let trial = json(&db, "trial-balance").expect_code(1).data();
        assert_eq!((&trial["balanced"], &trial["differs"]), (&true.into(), &true.into()));
    }

    fn an_auditor_can_recompute_the_chain_from_ndjson(db: TestDatabase) {
        let ledger = all_kinds(&db);
        let lines: Vec<Value> = export(&ledger, "ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["schema"], "ledger.export/1");
        let end = lines.last().unwrap();
        assert_eq!((&end["record"], end["accounts"].as_u64()), (&"end".into(), Some(6)));
        let of = |record: &str| lines.iter().filter(|line| line["record"] == record).count();
        assert_eq!(end["entries"].as_u64(), Some(of("entry") as u64));
        assert_eq!((of("account"), of("balance")), (6, 6));
        // And whoever reads it back finds everything else.
        assert_eq!(of("currency"), 6);
        for (record, table) in [("recharge", "recharges"), ("hold", "holds"), ("purchase", "purchases"), ("gift", "gifts"), ("suspension", "suspensions"), ("recurring", "recurring_charges"), ("act", "operations WHERE account_id > 0"), ("intent", "intents")] {
            let count = db.sql(&format!("SELECT COUNT(*) FROM {table}"));
            assert_ne!(count, "0", "{table}");
            assert_eq!(of(record).to_string(), count, "{table}");
        }
        assert_eq!(recomputed(&lines), end["digest"].as_str().unwrap());
        assert_eq!(end["digest"].as_str().unwrap(), digest(&db));
        let text = export(&ledger, "ndjson");
        let before_end = text.rfind("{\"record\":\"end\"").unwrap();
        let checksum: String = Sha256::digest(&text[..before_end]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(end["lines_sha256"].as_str(), Some(checksum.as_str()));
        let strange = lines.iter().rfind(|line| line["record"] == "entry").unwrap();
        assert_eq!(strange["description"], STRANGE_TEXT);
        let metadata: Value = serde_json::from_str(strange["metadata"].as_str().unwrap()).unwrap();
        assert_eq!(metadata, serde_json::from_str::<Value>(STRANGE_JSON).unwrap());
    }

    fn one_users_accounts_are_a_book_of_their_own(db: TestDatabase) {
        let ledger = all_kinds(&db);
        let all = export(&ledger, "ndjson");
        let five = ledger.run_words("export --to ndjson --user-id 5").expect_code(0).stdout;
        let records = |text: &str, user: &str| {
            let of_user = |line: &&str| line.contains(&format!("\"user_id\":\"{user}\""));
            let mut found: Vec<String> = text.lines().filter(of_user).map(str::to_owned).collect();
            // What stands beside the entries comes after each page, and here a page is an account.
            found.sort();
            found
        };
        assert_eq!(records(&five, "5"), records(&all, "5"));
        // The first line, two currencies, and the last.
        assert_eq!(five.lines().count(), records(&all, "5").len() + 4);
        let points = ledger.run_words("export --to ndjson --user-id 5 --currency POINTS").expect_code(0).stdout;
        let told: Vec<String> = points.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["record"].as_str().unwrap().to_owned()).collect();
        assert_eq!(told, ["ledger", "currency", "account", "entry", "entry", "balance", "purchase", "act", "intent", "intent", "end"]);
        refused(json(&db, "export --to ndjson --user-id 404"), "not_found");
    }

    fn a_file_is_written_as_a_whole_and_told_about(db: TestDatabase) {
        let ledger = all_kinds(&db);
        let told = ledger.run_words("export --to ndjson --output book --format json").expect_code(0).data();
        let file = ledger.directory().join("book");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), export(&ledger, "ndjson"));
        assert_eq!((told["accounts"].as_u64(), told["digest"].as_str()), (Some(6), Some(digest(&db).as_str())));
        assert_eq!(ledger.run_words("export --to ndjson --output book -q").expect_code(0).transcript(), "exit 0\n--- stdout\n\n--- stderr\n");
        // A run that fails leaves the old file as it is, and nothing beside it.
        std::fs::write(&file, "old").unwrap();
        ledger.run_words("export --to ndjson --output book --user-id 404").expect_code(1);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        let left: Vec<_> = std::fs::read_dir(ledger.directory()).unwrap().map(|entry| entry.unwrap().file_name()).filter(|name| name.to_str().unwrap().starts_with(".ledger-")).collect();
        assert!(left.is_empty(), "{left:?}");
        ledger.run_words("export --to ndjson --output nowhere/book").expect_code(2);
        ledger.run_words("export --to ndjson --output /dev/null").expect_code(2);
    }

    fn an_empty_ledger_is_an_empty_book(db: TestDatabase) {
        let ledger = db.ledger();
        assert_eq!(hledger(&export_file(&ledger, "hledger"), &["balance", "--no-total"]).unwrap(), "");
        bean_check(&export_file(&ledger, "beancount")).unwrap();
        assert_eq!(export(&ledger, "ndjson").lines().count(), 2);
        let trial = json(&db, "trial-balance").expect_code(0).data();
        assert_eq!(trial["accounts"], Value::Array(Vec::new()));
    }

    fn trial_balances_of_every_moment_tie_to_the_balances(db: TestDatabase) {
        let ledger = all_kinds(&db);
        for at in [None, Some("2026-02-27T00:00:00Z"), Some("2026-03-01T12:00:00Z"), Some("2026-03-04T00:00:00Z"), Some("2026-03-09T00:00:00Z")] {
            let at = at.map_or(String::new(), |at| format!(" --at {at}"));
            let trial = json(&db, &format!("trial-balance{at}")).expect_code(0).data();
            assert_eq!((&trial["balanced"], &trial["differs"]), (&true.into(), &false.into()));
            for total in trial["totals"].as_array().unwrap() {
                assert_eq!(total["debits"], total["credits"]);
            }
            let line = |currency: &str, account: &str| {
                let lines = trial["accounts"].as_array().unwrap().iter();
                let mut found = lines.filter(|line| line["currency"] == currency && line["account"] == account);
                found.next().map_or("0".to_owned(), |line| plain(line["balance"].as_str().unwrap(), false))
            };
            for (user, currency) in [("5", "USD"), ("5", "POINTS"), ("Alice", "KWD")] {
                let shown = ledger.run_words(&format!("balance --user-id {user} --currency {currency}{at} --format json")).expect_code(0).data();
                for figure in ["balance", "held"] {
                    assert_eq!(line(currency, &format!("users:{figure}")), plain(shown[figure].as_str().unwrap(), true), "{currency}{at}");
                }
                assert_eq!(line(currency, "receivable:debt"), plain(shown["debt"].as_str().unwrap(), false));
            }
        }
        // And hledger comes to the same sums.
        let now = json(&db, "trial-balance").expect_code(0).data();
        let income = now["accounts"].as_array().unwrap().iter().find(|line| line["account"] == "revenue:vps").unwrap();
        let told = balances_by_hledger(&export_file(&ledger, "hledger"));
        assert_eq!(told[&("income:revenue:vps".to_owned(), "USD".to_owned())], income["balance"].as_str().unwrap());
    }

    fn a_long_ledger_is_agreed_upon_too(db: TestDatabase) {
        let given = std::env::var(ENTRIES_VARIABLE).ok();
        let entries: usize = given.map_or(2_500, |text| text.parse().expect("a number of entries"));
        let ledger = db.ledger();
        let accounts = (entries / 20).max(7);
        long_ledger(&ledger, accounts, entries);
        let file = export_file(&ledger, "hledger");
        assert_hledger_agrees(&ledger, &file);
        bean_check(&export_file(&ledger, "beancount")).unwrap();
        let written = std::fs::read_to_string(&file).unwrap();
        let told = written.lines().last().unwrap();
        assert!(told.ends_with(&format!("digest {}", digest(&db))), "{told}");
    }
}

#[test]
fn the_same_history_is_exported_to_the_byte_by_both_engines() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        let ledger = all_kinds(&db);
        let told = ["hledger", "beancount", "ndjson"].map(|to| export(&ledger, to));
        let trial = ["table", "json", "ndjson", "csv"]
            .map(|format| ledger.run(&["trial-balance", "--format", format]).expect_code(0).stdout);
        (told, trial)
    });
    assert_eq!(sqlite, postgres);
    let ([hledger, beancount, ndjson], trial) = sqlite;
    insta::assert_snapshot!("export_hledger", hledger);
    insta::assert_snapshot!("export_beancount", beancount);
    insta::assert_snapshot!("export_ndjson", without_place(&ndjson));
    insta::assert_snapshot!("trial_balance", trial.join("\n"));
}

/// Without the names of this machine and its user, and the checksum over them.
fn without_place(ndjson: &str) -> String {
    let hidden = |line: &str| {
        let mut object: Value = serde_json::from_str(line).unwrap();
        for name in ["origin", "lines_sha256"] {
            if let Some(place) = object.get_mut(name) {
                *place = format!("[{name}]").into();
            }
        }
        object.to_string() + "\n"
    };
    ndjson.lines().map(hidden).collect()
}

on_both_engines! {
    fn a_reader_that_goes_away_ends_the_export_quietly(db: TestDatabase) {
        with_balance(&db, "1000");
        let lines: String = (0..2_000).map(|n| format!("{{\"op\":\"charge\",\"user_id\":\"5\",\"amount\":\"0.01\",\"service\":\"vps\",\"idempotency_key\":\"{n}\"}}\n")).collect();
        db.ledger().run_with_stdin(&["apply", "-q", "-"], lines).expect_code(0);
        let mut child = db.ledger().spawn(&["export", "--to", "ndjson"]);
        drop(child.stdout.take());
        let output = crate::common::Output::of(child);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    }
}
