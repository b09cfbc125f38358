//! `report` and `forecast`: what they say is what the entries come to.

mod daily;

use serde_json::Value;

use crate::cli::{json, json_at, with_balance};
use crate::common::{Engine, TestDatabase, on_both_engines};

/// Three months of two users in two currencies, with everything taken back in part that can be.
fn months(db: &TestDatabase) {
    let points = "--currency POINTS";
    for (time, line) in [
        ("2026-01-05T00:00:00Z", "currency add POINTS --exponent 0".to_owned()),
        ("2026-01-05T00:00:00Z", "account create --user-id 5".to_owned()),
        ("2026-01-05T00:00:00Z", "account create --user-id 6".to_owned()),
        ("2026-01-05T00:00:00Z", format!("account create --user-id 5 {points}")),
        (
            "2026-01-05T00:00:00Z",
            "recharge --user-id 5 --amount 100 --method momo".to_owned(),
        ),
        (
            "2026-01-31T23:59:59.999999Z",
            "charge --user-id 5 --amount 30 --service vps".to_owned(),
        ),
        (
            "2026-02-01T00:00:00Z",
            "recharge --user-id 5 --amount 50.05 --method paypal".to_owned(),
        ),
        (
            "2026-02-01T00:00:00Z",
            "recharge --user-id 6 --amount 20 --method momo".to_owned(),
        ),
        (
            "2026-02-02T00:00:00Z",
            "recharge --user-id 6 --amount 7 --method momo".to_owned(),
        ),
        (
            "2026-02-03T00:00:00Z",
            "refund --user-id 5 --entry 2 --amount 5".to_owned(),
        ),
        (
            "2026-02-04T00:00:00Z",
            "reverse --user-id 5 --entry 3 --amount 0.05".to_owned(),
        ),
        (
            "2026-02-05T00:00:00Z",
            "freeze --user-id 5 --amount 10 --service cdn".to_owned(),
        ),
        ("2026-02-05T00:00:00Z", "commit --hold h1-1 --amount 4".to_owned()),
        ("2026-02-06T00:00:00Z", "freeze --user-id 5 --amount 3".to_owned()),
        ("2026-02-06T00:00:00Z", "commit --hold h1-2".to_owned()),
        (
            "2026-02-07T00:00:00Z",
            "penalty --user-id 6 --amount 2 --reason late".to_owned(),
        ),
        (
            "2026-02-08T00:00:00Z",
            format!("recharge --user-id 5 --amount 9 --method momo {points}"),
        ),
        (
            "2026-02-09T00:00:00Z",
            format!("gift grant --user-id 5 --credits 4 {points}"),
        ),
        (
            "2026-02-10T00:00:00Z",
            format!("charge --user-id 5 --amount 12 --service shop {points}"),
        ),
        (
            "2026-02-11T00:00:00Z",
            "recharge --user-id 6 --amount 5 --method momo --pending".to_owned(),
        ),
        (
            "2026-03-01T00:00:00Z",
            "charge --user-id 6 --amount 25 --service vps".to_owned(),
        ),
    ] {
        db.ledger().at(time).run_words(&line).expect_code(0);
    }
}

/// The rows of a report over the whole time.
#[track_caller]
fn rows(db: &TestDatabase, line: &str) -> Vec<Value> {
    let line = format!("report {line} --since 2026-01-01 --until 2026-04-01");
    let data = json(db, &line).expect_code(0).data();
    data["rows"].as_array().unwrap().clone()
}

/// These fields of each row, with blanks between.
fn told(rows: &[Value], fields: &[&str]) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let row = |row: &Value| {
        fields
            .iter()
            .map(|field| text(&row[*field]))
            .collect::<Vec<_>>()
            .join(" ")
    };
    rows.iter().map(row).collect()
}

/// The sum of a field in minor units, of the rows in that currency.
fn sum(rows: &[Value], currency: &str, field: &str) -> i64 {
    let digits = |row: &Value| row[field].as_str().unwrap().replace('.', "").parse::<i64>().unwrap();
    rows.iter().filter(|row| row["currency"] == currency).map(digits).sum()
}

