//! What an audit has found, in words: where, why, and what to do next.

use crate::domain::access::AccessGrant;
use crate::domain::account::{Account, AccountId};
use crate::domain::alert::Severity;
use crate::domain::close::{TiedToClose, Totals};
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::intent::Intent;
use crate::domain::pattern::{Pattern, UnusualVolume};
use crate::domain::text::{UserId, shell_quoted};
use crate::domain::time::Timestamp;
use crate::ledger::alert::Cause;
use crate::ledger::health::{self, HealthReport};
use crate::ledger::verify;

/// How the alert of a finding ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alerted {
    /// When an audit does not find it any more.
    WhileItLasts,
    /// It happened: when somebody has taken notice, and an audit does not see it any more.
    UntilNoticed,
    /// It happened, and the period it happened in may be over: as [`Self::UntilNoticed`], or when it was made good.
    UntilMadeAgain,
    /// The alerts of `health` and `verify-sync` say it.
    Elsewhere,
}

#[derive(Clone, Debug)]
pub struct Finding {
    pub severity: Severity,
    /// `many_operations`, `unusual_amount` ...
    pub name: String,
    /// `None` for the ledger as a whole.
    pub id: Option<AccountId>,
    /// Whose account it is; `None` also for an account that does not exist.
    pub owner: Option<(UserId, CurrencyCode)>,
    pub message: String,
    /// The entries it is about, the first of them.
    pub entries: Vec<i64>,
    /// The attempts it is about, the first of them.
    pub keys: Vec<String>,
    /// The next command to type.
    pub next: String,
    pub alerted: Alerted,
    /// Where one account may have several of that name: the record it is about.
    pub record: Option<String>,
    pub mended: bool,
}

impl Finding {
    pub(super) fn cause(&self) -> Cause {
        let family = match self.alerted {
            Alerted::UntilNoticed => "event",
            Alerted::WhileItLasts | Alerted::UntilMadeAgain | Alerted::Elsewhere => "audit",
        };
        Cause {
            account: self.id,
            name: match &self.record {
                Some(record) => format!("{family}:{}:{record}", self.name),
                None => format!("{family}:{}", self.name),
            },
            severity: self.severity,
            message: self.message.clone(),
        }
    }
}

/// What was found, as much of it as a person can read, and how much there is in all.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub list: Vec<Finding>,
    pub critical: u64,
    pub warning: u64,
    pub omitted: u64,
}

/// How many findings are kept in words.
pub(super) const AT_MOST: usize = 1_000;

type Whose<'a> = (AccountId, Option<&'a Account>);

fn user(account: &Account) -> String {
    format!("user {} in {}", account.user_id, account.currency.code())
}

fn whose((id, account): Whose<'_>) -> String {
    account.map_or_else(|| format!("account {id}, which does not exist"), user)
}

/// An argument that a shell reads as one.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/+".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        shell_quoted(text)
    }
}

/// The options that name the account.
fn named(account: &Account) -> String {
    format!(
        "--user-id {} --currency {}",
        quoted(account.user_id.as_str()),
        account.currency.code()
    )
}

fn history((id, account): Whose<'_>, before: Option<i64>) -> String {
    let Some(account) = account else {
        return format!("ledger alerts list # account {id}");
    };
    let before = before.map_or_else(String::new, |seq| format!(" --before {}", seq.saturating_add(1)));
    format!("ledger history {}{before}", named(account))
}

/// A finding of one account, its entries and keys still to be given.
fn of(severity: Severity, name: &str, whose: Whose<'_>, message: String, next: String) -> Finding {
    Finding {
        severity,
        name: name.into(),
        id: Some(whose.0),
        owner: whose.1.map(|a| (a.user_id.clone(), a.currency.code().clone())),
        message,
        entries: Vec::new(),
        keys: Vec::new(),
        next,
        alerted: Alerted::WhileItLasts,
        record: None,
        mended: false,
    }
}

/// One that is about the ledger as a whole.
fn of_ledger(severity: Severity, name: &str, message: String, next: String, alerted: Alerted) -> Finding {
    Finding {
        id: None,
        alerted,
        ..of(severity, name, (AccountId::NONE, None), message, next)
    }
}

impl Findings {
    /// The gravest of what is not mended.
    pub fn worst(&self) -> Option<Severity> {
        if self.critical > 0 {
            Some(Severity::Critical)
        } else if self.warning > self.mended() {
            Some(Severity::Warning)
        } else {
            None
        }
    }

    /// Only warnings are ever mended.
    pub fn mended(&self) -> u64 {
        self.list.iter().filter(|finding| finding.mended).count() as u64
    }

