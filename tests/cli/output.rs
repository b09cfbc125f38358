//! Whole outputs, as snapshots: what people see and scripts depend on.

use crate::common::{Engine, TestDatabase};

/// A small ledger with nothing random in it.
fn small_ledger(db: &TestDatabase) {
    db.ledger()
        .run_words("account create --user-id 5 --low-balance-threshold 100")
        .expect_code(0);
    db.ledger()
        .run_words("recharge --user-id 5 --amount 500 --method zalo_pay --reference Invoice:1 --idempotency-key r")
        .expect_code(0);
    db.ledger()
        .run_words("charge --user-id 5 --amount 12.5 --service vps --reference VpsUsage:123 --idempotency-key c")
        .expect_code(0);
}

/// The same story in every format; both engines must tell it alike, to the byte.
#[test]
fn every_format_is_the_same_on_both_engines() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        small_ledger(&db);
        let mut told = String::new();
        for command in [
            "charge --user-id 5 --amount 12.5 --service vps --reference VpsUsage:123 --idempotency-key c",
            "charge --user-id 5 --amount 900 --service vps --idempotency-key d",
            "recharge --user-id 5 --amount 20 --method momo --pending --expires-in 30m --idempotency-key p",
            "balance --user-id 5",
            "history --user-id 5",
            "explain --user-id 5",
            "recharge list",
            "account list",
            "migrate status",
        ] {
            for format in ["table", "json", "ndjson", "csv"] {
                let output = db.ledger().run_words(&format!("{command} --format {format}"));
                told.push_str(&format!(
                    "$ ledger {command} --format {format}\n{}\n",
                    output.transcript()
                ));
            }
        }
        told
    });
    assert_eq!(sqlite, postgres);
    insta::assert_snapshot!("every_format", sqlite);
}
