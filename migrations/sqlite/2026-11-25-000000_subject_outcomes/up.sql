-- With what those intents did, so that a record is held against them without a look at each.
DROP INDEX intents_subject;
CREATE INDEX intents_subject ON intents (account_id, subject, operation, state, first_seq, last_seq)
    WHERE subject IS NOT NULL;
