//! The chain of hashes and the digest, recomputed from the exported lines as docs/export.md describes them.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The digest of the ledger, from its description in ARCHITECTURE.md and the exported lines alone.
pub(super) fn recomputed(lines: &[Value]) -> String {
    let mut exponents = BTreeMap::new();
    let mut heads: Vec<(String, String, i64, Vec<u8>)> = Vec::new();
    for line in lines {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        match line["record"].as_str().unwrap() {
            "account" => {
                exponents.insert(text("currency"), line["exponent"].as_u64().unwrap() as usize);
                heads.push((text("user_id"), text("currency"), 0, vec![0; 32]));
            }
            "entry" => {
                let exponent = exponents[&text("currency")];
                let (_, _, seq, head) = heads.last_mut().unwrap();
                *seq += 1;
                let hash = entry_hash(head, line, exponent, *seq);
                let shown: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(shown, text("hash"), "{line}");
                *head = hash;
            }
            "balance" => {
                let (.., seq, head) = heads.last().unwrap();
                let shown: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!((line["last_seq"].as_i64(), text("chain_head")), (Some(*seq), shown));
            }
            _ => {}
        }
    }
    let mut form = field(Some(b"ledger.digest/1"));
    for (user, currency, seq, head) in heads {
        form.extend(field(Some(user.as_bytes())));
        form.extend(field(Some(currency.as_bytes())));
        form.extend(field(Some(&seq.to_be_bytes())));
        form.extend(field(Some(&head)));
    }
    Sha256::digest(form).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn field(bytes: Option<&[u8]>) -> Vec<u8> {
    let length = bytes.map_or(u32::MAX, |bytes| bytes.len() as u32);
    [&length.to_be_bytes(), bytes.unwrap_or_default()].concat()
}

fn entry_hash(previous: &[u8], line: &Value, exponent: usize, seq: i64) -> Vec<u8> {
    let units = |name: &str| {
        let amount = line[name].as_str().unwrap();
        let decimals = amount.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        assert_eq!(decimals, exponent, "{amount}");
        amount.replace('.', "").parse::<i64>().unwrap().to_be_bytes()
    };
    let time = chrono::DateTime::parse_from_rfc3339(line["at"].as_str().unwrap()).unwrap();
    let mut form = previous.to_vec();
    form.extend(field(Some(b"ledger.entry/1")));
    let mut text = |name: &str| form.extend(field(line[name].as_str().map(str::as_bytes)));
    text("user_id");
    text("currency");
    form.extend(field(Some(&seq.to_be_bytes())));
    form.extend(field(line["kind"].as_str().map(str::as_bytes)));
    for name in [
        "balance_delta",
        "held_delta",
        "debt_delta",
        "balance_after",
        "held_after",
        "debt_after",
    ] {
        form.extend(field(Some(&units(name))));
    }
    for name in ["counter_account", "reference", "description", "metadata", "actor"] {
        form.extend(field(line[name].as_str().map(str::as_bytes)));
    }
    form.extend(field(
        line["reverses"]
            .as_i64()
            .map(i64::to_be_bytes)
            .as_ref()
            .map(<[u8; 8]>::as_slice),
    ));
    form.extend(field(line["idempotency_key"].as_str().map(str::as_bytes)));
    form.extend(field(Some(&time.timestamp_micros().to_be_bytes())));
    Sha256::digest(form).to_vec()
}
