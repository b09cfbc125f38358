//! Histories that chance brings about too seldom, written down.

use super::model::make::{charge_or_suspend, deactivate, deactivate_gift, gift, pending, purchase, recharge};
use super::model::{Access, Operation};
use super::world::{A_DAY, Telling, World};
use crate::common::{TestDatabase, on_both_engines};

const NOON: usize = 0;
const A_MINUTE_LATER: usize = 3;
const MIDNIGHT: usize = 6;

fn freeze(amount: i64) -> Operation {
    Operation::Freeze {
        amount,
        service: None,
        expires_in: Some(1),
    }
}

fn charge_for(amount: i64, resource: &str, expires_in: Option<i64>) -> Operation {
    let resource = resource.to_owned();
    Operation::Charge {
        amount,
        service: "analysis".to_owned(),
        suspend: false,
        grants: Some(Access { resource, expires_in }),
    }
}

fn reverse(entry: usize, amount: Option<i64>) -> Operation {
    Operation::Reverse {
        entry,
        amount,
        may_become_debt: true,
    }
}

fn live(database: &TestDatabase, told: &[(usize, Operation)]) {
    let mut world = World::on(database, Telling::OneByOne, &A_DAY);
    world.live_by_the_book(told).unwrap();
    world.verified_digest();
}

