//! Behind a pooler in transaction mode, where two sessions of the server serve everybody in turn.

use std::thread;

use diesel::connection::{CacheSize, Connection as _, SimpleConnection as _};
use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel::{PgConnection, RunQueryDsl as _};

use super::{at_once, charge, with_code, with_outcome};
use crate::common::postgres::Server;
use crate::common::{Ledger, Output};

/// A ledger whose commands reach the server through two sessions.
fn pooled() -> (Server, Ledger) {
    pooled_with("")
}

fn pooled_with(further: &str) -> (Server, Ledger) {
    let server = Server::start().behind_pooler(2, further);
    server.create_database("ledger");
    let ledger = Ledger::new(&server.url("ledger"));
    ledger.run_words("migrate up").expect_code(0);
    (server, ledger)
}

#[test]
fn many_processes_share_two_sessions_and_none_meets_what_another_has_left() {
    let (server, ledger) = pooled();
    for user in 1..=4 {
        ledger.fund(&user.to_string(), "1000");
    }
    let file: String = (0..2_000)
        .map(|n| {
            let user = n % 4 + 1;
            format!(r#"{{"op":"charge","user_id":"{user}","amount":"1","service":"cdn","idempotency_key":"{n}"}}"#)
                + "\n"
        })
        .collect();

    // Commands of many kinds prepare different statements in different orders.
    thread::scope(|scope| {
        let apply = scope.spawn(|| ledger.run_with_stdin(&["apply", "-"], &file).expect_code(0));
        for user in ["1", "2", "3", "4"] {
            let ledger = &ledger;
            scope.spawn(move || {
                for round in 0..10 {
                    ledger.run(&charge(user, "2")).expect_code(0);
                    let words = match round % 5 {
                        0 => format!("freeze --user-id {user} --amount 3"),
                        1 => format!("history --user-id {user}"),
                        2 => format!("recharge --user-id {user} --amount 3 --method momo"),
                        3 => "verify-sync -q --user-id 1".to_owned(),
                        _ => format!("explain --user-id {user}"),
                    };
                    ledger.run_words(&words).expect_code(0);
                }
            });
        }
        assert_eq!(apply.join().unwrap().json_lines().len(), 2_000);
    });

    for user in ["1", "2", "3", "4"] {
        // 500 lines of 1, 10 charges of 2, two holds of 3, two recharges of 3.
        assert_eq!(ledger.balance(user), "480.00");
    }
    ledger.proven();
    ledger.run_words("verify-sync --deep").expect_code(0);
    let sessions = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = 'ledger'";
    assert_eq!(server.psql("postgres", sessions), "2");
}

#[test]
fn of_charges_that_exceed_the_balance_together_as_many_succeed_as_it_covers() {
    let (_server, ledger) = pooled();
    for round in 0..10 {
        let user = format!("user {round}");
        ledger.fund(&user, "100");

        let outputs = at_once(&ledger, &vec![charge(&user, "30"); 8]);

        assert_eq!(with_code(&outputs, 0).len(), 3, "{outputs:#?}");
        assert_eq!(with_code(&outputs, 1).len(), 5, "{outputs:#?}");
        assert_eq!(ledger.balance(&user), "10.00");
    }
    ledger.proven();
}

#[test]
fn whoever_waits_for_an_account_gives_up_in_time_and_leaves_the_sessions_as_they_were() {
    let (server, ledger) = pooled();
    ledger.fund("5", "100");
    let [mut holder, mut other] = [(); 2].map(|()| {
        let mut client = PgConnection::establish(&server.url("ledger")).unwrap();
        client.set_prepared_statement_cache_size(CacheSize::Disabled);
        client
    });
    holder
        .batch_execute("BEGIN; UPDATE balances SET last_seq = last_seq")
        .unwrap();

    let busy = ledger.run_words("charge --user-id 5 --amount 1 --service vps --lock-timeout 300ms --format json");

    assert_eq!(busy.expect_code(5).error_code(), "busy");
    // The two clients have a session each.
    other.batch_execute("BEGIN").unwrap();
    for client in [&mut holder, &mut other] {
        let left = "current_setting('lock_timeout') || ', prepared: ' || (SELECT COUNT(*) FROM pg_prepared_statements)";
        let left: String = diesel::select(sql::<Text>(left)).get_result(client).unwrap();
        assert_eq!(left, "0, prepared: 0");
    }
}

#[test]
fn a_server_that_crashes_behind_it_loses_nothing_and_doubles_nothing() {
    let (server, ledger) = pooled();
    ledger.fund("5", "100");
    let send = |number: usize| {
        let key = format!("k{number}");
        ledger.run(&[&charge("5", "1")[..], &["--idempotency-key", &key]].concat())
    };

    let outputs: Vec<Output> = thread::scope(|scope| {
        let charging: Vec<_> = (0..4)
            .map(|part| scope.spawn(move || (0..10).map(|n| send(part * 10 + n)).collect::<Vec<_>>()))
            .collect();
        for _ in 0..3 {
            server.crash();
            server.start_again();
        }
        charging.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });

    assert!(
        outputs.iter().all(|output| [0, 4].contains(&output.code)),
        "{outputs:#?}"
    );
    server.recover();
    let again: Vec<Output> = (0..40).map(send).collect();
    let acknowledged = with_code(&outputs, 0).len();
    assert!(with_outcome(&again, "already_applied") >= acknowledged);
    assert_eq!(ledger.balance("5"), "60.00");
    ledger.proven();
}

#[test]
fn it_is_noticed_whatever_it_does_with_the_options_of_a_connection() {
    for further in ["", "ignore_startup_parameters = options", "pool_mode = session"] {
        let (_server, ledger) = pooled_with(further);
        let shown = ledger.run_words("doctor").stdout;
        assert!(shown.contains(", through a pooler answers at"), "{further}: {shown}");
        ledger.fund("5", "100");
        ledger.run(&charge("5", "1")).expect_code(0);
    }
}
