//! What an intent says was asked, held against the entry it says it made.
//!
//! It does not judge anew: rules and balances of that moment are gone. It tells whether both speak of the same thing.

use serde_json::{Map, Value};

use super::currency::Currency;
use super::entry::{EntryKind, method_named, service_named};
use super::intent::{IntentState, is_reason};
use super::money::Minor;
use super::operation::OperationKind;

/// An intent as stored, right or wrong, and the first of the entries it names.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub key: String,
    pub attempt: i64,
    pub operation: String,
    pub payload: String,
    pub actor: String,
    pub state: String,
    pub first_seq: Option<i64>,
    pub last_seq: Option<i64>,
    pub subject: Option<i64>,
    pub reason: Option<String>,
    /// How many of the entries it names carry its key.
    pub own_entries: i64,
    pub entry: Option<Named>,
}

/// What of an entry an intent can be held against.
#[derive(Clone, Debug)]
pub struct Named {
    pub kind: String,
    pub balance_delta: i64,
    pub held_delta: i64,
    pub debt_delta: i64,
    pub reverses: Option<i64>,
    pub counter_account: String,
    pub actor: String,
    pub reference: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<String>,
}

impl Attempt {
    /// How many entries it says it has made.
    pub fn claimed(&self) -> i64 {
        match (self.first_seq, self.last_seq) {
            (Some(first), Some(last)) => last.saturating_sub(first).saturating_add(1),
            _ => 0,
        }
    }

    /// What cannot be so, of an intent of an account in that currency.
    pub fn contradictions(&self, currency: &Currency) -> Vec<&'static str> {
        let mut found = Vec::new();
        let mut hold = |right: bool, what: &'static str| {
            if !right {
                found.push(what);
            }
        };
        let fields = serde_json::from_str::<Map<String, Value>>(&self.payload).ok();
        hold(fields.is_some(), "its payload is no object");
        let payload = Asked {
            fields: fields.unwrap_or_default(),
            currency,
        };
        hold(
            payload.text("op") == Some(self.operation.as_str()) && self.kind().is_some(),
            "its operation is not the one of its payload",
        );
        hold(self.attempt > 0, "its attempt has no number");
        let outcome = match IntentState::parse(&self.state) {
            Some(IntentState::Pending) => self.claimed() == 0 && self.reason.is_none() && self.subject.is_none(),
            Some(IntentState::Applied) => self.reason.is_none() && self.first_seq.is_some() == self.last_seq.is_some(),
            Some(IntentState::Refused | IntentState::Failed) => {
                self.first_seq.is_none() && self.last_seq.is_none() && self.reason.is_some() && self.subject.is_none()
            }
            None => false,
        };
        hold(outcome, "its outcome is not one that there is");
        hold(
            self.reason.as_deref().is_none_or(is_reason),
            "its reason is not one that there is",
        );
        let named = ["hold", "purchase", "gift", "recharge"]
            .iter()
            .find_map(|name| payload.number(name));
        let applied = self.state == IntentState::Applied.name();
        let right = match (payload.number("entry"), payload.text("grants")) {
            _ if self.opens() => self.subject.is_some(),
            // Giving an entry back ends the access that it has paid for, if there was any.
            (Some(entry), _) => self.subject.is_none_or(|subject| subject == entry),
            // A grant is named by the entry of its charge.
            (None, Some(_)) => self.subject == self.first_seq,
            (None, None) => self.subject == named,
        };
        hold(!applied || right, "its record is not the one that was asked for");
        hold(
            self.own_entries == self.claimed() && self.claimed() >= 0,
            "it names entries that are gone or are not its own",
        );
        if let Some(entry) = &self.entry {
            hold(self.made(entry, &payload), "its first entry is not what was asked");
        }
        if applied && self.entry.is_none() {
            hold(
                self.kind().is_none_or(|kind| may_make_nothing(kind, &payload)),
                "it names no entry, and must have made one",
            );
        }
        found
    }

    fn made(&self, entry: &Named, payload: &Asked<'_>) -> bool {
        let operation = self.kind();
        let kind = operation
            .zip(EntryKind::parse(&entry.kind))
            .is_some_and(|(operation, kind)| kinds_of(operation).contains(&kind));
        let moved = entry.held_delta.unsigned_abs().max(entry.balance_delta.unsigned_abs());
        let moved = moved.max(entry.balance_delta.abs_diff(entry.debt_delta));
        let signed = operation == Some(OperationKind::Adjust);
        let amount = payload.amount("amount").or_else(|| payload.amount("credits"));
        let amount = amount.is_none_or(|amount| {
            amount.magnitude() == moved && (!signed || amount.is_negative() == (entry.balance_delta < 0))
        });
        let counter = match (payload.text("service"), payload.text("method")) {
            (Some(service), _) if operation == Some(OperationKind::Charge) => {
                service_named(&entry.counter_account) == Some(service)
            }
            (_, Some(method)) => method_named(&entry.counter_account) == Some(method),
            _ => true,
        };
        let reverses = payload.number("entry").is_none_or(|seq| entry.reverses == Some(seq));
        // What is not said now may have been said when its record was opened.
        let silent = |name: &str| self.subject.is_some() && !self.opens() && !payload.fields.contains_key(name);
        let said = |name: &str, stored: Option<&str>| silent(name) || payload.says(name, stored);
        kind && amount
            && counter
            && reverses
            && said("reference", entry.reference.as_deref())
            && said("description", entry.description.as_deref())
            && said("metadata", entry.metadata.as_deref())
            && entry.actor == self.actor
    }

    /// `None` for one that there is not.
    fn kind(&self) -> Option<OperationKind> {
        OperationKind::parse(&self.operation)
    }

    fn opens(&self) -> bool {
        matches!(
            self.kind(),
            Some(
                OperationKind::Recharge
                    | OperationKind::Freeze
                    | OperationKind::PurchaseRecord
                    | OperationKind::GiftGrant
            )
        )
    }
}

