//! A ledger and the model beside it: each is told the same, and both must answer alike.

use ledger::ledger::scan::Depth;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::compare::{compare_journal, compare_record, compare_records};
use super::desk::Desk;
use super::history::{Move, Request};
use super::model::{self, AccountName, Answer, Model, Operation, Step, hex};
use super::words;
use crate::common::TestDatabase;

const SECOND: i64 = 1_000_000;
/// 2026-03-01T12:00:00Z
const NOON: i64 = 1_772_366_400 * SECOND;
const MIDNIGHT: i64 = NOON + 12 * 3_600 * SECOND;

/// Where the clocks of the desks stand: requests come in any order of time.
const CLOCKS: [i64; 7] = [
    NOON,
    NOON + SECOND,
    NOON + 30 * SECOND,
    NOON + 60 * SECOND,
    NOON + 3_600 * SECOND,
    MIDNIGHT - 1,
    MIDNIGHT,
];

/// How the ledger is told; the model is told one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    OneByOne,
    /// What a desk has to say at a stretch, all at once.
    InBulk,
}

pub struct World {
    model: Model,
    desks: Vec<Desk>,
    lives: usize,
    operations: usize,
    telling: Telling,
    /// What the ledger has yet to be told, by which desk, and what the model answered.
    waiting: Vec<(Step, Answer)>,
    waiting_at: usize,
}

impl World {
    pub fn on(database: &TestDatabase, telling: Telling) -> Self {
        let clocks = CLOCKS.iter().enumerate();
        let desks = clocks.map(|(number, at_micros)| Desk::open(&database.url, format!("tester {number}"), *at_micros));
        Self {
            model: Model::new(),
            desks: desks.collect(),
            lives: 0,
            operations: 0,
            telling,
            waiting: Vec::new(),
            waiting_at: 0,
        }
    }

    /// How many operations the ledger was told.
    pub const fn operations(&self) -> usize {
        self.operations
    }

    /// Lives through a history with two accounts that nobody else has.
    pub fn live_through(&mut self, moves: &[Move]) -> Result<(), TestCaseError> {
        self.lives += 1;
        let user_id = format!("người dùng {}", self.lives);
        let accounts = [AccountName::new(&user_id, "USD"), AccountName::new(&user_id, "VND")];
        self.tell(0, Step::new(&accounts[0], Operation::CreateAccount, 0))?;
        let mut told: Vec<Step> = Vec::new();
        for (position, next) in moves.iter().enumerate() {
            let (desk, step) = match next {
                Move::Do(request) => (&request.desk, self.step(request, position, &accounts)),
                Move::Again { which, desk } => (desk, (!told.is_empty()).then(|| which.get(&told).clone())),
            };
            let Some(step) = step else { continue };
            if step.key.is_some() {
                told.push(step.clone());
            }
            let desk = match self.telling {
                Telling::OneByOne => desk.index(self.desks.len()),
                // One desk says it all, so that there are long stretches.
                Telling::InBulk => self.lives % self.desks.len(),
            };
            self.tell(desk, step)?;
        }
        self.tell_what_waits()?;
        accounts.iter().try_for_each(|account| self.compare(account))
    }

    /// Lives through a history that was written down, at those desks, with one account.
    pub fn live_by_the_book(&mut self, moves: &[(usize, Operation)]) -> Result<(), TestCaseError> {
        let account = AccountName::new("5", "USD");
        self.tell(0, Step::new(&account, Operation::CreateAccount, 0))?;
        for (position, (desk, operation)) in moves.iter().enumerate() {
            let mut step = Step::new(&account, operation.clone(), 0);
            if !operation.is_administration() {
                step.key = Some(format!("own {position}"));
            }
            self.tell(*desk, step)?;
        }
        self.compare(&account)
    }

    /// Everything that there is of the account.
    fn compare(&mut self, account: &AccountName) -> Result<(), TestCaseError> {
        if !self.model.exists(account) {
            return Ok(());
        }
        let desk = &mut self.desks[0];
        compare_journal(desk, &self.model, account)?;
        compare_records(desk, &self.model, account)
    }

    /// Every balance is what its entries come to, and the digest is the one that the model computes.
    pub fn verified_digest(&mut self) -> String {
        let [later, deep, report] =
            [Depth::SinceLast, Depth::Deep, Depth::Whole].map(|depth| self.desks[0].verify(depth));
        for report in [&later, &deep, &report] {
            assert!(report.findings.is_empty(), "{:?}", report.findings);
        }
        assert_eq!((later.digest, later.entries), (report.digest, report.entries));
        assert_eq!((deep.digest, deep.entries), (report.digest, report.entries));
        let digest = report.digest.to_string();
        assert_eq!(digest, hex(&self.model.digest()));
        digest
    }

