-- "All but this one": a person ends every login but the one that asks for it, which alone goes over to
-- the user's new epoch.

-- A session keeps its id, its user and its epoch, and what has ended stays ended. One statement
-- alone moves an epoch: it names the session that it keeps (doornail.keeps), and adds to the user's
-- epoch itself. So a session that an epoch has left behind is never brought after it: by then the
-- user's row is of another transaction, or further than one ahead.
CREATE FUNCTION guard_session() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.id = OLD.id AND NEW.user_id = OLD.user_id
        AND OLD.revoked_at IS NULL AND NEW.revoked_at IS NULL
        AND NEW.user_epoch = OLD.user_epoch + 1
        AND current_setting('doornail.keeps', true) = OLD.id::text
        AND EXISTS (SELECT FROM users AS u
                    WHERE u.id = OLD.user_id AND u.epoch = NEW.user_epoch
                      AND u.xmin = pg_current_xact_id()::xid)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'what has ended stays ended: % in %', OLD.id, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- The condition is the trigger's, as before.
DROP TRIGGER guard ON sessions;
CREATE TRIGGER guard BEFORE UPDATE ON sessions FOR EACH ROW
    WHEN (NEW.id <> OLD.id OR NEW.user_id <> OLD.user_id OR NEW.user_epoch <> OLD.user_epoch
          OR OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NULL)
    EXECUTE FUNCTION guard_session();
