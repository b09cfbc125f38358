//! Reading what others hand in: files of accounts, callbacks of gateways. With size limits and places of errors.

pub mod accounts;
pub mod callback;
