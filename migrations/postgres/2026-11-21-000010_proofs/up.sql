-- What a pass of `ledger verify-sync` has proven of an account: through which entry, and what the entries came to there.
-- It refers to nothing: where an account or its entries are gone, it is what is left of them.
-- Every row may be moved every night: the free half of each page takes the new versions.
CREATE TABLE proofs (
    account_id BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL CHECK (seq >= 0),
    balance BIGINT NOT NULL,
    held BIGINT NOT NULL,
    debt BIGINT NOT NULL,
    total_recharged BIGINT NOT NULL,
    total_spent BIGINT NOT NULL,
    chain_head BYTEA NOT NULL CHECK (octet_length(chain_head) = 32),
    proven_at BIGINT NOT NULL,
    run_id TEXT NOT NULL
) WITH (fillfactor = 50);
