//! The rules of the ledger as pure values and functions.
//!
//! Nothing here reads a clock, a file or a database: what is needed to judge an
//! operation comes in as a [`snapshot::Snapshot`], what follows from it goes out as
//! [`effects::Effects`]. That is what makes the rule book testable by a model and
//! usable unchanged by single commands, jobs and bulk runs.

pub mod access;
pub mod account;
pub mod agreed;
pub mod alert;
pub mod anchor;
pub mod balance;
pub mod book;
pub mod calendar;
pub mod chain;
pub mod checksum;
pub mod close;
pub mod code;
pub mod currency;
pub mod delivery;
pub mod drift;
pub mod effects;
pub mod entry;
pub mod event;
pub mod evidence;
pub mod forecast;
pub mod hex;
pub mod histogram;
pub mod hold;
pub mod intent;
pub mod money;
pub(crate) mod named;
pub mod opened;
pub mod operation;
pub mod pattern;
pub mod period;
pub mod posting;
pub mod proof;
pub mod purchase;
pub mod recharge;
pub mod recurring;
pub mod record_id;
pub mod schedule;
pub mod refusal;
pub mod snapshot;
pub mod suspension;
pub mod tamper;
pub mod text;
pub mod time;
pub mod worth;
