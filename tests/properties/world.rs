//! A ledger and the model beside it: each is told the same, and both must answer alike.

use std::collections::HashMap;
use std::time::Duration;

use ledger::domain::account::Limits;
use ledger::domain::currency::Currency;
use ledger::domain::entry::{Entry, Note};
use ledger::domain::money::{Amount, Minor, SignedAmount};
use ledger::domain::operation::{IfSpent, Operation, Settle};
use ledger::domain::recharge::{RechargeId, RechargeStatus};
use ledger::domain::text::{Actor, Description, IdempotencyKey, Json, PaymentMethod, Reference, Service, UserId};
use ledger::domain::time::Timestamp;
use ledger::ledger::account::{self, Change, Changed, Create, Setting, Settings};
use ledger::ledger::expiry;
use ledger::ledger::inspect::{self, HistoryFilter};
use ledger::ledger::post::{Outcome, Posted, Request, post};
use ledger::ledger::progress::Unwatched;
use ledger::ledger::recharge::{self, RechargeQuery};
use ledger::ledger::verify::{Report, Scope, Verify, verify};
use ledger::ledger::{Clock, DatabaseUrl, Ledger, LedgerError};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::history::{self, Move};
use super::model::{self, AccountName, Answer, Model, Step, hex};
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

/// Somebody at work, at one moment.
struct Desk {
    ledger: Ledger,
    actor: String,
    at_micros: i64,
}

pub struct World {
    model: Model,
    desks: Vec<Desk>,
    lives: usize,
}

impl World {
    pub fn on(database: &TestDatabase) -> Self {
        let url = DatabaseUrl::parse(&database.url).unwrap();
        let desks = CLOCKS.iter().enumerate().map(|(number, at_micros)| {
            let actor = format!("tester {number}");
            let clock = Clock::Fixed(Timestamp::from_micros(*at_micros));
            let ledger = Ledger::open(&url, clock, Actor::parse(&actor).unwrap(), Duration::from_secs(5));
            Desk {
                ledger: ledger.expect("the database was migrated"),
                actor,
                at_micros: *at_micros,
            }
        });
        Self {
            model: Model::new(),
            desks: desks.collect(),
            lives: 0,
        }
    }

    /// Lives through a history with two accounts that nobody else has.
    pub fn live_through(&mut self, moves: &[Move]) -> Result<(), TestCaseError> {
        self.lives += 1;
        let user_id = format!("người dùng {}", self.lives);
        let accounts = [AccountName::new(&user_id, "USD"), AccountName::new(&user_id, "VND")];
        let mut life = Life::default();
        self.tell(
            &mut life,
            0,
            &Step::new(&accounts[0], model::Operation::CreateAccount, 0),
        )?;
        for (position, next) in moves.iter().enumerate() {
            match next {
                Move::Do(request) => {
                    let desk = request.desk.index(self.desks.len());
                    let step = step(request, position, &accounts);
                    self.tell(&mut life, desk, &step)?;
                }
                Move::Again { which, desk } => {
                    let told: Vec<&Step> = life.told.iter().filter(|step| step.key.is_some()).collect();
                    if !told.is_empty() {
                        let step = (*which.get(&told)).clone();
                        let desk = desk.index(self.desks.len());
                        self.tell(&mut life, desk, &step)?;
                    }
                }
            }
        }
        for account in &accounts {
            self.compare_records(account)?;
        }
        Ok(())
    }

    /// Every balance is what its entries come to, and the digest is the one that the model computes.
    pub fn verified_digest(&mut self) -> String {
        let request = Verify {
            scope: Scope::All,
            fix: false,
            max_fixes: None,
            max_delta: None,
            backup: false,
        };
        let report: Report = verify(&mut self.desks[0].ledger, &request, &Unwatched).unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let digest = report.digest.to_string();
        assert_eq!(digest, hex(&self.model.digest()));
        digest
    }

    fn tell(&mut self, life: &mut Life, desk: usize, step: &Step) -> Result<(), TestCaseError> {
        let desk = &mut self.desks[desk];
        let mut step = step.clone();
        step.actor.clone_from(&desk.actor);
        step.at_micros = desk.at_micros;
        let name = step.account.clone();
        let entries_before = self.model.entries(&name).len();

        let expected = self.model.apply(&step);
        let (answer, posted) = desk.carry_out(&step);

        let (model, said) = (&self.model, format!("{step:?}"));
        prop_assert_eq!(answer, expected, "the answer to {}", said);
        if let Some(posted) = posted {
            let entries: Vec<model::Entry> = posted.entries.iter().map(as_model).collect();
            let first = step.key.clone().and_then(|key| life.applied.get(&(name.clone(), key)));
            match (answer, first) {
                (Answer::Applied, _) => {
                    prop_assert_eq!(&entries, &model.entries(&name)[entries_before..], "{}", said);
                    prop_assert_eq!(figures(&posted.figures), model.figures(&name), "{}", said);
                    if let Some(key) = &step.key {
                        life.applied.insert((name.clone(), key.clone()), entries);
                    }
                }
                (_, Some(first)) => prop_assert_eq!(&entries, first, "the first outcome of {}", said),
                (_, None) => {
                    let journal = model.entries(&name);
                    prop_assert!(entries.iter().all(|entry| journal.contains(entry)), "{}", said);
                }
            }
        }
        if model.exists(&name) {
            let view = desk.find(&name);
            prop_assert_eq!(figures(&view.figures), model.figures(&name), "after {}", said);
            prop_assert_eq!(view.last_seq, model.entries(&name).len() as i64, "after {}", said);
            prop_assert_eq!(view.account.locked, model.is_locked(&name), "after {}", said);
            prop_assert_eq!(view.account.closed, model.is_closed(&name), "after {}", said);
        }
        life.told.push(step);
        Ok(())
    }

