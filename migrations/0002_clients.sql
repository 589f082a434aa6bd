-- Registered applications and resource servers.

CREATE TABLE clients (
    -- Tokens name this id, so a client id that is deleted and made again revives nothing.
    id uuid PRIMARY KEY,
    client_id text COLLATE "C" NOT NULL UNIQUE CHECK (client_id ~ '^[!-~]{1,255}$'),
    name text NOT NULL,
    auth_method text NOT NULL CHECK (auth_method IN ('any', 'basic', 'post', 'none')),
    -- SHA-256 of the secret, and of the one before it while both are valid.
    secret_hash bytea CHECK (octet_length(secret_hash) = 32),
    previous_secret_hash bytea CHECK (octet_length(previous_secret_hash) = 32),
    grant_types text[] NOT NULL,
    redirect_uris text[] NOT NULL DEFAULT '{}',
    post_logout_redirect_uris text[] NOT NULL DEFAULT '{}',
    backchannel_logout_uri text,
    scope text[] NOT NULL DEFAULT '{}',
    audiences text[] NOT NULL DEFAULT '{}',
    introspects text NOT NULL DEFAULT 'audience' CHECK (introspects IN ('own', 'audience', 'any')),
    revokes text NOT NULL DEFAULT 'token' CHECK (revokes IN ('token', 'grant')),
    first_party boolean NOT NULL DEFAULT false,
    rotation boolean NOT NULL DEFAULT true,
    retry_window_seconds integer NOT NULL DEFAULT 30 CHECK (retry_window_seconds BETWEEN 0 AND 3600),
    -- Adding one ends everything that was issued to the client.
    epoch bigint NOT NULL DEFAULT 1,
    disabled_at timestamptz,
    -- The last end, by whom and why.
    ended_at timestamptz,
    ended_reason text,
    ended_by text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((auth_method = 'none') = (secret_hash IS NULL)),
    CHECK (secret_hash IS NOT NULL OR previous_secret_hash IS NULL)
);

-- A row that is put back after it was deleted, the same id and all, revives nothing: a new row's
-- epoch is one that no older row had.
CREATE FUNCTION begin_client() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.epoch := greatest(
        NEW.epoch, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    RETURN NEW;
END
$$;
CREATE TRIGGER begin BEFORE INSERT ON clients FOR EACH ROW EXECUTE FUNCTION begin_client();

-- What was alive before an end stays dead: an epoch never goes back, and disabling adds to it.
CREATE FUNCTION guard_client() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'a client keeps its id' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.epoch < OLD.epoch THEN
        RAISE EXCEPTION 'a client''s epoch never goes back'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.disabled_at IS NOT NULL AND OLD.disabled_at IS NULL AND NEW.epoch = OLD.epoch THEN
        NEW.epoch := OLD.epoch + 1;
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER guard BEFORE UPDATE ON clients FOR EACH ROW EXECUTE FUNCTION guard_client();

CREATE FUNCTION log_client() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM append_revocation('client', OLD.id, NULL, true,
            coalesce(stated_cause('reason'), 'client deleted'), stated_cause('actor'));
    ELSIF NEW.ended_at IS DISTINCT FROM OLD.ended_at THEN
        PERFORM append_revocation('client', NEW.id, NULL, true, NEW.ended_reason, NEW.ended_by);
    ELSE
        PERFORM append_revocation('client', NEW.id, NULL, NEW.epoch <> OLD.epoch,
            stated_cause('reason'), stated_cause('actor'));
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER log AFTER UPDATE OR DELETE ON clients
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_client();

CREATE FUNCTION log_everything() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM append_revocation('everything', NULL, NULL, true,
        TG_TABLE_NAME || ' truncated', 'sql:' || session_user);
    RETURN NULL;
END
$$;
CREATE TRIGGER log_truncate AFTER TRUNCATE ON clients
    FOR EACH STATEMENT EXECUTE FUNCTION log_everything();
