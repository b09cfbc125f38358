//! Past one machine: every statement of a money operation is for one account, and goes straight to where that is.

use std::collections::BTreeSet;

use crate::common::Ledger;
use crate::common::layout::Layout;
use crate::common::postgres::Server;

/// A server that writes the plan of every statement into its log.
fn explaining() -> Server {
    let server = Server::start();
    server.create_database("ledger");
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
    ] {
        server.psql("postgres", &format!("ALTER DATABASE ledger SET {setting}"));
    }
    let ledger = Ledger::new(&server.url("ledger"));
    ledger.run_words("migrate up").expect_code(0);
    server.psql("ledger", Layout::Partitioned.of_ledger().unwrap());
    server.psql("postgres", Layout::Partitioned.of_server().unwrap());
    server
}

/// The partitions that a plan may look into, by number: what is left out only while it runs is too late, because then
/// another server has been asked already.
fn partitions(plan: &str) -> BTreeSet<&str> {
    let relations = plan
        .lines()
        .filter_map(|line| line.split_once(" on ")?.1.split_whitespace().next());
    relations
        .filter_map(|relation| relation.rsplit_once('_'))
        .map(|(_, number)| number)
        .filter(|number| number.len() == 1 && number.chars().all(|c| c.is_ascii_digit()))
        .collect()
}

/// The plans that were logged since the last look.
fn plans(server: &Server, seen: &mut usize) -> Vec<String> {
    let log = server.log();
    let new = log[*seen..].to_owned();
    *seen = log.len();
    new.split("plan:\n").skip(1).map(str::to_owned).collect()
}

#[test]
fn every_statement_of_a_money_operation_looks_into_one_partition() {
    let server = explaining();
    let ledger = Ledger::new(&server.url("ledger"));
    for user in 1..=8 {
        ledger
            .run_words(&format!("account create --user-id {user}"))
            .expect_code(0);
    }
    let mut seen = server.log().len();
    let mut looked_into = BTreeSet::new();
    let mut check = |words: &str, code: i32| {
        ledger.run_words(words).expect_code(code);
        let plans = plans(&server, &mut seen);
        assert!(
            plans.iter().any(|plan| plan.contains("Insert on intents")),
            "{words} has left no plan"
        );
        for plan in &plans {
            let partitions = partitions(plan);
            assert!(partitions.len() <= 1, "{words} looks into {partitions:?}:\n{plan}");
            let changes = plan.matches("Insert on ").count() + plan.matches("Update on ").count();
            assert!(changes <= 2, "{words} changes several tables at once:\n{plan}");
            looked_into.extend(partitions.into_iter().map(str::to_owned));
        }
    };
    for user in 1..=8 {
        check(
            &format!("recharge --user-id {user} --amount 100 --method card --idempotency-key in"),
            0,
        );
        check(
            &format!("charge --user-id {user} --amount 5 --service vps --idempotency-key out"),
            0,
        );
        check(
            &format!("charge --user-id {user} --amount 5 --service vps --idempotency-key out"),
            0,
        );
        check(&format!("charge --user-id {user} --amount 500 --service vps"), 1);
        check(&format!("freeze --user-id {user} --amount 20"), 0);
        check(&format!("adjust --user-id {user} --amount -1 --reason correction"), 0);
        check(&format!("refund --user-id {user} --entry 2"), 0);
        check(&format!("commit --hold h{user}-1"), 0);
    }
    // Not only because they all happen to be in the same.
    assert_eq!(looked_into.len(), 4, "{looked_into:?}");
}
