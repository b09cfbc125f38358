//! The rules told by examples.

mod credits;
mod holds;
mod reversals;
mod suspensions;

use super::make::{charge, deactivate_gift, gift, pending, recharge};
use super::*;

/// 2026-03-01T12:00:00Z
const NOW: i64 = 1_772_366_400_000_000;

fn five() -> AccountName {
    AccountName::new("5", "USD")
}

fn ledger_with(balance: i64) -> Model {
    let mut model = Model::new();
    assert_eq!(tell(&mut model, Operation::CreateAccount), Answer::Applied);
    if balance > 0 {
        assert_eq!(tell(&mut model, recharge(balance)), Answer::Applied);
    }
    model
}

fn tell(model: &mut Model, operation: Operation) -> Answer {
    model.apply(&Step::new(&five(), operation, NOW))
}

fn tell_with_key(model: &mut Model, operation: Operation, key: &str) -> Answer {
    let mut step = Step::new(&five(), operation, NOW);
    step.key = Some(key.to_owned());
    model.apply(&step)
}

fn tell_later(model: &mut Model, seconds: i64, operation: Operation) -> Answer {
    model.apply(&Step::new(&five(), operation, NOW + seconds * 1_000_000))
}

/// Applies them all, one after the other.
fn ledger_after<const N: usize>(operations: [Operation; N]) -> Model {
    let mut model = ledger_with(0);
    for operation in operations {
        let said = format!("{operation:?}");
        assert_eq!(tell(&mut model, operation), Answer::Applied, "{said}");
    }
    model
}

/// Balance, held, debt.
fn standing(model: &Model) -> (i64, i64, i64) {
    let figures = model.figures(&five());
    (figures.balance, figures.held, figures.debt)
}

/// Kind, and by how much it moves balance, held and debt.
fn booked(model: &Model, from: usize) -> Vec<(&'static str, i64, i64, i64)> {
    let entries = model.entries(&five())[from..].iter();
    entries
        .map(|entry| (entry.kind, entry.balance_delta, entry.held_delta, entry.debt_delta))
        .collect()
}

#[test]
fn two_charges_of_80_at_a_balance_of_100() {
    let mut model = ledger_with(100);
    assert_eq!(tell(&mut model, charge(80)), Answer::Applied);
    assert_eq!(tell(&mut model, charge(80)), Answer::Refused("insufficient_balance"));
    let expected = Figures {
        balance: 20,
        total_recharged: 100,
        total_spent: 80,
        ..Figures::default()
    };
    assert_eq!(model.figures(&five()), expected);
    assert_eq!(model.entries(&five()).len(), 2);
}

#[test]
fn a_locked_account_refuses_charges_and_takes_money_in() {
    let mut model = ledger_with(100);
    assert_eq!(tell(&mut model, Operation::Lock), Answer::Applied);
    assert_eq!(tell(&mut model, charge(10)), Answer::Refused("account_locked"));
    assert_eq!(tell(&mut model, recharge(50)), Answer::Applied);
    assert_eq!(tell(&mut model, Operation::Adjust { amount: -30 }), Answer::Applied);
    assert_eq!(tell(&mut model, Operation::Penalty { amount: 20 }), Answer::Applied);
    assert_eq!(model.figures(&five()).balance, 100);
}

#[test]
fn an_applied_key_is_final_and_a_refused_one_is_judged_anew() {
    let mut model = ledger_with(0);
    let refused = Answer::Refused("insufficient_balance");
    let conflict = Answer::Refused("idempotency_conflict");
    assert_eq!(tell_with_key(&mut model, charge(80), "k"), refused);
    assert_eq!(tell_with_key(&mut model, charge(80), "k"), refused);
    assert_eq!(tell_with_key(&mut model, charge(70), "k"), conflict);
    assert_eq!(tell(&mut model, recharge(100)), Answer::Applied);
    assert_eq!(tell_with_key(&mut model, charge(80), "k"), Answer::Applied);
    assert_eq!(tell(&mut model, Operation::Lock), Answer::Applied);
    assert_eq!(tell_with_key(&mut model, charge(80), "k"), Answer::AlreadyApplied);
    assert_eq!(tell_with_key(&mut model, charge(70), "k"), conflict);
    assert_eq!(model.figures(&five()).balance, 20);
}

