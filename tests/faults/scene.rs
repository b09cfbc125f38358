//! A ledger in which every command has something to do, and the commands that change it.

use std::collections::BTreeSet;

use crate::common::effort::{Effort, SEED_VARIABLE, Tally};
use crate::common::{Engine, Ledger, Output, TestDatabase};

/// When the commands are given: credits are due by then, and one hold and one recharge have run out.
pub const LATER: &str = "2026-03-04T12:00:00Z";

/// One act that changes a ledger, given in [`scene`].
#[derive(Clone, Copy, Debug)]
pub struct Act {
    pub line: &'static str,
    pub input: &'static str,
    /// What has gone wrong before, as SQL.
    pub damage: &'static str,
    /// The exit codes of the first time and of every later one.
    pub codes: [i32; 2],
    /// Whether it is made of several transactions, between which it may be ended.
    pub in_steps: bool,
}

pub const fn act(line: &'static str) -> Act {
    Act {
        line,
        input: "",
        damage: "",
        codes: [0, 0],
        in_steps: false,
    }
}

pub const fn job(line: &'static str) -> Act {
    Act {
        in_steps: true,
        ..act(line)
    }
}

const fn repair(line: &'static str, damage: &'static str) -> Act {
    Act { damage, ..job(line) }
}

const LINES: &str = concat!(
    r#"{"op":"charge","user_id":"5","amount":"3","service":"vps","idempotency_key":"a1"}"#,
    "\n",
    r#"{"op":"charge","user_id":"5","amount":"99999","service":"vps","idempotency_key":"a2"}"#,
    "\n",
    r#"{"op":"recharge","user_id":"6","amount":"4","method":"momo","idempotency_key":"a3"}"#,
    "\n",
    r#"{"op":"freeze","user_id":"5","amount":"2","idempotency_key":"a4"}"#,
    "\n",
    r#"{"op":"penalty","user_id":"8","amount":"1","reason":"late","idempotency_key":"a5"}"#,
    "\n",
);

pub const GOOD_LINES: &str = concat!(
    r#"{"op":"charge","user_id":"5","amount":"3","service":"vps","idempotency_key":"a1"}"#,
    "\n",
    r#"{"op":"recharge","user_id":"6","amount":"4","method":"momo","idempotency_key":"a3"}"#,
    "\n",
    r#"{"op":"commit","hold":"h1-1","idempotency_key":"a6"}"#,
    "\n",
);

const SCRAMBLED: &str = "UPDATE balances SET balance = balance + 100 WHERE account_id = 2; \
     DELETE FROM balances WHERE account_id = 3";

/// Accounts are numbered as they are made: 1 is user 5, 2 user 6, 3 user 7 (empty), 4 user 8, 5 user 9 (locked),
/// 6 user 10 (suspended), 7 user 5 in POINTS.
pub const ACTS: &[Act] = &[
    act("charge --user-id 5 --amount 7 --service vps --idempotency-key k"),
    act("charge --user-id 5 --amount 7 --service api --grants profile:acme --idempotency-key k"),
    // It crosses the threshold.
    act("charge --user-id 8 --amount 60 --service vps --idempotency-key k"),
    // An overdue hold is given back before.
    job("charge --user-id 6 --amount 7 --service vps --idempotency-key k"),
    Act {
        codes: [1, 1],
        in_steps: true,
        ..act("charge --user-id 5 --amount 99999 --service vps --suspend --idempotency-key k")
    },
    act("recharge --user-id 5 --amount 7 --method momo --idempotency-key k"),
    // It resumes the account.
    act("recharge --user-id 10 --amount 500 --method momo --idempotency-key k"),
    act("recharge --user-id 5 --amount 7 --method momo --pending --expires-in 30m --idempotency-key k"),
    act("recharge complete r1-2 --idempotency-key k"),
    act("recharge process r1-2 --idempotency-key k"),
    act("recharge fail r1-2 --idempotency-key k"),
    act("recharge cancel r1-2 --idempotency-key k"),
    act("freeze --user-id 5 --amount 7 --expires-in 20m --idempotency-key k"),
    act("commit --hold h1-1 --idempotency-key k"),
    act("commit --hold h1-1 --amount 3 --keep-open --idempotency-key k"),
    act("refund --hold h1-1 --idempotency-key k"),
    act("refund --user-id 5 --entry 2 --amount 3 --idempotency-key k"),
    act("reverse --user-id 5 --entry 2 --idempotency-key k"),
    act("adjust --user-id 5 --amount -7 --reason late --idempotency-key k"),
    act("penalty --user-id 5 --amount 7 --reason late --idempotency-key k"),
    act("purchase record --user-id 5 --currency POINTS --amount 500000 --reference INV-9 --idempotency-key k"),
    act("deactivate-purchase p7-1 --reason cancelled --idempotency-key k"),
    act("deactivate-purchase p7-2 --reason cancelled --idempotency-key k"),
    job("process-pending-credits"),
    act("gift grant --user-id 5 --currency POINTS --credits 50 --idempotency-key k"),
    act("gift deactivate g7-1 --reason mistake --idempotency-key k"),
    act("suspend --user-id 6 --reason fraud"),
    act("resume --user-id 10"),
    act("account create --user-id 11"),
    act("account set --user-id 5 --low-balance-threshold 9"),
    act("account lock --user-id 6 --reason fraud"),
    act("account unlock --user-id 9"),
    act("account close --user-id 7"),
    Act {
        input: "user_id\n5\n20\n21\n22\n",
        ..job("account import -")
    },
    act("recurring add --user-id 5 --amount 3 --service vps --every month --idempotency-key k"),
    act("recurring cancel c4-1 --reason left"),
    job("recurring run"),
    act("currency add FCFA --exponent 2"),
    job("expire-holds"),
    job("expire-recharges"),
    Act {
        input: LINES,
        codes: [7, 7],
        ..job("apply -")
    },
    Act {
        input: GOOD_LINES,
        ..job("apply - --atomic")
    },
    repair("verify-sync --fix", SCRAMBLED),
    repair("rebuild", SCRAMBLED),
    repair(
        "health --fix",
        "UPDATE balances SET held = held + 100 WHERE account_id = 1",
    ),
    repair(
        "intents resolve --older-than 0s",
        "INSERT INTO intents (account_id, idempotency_key, attempt, operation, payload, actor, created_at) \
         SELECT account_id, 'left', 1, operation, payload, actor, created_at FROM intents WHERE idempotency_key = 's2'",
    ),
    repair("audit --repair", "DELETE FROM access_grants WHERE account_id = 1"),
    job("verify-sync"),
    job("verify-sync --deep"),
];

