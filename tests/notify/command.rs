//! A command that is told on its standard input.

use std::fs;
use std::path::Path;

use super::{funded, impatient_of_some, later, patient, refused, told};
use crate::common::gate::await_until;
use crate::common::{Ledger, TestDatabase, on_both_engines};

fn commanding(db: &TestDatabase, command: &str) -> Ledger {
    patient(db).env("LEDGER_NOTIFY_COMMAND", command)
}

fn is_running(process: &str) -> bool {
    let status = fs::read_to_string(Path::new("/proc").join(process.trim()).join("status"));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

on_both_engines! {
    fn it_gets_each_event_as_a_line_of_json(db: TestDatabase) {
        funded(&db, "5", "1");
        refused(&db, "5", "R:1");
        let ledger = commanding(&db, r#"["sh", "-c", "cat >> told.ndjson; echo noise; echo noise >&2"]"#);
        let output = ledger.run_words("notify -q").expect_code(0);
        assert_eq!((output.stdout, output.stderr), (String::new(), String::new()));
        let told = fs::read_to_string(db.directory().join("told.ndjson")).unwrap();
        let events: Vec<serde_json::Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.iter().map(|event| event["id"].as_str().unwrap()).collect::<Vec<_>>(), ["e1-1", "e1-2"]);
        assert_eq!((&events[0]["schema"], &events[1]["data"]["reference"]), (&"ledger.event/1".into(), &"R:1".into()));
    }

    fn no_shell_reads_its_words(db: TestDatabase) {
        funded(&db, "5", "1");
        told(&commanding(&db, "touch $HOME;touch`id` a*b"), 0);
        let mut names: Vec<String> = fs::read_dir(db.directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with("ledger.db"));
        names.sort();
        assert_eq!(names, ["$HOME;touch`id`", "a*b"]);
    }

    fn what_it_does_not_take_is_tried_again(db: TestDatabase) {
        funded(&db, "5", "1");
        for (minutes, command, error) in [
            (0, "false", "the command ended with exit 1"),
            (2, "/nowhere/to/be/found", "the command cannot be run: entity not found"),
            (10, r#"["sh", "-c", "kill -9 $$"]"#, "the command ended with signal 9"),
        ] {
            assert_eq!(told(&later(&commanding(&db, command), minutes), 7)["failed"], 1);
            assert_eq!(db.sql("SELECT last_error FROM deliveries"), error);
        }
        assert_eq!(told(&later(&commanding(&db, "cat"), 60), 0)["delivered"], 1);
    }

    fn it_is_ended_with_all_that_it_has_started_when_its_time_is_up(db: TestDatabase) {
        funded(&db, "5", "1");
        let ledger = commanding(&db, r#"["sh", "-c", "sleep 300 & echo $! > child; echo $$ > shell; wait"]"#);
        assert_eq!(told(&impatient_of_some(&ledger), 7)["failed"], 1);
        assert_eq!(db.sql("SELECT last_error FROM deliveries"), "no answer within 3.0 s");
        for process in ["child", "shell"] {
            let number = fs::read_to_string(db.directory().join(process)).unwrap();
            await_until(&format!("{process} {number} ends"), || !is_running(&number));
        }
    }
}
