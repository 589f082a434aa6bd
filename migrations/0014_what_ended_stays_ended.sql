-- What ended stays ended, whoever writes and whatever the clock shows (docs/promise.md).

-- The purge horizon: what lies before it is over, whatever a clock says. No single reading of a clock
-- moves it: a node carries it forward by as much as its own boot clock ran since it last read it, and
-- it stays a day behind the database's clock. One that lags costs space and nothing else.
CREATE TABLE purge_horizon (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    at timestamptz NOT NULL
) WITH (fillfactor = 50);
INSERT INTO purge_horizon (at) VALUES (clock_timestamp() - interval '1 day');

CREATE FUNCTION guard_purge_horizon() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.id AND NEW.at >= OLD.at
            AND (NEW.at = OLD.at OR NEW.at <= clock_timestamp() - interval '1 day')
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the purge horizon only goes forward, a day behind the clock'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON purge_horizon
    FOR EACH ROW EXECUTE FUNCTION guard_purge_horizon();
CREATE TRIGGER guard_table BEFORE TRUNCATE ON purge_horizon
    FOR EACH STATEMENT EXECUTE FUNCTION guard_purge_horizon();

-- A token's end goes once both the token's expiry and the end itself lie before the horizon. A row says
-- when it was written, whatever its writer says, and a later end never makes it go sooner.
CREATE FUNCTION begin_revoked_token() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.revoked_at := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER begin BEFORE INSERT ON revoked_tokens
    FOR EACH ROW EXECUTE FUNCTION begin_revoked_token();

CREATE OR REPLACE FUNCTION guard_revoked_token() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.id = OLD.id AND NEW.client = OLD.client AND NEW.expires_at >= OLD.expires_at
            AND NEW.revoked_at = OLD.revoked_at
        THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        IF greatest(OLD.expires_at, OLD.revoked_at) < (SELECT at FROM purge_horizon) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'a revoked token stays revoked'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- The log goes by the horizon, too. The clock's row says since when there is the present timeline:
-- that is written with the first row on it, and never otherwise.
CREATE OR REPLACE FUNCTION guard_revocations() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.number = (SELECT last_number FROM revocation_clock) THEN
            NEW.at := clock_timestamp();
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        IF OLD.at < (SELECT at FROM purge_horizon) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the revocation log is only appended to'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE OR REPLACE FUNCTION guard_revocation_clock() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.last_number NOT IN (OLD.last_number, OLD.last_number + 1) THEN
            RAISE EXCEPTION 'the revocation counter goes up by one'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NEW.timeline IS NOT DISTINCT FROM OLD.timeline
            AND NEW.timeline_since IS NOT DISTINCT FROM OLD.timeline_since
        THEN
            RETURN NEW;
        END IF;
        IF NEW.timeline IS NOT DISTINCT FROM OLD.timeline OR NEW.timeline IS DISTINCT FROM
            ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer
        THEN
            RAISE EXCEPTION 'the revocation log says by itself when its timeline began'
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        NEW.timeline_since := clock_timestamp();
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the revocation counter is not deleted'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- What was deleted. A row that is put back revives nothing: a client's or user's gets an epoch beyond
-- every one that it had; a login, a grant or a code is not put back at all. Their ids, UUIDv7 (RFC 9562
-- §5.7), say when they were made: what was made before the horizon is refused by that alone, so of
-- those only the younger ones are remembered.
CREATE TABLE deleted_ids (
    id uuid PRIMARY KEY,
    -- The epoch of a client or user as it was deleted; these are kept for good.
    epoch bigint
);
CREATE INDEX deleted_ids_without_epoch ON deleted_ids (id) WHERE epoch IS NULL;

-- The first id that may be new. Ids are made from whole seconds, some time before their rows.
CREATE FUNCTION first_new_id() RETURNS uuid
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT (lpad(to_hex((floor(extract(epoch FROM at)) * 1000)::bigint - 300000), 12, '0')
            || '00000000000000000000')::uuid
    FROM purge_horizon
$$;

