//! Whatever stands in a text field, it steers no terminal and runs in no spreadsheet.

use ledger::domain::text::is_unprintable;

use crate::common::{Engine, Output, TestDatabase};

/// Every command that shows texts which somebody gave.
const SHOWING: [&str; 22] = [
    "account list",
    "account show --user-id USER",
    "balance --user-id USER",
    "history --user-id USER",
    "explain --user-id USER",
    "recharge list",
    "access list",
    "holds",
    "suspensions",
    "purchase list",
    "gift list",
    "intents list",
    "intents show c1 --user-id USER",
    "alerts list",
    "operations list",
    "trial-balance",
    "export --to ndjson",
    "export --to hledger",
    "verify-sync --deep",
    "health",
    "audit",
    "doctor",
];

/// A ledger with a row of every kind, whose texts are these.
fn filled(db: &TestDatabase, user: &str, text: &str) {
    let run = |line: &str| {
        let words: Vec<String> = line
            .split(' ')
            .map(|word| word.replace("USER", user).replace("TEXT", text))
            .collect();
        db.ledger().env("LEDGER_ACTOR", text).run(&words).expect_code(0);
    };
    for line in [
        "account create --user-id USER",
        "recharge --user-id USER --amount 100 --method momo --reference=TEXT --reason=TEXT",
        "charge --user-id USER --amount 5 --service=TEXT --reference=TEXT --reason=TEXT --grants=TEXT --idempotency-key c1",
        "charge --user-id USER --amount 5 --service=TEXT --idempotency-key=TEXT",
        "freeze --user-id USER --amount 5 --reference=TEXT --reason=TEXT --service=TEXT",
        "purchase record --user-id USER --credits 5 --amount 5 --reference=TEXT --reason=TEXT",
        "deactivate-purchase p1-1 --reason=TEXT",
        "gift grant --user-id USER --credits 5 --reason=TEXT",
        "account lock --user-id USER --reason=TEXT",
        "account unlock --user-id USER --reason=TEXT",
        "suspend --user-id USER --reason=TEXT",
    ] {
        run(line);
    }
    db.sql(&format!(
        "INSERT INTO alerts (account_id, id, cause, severity, message, first_seen, last_seen) \
         VALUES (1, 'a', 'c', 'WARNING', '{text}', 1, 1)"
    ));
}

fn show(db: &TestDatabase, command: &str, user: &str, format: &str) -> Output {
    let words: Vec<&str> = command
        .split(' ')
        .map(|word| if word == "USER" { user } else { word })
        .collect();
    db.ledger().run(&[&words[..], &["--format", format, "-v"]].concat())
}

#[test]
fn no_cell_of_a_csv_is_a_formula() {
    let db = TestDatabase::fresh(Engine::Sqlite);
    for (at, text) in ["=1+1", "+1+A1", "-1+A1", "@SUM(A1)"].into_iter().enumerate() {
        let db = if at == 0 {
            &db
        } else {
            &TestDatabase::fresh(Engine::Sqlite)
        };
        filled(db, "5", text);
        let mut seen = 0;
        for command in SHOWING.iter().filter(|command| !command.starts_with("export")) {
            let output = show(db, command, "5", "csv");
            assert!(output.code <= 1, "{command}\n{}", output.transcript());
            for row in csv::Reader::from_reader(output.stdout.as_bytes())
                .records()
                .map(Result::unwrap)
            {
                for cell in &row {
                    seen += usize::from(cell.contains(text));
                    let is_number = cell.parse::<f64>().is_ok();
                    assert!(
                        is_number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                        "{command}: {cell}"
                    );
                }
            }
        }
        assert!(seen > 20, "the text is hardly shown: {seen}");
    }
}

/// What the program refuses to take, written by somebody else.
#[test]
fn no_control_character_reaches_a_terminal_or_a_program() {
    const EVIL: &str = "x' || char(27) || '[2J' || char(7) || char(13) || char(8238) || 'y";
    // Whether they are shown at all: what is not taken for a user, an actor or a kind is an error that does not repeat it.
    let planted: [(&[&str], bool); 4] = [
        (&["accounts SET user_id", "currencies SET code"], false),
        (
            &[
                "entries SET description",
                "entries SET reference",
                "entries SET actor",
                "entries SET counter_account",
                "entries SET idempotency_key",
            ],
            true,
        ),
        (
            &[
                "alerts SET message",
                "operations SET command",
                "operations SET after",
                "operations SET origin",
                "suspensions SET reason",
                "access_grants SET resource",
                "holds SET reference",
                "purchases SET reference",
                "purchases SET deactivated_why",
                "gifts SET description",
                "recharges SET reference",
                "jobs SET holder",
                "intents SET reason",
                "intents SET payload",
            ],
            true,
        ),
        (
            &[
                "operations SET actor",
                "intents SET actor",
                "suspensions SET suspended_by",
                "recharges SET method",
                "gifts SET created_by",
                "intents SET operation",
            ],
            false,
        ),
    ];
    for (columns, is_shown) in planted {
        let db = TestDatabase::fresh(Engine::Sqlite);
        filled(&db, "5", "plain");
        db.ledger().run_words("verify-sync -q").expect_code(0);
        db.sql("DROP TRIGGER entries_no_update");
        for column in columns {
            db.sql(&format!(
                "PRAGMA ignore_check_constraints = ON; UPDATE {column} = '{EVIL}'"
            ));
        }
        let mut shown = 0;
        for command in SHOWING {
            for format in ["table", "json", "ndjson", "csv"] {
                let output = show(&db, command, "5", format);
                let told = format!("{}{}", output.stdout, output.stderr);
                let steering = |c: char| c != '\n' && is_unprintable(c);
                assert!(!told.contains(steering), "{columns:?} {command} {format}\n{told:?}");
                shown += usize::from(told.contains("[2J"));
            }
        }
        assert_eq!(shown > 0, is_shown, "{columns:?}");
    }
}
