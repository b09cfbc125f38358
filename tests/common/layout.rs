//! How the PostgreSQL databases of the tests are laid out: `LEDGER_TEST_LAYOUT`.
//!
//! The same tests have to pass in each layout, which is what imitates a server beyond one machine.

use std::sync::OnceLock;

const VARIABLE: &str = "LEDGER_TEST_LAYOUT";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As the migrations leave it.
    Plain,
    /// Every transaction that does not say otherwise is serialisable.
    Serializable,
    /// Every growing table is split by the hash of its account, and the ledger is told so.
    Partitioned,
}

impl Layout {
    pub fn chosen() -> Self {
        static CHOSEN: OnceLock<Layout> = OnceLock::new();
        *CHOSEN.get_or_init(|| match std::env::var(VARIABLE).as_deref() {
            Err(_) | Ok("" | "plain") => Self::Plain,
            Ok("serializable") => Self::Serializable,
            Ok("partitioned") => Self::Partitioned,
            Ok(other) => panic!("{VARIABLE}={other}: it is plain, serializable or partitioned"),
        })
    }

    /// What the server is told, for all of its databases.
    pub fn of_server(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Serializable => Some("ALTER ROLE ALL SET default_transaction_isolation = 'serializable'"),
            Self::Partitioned => Some("ALTER ROLE ALL SET ledger.sharded = 'on'"),
        }
    }

    /// What becomes of a ledger that has just been migrated.
    pub fn of_ledger(self) -> Option<&'static str> {
        (self == Self::Partitioned).then_some(include_str!("partitioned.sql"))
    }
}