CREATE FUNCTION guard_deleted_ids() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.id = OLD.id AND (NEW.epoch >= OLD.epoch OR OLD.epoch IS NULL) THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        IF OLD.epoch IS NULL AND OLD.id < first_new_id() THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'what was deleted stays deleted'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON deleted_ids
    FOR EACH ROW EXECUTE FUNCTION guard_deleted_ids();
CREATE TRIGGER guard_table BEFORE TRUNCATE ON deleted_ids
    FOR EACH STATEMENT EXECUTE FUNCTION guard_deleted_ids();

-- Logins, grants, codes: made after the horizon, and never deleted before. (A node of the version before
-- makes a code's id from when the login was last used, which may have been days ago.)
CREATE FUNCTION is_too_old(id uuid, relation name) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
BEGIN
    RETURN id < first_new_id() AND NOT (
        relation = 'authorization_codes' AND EXISTS (SELECT FROM nodes WHERE NOT names_itself));
END
$$;

CREATE OR REPLACE FUNCTION begin_by_id() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF is_too_old(NEW.id, TG_TABLE_NAME) THEN
        RAISE EXCEPTION 'the id % was not made now: % has only new rows', NEW.id, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER begin BEFORE INSERT ON authorization_codes
    FOR EACH ROW EXECUTE FUNCTION begin_by_id();

-- After the insert, which has waited for a deletion of the same id that was under way: its snapshot
-- sees that, as no snapshot of a stricter transaction would. And one that sees that the memory of a deletion
-- has gone sees the horizon that let it go.
CREATE FUNCTION refuse_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'rows of % are inserted at READ COMMITTED', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (SELECT EXISTS (SELECT FROM deleted_ids AS d WHERE d.id = NEW.id AND (
            -- Only clients and users have an epoch of their own.
            d.epoch IS NULL OR (to_jsonb(NEW) ->> 'epoch')::bigint IS NULL
            OR (to_jsonb(NEW) ->> 'epoch')::bigint <= d.epoch))
        OR TG_TABLE_NAME NOT IN ('clients', 'users') AND is_too_old(NEW.id, TG_TABLE_NAME))
    THEN
        RAISE EXCEPTION 'what has ended stays ended: % in % was deleted', NEW.id, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

-- Before the row goes, so that nothing that the same statement runs comes between.
CREATE FUNCTION remember_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    has_epoch boolean := TG_TABLE_NAME IN ('clients', 'users');
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION '% is truncated at READ COMMITTED', TG_TABLE_NAME
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        EXECUTE format(
            'INSERT INTO deleted_ids AS d (id, epoch) SELECT id, %s FROM %I '
            'WHERE $1 OR id >= first_new_id() '
            'ON CONFLICT (id) DO UPDATE SET epoch = greatest(d.epoch, excluded.epoch)',
            CASE WHEN has_epoch THEN 'epoch' ELSE 'NULL::bigint' END, TG_TABLE_NAME)
            USING has_epoch;
    ELSIF has_epoch THEN
        INSERT INTO deleted_ids AS d (id, epoch) VALUES (OLD.id, OLD.epoch)
            ON CONFLICT (id) DO UPDATE SET epoch = greatest(d.epoch, excluded.epoch);
    ELSIF OLD.id >= first_new_id() THEN
        INSERT INTO deleted_ids (id) VALUES (OLD.id) ON CONFLICT DO NOTHING;
    END IF;
    RETURN OLD;
END
$$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['clients', 'users', 'sessions', 'grants', 'authorization_codes'] LOOP
        EXECUTE format('CREATE TRIGGER refuse_deleted AFTER INSERT ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION refuse_deleted()', name);
        EXECUTE format('CREATE TRIGGER remember_deleted BEFORE DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION remember_deleted()', name);
        EXECUTE format('CREATE TRIGGER remember_truncated BEFORE TRUNCATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION remember_deleted()', name);
    END LOOP;
END
$$;

-- An epoch leaves room for whoever adds to it.
CREATE OR REPLACE FUNCTION begin_client() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    NEW.epoch := greatest(
        NEW.epoch, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
        (SELECT epoch + 1 FROM deleted_ids WHERE id = NEW.id));
    IF NEW.epoch > 1::bigint << 61 THEN
        RAISE EXCEPTION 'the epoch % is too large', NEW.epoch
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION guard_client() RETURNS trigger
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
    IF NEW.epoch - OLD.epoch > 1::bigint << 41 THEN
        RAISE EXCEPTION 'the epoch % is too large', NEW.epoch
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;

-- Which transaction moved a user's epoch last, whoever says otherwise: the one statement that takes a
-- login along ("all but this one") has to have moved it itself, not touched the row alone.
ALTER TABLE users ADD COLUMN epoch_moved_by xid8;

CREATE FUNCTION begin_user() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.epoch_moved_by := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER begin_user BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION begin_user();

CREATE OR REPLACE FUNCTION guard_user() RETURNS trigger
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
    IF NEW.epoch - OLD.epoch > 1::bigint << 41 THEN
        RAISE EXCEPTION 'the epoch % is too large', NEW.epoch
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    NEW.epoch_moved_by := CASE WHEN NEW.epoch <> OLD.epoch THEN pg_current_xact_id()
                               ELSE OLD.epoch_moved_by END;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION guard_session() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.id = OLD.id AND NEW.user_id = OLD.user_id
        AND OLD.revoked_at IS NULL AND NEW.revoked_at IS NULL
        AND NEW.user_epoch = OLD.user_epoch + 1
        AND current_setting('doornail.keeps', true) = OLD.id::text
        AND EXISTS (SELECT FROM users AS u
                    WHERE u.id = OLD.user_id AND u.epoch = NEW.user_epoch
                      AND u.epoch_moved_by = pg_current_xact_id())
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'what has ended stays ended: % in %', OLD.id, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- Removing a login or a grant that had ended, or expired before the horizon, ends nothing.
CREATE OR REPLACE FUNCTION log_session() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM append_revocation('session', NEW.id, NULL, true,
            NEW.revoked_reason, NEW.revoked_by);
    ELSIF OLD.expires_at >= (SELECT at FROM purge_horizon) THEN
        PERFORM append_revocation('session', OLD.id, NULL, true,
            coalesce(stated_cause('reason'), 'session deleted'), stated_cause('actor'));
    END IF;
    RETURN NULL;
END
$$;
DROP TRIGGER log_delete ON sessions;
CREATE CONSTRAINT TRIGGER log_delete AFTER DELETE ON sessions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.revoked_at IS NULL)
    EXECUTE FUNCTION log_session();

