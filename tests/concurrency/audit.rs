//! Audits while others charge: every close ties to the next one, and nothing is mistaken for damage.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{at_once, charge, with_code};
use crate::common::{Raise, on_both_engines};

const AUDITS: usize = 12;

on_both_engines! {
    fn audits_tie_while_others_charge(database: TestDatabase) {
        let ledger = database.ledger().real_clock();
        let users = ["5", "6", "7"];
        for user in users {
            ledger.fund(user, "100000");
        }
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for worker in 0..6 {
                let (ledger, stop) = (&ledger, &stop);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        ledger.run(&charge(users[worker % 3], "1")).expect_code(0);
                    }
                });
            }
            let _over_even_after_a_panic = Raise(&stop);
            let mut closing = serde_json::Value::Null;
            for audit in 0..AUDITS {
                let run = ledger.run(&["audit", "--per-minute", "1000000", "--format", "json"]);
                let data = run.expect_code(0).data();
                let usd = &data["totals"][0];
                assert_eq!(usd["last_close"], usd["last_close_now"], "{data}");
                if !closing.is_null() {
                    assert_eq!(usd["last_close"], closing, "{data}");
                }
                let count = |part: &str| usd[part]["entries"].as_i64().unwrap();
                if audit > 0 {
                    assert_eq!(count("last_close") + count("late") + count("since_last_close"), count("closing"), "{data}");
                }
                closing = usd["closing"].clone();
            }
        });
        ledger.proven();
        assert_eq!(database.sql("SELECT COUNT(*) FROM alerts"), "0");
    }

    fn two_audits_at_once_do_not_overlap(database: TestDatabase) {
        let ledger = database.ledger();
        ledger.fund("5", "100");
        let line = vec!["audit", "--format", "json", "--lock-timeout", "20s"];
        let outputs = at_once(&ledger, &vec![line; 4]);
        assert_eq!(with_code(&outputs, 0).len(), 4, "{outputs:#?}");
        assert_eq!(database.sql("SELECT COUNT(*) FROM closes"), "1");
    }
}
