//! What the rule book decides is never contradicted; the same by any other amount always is.

use std::sync::Arc;

use super::super::super::account::{Account, AccountId};
use super::super::super::balance::State;
use super::super::super::currency::Currency;
use super::super::super::entry::{CounterAccount, Deltas, EntryKind, Movement, Note, Stamp};
use super::super::super::hold::{Hold, HoldId, HoldStatus};
use super::super::super::posting::decide;
use super::super::super::purchase::{Gift, GiftId, Paid, PendingCredit, PurchaseId};
use super::super::super::snapshot::Usage;
use super::super::super::text::Actor;
use super::super::super::time::Timestamp;
use super::super::{Effects, Verdict, seal};
use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_000_000);

fn minor(units: i64) -> Minor {
    Minor::new(units)
}

fn amount(units: i64) -> Amount {
    Amount::new(minor(units)).unwrap()
}

/// Balance, held and debt.
fn snapshot(figures: (i64, i64, i64), found: Found) -> Snapshot {
    let (balance, held, debt) = figures;
    let figures = Figures {
        balance: minor(balance),
        held: minor(held),
        debt: minor(debt),
        ..Figures::default()
    };
    Snapshot {
        account: Arc::new(Account::sample(Currency::iso("USD").unwrap())),
        state: State {
            figures,
            last_seq: 7,
            ..State::default()
        },
        suspension: None,
        usage: Usage::default(),
        found,
    }
}

fn hold(remaining: i64) -> Found {
    Found::Hold(Hold {
        id: HoldId {
            account: AccountId::new(1),
            number: 1,
        },
        amount: amount(remaining),
        remaining: minor(remaining),
        committed: Minor::ZERO,
        released: Minor::ZERO,
        status: HoldStatus::Open,
        service: None,
        created_at: NOW,
        expires_at: Some(NOW),
        finished_at: None,
        entry_seq: 1,
        note: Note::default(),
    })
}

/// The same, with time left.
fn open_hold(remaining: i64) -> Found {
    match hold(remaining) {
        Found::Hold(hold) => Found::Hold(Hold {
            expires_at: None,
            ..hold
        }),
        other => other,
    }
}

fn entry(kind: EntryKind, moved: (i64, i64), reversed: i64) -> Reversible {
    Reversible {
        seq: 3,
        movement: Movement {
            kind,
            deltas: Deltas {
                balance: minor(moved.0),
                held: minor(moved.1),
                debt: Minor::ZERO,
            },
            counter_account: CounterAccount::named("income:test"),
            reverses: None,
        },
        reversed: minor(reversed),
    }
}

fn purchase(state: CreditState, credits: i64) -> Box<Purchase> {
    let currency = Currency::iso("USD").unwrap();
    Box::new(Purchase {
        id: PurchaseId {
            account: AccountId::new(1),
            number: 1,
        },
        paid: Paid {
            amount: amount(500),
            currency,
        },
        credits: minor(credits),
        created_at: NOW,
        created_by: Actor::parse("shop").unwrap(),
        deactivated: None,
        note: Note::default(),
        pending: Some(PendingCredit {
            credits: amount(credits),
            due_at: NOW,
            state,
            settled_at: None,
            entry_seq: Some(3),
        }),
    })
}

fn gift(credits: i64, reversed: i64) -> Found {
    let gift = Gift {
        id: GiftId {
            account: AccountId::new(1),
            number: 1,
        },
        paid: None,
        credits: amount(credits),
        entry_seq: 3,
        created_at: NOW,
        created_by: Actor::parse("shop").unwrap(),
        deactivated: None,
        note: Note::default(),
    };
    Found::Gift(Box::new(gift), entry(EntryKind::Gift, (credits, 0), reversed))
}

fn of_entry(kind: EntryKind, moved: (i64, i64), reversed: i64) -> Found {
    Found::Entry(entry(kind, moved, reversed), None)
}

