//! The payload of an intent: what was asked, as fields that can be compared.
//!
//! Payloads are kept for ever, and a key that is sent again is compared with the one of then: a field keeps its name and
//! its form, and a new one is left out where it says what was meant before it existed.

mod fields;
mod read;
#[cfg(test)]
pub(super) mod samples;

use chrono::TimeDelta;
use serde::Serialize;

pub use self::read::read;

use crate::domain::access::Access;
use crate::domain::currency::Currency;
use crate::domain::entry::Note;
use crate::domain::intent::Payload;
use crate::domain::money::Minor;
use crate::domain::operation::{IfSpent, NewPurchase, Operation, OperationKind, Settle};
use crate::domain::purchase::Paid;
use crate::domain::text::{Description, Json, Reference, Service};

/// What was asked. Times that are given as spans stay spans, so that a later retry is the same request.
pub fn payload(operation: &Operation, note: &Note, currency: &Currency) -> Payload {
    let mut text = Vec::with_capacity(160);
    let mut fields = Fields::begin(&mut text, operation.kind(), currency);
    fields.operation(operation);
    fields.put("reference", note.reference.as_ref().map(Reference::as_str));
    fields.put("description", note.description.as_ref().map(Description::as_str));
    fields.put("metadata", note.metadata.as_ref().map(Json::value));
    fields.end();
    Payload::written(text)
}

/// The payload of a plain operation, written to `text`: there may be millions to look through.
pub fn plain_payload(text: &mut Vec<u8>, plain: &Plain<'_>, currency: &Currency) {
    let mut fields = Fields::begin(text, plain.operation, currency);
    fields.amount(plain.amount);
    if let Some((field, name)) = plain.counterpart {
        fields.put(field, name);
    }
    fields.put("reference", plain.reference);
    fields.put("description", plain.description);
    if let Some(metadata) = plain.metadata {
        fields.raw("metadata", metadata);
    }
    fields.end();
}

/// An operation of a single entry, all of which stands in it.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    pub operation: OperationKind,
    pub amount: Minor,
    /// The field that says for what it was, or through whom it came.
    pub counterpart: Option<(&'static str, &'a str)>,
    pub reference: Option<&'a str>,
    pub description: Option<&'a str>,
    pub metadata: Option<&'a str>,
}

/// The fields of an object, written as they come; what was not given is left out.
struct Fields<'a> {
    text: &'a mut Vec<u8>,
    currency: &'a Currency,
}

impl<'a> Fields<'a> {
    fn begin(text: &'a mut Vec<u8>, operation: OperationKind, currency: &'a Currency) -> Self {
        text.push(b'{');
        let mut fields = Self { text, currency };
        fields.put("op", operation.name());
        fields
    }

    fn end(self) {
        self.text.push(b'}');
    }

    fn put(&mut self, name: &'static str, value: impl Serialize) {
        let before = self.text.len();
        self.name(name);
        let at = self.text.len();
        // Nothing that a payload holds can fail to be written.
        let written = serde_json::to_writer(&mut *self.text, &value);
        if written.is_err() || &self.text[at..] == b"null" {
            self.text.truncate(before);
        }
    }

    /// A value that is JSON already.
    fn raw(&mut self, name: &'static str, json: &str) {
        self.name(name);
        self.text.extend_from_slice(json.as_bytes());
    }

    fn name(&mut self, name: &'static str) {
        if !self.text.ends_with(b"{") {
            self.text.push(b',');
        }
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
    }

    fn amount(&mut self, amount: Minor) {
        self.shown("amount", amount, self.currency);
    }

    fn shown(&mut self, name: &'static str, amount: Minor, currency: &Currency) {
        self.put(name, format_args!("{}", currency.show(amount)));
    }

    fn span(&mut self, span: Option<TimeDelta>) {
        self.put("expires_in_ms", span.map(|span| span.num_milliseconds()));
    }

    fn paid(&mut self, paid: Option<&Paid>) {
        if let Some(Paid { amount, currency }) = paid {
            self.shown("paid", amount.minor(), currency);
            self.put("paid_currency", currency.code().as_str());
        }
    }

    fn access(&mut self, grants: Option<&Access>) {
        if let Some(Access { resource, expires_in }) = grants {
            self.put("grants", resource.as_str());
            self.put("access_expires_ms", expires_in.map(|span| span.num_milliseconds()));
        }
    }

    fn purchase(&mut self, purchase: &NewPurchase) {
        self.paid(Some(&purchase.paid));
        self.shown("credits", purchase.credits, self.currency);
        self.put("pending_for_ms", purchase.pending_for.num_milliseconds());
    }

    fn operation(&mut self, operation: &Operation) {
        if let Some(amount) = operation.amount() {
            self.amount(amount);
        }
        let json = |value: &Option<Json>| value.as_ref().map(Json::value);
        match operation {
            Operation::Adjust { .. } | Operation::Penalty { .. } => {}
            Operation::Charge {
                service,
                suspend,
                grants,
                ..
            } => {
                self.put("service", service.as_str());
                self.put("suspend", suspend.then_some(true));
                self.access(grants.as_ref());
            }
            Operation::Recharge {
                method,
                settle,
                gateway_response,
                ..
            } => {
                self.put("method", method.as_str());
                if let Settle::Later { expires_in } = settle {
                    self.put("pending", true);
                    self.span(*expires_in);
                }
                self.put("gateway_response", json(gateway_response));
            }
            Operation::MoveRecharge {
                number,
                gateway_response,
                claim,
                ..
            } => {
                self.put("recharge", number);
                self.put("gateway_response", json(gateway_response));
                self.put("method", claim.as_ref().map(|claim| claim.method.as_str()));
            }
            Operation::Freeze {
                service, expires_in, ..
            } => {
                self.put("service", service.as_ref().map(Service::as_str));
                self.span(*expires_in);
            }
            Operation::Commit { hold, keep_open, .. } => {
                self.put("hold", hold);
                self.put("keep_open", keep_open.then_some(true));
            }
            Operation::Release { hold, .. } | Operation::ExpireHold { hold } => self.put("hold", hold),
            Operation::Refund { entry, .. } => self.put("entry", entry),
            Operation::Reverse { entry, if_spent, .. } => self.taken_back("entry", *entry, *if_spent),
            Operation::RecordPurchase(purchase) => self.purchase(purchase),
            Operation::TransferCredit { purchase } => self.put("purchase", purchase),
            Operation::DeactivatePurchase { purchase, if_spent } => self.taken_back("purchase", *purchase, *if_spent),
            Operation::GrantGift { paid, .. } => self.paid(paid.as_ref()),
            Operation::DeactivateGift { gift, if_spent } => self.taken_back("gift", *gift, *if_spent),
        }
    }

    /// Refusing is what happens unless something else is said.
    fn taken_back(&mut self, name: &'static str, number: i64, if_spent: IfSpent) {
        self.put(name, number);
        self.put("if_spent", (if_spent == IfSpent::Debt).then_some("debt"));
    }
}
