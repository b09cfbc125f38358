//! The connection is lost at each message in turn, before the server has it or after it has answered: whoever has a key
//! finds out what became of the commit, and everybody else is told that the server is gone.

use super::relay::{Cut, Relay};
use super::scene::{
    Act, GOOD_LINES, LATER, ONE_OF_EVERY_SECOND, act, assert_same, disturb, essence, job, prove, scene,
};
use crate::common::effort::{Effort, Tally, smoke_seed};
use crate::common::layout::shared_server;
use crate::common::{Engine, Ledger, TestDatabase};

const NOT_REACHABLE: i32 = 4;

fn behind(relay: &Relay, stage: &TestDatabase) -> Ledger {
    let direct = shared_server().directory().display().to_string();
    let url = stage.url.replace(&direct, &relay.directory().display().to_string());
    stage.ledger().at(LATER).env("DATABASE_URL", &url)
}

/// What stands before and after an act, and with how many messages it is asked for.
fn learn(act: &Act, scene: &TestDatabase) -> (String, String, usize) {
    let stage = act.stage(scene);
    let before = essence(&stage);
    let relay = Relay::before(shared_server().directory(), Cut::Request, 0);
    act.run(&behind(&relay, &stage)).expect_code(act.codes[0]);
    (before, essence(&stage), relay.messages())
}

fn check(act: &Act, scene: &TestDatabase, (before, after): (&str, &str), (cut, at): (Cut, usize)) {
    let stage = act.stage(scene);
    let relay = Relay::before(shared_server().directory(), cut, at);
    let output = act.run(&behind(&relay, &stage));
    let said = format!("{} with its {cut:?} {at} lost: {}", act.line, output.transcript());
    let found = essence(&stage);
    if output.code == act.codes[0] {
        assert_same(&found, after, &format!("told that it was done: {said}"));
    } else {
        let has_key = act.line.contains("--idempotency-key");
        let undone = found == before;
        assert!(
            output.code == NOT_REACHABLE || (act.in_steps && output.code == 7),
            "{said}"
        );
        assert!(
            !has_key || (undone && !output.stderr.contains("unknown")),
            "left in doubt: {said}"
        );
        assert!(
            act.in_steps || undone || found == after,
            "neither all nor nothing: {said}"
        );
    }
    let ledger = stage.ledger().at(LATER);
    let again = act.run(&ledger);
    assert!(act.codes.contains(&again.code), "{said}\nagain: {}", again.transcript());
    assert_same(
        &essence(&stage),
        after,
        &format!("{said}\nagain: {}", again.transcript()),
    );
    prove(&ledger);
    stage.discard();
}

const UNKEYED: &str = concat!(
    r#"{"op":"charge","user_id":"5","amount":"3","service":"vps"}"#,
    "\n",
    r#"{"op":"recharge","user_id":"6","amount":"4","method":"momo"}"#,
    "\n",
);

/// What has no key cannot be sent again: whoever is told that nothing was done must be right.
#[test]
fn a_file_without_keys_that_is_applied_together_is_applied_once_or_not() {
    let scene = scene(Engine::Postgres);
    let act = Act {
        input: UNKEYED,
        ..job("apply - --atomic")
    };
    let (before, after, messages) = learn(&act, &scene);
    for point in (1..=messages).flat_map(|at| [(Cut::Request, at), (Cut::Reply, at)]) {
        let stage = act.stage(&scene);
        let relay = Relay::before(shared_server().directory(), point.0, point.1);
        let output = act.run(&behind(&relay, &stage));
        let said = format!("with its {:?} {} lost: {}", point.0, point.1, output.transcript());
        let expected = match output.code {
            0 => &after,
            NOT_REACHABLE => &before,
            _ => panic!("{said}"),
        };
        assert_same(&essence(&stage), expected, &said);
        stage.discard();
    }
}

/// Whoever delivers on "applied" would deliver twice.
#[test]
fn what_was_applied_before_is_told_so_whatever_is_lost() {
    let scene = scene(Engine::Postgres);
    for act in [
        act("charge --user-id 5 --amount 7 --service vps --idempotency-key k --format ndjson"),
        Act {
            input: GOOD_LINES,
            ..job("apply - --atomic --format ndjson")
        },
    ] {
        act.run(&scene.ledger().at(LATER)).expect_code(0);
        let (_, _, messages) = learn(&act, &scene);
        for point in (1..=messages).flat_map(|at| [(Cut::Request, at), (Cut::Reply, at)]) {
            let stage = act.stage(&scene);
            let relay = Relay::before(shared_server().directory(), point.0, point.1);
            let output = act.run(&behind(&relay, &stage));
            let said = format!(
                "{} with its {:?} {} lost: {}",
                act.line,
                point.0,
                point.1,
                output.transcript()
            );
            assert!(output.code == 0 || output.code == NOT_REACHABLE, "{said}");
            assert!(!output.stdout.contains("\"applied\""), "{said}");
            assert_eq!(
                output.stdout.contains("\"already_applied\""),
                output.code == 0,
                "{said}"
            );
            stage.discard();
        }
    }
}

pub fn lost(seed: u64, effort: Effort) -> Tally {
    let scene = scene(Engine::Postgres);
    disturb(
        (Engine::Postgres, seed, effort),
        |act| {
            let (before, after, messages) = learn(&act, &scene);
            let points = (1..=messages).flat_map(|at| [(Cut::Request, at), (Cut::Reply, at)]);
            ((act, before, after), points.collect())
        },
        |(act, before, after), point| check(act, &scene, (before, after), point),
    )
}

#[test]
fn an_answer_that_is_lost_on_the_way_is_found_out() {
    lost(smoke_seed(), ONE_OF_EVERY_SECOND).assert_clean();
}