fn judged(snapshot: &Snapshot, operation: &Operation, effects: &Effects) -> Option<&'static str> {
    let stamp = Stamp {
        note: Note::default(),
        actor: Actor::parse("tester").unwrap(),
        key: None,
        at: NOW,
    };
    contradiction(snapshot, operation, &seal(snapshot, effects, &stamp).unwrap())
}

fn commit(amount: Option<Amount>, keep_open: bool) -> Operation {
    Operation::Commit {
        hold: 1,
        amount,
        keep_open,
    }
}

fn reverse(amount: Option<Amount>, if_spent: IfSpent) -> Operation {
    Operation::Reverse {
        entry: 3,
        amount,
        if_spent,
    }
}

fn refund(amount: Option<Amount>) -> Operation {
    Operation::Refund { entry: 3, amount }
}

/// An operation of each kind whose amount depends on what is found.
fn operations() -> Vec<((i64, i64, i64), Found, Operation)> {
    let (refuse, debt) = (IfSpent::Refuse, IfSpent::Debt);
    let charged = |reversed| of_entry(EntryKind::ServiceFee, (-80, 0), reversed);
    let given = |reversed| of_entry(EntryKind::Credit, (80, 0), reversed);
    let bought = |reversed| {
        let credit = entry(EntryKind::Credit, (80, 0), reversed);
        Found::Purchase(purchase(CreditState::Transferred, 80), Some(credit))
    };
    let take_purchase = |if_spent| Operation::DeactivatePurchase { purchase: 1, if_spent };
    let take_gift = |if_spent| Operation::DeactivateGift { gift: 1, if_spent };
    vec![
        ((0, 50, 0), open_hold(50), commit(None, false)),
        ((0, 50, 30), open_hold(50), commit(Some(amount(20)), false)),
        ((9, 50, 0), open_hold(50), commit(Some(amount(20)), true)),
        (
            (9, 50, 4),
            open_hold(50),
            Operation::Release {
                hold: 1,
                amount: Some(amount(20)),
            },
        ),
        ((9, 50, 0), hold(50), Operation::ExpireHold { hold: 1 }),
        ((9, 0, 0), charged(0), refund(None)),
        ((9, 0, 60), charged(10), refund(Some(amount(70)))),
        ((9, 0, 0), of_entry(EntryKind::Commit, (0, -80), 30), refund(None)),
        ((9, 0, 0), charged(10), reverse(None, refuse)),
        ((99, 0, 0), given(0), reverse(Some(amount(20)), refuse)),
        ((30, 0, 0), given(10), reverse(None, debt)),
        (
            (99, 0, 0),
            of_entry(EntryKind::Adjustment, (80, 0), 10),
            reverse(None, refuse),
        ),
        (
            (99, 0, 0),
            of_entry(EntryKind::Adjustment, (-80, 0), 10),
            reverse(None, refuse),
        ),
        ((99, 0, 0), bought(0), take_purchase(refuse)),
        ((30, 0, 5), bought(20), take_purchase(debt)),
        ((99, 0, 0), gift(80, 0), take_gift(refuse)),
        ((30, 0, 0), gift(80, 20), take_gift(debt)),
    ]
}

#[test]
fn what_is_decided_is_what_was_asked_and_any_other_amount_is_not() {
    for (figures, found, operation) in operations() {
        let snapshot = snapshot(figures, found);
        let Verdict::Apply(effects) = decide(&snapshot, &operation, NOW) else {
            panic!("{operation:?} is not applied");
        };
        assert_eq!(judged(&snapshot, &operation, &effects), None, "{operation:?}");
        for wrong in falsified(&effects) {
            let told = judged(&snapshot, &operation, &wrong);
            assert!(told.is_some(), "{operation:?}: {:?}", wrong.movements);
        }
        let nothing = Effects::default();
        assert!(judged(&snapshot, &operation, &nothing).is_some(), "{operation:?}");
    }
}

