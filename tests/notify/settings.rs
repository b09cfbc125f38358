//! Settings that cannot work are refused before anything is told.

use std::fs;

use super::{SECRET, funded, hooked, told};
use crate::common::receiver::Receiver;
use crate::common::{Ledger, on_both_engines};

fn refused(ledger: &Ledger) -> String {
    let output = ledger.run_words("notify --format json").expect_code(3);
    assert_eq!(output.error_code(), "configuration");
    output.error()["error"]["message"].as_str().unwrap().to_owned()
}

on_both_engines! {
    fn what_is_missing_or_wrong_is_named(db: TestDatabase) {
        let plain = db.ledger();
        let hook = plain.clone().env("LEDGER_NOTIFY_WEBHOOK_URL", "https://example.com/hook");
        let mail = plain.clone().env("LEDGER_NOTIFY_SMTP_URL", "smtp://mail.example.com");
        let addressed = mail.clone().env("LEDGER_NOTIFY_MAIL_FROM", "a@example.com").env("LEDGER_NOTIFY_MAIL_TO", "b@example.com");
        let command = |text: &str| plain.clone().env("LEDGER_NOTIFY_COMMAND", text);
        let said = [
            hook.clone(),
            hook.clone().env("LEDGER_NOTIFY_WEBHOOK_SECRET", ""),
            hook.clone().env("LEDGER_NOTIFY_WEBHOOK_SECRET_FILE", "/nowhere"),
            mail.clone(),
            mail.clone().env("LEDGER_NOTIFY_MAIL_TO", "b@example.com"),
            addressed.clone().env("LEDGER_NOTIFY_MAIL_TO", "b@example.com, nobody"),
            addressed.clone().env("LEDGER_NOTIFY_SMTP_USER", "me"),
            addressed.clone().env("LEDGER_NOTIFY_SMTP_USER", "me").env("LEDGER_NOTIFY_SMTP_PASSWORD", "pw"),
            command("[\"unfinished"),
            command("[]"),
            command("true").env("LEDGER_NOTIFY_EVENTS", "low_balance,everything"),
            command("true").env("LEDGER_NOTIFY_TIMEOUT", "2m"),
            plain.clone().env("LEDGER_NOTIFY_MAIL_TO", "b@example.com"),
            plain.clone().env("LEDGER_NOTIFY_WEBHOOK_SECRET", SECRET),
            hook.clone().env("LEDGER_NOTIFY_WEBHOOK_SECRET", SECRET).env("LEDGER_NOTIFY_WEBHOOK_SECRET_FILE", "/nowhere"),
        ]
        .map(|ledger| refused(&ledger));
        insta::assert_snapshot!("refused_settings", said.join("\n"));
        for wrong in ["--attempts 0", "--backoff soon", "--time-limit -1s", "--backoff-factor x"] {
            command("true").run_words(&format!("notify {wrong}")).expect_code(2);
        }
        assert_eq!(db.sql("SELECT COUNT(*) FROM job_runs"), "0");
    }

    fn without_a_channel_events_wait_for_one(db: TestDatabase) {
        let receiver = Receiver::http();
        funded(&db, "5", "1");
        let plain = db.ledger();
        let unconfigured = plain.run_words("notify --format json").expect_code(0).data();
        assert_eq!((&unconfigured["configured"], &unconfigured["channels"]), (&false.into(), &serde_json::json!([])));
        assert!(plain.run_words("notify").expect_code(0).stdout.starts_with("No channel is configured"));
        assert_eq!(told(&hooked(&db, &receiver), 0)["delivered"], 1);
    }

    fn a_secret_may_come_from_a_file(db: TestDatabase) {
        let receiver = Receiver::http();
        funded(&db, "5", "1");
        let file = db.directory().join("secret");
        fs::write(&file, format!("{SECRET}\n")).unwrap();
        let ledger = hooked(&db, &receiver).without_env("LEDGER_NOTIFY_WEBHOOK_SECRET").env("LEDGER_NOTIFY_WEBHOOK_SECRET_FILE", &file.display().to_string());
        assert_eq!(told(&ledger, 0)["delivered"], 1);
        let post = &receiver.taken()[0];
        let expected = crate::common::callback::signature(SECRET, format!("{}.{}", post.header("x-ledger-timestamp"), post.body));
        assert_eq!(post.header("x-ledger-signature"), format!("v1={expected}"));
    }
}
