-- Brings every table back to the coordinator, those that refer to each other together.
DO $$
DECLARE
    name TEXT;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        RETURN;
    END IF;
    FOR name IN
        SELECT c.relname FROM pg_class c JOIN pg_dist_partition p ON p.logicalrelid = c.oid
        WHERE c.relnamespace = current_schema()::REGNAMESPACE ORDER BY c.relname
    LOOP
        IF EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass(name)) THEN
            PERFORM undistribute_table(to_regclass(name), cascade_via_foreign_keys => true);
        END IF;
    END LOOP;
END $$;
