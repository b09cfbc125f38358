//! Several channels, which events go where, and what is forgotten.

use super::{funded, hooked, later, names, refused, run, states, told};
use crate::common::on_both_engines;
use crate::common::receiver::{Answer, Receiver};

on_both_engines! {
    fn each_channel_gets_on_by_itself(db: TestDatabase) {
        let (hook, post_office) = (Receiver::http(), Receiver::smtp());
        let both = hooked(&db, &hook)
            .env("LEDGER_NOTIFY_SMTP_URL", &post_office.url())
            .env("LEDGER_NOTIFY_MAIL_FROM", "ledger@example.com")
            .env("LEDGER_NOTIFY_MAIL_TO", "ops@example.com")
            .env("LEDGER_NOTIFY_COMMAND", "true");
        funded(&db, "5", "1");
        refused(&db, "5", "R:1");
        hook.will([Answer::Refuse("500")]);
        let data = run(&both).expect_code(7).data();
        assert_eq!(data["channels"].as_array().unwrap().iter().map(|c| format!("{} {}", c["channel"], c["delivered"])).collect::<Vec<_>>(),
            ["\"email\" 2", "\"webhook\" 0", "\"command\" 2"]);
        assert_eq!(states(&db), "1|1|command|delivered|1\n1|1|email|delivered|1\n1|1|webhook|pending|1\n\
            1|2|command|delivered|1\n1|2|email|delivered|1\n1|2|webhook|pending|0");
        run(&later(&both, 1)).expect_code(0);
        assert_eq!((hook.taken().len(), post_office.taken().len()), (2, 2));
    }

    fn a_channel_that_is_added_hears_of_what_comes(db: TestDatabase) {
        let hook = Receiver::http();
        funded(&db, "5", "1");
        told(&db.ledger().env("LEDGER_NOTIFY_COMMAND", "true"), 0);
        refused(&db, "5", "R:1");
        run(&hooked(&db, &hook).env("LEDGER_NOTIFY_COMMAND", "true")).expect_code(0);
        assert_eq!(names(&hook.taken()), ["e1-2 charge_refused"]);
    }

    fn only_the_events_that_are_wanted_are_told(db: TestDatabase) {
        let hook = Receiver::http();
        let ledger = hooked(&db, &hook).env("LEDGER_NOTIFY_EVENTS", "low_balance, charge_refused");
        funded(&db, "5", "1");
        refused(&db, "5", "R:1");
        assert_eq!(told(&ledger, 0)["delivered"], 1);
        assert_eq!(names(&hook.taken()), ["e1-2 charge_refused"]);
        let all = ledger.run_words("notify list --format json").expect_code(0).data();
        let shown: Vec<String> = all["deliveries"].as_array().unwrap().iter().map(|row| format!("{} {}", row["event"], row["state"])).collect();
        assert_eq!(shown, ["\"e1-2\" \"delivered\"", "\"e1-1\" \"unwanted\""]);
    }

    fn lists_show_what_is_pending_of_whom(db: TestDatabase) {
        let hook = Receiver::http();
        let ledger = hooked(&db, &hook);
        funded(&db, "5", "1");
        hook.will([Answer::Refuse("500")]);
        told(&ledger, 7);
        funded(&db, "6", "1");
        let listed = |line: &str| -> Vec<String> {
            let data = ledger.run_words(&format!("notify list {line} --format json")).expect_code(0).data();
            data["deliveries"].as_array().unwrap().iter().map(|row| format!("{} {}", row["event"].as_str().unwrap(), row["channel"])).collect()
        };
        assert_eq!(listed("--pending"), ["e2-1 null", "e1-1 \"webhook\""]);
        assert_eq!(listed("--pending --user-id 5"), ["e1-1 \"webhook\""]);
        assert_eq!(listed("--dead"), Vec::<String>::new());
        assert_eq!(listed("--limit 1"), ["e2-1 null"]);
        let mut shown = ledger.run_words("notify list --pending").expect_code(0).transcript();
        ledger.run_words("notify list --dead --pending").expect_code(2);
        shown.push_str(&ledger.run_words("notify resend e9-1").expect_code(1).transcript());
        shown.push_str(&ledger.run_words("notify resend r9-1").expect_code(2).transcript());
        insta::assert_snapshot!("notify_lists", shown);
    }

    fn a_run_is_shown_in_every_format(db: TestDatabase) {
        let hook = Receiver::http();
        let ledger = hooked(&db, &hook).env("LEDGER_NOTIFY_ATTEMPTS", "1").env("LEDGER_NOTIFY_COMMAND", "true");
        let mut shown = String::new();
        for (user, format) in [("5", "table"), ("6", "json"), ("7", "ndjson"), ("8", "csv")] {
            funded(&db, user, "1");
            hook.will([Answer::Refuse("500")]);
            shown.push_str(&ledger.run_words(&format!("notify --format {format}")).expect_code(7).transcript());
        }
        insta::assert_snapshot!("notify_formats", shown);
        assert_eq!(db.sql("SELECT COUNT(*) FROM job_runs WHERE job = 'notify' AND exit_code = 7"), "4");
    }

    fn what_everybody_has_been_told_is_forgotten_in_time(db: TestDatabase) {
        let hook = Receiver::http();
        let ledger = hooked(&db, &hook).env("LEDGER_NOTIFY_ATTEMPTS", "1");
        funded(&db, "5", "1");
        for number in 2..=4 {
            refused(&db, "5", &format!("R:{number}"));
        }
        hook.will([Answer::Take, Answer::Refuse("500")]);
        told(&ledger, 7);
        let pruned = |ledger: &crate::common::Ledger| ledger.run_words("notify --prune 90d --format json").expect_code(0).data()["pruned"].clone();
        assert_eq!(pruned(&ledger), 0);
        // The dead one stays, and the newest, whose number must not be given again.
        let much_later = ledger.clone().at("2026-06-01T12:00:00Z");
        assert_eq!(pruned(&much_later), 2);
        assert_eq!(states(&db), "1|2|webhook|dead|1\n1|4|webhook|delivered|1");
        refused(&db, "5", "R:5");
        assert_eq!(db.sql("SELECT MAX(number) FROM outbox"), "5");
        ledger.run_words("notify --prune 0s").expect_code(2);
    }

    fn where_nobody_wants_to_be_told_events_are_only_kept(db: TestDatabase) {
        funded(&db, "5", "1");
        refused(&db, "5", "R:1");
        let nobody = db.ledger().env("LEDGER_NOTIFY_EVENTS", "none");
        assert_eq!(run(&nobody).expect_code(0).data()["pending"], 0);
        let pruned = nobody.at("2026-06-01T12:00:00Z").run_words("notify --prune 1d --format json").expect_code(0);
        assert_eq!(pruned.data()["pruned"], 1);
    }
}
