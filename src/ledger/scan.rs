//! Every account's balance row held against its entries, in pages.
//!
//! A page is one snapshot, so writers are neither blocked nor mistaken for drift. The database sums the entries: all of
//! them, or those after what an earlier pass has proven. Either way the last entry is looked up by its own number and
//! never by what the balance row says, and what was proven must still be there.

use std::collections::HashMap;

use super::error::LedgerError;
use super::job::Run;
use super::progress::Progress;
use super::repair::{self, ChainBreak};
use super::verify::{Finding, Scope};
use super::{Ledger, interrupt};
use crate::db::balances::{StoredBalance, page_end, stored_balances};
use crate::db::entries::{Last, Summed, entries_last, entries_summed};
use crate::db::proofs::{entries_summed_since_proof, proofs_held, proofs_put};
use crate::db::unit_of_work::{read, write_relaxed};
use crate::db::{Db, accounts};
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::{Break, State};
use crate::domain::chain::LedgerDigest;
use crate::domain::drift::Drift;
use crate::domain::proof::{Held, Proof, moved_on};

/// How much of the journal is summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every entry.
    Whole,
    /// The entries after each account's last proof; every entry where there is no proof, or one that does not hold.
    SinceLast,
}

pub(super) struct Scan {
    pub(super) checked: u64,
    pub(super) entries: u64,
    pub(super) summed: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) digest: LedgerDigest,
}

/// Accounts per snapshot: bounds memory, and how long a writer's log must be kept.
const PAGE: i64 = 20_000;

pub(super) fn scan(
    ledger: &mut Ledger,
    run: &mut Run,
    scope: &Scope,
    depth: Depth,
    progress: &dyn Progress,
) -> Result<Scan, LedgerError> {
    let mut scan = Scan {
        checked: 0,
        entries: 0,
        summed: 0,
        findings: Vec::new(),
        digest: LedgerDigest::default(),
    };
    match scope {
        Scope::User { user_id, currency } => {
            let found = accounts::accounts_of_user(&mut ledger.db, user_id, currency.as_ref())?;
            if found.is_empty() {
                return Err(LedgerError::NotFound(format!("user {user_id} has no such account")));
            }
            for listed in found {
                let id = listed.account.id.get();
                let page = read(&mut ledger.db, |db| read_page(db, id, id, depth))?;
                keep_proofs(ledger, run, &page.proven)?;
                scan.add(page);
            }
        }
        Scope::All => {
            progress.begin(accounts::accounts_count(&mut ledger.db)?.unsigned_abs());
            let mut after = i64::MIN;
            loop {
                interrupt::check()?;
                run.keep(ledger)?;
                let end = page_end(&mut ledger.db, after, PAGE)?;
                // The last page has no end: what belongs to no account may have any id.
                let page = read(&mut ledger.db, |db| {
                    read_page(db, after.saturating_add(1), end.unwrap_or(i64::MAX), depth)
                })?;
                keep_proofs(ledger, run, &page.proven)?;
                progress.advance(page.checked);
                scan.add(page);
                match end {
                    Some(end) => after = end,
                    None => break,
                }
            }
            progress.finish();
        }
    }
    Ok(scan)
}

/// Proofs in one transaction: on SQLite others wait for so many rows, a few milliseconds.
const PROOFS: usize = 2_000;

/// Remembers what has been proven. Losing it costs the next pass time and nothing else.
fn keep_proofs(ledger: &mut Ledger, run: &Run, proven: &[Proof]) -> Result<(), LedgerError> {
    let at = ledger.now();
    for proofs in proven.chunks(PROOFS) {
        write_relaxed(&mut ledger.db, "proofs", |db| -> Result<(), LedgerError> {
            Ok(proofs_put(db, proofs, at, &run.id)?)
        })?;
    }
    Ok(())
}

impl Scan {
    fn add(&mut self, page: Page) {
        self.checked += page.checked;
        self.entries += page.entries;
        self.summed += page.summed;
        self.findings.extend(page.findings);
        for (account, state) in page.heads {
            let currency = account.currency.code().as_str();
            self.digest
                .account(account.user_id.as_str(), currency, state.last_seq, state.chain_head);
        }
    }
}

#[derive(Default)]
pub(super) struct Page {
    checked: u64,
    entries: u64,
    summed: u64,
    pub(super) findings: Vec<Finding>,
    heads: Vec<(Account, State)>,
    /// What is in sync, where that is more than what was proven before.
    proven: Vec<Proof>,
}

/// What the database has summed and looked up, by account.
struct Sources {
    depth: Depth,
    sums: HashMap<AccountId, Summed>,
    lasts: HashMap<AccountId, Last>,
    proofs: HashMap<AccountId, Held>,
}

/// The accounts with ids in `first..=last`, on the snapshot of the running transaction.
pub(super) fn read_page(db: &mut Db, first: i64, last: i64, depth: Depth) -> Result<Page, LedgerError> {
    let stored = stored_balances(db, first, last)?;
    let sums = match depth {
        Depth::Whole => entries_summed(db, first, last)?,
        Depth::SinceLast => entries_summed_since_proof(db, first, last)?,
    };
    let mut sources = Sources {
        depth,
        sums: sums.into_iter().map(|sums| (sums.account, sums)).collect(),
        lasts: entries_last(db, first, last)?.into_iter().collect(),
        proofs: proofs_held(db, first, last)?
            .into_iter()
            .map(|held| (held.proof.account, held))
            .collect(),
    };
    let mut page = Page {
        heads: Vec::with_capacity(stored.len()),
        ..Page::default()
    };
    for stored in stored {
        page.look_at(db, &mut sources, stored)?;
    }
    page.left_over(&sources);
    Ok(page)
}

