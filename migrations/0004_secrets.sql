-- The server's secrets, by fingerprint: a key id is given out here and never used twice.

CREATE TABLE secrets (
    key_id smallint PRIMARY KEY CHECK (key_id BETWEEN 1 AND 255),
    fingerprint bytea NOT NULL UNIQUE CHECK (octet_length(fingerprint) = 32),
    added_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retired_at timestamptz,
    retired_reason text,
    retired_by text,
    -- Retiring again writes again, so that its answer rests on a commit of its own.
    retirements integer NOT NULL DEFAULT 0
);

CREATE FUNCTION guard_secret() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.key_id = OLD.key_id AND NEW.fingerprint = OLD.fingerprint
            AND (OLD.retired_at IS NULL OR NEW.retired_at IS NOT NULL)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a secret keeps its key id, stays retired, and is never deleted'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON secrets
    FOR EACH ROW EXECUTE FUNCTION guard_secret();
CREATE TRIGGER guard_table BEFORE TRUNCATE ON secrets
    FOR EACH STATEMENT EXECUTE FUNCTION guard_secret();

CREATE FUNCTION log_secret() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM append_revocation('secret', NULL, NEW.key_id, NEW.retired_at IS NOT NULL,
        NEW.retired_reason, NEW.retired_by);
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER log AFTER UPDATE ON secrets
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_secret();

-- A running server: which secrets it holds, and when it last said so. A node signs under a new
-- secret only once every node lists it.
CREATE TABLE nodes (
    id uuid PRIMARY KEY,
    key_ids smallint[] NOT NULL,
    version text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    renewed_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
