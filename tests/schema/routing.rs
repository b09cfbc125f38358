//! Past one machine: every statement of a money operation is for one account, and goes straight to where that is.

use std::collections::BTreeSet;

use crate::cli::apply::story;
use crate::common::layout::Layout;
use crate::common::postgres::Server;
use crate::common::{Ledger, Output};

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

/// A ledger whose statements are looked at.
struct Watched {
    server: Server,
    ledger: Ledger,
    /// How much of the log has been looked at.
    seen: usize,
    looked_into: BTreeSet<String>,
}

impl Watched {
    fn start(open: impl FnOnce(&Ledger)) -> Self {
        let server = explaining();
        let ledger = Ledger::new(&server.url("ledger"));
        open(&ledger);
        Self {
            seen: server.log().len(),
            server,
            ledger,
            looked_into: BTreeSet::new(),
        }
    }

    /// The plans that were logged since the last look.
    fn plans(&mut self) -> Vec<String> {
        let log = self.server.log();
        let new = log[self.seen..].to_owned();
        self.seen = log.len();
        new.split("plan:\n").skip(1).map(str::to_owned).collect()
    }

    /// A money operation: none of its statements looks into more than one partition.
    fn check(&mut self, words: &str) -> Output {
        let output = self.ledger.run_words(words);
        let plans = self.plans();
        assert!(
            plans.iter().any(|plan| plan.contains("Insert on intents")) || words.contains("--user-id 404 "),
            "{words} has left no plan: {}",
            output.transcript()
        );
        self.look_at(words, &plans);
        output
    }

    fn look_at(&mut self, words: &str, plans: &[String]) {
        for plan in plans {
            let partitions = partitions(plan);
            assert!(partitions.len() <= 1, "{words} looks into {partitions:?}:\n{plan}");
            let changes = plan.matches("Insert on ").count() + plan.matches("Update on ").count();
            assert!(changes <= 2, "{words} changes several tables at once:\n{plan}");
            self.looked_into.extend(partitions.into_iter().map(str::to_owned));
        }
    }
}

#[test]
fn every_statement_of_a_money_operation_looks_into_one_partition() {
    let mut watched = Watched::start(|ledger| {
        for user in 1..=8 {
            ledger
                .run_words(&format!("account create --user-id {user}"))
                .expect_code(0);
        }
    });
    for user in 1..=8 {
        for (words, code) in [
            (
                "recharge --user-id {} --amount 100 --method card --idempotency-key in",
                0,
            ),
            ("charge --user-id {} --amount 5 --service vps --idempotency-key out", 0),
            ("charge --user-id {} --amount 5 --service vps --idempotency-key out", 0),
            ("charge --user-id {} --amount 500 --service vps", 1),
            ("charge --user-id {} --amount 1 --service api --grants page:1", 0),
            ("freeze --user-id {} --amount 20", 0),
            ("adjust --user-id {} --amount -1 --reason correction", 0),
            ("refund --user-id {} --entry 2", 0),
            ("commit --hold h{}-1", 0),
        ] {
            watched.check(&words.replace("{}", &user.to_string())).expect_code(code);
        }
    }
    // Not only because they all happen to be in the same.
    assert_eq!(watched.looked_into.len(), 4, "{:?}", watched.looked_into);
}

#[test]
fn so_it_is_with_every_operation_there_is_done_or_refused() {
    let mut watched = Watched::start(story::open);
    for (key, _, command) in story::STORY {
        let output = watched.check(&format!("{command} --idempotency-key {key}"));
        assert!([0, 1].contains(&output.code), "{command}: {}", output.transcript());
    }
}

/// Jobs look for what is due among all accounts; what they then do is for one account each.
#[test]
fn what_a_job_charges_or_gives_back_is_written_as_one_operation_would_be() {
    let mut watched = Watched::start(|ledger| {
        for user in 1..=4 {
            for words in [
                "account create --user-id {}",
                "recharge --user-id {} --amount 100 --method card",
                "freeze --user-id {} --amount 1 --expires-in 20m",
                "recurring add --user-id {} --amount 1 --service vps --every day",
            ] {
                ledger.run_words(&words.replace("{}", &user.to_string())).expect_code(0);
            }
        }
    });
    let later = watched.ledger.clone().at("2026-03-02T12:00:00Z");
    for words in ["expire-holds", "recurring run"] {
        later.run_words(words).expect_code(0);
        let plans = watched.plans();
        let (writing, _): (Vec<String>, Vec<String>) = plans
            .into_iter()
            .partition(|plan| plan.contains("Insert on ") || plan.contains("Update on "));
        assert!(
            writing.iter().any(|plan| plan.contains("Insert on entries")),
            "{words} has left no plan"
        );
        watched.look_at(words, &writing);
    }
    assert!(watched.looked_into.len() > 1, "{:?}", watched.looked_into);
}
