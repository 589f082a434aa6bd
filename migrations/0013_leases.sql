-- Leases: a node answers only while it holds one, and a revocation is acknowledged once every node
-- has applied it or has no lease left that is older than it (docs/promise.md).

-- How long this node's leases are, and the number up to which it has applied the log.
ALTER TABLE nodes
    ADD COLUMN lease_ms integer NOT NULL DEFAULT 250 CHECK (lease_ms > 0),
    ADD COLUMN applied bigint NOT NULL DEFAULT 0;
-- A row is written at every poll; none of what changes is in an index, so it stays a HOT update.
ALTER TABLE nodes SET (fillfactor = 50);

-- The timeline that the log was last written on, and since when: for a while after a promotion,
-- nodes may hold leases of the primary before.
ALTER TABLE revocation_clock
    ADD COLUMN timeline integer,
    ADD COLUMN timeline_since timestamptz;

-- As before, and now it keeps the timeline, and tells the nodes to look.
CREATE OR REPLACE FUNCTION append_revocation(
    kind text, subject uuid, key_id smallint, is_end boolean, reason text, actor text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    next_number bigint;
    present integer := ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer;
BEGIN
    UPDATE revocation_clock SET
        last_number = last_number + 1,
        timeline = present,
        timeline_since =
            CASE WHEN timeline = present THEN timeline_since ELSE clock_timestamp() END
        RETURNING last_number INTO STRICT next_number;
    INSERT INTO revocations (number, kind, subject, key_id, is_end, reason, actor)
        VALUES (next_number, kind, subject, key_id, is_end,
                coalesce(reason, 'changed in SQL'), coalesce(actor, 'sql:' || session_user));
    -- A hint alone: who misses it looks a moment later. Many of one transaction are one.
    PERFORM pg_notify('doornail_revocations', '');
END
$$;

-- A login whose idle time is made shorter ends sooner than nodes may remember.
DROP TRIGGER log ON sessions;
CREATE CONSTRAINT TRIGGER log AFTER UPDATE ON sessions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.revocations <> OLD.revocations OR NEW.revoked_at IS DISTINCT FROM OLD.revoked_at
          OR NEW.expires_at < OLD.expires_at OR NEW.idle_expires_at < OLD.idle_expires_at)
    EXECUTE FUNCTION log_session();
