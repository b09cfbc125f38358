//! A record beside the entries, held against the intent that opened it and the one that took it back.

use chrono::TimeDelta;

use super::currency::{Currency, CurrencyCode};
use super::evidence::{Asked, failing};
use super::money::Amount;
use super::time::Timestamp;

/// What a recharge, hold, purchase or gift has in common, as stored, right or wrong.
#[derive(Clone, Debug)]
pub struct Opened {
    pub number: i64,
    /// The payload of the intent that opened it.
    pub payload: String,
    /// Of a purchase the credits it earns.
    pub amount: i64,
    /// The method of a recharge, the service of a hold.
    pub name: Option<String>,
    pub created_at: i64,
    /// When a recharge or hold expires, or credits are due.
    pub until: Option<i64>,
    pub paid: Option<i64>,
    pub paid_currency: Option<String>,
    pub paid_exponent: Option<i64>,
    pub gateway_response: Option<String>,
    /// Whether nothing but its opening has brought a gateway's response.
    pub unmoved: bool,
    pub reference: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<String>,
    /// The payload of the intent that took it back, and why.
    pub taken_back: Option<String>,
    pub why: Option<String>,
}

impl Opened {
    /// What is not as it was asked, of an account in that currency.
    pub fn contradictions(&self, currency: &Currency) -> Vec<&'static str> {
        let asked = Asked::read(&self.payload, currency);
        let amount = asked.amount("credits").or_else(|| asked.amount("amount"));
        let span = asked.number("expires_in_ms").or_else(|| asked.number("pending_for_ms"));
        let until = later(self.created_at, span);
        // A purchase that has earned nothing has no credits that could be due.
        let until = until.filter(|_| self.amount != 0);
        let name = match asked.text("service") {
            Some(service) => Some(service),
            None => asked.text("method"),
        };
        let why = self.taken_back.as_deref().map(|payload| Asked::read(payload, currency));
        failing([
            (
                amount.is_some_and(|amount| amount.get() == self.amount),
                "its amount is not what was asked",
            ),
            (
                name == self.name.as_deref(),
                "its method or service is not what was asked",
            ),
            (until == self.until, "it ends or is due at another time than was asked"),
            (self.paid_as_asked(&asked), "what was paid for it is not what was asked"),
            (
                !self.unmoved || asked.says_json("gateway_response", self.gateway_response.as_deref()),
                "its gateway's response is not what was given",
            ),
            (
                asked.says("reference", self.reference.as_deref())
                    && asked.says("description", self.description.as_deref())
                    && asked.says("metadata", self.metadata.as_deref()),
                "its reference, description or metadata are not what was asked",
            ),
            (
                why.is_none_or(|asked| asked.says("description", self.why.as_deref())),
                "why it was taken back is not what was said",
            ),
        ])
    }

    fn paid_as_asked(&self, asked: &Asked<'_>) -> bool {
        if asked.text("paid_currency") != self.paid_currency.as_deref() {
            return false;
        }
        let Some(code) = &self.paid_currency else {
            return self.paid.is_none() && self.paid_exponent.is_none();
        };
        let exponent = self.paid_exponent.and_then(|exponent| u8::try_from(exponent).ok());
        let currency = CurrencyCode::parse(code).ok().zip(exponent);
        let Some(currency) = currency.and_then(|(code, exponent)| Currency::new(code, exponent)) else {
            return false;
        };
        let paid = asked.text("paid").and_then(|paid| Amount::parse(paid, &currency).ok());
        // As it was shown then: with all the digits of the currency.
        let shown = paid.map(|paid| currency.show(paid.minor()).to_string());
        paid.map(|paid| paid.minor().get()) == self.paid && shown.as_deref() == asked.text("paid")
    }
}

/// Access as stored, right or wrong, with what was said of it.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The entry of the charge that has paid for it.
    pub number: i64,
    /// The payload of that charge's intent.
    pub payload: String,
    pub resource: String,
    pub granted_at: i64,
    pub expires_at: Option<i64>,
    /// The payload of the refund or reversal that ended it, and why.
    pub taken_back: Option<String>,
    pub why: Option<String>,
}

impl Granted {
    /// What is not as it was asked, of an account in that currency.
    pub fn contradictions(&self, currency: &Currency) -> Vec<&'static str> {
        let asked = Asked::read(&self.payload, currency);
        let why = self.taken_back.as_deref().map(|payload| Asked::read(payload, currency));
        let until = later(self.granted_at, asked.number("access_expires_ms"));
        failing([
            (
                asked.text("grants") == Some(&self.resource),
                "it gives access to something else than was paid for",
            ),
            (until == self.expires_at, "it ends at another time than was asked"),
            (
                why.is_none_or(|asked| asked.says("description", self.why.as_deref())),
                "why it was revoked is not what was said",
            ),
        ])
    }
}

fn later(at: i64, milliseconds: Option<i64>) -> Option<i64> {
    let span = milliseconds.and_then(TimeDelta::try_milliseconds)?;
    Some(Timestamp::from_micros(at).after(span).micros())
}
