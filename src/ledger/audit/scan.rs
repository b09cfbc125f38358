//! One pass over all accounts, page by page: sums, ties, attempts, patterns.

use std::collections::{BTreeMap, HashMap};

use chrono::TimeDelta;

use super::findings::{self, Findings};
use super::{CurrencyReport, Ends, Tie, VolumeKnown};
use crate::db::accounts::page_end;
use crate::db::audit::{Tried, attempts, entries_recent, entries_seen, entries_volume};
use crate::db::balances::stored_balances;
use crate::db::closes::{account_closes, account_closes_put};
use crate::db::unit_of_work::{read, write};
use crate::db::{Db, access, accounts};
use crate::domain::access::AccessGrant;
use crate::domain::account::{Account, AccountId};
use crate::domain::balance::State;
use crate::domain::chain::LedgerDigest;
use crate::domain::close::{AccountClose, Bounds, NAMED_AT_MOST, Seen, Tally, Tied, Totals};
use crate::domain::currency::CurrencyCode;
use crate::domain::histogram::Histogram;
use crate::domain::intent::{Intent, IntentState, STRANDED_AFTER};
use crate::domain::pattern::{Failures, Thresholds, Watch, unusual_volume};
use crate::domain::time::Timestamp;
use crate::ledger::job::Run;
use crate::ledger::progress::Progress;
use crate::ledger::scan::{Depth, PAGE, read_page};
use crate::ledger::verify;
use crate::ledger::{Ledger, LedgerError, interrupt};

/// How long before the period is looked at for the usual volume.
const VOLUME_BEFORE: TimeDelta = TimeDelta::days(28);

/// How many entries before the period make an account's habits known.
const WARM_UP: i64 = 100;

/// Accounts whose attempts are read at once.
const STRETCH: i64 = 1_000_000;

/// Orphans of one kind and stretch that are mended at a time; more are found by the next audit.
const ORPHANS: i64 = 1_000;

/// Access and charges that do not stand with each other.
pub enum Orphan {
    /// Without a charge, or with one that was given back.
    Grant(AccessGrant),
    Charge(Intent),
}

/// What all pages together have shown.
pub struct Scan {
    bounds: Bounds,
    thresholds: Thresholds,
    now: Timestamp,
    pub accounts: u64,
    pub drifted: Vec<verify::Finding>,
    pub digest: LedgerDigest,
    pub currencies: BTreeMap<CurrencyCode, CurrencyReport>,
    pub operations: BTreeMap<String, Ends>,
    pub reasons: BTreeMap<(String, &'static str, String), u64>,
    pub durations: Histogram,
    pub in_work: u64,
    pub stranded: u64,
    pub findings: Findings,
    /// Each with the place of its finding.
    pub orphans: Vec<(Orphan, usize)>,
    /// Whether an earlier audit has closed some accounts and not the ledger.
    pub was_interrupted: bool,
    entries_before: u64,
    first_before: Option<Timestamp>,
}

/// What a close has to remember anew.
type Changed = (AccountId, AccountClose);

/// The accounts with entries in the period: the first and the last of them.
type Active = BTreeMap<AccountId, (i64, i64)>;

/// The accounts of a page by their ids.
type Heads = HashMap<AccountId, (Account, State)>;

impl Scan {
    pub fn new(bounds: Bounds, thresholds: Thresholds, now: Timestamp) -> Self {
        Self {
            bounds,
            thresholds,
            now,
            accounts: 0,
            drifted: Vec::new(),
            digest: LedgerDigest::default(),
            currencies: BTreeMap::new(),
            operations: BTreeMap::new(),
            reasons: BTreeMap::new(),
            durations: Histogram::default(),
            in_work: 0,
            stranded: 0,
            findings: Findings::default(),
            orphans: Vec::new(),
            was_interrupted: false,
            entries_before: 0,
            first_before: None,
        }
    }

    /// Looks at every account; `closes` says whether the next audit goes on from here.
    pub fn run(
        &mut self,
        ledger: &mut Ledger,
        run: &mut Run,
        closes: bool,
        progress: &dyn Progress,
    ) -> Result<(), LedgerError> {
        progress.begin(accounts::accounts_count(&mut ledger.db)?.unsigned_abs());
        let mut after = i64::MIN;
        loop {
            interrupt::check()?;
            run.keep(ledger)?;
            let before = self.accounts;
            let end = page_end(&mut ledger.db, after, PAGE)?;
            let range = (after.saturating_add(1), end.unwrap_or(i64::MAX));
            let changed = read(&mut ledger.db, |db| self.page(db, range))?;
            if closes {
                for some in changed.chunks(5_000) {
                    write(&mut ledger.db, "accounts closed", |db| -> Result<(), LedgerError> {
                        Ok(account_closes_put(db, some)?)
                    })?;
                }
            }
            progress.advance(self.accounts - before);
            match end {
                Some(end) => after = end,
                None => break,
            }
        }
        self.attempts(ledger, run)?;
        progress.finish();
        Ok(())
    }

