-- What this program calls and reads of Citus, in a database that has not got it: it does nothing but remember.
-- Shapes as documented for Citus 13.
CREATE SCHEMA citus_stub;

CREATE TABLE citus_stub.calls (number SERIAL, call TEXT);

CREATE TABLE citus_stub.pg_dist_node (
    nodename TEXT, noderole TEXT DEFAULT 'primary', isactive BOOLEAN DEFAULT true, shouldhaveshards BOOLEAN DEFAULT true
);

INSERT INTO citus_stub.pg_dist_node (nodename, shouldhaveshards)
VALUES ('coordinator', false), ('worker-1', true), ('worker-2', true);

CREATE TABLE citus_stub.pg_dist_partition (logicalrelid REGCLASS, partmethod "char", partkey TEXT, colocationid INT);

CREATE FUNCTION citus_stub.column_to_column_name(table_name REGCLASS, column_var_text TEXT) RETURNS TEXT
LANGUAGE sql AS 'SELECT column_var_text';

CREATE FUNCTION citus_stub.create_reference_table(table_name REGCLASS) RETURNS VOID LANGUAGE sql AS $$
    INSERT INTO citus_stub.calls (call) VALUES ('reference ' || table_name);
    INSERT INTO citus_stub.pg_dist_partition VALUES (table_name, 'n', NULL, 1);
$$;

-- As Citus does, it refuses triggers unless told otherwise, and what refers to a table that is not distributed yet.
CREATE FUNCTION citus_stub.create_distributed_table(
    table_name REGCLASS, distribution_column TEXT, distribution_type TEXT DEFAULT 'hash',
    colocate_with TEXT DEFAULT 'default', shard_count INT DEFAULT NULL
) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = table_name AND NOT tgisinternal)
        AND current_setting('citus.enable_unsafe_triggers', true) IS DISTINCT FROM 'on' THEN
        RAISE 'triggers are not supported on distributed tables';
    END IF;
    IF EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND table_name IN (conrelid, confrelid)) THEN
        RAISE 'referenced table must be a distributed table or a reference table';
    END IF;
    INSERT INTO citus_stub.calls (call)
    VALUES (format('distributed %s by %s with %s', table_name, distribution_column, colocate_with));
    INSERT INTO citus_stub.pg_dist_partition VALUES (table_name, 'h', distribution_column, 2);
END $$;

CREATE FUNCTION citus_stub.undistribute_table(table_name REGCLASS, cascade_via_foreign_keys BOOLEAN DEFAULT false)
RETURNS VOID LANGUAGE sql AS $$
    DELETE FROM citus_stub.pg_dist_partition WHERE logicalrelid = table_name;
$$;

INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
VALUES (99999, 'citus', 10, 'pg_catalog'::REGNAMESPACE, false, '13.2-1');

DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, citus_stub', current_database()); END $$;
