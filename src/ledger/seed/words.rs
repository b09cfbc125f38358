//! The names and texts that a seeded ledger is full of.

use super::random::Random;
use crate::domain::code::Code;
use crate::domain::entry::Note;
use crate::domain::text::{Description, Json, PaymentMethod, Reference, Service, TextError};
use crate::ledger::error::LedgerError;

/// Services, what references to their usage begin with, and how many of ten charges are theirs.
const SERVICES: [(&str, &str, usize); 6] = [
    ("vps", "VpsUsage", 4),
    ("hosting", "HostingPlan", 2),
    ("email", "EmailUsage", 1),
    ("cdn", "CdnTraffic", 1),
    ("ssl", "SslCertificate", 1),
    ("backup", "BackupRun", 1),
];

/// As often as they are named.
const METHODS: [&str; 8] = [
    "zalo_pay",
    "zalo_pay",
    "momo",
    "momo",
    "bank_transfer",
    "bank_transfer",
    "credit_card",
    "paypal",
];

const REGIONS: [&str; 4] = ["sgn-1", "han-1", "sin-2", "fra-1"];

/// Every text once, so that each use is a copy.
pub struct Words {
    services: Vec<(Service, &'static str)>,
    methods: Vec<PaymentMethod>,
    usage: Description,
    metadata: Vec<Json>,
    pub corrected: Description,
    pub abused: Description,
    pub given: Description,
    pub taken_back: Description,
    pub cancelled: Description,
}

impl Words {
    pub fn new() -> Result<Self, LedgerError> {
        let mut services = Vec::new();
        for (service, reference, times) in SERVICES {
            let service = Service::parse(service).map_err(unusable)?;
            services.extend(std::iter::repeat_n((service, reference), times));
        }
        let methods: Result<Vec<_>, _> = METHODS.into_iter().map(PaymentMethod::parse).collect();
        let metadata: Result<Vec<_>, _> = REGIONS
            .into_iter()
            .map(|region| Json::parse(&format!(r#"{{"region":"{region}","hours":1}}"#), "the metadata"))
            .collect();
        let description = |text| Description::parse(text).map_err(unusable);
        Ok(Self {
            services,
            methods: methods.map_err(|error| LedgerError::invalid(Code::Internal, error))?,
            usage: description("hourly usage")?,
            metadata: metadata.map_err(unusable)?,
            corrected: description("usage was metered wrongly")?,
            abused: description("outgoing spam")?,
            given: description("thank you for your patience")?,
            taken_back: description("granted twice")?,
            cancelled: description("order cancelled")?,
        })
    }

    pub fn method(&self, random: &mut Random) -> PaymentMethod {
        random.one_of(&self.methods).clone()
    }

    /// A service and what is said about its use; many charges refer to something, few have more to say.
    pub fn usage(&self, random: &mut Random, number: u64) -> Result<(Service, Note), LedgerError> {
        let (service, begins) = random.one_of(&self.services);
        let note = Note {
            reference: match random.below(10) {
                0..3 => None,
                _ => Some(reference(begins, number)?),
            },
            description: random.one_in(8).then(|| self.usage.clone()),
            metadata: random.one_in(32).then(|| random.one_of(&self.metadata).clone()),
        };
        Ok((service.clone(), note))
    }
}

/// A pointer to something that has that number.
pub fn reference(begins: &str, number: u64) -> Result<Reference, LedgerError> {
    Reference::parse(&format!("{begins}:{number}")).map_err(unusable)
}

/// What the gateway says about a payment.
pub fn gateway_response(number: u64) -> Result<Json, LedgerError> {
    Json::parse(&format!(r#"{{"txn":"T{number}"}}"#), "the gateway's response").map_err(unusable)
}

pub fn because(description: &Description) -> Note {
    Note {
        description: Some(description.clone()),
        ..Note::default()
    }
}

/// A text of ours that the ledger does not take.
pub fn unusable(error: TextError) -> LedgerError {
    LedgerError::invalid(Code::Internal, error)
}
