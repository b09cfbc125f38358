//! What a payment gateway sends: a body, and its signature under a secret that both sides know.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::command::{Ledger, Output};

/// The secret that [`Ledger`]s in these tests know of `momo`.
pub const SECRET: &str = "correct horse battery staple";

/// HMAC-SHA256 in hexadecimal digits.
pub fn signature(secret: &str, body: impl AsRef<[u8]>) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(body.as_ref());
    let digits = mac.finalize().into_bytes();
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The body of a callback about a recharge of so many USD.
pub fn body(recharge: &str, status: &str, amount: &str) -> String {
    format!(r#"{{"recharge_id":"{recharge}","status":"{status}","amount":"{amount}","currency":"USD","txn":"A1"}}"#)
}

/// Sends a body to `recharge callback` as `momo` does; the ledger must know the secret.
pub fn send(ledger: &Ledger, body: impl AsRef<[u8]> + Send, signature: &str) -> Output {
    let line = [
        "recharge",
        "callback",
        "--method",
        "momo",
        "--signature",
        signature,
        "--format",
        "json",
    ];
    ledger.run_with_stdin(&line, body)
}

/// The binary as it runs where the gateway's secret is known.
pub fn knowing(ledger: Ledger) -> Ledger {
    ledger.env("LEDGER_CALLBACK_SECRET_MOMO", SECRET)
}
