//! A process killed between its intent and its effect, and processes that settle and replay while others are at work.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use ledger::ledger::intents::{Choice, Replays, replay, resolve};
use ledger::ledger::post::{Outcome, post};

use super::{Attempt, funded_account, open, proven_digest};
use crate::common::{Engine, KILLED, Ledger, Output, Running, TestDatabase, on_both_engines};

const SOON: Duration = Duration::from_secs(60);

/// From now on whoever writes an entry never comes to an end.
fn make_endless(db: &TestDatabase) {
    match db.engine {
        Engine::Sqlite => db.sql(
            "CREATE TRIGGER endless BEFORE INSERT ON entries BEGIN SELECT \
             (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n); END",
        ),
        Engine::Postgres => db.sql(
            "CREATE FUNCTION endless() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_sleep(3600); RETURN NEW; END $$; \
             CREATE TRIGGER endless BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION endless()",
        ),
    };
}

/// The server's part of a killed process ends too, and entries can be written again.
fn make_normal(db: &TestDatabase) {
    match db.engine {
        Engine::Sqlite => db.sql("DROP TRIGGER endless"),
        Engine::Postgres => {
            db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'");
            db.sql("DROP TRIGGER endless ON entries; DROP FUNCTION endless")
        }
    };
}

/// Waits until the process holds the account's lock, in the midst of its effect.
fn await_effect(db: &TestDatabase) {
    let started = Instant::now();
    let in_the_midst =
        || match db.engine {
            Engine::Sqlite => {
                let connection = rusqlite::Connection::open(db.directory().join("ledger.db")).unwrap();
                connection.busy_timeout(Duration::ZERO).unwrap();
                // The intent is written under the same lock, so the lock alone does not tell.
                pending(db) == "1" && connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err()
            }
            Engine::Postgres => db.sql(
                "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
            ) == "1",
        };
    while !in_the_midst() {
        assert!(started.elapsed() < SOON, "the process does not come to its effect");
        std::thread::yield_now();
    }
}

fn pending(db: &TestDatabase) -> String {
    db.sql("SELECT COUNT(*) FROM intents WHERE state = 'pending'")
}

/// A charge that has left its intent and is in the midst of its effect.
fn in_the_midst(db: &TestDatabase, ledger: &Ledger) -> (Attempt, Running) {
    make_endless(db);
    let attempt = Attempt::new(0);
    let child = attempt.start(ledger);
    await_effect(db);
    (attempt, child)
}

/// Whoever began.
fn ledger_of(db: &TestDatabase) -> Ledger {
    db.ledger().at("2026-03-01T12:40:00Z")
}

