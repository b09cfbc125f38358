//! Secrets, which never stand on a command line for others to see.

use crate::domain::code::Code;
use crate::ledger::LedgerError;

fn unusable(what: String) -> LedgerError {
    LedgerError::invalid(Code::Configuration, what)
}

/// The variable's value, or what the file holds that the same variable with `_FILE` names.
pub fn given(variable: &str) -> Result<Option<Vec<u8>>, LedgerError> {
    let in_file = std::env::var_os(format!("{variable}_FILE"));
    let secret = match (std::env::var_os(variable), in_file) {
        (Some(_), Some(_)) => {
            let both = format!("{variable} and {variable}_FILE are both set: leave one of them out");
            return Err(unusable(both));
        }
        (Some(secret), None) => secret.into_encoded_bytes(),
        (None, Some(path)) => {
            let read = std::fs::read(&path);
            let read = read.map_err(|error| unusable(format!("{variable}_FILE cannot be read: {error}")))?;
            read.trim_ascii_end().to_vec()
        }
        (None, None) => return Ok(None),
    };
    if secret.is_empty() {
        return Err(unusable(format!("{variable} is empty")));
    }
    Ok(Some(secret))
}

/// As [`given`], where nothing goes without it; `whose` ends the sentence that asks for it.
pub fn required(variable: &str, whose: &str) -> Result<Vec<u8>, LedgerError> {
    given(variable)?.ok_or_else(|| unusable(format!("set {variable}, or {variable}_FILE, to {whose}")))
}
