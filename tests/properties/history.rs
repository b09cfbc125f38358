//! Random histories: what a few people might do with two accounts.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::model::{Access, Note, Operation, Paid};

/// One move of a history.
#[derive(Clone, Debug)]
pub enum Move {
    Do(Request),
    /// An earlier request with a key comes again, through another desk.
    Again {
        which: Index,
        desk: Index,
    },
}

#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks, and when.
    pub desk: Index,
    /// Which of the two accounts.
    pub second_account: bool,
    pub operation: Operation,
    /// Where given, the operation is about one of the records that there are when its turn comes.
    pub aim: Option<Index>,
    /// One of a few keys, so that they collide; a new one unless given.
    pub key: Option<u8>,
    pub note: Note,
}

/// Whether holds run out of time. Where one does, the ledger makes up a key, and has another one each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    MayExpire,
    Last,
}

/// Most begin with some money to spend.
pub fn history(holds: Holds) -> impl Strategy<Value = Vec<Move>> {
    let opening = prop::option::weighted(0.8, request(recharge()));
    let moves = prop::collection::vec(a_move(holds), 1..36);
    (opening, moves).prop_map(|(opening, moves)| opening.map(Move::Do).into_iter().chain(moves).collect())
}

fn a_move(holds: Holds) -> impl Strategy<Value = Move> {
    prop_oneof![
        7 => request(operation(holds)).prop_map(Move::Do),
        1 => any::<(Index, Index)>().prop_map(|(which, desk)| Move::Again { which, desk }),
    ]
}

fn request(operation: impl Strategy<Value = Operation>) -> impl Strategy<Value = Request> {
    (
        any::<Index>(),
        prop::bool::weighted(0.1),
        operation,
        prop::option::weighted(0.9, any::<Index>()),
        prop::option::weighted(0.15, 0_u8..3),
        note(),
    )
        .prop_map(|(desk, second_account, operation, aim, key, note)| Request {
            desk,
            second_account,
            operation,
            aim,
            key,
            note,
        })
}

fn note() -> impl Strategy<Value = Note> {
    (
        seldom(vec!["VpsUsage:123", "INV-1"]),
        seldom(vec!["Máy chủ ảo", "Ma\u{301}y", "\"quoted\" 'twice', \\ and 🚀"]),
        seldom(vec![
            r#"{"a":1}"#,
            r#"{"b":[1.50,12345678901234567890],"a":null}"#,
            "\"text\"",
        ]),
    )
        .prop_map(|(reference, description, metadata)| Note {
            reference,
            description,
            metadata,
        })
}

fn seldom(texts: Vec<&'static str>) -> impl Strategy<Value = Option<String>> {
    prop::option::weighted(0.2, select(texts).prop_map(str::to_owned))
}

pub fn operation(holds: Holds) -> impl Strategy<Value = Operation> {
    // Boxed, as all of them side by side are much for a thread's stack.
    prop_oneof![
        20 => administration().boxed(),
        15 => recharge().boxed(),
        30 => pending_recharges().boxed(),
        35 => figures_alone().boxed(),
        50 => credits().boxed(),
        70 => about_holds(holds).boxed(),
        30 => taking_back().boxed(),
        // The jobs look at every account there is, so they are not asked often.
        2 => Just(Operation::ExpireRecharges),
        1 => Just(Operation::ExpireHolds),
        3 => Just(Operation::TransferDueCredits),
    ]
}

fn administration() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => Just(Operation::CreateAccount),
        1 => Just(Operation::Lock),
        3 => Just(Operation::Unlock),
        1 => Just(Operation::Close),
        2 => (prop::option::of(1_u32..4), prop::option::of(1_i64..300)).prop_map(
            |(charges_per_minute, spend_per_day)| Operation::SetLimits { charges_per_minute, spend_per_day }
        ),
        3 => prop::option::weighted(0.8, 0_i64..300).prop_map(|threshold| Operation::SetLowBalanceThreshold { threshold }),
        1 => Just(Operation::Suspend { reason: "under review".to_owned() }),
        3 => Just(Operation::Resume),
    ]
}

fn recharge() -> impl Strategy<Value = Operation> {
    (large_amount(), method()).prop_map(|(amount, method)| Operation::Recharge { amount, method })
}

fn pending_recharges() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => (large_amount(), method(), prop::option::of(span())).prop_map(
            |(amount, method, expires_in)| Operation::RechargePending { amount, method, expires_in }
        ),
        1 => number().prop_map(|number| Operation::RechargeProcess { number }),
        3 => number().prop_map(|number| Operation::RechargeComplete { number }),
        1 => number().prop_map(|number| Operation::RechargeFail { number }),
        1 => number().prop_map(|number| Operation::RechargeCancel { number }),
    ]
}

