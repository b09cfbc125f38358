//! Purchases, the credits they earn, and gifts.

use super::make::{deactivate, purchase};
use super::*;

fn transfer(purchase: usize) -> Operation {
    Operation::TransferCredit { purchase }
}

fn reverse(entry: usize, amount: i64) -> Operation {
    Operation::Reverse {
        entry,
        amount: Some(amount),
        may_become_debt: false,
    }
}

/// The state of a purchase's credits, and the entry that brought them.
fn credit(model: &Model, number: usize) -> Option<(CreditState, Option<i64>)> {
    let credit = model.purchases(&five())[number - 1].credit.as_ref();
    credit.map(|credit| (credit.state, credit.entry))
}

#[test]
fn credits_come_once_they_are_due_and_once_only() {
    let mut model = ledger_after([purchase(50, 60), purchase(0, 0)]);
    assert_eq!(standing(&model), (0, 0, 0));
    assert_eq!(credit(&model, 1), Some((CreditState::Pending, None)));
    assert_eq!(credit(&model, 2), None);
    assert_eq!(tell_later(&mut model, 59, transfer(1)), Answer::Refused("not_due"));
    assert_eq!(tell_later(&mut model, 60, transfer(1)), Answer::Applied);
    assert_eq!(tell_later(&mut model, 61, transfer(1)), Answer::AlreadyApplied);
    assert_eq!(tell_later(&mut model, 60, transfer(2)), Answer::Refused("not_found"));
    assert_eq!(tell_later(&mut model, 60, transfer(3)), Answer::Refused("not_found"));
    assert_eq!(booked(&model, 0), [("credit", 50, 0, 0)]);
    assert_eq!(credit(&model, 1), Some((CreditState::Transferred, Some(1))));
    assert_eq!(model.figures(&five()).total_recharged, 0);
}

#[test]
fn the_job_brings_all_that_is_due_in_the_order_of_numbers_and_under_no_key() {
    let mut model = ledger_after([purchase(50, 60), purchase(30, 0), purchase(20, 61)]);
    assert_eq!(
        tell_later(&mut model, 60, Operation::TransferDueCredits),
        Answer::Applied
    );
    assert_eq!(booked(&model, 0), [("credit", 50, 0, 0), ("credit", 30, 0, 0)]);
    assert!(
        model
            .entries(&five())
            .iter()
            .all(|entry| entry.idempotency_key.is_none())
    );
    assert!(model.awaiting_keys().is_empty());
    assert_eq!(credit(&model, 3), Some((CreditState::Pending, None)));
}

#[test]
fn credits_and_gifts_pay_debt_first_with_the_texts_of_the_purchase() {
    let mut model = ledger_after([gift(30), charge(30), deactivate_gift(1, true)]);
    assert_eq!(standing(&model), (0, 0, 30));
    let mut step = Step::new(&five(), purchase(20, 0), NOW);
    step.note.reference = Some("INV-1".to_owned());
    step.note.description = Some("of the purchase".to_owned());
    assert_eq!(model.apply(&step), Answer::Applied);
    step.operation = transfer(1);
    step.note.reference = None;
    step.note.description = Some("of the transfer".to_owned());
    assert_eq!(model.apply(&step), Answer::Applied);
    assert_eq!(
        booked(&model, 3),
        [("credit", 20, 0, 0), ("debt_recovery", -20, 0, -20)]
    );
    for entry in &model.entries(&five())[3..] {
        assert_eq!(entry.note.reference.as_deref(), Some("INV-1"));
        assert_eq!(entry.note.description.as_deref(), Some("of the transfer"));
    }
}

#[test]
fn a_purchase_that_is_deactivated_while_pending_brings_nothing() {
    let mut model = ledger_after([
        purchase(50, 60),
        purchase(0, 0),
        deactivate(1, false),
        deactivate(2, false),
    ]);
    assert_eq!(credit(&model, 1), Some((CreditState::Inactive, None)));
    assert_eq!(
        tell_later(&mut model, 60, transfer(1)),
        Answer::Refused("already_final")
    );
    assert_eq!(
        tell_later(&mut model, 60, Operation::TransferDueCredits),
        Answer::Applied
    );
    assert_eq!(tell(&mut model, deactivate(1, false)), Answer::AlreadyApplied);
    assert_eq!(tell(&mut model, deactivate(3, false)), Answer::Refused("not_found"));
    assert!(model.entries(&five()).is_empty());
}

#[test]
fn a_purchase_takes_back_with_it_what_is_left_of_its_credits() {
    let mut model = ledger_after([purchase(50, 0), transfer(1), reverse(1, 20), charge(20)]);
    assert_eq!(
        tell(&mut model, deactivate(1, false)),
        Answer::Refused("insufficient_balance")
    );
    assert_eq!(tell(&mut model, deactivate(1, true)), Answer::Applied);
    assert_eq!(booked(&model, 3), [("clawback", -10, 0, 20)]);
    assert_eq!(model.entries(&five())[3].reverses, Some(1));
    assert_eq!(model.entries(&five())[3].counter_account, "promotions:credit");
    assert_eq!(credit(&model, 1), Some((CreditState::TakenBack, Some(1))));
    assert_eq!(tell(&mut model, transfer(1)), Answer::Refused("already_final"));
}

#[test]
fn what_is_reversed_entirely_leaves_nothing_to_take_back() {
    let mut model = ledger_after([gift(30), reverse(1, 30), deactivate_gift(1, false)]);
    assert_eq!(booked(&model, 0), [("gift", 30, 0, 0), ("clawback", -30, 0, 0)]);
    assert_eq!(tell(&mut model, deactivate_gift(1, false)), Answer::AlreadyApplied);
    assert_eq!(
        tell(&mut model, deactivate_gift(2, false)),
        Answer::Refused("not_found")
    );
}

#[test]
fn a_closed_account_keeps_its_credits_pending_until_they_are_deactivated() {
    let mut model = ledger_after([purchase(50, 0), Operation::Close]);
    let closed = Answer::Refused("account_closed");
    assert_eq!(tell(&mut model, Operation::TransferDueCredits), Answer::Applied);
    assert_eq!(credit(&model, 1), Some((CreditState::Pending, None)));
    assert_eq!(tell(&mut model, transfer(1)), closed);
    assert_eq!(tell(&mut model, purchase(50, 0)), closed);
    assert_eq!(tell(&mut model, deactivate(1, false)), Answer::Applied);
    assert_eq!(credit(&model, 1), Some((CreditState::Inactive, None)));
}
