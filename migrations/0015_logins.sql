-- How many logins a person has at once.

-- By it the logins of a person that may be alive are found among those that were. (A smaller one of those
-- alone, with WHERE, would be read as a whole by statements that were planned while it was small.)
CREATE INDEX sessions_user ON sessions (user_id, user_epoch, revoked_at);
DROP INDEX sessions_user_id;

-- Makes room for a login of a person among those that are alive, where it is one too many: the least
-- recently used go, but none that was used within a time of rest. Where there is none to go, the login does
-- not begin, and the statement finds the least recently used in doornail.in_the_way. A statement says
-- how many there may be (doornail.most_logins); of one that says nothing, as nodes of the version before,
-- every login begins.
--
-- Whoever begins a login holds the person's row until the commit, and each statement here sees what was
-- committed before it began. So of many at once each counts those before it, which one statement, with the
-- one snapshot that it has, could not.
CREATE FUNCTION make_room() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    most bigint := nullif(current_setting('doornail.most_logins', true), '');
    rest_seconds bigint := nullif(current_setting('doornail.rest_seconds', true), '');
    oldest uuid;
    present timestamptz;
BEGIN
    IF most IS NULL OR rest_seconds IS NULL THEN
        RETURN NEW;
    END IF;
    PERFORM FROM users WHERE id = NEW.user_id FOR NO KEY UPDATE;
    -- As nodes judge it (Primary.time).
    present := greatest(clock_timestamp(), (SELECT at FROM purge_horizon WHERE id));
    -- A hundred at a time: there may be many from before there was a bound.
    UPDATE sessions SET
        revoked_at = present, revoked_reason = 'too many logins of one person',
        revoked_by = 'doornail', revocations = revocations + 1
    WHERE id = ANY (ARRAY(
            SELECT id FROM (
                SELECT s.id, s.last_seen_at,
                       row_number() OVER (ORDER BY s.last_seen_at DESC, s.id DESC) AS place
                FROM sessions AS s
                WHERE s.user_id = NEW.user_id AND s.user_epoch = NEW.user_epoch
                  AND s.revoked_at IS NULL AND s.id <> NEW.id
                  AND s.idle_expires_at > present AND s.expires_at > present) AS alive
            WHERE place >= most ORDER BY last_seen_at, id LIMIT 100))
      AND revoked_at IS NULL
      AND last_seen_at <= present - make_interval(secs => rest_seconds);
    -- One that ended another is none too many.
    IF FOUND THEN
        RETURN NEW;
    END IF;
    SELECT (array_agg(s.id ORDER BY s.last_seen_at, s.id))[1] INTO oldest
    FROM sessions AS s
    WHERE s.user_id = NEW.user_id AND s.user_epoch = NEW.user_epoch AND s.revoked_at IS NULL
      AND s.id <> NEW.id AND s.idle_expires_at > present AND s.expires_at > present
    HAVING count(*) >= most;
    IF oldest IS NOT NULL THEN
        PERFORM set_config('doornail.in_the_way', oldest::text, true);
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER make_room BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION make_room();
ALTER TABLE sessions ENABLE ALWAYS TRIGGER make_room;
REVOKE ALL ON FUNCTION make_room FROM PUBLIC;
