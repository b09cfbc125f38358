//! Random histories: what a few people might do with two accounts.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::model::Operation;

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
    /// One of a few keys, so that they collide; a new one unless given.
    pub key: Option<u8>,
    pub reference: Option<&'static str>,
    pub description: Option<&'static str>,
    pub metadata: Option<&'static str>,
}

pub fn history() -> impl Strategy<Value = Vec<Move>> {
    prop::collection::vec(a_move(), 1..20)
}

fn a_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        5 => request().prop_map(Move::Do),
        1 => any::<(Index, Index)>().prop_map(|(which, desk)| Move::Again { which, desk }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let note = (
        seldom(vec!["VpsUsage:123", "INV-1"]),
        seldom(vec!["Máy chủ ảo", "Ma\u{301}y", "\"quoted\" 'twice', \\ and 🚀"]),
        seldom(vec![
            r#"{"a":1}"#,
            r#"{"b":[1.50,12345678901234567890],"a":null}"#,
            "\"text\"",
        ]),
    );
    (
        any::<Index>(),
        prop::bool::weighted(0.2),
        operation(),
        prop::option::weighted(0.2, 0_u8..3),
        note,
    )
        .prop_map(
            |(desk, second_account, operation, key, (reference, description, metadata))| Request {
                desk,
                second_account,
                operation,
                key,
                reference,
                description,
                metadata,
            },
        )
}

fn seldom(texts: Vec<&'static str>) -> impl Strategy<Value = Option<&'static str>> {
    prop::option::weighted(0.2, select(texts))
}

fn operation() -> impl Strategy<Value = Operation> {
    let administration = prop_oneof![
        4 => Just(Operation::CreateAccount),
        2 => Just(Operation::Lock),
        3 => Just(Operation::Unlock),
        2 => Just(Operation::Close),
        2 => (prop::option::of(1_u32..3), prop::option::of(1_i64..300)).prop_map(
            |(charges_per_minute, spend_per_day)| Operation::SetLimits { charges_per_minute, spend_per_day }
        ),
    ];
    let recharges = prop_oneof![
        3 => (amount(), method()).prop_map(|(amount, method)| Operation::Recharge { amount, method }),
        3 => (amount(), method(), prop::option::of(select(vec![1, 29, 30, 31, 60, 3_600]))).prop_map(
            |(amount, method, expires_in)| Operation::RechargePending { amount, method, expires_in }
        ),
        1 => number().prop_map(|number| Operation::RechargeProcess { number }),
        3 => number().prop_map(|number| Operation::RechargeComplete { number }),
        1 => number().prop_map(|number| Operation::RechargeFail { number }),
        1 => number().prop_map(|number| Operation::RechargeCancel { number }),
    ];
    let others = prop_oneof![
        6 => (amount(), select(vec!["vps", "hosting", "email"]))
            .prop_map(|(amount, service)| Operation::Charge { amount, service: service.to_owned() }),
        2 => (amount(), any::<bool>())
            .prop_map(|(amount, up)| Operation::Adjust { amount: if up { amount } else { -amount } }),
        1 => amount().prop_map(|amount| Operation::Penalty { amount }),
        1 => amount().prop_map(|amount| Operation::Credit { amount }),
        1 => amount().prop_map(|amount| Operation::Gift { amount }),
        2 => (amount(), any::<bool>())
            .prop_map(|(amount, may_become_debt)| Operation::Clawback { amount, may_become_debt }),
    ];
    prop_oneof![
        20 => administration,
        50 => recharges,
        70 => others,
        // The job looks at every account there is, so it is not asked often.
        1 => Just(Operation::ExpireRecharges),
    ]
}

/// Mostly small, so that balances run out; now and then at the end of the range.
fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![
        40 => 1_i64..=150,
        1 => (i64::MAX - 150)..=i64::MAX,
    ]
}

fn method() -> impl Strategy<Value = String> {
    select(vec!["momo", "zalo_pay"]).prop_map(str::to_owned)
}

/// Mostly one that there may be.
fn number() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(1_usize), 2 => Just(2), 1 => Just(3)]
}
