//! `export` and `trial-balance`: independent accounting programs read the whole ledger and agree with every figure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{digest, json, refused, with_balance};
use crate::common::{Engine, Ledger, TestDatabase, on_both_engines};

/// How many entries the long ledger has; a campaign asks for a hundred thousand.
const ENTRIES_VARIABLE: &str = "LEDGER_TEST_EXPORT_ENTRIES";

/// Everything that has a meaning in a journal of another program.
const STRANGE_USER: &str = "Nguyễn: \"x; y\" | [2020-01-01], a  b%\\ {=} * !";
const STRANGE_SERVICE: &str = "web: \"a; b\"  c, date:2020-01-01 \\";
const STRANGE_TEXT: &str = "x, date:2020-01-01, t: [2019-02-03] ; y  z \"q\" \\ \\\" 5 USD = 7 USD |";
const STRANGE_JSON: &str = r#"{"b":"1, date:2020-01-01 \\\" \n \u0007 ; | é","a":[1.50,null,{"ö":"🙂"}]}"#;

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
fn all_kinds(db: &TestDatabase) -> Ledger {
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

#[track_caller]
fn export(ledger: &Ledger, to: &str) -> String {
    ledger.run(&["export", "--to", to]).expect_code(0).stdout
}

/// Exports into a file of the ledger's directory.
#[track_caller]
fn export_file(ledger: &Ledger, to: &str) -> PathBuf {
    let path = ledger.directory().join(format!("book.{to}"));
    let file = path.to_str().unwrap();
    ledger.run(&["export", "--to", to, "--output", file]).expect_code(0);
    path
}

/// Runs a program that is no part of this project; what it says when it is content, else why it is not.
#[track_caller]
fn independent(program: &str, package: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    let run = command
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env("PYTHONWARNINGS", "ignore")
        .output();
    let output = run.unwrap_or_else(|error| panic!("{program}: {error}; install it with `apt install {package}`"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stdout) + &text(output.stderr))
    }
}

fn hledger(file: &Path, arguments: &[&str]) -> Result<String, String> {
    // Nothing from the configuration of whoever runs the tests.
    independent(
        "hledger",
        "hledger",
        &[&["-f", file.to_str().unwrap()], arguments].concat(),
    )
}

fn bean_check(file: &Path) -> Result<String, String> {
    let file = file.to_str().unwrap();
    independent("bean-check", "beancount", &["--no-cache", file])
}

/// What hledger says is on each account, by account and commodity.
fn balances_by_hledger(file: &Path) -> BTreeMap<(String, String), String> {
    let told = hledger(
        file,
        &[
            "balance",
            "--flat",
            "--no-total",
            "--layout=bare",
            "--output-format=csv",
        ],
    )
    .unwrap();
    let mut reader = csv::Reader::from_reader(told.as_bytes());
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            ((record[0].to_owned(), record[1].to_owned()), record[2].to_owned())
        })
        .collect()
}

/// The name of an account's own account, encoded as docs/export.md says.
fn hledger_name(account: &Value, figure: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b".@+_~-".contains(b);
    let mut user = String::new();
    for byte in account["user_id"].as_str().unwrap().bytes() {
        match plain(&byte) {
            true => user.push(char::from(byte)),
            false => write!(user, "%{byte:02X}").unwrap(),
        }
    }
    let currency = account["currency"].as_str().unwrap();
    match figure {
        "debt" => format!("assets:receivable:debt:{user}:{currency}"),
        figure => format!("liabilities:users:{user}:{currency}:{figure}"),
    }
}

/// An amount without the zeros that another program may leave out, and with the other sign if asked.
fn plain(amount: &str, negative: bool) -> String {
    let (sign, digits) = match amount.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, amount),
    };
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    };
    let minus = sign != negative && digits != "0";
    format!("{}{digits}", if minus { "-" } else { "" })
}

