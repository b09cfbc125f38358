//! TLS: only a receiver whose certificate is trusted is told anything.

use std::fs;

use super::{SECRET, funded, later, patient, told};
use crate::common::receiver::Receiver;
use crate::common::tls::TlsFront;
use crate::common::{Engine, Ledger, TestDatabase};

/// The same, trusting that certificate.
fn trusting(ledger: &Ledger, front: &TlsFront) -> Ledger {
    let file = ledger.directory().join("trusted.pem");
    fs::write(&file, &front.certificate).unwrap();
    ledger.clone().env("SSL_CERT_FILE", &file.display().to_string())
}

/// Refused while nobody trusts it; delivered then.
fn only_the_trusted_one_is_told(db: &TestDatabase, ledger: &Ledger, front: &TlsFront, seen: impl Fn() -> usize) {
    funded(db, "5", "1");
    assert_eq!(told(ledger, 7)["failed"], 1);
    let error = db.sql("SELECT last_error FROM deliveries");
    assert_eq!((error.as_str(), seen()), ("TLS failed: is the certificate valid?", 0));
    assert_eq!(told(&later(&trusting(ledger, front), 2), 0)["delivered"], 1);
    assert_eq!(seen(), 1);
}

#[test]
fn a_webhook_is_told_under_a_trusted_certificate_alone() {
    let db = TestDatabase::fresh(Engine::Sqlite);
    let receiver = Receiver::http();
    let front = TlsFront::of(receiver.address);
    let ledger = patient(&db)
        .env("LEDGER_NOTIFY_WEBHOOK_URL", &format!("https://{}/hook", front.address))
        .env("LEDGER_NOTIFY_WEBHOOK_SECRET", SECRET);
    only_the_trusted_one_is_told(&db, &ledger, &front, || receiver.seen().len());
}

#[test]
fn a_mail_server_gets_the_password_under_a_trusted_certificate_alone() {
    let db = TestDatabase::fresh(Engine::Sqlite);
    let receiver = Receiver::smtp();
    let front = TlsFront::of(receiver.address);
    let ledger = patient(&db)
        .env("LEDGER_NOTIFY_SMTP_URL", &format!("smtps://{}", front.address))
        .env("LEDGER_NOTIFY_SMTP_USER", "ledger")
        .env("LEDGER_NOTIFY_SMTP_PASSWORD", "hunter2")
        .env("LEDGER_NOTIFY_MAIL_FROM", "ledger@example.com")
        .env("LEDGER_NOTIFY_MAIL_TO", "ops@example.com");
    only_the_trusted_one_is_told(&db, &ledger, &front, || receiver.seen().len());
}