on_both_engines! {
    fn an_intent_left_by_a_killed_process_is_found_settled_and_made_again(db: TestDatabase) {
        let ledger = db.ledger();
        funded_account(&ledger);
        let (attempt, mut child) = in_the_midst(&db, &ledger);
        // While it lives, nobody settles what it is at work on.
        let busy = ledger.run_words("intents resolve --older-than 0s --lock-timeout 200ms --format json").expect_code(7).data();
        assert_eq!((busy["not_settled"].as_u64(), &busy["intents"][0]["error"]["code"]), (Some(1), &"busy".into()));
        let key = ["intents", "resolve", &attempt.key, "--user-id", "5", "--older-than", "0s", "--lock-timeout", "200ms", "--format", "json"];
        assert_eq!(ledger.run(&key).expect_code(5).error_code(), "busy");
        child.kill().unwrap();
        assert_eq!(Output::of(child).code, KILLED);
        make_normal(&db);

        assert_eq!(pending(&db), "1");
        let later = ledger.clone().at("2026-03-01T12:10:00Z");
        let found = later.run_words("intents list --state pending --older-than 10m --format json").expect_code(0).data();
        assert_eq!(found["intents"][0]["idempotency_key"], attempt.key.as_str());
        let settled = later.run_words("intents resolve --format json").expect_code(0).data();
        assert_eq!((settled["failed"].as_u64(), &settled["intents"][0]["reason"]), (Some(1), &"stranded".into()));
        assert_eq!(pending(&db), "0");
        assert_eq!(db.sql("SELECT COUNT(*) FROM entries"), "1");
        let again = later.run_words("intents replay --stranded --format json").expect_code(0).data();
        assert_eq!(again["applied"], 1);
        let outcome = attempt.run(&ledger).expect_code(0).data();
        assert_eq!((&outcome["outcome"], &outcome["balance"]), (&"already_applied".into(), &"999999.00".into()));
        proven_digest(&mut open(&db.url));
    }

    fn what_one_has_left_another_makes_again_in_a_name_of_its_own(db: TestDatabase) {
        let ledger = db.ledger();
        funded_account(&ledger);
        let (attempt, mut child) = in_the_midst(&db, &ledger);
        child.kill().unwrap();
        drop(child);
        make_normal(&db);
        let key = &attempt.key;
        let line = format!(r#"{{"op":"charge","user_id":"5","amount":"1","service":"vps","idempotency_key":"{key}"}}"#);
        for way in ["send", "apply", "replay"] {
            let db = db.copy();
            let other = db.ledger().env("LEDGER_ACTOR", "other").at("2026-03-01T12:30:00Z");
            match way {
                "send" => attempt.run(&other).expect_code(0),
                "apply" => other.run_with_stdin(&["apply", "-", "-q"], &line).expect_code(0),
                _ => other.run_words("intents replay --stranded").expect_code(0),
            };

            let tried = "SELECT attempt, state, reason, actor FROM intents WHERE idempotency_key LIKE 'attempt-%' ORDER BY attempt";
            assert_eq!(db.sql(tried), "1|failed|stranded|tester\n2|applied||other", "{way}");
            assert_eq!(db.sql("SELECT balance FROM balances"), "99999900");
            assert_eq!(attempt.run(&ledger_of(&db)).expect_code(0).data()["outcome"], "already_applied");
            other.run_words("verify-sync --deep").expect_code(0);
        }
    }

    fn a_chunk_that_a_killed_run_has_left_is_told_and_settled(db: TestDatabase) {
        let ledger = db.ledger();
        funded_account(&ledger);
        make_endless(&db);
        let line = r#"{"op":"charge","user_id":"5","amount":"1","service":"vps","idempotency_key":"k"}"#;
        std::fs::write(ledger.directory().join("lines.ndjson"), line).unwrap();
        let child = ledger.spawn(&["apply", "lines.ndjson"]);
        await_effect(&db);
        drop(child);
        make_normal(&db);

        let later = ledger.clone().at("2026-03-02T12:00:00Z");
        let left = "1 have been pending";
        let told = later.run_words("doctor").stdout;
        assert!(told.contains(left), "{told}");
        later.run_words("audit").expect_code(1);
        let settled = later.run_words("intents resolve --format json").expect_code(0).data();
        assert_eq!((&settled["chunks"], &settled["failed"]), (&1.into(), &0.into()));
        assert_eq!(pending(&db), "0");
        let told = later.run_words("doctor").stdout;
        assert!(!told.contains(left), "{told}");
        later.run_words("audit").expect_code(0);
        later.run_words("apply lines.ndjson -q").expect_code(0);
        later.run_words("verify-sync --deep").expect_code(0);
    }

    fn settling_and_replaying_beside_living_processes_doubles_nothing(db: TestDatabase) {
        const WORKERS: usize = 2;
        const AT_LEAST: usize = 100;
        const AT_MOST: usize = 20_000;
        let ledger = db.ledger();
        funded_account(&ledger);
        let (done, settled, replayed) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
        let next = AtomicUsize::new(0);
        let met = || settled.load(Ordering::SeqCst) > 0 && replayed.load(Ordering::SeqCst) > 0;
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut ledger = open(&db.url);
                        loop {
                            let number = next.fetch_add(1, Ordering::SeqCst);
                            if number >= AT_MOST || (number >= AT_LEAST && met()) {
                                break;
                            }
                            let attempt = Attempt::new(number);
                            let outcome = post(&mut ledger, &attempt.request()).unwrap().outcome;
                            assert!(matches!(outcome, Outcome::Applied(_) | Outcome::AlreadyApplied(_)), "{outcome:?}");
                        }
                    })
                })
                .collect();
            // Without any age limit, as nobody should.
            scope.spawn(|| {
                let mut ledger = open(&db.url);
                while !done.load(Ordering::SeqCst) {
                    let resolution = resolve(&mut ledger, &Choice::All(None), TimeDelta::zero()).unwrap();
                    settled.fetch_add(resolution.resolved.len(), Ordering::SeqCst);
                }
            });
            scope.spawn(|| {
                let mut ledger = open(&db.url);
                while !done.load(Ordering::SeqCst) {
                    let all = replay(&mut ledger, None, Replays::Stranded, TimeDelta::zero()).unwrap();
                    let applied = |answer: &Outcome| matches!(answer, Outcome::Applied(_));
                    let first = all.iter().filter(|one| one.answer.as_ref().is_ok_and(|answer| applied(&answer.outcome)));
                    replayed.fetch_add(first.count(), Ordering::SeqCst);
                }
            });
            let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
            done.store(true, Ordering::SeqCst);
            for worker in ended {
                worker.unwrap();
            }
        });
        assert!(met(), "nothing was settled or replayed beside the work");

        let mut ledger = open(&db.url);
        resolve(&mut ledger, &Choice::All(None), TimeDelta::zero()).unwrap();
        proven_digest(&mut ledger);
        let entries = db.sql("SELECT idempotency_key FROM entries WHERE idempotency_key LIKE 'attempt-%'");
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for key in entries.lines() {
            *times.entry(key).or_default() += 1;
        }
        assert!(times.values().all(|times| *times == 1), "{times:?}");
        let applied = db.sql("SELECT COUNT(*), COUNT(DISTINCT idempotency_key) FROM intents WHERE idempotency_key LIKE 'attempt-%' AND state = 'applied'");
        assert_eq!(applied, format!("{0}|{0}", times.len()));
        assert_eq!(pending(&db), "0");
        let known = db.sql("SELECT COUNT(DISTINCT idempotency_key) FROM intents WHERE idempotency_key LIKE 'attempt-%'");
        assert_eq!(known, times.len().to_string());
    }
}
