//! Somebody else holds the lock: wait for it, then say "busy", never "insufficient".

use std::time::{Duration, Instant};

use diesel::PgConnection;
use diesel::connection::{Connection as _, SimpleConnection as _};

use super::charge;
use crate::common::{Engine, Output, TestDatabase, on_both_engines};

/// What a charge of user 5 has to wait for, taken by a client that is not the binary.
pub(super) enum Lock {
    Sqlite(rusqlite::Connection),
    Postgres(Box<PgConnection>),
}

impl Lock {
    pub(super) fn take(database: &TestDatabase) -> Self {
        match database.engine {
            Engine::Sqlite => {
                let path = database.url.strip_prefix("sqlite://").unwrap();
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                Self::Sqlite(connection)
            }
            Engine::Postgres => {
                let mut connection = PgConnection::establish(&database.url).unwrap();
                connection
                    .batch_execute(
                        "BEGIN; SELECT 1 FROM balances JOIN accounts ON id = account_id \
                         WHERE user_id = '5' FOR UPDATE OF balances",
                    )
                    .unwrap();
                Self::Postgres(Box::new(connection))
            }
        }
    }

    pub(super) fn release(self) {
        match self {
            Self::Sqlite(connection) => connection.execute_batch("ROLLBACK").unwrap(),
            Self::Postgres(mut connection) => connection.batch_execute("ROLLBACK").unwrap(),
        }
    }
}

fn charge_with_key(lock_timeout: &'static str) -> Vec<&'static str> {
    let mut line = charge("5", "80");
    line.extend(["--idempotency-key", "usage-1", "--lock-timeout", lock_timeout]);
    line
}

on_both_engines! {
    fn a_charge_that_cannot_get_the_lock_is_busy_and_writes_nothing(database: TestDatabase) {
        let ledger = database.ledger();
        ledger.fund("5", "100");
        let before = ledger.proven()["digest"].clone();
        let lock = Lock::take(&database);
        let started = Instant::now();

        let refused = ledger.run(&charge_with_key("300ms")).expect_code(5);

        assert_eq!(refused.error_code(), "busy");
        let waited = started.elapsed();
        assert!(waited >= Duration::from_millis(250), "it waited {waited:?} only");
        assert!(waited < Duration::from_secs(5), "it waited {waited:?}");
        lock.release();
        assert_eq!(ledger.proven()["digest"], before);
        assert_eq!(ledger.balance("5"), "100.00");

        // The same key again is applied, and once.
        for outcome in ["applied", "already_applied"] {
            let again = ledger.run(&charge_with_key("5s")).expect_code(0);
            assert_eq!(again.data()["outcome"], outcome);
        }
        assert_eq!(ledger.balance("5"), "20.00");
        ledger.proven();
    }

    fn a_charge_gets_the_lock_when_it_is_released_in_time(database: TestDatabase) {
        let ledger = database.ledger();
        ledger.fund("5", "100");
        let lock = Lock::take(&database);

        let waiting = ledger.spawn(&charge_with_key("20s"));
        std::thread::sleep(Duration::from_millis(400));
        lock.release();

        let data = Output::of(waiting).expect_code(0).data();
        assert_eq!((&data["outcome"], &data["balance"]), (&"applied".into(), &"20.00".into()));
        ledger.proven();
    }
}

/// One account's lock is nobody else's: only PostgreSQL locks by the row.
#[test]
fn on_postgres_the_lock_of_one_account_holds_nobody_else_up() {
    let database = TestDatabase::fresh(Engine::Postgres);
    let ledger = database.ledger();
    ledger.fund("5", "100");
    ledger.fund("6", "100");
    let lock = Lock::take(&database);

    let mut line = charge("6", "80");
    line.extend(["--lock-timeout", "300ms"]);
    ledger.run(&line).expect_code(0);
    ledger.proven();

    lock.release();
    assert_eq!(ledger.balance("6"), "20.00");
}

#[test]
fn on_postgres_a_file_goes_on_past_an_account_that_somebody_holds() {
    let database = TestDatabase::fresh(Engine::Postgres);
    let ledger = database.ledger();
    ledger.fund("5", "100");
    ledger.fund("6", "100");
    let lock = Lock::take(&database);
    let line = |user: &str, key: &str| {
        format!(
            "{{\"op\":\"charge\",\"user_id\":\"{user}\",\"amount\":\"1\",\"service\":\"vps\",\"idempotency_key\":\"{key}\"}}\n"
        )
    };
    let lines = [line("5", "a"), line("6", "b"), line("5", "c"), line("6", "d")].concat();
    let apply = |code: i32| {
        let arguments = ["apply", "-", "--lock-timeout", "300ms", "--format", "ndjson"];
        ledger.run_with_stdin(&arguments, &lines).expect_code(code).stdout
    };

    let started = Instant::now();
    let told = apply(7);

    assert!(started.elapsed() < Duration::from_secs(5), "each line waited");
    assert_eq!(
        (told.matches("\"applied\"").count(), told.matches("\"busy\"").count()),
        (2, 2),
        "{told}"
    );
    assert_eq!(
        (ledger.balance("6"), ledger.balance("5")),
        ("98.00".into(), "100.00".into())
    );
    lock.release();
    apply(0);
    assert_eq!(
        (ledger.balance("6"), ledger.balance("5")),
        ("98.00".into(), "98.00".into())
    );
}
