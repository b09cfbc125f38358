//! E-mail: a plain text for people, over SMTP.

use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use chrono::TimeDelta;
use lettre::Transport;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::{Error, SmtpTransport};

use super::channel::Failed;
use super::message;
use crate::domain::code::Code;
use crate::domain::delivery::WrittenEvent;
use crate::domain::text::{escape, is_unprintable};
use crate::ledger::error::LedgerError;

/// Which server, as whom, from whom and to whom.
pub struct MailSettings {
    /// `smtps://HOST`, `smtp://HOST?tls=required`, or `smtp://localhost` for a relay on this machine.
    pub url: String,
    /// User and password.
    pub credentials: Option<(String, String)>,
    pub from: String,
    pub to: Vec<String>,
}

pub struct Mail {
    transport: SmtpTransport,
    /// Never to be repeated.
    password: Option<String>,
    from: Mailbox,
    to: Vec<Mailbox>,
    timeout: Duration,
}

impl Mail {
    pub(super) fn new(settings: MailSettings, timeout: Duration) -> Result<Self, LedgerError> {
        let unusable = |what: &str| LedgerError::invalid(Code::Configuration, what);
        let address = |text: &str, variable: &str| {
            text.trim().parse::<Mailbox>().map_err(|_| {
                LedgerError::invalid(
                    Code::Configuration,
                    format!("{variable} is no e-mail address: name@example.com or Name <name@example.com>"),
                )
            })
        };
        let way = Way::of(&settings.url).map_err(unusable)?;
        let mut transport = SmtpTransport::from_url(&settings.url).map_err(|_| unusable(NOT_AN_ADDRESS))?;
        if way == Way::InClear && settings.credentials.is_some() {
            return Err(unusable(
                "LEDGER_NOTIFY_SMTP_URL would send the password in clear: write smtps:// or add ?tls=required",
            ));
        }
        let password = settings.credentials.as_ref().map(|(_, password)| password.clone());
        if let Some((user, password)) = settings.credentials {
            transport = transport.credentials(Credentials::new(user, password));
        }
        Ok(Self {
            transport: transport.timeout(Some(timeout)).build(),
            password,
            from: address(&settings.from, "LEDGER_NOTIFY_MAIL_FROM")?,
            to: settings
                .to
                .iter()
                .map(|to| address(to, "LEDGER_NOTIFY_MAIL_TO"))
                .collect::<Result<_, _>>()?,
            timeout,
        })
    }

    pub(super) fn send(&self, event: &WrittenEvent) -> Result<(), Failed> {
        let message = self.message(event)?;
        // Each of the many steps of a dialogue has its own time-out: all of them together have this one.
        let (transport, (done, answer)) = (self.transport.clone(), mpsc::channel());
        std::thread::spawn(move || done.send(transport.send(&message)));
        match answer.recv_timeout(self.timeout) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(Failed::timed_out(self.timeout)),
        }
    }

    fn message(&self, event: &WrittenEvent) -> Result<Message, Failed> {
        // What is stored may be beyond the years that a date can have.
        let at = event.created_at.after(TimeDelta::zero()).micros().max(0).unsigned_abs();
        let id = escape(&event.delivery_id);
        let header = |name: &'static str, value: &str| {
            let name = HeaderName::new_from_ascii_str(name);
            HeaderValue::new(name, value.to_owned())
        };
        let addressed = |builder: MessageBuilder, to: &Mailbox| builder.to(to.clone());
        self.to
            .iter()
            .fold(Message::builder().from(self.from.clone()), addressed)
            .subject(message::subject(event))
            .date(SystemTime::UNIX_EPOCH + Duration::from_micros(at))
            // The same at every attempt, by which a mailbox may know it again.
            .message_id(Some(format!("<{id}@ledger>")))
            .raw_header(header("X-Ledger-Delivery", &id))
            .raw_header(header("X-Ledger-Event", event.kind.name()))
            .header(ContentType::TEXT_PLAIN)
            .body(message::text(event))
            .map_err(|_| Failed::refused("the message cannot be written"))
    }

    fn failed(&self, error: &Error) -> Failed {
        if error.is_timeout() {
            return Failed::timed_out(self.timeout);
        }
        match error.status() {
            Some(code) => Failed::refused(self.answer(code.into(), error)),
            None if error.is_tls() || is_about_certificates(error) => {
                Failed::unreachable("TLS failed: is the certificate valid?")
            }
            None => Failed::unreachable("the connection to the mail server failed"),
        }
    }

    /// What the server has said, but nothing of what it may have repeated of our credentials.
    fn answer(&self, code: u16, error: &Error) -> String {
        const ABOUT_CREDENTIALS: [u16; 6] = [432, 454, 530, 534, 535, 538];
        const LONGEST: usize = 200;
        let said = std::error::Error::source(error)
            .map(ToString::to_string)
            .unwrap_or_default();
        let repeats = self
            .password
            .as_ref()
            .is_some_and(|password| said.contains(password.as_str()));
        if said.is_empty() || repeats || ABOUT_CREDENTIALS.contains(&code) {
            return format!("the mail server answered {code}");
        }
        let said: String = said.chars().filter(|c| !is_unprintable(*c)).take(LONGEST).collect();
        format!("the mail server answered {code}: {said}")
    }
}

/// Whether the connection broke over a certificate, which the library tells only in words.
fn is_about_certificates(error: &Error) -> bool {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
        .any(|cause| cause.to_string().contains("certificate verify failed"))
}

const NOT_AN_ADDRESS: &str =
    "LEDGER_NOTIFY_SMTP_URL is no usable address; write smtps://HOST:PORT or smtp://HOST:PORT?tls=required";

/// What an address says of the way to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Encrypted, or within this machine.
    Safe,
    InClear,
}

impl Way {
    fn of(url: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or(NOT_AN_ADDRESS)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(
                "LEDGER_NOTIFY_SMTP_URL must not hold credentials: give them as LEDGER_NOTIFY_SMTP_USER and \
                 LEDGER_NOTIFY_SMTP_PASSWORD",
            );
        }
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        let port_of = |host: &str| authority.strip_prefix(host).map(|port| port.trim_start_matches(':'));
        let on_this_machine = ["localhost", "127.0.0.1", "[::1]"]
            .iter()
            .filter_map(|host| port_of(host))
            .any(|port| port.bytes().all(|b| b.is_ascii_digit()));
        match scheme {
            "smtps" => Ok(Self::Safe),
            "smtp" if query == "tls=required" || on_this_machine => Ok(Self::Safe),
            "smtp" => Ok(Self::InClear),
            _ => Err(NOT_AN_ADDRESS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_only_where_nobody_reads_along() {
        for safe in [
            "smtps://mail.example.com",
            "smtp://mail.example.com:587?tls=required",
            "smtp://localhost",
            "smtp://127.0.0.1:2525",
            "smtp://[::1]:25",
        ] {
            assert_eq!(Way::of(safe), Ok(Way::Safe), "{safe}");
        }
        for in_clear in [
            "smtp://mail.example.com",
            "smtp://mail.example.com?tls=opportunistic",
            "smtp://mail.example.com/tls=required",
            "smtp://localhost.example.com",
            "smtp://127.0.0.1.example.com:25",
        ] {
            assert_eq!(Way::of(in_clear), Ok(Way::InClear), "{in_clear}");
        }
        for refused in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtps://user:secret@mail.example.com",
        ] {
            assert!(Way::of(refused).is_err(), "{refused}");
        }
    }
}
