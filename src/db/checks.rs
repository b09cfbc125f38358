//! What stands beside the entries, held against them and against each other: the questions are asked in SQL.

use super::access::all_given_back;
use super::connection::Db;
use super::error::DbError;
use super::statement::sql_of_accounts;
use crate::domain::account::AccountId;

// Times of two records are only compared where one operation has written both: a clock may be set back.

/// Something that cannot be so: in which table, of which record, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    pub account: AccountId,
    pub table: &'static str,
    pub record: String,
    pub what: &'static str,
}

/// A question: rows of the table `r` that answer it are wrong.
struct Check {
    table: &'static str,
    /// What names the row within its account.
    record: &'static str,
    wrong: &'static str,
    what: &'static str,
}

const fn check(table: &'static str, record: &'static str, wrong: &'static str, what: &'static str) -> Check {
    Check {
        table,
        record,
        wrong,
        what,
    }
}

/// Whether `audit --repair` has ended the access grant `r`.
macro_rules! revoked_by_audit {
    () => {
        "EXISTS (SELECT 1 FROM operations o WHERE o.account_id = r.account_id AND o.command = 'audit --repair' \
         AND o.at = r.revoked_at AND o.actor = r.revoked_by)"
    };
}

pub(super) const REVOKED_BY_AUDIT: &str = revoked_by_audit!();

const NUMBER: &str = "CAST(r.number AS TEXT)";
const ENTRY: &str = "CAST(r.entry_seq AS TEXT)";

