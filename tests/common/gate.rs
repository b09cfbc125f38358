//! A command that is held up in the midst of its work, whatever the machine does beside.

use std::time::{Duration, Instant};

use super::{Engine, TestDatabase};

const SOON: Duration = Duration::from_secs(120);

/// Waits for what is sure to come.
#[track_caller]
pub fn await_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < SOON, "{what}: not in time");
        std::thread::yield_now();
    }
}

/// Before one entry whoever writes it has to wait: on PostgreSQL until the gate is opened, on SQLite, where nothing
/// from outside is seen within a statement, for some seconds of reckoning.
pub struct Gate<'a>(&'a TestDatabase);

impl<'a> Gate<'a> {
    /// The condition says of `NEW` which entry it is.
    pub fn before(database: &'a TestDatabase, condition: &str) -> Self {
        match database.engine {
            Engine::Sqlite => database.sql(&format!(
                "CREATE TRIGGER gate BEFORE INSERT ON entries WHEN {condition} BEGIN SELECT \
                 (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 20000000) \
                 SELECT COUNT(*) FROM n); END"
            )),
            // A sequence shows its value to every transaction at once.
            Engine::Postgres => database.sql(&format!(
                "CREATE SEQUENCE gate; \
                 CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 WHILE (SELECT last_value FROM gate) = 1 LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN NEW; END $$; \
                 CREATE TRIGGER gate BEFORE INSERT ON entries FOR EACH ROW WHEN ({condition}) \
                 EXECUTE FUNCTION wait_at_gate()"
            )),
        };
        Self(database)
    }

    /// Nobody has to wait any more.
    pub fn open(self) {
        match self.0.engine {
            // Whoever stands before it holds the lock.
            Engine::Sqlite => await_until("the gate is opened", || self.0.try_sql("DROP TRIGGER gate").is_ok()),
            Engine::Postgres => {
                self.0.sql("SELECT setval('gate', 2)");
                self.0
                    .sql("DROP TRIGGER gate ON entries; DROP FUNCTION wait_at_gate; DROP SEQUENCE gate");
            }
        }
    }
}
