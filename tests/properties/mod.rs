//! Thousands of random operations, told to the ledger and to a naive model of it, by calls of the library and by
//! commands: both must answer alike, write the same entries, and end with the same digest, on either engine.

mod aim;
mod compare;
mod desk;
pub mod history;
pub mod model;
mod rare;
mod shown;
pub mod world;
mod words;

use std::cell::RefCell;
use std::collections::BTreeSet;

use history::{Holds, Move, history};
use ledger::domain::operation::OperationKind;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use world::{A_DAY, Moment, Telling, World};

use crate::common::effort::{Effort, SEED_VARIABLE, Tally, seed, smoke_seed};
use crate::common::{Engine, TestDatabase, on_both_engines};

/// What a ledger ends with, and how many operations it was told.
pub struct Lived {
    digest: String,
    pub operations: usize,
    /// Every entry, in its account's order, but for what a clock had to do with it.
    pub timeless: Vec<model::Entry>,
}

/// Lives through that many histories in one database, on one day.
#[track_caller]
fn live(database: &TestDatabase, telling: Telling, holds: Holds, histories: u32, seed: u64) -> Lived {
    live_at(&A_DAY, database, telling, &history(holds), histories, seed)
}

/// The same at desks that stand at those moments.
#[track_caller]
pub fn live_at(
    moments: &[Moment],
    database: &TestDatabase,
    telling: Telling,
    history: &impl Strategy<Value = Vec<Move>>,
    histories: u32,
    seed: u64,
) -> Lived {
    let config = Config {
        cases: histories,
        failure_persistence: None,
        // Processes take their time.
        max_shrink_iters: if telling.gives_commands() { 30 } else { 300 },
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    let world = RefCell::new(World::on(database, telling, moments));
    let lived = TestRunner::new(config).run(history, |moves| world.borrow_mut().live_through(&moves));
    if let Err(failure) = lived {
        panic!("on {}, with {SEED_VARIABLE}={seed}: {failure}", database.engine);
    }
    let mut world = world.into_inner();
    let operations = world.operations();
    Lived {
        digest: world.verified_digest(),
        operations,
        timeless: world.timeless(),
    }
}

/// So many histories at once, told one by one and in bulk, in turn; each round in a database of its own.
fn in_turn(engine: Engine, seed: u64, effort: Effort, at_once: u32, tellings: [Telling; 2]) -> Tally {
    let (mut tally, mut operations) = (Tally::default(), 0);
    while effort.wants_more(tally.rounds) {
        let seed = seed.wrapping_add(tally.rounds as u64);
        let telling = tellings[tally.rounds % 2];
        tally.round(
            || format!("{telling:?} on {engine}, with {SEED_VARIABLE}={seed}"),
            || {
                let database = TestDatabase::fresh(engine);
                operations += live(&database, telling, telling.holds(), at_once, seed).operations;
                database.discard();
            },
        );
    }
    tally.notes = format!("{operations} operations");
    tally
}

/// Through the library; only a campaign asks for it.
#[allow(dead_code)]
pub fn lived(engine: Engine, seed: u64, effort: Effort) -> Tally {
    in_turn(engine, seed, effort, 100, [Telling::OneByOne, Telling::InBulk])
}

/// Through the command line: a process for each operation, or for each stretch of them.
pub fn lived_by_commands(engine: Engine, seed: u64, effort: Effort) -> Tally {
    in_turn(engine, seed, effort, 5, [Telling::ByCommands, Telling::ByFiles])
}

on_both_engines! {
    fn every_history_ends_as_the_model_says(database: TestDatabase) {
        live(&database, Telling::OneByOne, Holds::MayExpire, 350, seed());
    }

    fn told_in_bulk_every_history_ends_the_same(database: TestDatabase) {
        live(&database, Telling::InBulk, Holds::Last, 150, seed());
    }
}

/// A new operation has to be told by the model and drawn by the histories.
#[test]
fn every_operation_is_in_the_model() {
    // What a job does to recharges that are overdue; the model has the job.
    let mut drawn = BTreeSet::from([OperationKind::RechargeExpire]);
    let mut runner = TestRunner::deterministic();
    for _ in 0..5_000 {
        let told = history::operation(Holds::MayExpire).new_tree(&mut runner);
        let told = told.expect("there is always one").current();
        drawn.extend((!told.is_administration()).then(|| words::operation(&told).kind()));
    }
    assert_eq!(drawn, BTreeSet::from(OperationKind::ALL));
}

#[test]
fn commands_and_files_end_as_the_model_says_on_sqlite() {
    lived_by_commands(Engine::Sqlite, smoke_seed(), Effort::Rounds(2)).assert_clean();
}

#[test]
fn commands_and_files_end_as_the_model_says_on_postgres() {
    lived_by_commands(Engine::Postgres, smoke_seed(), Effort::Rounds(2)).assert_clean();
}

#[test]
fn the_same_histories_have_the_same_digest_on_both_engines() {
    let seed = seed();
    let [sqlite, postgres] =
        Engine::BOTH.map(|engine| live(&TestDatabase::fresh(engine), Telling::OneByOne, Holds::Last, 50, seed).digest);
    assert_eq!(sqlite, postgres, "with {SEED_VARIABLE}={seed}");
}
