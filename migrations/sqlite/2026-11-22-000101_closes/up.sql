-- What each audit has found the ledger to come to.

-- One row per audit and currency: few, and read by time, so not led by an account. Sums over many accounts may be
-- beyond 64 bits and stand as digits.
CREATE TABLE closes (
    until_at INTEGER NOT NULL,
    currency TEXT NOT NULL,
    exponent INTEGER NOT NULL,
    since_at INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    accounts INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    balance TEXT NOT NULL,
    held TEXT NOT NULL,
    debt TEXT NOT NULL,
    kinds TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (until_at, currency)
) STRICT, WITHOUT ROWID;

-- What the entries of an account that were made before until_at came to, and the last entry that there was then: what
-- has a higher number came later, whatever time it gives.
CREATE TABLE account_closes (
    account_id INTEGER NOT NULL PRIMARY KEY,
    until_at INTEGER NOT NULL,
    position INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    balance INTEGER NOT NULL,
    held INTEGER NOT NULL,
    debt INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