on_both_engines! {
    /// A gift that is about to pay debt looks at the overdue hold first, and that pays it.
    fn an_overdue_hold_pays_debt_before_a_gift_does(database: TestDatabase) {
        live(&database, &[
            (NOON, recharge(50)),
            (NOON, gift(50)),
            (NOON, freeze(80)),
            (NOON, deactivate_gift(1, true)),
            (A_MINUTE_LATER, gift(10)),
        ]);
    }

    /// Whatever the answer to the touch itself.
    fn a_charge_that_a_lock_refuses_gives_overdue_holds_back_all_the_same(database: TestDatabase) {
        live(&database, &[
            (NOON, recharge(100)),
            (NOON, freeze(80)),
            (NOON, Operation::Lock),
            (A_MINUTE_LATER, charge_or_suspend(50)),
            (A_MINUTE_LATER, Operation::Unlock),
            (A_MINUTE_LATER, charge_or_suspend(50)),
        ]);
    }

    /// More than 64 bits may have been spent on one day, and given back on another.
    fn a_days_spending_is_counted_beyond_what_a_figure_can_hold(database: TestDatabase) {
        let all = i64::MAX;
        let (spend, back) = (charge_or_suspend(all), |entry| Operation::Refund { entry, amount: None });
        live(&database, &[
            (NOON, Operation::Adjust { amount: all }),
            (NOON, spend.clone()),
            (MIDNIGHT, back(2)),
            (MIDNIGHT, spend.clone()),
            (NOON, back(4)),
            (MIDNIGHT, spend),
            (MIDNIGHT, Operation::SetLimits { charges_per_minute: None, spend_per_day: Some(all) }),
            (MIDNIGHT, back(6)),
            (MIDNIGHT, charge_or_suspend(1)),
        ]);
    }

    fn a_recharge_that_leaves_the_balance_low_does_not_resume(database: TestDatabase) {
        live(&database, &[
            (NOON, Operation::SetLowBalanceThreshold { threshold: Some(60) }),
            (NOON, charge_or_suspend(50)),
            (NOON, recharge(59)),
            (NOON, charge_or_suspend(1)),
            (NOON, recharge(1)),
            (NOON, charge_or_suspend(50)),
        ]);
    }

    /// The balance has no room for what is held: the hold stays, and has ended all the same.
    fn an_overdue_hold_for_which_there_is_no_room_is_not_committed(database: TestDatabase) {
        live(&database, &[
            (NOON, Operation::Adjust { amount: i64::MAX }),
            (NOON, freeze(100)),
            (NOON, Operation::Adjust { amount: 100 }),
            (A_MINUTE_LATER, Operation::Commit { hold: 1, amount: None, keep_open: false }),
            (A_MINUTE_LATER, Operation::ExpireHold { hold: 1 }),
            (A_MINUTE_LATER, Operation::ExpireHolds),
            (A_MINUTE_LATER, charge_or_suspend(100)),
            (A_MINUTE_LATER, Operation::ExpireHold { hold: 1 }),
        ]);
    }

    /// Taken back in part by a reversal, and reversed after the rest was taken back.
    fn credits_are_taken_back_as_far_as_they_were_not_before(database: TestDatabase) {
        live(&database, &[
            (NOON, purchase(50, 0)),
            (NOON, purchase(40, 0)),
            (NOON, gift(30)),
            (NOON, Operation::TransferDueCredits),
            (NOON, reverse(2, Some(20))),
            (NOON, charge_or_suspend(80)),
            (NOON, deactivate(1, false)),
            (NOON, deactivate(1, true)),
            (NOON, reverse(2, Some(1))),
            (NOON, reverse(1, None)),
            (NOON, deactivate_gift(1, false)),
            (NOON, deactivate_gift(1, true)),
            (NOON, reverse(3, None)),
            (NOON, deactivate(2, true)),
            (NOON, Operation::TransferCredit { purchase: 2 }),
        ]);
    }

    fn a_closed_account_keeps_its_credits_pending(database: TestDatabase) {
        live(&database, &[
            (NOON, purchase(50, 0)),
            (NOON, purchase(40, 60)),
            (NOON, purchase(0, 0)),
            (NOON, purchase(20, 0)),
            (NOON, gift(30)),
            (NOON, gift(30)),
            (NOON, deactivate(1, false)),
            (NOON, Operation::TransferCredit { purchase: 4 }),
            (NOON, reverse(3, None)),
            (NOON, deactivate_gift(1, false)),
            (NOON, charge_or_suspend(30)),
            (NOON, Operation::Close),
            (A_MINUTE_LATER, Operation::TransferDueCredits),
            (A_MINUTE_LATER, Operation::TransferCredit { purchase: 1 }),
            (A_MINUTE_LATER, Operation::TransferCredit { purchase: 2 }),
            (A_MINUTE_LATER, Operation::TransferCredit { purchase: 4 }),
            (A_MINUTE_LATER, purchase(50, 0)),
            (A_MINUTE_LATER, gift(50)),
            (A_MINUTE_LATER, deactivate(1, false)),
            (A_MINUTE_LATER, deactivate(2, false)),
            (A_MINUTE_LATER, deactivate(3, false)),
            (A_MINUTE_LATER, deactivate(3, false)),
            (A_MINUTE_LATER, deactivate(4, true)),
            (A_MINUTE_LATER, deactivate(5, true)),
            (A_MINUTE_LATER, deactivate_gift(1, true)),
            (A_MINUTE_LATER, deactivate_gift(2, true)),
            (A_MINUTE_LATER, deactivate_gift(3, true)),
        ]);
    }

    fn a_closed_accounts_recharges_end_without_their_money(database: TestDatabase) {
        live(&database, &[
            (NOON, recharge(20)),
            (NOON, charge_or_suspend(20)),
            (NOON, pending(20, Some(1))),
            (NOON, pending(20, None)),
            (NOON, pending(20, None)),
            (NOON, pending(20, None)),
            (NOON, Operation::RechargeProcess { number: 4 }),
            (NOON, Operation::Close),
            (NOON, Operation::RechargeProcess { number: 3 }),
            (NOON, Operation::RechargeComplete { number: 3 }),
            (NOON, Operation::RechargeComplete { number: 4 }),
            (NOON, Operation::RechargeFail { number: 1 }),
            (NOON, Operation::RechargeFail { number: 3 }),
            (NOON, Operation::RechargeFail { number: 3 }),
            (NOON, Operation::RechargeCancel { number: 4 }),
            (NOON, Operation::RechargeFail { number: 6 }),
            (A_MINUTE_LATER, Operation::RechargeCancel { number: 2 }),
            (A_MINUTE_LATER, Operation::ExpireRecharges),
            (A_MINUTE_LATER, Operation::RechargeComplete { number: 5 }),
        ]);
    }

    /// The job leaves overdue holds alone; a transfer looks at them first, and they pay the debt.
    fn the_job_brings_credits_beside_overdue_holds(database: TestDatabase) {
        live(&database, &[
            (NOON, gift(100)),
            (NOON, freeze(80)),
            (NOON, purchase(10, 1)),
            (NOON, purchase(10, 1)),
            (NOON, deactivate_gift(1, true)),
            (A_MINUTE_LATER, Operation::TransferDueCredits),
            (NOON, purchase(30, 1)),
            (A_MINUTE_LATER, Operation::TransferCredit { purchase: 3 }),
        ]);
    }

    /// By refunds in parts, by a reversal of what a refund has left, and never by a part alone.
    fn access_ends_with_the_last_of_its_money(database: TestDatabase) {
        let refund = |entry, amount| Operation::Refund { entry, amount };
        live(&database, &[
            (NOON, recharge(100)),
            (NOON, charge_for(30, "profile:a", None)),
            (NOON, charge_for(20, "profile:a", Some(60))),
            (NOON, charge_for(10, "profile:b", Some(1))),
            (NOON, charge_for(90, "profile:c", None)),
            (NOON, refund(2, Some(29))),
            (A_MINUTE_LATER, refund(3, None)),
            (A_MINUTE_LATER, reverse(2, None)),
            (A_MINUTE_LATER, reverse(2, None)),
            (A_MINUTE_LATER, reverse(4, Some(9))),
            (A_MINUTE_LATER, reverse(4, Some(1))),
        ]);
    }

    /// The balance has no room: one credit stays pending, the one after it comes.
    fn a_credit_for_which_there_is_no_room_stays_pending(database: TestDatabase) {
        live(&database, &[
            (NOON, Operation::Adjust { amount: i64::MAX - 10 }),
            (NOON, purchase(11, 0)),
            (NOON, purchase(10, 0)),
            (NOON, Operation::TransferDueCredits),
            (NOON, Operation::TransferCredit { purchase: 1 }),
            (NOON, charge_or_suspend(100)),
            (NOON, Operation::TransferDueCredits),
        ]);
    }
}
