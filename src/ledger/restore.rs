//! `apply --import`: a whole ledger from its export, in one transaction: all of it or nothing.
//!
//! Every entry has to follow from the one before and every balance row from its entries, as it does in a ledger that
//! was never moved.

use super::act::act;
use super::error::LedgerError;
use super::export::{Beside, Exported};
use super::progress::Progress;
use super::{Ledger, interrupt};
use crate::db::accounts::{accounts_count, currency_find, currency_insert};
use crate::db::balances::balance_put;
use crate::db::restore::{account_restore, accounts_lock, beside_restore, entries_restore, intents_restore};
use crate::db::unit_of_work::write;
use crate::db::{Db, DbError};
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::{State, fold};
use crate::domain::chain::LedgerDigest;
use crate::domain::code::Code;
use crate::domain::currency::Currency;
use crate::domain::entry::Entry;
use crate::domain::intent::Intent;

/// A part of an export, in its order.
#[derive(Clone, Debug)]
pub enum Part {
    Currency(Currency),
    Account(Account),
    /// Of the account before.
    Entry(Box<Entry>),
    /// The balance row of the account before; no more entries follow.
    Balance(State),
    /// Of one of the accounts before.
    Beside(Box<Beside>),
    /// What the export says that it held; nothing follows.
    End(Exported),
}

/// Where parts come from: each with the number of its line, `None` behind the last one.
pub type Parts<'a> = &'a mut dyn FnMut() -> Result<Option<(u64, Part)>, LedgerError>;

/// Fills an empty ledger with these parts; what it holds then.
///
/// # Errors
///
/// `ledger_not_empty` where there are accounts; `integrity` for a part that does not follow from those before, with
/// the number of its line. Nothing is kept then.
pub fn restore(ledger: &mut Ledger, parts: Parts<'_>, progress: &dyn Progress) -> Result<Exported, LedgerError> {
    let (actor, at) = (ledger.actor.clone(), ledger.now());
    let mut parts = Some(parts);
    write(&mut ledger.db, "apply --import", |db| {
        accounts_lock(db)?;
        check_empty(db)?;
        // What has been read cannot be read again.
        let parts = parts.take().ok_or_else(|| {
            LedgerError::Busy("others were at work in the database; nothing was kept; import again".into())
        })?;
        let restored = Restoring::new(db).all(parts, progress)?;
        let after = serde_json::json!({
            "accounts": restored.accounts,
            "entries": restored.entries,
            "digest": restored.digest.to_string(),
        });
        act(AccountId::NONE, "apply --import", (&actor, at))
            .after(after)
            .record(db)?;
        Ok(restored)
    })
}

fn check_empty(db: &mut Db) -> Result<(), LedgerError> {
    match accounts_count(db)? {
        0 => Ok(()),
        present => Err(LedgerError::invalid(
            Code::LedgerNotEmpty,
            format!("the ledger has {present} accounts; nothing was written; import into a new database"),
        )),
    }
}

/// A line that cannot stand where it does, and why.
pub fn broken(line: u64, reason: impl std::fmt::Display) -> LedgerError {
    LedgerError::invalid(
        Code::Integrity,
        format!("line {line}: {reason}; nothing was kept: export the ledger again"),
    )
}

/// Rows per statement.
const ROWS: usize = 1_000;

/// What has been restored so far, and what waits to be written.
struct Restoring<'a> {
    db: &'a mut Db,
    open: Option<(Account, State)>,
    entries: Vec<(AccountId, Entry)>,
    intents: Vec<Intent>,
    last: AccountId,
    counted: (u64, u64),
    digest: LedgerDigest,
}

impl<'a> Restoring<'a> {
    fn new(db: &'a mut Db) -> Self {
        Self {
            db,
            open: None,
            entries: Vec::with_capacity(ROWS),
            intents: Vec::with_capacity(ROWS),
            last: AccountId::new(0),
            counted: (0, 0),
            digest: LedgerDigest::default(),
        }
    }

