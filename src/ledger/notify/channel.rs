//! The channels that events go to.

use std::time::Duration;

use super::command::{self, CommandChannel};
use super::mail::Mail;
use super::message;
use super::webhook::Webhook;
use crate::domain::delivery::WrittenEvent;
use crate::domain::time::Timestamp;
use crate::ledger::error::LedgerError;

pub use super::command::CommandSettings;
pub use super::mail::MailSettings;
pub use super::webhook::WebhookSettings;

/// Somewhere that events are told.
pub enum Channel {
    Mail(Mail),
    Webhook(Webhook),
    Command(CommandChannel),
}

/// Why an attempt was not taken. The reason holds no secret: it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub reason: String,
    /// Whether anybody was there who refused it.
    pub reached: bool,
}

impl Failed {
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            reached: true,
        }
    }

    pub(super) fn unreachable(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            reached: false,
        }
    }

    pub(super) fn timed_out(limit: Duration) -> Self {
        Self::unreachable(format!("no answer within {:.1} s", limit.as_secs_f64()))
    }
}

impl Channel {
    pub fn mail(settings: MailSettings, timeout: Duration) -> Result<Self, LedgerError> {
        Mail::new(settings, timeout).map(Self::Mail)
    }

    pub fn webhook(settings: WebhookSettings, timeout: Duration) -> Result<Self, LedgerError> {
        Webhook::new(settings, timeout).map(Self::Webhook)
    }

    pub fn command(settings: CommandSettings, timeout: Duration) -> Self {
        Self::Command(command::CommandChannel::new(settings, timeout))
    }

    /// What its deliveries are kept under.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mail(_) => "email",
            Self::Webhook(_) => "webhook",
            Self::Command(_) => "command",
        }
    }

    /// Makes one attempt, within the channel's time.
    pub(super) fn send(&self, event: &WrittenEvent, now: Timestamp) -> Result<(), Failed> {
        match self {
            Self::Mail(mail) => mail.send(event),
            Self::Webhook(webhook) => webhook.send(event, &message::body(event), now),
            Self::Command(command) => command.run(&message::body(event)),
        }
    }
}
