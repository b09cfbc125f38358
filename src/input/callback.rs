//! A gateway's callback: a JSON object that names a recharge and says what became of it.

use serde::Deserialize;

use crate::domain::currency::CurrencyCode;
use crate::domain::recharge::RechargeGoal;
use crate::domain::text::Json;
use crate::ledger::recharge::Callback;

/// Longest body worth reading, in bytes.
pub const LONGEST: u64 = 16 * 1024;

#[derive(Deserialize)]
struct Body {
    recharge_id: String,
    status: String,
    amount: TextOrNumber,
    currency: String,
}

/// Gateways write amounts either way; the digits are taken as they stand.
#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrNumber {
    Text(String),
    Number(serde_json::Number),
}

/// Before the signature is looked at: that of a body which was not read to its end cannot be right.
pub fn check_length(body: &[u8]) -> Result<(), String> {
    if body.len() as u64 > LONGEST {
        return Err(format!("the callback's body is longer than {LONGEST} bytes"));
    }
    Ok(())
}

pub fn read(body: &[u8]) -> Result<Callback, String> {
    check_length(body)?;
    let text = std::str::from_utf8(body).map_err(|_| "the callback's body is not UTF-8".to_string())?;
    if !text.trim_start().starts_with('{') {
        return Err("the callback's body is not a JSON object".into());
    }
    let body: Body = serde_json::from_str(text).map_err(|error| format!("the callback's body: {error}"))?;
    let to = match body.status.as_str() {
        "completed" => RechargeGoal::Completed,
        "failed" => RechargeGoal::Failed,
        _ => return Err("the callback's status is neither completed nor failed".into()),
    };
    Ok(Callback {
        id: body
            .recharge_id
            .parse()
            .map_err(|error| format!("recharge_id: {error}"))?,
        to,
        amount: match body.amount {
            TextOrNumber::Text(text) => text,
            TextOrNumber::Number(number) => number.to_string(),
        },
        currency: CurrencyCode::parse(&body.currency).map_err(|error| error.to_string())?,
        body: Json::parse(text, "the callback's body").map_err(|error| error.to_string())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_amounts_as_text_or_number() {
        for amount in ["\"20.50\"", "20.50"] {
            let body = format!(
                r#"{{"recharge_id":"r1-1","status":"completed","amount":{amount},"currency":"USD","txn":"A"}}"#
            );
            let callback = read(body.as_bytes()).unwrap();
            assert_eq!((callback.amount.as_str(), callback.id.number), ("20.50", 1));
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let good = r#"{"recharge_id":"r1-1","status":"completed","amount":"1","currency":"USD"}"#;
        assert!(read(good.as_bytes()).is_ok());
        for (from, to) in [
            ("r1-1", "7"),
            ("completed", "paid"),
            ("\"amount\":\"1\",", ""),
            ("USD", "dollars"),
            ("{", ""),
            ("\"1\"", "[1]"),
        ] {
            assert!(read(good.replacen(from, to, 1).as_bytes()).is_err(), "{from} -> {to}");
        }
        assert!(read(br#"["r1-1","completed","1","USD"]"#).is_err());
        assert!(read(&[0xFF]).is_err());
        assert!(read(&vec![b' '; 20_000]).is_err());
    }
}
