//! Processes that stop an account, or let it go on, at the same moment.

use super::{at_once, with_outcome};
use crate::common::on_both_engines;

on_both_engines! {
    fn of_charges_that_cannot_be_paid_one_suspends(database: TestDatabase) {
        let ledger = database.ledger();
        for round in 0..10 {
            let user = format!("user {round}");
            ledger.fund(&user, "1000");
            let line = vec![
                "charge", "--user-id", &user, "--amount", "1500", "--service", "vps", "--suspend", "--format", "json",
            ];

            let outputs = at_once(&ledger, &vec![line; 2]);

            let mut codes: Vec<String> = outputs.iter().map(|output| output.clone().expect_code(1).error_code()).collect();
            codes.sort();
            assert_eq!(codes, ["account_suspended", "insufficient_balance"]);
            assert_eq!(ledger.balance(&user), "1000.00");
        }
        let opened = "SELECT COUNT(*), COUNT(DISTINCT account_id), MAX(number) FROM suspensions WHERE resumed_at IS NULL";
        assert_eq!(database.sql(opened), "10|10|1");
        ledger.proven();
    }

    fn of_recharges_that_are_enough_one_resumes(database: TestDatabase) {
        let ledger = database.ledger();
        for round in 0..5 {
            let user = format!("user {round}");
            ledger.fund(&user, "1000");
            let charge = ["charge", "--user-id", &user, "--amount", "1500", "--service", "vps", "--suspend"];
            ledger.run(&charge).expect_code(1);
            let line = vec!["recharge", "--user-id", &user, "--amount", "600", "--method", "momo", "--format", "json"];

            let outputs = at_once(&ledger, &vec![line; 3]);

            let resumed = outputs.iter().filter(|output| output.data()["resumed"].is_object()).count();
            assert_eq!((with_outcome(&outputs, "applied"), resumed), (3, 1), "{outputs:#?}");
            assert_eq!(ledger.balance(&user), "2800.00");
        }
        assert_eq!(database.sql("SELECT COUNT(*) FROM suspensions WHERE resumed_at IS NOT NULL"), "5");
        assert_eq!(database.sql("SELECT COUNT(*) FROM accounts WHERE suspension IS NOT NULL"), "0");
        ledger.proven();
    }
}