CREATE OR REPLACE FUNCTION log_grant() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM append_revocation('grant', NEW.id, NULL, true,
            NEW.revoked_reason, NEW.revoked_by);
    ELSIF OLD.expires_at >= (SELECT at FROM purge_horizon) THEN
        PERFORM append_revocation('grant', OLD.id, NULL, true,
            coalesce(stated_cause('reason'), 'grant deleted'), stated_cause('actor'));
    END IF;
    RETURN NULL;
END
$$;
DROP TRIGGER log_delete ON grants;
CREATE CONSTRAINT TRIGGER log_delete AFTER DELETE ON grants
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.revoked_at IS NULL)
    EXECUTE FUNCTION log_grant();

-- A signing key that was withdrawn stays so, and is never deleted: it might come back.
CREATE FUNCTION guard_signing_key() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.kid = OLD.kid AND NEW.algorithm = OLD.algorithm AND NEW.public_jwk = OLD.public_jwk
            AND (OLD.withdrawn_at IS NULL OR NEW.withdrawn_at IS NOT NULL)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a signing key keeps what it is, stays withdrawn, and is never deleted'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON signing_keys
    FOR EACH ROW EXECUTE FUNCTION guard_signing_key();
CREATE TRIGGER guard_table BEFORE TRUNCATE ON signing_keys
    FOR EACH STATEMENT EXECUTE FUNCTION guard_signing_key();

-- A node's row is what revocations wait for. Its own node alone changes it, and a node alone removes
-- it, each by a statement that names the row (doornail.node), and for a removal the reason
-- (doornail.reason). Nodes of the version before name nothing: their rows they may still
-- change and, one in a statement, remove.
ALTER TABLE nodes
    ADD COLUMN names_itself boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT nodes_lease_ms_bound CHECK (lease_ms <= 60000);