#[test]
fn a_recharge_completes_once_and_a_failed_one_never() {
    let mut model = ledger_with(0);
    let complete = |number| Operation::RechargeComplete { number };
    let fail = |number| Operation::RechargeFail { number };
    let already_final = Answer::Refused("already_final");
    assert_eq!(tell(&mut model, complete(1)), Answer::Refused("not_found"));
    assert_eq!(tell(&mut model, pending(500, None)), Answer::Applied);
    assert_eq!(
        tell(&mut model, Operation::RechargeProcess { number: 1 }),
        Answer::Applied
    );
    assert_eq!(tell(&mut model, complete(1)), Answer::Applied);
    assert_eq!(tell(&mut model, complete(1)), Answer::AlreadyApplied);
    assert_eq!(tell(&mut model, fail(1)), already_final);
    assert_eq!(tell(&mut model, pending(500, None)), Answer::Applied);
    assert_eq!(tell(&mut model, fail(2)), Answer::Applied);
    assert_eq!(tell(&mut model, complete(2)), already_final);
    assert_eq!(model.figures(&five()).balance, 500);
}

#[test]
fn an_overdue_recharge_counts_as_expired_and_the_job_writes_it_down() {
    let mut model = ledger_with(0);
    for expires_in in [60, 61] {
        assert_eq!(tell(&mut model, pending(500, Some(expires_in))), Answer::Applied);
    }
    let statuses = |model: &Model| -> Vec<RechargeStatus> {
        model
            .recharges(&five())
            .iter()
            .map(|recharge| recharge.status)
            .collect()
    };
    let later = |operation| Step::new(&five(), operation, NOW + 60_000_000);
    for too_late in [
        Operation::RechargeComplete { number: 1 },
        Operation::RechargeProcess { number: 1 },
        Operation::RechargeFail { number: 1 },
        Operation::RechargeCancel { number: 1 },
    ] {
        assert_eq!(model.apply(&later(too_late)), Answer::Refused("already_final"));
    }
    assert_eq!(statuses(&model), [RechargeStatus::Pending; 2]);

    assert_eq!(model.apply(&later(Operation::ExpireRecharges)), Answer::Applied);

    assert_eq!(statuses(&model), [RechargeStatus::Expired, RechargeStatus::Pending]);
    assert_eq!(model.figures(&five()), Figures::default());
}

#[test]
fn a_charge_stays_within_the_limits_of_the_account() {
    let mut model = ledger_with(1_000);
    let limit = |charges_per_minute, spend_per_day| Operation::SetLimits {
        charges_per_minute,
        spend_per_day,
    };
    let refused = Answer::Refused("limit_exceeded");
    assert_eq!(tell(&mut model, limit(Some(2), Some(100))), Answer::Applied);
    assert_eq!(tell(&mut model, charge(30)), Answer::Applied);
    assert_eq!(tell(&mut model, charge(71)), refused);
    assert_eq!(tell(&mut model, charge(30)), Answer::Applied);
    assert_eq!(tell(&mut model, charge(30)), refused);
    let minute_later = Step::new(&five(), charge(30), NOW + 60_000_000);
    assert_eq!(model.apply(&minute_later), Answer::Applied);
    assert_eq!(tell(&mut model, limit(None, None)), Answer::Applied);
    assert_eq!(tell(&mut model, charge(900)), Answer::Applied);
}

#[test]
fn a_gift_that_was_spent_is_not_taken_back_or_becomes_debt() {
    let mut model = ledger_after([gift(130), charge(30)]);
    let refused = Answer::Refused("insufficient_balance");
    assert_eq!(tell(&mut model, deactivate_gift(1, false)), refused);
    assert_eq!(tell(&mut model, deactivate_gift(1, true)), Answer::Applied);
    assert_eq!(standing(&model), (0, 0, 30));
    assert_eq!(tell(&mut model, gift(50)), Answer::Applied);
    assert_eq!(standing(&model), (20, 0, 0));
}

#[test]
fn only_an_empty_account_closes_and_then_refuses_money() {
    let mut model = ledger_with(100);
    assert_eq!(tell(&mut model, Operation::Close), Answer::Refused("account_not_empty"));
    assert_eq!(tell(&mut model, charge(100)), Answer::Applied);
    assert_eq!(tell(&mut model, Operation::Close), Answer::Applied);
    assert_eq!(tell(&mut model, Operation::Close), Answer::AlreadyApplied);
    assert_eq!(tell(&mut model, recharge(1)), Answer::Refused("account_closed"));
}

