//! What the targets hold the ledger against, which is the same as in the ordinary suite.

#[path = "../../tests/oracles/mod.rs"]
pub mod oracles;
