//! Currencies: looking one up, adding one.

use super::Ledger;
use super::act::act;
use super::error::LedgerError;
use crate::db::accounts;
use crate::db::unit_of_work::write;
use crate::domain::account::AccountId;
use crate::domain::code::Code;
use crate::domain::currency::{Currency, CurrencyCode, MAX_EXPONENT};

/// ISO 4217 first, then the ledger's own.
pub fn resolve(ledger: &mut Ledger, code: &CurrencyCode) -> Result<Currency, LedgerError> {
    if let Some(currency) = Currency::iso(code.as_str()) {
        return Ok(currency);
    }
    accounts::currency_find(&mut ledger.db, code)?.ok_or_else(|| {
        LedgerError::invalid(
            Code::InvalidInput,
            format!("the currency {code} is not known; add it with `ledger currency add {code} --exponent N`"),
        )
    })
}

/// Adds a unit; `false` when it is there already with the same digits.
pub fn add(ledger: &mut Ledger, code: &CurrencyCode, exponent: u8) -> Result<(Currency, bool), LedgerError> {
    let invalid = |message: String| LedgerError::invalid(Code::InvalidInput, message);
    let currency = Currency::new(code.clone(), exponent)
        .ok_or_else(|| invalid(format!("a currency has at most {MAX_EXPONENT} decimal places")))?;
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    let known = Currency::iso(code.as_str());
    let added = write(&mut ledger.db, "currency add", |db| {
        let known = match &known {
            Some(iso) => Some(iso.clone()),
            None => accounts::currency_find(db, code)?,
        };
        match known {
            Some(known) if known == currency => return Ok(false),
            Some(known) => {
                return Err(invalid(format!(
                    "{code} is known with {} decimal places",
                    known.exponent()
                )));
            }
            None => accounts::currency_insert(db, &currency)?,
        }
        act(AccountId::NONE, "currency add", (&actor, at))
            .after(serde_json::json!({"code": code.as_str(), "exponent": exponent}))
            .record(db)?;
        Ok(true)
    })?;
    Ok((currency, added))
}

/// The ledger's own currencies.
pub fn list(ledger: &mut Ledger) -> Result<Vec<Currency>, LedgerError> {
    Ok(accounts::currencies(&mut ledger.db)?)
}
