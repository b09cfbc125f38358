-- Makes every table that is led by an account a table of hash partitions, with the same columns, checks, keys, foreign
-- keys, indexes, triggers and views, each under its own name: what a server that shards by account makes of them.
CREATE SCHEMA partitions;

DO $$
DECLARE
    growing REGCLASS[];
    again TEXT[];
    step TEXT;
    plain RECORD;
BEGIN
    SELECT array_agg(c.oid::REGCLASS ORDER BY c.relname) INTO growing
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id'
    WHERE c.relnamespace = 'public'::REGNAMESPACE AND c.relkind = 'r';

    -- What goes with the tables, in the order in which it comes again: keys, other indexes, what refers to keys,
    -- triggers, views.
    SELECT array_agg(definition ORDER BY rank, definition) INTO again FROM (
        SELECT CASE contype WHEN 'f' THEN 3 ELSE 1 END AS rank,
            format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::REGCLASS, conname, pg_get_constraintdef(oid))
                AS definition
        FROM pg_constraint WHERE conrelid = ANY (growing) AND contype IN ('p', 'u', 'f')
        UNION ALL
        SELECT 2, pg_get_indexdef(indexrelid) FROM pg_index i
        WHERE indrelid = ANY (growing) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
        UNION ALL
        SELECT 4, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = ANY (growing) AND NOT tgisinternal
        UNION ALL
        SELECT 5, format('CREATE VIEW %s AS %s', oid::REGCLASS, pg_get_viewdef(oid)) FROM pg_class
        WHERE relnamespace = 'public'::REGNAMESPACE AND relkind = 'v'
    ) definitions;

    FOR plain IN SELECT oid, relname, array_to_string(reloptions, ', ') AS options FROM pg_class WHERE oid = ANY (growing)
    LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO plain', plain.relname);
        EXECUTE format(
            'CREATE TABLE %I (LIKE plain INCLUDING ALL EXCLUDING INDEXES) PARTITION BY HASH (account_id)', plain.relname
        );
        FOR part IN 0..3 LOOP
            EXECUTE format(
                'CREATE TABLE partitions.%I PARTITION OF %I FOR VALUES WITH (MODULUS 4, REMAINDER %s) %s',
                plain.relname || '_' || part, plain.relname, part, 'WITH (' || plain.options || ')'
            );
        END LOOP;
        EXECUTE format('INSERT INTO %I SELECT * FROM plain', plain.relname);
        DROP TABLE plain CASCADE;
    END LOOP;

    FOREACH step IN ARRAY again LOOP
        EXECUTE step;
    END LOOP;
END $$;