/// Every figure of every account, as `ledger balance` shows it, is what hledger comes to.
#[track_caller]
fn assert_hledger_agrees(ledger: &Ledger, file: &Path) {
    hledger(file, &["check", "--strict"]).unwrap();
    let told = balances_by_hledger(file);
    let accounts = ledger
        .run_words("account list --limit 1000000 --format ndjson")
        .expect_code(0)
        .json_lines();
    assert!(accounts.len() > 5);
    let mut own = 0;
    for account in &accounts {
        let (user, currency) = (
            account["user_id"].as_str().unwrap(),
            account["currency"].as_str().unwrap(),
        );
        let balance = ["balance", "--user-id", user, "--currency", currency, "--format", "json"];
        let shown = if accounts.len() > 50 {
            account.clone()
        } else {
            ledger.run(&balance).expect_code(0).data()
        };
        for figure in ["balance", "held", "debt"] {
            let name = hledger_name(account, figure);
            let found = told.get(&(name.clone(), currency.to_owned()));
            own += usize::from(found.is_some());
            let expected = plain(shown[figure].as_str().unwrap(), figure != "debt");
            let found = found.map_or("0".to_owned(), |amount| plain(amount, false));
            assert_eq!(found, expected, "{name} in {currency}");
        }
    }
    // No other account of a user is in the book, and all of it comes to nothing.
    let users = |name: &str| name.starts_with("liabilities:users:") || name.starts_with("assets:receivable:");
    assert_eq!(told.keys().filter(|(name, _)| users(name)).count(), own);
    let total = hledger(file, &["balance", "--depth=0", "--output-format=csv"]).unwrap();
    assert!(total.ends_with("\"total\",\"0\"\n"), "{total}");
}

/// Changes one text in a file that has it.
#[track_caller]
fn tampered(file: &Path, from: &str, to: &str) -> PathBuf {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    let path = file.with_extension("tampered");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    path
}

