//! A ledger and the model beside it: each is told the same, and both must answer alike.

use ledger::ledger::scan::Depth;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::compare::{compare_entries, compare_journal, compare_records, compare_state};
use super::desk::{Desk, commands};
use super::history::{Holds, Move, Request};
use super::model::{AccountName, Answer, Entry, Model, Operation, Step, hex};
use super::{shown, words};
use crate::common::TestDatabase;

const SECOND: i64 = 1_000_000;
/// 2026-03-01T12:00:00Z
const NOON: i64 = 1_772_366_400 * SECOND;
const MIDNIGHT: i64 = NOON + 12 * 3_600 * SECOND;

/// Where the clock of a desk stands, and in which zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at_micros: i64,
    pub zone: &'static str,
}

const fn utc(at_micros: i64) -> Moment {
    Moment { at_micros, zone: "UTC" }
}

/// The desks of a day: requests come in any order of time.
pub const A_DAY: [Moment; 7] = [
    utc(NOON),
    utc(NOON + SECOND),
    utc(NOON + 30 * SECOND),
    utc(NOON + 60 * SECOND),
    utc(NOON + 3_600 * SECOND),
    utc(MIDNIGHT - 1),
    utc(MIDNIGHT),
];

/// How the ledger is told; the model is told one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    OneByOne,
    /// What a desk has to say at a stretch, all at once.
    InBulk,
    /// By a command for each.
    ByCommands,
    /// By files of what a desk has to say at a stretch.
    ByFiles,
}

impl Telling {
    const fn is_in_bulk(self) -> bool {
        matches!(self, Self::InBulk | Self::ByFiles)
    }

    /// Whether a key that the ledger makes up can be learnt before the next operation is told.
    pub const fn holds(self) -> Holds {
        if self.is_in_bulk() {
            Holds::Last
        } else {
            Holds::MayExpire
        }
    }

    pub const fn gives_commands(self) -> bool {
        matches!(self, Self::ByCommands | Self::ByFiles)
    }
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
    /// With a desk at each of the moments.
    pub fn on(database: &TestDatabase, telling: Telling, moments: &[Moment]) -> Self {
        let ledger = database.ledger();
        let desks = moments.iter().enumerate().map(|(number, moment)| {
            let desk = Desk::open(&database.url, format!("tester {number}"), moment.at_micros);
            if telling.gives_commands() {
                desk.giving_commands(&ledger, *moment)
            } else {
                desk
            }
        });
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
            let desk = if self.telling.is_in_bulk() {
                // One desk says it all, so that there are long stretches.
                self.lives % self.desks.len()
            } else {
                desk.index(self.desks.len())
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
        compare_records(desk, &self.model, account)?;
        if let Some(balance) = desk.shown_balance(account) {
            let figures = shown::figures(&self.model.figures(account), &account.currency);
            prop_assert_eq!(&shown::of_those(&figures, &balance), &figures);
        }
        Ok(())
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
        let digest = report.digest.unwrap().to_string();
        assert_eq!(digest, hex(&self.model.digest()));
        digest
    }

    /// Every entry that was made, in its account's order, but for its time and its hash.
    pub fn timeless(&self) -> Vec<Entry> {
        let names = self.model.names();
        let entries = names.iter().flat_map(|account| self.model.entries(account));
        let without_time = |entry: &Entry| Entry {
            at_micros: 0,
            hash: [0; 32],
            ..entry.clone()
        };
        entries.map(without_time).collect()
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
        if self.telling.gives_commands() {
            return commands::is_given(&step.operation).then(|| commands::as_given(step));
        }
        Some(step)
    }

    /// Hands over in one batch, and holds the answers against the model's.
    fn tell_what_waits(&mut self) -> Result<(), TestCaseError> {
        let waiting = std::mem::take(&mut self.waiting);
        let steps: Vec<Step> = waiting.iter().map(|(step, _)| step.clone()).collect();
        let said = self.desks[self.waiting_at].carry_out_in_bulk(&steps);
        prop_assert_eq!(said.len(), steps.len());
        for ((step, expected), (answer, told)) in waiting.iter().zip(said) {
            prop_assert_eq!(answer, *expected, "the answer to {:?}", step);
            if let Some(told) = told {
                compare_entries(&told, &self.model, step)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, desk: usize, step: Step) -> Result<(), TestCaseError> {
        self.operations += 1;
        if self.telling.is_in_bulk() {
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
        let (answer, told) = desk.carry_out(&step);
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
        if let Some(told) = told {
            compare_entries(&told, model, &step)?;
            if answer == Answer::Applied {
                compare_state(&told, model, &step, suspended_before)?;
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
