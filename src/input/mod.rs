//! Reading files of accounts, line by line.

pub mod accounts;