    /// The whole journal of an account and the statuses of its recharges.
    fn compare_records(&mut self, name: &AccountName) -> Result<(), TestCaseError> {
        if !self.model.exists(name) {
            return Ok(());
        }
        let ledger = &mut self.desks[0].ledger;
        let filter = HistoryFilter {
            limit: 1_000,
            ..HistoryFilter::default()
        };
        let (user_id, currency) = (user(name), currency(name));
        let history = inspect::history(ledger, &user_id, currency.code(), &filter).unwrap();
        let journal: Vec<model::Entry> = history.entries.iter().rev().map(as_model).collect();
        prop_assert_eq!(&journal, self.model.entries(name));

        let query = RechargeQuery {
            account: Some((user_id, currency.code().clone())),
            status: None,
            limit: 1_000,
        };
        let mut recharges = recharge::list(ledger, &query).unwrap();
        recharges.sort_by_key(|view| view.recharge.id.number);
        let statuses: Vec<&str> = recharges.iter().map(|view| view.recharge.status.name()).collect();
        let expected: Vec<String> = self
            .model
            .recharges(name)
            .iter()
            .map(|recharge| format!("{:?}", recharge.status).to_lowercase())
            .collect();
        prop_assert_eq!(statuses, expected);
        Ok(())
    }
}

/// What one history has seen so far.
#[derive(Default)]
struct Life {
    told: Vec<Step>,
    /// The entries that an applied key made.
    applied: HashMap<(AccountName, String), Vec<model::Entry>>,
}

fn step(request: &history::Request, position: usize, accounts: &[AccountName; 2]) -> Step {
    use model::Operation::{
        Close, CreateAccount, ExpireRecharges, Lock, RechargeCancel, RechargeComplete, RechargeFail, RechargeProcess,
        SetLimits, Unlock,
    };
    let account = &accounts[usize::from(request.second_account)];
    let mut step = Step::new(account, request.operation.clone(), 0);
    if matches!(
        step.operation,
        CreateAccount | Lock | Unlock | Close | SetLimits { .. } | ExpireRecharges
    ) {
        return step;
    }
    step.key = Some(match request.key {
        Some(number) => format!("shared {number}"),
        None => format!("own {position}"),
    });
    if !matches!(
        step.operation,
        RechargeProcess { .. } | RechargeComplete { .. } | RechargeFail { .. } | RechargeCancel { .. }
    ) {
        step.reference = request.reference.map(str::to_owned);
        step.description = request.description.map(str::to_owned);
        step.metadata = request.metadata.map(str::to_owned);
    }
    step
}