const CHECKS: [Check; 41] = [
    check(
        "intents",
        "r.idempotency_key",
        "r.attempt > 1 AND NOT EXISTS (SELECT 1 FROM intents i WHERE i.account_id = r.account_id \
         AND i.idempotency_key = r.idempotency_key AND i.attempt = r.attempt - 1 \
         AND (i.state IN ('refused', 'failed') OR (i.state = 'applied' AND r.state <> 'applied')))",
        "the attempt before it is missing, or has not failed",
    ),
    check(
        "intents",
        "r.idempotency_key",
        "r.subject IS NOT NULL AND NOT CASE WHEN r.operation LIKE 'recharge%' THEN EXISTS (SELECT 1 FROM recharges x \
         WHERE x.account_id = r.account_id AND x.number = r.subject) \
         WHEN r.operation IN ('charge', 'reverse') THEN EXISTS (SELECT 1 FROM access_grants x \
         WHERE x.account_id = r.account_id AND x.entry_seq = r.subject) \
         WHEN r.operation = 'refund' THEN EXISTS (SELECT 1 FROM holds x \
         WHERE x.account_id = r.account_id AND x.number = r.subject) OR EXISTS (SELECT 1 FROM access_grants x \
         WHERE x.account_id = r.account_id AND x.entry_seq = r.subject) \
         WHEN r.operation IN ('freeze', 'commit', 'expire-hold') THEN EXISTS (SELECT 1 FROM holds x \
         WHERE x.account_id = r.account_id AND x.number = r.subject) \
         WHEN r.operation LIKE '%purchase%' OR r.operation = 'credit-transfer' THEN EXISTS (SELECT 1 FROM purchases x \
         WHERE x.account_id = r.account_id AND x.number = r.subject) \
         WHEN r.operation LIKE 'gift-%' THEN EXISTS (SELECT 1 FROM gifts x \
         WHERE x.account_id = r.account_id AND x.number = r.subject) ELSE 1 = 0 END",
        "the record that it has made or moved is gone",
    ),
    check(
        "access_grants",
        ENTRY,
        "r.resource = '' OR r.entry_seq <= 0 OR (r.revoked_at IS NULL) <> (r.revoked_by IS NULL) \
         OR (r.revoked_at IS NULL AND r.revoked_why IS NOT NULL)",
        "its state is not one that there is",
    ),
    check(
        "access_grants",
        ENTRY,
        "NOT EXISTS (SELECT 1 FROM entries e WHERE e.account_id = r.account_id AND e.seq = r.entry_seq \
         AND e.kind = 'service_fee' AND e.at = r.granted_at AND e.actor = r.granted_by)",
        "the charge that has paid for it is gone or another one",
    ),
    check(
        "access_grants",
        ENTRY,
        "NOT EXISTS (SELECT 1 FROM intents i WHERE i.account_id = r.account_id AND i.subject = r.entry_seq \
         AND i.operation = 'charge' AND i.state = 'applied')",
        "nobody asked for it",
    ),
    check(
        "access_grants",
        ENTRY,
        concat!(
            "r.revoked_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM entries e JOIN intents i \
             ON i.account_id = e.account_id AND i.idempotency_key = e.idempotency_key AND i.subject = e.reverses \
             AND i.state = 'applied' WHERE e.account_id = r.account_id AND e.reverses = r.entry_seq \
             AND e.kind = 'refund' AND e.at = r.revoked_at AND e.actor = r.revoked_by) AND NOT ",
            revoked_by_audit!()
        ),
        "nobody has revoked it",
    ),
    check(
        "access_grants",
        ENTRY,
        concat!(
            "r.revoked_at IS NULL AND EXISTS (SELECT 1 FROM entries e WHERE e.account_id = r.account_id \
             AND e.seq = r.entry_seq AND ",
            all_given_back!("e.account_id", "e.seq"),
            ")"
        ),
        "all that was paid for it was given back, and it was not revoked",
    ),
    check(
        "recharges",
        NUMBER,
        "r.status NOT IN ('pending', 'processing', 'completed', 'failed', 'cancelled', 'expired') OR r.amount <= 0 \
         OR r.number <= 0 OR (r.status = 'completed') <> (r.entry_seq IS NOT NULL) \
         OR (r.status IN ('pending', 'processing')) <> (r.finished_at IS NULL)",
        "its state is not one that there is",
    ),
    check(
        "recharges",
        NUMBER,
        "r.entry_seq IS NOT NULL AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.account_id = r.account_id \
         AND e.seq = r.entry_seq AND e.kind = 'recharge' AND e.balance_delta = r.amount \
         AND e.counter_account = 'gateway:' || r.method AND e.at = r.finished_at)",
        "its entry is gone or another one",
    ),
    check(
        "recharges",
        NUMBER,
        "NOT EXISTS (SELECT 1 FROM intents i WHERE i.account_id = r.account_id AND i.subject = r.number \
         AND i.operation = 'recharge' AND i.state = 'applied')",
        "nobody asked for it",
    ),
    check(
        "recharges",
        NUMBER,
        "r.status <> 'pending' AND NOT EXISTS (SELECT 1 FROM intents i WHERE i.account_id = r.account_id \
         AND i.subject = r.number AND i.state = 'applied' AND (i.operation = CASE r.status \
         WHEN 'processing' THEN 'recharge-process' WHEN 'completed' THEN 'recharge-complete' \
         WHEN 'failed' THEN 'recharge-fail' WHEN 'cancelled' THEN 'recharge-cancel' ELSE 'recharge-expire' END \
         OR (r.status = 'completed' AND i.operation = 'recharge' AND i.first_seq = r.entry_seq)))",
        "nobody has brought it into its state",
    ),
    check(
        "recharges",
        NUMBER,
        "r.status IN ('pending', 'processing') AND EXISTS (SELECT 1 FROM intents i WHERE i.account_id = r.account_id \
         AND i.subject = r.number AND i.state = 'applied' AND (i.operation IN ('recharge-complete', 'recharge-fail', \
         'recharge-cancel', 'recharge-expire') OR (i.operation = 'recharge' AND i.first_seq IS NOT NULL)))",
        "it has been ended, and is open",
    ),
    check(
        "holds",
        NUMBER,
        "r.amount <> r.remaining + r.committed + r.released OR r.remaining < 0 OR r.committed < 0 OR r.released < 0 \
         OR r.number <= 0 OR CASE r.status WHEN 'open' THEN r.remaining = 0 OR r.finished_at IS NOT NULL \
         WHEN 'committed' THEN r.remaining <> 0 OR r.finished_at IS NULL \
         WHEN 'refunded' THEN r.remaining <> 0 OR r.finished_at IS NULL \
         WHEN 'expired' THEN r.remaining <> 0 OR r.finished_at IS NULL ELSE 1 = 1 END",
        "its state is not one that there is",
    ),
    check(
        "holds",
        NUMBER,
        "NOT EXISTS (SELECT 1 FROM entries e WHERE e.account_id = r.account_id AND e.seq = r.entry_seq \
         AND e.kind = 'freeze' AND e.held_delta = r.amount AND e.at = r.created_at \
         AND COALESCE(e.reference, '') = COALESCE(r.reference, '') \
         AND COALESCE(e.description, '') = COALESCE(r.description, '') \
         AND COALESCE(e.metadata, '') = COALESCE(r.metadata, ''))",
        "its entry is gone or another one",
    ),
    check(
        "holds",
        NUMBER,
        "NOT EXISTS (SELECT 1 FROM intents i WHERE i.account_id = r.account_id AND i.subject = r.number \
         AND i.operation = 'freeze' AND i.state = 'applied' AND i.first_seq = r.entry_seq)",
        "nobody asked for it",
    ),
    check(
        "holds",
        NUMBER,
        "r.committed <> (SELECT CAST(COALESCE(SUM(CASE WHEN e.kind = 'commit' THEN -e.held_delta END), 0) AS BIGINT) \
         FROM intents i JOIN entries e ON e.account_id = i.account_id AND e.seq BETWEEN i.first_seq AND i.last_seq \
         WHERE i.account_id = r.account_id AND i.subject = r.number AND i.state = 'applied' \
         AND i.operation IN ('commit', 'refund', 'expire-hold'))",
        "what was committed of it is not what the entries say",
    ),
    check(
        "holds",
        NUMBER,
        "r.released <> (SELECT CAST(COALESCE(SUM(CASE WHEN e.kind = 'release' THEN -e.held_delta END), 0) AS BIGINT) \
         FROM intents i JOIN entries e ON e.account_id = i.account_id AND e.seq BETWEEN i.first_seq AND i.last_seq \
         WHERE i.account_id = r.account_id AND i.subject = r.number AND i.state = 'applied' \
         AND i.operation IN ('commit', 'refund', 'expire-hold'))",
        "what was given back of it is not what the entries say",
    ),
    check(
        "holds",
        NUMBER,
        "r.finished_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM intents i JOIN entries e \
         ON e.account_id = i.account_id AND e.seq = i.first_seq WHERE i.account_id = r.account_id \
         AND i.subject = r.number AND i.state = 'applied' AND e.at = r.finished_at AND i.operation = CASE r.status \
         WHEN 'committed' THEN 'commit' WHEN 'refunded' THEN 'refund' ELSE 'expire-hold' END)",
        "nobody has ended it so",
    ),
    check(
        "purchases",
        NUMBER,
        "r.paid <= 0 OR r.credits < 0 OR r.number <= 0 OR (r.deactivated_at IS NULL) <> (r.deactivated_by IS NULL) \
         OR (r.deactivated_by IS NULL AND r.deactivated_why IS NOT NULL)",
        "its state is not one that there is",
    ),
    check(
        "purchases",
        NUMBER,
        "NOT EXISTS (SELECT 1 FROM intents i WHERE i.account_id = r.account_id AND i.subject = r.number \
         AND i.operation = 'purchase-record' AND i.state = 'applied' AND i.actor = r.created_by)",
        "nobody asked for it",
    ),
    check(
        "purchases",
        NUMBER,
        "(r.deactivated_at IS NOT NULL) <> EXISTS (SELECT 1 FROM intents i WHERE i.account_id = r.account_id \
         AND i.subject = r.number AND i.operation = 'deactivate-purchase' AND i.state = 'applied' \
         AND (r.deactivated_at IS NULL OR i.actor = r.deactivated_by))",
        "it is not known who took it back",
    ),
    check(
        "purchases",
        NUMBER,
        "(r.credits > 0) <> EXISTS (SELECT 1 FROM pending_credits c WHERE c.account_id = r.account_id \
         AND c.number = r.number AND c.credits = r.credits)",
        "its credits are not on their way",
    ),
    check(
        "pending_credits",
        NUMBER,
        "CASE r.state WHEN 'pending' THEN r.settled_at IS NOT NULL OR r.entry_seq IS NOT NULL \
         WHEN 'inactive' THEN r.settled_at IS NULL OR r.entry_seq IS NOT NULL \
         WHEN 'transferred' THEN r.settled_at IS NULL OR r.entry_seq IS NULL \
         WHEN 'taken_back' THEN r.settled_at IS NULL OR r.entry_seq IS NULL ELSE 1 = 1 END OR r.credits <= 0",
        "its state is not one that there is",
    ),
    check(
        "pending_credits",
        NUMBER,
        "NOT EXISTS (SELECT 1 FROM purchases p WHERE p.account_id = r.account_id AND p.number = r.number \
         AND p.credits = r.credits AND (p.deactivated_at IS NULL) = (r.state IN ('pending', 'transferred')) \
         AND (r.state IN ('pending', 'transferred') OR p.deactivated_at = r.settled_at) AND p.created_at <= r.due_at)",
        "its purchase says something else",
    ),
    check(
        "pending_credits",
        NUMBER,
        "r.entry_seq IS NOT NULL AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.account_id = r.account_id \
         AND e.seq = r.entry_seq AND e.kind = 'credit' AND e.balance_delta = r.credits AND e.at >= r.due_at \
         AND (r.state <> 'transferred' OR e.at = r.settled_at))",
        "its entry is gone or another one",
    ),
    check(
        "gifts",
        NUMBER,
        "r.credits <= 0 OR r.number <= 0 OR r.paid <= 0 OR (r.deactivated_at IS NULL) <> (r.deactivated_by IS NULL) \
         OR (r.deactivated_by IS NULL AND r.deactivated_why IS NOT NULL) \
         OR (r.paid IS NULL) <> (r.paid_currency IS NULL) OR (r.paid IS NULL) <> (r.paid_exponent IS NULL)",
        "its state is not one that there is",
    ),
    check(
        "gifts",
        NUMBER,
        "NOT EXISTS (SELECT 1 FROM entries e WHERE e.account_id = r.account_id AND e.seq = r.entry_seq \
         AND e.kind = 'gift' AND e.balance_delta = r.credits AND e.at = r.created_at AND e.actor = r.created_by \
         AND COALESCE(e.reference, '') = COALESCE(r.reference, '') \
         AND COALESCE(e.description, '') = COALESCE(r.description, '') \
         AND COALESCE(e.metadata, '') = COALESCE(r.metadata, ''))",
        "its entry is gone or another one",
    ),
    check(
        "gifts",
        NUMBER,
        "NOT EXISTS (SELECT 1 FROM intents i WHERE i.account_id = r.account_id AND i.subject = r.number \
         AND i.operation = 'gift-grant' AND i.state = 'applied' AND i.first_seq = r.entry_seq)",
        "nobody asked for it",
    ),
    check(
        "gifts",
        NUMBER,
        "(r.deactivated_at IS NOT NULL) <> EXISTS (SELECT 1 FROM intents i WHERE i.account_id = r.account_id \
         AND i.subject = r.number AND i.operation = 'gift-deactivate' AND i.state = 'applied' \
         AND (r.deactivated_at IS NULL OR i.actor = r.deactivated_by))",
        "it is not known who took it back",
    ),
    check(
        "suspensions",
        NUMBER,
        "(r.resumed_at IS NULL) <> (r.resumed_by IS NULL) OR r.number <= 0 \
         OR r.required <= 0 OR (r.resumed_at IS NULL) <> EXISTS (SELECT 1 FROM accounts a \
         WHERE a.id = r.account_id AND a.suspension = r.number)",
        "its state is not one that there is",
    ),
    check(
        "suspensions",
        NUMBER,
        "r.required IS NULL AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.account_id = r.account_id \
         AND o.command = 'suspend' AND o.at = r.suspended_at AND o.actor = r.suspended_by)",
        "nobody has suspended it",
    ),
    check(
        "suspensions",
        NUMBER,
        "r.required IS NOT NULL AND NOT EXISTS (SELECT 1 FROM intents i WHERE i.account_id = r.account_id \
         AND i.operation = 'charge' AND i.state = 'refused' AND i.reason = 'insufficient_balance' \
         AND i.actor = r.suspended_by)",
        "no charge has suspended it",
    ),
    check(
        "accounts",
        "r.user_id",
        "r.suspension IS NOT NULL AND NOT EXISTS (SELECT 1 FROM suspensions s WHERE s.account_id = r.id \
         AND s.number = r.suspension AND s.resumed_at IS NULL)",
        "its suspension is not in the log",
    ),
    check(
        "accounts",
        "r.user_id",
        "r.low_balance_threshold < 0 OR r.charges_per_minute <= 0 OR r.spend_per_day <= 0 OR r.revision < 0 \
         OR r.exponent NOT BETWEEN 0 AND 12 OR EXISTS (SELECT 1 FROM currencies c WHERE c.code = r.currency \
         AND c.exponent <> r.exponent)",
        "its settings are not such as there are",
    ),
    check(
        "accounts",
        "r.user_id",
        "r.revision <> (SELECT COUNT(*) FROM operations o WHERE o.account_id = r.id \
         AND o.command IN ('account lock', 'account unlock', 'account close', 'account set')) \
         + (SELECT COUNT(*) FROM suspensions s WHERE s.account_id = r.id) \
         + (SELECT COUNT(*) FROM suspensions s WHERE s.account_id = r.id AND s.resumed_at IS NOT NULL)",
        "its settings have been changed another number of times than is recorded",
    ),
    check(
        "accounts",
        "r.user_id",
        "r.closed AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.account_id = r.id AND o.command = 'account close') \
         OR NOT r.closed AND EXISTS (SELECT 1 FROM operations o WHERE o.account_id = r.id AND o.command = 'account close')",
        "whether it is closed is not what is recorded",
    ),
    check(
        "accounts",
        "r.user_id",
        // They take turns, in whatever order the clocks of several hosts have put them.
        "r.locked <> ((SELECT COUNT(*) FROM operations o WHERE o.account_id = r.id AND o.command = 'account lock') \
         > (SELECT COUNT(*) FROM operations o WHERE o.account_id = r.id AND o.command = 'account unlock'))",
        "whether it is locked is not what is recorded",
    ),
    check(
        "suspensions",
        NUMBER,
        "r.required IS NULL AND r.resumed_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM operations o \
         WHERE o.account_id = r.account_id AND o.command = 'resume' AND o.at = r.resumed_at \
         AND o.actor = r.resumed_by)",
        "nobody has ended it so",
    ),
    check(
        "gifts",
        NUMBER,
        "EXISTS (SELECT 1 FROM intents i JOIN entries e ON e.account_id = i.account_id AND e.seq = i.first_seq \
         WHERE i.account_id = r.account_id AND i.subject = r.number AND i.operation = 'gift-deactivate' \
         AND i.state = 'applied' AND e.at <> r.deactivated_at)",
        "it was taken back at another time",
    ),
    check(
        "recurring_charges",
        NUMBER,
        "r.number <= 0 OR r.amount <= 0 OR (r.cancelled_at IS NULL) <> (r.cancelled_by IS NULL) \
         OR (r.cancelled_at IS NULL AND r.cancelled_why IS NOT NULL) \
         OR (r.cancelled_at IS NOT NULL AND r.next_on IS NOT NULL)",
        "its state is not one that there is",
    ),
    check(
        "proofs",
        "CAST(r.seq AS TEXT)",
        "NOT EXISTS (SELECT 1 FROM job_runs j WHERE j.id = r.run_id)",
        "no run has proven it",
    ),
];

/// Every answer that the tables give for accounts with ids in `first..=last`.
pub fn doubts(db: &mut Db, first: i64, last: i64) -> Result<Vec<Doubt>, DbError> {
    let mut doubts = Vec::new();
    for Check {
        table,
        record,
        wrong,
        what,
    } in CHECKS
    {
        let id = if table == "accounts" { "r.id" } else { "r.account_id" };
        let select = format!("SELECT {id}, {record} FROM {table} r WHERE {id} BETWEEN ? AND ? AND ({wrong})");
        let rows: Vec<(AccountId, String)> = db.rows(&sql_of_accounts(&select, (first, last)))?;
        doubts.extend(rows.into_iter().map(|(account, record)| Doubt {
            account,
            table,
            record,
            what,
        }));
    }
    Ok(doubts)
}
