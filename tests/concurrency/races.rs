//! Processes that ask at the same moment.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::{at_once, charge, with_code, with_outcome};
use crate::common::callback::{SECRET, body, knowing, send, signature};
use crate::common::{Engine, Output, Raise, TestDatabase, on_both_engines};

const VERIFICATIONS: usize = 30;

/// A charge that is sent more than once.
fn of_30_under_one_key(user: &str) -> Vec<&str> {
    [&charge(user, "30")[..], &["--idempotency-key", "usage-1"]].concat()
}

on_both_engines! {
    fn of_two_charges_that_exceed_the_balance_together_exactly_one_succeeds(database: TestDatabase) {
        let ledger = database.ledger();
        for round in 0..100 {
            let user = format!("user {round}");
            ledger.fund(&user, "100000");

            let outputs = at_once(&ledger, &[charge(&user, "80000"), charge(&user, "80000")]);

            assert_eq!(with_code(&outputs, 0).len(), 1, "{outputs:#?}");
            let refused = with_code(&outputs, 1);
            assert_eq!(refused.len(), 1, "{outputs:#?}");
            assert_eq!(refused[0].error_code(), "insufficient_balance");
            assert_eq!(ledger.balance(&user), "20000.00");
        }
        ledger.proven();
    }

    fn a_key_sent_by_four_processes_at_once_is_applied_once(database: TestDatabase) {
        let ledger = database.ledger();
        for round in 0..20 {
            let user = format!("user {round}");
            ledger.fund(&user, "1000");
            let line = of_30_under_one_key(&user);

            let outputs = at_once(&ledger, &vec![line; 4]);

            assert_eq!(with_outcome(&outputs, "applied"), 1, "{outputs:#?}");
            assert_eq!(with_outcome(&outputs, "already_applied"), 3, "{outputs:#?}");
            let entries: Vec<_> = outputs.iter().map(|output| output.data()["entries"].clone()).collect();
            assert!(entries.iter().all(|entry| *entry == entries[0]), "{entries:#?}");
            assert_eq!(ledger.balance(&user), "970.00");
        }
        let written = "SELECT COUNT(*) FROM entries WHERE idempotency_key = 'usage-1'";
        assert_eq!(database.sql(written), "20");
        ledger.proven();
    }

    fn a_key_sent_by_different_people_at_once_is_applied_in_the_name_of_one(database: TestDatabase) {
        let ledger = database.ledger();
        for round in 0..20 {
            let user = format!("user {round}");
            ledger.fund(&user, "1000");
            let line = of_30_under_one_key(&user);

            let people = ["ann", "bob", "cyd", "dan"].map(|name| ledger.clone().env("LEDGER_ACTOR", name));
            let sent: Vec<_> = people.iter().map(|person| person.spawn(&line)).collect();
            let outputs: Vec<_> = sent.into_iter().map(Output::of).collect();

            assert_eq!(with_outcome(&outputs, "applied"), 1, "{outputs:#?}");
            assert_eq!(with_outcome(&outputs, "already_applied"), 3, "{outputs:#?}");
            assert_eq!(ledger.balance(&user), "970.00");
        }
        assert_eq!(database.sql("SELECT COUNT(*) FROM intents WHERE state = 'pending'"), "0");
        ledger.run_words("verify-sync --deep").expect_code(0);
    }

    fn a_key_whose_senders_give_up_at_different_moments_is_applied_once(database: TestDatabase) {
        let ledger = database.ledger();
        for round in 0..10 {
            let user = format!("user {round}");
            ledger.fund(&user, "1000");
            let lines = ["1ms", "3ms", "10ms", "30ms", "100ms", "20s"].map(|patience| {
                [&of_30_under_one_key(&user)[..], &["--lock-timeout", patience]].concat()
            });

            let outputs = at_once(&ledger, &lines);

            assert!(outputs.iter().all(|output| [0, 5].contains(&output.code)), "{outputs:#?}");
            let line = of_30_under_one_key(&user);
            ledger.run(&line).expect_code(0);
            assert_eq!(ledger.balance(&user), "970.00");
        }
        assert_eq!(database.sql("SELECT COUNT(*) FROM intents WHERE state = 'pending'"), "0");
        ledger.run_words("verify-sync --deep").expect_code(0);
    }

    fn a_key_that_is_refused_four_times_at_once_was_never_applied_and_can_be_later(database: TestDatabase) {
        let ledger = database.ledger();
        for round in 0..10 {
            let user = format!("user {round}");
            ledger.fund(&user, "20");
            let line = of_30_under_one_key(&user);

            let refused = at_once(&ledger, &vec![line.clone(); 4]);

            assert_eq!(with_code(&refused, 1).len(), 4, "{refused:#?}");
            assert!(refused.iter().all(|output| output.error_code() == "insufficient_balance"), "{refused:#?}");
            ledger.run(&["recharge", "--user-id", &user, "--amount", "40", "--method", "momo"]).expect_code(0);
            let outputs = at_once(&ledger, &vec![line; 4]);
            assert_eq!(with_outcome(&outputs, "applied"), 1, "{outputs:#?}");
            assert_eq!(with_outcome(&outputs, "already_applied"), 3, "{outputs:#?}");
            assert_eq!(ledger.balance(&user), "30.00");
        }
        // Who came while another was being judged shares its attempt.
        let gaps = "SELECT account_id FROM intents WHERE idempotency_key = 'usage-1' GROUP BY account_id \
                    HAVING MIN(attempt) <> 1 OR MAX(attempt) <> COUNT(*) OR COUNT(*) NOT BETWEEN 2 AND 5";
        assert_eq!(database.sql(gaps), "");
        ledger.proven();
    }

    fn recharges_that_are_taken_up_while_the_job_expires_others_are_passed_over(database: TestDatabase) {
        const ALL: usize = 60;
        let ledger = database.ledger();
        ledger.run_words("account create --user-id 5").expect_code(0);
        let line = r#"{"op":"recharge","user_id":"5","amount":"20","method":"momo","pending":true,"expires_in":"30m"}"#;
        ledger.run_with_stdin(&["apply", "-"], vec![line; ALL].join("\n")).expect_code(0);
        let last: Vec<String> = (ALL - 3..=ALL).map(|number| format!("r1-{number}")).collect();
        let mut lines = vec![vec!["expire-recharges", "--now", "2026-03-01T12:30:00Z", "--format", "json"]];
        lines.extend(last.iter().map(|id| vec!["recharge", "process", id, "--format", "json"]));

        let outputs = at_once(&ledger, &lines);

        let expired = outputs[0].clone().expect_code(0).data()["expired"].as_u64().unwrap();
        for (id, output) in last.iter().zip(&outputs[1..]) {
            if output.code == 0 {
                let later = database.ledger().at("2026-03-01T13:00:00Z");
                later.run(&["recharge", "complete", id]).expect_code(0);
            } else {
                assert_eq!(output.clone().expect_code(1).error_code(), "already_final");
            }
        }
        let taken_up = with_code(&outputs[1..], 0).len();
        assert_eq!(usize::try_from(expired), Ok(ALL - taken_up));
        assert_eq!(database.sql("SELECT COUNT(*) FROM recharges WHERE status = 'completed'"), taken_up.to_string());
        ledger.proven();
    }

    fn a_recharge_completed_by_four_processes_at_once_brings_its_money_once(database: TestDatabase) {
        let ledger = database.ledger();
        for round in 0..20 {
            let user = format!("user {round}");
            ledger.run(&["account", "create", "--user-id", &user]).expect_code(0);
            let opened = ledger.run(&[
                "recharge", "--user-id", &user, "--amount", "500", "--method", "momo", "--pending", "--format", "json",
            ]);
            let id = opened.expect_code(0).data()["recharge"]["id"].as_str().unwrap().to_owned();
            let complete = vec!["recharge", "complete", &id, "--format", "json"];

            let outputs = at_once(&ledger, &vec![complete; 4]);

            assert_eq!(with_outcome(&outputs, "applied"), 1, "{outputs:#?}");
            assert_eq!(with_outcome(&outputs, "already_applied"), 3, "{outputs:#?}");
            assert_eq!(ledger.balance(&user), "500.00");
        }
        assert_eq!(database.sql("SELECT COUNT(*) FROM entries"), "20");
        ledger.proven();
    }

    fn a_callback_that_comes_twice_at_once_brings_its_money_once(database: TestDatabase) {
        let ledger = knowing(database.ledger());
        for round in 1..=10 {
            let user = format!("user {round}");
            ledger.run(&["account", "create", "--user-id", &user]).expect_code(0);
            ledger.run(&["recharge", "--user-id", &user, "--amount", "500", "--method", "momo", "--pending"]).expect_code(0);
            let body = body(&format!("r{round}-1"), "completed", "500");
            let signature = signature(SECRET, &body);

            let outputs: Vec<Output> = thread::scope(|scope| {
                let gateways = [0, 1].map(|_| scope.spawn(|| send(&ledger, &body, &signature)));
                gateways.into_iter().map(|gateway| gateway.join().unwrap()).collect()
            });

            assert_eq!(with_outcome(&outputs, "applied"), 1, "{outputs:#?}");
            assert_eq!(with_outcome(&outputs, "already_applied"), 1, "{outputs:#?}");
            assert_eq!(ledger.balance(&user), "500.00");
        }
        assert_eq!(database.sql("SELECT COUNT(*) FROM entries"), "10");
        ledger.proven();
    }

    fn a_recharge_completed_and_cancelled_at_once_ends_one_way(database: TestDatabase) {
        let ledger = database.ledger();
        for round in 0..20 {
            let user = format!("user {round}");
            ledger.run(&["account", "create", "--user-id", &user]).expect_code(0);
            let opened = ledger.run(&[
                "recharge", "--user-id", &user, "--amount", "500", "--method", "momo", "--pending", "--format", "json",
            ]);
            let id = opened.expect_code(0).data()["recharge"]["id"].as_str().unwrap().to_owned();
            let steps = ["complete", "cancel", "complete", "fail"];

            let outputs = at_once(&ledger, &steps.map(|step| vec!["recharge", step, &id, "--format", "json"]));

            let applied = |steps: &[usize]| {
                steps.iter().any(|step| outputs[*step].code == 0 && outputs[*step].data()["outcome"] == "applied")
            };
            let ended = [applied(&[0, 2]), applied(&[1]), applied(&[3])];
            assert_eq!(ended.iter().filter(|won| **won).count(), 1, "{outputs:#?}");
            for refused in outputs.iter().filter(|output| output.code != 0) {
                assert_eq!((refused.code, refused.error_code().as_str()), (1, "already_final"));
            }
            let expected = if ended[0] { "500.00" } else { "0.00" };
            assert_eq!(ledger.balance(&user), expected, "{outputs:#?}");
        }
        ledger.proven();
    }

    fn verify_with_fix_neither_sees_nor_makes_drift_while_others_charge(database: TestDatabase) {
        let ledger = database.ledger();
        let users = ["5", "6", "7"];
        for user in users {
            ledger.fund(user, "100000");
        }
        let (stop, charged) = (AtomicBool::new(false), users.map(|_| AtomicU64::new(0)));

        thread::scope(|scope| {
            for worker in 0..8 {
                let (ledger, stop, charged) = (&ledger, &stop, &charged);
                scope.spawn(move || {
                    for round in worker.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let at = round % users.len();
                        ledger.run(&charge(users[at], "1")).expect_code(0);
                        charged[at].fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let _over_even_after_a_panic = Raise(&stop);
            for verification in 0..VERIFICATIONS {
                let mut line = vec!["verify-sync", "--fix", "--no-backup", "--format", "json"];
                line.extend([None, Some("--since-last"), Some("--deep")][verification % 3]);
                let run = ledger.run(&line);
                let data = run.expect_code(0).data();
                assert_eq!((&data["fixed"], &data["in_sync"]), (&0.into(), &3.into()), "{data}");
            }
        });

        for (user, charged) in users.iter().zip(charged) {
            let charged = charged.into_inner();
            assert!(charged > 0, "nobody charged user {user}");
            assert_eq!(ledger.balance(user), format!("{}.00", 100_000 - charged));
        }
        ledger.proven();
        assert_eq!(database.sql("SELECT COUNT(*) FROM operations WHERE run_id IS NOT NULL"), "0", "nothing was repaired");
    }
}

#[test]
fn eight_processes_may_be_the_first_to_use_a_new_sqlite_file() {
    for _ in 0..10 {
        let database = TestDatabase::unmigrated(Engine::Sqlite);
        let ledger = database.ledger();
        let users: Vec<String> = (1..=8).map(|number| number.to_string()).collect();
        let lines: Vec<_> = users
            .iter()
            .map(|user| vec!["account", "create", "--user-id", user])
            .collect();

        let outputs = at_once(&ledger, &lines);

        assert_eq!(with_code(&outputs, 0).len(), 8, "{outputs:#?}");
        assert_eq!(ledger.proven()["checked"], 8);
        let ids = "SELECT COUNT(*), MIN(id), MAX(id) FROM accounts";
        assert_eq!(database.sql(ids), "8|1|8");
    }
}
