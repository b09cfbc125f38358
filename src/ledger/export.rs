//! `export`: every account with its entries, handed out one after the other in bounded memory.
//!
//! Accounts are read in pages; a page is one snapshot, so what stands in an account's balance row is what the entries
//! handed out with it should come to.

use super::account::all_of;
use super::error::LedgerError;
use super::progress::Progress;
use super::verify::Scope;
use super::{Ledger, interrupt};
use crate::db::accounts::{self, Listed};
pub use crate::db::export::Beside;
use crate::db::export::records_stream;
use crate::db::unit_of_work::read;
use crate::db::{Db, DbError, entries};
use crate::domain::account::Account;
use crate::domain::balance::State;
use crate::domain::chain::{ChainHash, LedgerDigest};
use crate::domain::currency::Currency;
use crate::domain::entry::Entry;

/// What is handed out: the ledger's own currencies, and for every account itself, its entries, its end, in this order.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    Currency(&'a Currency),
    Account(&'a Account),
    Entry(&'a Account, &'a Entry),
    /// The balance row as it is stored, right or wrong; nothing where it is missing.
    End(&'a Account, &'a State),
    /// Comes some time after the end of its account.
    Beside(&'a Account, &'a Beside),
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Export {
    pub scope: Scope,
    /// Whether what stands beside the entries is wanted too.
    pub beside: bool,
}

/// What an export holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    pub accounts: u64,
    pub entries: u64,
    /// Over the accounts handed out; of the whole ledger the digest that `verify-sync` shows.
    pub digest: ChainHash,
}

/// Accounts per snapshot.
const PAGE: i64 = 500;

/// Hands out the accounts in scope in the order of their creation, and the entries of each in the order of the journal.
pub fn export(
    ledger: &mut Ledger,
    request: &Export,
    progress: &dyn Progress,
    each: &mut dyn FnMut(Step<'_>) -> Result<(), LedgerError>,
) -> Result<Exported, LedgerError> {
    let mut walk = Walk {
        each,
        accounts: 0,
        entries: 0,
        digest: LedgerDigest::default(),
        beside: request.beside,
    };
    match &request.scope {
        Scope::User { user_id, currency } => {
            for listed in all_of(&mut ledger.db, user_id, currency.as_ref())? {
                let id = listed.account.id.get();
                read(&mut ledger.db, |db| {
                    let fresh = accounts::account_by_id(db, listed.account.id)?;
                    walk.page(db, &fresh.into_iter().collect::<Vec<_>>(), id)
                })?;
            }
        }
        Scope::Accounts(range) => {
            for currency in accounts::currencies(&mut ledger.db)? {
                (walk.each)(Step::Currency(&currency))?;
            }
            progress.begin(accounts::accounts_count(&mut ledger.db)?.unsigned_abs());
            let mut after = range.start().max(&1) - 1;
            loop {
                interrupt::check()?;
                let last = read(&mut ledger.db, |db| -> Result<Option<i64>, LedgerError> {
                    let mut page = accounts::accounts_page(db, after, PAGE)?;
                    page.retain(|listed| range.contains(&listed.account.id.get()));
                    let last = page.last().map(|listed| listed.account.id.get());
                    walk.page(db, &page, after + 1)?;
                    progress.advance(page.len() as u64);
                    Ok(last)
                })?;
                match last {
                    Some(last) => after = last,
                    None => break,
                }
            }
            progress.finish();
        }
    }
    Ok(Exported {
        accounts: walk.accounts,
        entries: walk.entries,
        digest: walk.digest.finish(),
    })
}

struct Walk<'a> {
    each: &'a mut dyn FnMut(Step<'_>) -> Result<(), LedgerError>,
    accounts: u64,
    entries: u64,
    digest: LedgerDigest,
    beside: bool,
}

impl Walk<'_> {
    /// The accounts of a page, whose ids begin at `first`, on the snapshot of the running transaction.
    fn page(&mut self, db: &mut Db, page: &[Listed], first: i64) -> Result<(), LedgerError> {
        let Some(end) = page.last() else { return Ok(()) };
        let mut waiting = page.iter();
        let mut open: Option<Open<'_>> = None;
        entries::entries_stream_of_accounts(db, first, end.account.id.get(), |id, entry| {
            while open.as_ref().is_none_or(|open| open.listed.account.id != id) {
                self.close(open.take())?;
                let next = waiting
                    .next()
                    .ok_or_else(|| DbError::Integrity(format!("entries of account {id}, which does not exist")))?;
                open = Some(self.begin(next)?);
            }
            if let Some(open) = &mut open {
                open.head = (entry.seq, entry.hash);
                self.entries += 1;
                (self.each)(Step::Entry(&open.listed.account, &entry))?;
            }
            // Nothing is written, so stopping inside an account leaves nothing half done.
            interrupt::check()
        })?;
        self.close(open)?;
        for listed in waiting {
            let empty = self.begin(listed)?;
            self.close(Some(empty))?;
        }
        if self.beside {
            self.beside(db, page, (first, end.account.id.get()))?;
        }
        Ok(())
    }

    /// What stands beside the entries of a page's accounts.
    fn beside(&mut self, db: &mut Db, page: &[Listed], range: (i64, i64)) -> Result<(), LedgerError> {
        records_stream(db, range, &mut |record| {
            let id = record.account();
            let at = page.binary_search_by_key(&id, |listed| listed.account.id);
            let at = at.map_err(|_| DbError::Integrity(format!("records of account {id}, which does not exist")))?;
            (self.each)(Step::Beside(&page[at].account, &record))?;
            interrupt::check()
        })
    }

    fn begin<'l>(&mut self, listed: &'l Listed) -> Result<Open<'l>, LedgerError> {
        self.accounts += 1;
        (self.each)(Step::Account(&listed.account))?;
        Ok(Open {
            listed,
            head: (0, ChainHash::GENESIS),
        })
    }

    fn close(&mut self, open: Option<Open<'_>>) -> Result<(), LedgerError> {
        let Some(Open {
            listed,
            head: (seq, hash),
        }) = open
        else {
            return Ok(());
        };
        let account = &listed.account;
        let currency = account.currency.code().as_str();
        self.digest.account(account.user_id.as_str(), currency, seq, hash);
        match &listed.stored {
            Some(state) => (self.each)(Step::End(account, state)),
            None => Ok(()),
        }
    }
}

/// The account whose entries are being handed out.
struct Open<'l> {
    listed: &'l Listed,
    /// Sequence number and hash of its last entry so far.
    head: (i64, ChainHash),
}
