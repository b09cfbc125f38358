//! `report daily`: what the page shows is what the reports say, and what stands in the data is shown, never run.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::cli::json_at;
use crate::common::{Engine, TestDatabase, on_both_engines};

const MORNING: &str = "2026-03-02T06:30:00Z";

/// Names that would do something, were they put into a page as they are.
const HOSTILE: [&str; 4] = [
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(2)>",
    "</td></table><script>document.title='gone'</script>",
    "' style='display:none' &amp;&lt;b&gt;",
];

/// A day with something in every part of the page.
fn a_day(db: &TestDatabase) {
    let ended = |code: i32, time: &str, words: &[&str]| {
        db.ledger().at(time).run(words).expect_code(code);
    };
    let run = |time: &str, words: &[&str]| ended(0, time, words);
    for (place, name) in HOSTILE.iter().enumerate() {
        let amount = (100 * (place + 1)).to_string();
        db.ledger().at("2026-02-20T00:00:00Z").fund(name, &amount);
        run(
            "2026-03-01T08:00:00Z",
            &[
                "charge",
                "--user-id",
                name,
                "--amount",
                "70",
                "--service",
                name,
                "--reference",
                name,
            ],
        );
        ended(
            1,
            "2026-03-01T09:00:00Z",
            &["charge", "--user-id", name, "--amount", "9000", "--service", name],
        );
    }
    run(
        "2026-03-01T10:00:00Z",
        &[
            "recharge",
            "--user-id",
            HOSTILE[0],
            "--amount",
            "7",
            "--method",
            "paypal",
        ],
    );
    run("2026-03-02T02:00:00Z", &["verify-sync", "--no-backup"]);
    // Behind its back, so that health has something to say about a hostile name.
    db.sql("UPDATE balances SET held = 5 WHERE account_id = 2");
}

fn daily(db: &TestDatabase, line: &str) -> Value {
    json_at(db, MORNING, &format!("report daily {line}"))
        .expect_code(0)
        .data()
}

