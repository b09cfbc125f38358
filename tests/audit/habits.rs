//! Each unusual habit by itself, on a day that is quiet otherwise.

use serde_json::Value;

use super::found;
use super::life::{Life, recharge, refund, reverse, spend, time};
use crate::common::{TestDatabase, on_both_engines};

const NOON: i64 = 43_200;

/// The one finding of that day.
#[track_caller]
fn only(db: &TestDatabase, day: i64) -> Value {
    let findings = found(db, day);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings[0].clone()
}

#[track_caller]
fn names(finding: &Value, name: &str, user: &str) {
    let said = (finding["finding"].as_str(), finding["user_id"].as_str());
    assert_eq!(said, (Some(name), Some(user)), "{finding}");
    let next = finding["next"].as_str().unwrap();
    assert!(next.starts_with("ledger "), "{finding}");
}

fn entries(finding: &Value) -> Vec<i64> {
    let entries = finding["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry.as_i64().unwrap()).collect()
}

fn says(finding: &Value, words: &str) {
    let message = finding["message"].as_str().unwrap();
    assert!(message.contains(words), "{message}");
}

on_both_engines! {
    fn each_unusual_habit_is_found_on_its_day_and_named(db: TestDatabase) {
        let mut life = Life::begin(&db, 12);
        let mut day = 0;
        let mut quiet = |life: &mut Life, days: i64| {
            for _ in 0..days {
                life.quiet_day(day);
                day += 1;
            }
            day - 1
        };
        let settled = quiet(&mut life, 12);
        assert_eq!(found(&db, settled), Vec::<Value>::new());

        // One: charges in a loop.
        let today = quiet(&mut life, 1);
        let before = Life::last_entry(&db, 1);
        life.tell(today, 83_000, &[recharge(1, 20_000)]);
        life.tell(today, 85_000, &vec![spend(1, 100); 61]);
        let finding = only(&db, today);
        names(&finding, "many_operations", "user-1");
        says(&finding, "61 operations");
        assert_eq!(entries(&finding), (before + 2..=before + 21).collect::<Vec<_>>());

        // Two: recharges in a loop.
        let today = quiet(&mut life, 1);
        for second in 0..70 {
            life.tell(today, 85_000 + second / 2, &[recharge(2, 5_000)]);
        }
        names(&only(&db, today), "many_operations", "user-2");

        // Three: a charge beyond all habit.
        let today = quiet(&mut life, 1);
        life.tell(today, 85_000, &[recharge(3, 20_000), recharge(3, 20_000), recharge(3, 20_000), recharge(3, 20_000), recharge(3, 20_000)]);
        life.tell(today, 85_600, &[spend(3, 90_000)]);
        let finding = only(&db, today);
        names(&finding, "unusual_amount", "user-3");
        says(&finding, "a service_fee of -900.00");
        assert_eq!(entries(&finding), [Life::last_entry(&db, 3)]);

        // Four: a recharge beyond all habit.
        let today = quiet(&mut life, 1);
        life.tell(today, 85_000, &[recharge(4, 5_000_000)]);
        let finding = only(&db, today);
        names(&finding, "unusual_amount", "user-4");
        says(&finding, "a recharge of 50000.00");

        // Five: somebody who cannot pay and goes on trying.
        let today = quiet(&mut life, 1);
        for attempt in 0..20 {
            assert_eq!(life.tell(today, 85_000 + attempt, &[spend(5, 9_000_000)]), 1);
        }
        let finding = only(&db, today);
        names(&finding, "failures_in_a_row", "user-5");
        assert_eq!(finding["keys"].as_array().unwrap().len(), 20);

        // Six: attempts that break, and are not sent again.
        let today = quiet(&mut life, 1);
        life.tell(today, 85_000, &[recharge(6, 20_000)]);
        for attempt in 0..20 {
            let (key, moment) = (format!("broken-{attempt:02}"), time(today, 86_000 + attempt));
            let ledger = db.ledger().at(&moment);
            let line = format!("charge --user-id user-6 --amount 4.50 --service vps --idempotency-key {key}");
            ledger.run_words(&line).expect_code(0);
        }
        db.sql("UPDATE intents SET state = 'failed', reason = 'busy', first_seq = NULL, last_seq = NULL WHERE idempotency_key LIKE 'broken-%'");
        let findings = found(&db, today);
        assert_eq!(findings.len(), 2, "{findings:#?}");
        for (finding, name) in findings.iter().zip(["failures_in_a_row", "failed_attempts"]) {
            names(finding, name, "user-6");
            assert_eq!((&finding["keys"][0], &finding["keys"][19]), (&"broken-00".into(), &"broken-19".into()));
        }

        // Seven: money in, money back, over and over.
        let today = quiet(&mut life, 1);
        for round in 0..3 {
            life.tell(today, 80_000 + round * 600, &[recharge(7, 5_000)]);
            let put_in = Life::last_entry(&db, 7);
            life.tell(today, 80_300 + round * 600, &[reverse(7, put_in)]);
        }
        let finding = only(&db, today);
        names(&finding, "recharge_cycles", "user-7");
        let last = Life::last_entry(&db, 7);
        assert_eq!(entries(&finding), (last - 5..=last).collect::<Vec<_>>());

        // Eight: the same by way of charges that are refunded.
        let today = quiet(&mut life, 1);
        for round in 0..3 {
            life.tell(today, 80_000 + round * 600, &[recharge(8, 5_000), spend(8, 2_500)]);
            let spent = Life::last_entry(&db, 8);
            life.tell(today, 80_300 + round * 600, &[refund(8, spent)]);
        }
        names(&only(&db, today), "recharge_cycles", "user-8");

        // Nine: a balance row that somebody else has written.
        let today = quiet(&mut life, 1);
        db.sql("UPDATE balances SET balance = balance + 100000 WHERE account_id = 10");
        let finding = only(&db, today);
        names(&finding, "foreign_change", "user-9");
        says(&finding, "(balance)");
        db.ledger().at(&time(today, 86_399)).run(&["verify-sync", "--fix", "--no-backup"]).expect_code(0);

        // Ten: entries that are dated back behind a close.
        let today = quiet(&mut life, 1);
        life.tell(today - 2, NOON, &[spend(10, 10)]);
        let finding = only(&db, today);
        names(&finding, "backdated_entries", "user-10");
        assert_eq!(entries(&finding), [Life::last_entry(&db, 10)]);

        // Eleven: a day with many times the entries, and no account busier than it may be.
        let today = quiet(&mut life, 1);
        let enough: Vec<_> = (0..12).map(|user| recharge(user, 20_000)).collect();
        life.tell(today, 79_500, &enough);
        for round in 0..60 {
            let everybody: Vec<_> = (0..12).map(|user| spend(user, 300)).collect();
            life.tell(today, 80_000 + round * 60, &everybody);
        }
        let finding = only(&db, today);
        assert_eq!((&finding["finding"], &finding["user_id"]), (&"high_volume".into(), &Value::Null), "{finding}");

        // Twelve: a day without anything, and after it all is well again.
        let silent = today + 1;
        assert_eq!(only(&db, silent)["finding"], "low_volume");
        life.quiet_day(silent + 1);
        assert_eq!(found(&db, silent + 1), Vec::<Value>::new());

        // All of it waits for a person: one alert for each that nobody has noticed or mended.
        let alerts = db.ledger().at(&time(silent + 2, 0)).run_words("alerts list --format json").expect_code(0).data();
        let mut causes: Vec<&str> = alerts["alerts"].as_array().unwrap().iter().map(|alert| alert["cause"].as_str().unwrap()).collect();
        causes.sort_unstable();
        let events = ["backdated_entries", "failures_in_a_row", "failures_in_a_row", "high_volume", "low_volume", "many_operations", "many_operations", "recharge_cycles", "recharge_cycles", "unusual_amount", "unusual_amount"];
        let expected: Vec<String> = std::iter::once("audit:failed_attempts".to_owned()).chain(events.map(|name| format!("event:{name}"))).collect();
        assert_eq!(causes, expected);
    }
}