    /// Its place; `None` where there are too many.
    fn add(&mut self, finding: Finding) -> Option<usize> {
        match finding.severity {
            Severity::Critical => self.critical += 1,
            Severity::Warning => self.warning += 1,
        }
        if self.list.len() >= AT_MOST {
            self.omitted += 1;
            return None;
        }
        self.list.push(finding);
        Some(self.list.len() - 1)
    }

    pub(super) fn of_health(&mut self, report: &HealthReport) {
        for found in &report.findings {
            let finding = &found.finding;
            let next = match finding.severity {
                Severity::Critical => format!(
                    "ledger history --user-id {} --currency {}",
                    quoted(finding.user_id.as_str()),
                    finding.currency
                ),
                Severity::Warning => "ledger health --fix".into(),
            };
            let (user, currency) = (&finding.user_id, &finding.currency);
            let message = format!("{}: user {user} in {currency}", health::meaning(&finding.name));
            self.add(Finding {
                owner: Some((user.clone(), currency.clone())),
                alerted: Alerted::Elsewhere,
                ..of(finding.severity, &finding.name, (finding.account, None), message, next)
            });
        }
        if report.job_is_late {
            let (message, next) = (health::LATE_CREDITS.into(), "ledger process-pending-credits".into());
            let severity = Severity::Warning;
            self.add(of_ledger(severity, "late_credits", message, next, Alerted::Elsewhere));
        }
    }

    pub(super) fn of_verify(&mut self, findings: &[verify::Finding]) {
        for found in findings {
            let whose = (found.id, found.account.as_ref());
            let (severity, name, message, entries) = if let Some(broken) = found.broken {
                let message = format!(
                    "entry {} is broken, {}: {}",
                    broken.seq,
                    broken.reason.meaning(),
                    self::whose(whose)
                );
                (Severity::Critical, "broken_chain", message, vec![broken.seq])
            } else if let Some(met) = found.unreadable() {
                let message = format!("{}: {}", met.message, self::whose(whose));
                (Severity::Critical, "broken_chain", message, Vec::new())
            } else if found.orphaned {
                let message = format!("there are entries of {}", self::whose(whose));
                (Severity::Critical, "orphaned_entries", message, Vec::new())
            } else {
                let fields: Vec<&str> = found.drifts.iter().map(crate::domain::drift::Drift::field).collect();
                let message = format!(
                    "the balance row was changed by something other than this tool ({}): {}",
                    fields.join(", "),
                    self::whose(whose)
                );
                (Severity::Warning, "foreign_change", message, Vec::new())
            };
            let next = match (severity, &found.account) {
                (Severity::Warning, Some(account)) => format!("ledger verify-sync {} --fix", named(account)),
                (Severity::Warning, None) => "ledger verify-sync --fix".into(),
                (Severity::Critical, Some(account)) => format!("ledger verify-sync {}", named(account)),
                (Severity::Critical, None) => "ledger verify-sync".into(),
            };
            self.add(Finding {
                entries,
                alerted: Alerted::Elsewhere,
                ..of(severity, name, whose, message, next)
            });
        }
    }

    /// What a close said of the account's entries is not what they come to now.
    pub(super) fn of_history(&mut self, account: &Account, close: &TiedToClose) {
        let (said, now) = (
            show(&account.currency, &close.said),
            show(&account.currency, &close.now),
        );
        let message = format!(
            "at the last close the entries came to {said}, the same ones now to {now}: {}",
            user(account)
        );
        self.add(Finding {
            alerted: Alerted::UntilNoticed,
            ..of(
                Severity::Critical,
                "changed_history",
                (account.id, Some(account)),
                message,
                format!("ledger verify-sync {}", named(account)),
            )
        });
    }

    /// The ledger's close is not the sum of the accounts'.
    pub(super) fn of_close(&mut self, currency: &Currency, kept: Totals, said: Totals) {
        let (kept, said) = (show(currency, &kept), show(currency, &said));
        let message = format!(
            "the last close in {} was {kept}, of its accounts {said}",
            currency.code()
        );
        let next = "ledger verify-sync".into();
        let (severity, alerted) = (Severity::Critical, Alerted::UntilNoticed);
        self.add(Finding {
            record: Some(currency.code().to_string()),
            ..of_ledger(severity, "changed_close", message, next, alerted)
        });
    }

    pub(super) fn of_backdated(&mut self, account: &Account, entries: Vec<i64>) {
        let message = format!(
            "entries recorded after the last close give a time more than an hour before it: {}",
            user(account)
        );
        let whose = (account.id, Some(account));
        let next = history(whose, entries.last().copied());
        self.add(Finding {
            entries,
            alerted: Alerted::UntilNoticed,
            ..of(Severity::Warning, "backdated_entries", whose, message, next)
        });
    }