    /// How attempts have ended, in long stretches of accounts, as each reads all attempts there are.
    fn attempts(&mut self, ledger: &mut Ledger, run: &mut Run) -> Result<(), LedgerError> {
        let mut after = i64::MIN;
        loop {
            run.keep(ledger)?;
            let end = page_end(&mut ledger.db, after, STRETCH)?;
            let range = (after.saturating_add(1), end.unwrap_or(i64::MAX));
            let notable = read(&mut ledger.db, |db| self.tried_in(db, range))?;
            for one in notable {
                let listed = accounts::account_by_id(&mut ledger.db, one.id)?;
                self.attempted(one, listed.map(|listed| listed.account).as_ref());
            }
            self.ungranted(ledger, range)?;
            match end {
                Some(end) => after = end,
                None => return Ok(()),
            }
        }
    }

    /// Charges without the access that they were to give.
    fn ungranted(&mut self, ledger: &mut Ledger, (first, last): (i64, i64)) -> Result<(), LedgerError> {
        for intent in access::charges_ungranted(&mut ledger.db, first, last, ORPHANS)? {
            let listed = accounts::account_by_id(&mut ledger.db, intent.account)?;
            let account = listed.as_ref().map(|listed| &listed.account);
            let place = self.findings.of_ungranted((intent.account, account), &intent);
            self.orphans.extend(place.map(|place| (Orphan::Charge(intent), place)));
        }
        Ok(())
    }

    /// Everything about the accounts `first..=last`; what the close has to remember anew.
    fn page(&mut self, db: &mut Db, (first, last): (i64, i64)) -> Result<Vec<Changed>, LedgerError> {
        let page = read_page(db, first, last, Depth::Whole)?;
        self.accounts += page.checked;
        self.drifted.extend(page.findings);
        let ids: Vec<AccountId> = page.heads.iter().map(|head| head.id).collect();
        let mut states: HashMap<AccountId, State> = HashMap::with_capacity(ids.len());
        for head in page.heads {
            let State {
                last_seq, chain_head, ..
            } = head.state;
            self.digest.account(&head.user_id, &head.currency, last_seq, chain_head);
            states.insert(head.id, head.state);
        }
        let accounts = stored_balances(db, first, last)?;
        let accounts = accounts.into_iter().filter_map(|stored| stored.account);
        let heads: Heads = accounts
            .filter_map(|account| Some((account.id, (account.clone(), states.remove(&account.id)?))))
            .collect();
        let (changed, active) = self.tie(db, (first, last), &ids, &heads)?;
        for (id, entries) in active {
            if let Some((account, _)) = heads.get(&id) {
                self.watch(db, account, entries)?;
            }
        }
        self.orphans(db, (first, last), &heads)?;
        let before = (self.bounds.since.after(-VOLUME_BEFORE), self.bounds.since);
        let volume = entries_volume(db, (first, last), before)?;
        self.entries_before += volume.entries;
        self.first_before = match (self.first_before, volume.first) {
            (Some(known), Some(first)) => Some(known.min(first)),
            (known, first) => known.or(first),
        };
        Ok(changed)
    }

