//! E-mail: a real dialogue with a server that is obliging, refuses, hangs or breaks off.

use super::{funded, ids_written, impatient, later, patient, refused, told, words};
use crate::common::receiver::{Answer, Letter, Receiver};
use crate::common::{Ledger, TestDatabase, on_both_engines};

fn mailing(db: &TestDatabase, receiver: &Receiver<Letter>) -> Ledger {
    patient(db)
        .env("LEDGER_NOTIFY_SMTP_URL", &receiver.url())
        .env("LEDGER_NOTIFY_MAIL_FROM", "Ledger <ledger@example.com>")
        .env("LEDGER_NOTIFY_MAIL_TO", "ops@example.com, Second <second@example.com>")
}

fn error(db: &TestDatabase) -> String {
    db.sql("SELECT last_error FROM deliveries WHERE state = 'pending' AND attempts > 0")
}

on_both_engines! {
    fn a_letter_tells_what_has_happened(db: TestDatabase) {
        let receiver = Receiver::smtp();
        let ledger = mailing(&db, &receiver).env("LEDGER_NOTIFY_SMTP_USER", "ledger").env("LEDGER_NOTIFY_SMTP_PASSWORD", "hunter2");
        funded(&db, "5", "100");
        words(&db, "charge --user-id 5 --amount 60 --service vps").expect_code(0);
        assert_eq!(told(&ledger, 0)["delivered"], 2);
        let letters = receiver.taken();
        let id = db.sql("SELECT delivery_id FROM outbox WHERE number = 2");
        assert!(letters[1].dialogue.iter().any(|line| line.starts_with("AUTH PLAIN ")), "{:?}", letters[1].dialogue);
        assert_eq!((letters[1].header("Message-ID"), letters[1].header("X-Ledger-Delivery")), (format!("<{id}@ledger>"), id.clone()));
        insta::assert_snapshot!("letter", letters[1].text.replace(&id, "ID").replace("\r\n", "\n"));
    }

    fn what_the_server_does_not_take_is_sent_again_and_nothing_is_lost(db: TestDatabase) {
        let receiver = Receiver::smtp();
        let ledger = mailing(&db, &receiver).env("LEDGER_NOTIFY_MAIL_TO", "ops@example.com");
        funded(&db, "5", "1");
        refused(&db, "5", "R:1");
        for (minutes, answer, why) in [
            (0, Answer::Refuse("450 4.2.1 mailbox busy"), "the mail server answered 450: mailbox busy"),
            (2, Answer::Refuse("550 5.1.1 no such user"), "the mail server answered 550: no such user"),
            (10, Answer::Reset, "the connection to the mail server failed"),
            (30, Answer::Hang, "no answer within 0.4 s"),
            (60, Answer::Odd, "the connection to the mail server failed"),
        ] {
            let ledger = if answer == Answer::Hang { impatient(&ledger) } else { ledger.clone() };
            receiver.will([answer]);
            assert_eq!(told(&later(&ledger, minutes), 7)["failed"], 1, "{why}");
            let said = error(&db).replace("4.2.1 ", "").replace("5.1.1 ", "");
            assert_eq!(said, why);
        }
        assert_eq!(told(&later(&ledger, 180), 0)["delivered"], 2);
        let ids: Vec<String> = receiver.taken().iter().map(|letter| letter.header("X-Ledger-Delivery")).collect();
        assert_eq!(ids.join("\n"), db.sql("SELECT delivery_id FROM outbox ORDER BY number"));
        assert_eq!(ids.len(), ids_written(&db).len());
    }

    fn nothing_that_an_event_says_becomes_a_header_or_markup(db: TestDatabase) {
        let receiver = Receiver::smtp();
        let ledger = mailing(&db, &receiver);
        let nasty = "x\\r\\nBcc: victim@example.com\\r\\n\\r\\n<script>alert(1)</script>\\r\\n.\\r\\nMAIL FROM:<a@b>";
        words(&db, "account create --user-id <b>5</b>").expect_code(0);
        let cell = format!("{{\"reason\":\"{nasty}\"}}");
        db.sql(&format!("INSERT INTO outbox (account_id, number, kind, payload, delivery_id, created_at) VALUES (1, 1, 'suspended', '{cell}', 'd1', 0)"));
        assert_eq!(told(&ledger, 0)["delivered"], 1);
        let [letter] = receiver.taken().try_into().unwrap();
        let (head, body) = letter.text.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("victim") && !head.to_lowercase().contains("bcc"), "{head}");
        assert_eq!(letter.header("Content-Type"), "text/plain; charset=utf-8");
        assert!(!body.contains("\r\nBcc") && !body.contains("\r\nMAIL FROM"), "{body}");
        // Nor does what only damage could have put there, and no date is beyond the calendar.
        db.sql(&format!("INSERT INTO outbox (account_id, number, kind, payload, delivery_id, created_at) VALUES (1, 2, 'resumed', 'x', 'd2\r\nBcc: victim@example.com', {})", i64::MAX));
        assert_eq!(told(&ledger, 0)["delivered"], 1);
        assert!(!receiver.taken()[1].text.contains("\r\nBcc"), "{:?}", receiver.taken()[1]);
        assert_eq!(letter.dialogue.iter().filter(|line| line.starts_with("MAIL FROM")).count(), 1);
    }
}
