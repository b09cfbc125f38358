ALTER TABLE entries ADD CONSTRAINT entries_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts (id);

ALTER TABLE intents ALTER COLUMN idempotency_key TYPE TEXT COLLATE "default";

DROP INDEX intents_subject;
CREATE INDEX intents_subject ON intents (account_id, subject, operation, state, first_seq, last_seq)
    WHERE subject IS NOT NULL;

ALTER TABLE intents DROP CONSTRAINT intents_outcome;
ALTER TABLE intents ADD CONSTRAINT intents_outcome CHECK (CASE state
    WHEN 'pending' THEN num_nonnulls(first_seq, last_seq, reason) = 0
    WHEN 'applied' THEN reason IS NULL AND num_nonnulls(first_seq, last_seq) <> 1
    ELSE state IN ('refused', 'failed') AND reason IS NOT NULL AND num_nonnulls(first_seq, last_seq) = 0
END AND attempt > 0);

DROP FUNCTION intent_is_sound;

CREATE OR REPLACE FUNCTION entry_is_sound(
    kind TEXT, seq BIGINT, reverses BIGINT, balance_delta BIGINT, held_delta BIGINT, debt_delta BIGINT,
    balance_after BIGINT, held_after BIGINT, debt_after BIGINT, hash BYTEA
) RETURNS BOOLEAN LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    -- The figures are never negative, neither after the entry nor before it, and the first starts from nothing.
    RETURN seq > 0 AND octet_length(hash) = 32
    AND (reverses IS NULL OR (reverses > 0 AND reverses < seq))
    AND balance_after >= 0 AND held_after >= 0 AND debt_after >= 0
    AND balance_after - balance_delta >= 0 AND held_after - held_delta >= 0 AND debt_after - debt_delta >= 0
    AND (seq > 1 OR (balance_after = balance_delta AND held_after = held_delta AND debt_after = debt_delta))
    AND CASE kind
        WHEN 'recharge' THEN balance_delta > 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'service_fee' THEN balance_delta < 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'refund' THEN balance_delta > 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'adjustment' THEN balance_delta <> 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'penalty' THEN balance_delta < 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'freeze' THEN balance_delta < 0 AND held_delta = -balance_delta AND debt_delta = 0
        WHEN 'commit' THEN balance_delta = 0 AND held_delta < 0 AND debt_delta = 0
        WHEN 'release' THEN balance_delta > 0 AND held_delta = -balance_delta AND debt_delta = 0
        WHEN 'credit' THEN balance_delta > 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'gift' THEN balance_delta > 0 AND held_delta = 0 AND debt_delta = 0
        WHEN 'clawback' THEN balance_delta <= 0 AND held_delta = 0 AND debt_delta >= 0 AND balance_delta - debt_delta < 0
        WHEN 'debt_recovery' THEN balance_delta < 0 AND held_delta = 0 AND debt_delta = balance_delta
        ELSE false END;
END $$;
