//! Money set aside.

use super::*;

fn freeze(amount: i64, expires_in: Option<i64>) -> Operation {
    Operation::Freeze {
        amount,
        service: Some("vps".to_owned()),
        expires_in,
    }
}

fn commit(hold: usize, amount: Option<i64>, keep_open: bool) -> Operation {
    Operation::Commit {
        hold,
        amount,
        keep_open,
    }
}

fn release(hold: usize, amount: Option<i64>) -> Operation {
    Operation::Release { hold, amount }
}

/// Status, remaining, committed, released.
fn hold(model: &Model, number: usize) -> (HoldStatus, i64, i64, i64) {
    let hold = &model.holds(&five())[number - 1];
    (hold.status, hold.remaining, hold.committed, hold.released)
}

#[test]
fn what_is_held_cannot_be_charged_and_a_commit_spends_it() {
    let mut model = ledger_after([recharge(100), freeze(80, None)]);
    assert_eq!(standing(&model), (20, 80, 0));
    assert_eq!(tell(&mut model, charge(30)), Answer::Refused("insufficient_balance"));
    assert_eq!(
        tell(&mut model, commit(1, Some(81), false)),
        Answer::Refused("exceeds_remaining")
    );
    assert_eq!(tell(&mut model, commit(1, None, false)), Answer::Applied);
    assert_eq!(standing(&model), (20, 0, 0));
    assert_eq!(model.figures(&five()).total_spent, 80);
    assert_eq!(hold(&model, 1), (HoldStatus::Committed, 0, 80, 0));
    assert_eq!(tell(&mut model, release(1, None)), Answer::Refused("already_final"));
    assert_eq!(tell(&mut model, release(2, None)), Answer::Refused("not_found"));
}

#[test]
fn a_commit_of_a_part_gives_the_rest_back_or_keeps_it_open() {
    let mut model = ledger_after([recharge(100), freeze(80, None), commit(1, Some(30), true)]);
    assert_eq!(hold(&model, 1), (HoldStatus::Open, 50, 30, 0));
    assert_eq!(tell(&mut model, commit(1, Some(20), false)), Answer::Applied);
    assert_eq!(hold(&model, 1), (HoldStatus::Committed, 0, 50, 30));
    let expected = [("commit", 0, -30, 0), ("commit", 0, -20, 0), ("release", 30, -30, 0)];
    assert_eq!(booked(&model, 2), expected);
    assert_eq!(standing(&model), (50, 0, 0));
}

#[test]
fn a_hold_is_given_back_in_parts() {
    let mut model = ledger_after([recharge(100), freeze(80, None), release(1, Some(30))]);
    assert_eq!(hold(&model, 1), (HoldStatus::Open, 50, 0, 30));
    assert_eq!(tell(&mut model, release(1, Some(50))), Answer::Applied);
    assert_eq!(hold(&model, 1), (HoldStatus::Refunded, 0, 0, 80));
    assert_eq!(standing(&model), (100, 0, 0));
}

#[test]
fn what_is_given_back_pays_debt_first() {
    let mut model = ledger_after([recharge(50), gift(50), freeze(80, None), deactivate_gift(1, true)]);
    assert_eq!(standing(&model), (0, 80, 30));
    assert_eq!(tell(&mut model, commit(1, Some(30), false)), Answer::Applied);
    let expected = [
        ("commit", 0, -30, 0),
        ("release", 50, -50, 0),
        ("debt_recovery", -30, 0, -30),
    ];
    assert_eq!(booked(&model, 4), expected);
    assert_eq!(standing(&model), (20, 0, 0));
}

#[test]
fn what_ends_a_hold_says_for_what_it_was() {
    let mut model = ledger_after([recharge(100)]);
    let mut step = Step::new(&five(), freeze(80, None), NOW);
    step.note.reference = Some("Order:1".to_owned());
    step.note.description = Some("a server".to_owned());
    assert_eq!(model.apply(&step), Answer::Applied);
    step.operation = commit(1, None, false);
    step.note = Note::default();
    step.note.description = Some("two servers".to_owned());
    assert_eq!(model.apply(&step), Answer::Applied);
    let note = model.entries(&five()).last().map(|entry| entry.note.clone());
    let expected = Note {
        reference: Some("Order:1".to_owned()),
        description: Some("two servers".to_owned()),
        metadata: None,
    };
    assert_eq!(note, Some(expected));
}

