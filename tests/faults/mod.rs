//! Processes killed, servers crashed, connections cut: what was acknowledged is there, nothing is there
//! twice, and whoever does not know sends the same key again.

pub mod clocks;
pub mod cut_connections;
pub mod disk;
pub mod every_call;
pub mod full_disk;
pub mod hostile;
pub mod killed_apply;
pub mod killed_processes;
pub mod lost_replies;
pub mod power;
mod relay;
mod scene;
pub mod serial;
pub mod soak;
mod strace;
mod stranded_intents;
pub mod troubled_server;
pub mod upgrade;

use std::collections::BTreeSet;

use std::time::Duration;

use ledger::domain::access::Access;
use ledger::domain::currency::Currency;
use ledger::domain::entry::Note;
use ledger::domain::money::Amount;
use ledger::domain::operation::{Operation, Settle};
use ledger::domain::text::{Actor, IdempotencyKey, PaymentMethod, Resource, Service, UserId};
use ledger::ledger::post::{Outcome, Request, post};
use ledger::ledger::progress::Unwatched;
use ledger::ledger::scan::Depth;
use ledger::ledger::verify::verify;
use ledger::ledger::{Clock, DatabaseUrl, account};

use crate::common::verify::a_look;
use crate::common::{Ledger, Output, Running};

const FUNDS: usize = 1_000_000;

/// One operation of one unit of money, under a key of its own.
#[derive(Clone, Debug)]
struct Attempt {
    key: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Charge,
    /// A charge that gives access.
    Access,
    Recharge,
}

impl Attempt {
    /// Two charges, one of them with access, then a recharge.
    fn new(number: usize) -> Self {
        Self {
            key: format!("attempt-{number:05}"),
            kind: [Kind::Charge, Kind::Access, Kind::Recharge][number % 3],
        }
    }

    fn line(&self) -> Vec<&str> {
        let words = match self.kind {
            Kind::Charge => "charge --service vps",
            Kind::Access => "charge --service analysis --grants profile:acme",
            Kind::Recharge => "recharge --method momo",
        };
        let words = words
            .split(' ')
            .chain("--user-id 5 --amount 1 --format json".split(' '));
        words.chain(["--idempotency-key", &self.key]).collect()
    }

    fn start(&self, ledger: &Ledger) -> Running {
        ledger.spawn(&self.line())
    }

    fn run(&self, ledger: &Ledger) -> Output {
        ledger.run(&self.line())
    }

    /// The same as the command line, for the library.
    fn request(&self) -> Request {
        let currency = Currency::iso("USD").unwrap();
        let amount = Amount::parse("1", &currency).unwrap();
        let operation = match self.kind {
            Kind::Charge => Operation::Charge {
                amount,
                service: Service::parse("vps").unwrap(),
                suspend: false,
                grants: None,
            },
            Kind::Access => Operation::Charge {
                amount,
                service: Service::parse("analysis").unwrap(),
                suspend: false,
                grants: Some(Access {
                    resource: Resource::parse("profile:acme").unwrap(),
                    expires_in: None,
                }),
            },
            Kind::Recharge => Operation::Recharge {
                amount,
                method: PaymentMethod::parse("momo").unwrap(),
                settle: Settle::Now,
                gateway_response: None,
            },
        };
        Request {
            user_id: UserId::parse("5").unwrap(),
            currency,
            operation,
            note: Note::default(),
            key: Some(IdempotencyKey::parse(&self.key).unwrap()),
        }
    }
}

/// The ledger as a library.
fn open(url: &str) -> ledger::ledger::Ledger {
    let url = DatabaseUrl::parse(url).unwrap();
    let actor = Actor::parse("tester").unwrap();
    ledger::ledger::Ledger::open(&url, Clock::System, actor, Duration::from_secs(10)).unwrap()
}

fn funded_account(ledger: &Ledger) {
    ledger.fund("5", &FUNDS.to_string());
}

