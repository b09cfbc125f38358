-- Where the extension Citus is installed: what belongs to an account goes to the shard of its account, small lists go
-- to every node. Elsewhere this does nothing. Tables of later migrations are distributed by those.
DO $$
DECLARE
    growing REGCLASS[];
    small REGCLASS[];
    references_again TEXT[];
    item RECORD;
    step TEXT;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        RETURN;
    END IF;
    -- The triggers look at nothing but the row; with references to small lists, shards are made one after the other.
    PERFORM set_config('citus.enable_unsafe_triggers', 'on', true);
    PERFORM set_config('citus.multi_shard_modify_mode', 'sequential', true);

    -- The balance rows come first: the other tables are colocated with them.
    SELECT array_agg(c.oid::REGCLASS ORDER BY c.relname <> 'balances', c.relname) FILTER (WHERE a.attname IS NOT NULL),
        array_agg(c.oid::REGCLASS ORDER BY c.relname) FILTER (WHERE a.attname IS NULL)
    INTO growing, small
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'account_id'
    WHERE c.relnamespace = current_schema()::REGNAMESPACE AND c.relkind = 'r' AND c.relname NOT LIKE '\_\_%'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e');

    -- A table cannot refer to one that is distributed differently, not even for a moment.
    FOR item IN
        SELECT conrelid::REGCLASS AS child, conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
        WHERE conrelid = ANY (growing) AND contype = 'f' ORDER BY conrelid::REGCLASS::TEXT, conname
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', item.child, item.conname);
        references_again := references_again
            || format('ALTER TABLE %s ADD CONSTRAINT %I %s', item.child, item.conname, item.definition);
    END LOOP;
    FOR item IN SELECT unnest(small) AS name LOOP
        PERFORM create_reference_table(item.name);
    END LOOP;
    FOR item IN SELECT name, position FROM unnest(growing) WITH ORDINALITY AS tables (name, position) LOOP
        PERFORM create_distributed_table(
            item.name, 'account_id', colocate_with => CASE item.position WHEN 1 THEN 'none' ELSE growing[1]::TEXT END
        );
    END LOOP;
    FOREACH step IN ARRAY references_again LOOP
        EXECUTE step;
    END LOOP;
END $$;
