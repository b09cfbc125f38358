//! Somebody at work with the ledger, at one moment.

mod lists;

use std::time::Duration;

use ledger::domain::account::Limits;
use ledger::domain::recharge::{RechargeId, RechargeStatus};
use ledger::domain::text::Actor;
use ledger::domain::time::Timestamp;
use ledger::ledger::account::{self, AccountView, Change, Changed, Create, Setting, Settings};
use ledger::ledger::batch::{Batches, Prepared};
use ledger::ledger::post::{Outcome, Posted, Request, post};
use ledger::ledger::progress::Unwatched;
use ledger::ledger::recharge;
use ledger::ledger::scan::Depth;
use ledger::ledger::suspension::{self, Resumed, Suspended};
use ledger::ledger::verify::{Report, Scope, Verify, verify};
use ledger::ledger::{Clock, DatabaseUrl, Ledger, LedgerError, credits, expiry};

use super::model::{AccountName, Answer, Operation, Step};
use super::words::{amount, currency, description, key, minor, note, operation, user};

pub struct Desk {
    ledger: Ledger,
    actor: String,
    at_micros: i64,
}

/// What the ledger answers, and what it says that it wrote.
type Said = (Answer, Option<Box<Posted>>);

impl Desk {
    pub fn open(url: &str, actor: String, at_micros: i64) -> Self {
        let url = DatabaseUrl::parse(url).unwrap();
        let clock = Clock::Fixed(Timestamp::from_micros(at_micros));
        let ledger = Ledger::open(&url, clock, Actor::parse(&actor).unwrap(), Duration::from_secs(5));
        Self {
            ledger: ledger.expect("the database was migrated"),
            actor,
            at_micros,
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
        let request = Create {
            user_id: user(name),
            currency: currency(name),
            low_balance_threshold: None,
            limits: Limits::default(),
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
        let requests: Vec<Prepared> = steps.iter().map(|step| Prepared::new(request(step)).unwrap()).collect();
        let done = Batches::default().carry_out(&mut self.ledger, &requests).unwrap();
        done.into_iter().map(|answer| said(answer.unwrap().outcome)).collect()
    }

    fn move_money(&mut self, step: &Step) -> Said {
        match step.operation {
            Operation::RechargeProcess { number } => self.advance(step, number, RechargeStatus::Processing),
            Operation::RechargeComplete { number } => self.advance(step, number, RechargeStatus::Completed),
            Operation::RechargeFail { number } => self.advance(step, number, RechargeStatus::Failed),
            Operation::RechargeCancel { number } => self.advance(step, number, RechargeStatus::Cancelled),
            _ => said(post(&mut self.ledger, &request(step)).unwrap().outcome),
        }
    }

    fn advance(&mut self, step: &Step, number: usize, to: RechargeStatus) -> Said {
        let found = account::find(&mut self.ledger, &user(&step.account), currency(&step.account).code());
        let account = match found {
            Ok(view) => view.account.id,
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
        let request = Verify {
            scope: Scope::ALL,
            depth,
            fix: false,
            max_fixes: None,
            max_delta: None,
            backup: false,
            anchor: None,
        };
        verify(&mut self.ledger, &request, &Unwatched).unwrap()
    }

    pub fn find(&mut self, name: &AccountName) -> AccountView {
        account::find(&mut self.ledger, &user(name), currency(name).code()).unwrap()
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
        Outcome::Applied(posted) => (Answer::Applied, Some(posted)),
        Outcome::AlreadyApplied(posted) => (Answer::AlreadyApplied, Some(posted)),
        Outcome::Refused(refusal) => (Answer::Refused(refusal.code().name()), None),
        Outcome::Suspended(refusal, _) => (Answer::RefusedAndSuspended(refusal.code().name()), None),
    }
}

#[track_caller]
fn not_found(error: &LedgerError) -> Answer {
    assert!(matches!(error, LedgerError::NotFound(_)), "{error}");
    Answer::Refused("not_found")
}
