DROP INDEX intents_subject;
