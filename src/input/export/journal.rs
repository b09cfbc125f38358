//! Lines that make up the journal: currencies, accounts, their entries and balance rows.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Wrong;
use super::told::{Told, amount, currency, minor, named, note, value};
use crate::domain::account::{Account, AccountId, Limits};
use crate::domain::balance::{Figures, State};
use crate::domain::chain::ChainHash;
use crate::domain::currency::{Currency, CurrencyCode};
use crate::domain::entry::{CounterAccount, Deltas, Entry, EntryKind, Movement, Stamp, Standing};
use crate::domain::text::{Actor, Description, IdempotencyKey, Json, Reference, UserId, is_unprintable};
use crate::domain::time::Timestamp;
use crate::ledger::export::Exported;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerLine {
    #[serde(rename = "record")]
    _record: IgnoredAny,
    schema: String,
    entry_form: String,
}

impl LedgerLine {
    pub fn check(&self) -> Result<(), Wrong> {
        match (self.schema.as_str(), self.entry_form.as_str()) {
            ("ledger.export/1", "ledger.entry/1") => Ok(()),
            _ => Err("this version reads ledger.export/1 with entries of ledger.entry/1".into()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurrencyLine {
    #[serde(rename = "record")]
    _record: IgnoredAny,
    code: Told<CurrencyCode>,
    exponent: u8,
}

impl CurrencyLine {
    pub fn currency(self) -> Result<Currency, Wrong> {
        currency(self.code.0, self.exponent)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountLine {
    #[serde(rename = "record")]
    _record: IgnoredAny,
    account: i64,
    user_id: Told<UserId>,
    currency: Told<CurrencyCode>,
    exponent: u8,
    low_balance_threshold: Option<String>,
    charges_per_minute: Option<u32>,
    spend_per_day: Option<String>,
    locked: bool,
    suspension: Option<i64>,
    closed: bool,
    revision: i64,
    created_at: Told<Timestamp>,
}

impl AccountLine {
    pub fn account(self) -> Result<Account, Wrong> {
        let mut account = Account {
            id: AccountId::new(self.account),
            user_id: self.user_id.0,
            currency: currency(self.currency.0, self.exponent)?,
            low_balance_threshold: None,
            limits: Limits {
                charges_per_minute: self.charges_per_minute,
                spend_per_day: None,
            },
            locked: self.locked,
            closed: self.closed,
            suspension: self.suspension,
            revision: self.revision,
            created_at: self.created_at.0,
        };
        let threshold = self.low_balance_threshold.map(|text| minor(&account, &text));
        account.low_balance_threshold = threshold.transpose()?;
        let spend = self.spend_per_day.map(|text| amount(&account, &text));
        account.limits.spend_per_day = spend.transpose()?;
        Ok(account)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryLine {
    #[serde(rename = "record")]
    _record: IgnoredAny,
    pub user_id: String,
    pub currency: String,
    seq: i64,
    kind: String,
    balance_delta: String,
    held_delta: String,
    debt_delta: String,
    balance_after: String,
    held_after: String,
    debt_after: String,
    counter_account: String,
    reference: Option<Told<Reference>>,
    description: Option<Told<Description>>,
    metadata: Option<Told<Json>>,
    actor: Told<Actor>,
    reverses: Option<i64>,
    idempotency_key: Option<Told<IdempotencyKey>>,
    at: Told<Timestamp>,
    hash: Told<ChainHash>,
}

impl EntryLine {
    pub fn entry(self, account: &Account) -> Result<Entry, Wrong> {
        let figure = |text: &str| minor(account, text);
        if self.counter_account.is_empty() || self.counter_account.chars().any(is_unprintable) {
            return Err("the counter account must be a printable name".into());
        }
        Ok(Entry {
            seq: self.seq,
            movement: Movement {
                kind: named(&self.kind, EntryKind::parse)?,
                deltas: Deltas {
                    balance: figure(&self.balance_delta)?,
                    held: figure(&self.held_delta)?,
                    debt: figure(&self.debt_delta)?,
                },
                counter_account: CounterAccount::stored(self.counter_account),
                reverses: self.reverses,
            },
            after: Standing {
                balance: figure(&self.balance_after)?,
                held: figure(&self.held_after)?,
                debt: figure(&self.debt_after)?,
            },
            stamp: Stamp {
                note: note(self.reference, self.description, self.metadata),
                actor: self.actor.0,
                key: value(self.idempotency_key),
                at: self.at.0,
            },
            hash: self.hash.0,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceLine {
    #[serde(rename = "record")]
    _record: IgnoredAny,
    pub user_id: String,
    pub currency: String,
    balance: String,
    held: String,
    debt: String,
    total_recharged: String,
    total_spent: String,
    last_seq: i64,
    chain_head: Told<ChainHash>,
}

impl BalanceLine {
    pub fn state(self, account: &Account) -> Result<State, Wrong> {
        let figure = |text: &str| minor(account, text);
        Ok(State {
            figures: Figures {
                balance: figure(&self.balance)?,
                held: figure(&self.held)?,
                debt: figure(&self.debt)?,
                total_recharged: figure(&self.total_recharged)?,
                total_spent: figure(&self.total_spent)?,
            },
            last_seq: self.last_seq,
            chain_head: self.chain_head.0,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndLine {
    #[serde(rename = "record")]
    _record: IgnoredAny,
    accounts: u64,
    entries: u64,
    digest: Told<ChainHash>,
    pub lines_sha256: String,
}

impl EndLine {
    pub const fn totals(&self) -> Exported {
        Exported {
            accounts: self.accounts,
            entries: self.entries,
            digest: self.digest.0,
        }
    }
}
