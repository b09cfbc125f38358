//! The ledger: prepaid balances on a SQL journal.
//!
//! Modules in the order in which they may import each other; see ARCHITECTURE.md.

pub mod domain;
pub mod db;
pub mod ledger;
pub mod render;
pub mod input;
pub mod cli;
