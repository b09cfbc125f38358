//! Programs that keep books and are no part of this project: what they make of an exported ledger.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::Ledger;

/// Runs a program that is no part of this project; what it says when it is content, else why it is not.
#[track_caller]
fn independent(program: &str, package: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    let run = command
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env("PYTHONWARNINGS", "ignore")
        .output();
    let output = run.unwrap_or_else(|error| panic!("{program}: {error}; install it with `apt install {package}`"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stdout) + &text(output.stderr))
    }
}

pub(super) fn hledger(file: &Path, arguments: &[&str]) -> Result<String, String> {
    // Nothing from the configuration of whoever runs the tests.
    independent(
        "hledger",
        "hledger",
        &[&["-f", file.to_str().unwrap()], arguments].concat(),
    )
}

pub(super) fn bean_check(file: &Path) -> Result<String, String> {
    let file = file.to_str().unwrap();
    independent("bean-check", "beancount", &["--no-cache", file])
}

/// What hledger says is on each account, by account and commodity.
pub(super) fn balances_by_hledger(file: &Path) -> BTreeMap<(String, String), String> {
    let told = hledger(
        file,
        &[
            "balance",
            "--flat",
            "--no-total",
            "--layout=bare",
            "--output-format=csv",
        ],
    )
    .unwrap();
    let mut reader = csv::Reader::from_reader(told.as_bytes());
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            ((record[0].to_owned(), record[1].to_owned()), record[2].to_owned())
        })
        .collect()
}

/// The name of an account's own account, encoded as docs/export.md says.
fn hledger_name(account: &Value, figure: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b".@+_~-".contains(b);
    let mut user = String::new();
    for byte in account["user_id"].as_str().unwrap().bytes() {
        match plain(&byte) {
            true => user.push(char::from(byte)),
            false => write!(user, "%{byte:02X}").unwrap(),
        }
    }
    let currency = account["currency"].as_str().unwrap();
    match figure {
        "debt" => format!("assets:receivable:debt:{user}:{currency}"),
        figure => format!("liabilities:users:{user}:{currency}:{figure}"),
    }
}

/// An amount without the zeros that another program may leave out, and with the other sign if asked.
pub(super) fn plain(amount: &str, negative: bool) -> String {
    let (sign, digits) = match amount.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, amount),
    };
    let digits = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    };
    let minus = sign != negative && digits != "0";
    format!("{}{digits}", if minus { "-" } else { "" })
}

/// Every figure of every account, as `ledger balance` shows it, is what hledger comes to.
#[track_caller]
pub(super) fn assert_hledger_agrees(ledger: &Ledger, file: &Path) {
    hledger(file, &["check", "--strict"]).unwrap();
    let told = balances_by_hledger(file);
    let accounts = ledger
        .run_words("account list --limit 1000000 --format ndjson")
        .expect_code(0)
        .json_lines();
    assert!(accounts.len() > 5);
    let mut own = 0;
    for account in &accounts {
        let (user, currency) = (
            account["user_id"].as_str().unwrap(),
            account["currency"].as_str().unwrap(),
        );
        let balance = ["balance", "--user-id", user, "--currency", currency, "--format", "json"];
        let shown = if accounts.len() > 50 {
            account.clone()
        } else {
            ledger.run(&balance).expect_code(0).data()
        };
        for figure in ["balance", "held", "debt"] {
            let name = hledger_name(account, figure);
            let found = told.get(&(name.clone(), currency.to_owned()));
            own += usize::from(found.is_some());
            let expected = plain(shown[figure].as_str().unwrap(), figure != "debt");
            let found = found.map_or("0".to_owned(), |amount| plain(amount, false));
            assert_eq!(found, expected, "{name} in {currency}");
        }
    }
    // No other account of a user is in the book, and all of it comes to nothing.
    let users = |name: &str| name.starts_with("liabilities:users:") || name.starts_with("assets:receivable:");
    assert_eq!(told.keys().filter(|(name, _)| users(name)).count(), own);
    let total = hledger(file, &["balance", "--depth=0", "--output-format=csv"]).unwrap();
    assert!(total.ends_with("\"total\",\"0\"\n"), "{total}");
}
