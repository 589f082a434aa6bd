-- The revocation log: every end of anything, numbered in the order of commits, without gaps.
--
-- The number comes from one counter row, whose lock is held until the commit; a sequence would give
-- numbers that commit out of order. Writers of any kind, an operator's psql included, get here
-- through triggers, so whoever reads the log from a number on misses nothing.

CREATE TABLE revocation_clock (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    last_number bigint NOT NULL DEFAULT 0,
    -- Names this log; "doornail restored" makes a new one, since after a restore of an older
    -- database its numbers are given out again.
    log_id uuid NOT NULL DEFAULT gen_random_uuid()
) WITH (fillfactor = 50);
INSERT INTO revocation_clock DEFAULT VALUES;

CREATE TABLE revocations (
    number bigint PRIMARY KEY,
    -- What the subject is: a token, a client, a secret, or everything there is.
    kind text NOT NULL CHECK (kind IN ('token', 'client', 'secret', 'everything')),
    subject uuid,
    key_id smallint,
    -- False where something changed that nodes remember (a client's settings) and nothing ended.
    is_end boolean NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((subject IS NOT NULL) = (kind IN ('token', 'client'))),
    CHECK ((key_id IS NOT NULL) = (kind = 'secret'))
);
CREATE INDEX revocations_at ON revocations (at);

-- Functions here are pinned to the schema that migrations run in (SET search_path FROM CURRENT), with
-- temporary tables last: one of the same name must not stand in for the log.

-- Appends to the log. Callers are triggers that are deferred to the commit, after all other locks,
-- so that the counter is locked last and briefly: an operator's open transaction stops nobody.
CREATE FUNCTION append_revocation(
    kind text, subject uuid, key_id smallint, is_end boolean, reason text, actor text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    next_number bigint;
BEGIN
    UPDATE revocation_clock SET last_number = last_number + 1
        RETURNING last_number INTO STRICT next_number;
    INSERT INTO revocations (number, kind, subject, key_id, is_end, reason, actor)
        VALUES (next_number, kind, subject, key_id, is_end,
                coalesce(reason, 'changed in SQL'), coalesce(actor, 'sql:' || session_user));
END
$$;
REVOKE ALL ON FUNCTION append_revocation FROM PUBLIC;

-- What a statement says about its own cause, where the row it touches cannot say it (a delete):
-- set_config('doornail.reason' | 'doornail.actor', ..., true).
CREATE FUNCTION stated_cause(name text) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('doornail.' || name, true), '') $$;

-- The counter goes up by one, or a new log begins; nothing else happens to it.
CREATE FUNCTION guard_revocation_clock() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.last_number NOT IN (OLD.last_number, OLD.last_number + 1) THEN
            RAISE EXCEPTION 'the revocation counter goes up by one'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the revocation counter is not deleted'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER guard_row BEFORE UPDATE OR DELETE ON revocation_clock
    FOR EACH ROW EXECUTE FUNCTION guard_revocation_clock();
CREATE TRIGGER guard_table BEFORE TRUNCATE ON revocation_clock
    FOR EACH STATEMENT EXECUTE FUNCTION guard_revocation_clock();

-- A row of the log has the number that was just drawn, is never changed, and goes after a day.
CREATE FUNCTION guard_revocations() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.number = (SELECT last_number FROM revocation_clock) THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        IF OLD.at + interval '1 day' < clock_timestamp() THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the revocation log is only appended to'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER guard_row BEFORE INSERT OR UPDATE OR DELETE ON revocations
    FOR EACH ROW EXECUTE FUNCTION guard_revocations();
CREATE TRIGGER guard_table BEFORE TRUNCATE ON revocations
    FOR EACH STATEMENT EXECUTE FUNCTION guard_revocations();
