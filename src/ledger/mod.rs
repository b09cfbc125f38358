//! The operations of the ledger, a file or folder per verb.
//!
//! What moves money goes through [`post`], or [`batch`] for many at once, by the rules of `domain::posting`; the job of
//! [`credits`] asks them for many accounts, [`restore`] writes what they have decided elsewhere, `repair` recomputes.
//! Nothing here prints, prompts or parses arguments.

pub mod access;
pub mod account;
mod act;
pub mod alert;
pub mod anchor;
pub mod audit;
pub mod batch;
pub mod clock;
pub mod credits;
pub mod currency;
pub mod deep;
pub mod demo;
pub mod doctor;
pub mod error;
pub mod expiry;
pub mod export;
pub mod forecast;
pub mod health;
pub mod hold;
pub mod import;
pub mod inspect;
pub mod intents;
pub mod interrupt;
pub mod job;
pub mod metrics;
pub mod migrate;
pub mod notify;
pub mod operations;
mod origin;
mod outbox;
mod pages;
pub mod post;
pub mod progress;
pub mod purchase;
pub mod rebuild;
pub mod recharge;
pub mod recurring;
pub mod report;
pub mod restore;
pub mod record;
pub mod pace;
pub mod payload;
pub mod ping;
mod repair;
pub mod seed;
pub mod scan;
pub mod suspension;
pub mod signature;
pub mod trial_balance;
pub mod verify;
mod web;
mod verify_alerts;

use std::time::Duration;

pub use clock::Clock;
pub use error::LedgerError;

pub use crate::db::DatabaseUrl;
use crate::db::{Db, Schema};
use crate::domain::text::Actor;

/// An open ledger: a database, a clock, and who is at work.
pub struct Ledger {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) actor: Actor,
    pub(crate) contention: post::Contention,
}

impl Ledger {
    /// Opens the ledger at `url`; a SQLite file is created and migrated on first use.
    pub fn open(url: &DatabaseUrl, clock: Clock, actor: Actor, lock_timeout: Duration) -> Result<Self, LedgerError> {
        let mut db = Db::open(url, lock_timeout, Schema::Expected)?;
        db.set_origin(origin::here());
        let migrated = db.migrated().to_vec();
        migrate::record(&mut db, &migrated, (&actor, clock.now()))?;
        Ok(Self {
            db,
            clock,
            actor,
            contention: post::Contention::default(),
        })
    }

    /// The moment that counts for what is done now.
    pub fn now(&self) -> crate::domain::time::Timestamp {
        self.clock.now()
    }

    /// How long others are waited for, and so how long they may have to wait for us.
    pub const fn lock_timeout(&self) -> Duration {
        self.db.lock_timeout()
    }

    /// Whether others would meet the same as one has met: somebody who holds one account holds up no other, unless there
    /// is but one lock.
    pub(crate) const fn would_befall_all(&self, error: &LedgerError) -> bool {
        error.befalls_all() && (self.db.has_one_lock() || !error.is_busy())
    }

    /// Asks again on a new connection where the old one is gone. For questions alone: what writes has to find out first
    /// what became of it.
    pub fn asked<T>(&mut self, ask: impl Fn(&mut Self) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        match ask(self) {
            Err(error) if error.is_cut_off() => {
                self.db.reconnect()?;
                ask(self)
            }
            answer => answer,
        }
    }

    /// Ends without the checkpoint that closing a SQLite connection would do: the next command finds the log.
    pub fn leave_open(self) {
        if self.db.is_sqlite() {
            std::mem::forget(self.db);
        }
    }
}