on_both_engines! {
    fn hledger_agrees_with_every_balance(db: TestDatabase) {
        let ledger = all_kinds(&db);
        let file = export_file(&ledger, "hledger");
        assert_hledger_agrees(&ledger, &file);
        // The texts arrive as they were given, as far as a comma lets them; none of them says anything else.
        let tags = hledger(&file, &["tags"]).unwrap();
        let known = ["actor", "at", "counter", "description", "key", "metadata", "reference", "reverses", "user_id"];
        assert_eq!(tags.lines().collect::<Vec<_>>(), known);
        let references = hledger(&file, &["tags", "--values", "reference"]).unwrap();
        assert!(references.replace("%2C", ",").contains(STRANGE_TEXT), "{references}");
        let dates = hledger(&file, &["stats"]).unwrap();
        assert!(dates.contains("2026-02-28 to 2026-03-06"), "{dates}");
    }

    fn bean_check_accepts_the_other_book(db: TestDatabase) {
        let ledger = all_kinds(&db);
        let file = export_file(&ledger, "beancount");
        bean_check(&file).unwrap();
        // It would not, were any figure another.
        for (from, to) in [("  12.50 USD", "  12.51 USD"), ("balance Liabilities:Users:5:POINTS:Balance  -3", "balance Liabilities:Users:5:POINTS:Balance  -4")] {
            let told = bean_check(&tampered(&file, from, to)).unwrap_err();
            assert!(told.contains("balance") || told.contains("Balance"), "{told}");
        }
    }

    fn a_balance_row_that_is_wrong_by_a_cent_is_found_by_either_program(db: TestDatabase) {
        let ledger = all_kinds(&db);
        db.sql("UPDATE balances SET held = held + 1 WHERE account_id = 1");
        let told = hledger(&export_file(&ledger, "hledger"), &["check"]).unwrap_err();
        assert!(told.contains("liabilities:users:5:USD:held"), "{told}");
        let told = bean_check(&export_file(&ledger, "beancount")).unwrap_err();
        assert!(told.contains("Balance failed for 'Liabilities:Users:5:USD:Held'"), "{told}");
        let trial = json(&db, "trial-balance").expect_code(1).data();
        assert_eq!((&trial["balanced"], &trial["differs"]), (&true.into(), &true.into()));
    }

    fn an_auditor_can_recompute_the_chain_from_ndjson(db: TestDatabase) {
        let ledger = all_kinds(&db);
        let lines: Vec<Value> = export(&ledger, "ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["schema"], "ledger.export/1");
        let end = lines.last().unwrap();
        assert_eq!((&end["record"], end["accounts"].as_u64()), (&"end".into(), Some(6)));
        let of = |record: &str| lines.iter().filter(|line| line["record"] == record).count();
        assert_eq!(end["entries"].as_u64(), Some(of("entry") as u64));
        assert_eq!((of("account"), of("balance")), (6, 6));
        // And whoever reads it back finds everything else.
        assert_eq!(of("currency"), 6);
        for (record, table) in [("recharge", "recharges"), ("hold", "holds"), ("purchase", "purchases"), ("gift", "gifts"), ("suspension", "suspensions"), ("recurring", "recurring_charges"), ("act", "operations WHERE account_id > 0"), ("intent", "intents")] {
            let count = db.sql(&format!("SELECT COUNT(*) FROM {table}"));
            assert_ne!(count, "0", "{table}");
            assert_eq!(of(record).to_string(), count, "{table}");
        }
        assert_eq!(recomputed(&lines), end["digest"].as_str().unwrap());
        assert_eq!(end["digest"].as_str().unwrap(), digest(&db));
        let text = export(&ledger, "ndjson");
        let before_end = text.rfind("{\"record\":\"end\"").unwrap();
        let checksum: String = Sha256::digest(&text[..before_end]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(end["lines_sha256"].as_str(), Some(checksum.as_str()));
        let strange = lines.iter().rfind(|line| line["record"] == "entry").unwrap();
        assert_eq!(strange["description"], STRANGE_TEXT);
        let metadata: Value = serde_json::from_str(strange["metadata"].as_str().unwrap()).unwrap();
        assert_eq!(metadata, serde_json::from_str::<Value>(STRANGE_JSON).unwrap());
    }

    fn one_users_accounts_are_a_book_of_their_own(db: TestDatabase) {
        let ledger = all_kinds(&db);
        let all = export(&ledger, "ndjson");
        let five = ledger.run_words("export --to ndjson --user-id 5").expect_code(0).stdout;
        let records = |text: &str, user: &str| {
            let of_user = |line: &&str| line.contains(&format!("\"user_id\":\"{user}\""));
            let mut found: Vec<String> = text.lines().filter(of_user).map(str::to_owned).collect();
            // What stands beside the entries comes after each page, and here a page is an account.
            found.sort();
            found
        };
        assert_eq!(records(&five, "5"), records(&all, "5"));
        // The first line, two currencies, and the last.
        assert_eq!(five.lines().count(), records(&all, "5").len() + 4);
        let points = ledger.run_words("export --to ndjson --user-id 5 --currency POINTS").expect_code(0).stdout;
        let told: Vec<String> = points.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["record"].as_str().unwrap().to_owned()).collect();
        assert_eq!(told, ["ledger", "currency", "account", "entry", "entry", "balance", "purchase", "act", "intent", "intent", "end"]);
        refused(json(&db, "export --to ndjson --user-id 404"), "not_found");
    }

    fn a_file_is_written_as_a_whole_and_told_about(db: TestDatabase) {
        let ledger = all_kinds(&db);
        let told = ledger.run_words("export --to ndjson --output book --format json").expect_code(0).data();
        let file = ledger.directory().join("book");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), export(&ledger, "ndjson"));
        assert_eq!((told["accounts"].as_u64(), told["digest"].as_str()), (Some(6), Some(digest(&db).as_str())));
        assert_eq!(ledger.run_words("export --to ndjson --output book -q").expect_code(0).transcript(), "exit 0\n--- stdout\n\n--- stderr\n");
        // A run that fails leaves the old file as it is, and nothing beside it.
        std::fs::write(&file, "old").unwrap();
        ledger.run_words("export --to ndjson --output book --user-id 404").expect_code(1);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
        let left: Vec<_> = std::fs::read_dir(ledger.directory()).unwrap().map(|entry| entry.unwrap().file_name()).filter(|name| name.to_str().unwrap().starts_with(".ledger-")).collect();
        assert!(left.is_empty(), "{left:?}");
        ledger.run_words("export --to ndjson --output nowhere/book").expect_code(2);
        ledger.run_words("export --to ndjson --output /dev/null").expect_code(2);
    }

    fn an_empty_ledger_is_an_empty_book(db: TestDatabase) {
        let ledger = db.ledger();
        assert_eq!(hledger(&export_file(&ledger, "hledger"), &["balance", "--no-total"]).unwrap(), "");
        bean_check(&export_file(&ledger, "beancount")).unwrap();
        assert_eq!(export(&ledger, "ndjson").lines().count(), 2);
        let trial = json(&db, "trial-balance").expect_code(0).data();
        assert_eq!(trial["accounts"], Value::Array(Vec::new()));
    }

    fn trial_balances_of_every_moment_tie_to_the_balances(db: TestDatabase) {
        let ledger = all_kinds(&db);
        for at in [None, Some("2026-02-27T00:00:00Z"), Some("2026-03-01T12:00:00Z"), Some("2026-03-04T00:00:00Z"), Some("2026-03-09T00:00:00Z")] {
            let at = at.map_or(String::new(), |at| format!(" --at {at}"));
            let trial = json(&db, &format!("trial-balance{at}")).expect_code(0).data();
            assert_eq!((&trial["balanced"], &trial["differs"]), (&true.into(), &false.into()));
            for total in trial["totals"].as_array().unwrap() {
                assert_eq!(total["debits"], total["credits"]);
            }
            let line = |currency: &str, account: &str| {
                let lines = trial["accounts"].as_array().unwrap().iter();
                let mut found = lines.filter(|line| line["currency"] == currency && line["account"] == account);
                found.next().map_or("0".to_owned(), |line| plain(line["balance"].as_str().unwrap(), false))
            };
            for (user, currency) in [("5", "USD"), ("5", "POINTS"), ("Alice", "KWD")] {
                let shown = ledger.run_words(&format!("balance --user-id {user} --currency {currency}{at} --format json")).expect_code(0).data();
                for figure in ["balance", "held"] {
                    assert_eq!(line(currency, &format!("users:{figure}")), plain(shown[figure].as_str().unwrap(), true), "{currency}{at}");
                }
                assert_eq!(line(currency, "receivable:debt"), plain(shown["debt"].as_str().unwrap(), false));
            }
        }
        // And hledger comes to the same sums.
        let now = json(&db, "trial-balance").expect_code(0).data();
        let income = now["accounts"].as_array().unwrap().iter().find(|line| line["account"] == "revenue:vps").unwrap();
        let told = balances_by_hledger(&export_file(&ledger, "hledger"));
        assert_eq!(told[&("income:revenue:vps".to_owned(), "USD".to_owned())], income["balance"].as_str().unwrap());
    }

    fn a_long_ledger_is_agreed_upon_too(db: TestDatabase) {
        let given = std::env::var(ENTRIES_VARIABLE).ok();
        let entries: usize = given.map_or(2_500, |text| text.parse().expect("a number of entries"));
        let ledger = db.ledger();
        let accounts = (entries / 20).max(7);
        long_ledger(&ledger, accounts, entries);
        let file = export_file(&ledger, "hledger");
        assert_hledger_agrees(&ledger, &file);
        bean_check(&export_file(&ledger, "beancount")).unwrap();
        let written = std::fs::read_to_string(&file).unwrap();
        let told = written.lines().last().unwrap();
        assert!(told.ends_with(&format!("digest {}", digest(&db))), "{told}");
    }
}

