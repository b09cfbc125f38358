-- Which intents have made or moved a record; plain charges are not in it and pay nothing for it.
CREATE INDEX intents_subject ON intents (account_id, subject) WHERE subject IS NOT NULL;