#[test]
fn an_overdue_hold_is_given_back_by_the_job() {
    let mut model = ledger_after([recharge(100), freeze(60, Some(60)), freeze(20, Some(61))]);
    let expire = |hold| Operation::ExpireHold { hold };
    assert_eq!(tell_later(&mut model, 59, expire(1)), Answer::Refused("not_due"));
    assert_eq!(tell_later(&mut model, 60, Operation::ExpireHolds), Answer::Applied);
    assert_eq!(hold(&model, 1), (HoldStatus::Expired, 0, 0, 60));
    assert_eq!(hold(&model, 2), (HoldStatus::Open, 20, 0, 0));
    assert_eq!(tell_later(&mut model, 60, expire(1)), Answer::AlreadyApplied);
    assert_eq!(standing(&model), (80, 20, 0));
}

#[test]
fn an_overdue_hold_comes_free_when_the_account_is_touched() {
    let overdue = || ledger_after([recharge(100), freeze(80, Some(60))]);
    let mut enough_without = overdue();
    assert_eq!(tell_later(&mut enough_without, 60, charge(20)), Answer::Applied);
    assert_eq!(standing(&enough_without), (80, 0, 0));

    let mut needed = overdue();
    assert_eq!(tell_later(&mut needed, 60, charge(90)), Answer::Applied);
    assert_eq!(standing(&needed), (10, 0, 0));

    let mut looked_at = overdue();
    assert_eq!(tell_later(&mut looked_at, 60, recharge(1)), Answer::Applied);
    assert_eq!(standing(&looked_at), (101, 0, 0));

    let mut too_late = overdue();
    let refused = Answer::Refused("already_final");
    assert_eq!(tell_later(&mut too_late, 60, commit(1, None, false)), refused);
    assert_eq!(hold(&too_late, 1), (HoldStatus::Expired, 0, 0, 80));
}

#[test]
fn money_that_is_held_counts_towards_the_limits() {
    let limit = |charges_per_minute, spend_per_day| Operation::SetLimits {
        charges_per_minute,
        spend_per_day,
    };
    let refused = Answer::Refused("limit_exceeded");
    let mut model = ledger_after([recharge(200), limit(None, Some(100)), freeze(60, None)]);
    assert_eq!(tell(&mut model, charge(41)), refused);
    assert_eq!(tell(&mut model, commit(1, Some(50), false)), Answer::Applied);
    assert_eq!(tell(&mut model, charge(50)), Answer::Applied);
    assert_eq!(tell(&mut model, limit(Some(2), None)), Answer::Applied);
    assert_eq!(tell(&mut model, freeze(1, None)), refused);
}

#[test]
fn an_account_with_money_held_does_not_close() {
    let mut model = ledger_after([recharge(100), freeze(100, None)]);
    assert_eq!(tell(&mut model, Operation::Close), Answer::Refused("account_not_empty"));
    assert_eq!(tell(&mut model, commit(1, None, false)), Answer::Applied);
    assert_eq!(tell(&mut model, Operation::Close), Answer::Applied);
    assert_eq!(tell(&mut model, release(1, None)), Answer::Refused("account_closed"));
}

#[test]
fn an_entry_whose_key_is_made_up_waits_for_it() {
    let mut model = ledger_with(0);
    for (operation, key) in [(recharge(100), "k-1"), (freeze(80, Some(60)), "k-2")] {
        assert_eq!(tell_with_key(&mut model, operation, key), Answer::Applied);
    }
    assert_eq!(model.awaiting_keys(), []);
    assert_eq!(tell_later(&mut model, 60, Operation::ExpireHolds), Answer::Applied);
    assert_eq!(model.awaiting_keys(), [(five(), 1)]);
    model.learn_keys(&five(), vec![Some("made up".to_owned())]);
    assert_eq!(model.awaiting_keys(), []);
    assert!(model.entries(&five()).iter().all(|entry| entry.hash != [0; 32]));
}