on_both_engines! {
    fn revenue_is_what_completed_by_method_and_beside_it_what_was_taken_back(db: TestDatabase) {
        months(&db);
        let fields = ["period", "currency", "method", "recharges", "amount", "taken_back", "net"];
        assert_eq!(told(&rows(&db, "revenue --by month"), &fields), [
            "2026-01 USD momo 1 100.00 0.00 100.00",
            "2026-02 POINTS momo 1 9 0 9",
            "2026-02 USD momo 2 27.00 0.00 27.00",
            "2026-02 USD paypal 1 50.05 0.05 50.00",
        ]);
        let weeks = rows(&db, "revenue --by week --currency USD");
        assert_eq!(told(&weeks, &["period", "method", "amount"]),
            ["2026-W02 momo 100.00", "2026-W05 momo 20.00", "2026-W05 paypal 50.05", "2026-W06 momo 7.00", "2026-W06 paypal 0.00"]);
        // As the book has it, and as somebody else would reckon it.
        let book = json(&db, "trial-balance --currency USD").expect_code(0).data();
        let lines = book["accounts"].as_array().unwrap().iter();
        let gateways: Vec<Value> = lines.filter(|line| line["account"].as_str().unwrap().starts_with("gateway:")).cloned().collect();
        assert_eq!(sum(&weeks, "USD", "amount"), sum(&gateways, "USD", "debits"));
        assert_eq!(sum(&weeks, "USD", "taken_back"), sum(&gateways, "USD", "credits"));
        let entries = db.sql("SELECT SUM(balance_delta) FROM entries e JOIN accounts a ON a.id = e.account_id WHERE kind = 'recharge' AND currency = 'USD'");
        assert_eq!(sum(&weeks, "USD", "amount").to_string(), entries);
    }

    fn usage_is_what_was_spent_by_service_and_ties_to_what_accounts_have_spent(db: TestDatabase) {
        months(&db);
        let fields = ["period", "currency", "service", "counter_account", "charges", "spent", "refunds", "refunded", "net"];
        let all = rows(&db, "usage --by month");
        assert_eq!(told(&all, &fields), [
            "2026-01 USD vps revenue:vps 1 30.00 0 0.00 30.00",
            "2026-02 POINTS shop revenue:shop 1 12 0 0 12",
            "2026-02 USD null income:hold 1 3.00 0 0.00 3.00",
            "2026-02 USD null income:penalty 1 2.00 0 0.00 2.00",
            "2026-02 USD cdn revenue:cdn 1 4.00 0 0.00 4.00",
            "2026-02 USD vps revenue:vps 0 0.00 1 5.00 -5.00",
            "2026-03 USD vps revenue:vps 1 25.00 0 0.00 25.00",
        ]);
        for currency in ["USD", "POINTS"] {
            let spent = db.sql(&format!("SELECT SUM(total_spent) FROM balances b JOIN accounts a ON a.id = b.account_id WHERE currency = '{currency}'"));
            assert_eq!(sum(&all, currency, "net").to_string(), spent);
            let days = rows(&db, &format!("usage --by day --currency {currency}"));
            assert_eq!(sum(&days, currency, "net").to_string(), spent);
        }
    }

    fn a_report_ends_where_it_was_told_to(db: TestDatabase) {
        months(&db);
        let until = |until: &str| {
            let line = format!("report usage --by month --currency USD --since 2026-01-31T23:59:59.999999Z --until {until}");
            told(json(&db, &line).expect_code(0).data()["rows"].as_array().unwrap(), &["period", "since", "until", "spent"])
        };
        let january = "2026-01 2026-01-31T23:59:59.999999Z 2026-02-01T00:00:00.000000Z 30.00";
        assert_eq!(until("2026-02-01"), [january]);
        assert_eq!(until("2026-02-05T00:00:00Z"), [january, "2026-02 2026-02-01T00:00:00.000000Z 2026-02-05T00:00:00.000000Z 0.00"]);
        for (line, says) in [
            ("revenue --since 2026-02-02 --until 2026-02-02", "earlier than --until"),
            ("topups --since 1970-01-01 --until 2026-02-02", "coarser --by"),
            ("usage --since yesterday", "2026-03-01"),
            ("churn --until 1969-12-31", "2026-03-01"),
        ] {
            let output = json(&db, &format!("report {line}")).expect_code(2);
            assert!(output.error()["error"]["message"].as_str().unwrap().contains(says), "{line}: {}", output.stderr);
        }
    }

    fn topups_count_accounts_once_a_period_and_compare_with_the_one_before(db: TestDatabase) {
        months(&db);
        let fields = ["period", "currency", "recharges", "amount", "average", "accounts", "change_percent"];
        assert_eq!(told(&rows(&db, "topups --by month"), &fields), [
            "2026-01 POINTS 0 0 null 0 null",
            "2026-02 POINTS 1 9 9 1 null",
            "2026-03 POINTS 0 0 null 0 -100.0",
            "2026-01 USD 1 100.00 100.00 1 null",
            "2026-02 USD 3 77.05 25.68 2 -22.9",
            "2026-03 USD 0 0.00 null 0 -100.0",
        ]);
    }

    fn churn_follows_suspensions_from_period_to_period(db: TestDatabase) {
        for (time, line) in [
            ("2025-12-31T00:00:00Z", "account create --user-id 5"),
            ("2025-12-31T00:00:00Z", "account create --user-id 6"),
            ("2025-12-31T00:00:00Z", "recharge --user-id 6 --amount 4 --method momo"),
            ("2025-12-31T00:00:00Z", "suspend --user-id 5 --reason x"),
            ("2026-01-10T00:00:00Z", "suspend --user-id 6 --reason x"),
            ("2026-01-12T00:00:00Z", "resume --user-id 6"),
            ("2026-02-05T00:00:00Z", "resume --user-id 5"),
            ("2026-03-01T00:00:00Z", "suspend --user-id 6 --reason x"),
        ] {
            db.ledger().at(time).run_words(line).expect_code(0);
        }
        let fields = ["period", "suspended", "resumed", "still_suspended", "balance", "average_seconds"];
        assert_eq!(told(&rows(&db, "churn --by month"), &fields), [
            "2026-01 1 1 1 4.00 172800",
            "2026-02 0 1 0 0.00 3110400",
            "2026-03 1 0 1 4.00 null",
        ]);
    }

    fn a_forecast_adds_what_recurs_to_what_is_spent_lately_and_warns_of_what_ends_first(db: TestDatabase) {
        let start = "2026-02-09T00:00:00Z";
        for user in ["1", "2", "3", "4"] {
            db.ledger().at(start).fund(user, "100");
        }
        // In twenty days: 40 on the vps, of which 10 are given back, 20 on a cdn, and a penalty, which is no habit.
        for line in [
            "charge --user-id 1 --amount 40 --service vps",
            "charge --user-id 1 --amount 20 --service cdn",
            "refund --user-id 1 --entry 2 --amount 10",
            "penalty --user-id 1 --amount 5 --reason x",
            "recurring add --user-id 2 --amount 30 --service vps --every day --starts 2026-02-28 --at 12:00",
            "charge --user-id 3 --amount 1 --service vps",
        ] {
            db.ledger().at("2026-02-20T00:00:00Z").run_words(line).expect_code(0);
        }
        db.ledger().at("2026-02-28T12:00:00Z").run_words("recurring run").expect_code(0);

        let now = "2026-03-01T00:00:00Z";
        let data = json_at(&db, now, "forecast").expect_code(1).data();

        let fields = ["user_id", "balance", "burn_per_day", "due_periods", "due_amount", "days_left", "warning"];
        assert_eq!(told(data["forecasts"].as_array().unwrap(), &fields), [
            // 70 left: two days are paid, the third is not.
            "2 70.00 0.0000 7 210.00 2.5 true",
            // 45 left at 2.50 a day.
            "1 45.00 2.5000 0 0.00 18.0 false",
            "3 99.00 0.0500 0 0.00 null false",
        ]);
        assert_eq!(data["forecasts"][1]["empty_at"], "2026-03-19T00:00:00.000000Z");
        assert_eq!(data["forecasts"][1]["services"], serde_json::json!([
            {"service": "cdn", "burn_per_day": "1.0000"},
            {"service": "vps", "burn_per_day": "1.5000"},
        ]));
        assert_eq!((&data["accounts"], &data["warnings"]), (&3.into(), &1.into()));
        let one = json_at(&db, now, "forecast --user-id 1 --warn-within 18d").expect_code(1).data();
        assert_eq!(one["warnings"], 1);
        let quiet = db.ledger().at(now).run_words("forecast -q --warn-within 2d").expect_code(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
        // Spent before what counts of the past.
        let short = json_at(&db, now, "forecast --user-id 1 --days 7").expect_code(0).data();
        assert_eq!(short["forecasts"][0]["burn_per_day"], "0.0000");
        let few = json_at(&db, now, "forecast --limit 1").expect_code(1).data();
        assert_eq!((few["forecasts"].as_array().unwrap().len(), &few["accounts"]), (1, &3.into()));
    }

    fn what_recurs_is_no_habit_and_neither_is_what_is_given_back_of_it(db: TestDatabase) {
        let at = |time: &str, line: &str| db.ledger().at(time).run_words(line).expect_code(0);
        at("2026-01-01T00:00:00Z", "account create --user-id 5");
        at("2026-01-01T00:00:00Z", "recharge --user-id 5 --amount 66 --method momo");
        at("2026-01-01T00:00:00Z", "recurring add --user-id 5 --amount 60 --service hosting --every month --on 15");
        at("2026-01-15T00:00:00Z", "recurring run");
        at("2026-01-16T00:00:00Z", "refund --user-id 5 --entry 2");
        at("2026-01-16T00:00:00Z", "recurring cancel c1-1 --reason x");
        // A name of one's own is none of an agreement.
        at("2026-01-20T00:00:00Z", "charge --user-id 5 --amount 60 --service vps --idempotency-key recurring:2026-01");
        let told = json_at(&db, "2026-01-31T00:00:00Z", "forecast").expect_code(1).data();
        let of_5 = &told["forecasts"][0];
        assert_eq!((&of_5["burn_per_day"], &of_5["days_left"]), (&"2.0000".into(), &"3.0".into()), "{told:#}");
        assert_eq!(of_5["services"], serde_json::json!([{"service": "vps", "burn_per_day": "2.0000"}]));
        json_at(&db, "2026-01-31T00:00:00Z", "forecast --warn-within 367d").expect_code(2);
        let hours = db.ledger().at("2026-01-31T00:00:00Z").run_words("forecast --warn-within 84h --limit 0").expect_code(1);
        assert!(hours.stdout.contains("1 balance ends within 3d 12h") && !hours.stdout.contains("No account"), "{}", hours.stdout);
    }

    fn sums_beyond_64_bits_stay_whole(db: TestDatabase) {
        for user in ["1", "2", "3"] {
            db.ledger().fund(user, "90000000000000000");
        }
        let told_rows = told(&rows(&db, "revenue --by month"), &["amount", "recharges"]);
        assert_eq!(told_rows, ["270000000000000000.00 3"]);
        assert_eq!(told(&rows(&db, "topups --by day")[59..60], &["amount", "average"]), ["270000000000000000.00 90000000000000000.00"]);
    }
}

/// The same story in every format; both engines must tell it alike, to the byte.
#[test]
fn reports_for_people_and_programs() {
    let [sqlite, postgres] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        months(&db);
        let mut told = String::new();
        for report in ["report revenue", "report usage", "report topups", "report churn"] {
            for format in ["table", "json", "ndjson", "csv"] {
                let line = format!("{report} --by month --since 2026-01-01 --until 2026-04-01 --format {format}");
                let output = db.ledger().run_words(&line).expect_code(0);
                told.push_str(&format!("$ ledger {line}\n{}\n", output.transcript()));
            }
        }
        for format in ["table", "json", "ndjson", "csv"] {
            let output = db.ledger().run_words(&format!("forecast --format {format}"));
            told.push_str(&format!(
                "$ ledger forecast --format {format}\n{}\n",
                output.transcript()
            ));
        }
        told
    });
    assert_eq!(sqlite, postgres);
    insta::assert_snapshot!("reports_for_everybody", sqlite);
}

on_both_engines! {
    fn an_empty_ledger_has_empty_reports(db: TestDatabase) {
        for line in ["report revenue", "report usage", "report topups", "report churn", "forecast"] {
            let output = db.ledger().run_words(line).expect_code(0);
            assert!(output.stdout.starts_with("No"), "{}", output.stdout);
        }
        with_balance(&db, "1");
        assert_eq!(json_at(&db, "2026-03-01T12:00:01Z", "report topups --by day").expect_code(0).data()["rows"].as_array().unwrap().len(), 31);
    }
}
