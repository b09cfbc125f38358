//! `apply` streams: however many lines there are, it holds no more than a few thousand of them.

use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::thread;

use crate::common::command::kilobytes;
use crate::common::on_both_engines;

/// How many lines, where it should be more than every run of the suite can wait for: 10000000.
const LINES_VARIABLE: &str = "LEDGER_TEST_APPLY_LINES";
const LINES: u64 = 300_000;
const USERS: u64 = 1_000;
const MOST_MEGABYTES: u64 = 300;

/// One line in three is an operation, which takes the database its time; the others have a field that is not known.
fn write_lines(lines: u64, to: impl Write) -> std::io::Result<()> {
    let mut to = BufWriter::new(to);
    for number in 0..lines {
        let user = number / 3 % USERS;
        let what = match (number % 3, number / 3 < USERS) {
            (0, true) => r#""op":"recharge","amount":"1000000","method":"momo""#,
            (0, false) => r#""op":"charge","amount":"0.25","service":"vps","reference":"VpsUsage:77""#,
            _ => r#""op":"charge","amount":"0.25","service":"vps","colour":"red""#,
        };
        writeln!(to, r#"{{{what},"user_id":"{user}","idempotency_key":"k-{number}"}}"#)?;
    }
    to.flush()
}

on_both_engines! {
    fn apply_holds_a_few_thousand_lines_however_many_there_are(db: TestDatabase) {
        let lines = std::env::var(LINES_VARIABLE).map_or(LINES, |text| text.parse().unwrap());
        let users: String = (0..USERS).map(|user| format!("{user}\n")).collect();
        db.ledger().run_with_stdin(&["account", "import", "-"], format!("user_id\n{users}")).expect_code(0);
        let mut child = db.ledger().spawn(&["apply", "-", "--no-progress"]);
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (mut rows, mut applied, mut peak) = (0, 0, None);
        thread::scope(|scope| {
            scope.spawn(move || write_lines(lines, stdin).unwrap());
            for row in BufReader::new(stdout).lines() {
                applied += u64::from(row.unwrap().contains("\"outcome\":\"applied\""));
                rows += 1;
                // It waits for us to read on, so it is there to be looked at.
                if rows % 500 == 0 {
                    peak = kilobytes(child.id(), "VmHWM").max(peak);
                }
            }
        });
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(7), "{told}");
        assert_eq!((rows, applied), (lines, lines.div_ceil(3)));
        let peak = peak.expect("Linux tells how much memory a process has held") / 1024;
        assert!(peak < MOST_MEGABYTES, "{peak} MB for {lines} lines");
        assert_eq!(db.sql("SELECT COUNT(*) FROM entries"), applied.to_string());
    }
}
