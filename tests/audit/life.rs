//! A service with users who recharge every week or so and are charged all day.

use std::time::Duration;

use ledger::domain::currency::Currency;
use ledger::domain::entry::Note;
use ledger::domain::money::{Amount, Minor};
use ledger::domain::operation::{Operation, Settle};
use ledger::domain::text::{Actor, PaymentMethod, Service, UserId};
use ledger::domain::time::Timestamp;
use ledger::ledger::account::{NewAccount, create};
use ledger::ledger::batch::{Batches, Prepared};
use ledger::ledger::post::{Outcome, Request};
use ledger::ledger::{Clock, DatabaseUrl, Ledger};

use crate::common::TestDatabase;

/// 2026-03-01T00:00:00Z
const BEGINNING: i64 = 1_772_323_200;
const DAY: i64 = 86_400;

/// That many seconds into that day.
fn at(day: i64, seconds: i64) -> Timestamp {
    Timestamp::from_micros((BEGINNING + day * DAY + seconds) * 1_000_000)
}

pub fn time(day: i64, seconds: i64) -> String {
    at(day, seconds).to_string()
}

pub struct Life {
    url: DatabaseUrl,
    users: i64,
    random: fastrand::Rng,
    /// What each may be believed to have, in minor units.
    balances: Vec<i64>,
}

impl Life {
    pub fn begin(db: &TestDatabase, users: i64) -> Self {
        let life = Self {
            url: DatabaseUrl::parse(&db.url).unwrap(),
            users,
            random: fastrand::Rng::with_seed(7),
            balances: vec![0; users as usize],
        };
        let mut ledger = life.ledger(0, 0);
        for user in 0..users {
            let request = NewAccount {
                user_id: user_id(user),
                currency: usd(),
                low_balance_threshold: None,
            };
            create(&mut ledger, &request).unwrap();
        }
        life
    }

    fn ledger(&self, day: i64, seconds: i64) -> Ledger {
        let clock = Clock::Fixed(at(day, seconds));
        let actor = Actor::parse("billing").unwrap();
        Ledger::open(&self.url, clock, actor, Duration::from_secs(10)).unwrap()
    }

    /// Eight times a day nearly everybody is charged; who runs short recharges. At the week-end there is less.
    pub fn quiet_day(&mut self, day: i64) {
        let busy = if day % 7 < 5 { 95 } else { 55 };
        for round in 0..8 {
            let seconds = round * 10_000 + self.random.i64(0..9_000);
            let mut requests = Vec::new();
            for user in 0..self.users {
                let charge = self.random.i64(50..900);
                let balance = &mut self.balances[user as usize];
                if *balance < 2_000 {
                    let amount = [5_000, 10_000, 20_000][self.random.usize(0..3)];
                    *balance += amount;
                    requests.push(recharge(user, amount));
                }
                if self.random.i64(0..100) < busy {
                    self.balances[user as usize] -= charge;
                    requests.push(spend(user, charge));
                }
                if self.random.i64(0..60) == 0 {
                    // Now and then somebody wants more than he has.
                    requests.push(spend(user, 30_000));
                }
            }
            self.tell(day, seconds, &requests);
        }
    }

    /// All of it at one moment; how many were refused.
    pub fn tell(&self, day: i64, seconds: i64, requests: &[Request]) -> usize {
        let mut ledger = self.ledger(day, seconds);
        let requests: Vec<Prepared> = requests
            .iter()
            .cloned()
            .map(|request| Prepared::new(request).unwrap())
            .collect();
        let (done, ended) = Batches::default().carry_out(&mut ledger, &requests);
        ended.unwrap();
        let refused = |outcome: Outcome| !matches!(outcome, Outcome::Applied(_));
        done.into_iter()
            .filter(|answer| refused(answer.as_ref().unwrap().outcome.clone()))
            .count()
    }

    /// The number of the account's last entry.
    pub fn last_entry(db: &TestDatabase, user: i64) -> i64 {
        let last = format!(
            "SELECT b.last_seq FROM balances b JOIN accounts a ON a.id = b.account_id WHERE a.user_id = 'user-{user}'"
        );
        db.sql(&last).parse().unwrap()
    }
}

fn usd() -> Currency {
    Currency::iso("USD").unwrap()
}

fn user_id(user: i64) -> UserId {
    UserId::parse(&format!("user-{user}")).unwrap()
}

fn amount(minor: i64) -> Amount {
    Amount::new(Minor::new(minor)).unwrap()
}

fn request(user: i64, operation: Operation) -> Request {
    Request {
        user_id: user_id(user),
        currency: usd(),
        operation,
        note: Note::default(),
        key: None,
    }
}

pub fn spend(user: i64, minor: i64) -> Request {
    let operation = Operation::Charge {
        amount: amount(minor),
        service: Service::parse("vps").unwrap(),
        suspend: false,
        grants: None,
    };
    request(user, operation)
}

pub fn recharge(user: i64, minor: i64) -> Request {
    let operation = Operation::Recharge {
        amount: amount(minor),
        method: PaymentMethod::parse("momo").unwrap(),
        settle: Settle::Now,
        gateway_response: None,
    };
    request(user, operation)
}

pub fn refund(user: i64, entry: i64) -> Request {
    request(user, Operation::Refund { entry, amount: None })
}

pub fn reverse(user: i64, entry: i64) -> Request {
    let if_spent = ledger::domain::operation::IfSpent::Debt;
    let operation = Operation::Reverse {
        entry,
        amount: None,
        if_spent,
    };
    request(user, operation)
}
