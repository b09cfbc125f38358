//! `seed`: a test ledger that looks lived in, and is the same wherever its arguments are the same.
//!
//! A plan foresees every answer; the ledger is asked through the same door as always, and has to answer so.

mod book;
mod calendar;
mod draws;
mod plan;
mod random;
mod tasks;
mod words;

use std::collections::BTreeMap;

use self::plan::{Chunk, Expected, Plan};
use super::account::{Change, Changed, NewAccount, change};
use super::batch::{Batches, Done, Prepared};
use super::error::LedgerError;
use super::import::import;
use super::post::{Outcome, post};
use super::progress::Progress;
use super::{Clock, Ledger, interrupt};
use crate::db::accounts;
use crate::domain::chain::{ChainHash, LedgerDigest};
use crate::domain::code::Code;
use crate::domain::currency::Currency;
use crate::domain::entry::EntryKind;
use crate::domain::text::{Actor, Description, UserId};
use crate::domain::time::Timestamp;

/// What a seeded ledger follows from.
#[derive(Clone, Debug)]
pub struct Seed {
    /// From 1.
    pub accounts: u64,
    /// How many entries there will be, exactly.
    pub entries: u64,
    pub rng_seed: u64,
    pub currency: Currency,
    /// Over how many days, from 1.
    pub days: u32,
    /// The end of the last day.
    pub end: Timestamp,
    /// What user ids begin with; a number from 1 follows.
    pub user_prefix: String,
    pub into_existing: bool,
}

