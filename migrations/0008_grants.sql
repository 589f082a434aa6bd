-- What one client may do for one login: the family of tokens that hangs on it.

CREATE TABLE grants (
    id uuid PRIMARY KEY,
    client uuid NOT NULL,
    client_epoch bigint NOT NULL,
    user_id uuid NOT NULL,
    user_epoch bigint NOT NULL,
    session uuid NOT NULL,
    -- True: it outlives its session (offline_access). False: it ends with it.
    is_offline boolean NOT NULL,
    scope text[] NOT NULL,
    audiences text[] NOT NULL,
    -- The number of the refresh token that is valid; it goes up by one with each rotation.
    generation bigint NOT NULL DEFAULT 1,
    -- The secret that this refresh token is signed under, so that a retry gets the same one.
    key_id smallint NOT NULL,
    -- When it last went up: the first use of the refresh token before it.
    rotated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- How often a client asked again for an answer that it had not received.
    retries bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- After this, it cannot be refreshed.
    idle_expires_at timestamptz NOT NULL,
    -- After this, nothing of it is alive.
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_reason text,
    revoked_by text,
    revocations integer NOT NULL DEFAULT 0
) WITH (fillfactor = 80);
CREATE INDEX grants_session ON grants (session);
CREATE INDEX grants_user_id ON grants (user_id) WHERE is_offline;
-- No index has a column that a rotation changes, so that it stays a HOT update.
CREATE INDEX grants_expires_at ON grants (expires_at);
CREATE INDEX grants_revoked_at ON grants (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TRIGGER begin BEFORE INSERT ON grants FOR EACH ROW EXECUTE FUNCTION begin_by_id();

CREATE TRIGGER guard BEFORE UPDATE ON grants FOR EACH ROW
    WHEN (NEW.id <> OLD.id OR NEW.client <> OLD.client OR NEW.user_id <> OLD.user_id
          OR NEW.session <> OLD.session OR NEW.client_epoch <> OLD.client_epoch
          OR NEW.user_epoch <> OLD.user_epoch OR NEW.is_offline <> OLD.is_offline
          OR NEW.generation NOT IN (OLD.generation, OLD.generation + 1)
          OR OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL)
    EXECUTE FUNCTION refuse_revival();

CREATE FUNCTION log_grant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM append_revocation('grant', OLD.id, NULL, true,
            coalesce(stated_cause('reason'), 'grant deleted'), stated_cause('actor'));
    ELSE
        PERFORM append_revocation('grant', NEW.id, NULL, true,
            NEW.revoked_reason, NEW.revoked_by);
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER log AFTER UPDATE ON grants DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.revocations <> OLD.revocations OR NEW.revoked_at IS DISTINCT FROM OLD.revoked_at
          OR NEW.expires_at <> OLD.expires_at OR NEW.scope <> OLD.scope
          OR NEW.audiences <> OLD.audiences)
    EXECUTE FUNCTION log_grant();
CREATE CONSTRAINT TRIGGER log_delete AFTER DELETE ON grants
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND OLD.expires_at + interval '1 hour' > clock_timestamp())
    EXECUTE FUNCTION log_grant();
CREATE TRIGGER log_truncate AFTER TRUNCATE ON grants
    FOR EACH STATEMENT EXECUTE FUNCTION log_everything();
