//! A gateway's callback: what is taken says what the body says, and no signature but its own fits it.

use std::fmt;

use ledger::domain::currency::Currency;
use ledger::domain::entry::Note;
use ledger::domain::operation::Operation;
use ledger::domain::recharge::{RechargeGoal, RechargeId};
use ledger::input::callback::{LONGEST, read};
use ledger::ledger::signature;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::requests::check_payload;

/// The first line is the secret, then the signature that is tried; the rest is the body.
pub fn check(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (secret, tried, body) = (part(), part(), part());
    check_signature(secret, tried, body);

    let object: Option<Map<String, Value>> = serde_json::from_slice(body).ok();
    let fits = object
        .as_ref()
        .is_some_and(|object| is_callback(object) && object.values().all(|value| depth(value) < DEEPEST))
        && body.len() as u64 <= LONGEST;
    match (read(body), object) {
        (Ok(callback), Some(object)) => {
            assert!(fits, "{object:?}");
            let id = object["recharge_id"].as_str().expect("a text");
            assert_eq!(without_zeros(id), callback.id.to_string());
            assert_eq!(object["status"] == "completed", callback.to == RechargeGoal::Completed);
            assert_eq!(object["currency"], callback.currency.as_str());
            assert_eq!(as_text(&object["amount"]), Some(callback.amount));
            assert_eq!(callback.body.value(), Value::Object(object), "the body is kept");
            let completing = Operation::MoveRecharge {
                number: callback.id.number,
                to: callback.to,
                gateway_response: Some(callback.body),
                claim: None,
            };
            check_payload(
                &completing,
                &Note::default(),
                &Currency::iso("USD").expect("a currency"),
            );
        }
        (Ok(callback), None) => panic!("no object was read as {:?}", callback.id),
        // Which of two is meant cannot be told.
        (Err(reason), _) => assert!(!fits || names_one_twice(body), "{reason}"),
    }
}

/// Whether a field that means something stands there more than once.
fn names_one_twice(body: &[u8]) -> bool {
    let Names(mut names) = serde_json::from_slice(body).expect("it was read as an object before");
    names.retain(|name| ["recharge_id", "amount", "currency", "status"].contains(&name.as_str()));
    let all = names.len();
    names.sort();
    names.dedup();
    names.len() < all
}

/// The names of an object's fields, each as often as it stands there.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Names;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = fields.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// Arrays and objects within each other, the body itself among them.
const DEEPEST: usize = 100;

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn is_callback(object: &Map<String, Value>) -> bool {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let is_currency = |code: &str| {
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        (2..=12).contains(&code.len()) && code.starts_with(|c: char| c.is_ascii_uppercase()) && code.chars().all(plain)
    };
    // What it was read as is asked above.
    text("recharge_id").is_some_and(|id| id.parse::<RechargeId>().is_ok())
        && text("status").is_some_and(|status| ["completed", "failed"].contains(&status))
        && text("currency").is_some_and(is_currency)
        && object.get("amount").and_then(as_text).is_some()
}

/// `r01-007` is `r1-7`.
fn without_zeros(id: &str) -> String {
    let numbers = id
        .trim_start_matches('r')
        .split('-')
        .map(|number| number.trim_start_matches('0'));
    format!("r{}", numbers.collect::<Vec<_>>().join("-"))
}

/// Digits as they stand.
fn as_text(amount: &Value) -> Option<String> {
    match amount {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn check_signature(secret: &[u8], tried: &[u8], body: &[u8]) {
    let right = hmac(secret, body);
    assert_eq!(signature::of(secret, body), right);
    assert!(signature::matches(secret, body, &right));
    let tried = String::from_utf8_lossy(tried);
    assert_eq!(
        signature::matches(secret, body, &tried),
        tried.to_ascii_lowercase() == right,
        "{tried:?}"
    );
    let longer = [body, b" "].concat();
    assert!(!signature::matches(secret, &longer, &right));
    let digit = if right.starts_with('0') { "1" } else { "0" };
    assert!(!signature::matches(secret, body, &format!("{digit}{}", &right[1..])));
}

/// HMAC-SHA256 as RFC 2104 writes it.
fn hmac(secret: &[u8], body: &[u8]) -> String {
    const BLOCK: usize = 64;
    let hashed = Sha256::digest(secret);
    let mut key = if secret.len() > BLOCK {
        hashed.to_vec()
    } else {
        secret.to_vec()
    };
    key.resize(BLOCK, 0);
    let padded = |pad: u8| key.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(body).finalize();
    let outer = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}
