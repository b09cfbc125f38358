//! `apply --import`: a ledger moves from engine to engine and stays the same to the byte; what was changed on the way
//! is refused as a whole.

use std::io::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cli::{digest, json, refused};
use crate::common::{Engine, KILLED, Output, TestDatabase, on_both_engines};

const SEED: &str = "seed --accounts 40 --entries 2000 -q";

fn export(db: &TestDatabase) -> String {
    db.ledger().run_words("export --to ndjson").expect_code(0).stdout
}

fn import(db: &TestDatabase, text: &str) -> Output {
    db.ledger()
        .run_with_stdin(&["apply", "--import", "-", "--format", "json"], text)
}

/// A seeded ledger with what a seed does not have: grants, recurring charges, limits, units of its own, a refused
/// attempt that was tried again, a debt, and texts of every kind.
fn full(db: &TestDatabase) -> String {
    let ledger = db.ledger();
    ledger.run_words(SEED).expect_code(0);
    for (code, line) in [
        (0, "currency add POINTS --exponent 0"),
        (0, "currency add WIDE --exponent 12"),
        (
            0,
            "account create --user-id a --currency POINTS --low-balance-threshold 5",
        ),
        (0, "account create --user-id nobody --currency WIDE"),
        (0, "account create --user-id rich --currency KWD"),
        (
            0,
            "account set --user-id a --currency POINTS --charges-per-minute 60 --spend-per-day 1000",
        ),
        (0, "account set --user-id a --currency POINTS --low-balance-threshold 7"),
        (
            1,
            "charge --user-id a --currency POINTS --amount 30 --service vps --idempotency-key again",
        ),
        (
            0,
            "recharge --user-id a --currency POINTS --amount 500 --method momo --idempotency-key topup",
        ),
        (
            0,
            "charge --user-id a --currency POINTS --amount 30 --service vps --idempotency-key again",
        ),
        (
            0,
            "charge --user-id a --currency POINTS --amount 9 --service x --grants profile:acme --access-expires 30d --idempotency-key g1",
        ),
        (
            0,
            "charge --user-id a --currency POINTS --amount 8 --service x --grants profile:other --idempotency-key g2",
        ),
        (
            0,
            "refund --user-id a --currency POINTS --entry 4 --idempotency-key g2-back",
        ),
        (
            0,
            "gift grant --user-id a --currency POINTS --credits 40 --idempotency-key gift",
        ),
        (
            0,
            "freeze --user-id a --currency POINTS --amount 5 --service sim --expires-in 1h --idempotency-key hold",
        ),
        (
            0,
            "purchase record --user-id a --amount 500000 --currency POINTS --idempotency-key bought",
        ),
        (
            0,
            "recurring add --user-id a --currency POINTS --amount 2 --service vps --every month --on 31 --timezone Europe/Berlin",
        ),
        (
            0,
            "recurring add --user-id a --currency POINTS --amount 3 --service web --every week --on monday --at 07:05",
        ),
        (0, "recurring cancel c41-2 --reason moved"),
        (
            0,
            "recharge --user-id rich --currency KWD --amount 92233720368547.123 --method card --idempotency-key much",
        ),
        (
            1,
            "charge --user-id nobody --currency WIDE --amount 7 --service vps --suspend --idempotency-key unpaid",
        ),
        (0, "suspend --user-id rich --currency KWD --reason look"),
        (0, "resume --user-id rich --currency KWD"),
        (0, "account lock --user-id rich --currency KWD"),
    ] {
        ledger.run_words(line).expect_code(code);
    }
    let strange = r#"{"b":1.50,"a":["1\u009b \" \\ ö",null]}"#;
    let charge = [
        "charge",
        "--user-id",
        "a",
        "--currency",
        "POINTS",
        "--amount",
        "1",
        "--service",
        "vps \"é\"",
        "--metadata",
        strange,
        "--description",
        "a \\ tab-less; \"text\" é",
        "--idempotency-key",
        "ключ \\N",
    ];
    ledger.run(&charge).expect_code(0);
    assert_eq!(
        db.sql("SELECT COUNT(DISTINCT kind) FROM entries"),
        "12",
        "every kind of entry"
    );
    export(db)
}

fn assert_sound(db: &TestDatabase) {
    let deep = json(db, "verify-sync --deep").expect_code(0).data();
    assert_eq!(
        (&deep["in_sync"], &deep["differences"]),
        (&deep["checked"], &Value::Array(Vec::new())),
        "{deep}"
    );
    json(db, "trial-balance").expect_code(0);
}