CREATE FUNCTION guard_node() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    is_named boolean := false;
BEGIN
    IF TG_OP <> 'TRUNCATE' THEN
        is_named := NOT OLD.names_itself
            OR coalesce(current_setting('doornail.node', true) = OLD.id::text, false);
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF is_named AND NEW.id = OLD.id AND NEW.lease_ms = OLD.lease_ms
            AND NEW.names_itself = OLD.names_itself
            AND NEW.applied <= (SELECT last_number FROM revocation_clock)
        THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        IF is_named AND (NOT OLD.names_itself
            OR nullif(current_setting('doornail.reason', true), '') IS NOT NULL)
        THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'revocations wait for what this row says: only nodes change or remove it'
        USING ERRCODE = 'integrity_constraint_violation',
              HINT = 'A running node removes the row of a dead one by itself, after some seconds.';
END
$$;
CREATE TRIGGER guard BEFORE UPDATE OR DELETE ON nodes
    FOR EACH ROW EXECUTE FUNCTION guard_node();
CREATE TRIGGER guard_table BEFORE TRUNCATE ON nodes
    FOR EACH STATEMENT EXECUTE FUNCTION guard_node();

CREATE FUNCTION guard_nodes_at_once() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF (SELECT count(*) FROM gone) > 1 THEN
        RAISE EXCEPTION 'revocations wait for what these rows say: nodes remove them one by one'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER guard_many AFTER DELETE ON nodes REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION guard_nodes_at_once();

-- What logical replication would bring was decided elsewhere: no row that it writes is counted, waited
-- for or logged here as an end is.
CREATE FUNCTION refuse_subscription() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    -- It runs for replicas alone, unless somebody has switched triggers on again by another word.
    IF current_setting('session_replication_role') <> 'replica' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION 'Doornail''s tables are not fed by logical replication, nor written as a replica '
        '(session_replication_role): use a physical standby, or pg_dump (docs/operating.md)'
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- Triggers run for replication, too, and where session_replication_role would pass them by. And who may
-- connect may call none of their functions, nor hang one on a temporary table.
DO $$
DECLARE
    names text[] := ARRAY[
        'authorization_codes', 'clients', 'consents', 'deleted_ids', 'grants', 'nodes',
        'purge_horizon', 'revocation_clock', 'revocations', 'revoked_tokens', 'schema_migrations',
        'secrets', 'sessions', 'signing_key_copies', 'signing_keys', 'throttles', 'users'];
    name text;
    trigger record;
    function regprocedure;
BEGIN
    FOREACH name IN ARRAY names LOOP
        EXECUTE format('CREATE TRIGGER apply BEFORE INSERT OR UPDATE OR DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION refuse_subscription()', name);
    END LOOP;
    FOR trigger IN SELECT tgname, tgrelid::regclass AS relation FROM pg_trigger
        WHERE tgrelid = ANY (names::regclass[]) AND NOT tgisinternal
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER %I', trigger.relation,
            CASE trigger.tgname WHEN 'apply' THEN 'REPLICA' ELSE 'ALWAYS' END, trigger.tgname);
    END LOOP;
    FOR function IN
        SELECT tgfoid FROM pg_trigger WHERE tgrelid = ANY (names::regclass[]) AND NOT tgisinternal
        UNION SELECT oid FROM pg_proc WHERE pronamespace = quote_ident(current_schema())::regnamespace
            AND proname IN ('append_revocation', 'first_new_id', 'is_too_old', 'stated_cause',
                            'refuse_revival')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
    END LOOP;
END
$$;

DO $$
BEGIN
    IF has_database_privilege('public', current_database(), 'TEMPORARY') THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
    IF NOT has_database_privilege('public', current_database(), 'TEMPORARY') THEN
        RETURN;
    END IF;
    -- The owner of the tables need not own the database; "doornail check" goes on about it.
    RAISE WARNING 'every role may make temporary tables: as the owner of the database, '
        'REVOKE TEMPORARY ON DATABASE % FROM PUBLIC', quote_ident(current_database());
END
$$;
