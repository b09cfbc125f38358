//! Thousands of random operations, told to the ledger and to a naive model of it: both must answer alike,
//! write the same entries, and end with the same digest, on either engine.

mod aim;
mod compare;
mod desk;
mod history;
mod model;
mod rare;
mod world;
mod words;

use std::cell::RefCell;
use std::collections::BTreeSet;

use history::{Holds, history};
use ledger::ledger::intents::{OPERATIONS, operation_name};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use world::{Telling, World};

use crate::common::effort::{Effort, SEED_VARIABLE, Tally, seed};
use crate::common::{Engine, TestDatabase, on_both_engines};

/// The digest that a ledger ends with, and how many operations it was told.
struct Lived {
    digest: String,
    operations: usize,
}

/// Lives through that many histories in one database.
#[track_caller]
fn live(database: &TestDatabase, telling: Telling, holds: Holds, histories: u32, seed: u64) -> Lived {
    let config = Config {
        cases: histories,
        failure_persistence: None,
        max_shrink_iters: 300,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    };
    let world = RefCell::new(World::on(database, telling));
    let lived = TestRunner::new(config).run(&history(holds), |moves| world.borrow_mut().live_through(&moves));
    if let Err(failure) = lived {
        panic!("on {}, with {SEED_VARIABLE}={seed}: {failure}", database.engine);
    }
    let mut world = world.into_inner();
    let operations = world.operations();
    Lived {
        digest: world.verified_digest(),
        operations,
    }
}

/// Histories told one by one and in bulk, in turn.
pub fn lived(engine: Engine, seed: u64, effort: Effort) -> Tally {
    const AT_ONCE: u32 = 100;
    let (mut tally, mut operations) = (Tally::default(), 0);
    while effort.wants_more(tally.rounds) {
        let seed = seed.wrapping_add(tally.rounds as u64);
        let (telling, holds) = match tally.rounds % 2 {
            0 => (Telling::OneByOne, Holds::MayExpire),
            _ => (Telling::InBulk, Holds::Last),
        };
        tally.round(
            || format!("{telling:?} on {engine}, with {SEED_VARIABLE}={seed}"),
            || {
                let database = TestDatabase::fresh(engine);
                operations += live(&database, telling, holds, AT_ONCE, seed).operations;
                database.discard();
            },
        );
    }
    tally.notes = format!("{operations} operations");
    tally
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
    let mut drawn = BTreeSet::from(["recharge-expire"]);
    let mut runner = TestRunner::deterministic();
    for _ in 0..5_000 {
        let told = history::operation(Holds::MayExpire).new_tree(&mut runner);
        let told = told.expect("there is always one").current();
        drawn.extend((!told.is_administration()).then(|| operation_name(&words::operation(&told))));
    }
    assert_eq!(drawn, BTreeSet::from_iter(OPERATIONS.iter().copied()));
}

#[test]
fn the_same_histories_have_the_same_digest_on_both_engines() {
    let seed = seed();
    let [sqlite, postgres] =
        Engine::BOTH.map(|engine| live(&TestDatabase::fresh(engine), Telling::OneByOne, Holds::Last, 50, seed).digest);
    assert_eq!(sqlite, postgres, "with {SEED_VARIABLE}={seed}");
}
