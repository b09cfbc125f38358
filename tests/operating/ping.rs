//! `--ping`: a monitor elsewhere is told that a run begins and how it ends, and never gets in its way.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use crate::common::{Engine, TestDatabase, on_both_engines};

/// A web server that notes what is asked for, and answers always the same.
struct Monitor {
    address: String,
    listening: JoinHandle<Vec<String>>,
}

impl Monitor {
    fn answering(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let listening = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for stream in listener.incoming() {
                let path = answer(stream.unwrap(), status);
                if path == "/enough" {
                    break;
                }
                asked.push(path);
            }
            asked
        });
        Self { address, listening }
    }

    /// Everything that was asked for so far.
    fn asked(self) -> Vec<String> {
        write!(
            TcpStream::connect(&self.address).unwrap(),
            "GET /enough HTTP/1.1\r\n\r\n"
        )
        .unwrap();
        self.listening.join().unwrap()
    }
}

fn answer(stream: TcpStream, status: &str) -> String {
    let mut lines = BufReader::new(&stream).lines().map(Result::unwrap);
    let request = lines.next().unwrap();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    write!(
        &stream,
        "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    .ok();
    request.split(' ').nth(1).unwrap().to_owned()
}

on_both_engines! {
    fn it_is_told_the_start_and_the_exit_code(db: TestDatabase) {
        let monitor = Monitor::answering("200 OK");
        let url = format!("http://{}/c4fe/?create=1", monitor.address);
        db.ledger().run_words("account create --user-id 5").expect_code(0);

        db.ledger().run(&["health", "-q", "--ping", &url]).expect_code(0);
        db.sql("UPDATE balances SET total_spent = 1");
        db.ledger().run(&["verify-sync", "-q", "--ping", &url]).expect_code(1);

        assert_eq!(
            monitor.asked(),
            ["/c4fe/start?create=1", "/c4fe/0?create=1", "/c4fe/start?create=1", "/c4fe/1?create=1"]
        );
    }
}

#[test]
fn a_run_that_fails_to_begin_is_told_too() {
    let monitor = Monitor::answering("200 OK");
    let ledger = crate::common::Ledger::new("postgres://127.0.0.1:1/ledger");
    let url = format!("http://{}/c4fe", monitor.address);
    ledger.run(&["health", "--ping", &url]).expect_code(4);
    assert_eq!(monitor.asked(), ["/c4fe/start", "/c4fe/4"]);
}

#[test]
fn one_that_does_not_listen_is_warned_of_without_its_secret() {
    let ledger = TestDatabase::fresh(Engine::Sqlite).ledger().env("RUST_LOG", "trace");
    let refusing = Monitor::answering("404 Not Found");
    for (server, why) in [
        (refusing.address.as_str(), "it answered 404"),
        ("127.0.0.1:1", "connection refused"),
    ] {
        let url = format!("http://bob:s3cret@{server}/s3cret?key=s3cret");
        let output = ledger.run(&["health", "-q", "--ping", &url]).expect_code(0);
        for what in ["start", "0"] {
            let warning = format!("http://{server}/... was not told ({what}): {why}");
            assert!(output.stderr.contains(&warning), "{}", output.stderr);
        }
        assert!(!output.transcript().contains("s3cret"), "{}", output.transcript());
    }
    assert_eq!(refusing.asked().len(), 4, "each is tried twice");
}

#[test]
fn an_address_that_is_none_is_wrong_usage_before_anything_is_done() {
    let db = TestDatabase::unmigrated(Engine::Sqlite);
    let refused = db.ledger().run(&["health", "--ping", "s3cret"]).expect_code(2);
    assert!(
        refused.stderr.contains("--ping is the address") && !refused.stderr.contains("s3cret"),
        "{}",
        refused.stderr
    );
    assert!(!db.directory().join("ledger.db").exists());
}