#[test]
fn a_closed_accounts_recharges_end_without_their_money() {
    let mut model = ledger_after([
        pending(500, Some(60)),
        pending(500, None),
        pending(500, None),
        Operation::Close,
    ]);
    let closed = Answer::Refused("account_closed");
    let complete = |number| Operation::RechargeComplete { number };
    assert_eq!(tell(&mut model, Operation::RechargeProcess { number: 2 }), closed);
    assert_eq!(tell(&mut model, complete(2)), closed);
    assert_eq!(tell(&mut model, Operation::RechargeFail { number: 2 }), Answer::Applied);
    let cancel = |number| Operation::RechargeCancel { number };
    assert_eq!(tell(&mut model, cancel(3)), Answer::Applied);
    assert_eq!(tell(&mut model, cancel(3)), Answer::AlreadyApplied);
    assert_eq!(tell(&mut model, cancel(4)), closed);
    assert_eq!(tell_later(&mut model, 60, Operation::ExpireRecharges), Answer::Applied);
    let statuses: Vec<_> = model
        .recharges(&five())
        .iter()
        .map(|recharge| recharge.status)
        .collect();
    let expected = [
        RechargeStatus::Expired,
        RechargeStatus::Failed,
        RechargeStatus::Cancelled,
    ];
    assert_eq!(statuses, expected);
    assert_eq!(standing(&model), (0, 0, 0));
}

#[test]
fn money_in_first_pays_off_debt_by_an_entry_of_its_own() {
    let mut model = ledger_with(0);
    model.accounts[0].figures.debt = 30;
    assert_eq!(tell(&mut model, recharge(20)), Answer::Applied);
    assert_eq!(tell(&mut model, Operation::Adjust { amount: 25 }), Answer::Applied);
    let booked: Vec<_> = model
        .entries(&five())
        .iter()
        .map(|entry| (entry.kind, entry.balance_delta, entry.debt_delta, entry.balance_after))
        .collect();
    let expected = [
        ("recharge", 20, 0, 20),
        ("debt_recovery", -20, -20, 0),
        ("adjustment", 25, 0, 25),
        ("debt_recovery", -10, -10, 15),
    ];
    assert_eq!(booked, expected);
    assert_eq!(model.figures(&five()).debt, 0);
    assert_eq!(model.figures(&five()).total_recharged, 20);
}

#[test]
fn no_figure_leaves_the_range() {
    let mut model = ledger_with(i64::MAX);
    let refused = Answer::Refused("invalid_amount");
    assert_eq!(tell(&mut model, Operation::Adjust { amount: 1 }), refused);
    assert_eq!(tell(&mut model, charge(i64::MAX)), Answer::Applied);
    assert_eq!(tell(&mut model, recharge(1)), refused);
    assert_eq!(tell(&mut model, Operation::Adjust { amount: 1 }), Answer::Applied);
    assert_eq!(tell(&mut model, charge(1)), refused);
    let beyond = Operation::Adjust { amount: i64::MIN };
    assert_eq!(tell(&mut model, beyond), Answer::Refused("insufficient_balance"));
    assert_eq!(model.entries(&five()).len(), 3);
}

/// The hashes were computed by another program from the description of
/// the canonical form.
#[test]
fn the_chain_is_the_one_an_auditor_computes() {
    let mut model = ledger_with(0);
    let mut step = Step::new(&five(), recharge(10_000), NOW);
    step.key = Some("k-1".to_owned());
    assert_eq!(model.apply(&step), Answer::Applied);
    step.operation = charge(8_000);
    step.key = Some("k-2".to_owned());
    step.note.reference = Some("VpsUsage:123".to_owned());
    step.note.description = Some("Máy chủ".to_owned());
    step.note.metadata = Some(r#"{"a":1}"#.to_owned());
    assert_eq!(model.apply(&step), Answer::Applied);
    let six = AccountName::new("6", "VND");
    assert_eq!(
        model.apply(&Step::new(&six, Operation::CreateAccount, NOW)),
        Answer::Applied
    );

    let hashes = model.entries(&five()).iter().map(|entry| hex(&entry.hash));
    assert!(hashes.eq([
        "2acc237f5347750829c5dab8267776336765a91613087a233b681f24ffb98eaa",
        "ccac5f5db785c1a6dabd76be8585e11f7ba3e0311210b344a4dd33ccf9ea879a",
    ]));
    assert_eq!(
        hex(&model.digest()),
        "06f5a2a05238acd1b9c589613605d79dedddb51b53356f9018d41e5dc33b95fd"
    );
}