on_both_engines! {
    fn a_day_is_what_its_reports_and_entries_say(db: TestDatabase) {
        a_day(&db);

        let data = daily(&db, "");

        assert_eq!((&data["date"], &data["accounts"]), (&"2026-03-01".into(), &4.into()));
        let days = data["days"].as_array().unwrap();
        assert_eq!((days.len(), &days[0]["day"], &days[29]["day"]), (30, &"2026-01-31".into(), &"2026-03-01".into()));
        assert_eq!(days[29], serde_json::json!({"day": "2026-03-01", "entries": 5, "applied": 5, "refused": 4, "failed": 0, "pending": 0}));
        assert_eq!(days[20]["entries"], 4);
        let book = &data["currencies"][0];
        let balances: Vec<&str> = book["balances"].as_array().unwrap().iter().map(|of| of.as_str().unwrap()).collect();
        assert_eq!((balances[19], balances[20], balances[28], balances[29]), ("0.00", "1000.00", "1000.00", "727.00"));
        assert_eq!((&book["revenue"][0]["method"], &book["revenue"][0]["net"]), (&"paypal".into(), &"7.00".into()));
        let usage = json_at(&db, MORNING, "report usage --since 2026-03-01 --until 2026-03-02").expect_code(0).data();
        let services = |rows: &Value| -> Vec<(Value, Value)> {
            rows.as_array().unwrap().iter().map(|row| (row["service"].clone(), row["net"].clone())).collect()
        };
        assert_eq!(services(&book["usage"]), services(&usage["rows"]));
        assert_eq!(book["usage"].as_array().unwrap().len(), 4);
        let top: Vec<&str> = book["top_accounts"].as_array().unwrap().iter().map(|top| top["user_id"].as_str().unwrap()).collect();
        assert_eq!(top, HOSTILE);
        assert_eq!(data["jobs"][0]["job"], "verify-sync");
        let found: Vec<&str> = data["findings"].as_array().unwrap().iter().map(|of| of["next"].as_str().unwrap()).collect();
        let forecast = json_at(&db, MORNING, "forecast").expect_code(1).data();
        assert_eq!(data["ending_soon"], forecast["warnings"]);
        assert!(found.contains(&"ledger health --fix") || found.contains(&"ledger health"), "{found:?}");
        assert!(found.contains(&"ledger forecast --warn-within 7d"), "{found:?}");
    }

    fn a_run_that_was_killed_has_proven_nothing(db: TestDatabase) {
        // Begun an hour before the page is made.
        db.sql("INSERT INTO job_runs (id, job, actor, started_at) VALUES ('killed', 'verify-sync', 'cron', 1772430000000000)");
        let told = daily(&db, "")["findings"].to_string();
        assert!(told.contains("the last run of verify-sync has not ended"), "{told}");
        assert!(told.contains("the balances were never proven"), "{told}");
    }

    fn a_run_that_found_something_wrong_or_failed_has_proven_nothing(db: TestDatabase) {
        for code in [1, 4, 5, 6, 70, 130] {
            db.sql(&format!("DELETE FROM job_runs; INSERT INTO job_runs (id, job, actor, started_at, finished_at, exit_code, counts) \
                VALUES ('bad', 'verify-sync', 'cron', 1772430000000000, 1772430000000001, {code}, '{{}}')"));
            let told = daily(&db, "")["findings"].to_string();
            assert!(told.contains("the balances were never proven"), "{code}: {told}");
        }
        db.sql("UPDATE job_runs SET exit_code = 0");
        let told = daily(&db, "")["findings"].to_string();
        assert!(!told.contains("proven"), "{told}");
    }

    fn every_open_alert_is_counted(db: TestDatabase) {
        let alerts: Vec<String> = (0..230).map(|n| {
            let severity = if n % 2 == 0 { "WARNING" } else { "CRITICAL" };
            format!("({n}, 'x{n}', 'event:x', '{severity}', 'x', 1, 1)")
        }).collect();
        let columns = "account_id, id, cause, severity, message, first_seen, last_seen";
        db.sql(&format!("INSERT INTO alerts ({columns}) VALUES {}", alerts.join(", ")));
        assert_eq!(daily(&db, "")["open_alerts"], 230);
    }

    fn a_day_before_everything_and_an_empty_ledger_have_a_page_too(db: TestDatabase) {
        let page = db.directory().join("page.html");
        let line = ["report", "daily", "--html", page.to_str().unwrap()];
        let told = db.ledger().at(MORNING).run(&line).expect_code(0);
        assert!(told.stdout.starts_with("Written to "), "{}", told.stdout);
        let empty = fs::read_to_string(&page).unwrap();
        assert!(empty.contains("No entry was ever made."), "{empty}");
        assert!(empty.contains("the balances were never proven"), "{empty}");
        a_day(&db);
        let before = daily(&db, "--date 2026-02-01");
        assert_eq!(before["currencies"], serde_json::json!([]));
        assert!(daily(&db, "--date 2026-03-02")["days"][29]["day"] == "2026-03-02");
        for (line, says) in [("--date 2026-03-03", "future"), ("--date tomorrow", "2026-03-01"), ("--html /nowhere/page.html", "--html")] {
            let refused = json_at(&db, MORNING, &format!("report daily {line}")).expect_code(2);
            assert!(refused.error()["error"]["message"].as_str().unwrap().contains(says), "{line}: {}", refused.stderr);
        }
        let quiet = db.ledger().at(MORNING).run(&[&line[..], &["-q"]].concat()).expect_code(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    }
}

/// What a browser makes of a page.
fn rendered(page: &std::path::Path) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("chromium is installed: apt install chromium");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The same text as an element's content in a browser's own words.
fn as_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[test]
fn a_browser_shows_hostile_names_as_they_are_and_fetches_nothing() {
    let [page, other] = Engine::BOTH.map(|engine| {
        let db = TestDatabase::fresh(engine);
        a_day(&db);
        let file = db.directory().join("page.html");
        let line = ["report", "daily", "--html", file.to_str().unwrap()];
        db.ledger().at(MORNING).run(&line).expect_code(0);
        let page = fs::read_to_string(&file).unwrap();
        // One look is enough: both engines write the same page.
        if engine == Engine::Sqlite {
            let dom = rendered(&file);
            for name in HOSTILE {
                assert!(
                    dom.contains(&format!("<td class=\"text\">{}</td>", as_text(name))),
                    "{name} in {dom}"
                );
            }
            let names: Vec<&str> = dom.split('<').filter_map(|tag| tag.split([' ', '>']).next()).collect();
            for element in ["script", "img", "b", "iframe", "link", "object", "form", "a"] {
                assert!(!names.contains(&element), "{element} in {dom}");
            }
            assert_eq!(names.iter().filter(|name| **name == "svg").count(), 3, "{dom}");
            assert!(dom.contains("<title>Ledger, 2026-03-01</title>"));
            for outside in ["http:", "https:", "url(", "@import", "src=", "href="] {
                let own = page.replace("src=x", "");
                assert!(!own.contains(outside), "{outside} in {own}");
            }
            for told in [
                " to look at",
                "ledger forecast --warn-within 7d",
                "Entries a day",
                "727.00",
                "paypal",
            ] {
                assert!(dom.contains(told), "{told} in {dom}");
            }
        }
        page
    });
    assert_eq!(page, other);
}
