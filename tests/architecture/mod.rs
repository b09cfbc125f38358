//! The rules of the layout, held against the text of `src`: which layer may name
//! which, where a foreign crate may be named, who writes, who reads the clock,
//! and how long a file may be. Every rule is also tried on a text that breaks it.

mod on_bad_examples;
mod scan;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use scan::{Token, names_by_climbing, names_under, places_of, text, tokens};

/// A layer, its place in the order, and the layers that it may name.
const LAYERS: [(&str, u8, &[&str]); 6] = [
    ("domain", 0, &["domain"]),
    ("db", 1, &["db", "domain"]),
    ("ledger", 2, &["ledger", "db", "domain"]),
    ("render", 3, &["render", "domain", "ledger"]),
    ("input", 3, &["input", "domain", "ledger"]),
    ("cli", 4, &["cli", "ledger", "render", "input", "domain"]),
];

/// A foreign crate, where it may be named, and why only there.
const HOMES_OF_CRATES: [(&str, &[&str], &str); 11] = [
    (
        "diesel",
        &["src/db/"],
        "the other layers get domain types, never rows or queries",
    ),
    ("diesel_migrations", &["src/db/"], "the schema is the business of db"),
    (
        "libsqlite3_sys",
        &["src/db/"],
        "differences between the engines stay in db",
    ),
    ("pq_sys", &["src/db/"], "differences between the engines stay in db"),
    (
        "clap",
        &["src/cli/"],
        "cli turns arguments into requests; the rest takes requests",
    ),
    (
        "anyhow",
        &["src/cli/", "src/main.rs"],
        "domain, db and ledger have typed errors",
    ),
    (
        "comfy_table",
        &["src/render/"],
        "only render decides what output looks like",
    ),
    (
        "lettre",
        &["src/ledger/notify/"],
        "only a channel of notify talks to a mail server",
    ),
    (
        "ureq",
        &[
            "src/ledger/web.rs",
            "src/ledger/ping.rs",
            "src/ledger/notify/webhook.rs",
        ],
        "only monitors and webhooks talk to a web server",
    ),
    (
        "rustix",
        &[
            "src/ledger/notify/command.rs",
            "src/ledger/doctor.rs",
            "src/cli/apply/requests.rs",
        ],
        "what the system alone knows is asked in few places: processes to end, free disk, waiting input",
    ),
    (
        "indicatif",
        &["src/render/"],
        "only render decides what output looks like",
    ),
];

const PRINTING: [&str; 5] = ["println", "print", "eprintln", "eprint", "dbg"];

/// A reading of the clock, and where it may stand.
const HOMES_OF_CLOCKS: [([&str; 2], &[&str]); 4] = [
    (["Utc", "now"], &["src/ledger/clock.rs"]),
    (["Local", "now"], &[]),
    (["SystemTime", "now"], &["src/ledger/clock.rs"]),
    (["Instant", "now"], &["src/ledger/clock.rs", "src/db/", "src/render/"]),
];

/// What of the standard library reaches outside the process's memory.
const OUTSIDE_WORLD: [&str; 7] = ["env", "fs", "io", "net", "os", "process", "thread"];

/// A file should stay under some 500 lines; this many is past arguing.
const LINES_AT_MOST: usize = 700;

/// One place that breaks a rule.
#[derive(Debug)]
struct Finding {
    file: String,
    line: usize,
    reason: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// A rule: takes a path such as `src/db/entry.rs` and the file's text.
type Rule = fn(&str, &str) -> Vec<Finding>;

fn finding(file: &str, line: usize, reason: String) -> Finding {
    Finding {
        file: file.to_owned(),
        line,
        reason,
    }
}

// ---- the rules

/// Imports point one way: `main -> cli -> {ledger, render, input}`, `ledger ->
/// {db, domain}`, `db -> domain`, `domain -> nothing`.
fn imports_point_one_way(file: &str, source: &str) -> Vec<Finding> {
    let tokens = tokens(source);
    let layer = layer_of(file);
    if layer == "lib" {
        return Vec::new();
    }
    if layer == "main" {
        return main_names_cli_alone(file, &tokens);
    }
    let Some((_, _, allowed)) = LAYERS.iter().find(|(name, ..)| *name == layer) else {
        let reason = format!("`{layer}` is no layer: say in this test what it may import");
        return vec![finding(file, 1, reason)];
    };
    let mut named = names_under(&tokens, "crate");
    named.extend(names_by_climbing(&tokens, depth_of(file)));
    named
        .iter()
        .filter(|name| !allowed.contains(&name.text.as_str()))
        .map(|name| {
            let reason = format!(
                "`{layer}` names `crate::{}`, but may only name {}: imports point one way",
                name.text,
                allowed.join(", ")
            );
            finding(file, name.line, reason)
        })
        .collect()
}

fn main_names_cli_alone(file: &str, tokens: &[Token]) -> Vec<Finding> {
    names_under(tokens, "ledger")
        .iter()
        .filter(|name| name.text != "cli")
        .map(|name| {
            let reason = format!(
                "main names `ledger::{}`, but may only name `ledger::cli`: it parses, runs, \
                 sets the exit code, and nothing else",
                name.text
            );
            finding(file, name.line, reason)
        })
        .collect()
}

/// `lib.rs` lists the layers in the order in which they may import.
fn layers_are_listed_in_order(file: &str, source: &str) -> Vec<Finding> {
    if file != "src/lib.rs" {
        return Vec::new();
    }
    let tokens = tokens(source);
    let mut found = Vec::new();
    let mut highest = ("", 0);
    for at in 0..tokens.len() {
        if tokens[at].text != "mod" {
            continue;
        }
        let (name, line) = (text(&tokens, at + 1), tokens[at].line);
        match LAYERS.iter().find(|(layer, ..)| *layer == name) {
            None => found.push(finding(file, line, format!("`{name}` is no layer"))),
            Some((_, rank, _)) if *rank < highest.1 => {
                let reason = format!("`{name}` stands after `{}`, which may import it", highest.0);
                found.push(finding(file, line, reason));
            }
            Some((layer, rank, _)) => highest = (layer, *rank),
        }
    }
    found
}

/// A foreign crate that shapes its surroundings is named in one layer only.
fn foreign_crates_stay_at_home(file: &str, source: &str) -> Vec<Finding> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    for (name, homes, why) in HOMES_OF_CRATES {
        if is_under(file, homes) {
            continue;
        }
        for line in places_of(&tokens, &[name]) {
            let reason = format!("`{name}` may be named in {} only: {why}", homes.join(", "));
            found.push(finding(file, line, reason));
        }
    }
    found
}

