//! Clocks that jump: by a day either way, into other years, over the change to and from summer time and over days that
//! some or all calendars leave out, on machines in any time zone. What does not depend on time comes out as with a
//! clock that stands still, and nothing is done twice.

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, TimeZone as _};
use chrono_tz::Tz;
use proptest::strategy::Strategy;

use super::scene::prove;
use crate::common::effort::{Effort, SEED_VARIABLE, Tally, smoke_seed};
use crate::common::{Engine, TestDatabase};
use crate::properties::history::{Holds, Move, history};
use crate::properties::live_at;
use crate::properties::model::Operation;
use crate::properties::world::{Moment, Telling};

/// Moments at which clocks are known to mislead programs, and zones in which they do.
const MOMENTS: [(&str, &str); 22] = [
    ("1970-01-01T00:00:00Z", "UTC"),
    ("2000-02-29T12:00:00Z", "America/Argentina/Buenos_Aires"),
    // The day that Samoa never had.
    ("2011-12-30T09:59:59.999999Z", "Pacific/Apia"),
    ("2011-12-30T10:00:00Z", "Pacific/Apia"),
    ("2016-12-31T23:59:59.999999Z", "right/UTC"),
    ("2024-02-28T23:59:59.999999Z", "Asia/Kolkata"),
    ("2024-02-29T00:00:00Z", "Asia/Kathmandu"),
    ("2024-03-01T00:00:00Z", "Pacific/Kiritimati"),
    ("2025-12-31T23:59:59.999999Z", "Pacific/Niue"),
    ("2026-01-01T00:00:00Z", "Asia/Ho_Chi_Minh"),
    // Summer time begins and ends; by half an hour on Lord Howe Island.
    ("2026-03-08T06:59:59.999999Z", "America/New_York"),
    ("2026-03-08T07:00:00Z", "America/New_York"),
    ("2026-03-29T00:59:59.999999Z", "Europe/Berlin"),
    ("2026-03-29T01:00:00Z", "Europe/Berlin"),
    ("2026-04-04T14:59:59.999999Z", "Australia/Lord_Howe"),
    ("2026-10-25T00:30:00Z", "Europe/Berlin"),
    ("2026-10-25T01:30:00Z", "Europe/Berlin"),
    ("2026-11-01T05:59:59.999999Z", "America/New_York"),
    ("2026-11-01T06:00:00Z", "America/New_York"),
    ("2038-01-19T03:14:08Z", "UTC"),
    ("2100-02-28T23:59:59Z", "Africa/Casablanca"),
    ("9999-12-31T23:59:59Z", "UTC"),
];

