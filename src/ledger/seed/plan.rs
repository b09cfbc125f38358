//! What is asked of which account and when: chunk after chunk, from nothing but the seed's own arguments.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Seed;
use super::book::Book;
use super::calendar::Calendar;
use super::random::Random;
use super::tasks::Task;
use super::words::{Words, unusable};
use crate::domain::code::Code;
use crate::domain::entry::Note;
use crate::domain::money::{Amount, Minor};
use crate::domain::operation::Operation;
use crate::domain::text::{IdempotencyKey, UserId};
use crate::domain::time::Timestamp;
use crate::ledger::error::LedgerError;
use crate::ledger::post::Request;

/// How the ledger must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// With so many entries.
    Applied(u64),
    Refused,
    Suspended,
}

/// What happens at one moment, in this order.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub at: Timestamp,
    /// Accounts that are opened, by their index.
    pub opened: Range<usize>,
    /// Accounts that are locked, or unlocked.
    pub locks: Vec<(usize, bool)>,
    /// Holds whose time has run out, one by one: the way of the job.
    pub expiries: Vec<(Request, Expected)>,
    pub requests: Vec<Request>,
    /// The answers to the requests.
    pub expected: Vec<Expected>,
}

/// Most entries that something begun now may come to, with all that follows from it.
pub(super) const MOST_ENTRIES: u64 = 4;

pub struct Plan<'a> {
    pub(super) seed: &'a Seed,
    pub(super) random: Random,
    pub(super) words: Words,
    pub(super) calendar: Calendar,
    pub(super) books: Vec<Book>,
    /// What will happen later, by when and by number.
    pub(super) agenda: BTreeMap<(Timestamp, u64), Task>,
    /// Tasks so far.
    pub(super) tasks: u64,
    pub(super) chunk: Chunk,
    chunks: u64,
    next_chunk: u64,
    /// Entries so far.
    made: u64,
    /// Entries that what is on the agenda may make.
    pub(super) reserved: u64,
    /// Requests so far; each has its number in its key.
    pub(super) asked: u64,
    pub(super) in_debt: usize,
    pub(super) locked: usize,
    pub(super) abandoned: usize,
    /// What a hundredth of a whole is, in minor units: amounts look alike in every currency.
    scale: i64,
}

impl<'a> Plan<'a> {
    pub fn new(seed: &'a Seed) -> Result<Self, LedgerError> {
        let calendar = Calendar::new(seed.end, seed.days).ok_or_else(|| {
            LedgerError::invalid(
                Code::InvalidInput,
                "--days reach back to before 1970; give fewer of them",
            )
        })?;
        // Small ledgers have many moments too, large ones large transactions.
        let chunk_size = (seed.entries / 400).clamp(50, 5_000);
        let missing = seed.currency.exponent().abs_diff(2).min(4);
        Ok(Self {
            random: Random::new(seed.rng_seed),
            words: Words::new()?,
            books: Vec::new(),
            agenda: BTreeMap::new(),
            tasks: 0,
            chunk: Chunk::at(calendar.start()),
            calendar,
            chunks: seed.entries.div_ceil(chunk_size).max(1),
            next_chunk: 0,
            made: 0,
            reserved: 0,
            asked: 0,
            in_debt: 0,
            locked: 0,
            abandoned: 0,
            scale: 10_i64.pow(u32::from(missing)),
            seed,
        })
    }

    pub const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    pub fn user_id(&self, account: usize) -> &UserId {
        &self.books[account].user_id
    }

    /// The lowest balance that is not low, where the account has one.
    pub fn low_balance_threshold(&self, account: usize) -> Option<Minor> {
        self.books[account].low_balance_threshold.map(Minor::new)
    }

    /// The next chunk; `None` when all entries are made.
    pub fn next(&mut self) -> Result<Option<Chunk>, LedgerError> {
        if self.next_chunk == self.chunks {
            return Ok(None);
        }
        let number = self.next_chunk;
        self.next_chunk += 1;
        self.chunk = Chunk::at(self.calendar.time_of(number, self.chunks));
        self.open_accounts(number)?;
        self.do_what_is_due()?;
        let portion = u128::from(self.seed.entries) * u128::from(number + 1) / u128::from(self.chunks);
        let until = u64::try_from(portion).unwrap_or(self.seed.entries);
        while self.made < until && self.available() > 0 {
            self.do_something()?;
        }
        Ok(Some(std::mem::replace(&mut self.chunk, Chunk::at(self.calendar.end()))))
    }

    /// Entries that may still be made by what is not on the agenda yet.
    pub(super) const fn available(&self) -> u64 {
        self.seed.entries - self.made - self.reserved
    }

