//! How the PostgreSQL databases of the tests are laid out: `LEDGER_TEST_LAYOUT`.
//!
//! The same tests have to pass in each layout, which is what imitates a server beyond one machine.

use std::sync::OnceLock;

use super::postgres::Server;

const VARIABLE: &str = "LEDGER_TEST_LAYOUT";

/// The server that all tests of one process share, started on first use.
pub fn shared_server() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| {
        let server = Server::start();
        match Layout::chosen() {
            Layout::Pooled => server.behind_pooler(4, ""),
            _ => server,
        }
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As the migrations leave it.
    Plain,
    /// Every transaction that does not say otherwise is serialisable.
    Serializable,
    /// Every growing table is split by the hash of its account, and the ledger is told so.
    Partitioned,
    /// With a pooler before the server, in transaction mode.
    Pooled,
}

impl Layout {
    pub fn chosen() -> Self {
        static CHOSEN: OnceLock<Layout> = OnceLock::new();
        *CHOSEN.get_or_init(|| match std::env::var(VARIABLE).as_deref() {
            Err(_) | Ok("" | "plain") => Self::Plain,
            Ok("serializable") => Self::Serializable,
            Ok("partitioned") => Self::Partitioned,
            Ok("pooled") => Self::Pooled,
            Ok(other) => panic!("{VARIABLE}={other}: it is plain, serializable, partitioned or pooled"),
        })
    }

    /// What the server is told, for all of its databases.
    pub fn of_server(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Pooled => None,
            Self::Serializable => Some("ALTER ROLE ALL SET default_transaction_isolation = 'serializable'"),
            Self::Partitioned => Some("ALTER ROLE ALL SET ledger.sharded = 'on'"),
        }
    }

    /// What becomes of a ledger that has just been migrated.
    pub fn of_ledger(self) -> Option<&'static str> {
        (self == Self::Partitioned).then_some(include_str!("partitioned.sql"))
    }
}
