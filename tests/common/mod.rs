//! What the tests stand on: a private PostgreSQL server, fresh databases on
//! both engines, and the real binary run in a controlled environment.

// Each test binary compiles this module and uses its own part of it.
#![allow(dead_code, unused_imports)]

pub mod callback;
pub mod command;
pub mod database;
pub mod effort;
pub mod gate;
pub mod layout;
mod pooler;
pub mod postgres;
mod raise;
pub mod receiver;
pub mod tls;
pub mod story;
pub mod verify;

pub use command::{KILLED, Ledger, NOW, Output, Running};
pub(crate) use database::on_both_engines;
pub use database::{Engine, TestDatabase};
pub use layout::Layout;
pub use raise::Raise;