const SETUP: &str = r#"
account create --user-id 5
account create --user-id 6
account create --user-id 7
account create --user-id 8 --low-balance-threshold 50
account create --user-id 9
account create --user-id 10
currency add POINTS --exponent 0
account create --user-id 5 --currency POINTS
recharge --user-id 5 --amount 1000 --method momo --idempotency-key s1
charge --user-id 5 --amount 20 --service vps --idempotency-key s2
charge --user-id 5 --amount 5 --service api --grants report:7 --idempotency-key s3
freeze --user-id 5 --amount 9 --reference activation:77 --idempotency-key s4
recharge --user-id 5 --amount 30 --method momo --pending --idempotency-key s5
recharge --user-id 6 --amount 100 --method momo --idempotency-key s6
freeze --user-id 6 --amount 8 --expires-in 20m --idempotency-key s7
recharge --user-id 6 --amount 30 --method momo --pending --expires-in 30m --idempotency-key s8
recharge --user-id 8 --amount 100 --method momo --idempotency-key s9
recharge --user-id 9 --amount 100 --method momo --idempotency-key s10
account lock --user-id 9
suspend --user-id 10 --reason unpaid
recurring add --user-id 8 --amount 30 --service vps --every day --idempotency-key s15
purchase record --user-id 5 --currency POINTS --amount 500000 --credits 30 --reference INV-1 --idempotency-key s11
gift grant --user-id 5 --currency POINTS --credits 20 --idempotency-key s12
"#;

/// Two days on, the first purchase has brought its credits; the second is due, the third not yet.
const SECOND_DAY: &str = r"
purchase record --user-id 5 --currency POINTS --amount 500000 --credits 40 --reference INV-2 --idempotency-key s13
";
const THIRD_DAY: &str = r"
process-pending-credits
purchase record --user-id 5 --currency POINTS --amount 500000 --credits 50 --reference INV-3 --idempotency-key s14
";

pub fn scene(engine: Engine) -> TestDatabase {
    let database = TestDatabase::fresh(engine);
    let days = [
        ("2026-03-01T12:00:00Z", SETUP),
        ("2026-03-02T11:00:00Z", SECOND_DAY),
        ("2026-03-03T13:00:00Z", THIRD_DAY),
    ];
    for (at, lines) in days {
        let ledger = database.ledger().at(at);
        for line in lines.lines().filter(|line| !line.is_empty()) {
            ledger.run_words(line).expect_code(0);
        }
    }
    database
}

impl Act {
    pub fn words(&self) -> Vec<&'static str> {
        self.line.split_whitespace().collect()
    }

    /// A copy of the scene in which this act is about to be done.
    pub fn stage(&self, scene: &TestDatabase) -> TestDatabase {
        let stage = scene.copy();
        if !self.damage.is_empty() {
            stage.sql(self.damage);
        }
        stage
    }

    pub fn run(&self, ledger: &Ledger) -> Output {
        ledger.run_with_stdin(&self.words(), self.input)
    }
}

