//! Showing typed outcomes: tables for people, JSON, NDJSON and CSV for programs.
//!
//! The only place that writes to standard output and standard error, and so the only place that
//! escapes what goes there.

pub mod access;
pub mod account;
pub mod alert;
pub mod apply;
pub mod audit;
pub mod config;
pub mod doctor;
pub mod document;
pub mod expiry;
pub mod export;
pub mod failure;
pub mod forecast;
pub mod health;
pub mod hold;
pub mod inspect;
pub mod intents;
pub mod notify;
pub mod metrics;
pub mod operations;
pub mod posting;
pub mod progress;
pub mod purchase;
pub mod recharge;
pub mod recurring;
pub mod report;
pub mod roles;
pub mod schedule;
pub mod seed;
pub mod sink;
pub mod suspension;
pub mod terminal;
pub mod trial_balance;
pub mod unreadable;
pub mod verify;
pub mod writer;

pub use document::{Block, Document};
pub use writer::{Format, Writer};