    fn all(mut self, parts: Parts<'_>, progress: &dyn Progress) -> Result<Exported, LedgerError> {
        progress.begin(0);
        let mut said = None;
        while let Some((line, part)) = parts()? {
            interrupt::check()?;
            match part {
                Part::End(exported) => said = Some((line, exported)),
                Part::Balance(_) => {
                    self.part(line, part)?;
                    progress.advance(1);
                }
                part => self.part(line, part)?,
            }
        }
        let (line, said) = said.ok_or_else(|| broken(0, "the export has no end"))?;
        self.flush(line)?;
        let (accounts, entries) = self.counted;
        let restored = Exported {
            accounts,
            entries,
            digest: self.digest.finish(),
        };
        if restored != said {
            return Err(broken(line, "what it sums up is not what the lines before come to"));
        }
        progress.finish();
        Ok(restored)
    }

    fn part(&mut self, line: u64, part: Part) -> Result<(), LedgerError> {
        match part {
            Part::Currency(currency) => self.currency(&currency),
            Part::Account(account) => self.account(line, account),
            Part::Entry(entry) => self.entry(line, *entry),
            Part::Balance(stored) => self.balance(line, &stored),
            Part::Beside(beside) => self.beside(line, *beside),
            Part::End(_) => Ok(()),
        }
    }

    /// Those of ISO 4217 are known everywhere.
    fn currency(&mut self, currency: &Currency) -> Result<(), LedgerError> {
        let code = currency.code();
        let known = match Currency::iso(code.as_str()) {
            Some(iso) => Some(iso),
            None => currency_find(self.db, code)?,
        };
        match known {
            None => Ok(currency_insert(self.db, currency)?),
            Some(known) if known == *currency => Ok(()),
            Some(known) => Err(LedgerError::invalid(
                Code::LedgerNotEmpty,
                format!(
                    "{code} is known here with {} decimal places and comes with {}; nothing was kept",
                    known.exponent(),
                    currency.exponent()
                ),
            )),
        }
    }

    fn account(&mut self, line: u64, account: Account) -> Result<(), LedgerError> {
        if account.id <= self.last {
            return Err(broken(line, "the number of the account does not follow the one before"));
        }
        account_restore(self.db, &account).map_err(|error| unwritable(line, error))?;
        self.last = account.id;
        self.open = Some((account, State::default()));
        Ok(())
    }

    fn entry(&mut self, line: u64, entry: Entry) -> Result<(), LedgerError> {
        let Some((account, state)) = &mut self.open else {
            return Err(broken(line, "an entry follows no account"));
        };
        let name = (account.user_id.as_str(), account.currency.code().as_str());
        *state = fold(state, name, &entry).map_err(|how| broken(line, how.meaning()))?;
        self.counted.1 += 1;
        self.entries.push((account.id, entry));
        if self.entries.len() >= ROWS {
            self.flush(line)?;
        }
        Ok(())
    }

    fn balance(&mut self, line: u64, stored: &State) -> Result<(), LedgerError> {
        let Some((account, state)) = self.open.take() else {
            return Err(broken(line, "a balance row follows no account"));
        };
        if state != *stored {
            return Err(broken(
                line,
                "the balance row is not what the entries come to; where the ledger itself says so, `ledger rebuild` it",
            ));
        }
        balance_put(self.db, &account, &state).map_err(|error| unwritable(line, error))?;
        let currency = account.currency.code().as_str();
        self.digest
            .account(account.user_id.as_str(), currency, state.last_seq, state.chain_head);
        self.counted.0 += 1;
        Ok(())
    }

    fn beside(&mut self, line: u64, beside: Beside) -> Result<(), LedgerError> {
        match beside {
            Beside::Intent(intent) => {
                self.intents.push(intent);
                if self.intents.len() >= ROWS {
                    self.flush(line)?;
                }
                Ok(())
            }
            other => beside_restore(self.db, &other).map_err(|error| unwritable(line, error)),
        }
    }

    fn flush(&mut self, line: u64) -> Result<(), LedgerError> {
        let written = entries_restore(self.db, &self.entries).and_then(|()| intents_restore(self.db, &self.intents));
        self.entries.clear();
        self.intents.clear();
        written.map_err(|error| unwritable(line, error))
    }
}

/// What the checks of the tables refuse is the export's fault; that line, or one of those before it.
fn unwritable(line: u64, error: DbError) -> LedgerError {
    match error {
        DbError::Taken(reason) | DbError::Failed(reason) => broken(
            line,
            format!("it, or a line before it, cannot stand in a ledger ({reason})"),
        ),
        other => other.into(),
    }
}