/// Only `render` writes to the terminal.
fn only_render_prints(file: &str, source: &str) -> Vec<Finding> {
    if is_under(file, &["src/render/"]) {
        return Vec::new();
    }
    tokens(source)
        .windows(2)
        .filter(|pair| PRINTING.contains(&pair[0].text.as_str()) && pair[1].text == "!")
        .map(|pair| {
            let reason = format!(
                "`{}!` outside src/render: only render writes, and escapes what it writes",
                pair[0].text
            );
            finding(file, pair[0].line, reason)
        })
        .collect()
}

/// The time comes from the injected clock.
fn only_the_clock_reads_the_time(file: &str, source: &str) -> Vec<Finding> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    for (path, homes) in HOMES_OF_CLOCKS {
        if is_under(file, homes) {
            continue;
        }
        for line in places_of(&tokens, &path) {
            let reason = format!(
                "`{}` here: take the time from the injected clock, so that tests and --now \
                 decide it",
                path.join("::")
            );
            found.push(finding(file, line, reason));
        }
    }
    found
}

/// `domain` decides from its arguments alone.
fn domain_is_pure(file: &str, source: &str) -> Vec<Finding> {
    if layer_of(file) != "domain" {
        return Vec::new();
    }
    names_under(&tokens(source), "std")
        .iter()
        .filter(|name| OUTSIDE_WORLD.contains(&name.text.as_str()))
        .map(|name| {
            let reason = format!(
                "domain names `std::{}`: it is pure and decides from its arguments alone",
                name.text
            );
            finding(file, name.line, reason)
        })
        .collect()
}

/// A file is about one thing.
fn files_stay_readable(file: &str, source: &str) -> Vec<Finding> {
    let lines = source.lines().count();
    if lines <= LINES_AT_MOST {
        return Vec::new();
    }
    let reason = format!("{lines} lines, at most {LINES_AT_MOST}: this file is about several things");
    vec![finding(file, lines, reason)]
}

// ---- where a file stands

/// The layer of `src/db/entry.rs` or `src/db.rs` is `db`; `main` and `lib` stand
/// for themselves.
fn layer_of(file: &str) -> &str {
    let inside = file.strip_prefix("src/").unwrap_or(file);
    let first = inside.split('/').next().unwrap_or(inside);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// How many modules deep: 0 for the root, 1 for `src/db/mod.rs` and `src/db.rs`.
fn depth_of(file: &str) -> usize {
    match file {
        "src/lib.rs" | "src/main.rs" => 0,
        _ => file.matches('/').count() - usize::from(file.ends_with("/mod.rs")),
    }
}

/// Whether `file` is one of `homes`, or lies in one that ends with a slash.
fn is_under(file: &str, homes: &[&str]) -> bool {
    homes
        .iter()
        .any(|home| file == *home || (home.ends_with('/') && file.starts_with(home)))
}

/// Holds `rule` against every file below `src`.
#[track_caller]
fn assert_holds(rule: Rule) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let files = rust_files(&root.join("src"));
    assert!(
        !files.is_empty(),
        "no source files found: the rule would hold of nothing"
    );
    for path in files {
        let inside = path.strip_prefix(root).expect("listed below the root");
        let file = inside.to_str().expect("a file name in ASCII").replace('\\', "/");
        let source = fs::read_to_string(&path).expect("a source file can be read");
        found.extend(rule(&file, &source).iter().map(Finding::to_string));
    }
    assert!(
        found.is_empty(),
        "{} place(s) to mend:\n{}",
        found.len(),
        found.join("\n")
    );
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a source folder can be listed") {
        let path = entry.expect("a folder entry can be read").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

// ---- the rules hold; `on_bad_examples` shows that they can fail

#[test]
fn every_import_points_one_way() {
    assert_holds(imports_point_one_way);
}

#[test]
fn the_library_lists_its_layers_in_order() {
    assert_holds(layers_are_listed_in_order);
}

#[test]
fn every_foreign_crate_stays_at_home() {
    assert_holds(foreign_crates_stay_at_home);
}

#[test]
fn nothing_but_render_prints() {
    assert_holds(only_render_prints);
}

#[test]
fn nothing_but_the_clock_reads_the_time() {
    assert_holds(only_the_clock_reads_the_time);
}

#[test]
fn the_domain_reaches_nothing_outside() {
    assert_holds(domain_is_pure);
}

#[test]
fn every_file_stays_readable() {
    assert_holds(files_stay_readable);
}
