//! Webhooks: the event by POST, signed with HMAC-SHA256 under a secret that both sides know.

use std::time::Duration;

use ureq::{Agent, Error, http::Uri};

use super::channel::Failed;
use crate::domain::code::Code;
use crate::domain::delivery::WrittenEvent;
use crate::domain::time::Timestamp;
use crate::ledger::error::LedgerError;
use crate::ledger::{signature, web};

/// Where to, and under which secret. Both are kept to themselves.
pub struct WebhookSettings {
    /// May hold credentials.
    pub url: String,
    pub secret: Vec<u8>,
}

pub struct Webhook {
    agent: Agent,
    settings: WebhookSettings,
    timeout: Duration,
}

impl Webhook {
    pub(super) fn new(settings: WebhookSettings, timeout: Duration) -> Result<Self, LedgerError> {
        let usable = settings.url.parse::<Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
        });
        if !usable {
            return Err(LedgerError::invalid(
                Code::Configuration,
                "LEDGER_NOTIFY_WEBHOOK_URL is no usable address; write https://HOST/PATH",
            ));
        }
        let agent = web::agent(timeout)
            .http_status_as_error(false)
            // A signed body goes where it was meant to go, or nowhere.
            .max_redirects(0)
            .build()
            .new_agent();
        Ok(Self {
            agent,
            settings,
            timeout,
        })
    }

    /// Any 2xx is "taken".
    pub(super) fn send(&self, event: &WrittenEvent, body: &str, now: Timestamp) -> Result<(), Failed> {
        let timestamp = (now.micros() / 1_000_000).to_string();
        let signed = [timestamp.as_bytes(), b".", body.as_bytes()].concat();
        let response = self
            .agent
            .post(&self.settings.url)
            .header("Content-Type", "application/json")
            .header("X-Ledger-Event", event.kind.name())
            .header("X-Ledger-Delivery", &event.delivery_id)
            .header("X-Ledger-Timestamp", &timestamp)
            .header(
                "X-Ledger-Signature",
                format!("v1={}", signature::of(&self.settings.secret, &signed)),
            )
            .send(body)
            .map_err(|error| self.failed(&error))?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            status => Err(Failed::refused(format!("the receiver answered {status}"))),
        }
    }

    /// In words of our own: the library's may repeat the address.
    fn failed(&self, error: &Error) -> Failed {
        match error {
            Error::Timeout(_) => Failed::timed_out(self.timeout),
            Error::Io(error) => Failed::unreachable(format!("the connection failed: {}", error.kind())),
            Error::HostNotFound => Failed::unreachable("the host was not found"),
            Error::NativeTls(_) | Error::Tls(_) => Failed::unreachable("TLS failed: is the certificate valid?"),
            Error::Protocol(_) | Error::Http(_) => Failed::refused("the receiver does not speak HTTP"),
            _ => Failed::unreachable("the connection failed"),
        }
    }
}