/// What an account's entries come to, and what the sums alone already show to be broken.
struct Actual {
    state: State,
    broken: Option<Break>,
    /// Whether a proof was built upon.
    upon_proof: bool,
    entries: u64,
    summed: u64,
}

impl Sources {
    /// From the sums at hand; `None` where a proof would be needed that cannot be believed.
    fn actual(&mut self, id: AccountId) -> Option<Actual> {
        let (sums, last) = (self.sums.remove(&id), self.lasts.get(&id));
        let summed = counted(sums);
        let held = self.proofs.get(&id).filter(|_| self.depth == Depth::SinceLast);
        let (sums, upon_proof) = match held {
            None => (sums, false),
            Some(held) => (Some(added(held.start()?, id, sums)?), true),
        };
        let (state, broken) = actual_state(sums, last);
        Some(Actual {
            state,
            broken,
            upon_proof,
            entries: counted(sums),
            summed,
        })
    }
}

/// The sums of the proven entries and the later ones; `None` beyond the range.
fn added(start: State, account: AccountId, later: Option<Summed>) -> Option<Summed> {
    let (entries, figures) = match later {
        None => (0, start.figures),
        Some(later) => (later.entries, moved_on(&start.figures, &later.figures)?),
    };
    Some(Summed {
        account,
        entries: start.last_seq.checked_add(entries)?,
        figures,
    })
}

impl Page {
    fn look_at(&mut self, db: &mut Db, sources: &mut Sources, stored: StoredBalance) -> Result<(), LedgerError> {
        let mut finding = Finding {
            id: stored.id,
            account: stored.account.clone(),
            drifts: Vec::new(),
            broken: None,
            orphaned: stored.account.is_none() && sources.sums.remove(&stored.id).is_some(),
            fixed: false,
        };
        let Some(account) = stored.account.clone() else {
            finding.drifts = repair::extra(&stored);
            sources.proofs.remove(&stored.id);
            self.findings.push(finding);
            return Ok(());
        };
        self.checked += 1;
        let held = sources.proofs.get(&stored.id).copied();
        let (actual, drifts) = match sources
            .actual(stored.id)
            .map(|actual| with_drifts(actual, &stored, &account))
        {
            Some((actual, drifts)) if !actual.upon_proof || (drifts.is_empty() && actual.broken.is_none()) => {
                (actual, drifts)
            }
            // Is it the account that differs, or what was said to be proven of it? Every entry tells.
            _ => with_drifts(whole(db, stored.id, sources.lasts.get(&stored.id))?, &stored, &account),
        };
        sources.proofs.remove(&stored.id);
        let contradiction =
            held.and_then(|held| held.contradiction().map(|reason| (held.proof.state.last_seq, reason)));
        let broken = actual.broken.map(|reason| (actual.state.last_seq, reason));
        finding.broken = broken.or(contradiction).map(|(seq, reason)| ChainBreak { seq, reason });
        finding.drifts = drifts;
        self.entries += actual.entries;
        self.summed += actual.summed;
        if !finding.drifts.is_empty() || finding.broken.is_some() {
            self.findings.push(finding);
        } else if held.is_none_or(|held| held.proof.state != actual.state) {
            self.proven.push(Proof {
                account: stored.id,
                state: actual.state,
            });
        }
        self.heads.push((account, actual.state));
        Ok(())
    }

    /// Entries without account, and proofs of accounts that are gone.
    fn left_over(&mut self, sources: &Sources) {
        let mut orphans: Vec<&AccountId> = sources.sums.keys().collect();
        orphans.extend(sources.proofs.keys().filter(|id| !sources.sums.contains_key(*id)));
        orphans.sort();
        for id in orphans {
            let gone = sources.proofs.get(id).map(|held| ChainBreak {
                seq: held.proof.state.last_seq,
                reason: Break::Gone,
            });
            self.findings.push(Finding {
                id: *id,
                account: None,
                drifts: Vec::new(),
                broken: gone,
                orphaned: sources.sums.contains_key(id),
                fixed: false,
            });
        }
    }
}

fn with_drifts(actual: Actual, stored: &StoredBalance, account: &Account) -> (Actual, Vec<Drift>) {
    let drifts = repair::drifts(stored, account, &actual.state);
    (actual, drifts)
}

/// From every entry of the account.
fn whole(db: &mut Db, id: AccountId, last: Option<&Last>) -> Result<Actual, LedgerError> {
    let sums = entries_summed(db, id.get(), id.get())?.into_iter().next();
    let (state, broken) = actual_state(sums, last);
    Ok(Actual {
        state,
        broken,
        upon_proof: false,
        entries: counted(sums),
        summed: counted(sums),
    })
}

fn counted(sums: Option<Summed>) -> u64 {
    sums.map_or(0, |sums| sums.entries.unsigned_abs())
}

fn actual_state(sums: Option<Summed>, last: Option<&Last>) -> (State, Option<Break>) {
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
    (state, broken)
}