impl Seed {
    fn user_id(&self, number: usize) -> Result<UserId, LedgerError> {
        let text = format!("{}{number}", self.user_prefix);
        UserId::parse(&text).map_err(|error| LedgerError::invalid(Code::InvalidInput, error))
    }
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Seeded {
    pub accounts: u64,
    pub entries: u64,
    /// Every kind, also those without entries.
    pub by_kind: BTreeMap<EntryKind, u64>,
    pub start: Timestamp,
    pub end: Timestamp,
    /// Of the whole ledger.
    pub digest: ChainHash,
}

/// Fills a ledger; it has to be empty unless the seed says otherwise.
///
/// The clock and the actor of the ledger are the seed's own: they are part of what is made.
pub fn seed(ledger: &mut Ledger, seed: &Seed, progress: &dyn Progress) -> Result<Seeded, LedgerError> {
    check_place(ledger, seed)?;
    let mut plan = Plan::new(seed)?;
    ledger.actor = Actor::parse("seed").map_err(words::unusable)?;
    let mut seeded = Seeded {
        accounts: seed.accounts,
        entries: 0,
        by_kind: EntryKind::ALL.iter().map(|kind| (*kind, 0)).collect(),
        start: plan.calendar().start(),
        end: plan.calendar().end(),
        digest: LedgerDigest::default().finish(),
    };
    let mut batches = Batches::begin(ledger)?;
    progress.begin(seed.entries);
    while let Some(chunk) = plan.next()? {
        interrupt::check()?;
        ledger.clock = Clock::Fixed(chunk.at);
        open_accounts(ledger, &plan, seed, &chunk)?;
        for (account, locked) in &chunk.locks {
            lock(ledger, plan.user_id(*account), seed, *locked)?;
        }
        let before = seeded.entries;
        for (request, expected) in &chunk.expiries {
            let answer = post(ledger, request);
            seeded.count(*expected, answer)?;
        }
        let requests: Result<Vec<Prepared>, LedgerError> = chunk.requests.into_iter().map(Prepared::new).collect();
        let (answers, ended) = batches.carry_out(ledger, &requests?);
        ended?;
        if answers.len() != chunk.expected.len() {
            return Err(unforeseen());
        }
        for (expected, answer) in chunk.expected.iter().zip(answers) {
            seeded.count(*expected, answer)?;
        }
        progress.advance(seeded.entries - before);
    }
    progress.finish();
    Batches::end(ledger)?;
    seeded.digest = digest(ledger)?;
    Ok(seeded)
}

/// Nothing is written where something of it would meet what is there.
fn check_place(ledger: &mut Ledger, seed: &Seed) -> Result<(), LedgerError> {
    let present = accounts::accounts_count(&mut ledger.db)?;
    if present == 0 {
        return Ok(());
    }
    if !seed.into_existing {
        return Err(LedgerError::invalid(
            Code::LedgerNotEmpty,
            format!(
                "the ledger has {present} accounts; nothing was written; seed a new database, or add to this one with \
                 --into-existing (a seed that was stopped half-way is not continued: begin again with a new database)"
            ),
        ));
    }
    let code = seed.currency.code();
    let last = usize::try_from(seed.accounts).map_err(|error| LedgerError::invalid(Code::InvalidInput, error))?;
    for number in 1..=last {
        let user_id = seed.user_id(number)?;
        if !accounts::accounts_of_user(&mut ledger.db, &user_id, Some(code))?.is_empty() {
            return Err(LedgerError::invalid(
                Code::LedgerNotEmpty,
                format!(
                    "user {user_id} has a {code} account; nothing was written; \
                     give another --user-prefix or --currency"
                ),
            ));
        }
    }
    Ok(())
}

fn open_accounts(ledger: &mut Ledger, plan: &Plan<'_>, seed: &Seed, chunk: &Chunk) -> Result<(), LedgerError> {
    let opened: Vec<NewAccount> = chunk
        .opened
        .clone()
        .map(|account| NewAccount {
            user_id: plan.user_id(account).clone(),
            currency: seed.currency.clone(),
            low_balance_threshold: plan.low_balance_threshold(account),
        })
        .collect();
    let imported = import(ledger, &opened)?;
    if imported.existing > 0 {
        return Err(unforeseen());
    }
    Ok(())
}

fn lock(ledger: &mut Ledger, user_id: &UserId, seed: &Seed, locked: bool) -> Result<(), LedgerError> {
    let (asked, reason) = if locked {
        (Change::Lock, Description::parse("chargeback").ok())
    } else {
        (Change::Unlock, None)
    };
    match change(ledger, user_id, seed.currency.code(), &asked, reason.as_ref())? {
        Changed::Done(_) => Ok(()),
        Changed::Already(_) | Changed::Refused(_) => Err(unforeseen()),
    }
}

impl Seeded {
    fn count(&mut self, expected: Expected, answer: Done) -> Result<(), LedgerError> {
        match (expected, answer?.outcome) {
            (Expected::Applied(entries), Outcome::Applied(posted)) if posted.entries.len() as u64 == entries => {
                self.entries += entries;
                for entry in posted.entries.iter() {
                    *self.by_kind.entry(entry.movement.kind).or_default() += 1;
                }
                Ok(())
            }
            (Expected::Refused, Outcome::Refused(_)) | (Expected::Suspended, Outcome::Suspended(..)) => Ok(()),
            _ => Err(unforeseen()),
        }
    }
}

/// Somebody else is at work on these accounts, or the plan and the rule book differ.
fn unforeseen() -> LedgerError {
    let message = "the ledger answered otherwise than was foreseen: is somebody else at work in it?";
    LedgerError::invalid(Code::Internal, message)
}

/// The digest that `verify-sync` will find.
fn digest(ledger: &mut Ledger) -> Result<ChainHash, LedgerError> {
    const PAGE: i64 = 10_000;
    let mut digest = LedgerDigest::default();
    let mut after = i64::MIN;
    loop {
        let page = accounts::accounts_page(&mut ledger.db, after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(digest.finish());
        };
        after = last.account.id.get();
        for listed in page {
            let (state, account) = (listed.stored.unwrap_or_default(), listed.account);
            let currency = account.currency.code().as_str();
            digest.account(account.user_id.as_str(), currency, state.last_seq, state.chain_head);
        }
    }
}
