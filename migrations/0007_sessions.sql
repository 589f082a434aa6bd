-- Logins: one on each browser or device.

CREATE TABLE sessions (
    -- The sid of ID tokens.
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    -- The user's epoch, as it was read with the password hash that the login rested on.
    user_epoch bigint NOT NULL,
    -- SHA-256 of the secret in the browser's cookie; replaced at each login.
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    -- That of the cookie before it, until the browser has used the new one.
    previous_secret_hash bytea CHECK (octet_length(previous_secret_hash) = 32),
    -- How the person logged in (RFC 8176).
    amr text[] NOT NULL,
    -- The browser's words for itself, and where it was last used.
    user_agent text,
    address text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When the person last proved who it is (auth_time).
    authenticated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    idle_expires_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_reason text,
    revoked_by text,
    -- Ending again writes again, so that its answer rests on a commit of its own.
    revocations integer NOT NULL DEFAULT 0
) WITH (fillfactor = 80);
CREATE INDEX sessions_user_id ON sessions (user_id);
-- What housekeeping goes by; neither changes when a session is used.
CREATE INDEX sessions_expires_at ON sessions (expires_at);
CREATE INDEX sessions_revoked_at ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

-- A row that is put back after it was deleted revives nothing: its id, a UUIDv7 (RFC 9562 §5.7),
-- says when it was made, and rows are made when their ids are.
CREATE FUNCTION begin_by_id() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    made_at timestamptz := to_timestamp(
        ('x' || translate(substr(NEW.id::text, 1, 13), '-', ''))::bit(48)::bigint / 1000.0);
BEGIN
    IF made_at NOT BETWEEN clock_timestamp() - interval '1 hour'
                       AND clock_timestamp() + interval '1 hour' THEN
        RAISE EXCEPTION 'the id % was not made now: % has only new rows', NEW.id, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER begin BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION begin_by_id();

-- The condition is the trigger's (WHEN), so that it costs a use of the session nothing.
CREATE FUNCTION refuse_revival() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'what has ended stays ended: % in %', OLD.id, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER guard BEFORE UPDATE ON sessions FOR EACH ROW
    WHEN (NEW.id <> OLD.id OR NEW.user_id <> OLD.user_id OR NEW.user_epoch <> OLD.user_epoch
          OR OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL)
    EXECUTE FUNCTION refuse_revival();

CREATE FUNCTION log_session() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM append_revocation('session', OLD.id, NULL, true,
            coalesce(stated_cause('reason'), 'session deleted'), stated_cause('actor'));
    ELSE
        PERFORM append_revocation('session', NEW.id, NULL, true,
            NEW.revoked_reason, NEW.revoked_by);
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER log AFTER UPDATE ON sessions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.revocations <> OLD.revocations OR NEW.revoked_at IS DISTINCT FROM OLD.revoked_at
          OR NEW.expires_at < OLD.expires_at)
    EXECUTE FUNCTION log_session();
-- Removing one that had ended, or expired by itself an hour ago, ends nothing.
CREATE CONSTRAINT TRIGGER log_delete AFTER DELETE ON sessions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND OLD.expires_at + interval '1 hour' > clock_timestamp())
    EXECUTE FUNCTION log_session();
CREATE TRIGGER log_truncate AFTER TRUNCATE ON sessions
    FOR EACH STATEMENT EXECUTE FUNCTION log_everything();