    /// Adds up recent entries; what the close has to remember, and the accounts with entries in the period.
    fn tie(
        &mut self,
        db: &mut Db,
        range: (i64, i64),
        ids: &[AccountId],
        heads: &Heads,
    ) -> Result<(Vec<Changed>, Active), LedgerError> {
        let bounds = self.bounds;
        let priors: HashMap<AccountId, AccountClose> = account_closes(db, range.0, range.1)?.into_iter().collect();
        let mut tallies: HashMap<AccountId, Tally> = HashMap::new();
        let mut active = Active::new();
        let currencies = &mut self.currencies;
        entries_recent(
            db,
            range,
            bounds.earliest(),
            bounds.last_close.is_some(),
            |id, seen| -> Result<(), LedgerError> {
                let Some((account, _)) = heads.get(&id) else {
                    return Ok(());
                };
                let tally = tallies
                    .entry(id)
                    .or_insert_with(|| Tally::new(bounds, priors.get(&id).copied()));
                tally.add(&seen);
                if seen.at >= bounds.since && seen.at < bounds.until {
                    let (_, to) = active.entry(id).or_insert((seen.seq, seen.seq));
                    *to = seen.seq;
                    let kinds = &mut of_currency(currencies, account, bounds).kinds;
                    let sums = kinds.entry(seen.kind).or_default();
                    *sums = sums.plus(Totals::of_entry(&seen.deltas));
                }
                Ok(())
            },
        )?;
        let mut changed = Vec::new();
        for id in ids {
            let Some((account, state)) = heads.get(id) else {
                continue;
            };
            let prior = priors.get(id).copied();
            let tally = tallies.remove(id).unwrap_or_else(|| Tally::new(bounds, prior));
            let tied = tally.finish(Totals::of_account(state.last_seq, &state.figures), state.last_seq);
            let remembered = |close: AccountClose| (close.position, close.totals);
            let known = prior.map_or((0, Totals::default()), remembered);
            if remembered(tied.next) != known {
                changed.push((*id, tied.next));
            }
            self.was_interrupted |= prior.zip(bounds.last_close).is_some_and(|(p, close)| p.until > close);
            self.tied(account, tied);
        }
        Ok((changed, active))
    }

    fn tied(&mut self, account: &Account, tied: Tied) {
        if let Some(close) = &tied.close {
            if close.said != close.now {
                self.findings.of_history(account, close);
            }
            if !close.backdated.is_empty() {
                self.findings.of_backdated(account, close.backdated.clone());
            }
        }
        let report = of_currency(&mut self.currencies, account, self.bounds);
        report.accounts += 1;
        report.opening = report.opening.plus(tied.opening);
        report.period = report.period.plus(tied.period);
        report.closing = report.closing.plus(tied.closing);
        if let (Some(tie), Some(close)) = (&mut report.tie, tied.close) {
            tie.said = tie.said.plus(close.said);
            tie.now = tie.now.plus(close.now);
            tie.late = tie.late.plus(close.late);
            tie.moved = tie.moved.plus(close.moved);
        }
    }

    fn watch(&mut self, db: &mut Db, account: &Account, (first, last): (i64, i64)) -> Result<(), LedgerError> {
        let mut watch = Watch::new(self.thresholds, self.bounds.since, self.bounds.until);
        let from = first.saturating_sub(WARM_UP);
        entries_seen(db, account.id, (from, last), |seen: Seen| -> Result<(), LedgerError> {
            watch.see(&seen);
            Ok(())
        })?;
        for pattern in watch.finish() {
            self.findings.of_pattern(account, pattern);
        }
        Ok(())
    }

    /// The accounts of which there is something to tell.
    fn tried_in(&mut self, db: &mut Db, range: (i64, i64)) -> Result<Vec<OneAccount>, LedgerError> {
        let period = (self.bounds.since, self.bounds.until);
        let mut notable = Vec::new();
        let mut current: Option<OneAccount> = None;
        attempts(db, range, period, |tried| -> Result<(), LedgerError> {
            if current.as_ref().is_none_or(|one| one.id != tried.account) {
                interrupt::check()?;
                if let Some(done) = current.replace(OneAccount::new(tried.account)) {
                    self.note(&mut notable, done);
                }
            }
            if let Some(one) = &mut current {
                self.tried(one, tried);
            }
            Ok(())
        })?;
        if let Some(done) = current {
            self.note(&mut notable, done);
        }
        Ok(notable)
    }

    /// Keeps what is to be told; of more accounts than anybody reads about, only that there are.
    fn note(&self, notable: &mut Vec<OneAccount>, mut one: OneAccount) {
        if one.is_notable(&self.thresholds) {
            if notable.len() >= findings::AT_MOST {
                one.forget_keys();
            }
            notable.push(one);
        }
    }

    fn tried(&mut self, one: &mut OneAccount, tried: Tried) {
        if tried.state == IntentState::Pending && tried.at.after(STRANDED_AFTER) <= self.now {
            self.stranded += 1;
            one.stranded.add(tried.key);
            return;
        }
        // One that is left pending is told whenever it was made.
        if tried.at < self.bounds.since || tried.at >= self.bounds.until {
            return;
        }
        let ends = self.operations.entry(tried.operation.clone()).or_default();
        match tried.state {
            IntentState::Applied => ends.applied += 1,
            IntentState::Refused => ends.refused += 1,
            IntentState::Failed => ends.failed += 1,
            IntentState::Pending => ends.pending += 1,
        }
        if let Some(micros) = tried.took_us {
            self.durations.add(micros);
        }
        match tried.state {
            IntentState::Pending => self.in_work += 1,
            IntentState::Applied => one.failures.see(tried.at, &tried.key, true),
            IntentState::Refused | IntentState::Failed => {
                one.failures.see(tried.at, &tried.key, false);
                let reason = tried.reason.unwrap_or_else(|| "unknown".into());
                let of = (tried.operation, tried.state.name(), reason);
                *self.reasons.entry(of).or_default() += 1;
                if tried.state == IntentState::Failed && tried.is_last {
                    one.failed.add(tried.key);
                }
            }
        }
    }