    /// Three in five are there from the beginning; the others come in some twenty groups.
    fn open_accounts(&mut self, chunk: u64) -> Result<(), LedgerError> {
        const GROUPS: u64 = 20;
        let all = self.seed.accounts;
        let first = all - all * 2 / 5;
        let group = chunk * GROUPS / self.chunks;
        let open = if chunk + 1 == self.chunks {
            all
        } else {
            first + (all - first) * group / (GROUPS - 1)
        };
        let open = usize::try_from(open).map_err(|error| LedgerError::invalid(Code::InvalidInput, error))?;
        let before = self.books.len();
        for number in before + 1..=open {
            let threshold = self.random.one_in(3).then(|| 500 * self.scale);
            self.books.push(Book::new(self.seed.user_id(number)?, threshold));
        }
        self.chunk.opened = before..self.books.len();
        Ok(())
    }

    /// So many hundredths of a whole, in minor units.
    pub(super) const fn scaled(&self, hundredths: i64) -> i64 {
        hundredths * self.scale
    }

    /// Asks for an operation, and counts the entries it will make.
    pub(super) fn ask(
        &mut self,
        account: usize,
        operation: Operation,
        note: Note,
        expected: Expected,
    ) -> Result<(), LedgerError> {
        let request = self.request(account, operation, note)?;
        self.count(expected);
        self.chunk.requests.push(request);
        self.chunk.expected.push(expected);
        Ok(())
    }

    /// Asks for an operation of a job, before everything else of the chunk.
    pub(super) fn ask_first(
        &mut self,
        account: usize,
        operation: Operation,
        expected: Expected,
    ) -> Result<(), LedgerError> {
        let request = self.request(account, operation, Note::default())?;
        self.count(expected);
        self.chunk.expiries.push((request, expected));
        Ok(())
    }

    const fn count(&mut self, expected: Expected) {
        if let Expected::Applied(entries) = expected {
            self.made += entries;
        }
    }

    fn request(&mut self, account: usize, operation: Operation, note: Note) -> Result<Request, LedgerError> {
        self.asked += 1;
        let key = format!("seed-{}-{}", self.seed.rng_seed, self.asked);
        Ok(Request {
            user_id: self.books[account].user_id.clone(),
            currency: self.seed.currency.clone(),
            operation,
            note,
            key: Some(IdempotencyKey::parse(&key).map_err(unusable)?),
        })
    }
}

impl Chunk {
    const fn at(at: Timestamp) -> Self {
        Self {
            at,
            opened: 0..0,
            locks: Vec::new(),
            expiries: Vec::new(),
            requests: Vec::new(),
            expected: Vec::new(),
        }
    }
}

/// An amount of so many minor units, of which the plan makes sure that there are some.
pub(super) fn amount(units: i64) -> Result<Amount, LedgerError> {
    let nothing = || LedgerError::invalid(Code::Internal, "the plan has made an amount of nothing");
    Amount::new(Minor::new(units)).ok_or_else(nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::currency::Currency;

    fn seed(accounts: u64, entries: u64, rng_seed: u64, days: u32) -> Seed {
        Seed {
            accounts,
            entries,
            rng_seed,
            currency: Currency::iso("USD").unwrap(),
            days,
            end: Timestamp::parse("2026-01-01T00:00:00Z").unwrap(),
            user_prefix: String::new(),
            into_existing: false,
        }
    }

    /// All chunks of a plan, of which it holds that they are as they have to be.
    fn chunks(seed: &Seed) -> Vec<Chunk> {
        let mut plan = Plan::new(seed).unwrap();
        let mut chunks: Vec<Chunk> = Vec::new();
        while let Some(chunk) = plan.next().unwrap() {
            assert_eq!(chunk.requests.len(), chunk.expected.len());
            assert!(chunks.last().is_none_or(|before| before.at <= chunk.at));
            chunks.push(chunk);
        }
        assert_eq!((plan.made, plan.reserved), (seed.entries, 0), "{seed:?}");
        assert_eq!(plan.books.len() as u64, seed.accounts);
        assert!(
            plan.books
                .iter()
                .all(|book| book.balance >= 0 && (book.debt == 0 || book.balance == 0))
        );
        assert_eq!(
            plan.books.iter().map(|book| book.last_seq.unsigned_abs()).sum::<u64>(),
            seed.entries
        );
        assert!(plan.agenda.keys().all(|(due, _)| *due >= seed.end), "{seed:?}");
        chunks
    }

    #[test]
    fn a_plan_makes_exactly_the_entries_that_were_asked() {
        for accounts in [1, 2, 3, 17] {
            for entries in (0..40).chain([51, 99, 101, 250, 1_003]) {
                for days in [1, 40, 3_650] {
                    chunks(&seed(accounts, entries, entries, days));
                }
            }
        }
        for rng_seed in 0..20 {
            chunks(&seed(5, 20_000, rng_seed, 90));
        }
    }

    #[test]
    fn the_same_arguments_make_the_same_plan() {
        let told = |rng_seed| format!("{:?}", chunks(&seed(30, 5_000, rng_seed, 90)));
        assert_eq!(told(1), told(1));
        assert_ne!(told(1), told(2));
    }
}
