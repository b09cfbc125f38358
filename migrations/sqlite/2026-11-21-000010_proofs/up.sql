-- What a pass of `ledger verify-sync` has proven of an account: through which entry, and what the entries came to there.
-- It refers to nothing: where an account or its entries are gone, it is what is left of them.
CREATE TABLE proofs (
    account_id INTEGER NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL CHECK (seq >= 0),
    balance INTEGER NOT NULL,
    held INTEGER NOT NULL,
    debt INTEGER NOT NULL,
    total_recharged INTEGER NOT NULL,
    total_spent INTEGER NOT NULL,
    chain_head BLOB NOT NULL CHECK (length(chain_head) = 32),
    proven_at INTEGER NOT NULL,
    run_id TEXT NOT NULL
) STRICT;