const TABLES: [&str; 12] = [
    "accounts",
    "currencies",
    "balances",
    "entries",
    "holds",
    "recharges",
    "suspensions",
    "purchases",
    "pending_credits",
    "gifts",
    "access_grants",
    "recurring_charges",
];

/// Money and records, as they stand.
pub fn records(database: &TestDatabase) -> String {
    let tables = TABLES.map(|table| format!("SELECT '{table}', t.* FROM {table} t ORDER BY 2, 3"));
    database.sql(&tables.join("; "))
}

/// All that stands in the ledger and does not say who was at work how often: what an act has to change once.
pub fn essence(database: &TestDatabase) -> String {
    let rest = [
        "SELECT DISTINCT 'intents', account_id, idempotency_key, state, first_seq, last_seq, subject FROM intents \
         WHERE account_id > 0 AND state IN ('applied', 'refused') ORDER BY 2, 3, 4",
        "SELECT 'operations', account_id, command, actor, at, before, after FROM operations ORDER BY 2, 3, 5, 6, 7",
        // Each refusal is told, and an act that is refused is refused again; an alert by whoever meets its cause, also by
        // an act that fails.
        "SELECT 'events', account_id, number, kind, payload FROM outbox \
         WHERE kind NOT IN ('charge_refused', 'alert_opened') ORDER BY 2, 3",
        "SELECT 'alerts', account_id, cause, message FROM alerts WHERE closed_at IS NULL ORDER BY 2, 3",
    ];
    let rows = format!("{}\n{}", records(database), database.sql(&rest.join("; ")));
    let lines = rows
        .lines()
        .map(|row| row.split('|').map(masked).collect::<Vec<_>>().join("|"));
    // Attempts under keys that were made up look alike.
    let mut known = BTreeSet::new();
    let lines = lines.filter(|line| !line.starts_with("intents|") || known.insert(line.clone()));
    let mut lines: Vec<String> = lines.collect();
    // And stand in another order.
    lines.sort();
    lines.join("\n")
}

/// Keys that were made up differ from run to run, and with them the hashes; others hold those.
fn masked(field: &str) -> &str {
    let is_hash = field.starts_with("\\x") && field.len() == 66;
    let is_made_up = field.len() == 36 && field.bytes().filter(|byte| *byte == b'-').count() == 4;
    match (is_hash, is_made_up) {
        (true, _) => "(hash)",
        (_, true) => "(made up)",
        _ => field,
    }
}

/// What the books say of themselves, from every entry anew.
#[track_caller]
pub fn prove(ledger: &Ledger) {
    ledger.run_words("verify-sync --deep -q").expect_code(0);
}

/// A short campaign: one point of every act.
pub const ONE_OF_EACH: Effort = Effort::Rounds(ACTS.len());

/// The same of every second act, where each takes longer.
pub const ONE_OF_EVERY_SECOND: Effort = Effort::Rounds(ACTS.len().div_ceil(2));

/// Goes through the acts and the points at which each can be disturbed, in an order that the seed decides, until it is
/// enough. An act is learned before its points are known.
pub fn disturb<K, P: std::fmt::Debug + Copy>(
    (engine, seed, effort): (Engine, u64, Effort),
    learn: impl Fn(Act) -> (K, Vec<P>),
    check: impl Fn(&K, P),
) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut acts: Vec<Act> = ACTS.to_vec();
    random.shuffle(&mut acts);
    let (mut tally, mut of) = (Tally::default(), 0);
    for act in acts {
        if !effort.wants_more(tally.rounds) {
            break;
        }
        let (known, mut points) = learn(act);
        of += points.len();
        random.shuffle(&mut points);
        if let Effort::Rounds(_) = effort {
            points.truncate(1);
        }
        for point in points {
            if !effort.wants_more(tally.rounds) {
                break;
            }
            let name = || format!("{} at {point:?} on {engine}, with {SEED_VARIABLE}={seed}", act.line);
            tally.round(name, || check(&known, point));
        }
    }
    tally.of = Some(of);
    tally
}

/// Fails with the lines alone in which two essences differ.
#[track_caller]
pub fn assert_same(found: &str, expected: &str, said: &str) {
    let without = |all: &str, others: &str| -> Vec<String> {
        let mut others: Vec<&str> = others.lines().collect();
        let mut extra = Vec::new();
        for line in all.lines() {
            match others.iter().position(|other| *other == line) {
                Some(place) => drop(others.swap_remove(place)),
                None => extra.push(line.to_owned()),
            }
        }
        extra
    };
    let (extra, missing) = (without(found, expected), without(expected, found));
    assert!(found == expected, "{said}\nthere is {extra:#?}\nand not {missing:#?}");
}
