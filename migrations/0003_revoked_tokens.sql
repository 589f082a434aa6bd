-- Access tokens that were ended by themselves. A row is the end; it goes an hour after the token
-- would have expired.

CREATE TABLE revoked_tokens (
    id uuid PRIMARY KEY,
    client uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL,
    actor text NOT NULL,
    -- A token that is dead already is revoked again by a write, so that the answer rests on a
    -- commit of its own.
    times integer NOT NULL DEFAULT 1
);
CREATE INDEX revoked_tokens_expires_at ON revoked_tokens (expires_at);

CREATE FUNCTION guard_revoked_token() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.id = OLD.id AND NEW.client = OLD.client AND NEW.expires_at >= OLD.expires_at THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        IF OLD.expires_at + interval '1 hour' < clock_timestamp() THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'a revoked token stays revoked'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON revoked_tokens
    FOR EACH ROW EXECUTE FUNCTION guard_revoked_token();
CREATE TRIGGER guard_table BEFORE TRUNCATE ON revoked_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION guard_revoked_token();

CREATE FUNCTION log_revoked_token() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM append_revocation('token', NEW.id, NULL, true, NEW.reason, NEW.actor);
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER log AFTER INSERT OR UPDATE ON revoked_tokens
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_revoked_token();
