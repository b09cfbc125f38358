//! Somebody at work with the ledger, at one moment.

pub mod commands;
mod lists;

use std::time::Duration;

use ledger::domain::recharge::{RechargeGoal, RechargeId};
use ledger::domain::text::Actor;
use ledger::domain::time::Timestamp;
use ledger::ledger::account::{self, AccountView, Change, Changed, NewAccount, Setting, Settings};
use ledger::ledger::batch::{Batches, Prepared};
use ledger::ledger::post::{Outcome, Posted, Request, post};
use ledger::ledger::progress::Unwatched;
use ledger::ledger::recharge;
use ledger::ledger::scan::Depth;
use ledger::ledger::suspension::{self, Resumed, Suspended};
use ledger::ledger::verify::{Report, verify};
use ledger::ledger::{Clock, DatabaseUrl, Ledger, LedgerError, credits, expiry};

use serde_json::Value;

use super::model::{AccountName, Answer, Operation, Step};
use super::shown::time;
use super::words::{amount, currency, description, key, minor, note, operation, user};
use super::world::Moment;
use crate::common;
use crate::common::verify::a_look;

pub struct Desk {
    ledger: Ledger,
    actor: String,
    at_micros: i64,
    /// Where it gives commands instead of calling the library; it still looks things up by itself.
    commands: Option<common::Ledger>,
}

/// What the ledger answers, and what it says that it wrote.
pub type Said = (Answer, Option<Told>);

#[derive(Debug)]
pub enum Told {
    Posted(Box<Posted>),
    /// As the command line prints it.
    Shown(Value),
}

impl Desk {
    pub fn open(url: &str, actor: String, at_micros: i64) -> Self {
        let url = DatabaseUrl::parse(url).unwrap();
        let clock = Clock::Fixed(Timestamp::from_micros(at_micros));
        let ledger = Ledger::open(&url, clock, Actor::parse(&actor).unwrap(), Duration::from_secs(5));
        Self {
            ledger: ledger.expect("the database was migrated"),
            actor,
            at_micros,
            commands: None,
        }
    }

    /// Does by commands what it is asked to do, on a machine that stands in the moment's time zone.
    #[must_use]
    pub fn giving_commands(self, ledger: &common::Ledger, moment: Moment) -> Self {
        let ledger = ledger.clone().at(&time(moment.at_micros)).env("TZ", moment.zone);
        Self {
            commands: Some(ledger.env("LEDGER_ACTOR", &self.actor)),
            ..self
        }
    }

    /// The step as this desk takes it.
    pub fn signed(&self, step: Step) -> Step {
        Step {
            actor: self.actor.clone(),
            at_micros: self.at_micros,
            ..step
        }
    }

    pub fn carry_out(&mut self, step: &Step) -> Said {
        if let Some(ledger) = self.commands.clone() {
            let account = self.number_of(&step.account);
            return commands::carry_out(&ledger, step, account);
        }
        let name = &step.account;
        let answer = match &step.operation {
            Operation::CreateAccount => self.create(name),
            Operation::Lock => self.change(name, &Change::Lock),
            Operation::Unlock => self.change(name, &Change::Unlock),
            Operation::Close => self.change(name, &Change::Close),
            Operation::SetLimits {
                charges_per_minute,
                spend_per_day,
            } => {
                let settings = Settings {
                    charges_per_minute: setting(*charges_per_minute),
                    spend_per_day: setting(spend_per_day.map(amount)),
                    ..Settings::default()
                };
                self.change(name, &Change::Set(settings))
            }
            Operation::SetLowBalanceThreshold { threshold } => {
                let settings = Settings {
                    low_balance_threshold: setting(threshold.map(minor)),
                    ..Settings::default()
                };
                self.change(name, &Change::Set(settings))
            }
            Operation::Suspend { reason } => self.suspend(name, reason),
            Operation::Resume => self.resume(name),
            Operation::ExpireRecharges => {
                expiry::expire_recharges(&mut self.ledger).unwrap();
                Answer::Applied
            }
            Operation::ExpireHolds => {
                expiry::expire_holds(&mut self.ledger).unwrap();
                Answer::Applied
            }
            Operation::TransferDueCredits => {
                credits::process(&mut self.ledger, &Unwatched).unwrap();
                Answer::Applied
            }
            _ => return self.move_money(step),
        };
        (answer, None)
    }

    fn create(&mut self, name: &AccountName) -> Answer {
        let request = NewAccount {
            user_id: user(name),
            currency: currency(name),
            low_balance_threshold: None,
        };
        match account::create(&mut self.ledger, &request).unwrap() {
            (_, true) => Answer::Applied,
            (_, false) => Answer::AlreadyApplied,
        }
    }

    fn change(&mut self, name: &AccountName, change: &Change) -> Answer {
        match account::change(&mut self.ledger, &user(name), currency(name).code(), change, None) {
            Ok(Changed::Done(_)) => Answer::Applied,
            Ok(Changed::Already(_)) => Answer::AlreadyApplied,
            Ok(Changed::Refused(refusal)) => Answer::Refused(refusal.code().name()),
            Err(error) => not_found(&error),
        }
    }