    pub(super) fn of_pattern(&mut self, account: &Account, pattern: Pattern) {
        let (currency, who, name) = (&account.currency, user(account), pattern.name());
        let whose = (account.id, Some(account));
        let (message, entries, keys) = match pattern {
            Pattern::ManyOperations {
                operations,
                from,
                entries,
            } => {
                let message = format!("{operations} operations within a minute from {from}: {who}");
                (message, entries, Vec::new())
            }
            Pattern::UnusualAmount {
                kind,
                amount,
                usual,
                entries,
            } => {
                let (amount, usual) = (currency.show(amount), currency.show(usual));
                let message = format!("a {kind} of {amount} where {usual} is usual: {who}");
                (message, entries, Vec::new())
            }
            Pattern::Failures {
                attempts,
                from,
                until,
                keys,
            } => {
                let message = format!("{attempts} attempts in a row refused or failed, {from} to {until}: {who}");
                (message, Vec::new(), keys)
            }
            Pattern::RechargeCycles { cycles, entries } => {
                let message = format!("{cycles} recharges given back within 24 hours: {who}");
                (message, entries, Vec::new())
            }
        };
        let next = history(whose, entries.last().copied());
        self.add(Finding {
            entries,
            keys,
            alerted: Alerted::UntilNoticed,
            ..of(Severity::Warning, name, whose, message, next)
        });
    }

    pub(super) fn of_volume(&mut self, volume: UnusualVolume, (since, until): (Timestamp, Timestamp)) {
        let UnusualVolume { entries, usual } = volume;
        let message = format!("{entries} entries from {since} to {until}, where {usual} are usual");
        let next = format!("ledger audit --since {since} --until {until} --format json");
        let severity = Severity::Warning;
        self.add(of_ledger(severity, volume.name(), message, next, Alerted::UntilNoticed));
    }

    pub(super) fn of_stranded(&mut self, whose: Whose<'_>, count: u64, keys: Vec<String>) {
        let message = format!("{count} attempts were left pending by a crash: {}", self::whose(whose));
        let next = "ledger intents resolve".into();
        self.add(Finding {
            keys,
            ..of(Severity::Warning, "stranded_attempts", whose, message, next)
        });
    }

    pub(super) fn of_failed(&mut self, whose: Whose<'_>, count: u64, keys: Vec<String>) {
        let message = format!(
            "{count} attempts failed and were not made again: {}",
            self::whose(whose)
        );
        let named = whose
            .1
            .map_or_else(String::new, |account| format!(" {}", named(account)));
        let next = format!("ledger intents list --state failed{named}");
        self.add(Finding {
            keys,
            alerted: Alerted::UntilMadeAgain,
            ..of(Severity::Warning, "failed_attempts", whose, message, next)
        });
    }

    pub(super) fn of_grant(&mut self, whose: Whose<'_>, grant: &AccessGrant, refunded: bool) -> Option<usize> {
        let why = if refunded {
            "was paid for by a charge that has been given back"
        } else {
            "has no charge that paid for it"
        };
        let message = format!(
            "access {} to {} {why}: {}",
            grant.id,
            grant.resource,
            self::whose(whose)
        );
        self.add(Finding {
            entries: vec![grant.id.number],
            record: Some(grant.id.to_string()),
            ..of(Severity::Warning, "unfounded_grant", whose, message, NEXT_REPAIR.into())
        })
    }

    pub(super) fn of_ungranted(&mut self, whose: Whose<'_>, intent: &Intent) -> Option<usize> {
        let seq = intent.subject.unwrap_or_default();
        let message = format!(
            "the charge of entry {seq} has not given its access: {}",
            self::whose(whose)
        );
        self.add(Finding {
            entries: vec![seq],
            keys: vec![intent.key.to_string()],
            record: Some(format!("a{}-{seq}", intent.account)),
            ..of(Severity::Warning, "missing_grant", whose, message, NEXT_REPAIR.into())
        })
    }
}

const NEXT_REPAIR: &str = "ledger audit --repair";

fn show(currency: &Currency, totals: &Totals) -> String {
    let Totals {
        entries,
        balance,
        held,
        debt,
    } = *totals;
    let (balance, held, debt) = (
        currency.show_sum(balance),
        currency.show_sum(held),
        currency.show_sum(debt),
    );
    format!("{entries} entries, {balance} and {held} held and {debt} owed")
}
