//! Each rule on texts that break it and on texts that only look as if they did.

use super::{
    LINES_AT_MOST, Rule, depth_of, domain_is_pure, files_stay_readable, foreign_crates_stay_at_home,
    imports_point_one_way, layer_of, layers_are_listed_in_order, only_render_prints, only_the_clock_reads_the_time,
};

/// The lines at which `rule` finds fault with `source` as the text of `file`.
fn lines(rule: Rule, file: &str, source: &str) -> Vec<usize> {
    rule(file, source).iter().map(|finding| finding.line).collect()
}

#[test]
fn an_import_against_the_order_is_found() {
    let rule = imports_point_one_way;
    assert_eq!(lines(rule, "src/domain/money.rs", "\nuse crate::db::Db;"), [2]);
    assert_eq!(lines(rule, "src/db/mod.rs", "fn f() { crate::ledger::charge(); }"), [1]);
    assert_eq!(
        lines(rule, "src/ledger/charge.rs", "use crate::{db, domain,\n render::x};"),
        [2]
    );
    assert_eq!(
        lines(rule, "src/cli/charge.rs", "use crate::{ledger::{a, db}, db::x};"),
        [1]
    );
    assert_eq!(lines(rule, "src/render/mod.rs", "pub(in crate::cli) fn f() {}"), [1]);
    assert_eq!(lines(rule, "src/input/csv.rs", "use crate::*;"), [1]);
    assert_eq!(lines(rule, "src/util/mod.rs", ""), [1]);
}

#[test]
fn an_import_by_climbing_is_found() {
    let rule = imports_point_one_way;
    assert_eq!(lines(rule, "src/db/mod.rs", "use super::ledger;"), [1]);
    assert_eq!(
        lines(rule, "src/db/entry.rs", "use super::super::{domain, cli::x};"),
        [1]
    );
    assert_eq!(
        lines(rule, "src/db/entry.rs", "use super::ledger;"),
        Vec::<usize>::new()
    );
    let in_tests = "mod tests { use super::ledger; use super::super::cli; }";
    assert_eq!(lines(rule, "src/db/mod.rs", in_tests).len(), 1);
}

#[test]
fn an_import_along_the_order_is_not() {
    let rule = imports_point_one_way;
    assert_eq!(
        lines(rule, "src/cli/charge.rs", "use crate::{cli::a, ledger, input, render};"),
        Vec::<usize>::new()
    );
    assert_eq!(
        lines(rule, "src/ledger/charge.rs", "pub(crate) use crate::db::{cli, Db};"),
        Vec::<usize>::new()
    );
    assert_eq!(
        lines(rule, "src/lib.rs", "pub mod cli; pub mod db;"),
        Vec::<usize>::new()
    );
}

#[test]
fn main_reaching_past_cli_is_found() {
    let rule = imports_point_one_way;
    assert_eq!(lines(rule, "src/main.rs", "use ledger::cli;\nuse ledger::db::Db;"), [2]);
    assert_eq!(
        lines(rule, "src/main.rs", "fn main() { ledger::cli::run() }"),
        Vec::<usize>::new()
    );
}

#[test]
fn layers_out_of_order_are_found() {
    let rule = layers_are_listed_in_order;
    assert_eq!(
        lines(rule, "src/lib.rs", "pub mod domain;\npub mod cli;\npub mod db;"),
        [3]
    );
    assert_eq!(lines(rule, "src/lib.rs", "pub mod domain;\npub mod util;"), [2]);
    let good = "pub mod domain; pub mod db; pub mod ledger; mod input; mod render; pub mod cli;";
    assert_eq!(lines(rule, "src/lib.rs", good), Vec::<usize>::new());
}

#[test]
fn a_foreign_crate_away_from_home_is_found() {
    let rule = foreign_crates_stay_at_home;
    assert_eq!(lines(rule, "src/ledger/charge.rs", "\nuse diesel::prelude::*;"), [2]);
    assert_eq!(lines(rule, "src/domain/money.rs", "#[diesel(sql_type = BigInt)]"), [1]);
    assert_eq!(lines(rule, "src/ledger/mod.rs", "fn f() -> anyhow::Result<()> {}"), [1]);
    assert_eq!(lines(rule, "src/render/table.rs", "use clap::ValueEnum;"), [1]);
    assert_eq!(
        lines(rule, "src/cli/mod.rs", "use {comfy_table as t, indicatif};").len(),
        2
    );
    assert_eq!(lines(rule, "src/main.rs", "use anyhow::Result;"), Vec::<usize>::new());
    assert_eq!(
        lines(rule, "src/db/backend.rs", "use diesel::sqlite; use pq_sys as p;"),
        Vec::<usize>::new()
    );
}