impl Desk {
    fn carry_out(&mut self, step: &Step) -> (Answer, Option<Box<Posted>>) {
        use model::Operation as Asked;
        match step.operation {
            Asked::CreateAccount => (self.create(&step.account), None),
            Asked::Lock => (self.change(&step.account, &Change::Lock), None),
            Asked::Unlock => (self.change(&step.account, &Change::Unlock), None),
            Asked::Close => (self.change(&step.account, &Change::Close), None),
            Asked::SetLimits {
                charges_per_minute,
                spend_per_day,
            } => {
                let settings = Settings {
                    low_balance_threshold: Setting::Keep,
                    charges_per_minute: charges_per_minute.map_or(Setting::Remove, Setting::To),
                    spend_per_day: spend_per_day.map_or(Setting::Remove, |limit| Setting::To(amount(limit))),
                };
                (self.change(&step.account, &Change::Set(settings)), None)
            }
            Asked::ExpireRecharges => {
                expiry::expire_recharges(&mut self.ledger).unwrap();
                (Answer::Applied, None)
            }
            Asked::RechargeProcess { number } => self.advance(step, number, RechargeStatus::Processing),
            Asked::RechargeComplete { number } => self.advance(step, number, RechargeStatus::Completed),
            Asked::RechargeFail { number } => self.advance(step, number, RechargeStatus::Failed),
            Asked::RechargeCancel { number } => self.advance(step, number, RechargeStatus::Cancelled),
            _ => self.post(step),
        }
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

    fn advance(&mut self, step: &Step, number: usize, to: RechargeStatus) -> (Answer, Option<Box<Posted>>) {
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
        told(answer.outcome)
    }

    fn post(&mut self, step: &Step) -> (Answer, Option<Box<Posted>>) {
        let request = Request {
            user_id: user(&step.account),
            currency: currency(&step.account),
            operation: operation(&step.operation),
            note: note(step),
            key: key(step),
        };
        told(post(&mut self.ledger, &request).unwrap().outcome)
    }

    fn find(&mut self, name: &AccountName) -> account::AccountView {
        account::find(&mut self.ledger, &user(name), currency(name).code()).unwrap()
    }
}

fn told(outcome: Outcome) -> (Answer, Option<Box<Posted>>) {
    match outcome {
        Outcome::Applied(posted) => (Answer::Applied, Some(posted)),
        Outcome::AlreadyApplied(posted) => (Answer::AlreadyApplied, Some(posted)),
        Outcome::Refused(refusal) | Outcome::Suspended(refusal, _) => (Answer::Refused(refusal.code().name()), None),
    }
}

#[track_caller]
fn not_found(error: &LedgerError) -> Answer {
    assert!(matches!(error, LedgerError::NotFound(_)), "{error}");
    Answer::Refused("not_found")
}

fn user(name: &AccountName) -> UserId {
    UserId::parse(&name.user_id).unwrap()
}

fn currency(name: &AccountName) -> Currency {
    Currency::iso(&name.currency).unwrap()
}

fn amount(minor: i64) -> Amount {
    Amount::new(Minor::new(minor)).unwrap()
}

fn key(step: &Step) -> Option<IdempotencyKey> {
    step.key.as_deref().map(|key| IdempotencyKey::parse(key).unwrap())
}

fn note(step: &Step) -> Note {
    Note {
        reference: step.reference.as_deref().map(|text| Reference::parse(text).unwrap()),
        description: step
            .description
            .as_deref()
            .map(|text| Description::parse(text).unwrap()),
        metadata: step
            .metadata
            .as_deref()
            .map(|text| Json::parse(text, "the metadata").unwrap()),
    }
}

fn operation(asked: &model::Operation) -> Operation {
    use model::Operation as Asked;
    let recharge = |paid: i64, method: &str, settle| Operation::Recharge {
        amount: amount(paid),
        method: PaymentMethod::parse(method).unwrap(),
        settle,
        gateway_response: None,
    };
    match asked {
        Asked::Recharge { amount, method } => recharge(*amount, method, Settle::Now),
        Asked::RechargePending {
            amount,
            method,
            expires_in,
        } => {
            let expires_in = expires_in.map(chrono::TimeDelta::seconds);
            recharge(*amount, method, Settle::Later { expires_in })
        }
        Asked::Charge {
            amount: charged,
            service,
        } => Operation::Charge {
            amount: amount(*charged),
            service: Service::parse(service).unwrap(),
            suspend: false,
        },
        Asked::Adjust { amount } => Operation::Adjust {
            amount: SignedAmount::new(Minor::new(*amount)).unwrap(),
        },
        Asked::Penalty { amount: taken } => Operation::Penalty { amount: amount(*taken) },
        Asked::Credit { amount: given } => Operation::Credit { amount: amount(*given) },
        Asked::Gift { amount: given } => Operation::Gift { amount: amount(*given) },
        Asked::Clawback {
            amount: taken,
            may_become_debt,
        } => Operation::Clawback {
            amount: amount(*taken),
            reverses: None,
            if_spent: if *may_become_debt {
                IfSpent::Debt
            } else {
                IfSpent::Refuse
            },
        },
        other => unreachable!("{other:?} is no posting"),
    }
}

fn figures(figures: &ledger::domain::balance::Figures) -> model::Figures {
    model::Figures {
        balance: figures.balance.get(),
        held: figures.held.get(),
        debt: figures.debt.get(),
        total_recharged: figures.total_recharged.get(),
        total_spent: figures.total_spent.get(),
    }
}

fn as_model(entry: &Entry) -> model::Entry {
    let Entry {
        seq,
        movement,
        after,
        stamp,
        hash,
    } = entry;
    let note = &stamp.note;
    model::Entry {
        seq: *seq,
        kind: movement.kind.name(),
        balance_delta: movement.deltas.balance.get(),
        held_delta: movement.deltas.held.get(),
        debt_delta: movement.deltas.debt.get(),
        balance_after: after.balance.get(),
        held_after: after.held.get(),
        debt_after: after.debt.get(),
        counter_account: movement.counter_account.as_str().to_owned(),
        reference: note.reference.as_ref().map(|text| text.as_str().to_owned()),
        description: note.description.as_ref().map(|text| text.as_str().to_owned()),
        metadata: note.metadata.as_ref().map(|json| json.as_str().to_owned()),
        actor: stamp.actor.as_str().to_owned(),
        reverses: movement.reverses,
        idempotency_key: stamp.key.as_ref().map(|key| key.as_str().to_owned()),
        at_micros: stamp.at.micros(),
        hash: *hash.as_bytes(),
    }
}