    fn attempted(&mut self, done: OneAccount, account: Option<&Account>) {
        if let (Some(pattern), Some(account)) = (done.failures.finish(&self.thresholds), account) {
            self.findings.of_pattern(account, pattern);
        }
        if done.stranded.count > 0 {
            self.findings
                .of_stranded((done.id, account), done.stranded.count, done.stranded.keys);
        }
        if done.failed.count > 0 {
            self.findings
                .of_failed((done.id, account), done.failed.count, done.failed.keys);
        }
    }

    fn orphans(&mut self, db: &mut Db, (first, last): (i64, i64), heads: &Heads) -> Result<(), LedgerError> {
        let account = |id: AccountId| heads.get(&id).map(|(account, _)| account);
        for unfounded in access::grants_unfounded(db, first, last, ORPHANS)? {
            let grant = unfounded.grant;
            let place = self.findings.of_grant(
                (grant.id.account, account(grant.id.account)),
                &grant,
                unfounded.refunded,
            );
            self.orphans.extend(place.map(|place| (Orphan::Grant(grant), place)));
        }
        Ok(())
    }

    /// Of the whole period.
    pub fn entries(&self) -> u64 {
        let entries = self.currencies.values().map(|report| report.period.entries);
        entries.sum::<i64>().unsigned_abs()
    }

    /// The volume held against that of the days before, as far back as there are any.
    pub fn volume(&self) -> VolumeKnown {
        let Some(first) = self.first_before else {
            return (None, None);
        };
        let span = |from: Timestamp, to: Timestamp| TimeDelta::microseconds(to.micros().saturating_sub(from.micros()));
        let (period, before) = (
            span(self.bounds.since, self.bounds.until),
            span(first, self.bounds.since),
        );
        let unusual = unusual_volume(
            (self.entries(), period),
            (self.entries_before, before),
            &self.thresholds,
        );
        let days = before.num_days();
        let usual = (days > 0).then(|| {
            let micros = |span: TimeDelta| u128::from(span.num_microseconds().unwrap_or(i64::MAX).unsigned_abs());
            let usual = u128::from(self.entries_before) * micros(period) / micros(before).max(1);
            u64::try_from(usual).unwrap_or(u64::MAX)
        });
        (unusual, usual)
    }
}

fn of_currency<'a>(
    currencies: &'a mut BTreeMap<CurrencyCode, CurrencyReport>,
    account: &Account,
    bounds: Bounds,
) -> &'a mut CurrencyReport {
    let code = account.currency.code();
    currencies.entry(code.clone()).or_insert_with(|| CurrencyReport {
        currency: account.currency.clone(),
        accounts: 0,
        opening: Totals::default(),
        period: Totals::default(),
        closing: Totals::default(),
        kinds: BTreeMap::new(),
        tie: bounds.last_close.map(|_| Tie::default()),
    })
}

/// What the attempts of one account have shown so far.
struct OneAccount {
    id: AccountId,
    failures: Failures,
    stranded: Keys,
    failed: Keys,
}

/// The first keys of many.
#[derive(Default)]
struct Keys {
    count: u64,
    keys: Vec<String>,
}

impl Keys {
    fn add(&mut self, key: String) {
        self.count += 1;
        if self.keys.len() < NAMED_AT_MOST {
            self.keys.push(key);
        }
    }
}

impl OneAccount {
    fn forget_keys(&mut self) {
        self.stranded.keys = Vec::new();
        self.failed.keys = Vec::new();
        self.failures.forget_keys();
    }

    fn is_notable(&self, thresholds: &Thresholds) -> bool {
        self.stranded.count > 0 || self.failed.count > 0 || self.failures.longest() >= thresholds.failures_in_a_row
    }

    fn new(id: AccountId) -> Self {
        Self {
            id,
            failures: Failures::default(),
            stranded: Keys::default(),
            failed: Keys::default(),
        }
    }
}