fn assert_empty(db: &TestDatabase) {
    for table in ["accounts", "balances", "entries", "intents", "recharges", "currencies"] {
        assert_eq!(db.sql(&format!("SELECT COUNT(*) FROM {table}")), "0", "{table}");
    }
}

/// As versions before this one took it into the reason of a lock.
#[test]
fn what_could_not_be_read_back_is_moved_all_the_same() {
    let [from, to] = Engine::BOTH.map(TestDatabase::fresh);
    from.ledger().run_words("account create --user-id 5").expect_code(0);
    from.ledger()
        .run_words("account lock --user-id 5 --reason family")
        .expect_code(0);
    from.sql("UPDATE operations SET after = REPLACE(after, 'family', 'a\u{200d}b') WHERE command = 'account lock'");
    import(&to, &export(&from)).expect_code(0);
    assert_eq!(export(&to), export(&from));
    to.ledger().run_words("verify-sync --deep").expect_code(0);
}

#[test]
fn a_ledger_moves_to_the_other_engine_and_back_and_is_the_same_to_the_byte() {
    let home = TestDatabase::fresh(Engine::Sqlite);
    let exported = full(&home);
    for (record, table) in [
        ("recharge", "recharges"),
        ("hold", "holds"),
        ("purchase", "purchases"),
        ("gift", "gifts"),
        ("grant", "access_grants"),
        ("suspension", "suspensions"),
        ("recurring", "recurring_charges"),
        ("intent", "intents WHERE account_id > 0"),
        ("act", "operations WHERE account_id > 0"),
    ] {
        let found = exported.matches(&format!("{{\"record\":\"{record}\"")).count();
        assert!(found > 0, "{record}");
        assert_eq!(
            found.to_string(),
            home.sql(&format!("SELECT COUNT(*) FROM {table}")),
            "{record}"
        );
    }
    let mut first = None;
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let there = TestDatabase::fresh(engine);
        let told = import(&there, &exported).expect_code(0).data();
        assert_eq!(
            (&told["accounts"], told["digest"].as_str()),
            (&43.into(), Some(digest(&home).as_str()))
        );
        assert_eq!(digest(&there), digest(&home));
        assert_eq!(export(&there), exported);
        assert_sound(&there);
        let listed = |db: &TestDatabase| {
            [
                "holds",
                "recharge list",
                "purchase list",
                "access list",
                "recurring list",
            ]
            .map(|list| json(db, &format!("{list} --limit 5000")).expect_code(0).data())
        };
        assert_eq!(listed(&there), listed(&home));
        first.get_or_insert(there);
    }
    // And the whole way: what has moved moves on.
    let back = TestDatabase::fresh(Engine::Sqlite);
    import(&back, &export(&first.unwrap())).expect_code(0);
    assert_eq!(export(&back), exported);
}

