//! Every command, ended or failed at every call by which it writes or speaks: all of it is there or nothing, nobody is
//! told that something was done which was not, and the same command again completes it once.

use super::scene::{Act, LATER, ONE_OF_EACH, ONE_OF_EVERY_SECOND, assert_same, disturb, essence, prove, scene};
use super::strace::{Blow, Point, count, lasting_calls, strike};
use crate::common::effort::{Effort, Tally, smoke_seed};
use crate::common::{Engine, KILLED, TestDatabase};

/// An act, what stands before it and after it.
struct Known {
    act: Act,
    before: String,
    after: String,
}

impl Known {
    /// Learns from an undisturbed run.
    fn learn(act: Act, scene: &TestDatabase, calls: &[&'static str], blows: &[Blow]) -> (Self, Vec<Point>) {
        let stage = act.stage(scene);
        let before = essence(&stage);
        let (made, output) = count(&stage, &act.words(), act.input, calls);
        let output = output.expect_code(act.codes[0]);
        let after = essence(&stage);
        let again = act.run(&stage.ledger().at(LATER));
        assert_eq!(again.code, act.codes[1], "{} again: {}", act.line, again.transcript());
        assert_same(
            &essence(&stage),
            &after,
            &format!("{} again: {}", act.line, output.transcript()),
        );
        let points = made.into_iter().flat_map(|(call, times)| {
            (1..=times).flat_map(move |number| {
                blows.iter().map(move |blow| Point {
                    call,
                    number,
                    blow: *blow,
                })
            })
        });
        (Self { act, before, after }, points.collect())
    }

    fn check(&self, scene: &TestDatabase, point: Point) {
        let Self { act, before, after } = self;
        let stage = act.stage(scene);
        let ledger = stage.ledger().at(LATER);
        let struck = strike(&stage, &act.words(), act.input, point);
        let said = || format!("{} of {} at {point:?}: {}", stage.engine, act.line, struck.transcript());

        // SQLite takes some pages that it cannot read for damaged ones.
        let unreadable = if point.call == "pread64" { 6 } else { 4 };
        let documented = [act.codes[0], 3, 4, 5, 7, KILLED, unreadable];
        assert!(documented.contains(&struck.code), "{}", said());
        let found = essence(&stage);
        if struck.code == act.codes[0] {
            assert_same(&found, after, &format!("told that it was done: {}", said()));
        } else if !act.in_steps {
            let nearer = if found.len() < after.len() { before } else { after };
            let all_or_nothing = found == *before || found == *after;
            if !all_or_nothing {
                assert_same(&found, nearer, &format!("neither all nor nothing: {}", said()));
            }
        }
        if act.damage.is_empty() {
            prove(&ledger);
        }
        let again = act.run(&ledger);
        assert!(
            act.codes.contains(&again.code),
            "{}\nagain: {}",
            said(),
            again.transcript()
        );
        assert_same(
            &essence(&stage),
            after,
            &format!("{}\nagain: {}", said(), again.transcript()),
        );
        prove(&ledger);
        stage.discard();
    }
}

/// Deals those blows at every point of every act.
fn campaign(engine: Engine, calls: &[&'static str], blows: &[Blow], seed: u64, effort: Effort) -> Tally {
    let scene = scene(engine);
    disturb(
        (engine, seed, effort),
        |act| Known::learn(act, &scene, calls, blows),
        |known, point| known.check(&scene, point),
    )
}

pub fn killed(engine: Engine, seed: u64, effort: Effort) -> Tally {
    campaign(engine, lasting_calls(engine), &[Blow::Killed], seed, effort)
}

/// SQLite's files fail; a server's own disk is the server's.
pub fn failed(seed: u64, effort: Effort) -> Tally {
    let writes = ["pwrite64", "fdatasync", "ftruncate"];
    let blows = [Blow::Failed("EIO"), Blow::Failed("ENOSPC")];
    let mut tally = campaign(Engine::Sqlite, &writes, &blows, seed, effort);
    let reads = campaign(Engine::Sqlite, &["pread64"], &[Blow::Failed("EIO")], seed, effort);
    tally.rounds += reads.rounds;
    tally.findings.extend(reads.findings);
    tally.of = tally.of.zip(reads.of).map(|(writes, reads)| writes + reads);
    tally
}

#[test]
fn a_command_killed_at_any_call_is_all_or_nothing_on_sqlite() {
    killed(Engine::Sqlite, smoke_seed(), ONE_OF_EACH).assert_clean();
}

#[test]
fn a_command_killed_at_any_call_is_all_or_nothing_on_postgres() {
    killed(Engine::Postgres, smoke_seed(), ONE_OF_EACH).assert_clean();
}

#[test]
fn a_command_whose_disk_fails_acknowledges_nothing_that_is_not_there() {
    failed(smoke_seed(), ONE_OF_EVERY_SECOND).assert_clean();
}
