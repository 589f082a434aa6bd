-- People with a password, and what else the revocation log may name from here on.

ALTER TABLE revocations
    DROP CONSTRAINT revocations_kind_check,
    DROP CONSTRAINT revocations_check,
    -- What the subject is: a token, a grant, a login, a person, a client, a secret, or everything.
    ADD CONSTRAINT revocations_kind_check CHECK (
        kind IN ('token', 'grant', 'session', 'user', 'client', 'secret', 'everything')),
    ADD CONSTRAINT revocations_check CHECK (
        (subject IS NOT NULL) = (kind NOT IN ('secret', 'everything')));

CREATE TABLE users (
    -- The subject (sub) of tokens.
    id uuid PRIMARY KEY,
    username text COLLATE "C" NOT NULL CHECK (octet_length(username) BETWEEN 1 AND 255),
    -- The name in the one spelling that it is looked up by: lower case, NFC.
    username_key text COLLATE "C" NOT NULL UNIQUE,
    name text,
    email text,
    email_verified boolean NOT NULL DEFAULT false,
    -- scrypt, in PHC form.
    password_hash text NOT NULL CHECK (password_hash LIKE '$scrypt$%'),
    -- Adding one ends every login everywhere.
    epoch bigint NOT NULL DEFAULT 1,
    disabled_at timestamptz,
    -- The last end, by whom and why.
    ended_at timestamptz,
    ended_reason text,
    ended_by text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- As with clients: a row that is put back after it was deleted revives nothing.
CREATE TRIGGER begin BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION begin_client();

-- What was alive before an end stays dead: an epoch never goes back; disabling and another password
-- add to it.
CREATE FUNCTION guard_user() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'a user keeps the id' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.epoch < OLD.epoch THEN
        RAISE EXCEPTION 'a user''s epoch never goes back'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.epoch = OLD.epoch AND (
        NEW.password_hash <> OLD.password_hash
        OR NEW.disabled_at IS NOT NULL AND OLD.disabled_at IS NULL)
    THEN
        NEW.epoch := OLD.epoch + 1;
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER guard BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION guard_user();

CREATE FUNCTION log_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM append_revocation('user', OLD.id, NULL, true,
            coalesce(stated_cause('reason'), 'user deleted'), stated_cause('actor'));
    ELSIF NEW.ended_at IS DISTINCT FROM OLD.ended_at THEN
        PERFORM append_revocation('user', NEW.id, NULL, true, NEW.ended_reason, NEW.ended_by);
    ELSE
        PERFORM append_revocation('user', NEW.id, NULL, NEW.epoch <> OLD.epoch,
            stated_cause('reason'), stated_cause('actor'));
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER log AFTER UPDATE OR DELETE ON users
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_user();
CREATE TRIGGER log_truncate AFTER TRUNCATE ON users
    FOR EACH STATEMENT EXECUTE FUNCTION log_everything();
