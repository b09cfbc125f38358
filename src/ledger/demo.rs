//! What a crash between the journal and the balance row leaves behind, made on purpose.

use super::Ledger;
use super::account::find;
use super::error::LedgerError;
use crate::db::DbError;
use crate::db::balances::{balance_lock, balance_put};
use crate::db::unit_of_work::write;
use crate::domain::currency::CurrencyCode;
use crate::domain::text::UserId;

/// Runs `work` on the ledger, then puts the account's balance row back to what it was before: the entries
/// are written, the row is not. Only for demonstrations; no command but `demo` calls it.
pub fn lose_balance_update<T>(
    ledger: &mut Ledger,
    user_id: &UserId,
    currency: &CurrencyCode,
    work: impl FnOnce(&mut Ledger) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let account = find(ledger, user_id, currency)?;
    let lost = || DbError::Integrity("the balance row to lose is not there".into());
    let before = balance_lock(&mut ledger.db, account.id)?
        .and_then(|stored| stored.row)
        .ok_or_else(lost)?;
    let done = work(ledger)?;
    write(&mut ledger.db, "demo", |db| {
        balance_lock(db, account.id)?;
        balance_put(db, &account, &before.state).map_err(LedgerError::from)
    })?;
    Ok(done)
}