fn moment((text, zone): (&str, &'static str)) -> Moment {
    let at_micros = DateTime::parse_from_rfc3339(text).expect("a time").timestamp_micros();
    Moment { at_micros, zone }
}

/// The history without what depends on the time of day: limits, what runs out, and credits that come later.
fn timeless(moves: Vec<Move>) -> Vec<Move> {
    let depends = |next: &Move| match next {
        Move::Again { .. } => false,
        Move::Do(request) => matches!(
            request.operation,
            Operation::SetLimits { .. } | Operation::TransferCredit { .. } | Operation::TransferDueCredits
        ),
    };
    let mut moves: Vec<Move> = moves.into_iter().filter(|next| !depends(next)).collect();
    for next in &mut moves {
        if let Move::Do(request) = next
            && let Operation::RechargePending { expires_in, .. } = &mut request.operation
        {
            *expires_in = None;
        }
    }
    moves
}

/// Told by calls and by commands, histories end as the model says, whose own clock jumps with the ledger's.
fn as_the_model_says(engine: Engine, seed: u64) -> usize {
    let told = |(telling, histories): (Telling, u32)| {
        let database = TestDatabase::fresh(engine);
        let history = history(telling.holds());
        let lived = live_at(&MOMENTS.map(moment), &database, telling, &history, histories, seed);
        prove_everywhere(&database);
        database.discard();
        lived.operations
    };
    let tellings = [(Telling::OneByOne, 15), (Telling::InBulk, 10), (Telling::ByCommands, 2)];
    tellings.into_iter().map(told).sum()
}

/// The books are sound, whenever and wherever that is asked.
fn prove_everywhere(database: &TestDatabase) {
    for (time, zone) in [MOMENTS[0], MOMENTS[12], MOMENTS[MOMENTS.len() - 1]] {
        let ledger = database.ledger().at(time).env("TZ", zone);
        prove(&ledger);
        ledger.run_words("verify-sync -q").expect_code(0);
    }
}

/// The same histories, with a clock that jumps and with one that stands still, make the same entries in the same order.
fn as_with_a_clock_that_stands_still(engine: Engine, seed: u64) -> usize {
    let history = history(Holds::Last).prop_map(timeless);
    let [jumping, still] = [MOMENTS, [MOMENTS[12]; MOMENTS.len()]].map(|moments| {
        let database = TestDatabase::fresh(engine);
        let lived = live_at(&moments.map(moment), &database, Telling::OneByOne, &history, 20, seed);
        database.discard();
        lived
    });
    assert!(!still.timeless.is_empty());
    assert_eq!(jumping.timeless, still.timeless, "time made a difference");
    jumping.operations + still.operations
}

/// A zone, a day on which its clocks are changed, and an hour of which there is none that day, or two.
const CHANGES: [(&str, &str, &str); 4] = [
    ("Europe/Berlin", "2026-03-29", "02:30"),
    ("Europe/Berlin", "2026-10-25", "02:30"),
    ("America/New_York", "2026-03-08", "02:00"),
    ("Australia/Lord_Howe", "2026-04-05", "01:45"),
];

/// A charge of every day, at an hour that the change to summer time leaves out and the one from it has twice, by jobs
/// that run at noon of days that come in any order: each day is charged once, up to the latest that any job has seen.
fn every_day_once(engine: Engine, random: &mut fastrand::Rng, (zone, change, hour): (&str, &str, &str)) {
    let first = change.parse::<NaiveDate>().expect("a day") - Duration::days(2);
    let noon = |day: NaiveDate| {
        let there = zone
            .parse::<Tz>()
            .expect("a zone")
            .from_local_datetime(&day.and_time(NaiveTime::MIN + Duration::hours(12)));
        there.single().expect("noon is never left out").to_utc().to_rfc3339()
    };
    let database = TestDatabase::fresh(engine);
    let ledger = database
        .ledger()
        .env("TZ", MOMENTS[random.usize(..MOMENTS.len())].1)
        .at(&noon(first - Duration::days(1)));
    ledger.fund("5", "1000");
    let agreed = format!(
        "recurring add --user-id 5 --amount 1 --service vps --every day --at {hour} --timezone {zone} --starts {first}"
    );
    ledger.run_words(&agreed).expect_code(0);

    let (mut today, mut latest) = (first, None);
    for _ in 0..6 {
        let charged = ledger
            .clone()
            .at(&noon(today))
            .run_words("recurring run --format json")
            .expect_code(0)
            .data();
        let new = latest.map_or(today - first + Duration::days(1), |latest| today - latest);
        assert_eq!(
            charged["charged"],
            new.num_days().max(0),
            "at noon of {today} in {zone}"
        );
        latest = latest.max(Some(today));
        today += Duration::days(random.i64(-1..=2));
        today = today.max(first);
    }
    let days = first.iter_days().take_while(|day| Some(*day) <= latest);
    let expected: Vec<String> = days.map(|day| format!("recurring:c1-1:{day}")).collect();
    let keys = database.sql("SELECT idempotency_key FROM entries WHERE kind = 'service_fee' ORDER BY seq");
    assert_eq!(keys.lines().collect::<Vec<_>>(), expected, "in {zone}");
    prove_everywhere(&database);
    database.discard();
}

pub fn jumped(engine: Engine, seed: u64, effort: Effort) -> Tally {
    let (mut tally, mut operations) = (Tally::default(), 0);
    while effort.wants_more(tally.rounds) {
        let seed = seed.wrapping_add(tally.rounds as u64);
        let mut random = fastrand::Rng::with_seed(seed);
        tally.round(
            || format!("{engine}, with {SEED_VARIABLE}={seed}"),
            || {
                operations += as_the_model_says(engine, seed);
                operations += as_with_a_clock_that_stands_still(engine, seed);
                for change in CHANGES {
                    every_day_once(engine, &mut random, change);
                }
            },
        );
    }
    tally.notes = format!("{operations} operations");
    tally
}

#[test]
fn clocks_may_jump_on_sqlite() {
    jumped(Engine::Sqlite, smoke_seed(), Effort::Rounds(1)).assert_clean();
}

#[test]
fn clocks_may_jump_on_postgres() {
    jumped(Engine::Postgres, smoke_seed(), Effort::Rounds(1)).assert_clean();
}
