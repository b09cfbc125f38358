-- What each audit has found the ledger to come to.

-- One row per audit and currency: few, and read by time, so not led by an account. Sums over many accounts may be
-- beyond 64 bits and stand as digits.
CREATE TABLE closes (
    until_at BIGINT NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    exponent BIGINT NOT NULL,
    since_at BIGINT NOT NULL,
    run_id TEXT NOT NULL,
    accounts BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    balance TEXT NOT NULL,
    held TEXT NOT NULL,
    debt TEXT NOT NULL,
    kinds TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (until_at, currency)
);

-- What the entries of an account that were made before until_at came to, and the last entry that there was then: what
-- has a higher number came later, whatever time it gives.
CREATE TABLE account_closes (
    account_id BIGINT NOT NULL PRIMARY KEY,
    until_at BIGINT NOT NULL,
    position BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    balance BIGINT NOT NULL,
    held BIGINT NOT NULL,
    debt BIGINT NOT NULL
);
