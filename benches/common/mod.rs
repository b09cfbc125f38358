//! What the comparisons share: sizes from the environment, medians, accounts with money, one table.

// Each bench compiles this module and uses its own part of it.
#![allow(dead_code)]

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use ledger::domain::currency::Currency;
use ledger::domain::entry::Note;
use ledger::domain::money::Amount;
use ledger::domain::operation::{Operation, Settle};
use ledger::domain::text::{Actor, IdempotencyKey, PaymentMethod, Reference, Service, UserId};
use ledger::ledger::account::{NewAccount, create};
use ledger::ledger::post::{Answer, Outcome, Request, post};
use ledger::ledger::{Clock, DatabaseUrl, Ledger};

pub const ROUNDS: usize = 3;

/// A size: the environment variable of that name, else the default.
pub fn size<T: FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a usable number")),
        Err(_) => default,
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "nothing was measured");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

/// What the ratio of ours to the floor has to be.
#[derive(Clone, Copy)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Shown for orientation.
    None,
}

impl Target {
    fn verdict(self, ratio: f64) -> String {
        let said = |sign: &str, limit: f64, met: bool| format!("{sign} {limit} {}", if met { "met" } else { "MISSED" });
        match self {
            Self::AtLeast(limit) => said(">=", limit, ratio >= limit),
            Self::AtMost(limit) => said("<=", limit, ratio <= limit),
            Self::None => "-".into(),
        }
    }
}

pub fn title(text: impl Display) {
    println!("\n{text}");
    println!("  {:<44} {:>12} {:>12} {:>8}  target", "", "ours", "floor", "ratio");
}

pub fn row(what: &str, unit: &str, ours: f64, floor: f64, target: Target) {
    let ratio = ours / floor;
    let what = format!("{what}, {unit}");
    println!(
        "  {what:<44} {ours:>12.1} {floor:>12.1} {ratio:>8.2}  {}",
        target.verdict(ratio)
    );
}

pub fn open(url: &str) -> Ledger {
    let url = DatabaseUrl::parse(url).expect("the address is valid");
    let actor = Actor::parse("bench").expect("a name");
    Ledger::open(&url, Clock::System, actor, Duration::from_secs(30)).expect("the ledger opens")
}

pub fn currency() -> Currency {
    Currency::iso("USD").expect("USD is known")
}

pub fn user(number: usize) -> UserId {
    UserId::parse(&format!("{number}")).expect("a user id")
}

fn request(number: usize, operation: Operation, note: Note, key: Option<IdempotencyKey>) -> Request {
    Request {
        user_id: user(number),
        currency: currency(),
        operation,
        note,
        key,
    }
}

/// Accounts `1..=count`, each with far more money than will be charged.
pub fn accounts_with_money(ledger: &mut Ledger, count: usize) {
    for number in 1..=count {
        let new = NewAccount {
            user_id: user(number),
            currency: currency(),
            low_balance_threshold: None,
        };
        create(ledger, &new).expect("the account is created");
        let recharge = Operation::Recharge {
            amount: Amount::parse("10000000000", &currency()).expect("an amount"),
            method: PaymentMethod::parse("momo").expect("a method"),
            settle: Settle::Now,
            gateway_response: None,
        };
        let answer = post(ledger, &request(number, recharge, Note::default(), None)).expect("the money arrives");
        applied(&answer);
    }
}

/// A charge of 0.05 with a key and a reference of its own.
pub fn charge(number: usize, name: &str) -> Request {
    let operation = Operation::Charge {
        amount: Amount::parse("0.05", &currency()).expect("an amount"),
        service: Service::parse("vps").expect("a service"),
        suspend: false,
        grants: None,
    };
    let note = Note {
        reference: Some(Reference::parse(name).expect("a reference")),
        ..Note::default()
    };
    let key = IdempotencyKey::parse(name).expect("a key");
    request(number, operation, note, Some(key))
}

pub fn applied(answer: &Answer) {
    assert!(
        matches!(answer.outcome, Outcome::Applied(_)),
        "not applied: {:?}",
        answer.outcome
    );
}
