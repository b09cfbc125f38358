//! Limits of an account: charges and freezes in a minute, and what is spent in a day.

use std::thread;

use super::{balance, digest, json, json_at, refused, with_balance};
use crate::common::{Output, TestDatabase, on_both_engines};

fn charge_at(db: &TestDatabase, time: &str, amount: &str) -> Output {
    json_at(db, time, &format!("charge --user-id 5 --amount {amount} --service vps"))
}

fn limited(db: &TestDatabase, settings: &str) {
    with_balance(db, "1000");
    json(db, &format!("account set --user-id 5 {settings}")).expect_code(0);
}

on_both_engines! {
    fn the_sixty_first_charge_of_a_minute_is_refused(db: TestDatabase) {
        limited(&db, "--charges-per-minute 60");
        for second in 0..60 {
            charge_at(&db, &format!("2026-03-01T12:00:{second:02}Z"), "1").expect_code(0);
        }
        let before = digest(&db);
        let refusal = charge_at(&db, "2026-03-01T12:00:59.999999Z", "1");
        assert_eq!(refusal.error()["error"]["status"], 429);
        let details = refused(refusal, "limit_exceeded");
        assert_eq!((&details["limit"], &details["allowed"]), (&"charges and freezes per minute".into(), &"60".into()));
        refused(json_at(&db, "2026-03-01T12:00:59.999999Z", "freeze --user-id 5 --amount 1"), "limit_exceeded");
        assert_eq!(digest(&db), before);
        // A minute after the first of them there is room for one.
        charge_at(&db, "2026-03-01T12:01:00Z", "1").expect_code(0);
        refused(charge_at(&db, "2026-03-01T12:01:00Z", "1"), "limit_exceeded");
        assert_eq!(balance(&db), "939.00");
    }

    fn also_when_ten_processes_charge_at_once(db: TestDatabase) {
        limited(&db, "--charges-per-minute 60");
        let outputs: Vec<Output> = thread::scope(|scope| {
            let several = || (0..7).map(|_| json(&db, "charge --user-id 5 --amount 1 --service vps --lock-timeout 30s")).collect::<Vec<_>>();
            let workers: Vec<_> = (0..10).map(|_| scope.spawn(several)).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        let (applied, over): (Vec<_>, Vec<_>) = outputs.into_iter().partition(|output| output.code == 0);
        assert_eq!((applied.len(), over.len()), (60, 10));
        for refusal in over {
            refused(refusal, "limit_exceeded");
        }
        assert_eq!(balance(&db), "940.00");
        digest(&db);
    }

    fn freezes_count_as_charges_and_refusals_do_not(db: TestDatabase) {
        limited(&db, "--charges-per-minute 2");
        refused(json(&db, "charge --user-id 5 --amount 1001 --service vps"), "insufficient_balance");
        json(&db, "freeze --user-id 5 --amount 1").expect_code(0);
        json(&db, "charge --user-id 5 --amount 1 --service vps").expect_code(0);
        refused(json(&db, "charge --user-id 5 --amount 1 --service vps"), "limit_exceeded");
        // What was set aside may be settled, what was taken given back, and money come in.
        json(&db, "commit --hold h1-1").expect_code(0);
        json(&db, "refund --user-id 5 --entry 3").expect_code(0);
        json(&db, "recharge --user-id 5 --amount 1 --method momo").expect_code(0);
        refused(json(&db, "charge --user-id 5 --amount 1 --service vps"), "limit_exceeded");
    }

    fn the_days_spending_counts_what_is_held_and_not_what_was_given_back(db: TestDatabase) {
        limited(&db, "--spend-per-day 100");
        charge_at(&db, "2026-03-01T00:00:00Z", "60").expect_code(0);
        json(&db, "freeze --user-id 5 --amount 30").expect_code(0);
        let details = refused(charge_at(&db, "2026-03-01T12:00:00Z", "10.01"), "limit_exceeded");
        assert_eq!((&details["limit"], &details["allowed"]), (&"spent per day".into(), &"100.00 USD".into()));
        refused(json(&db, "freeze --user-id 5 --amount 10.01"), "limit_exceeded");
        // A commit of what was held changes nothing: it counted already.
        json(&db, "commit --hold h1-1 --amount 20 --keep-open").expect_code(0);
        refused(charge_at(&db, "2026-03-01T12:00:00Z", "10.01"), "limit_exceeded");
        // What is released or refunded may be spent again.
        json(&db, "refund --hold h1-1").expect_code(0);
        json(&db, "refund --user-id 5 --entry 2 --amount 40").expect_code(0);
        charge_at(&db, "2026-03-01T12:00:00Z", "60").expect_code(0);
        refused(charge_at(&db, "2026-03-01T23:59:59.999999Z", "0.01"), "limit_exceeded");
        charge_at(&db, "2026-03-02T00:00:00Z", "100").expect_code(0);
        refused(charge_at(&db, "2026-03-02T00:00:00Z", "0.01"), "limit_exceeded");
        digest(&db);
    }

    fn what_is_refunded_counts_for_the_day_on_which_it_was_spent(db: TestDatabase) {
        limited(&db, "--spend-per-day 100");
        charge_at(&db, "2026-02-28T12:00:00Z", "100").expect_code(0);
        json(&db, "refund --user-id 5 --entry 2").expect_code(0);
        charge_at(&db, "2026-03-01T12:00:00Z", "60").expect_code(0);
        refused(charge_at(&db, "2026-03-01T12:00:00Z", "41"), "limit_exceeded");
        json(&db, "refund --user-id 5 --entry 4 --amount 20").expect_code(0);
        charge_at(&db, "2026-03-01T12:00:00Z", "60").expect_code(0);
        refused(charge_at(&db, "2026-03-01T12:00:00Z", "0.01"), "limit_exceeded");
    }

    fn an_overdue_hold_no_longer_counts(db: TestDatabase) {
        limited(&db, "--spend-per-day 100");
        json(&db, "freeze --user-id 5 --amount 100 --expires-in 20m").expect_code(0);
        refused(charge_at(&db, "2026-03-01T12:19:59Z", "1"), "limit_exceeded");
        charge_at(&db, "2026-03-01T12:20:00Z", "100").expect_code(0);
    }

    fn an_accounts_own_entries_count_and_no_others(db: TestDatabase) {
        limited(&db, "--spend-per-day 100 --charges-per-minute 2");
        json(&db, "account create --user-id 6").expect_code(0);
        json(&db, "recharge --user-id 6 --amount 1000 --method momo").expect_code(0);
        for _ in 0..3 {
            json(&db, "charge --user-id 6 --amount 300 --service vps").expect_code(0);
        }
        charge_at(&db, "2026-03-01T12:00:00Z", "50").expect_code(0);
        charge_at(&db, "2026-03-01T12:00:00Z", "50").expect_code(0);
        refused(charge_at(&db, "2026-03-01T12:00:00Z", "50"), "limit_exceeded");
    }

    fn a_limit_taken_away_no_longer_counts(db: TestDatabase) {
        limited(&db, "--spend-per-day 1 --charges-per-minute 1");
        refused(charge_at(&db, "2026-03-01T12:00:00Z", "5"), "limit_exceeded");
        json(&db, "account set --user-id 5 --spend-per-day none").expect_code(0);
        charge_at(&db, "2026-03-01T12:00:00Z", "5").expect_code(0);
        refused(charge_at(&db, "2026-03-01T12:00:00Z", "5"), "limit_exceeded");
        json(&db, "account set --user-id 5 --charges-per-minute none").expect_code(0);
        charge_at(&db, "2026-03-01T12:00:00Z", "5").expect_code(0);
    }
}
