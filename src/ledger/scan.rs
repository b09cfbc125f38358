//! Every account's balance row held against its entries, in pages.
//!
//! A page is one snapshot, so writers are neither blocked nor mistaken for drift. The database sums the entries: all of
//! them, or those after what an earlier pass has proven, and then all of every account for which that raises a doubt.

mod page;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

use super::account::all_of;
use super::error::LedgerError;
use super::job::Run;
use super::progress::Progress;
use super::verify::{Finding, Scope};
use super::{Ledger, deep, interrupt};
use crate::db::accounts::page_end;
use crate::db::balances::{entries_expected, page_end_within};
use crate::db::proofs::proofs_put;
use crate::db::unit_of_work::{read, read_together, write_relaxed};
use crate::db::{Db, DbError, accounts};
use crate::domain::account::{Account, AccountId};
use crate::domain::anchor::Position;
use crate::domain::balance::State;
use crate::domain::chain::LedgerDigest;
use crate::domain::proof::Proof;
use crate::domain::time::Timestamp;
use page::Page;

pub(super) use page::read_page;

/// How much of the journal is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every entry.
    Whole,
    /// The entries after each account's last proof; every entry where there is no proof, or one that does not hold.
    SinceLast,
    /// Every entry read and hashed anew, and everything beside the entries held against them.
    Deep,
}

pub(super) struct Scan {
    pub(super) checked: u64,
    pub(super) entries: u64,
    pub(super) summed: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) digest: LedgerDigest,
    /// Accounts whose server is away. Then the digest is of the others.
    pub(super) unseen: Vec<Account>,
    /// Where every account stands, if that is wanted.
    pub(super) positions: Option<Vec<Position>>,
}

/// What a scan looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent<'a> {
    pub(super) scope: &'a Scope,
    pub(super) depth: Depth,
    pub(super) positions: bool,
}

impl<'a> Extent<'a> {
    /// Sums of every entry.
    pub(super) const fn whole(scope: &'a Scope) -> Self {
        Self {
            scope,
            depth: Depth::Whole,
            positions: false,
        }
    }
}

/// Accounts per snapshot: bounds memory, and how long a writer's log must be kept.
pub(super) const PAGE: i64 = 20_000;

/// From so many accounts on, a second connection is worth opening; or from so many entries on that are read one by one.
const ACCOUNTS_FOR_TWO: i64 = 1_000;
const ENTRIES_FOR_TWO: i64 = 50_000;

pub(super) fn scan(
    ledger: &mut Ledger,
    run: &mut Run,
    extent: Extent<'_>,
    progress: &dyn Progress,
) -> Result<Scan, LedgerError> {
    let mut scan = Scan {
        checked: 0,
        entries: 0,
        summed: 0,
        findings: Vec::new(),
        digest: LedgerDigest::default(),
        unseen: Vec::new(),
        positions: extent.positions.then(Vec::new),
    };
    let look = Look {
        depth: extent.depth,
        at: ledger.now(),
        run_id: run.id.clone(),
        read: AtomicU64::new(0),
        of_entries: match extent.scope {
            Scope::User { .. } => None,
            Scope::Accounts(_) => Some(entries_wanted(&mut ledger.db)?),
        },
    };
    match extent.scope {
        Scope::User { user_id, currency } => {
            for listed in all_of(&mut ledger.db, user_id, currency.as_ref())? {
                let id = listed.account.id.get();
                scan.add(look.page((&mut ledger.db, None), (id, id), &|| {})?);
            }
        }
        Scope::Accounts(range) => scan.accounts(ledger, run, (&look, range), progress)?,
    }
    Ok(scan)
}

/// How a scan looks at accounts, on whichever connection.
struct Look {
    depth: Depth,
    at: Timestamp,
    run_id: String,
    /// Entries read and not yet told.
    read: AtomicU64,
    /// How many entries the whole ledger has, where many accounts are looked at.
    of_entries: Option<i64>,
}

/// What a second connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Second {
    /// It looks at other accounts.
    Apart,
    /// It sees the same moment, and reads something else of the same accounts.
    Beside,
}

impl Look {
    /// A server sums everything on all cores by itself, SQLite on one; what is new it reads in one thread as fast as in two.
    const fn second(&self, db: &Db) -> Option<Second> {
        match self.depth {
            Depth::Whole if db.is_sqlite() => Some(Second::Apart),
            Depth::SinceLast if !db.is_sqlite() => Some(Second::Apart),
            Depth::Whole | Depth::SinceLast => None,
            Depth::Deep => Some(Second::Beside),
        }
    }