/// The kinds of entry that an operation begins with.
const fn kinds_of(operation: OperationKind) -> &'static [EntryKind] {
    match operation {
        OperationKind::Charge => &[EntryKind::ServiceFee],
        OperationKind::Adjust => &[EntryKind::Adjustment],
        OperationKind::Penalty => &[EntryKind::Penalty],
        OperationKind::Recharge | OperationKind::RechargeComplete => &[EntryKind::Recharge],
        OperationKind::RechargeProcess
        | OperationKind::RechargeFail
        | OperationKind::RechargeCancel
        | OperationKind::RechargeExpire
        | OperationKind::PurchaseRecord => &[],
        OperationKind::Freeze => &[EntryKind::Freeze],
        OperationKind::Commit => &[EntryKind::Commit],
        OperationKind::Refund => &[EntryKind::Release, EntryKind::Refund],
        OperationKind::ExpireHold => &[EntryKind::Release],
        OperationKind::Reverse => &[EntryKind::Refund, EntryKind::Clawback, EntryKind::Adjustment],
        OperationKind::CreditTransfer => &[EntryKind::Credit],
        OperationKind::DeactivatePurchase | OperationKind::GiftDeactivate => &[EntryKind::Clawback],
        OperationKind::GiftGrant => &[EntryKind::Gift],
    }
}

/// Whether such an operation can be applied without an entry: it changes a record alone, or found it done.
fn may_make_nothing(operation: OperationKind, payload: &Asked<'_>) -> bool {
    match operation {
        OperationKind::Charge
        | OperationKind::Adjust
        | OperationKind::Penalty
        | OperationKind::Freeze
        | OperationKind::Commit
        | OperationKind::Refund
        | OperationKind::Reverse
        | OperationKind::GiftGrant => false,
        OperationKind::Recharge => payload.fields.get("pending") == Some(&Value::Bool(true)),
        OperationKind::RechargeProcess
        | OperationKind::RechargeComplete
        | OperationKind::RechargeFail
        | OperationKind::RechargeCancel
        | OperationKind::RechargeExpire
        | OperationKind::ExpireHold
        | OperationKind::PurchaseRecord
        | OperationKind::CreditTransfer
        | OperationKind::DeactivatePurchase
        | OperationKind::GiftDeactivate => true,
    }
}

/// What is said of those that do not hold.
pub(super) fn failing<const N: usize>(statements: [(bool, &'static str); N]) -> Vec<&'static str> {
    let failing = statements.into_iter().filter(|(right, _)| !right);
    failing.map(|(_, what)| what).collect()
}

/// The fields of a payload.
pub(super) struct Asked<'a> {
    pub(super) fields: Map<String, Value>,
    pub(super) currency: &'a Currency,
}

impl<'a> Asked<'a> {
    /// No fields, where the payload is no object.
    pub(super) fn read(payload: &str, currency: &'a Currency) -> Self {
        Self {
            fields: serde_json::from_str(payload).unwrap_or_default(),
            currency,
        }
    }

    /// Whether the field is that text or, of metadata, that JSON; both may be missing.
    pub(super) fn says(&self, name: &str, stored: Option<&str>) -> bool {
        if name == "metadata" {
            return self.says_json(name, stored);
        }
        match self.fields.get(name) {
            Some(value) => stored.is_some() && stored == value.as_str(),
            None => stored.is_none(),
        }
    }

    /// Whether the field is that JSON; a payload leaves out what is null.
    pub(super) fn says_json(&self, name: &str, stored: Option<&str>) -> bool {
        let stored: Option<Value> = match stored.map(serde_json::from_str).transpose() {
            Ok(stored) => stored,
            Err(_) => return false,
        };
        let said = |value: &&Value| !value.is_null();
        self.fields.get(name).filter(said) == stored.as_ref().filter(said)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.fields.get(name)?.as_i64()
    }

    /// An amount in the account's digits; one that cannot be read is none that any entry moved.
    pub(super) fn amount(&self, name: &str) -> Option<Minor> {
        let text = self.text(name)?;
        Some(Minor::parse(text, self.currency).unwrap_or(Minor::ZERO))
    }
}
