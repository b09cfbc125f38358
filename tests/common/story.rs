//! Every command of the tool, once at least, in an order in which each has something to work on.

use super::callback::{SECRET, body, knowing, signature};
use super::{Ledger, Output, TestDatabase};

/// A command line without `ledger`; no argument holds a space.
#[derive(Clone, Debug)]
pub struct Step {
    pub line: String,
    pub stdin: String,
}

impl Step {
    /// Runs it with further arguments.
    pub fn run(&self, ledger: &Ledger, further: &[&str]) -> Output {
        let words: Vec<&str> = self.line.split_whitespace().chain(further.iter().copied()).collect();
        knowing(ledger.clone()).run_with_stdin(&words, &self.stdin)
    }
}

/// The names of all commands that do something by themselves, such as `account create`.
pub fn commands() -> Vec<String> {
    fn walk(command: &clap::Command, name: &str, found: &mut Vec<String>) {
        for below in command.get_subcommands() {
            let name = format!("{name} {}", below.get_name());
            if !below.is_subcommand_required_set() {
                found.push(name.trim_start().to_owned());
            }
            walk(below, &name, found);
        }
    }
    let mut found = Vec::new();
    walk(&ledger::cli::command(), "", &mut found);
    found
}

/// Which of [`commands`] a line calls: the longest that it begins with.
pub fn command_of(line: &str) -> String {
    commands()
        .into_iter()
        .filter(|name| line == name || line.starts_with(&format!("{name} ")))
        .max_by_key(String::len)
        .unwrap_or_else(|| panic!("{line} is no command"))
}

/// What the steps need to find: files, and an alert.
pub fn prepare(db: &TestDatabase) {
    let write = |name: &str, text: &str| std::fs::write(db.directory().join(name), text).unwrap();
    write("users.csv", "user_id,currency\n8,USD\n9,USD\n");
    write(
        "operations.ndjson",
        "{\"op\":\"charge\",\"user_id\":\"5\",\"amount\":\"1\",\"service\":\"vps\",\"idempotency_key\":\"a1\"}\n",
    );
    db.sql(
        "INSERT INTO alerts (account_id, id, cause, severity, message, first_seen, last_seen) \
         VALUES (0, 'alert-1', 'test:cause', 'WARNING', 'something', 1, 1)",
    );
}

/// Every step ends with exit code 0 when all run in this order on a [prepared](prepare) empty ledger.
pub fn steps() -> Vec<Step> {
    let callback = body("r1-5", "completed", "20.00");
    let signed = format!(
        "recharge callback --method momo --signature {}",
        signature(SECRET, &callback)
    );
    let lines = [
        "migrate up",
        "migrate status",
        "currency add POINTS --exponent 0",
        "currency list",
        "account create --user-id 5",
        "account create --user-id 5 --currency POINTS",
        "account import users.csv",
        "account show --user-id 5",
        "account list",
        "account set --user-id 5 --spend-per-day 500",
        "account lock --user-id 5",
        "account unlock --user-id 5",
        "account close --user-id 9",
        "recharge --user-id 5 --amount 1000 --method momo",
        "recharge --user-id 5 --amount 20 --method momo --pending",
        "recharge --user-id 5 --amount 20 --method momo --pending",
        "recharge --user-id 5 --amount 20 --method momo --pending",
        "recharge --user-id 5 --amount 20 --method momo --pending",
        "recharge process r1-2",
        "recharge complete r1-2",
        "recharge fail r1-3",
        "recharge cancel r1-4",
        &signed,
        "recharge list",
        "expire-recharges",
        "charge --user-id 5 --amount 10 --service vps --idempotency-key c1 --grants page:1",
        "access check --user-id 5 --resource page:1",
        "access list",
        "balance --user-id 5",
        "history --user-id 5",
        "explain --user-id 5",
        "freeze --user-id 5 --amount 5",
        "freeze --user-id 5 --amount 5",
        "holds",
        "commit --hold h1-1",
        "refund --hold h1-2",
        "expire-holds",
        "reverse --user-id 5 --entry 4",
        "adjust --user-id 5 --amount 2 --reason goodwill",
        "penalty --user-id 5 --amount 1 --reason spam",
        "suspend --user-id 5 --reason abuse",
        "suspensions",
        "resume --user-id 5",
        "purchase record --user-id 5 --amount 500000 --currency POINTS",
        "purchase list",
        "process-pending-credits",
        "deactivate-purchase p2-1 --reason cancelled",
        "gift grant --user-id 5 --credits 50 --currency POINTS",
        "gift list",
        "gift deactivate g2-1 --reason twice",
        "recurring add --user-id 5 --amount 1 --service vps --every month",
        "recurring list",
        "recurring run",
        "recurring cancel c1-1 --reason left",
        "forecast --user-id 5",
        "report revenue",
        "report usage",
        "report churn",
        "report topups",
        "report daily",
        "notify",
        "notify list",
        "notify resend --dead",
        "apply operations.ndjson",
        "intents list",
        "intents show c1 --user-id 5",
        "intents resolve",
        "intents replay --failed",
        "alerts list",
        "alerts ack alert-1",
        "operations list",
        "trial-balance",
        "export --to ndjson --output export.ndjson",
        "verify-sync",
        "rebuild",
        "health",
        "audit",
        "doctor",
        "metrics --output ledger.prom",
        "roles sql --database-url postgres:///ledger",
        "schedule --cron",
        "config show",
        "completions bash",
        "man pages",
        "demo",
        "seed --accounts 2 --entries 10 --into-existing --user-prefix t-",
    ];
    lines
        .into_iter()
        .map(|line| Step {
            line: line.to_owned(),
            stdin: if line == signed {
                callback.clone()
            } else {
                String::new()
            },
        })
        .collect()
}
