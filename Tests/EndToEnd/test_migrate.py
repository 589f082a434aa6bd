"""doornail migrate: twice, ten at once, an edited file, a newer database, serve before it."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import ROOT, Doornail

MIGRATIONS = sorted(path.stem for path in (ROOT / "migrations").glob("*.sql"))


@pytest.fixture
def empty(cluster, tmp_path, request):
    """An installation whose database has not been migrated."""
    made = Doornail(
        cluster, request.node.name[:60].replace("[", "_").replace("]", ""), tmp_path, migrate=False
    )
    yield made
    made.stop()


def names_of(doornail):
    rows = doornail.sql("SELECT version FROM schema_migrations ORDER BY version")
    return [version for (version,) in rows]


def states_of(doornail):
    """What --status says of each migration."""
    done = doornail.run("migrate", "--status", "--json")
    assert done.returncode == 0, done.stderr
    return {row["name"]: row["state"] for row in json.loads(done.stdout)}


def test_status_and_twice(empty):
    before = empty.run("migrate", "--status")
    assert before.returncode == 0
    assert all(name in before.stdout for name in MIGRATIONS)
    assert states_of(empty) == dict.fromkeys(MIGRATIONS, "pending")
    assert empty.sql("SELECT count(*) FROM pg_class WHERE relname = 'clients'") == [(0,)]
    first = empty.run("migrate")
    assert first.returncode == 0, first.stderr
    assert all(name in first.stdout for name in MIGRATIONS)
    again = empty.run("migrate")
    assert again.returncode == 0
    assert not any(name in again.stdout for name in MIGRATIONS)
    assert states_of(empty) == dict.fromkeys(MIGRATIONS, "applied")
    assert names_of(empty) == list(range(1, len(MIGRATIONS) + 1))


def test_wherever_it_is_started(empty, tmp_path):
    """The binary carries its migrations: its folder here is an empty one."""
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "commands.log"])
    assert empty.run("migrate").returncode == 0


def test_ten_at_once(empty):
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda _: empty.run("migrate", timeout=60), range(10)))
    assert [one.returncode for one in done] == [0] * 10, [one.stderr for one in done]
    applied = [one for one in done if any(name in one.stdout for name in MIGRATIONS)]
    assert len(applied) == 1, "one applied them, nine found them applied"
    assert names_of(empty) == list(range(1, len(MIGRATIONS) + 1))


def test_edited(empty):
    empty.cli("migrate")
    empty.sql("UPDATE schema_migrations SET checksum = sha256('edited') WHERE version = 2")
    for command in (("migrate",), ("serve",), ("check",)):
        done = empty.run(*command, timeout=20)
        assert done.returncode == 1, command
        assert MIGRATIONS[1] in done.stdout + done.stderr, command


def test_newer_database(empty):
    empty.cli("migrate")
    empty.sql(
        "INSERT INTO schema_migrations SELECT (jsonb_populate_record(m, "
        """'{"version": 9999, "name": "9999_future"}')).* """
        "FROM schema_migrations m WHERE version = 1"
    )
    for command in (("migrate",), ("serve",), ("check",)):
        done = empty.run(*command, timeout=20)
        assert done.returncode == 1, command
        said = done.stdout + done.stderr
        assert "newer" in said or "9999" in said, said


def test_unmigrated(empty):
    for command in (
        ("serve",),
        ("check",),
        ("client", "list"),
        ("client", "create", "--id", "x", "--name", "x"),
    ):
        done = empty.run(*command, timeout=20)
        assert done.returncode == 1, command
        assert "doornail migrate" in done.stdout + done.stderr, command


def test_half_done(empty):
    """What is in the way makes it fail as a whole, with the file's name, and nothing stays."""
    empty.sql("CREATE TABLE clients (a int)")
    done = empty.run("migrate")
    assert done.returncode == 1 and "0002_clients" in done.stderr
    assert empty.sql("SELECT count(*) FROM pg_class WHERE relname = 'revocations'") == [(0,)]
    empty.sql("DROP TABLE clients")
    assert empty.run("migrate").returncode == 0