on_both_engines! {
    fn what_was_applied_before_the_move_is_known_after_it(db: TestDatabase) {
        let home = TestDatabase::fresh(Engine::Sqlite);
        import(&db, &full(&home)).expect_code(0);
        for line in [
            "charge --user-id a --currency POINTS --amount 30 --service vps --idempotency-key again",
            "recharge --user-id a --currency POINTS --amount 500 --method momo --idempotency-key topup",
            "charge --user-id a --currency POINTS --amount 9 --service x --grants profile:acme --access-expires 30d --idempotency-key g1",
            "gift grant --user-id a --currency POINTS --credits 40 --idempotency-key gift",
            "freeze --user-id a --currency POINTS --amount 5 --service sim --expires-in 1h --idempotency-key hold",
            "purchase record --user-id a --amount 500000 --currency POINTS --idempotency-key bought",
        ] {
            let [there, here] = [&db, &home].map(|db| json(db, line).expect_code(0).data());
            assert_eq!(there["outcome"], "already_applied", "{line}: {there}");
            assert_eq!(there, here, "{line}");
        }
        refused(json(&db, "charge --user-id a --currency POINTS --amount 31 --service vps --idempotency-key again"), "idempotency_conflict");
        assert_eq!(digest(&db), digest(&home));
    }

    fn a_moved_ledger_goes_on_where_the_old_one_stopped(db: TestDatabase) {
        let home = TestDatabase::fresh(Engine::Sqlite);
        import(&db, &full(&home)).expect_code(0);
        for line in [
            "account create --user-id new --currency POINTS",
            "recharge --user-id new --currency POINTS --amount 50 --method momo --idempotency-key n1",
            "freeze --user-id a --currency POINTS --amount 5 --service sim --idempotency-key n2",
            "commit --hold h41-1 --idempotency-key n3",
            "gift deactivate g41-1 --reason moved --if-spent debt --idempotency-key n4",
            "recurring cancel c41-1 --reason moved --idempotency-key n5",
            "account unlock --user-id rich --currency KWD",
            "charge --user-id rich --currency KWD --amount 0.001 --service cdn --idempotency-key n6",
        ] {
            let [there, here] = [&db, &home].map(|db| db.ledger().run_words(&format!("{line} --format json")));
            assert_eq!(there.transcript(), here.transcript(), "{line}");
        }
        assert_eq!(db.sql("SELECT MAX(id) FROM accounts"), "44");
        // New ones are numbered behind those that came.
        assert_eq!(db.sql("SELECT MAX(number) FROM holds WHERE account_id = 41"), "2");
        assert_eq!(export(&db), export(&home));
        assert_sound(&db);
    }

    fn a_ledger_that_is_not_empty_is_refused(db: TestDatabase) {
        let home = TestDatabase::fresh(Engine::Sqlite);
        home.ledger().run_words(SEED).expect_code(0);
        let exported = export(&home);
        db.ledger().run_words("account create --user-id 5").expect_code(0);
        let before = export(&db);
        assert_eq!(import(&db, &exported).expect_code(2).error_code(), "ledger_not_empty");
        assert_eq!(export(&db), before);
        // Nor is a second import one, which would change nothing.
        let other = TestDatabase::fresh(db.engine);
        import(&other, &exported).expect_code(0);
        assert_eq!(import(&other, &exported).expect_code(2).error_code(), "ledger_not_empty");
    }

    fn a_unit_that_has_other_digits_here_is_refused(db: TestDatabase) {
        let home = TestDatabase::fresh(Engine::Sqlite);
        home.ledger().run_words("currency add POINTS --exponent 0").expect_code(0);
        db.ledger().run_words("currency add POINTS --exponent 2").expect_code(0);
        assert_eq!(import(&db, &export(&home)).expect_code(2).error_code(), "ledger_not_empty");
    }

    fn what_was_changed_on_the_way_is_refused_by_its_line_and_nothing_is_kept(db: TestDatabase) {
        let home = TestDatabase::fresh(Engine::Sqlite);
        home.ledger().run_words(SEED).expect_code(0);
        let exported = export(&home);
        let lines: Vec<&str> = exported.lines().collect();
        let nth = |record: &str, n: usize| {
            let head = format!("{{\"record\":\"{record}\"");
            lines.iter().enumerate().filter(|(_, line)| line.starts_with(&head)).nth(n).unwrap().0
        };
        let (entry, balance, account, hold, intent, end) = (nth("entry", 700), nth("balance", 20), nth("account", 20), nth("hold", 3), nth("intent", 900), lines.len() - 1);
        let mut cases: Vec<(usize, Vec<String>)> = Vec::new();
        let mut case = |found: usize, change: &dyn Fn(&mut Vec<String>)| {
            let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            change(&mut changed);
            cases.push((found + 1, changed));
        };
        // A figure, a text, a hash of an entry.
        case(entry, &|lines| lines[entry] = edited(&lines[entry], "balance_delta", "0.01"));
        case(entry, &|lines| lines[entry] = edited(&lines[entry], "description", "another"));
        case(entry, &|lines| lines[entry] = edited(&lines[entry], "at", "2025-12-01T00:00:00Z"));
        case(entry, &|lines| lines[entry] = edited(&lines[entry], "hash", &"0".repeat(64)));
        case(entry, &|lines| lines[entry] = edited(&lines[entry], "user_id", "somebody else"));
        case(entry, &|lines| lines[entry] = edited(&lines[entry], "kind", "windfall"));
        // One gone, two swapped, one twice.
        case(entry, &|lines| { lines.remove(entry); });
        case(entry, &|lines| lines.swap(entry, entry + 1));
        case(entry + 1, &|lines| lines.insert(entry, lines[entry].clone()));
        // A balance row, an account.
        case(balance, &|lines| lines[balance] = edited(&lines[balance], "balance", "1000000.00"));
        case(balance, &|lines| lines[balance] = edited(&lines[balance], "total_spent", "1.00"));
        case(balance, &|lines| { lines.remove(balance); });
        case(account + 1, &|lines| lines[account] = edited(&lines[account], "user_id", "somebody else"));
        case(account, &|lines| { lines.remove(account); });
        // What no hash of an entry covers is covered by the last line.
        case(end, &|lines| lines[account] = lines[account].replace("\"locked\":false", "\"locked\":true"));
        case(end, &|lines| lines[intent] = edited(&lines[intent], "idempotency_key", "another"));
        case(end - 1, &|lines| { lines.remove(hold); });
        case(hold, &|lines| lines[hold] = edited(&lines[hold], "user_id", "nobody"));
        case(end, &|lines| lines[end] = edited(&lines[end], "digest", &"0".repeat(64)));
        // Cut short, in a line and between two; something behind the end; something from the future.
        case(end, &|lines| { lines.pop(); });
        case(entry, &|lines| { lines.truncate(entry + 1); lines[entry].truncate(40); });
        case(end + 1, &|lines| lines.push(lines[end].clone()));
        case(intent, &|lines| lines[intent] = lines[intent].replace("\"attempt\"", "\"later\":1,\"attempt\""));
        case(intent, &|lines| lines[intent] = lines[intent].replace("\"record\":\"intent\"", "\"record\":\"wish\""));
        case(0, &|lines| { lines.remove(0); });
        case(0, &|lines| lines[0] = lines[0].replace("export/1", "export/2"));
        case(0, &|lines| lines.clear());
        for (number, changed) in cases {
            let told = import(&db, &changed.join("\n"));
            let error = told.error()["error"].clone();
            assert_eq!((told.code, error["code"].as_str()), (6, Some("integrity")), "{error}");
            let message = error["message"].as_str().unwrap();
            assert!(message.starts_with(&format!("line {number}: ")), "{number}: {message}");
        }
        assert_empty(&db);
        // And the one that nobody has changed is taken.
        import(&db, &exported).expect_code(0);
    }

    fn a_forged_line_that_fits_the_checksum_still_has_to_fit_the_tables(db: TestDatabase) {
        let home = TestDatabase::fresh(Engine::Sqlite);
        home.ledger().run_words(SEED).expect_code(0);
        let mut lines: Vec<String> = export(&home).lines().map(str::to_owned).collect();
        let hold = lines.iter().position(|line| line.starts_with("{\"record\":\"hold\"")).unwrap();
        lines[hold] = edited(&lines[hold], "amount", "1234567.00");
        let end = lines.pop().unwrap();
        let sum: String = Sha256::digest(lines.join("\n") + "\n").iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push(edited(&end, "lines_sha256", &sum));
        let told = import(&db, &lines.join("\n")).expect_code(6);
        assert_eq!(told.error_code(), "integrity");
        assert_empty(&db);
    }

    fn an_import_that_is_killed_leaves_an_empty_ledger_and_can_be_run_again(db: TestDatabase) {
        let home = TestDatabase::fresh(Engine::Sqlite);
        home.ledger().run_words(SEED).expect_code(0);
        let exported = export(&home);
        // Half of it has been read when the pipe is full no more: the rest does not come, and the process is killed.
        let half = exported.len() / 2;
        let mut child = db.ledger().spawn(&["apply", "--import", "-"]);
        child.stdin.as_mut().unwrap().write_all(&exported.as_bytes()[..half]).unwrap();
        let waits = |child: &mut std::process::Child| child.try_wait().unwrap().is_none();
        assert!(waits(&mut child), "it waits for the rest");
        child.kill().unwrap();
        assert_eq!(Output::of(child).code, KILLED);
        db.ledger().run_words("account list").expect_code(0);
        assert_empty(&db);
        import(&db, &exported).expect_code(0);
        assert_eq!(export(&db), exported);
    }

    fn an_empty_ledger_moves_too_and_says_so_in_every_format(db: TestDatabase) {
        let exported = export(&db);
        assert_eq!(exported.lines().count(), 2);
        for format in ["json", "ndjson", "csv", "table"] {
            let told = db.ledger().run_with_stdin(&["apply", "--import", "-", "--format", format], &exported);
            assert!(told.expect_code(0).stdout.contains(&digest(&db)));
        }
        let quiet = db.ledger().run_with_stdin(&["apply", "--import", "-", "-q"], &exported);
        assert_eq!(quiet.expect_code(0).transcript(), "exit 0\n--- stdout\n\n--- stderr\n");
        assert_eq!(db.sql("SELECT COUNT(*) FROM operations WHERE account_id = 0 AND command = 'apply --import'"), "5");
        db.ledger().run_words("apply --import nowhere.ndjson").expect_code(2);
        db.ledger().run_words("apply --import a --atomic").expect_code(2);
        db.ledger().run_words("apply --import a b").expect_code(2);
    }
}

/// The line with another text in that field, and everything else as it was.
#[track_caller]
fn edited(line: &str, field: &str, text: &str) -> String {
    let mut object: Value = serde_json::from_str(line).unwrap();
    assert!(
        object.get(field).is_some_and(|value| value != text),
        "{field} of {line}"
    );
    object[field] = text.into();
    object.to_string()
}
