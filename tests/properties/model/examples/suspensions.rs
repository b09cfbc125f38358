//! Accounts that did not pay, or were stopped by hand.

use super::make::charge_or_suspend;
use super::*;

fn unpaid() -> Model {
    let mut model = ledger_after([recharge(20)]);
    let suspended = Answer::RefusedAndSuspended("insufficient_balance");
    assert_eq!(tell(&mut model, charge_or_suspend(50)), suspended);
    model
}

fn is_suspended(model: &Model) -> bool {
    model.active_suspension(&five()).is_some()
}

#[test]
fn a_charge_that_cannot_be_paid_suspends_and_enough_money_resumes() {
    let mut model = unpaid();
    let suspension = &model.suspensions(&five())[0];
    assert_eq!(suspension.reason, "could not pay for vps");
    assert_eq!((suspension.balance, suspension.required), (20, Some(50)));
    assert_eq!(tell(&mut model, charge(1)), Answer::Refused("account_suspended"));
    assert_eq!(tell(&mut model, recharge(29)), Answer::Applied);
    assert!(is_suspended(&model));
    assert_eq!(tell(&mut model, recharge(1)), Answer::Applied);
    assert!(!is_suspended(&model));
    assert_eq!(tell(&mut model, charge_or_suspend(50)), Answer::Applied);
}

#[test]
fn only_a_recharge_resumes_and_not_to_a_low_balance() {
    let mut model = unpaid();
    let threshold = Operation::SetLowBalanceThreshold { threshold: Some(60) };
    assert_eq!(tell(&mut model, gift(30)), Answer::Applied);
    assert!(is_suspended(&model));
    assert_eq!(tell(&mut model, threshold), Answer::Applied);
    assert_eq!(tell(&mut model, pending(9, None)), Answer::Applied);
    assert_eq!(
        tell(&mut model, Operation::RechargeComplete { number: 2 }),
        Answer::Applied
    );
    assert!(is_suspended(&model));
    assert_eq!(tell(&mut model, recharge(1)), Answer::Applied);
    assert!(!is_suspended(&model));
}

#[test]
fn what_a_person_suspended_a_person_resumes() {
    let by_hand = || Operation::Suspend {
        reason: "under review".to_owned(),
    };
    let mut model = ledger_after([by_hand(), recharge(1_000)]);
    assert!(is_suspended(&model));
    assert_eq!(tell(&mut model, by_hand()), Answer::AlreadyApplied);
    assert_eq!(tell(&mut model, charge(1)), Answer::Refused("account_suspended"));
    assert_eq!(tell(&mut model, Operation::Penalty { amount: 1 }), Answer::Applied);
    assert_eq!(tell(&mut model, Operation::Resume), Answer::Applied);
    assert_eq!(tell(&mut model, Operation::Resume), Answer::AlreadyApplied);
    assert_eq!(tell(&mut model, charge(1)), Answer::Applied);
}

#[test]
fn a_lock_is_told_before_a_suspension_and_a_suspension_before_the_limits() {
    let limits = Operation::SetLimits {
        charges_per_minute: None,
        spend_per_day: Some(1),
    };
    let by_hand = Operation::Suspend {
        reason: "under review".to_owned(),
    };
    let mut model = ledger_after([limits, by_hand, Operation::Lock]);
    assert_eq!(tell(&mut model, charge(9)), Answer::Refused("account_locked"));
    assert_eq!(tell(&mut model, Operation::Unlock), Answer::Applied);
    assert_eq!(tell(&mut model, charge(9)), Answer::Refused("account_suspended"));
    assert_eq!(tell(&mut model, Operation::Resume), Answer::Applied);
    assert_eq!(
        tell(&mut model, charge_or_suspend(9)),
        Answer::Refused("limit_exceeded")
    );
    assert!(!is_suspended(&model));
}