    /// How large a page may be of a ledger with so many accounts and entries, if two are looked at at once.
    fn limits(&self, db: &Db, in_halves: bool, (accounts, entries): (i64, i64)) -> Limits {
        match self.depth {
            Depth::Deep => Limits {
                // A server reads a range of accounts by going through the whole table, so it is asked for large ones.
                accounts: if db.is_sqlite() { PAGE } else { 3 * PAGE },
                entries: Some(deep::most_entries(!db.is_sqlite())),
            },
            Depth::Whole => Limits {
                accounts: PAGE,
                // Some accounts have many times the entries of others, and both halves are to have as much to do.
                entries: in_halves.then_some(entries / 2 + entries / 32 + 1),
            },
            // Of each account the new entries alone are read, whose number no row tells.
            Depth::SinceLast => Limits {
                accounts: if in_halves { PAGE.min(accounts / 2 + 1) } else { PAGE },
                entries: None,
            },
        }
    }

    /// The accounts in `first..=last`, together or, where some of them are away, each by itself.
    fn page(
        &self,
        (db, beside): (&mut Db, Option<&mut Db>),
        range: (i64, i64),
        told: &dyn Fn(),
    ) -> Result<Page, LedgerError> {
        match self.snapshot((&mut *db, beside), range, told) {
            Err(LedgerError::Db(DbError::Away(_))) => self.apart(db, range, told),
            Err(LedgerError::Db(DbError::Integrity(_))) => self.around(db, range, told),
            page => page,
        }
    }

