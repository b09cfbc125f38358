//! Every account's balance row held against its entries, in pages.
//!
//! A page is one snapshot, so writers are neither blocked nor mistaken for drift. The database sums the entries: all of
//! them, or those after what an earlier pass has proven, and then all of every account for which that raises a doubt.
//! Either way the last entry is looked up by its own number and never by what the balance row says, and what was proven
//! must still be there.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};

use super::deep::{Depths, read_depths};
use super::error::LedgerError;
use super::job::Run;
use super::progress::Progress;
use super::repair::{self, ChainBreak};
use super::verify::{Finding, Scope};
use super::{Ledger, interrupt};
use crate::db::balances::{StoredBalance, entries_expected, page_end, stored_balances};
use crate::db::entries::{Last, Summed, entries_last, entries_summed};
use crate::db::proofs::{Seen, proofs_held, proofs_put, proofs_screened, strays};
use crate::db::unit_of_work::{read, write_relaxed};
use crate::db::{Db, DbError, accounts};
use crate::domain::account::AccountId;
use crate::domain::anchor::Position;
use crate::domain::balance::{Break, State};
use crate::domain::chain::LedgerDigest;
use crate::domain::proof::{Held, Proof};
use crate::domain::time::Timestamp;

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

/// From so many accounts on, a second connection is worth opening.
const WORTH_A_CONNECTION: i64 = 1_000;

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
        positions: extent.positions.then(Vec::new),
    };
    let look = Look {
        depth: extent.depth,
        at: ledger.now(),
        run_id: run.id.clone(),
        read: AtomicU64::new(0),
    };
    match extent.scope {
        Scope::User { user_id, currency } => {
            let found = accounts::accounts_of_user(&mut ledger.db, user_id, currency.as_ref())?;
            if found.is_empty() {
                return Err(LedgerError::NotFound(format!("user {user_id} has no such account")));
            }
            for listed in found {
                let id = listed.account.id.get();
                scan.add(look.page(&mut ledger.db, (id, id), &|| {})?);
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
}

impl Look {
    /// A server sums everything on all cores by itself, SQLite on one; what is new it reads in one thread as fast as in two.
    const fn on_two_connections(&self, db: &Db) -> bool {
        match self.depth {
            Depth::Whole => db.is_sqlite(),
            Depth::SinceLast => !db.is_sqlite(),
            Depth::Deep => true,
        }
    }

    /// A server reads a range of accounts by going through the whole table, so it is asked for large ones.
    const fn page_size(&self, db: &Db) -> i64 {
        match self.depth {
            Depth::Deep if db.is_sqlite() => PAGE / 10,
            Depth::Deep => 3 * PAGE,
            Depth::Whole | Depth::SinceLast => PAGE,
        }
    }

    /// The accounts in `first..=last` on one snapshot; what is in sync is remembered.
    fn page(&self, db: &mut Db, (first, last): (i64, i64), told: &dyn Fn()) -> Result<Page, LedgerError> {
        let page = read(db, |db| match self.depth {
            Depth::Deep => Page::deep(db, (first, last), |entries| {
                self.read.fetch_add(entries, Ordering::Relaxed);
                told();
            }),
            depth => read_page(db, first, last, depth),
        })?;
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
            let ahead = scope.spawn(|| self.page(dbs.1, other, &|| {}));
            let here = self.page(dbs.0, one, told);
            let ahead = ahead
                .join()
                .unwrap_or_else(|_| Err(DbError::Failed("the second reader has stopped".into()).into()));
            Ok([here?, ahead?])
        })
    }
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
        if look.depth == Depth::Deep {
            progress.counts("entries");
            progress.begin(entries_expected(&mut ledger.db)?.unsigned_abs());
        } else {
            progress.begin(accounts.unsigned_abs());
        }
        ledger.db.read_once()?;
        let told = || progress.advance(look.read.swap(0, Ordering::Relaxed));
        let mut second = if look.on_two_connections(&ledger.db) && accounts >= WORTH_A_CONNECTION {
            Some(ledger.db.another()?)
        } else {
            None
        };
        let most = look.page_size(&ledger.db);
        let size = match second {
            Some(_) => most.min(accounts / 2 + 1),
            None => most,
        };
        // The last page of all has no end: what belongs to no account may have any id.
        let last = *range.end();
        let page_end = |db: &mut Db, first: i64| -> Result<Option<i64>, DbError> {
            let end = page_end(db, first.saturating_sub(1), size)?;
            Ok(end.filter(|end| *end < last))
        };
        let mut first = *range.start();
        loop {
            interrupt::check()?;
            run.keep(ledger)?;
            let middle = page_end(&mut ledger.db, first)?;
            let (pages, end) = match (&mut second, middle) {
                (Some(second), Some(middle)) => {
                    let end = page_end(&mut ledger.db, middle + 1)?;
                    let parts = [(first, middle), (middle + 1, end.unwrap_or(last))];
                    (Vec::from(look.halves((&mut ledger.db, second), parts, &told)?), end)
                }
                (_, end) => (
                    vec![look.page(&mut ledger.db, (first, end.unwrap_or(last)), &told)?],
                    end,
                ),
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

/// An account, and what its entries come to: its part of the digest.
pub(super) struct Head {
    pub(super) id: AccountId,
    pub(super) user_id: String,
    pub(super) currency: String,
    pub(super) state: State,
}

#[derive(Default)]
pub(super) struct Page {
    pub(super) checked: u64,
    entries: u64,
    summed: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) heads: Vec<Head>,
    /// What is in sync, where that is more than what was proven before.
    proven: Vec<Proof>,
}

/// The accounts with ids in `first..=last`, on the snapshot of the running transaction.
pub(super) fn read_page(db: &mut Db, first: i64, last: i64, depth: Depth) -> Result<Page, LedgerError> {
    let mut page = Page::default();
    match depth {
        Depth::Whole => page.look(db, first, last)?,
        Depth::SinceLast => page.screen(db, first, last)?,
        Depth::Deep => return Page::deep(db, (first, last), |_| {}),
    }
    Ok(page)
}

/// What the database has summed and looked up, by account.
struct Sources {
    depths: Depths,
    lasts: HashMap<AccountId, Last>,
    proofs: HashMap<AccountId, Held>,
}

impl Sources {
    fn new(depths: Depths, proofs: HashMap<AccountId, Held>) -> Self {
        Self {
            depths,
            lasts: HashMap::new(),
            proofs,
        }
    }
}

fn proofs_of(db: &mut Db, first: i64, last: i64) -> Result<HashMap<AccountId, Held>, LedgerError> {
    let proofs = proofs_held(db, first, last)?;
    Ok(proofs.into_iter().map(|held| (held.proof.account, held)).collect())
}

impl Page {
    /// Sums what is new, and looks at everything of the accounts for which that is not enough.
    fn screen(&mut self, db: &mut Db, first: i64, last: i64) -> Result<(), LedgerError> {
        let mut doubtful: Option<(i64, i64)> = None;
        for seen in proofs_screened(db, first, last)? {
            let id = seen.id.get();
            if seen.screened.is_some_and(|screened| screened.is_in_sync()) {
                if let Some((from, to)) = doubtful.take() {
                    self.look(db, from, to)?;
                }
                self.pass(seen);
            } else {
                doubtful = Some((doubtful.map_or(id, |(from, _)| from), id));
            }
        }
        if let Some((from, to)) = doubtful {
            self.look(db, from, to)?;
        }
        for id in strays(db, first, last)? {
            let known = self.findings.iter().any(|finding| finding.id == id);
            if !known {
                self.look(db, id.get(), id.get())?;
            }
        }
        Ok(())
    }

    fn pass(&mut self, seen: Seen) {
        let Some(screened) = seen.screened else { return };
        let state = screened.stored;
        self.checked += 1;
        self.entries += state.last_seq.unsigned_abs();
        self.summed += screened.entries.unsigned_abs();
        if screened.proven != state {
            self.proven.push(Proof {
                account: seen.id,
                state,
            });
        }
        self.heads.push(Head {
            id: seen.id,
            user_id: seen.user_id,
            currency: seen.currency,
            state,
        });
    }

    /// Sums every entry.
    fn look(&mut self, db: &mut Db, first: i64, last: i64) -> Result<(), LedgerError> {
        let stored = stored_balances(db, first, last)?;
        let sums = entries_summed(db, first, last)?;
        let depths = Depths {
            sums: sums.into_iter().map(|sums| (sums.account, sums)).collect(),
            ..Depths::default()
        };
        let proofs = proofs_of(db, first, last)?;
        self.compare(db, (first, last), stored, Sources::new(depths, proofs))
    }

    /// Reads every entry, telling now and then how many more have been read.
    fn deep(db: &mut Db, (first, last): (i64, i64), read: impl FnMut(u64)) -> Result<Self, LedgerError> {
        let mut page = Self::default();
        let stored = stored_balances(db, first, last)?;
        let proofs = proofs_of(db, first, last)?;
        let depths = read_depths(db, (first, last), &stored, &proofs, read)?;
        page.compare(db, (first, last), stored, Sources::new(depths, proofs))?;
        Ok(page)
    }

    fn compare(
        &mut self,
        db: &mut Db,
        (first, last): (i64, i64),
        stored: Vec<StoredBalance>,
        mut sources: Sources,
    ) -> Result<(), LedgerError> {
        sources.lasts = entries_last(db, first, last)?.into_iter().collect();
        self.heads.reserve(stored.len());
        for stored in stored {
            self.look_at(&mut sources, stored);
        }
        self.left_over(&mut sources);
        Ok(())
    }

    fn look_at(&mut self, sources: &mut Sources, stored: StoredBalance) {
        let sums = sources.depths.sums.remove(&stored.id);
        let held = sources.proofs.remove(&stored.id);
        let mut finding = Finding {
            id: stored.id,
            account: stored.account.clone(),
            drifts: Vec::new(),
            broken: None,
            orphaned: stored.account.is_none() && sums.is_some(),
            issues: sources.depths.issues.remove(&stored.id).unwrap_or_default(),
            fixed: false,
        };
        let Some(account) = stored.account.clone() else {
            finding.drifts = repair::extra(&stored);
            self.findings.push(finding);
            return;
        };
        self.checked += 1;
        let (actual, broken) = actual_state(sums, sources.lasts.get(&stored.id));
        self.entries += counted(sums);
        self.summed += counted(sums);
        finding.drifts = repair::drifts(&stored, &account, &actual);
        let first_broken = sources.depths.breaks.remove(&stored.id);
        finding.broken = first_broken.or(broken).or_else(|| held.and_then(contradiction));
        if !finding.drifts.is_empty() || finding.is_integrity() {
            self.findings.push(finding);
        } else if held.is_none_or(|held| held.proof.state != actual) {
            self.proven.push(Proof {
                account: stored.id,
                state: actual,
            });
        }
        self.heads.push(Head {
            id: stored.id,
            user_id: account.user_id.to_string(),
            currency: account.currency.code().to_string(),
            state: actual,
        });
    }

    /// Entries and records without account, and proofs of accounts that are gone.
    fn left_over(&mut self, sources: &mut Sources) {
        let Sources { depths, proofs, .. } = sources;
        let mut orphans: Vec<AccountId> = depths.sums.keys().chain(proofs.keys()).copied().collect();
        orphans.extend(depths.issues.keys());
        orphans.sort();
        orphans.dedup();
        for id in orphans {
            let gone = proofs.get(&id).map(|held| ChainBreak {
                seq: held.proof.state.last_seq,
                reason: Break::Gone,
            });
            self.findings.push(Finding {
                id,
                account: None,
                drifts: Vec::new(),
                broken: gone,
                orphaned: depths.sums.contains_key(&id),
                issues: depths.issues.remove(&id).unwrap_or_default(),
                fixed: false,
            });
        }
    }
}

/// How what was proven is no longer so.
fn contradiction(held: Held) -> Option<ChainBreak> {
    let seq = held.proof.state.last_seq;
    held.contradiction().map(|reason| ChainBreak { seq, reason })
}

fn counted(sums: Option<Summed>) -> u64 {
    sums.map_or(0, |sums| sums.entries.unsigned_abs())
}

/// The state that the entries come to, and what the sums alone already show to be broken.
fn actual_state(sums: Option<Summed>, last: Option<&Last>) -> (State, Option<ChainBreak>) {
    let Some((sums, last)) = sums.zip(last) else {
        return (State::default(), None);
    };
    let state = State {
        figures: sums.figures,
        last_seq: last.seq,
        chain_head: last.hash,
    };
    let broken = if sums.entries != last.seq {
        Some(Break::Sequence)
    } else if sums.figures.standing() != last.after {
        Some(Break::Figures)
    } else {
        None
    };
    (state, broken.map(|reason| ChainBreak { seq: last.seq, reason }))
}
