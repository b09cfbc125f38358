//! Thousands of lines about some dozens of accounts, every kind that is judged in memory and some that are not.

use crate::common::TestDatabase;

const ACCOUNTS: usize = 40;

/// Accounts 1 to 40, of the users of the same names: one with a limit, one locked, two with a threshold.
pub(super) fn opening(db: &TestDatabase) {
    let ledger = db.ledger();
    ledger.import_users(ACCOUNTS);
    for line in [
        "account set --user-id 7 --charges-per-minute 5",
        "account set --user-id 8 --low-balance-threshold 50",
        "account set --user-id 9 --low-balance-threshold 500",
        "account lock --user-id 10",
    ] {
        ledger.run_words(line).expect_code(0);
    }
}

/// Applied when it comes first, and known from then on.
const SAME: &str = concat!(
    r#"{"op":"recharge","user_id":"1","amount":"7","method":"momo","idempotency_key":"same"}"#,
    "\n"
);

/// The same lines every time.
pub(super) fn lines(number: usize) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..number).map(|line| one(line, &mut random)).collect()
}

fn one(line: usize, random: &mut fastrand::Rng) -> String {
    // One user more than there are accounts.
    let user = random.usize(1..=ACCOUNTS + 1);
    let amount = random.usize(1..=60);
    // Some keys come a second time, mostly with something else.
    let key = if random.usize(0..50) == 0 { line / 2 } else { line };
    let number = random.usize(1..=12);
    let asked = match random.usize(0..100) {
        0..50 => format!(r#""op":"charge","user_id":"{user}","amount":"{amount}","service":"vps""#),
        50..62 => format!(r#""op":"recharge","user_id":"{user}","amount":"{amount}","method":"momo""#),
        62..66 => format!(r#""op":"recharge","user_id":"{user}","amount":"{amount}","method":"card","pending":true"#),
        66..78 => format!(r#""op":"freeze","user_id":"{user}","amount":"{amount}","service":"sim""#),
        78..84 => format!(r#""op":"commit","hold":"h{user}-{number}""#),
        84..88 => format!(r#""op":"refund","hold":"h{user}-{number}""#),
        88..93 => format!(r#""op":"refund","user_id":"{user}","entry":{number}"#),
        93..95 => format!(r#""op":"reverse","user_id":"{user}","entry":{number},"reason":"late""#),
        95..98 => format!(r#""op":"adjust","user_id":"{user}","amount":"-{amount}","reason":"late""#),
        _ => return SAME.to_owned(),
    };
    format!("{{{asked},\"idempotency_key\":\"k-{key}\"}}\n")
}
