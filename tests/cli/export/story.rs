//! A ledger with everything in it that another program could misread, and a long one.

use std::fmt::Write as _;

use serde_json::Value;

use crate::common::{Ledger, TestDatabase};

/// Everything that has a meaning in a journal of another program.
const STRANGE_USER: &str = "Nguyễn: \"x; y\" | [2020-01-01], a  b%\\ {=} * !";
const STRANGE_SERVICE: &str = "web: \"a; b\"  c, date:2020-01-01 \\";
pub(super) const STRANGE_TEXT: &str = "x, date:2020-01-01, t: [2019-02-03] ; y  z \"q\" \\ \\\" 5 USD = 7 USD |";
pub(super) const STRANGE_JSON: &str = r#"{"b":"1, date:2020-01-01 \\\" \n \u0007 ; | é","a":[1.50,null,{"ö":"🙂"}]}"#;

struct Story {
    ledger: Ledger,
    steps: usize,
}

impl Story {
    /// One command, under a key that is the same in every run.
    #[track_caller]
    fn tell<A: AsRef<str>>(&mut self, words: &[A]) -> Value {
        self.steps += 1;
        let key = format!("step-{:03}", self.steps);
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let keyed = ["--idempotency-key", &key, "--format", "json"];
        self.ledger.run(&[&words[..], &keyed].concat()).expect_code(0).data()
    }

    #[track_caller]
    fn words(&mut self, line: &str) -> Value {
        self.tell(&line.split_whitespace().collect::<Vec<_>>())
    }
}

/// A ledger with entries of all kinds, in currencies of 0, 2 and 3 digits, with texts that mean harm.
pub(super) fn all_kinds(db: &TestDatabase) -> Ledger {
    let ledger = db.ledger();
    for line in [
        "currency add POINTS --exponent 0",
        "currency add P_2_ --exponent 3",
        "account create --user-id 5 --low-balance-threshold 100",
        "account create --user-id 5 --currency POINTS",
        "account create --user-id alice --currency TRUE",
        "account create --user-id Alice --currency KWD",
        "account create --user-id nobody --currency VND",
    ] {
        if line.contains("TRUE") {
            ledger.run_words("currency add TRUE --exponent 12").expect_code(0);
        }
        ledger.run_words(line).expect_code(0);
    }
    ledger
        .run(&["account", "create", "--user-id", STRANGE_USER, "--currency", "P_2_"])
        .expect_code(0);
    let mut story = Story {
        ledger: ledger.clone(),
        steps: 0,
    };
    story.words("recharge --user-id 5 --amount 500.07 --method zalo_pay --reference Invoice:1");
    story.words("charge --user-id 5 --amount 12.5 --service vps --reference VpsUsage:123");
    story.words("penalty --user-id 5 --amount 1 --reason late");
    story.words("adjust --user-id 5 --amount -2.01 --reason twice");
    story.words("adjust --user-id 5 --amount 7 --reason goodwill");
    story.words("freeze --user-id 5 --amount 100 --service sim");
    story.words("freeze --user-id 5 --amount 30");
    story.words("freeze --user-id 5 --amount 11");
    story.words("commit --hold h1-1 --amount 60");
    story.words("refund --hold h1-2 --amount 5");
    story.words("commit --hold h1-2 --keep-open --amount 5");
    story.words("refund --user-id 5 --entry 2 --amount 2.5");
    story.words("gift grant --user-id 5 --credits 40");
    story.words("charge --user-id 5 --amount 400 --service Vps");
    // What was given is spent: it becomes a debt, which a later recharge pays off in part.
    story.words("gift deactivate g1-1 --reason mistake --if-spent debt");
    story.words("recharge --user-id 5 --amount 1 --method momo");
    story.words("purchase record --user-id 5 --amount 500000 --currency POINTS");
    ledger
        .run_words(
            "recurring add --user-id 5 --amount 2.5 --service vps --every month --on 31 --timezone Europe/Berlin",
        )
        .expect_code(0);
    ledger
        .clone()
        .at("2026-03-04T00:00:00Z")
        .run_words("process-pending-credits")
        .expect_code(0);
    story.ledger = ledger
        .clone()
        .at("2026-03-05T23:59:59.999999Z")
        .env("LEDGER_ACTOR", STRANGE_USER);
    story.words("charge --user-id 5 --amount 2 --service mail --currency POINTS");
    story.words("recharge --user-id alice --amount 0.000000000001 --method card --currency TRUE");
    story.words("recharge --user-id Alice --amount 92233720368547.123 --method card --currency KWD");
    // The clock is set back.
    story.ledger = story.ledger.at("2026-02-28T00:00:00Z");
    story.words("charge --user-id Alice --amount 0.001 --service cdn --currency KWD");
    let strange = ["--user-id", STRANGE_USER, "--currency", "P_2_"];
    let texts = [
        "--reference",
        STRANGE_TEXT,
        "--description",
        STRANGE_TEXT,
        "--metadata",
        STRANGE_JSON,
    ];
    story.tell(
        &[
            &["recharge", "--amount", "1000.001", "--method", "momo"][..],
            &strange,
            &texts,
        ]
        .concat(),
    );
    story.tell(
        &[
            &["charge", "--amount", "0.002", "--service", STRANGE_SERVICE][..],
            &strange,
            &texts,
        ]
        .concat(),
    );
    for line in [
        "recharge --user-id nobody --currency VND --amount 5 --method momo --pending --expires-in 30m --idempotency-key pending",
        "charge --user-id nobody --currency VND --amount 7 --service vps --suspend --idempotency-key unpaid",
        "account set --user-id nobody --currency VND --charges-per-minute 60 --spend-per-day 1000",
        "account lock --user-id nobody --currency VND",
    ] {
        let refused = i32::from(line.starts_with("charge"));
        ledger.run_words(line).expect_code(refused);
    }
    let kinds = db.sql("SELECT COUNT(DISTINCT kind) FROM entries");
    assert_eq!(kinds, "12", "every kind of entry");
    ledger
}

/// Accounts that are paid into, charged, and have money held, one operation a line.
pub(super) fn long_ledger(ledger: &Ledger, accounts: usize, entries: usize) {
    ledger.import_users(accounts);
    let mut lines = String::new();
    for number in 0..entries {
        let user = number % accounts + 1;
        let turn = number / accounts;
        let cents = number % 89 + 1;
        let asked = match turn % 7 {
            0 => format!(r#""op":"recharge","amount":"50.{cents:02}","method":"momo""#),
            3 => format!(r#""op":"freeze","amount":"1.{cents:02}""#),
            5 => format!(r#""op":"adjust","amount":"-0.{cents:02}","reason":"correction {number}""#),
            service => format!(r#""op":"charge","amount":"2.{cents:02}","service":"service {service}""#),
        };
        writeln!(lines, r#"{{{asked},"user_id":"{user}","idempotency_key":"{number}"}}"#).unwrap();
    }
    ledger.run_with_stdin(&["apply", "-q", "-"], lines).expect_code(0);
}
