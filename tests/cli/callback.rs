//! `recharge callback`: a gateway's word counts if it is signed, and for that very recharge.

use std::fs;

use super::{balance, digest, json, json_at, refused, with_balance};
use crate::common::callback::{SECRET, body, knowing, send, signature};
use crate::common::{Ledger, Output, TestDatabase, on_both_engines};

/// An account with 1 USD, the pending recharge r1-2 of 20 USD by momo, and a ledger that knows momo's secret.
fn with_pending(db: &TestDatabase) -> Ledger {
    with_balance(db, "1");
    pending(db);
    knowing(db.ledger())
}

fn pending(db: &TestDatabase) {
    json(
        db,
        "recharge --user-id 5 --amount 20 --method momo --pending --expires-in 30m",
    )
    .expect_code(0);
}

fn status(db: &TestDatabase, number: i64) -> String {
    db.sql(&format!("SELECT status FROM recharges WHERE number = {number}"))
}

fn signed(ledger: &Ledger, body: &str) -> Output {
    send(ledger, body, &signature(SECRET, body))
}

/// As a wrong input it ends with exit 2 and that code.
#[track_caller]
fn invalid(output: Output, code: &str) {
    let output = output.expect_code(2);
    assert_eq!((output.error_code().as_str(), output.stdout.as_str()), (code, ""));
}

