//! One value at a time is changed, exchanged, taken away; a row is deleted, doubled, signed anew: in every column of
//! every table that can be proven, with triggers and constraints off. `--deep` finds each, of the right account, in the
//! right table.
//!
//! `LEDGER_TEST_SWEEP` is how many rounds are made, each with other rows; 25 are more than 5,000 changes.

use std::collections::BTreeSet;
use std::time::Duration;

use ledger::domain::chain::{Chain, ChainHash, EntryForm};
use ledger::domain::text::Actor;
use ledger::domain::time::Timestamp;
use ledger::ledger::progress::Unwatched;
use ledger::ledger::scan::Depth;
use ledger::ledger::verify::{Finding, verify};
use ledger::ledger::{Clock, DatabaseUrl, Ledger, LedgerError};

use crate::cli::verify::deep::one_of_everything;
use crate::common::verify::a_look;
use crate::common::{Engine, TestDatabase, on_both_engines};
use crate::schema::tables;

/// A table, its key, and where else its damage may show: what names it, and what it names.
type Table = (&'static str, &'static [&'static str], &'static [&'static str]);

const TABLES: [Table; 13] = [
    ("accounts", &["id"], &["accounts", "entries", "balances", "suspensions"]),
    ("balances", &["account_id"], &["balances"]),
    ("entries", &["account_id", "seq"], &["entries", "intents"]),
    (
        "intents",
        &["account_id", "idempotency_key", "attempt"],
        &[
            "intents",
            "entries",
            "recharges",
            "holds",
            "purchases",
            "gifts",
            "suspensions",
            "access_grants",
        ],
    ),
    (
        "recharges",
        &["account_id", "number"],
        &["recharges", "entries", "intents"],
    ),
    ("holds", &["account_id", "number"], &["holds", "entries", "intents"]),
    (
        "purchases",
        &["account_id", "number"],
        &["purchases", "pending_credits", "intents"],
    ),
    (
        "pending_credits",
        &["account_id", "number"],
        &["pending_credits", "purchases", "entries"],
    ),
    ("gifts", &["account_id", "number"], &["gifts", "entries", "intents"]),
    ("suspensions", &["account_id", "number"], &["suspensions", "accounts"]),
    (
        "access_grants",
        &["account_id", "entry_seq"],
        &["access_grants", "entries", "intents"],
    ),
    ("recurring_charges", &["account_id", "number"], &["recurring_charges"]),
    ("proofs", &["account_id"], &["proofs", "entries"]),
];

/// What nothing else in the database repeats, so that no check of the database can prove it. Of intents this is meant of
/// those that have made no entry, but for the times. The name of an account without entries is nowhere else either.
const UNPROVABLE: [(&str, &str, &str); 24] = [
    (
        "accounts",
        "low_balance_threshold",
        "a setting; what it was created with is written once",
    ),
    ("accounts", "charges_per_minute", "a setting"),
    ("accounts", "spend_per_day", "a setting"),
    (
        "accounts",
        "created_at",
        "written once, and a clock may be set back before the first entry",
    ),
    (
        "intents",
        "created_at",
        "when it was asked; a retry makes its entry later, by whatever clock",
    ),
    ("intents", "duration_us", "how long it took"),
    ("intents", "reason", "why it was refused: any known reason may be"),
    ("intents", "state", "refused and failed differ in nothing else"),
    (
        "intents",
        "actor",
        "who asked for what was refused, or for a change that makes no entry",
    ),
    (
        "intents",
        "payload",
        "what was asked and refused, or more about a record's later steps",
    ),
    ("intents", "idempotency_key", "of what makes no entry"),
    (
        "intents",
        "*",
        "an attempt that was refused, or a step that a later one has overtaken",
    ),
    ("recharges", "created_at", "where nothing is due some time later"),
    ("recharges", "finished_at", "where it brought no entry"),
    (
        "recharges",
        "gateway_response",
        "where several steps may have brought one",
    ),
    ("purchases", "created_at", "where it earns nothing"),
    ("suspensions", "reason", "free text"),
    (
        "suspensions",
        "suspended_at",
        "where a charge that could not be paid has opened it",
    ),
    ("suspensions", "balance", "as it was at a moment between two entries"),
    (
        "suspensions",
        "required",
        "what a refused charge asked for; anybody's who could not pay",
    ),
    (
        "recurring_charges",
        "refused_at",
        "when a period was refused, by the clock of the run",
    ),
    (
        "recurring_charges",
        "try_at",
        "where a period was refused: when it is tried again is a setting of the run",
    ),
    ("proofs", "*", "without its proof an account is looked at as a whole"),
    ("proofs", "proven_at", "when it was proven"),
];

/// Tables of which no value is held against anything, and why not.
const UNPROVABLE_TABLES: [(&str, &str); 9] = [
    ("account_closes", "what the next audit compares with, which tells"),
    ("alerts", "what was found; nothing is computed from it"),
    ("closes", "what the next audit compares with, which tells"),
    (
        "currencies",
        "a setting; entries name the currency and hold minor units",
    ),
    ("deliveries", "what was told; nothing is computed from it"),
    ("job_runs", "what was done; nothing is computed from it"),
    ("jobs", "who is at work"),
    ("operations", "what was done; nothing is computed from it"),
    ("outbox", "what is to be told; nothing is computed from it"),
];

#[test]
fn every_table_is_swept_or_it_is_said_why_not() {
    let swept = TABLES.iter().map(|(table, ..)| *table);
    let known: BTreeSet<String> = swept
        .chain(UNPROVABLE_TABLES.iter().map(|(table, _)| *table))
        .map(str::to_owned)
        .collect();
    for engine in Engine::BOTH {
        assert_eq!(known, tables(&TestDatabase::fresh(engine)));
    }
}

struct Sweep {
    db: TestDatabase,
    ledger: Ledger,
    made: usize,
    missed: Vec<String>,
}

impl Sweep {
    fn new(db: TestDatabase) -> Self {
        one_of_everything(&db);
        db.ledger().run_words("verify-sync --deep").expect_code(0);
        for (table, ..) in TABLES {
            db.sql(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"));
        }
        match db.engine {
            Engine::Sqlite => db
                .sql("DROP TRIGGER entries_no_update; DROP TRIGGER entries_no_delete; DROP TRIGGER entries_no_replace"),
            Engine::Postgres => db.sql(
                "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint \
                 WHERE contype IN ('c', 'f') AND conparentid = 0 AND connamespace = 'public'::regnamespace LOOP \
                 EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname); END LOOP; END $$",
            ),
        };
        let url = DatabaseUrl::parse(&db.url).unwrap();
        let clock = Clock::Fixed(Timestamp::parse("2026-03-06T12:00:00Z").unwrap());
        let ledger = Ledger::open(&url, clock, Actor::parse("tester").unwrap(), Duration::from_secs(5)).unwrap();
        Self {
            db,
            ledger,
            made: 0,
            missed: Vec::new(),
        }
    }

    fn findings(&mut self) -> Result<Vec<Finding>, LedgerError> {
        let request = a_look(Depth::Deep);
        verify(&mut self.ledger, &request, &Unwatched).map(|report| report.findings)
    }

    /// The columns of a table, and of what type they are.
    fn columns(&self, table: &str) -> Vec<(String, String)> {
        let query = match self.db.engine {
            Engine::Sqlite => format!("SELECT name, type FROM pragma_table_info('{table}')"),
            Engine::Postgres => format!(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = '{table}' \
                 ORDER BY ordinal_position"
            ),
        };
        let rows = self.db.sql(&query);
        let pair = |line: &str| {
            line.split_once('|')
                .map(|(name, kind)| (name.to_owned(), kind.to_lowercase()))
        };
        rows.lines().filter_map(pair).collect()
    }

    /// Conditions that find each row of a table.
    fn rows(&self, (table, key, _): &Table) -> Vec<(String, String)> {
        let listed = self.db.sql(&format!(
            "SELECT {} FROM {table} ORDER BY {}",
            key.join(", "),
            key.join(", ")
        ));
        let condition = |line: &str| {
            let fields: Vec<&str> = line.split('|').collect();
            let parts = key
                .iter()
                .zip(&fields)
                .map(|(name, value)| format!("{name} = '{value}'"));
            let parts: Vec<String> = parts.collect();
            (parts.join(" AND "), fields[0].to_owned())
        };
        listed.lines().map(condition).collect()
    }

    /// Makes one change, looks, and puts everything back.
    fn try_one(&mut self, table: &Table, (row, account): (&str, &str), column: &str, change: &str) {
        let (name, _, shows_in) = table;
        let all = format!("SELECT * FROM {name} ORDER BY 1, 2, 3");
        let whole = self
            .db
            .try_unguarded(&format!("SELECT * FROM kept_{name} ORDER BY 1, 2, 3"))
            .unwrap();
        let now = self.db.try_unguarded(&format!("{change}; {all}"));
        if now.as_ref().is_ok_and(|now| *now == whole) {
            return;
        }
        if now.is_ok() {
            self.made += 1;
            let found = self.findings();
            let right = match &found {
                // A value that cannot be read at all; of accounts every one is.
                Err(error) => *name == "accounts" || error.to_string().contains(name),
                Ok(findings) => findings.iter().any(|finding| {
                    let whose = finding.id.to_string() == account || matches!(column, "id" | "account_id");
                    let unreadable = finding.unreadable().map(|met| &met.message);
                    let unreadable = unreadable.is_some_and(|why| *name == "accounts" || why.contains(name));
                    whose && (unreadable || places(finding).iter().any(|place| shows_in.contains(place)))
                }),
            };
            let unprovable = self.is_unprovable(name, column, row);
            if !right && !unprovable {
                let found = found.map(|found| found.iter().map(|f| (f.id, places(f))).collect::<Vec<_>>());
                self.missed.push(format!("{change}\n   {found:?}"));
            }
        }
        let put_back = format!("DELETE FROM {name}; INSERT INTO {name} SELECT * FROM kept_{name}");
        self.db.try_unguarded(&put_back).unwrap();
    }

    fn is_unprovable(&self, table: &str, column: &str, row: &str) -> bool {
        if !UNPROVABLE.iter().any(|(t, c, _)| *t == table && *c == column) {
            return false;
        }
        // What has made entries is proven by them.
        let made = || {
            self.db
                .sql(&format!("SELECT COUNT(first_seq) FROM kept_intents WHERE {row}"))
        };
        table != "intents" || matches!(column, "created_at" | "duration_us") || made() == "0"
    }

    fn sweep_column(&mut self, table: &Table, rows: &[(String, String)], (column, kind): &(String, String), at: usize) {
        let name = table.0;
        let (row, account) = &rows[at % rows.len()];
        let (other, _) = &rows[(at + 1 + at / rows.len() % rows.len().max(2)) % rows.len()];
        let changed = match (kind.as_str(), self.db.engine) {
            ("text", _) => format!("COALESCE({column} || 'x', 'x')"),
            ("blob", _) => "zeroblob(32)".to_owned(),
            ("bytea", _) => "decode(repeat('00', 32), 'hex')".to_owned(),
            ("boolean", _) => format!("NOT {column}"),
            _ => format!("COALESCE({column} + 1, 1)"),
        };
        let update = |value: &str| format!("UPDATE {name} SET {column} = {value} WHERE {row}");
        self.try_one(table, (row, account), column, &update(&changed));
        self.try_one(table, (row, account), column, &update("NULL"));
        let swap = format!(
            "CREATE TEMP TABLE swapped AS SELECT (SELECT {column} FROM {name} WHERE {row}) AS one, \
             (SELECT {column} FROM {name} WHERE {other}) AS two; \
             UPDATE {name} SET {column} = (SELECT two FROM swapped) WHERE {row}; \
             UPDATE {name} SET {column} = (SELECT one FROM swapped) WHERE {other}"
        );
        // The key of a row that is exchanged finds neither any more.
        if !table.1.contains(&column.as_str()) {
            self.try_one(table, (row, account), column, &swap);
        }
    }

    fn sweep_rows(&mut self, table: &Table, rows: &[(String, String)], columns: &[(String, String)], at: usize) {
        let (name, key, _) = table;
        let (row, account) = &rows[at % rows.len()];
        self.try_one(table, (row, account), "*", &format!("DELETE FROM {name} WHERE {row}"));
        let last = key.last().unwrap();
        let doubled: Vec<String> = columns
            .iter()
            .map(|(column, kind)| match (column == last, kind.as_str()) {
                (true, "text") => format!("{column} || 'x'"),
                (true, _) => format!("{column} + 100"),
                _ => column.clone(),
            })
            .collect();
        let double = format!(
            "INSERT INTO {name} SELECT {} FROM {name} WHERE {row}",
            doubled.join(", ")
        );
        let whose = if key.len() == 1 { "account_id" } else { "*" };
        self.try_one(table, (row, account), whose, &double);
    }

    /// An entry of account 1 with another description, and the hash that belongs to it.
    fn sign_anew(&mut self, seq: i64) {
        let read = |columns: &str, seq: i64| {
            let row = self.db.sql(&format!(
                "SELECT {columns} FROM entries WHERE account_id = 1 AND seq = {seq}"
            ));
            row.split('|').map(str::to_owned).collect::<Vec<_>>()
        };
        let previous = match seq {
            1 => ChainHash::GENESIS,
            _ => ChainHash::parse(read("hash", seq - 1)[0].trim_start_matches("\\x")).unwrap(),
        };
        let fields = read(
            "seq, kind, balance_delta, held_delta, debt_delta, balance_after, held_after, debt_after, counter_account, \
             COALESCE(reference, '-'), COALESCE(metadata, '-'), actor, COALESCE(CAST(reverses AS TEXT), '-'), \
             COALESCE(idempotency_key, '-'), at",
            seq,
        );
        let mut form = EntryForm::new();
        let text = |form: &mut EntryForm, text: &str| {
            let write = |to: &mut Vec<u8>| -> Result<bool, ()> {
                to.extend_from_slice(text.as_bytes());
                Ok(text != "-")
            };
            let absent = |_: &mut Vec<u8>| -> Result<bool, ()> { Ok(false) };
            if text == "-" {
                form.field(absent).unwrap()
            } else {
                form.field(write).unwrap()
            }
        };
        form.integer(seq);
        text(&mut form, &fields[1]);
        for figure in &fields[2..8] {
            form.integer(figure.parse().unwrap());
        }
        text(&mut form, &fields[8]);
        text(&mut form, &fields[9]);
        text(&mut form, "signed");
        text(&mut form, &fields[10]);
        text(&mut form, &fields[11]);
        assert_eq!(fields[12], "-", "an entry that takes nothing back");
        text(&mut form, "-");
        text(&mut form, &fields[13]);
        form.integer(fields[14].parse().unwrap());
        let hash = Chain::of(("5", "USD")).link(previous, &form);
        let hash = match self.db.engine {
            Engine::Sqlite => format!("x'{hash}'"),
            Engine::Postgres => format!("decode('{hash}', 'hex')"),
        };
        let change =
            format!("UPDATE entries SET description = 'signed', hash = {hash} WHERE account_id = 1 AND seq = {seq}");
        let made = self.made;
        self.try_one(&TABLES[2], ("", "1"), "description", &change);
        assert_eq!(self.made, made + 1, "{change}");
    }
}

/// In which tables a finding says that something is wrong.
fn places(finding: &Finding) -> Vec<&'static str> {
    let mut places: Vec<&'static str> = finding.issues.iter().map(|issue| issue.table).collect();
    places.extend((!finding.drifts.is_empty()).then_some("balances"));
    places.extend((finding.broken.is_some() || finding.orphaned).then_some("entries"));
    places
}

on_both_engines! {
    fn whatever_is_changed_is_found(db: TestDatabase) {
        let rounds: usize = std::env::var("LEDGER_TEST_SWEEP").map_or(1, |rounds| rounds.parse().unwrap());
        let mut sweep = Sweep::new(db);
        for round in 0..rounds {
            for (place, table) in TABLES.iter().enumerate() {
                let (rows, columns) = (sweep.rows(table), sweep.columns(table.0));
                for (index, column) in columns.iter().enumerate() {
                    sweep.sweep_column(table, &rows, column, round * 31 + index * 7 + place);
                }
                sweep.sweep_rows(table, &rows, &columns, round * 3 + 1);
            }
            for seq in 1..=8 {
                sweep.sign_anew(seq);
            }
        }
        assert!(sweep.missed.is_empty(), "{} of {} were missed:\n{}", sweep.missed.len(), sweep.made, sweep.missed.join("\n"));
        assert!(sweep.made >= 200 * rounds, "only {} changes were made", sweep.made);
        // And nothing is found where nothing is wrong.
        assert_eq!(sweep.findings().unwrap().len(), 0);
    }
}
