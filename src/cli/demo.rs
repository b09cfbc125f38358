//! `ledger demo`

use clap::Args;
use serde_json::json;

use super::context::{Context, invalid};
use super::help;
use crate::domain::code::Exit;
use crate::domain::currency::Currency;
use crate::domain::entry::Note;
use crate::domain::money::Amount;
use crate::domain::operation::{Operation, Settle};
use crate::domain::text::{Actor, PaymentMethod, Service, UserId};
use crate::ledger::account::{NewAccount, create};
use crate::ledger::post::{Answer, Outcome, Request, post};
use crate::ledger::progress::Unwatched;
use crate::ledger::scan::Depth;
use crate::ledger::verify::{Report, Scope, Verify, verify};
use crate::ledger::{Clock, DatabaseUrl, Ledger, LedgerError, demo};
use crate::render::{self, Block, Document};

/// See a crash leave a balance wrong, and the ledger heal it
///
/// Works on a throw-away SQLite file; nothing of yours is touched.
#[derive(Debug, Args)]
#[command(after_help = help::job("ledger demo"))]
pub struct DemoArgs {}

pub fn run(context: &Context<'_>, _args: &DemoArgs) -> anyhow::Result<Exit> {
    let directory = tempfile::tempdir()?;
    let url = DatabaseUrl::Sqlite(directory.path().join("demo.db"));
    let actor = Actor::parse("demo").map_err(invalid)?;
    let mut ledger = Ledger::open(&url, Clock::System, actor, context.lock_timeout()?)?;
    let demo = Demo {
        context,
        currency: Currency::iso("VND").ok_or_else(|| invalid("VND is not known"))?,
    };
    let report = demo.play(&mut ledger)?;
    let data = json!({
        "in_sync": report.exit() == Exit::Done,
        "checked": report.checked,
        "digest": report.digest.map(|digest| digest.to_string()),
    });
    let human = vec![Block::Line(
        "The journal is the truth; the balance was recomputed from it. Exit 0.".into(),
    )];
    context.ended(&Document::single("demo", data, human), report.exit())
}

struct Demo<'a> {
    context: &'a Context<'a>,
    currency: Currency,
}

impl Demo<'_> {
    fn play(&self, ledger: &mut Ledger) -> anyhow::Result<Report> {
        self.context
            .writer
            .tell("1. Three users top up, and are charged for what they use.")?;
        for (user, amount) in [("5", "1000000"), ("6", "250000"), ("7", "80000")] {
            self.open_account(ledger, user)?;
            self.recharge(ledger, user, amount)?;
        }
        self.charge(ledger, "6", "50000", "email")?;
        self.charge(ledger, "7", "90000", "hosting")?;
        self.context
            .writer
            .tell("\n2. A crash: the entry of a charge is written, the balance row is not.")?;
        let (user, code) = (UserId::parse("5").map_err(invalid)?, self.currency.code().clone());
        demo::lose_balance_update(ledger, &user, &code, |ledger| {
            let request = self.request("5", "100000", "vps")?;
            post(ledger, &request)
        })?;
        self.context
            .writer
            .tell("   user 5: charge 100000 VND for vps ... killed")?;
        self.context.writer.tell("\n3. ledger verify-sync")?;
        let found = self.verify(ledger, false)?;
        self.context.writer.tell(&format!("   exit {}", found.exit().code()))?;
        self.context.writer.tell("\n4. ledger verify-sync --fix")?;
        self.verify(ledger, true)?;
        self.context.writer.tell("\n5. ledger verify-sync")?;
        self.verify(ledger, false)
    }

    fn open_account(&self, ledger: &mut Ledger, user: &str) -> Result<(), LedgerError> {
        let user_id = UserId::parse(user).map_err(invalid)?;
        let currency = self.currency.clone();
        create(
            ledger,
            &NewAccount {
                user_id,
                currency,
                low_balance_threshold: None,
            },
        )?;
        Ok(())
    }

    fn recharge(&self, ledger: &mut Ledger, user: &str, amount: &str) -> anyhow::Result<()> {
        let operation = Operation::Recharge {
            amount: Amount::parse(amount, &self.currency).map_err(invalid)?,
            method: PaymentMethod::parse("momo").map_err(invalid)?,
            settle: Settle::Now,
            gateway_response: None,
        };
        let answer = post(ledger, &self.asked(user, operation)?)?;
        self.tell(&format!("user {user}: recharge {amount} VND by momo"), &answer)
    }

    fn charge(&self, ledger: &mut Ledger, user: &str, amount: &str, service: &str) -> anyhow::Result<()> {
        let answer = post(ledger, &self.request(user, amount, service)?)?;
        self.tell(&format!("user {user}: charge {amount} VND for {service}"), &answer)
    }

    fn request(&self, user: &str, amount: &str, service: &str) -> Result<Request, LedgerError> {
        let operation = Operation::Charge {
            amount: Amount::parse(amount, &self.currency).map_err(invalid)?,
            service: Service::parse(service).map_err(invalid)?,
            suspend: false,
            grants: None,
        };
        self.asked(user, operation)
    }

    fn asked(&self, user: &str, operation: Operation) -> Result<Request, LedgerError> {
        let user_id = UserId::parse(user).map_err(invalid)?;
        Ok(Request {
            user_id,
            currency: self.currency.clone(),
            operation,
            note: Note::default(),
            key: None,
        })
    }

    fn tell(&self, what: &str, answer: &Answer) -> anyhow::Result<()> {
        let outcome = match &answer.outcome {
            Outcome::Applied(posted) | Outcome::AlreadyApplied(posted) => {
                format!("balance {} VND", self.currency.show(posted.standing.balance))
            }
            Outcome::Refused(refusal) | Outcome::Suspended(refusal, _) => {
                format!("refused: {}", refusal.message(&self.currency))
            }
        };
        Ok(self.context.writer.tell(&format!("   {what} ... {outcome}"))?)
    }

    fn verify(&self, ledger: &mut Ledger, fix: bool) -> anyhow::Result<Report> {
        let request = Verify {
            scope: Scope::ALL,
            depth: Depth::Whole,
            fix,
            max_fixes: None,
            max_delta: None,
            backup: false,
            anchor: None,
        };
        let report = verify(ledger, &request, &Unwatched)?;
        if self.context.writer.format == render::Format::Table {
            self.context
                .writer
                .show(&render::verify::report("verify-sync", &report, fix), true)?;
        }
        Ok(report)
    }
}
