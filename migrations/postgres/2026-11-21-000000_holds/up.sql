-- Holds, suspensions, alerts, and the findings of `ledger health` for people who read SQL.

-- The number of the active suspension, under the same lock and revision as the other settings.
ALTER TABLE accounts ADD COLUMN suspension BIGINT CHECK (suspension > 0);

-- Money set aside, and what became of it.
CREATE TABLE holds (
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    number BIGINT NOT NULL CHECK (number > 0),
    amount BIGINT NOT NULL CHECK (amount > 0),
    remaining BIGINT NOT NULL CHECK (remaining >= 0),
    committed BIGINT NOT NULL CHECK (committed >= 0),
    released BIGINT NOT NULL CHECK (released >= 0),
    status TEXT NOT NULL,
    service TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    finished_at BIGINT,
    entry_seq BIGINT NOT NULL,
    reference TEXT,
    description TEXT,
    metadata TEXT,
    PRIMARY KEY (account_id, number),
    CONSTRAINT holds_parts CHECK (amount = remaining + committed + released),
    -- A hold is open while something is left of it, and ends once.
    CONSTRAINT holds_end CHECK (CASE status
        WHEN 'open' THEN remaining > 0 AND finished_at IS NULL
        ELSE status IN ('committed', 'refunded', 'expired') AND remaining = 0 AND finished_at IS NOT NULL END)
);

CREATE INDEX holds_open ON holds (account_id, number) WHERE status = 'open';

CREATE INDEX holds_due ON holds (expires_at) WHERE status = 'open' AND expires_at IS NOT NULL;

CREATE INDEX recharges_due ON recharges (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;

-- What an entry has given back so far is found by what it reverses.
CREATE INDEX entries_reversals ON entries (account_id, reverses) WHERE reverses IS NOT NULL;

-- The suspension log; one line of an account may be without its end.
CREATE TABLE suspensions (
    account_id BIGINT NOT NULL REFERENCES accounts (id),
    number BIGINT NOT NULL CHECK (number > 0),
    reason TEXT NOT NULL,
    suspended_at BIGINT NOT NULL,
    suspended_by TEXT NOT NULL,
    balance BIGINT NOT NULL,
    required BIGINT CHECK (required > 0),
    resumed_at BIGINT,
    resumed_by TEXT,
    PRIMARY KEY (account_id, number),
    CONSTRAINT suspensions_end CHECK ((resumed_at IS NULL) = (resumed_by IS NULL))
);

CREATE UNIQUE INDEX suspensions_active ON suspensions (account_id) WHERE resumed_at IS NULL;

-- What a person has to look at; opened once per cause. Account 0 is the ledger as a whole.
CREATE TABLE alerts (
    account_id BIGINT NOT NULL,
    id TEXT NOT NULL,
    cause TEXT NOT NULL,
    severity TEXT NOT NULL CHECK (severity IN ('WARNING', 'CRITICAL')),
    message TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    closed_at BIGINT,
    acknowledged_at BIGINT,
    acknowledged_by TEXT,
    PRIMARY KEY (account_id, id)
);

CREATE UNIQUE INDEX alerts_open ON alerts (account_id, cause) WHERE closed_at IS NULL;

-- What `ledger health` reports. A held figure that is not what the open holds come to is repaired from the entries;
-- everything CRITICAL waits for a person.
CREATE VIEW health_findings AS
WITH open_holds AS (
    SELECT account_id, CAST(SUM(remaining) AS BIGINT) AS remaining FROM holds WHERE status = 'open' GROUP BY account_id
), figures AS (
    SELECT a.id AS account_id, a.user_id, a.currency, b.balance, b.held, b.debt,
        COALESCE(h.remaining, 0) AS open_holds,
        COALESCE((SELECT e.held_after FROM entries e WHERE e.account_id = a.id ORDER BY e.seq DESC LIMIT 1), 0)
            AS held_by_entries
    FROM accounts a JOIN balances b ON b.account_id = a.id LEFT JOIN open_holds h ON h.account_id = a.id
)
SELECT account_id, user_id, currency, 'CRITICAL' AS severity, 'negative_balance' AS finding,
    balance AS stored, CAST(0 AS BIGINT) AS expected FROM figures WHERE balance < 0
UNION ALL
SELECT account_id, user_id, currency, 'CRITICAL', 'negative_held', held, 0 FROM figures WHERE held < 0
UNION ALL
SELECT account_id, user_id, currency, 'CRITICAL', 'negative_debt', debt, 0 FROM figures WHERE debt < 0
UNION ALL
SELECT account_id, user_id, currency, 'CRITICAL', 'holds_not_covered', held_by_entries, open_holds FROM figures
WHERE held_by_entries <> open_holds
UNION ALL
SELECT account_id, user_id, currency, 'WARNING', 'held_differs', held, open_holds FROM figures
WHERE held <> open_holds AND held >= 0 AND held_by_entries = open_holds;