#[test]
fn printing_outside_render_is_found() {
    let rule = only_render_prints;
    assert_eq!(lines(rule, "src/cli/mod.rs", "fn f() {\n  println!(\"x\");\n}"), [2]);
    assert_eq!(lines(rule, "src/main.rs", "std::eprintln ! (\"x\"); dbg!(1);"), [1, 1]);
    assert_eq!(lines(rule, "src/render/table.rs", "print!(\"x\")"), Vec::<usize>::new());
    assert_eq!(
        lines(rule, "src/cli/mod.rs", "writeln!(out, \"x\"); print(out)"),
        Vec::<usize>::new()
    );
}

#[test]
fn a_clock_read_elsewhere_is_found() {
    let rule = only_the_clock_reads_the_time;
    assert_eq!(lines(rule, "src/ledger/charge.rs", "let t = chrono::Utc::now();"), [1]);
    assert_eq!(lines(rule, "src/db/backend.rs", "\nSystemTime::now()"), [2]);
    assert_eq!(lines(rule, "src/cli/mod.rs", "std::time::Instant::now()"), [1]);
    assert_eq!(lines(rule, "src/ledger/clock.rs", "Local::now()"), [1]);
    assert_eq!(
        lines(rule, "src/ledger/clock.rs", "Utc::now(); SystemTime::now();"),
        Vec::<usize>::new()
    );
    assert_eq!(lines(rule, "src/db/backend.rs", "Instant::now()"), Vec::<usize>::new());
}

#[test]
fn a_domain_that_reaches_outside_is_found() {
    let rule = domain_is_pure;
    assert_eq!(lines(rule, "src/domain/money.rs", "use std::{fmt,\n io::Read};"), [2]);
    assert_eq!(lines(rule, "src/domain/money.rs", "std::env::var(\"X\")"), [1]);
    assert_eq!(lines(rule, "src/domain/money.rs", "use std::fmt;"), Vec::<usize>::new());
    assert_eq!(
        lines(rule, "src/input/csv.rs", "use std::io::Read;"),
        Vec::<usize>::new()
    );
}

#[test]
fn a_file_too_long_is_found() {
    let rule = files_stay_readable;
    assert_eq!(
        lines(rule, "src/db/a.rs", &"\n".repeat(LINES_AT_MOST)),
        Vec::<usize>::new()
    );
    let long = "\n".repeat(LINES_AT_MOST + 1);
    assert_eq!(lines(rule, "src/db/a.rs", &long), [LINES_AT_MOST + 1]);
}

#[test]
fn comments_and_literals_are_not_code() {
    let rule = foreign_crates_stay_at_home;
    let silent = [
        "/// [`diesel::Connection`]\nfn f() {}",
        "/* diesel /* diesel */ diesel */",
        r#"let a = "a \" diesel";"#,
        r##"let a = r#"a " diesel"#; let b = br"diesel"; let c = c"diesel";"##,
        "let a: &'static str = \"diesel\";",
    ];
    for source in silent {
        assert_eq!(lines(rule, "src/cli/mod.rs", source), Vec::<usize>::new(), "{source}");
    }
    let audible = [
        "let a = '\"'; diesel::x();",
        r"let a = '\''; diesel::x();",
        "fn f<'a>(a: &'a str) { diesel::x() }",
        "let a = \"//\"; diesel::x();",
        "let a = b'\"'; diesel::x();",
        "let r#type = 1; diesel::x();",
        "/* */ diesel::x();",
    ];
    for source in audible {
        assert_eq!(lines(rule, "src/cli/mod.rs", source), [1], "{source}");
    }
    assert_eq!(lines(rule, "src/cli/mod.rs", "\"\n\n\"; /*\n*/ diesel::x()"), [4]);
}

#[test]
fn a_file_is_placed_by_its_path() {
    assert_eq!(
        ["src/db.rs", "src/db/a/b.rs", "src/main.rs"].map(layer_of),
        ["db", "db", "main"]
    );
    let files = [
        "src/lib.rs",
        "src/db.rs",
        "src/db/mod.rs",
        "src/db/a.rs",
        "src/db/a/mod.rs",
    ];
    assert_eq!(files.map(depth_of), [0, 1, 1, 2, 2]);
}