/// Accounts that are paid into, charged, and have money held, one operation a line.
fn long_ledger(ledger: &Ledger, accounts: usize, entries: usize) {
    let users: String = std::iter::once("user_id\n".to_owned())
        .chain((1..=accounts).map(|user| format!("{user}\n")))
        .collect();
    ledger.run_with_stdin(&["account", "import", "-"], users).expect_code(0);
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

#[test]
fn the_same_history_is_exported_to_the_byte_by_both_engines() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        let ledger = all_kinds(&db);
        let told = ["hledger", "beancount", "ndjson"].map(|to| export(&ledger, to));
        let trial = ["table", "json", "ndjson", "csv"]
            .map(|format| ledger.run(&["trial-balance", "--format", format]).expect_code(0).stdout);
        (told, trial)
    });
    assert_eq!(sqlite, postgres);
    let ([hledger, beancount, ndjson], trial) = sqlite;
    insta::assert_snapshot!("export_hledger", hledger);
    insta::assert_snapshot!("export_beancount", beancount);
    insta::assert_snapshot!("export_ndjson", without_place(&ndjson));
    insta::assert_snapshot!("trial_balance", trial.join("\n"));
}

/// Without the names of this machine and its user, and the checksum over them.
fn without_place(ndjson: &str) -> String {
    let hidden = |line: &str| {
        let mut object: Value = serde_json::from_str(line).unwrap();
        for name in ["origin", "lines_sha256"] {
            if let Some(place) = object.get_mut(name) {
                *place = format!("[{name}]").into();
            }
        }
        object.to_string() + "\n"
    };
    ndjson.lines().map(hidden).collect()
}

