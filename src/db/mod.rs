//! The database: the only module that names diesel.
//!
//! It hands out domain types, never rows, and knows no rule. SQL is written once for both engines
//! wherever they understand the same text; where they don't, the engine is matched on the spot. `backend` is the
//! connection to either, and what opening, locking and committing differ in.

mod backend;
mod error;
pub mod metrics;
pub mod migrate;
mod postgres;
mod rows;
mod statement;
mod url;

pub mod access;
pub mod accounts;
pub mod alerts;
pub mod audit;
pub mod balances;
pub mod bulk;
pub mod checks;
pub mod closes;
pub mod connection;
mod copy;
pub mod credits;
mod deactivation;
pub mod deliveries;
pub mod entries;
pub mod evidence;
pub mod export;
pub mod gifts;
pub mod health;
pub mod holds;
pub mod intents;
pub mod intents_bulk;
pub mod intents_list;
pub mod jobs;
pub mod journal;
pub mod numbers;
pub mod operations;
pub mod outbox;
pub mod posting;
pub mod proofs;
pub mod purchases;
pub mod recharges;
pub mod records_bulk;
pub mod recurring;
pub mod server;
pub mod snapshot;
pub mod reports;
pub mod restore;
pub mod suspensions;
pub mod trial_balance;
pub mod unit_of_work;

pub use connection::{Db, Schema};
pub use error::DbError;
pub use rows::{Numbered, Unreadable};
pub use url::{DatabaseUrl, InvalidUrl};
