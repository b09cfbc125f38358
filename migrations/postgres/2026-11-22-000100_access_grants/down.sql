DROP INDEX intents_access;
DROP TABLE access_grants;