/// Holds the ledger against what its users know, then lets them send every key again.
fn assert_exactly_once(url: &str, sql: impl Fn(&str) -> String, attempts: &[Attempt], acknowledged: &BTreeSet<String>) {
    let mut ledger = open(url);
    proven_digest(&mut ledger);
    let written = keys_written(&sql);
    let lost: Vec<_> = acknowledged.difference(&written).collect();
    assert!(lost.is_empty(), "acknowledged and not there: {lost:?}");

    for attempt in attempts {
        let outcome = post(&mut ledger, &attempt.request()).unwrap().outcome;
        match outcome {
            Outcome::AlreadyApplied(_) => {}
            Outcome::Applied(_) if !written.contains(&attempt.key) => {}
            outcome => panic!("{attempt:?}: {outcome:?}"),
        }
    }

    let expected: BTreeSet<String> = attempts.iter().map(|attempt| attempt.key.clone()).collect();
    assert_eq!(keys_written(&sql), expected);
    let recharged = attempts.iter().filter(|attempt| attempt.kind == Kind::Recharge).count();
    let expected = 100 * (FUNDS + 2 * recharged - attempts.len()) as i64;
    let user = UserId::parse("5").unwrap();
    let view = account::show(&mut ledger, &user, Currency::iso("USD").unwrap().code()).unwrap();
    assert_eq!(view.figures.balance.get(), expected);

    let before = proven_digest(&mut ledger);
    for attempt in attempts {
        let outcome = post(&mut ledger, &attempt.request()).unwrap().outcome;
        assert!(
            matches!(outcome, Outcome::AlreadyApplied(_)),
            "{attempt:?}: {outcome:?}"
        );
    }
    assert_eq!(proven_digest(&mut ledger), before, "keys sent again wrote something");
}

/// Every balance is what its entries come to.
fn proven_digest(ledger: &mut ledger::ledger::Ledger) -> String {
    let request = a_look(Depth::Whole);
    let report = verify(ledger, &request, &Unwatched).unwrap();
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    report.digest.unwrap().to_string()
}

/// The keys of the attempts that have their entry: each once, and each with its intent and its recharge.
fn keys_written(sql: &impl Fn(&str) -> String) -> BTreeSet<String> {
    let attempts = "idempotency_key LIKE 'attempt-%'";
    let keys = sql(&format!(
        "SELECT idempotency_key FROM entries WHERE {attempts} ORDER BY seq"
    ));
    let applied = format!("SELECT COUNT(*) FROM intents WHERE {attempts} AND state = 'applied'");
    let distinct: BTreeSet<String> = keys.lines().map(str::to_owned).collect();
    assert_eq!(distinct.len(), keys.lines().count(), "a key was applied twice");
    assert_eq!(sql(&applied), distinct.len().to_string(), "entries and applied intents");
    let without_recharge = "SELECT COUNT(*) FROM entries e WHERE kind = 'recharge' AND NOT EXISTS \
         (SELECT 1 FROM recharges r WHERE r.account_id = e.account_id AND r.entry_seq = e.seq)";
    let without_entry = "SELECT COUNT(*) FROM recharges r WHERE NOT EXISTS \
         (SELECT 1 FROM entries e WHERE e.account_id = r.account_id AND e.seq = r.entry_seq)";
    assert_eq!(
        [sql(without_recharge), sql(without_entry)],
        ["0", "0"],
        "recharges and entries"
    );
    let without_access = "SELECT COUNT(*) FROM entries e WHERE counter_account = 'revenue:analysis' AND NOT EXISTS \
         (SELECT 1 FROM access_grants g WHERE g.account_id = e.account_id AND g.entry_seq = e.seq)";
    let without_charge = "SELECT COUNT(*) FROM access_grants g WHERE NOT EXISTS \
         (SELECT 1 FROM entries e WHERE e.account_id = g.account_id AND e.seq = g.entry_seq \
         AND e.counter_account = 'revenue:analysis')";
    assert_eq!(
        [sql(without_access), sql(without_charge)],
        ["0", "0"],
        "access and charges"
    );
    distinct
}
