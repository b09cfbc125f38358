//! A ledger of an older version, brought up to date by a process that is killed on the way: it is old or new, never in
//! between, and what its users had is what they have.

use super::scene::prove;
use super::strace::{Blow, Point, count, lasting_calls, strike};
use crate::common::effort::{Effort, SEED_VARIABLE, Tally, smoke_seed};
use crate::common::{Engine, KILLED, TestDatabase};

const UP: [&str; 2] = ["migrate", "up"];
const VERSIONS: &str = "SELECT version FROM __diesel_schema_migrations ORDER BY version";

/// Charges and recharges, as every version has had them.
fn used(engine: Engine) -> TestDatabase {
    let database = TestDatabase::fresh(engine);
    let ledger = database.ledger();
    for user in ["5", "6"] {
        ledger.run(&["account", "create", "--user-id", user]).expect_code(0);
        for number in ["1", "2", "3"] {
            let who = format!("--user-id {user} --idempotency-key");
            ledger
                .run_words(&format!("recharge {who} r{number} --amount 10 --method momo"))
                .expect_code(0);
            ledger
                .run_words(&format!("charge {who} c{number} --amount 7 --service vps"))
                .expect_code(0);
        }
    }
    database
}

/// What makes each migration undone, the newest first.
fn ways_down(engine: Engine) -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(engine.to_string());
    let entries = std::fs::read_dir(folder).expect("there are migrations");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    folders.sort();
    let down = folders
        .iter()
        .rev()
        .map(|folder| std::fs::read_to_string(folder.join("down.sql")));
    down.map(|script| script.expect("every migration has a way down"))
        .collect()
}

/// Takes the newest migrations back, but for the oldest so many.
pub(crate) fn take_back(database: &TestDatabase, kept: usize) {
    let versions = database.sql(VERSIONS);
    let newest: Vec<&str> = versions.lines().skip(kept).collect();
    for (version, down) in newest.iter().rev().zip(ways_down(database.engine)) {
        database.sql(&down);
        database.sql(&format!(
            "DELETE FROM __diesel_schema_migrations WHERE version = '{version}'"
        ));
    }
}

/// Kills the upgrade from each older version at each call in turn.
pub fn killed(engine: Engine, seed: u64, effort: Effort) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let modern = used(engine);
    let (newest, digest_before) = (modern.sql(VERSIONS), modern.ledger().proven_digest());
    let mut tally = Tally::default();
    let mut kept: Vec<usize> = (1..newest.lines().count()).collect();
    random.shuffle(&mut kept);
    'all: for kept in kept {
        let old = modern.copy();
        take_back(&old, kept);
        let before = old.sql(VERSIONS);
        let learned = old.copy();
        let (calls, output) = count(&learned, &UP, "", lasting_calls(engine));
        output.expect_code(0);
        assert_eq!(learned.sql(VERSIONS), newest);
        let mut points: Vec<(&str, usize)> = calls
            .into_iter()
            .flat_map(|(call, times)| (1..=times).map(move |n| (call, n)))
            .collect();
        random.shuffle(&mut points);
        for (call, number) in points {
            if !effort.wants_more(tally.rounds) {
                break 'all;
            }
            let point = Point {
                call,
                number,
                blow: Blow::Killed,
            };
            let name = || format!("from {kept} migrations at {point:?} on {engine}, with {SEED_VARIABLE}={seed}");
            tally.round(name, || {
                let stage = old.copy();
                let code = strike(&stage, &UP, "", point).code;
                assert!(code == KILLED || code == 0, "exit {code}");
                let after = stage.sql(VERSIONS);
                assert!(after == before || after == newest, "in between: {after}");
                let ledger = stage.ledger();
                if after == before {
                    // An older schema is told, and touched by nobody.
                    ledger.run_words("migrate status -q").expect_code(1);
                }
                ledger.run(&UP).expect_code(0);
                assert_eq!(stage.sql(VERSIONS), newest);
                assert_eq!(stage.ledger().proven_digest(), digest_before);
                prove(&ledger);
                stage.discard();
            });
        }
        old.discard();
        learned.discard();
    }
    tally
}

#[test]
fn an_upgrade_killed_on_the_way_is_done_or_not_on_sqlite() {
    killed(Engine::Sqlite, smoke_seed(), Effort::Rounds(12)).assert_clean();
}

#[test]
fn an_upgrade_killed_on_the_way_is_done_or_not_on_postgres() {
    killed(Engine::Postgres, smoke_seed(), Effort::Rounds(4)).assert_clean();
}
