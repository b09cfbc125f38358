//! Every operation there is as a line of a file, and as the command that is the same.

use crate::common::{Ledger, TestDatabase};

/// A key, a line, and the single command that is the same.
pub(crate) type Same = (&'static str, &'static str, &'static str);

/// Every operation there is, with refusals between them, after `opening`.
pub(crate) const STORY: &[Same] = &[
    (
        "recharge",
        r#"{"op":"recharge","user_id":"5","amount":"500","method":"momo","reference":"Bank:1"}"#,
        "recharge --user-id 5 --amount 500 --method momo --reference Bank:1",
    ),
    (
        "charge",
        r#"{"op":"charge","user_id":5,"amount":20.50,"service":"vps","metadata":{"cpu":2}}"#,
        r#"charge --user-id 5 --amount 20.50 --service vps --metadata {"cpu":2}"#,
    ),
    (
        "too-much",
        r#"{"op":"charge","user_id":"6","amount":"7","service":"vps"}"#,
        "charge --user-id 6 --amount 7 --service vps",
    ),
    (
        "freeze-1",
        r#"{"op":"freeze","user_id":"5","amount":"10","service":"sim","expires_in":"20m"}"#,
        "freeze --user-id 5 --amount 10 --service sim --expires-in 20m",
    ),
    (
        "commit",
        r#"{"op":"commit","hold":"h1-1","amount":"4"}"#,
        "commit --hold h1-1 --amount 4",
    ),
    ("commit-again", r#"{"op":"commit","hold":"h1-1"}"#, "commit --hold h1-1"),
    (
        "freeze-2",
        r#"{"op":"freeze","user_id":"5","amount":"10"}"#,
        "freeze --user-id 5 --amount 10",
    ),
    (
        "commit-part",
        r#"{"op":"commit","hold":"h1-2","amount":"1","keep_open":true}"#,
        "commit --hold h1-2 --amount 1 --keep-open",
    ),
    ("refund-hold", r#"{"op":"refund","hold":"h1-2"}"#, "refund --hold h1-2"),
    (
        "refund-entry",
        r#"{"op":"refund","user_id":"5","entry":2,"amount":"5"}"#,
        "refund --user-id 5 --entry 2 --amount 5",
    ),
    (
        "refund-rest",
        r#"{"op":"refund","user_id":"5","entry":2,"amount":"15.51"}"#,
        "refund --user-id 5 --entry 2 --amount 15.51",
    ),
    (
        "reverse",
        r#"{"op":"reverse","user_id":"5","entry":"1","amount":"1","if_spent":"debt","reason":"late"}"#,
        "reverse --user-id 5 --entry 1 --amount 1 --if-spent debt --reason late",
    ),
    (
        "adjust",
        r#"{"op":"adjust","user_id":"5","amount":-1,"reason":"rounding"}"#,
        "adjust --user-id 5 --amount -1 --reason rounding",
    ),
    (
        "penalty",
        r#"{"op":"penalty","user_id":"5","amount":"2","reason":"spam"}"#,
        "penalty --user-id 5 --amount 2 --reason spam",
    ),
    (
        "gift",
        r#"{"op":"gift-grant","user_id":"5","credits":"3","description":"birthday"}"#,
        "gift grant --user-id 5 --credits 3 --description birthday",
    ),
    (
        "gift-back",
        r#"{"op":"gift-deactivate","id":"g1-1","reason":"fraud"}"#,
        "gift deactivate g1-1 --reason fraud",
    ),
    (
        "pending",
        r#"{"op":"recharge","user_id":"5","amount":"7","method":"momo","pending":true,"expires_in":"2h"}"#,
        "recharge --user-id 5 --amount 7 --method momo --pending --expires-in 2h",
    ),
    (
        "process",
        r#"{"op":"recharge-process","id":"r1-2"}"#,
        "recharge process r1-2",
    ),
    (
        "complete",
        r#"{"op":"recharge-complete","id":"r1-2","gateway_response":{"code":"00"}}"#,
        r#"recharge complete r1-2 --gateway-response {"code":"00"}"#,
    ),
    (
        "cancel",
        r#"{"op":"recharge-cancel","id":"r1-2"}"#,
        "recharge cancel r1-2",
    ),
    (
        "pending-3",
        r#"{"op":"recharge","user_id":"5","amount":"8","method":"momo","pending":true}"#,
        "recharge --user-id 5 --amount 8 --method momo --pending",
    ),
    ("fail", r#"{"op":"recharge-fail","id":"r1-3"}"#, "recharge fail r1-3"),
    (
        "credits-back",
        r#"{"op":"deactivate-purchase","id":"p3-1","reason":"returned"}"#,
        "deactivate-purchase p3-1 --reason returned",
    ),
    (
        "bought",
        r#"{"op":"purchase-record","user_id":"5","amount":"500000","per_credit":"1000","pending_hours":24,"reference":"INV-1"}"#,
        "purchase record --user-id 5 --amount 500000 --per-credit 1000 --pending-hours 24 --reference INV-1",
    ),
    (
        "bought-in-dong",
        r#"{"op":"purchase-record","user_id":"5","amount":250000,"paid_in":"VND"}"#,
        "purchase record --user-id 5 --amount 250000 --paid-in VND",
    ),
    (
        "bought-for-credits",
        r#"{"op":"purchase-record","user_id":"5","amount":"19.99","credits":"20"}"#,
        "purchase record --user-id 5 --amount 19.99 --credits 20",
    ),
    (
        "not-bought",
        r#"{"op":"deactivate-purchase","id":"p1-2","reason":"returned"}"#,
        "deactivate-purchase p1-2 --reason returned",
    ),
    (
        "gift-for-paid",
        r#"{"op":"gift-grant","user_id":"5","amount":"250000","paid_in":"VND"}"#,
        "gift grant --user-id 5 --amount 250000 --paid-in VND",
    ),
    (
        "gift-for-both",
        r#"{"op":"gift-grant","user_id":"5","amount":"1.50","credits":"2","per_credit":"7"}"#,
        "gift grant --user-id 5 --amount 1.50 --credits 2 --per-credit 7",
    ),
    (
        "recharge-6",
        r#"{"op":"recharge","user_id":"6","amount":"9","method":"momo"}"#,
        "recharge --user-id 6 --amount 9 --method momo",
    ),
    // Judged anew, since it was only refused.
    (
        "too-much",
        r#"{"op":"charge","user_id":"6","amount":"7","service":"vps"}"#,
        "charge --user-id 6 --amount 7 --service vps",
    ),
    (
        "too-much",
        r#"{"op":"charge","user_id":"6","amount":"7.00","service":"vps"}"#,
        "charge --user-id 6 --amount 7.00 --service vps",
    ),
    (
        "too-much",
        r#"{"op":"charge","user_id":"6","amount":"8","service":"vps"}"#,
        "charge --user-id 6 --amount 8 --service vps",
    ),
    (
        "limited-1",
        r#"{"op":"charge","user_id":"8","amount":"1","service":"vps"}"#,
        "charge --user-id 8 --amount 1 --service vps",
    ),
    (
        "limited-2",
        r#"{"op":"charge","user_id":"8","amount":"1","service":"vps"}"#,
        "charge --user-id 8 --amount 1 --service vps",
    ),
    (
        "suspends",
        r#"{"op":"charge","user_id":"9","amount":"1","service":"vps","suspend":true}"#,
        "charge --user-id 9 --amount 1 --service vps --suspend",
    ),
    (
        "while-suspended",
        r#"{"op":"charge","user_id":"9","amount":"1","service":"vps"}"#,
        "charge --user-id 9 --amount 1 --service vps",
    ),
    (
        "locked",
        r#"{"op":"charge","user_id":"10","amount":"1","service":"vps"}"#,
        "charge --user-id 10 --amount 1 --service vps",
    ),
    (
        "nobody",
        r#"{"op":"charge","user_id":"404","amount":"1","service":"vps"}"#,
        "charge --user-id 404 --amount 1 --service vps",
    ),
    ("no-hold", r#"{"op":"commit","hold":"h1-99"}"#, "commit --hold h1-99"),
    (
        "no-entry",
        r#"{"op":"refund","user_id":"5","entry":99}"#,
        "refund --user-id 5 --entry 99",
    ),
];

/// Accounts 1 to 6 of the users 5 to 10: one with a purchase, one with a limit, one locked.
pub(super) fn opening(db: &TestDatabase) {
    open(&db.ledger());
}

/// The same on whatever ledger.
pub(crate) fn open(ledger: &Ledger) {
    for user in 5..=10 {
        ledger
            .run_words(&format!("account create --user-id {user}"))
            .expect_code(0);
    }
    for line in [
        "purchase record --user-id 7 --amount 5 --paid-in USD --credits 5 --idempotency-key bought",
        "account set --user-id 8 --charges-per-minute 1",
        "recharge --user-id 8 --amount 10 --method momo --idempotency-key for-8",
        "account lock --user-id 10",
    ] {
        ledger.run_words(line).expect_code(0);
    }
}

/// The line with its key.
pub(super) fn keyed((key, line, _): &Same) -> String {
    let fields = line.strip_suffix('}').unwrap();
    format!("{fields},\"idempotency_key\":\"{key}\"}}\n")
}

pub(super) fn story() -> String {
    STORY.iter().map(keyed).collect()
}
