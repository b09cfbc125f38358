DROP INDEX intents_subject;
CREATE INDEX intents_subject ON intents (account_id, subject) WHERE subject IS NOT NULL;
