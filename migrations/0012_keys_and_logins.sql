-- What a signing key is kept under, whoever writes; and when the person behind a grant logged in.

-- A signing key is not lost with a secret while there is another that could keep it. And no copy
-- stays under a secret that is retired.
CREATE FUNCTION guard_signing_keys() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- Whoever makes a copy holds the secret's row until the commit, and the update has waited for it:
    -- these statements see the copy, which the one that updates may be too old to see.
    IF EXISTS (SELECT FROM secrets WHERE key_id <> NEW.key_id AND retired_at IS NULL) AND EXISTS (
        SELECT FROM signing_key_copies AS c JOIN signing_keys AS k USING (kid)
        WHERE c.key_id = NEW.key_id AND k.withdrawn_at IS NULL AND NOT EXISTS (
            SELECT FROM signing_key_copies AS other JOIN secrets AS s USING (key_id)
            WHERE other.kid = c.kid AND other.key_id <> NEW.key_id AND s.retired_at IS NULL))
    THEN
        RAISE EXCEPTION 'secret % is the only one that a signing key is kept under: start the nodes '
            'with a new one in front of it first (''doornail secret'' prints one)', NEW.key_id
            USING ERRCODE = 'object_in_use';
    END IF;
    DELETE FROM signing_key_copies WHERE key_id = NEW.key_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_signing_keys BEFORE UPDATE ON secrets FOR EACH ROW
    WHEN (OLD.retired_at IS NULL AND NEW.retired_at IS NOT NULL)
    EXECUTE FUNCTION guard_signing_keys();

-- Nobody signs with a key that was withdrawn: its private part goes.
CREATE FUNCTION forget_private_part() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM signing_key_copies WHERE kid = NEW.kid;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget AFTER UPDATE ON signing_keys FOR EACH ROW
    WHEN (NEW.withdrawn_at IS NOT NULL) EXECUTE FUNCTION forget_private_part();

DELETE FROM signing_key_copies AS c WHERE
    EXISTS (SELECT FROM signing_keys AS k WHERE k.kid = c.kid AND k.withdrawn_at IS NOT NULL)
    OR EXISTS (SELECT FROM secrets AS s WHERE s.key_id = c.key_id AND s.retired_at IS NOT NULL);

-- When the person had logged in as the code was made (auth_time): an ID token says so for as long as
-- the grant lives, also where the session was renewed since (OpenID Connect Core §12.2). Null for
-- those from before: then it is the session's.
ALTER TABLE authorization_codes ADD COLUMN authenticated_at timestamptz;
ALTER TABLE grants ADD COLUMN authenticated_at timestamptz;
