//! Access that is bought and given back by several at once: as often as the money went, and no oftener.

use super::{at_once, with_code, with_outcome};
use crate::common::on_both_engines;

fn buy<'a>(user: &'a str, key: &'a str) -> Vec<&'a str> {
    let words = "charge --amount 30 --service analysis --grants profile:acme --format json".split(' ');
    words.chain(["--user-id", user, "--idempotency-key", key]).collect()
}

fn give_back<'a>(user: &'a str, command: &'a str) -> Vec<&'a str> {
    vec![command, "--user-id", user, "--entry", "2", "--format", "json"]
}

on_both_engines! {
    fn four_who_buy_at_once_have_paid_for_what_they_get(database: TestDatabase) {
        let ledger = database.ledger();
        for round in 0..10 {
            let user = format!("user {round}");
            ledger.fund(&user, "70");

            let outputs = at_once(&ledger, &["a", "b", "c", "a"].map(|key| buy(&user, key)));

            // Three keys, money for two.
            assert!((2..=3).contains(&with_code(&outputs, 0).len()), "{outputs:#?}");
            assert_eq!(ledger.balance(&user), "10.00");
            let account = round + 1;
            let granted = database.sql(&format!("SELECT entry_seq FROM access_grants WHERE account_id = {account} ORDER BY 1"));
            assert_eq!(granted, "2\n3", "{outputs:#?}");
        }
        ledger.proven();
    }

    fn a_refund_and_a_reversal_at_once_revoke_once(database: TestDatabase) {
        let ledger = database.ledger();
        for round in 0..10 {
            let user = format!("user {round}");
            ledger.fund(&user, "30");
            ledger.run(&buy(&user, "a")).expect_code(0);

            let outputs = at_once(&ledger, &["refund", "reverse", "refund"].map(|command| give_back(&user, command)));

            let done: Vec<_> = outputs.iter().filter(|output| output.code == 0).cloned().collect();
            assert_eq!((done.len(), with_outcome(&done, "applied")), (1, 1), "{outputs:#?}");
            assert_eq!(done[0].data()["access"]["id"], format!("a{}-2", round + 1));
            assert_eq!(ledger.balance(&user), "30.00");
        }
        assert_eq!(database.sql("SELECT COUNT(*) FROM access_grants WHERE revoked_at IS NOT NULL"), "10");
        ledger.proven();
    }
}