on_both_engines! {
    fn a_reader_that_goes_away_ends_the_export_quietly(db: TestDatabase) {
        with_balance(&db, "1000");
        let lines: String = (0..2_000).map(|n| format!("{{\"op\":\"charge\",\"user_id\":\"5\",\"amount\":\"0.01\",\"service\":\"vps\",\"idempotency_key\":\"{n}\"}}\n")).collect();
        db.ledger().run_with_stdin(&["apply", "-q", "-"], lines).expect_code(0);
        let mut child = db.ledger().spawn(&["export", "--to", "ndjson"]);
        drop(child.stdout.take());
        let output = crate::common::Output::of(child);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    }
}

/// The digest of the ledger, from its description in ARCHITECTURE.md and the exported lines alone.
fn recomputed(lines: &[Value]) -> String {
    let mut exponents = BTreeMap::new();
    let mut heads: Vec<(String, String, i64, Vec<u8>)> = Vec::new();
    for line in lines {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        match line["record"].as_str().unwrap() {
            "account" => {
                exponents.insert(text("currency"), line["exponent"].as_u64().unwrap() as usize);
                heads.push((text("user_id"), text("currency"), 0, vec![0; 32]));
            }
            "entry" => {
                let exponent = exponents[&text("currency")];
                let (_, _, seq, head) = heads.last_mut().unwrap();
                *seq += 1;
                let hash = entry_hash(head, line, exponent, *seq);
                let shown: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(shown, text("hash"), "{line}");
                *head = hash;
            }
            "balance" => {
                let (.., seq, head) = heads.last().unwrap();
                let shown: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!((line["last_seq"].as_i64(), text("chain_head")), (Some(*seq), shown));
            }
            _ => {}
        }
    }
    let mut form = field(Some(b"ledger.digest/1"));
    for (user, currency, seq, head) in heads {
        form.extend(field(Some(user.as_bytes())));
        form.extend(field(Some(currency.as_bytes())));
        form.extend(field(Some(&seq.to_be_bytes())));
        form.extend(field(Some(&head)));
    }
    Sha256::digest(form).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn field(bytes: Option<&[u8]>) -> Vec<u8> {
    let length = bytes.map_or(u32::MAX, |bytes| bytes.len() as u32);
    [&length.to_be_bytes(), bytes.unwrap_or_default()].concat()
}

fn entry_hash(previous: &[u8], line: &Value, exponent: usize, seq: i64) -> Vec<u8> {
    let units = |name: &str| {
        let amount = line[name].as_str().unwrap();
        let decimals = amount.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        assert_eq!(decimals, exponent, "{amount}");
        amount.replace('.', "").parse::<i64>().unwrap().to_be_bytes()
    };
    let time = chrono::DateTime::parse_from_rfc3339(line["at"].as_str().unwrap()).unwrap();
    let mut form = previous.to_vec();
    form.extend(field(Some(b"ledger.entry/1")));
    let mut text = |name: &str| form.extend(field(line[name].as_str().map(str::as_bytes)));
    text("user_id");
    text("currency");
    form.extend(field(Some(&seq.to_be_bytes())));
    form.extend(field(line["kind"].as_str().map(str::as_bytes)));
    for name in [
        "balance_delta",
        "held_delta",
        "debt_delta",
        "balance_after",
        "held_after",
        "debt_after",
    ] {
        form.extend(field(Some(&units(name))));
    }
    for name in ["counter_account", "reference", "description", "metadata", "actor"] {
        form.extend(field(line[name].as_str().map(str::as_bytes)));
    }
    form.extend(field(
        line["reverses"]
            .as_i64()
            .map(i64::to_be_bytes)
            .as_ref()
            .map(<[u8; 8]>::as_slice),
    ));
    form.extend(field(line["idempotency_key"].as_str().map(str::as_bytes)));
    form.extend(field(Some(&time.timestamp_micros().to_be_bytes())));
    Sha256::digest(form).to_vec()
}
