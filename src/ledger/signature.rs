//! Signatures of callbacks and webhooks: HMAC-SHA256 under a secret that both sides know.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::hex;

/// Whether `signature`, in hexadecimal digits, is that of `body`; compared in constant time.
pub fn matches(secret: &[u8], body: &[u8], signature: &str) -> bool {
    let Some(bytes) = hex::parse::<32>(signature) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&bytes).is_ok()
}

/// The signature of `body`, in hexadecimal digits.
pub fn of(secret: &[u8], body: &[u8]) -> String {
    // A key of any length will do, so that there is always a signature.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(body);
    let bytes: [u8; 32] = mac.finalize().into_bytes().into();
    hex::of(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn knows_the_signature_of_the_standard() {
        let (secret, body) = (b"Jefe", b"what do ya want for nothing?");
        let right = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(matches(secret, body, right));
        assert_eq!(of(secret, body), right);
        assert!(matches(secret, body, &right.to_uppercase()));
        let one_bit_off = right.replacen('5', "4", 1);
        for wrong in [
            one_bit_off.as_str(),
            &right[2..],
            "",
            "zz",
            &format!("{right}00"),
            &"é".repeat(32),
        ] {
            assert!(!matches(secret, body, wrong), "{wrong}");
        }
        assert!(!matches(b"jefe", body, right));
    }
}