    fn suspend(&mut self, name: &AccountName, reason: &str) -> Answer {
        let suspended = suspension::suspend(
            &mut self.ledger,
            &user(name),
            currency(name).code(),
            &description(reason),
        );
        match suspended {
            Ok(Suspended::Done(_)) => Answer::Applied,
            Ok(Suspended::Already(_)) => Answer::AlreadyApplied,
            Ok(Suspended::Refused(refusal)) => Answer::Refused(refusal.code().name()),
            Err(error) => not_found(&error),
        }
    }

    fn resume(&mut self, name: &AccountName) -> Answer {
        match suspension::resume(&mut self.ledger, &user(name), currency(name).code()) {
            Ok(Resumed::Done(_)) => Answer::Applied,
            Ok(Resumed::NotSuspended(_)) => Answer::AlreadyApplied,
            Err(error) => not_found(&error),
        }
    }

    /// All of them in one batch.
    pub fn carry_out_in_bulk(&mut self, steps: &[Step]) -> Vec<Said> {
        if let Some(ledger) = self.commands.clone() {
            let numbered = steps.iter().map(|step| (step.clone(), self.number_of(&step.account)));
            let numbered: Vec<(Step, i64)> = numbered.collect();
            return commands::carry_out_in_bulk(&ledger, &numbered);
        }
        let requests: Vec<Prepared> = steps.iter().map(|step| Prepared::new(request(step)).unwrap()).collect();
        let (done, ended) = Batches::default().carry_out(&mut self.ledger, &requests);
        ended.unwrap();
        done.into_iter().map(|answer| said(answer.unwrap().outcome)).collect()
    }

    fn move_money(&mut self, step: &Step) -> Said {
        match step.operation {
            Operation::RechargeProcess { number } => self.advance(step, number, RechargeGoal::Processing),
            Operation::RechargeComplete { number } => self.advance(step, number, RechargeGoal::Completed),
            Operation::RechargeFail { number } => self.advance(step, number, RechargeGoal::Failed),
            Operation::RechargeCancel { number } => self.advance(step, number, RechargeGoal::Cancelled),
            _ => said(post(&mut self.ledger, &request(step)).unwrap().outcome),
        }
    }

    fn advance(&mut self, step: &Step, number: usize, to: RechargeGoal) -> Said {
        let found = account::find(&mut self.ledger, &user(&step.account), currency(&step.account).code());
        let account = match found {
            Ok(account) => account.id,
            Err(error) => return (not_found(&error), None),
        };
        let id = RechargeId {
            account,
            number: number as i64,
        };
        let answer = recharge::advance(&mut self.ledger, id, to, None, key(step)).unwrap();
        said(answer.outcome)
    }

    pub fn verify(&mut self, depth: Depth) -> Report {
        let request = a_look(depth);
        verify(&mut self.ledger, &request, &Unwatched).unwrap()
    }

    /// By which its records are named; one that nobody has, where there is no such account.
    fn number_of(&mut self, name: &AccountName) -> i64 {
        let found = account::find(&mut self.ledger, &user(name), currency(name).code());
        found.map_or(i64::MAX, |account| account.id.get())
    }

    /// What `balance` prints, where this desk gives commands.
    pub fn shown_balance(&self, name: &AccountName) -> Option<Value> {
        let ledger = self.commands.as_ref()?;
        let account = ["--user-id", &name.user_id, "--currency", &name.currency];
        Some(
            ledger
                .run(&[&["balance", "--format", "json"], &account[..]].concat())
                .expect_code(0)
                .data(),
        )
    }

    pub fn find(&mut self, name: &AccountName) -> AccountView {
        account::show(&mut self.ledger, &user(name), currency(name).code()).unwrap()
    }
}

fn setting<T>(wanted: Option<T>) -> Setting<T> {
    wanted.map_or(Setting::Remove, Setting::To)
}

fn request(step: &Step) -> Request {
    Request {
        user_id: user(&step.account),
        currency: currency(&step.account),
        operation: operation(&step.operation),
        note: note(step),
        key: key(step),
    }
}

fn said(outcome: Outcome) -> Said {
    match outcome {
        Outcome::Applied(posted) => (Answer::Applied, Some(Told::Posted(posted))),
        Outcome::AlreadyApplied(posted) => (Answer::AlreadyApplied, Some(Told::Posted(posted))),
        Outcome::Refused(refusal) => (Answer::Refused(refusal.code().name()), None),
        Outcome::Suspended(refusal, _) => (Answer::RefusedAndSuspended(refusal.code().name()), None),
    }
}

#[track_caller]
fn not_found(error: &LedgerError) -> Answer {
    assert!(matches!(error, LedgerError::NotFound(_)), "{error}");
    Answer::Refused("not_found")
}