    /// What is asked then, if there is anything to ask it about.
    fn step(&self, request: &Request, position: usize, accounts: &[AccountName; 2]) -> Option<Step> {
        let account = &accounts[usize::from(request.second_account)];
        let mut step = Step::new(account, request.aimed(&self.model, account)?, 0);
        if !step.operation.is_administration() {
            step.key = Some(match request.key {
                Some(number) => format!("shared {number}"),
                None => format!("own {position}"),
            });
        }
        if words::has_note(&step.operation) {
            step.note = request.note.clone();
        }
        Some(step)
    }

    /// Hands over in one batch, and holds the answers against the model's.
    fn tell_what_waits(&mut self) -> Result<(), TestCaseError> {
        let waiting = std::mem::take(&mut self.waiting);
        let steps: Vec<Step> = waiting.iter().map(|(step, _)| step.clone()).collect();
        let said = self.desks[self.waiting_at].carry_out_in_bulk(&steps);
        prop_assert_eq!(said.len(), steps.len());
        for ((step, expected), (answer, posted)) in waiting.iter().zip(said) {
            prop_assert_eq!(answer, *expected, "the answer to {:?}", step);
            if let (Some(posted), Some(key)) = (posted, &step.key) {
                let made: Vec<model::Entry> = posted.entries.iter().map(words::entry).collect();
                prop_assert_eq!(
                    &made,
                    self.model.entries_of_key(&step.account, key),
                    "what {:?} made",
                    step
                );
            }
        }
        Ok(())
    }

    fn tell(&mut self, desk: usize, step: Step) -> Result<(), TestCaseError> {
        self.operations += 1;
        if self.telling == Telling::InBulk {
            let administration = step.operation.is_administration();
            if administration || desk != self.waiting_at {
                self.tell_what_waits()?;
            }
            if !administration {
                self.waiting_at = desk;
                let step = self.desks[desk].signed(step);
                let expected = self.model.apply(&step);
                self.waiting.push((step, expected));
                return Ok(());
            }
        }
        let desk = &mut self.desks[desk];
        let step = desk.signed(step);
        let (name, said) = (&step.account, format!("{step:?}"));

        let suspended_before = self.model.active_suspension(name);
        let by_the_job = match step.operation {
            Operation::TransferDueCredits => self.model.with_due_credits(step.at_micros),
            _ => Vec::new(),
        };
        let expected = self.model.apply(&step);
        let (answer, posted) = desk.carry_out(&step);
        for account in by_the_job {
            compare_journal(desk, &self.model, &account)?;
            compare_records(desk, &self.model, &account)?;
        }
        for (account, entries) in self.model.awaiting_keys() {
            let keys = desk.last_keys(&account, entries);
            self.model.learn_keys(&account, keys);
            compare_journal(desk, &self.model, &account)?;
        }

        let model = &self.model;
        prop_assert_eq!(answer, expected, "the answer to {}", said);
        if let (Some(posted), Some(key)) = (posted, &step.key) {
            let made: Vec<model::Entry> = posted.entries.iter().map(words::entry).collect();
            prop_assert_eq!(&made, model.entries_of_key(name, key), "what {} made", said);
            if answer == Answer::Applied {
                prop_assert_eq!(words::figures(&posted.figures), model.figures(name), "{}", said);
                compare_record(posted.record.as_deref(), model, name)?;
                let resumed = suspended_before.filter(|_| model.active_suspension(name).is_none());
                let expected = resumed.map(|number| model.suspensions(name)[number - 1].clone());
                prop_assert_eq!(posted.resumed.as_deref().map(words::suspension), expected, "{}", said);
            }
        }
        if model.exists(name) {
            let view = desk.find(name);
            prop_assert_eq!(words::figures(&view.figures), model.figures(name), "after {}", said);
            prop_assert_eq!(view.last_seq, model.entries(name).len() as i64, "after {}", said);
            prop_assert_eq!(view.account.locked, model.is_locked(name), "after {}", said);
            prop_assert_eq!(view.account.closed, model.is_closed(name), "after {}", said);
            let suspension = view.account.suspension.map(|number| number as usize);
            prop_assert_eq!(suspension, model.active_suspension(name), "after {}", said);
        }
        Ok(())
    }
}
