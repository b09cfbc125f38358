//! Bad input: a clear error with its code, and a ledger that is as it was.

use super::{digest, with_balance};
use crate::common::on_both_engines;

/// Arguments and the code they must end with.
const REFUSED: &[(&[&str], i32, &str)] = &[
    (
        &["charge", "--user-id", "404", "--amount", "1", "--service", "vps"],
        1,
        "not_found",
    ),
    (&["balance", "--user-id", "404"], 1, "not_found"),
    (
        &["charge", "--user-id", "5", "--amount", "1", "--service", ""],
        2,
        "invalid_input",
    ),
    (
        &["charge", "--user-id", "", "--amount", "1", "--service", "vps"],
        2,
        "invalid_input",
    ),
    (
        &["charge", "--user-id", "a\u{7}b", "--amount", "1", "--service", "vps"],
        2,
        "invalid_input",
    ),
    (
        &["charge", "--user-id", "a\u{202e}b", "--amount", "1", "--service", "vps"],
        2,
        "invalid_input",
    ),
    (
        &["charge", "--user-id", "5", "--amount", "1", "--service", "v\nps"],
        2,
        "invalid_input",
    ),
    (
        &[
            "charge",
            "--user-id",
            "5",
            "--amount",
            "1",
            "--service",
            "vps",
            "--metadata",
            "{",
        ],
        2,
        "invalid_input",
    ),
    (
        &[
            "charge",
            "--user-id",
            "5",
            "--amount",
            "1",
            "--service",
            "vps",
            "--currency",
            "usd",
        ],
        2,
        "invalid_input",
    ),
    (
        &[
            "charge",
            "--user-id",
            "5",
            "--amount",
            "1",
            "--service",
            "vps",
            "--currency",
            "EUR",
        ],
        1,
        "not_found",
    ),
    (
        &[
            "charge",
            "--user-id",
            "5",
            "--amount",
            "1",
            "--service",
            "vps",
            "--now",
            "yesterday",
        ],
        2,
        "invalid_input",
    ),
    (
        &[
            "charge",
            "--user-id",
            "5",
            "--amount",
            "1",
            "--service",
            "vps",
            "--lock-timeout",
            "5",
        ],
        2,
        "invalid_input",
    ),
    (
        &[
            "charge",
            "--user-id",
            "5",
            "--amount",
            "1",
            "--service",
            "vps",
            "--idempotency-key",
            "",
        ],
        2,
        "invalid_input",
    ),
    (&["charge", "--user-id", "5", "--amount", "1"], 2, "invalid_input"),
    (
        &["recharge", "--user-id", "5", "--amount", "1", "--method", "Zalo Pay"],
        2,
        "invalid_method",
    ),
    (
        &["recharge", "--user-id", "5", "--amount", "1", "--method", ""],
        2,
        "invalid_method",
    ),
    (
        &[
            "recharge",
            "--user-id",
            "5",
            "--amount",
            "1",
            "--method",
            "momo",
            "--pending",
            "--expires-in",
            "soon",
        ],
        2,
        "invalid_input",
    ),
    (
        &[
            "recharge",
            "--user-id",
            "5",
            "--amount",
            "1",
            "--method",
            "momo",
            "--expires-in",
            "5m",
        ],
        2,
        "invalid_input",
    ),
    (&["recharge", "complete", "r1-1x"], 2, "invalid_input"),
    (&["history", "--user-id", "5", "--kind", "theft"], 2, "invalid_input"),
    (
        &["balance", "--user-id", "5", "--at", "2026-02-30T00:00:00Z"],
        2,
        "invalid_input",
    ),
    (
        &["account", "create", "--user-id", "9", "--low-balance-threshold", "-1"],
        2,
        "invalid_amount",
    ),
    (&["verify-sync", "--fix", "--max-delta", "1e3"], 2, "invalid_amount"),
    (&["no-such-command"], 2, "invalid_input"),
    (&["refund"], 2, "invalid_input"),
    (&["refund", "--amount", "1"], 2, "invalid_input"),
    (&["refund", "--user-id", "5"], 2, "invalid_input"),
    (&["refund", "--entry", "1"], 2, "invalid_input"),
    (&["refund", "--hold", "h1-1", "--entry", "1"], 2, "invalid_input"),
    (&["refund", "--hold", "h1-1", "--user-id", "5"], 2, "invalid_input"),
    (&["commit"], 2, "invalid_input"),
    (&["commit", "--hold", "h1-1", "--keep-open"], 2, "invalid_input"),
    (&["reverse", "--user-id", "5"], 2, "invalid_input"),
    (
        &["reverse", "--user-id", "5", "--entry", "1", "--if-spent", "ignore"],
        2,
        "invalid_input",
    ),
    (&["freeze", "--user-id", "404", "--amount", "1"], 1, "not_found"),
    (
        &["freeze", "--user-id", "5", "--amount", "1", "--service", ""],
        2,
        "invalid_input",
    ),
    (&["suspend", "--user-id", "5"], 2, "invalid_input"),
    (&["holds", "--limit", "-1"], 2, "invalid_input"),
    (&["alerts", "ack", ""], 1, "not_found"),
    (
        &["recharge", "callback", "--method", "Zalo Pay", "--signature", "00"],
        2,
        "invalid_method",
    ),
];