on_both_engines! {
    fn rightly_signed_it_completes_once(db: TestDatabase) {
        let ledger = with_pending(&db);
        let body = body("r1-2", "completed", "20.00");
        let done = signed(&ledger, &body).expect_code(0).data();
        assert_eq!((&done["outcome"], &done["balance"]), (&"applied".into(), &"21.00".into()));
        assert_eq!((&done["recharge"]["status"], &done["recharge"]["gateway_response"]["txn"]), (&"completed".into(), &"A1".into()));
        let before = digest(&db);
        for _ in 0..2 {
            let again = signed(&ledger, &body).expect_code(0).data();
            assert_eq!((&again["outcome"], &again["balance"]), (&"already_applied".into(), &"21.00".into()));
        }
        assert_eq!(digest(&db), before);
    }

    fn a_body_that_is_no_object_is_refused(db: TestDatabase) {
        let ledger = with_pending(&db);
        for body in [r#"["r1-2","completed","20","USD"]"#, "[]", "7"] {
            invalid(signed(&ledger, body), "invalid_input");
        }
        assert_eq!(status(&db, 2), "pending");
    }

    fn the_digits_of_the_signature_may_be_capitals_and_the_amount_a_number(db: TestDatabase) {
        let ledger = with_pending(&db);
        let body = r#" {"amount": 20.0, "currency": "USD", "status": "completed", "recharge_id": "r1-2", "more": [1, {}]} "#;
        send(&ledger, body, &signature(SECRET, body).to_uppercase()).expect_code(0);
        assert_eq!(balance(&db), "21.00");
    }

    fn one_that_failed_brings_nothing(db: TestDatabase) {
        let ledger = with_pending(&db);
        let failed = body("r1-2", "failed", "20");
        for outcome in ["applied", "already_applied"] {
            assert_eq!(signed(&ledger, &failed).expect_code(0).data()["outcome"], outcome);
        }
        assert_eq!((status(&db, 2), balance(&db)), ("failed".into(), "1.00".into()));
        let details = refused(signed(&ledger, &body("r1-2", "completed", "20")), "already_final");
        assert_eq!(details["became"], "failed");
        assert_eq!(balance(&db), "1.00");
    }

    fn a_wrong_signature_changes_nothing(db: TestDatabase) {
        let ledger = with_pending(&db);
        let before = digest(&db);
        let body = body("r1-2", "completed", "20");
        let right = signature(SECRET, &body);
        let changed = |from: &str, to: &str| send(&ledger, body.replacen(from, to, 1), &right);
        invalid(changed("A1", "A2"), "invalid_signature");
        invalid(changed("20", "90"), "invalid_signature");
        invalid(changed("}", "} "), "invalid_signature");
        invalid(changed("{", "\u{feff}{"), "invalid_signature");
        let last = if right.ends_with('0') { "1" } else { "0" };
        let (cut, flipped) = (&right[..62], format!("{}{last}", &right[..63]));
        for wrong in [flipped.as_str(), cut, "", "-1", "zz", &"é".repeat(32), &format!("{right}00"), &format!("0x{right}")] {
            invalid(send(&ledger, &body, wrong), "invalid_signature");
        }
        let stranger = knowing(db.ledger()).env("LEDGER_CALLBACK_SECRET_MOMO", "another secret");
        invalid(send(&stranger, &body, &right), "invalid_signature");
        assert_eq!((digest(&db), status(&db, 2)), (before, "pending".into()));
        // The same under the right signature is taken.
        send(&ledger, &body, &right).expect_code(0);
    }

    fn the_secret_of_one_method_is_no_good_for_another(db: TestDatabase) {
        let ledger = with_pending(&db).env("LEDGER_CALLBACK_SECRET_ZALO_PAY", "zalo's own secret");
        let before = digest(&db);
        let body = body("r1-2", "completed", "20");
        let as_zalo = |secret: &str| {
            let signature = signature(secret, &body);
            ledger.run_with_stdin(&["recharge", "callback", "--method", "zalo_pay", "--signature", &signature, "--format", "json"], &body)
        };
        invalid(as_zalo(SECRET), "invalid_signature");
        // Rightly signed, but the recharge is momo's.
        let details = refused(as_zalo("zalo's own secret"), "claim_mismatch");
        assert_eq!(details["differs_in"], "method");
        invalid(send(&ledger, &body, &signature("zalo's own secret", &body)), "invalid_signature");
        assert_eq!((digest(&db), status(&db, 2)), (before, "pending".into()));
    }

    fn another_amount_or_currency_is_refused(db: TestDatabase) {
        let ledger = with_pending(&db);
        let before = digest(&db);
        for (amount, currency, differs_in) in [("19.99", "USD", "amount"), ("2000", "USD", "amount"), ("20", "EUR", "currency")] {
            for status in ["completed", "failed"] {
                let body = body("r1-2", status, amount).replace("USD", currency);
                let output = signed(&ledger, &body);
                assert_eq!(output.error()["error"]["status"], 409);
                assert_eq!(refused(output, "claim_mismatch")["differs_in"], differs_in);
            }
        }
        for amount in ["0", "-20", "20.001", "2e1", ""] {
            invalid(signed(&ledger, &body("r1-2", "completed", amount)), "invalid_amount");
        }
        assert_eq!((digest(&db), status(&db, 2)), (before, "pending".into()));
    }

    fn another_amount_is_refused_even_when_it_has_completed(db: TestDatabase) {
        let ledger = with_pending(&db);
        signed(&ledger, &body("r1-2", "completed", "20")).expect_code(0);
        refused(signed(&ledger, &body("r1-2", "completed", "21")), "claim_mismatch");
        let details = refused(signed(&ledger, &body("r1-2", "failed", "20")), "already_final");
        assert_eq!(details["became"], "completed");
        assert_eq!(balance(&db), "21.00");
    }

    fn an_unknown_recharge_is_not_found(db: TestDatabase) {
        let ledger = with_pending(&db);
        for id in ["r1-3", "r2-1", "r9223372036854775807-9223372036854775807"] {
            let output = signed(&ledger, &body(id, "completed", "20"));
            assert_eq!(output.error()["error"]["status"], 404);
            refused(output, "not_found");
        }
        invalid(signed(&ledger, &body("7", "completed", "20")), "invalid_input");
    }

    fn one_that_ended_otherwise_stays_so(db: TestDatabase) {
        let ledger = with_pending(&db);
        pending(&db);
        json(&db, "recharge cancel r1-3").expect_code(0);
        let before = digest(&db);
        // By the clock alone, the job has not come by.
        let late = ledger.clone().at("2026-03-01T12:30:00Z");
        for (id, became) in [("r1-2", "expired"), ("r1-3", "cancelled")] {
            let output = signed(&late, &body(id, "completed", "20"));
            assert_eq!(output.error()["error"]["status"], 409);
            assert_eq!(refused(output, "already_final")["became"], became);
        }
        assert_eq!((digest(&db), status(&db, 2), status(&db, 3)), (before, "pending".into(), "cancelled".into()));
        json_at(&db, "2026-03-01T12:30:00Z", "expire-recharges").expect_code(0);
        refused(signed(&late, &body("r1-2", "completed", "20")), "already_final");
        assert_eq!((status(&db, 2), balance(&db)), ("expired".into(), "1.00".into()));
    }

    fn a_body_of_the_wrong_shape_is_refused_though_signed(db: TestDatabase) {
        let ledger = with_pending(&db);
        let before = digest(&db);
        let good = body("r1-2", "completed", "20");
        let padded = |length: usize| good.replace("A1", &"x".repeat(length - good.len() + 2));
        for bad in ["", "null", "[]", "completed", "{", &good[1..], &good.replace("completed", "paid"), &good.replace("USD", "usd"),
            &good.replace("\"status\":\"completed\",", ""), &good.replace("r1-2", "h1-2"),
            &good.replace("{", r#"{"amount":"1","#), &padded(16 * 1024 + 1), &padded(20_000)] {
            invalid(signed(&ledger, bad), "invalid_input");
        }
        let not_utf8 = [good.as_bytes(), b"\xff"].concat();
        invalid(send(&ledger, &not_utf8, &signature(SECRET, &not_utf8)), "invalid_input");
        assert_eq!((digest(&db), status(&db, 2)), (before, "pending".into()));
        assert_eq!(padded(16 * 1024).len(), 16 * 1024);
        signed(&ledger, &padded(16 * 1024)).expect_code(0);
    }

    fn a_lost_secret_is_a_matter_of_configuration(db: TestDatabase) {
        let ledger = with_pending(&db).without_env("LEDGER_CALLBACK_SECRET_MOMO");
        let before = digest(&db);
        let body = body("r1-2", "completed", "20");
        let signature = signature(SECRET, &body);
        let file = db.directory().join("secret");
        let in_file = ledger.clone().env("LEDGER_CALLBACK_SECRET_MOMO_FILE", &file.display().to_string());
        let lost = |ledger: &Ledger| {
            let output = send(ledger, &body, &signature).expect_code(3);
            assert_eq!(output.error_code(), "configuration");
            output.error()["error"]["message"].as_str().unwrap().to_owned()
        };
        assert!(lost(&ledger).contains("LEDGER_CALLBACK_SECRET_MOMO"));
        lost(&ledger.clone().env("LEDGER_CALLBACK_SECRET_MOMO", ""));
        assert!(lost(&in_file).contains("LEDGER_CALLBACK_SECRET_MOMO_FILE"));
        fs::write(&file, "\n").unwrap();
        lost(&in_file);
        assert_eq!((digest(&db), status(&db, 2)), (before, "pending".into()));
        fs::write(&file, format!("{SECRET}\n")).unwrap();
        send(&in_file, &body, &signature).expect_code(0);
        assert_eq!(balance(&db), "21.00");
    }

    fn the_secret_is_never_shown(db: TestDatabase) {
        let ledger = with_pending(&db).env("RUST_LOG", "trace");
        let body = body("r1-2", "completed", "20");
        let right = signature(SECRET, &body);
        let wrong = right.replace(['0', '1', '2', '3'], "4");
        let mut said = String::new();
        for (signature, more) in [(&wrong, "-vv"), (&right, "-vv"), (&right, "--format=csv"), (&wrong, "--format=table")] {
            let line = ["recharge", "callback", "--method", "momo", "--signature", signature, more];
            said.push_str(&ledger.run_with_stdin(&line, &body).transcript());
        }
        for line in ["recharge callback --help", "recharge list", "history --user-id 5 --format json"] {
            said.push_str(&ledger.run_words(line).transcript());
        }
        said.push_str(&db.sql("SELECT payload, reason FROM intents"));
        assert!(!said.contains(SECRET) && !said.contains("battery"), "{said}");
        // Nor what would have been the right signature of a body that was refused.
        let refused = ledger.run_with_stdin(&["recharge", "callback", "--method", "momo", "--signature", &wrong, "-vv"], &body);
        assert!(!refused.transcript().contains(&right));
    }
}
