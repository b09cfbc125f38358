//! Histories that chance brings about too seldom, written down.

use super::model::Operation;
use super::world::{Telling, World};
use crate::common::{TestDatabase, on_both_engines};

const NOON: usize = 0;
const A_MINUTE_LATER: usize = 3;
const MIDNIGHT: usize = 6;

fn recharge(amount: i64) -> Operation {
    let method = "momo".to_owned();
    Operation::Recharge { amount, method }
}

fn freeze(amount: i64) -> Operation {
    Operation::Freeze {
        amount,
        service: None,
        expires_in: Some(1),
    }
}

fn charge(amount: i64) -> Operation {
    Operation::Charge {
        amount,
        service: "vps".to_owned(),
        suspend: true,
    }
}

fn debt_of(amount: i64) -> Operation {
    Operation::Clawback {
        amount,
        may_become_debt: true,
    }
}

fn live(database: &TestDatabase, told: &[(usize, Operation)]) {
    let mut world = World::on(database, Telling::OneByOne);
    world.live_by_the_book(told).unwrap();
    world.verified_digest();
}

on_both_engines! {
    /// A gift that is about to pay debt looks at the overdue hold first, and that pays it.
    fn an_overdue_hold_pays_debt_before_a_gift_does(database: TestDatabase) {
        live(&database, &[
            (NOON, recharge(100)),
            (NOON, freeze(80)),
            (NOON, debt_of(50)),
            (A_MINUTE_LATER, Operation::Gift { amount: 10 }),
        ]);
    }

    /// Whatever the answer to the touch itself.
    fn a_charge_that_a_lock_refuses_gives_overdue_holds_back_all_the_same(database: TestDatabase) {
        live(&database, &[
            (NOON, recharge(100)),
            (NOON, freeze(80)),
            (NOON, Operation::Lock),
            (A_MINUTE_LATER, charge(50)),
            (A_MINUTE_LATER, Operation::Unlock),
            (A_MINUTE_LATER, charge(50)),
        ]);
    }

    /// More than 64 bits may have been spent on one day, and given back on another.
    fn a_days_spending_is_counted_beyond_what_a_figure_can_hold(database: TestDatabase) {
        let all = i64::MAX;
        let (spend, back) = (charge(all), |entry| Operation::Refund { entry, amount: None });
        live(&database, &[
            (NOON, Operation::Adjust { amount: all }),
            (NOON, spend.clone()),
            (MIDNIGHT, back(2)),
            (MIDNIGHT, spend.clone()),
            (NOON, back(4)),
            (MIDNIGHT, spend),
            (MIDNIGHT, Operation::SetLimits { charges_per_minute: None, spend_per_day: Some(all) }),
            (MIDNIGHT, back(6)),
            (MIDNIGHT, charge(1)),
        ]);
    }

    fn a_recharge_that_leaves_the_balance_low_does_not_resume(database: TestDatabase) {
        live(&database, &[
            (NOON, Operation::SetLowBalanceThreshold { threshold: Some(60) }),
            (NOON, charge(50)),
            (NOON, recharge(59)),
            (NOON, charge(1)),
            (NOON, recharge(1)),
            (NOON, charge(50)),
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
            (A_MINUTE_LATER, charge(100)),
            (A_MINUTE_LATER, Operation::ExpireHold { hold: 1 }),
        ]);
    }
}