on_both_engines! {
    fn is_refused_with_its_code_and_changes_nothing(db: TestDatabase) {
        with_balance(&db, "100");
        let before = digest(&db);
        for (args, code, name) in REFUSED {
            let output = db.ledger().run(&[*args, &["--format", "json"]].concat());
            assert_eq!((output.code, output.error_code().as_str()), (*code, *name), "{args:?}\n{}", output.stderr);
            assert!(!output.stderr.trim_end().chars().any(char::is_control), "{args:?}");
        }
        assert_eq!(digest(&db), before);
    }

    fn amounts_of_every_wrong_shape_are_refused(db: TestDatabase) {
        with_balance(&db, "100");
        let before = digest(&db);
        let huge = "9".repeat(400);
        for amount in ["0", "0.00", "-5", "+5", "1e3", "1,000", "1 000", "1.005", "NaN", "inf", "", " 5", "٣", "0x1", "1.", ".5",
            "92233720368547758.08", "--", "1;DROP TABLE entries", huge.as_str()] {
            for command in ["charge", "recharge", "penalty", "freeze"] {
                let mut args = vec![command, "--user-id", "5", "--amount", amount, "--format", "json"];
                args.extend(match command {
                    "charge" => ["--service", "vps"],
                    "recharge" => ["--method", "momo"],
                    _ => ["--reason", "x"],
                });
                let output = db.ledger().run(&args);
                assert_eq!((output.code, output.error_code().as_str()), (2, "invalid_amount"), "{command} {amount:?}");
            }
        }
        assert_eq!(digest(&db), before);
    }

    fn parts_holds_entries_and_spans_of_every_wrong_shape_are_refused(db: TestDatabase) {
        with_balance(&db, "100");
        let freeze = ["freeze", "--user-id", "5", "--amount", "9", "--format", "json"];
        db.ledger().run(&freeze).expect_code(0);
        let before = digest(&db);
        let wrong = |args: &[&str], code: &str| {
            let output = db.ledger().run(&[args, &["--format", "json"]].concat());
            assert_eq!((output.code, output.error_code().as_str()), (2, code), "{args:?}\n{}", output.stderr);
        };
        for amount in ["0", "-5", "+5", "1e3", "1.005", "NaN", "", "1.", "92233720368547758.08"] {
            for target in [&["commit", "--hold", "h1-1"][..], &["refund", "--hold", "h1-1"], &["refund", "--user-id", "5", "--entry", "1"],
                &["reverse", "--user-id", "5", "--entry", "1"]] {
                wrong(&[target, &["--amount", amount]].concat(), "invalid_amount");
            }
        }
        for hold in ["", "1", "h1", "h-1", "h1-", "h0-1", "h1-0", "h1--1", "H1-1", "r1-1", "h1-1x", " h1-1", "h+1-1", "h٣-1",
            "h9223372036854775808-1", "h1-9223372036854775808"] {
            wrong(&["commit", "--hold", hold], "invalid_input");
            wrong(&["refund", "--hold", hold], "invalid_input");
        }
        for entry in ["0", "-1", "1.5", "", "one", "9223372036854775808", "-9223372036854775808"] {
            wrong(&["refund", "--user-id", "5", "--entry", entry], "invalid_input");
            wrong(&["reverse", "--user-id", "5", "--entry", entry], "invalid_input");
        }
        for span in ["", "0m", "5", "m", "-5m", "1.5h", "5 m", "5M", "5w", "99999999999999999999d", "3651d"] {
            let span = format!("--expires-in={span}");
            wrong(&["freeze", "--user-id", "5", "--amount", "1", &span], "invalid_input");
        }
        assert_eq!(digest(&db), before);
        assert_eq!(db.sql("SELECT remaining, status FROM holds"), "900|open");
    }

    fn a_figure_beyond_the_range_is_refused(db: TestDatabase) {
        with_balance(&db, "92233720368547758.07");
        let before = digest(&db);
        let output = db.ledger().run_words("recharge --user-id 5 --amount 0.01 --method momo --format json").expect_code(2);
        assert_eq!(output.error_code(), "invalid_amount");
        assert_eq!(digest(&db), before);
    }

    fn sql_in_every_text_field_is_only_text(db: TestDatabase) {
        let evil = "x'); DROP TABLE entries; -- \" ? $1 %s \\";
        db.ledger().run(&["account", "create", "--user-id", evil]).expect_code(0);
        db.ledger().run(&["recharge", "--user-id", evil, "--amount", "9", "--method", "momo", "--reference", evil,
            "--description", evil, "--gateway-response", &format!("{evil:?}").replace("\\'", "'")]).expect_code(0);
        let args = ["charge", "--user-id", evil, "--amount", "4", "--service", evil, "--reference", evil, "--description", evil,
            "--metadata", "{\"k\":\"'; DROP TABLE balances; --\"}", "--idempotency-key", evil, "--actor", evil, "--format", "json"];
        let data = db.ledger().run(&args).expect_code(0).data();
        assert_eq!(data["entries"][0]["service"], evil);
        assert_eq!(data["entries"][0]["actor"], evil);
        assert_eq!(data["balance"], "5.00");
        let found = db.ledger().run(&["history", "--user-id", evil, "--service", evil, "--format", "json"]).expect_code(0).data();
        assert_eq!(found["entries"].as_array().unwrap().len(), 1);
        db.ledger().run_words("verify-sync").expect_code(0);
    }

    fn a_text_of_ten_kilobytes_is_too_long(db: TestDatabase) {
        with_balance(&db, "100");
        let long = "x".repeat(10_240);
        for option in ["--user-id", "--service", "--reference", "--description", "--idempotency-key", "--actor"] {
            let mut args = vec!["charge", "--amount", "1", option, &long, "--format", "json"];
            for (name, value) in [("--user-id", "5"), ("--service", "vps")] {
                if name != option {
                    args.extend([name, value]);
                }
            }
            assert_eq!(db.ledger().run(&args).expect_code(2).error_code(), "invalid_input", "{option}");
        }
    }
}
