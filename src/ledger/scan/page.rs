//! A page of accounts on one snapshot: what the database has summed and looked up, held against the balance rows.
//!
//! The last entry is looked up by its own number and never by what the balance row says, and what was proven must still
//! be there.

use std::collections::HashMap;

use super::Depth;
use crate::db::Db;
use crate::db::balances::{StoredBalance, stored_balances};
use crate::db::entries::{Last, Summed, entries_last, entries_summed};
use crate::db::proofs::{Seen, proofs_held, proofs_screened, strays};
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::{Break, State};
use crate::domain::currency::CurrencyCode;
use crate::domain::proof::{Held, Proof};
use crate::domain::text::UserId;
use crate::ledger::deep::{Depths, Extract, read_depths};
use crate::ledger::error::LedgerError;
use crate::ledger::repair::{self, ChainBreak};
use crate::ledger::verify::Finding;

/// An account, and what its entries come to: its part of the digest.
pub(in crate::ledger) struct Head {
    pub(in crate::ledger) id: AccountId,
    pub(in crate::ledger) user_id: String,
    pub(in crate::ledger) currency: String,
    pub(in crate::ledger) state: State,
}

#[derive(Default)]
pub(in crate::ledger) struct Page {
    pub(in crate::ledger) checked: u64,
    pub(super) entries: u64,
    pub(super) summed: u64,
    pub(in crate::ledger) findings: Vec<Finding>,
    pub(in crate::ledger) heads: Vec<Head>,
    /// What could not be looked at, because the server that has it is away.
    pub(super) unseen: Vec<Account>,
    /// What is in sync, where that is more than what was proven before.
    pub(super) proven: Vec<Proof>,
}

/// The accounts with ids in `first..=last`, on the snapshot of the running transaction.
pub(in crate::ledger) fn read_page(db: &mut Db, first: i64, last: i64, depth: Depth) -> Result<Page, LedgerError> {
    let mut page = Page::default();
    match depth {
        Depth::Whole => page.look(db, first, last)?,
        Depth::SinceLast => page.screen(db, first, last)?,
        Depth::Deep => return Page::deep((db, None), (first, last), None, |_| {}),
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
    pub(super) fn extend(&mut self, other: Self) {
        self.checked += other.checked;
        self.entries += other.entries;
        self.summed += other.summed;
        self.findings.extend(other.findings);
        self.heads.extend(other.heads);
        self.unseen.extend(other.unseen);
        self.proven.extend(other.proven);
    }

    /// Sums what is new, and looks at everything of the accounts for which that is not enough.
    fn screen(&mut self, db: &mut Db, first: i64, last: i64) -> Result<(), LedgerError> {
        let mut doubtful: Option<(i64, i64)> = None;
        for seen in proofs_screened(db, first, last)? {
            let id = seen.id.get();
            if seen.screened.is_some_and(|screened| screened.is_in_sync()) && has_a_name(&seen) {
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

    /// Reads every entry, telling now and then how many more have been read; see [`Extract`].
    pub(super) fn deep(
        (db, beside): (&mut Db, Option<&mut Db>),
        range: (i64, i64),
        of_entries: Option<i64>,
        read: impl FnMut(u64),
    ) -> Result<Self, LedgerError> {
        let mut page = Self::default();
        let stored = stored_balances(db, range.0, range.1)?;
        let proofs = proofs_of(db, range.0, range.1)?;
        let extract = Extract {
            range,
            stored: &stored,
            proofs: &proofs,
            of_entries,
        };
        let depths = read_depths((&mut *db, beside), &extract, read)?;
        page.compare(db, range, stored, Sources::new(depths, proofs))?;
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
            orphaned: stored.account.is_none() && sums.is_some(),
            issues: sources.depths.issues.remove(&stored.id).unwrap_or_default(),
            ..Finding::new(stored.id, stored.account.clone())
        };
        let Some(account) = stored.account.clone() else {
            finding.drifts = repair::extra(&stored);
            finding.broken = held.as_ref().and_then(repair::gone);
            self.findings.push(finding);
            return;
        };
        self.checked += 1;
        let (actual, broken) = actual_state(sums, sources.lasts.get(&stored.id));
        self.entries += counted(sums);
        self.summed += counted(sums);
        finding.drifts = repair::drifts(&stored, &account, &actual);
        let first_broken = sources.depths.breaks.remove(&stored.id);
        finding.broken = first_broken.or(broken).or_else(|| held.and_then(repair::contradiction));
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
        let gone: HashMap<AccountId, ChainBreak> = proofs
            .iter()
            .filter_map(|(id, held)| Some((*id, repair::gone(held)?)))
            .collect();
        let mut orphans: Vec<AccountId> = depths.sums.keys().chain(gone.keys()).copied().collect();
        orphans.extend(depths.issues.keys());
        orphans.sort();
        orphans.dedup();
        for id in orphans {
            self.findings.push(Finding {
                broken: gone.get(&id).copied(),
                orphaned: depths.sums.contains_key(&id),
                issues: depths.issues.remove(&id).unwrap_or_default(),
                ..Finding::new(id, None)
            });
        }
    }
}

fn counted(sums: Option<Summed>) -> u64 {
    sums.map_or(0, |sums| sums.entries.unsigned_abs())
}

/// Whether an account can be called what it is called; the screen reads nothing else of it.
fn has_a_name(seen: &Seen) -> bool {
    UserId::parse(&seen.user_id).is_ok() && CurrencyCode::parse(&seen.currency).is_ok()
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
