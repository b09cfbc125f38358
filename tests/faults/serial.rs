//! Sixteen processes at once on a few accounts; afterwards their histories are held against the journal.
//!
//! Each account must behave as if its operations had been done one after the other, each at some moment between its
//! question and its answer. The journal gives the order; what is checked is that it agrees with real time, and that every
//! refusal was right at some moment while it was in flight.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Value;

use super::{open, proven_digest};
use crate::common::effort::{Effort, SEED_VARIABLE, Tally, smoke_seed};
use crate::common::{Engine, Raise, Running, TestDatabase};

const PROCESSES: usize = 16;
const ACCOUNTS: usize = 3;
/// Little enough that many charges are refused.
const FUNDS: i64 = 40;

/// One operation as its process saw it.
#[derive(Clone, Debug)]
struct Seen {
    user: usize,
    asked: Instant,
    answered: Instant,
    key: String,
    /// What is taken from the balance, in units.
    takes: i64,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// As the entry of that number.
    Applied(usize),
    /// For want of money: this much was there.
    Refused(i64),
}

/// A process that is given a line at a time and answers it.
pub struct Clerk {
    child: Running,
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Clerk {
    pub fn start(database: &TestDatabase) -> Self {
        let ledger = database.ledger().real_clock().env("LEDGER_LOCK_TIMEOUT", "60s");
        let mut child = ledger.spawn(&["apply", "-"]);
        let asks = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { child, asks, answers }
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    pub fn ask(&mut self, line: &str) -> Value {
        let asks = self.asks.as_mut().expect("open until the end");
        writeln!(asks, "{line}").expect("the process reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the process answers");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer:?} to {line}"))
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        self.asks = None;
        let _ = self.child.wait();
    }
}

/// Whole units of an amount such as `12.00`.
fn units(amount: &Value) -> i64 {
    let text = amount.as_str().expect("amounts are texts");
    text.trim_end_matches(".00")
        .parse()
        .unwrap_or_else(|_| panic!("{text} has no whole units"))
}

/// Charges, recharges, and holds that are given back or spent.
fn work(
    database: &TestDatabase,
    worker: usize,
    random: &mut fastrand::Rng,
    next: &AtomicUsize,
    all: usize,
) -> Vec<Seen> {
    let mut clerk = Clerk::start(database);
    let mut history = Vec::new();
    let mut holds: Vec<(usize, String, i64)> = Vec::new();
    for number in 0.. {
        if next.fetch_add(1, Ordering::Relaxed) >= all {
            break;
        }
        let (user, amount) = (random.usize(1..=ACCOUNTS), random.i64(1..=20));
        let key = format!("w{worker}-{number}");
        let (user, takes, rest) = match random.usize(..10) {
            0..4 => (
                user,
                amount,
                format!(r#""op":"charge","user_id":"{user}","amount":"{amount}","service":"vps""#),
            ),
            4..7 => (
                user,
                -amount,
                format!(r#""op":"recharge","user_id":"{user}","amount":"{amount}","method":"momo""#),
            ),
            7..9 => (
                user,
                amount,
                format!(r#""op":"freeze","user_id":"{user}","amount":"{amount}""#),
            ),
            _ => match holds.pop() {
                Some((user, hold, amount)) if amount % 2 == 0 => {
                    (user, -amount, format!(r#""op":"refund","hold":"{hold}""#))
                }
                Some((user, hold, _)) => (user, 0, format!(r#""op":"commit","hold":"{hold}""#)),
                None => continue,
            },
        };
        let asked = Instant::now();
        let answer = clerk.ask(&format!(r#"{{{rest},"idempotency_key":"{key}"}}"#));
        let answered = Instant::now();
        let data = &answer["data"];
        let outcome = if answer["ok"] == true {
            let hold = data["hold"]["id"].as_str().filter(|_| rest.contains("freeze"));
            holds.extend(hold.map(|hold| (user, hold.to_owned(), amount)));
            Outcome::Applied(data["entries"][0]["seq"].as_u64().expect("an entry") as usize)
        } else {
            assert_eq!(answer["error"]["code"], "insufficient_balance", "{answer}");
            Outcome::Refused(units(&answer["error"]["details"]["balance"]))
        };
        history.push(Seen {
            user,
            asked,
            answered,
            key,
            takes,
            outcome,
        });
    }
    history
}

/// The balance after each entry of a user's account, after none first, and the keys in their order.
fn journal(database: &TestDatabase, user: usize) -> (Vec<i64>, Vec<String>) {
    let rows = database.sql(&format!(
        "SELECT balance_after / 100, idempotency_key FROM entries WHERE account_id = {user} ORDER BY seq"
    ));
    let rows = rows.lines().map(|row| row.split_once('|').expect("two columns"));
    let (balances, keys): (Vec<i64>, Vec<String>) = rows
        .map(|(balance, key)| (balance.parse::<i64>().expect("a number"), key.to_owned()))
        .unzip();
    (std::iter::once(0).chain(balances).collect(), keys)
}

/// Holds one account's history against its journal.
fn check(history: &[Seen], balances: &[i64], keys: &[String]) {
    let applied: BTreeMap<usize, &Seen> = history
        .iter()
        .filter_map(|seen| match seen.outcome {
            Outcome::Applied(seq) => Some((seq, seen)),
            Outcome::Refused(_) => None,
        })
        .collect();
    for (seq, seen) in &applied {
        assert_eq!(keys[seq - 1], seen.key, "entry {seq}");
        assert_eq!(balances[seq - 1] - seen.takes, balances[*seq], "entry {seq}: {seen:?}");
    }
    // No entry was answered before an earlier one was asked for.
    let mut soonest_end: Option<&Seen> = None;
    for seen in applied.values().rev() {
        if let Some(later) = soonest_end {
            assert!(seen.asked < later.answered, "{later:?} stands behind {seen:?}");
        }
        if soonest_end.is_none_or(|later| seen.answered < later.answered) {
            soonest_end = Some(seen);
        }
    }
    for seen in history {
        let Outcome::Refused(there) = seen.outcome else {
            continue;
        };
        let done_before = applied
            .iter()
            .filter(|(_, other)| other.answered < seen.asked)
            .map(|(seq, _)| *seq)
            .max();
        let not_yet = applied
            .iter()
            .filter(|(_, other)| other.asked > seen.answered)
            .map(|(seq, _)| *seq)
            .min();
        let (from, to) = (done_before.unwrap_or(1), not_yet.map_or(keys.len(), |seq| seq - 1));
        let right = (from..=to).any(|seq| balances[seq] == there && there < seen.takes);
        assert!(
            right,
            "{seen:?} was refused between entries {from} and {to}: {:?}",
            &balances[from..=to]
        );
    }
}

/// As many operations as that, from all processes; beside them, readers who must never see a torn sum.
fn live(engine: Engine, seed: u64, operations: usize) {
    let database = TestDatabase::fresh(engine);
    let ledger = database.ledger();
    for user in 1..=ACCOUNTS {
        let user = user.to_string();
        ledger.run(&["account", "create", "--user-id", &user]).expect_code(0);
        let funds = FUNDS.to_string();
        ledger
            .run(&[
                "recharge",
                "--user-id",
                &user,
                "--amount",
                &funds,
                "--method",
                "momo",
                "--idempotency-key",
                "first",
            ])
            .expect_code(0);
    }
    let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let histories: Vec<Seen> = std::thread::scope(|scope| {
        let _done_even_after_a_panic = Raise(&done);
        let workers: Vec<_> = (0..PROCESSES)
            .map(|worker| {
                let (database, next) = (&database, &next);
                let mut random = fastrand::Rng::with_seed(seed.wrapping_add(worker as u64));
                scope.spawn(move || work(database, worker, &mut random, next, operations))
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let book = database
                    .ledger()
                    .run_words("trial-balance --format json")
                    .expect_code(0)
                    .data();
                assert_eq!(
                    (&book["balanced"], &book["differs"]),
                    (&true.into(), &false.into()),
                    "{book}"
                );
            }
        });
        let histories = workers
            .into_iter()
            .map(|worker| worker.join().expect("a worker failed"));
        let histories = histories.collect::<Vec<_>>().concat();
        done.store(true, Ordering::SeqCst);
        histories
    });
    for user in 1..=ACCOUNTS {
        let (balances, keys) = journal(&database, user);
        let mut of_user: Vec<Seen> = histories.iter().filter(|seen| seen.user == user).cloned().collect();
        of_user.sort_by_key(|seen| seen.asked);
        let applied = of_user
            .iter()
            .filter(|seen| matches!(seen.outcome, Outcome::Applied(_)))
            .count();
        assert_eq!(applied + 1, keys.len(), "answers and entries");
        assert!(applied < of_user.len(), "nothing was refused");
        check(&of_user, &balances, &keys);
    }
    proven_digest(&mut open(&database.url));
    database.discard();
}

pub fn serialisable(engine: Engine, seed: u64, effort: Effort) -> Tally {
    const AT_ONCE: usize = 2_000;
    let mut tally = Tally::default();
    while effort.wants_more(tally.rounds) {
        let seed = seed.wrapping_add(1_000 * tally.rounds as u64);
        tally.round(
            || format!("{engine}, with {SEED_VARIABLE}={seed}"),
            || live(engine, seed, AT_ONCE),
        );
    }
    tally.notes = format!("{} operations", AT_ONCE * tally.rounds);
    tally
}

#[test]
fn sixteen_processes_leave_a_history_that_one_could_have_made_on_sqlite() {
    serialisable(Engine::Sqlite, smoke_seed(), Effort::Rounds(1)).assert_clean();
}

#[test]
fn sixteen_processes_leave_a_history_that_one_could_have_made_on_postgres() {
    serialisable(Engine::Postgres, smoke_seed(), Effort::Rounds(1)).assert_clean();
}

/// An account with 40 from the start, from which each takes 30; times are milliseconds.
fn two_charges(first: (u64, u64, Outcome), second: (u64, u64, Outcome)) -> Vec<Seen> {
    let start = Instant::now();
    let at = |milliseconds| start + std::time::Duration::from_millis(milliseconds);
    let seen = |key: &str, (asked, answered, outcome)| Seen {
        user: 1,
        asked: at(asked),
        answered: at(answered),
        key: key.to_owned(),
        takes: 30,
        outcome,
    };
    vec![seen("a", first), seen("b", second)]
}

fn hold_against_the_journal(history: &[Seen], balances: &[i64]) -> bool {
    let keys: Vec<String> = ["first", "a", "b"][..balances.len() - 1]
        .iter()
        .map(ToString::to_string)
        .collect();
    std::panic::catch_unwind(|| check(history, balances, &keys)).is_ok()
}

#[test]
fn a_history_that_nobody_can_have_lived_is_told_from_one_that_somebody_can() {
    use Outcome::{Applied, Refused};
    // One after the other, and both at once.
    assert!(hold_against_the_journal(
        &two_charges((0, 1, Applied(2)), (2, 3, Refused(10))),
        &[0, 40, 10]
    ));
    assert!(hold_against_the_journal(
        &two_charges((0, 9, Applied(2)), (1, 3, Refused(10))),
        &[0, 40, 10]
    ));
    // Refused before the money was gone; refused with what was never there.
    assert!(!hold_against_the_journal(
        &two_charges((5, 9, Applied(2)), (1, 3, Refused(10))),
        &[0, 40, 10]
    ));
    assert!(!hold_against_the_journal(
        &two_charges((0, 1, Applied(2)), (2, 3, Refused(20))),
        &[0, 40, 10]
    ));
    // Both applied: the journal would be negative; the first stands last.
    assert!(!hold_against_the_journal(
        &two_charges((0, 1, Applied(2)), (2, 3, Applied(3))),
        &[0, 40, 10, 10]
    ));
    let mut swapped = two_charges((0, 1, Applied(3)), (2, 3, Applied(2)));
    (swapped[0].key, swapped[1].key) = ("b".to_owned(), "a".to_owned());
    assert!(!hold_against_the_journal(&swapped, &[0, 90, 60, 30]));
}
