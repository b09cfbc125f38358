//! No secret is ever shown, whatever goes wrong and however much is logged.

use super::{funded, impatient, later, patient, refused};
use crate::common::on_both_engines;
use crate::common::receiver::{Answer, Receiver};

const CANARY: &str = "hunter2canary";
/// The same as `AUTH PLAIN` and `Basic` send it.
const ENCODED: [&str; 3] = [
    "AHVzZXIAaHVudGVyMmNhbmFyeQ==",
    "aHVudGVyMmNhbmFyeQ==",
    "dXNlcjpodW50ZXIyY2FuYXJ5",
];

on_both_engines! {
    fn passwords_secrets_and_addresses_are_never_told(db: TestDatabase) {
        let (hook, post_office) = (Receiver::http(), Receiver::smtp());
        funded(&db, "5", "1");
        refused(&db, "5", "R:1");
        let loud = patient(&db).env("RUST_LOG", "trace,ureq=trace,ureq_proto=trace,lettre=trace").env("LEDGER_NOTIFY_BACKOFF", "1ms")
            .env("LEDGER_NOTIFY_SMTP_USER", "user")
            .env("LEDGER_NOTIFY_SMTP_PASSWORD", CANARY)
            .env("LEDGER_NOTIFY_MAIL_FROM", "ledger@example.com")
            .env("LEDGER_NOTIFY_MAIL_TO", "ops@example.com")
            .env("LEDGER_NOTIFY_WEBHOOK_SECRET", CANARY);
        let working = loud.clone()
            .env("LEDGER_NOTIFY_SMTP_URL", &post_office.url())
            .env("LEDGER_NOTIFY_WEBHOOK_URL", &format!("http://user:{CANARY}@{}/hook?token={CANARY}", hook.address));
        let mut said = String::new();
        let answers = [Answer::Refuse("401"), Answer::Hang, Answer::Reset, Answer::Odd, Answer::Take, Answer::Take];
        hook.will(answers.clone());
        post_office.will(answers.clone().map(|answer| match answer {
            Answer::Refuse(_) => Answer::Refuse("550 hunter2canary is no password for user"),
            other => other,
        }));
        for (minute, answer) in (0..).zip(&answers) {
            let format = ["-vv", "--format=json"][minute as usize % 2];
            let working = if *answer == Answer::Hang { impatient(&working) } else { working.clone() };
            said.push_str(&later(&working, minute).run(&["notify", format]).transcript());
        }
        assert_eq!(post_office.taken().len(), 2, "{said}");
        let wrong_address = format!("ftp://user:{CANARY}@127.0.0.1");
        for (name, address) in [
            ("LEDGER_NOTIFY_SMTP_URL", format!("smtps://user:{CANARY}@mail.example.com")),
            ("LEDGER_NOTIFY_SMTP_URL", wrong_address.clone()),
            ("LEDGER_NOTIFY_SMTP_URL", CANARY.to_owned()),
            ("LEDGER_NOTIFY_WEBHOOK_URL", wrong_address),
            ("LEDGER_NOTIFY_WEBHOOK_URL", format!("http://user:{CANARY}@")),
        ] {
            let refused = loud.clone().env(name, &address).run_words("notify -vv").expect_code(3);
            said.push_str(&refused.transcript());
        }
        for line in ["notify --help", "notify list", "notify list --format json", "operations list"] {
            said.push_str(&working.run_words(line).transcript());
        }
        said.push_str(&db.sql("SELECT last_error FROM deliveries"));
        said.push_str(&db.sql("SELECT payload FROM outbox"));
        said.push_str(&db.sql("SELECT counts FROM job_runs"));
        for secret in ENCODED.into_iter().chain([CANARY]) {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
        // And yet both channels have used them.
        assert!(post_office.taken()[0].dialogue.iter().any(|line| line.contains(ENCODED[0])));
        assert!(hook.taken().iter().all(|post| post.header("authorization").contains(ENCODED[2])));
    }
}