/// The same effects with one figure of the first movement off by one, either way; and that movement twice.
fn falsified(effects: &Effects) -> Vec<Effects> {
    let first = effects.movements[0].clone();
    let mut wrong = Vec::new();
    for by in [-1, 1] {
        let off = |delta: Minor| delta.plus(minor(by)).unwrap();
        for deltas in [
            Deltas {
                balance: off(first.deltas.balance),
                ..first.deltas
            },
            Deltas {
                held: off(first.deltas.held),
                ..first.deltas
            },
            Deltas {
                debt: off(first.deltas.debt),
                ..first.deltas
            },
        ] {
            let mut movements = effects.movements.clone();
            movements[0].deltas = deltas;
            wrong.push(Effects::of(movements));
        }
    }
    let twice = [vec![first], effects.movements.clone()].concat();
    wrong.push(Effects::of(twice));
    wrong
}

#[test]
fn a_clawback_into_debt_takes_what_is_there_first_and_only_where_it_may() {
    let owed = |taken: i64, debt: i64| {
        Effects::of(vec![Movement {
            kind: EntryKind::Clawback,
            deltas: Deltas {
                balance: minor(-taken),
                held: Minor::ZERO,
                debt: minor(debt),
            },
            counter_account: CounterAccount::named("promotions:gift"),
            reverses: Some(3),
        }])
    };
    let taken = |if_spent, effects: &Effects| {
        let snapshot = snapshot((30, 0, 0), gift(80, 0));
        judged(&snapshot, &Operation::DeactivateGift { gift: 1, if_spent }, effects)
    };
    assert_eq!(taken(IfSpent::Debt, &owed(30, 50)), None);
    let unasked = Some("the entries make a debt that was not asked for");
    assert_eq!(taken(IfSpent::Debt, &owed(29, 51)), unasked);
    assert_eq!(taken(IfSpent::Refuse, &owed(30, 50)), unasked);
    let another = Some("the entries move another amount than was asked");
    assert_eq!(taken(IfSpent::Debt, &owed(30, 49)), another);
    assert_eq!(taken(IfSpent::Debt, &owed(30, 0)), another);
}

#[test]
fn what_has_not_come_or_is_gone_takes_nothing_with_it() {
    let deactivate = Operation::DeactivatePurchase {
        purchase: 1,
        if_spent: IfSpent::Debt,
    };
    let reversed = entry(EntryKind::Credit, (80, 0), 80);
    for found in [
        Found::Purchase(purchase(CreditState::Pending, 80), None),
        Found::Purchase(purchase(CreditState::Transferred, 80), Some(reversed)),
    ] {
        let snapshot = snapshot((99, 0, 0), found);
        assert_eq!(judged(&snapshot, &deactivate, &Effects::default()), None);
    }
    let lost = snapshot(
        (99, 0, 0),
        Found::Purchase(purchase(CreditState::Transferred, 80), None),
    );
    let told = judged(&lost, &deactivate, &Effects::default());
    assert_eq!(told, Some("credits that came by no entry"));
}

#[test]
fn more_than_was_left_is_contradicted_whatever_was_decided() {
    let cases = [
        (open_hold(50), commit(Some(amount(51)), true)),
        (of_entry(EntryKind::ServiceFee, (-80, 0), 10), refund(Some(amount(71)))),
        (
            of_entry(EntryKind::Gift, (80, 0), 10),
            reverse(Some(amount(71)), IfSpent::Debt),
        ),
    ];
    for (found, operation) in cases {
        let told = judged(&snapshot((99, 99, 0), found), &operation, &Effects::default());
        assert_eq!(told, Some("more was asked than was left"), "{operation:?}");
    }
    let gift = of_entry(EntryKind::Gift, (80, 0), 0);
    let told = judged(&snapshot((99, 0, 0), gift), &refund(None), &Effects::default());
    assert_eq!(told, Some("a refund of what took nothing"));
}
