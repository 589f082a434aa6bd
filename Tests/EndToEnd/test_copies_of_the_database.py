"""What guards the tables comes along where the database is copied, and logical replication is refused."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from postgres import Cluster, program
from support import Doornail

TRIGGERS = (
    "SELECT tgrelid::regclass::text, tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger "
    "WHERE NOT tgisinternal ORDER BY 1, 2"
)
REFUSED = (
    "DELETE FROM revoked_tokens",
    "UPDATE clients SET epoch = epoch - 1",
    "SET session_replication_role = replica; DELETE FROM revoked_tokens",
    "INSERT INTO clients SELECT * FROM clients",
)


@pytest.fixture
def replicating(tmp_path):
    cluster = Cluster(wal_level="logical")
    yield cluster
    cluster.remove()


def filled(cluster, tmp_path, name="source"):
    """An installation with an end in it."""
    doornail = Doornail(cluster, name, tmp_path)
    node = doornail.node()
    client = doornail.client("app")
    node.end(client, node.token(client))
    doornail.stop()
    return doornail


def check(connection, triggers):
    """The triggers are those, and do what they are for."""
    assert connection.execute(TRIGGERS).fetchall() == triggers
    for statement in REFUSED:
        with pytest.raises(psycopg.errors.IntegrityError):
            connection.execute(statement)
        connection.execute("RESET session_replication_role")


def test_dump_and_restore(cluster, tmp_path):
    """By pg_dump and pg_restore; what has been dead stays dead in the copy."""
    source = filled(cluster, tmp_path, "dumped")
    dump = tmp_path / "dump"
    url = cluster.url("dumped", user="postgres")
    subprocess.run([program("pg_dump"), "-Fc", "-f", dump, url], check=True)
    cluster.create_database("restored_copy")
    target = cluster.url("restored_copy", user="postgres")
    subprocess.run([program("pg_restore"), "--exit-on-error", "-d", target, dump], check=True)
    with cluster.connect("dumped") as connection:
        triggers = connection.execute(TRIGGERS).fetchall()
        rights = connection.execute("SELECT proname, proacl::text FROM pg_proc "
                                    "WHERE pronamespace = 'public'::regnamespace ORDER BY 1")
        rights = rights.fetchall()
    with cluster.connect("restored_copy") as connection:
        check(connection, triggers)
        assert rights == connection.execute(
            "SELECT proname, proacl::text FROM pg_proc "
            "WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
        ).fetchall()
    # The right to make temporary tables is the database's own: it is said what to do.
    source.url = cluster.url("restored_copy")
    told = source.run("check")
    assert "REVOKE TEMPORARY ON DATABASE" in told.stdout, told.stdout + told.stderr


def test_upgrade(replicating, tmp_path):
    """By pg_upgrade, here to the same version."""
    filled(replicating, tmp_path)
    with replicating.connect("source") as connection:
        triggers = connection.execute(TRIGGERS).fetchall()
    replicating.stop()
    old, new = replicating.data, replicating.folder / "new"
    work = replicating.folder / "work"
    work.mkdir()
    if os.geteuid() == 0:
        shutil.chown(work, "postgres", "postgres")
    replicating._run(
        "initdb", "--pgdata", new, "--username", "postgres", "--auth", "trust", "--encoding",
        "UTF8", "--locale", "C.UTF-8",
    )  # fmt: skip
    folder = Path(program("postgres")).parent
    done = subprocess.run(
        [program("pg_upgrade"), "-b", folder, "-B", folder, "-d", old, "-D", new, "-U", "postgres",
         "-s", work],
        cwd=work, capture_output=True, text=True, check=False, **replicating.user,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    replicating.data = new
    replicating.start()
    with replicating.connect("source") as connection:
        check(connection, triggers)


def test_a_logical_subscriber_is_refused(replicating, tmp_path):
    """Rows that logical replication brings are refused, with a message that says so."""
    filled(replicating, tmp_path)
    folder = tmp_path / "copy"
    folder.mkdir()
    Doornail(replicating, "copy", folder)
    with replicating.connect("source") as source, replicating.connect("copy") as target:
        source.execute("CREATE PUBLICATION everything FOR ALL TABLES")
        source.execute("SELECT pg_create_logical_replication_slot('fed', 'pgoutput')")
        url = replicating.url("source", user="postgres")
        target.execute(
            f"CREATE SUBSCRIPTION fed CONNECTION '{url}' PUBLICATION everything "
            "WITH (create_slot = false, copy_data = false)"
        )
        source.execute("UPDATE purge_horizon SET at = at")
        source.execute("INSERT INTO throttles VALUES ('x', 1, now())")
        deadline = time.monotonic() + 30
        while "not fed by logical replication" not in replicating.log.read_text():
            assert time.monotonic() < deadline, replicating.log.read_text()[-3000:]
            time.sleep(0.1)
        assert target.execute("SELECT count(*) FROM throttles").fetchone() == (0,)
        target.execute("ALTER SUBSCRIPTION fed DISABLE")
        target.execute("ALTER SUBSCRIPTION fed SET (slot_name = NONE)")
        target.execute("DROP SUBSCRIPTION fed")
