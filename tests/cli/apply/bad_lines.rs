//! `apply` and lines that cannot be read or must not be done: each is told by its number, the rest goes on.

use super::{apply, outcomes, row_counts};
use crate::cli::{balance, digest, json, with_balance};
use crate::common::{Output, TestDatabase, on_both_engines};

const GOOD: &str = r#"{"op":"charge","user_id":"5","amount":"1","service":"vps"}"#;

/// A line that must not be done, and the code it must be told with.
const BAD: &[(&str, &str)] = &[
    ("{\"op\":", "invalid_input"),
    ("nonsense", "invalid_input"),
    ("{}", "invalid_input"),
    ("[]", "invalid_input"),
    ("null", "invalid_input"),
    ("\"charge\"", "invalid_input"),
    ("{\"op\":\"charge\"} {}", "invalid_input"),
    ("\u{0}", "invalid_input"),
    ("{\"op\":\"fly\",\"user_id\":\"5\"}", "invalid_input"),
    ("{\"op\":\"\",\"user_id\":\"5\"}", "invalid_input"),
    ("{\"op\":[\"charge\"],\"user_id\":\"5\"}", "invalid_input"),
    // A field that is missing, not known, there twice, or of another type.
    (r#"{"op":"charge","amount":"1","service":"vps"}"#, "invalid_input"),
    (r#"{"op":"charge","user_id":"5","service":"vps"}"#, "invalid_input"),
    (r#"{"op":"charge","user_id":"5","amount":"1"}"#, "invalid_input"),
    (
        r#"{"op":"charge","user_id":null,"amount":"1","service":"vps"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","hold":"h1-1"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","Amount":"2"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","amount":"1","service":"vps"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","user_id":"6","amount":"1","service":"vps"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":["5"],"amount":"1","service":"vps"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":{},"amount":"1","service":"vps"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":true,"service":"vps"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":["1"],"service":"vps"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":false}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","suspend":"yes"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","suspend":1}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","metadata":"{"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","idempotency_key":""}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","idempotency_key":{}}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","currency":"usd"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","currency":"EUR"}"#,
        "not_found",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","currency":"QQQ"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","description":"a","reason":"b"}"#,
        "invalid_input",
    ),
    (r#"{"op":"commit","hold":"h1-1","keep_open":true}"#, "invalid_input"),
    // Control characters, raw and escaped, and what turns text around.
    (
        "{\"op\":\"charge\",\"user_id\":\"5\",\"amount\":\"1\",\"service\":\"v\u{7}ps\"}",
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"v\u0007ps"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5\u0000","amount":"1","service":"vps"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","description":"\u001b[31m"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","reference":"a\u202eb"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","idempotency_key":"a\nb"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"\ud800"}"#,
        "invalid_input",
    ),
    // What the other operations must have.
    (r#"{"op":"recharge","user_id":"5","amount":"1"}"#, "invalid_input"),
    (
        r#"{"op":"recharge","user_id":"5","amount":"1","method":"a b"}"#,
        "invalid_method",
    ),
    (
        r#"{"op":"recharge","user_id":"5","amount":"1","method":"momo","expires_in":"2h"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"freeze","user_id":"5","amount":"1","expires_in":"soon"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"freeze","user_id":"5","amount":"1","expires_in":"0s"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"freeze","user_id":"5","amount":"1","expires_in":20}"#,
        "invalid_input",
    ),
    (r#"{"op":"adjust","user_id":"5","amount":"1"}"#, "invalid_input"),
    (r#"{"op":"penalty","user_id":"5","amount":"1"}"#, "invalid_input"),
    (
        r#"{"op":"reverse","user_id":"5","entry":1,"if_spent":"maybe"}"#,
        "invalid_input",
    ),
    (r#"{"op":"refund","user_id":"5"}"#, "invalid_input"),
    (r#"{"op":"refund","user_id":"5","entry":0}"#, "invalid_input"),
    (r#"{"op":"refund","user_id":"5","entry":-1}"#, "invalid_input"),
    (r#"{"op":"refund","user_id":"5","entry":1.5}"#, "invalid_input"),
    (
        r#"{"op":"refund","user_id":"5","entry":99999999999999999999}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"refund","user_id":"5","entry":1,"hold":"h1-1"}"#,
        "invalid_input",
    ),
    // What is paid, and what it is worth.
    (r#"{"op":"purchase-record","user_id":"5"}"#, "invalid_input"),
    (
        r#"{"op":"purchase-record","user_id":"5","credits":"5"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"purchase-record","user_id":"5","amount":"5","credits":"0"}"#,
        "invalid_amount",
    ),
    (
        r#"{"op":"purchase-record","user_id":"5","amount":"1.5","paid_in":"VND"}"#,
        "invalid_amount",
    ),
    (
        r#"{"op":"purchase-record","user_id":"5","amount":"5","paid_in":"XXXX"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"purchase-record","user_id":"5","amount":"5","paid_in":"vnd"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"purchase-record","user_id":"5","amount":"5","per_credit":"0"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"purchase-record","user_id":"5","amount":"90000000000000000","per_credit":"0.0001"}"#,
        "invalid_amount",
    ),
    (
        r#"{"op":"purchase-record","user_id":"5","amount":"5","pending_hours":"1.5"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"purchase-record","user_id":"5","amount":"5","pending_hours":-1}"#,
        "invalid_input",
    ),
    (r#"{"op":"gift-grant","user_id":"5"}"#, "invalid_input"),
    (r#"{"op":"gift-grant","user_id":"5","amount":"1"}"#, "invalid_amount"),
    (
        r#"{"op":"gift-grant","user_id":"5","credits":"1","pending_hours":"1"}"#,
        "invalid_input",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","paid_in":"VND"}"#,
        "invalid_input",
    ),
    (r#"{"op":"gift-deactivate","id":"g1-1"}"#, "invalid_input"),
    // Ids of something else, of nothing, of nobody.
    (r#"{"op":"commit"}"#, "invalid_input"),
    (r#"{"op":"commit","hold":1}"#, "invalid_input"),
    (r#"{"op":"commit","hold":"r1-1"}"#, "invalid_input"),
    (r#"{"op":"commit","hold":"h1-0"}"#, "invalid_input"),
    (r#"{"op":"commit","hold":"h1-99999999999999999999"}"#, "invalid_input"),
    (r#"{"op":"commit","hold":"h1-9"}"#, "not_found"),
    (r#"{"op":"commit","hold":"h99-1"}"#, "not_found"),
    (r#"{"op":"refund","hold":null}"#, "invalid_input"),
    (r#"{"op":"refund","hold":"h1-9"}"#, "not_found"),
    (r#"{"op":"refund","user_id":"5","entry":99}"#, "not_found"),
    (r#"{"op":"recharge-complete","id":"h1-1"}"#, "invalid_input"),
    (r#"{"op":"recharge-complete","id":"r1-9"}"#, "not_found"),
    (r#"{"op":"recharge-complete","id":"r99-1"}"#, "not_found"),
    (r#"{"op":"deactivate-purchase","id":"p1-9","reason":"x"}"#, "not_found"),
    (r#"{"op":"gift-deactivate","id":"g1-9","reason":"x"}"#, "not_found"),
    // Accounts that take no charge.
    (
        r#"{"op":"charge","user_id":"404","amount":"1","service":"vps"}"#,
        "not_found",
    ),
    (
        r#"{"op":"charge","user_id":"locked","amount":"1","service":"vps"}"#,
        "account_locked",
    ),
    (
        r#"{"op":"charge","user_id":"closed","amount":"1","service":"vps"}"#,
        "account_closed",
    ),
    (
        r#"{"op":"recharge","user_id":"closed","amount":"1","method":"momo"}"#,
        "account_closed",
    ),
    (
        r#"{"op":"charge","user_id":"5","amount":"1000","service":"vps"}"#,
        "insufficient_balance",
    ),
];

/// Amounts of every wrong shape, as they stand in the line.
const BAD_AMOUNTS: &[&str] = &[
    "0",
    "-1",
    "1e3",
    "1E0",
    "0.001",
    "1.",
    "1.0e1",
    "\"\"",
    "\" 1\"",
    "\"+1\"",
    "\"-1\"",
    "\"1,5\"",
    "\"1 000\"",
    "\"1_000\"",
    "\"0x10\"",
    "\"NaN\"",
    "\"inf\"",
    "\".5\"",
    "\"1.\"",
    "\"1.005\"",
    "\"0.00\"",
    "\"1e2\"",
    "\"\u{0661}\"",
    "\"92233720368547758.08\"",
    "99999999999999999999999999999999",
    "{}",
    "[1]",
    "null",
    "NaN",
];

fn with_accounts(db: &TestDatabase) {
    with_balance(db, "100");
    for line in [
        "account create --user-id locked",
        "account lock --user-id locked",
        "account create --user-id closed",
        "account close --user-id closed",
    ] {
        db.ledger().run_words(line).expect_code(0);
    }
}

/// The numbers of the lines that were told, each with its outcome.
fn numbered(output: &Output) -> Vec<(u64, String)> {
    let rows = output.json_lines();
    let numbers = rows.iter().map(|row| row["line"].as_u64().unwrap());
    numbers.zip(outcomes(output)).collect()
}

fn expected(rows: &[(u64, &str)]) -> Vec<(u64, String)> {
    rows.iter()
        .map(|(number, outcome)| (*number, (*outcome).to_owned()))
        .collect()
}

on_both_engines! {
    fn a_bad_line_is_told_by_its_number_and_the_rest_goes_on(db: TestDatabase) {
        with_accounts(&db);
        // A good line after each bad one.
        let input: String = BAD.iter().map(|(line, _)| format!("{line}\n{GOOD}\n")).collect();
        let wanted: Vec<(u64, String)> = BAD
            .iter()
            .flat_map(|(_, code)| [*code, "applied"])
            .zip(1..)
            .map(|(outcome, number)| (number, outcome.to_owned()))
            .collect();

        let output = apply(&db, &[], input).expect_code(7);

        for (got, wanted) in numbered(&output).iter().zip(&wanted) {
            let line = BAD[(wanted.0 as usize - 1) / 2].0;
            assert_eq!(got, wanted, "{line}\n{}", output.stdout.lines().nth(wanted.0 as usize - 1).unwrap());
        }
        assert_eq!(output.json_lines().len(), wanted.len());
        assert_eq!(balance(&db), format!("{}.00", 100 - BAD.len()));
        assert_eq!(db.sql("SELECT COUNT(*) FROM entries"), (1 + BAD.len()).to_string());
        digest(&db);
    }

    fn a_file_of_bad_lines_alone_leaves_the_ledger_as_it_was(db: TestDatabase) {
        with_accounts(&db);
        let before = digest(&db);
        let entries = "SELECT COUNT(*) FROM entries; SELECT SUM(balance) FROM balances; SELECT COUNT(*) FROM holds";
        let rows = db.sql(entries);
        let input: String = BAD.iter().map(|(line, _)| format!("{line}\n")).collect();
        for words in [&[][..], &["--dry-run"]] {
            let output = apply(&db, words, &input).expect_code(7);
            let codes: Vec<&str> = BAD.iter().map(|(_, code)| *code).collect();
            assert_eq!(outcomes(&output), codes);
        }
        apply(&db, &["--atomic"], &input).expect_code(1);
        assert_eq!((digest(&db), db.sql(entries)), (before, rows));
    }

    fn amounts_of_every_wrong_shape_are_refused(db: TestDatabase) {
        with_balance(&db, "100");
        let before = (digest(&db), row_counts(&db));
        for op in ["\"charge\",\"service\":\"vps\"", "\"recharge\",\"method\":\"momo\"", "\"freeze\"",
            "\"penalty\",\"reason\":\"x\"", "\"gift-grant\"", "\"refund\",\"entry\":1", "\"commit\",\"hold\":\"h1-1\""]
        {
            let owner = if op.contains("hold") { "" } else { ",\"user_id\":\"5\"" };
            let field = if op.contains("gift") { "credits" } else { "amount" };
            // No amount at all is the whole, where there is a whole.
            let shapes = || BAD_AMOUNTS.iter().filter(|shape| **shape != "null" || !op.contains(['1']));
            let input: String = shapes().map(|shape| format!("{{\"op\":{op}{owner},\"{field}\":{shape}}}\n")).collect();
            let output = apply(&db, &[], &input).expect_code(7);
            assert!(outcomes(&output).iter().any(|code| code == "invalid_amount"), "{op}: no amount was read");
            for (line, code) in input.lines().zip(outcomes(&output)) {
                assert!(code == "invalid_amount" || code == "invalid_input", "{code}: {line}");
            }
            assert_eq!(output.json_lines().len(), shapes().count());
        }
        assert_eq!((digest(&db), row_counts(&db)), before);
    }

    fn what_is_not_text_is_a_bad_line_and_the_marks_of_other_systems_are_none(db: TestDatabase) {
        with_balance(&db, "100");
        let nested = format!("{{\"op\":\"charge\",\"metadata\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
        let open = "{\"a\":".repeat(10_000);
        let long = format!("{{\"op\":\"charge\",\"description\":\"{}\"}}", "x".repeat(10_000_000));
        let mut input = format!("\u{feff}{GOOD}\r\n\r\n   \n{GOOD}\r\n").into_bytes();
        for line in [nested.as_bytes(), open.as_bytes(), long.as_bytes(), b"{\"op\":\"char\xffge\"}", b"\xff\xfe\x00", b"\xef\xbb\xbf{}"] {
            input.extend_from_slice(line);
            input.extend_from_slice(b"\n");
        }
        // The last line need not end.
        input.extend_from_slice(GOOD.as_bytes());

        let output = apply(&db, &[], &input).expect_code(7);

        let bad = (5..=10).map(|number| (number, "invalid_input"));
        let rows: Vec<_> = [(1, "applied"), (4, "applied")].into_iter().chain(bad).chain([(11, "applied")]).collect();
        assert_eq!(numbered(&output), expected(&rows));
        assert_eq!(balance(&db), "97.00");
        assert!(output.stdout.lines().all(|line| line.len() < 2_000), "a bad line is not repeated at length");
    }

    fn rows_of_csv_that_are_too_short_too_long_or_no_text_are_told(db: TestDatabase) {
        with_balance(&db, "100");
        let mut input = b"op , user_id,amount,service\n".to_vec();
        for row in [&b"charge,5,1,vps"[..], b"charge,5,1", b"charge,5,1,vps,more", b"charge,5,1,v\xffps", b"fly,5,1,vps",
            b",5,1,vps", b"charge,5,\"1,5\",vps", b"charge,,1,vps", b"charge, 5 ,\"1\", vps"]
        {
            input.extend_from_slice(row);
            input.push(b'\n');
        }

        let output = apply(&db, &[], &input).expect_code(7);

        assert_eq!(numbered(&output), expected(&[(2, "applied"), (3, "invalid_input"), (4, "invalid_input"),
            (5, "invalid_input"), (6, "invalid_input"), (7, "invalid_input"), (8, "invalid_amount"), (9, "invalid_input"),
            (10, "applied")]));
        assert_eq!(balance(&db), "98.00");
        let marked = "\u{feff}op,user_id,amount,service\r\ncharge,5,1,vps\r\n\r\ncharge,5,1,vps";
        assert_eq!(outcomes(&apply(&db, &[], marked).expect_code(0)), ["applied", "applied"]);
        // A column that no line of it has, and one that stands twice.
        let unknown = "op,user_id,amount,service,colour\ncharge,5,1,vps,\ncharge,5,1,vps,red\n";
        assert_eq!(outcomes(&apply(&db, &[], unknown).expect_code(7)), ["applied", "invalid_input"]);
        let twice = "op,user_id,amount,service,amount\ncharge,5,1,vps,2\n";
        assert_eq!(outcomes(&apply(&db, &[], twice).expect_code(7)), ["invalid_input"]);
    }

    fn an_empty_file_is_done_and_what_is_no_file_of_operations_is_wrong_usage(db: TestDatabase) {
        with_balance(&db, "100");
        let before = (digest(&db), row_counts(&db));
        for nothing in ["", "\n\r\n  \n", "\u{feff}", "op,user_id\n", "op"] {
            for words in [&[][..], &["--atomic"], &["--dry-run"]] {
                assert_eq!(apply(&db, words, nothing).expect_code(0).stdout, "", "{nothing:?} {words:?}");
            }
        }
        for neither in ["user_id,amount\n5,1\n", "[1]\n", "nonsense", "\u{0}\u{1}", "Op,user_id\ncharge,5\n"] {
            for words in [&["--format", "json"][..], &["--format", "json", "--atomic"]] {
                let output = apply(&db, words, neither).expect_code(2);
                assert_eq!((output.error_code().as_str(), output.stdout.as_str()), ("invalid_input", ""), "{neither:?}");
            }
        }
        let told = db.ledger().run_words("apply no-such-file").expect_code(2).stderr;
        assert!(told.starts_with("error: ") && told.lines().count() == 1, "nothing to sum up: {told}");
        for line in ["apply no-such-file", "apply .", "apply"] {
            assert_eq!(json(&db, line).expect_code(2).error_code(), "invalid_input", "{line}");
        }
        assert_eq!((digest(&db), row_counts(&db)), before);
    }
}
