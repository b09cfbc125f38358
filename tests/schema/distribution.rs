//! Past one machine: which tables the migrations would spread over a Citus cluster, told by a stub of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{NOT_BY_ACCOUNT, keys, tables};
use crate::common::{Engine, TestDatabase};

fn foreign_keys(db: &TestDatabase) -> String {
    db.sql(
        "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' \
         AND connamespace = 'public'::regnamespace ORDER BY 1, 2",
    )
}

#[test]
fn every_growing_table_is_distributed_with_the_balances_and_every_small_list_is_everywhere() {
    let db = TestDatabase::on_citus_stub();
    let calls = db.sql("SELECT call FROM citus_stub.calls ORDER BY number");
    let calls: Vec<&str> = calls.lines().collect();
    let (small, growing): (Vec<&str>, Vec<&str>) = calls.iter().partition(|call| call.starts_with("reference "));
    // Small lists first, because the others refer to them; then what the rest is colocated with.
    assert_eq!(calls[..small.len()], small);
    assert_eq!(growing[0], "distributed balances by account_id with none");
    let expected =
        |of: &dyn Fn(&str) -> bool| -> BTreeSet<String> { tables(&db).into_iter().filter(|table| of(table)).collect() };
    let small: BTreeSet<String> = small.iter().map(|call| call.replace("reference ", "")).collect();
    assert_eq!(small, expected(&|table| NOT_BY_ACCOUNT.contains(&table)));
    let distributed: BTreeSet<String> = growing[1..]
        .iter()
        .map(|call| call.strip_suffix(" by account_id with balances").expect(call))
        .map(|call| call.replace("distributed ", ""))
        .chain(["balances".to_owned()])
        .collect();
    assert_eq!(distributed, expected(&|table| !NOT_BY_ACCOUNT.contains(&table)));
    assert!(distributed.contains("entries") && distributed.contains("intents"));
}

#[test]
fn distribution_leaves_keys_and_references_as_they_were_and_is_undone() {
    let [plain, citus] = [
        TestDatabase::unmigrated(Engine::Postgres),
        TestDatabase::on_citus_stub(),
    ];
    plain.ledger().run_words("migrate up").expect_code(0);
    assert_eq!(foreign_keys(&citus), foreign_keys(&plain));
    assert!(foreign_keys(&citus).contains("deliveries|"), "{}", foreign_keys(&citus));
    assert_eq!(keys(&citus), keys(&plain));
    let down =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres/2026-11-24-000900_distribution/down.sql");
    citus.sql(&fs::read_to_string(down).unwrap());
    assert_eq!(citus.sql("SELECT COUNT(*) FROM citus_stub.pg_dist_partition"), "0");
}

#[test]
fn without_the_extension_nothing_is_distributed() {
    let db = TestDatabase::unmigrated(Engine::Postgres);
    // The functions are there and would be called; what they belong to is not.
    db.sql(include_str!("../common/citus.sql"));
    db.sql("DELETE FROM pg_extension WHERE extname = 'citus'");
    db.ledger().run_words("migrate up").expect_code(0);
    assert_eq!(db.sql("SELECT COUNT(*) FROM citus_stub.calls"), "0");
    db.ledger().run_words("account create --user-id 5").expect_code(0);
}