    /// All but what cannot be read, which is a finding by itself: in halves, until it is one account.
    fn around(&self, db: &mut Db, (first, last): (i64, i64), told: &dyn Fn()) -> Result<Page, LedgerError> {
        let mut all = Page::default();
        let mut parts = vec![(first, last)];
        while let Some((first, last)) = parts.pop() {
            interrupt::check()?;
            match self.snapshot((&mut *db, None), (first, last), told) {
                Ok(page) => all.extend(page),
                Err(error @ LedgerError::Db(DbError::Integrity(_))) if first == last => {
                    let id = AccountId::new(first);
                    let account = accounts::account_by_id(db, id).ok().flatten();
                    let mut finding = Finding::new(id, account.map(|listed| listed.account));
                    finding.obstacle = Some(error.into());
                    all.findings.push(finding);
                    all.checked += 1;
                }
                Err(LedgerError::Db(DbError::Integrity(_))) => {
                    let middle = first + (last.abs_diff(first) / 2).cast_signed();
                    parts.extend([(middle + 1, last), (first, middle)]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Rows of no account at all are not looked for: they may be on any server.
    fn apart(&self, db: &mut Db, (first, last): (i64, i64), told: &dyn Fn()) -> Result<Page, LedgerError> {
        const AT_ONCE: i64 = 1_000;
        let mut all = Page::default();
        let mut after = first.saturating_sub(1);
        loop {
            let mut accounts = accounts::accounts_alone(db, after, AT_ONCE)?;
            accounts.retain(|account| account.id.get() <= last);
            let Some(end) = accounts.last() else { return Ok(all) };
            after = end.id.get();
            for account in accounts {
                interrupt::check()?;
                let id = account.id.get();
                match self.around(db, (id, id), told) {
                    Ok(page) => all.extend(page),
                    Err(LedgerError::Db(DbError::Away(_))) => all.unseen.push(account),
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// The accounts in `first..=last` on one snapshot; what is in sync is remembered.
    fn snapshot(
        &self,
        (db, beside): (&mut Db, Option<&mut Db>),
        (first, last): (i64, i64),
        told: &dyn Fn(),
    ) -> Result<Page, LedgerError> {
        let count = |entries| {
            self.read.fetch_add(entries, Ordering::Relaxed);
            told();
        };
        let deep = |db: &mut Db, beside: Option<&mut Db>| -> Result<Page, LedgerError> {
            Page::deep((db, beside), (first, last), self.of_entries, count)
        };
        let page = match (self.depth, beside) {
            (Depth::Deep, Some(beside)) => read_together(db, beside, deep),
            (Depth::Deep, None) => read(db, |db| deep(db, None)),
            (depth, _) => read(db, |db| read_page(db, first, last, depth)),
        }?;
        self.keep_proofs(db, &page.proven)?;
        Ok(page)
    }

    /// Losing what has been proven costs the next pass time and nothing else.
    fn keep_proofs(&self, db: &mut Db, proven: &[Proof]) -> Result<(), LedgerError> {
        // On SQLite others wait for so many rows, a few milliseconds.
        const ROWS: usize = 2_000;
        for proofs in proven.chunks(ROWS) {
            write_relaxed(db, "proofs", |db| -> Result<(), LedgerError> {
                Ok(proofs_put(db, proofs, self.at, &self.run_id)?)
            })?;
        }
        Ok(())
    }

    /// The same on two connections at once, in two parts.
    fn halves(
        &self,
        dbs: (&mut Db, &mut Db),
        [one, other]: [(i64, i64); 2],
        told: &dyn Fn(),
    ) -> Result<[Page; 2], LedgerError> {
        std::thread::scope(|scope| {
            let ahead = scope.spawn(|| self.page((dbs.1, None), other, &|| {}));
            let here = self.page((dbs.0, None), one, told);
            let ahead = ahead
                .join()
                .unwrap_or_else(|_| Err(DbError::Failed("the second reader has stopped".into()).into()));
            Ok([here?, ahead?])
        })
    }
}

/// How many entries a scan has before it; nobody knows while a server is away.
fn entries_wanted(db: &mut Db) -> Result<i64, DbError> {
    match entries_expected(db) {
        Err(DbError::Away(_)) => Ok(0),
        expected => expected,
    }
}

/// How much a page has at the most.
struct Limits {
    accounts: i64,
    entries: Option<i64>,
}

impl Scan {
    fn accounts(
        &mut self,
        ledger: &mut Ledger,
        run: &mut Run,
        (look, range): (&Look, &RangeInclusive<i64>),
        progress: &dyn Progress,
    ) -> Result<(), LedgerError> {
        let accounts = accounts::accounts_count(&mut ledger.db)?;
        let accounts = accounts.min(range.end().saturating_sub(*range.start()).saturating_add(1));
        let entries = look.of_entries.unwrap_or(0);
        if look.depth == Depth::Deep {
            progress.counts("entries");
            progress.begin(entries.unsigned_abs());
        } else {
            progress.begin(accounts.unsigned_abs());
        }
        ledger.db.read_once()?;
        let told = || progress.advance(look.read.swap(0, Ordering::Relaxed));
        let is_worth_it = accounts >= ACCOUNTS_FOR_TWO || look.depth == Depth::Deep && entries >= ENTRIES_FOR_TWO;
        let second = look.second(&ledger.db).filter(|_| is_worth_it);
        let mut other = second.map(|_| ledger.db.another()).transpose()?;
        let in_halves = second == Some(Second::Apart);
        let limits = look.limits(&ledger.db, in_halves, (accounts, entries));
        // The last page of all has no end: what belongs to no account may have any id.
        let last = *range.end();
        let page_end = |db: &mut Db, first: i64| -> Result<Option<i64>, DbError> {
            let after = first.saturating_sub(1);
            let end = match limits.entries {
                Some(entries) => match page_end_within(db, after, limits.accounts, entries) {
                    Err(DbError::Away(_)) => page_end(db, after, limits.accounts)?,
                    end => end?,
                },
                None => page_end(db, after, limits.accounts)?,
            };
            Ok(end.filter(|end| *end < last))
        };
        let mut first = *range.start();
        loop {
            interrupt::check()?;
            run.keep(ledger)?;
            let middle = page_end(&mut ledger.db, first)?;
            let (pages, end) = match (&mut other, middle) {
                (Some(other), Some(middle)) if in_halves => {
                    let end = page_end(&mut ledger.db, middle + 1)?;
                    let parts = [(first, middle), (middle + 1, end.unwrap_or(last))];
                    (Vec::from(look.halves((&mut ledger.db, other), parts, &told)?), end)
                }
                (other, end) => {
                    let dbs = (&mut ledger.db, other.as_mut());
                    (vec![look.page(dbs, (first, end.unwrap_or(last)), &told)?], end)
                }
            };
            for page in pages {
                if look.depth != Depth::Deep {
                    progress.advance(page.checked);
                }
                self.add(page);
            }
            told();
            match end {
                Some(end) => first = end + 1,
                None => break,
            }
        }
        progress.finish();
        Ok(())
    }

    fn add(&mut self, page: Page) {
        self.checked += page.checked;
        self.entries += page.entries;
        self.summed += page.summed;
        self.findings.extend(page.findings);
        self.unseen.extend(page.unseen);
        for head in page.heads {
            let State {
                last_seq, chain_head, ..
            } = head.state;
            self.digest.account(&head.user_id, &head.currency, last_seq, chain_head);
            if let Some(positions) = &mut self.positions {
                positions.push(Position {
                    user_id: head.user_id,
                    currency: head.currency,
                    seq: last_seq,
                    head: chain_head,
                });
            }
        }
    }
}
