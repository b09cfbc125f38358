//! Whole weeks of a service's life, and what `audit` says of them: nothing while they are quiet, and the right thing
//! about each unusual habit that is put into them.

mod habits;
mod life;

use life::{Life, time};
use serde_json::Value;

use crate::common::{TestDatabase, on_both_engines};

/// What the audit at the end of that day finds, by name.
fn found(db: &TestDatabase, day: i64) -> Vec<Value> {
    let audit = db.ledger().at(&time(day + 1, 0)).run_words("audit --format json");
    let findings = audit.data()["findings"].as_array().unwrap().clone();
    assert_eq!(audit.code == 0, findings.is_empty(), "{}", audit.transcript());
    findings
}

on_both_engines! {
    fn a_quiet_month_raises_nothing_and_every_day_ties(db: TestDatabase) {
        let mut life = Life::begin(&db, 20);
        let mut closing = Value::Null;
        for day in 0..30 {
            life.quiet_day(day);
            let ledger = db.ledger().at(&time(day + 1, 0));
            if day % 3 == 0 {
                let quiet = ledger.run_words("audit -q").expect_code(0);
                assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""), "day {day}");
                closing = Value::Null;
                continue;
            }
            let data = ledger.run_words("audit --format json").expect_code(0).data();
            assert_eq!(data["findings"].as_array().unwrap().len(), 0, "day {day}: {data}");
            let usd = &data["totals"][0];
            assert_eq!((&usd["last_close"], &usd["opening"], &usd["late"]["entries"]), (&usd["last_close_now"], &usd["last_close"], &0.into()));
            assert_eq!(usd["since_last_close"], usd["period"], "day {day}");
            if !closing.is_null() {
                assert_eq!(usd["opening"], closing, "day {day}");
            }
            closing = usd["closing"].clone();
        }
        let entries: i64 = db.sql("SELECT COUNT(*) FROM entries").parse().unwrap();
        assert!(entries > 4_000, "only {entries} entries");
        // The whole month at once ties as well, and to what the balance rows say.
        let month = db.ledger().at(&time(30, 0)).run(&["audit", "--since", &time(0, 0), "--format", "json"]).expect_code(0).data();
        assert_eq!(month["totals"][0]["closing"]["entries"], entries);
        let balance: i64 = db.sql("SELECT SUM(balance) FROM balances").parse().unwrap();
        assert_eq!(month["totals"][0]["closing"]["balance"], format!("{}.{:02}", balance / 100, balance % 100));
        assert_eq!(db.sql("SELECT COUNT(*) FROM alerts"), "0");
    }
}
