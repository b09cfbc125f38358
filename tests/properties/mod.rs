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

use history::{Holds, history};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use world::{Telling, World};

use crate::common::{Engine, TestDatabase, on_both_engines};

/// Repeats a failure: the seed is in its message.
const SEED_VARIABLE: &str = "LEDGER_TEST_SEED";

fn seed() -> u64 {
    match std::env::var(SEED_VARIABLE) {
        Ok(text) => text.parse().expect("the seed is a number"),
        Err(_) => fastrand::u64(..),
    }
}

/// Lives through that many histories in one database; the digest it ends with.
#[track_caller]
fn live(database: &TestDatabase, telling: Telling, holds: Holds, histories: u32, seed: u64) -> String {
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
    world.into_inner().verified_digest()
}

on_both_engines! {
    fn every_history_ends_as_the_model_says(database: TestDatabase) {
        live(&database, Telling::OneByOne, Holds::MayExpire, 350, seed());
    }

    fn told_in_bulk_every_history_ends_the_same(database: TestDatabase) {
        live(&database, Telling::InBulk, Holds::Last, 150, seed());
    }
}

#[test]
fn the_same_histories_have_the_same_digest_on_both_engines() {
    let seed = seed();
    let [sqlite, postgres] =
        Engine::BOTH.map(|engine| live(&TestDatabase::fresh(engine), Telling::OneByOne, Holds::Last, 50, seed));
    assert_eq!(sqlite, postgres, "with {SEED_VARIABLE}={seed}");
}
