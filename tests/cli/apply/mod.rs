//! `apply`: a file of operations does what its lines would do as single commands, once per key.

mod bad_lines;
mod import;
mod many;
mod memory;
pub(crate) mod story;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use ledger::domain::operation::OperationKind;
use serde_json::Value;

use story::{STORY, keyed, opening, story};

use crate::cli::{balance, digest, json, with_balance};
use crate::common::gate::await_until;
use crate::common::{Output, TestDatabase, on_both_engines};

/// The same lines as CSV: JSON stands in its cell as text, what a line does not have is an empty cell.
fn as_csv(ndjson: &str) -> String {
    let lines: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let columns: BTreeSet<String> = lines
        .iter()
        .flat_map(|line| line.as_object().unwrap().keys().cloned())
        .collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&columns).unwrap();
    for line in lines {
        let cell = |column: &String| match &line[column] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        writer.write_record(columns.iter().map(cell)).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

pub fn apply(db: &TestDatabase, words: &[&str], input: impl AsRef<[u8]> + Send) -> Output {
    db.ledger().run_with_stdin(&[&["apply", "-"], words].concat(), input)
}

/// Each line's outcome or error code.
pub fn outcomes(output: &Output) -> Vec<String> {
    let outcome = |row: Value| {
        let code = if row["error"].is_null() {
            &row["data"]["outcome"]
        } else {
            &row["error"]["code"]
        };
        code.as_str().unwrap_or_else(|| panic!("{row}")).to_owned()
    };
    output.json_lines().into_iter().map(outcome).collect()
}

fn file(db: &TestDatabase, name: &str, content: &str) -> PathBuf {
    let path = db.directory().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// How many rows every table has that operations write to.
pub fn row_counts(db: &TestDatabase) -> String {
    let tables = [
        "accounts",
        "balances",
        "entries",
        // Those of account 0 are of whole batches.
        "intents WHERE account_id > 0",
        "recharges",
        "holds",
        "purchases",
        "pending_credits",
        "gifts",
        "suspensions",
        "alerts",
    ];
    let counts = tables.map(|table| format!("SELECT COUNT(*) FROM {table};"));
    db.sql(&counts.join(" "))
}

/// All that was asked and what became of it, without how long it took.
fn intents(db: &TestDatabase) -> String {
    db.sql(
        "SELECT account_id, idempotency_key, attempt, operation, payload, state, reason, first_seq, last_seq, actor \
         FROM intents WHERE account_id > 0 ORDER BY account_id, idempotency_key, attempt",
    )
}

/// What one command says: its data, or its error.
fn said(output: &Output) -> Value {
    if output.code == 0 {
        output.data()
    } else {
        output.error()["error"].take()
    }
}

/// A new operation has to be told in the story, but for those that jobs alone carry out.
#[test]
fn every_operation_has_a_line() {
    let mut told = BTreeSet::from(["recharge-expire", "expire-hold", "credit-transfer"].map(str::to_owned));
    for (_, line, _) in STORY {
        let line: Value = serde_json::from_str(line).unwrap();
        told.insert(line["op"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        told,
        OperationKind::ALL
            .map(|kind| kind.name().to_owned())
            .into_iter()
            .collect()
    );
}

on_both_engines! {
    fn a_file_does_what_its_lines_would_do_as_single_commands(db: TestDatabase) {
        let one_by_one = TestDatabase::fresh(db.engine);
        opening(&db);
        opening(&one_by_one);

        let answers: Vec<Value> = STORY
            .iter()
            .map(|(key, _, words)| said(&json(&one_by_one, &format!("{words} --idempotency-key {key}"))))
            .collect();
        let output = apply(&db, &[], story()).expect_code(7);

        for (number, ((answer, row), (key, line, _))) in answers.iter().zip(output.json_lines()).zip(STORY).enumerate() {
            let told = if row["ok"] == true { &row["data"] } else { &row["error"] };
            assert_eq!((&row["line"], told), (&(number + 1).into(), answer), "{key}: {line}");
        }
        assert_eq!(output.json_lines().len(), STORY.len());
        assert_eq!(digest(&db), digest(&one_by_one));
        assert_eq!(row_counts(&db), row_counts(&one_by_one));
        assert_eq!(intents(&db), intents(&one_by_one));
        let codes = outcomes(&output);
        for expected in ["insufficient_balance", "already_final", "idempotency_conflict", "limit_exceeded",
            "account_suspended", "account_locked", "not_found", "already_applied"] {
            assert!(codes.iter().any(|code| code == expected), "no {expected} in {codes:?}");
        }
    }

    /// Large chunks are judged and written in parts, by two threads.
    fn what_comes_of_a_line_does_not_depend_on_how_many_come_with_it(db: TestDatabase) {
        let in_pieces = TestDatabase::fresh(db.engine);
        many::opening(&db);
        many::opening(&in_pieces);
        let lines = many::lines(6_000);

        let whole = apply(&db, &[], lines.concat()).expect_code(7);
        let pieces: Vec<Output> = lines.chunks(250).map(|some| apply(&in_pieces, &[], some.concat())).collect();

        let told = |output: &Output| -> Vec<Value> {
            let rows = output.json_lines().into_iter();
            rows.map(|mut row| if row["ok"] == true { row["data"].take() } else { row["error"].take() }).collect()
        };
        let together = told(&whole);
        let apart: Vec<Value> = pieces.iter().flat_map(told).collect();
        assert_eq!(together.len(), lines.len());
        for ((line, together), apart) in lines.iter().zip(&together).zip(&apart) {
            assert_eq!(together, apart, "{line}");
        }
        assert_eq!(digest(&db), digest(&in_pieces));
        assert_eq!(row_counts(&db), row_counts(&in_pieces));
        assert_eq!(intents(&db), intents(&in_pieces));
        let codes: BTreeSet<String> = outcomes(&whole).into_iter().collect();
        for expected in ["applied", "already_applied", "insufficient_balance", "idempotency_conflict", "limit_exceeded",
            "account_locked", "not_found", "already_final"] {
            assert!(codes.contains(expected), "no {expected} in {codes:?}");
        }
        db.ledger().run_words("verify-sync --deep").expect_code(0);
    }

    fn csv_says_and_does_the_same_as_ndjson(db: TestDatabase) {
        let as_ndjson = TestDatabase::fresh(db.engine);
        opening(&db);
        opening(&as_ndjson);
        let results = |output: Output| {
            let rows = output.expect_code(7).json_lines();
            rows.into_iter()
                .map(|mut row| {
                    row["line"].take();
                    row
                })
                .collect::<Vec<Value>>()
        };

        let of_csv = results(apply(&db, &[], as_csv(&story())));
        let of_ndjson = results(apply(&as_ndjson, &[], story()));

        assert_eq!(of_csv, of_ndjson);
        assert_eq!(digest(&db), digest(&as_ndjson));
    }

    fn a_file_leaves_the_attempts_of_its_chunks_and_of_each_line(db: TestDatabase) {
        with_balance(&db, "100");
        let whole = "SELECT operation, payload, state, reason FROM intents WHERE account_id = 0 AND created_at > 0 ORDER BY idempotency_key";
        let before = db.sql(whole);
        let lines = "{\"op\":\"charge\",\"user_id\":\"5\",\"amount\":\"1\",\"service\":\"vps\",\"idempotency_key\":\"a\"}\n\
                     {\"op\":\"charge\",\"user_id\":\"5\",\"amount\":\"1000\",\"service\":\"vps\",\"idempotency_key\":\"b\"}\n";
        apply(&db, &[], lines).expect_code(7);
        let applied = "apply|{\"op\":\"apply\",\"requests\":2}|applied|";
        assert_eq!(db.sql(whole), format!("{before}{applied}"));
        let each = "SELECT idempotency_key, attempt, state, reason FROM intents WHERE account_id > 0 AND idempotency_key IN ('a', 'b') ORDER BY 1, 2";
        assert_eq!(db.sql(each), "a|1|applied|\nb|1|refused|insufficient_balance");

        // Again: the chunk as a whole is given up, each line is asked by itself.
        apply(&db, &[], lines).expect_code(7);
        let given_up = "apply|{\"op\":\"apply\",\"requests\":2}|refused|not_all_new";
        assert_eq!(db.sql(whole), format!("{before}{applied}\n{given_up}"));
        assert_eq!(db.sql(each), "a|1|applied|\nb|1|refused|insufficient_balance\nb|2|refused|insufficient_balance");
    }

    fn the_same_file_again_changes_nothing(db: TestDatabase) {
        opening(&db);
        let good: String = STORY
            .iter()
            .zip(outcomes(&apply(&db, &[], story()).expect_code(7)))
            .filter(|(_, outcome)| outcome == "applied" || outcome == "already_applied")
            .map(|(same, _)| keyed(same))
            .collect();
        let before = (digest(&db), row_counts(&db));

        for input in [good.clone(), as_csv(&good)] {
            let again = apply(&db, &[], input).expect_code(0);
            assert_eq!(outcomes(&again), vec!["already_applied"; good.lines().count()]);
        }

        assert_eq!((digest(&db), row_counts(&db)), before);
    }

    fn a_key_that_comes_again_in_the_file_is_applied_once(db: TestDatabase) {
        with_balance(&db, "10");
        let line = |amount: &str, key: &str| format!(
            "{{\"op\":\"charge\",\"user_id\":\"5\",\"amount\":\"{amount}\",\"service\":\"vps\",\"idempotency_key\":\"{key}\"}}\n"
        );
        let recharge = "{\"op\":\"recharge\",\"user_id\":\"5\",\"amount\":\"20\",\"method\":\"momo\"}\n";
        let input = [line("3", "a"), line("3", "a"), line("4", "a"), line("20", "b"), line("20", "b"), recharge.into(),
            line("20", "b"), line("20", "b")].concat();

        let output = apply(&db, &[], input).expect_code(7);

        assert_eq!(outcomes(&output), ["applied", "already_applied", "idempotency_conflict", "insufficient_balance",
            "insufficient_balance", "applied", "applied", "already_applied"]);
        let rows = output.json_lines();
        assert_eq!(rows[0]["data"]["entries"], rows[1]["data"]["entries"]);
        assert_eq!(rows[2]["error"]["details"]["differs_in"][0], "amount");
        assert_eq!(balance(&db), "7.00");
        assert_eq!(db.sql("SELECT COUNT(*) FROM entries WHERE idempotency_key IN ('a', 'b')"), "2");
        let attempts = "SELECT attempt, state FROM intents WHERE idempotency_key = 'b' ORDER BY attempt";
        assert_eq!(db.sql(attempts), "1|refused\n2|refused\n3|applied");
        digest(&db);
    }

    fn several_files_go_in_their_order_and_quiet_shows_only_what_went_wrong(db: TestDatabase) {
        with_balance(&db, "1");
        let line = |op: &str, key: &str| format!(
            "{{\"op\":\"{op}\",\"user_id\":\"5\",\"amount\":\"2\",\"idempotency_key\":\"{key}\",{}}}\n",
            if op == "charge" { "\"service\":\"vps\"" } else { "\"method\":\"momo\"" }
        );
        let first = file(&db, "first.ndjson", &[line("charge", "early"), line("recharge", "in")].concat());
        let second = file(&db, "second.csv", &as_csv(&line("charge", "late")));
        let empty = file(&db, "empty", "");
        let words = [PathBuf::from("-q"), "apply".into(), first, empty, second];

        let output = db.ledger().run(&words).expect_code(7);

        assert_eq!(outcomes(&output), ["insufficient_balance"]);
        assert_eq!((output.json_lines()[0]["line"].as_i64(), output.stderr.as_str()), (Some(1), ""));
        let named = |path: &PathBuf| path.to_str().unwrap().to_owned();
        assert_eq!(output.json_lines()[0]["file"], named(&words[2]));
        let all = db.ledger().run(&[&words[1..], &[PathBuf::from("--dry-run")]].concat()).expect_code(7);
        let places: Vec<_> = all.json_lines().iter().map(|row| (row["file"].clone(), row["line"].clone())).collect();
        assert_eq!(places, [(named(&words[2]).into(), 1.into()), (named(&words[2]).into(), 2.into()), (named(&words[4]).into(), 2.into())]);
        assert!(db.ledger().run(&words[..3]).json_lines().iter().all(|row| row.get("file").is_none()), "there is but one");
        assert_eq!(balance(&db), "1.00");
        let again = db.ledger().run(&words).expect_code(7);
        assert_eq!(outcomes(&again), ["insufficient_balance"]);
        let good = db.ledger().run(&[&words[..2], &words[4..]].concat()).expect_code(0);
        assert_eq!((good.stdout.as_str(), good.stderr.as_str()), ("", ""));
    }

    fn the_summary_goes_to_standard_error_and_counts_every_line(db: TestDatabase) {
        opening(&db);
        let output = apply(&db, &[], format!("{}nonsense\n", story())).expect_code(7);
        let codes = outcomes(&output);
        let count = |wanted: &str| codes.iter().filter(|code| *code == wanted).count();
        let refused = codes.len() - count("applied") - count("already_applied") - 1;
        let told: Vec<String> = output.stderr.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(told, [
            format!("Lines {}", codes.len()),
            format!("Applied {}", count("applied")),
            format!("Already applied {}", count("already_applied")),
            format!("Refused {refused}"),
            "Failed 1".into(),
        ]);
    }

    fn what_purchases_and_gifts_are_worth_may_come_from_the_environment(db: TestDatabase) {
        opening(&db);
        let ledger = db.ledger().env("LEDGER_PURCHASE_PER_CREDIT", "2").env("LEDGER_GIFT_PER_CREDIT", "4")
            .env("LEDGER_PENDING_HOURS", "1").env("LEDGER_PURCHASE_CURRENCY", "VND");
        let lines = [
            r#"{"op":"purchase-record","user_id":"5","amount":"100"}"#,
            r#"{"op":"purchase-record","user_id":"5","amount":"100.50","paid_in":"USD","per_credit":"50"}"#,
            r#"{"op":"gift-grant","user_id":"5","amount":"100"}"#,
            r#"{"op":"recharge","user_id":"5","amount":"0.50","method":"momo"}"#,
        ];
        ledger.run_with_stdin(&["apply", "-"], lines.join("\n")).expect_code(0);
        let purchases = "SELECT paid, paid_currency, credits FROM purchases WHERE account_id = 1 ORDER BY number";
        assert_eq!(db.sql(purchases), "100|VND|5000\n10050|USD|200");
        let hour = 3_600_000_000_i64;
        let waits = format!("SELECT DISTINCT (c.due_at - p.created_at) / {hour} FROM purchases p, pending_credits c \
            WHERE p.account_id = 1 AND c.account_id = 1 AND c.number = p.number");
        assert_eq!(db.sql(&waits), "1");
        assert_eq!(balance(&db), "25.50");
        let wrong = ledger.env("LEDGER_PENDING_HOURS", "soon").run_with_stdin(&["apply", "-"], lines[0]);
        wrong.expect_code(2);
    }

    fn each_line_may_name_its_currency_and_numbers_keep_their_digits(db: TestDatabase) {
        let ledger = db.ledger();
        for line in ["currency add FCFA --exponent 3", "account create --user-id 5", "account create --user-id 5 --currency FCFA"] {
            ledger.run_words(line).expect_code(0);
        }
        let input = r#"{"op":"recharge","user_id":5,"amount":20.50,"method":"momo"}
            {"op":"recharge","user_id":5,"amount":0.1,"method":"momo"}
            {"op":"recharge","user_id":"5","amount":0.1,"method":"momo","currency":"FCFA"}
            {"op":"recharge","user_id":"5","amount":90071992547409.93,"method":"momo"}
            {"op":"charge","user_id":5,"amount":0.101,"service":"vps","currency":"FCFA"}
            {"op":"charge","user_id":5,"amount":0.005,"service":"vps","currency":"FCFA"}
            {"op":"charge","user_id":5,"amount":0.005,"service":"vps"}
            {"op":"charge","user_id":5,"amount":1,"service":"vps","currency":"EUR"}
            {"op":"freeze","user_id":5,"amount":0.010,"currency":"FCFA"}
            {"op":"commit","hold":"h2-1","amount":0.009}"#;

        let output = apply(&db, &[], input).expect_code(7);

        assert_eq!(outcomes(&output), ["applied", "applied", "applied", "applied", "insufficient_balance", "applied",
            "invalid_amount", "not_found", "applied", "applied"]);
        let rows = output.json_lines();
        let balances: Vec<_> = [0, 1, 2, 3, 5, 9].map(|at: usize| rows[at]["data"]["balance"].as_str().unwrap()).into();
        assert_eq!(balances, ["20.50", "20.60", "0.100", "90071992547430.53", "0.095", "0.086"]);
        digest(&db);
        // The line's currency goes before the command's.
        let output = apply(&db, &["--currency", "FCFA"], input.lines().take(3).collect::<Vec<_>>().join("\n"));
        let currencies: Vec<_> = output.expect_code(0).json_lines().iter().map(|row| row["data"]["currency"].clone()).collect();
        assert_eq!(currencies, ["FCFA", "FCFA", "FCFA"]);
    }

    fn atomic_writes_nothing_unless_every_line_is_good(db: TestDatabase) {
        opening(&db);
        let good: Vec<String> = STORY
            .iter()
            .filter(|(key, ..)| ["recharge", "charge", "freeze-1", "commit", "pending", "complete"].contains(key))
            .map(keyed)
            .collect();
        let before = (digest(&db), row_counts(&db), intents(&db));
        let refused = r#"{"op":"charge","user_id":"6","amount":"7","service":"vps"}"#;

        for (bad, code) in [(refused, "insufficient_balance"), ("nonsense", "invalid_input"), (r#"{"op":"fly"}"#, "invalid_input")] {
            let input = [good[..2].concat(), format!("{bad}\n"), good[2..].concat()].concat();
            let output = apply(&db, &["--atomic"], input).expect_code(1);
            let mut expected = vec!["rolled_back"; good.len() + 1];
            expected[2] = code;
            assert_eq!(outcomes(&output), expected);
            assert!(output.json_lines().iter().all(|line| line["ok"] == false), "{}", output.stdout);
            assert!(output.stderr.ends_with("Nothing of it was written.\n"), "{}", output.stderr);
            assert_eq!((digest(&db), row_counts(&db), intents(&db)), before, "{bad}");
        }

        let whole = apply(&db, &["--atomic"], good.concat()).expect_code(0);
        assert_eq!(outcomes(&whole), vec!["applied"; good.len()]);
        let again = apply(&db, &["--atomic"], good.concat()).expect_code(0);
        assert_eq!(outcomes(&again), vec!["already_applied"; good.len()]);
        let one_by_one = TestDatabase::fresh(db.engine);
        opening(&one_by_one);
        apply(&one_by_one, &[], good.concat()).expect_code(0);
        assert_eq!((digest(&db), intents(&db)), (digest(&one_by_one), intents(&one_by_one)));
    }

    fn whoever_waits_for_input_or_for_all_of_it_stops_when_asked(db: TestDatabase) {
        opening(&db);
        let before = (digest(&db), row_counts(&db));
        for (words, lines) in [
            ("apply -", ""),
            ("apply --import -", ""),
            ("apply - --atomic", &*story()),
            ("apply - --dry-run", &*story()),
        ] {
            let mut child = db.ledger().spawn(&words.split(' ').collect::<Vec<_>>());
            child.stdin.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
            // For standard input, the one pipe that it reads.
            let waits_in = format!("/proc/{}/wchan", child.id());
            await_until("it waits", || std::fs::read_to_string(&waits_in).unwrap().contains("pipe_read"));
            child.signal("INT");
            // Its input ends only after it.
            await_until("it ends", || child.try_wait().unwrap().is_some());
            Output::of(child).expect_code(130);
            assert_eq!((digest(&db), row_counts(&db)), before, "{words}");
        }
    }

    fn a_dry_run_writes_nothing_and_says_what_the_real_one_will_say(db: TestDatabase) {
        opening(&db);
        let input = format!("{}nonsense\n", story());
        let before = (digest(&db), row_counts(&db), intents(&db));

        let dry = apply(&db, &["--dry-run"], &input).expect_code(7);

        assert_eq!((digest(&db), row_counts(&db), intents(&db)), before);
        assert!(dry.stderr.ends_with("Nothing of it was written.\n"), "{}", dry.stderr);
        let real = apply(&db, &[], &input).expect_code(7);
        assert_eq!(dry.json_lines(), real.json_lines());
        assert_ne!(digest(&db), before.0);
        // And of what is done by now.
        let (again_dry, again) = (apply(&db, &["--dry-run"], &input), apply(&db, &[], &input));
        assert_eq!((again_dry.code, again_dry.json_lines()), (again.code, again.json_lines()));
        apply(&db, &["--dry-run", "--atomic"], "").expect_code(2);
    }
}
