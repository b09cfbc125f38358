use super::super::entry::Deltas;
use super::*;

const DAY: i64 = 86_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn seen(seq: i64, kind: EntryKind, amount: i64, seconds: i64) -> Seen {
    Seen {
        seq,
        kind,
        deltas: Deltas::of_balance(Minor::new(amount)),
        reverses: None,
        at: at(seconds),
        key: Some(format!("k{seq}")),
    }
}

/// What is found on the second day.
fn watched(entries: impl IntoIterator<Item = Seen>) -> Vec<Pattern> {
    let mut watch = Watch::new(Thresholds::default(), at(DAY), at(2 * DAY));
    for entry in entries {
        watch.see(&entry);
    }
    watch.finish()
}

fn charges(first: i64, count: i64, amount: i64, seconds: i64, apart: i64) -> impl Iterator<Item = Seen> {
    (0..count).map(move |n| seen(first + n, EntryKind::ServiceFee, -amount, seconds + n * apart))
}

#[test]
fn sixty_a_minute_are_usual_and_one_more_is_not() {
    assert_eq!(watched(charges(1, 60, 5, DAY, 0)), []);
    let found = watched(charges(1, 61, 5, DAY, 0));
    let [
        Pattern::ManyOperations {
            operations, entries, ..
        },
    ] = found.as_slice()
    else {
        panic!("another pattern")
    };
    assert_eq!((*operations, entries.len(), entries[0]), (61, NAMED_AT_MOST, 1));
    // A minute is over after sixty seconds, and entries of one key are one operation.
    assert_eq!(watched(charges(1, 500, 5, DAY, 1)), []);
    let one_key = charges(1, 200, 5, DAY, 0).map(|entry| Seen {
        key: Some("same".into()),
        ..entry
    });
    assert_eq!(watched(one_key), []);
}

#[test]
fn a_minute_over_the_beginning_of_the_period_is_seen_whole() {
    let around = |within: i64| charges(1, 61, 5, DAY - 61 + within, 1);
    // One a second; the first of the second day is the 61st within 60 seconds only if they are closer.
    assert_eq!(watched(around(1)), []);
    let close = charges(1, 40, 5, DAY - 20, 0).chain(charges(41, 40, 5, DAY + 10, 0));
    assert!(matches!(
        &watched(close)[..],
        [Pattern::ManyOperations { operations: 80, .. }]
    ));
}

#[test]
fn credits_that_one_run_has_brought_are_one_operation() {
    let credit = |seq: i64, seconds: i64| Seen {
        key: None,
        ..seen(seq, EntryKind::Credit, 5, seconds)
    };
    assert_eq!(watched((1..=100).map(|seq| credit(seq, DAY))), []);
    let gift = |seq: i64| Seen {
        kind: EntryKind::Gift,
        ..credit(seq, DAY)
    };
    assert_eq!(watched((1..=61).map(gift)).len(), 1);
}

#[test]
fn outside_the_period_nothing_is_told() {
    assert_eq!(watched(charges(1, 100, 5, DAY - 1, 0)), []);
    assert_eq!(watched(charges(1, 100, 5, 2 * DAY, 0)), []);
}

#[test]
fn an_amount_is_held_against_the_median_of_its_own_kind() {
    let habit = || charges(1, 10, 5, 0, 3_600);
    let large = |amount: i64| seen(11, EntryKind::ServiceFee, -amount, DAY + 5);
    assert_eq!(watched(habit().chain([large(499)])), []);
    assert_eq!(
        watched(habit().chain([large(500)])),
        [Pattern::UnusualAmount {
            kind: EntryKind::ServiceFee,
            amount: Minor::new(-500),
            usual: Minor::new(5),
            entries: vec![11],
        }]
    );
    // Of another kind it says nothing, and neither do four entries.
    assert_eq!(
        watched(habit().chain([seen(11, EntryKind::Recharge, 5_000, DAY + 5)])),
        []
    );
    assert_eq!(watched(charges(1, 4, 5, 0, 1).chain([large(500)])), []);
    // One outlier does not become the habit; the new usual does.
    assert_eq!(watched(habit().chain([large(100), large(100)])), []);
    let twice = watched(habit().chain([large(500), seen(12, EntryKind::ServiceFee, -900, DAY + 6)]));
    let [Pattern::UnusualAmount { amount, entries, .. }] = twice.as_slice() else {
        panic!("another pattern")
    };
    assert_eq!((*amount, entries.as_slice()), (Minor::new(-900), &[11, 12][..]));
}

