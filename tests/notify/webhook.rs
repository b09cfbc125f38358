//! The webhook: signed, in the order of each account, again and again until it is taken or given up.

use std::collections::BTreeMap;

use super::{
    SECRET, delivery_ids, funded, hooked, ids_written, impatient_of_some, later, names, patient, refused, run, states,
    told, words,
};
use crate::common::callback::signature;
use crate::common::on_both_engines;
use crate::common::receiver::{Answer, Post, Receiver};

/// The numbers of each account's events in the order in which they came.
fn order(posts: &[Post]) -> BTreeMap<String, Vec<i64>> {
    let mut order: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for post in posts {
        let id = post.json()["id"].as_str().unwrap().to_owned();
        let (account, number) = id.split_once('-').unwrap();
        order
            .entry(account.to_owned())
            .or_default()
            .push(number.parse().unwrap());
    }
    order
}

on_both_engines! {
    fn what_has_happened_is_told_once_signed_and_in_order(db: TestDatabase) {
        let receiver = Receiver::http();
        let ledger = hooked(&db, &receiver);
        funded(&db, "5", "100");
        funded(&db, "6", "100");
        words(&db, "charge --user-id 5 --amount 60 --service vps").expect_code(0);
        refused(&db, "6", "R:1");

        assert_eq!(told(&ledger, 0)["delivered"], 4);
        assert_eq!(told(&ledger, 0)["delivered"], 0);

        let posts = receiver.taken();
        assert_eq!(names(&posts), ["e1-1 recharge_completed", "e1-2 low_balance", "e2-1 recharge_completed", "e2-2 charge_refused"]);
        assert_eq!(delivery_ids(&posts), ids_written(&db));
        for post in &posts {
            // Reckoned here from what came, as a receiver would.
            let timestamp = post.header("x-ledger-timestamp");
            let expected = signature(SECRET, format!("{timestamp}.{}", post.body));
            assert_eq!(post.header("x-ledger-signature"), format!("v1={expected}"));
            assert_eq!(timestamp, "1772366400");
            assert_eq!((post.header("content-type"), post.header("x-ledger-event")), ("application/json", post.json()["event"].as_str().unwrap()));
            assert_eq!(post.json()["delivery_id"], post.header("x-ledger-delivery"));
        }
        let mut first = posts[1].json();
        first["delivery_id"] = "...".into();
        insta::assert_snapshot!("webhook_body", serde_json::to_string_pretty(&first).unwrap());
    }

    fn an_event_that_cannot_be_read_is_named_and_holds_up_its_own_account_alone(db: TestDatabase) {
        let receiver = Receiver::http();
        let ledger = hooked(&db, &receiver);
        for user in ["5", "6"] {
            funded(&db, user, "100");
            words(&db, &format!("charge --user-id {user} --amount 60 --service vps")).expect_code(0);
        }
        db.unguarded("UPDATE outbox SET kind = 'odd' WHERE account_id = 1 AND number = 1");
        for _ in 0..2 {
            let run = run(&ledger).expect_code(6).data();
            assert_eq!((&run["unreadable"][0]["id"], run["unreadable"].as_array().unwrap().len()), (&"e1-1".into(), 1));
            assert!(run["unreadable"][0]["reason"].as_str().unwrap().contains("odd"), "{run}");
            assert_eq!(names(&receiver.taken()), ["e2-1 recharge_completed", "e2-2 low_balance"]);
        }
        db.unguarded("UPDATE outbox SET kind = 'recharge_completed' WHERE account_id = 1 AND number = 1");
        assert_eq!(told(&ledger, 0)["delivered"], 2);
        // Its deliveries may have been made out before it was damaged.
        words(&db, "charge --user-id 6 --amount 50 --service vps").expect_code(1);
        words(&db, "recharge --user-id 5 --amount 1 --method momo").expect_code(0);
        db.sql("UPDATE outbox SET distributed_at = created_at WHERE distributed_at IS NULL");
        db.sql("INSERT INTO deliveries (account_id, number, channel, state, attempts, next_attempt_at) \
                SELECT account_id, number, 'webhook', 'pending', 0, created_at FROM outbox WHERE number = 3");
        db.unguarded("UPDATE outbox SET kind = 'odd' WHERE account_id = 1 AND number = 3");
        assert_eq!(run(&ledger).expect_code(6).data()["unreadable"][0]["id"], "e1-3");
        assert_eq!(names(&receiver.taken()).last().map(String::as_str), Some("e2-3 charge_refused"));
    }

    fn an_event_that_is_not_taken_holds_up_its_own_account_alone(db: TestDatabase) {
        let receiver = Receiver::http();
        let ledger = hooked(&db, &receiver);
        for user in ["5", "6", "7", "8"] {
            funded(&db, user, "1");
            refused(&db, user, "R:1");
        }
        receiver.will([Answer::Refuse("500"), Answer::Reset, Answer::Hang, Answer::Take]);

        let first = told(&impatient_of_some(&ledger), 7);
        assert_eq!((&first["delivered"], &first["failed"], &first["stopped"]), (&2.into(), &3.into(), &serde_json::Value::Null));
        assert_eq!(order(&receiver.taken()), BTreeMap::from([("e4".into(), vec![1, 2])]));
        // Their wait is not over, half of a minute at the least.
        assert_eq!(told(&ledger, 0)["delivered"], 0);

        receiver.will([Answer::Odd, Answer::Refuse("404"), Answer::Take]);
        let second = told(&later(&ledger, 1), 7);
        assert_eq!((&second["delivered"], &second["failed"]), (&2.into(), &2.into()));
        assert_eq!(told(&later(&ledger, 3), 0)["delivered"], 4);

        assert_eq!(order(&receiver.taken()), ["e1", "e2", "e3", "e4"].map(|account| (account.to_owned(), vec![1, 2])).into());
        assert_eq!(delivery_ids(&receiver.taken()), ids_written(&db));
        assert_eq!(db.sql("SELECT COUNT(*) FROM deliveries WHERE state = 'delivered'"), "8");
        // Whatever was told again, was told under the same id.
        assert_eq!(delivery_ids(&receiver.seen()), ids_written(&db));
    }

    fn what_fails_too_often_is_given_up_and_sent_again_when_asked(db: TestDatabase) {
        let receiver = Receiver::http();
        let ledger = hooked(&db, &receiver).env("LEDGER_NOTIFY_ATTEMPTS", "3");
        funded(&db, "5", "1");
        refused(&db, "5", "R:1");
        receiver.will([Answer::Refuse("500"), Answer::Refuse("503"), Answer::Refuse("410")]);

        told(&ledger, 7);
        told(&later(&ledger, 1), 7);
        // The third attempt is the last: what waited behind it goes on.
        let third = told(&later(&ledger, 5), 7);
        assert_eq!((&third["died"], &third["delivered"]), (&1.into(), &1.into()));
        assert_eq!(states(&db), "1|1|webhook|dead|3\n1|2|webhook|delivered|1");

        let dead = ledger.run_words("notify list --dead --format json").expect_code(0).data();
        let [only] = dead["deliveries"].as_array().unwrap().as_slice() else { panic!("{dead}") };
        assert_eq!((&only["event"], &only["state"], &only["last_error"]), (&"e1-1".into(), &"dead".into(), &"the receiver answered 410".into()));
        // It is quiet about what was given up before.
        assert_eq!(later(&ledger, 30).run_words("notify -q").expect_code(0).transcript(), "exit 0\n--- stdout\n\n--- stderr\n");

        assert_eq!(ledger.run_words("notify resend --dead --format json").expect_code(0).data()["resent"], 1);
        assert_eq!(told(&later(&ledger, 31), 0)["delivered"], 1);
        assert_eq!(names(&receiver.taken()), ["e1-2 charge_refused", "e1-1 recharge_completed"]);
        assert_eq!(ledger.run_words("notify resend --dead --format json").expect_code(0).data()["resent"], 0);
        assert_eq!(ledger.run_words("notify resend e1-2 --format json").expect_code(0).data()["resent"], 1);
        assert_eq!(told(&later(&ledger, 32), 0)["delivered"], 1);
        assert_eq!(db.sql("SELECT command FROM operations WHERE command LIKE 'notify%' ORDER BY id"), "notify resend --dead\nnotify resend");
    }

    fn where_nobody_answers_the_rest_waits_for_the_next_run(db: TestDatabase) {
        let ledger = patient(&db)
            .env("LEDGER_NOTIFY_WEBHOOK_URL", "http://127.0.0.1:1/hook")
            .env("LEDGER_NOTIFY_WEBHOOK_SECRET", SECRET);
        for user in ["5", "6", "7", "8", "9"] {
            funded(&db, user, "1");
        }
        let channel = told(&ledger, 7);
        assert_eq!((&channel["failed"], &channel["stopped"]), (&3.into(), &"unreachable".into()));
        // Nobody has lost an attempt for those that were not tried.
        assert_eq!(db.sql("SELECT attempts, COUNT(*) FROM deliveries GROUP BY attempts ORDER BY 1"), "0|2\n1|3");
    }

    fn a_run_that_has_no_time_begins_nothing(db: TestDatabase) {
        let receiver = Receiver::http();
        let ledger = hooked(&db, &receiver);
        funded(&db, "5", "1");
        let channel = told(&ledger.clone().env("LEDGER_NOTIFY_TIME_LIMIT", "0s"), 7);
        assert_eq!((&channel["delivered"], &channel["stopped"]), (&0.into(), &"time_is_up".into()));
        assert!(receiver.seen().is_empty());
        assert_eq!(told(&ledger, 0)["delivered"], 1);
    }

    fn many_pages_of_one_account_that_waits_hide_no_other(db: TestDatabase) {
        let receiver = Receiver::http();
        let ledger = hooked(&db, &receiver);
        funded(&db, "5", "1");
        funded(&db, "6", "1");
        let more = match db.engine {
            crate::common::Engine::Sqlite => "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 1300) SELECT 1, i, 'resumed', '{}', 'd' || i, 0 FROM n",
            crate::common::Engine::Postgres => "SELECT 1, i, 'resumed', '{}', 'd' || i, 0 FROM generate_series(2, 1300) AS n (i)",
        };
        db.sql(&format!("INSERT INTO outbox (account_id, number, kind, payload, delivery_id, created_at) {more}"));
        receiver.will([Answer::Refuse("500")]);
        let channel = told(&ledger, 7);
        assert_eq!((&channel["failed"], &channel["delivered"]), (&1.into(), &1.into()));
        assert_eq!(names(&receiver.taken()), ["e2-1 recharge_completed"]);
        assert_eq!(told(&later(&ledger, 1), 0)["delivered"], 1300);
        assert_eq!(order(&receiver.taken())["e1"], (1..=1300).collect::<Vec<i64>>());
    }

    fn of_the_ledger_as_a_whole_is_told_too(db: TestDatabase) {
        let receiver = Receiver::http();
        let ledger = hooked(&db, &receiver);
        db.sql("INSERT INTO outbox (account_id, number, kind, payload, delivery_id, created_at) VALUES (0, 1, 'alert_opened', '{\"message\":\"late\"}', 'd1', 0)");
        assert_eq!(told(&ledger, 0)["delivered"], 1);
        let body = receiver.taken()[0].json();
        assert_eq!((&body["id"], &body["user_id"], &body["data"]["message"]), (&"e0-1".into(), &serde_json::Value::Null, &"late".into()));
        ledger.run_words("notify resend e0-1").expect_code(0);
        assert_eq!(run(&ledger).data()["pending"], 0);
    }
}
