//! Operations of all kinds and notes, for properties.

use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::domain::access::Access;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::Note;
use crate::domain::money::{Amount, Minor, SignedAmount};
use crate::domain::operation::{Claim, IfSpent, NewPurchase, Operation, Settle};
use crate::domain::purchase::Paid;
use crate::domain::recharge::RechargeGoal;
use crate::domain::text::{Description, Json, PaymentMethod, Reference, Resource, Service};

pub(in crate::ledger) fn currency() -> impl Strategy<Value = Currency> {
    (select(vec!["USD", "POINTS", "P_2"]), 0..=12_u8)
        .prop_map(|(code, exponent)| Currency::new(CurrencyCode::parse(code).unwrap(), exponent).unwrap())
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![1..=1_000_i64, 1..=i64::MAX].prop_map(|units| Amount::new(Minor::new(units)).unwrap())
}

fn signed() -> impl Strategy<Value = SignedAmount> {
    (amount(), any::<bool>()).prop_map(|(amount, negative)| {
        let minor = if negative { amount.outflow() } else { amount.minor() };
        SignedAmount::new(minor).unwrap()
    })
}

fn text() -> impl Strategy<Value = String> {
    let letters = prop_oneof![4 => any::<char>(), 1 => select(vec![' ', '"', '\\', ':', ',', '-', '0'])];
    let safe = |c: &char| !crate::domain::text::is_unprintable(*c);
    proptest::collection::vec(letters.prop_filter("printable", safe), 1..16)
        .prop_map(|chars| chars.into_iter().collect::<String>().trim().to_owned())
        .prop_filter("not empty", |text| !text.is_empty())
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?(e[0-9]{1,2})?",
        any::<String>().prop_map(|text| Value::String(text).to_string()),
        Just("\"\\u009b\\u202e\\u0000\\ud83d\\ude42\"".to_owned()),
    ];
    let any_json = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((any::<String>(), inner), 0..4).prop_map(|fields| {
                let fields = fields
                    .iter()
                    .map(|(name, value)| format!("{}: {value}", Value::String(name.clone())));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }),
        ]
    });
    // A lone null says nothing, and is not told from it.
    any_json
        .prop_filter("not null", |text| text != "null")
        .prop_map(|text| Json::parse(&text, "the metadata").unwrap())
}

fn service() -> impl Strategy<Value = Service> {
    text().prop_filter_map("short", |text| Service::parse(&text).ok())
}

fn method() -> impl Strategy<Value = PaymentMethod> {
    "[a-z][a-z0-9_]{0,20}".prop_map(|text| PaymentMethod::parse(&text).unwrap())
}

fn span() -> impl Strategy<Value = TimeDelta> {
    (0..=3650 * 86_400_000_i64).prop_map(TimeDelta::milliseconds)
}

fn access() -> impl Strategy<Value = Access> {
    let resource = "[a-z_]{1,12}:[a-z0-9]{1,12}".prop_map(|text| Resource::parse(&text).unwrap());
    (resource, proptest::option::of(span())).prop_map(|(resource, expires_in)| Access { resource, expires_in })
}

fn if_spent() -> impl Strategy<Value = IfSpent> {
    select(vec![IfSpent::Refuse, IfSpent::Debt])
}

fn paid() -> impl Strategy<Value = Paid> {
    (amount(), currency()).prop_map(|(amount, currency)| Paid { amount, currency })
}

fn number() -> impl Strategy<Value = i64> {
    1..=i64::MAX
}

fn money() -> BoxedStrategy<Operation> {
    let settle = prop_oneof![
        Just(Settle::Now),
        proptest::option::of(span()).prop_map(|expires_in| Settle::Later { expires_in })
    ];
    let claim = proptest::option::of((amount(), method()).prop_map(|(amount, method)| Claim { amount, method }));
    prop_oneof![
        (amount(), service(), any::<bool>(), proptest::option::of(access())).prop_map(
            |(amount, service, suspend, grants)| Operation::Charge {
                amount,
                service,
                suspend,
                grants
            }
        ),
        signed().prop_map(|amount| Operation::Adjust { amount }),
        amount().prop_map(|amount| Operation::Penalty { amount }),
        (amount(), method(), settle, proptest::option::of(json())).prop_map(
            |(amount, method, settle, gateway_response)| Operation::Recharge {
                amount,
                method,
                settle,
                gateway_response
            }
        ),
        (
            number(),
            select(RechargeGoal::ALL.to_vec()),
            proptest::option::of(json()),
            claim
        )
            .prop_map(|(number, to, gateway_response, claim)| {
                Operation::MoveRecharge {
                    number,
                    to,
                    gateway_response,
                    claim,
                }
            }),
    ]
    .boxed()
}

fn holds() -> BoxedStrategy<Operation> {
    let part = || proptest::option::of(amount());
    prop_oneof![
        (amount(), proptest::option::of(service()), proptest::option::of(span())).prop_map(
            |(amount, service, expires_in)| Operation::Freeze {
                amount,
                service,
                expires_in
            }
        ),
        (number(), part(), any::<bool>()).prop_map(|(hold, amount, keep_open)| Operation::Commit {
            hold,
            amount,
            keep_open
        }),
        (number(), part()).prop_map(|(hold, amount)| Operation::Release { hold, amount }),
        number().prop_map(|hold| Operation::ExpireHold { hold }),
        (number(), part()).prop_map(|(entry, amount)| Operation::Refund { entry, amount }),
        (number(), part(), if_spent()).prop_map(|(entry, amount, if_spent)| Operation::Reverse {
            entry,
            amount,
            if_spent
        }),
    ]
    .boxed()
}

fn credits() -> BoxedStrategy<Operation> {
    let purchase = (paid(), 0..=i64::MAX, span()).prop_map(|(paid, credits, pending_for)| {
        Operation::RecordPurchase(NewPurchase {
            paid,
            credits: Minor::new(credits),
            pending_for,
        })
    });
    prop_oneof![
        purchase,
        number().prop_map(|purchase| Operation::TransferCredit { purchase }),
        (number(), if_spent()).prop_map(|(purchase, if_spent)| Operation::DeactivatePurchase { purchase, if_spent }),
        (amount(), proptest::option::of(paid())).prop_map(|(credits, paid)| Operation::GrantGift { credits, paid }),
        (number(), if_spent()).prop_map(|(gift, if_spent)| Operation::DeactivateGift { gift, if_spent }),
    ]
    .boxed()
}

pub(in crate::ledger) fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![money(), holds(), credits()]
}

pub(in crate::ledger) fn note() -> impl Strategy<Value = Note> {
    let some = || proptest::option::of(text());
    (some(), some(), proptest::option::of(json())).prop_map(|(reference, description, metadata)| Note {
        reference: reference.map(|text| Reference::parse(&text).unwrap()),
        description: description.map(|text| Description::parse(&text).unwrap()),
        metadata,
    })
}
