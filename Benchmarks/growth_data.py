"""Synthetic logins and revocations, put into a database in bulk; and tokens, sealed as nodes do."""

import base64
import contextlib
import hmac
import os
import struct
import time

DAY = 24 * 3600
# What the people are called who are there to be many: PERSON-1, PERSON-2 ...
PERSON = "person"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
# Nobody logs in with it.
PASSWORD = "$scrypt$ln=15,r=8,p=3$" + "A" * 22 + "$" + "A" * 43


def identifier(kind, seconds_ago, number="n"):
    """SQL for the UUIDv7 (RFC 9562 §5.7) of a numbered row, as if eight were made a millisecond."""
    begin = round((time.time() - seconds_ago) * 1000)
    return (
        f"overlay(overlay(overlay(md5('{kind}' || {number})"
        f" PLACING lpad(to_hex({begin} + ({number}) / 8), 12, '0') FROM 1)"
        " PLACING '7' FROM 13) PLACING '8' FROM 17)::uuid"
    )


@contextlib.contextmanager
def bulk(connection, *tables):
    """No trigger of these tables runs, so these rows are none that a node or a person could write: a
    grant made last month, a log without a commit for each of its entries."""
    with connection.transaction():
        for table in tables:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table in tables:
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def add_logins(connection, client_id, name, people, logins):
    """Sessions of people called NAME-1, NAME-2 ... in turns, each with one grant of a client; every
    second grant is one for offline access."""
    person = f"((n - 1) % {people} + 1)"
    users, sessions, grants = (
        identifier(f"{name} {kind}", days * DAY, number)
        for kind, days, number in (("user", 60, person), ("session", 30, "n"), ("grant", 30, "n"))
    )
    rows = f"generate_series(1, {logins}::bigint) AS n"
    with bulk(connection, "users", "sessions", "grants"):
        connection.execute(f"""
            INSERT INTO users (id, username, username_key, password_hash)
            SELECT {users}, '{name}-' || n, '{name}-' || n, '{PASSWORD}'
            FROM generate_series(1, {people}::bigint) AS n""")
        connection.execute(f"""
            INSERT INTO sessions (id, user_id, user_epoch, secret_hash, amr, user_agent, address,
                                  idle_expires_at, expires_at)
            SELECT {sessions}, {users}, 1, sha256(n::text::bytea), '{{pwd}}', '{FIREFOX}',
                   '198.51.100.' || n % 256, now() + '14 days', now() + '60 days' FROM {rows}""")
        connection.execute(f"""
            INSERT INTO grants (id, client, client_epoch, user_id, user_epoch, session, is_offline,
                                scope, audiences, key_id, idle_expires_at, expires_at,
                                authenticated_at)
            SELECT {grants}, c.id, c.epoch, {users}, 1, {sessions}, n % 2 = 0, c.scope, '{{}}', 1,
                   now() + '30 days', now() + '60 days', now()
            FROM {rows}, clients AS c WHERE c.client_id = '{client_id}'""")
    settle(connection, "users, sessions, grants")


def settle(connection, tables):
    """Leaves autovacuum and the next checkpoint nothing to do that is not of the measurement."""
    # Otherwise the last rows are counted only after the VACUUM, and call for another one.
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.execute(f"VACUUM (ANALYZE) {tables}")
    connection.execute("CHECKPOINT")


def add_revocations(connection, first, last):
    """Numbered tokens that were revoked just now, and their entries at the end of the log."""
    token, rows = identifier("revoked", 60), f"generate_series({first}, {last}::bigint) AS n"
    with bulk(connection, "revoked_tokens", "revocations", "revocation_clock"):
        connection.execute(f"""
            INSERT INTO revoked_tokens (id, client, expires_at, reason, actor)
            SELECT {token}, c.id, now() + '12 hours', 'token revoked', 'growth'
            FROM {rows}, clients AS c""")
        connection.execute(f"""
            INSERT INTO revocations (number, kind, subject, is_end, reason, actor)
            SELECT last_number + 1 + n - {first}, 'token', {token}, true, 'token revoked', 'growth'
            FROM {rows}, revocation_clock""")
        # As append_revocation does, but for many at once.
        connection.execute(f"""
            UPDATE revocation_clock SET last_number = last_number + 1 + {last} - {first},
                timeline = ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))
                    ::bit(32)::integer,
                timeline_since = coalesce(timeline_since, clock_timestamp())""")


def end_token(connection):
    """Ends a token of no importance as anybody would, through the triggers."""
    connection.execute("""
        INSERT INTO revoked_tokens (id, client, expires_at, reason, actor)
        SELECT gen_random_uuid(), id, now() + '12 hours', 'token revoked', 'growth'
        FROM clients LIMIT 1""")


def grants_of(connection, username):
    """The ids of a user's grants."""
    rows = connection.execute(
        "SELECT g.id FROM users AS u JOIN sessions AS s ON s.user_id = u.id"
        " JOIN grants AS g ON g.session = s.id WHERE u.username_key = %s", [username])
    return [grant for (grant,) in rows]


def end_user(connection, username):
    """What `doornail revoke user` does (UserRecords.end), and the commit."""
    connection.execute("""
        UPDATE users SET epoch = epoch + 1, ended_at = clock_timestamp(),
            ended_reason = 'revoked', ended_by = 'growth'
        WHERE username_key = normalize(%s, NFC)""", [username])


class Sealer:
    """Seals access tokens as TokenCodec does, under the first secret that a database knew."""

    KEY_ID = 1
    HAS_AUDIENCE = 4

    def __init__(self, secret):
        # HKDF (RFC 5869) without a salt; one block is enough.
        root = hmac.digest(b"", secret.encode(), "sha256")
        self.key = hmac.digest(root, b"doornail/1/access-token\x01", "sha256")

    def access_token(self, grant):
        """A token of a grant's, as it comes with a code: for half a day, and for no audience."""
        now = time.time()
        high, low = struct.unpack(">QQ", os.urandom(16))
        payload = struct.pack(
            ">BBQQQQ16sB",
            self.KEY_ID,
            self.HAS_AUDIENCE,
            round(now * 1000) << 16 | 0x7000 | high & 0x0FFF,
            1 << 63 | low >> 2,
            int(now),
            int(now) + DAY // 2,
            grant.bytes,
            0,
        )
        sealed = payload + hmac.digest(self.key, payload, "sha256")[:16]
        return "dn_at_" + base64.urlsafe_b64encode(sealed).decode().rstrip("=")
