-- Roles of a ledger in PostgreSQL. Run it as a superuser, and again after each `ledger migrate up`:
--   ledger roles sql | psql --single-transaction -v ON_ERROR_STOP=1 DATABASE
-- Then let people and programs in, each with the least that will do:
--   CREATE ROLE alice LOGIN PASSWORD '...' IN ROLE {auditor};
--
-- {auditor} reads everything and writes nothing.
-- {operator} does every money operation and every job. It can append to the journal and to the log of operations, and
--   neither change nor delete what stands there, nor touch triggers, tables or the schema.
-- {admin} owns the tables: it migrates, and could do anything to them.
DO $roles$
DECLARE
    of_ledger TEXT;
    found RECORD;
BEGIN
    FOREACH of_ledger IN ARRAY ARRAY['{auditor}', '{operator}', '{admin}'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = of_ledger) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', of_ledger);
        END IF;
    END LOOP;

    FOR found IN
        SELECT c.relname AS name, c.relkind = 'v' AS is_view FROM pg_class c
        WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind IN ('r', 'p', 'v')
        AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
    LOOP
        EXECUTE format('ALTER %s {schema}.%I OWNER TO {admin}', CASE WHEN found.is_view THEN 'VIEW' ELSE 'TABLE' END, found.name);
        EXECUTE format('REVOKE ALL ON {schema}.%I FROM PUBLIC, {auditor}, {operator}', found.name);
        EXECUTE format('GRANT SELECT ON {schema}.%I TO {auditor}, {operator}', found.name);
        IF found.is_view OR found.name = '__diesel_schema_migrations' THEN
            CONTINUE;
        END IF;
        EXECUTE format('GRANT INSERT ON {schema}.%I TO {operator}', found.name);
        -- What may only be appended to is not in it.
        IF found.name NOT IN ('entries', 'operations') THEN
            EXECUTE format('GRANT UPDATE ON {schema}.%I TO {operator}', found.name);
        END IF;
        -- What has been told is forgotten in time; a balance row that no account stands for is taken away.
        IF found.name IN ('balances', 'deliveries', 'outbox') THEN
            EXECUTE format('GRANT DELETE ON {schema}.%I TO {operator}', found.name);
        END IF;
    END LOOP;

    FOR found IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p WHERE p.pronamespace = '{schema}'::regnamespace
        AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO {admin}', found.name);
    END LOOP;
END
$roles$;

REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC;
GRANT USAGE ON SCHEMA {schema} TO {auditor}, {operator};
GRANT USAGE, CREATE ON SCHEMA {schema} TO {admin};
