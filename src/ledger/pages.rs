//! All accounts, page by page: for what adds up over the whole ledger and need not do so at one moment.
//!
//! A page is read on one snapshot, so that no reader holds one for as long as the whole takes.

use super::error::LedgerError;
use super::progress::Progress;
use super::{Ledger, interrupt};
use crate::db::Db;
use crate::db::accounts::{accounts_count, page_end};
use crate::db::unit_of_work::read;

/// Accounts per snapshot.
const PAGE: i64 = 20_000;

/// Hands over the first and last id of every page.
pub fn each_page(
    ledger: &mut Ledger,
    progress: &dyn Progress,
    mut each: impl FnMut(&mut Db, (i64, i64)) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    progress.begin(accounts_count(&mut ledger.db)?.unsigned_abs());
    let mut after = 0;
    while let Some(end) = page_end(&mut ledger.db, after, PAGE)? {
        interrupt::check()?;
        read(&mut ledger.db, |db| each(db, (after + 1, end)))?;
        progress.advance((end - after).unsigned_abs());
        after = end;
    }
    progress.finish();
    Ok(())
}