fn figures_alone() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (amount(), service(), prop::bool::weighted(0.4), prop::option::weighted(0.4, access())).prop_map(
            |(amount, service, suspend, grants)| Operation::Charge { amount, service, suspend, grants }
        ),
        2 => (amount(), any::<bool>())
            .prop_map(|(amount, up)| Operation::Adjust { amount: if up { amount } else { -amount } }),
        1 => amount().prop_map(|amount| Operation::Penalty { amount }),
    ]
}

fn access() -> impl Strategy<Value = Access> {
    (select(vec!["profile:a", "profile:b"]), prop::option::of(span())).prop_map(|(resource, expires_in)| Access {
        resource: resource.to_owned(),
        expires_in,
    })
}

fn about_holds(holds: Holds) -> impl Strategy<Value = Operation> {
    let expires_in = match holds {
        Holds::MayExpire => prop::option::weighted(0.5, span()).boxed(),
        Holds::Last => Just(None).boxed(),
    };
    prop_oneof![
        5 => (amount(), prop::option::of(service()), expires_in).prop_map(
            |(amount, service, expires_in)| Operation::Freeze { amount, service, expires_in }
        ),
        6 => (number(), part(), any::<bool>())
            .prop_map(|(hold, amount, keep_open)| Operation::Commit { hold, amount, keep_open }),
        4 => (number(), part()).prop_map(|(hold, amount)| Operation::Release { hold, amount }),
        2 => number().prop_map(|hold| Operation::ExpireHold { hold }),
    ]
}

fn taking_back() -> impl Strategy<Value = Operation> {
    prop_oneof![
        1 => (number(), part()).prop_map(|(entry, amount)| Operation::Refund { entry, amount }),
        1 => (number(), part(), any::<bool>())
            .prop_map(|(entry, amount, may_become_debt)| Operation::Reverse { entry, amount, may_become_debt }),
    ]
}

/// Purchases and gifts.
fn credits() -> impl Strategy<Value = Operation> {
    prop_oneof![
        5 => (paid(), prop_oneof![1 => Just(0), 6 => large_amount()], prop_oneof![1 => Just(0), 2 => span()]).prop_map(
            |(paid, credits, pending_for)| Operation::RecordPurchase { paid, credits, pending_for }
        ),
        5 => number().prop_map(|purchase| Operation::TransferCredit { purchase }),
        3 => (number(), any::<bool>())
            .prop_map(|(purchase, may_become_debt)| Operation::DeactivatePurchase { purchase, may_become_debt }),
        3 => (large_amount(), prop::option::of(paid()))
            .prop_map(|(credits, paid)| Operation::GrantGift { credits, paid }),
        3 => (number(), any::<bool>())
            .prop_map(|(gift, may_become_debt)| Operation::DeactivateGift { gift, may_become_debt }),
    ]
}

/// What it cost has nothing to do with what it earns: that is reckoned before the ledger is asked.
fn paid() -> impl Strategy<Value = Paid> {
    (amount(), select(vec!["USD", "VND"])).prop_map(|(amount, currency)| Paid {
        amount,
        currency: currency.to_owned(),
    })
}

/// Mostly small, so that balances run out after a while; now and then at the end of the range.
fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![
        60 => 1_i64..=100,
        1 => (i64::MAX - 150)..=i64::MAX,
    ]
}

/// Mostly enough for a few times of what is spent at once.
fn large_amount() -> impl Strategy<Value = i64> {
    prop_oneof![1 => amount(), 4 => 100_i64..=400]
}

/// Of a hold or an entry; all that remains of it unless given.
fn part() -> impl Strategy<Value = Option<i64>> {
    prop::option::of(prop_oneof![3 => 1_i64..=20, 1 => amount()])
}

fn method() -> impl Strategy<Value = String> {
    select(vec!["momo", "zalo_pay"]).prop_map(str::to_owned)
}

fn service() -> impl Strategy<Value = String> {
    select(vec!["vps", "hosting", "email"]).prop_map(str::to_owned)
}

/// In seconds; the desks are a second, a minute or hours apart.
fn span() -> impl Strategy<Value = i64> {
    select(vec![1, 29, 30, 31, 60, 3_600])
}

/// Mostly one that there may be.
fn number() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(1_usize), 2 => Just(2), 1 => Just(3)]
}
