//! Refunds and reversals.

use super::*;

fn refund(entry: usize, amount: Option<i64>) -> Operation {
    Operation::Refund { entry, amount }
}

fn reverse(entry: usize, may_become_debt: bool) -> Operation {
    Operation::Reverse {
        entry,
        amount: None,
        may_become_debt,
    }
}

#[test]
fn a_charge_is_refunded_in_parts_and_never_more_than_it_took() {
    let mut model = ledger_after([recharge(100), charge(80), refund(2, Some(30))]);
    assert_eq!(
        tell(&mut model, refund(2, Some(51))),
        Answer::Refused("exceeds_remaining")
    );
    assert_eq!(tell(&mut model, refund(2, None)), Answer::Applied);
    assert_eq!(booked(&model, 2), [("refund", 30, 0, 0), ("refund", 50, 0, 0)]);
    assert!(
        model.entries(&five())[2..]
            .iter()
            .all(|entry| entry.reverses == Some(2))
    );
    assert!(
        model.entries(&five())[2..]
            .iter()
            .all(|entry| entry.counter_account == "revenue:vps")
    );
    assert_eq!(model.figures(&five()).total_spent, 0);
    assert_eq!(tell(&mut model, refund(2, None)), Answer::Refused("already_final"));
    assert_eq!(tell(&mut model, refund(5, None)), Answer::Refused("not_found"));
}

#[test]
fn what_took_no_money_for_good_is_not_refunded() {
    let adjustment = Operation::Adjust { amount: -10 };
    let mut model = ledger_after([recharge(100), gift(10), adjustment]);
    for entry in 1..=3 {
        assert_eq!(tell(&mut model, refund(entry, None)), Answer::Refused("already_final"));
    }
}

#[test]
fn a_refund_pays_debt_first() {
    let model = ledger_after([
        gift(50),
        recharge(50),
        charge(80),
        deactivate_gift(1, true),
        refund(3, None),
    ]);
    assert_eq!(
        booked(&model, 4),
        [("refund", 80, 0, 0), ("debt_recovery", -30, 0, -30)]
    );
}

#[test]
fn a_reversed_recharge_that_was_spent_is_refused_or_becomes_debt() {
    let mut model = ledger_after([recharge(100), charge(80)]);
    assert_eq!(
        tell(&mut model, reverse(1, false)),
        Answer::Refused("insufficient_balance")
    );
    assert_eq!(tell(&mut model, reverse(1, true)), Answer::Applied);
    assert_eq!(booked(&model, 2), [("clawback", -20, 0, 80)]);
    assert_eq!(model.entries(&five())[2].counter_account, "gateway:momo");
    assert_eq!(tell(&mut model, reverse(1, true)), Answer::Refused("already_final"));
}

#[test]
fn an_adjustment_is_reversed_by_its_opposite() {
    let adjust = |amount| Operation::Adjust { amount };
    let mut model = ledger_after([adjust(50), adjust(-30), reverse(2, false)]);
    assert_eq!(standing(&model), (50, 0, 0));
    assert_eq!(tell(&mut model, charge(1)), Answer::Applied);
    assert_eq!(
        tell(&mut model, reverse(1, true)),
        Answer::Refused("insufficient_balance")
    );
    assert_eq!(tell(&mut model, refund(4, None)), Answer::Applied);
    assert_eq!(tell(&mut model, reverse(1, false)), Answer::Applied);
    assert_eq!(standing(&model), (0, 0, 0));
}