#[test]
fn amounts_at_the_end_of_the_range_are_compared_without_wrapping() {
    let habit = (1..=9).map(|seq| seen(seq, EntryKind::Adjustment, i64::MIN, seq));
    assert_eq!(
        watched(habit.chain([seen(10, EntryKind::Adjustment, i64::MAX, DAY)])),
        []
    );
}

fn cycle(first: i64, seconds: i64, back: i64) -> [Seen; 2] {
    [
        seen(first, EntryKind::Recharge, 100, seconds),
        seen(first + 1, EntryKind::Clawback, -back, seconds + 60),
    ]
}

#[test]
fn three_recharges_given_back_within_a_day_are_a_cycle() {
    let cycles = |apart: i64, back: i64| (0..3).flat_map(move |n| cycle(1 + 2 * n, DAY + n * apart, back));
    assert_eq!(
        watched(cycles(3_600, 50)),
        [Pattern::RechargeCycles {
            cycles: 3,
            entries: (1..=6).collect(),
        }]
    );
    assert_eq!(watched(cycles(3_600, 49)), []);
    assert_eq!(watched(cycles(3_600, 100).take(4)), []);
    let spread = (0..3).flat_map(|n| cycle(1 + 2 * n, n * 80_000, 100));
    assert_eq!(watched(spread), []);
}

#[test]
fn whatever_comes_between_a_recharge_and_its_end_they_are_a_cycle() {
    let reversed = |seq: i64, of: i64, balance: i64, debt: i64| Seen {
        deltas: Deltas {
            balance: Minor::new(balance),
            debt: Minor::new(debt),
            ..Deltas::default()
        },
        reverses: Some(of),
        ..seen(seq, EntryKind::Clawback, 0, DAY + seq)
    };
    let recharges = || (1..=3).map(|seq| seen(seq, EntryKind::Recharge, 100, DAY));
    let found = [Pattern::RechargeCycles {
        cycles: 3,
        entries: vec![1, 4, 2, 5, 3, 6],
    }];
    let back = |balance: i64, debt: i64| (1..=3).map(move |of| reversed(3 + of, of, balance, debt));
    assert_eq!(watched(recharges().chain(back(-100, 0))), found);
    // Spent before: most of it is owed.
    assert_eq!(watched(recharges().chain(back(-10, 90))), found);
    assert_eq!(watched(recharges().chain(back(-10, 39))), []);
}

fn failed(runs: &[(u32, bool)]) -> Option<Pattern> {
    let mut failures = Failures::default();
    let mut number = 0;
    for (length, succeeded) in runs {
        for _ in 0..*length {
            number += 1;
            failures.see(at(number), &format!("k{number}"), *succeeded);
        }
    }
    failures.finish(&Thresholds::default())
}

#[test]
fn failures_count_until_something_succeeds() {
    assert_eq!(failed(&[(19, false), (1, true), (19, false)]), None);
    let Some(Pattern::Failures {
        attempts,
        from,
        until,
        keys,
    }) = failed(&[(3, false), (1, true), (21, false), (1, true)])
    else {
        panic!("nothing was found")
    };
    assert_eq!((attempts, from, until), (21, at(5), at(25)));
    assert_eq!((keys.len(), keys[0].as_str()), (NAMED_AT_MOST, "k5"));
}

#[test]
fn volume_is_held_against_the_days_before() {
    let usual = Thresholds::default();
    let (day, week) = (TimeDelta::days(1), TimeDelta::days(7));
    let judged = |entries, span, before, span_before| {
        unusual_volume((entries, span), (before, span_before), &usual).map(|volume| (volume.name(), volume.usual))
    };
    assert_eq!(judged(500, day, 700, week), None);
    assert_eq!(judged(501, day, 700, week), Some(("high_volume", 100)));
    assert_eq!(judged(20, day, 700, week), None);
    assert_eq!(judged(19, day, 700, week), Some(("low_volume", 100)));
    assert_eq!(judged(0, day, 700, week), Some(("low_volume", 100)));
    // An hour may be silent; a young or sleepy ledger has no habits.
    assert_eq!(judged(0, TimeDelta::hours(1), 700, week), None);
    assert_eq!(judged(5_000, day, 700, TimeDelta::days(6)), None);
    assert_eq!(judged(5_000, day, 139, week), None);
}
