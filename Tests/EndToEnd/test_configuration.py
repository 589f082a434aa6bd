"""Configuration: where it comes from, and what check and serve say that is wrong with it."""

import json
import os
import re
import time

import pytest

from postgres import Cluster
from support import ROOT, Doornail, assert_unavailable


def test_secret_from_a_file(doornail, tmp_path):
    path = tmp_path / "secret"
    path.write_text(doornail.secret + "\n")
    done = doornail.run(
        "client",
        "list",
        "--json",
        drop=("DOORNAIL_SECRET",),
        env={"DOORNAIL_SECRET_FILE": str(path)},
    )
    assert done.returncode == 0, done.stderr


def with_secret_file(doornail, tmp_path, mode, is_mounted):
    """The secret in a file with a mode; as containers mount it, behind two links."""
    path = tmp_path / "secret"
    if is_mounted:
        (tmp_path / "..1").mkdir()
        path.symlink_to("..data/secret")
        (tmp_path / "..data").symlink_to("..1")
    path.write_text(doornail.secret + "\n")
    path.chmod(mode)
    return {"drop": ("DOORNAIL_SECRET",), "env": {"DOORNAIL_SECRET_FILE": str(path)}}


@pytest.mark.parametrize("is_mounted", [False, True], ids=["a file", "mounted"])
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440, 0o644, 0o444], ids=oct)
def test_a_secret_that_others_can_read(doornail, node, tmp_path, mode, is_mounted):
    """It works; check says so where that is everybody."""
    given = with_secret_file(doornail, tmp_path, mode, is_mounted)
    done = doornail.run("check", **given)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("warning: configuration")]
    if mode & 0o004:
        (line,) = told
        assert f"'chmod o-r {tmp_path / 'secret'}'" in line
    else:
        assert not told


@pytest.mark.parametrize("is_mounted", [False, True], ids=["a file", "mounted"])
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o660, 0o666], ids=oct)
def test_a_secret_that_others_can_write(doornail, tmp_path, mode, is_mounted):
    given = with_secret_file(doornail, tmp_path, mode, is_mounted)
    for command in (("check",), ("serve",), ("client", "list")):
        done = doornail.run(*command, **given)
        assert done.returncode == 1, command
        assert f"'chmod go-w {tmp_path / 'secret'}'" in done.stdout + done.stderr, command


def test_serve_warns_of_a_secret_that_everybody_can_read(doornail, tmp_path):
    given = with_secret_file(doornail, tmp_path, 0o644, False)
    node = doornail.node(DOORNAIL_SECRET="", **given["env"])
    assert node.logged(f"chmod o-r {tmp_path / 'secret'}")
    node.stop()


def test_a_configuration_file_that_others_can_write(doornail, tmp_path):
    path = tmp_path / "doornail.json"
    path.write_text(json.dumps({"database_url": doornail.url}))
    path.chmod(0o664)
    done = doornail.run("client", "list", "--config", str(path))
    assert done.returncode == 1 and f"'chmod go-w {path}'" in done.stderr


def test_configuration_file(doornail, tmp_path):
    """Flags, then environment, then the file."""
    path = tmp_path / "doornail.json"
    path.write_text(json.dumps({"database_url": doornail.url}))
    for env, arguments in (({"DOORNAIL_CONFIG": str(path)}, ()), ({}, ("--config", str(path)))):
        done = doornail.run("client", "list", *arguments, drop=("DATABASE_URL",), env=env)
        assert done.returncode == 0, done.stderr
    # What is no file has no owner whose it would be alone.
    device = doornail.run("client", "list", "--config", "/dev/null")
    assert "chmod" not in device.stderr
    missing = doornail.run("client", "list", "--config", str(tmp_path / "none.json"))
    assert missing.returncode != 0 and "none.json" in missing.stderr
    path.write_text(json.dumps({"databse_url": doornail.url}))
    unknown = doornail.run("client", "list", "--config", str(path))
    assert unknown.returncode != 0 and "databse_url" in unknown.stderr
    path.write_text("{broken")
    broken = doornail.run("client", "list", "--config", str(path))
    assert broken.returncode != 0 and broken.stderr.strip()


def test_the_table_of_settings_is_that_of_the_binary(doornail, tmp_path):
    """docs/operating.md has each setting, and the default that --help tells of."""
    row = r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \| (.*?) ?\|"
    rows = re.findall(row, (ROOT / "docs/operating.md").read_text(), re.M)
    documented = {}
    for names, defaults in rows:
        names, defaults = (re.findall(r"`(.*?)`", cell) for cell in (names, defaults))
        documented |= dict(zip(names, defaults or [None] * len(names), strict=True))

    path = tmp_path / "doornail.json"
    path.write_text('{"x": 1}')
    known = doornail.run("check", "--config", str(path)).stderr.split("known are ")[1]
    names = {name.upper() for name in known.strip().split(", ")}
    assert {name.removeprefix("DOORNAIL_") for name in documented} == names

    told = " ".join(doornail.run("serve", "--help").stdout.split())
    flags = {"--" + name.replace("_", "-").lower() for name in names - {"SECRET"}}
    assert flags <= set(re.findall(r"--[a-z-]+", told))
    defaults = dict(
        (name, default)
        for default, name in re.findall(r"(\S+) by default[^()]*\(([A-Z_]+)\)", told)
    )
    assert defaults.items() <= documented.items()
    # The default of the log is the command's: those of `serve` are in the table.
    log = {"DOORNAIL_LOG_LEVEL": "info", "DOORNAIL_LOG_FORMAT": "json"}
    assert defaults | log == {name: default for name, default in documented.items() if default}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", None),
        ("DATABASE_URL", "postgresql://doornail@127.0.0.1:1/none"),
        ("DATABASE_URL", "nonsense://"),
        ("DOORNAIL_SECRET", None),
        ("DOORNAIL_SECRET", "short"),
        ("DOORNAIL_SECRET", ""),
        ("DOORNAIL_POOL", "many"),
        ("DOORNAIL_POOL", "0"),
        ("DOORNAIL_ACCESS_TOKEN_TTL", "5 parsecs"),
        ("DOORNAIL_ACCESS_TOKEN_TTL", "0s"),
        ("DOORNAIL_LISTEN", "nowhere"),
        ("DOORNAIL_LISTEN", "127.0.0.1:99999"),
        ("DOORNAIL_ADMIN_LISTEN", "x:y"),
        ("DOORNAIL_TRUSTED_PROXIES", "10.0.0.0/99"),
        ("DOORNAIL_TLS_CERTIFICATE", "/no/such/file"),
        ("DOORNAIL_ISSUER", None),
        ("DOORNAIL_ISSUER", "login.example.com"),
        ("DOORNAIL_ISSUER", "http://login.example.com"),
        ("DOORNAIL_ISSUER", "https://login.example.com/?x=1"),
        ("DOORNAIL_ISSUER", "https://login.example.com/#x"),
        ("DOORNAIL_CACHE", "a lot"),
        ("DOORNAIL_LEASE", "later"),
    ],
)
def test_check_and_serve_say_what_is_wrong(doornail, variable, value):
    """check finds it, and serve refuses it, unless only the database is away: then it waits."""
    env = {} if value is None else {variable: value}
    if variable == "DOORNAIL_TLS_CERTIFICATE":
        env["DOORNAIL_TLS_KEY"] = value
    arguments = {"env": env, "drop": (variable,) if value is None else ()}
    # How it is named: what libpq says is about the database, and a secret may come from a file.
    name = {"DATABASE_URL": "database", "DOORNAIL_SECRET": "secret"}.get(variable, variable)
    check = doornail.run("check", **arguments)
    assert check.returncode == 1, check.stdout + check.stderr
    said = check.stdout + check.stderr
    assert name in said.replace("DATABASE_URL", "database").replace("SECRET", "secret"), said
    if value == "postgresql://doornail@127.0.0.1:1/none":
        return
    serve = doornail.run("serve", timeout=8, **arguments)
    assert serve.returncode in (1, 2), serve.stderr
    told = serve.stderr.replace("DATABASE_URL", "database").replace("SECRET", "secret")
    assert name in told, told


def test_check_finds_nothing_wrong(doornail, node):
    done = doornail.run("check")
    assert done.returncode == 0, done.stdout + done.stderr


def about_leases(doornail, *flags):
    """What check says about leases: (level, text) of each finding."""
    report = doornail.cli("check", *flags)
    assert report["ok"]
    return [(f["level"], f["text"]) for f in report["findings"] if f["about"] == "leases"]


def test_check_tells_of_one_primary_and_of_too_few_connections(doornail, node):
    (single,) = about_leases(doornail)
    assert single[0] == "ok" and "synchronous_standby_names is empty" in single[1]
    # The cluster gives 300 connections, three of them to superusers alone.
    _, few = about_leases(doornail, "--pool", "297")
    assert few[0] == "warning" and "297 connections" in few[1] and "use 298" in few[1]
    assert len(about_leases(doornail, "--pool", "296")) == 1


def test_check_tells_of_nodes_that_are_gone(cluster, tmp_path):
    own = Doornail(cluster, "gone", tmp_path)
    try:
        node = own.node(DOORNAIL_LEASE="300ms")
        assert len(about_leases(own)) == 1
        node.kill()
        own.sql(
            "ALTER TABLE nodes DISABLE TRIGGER guard;"
            "UPDATE nodes SET renewed_at = renewed_at - interval '3 seconds';"
            "ALTER TABLE nodes ENABLE ALWAYS TRIGGER guard"
        )
        _, gone = about_leases(own)
        assert gone[0] == "warning" and "database: 1;" in gone[1] and " 315 ms " in gone[1]
        told = own.run("check").stdout
        assert "running nodes: 0" in told
        # And up to when what is over is removed.
        assert re.search(r"what was over before 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ is removed", told)
        node.start()
        deadline = time.monotonic() + 10
        while len(about_leases(own)) > 1:
            assert time.monotonic() < deadline, "the row of a dead node stays"
            time.sleep(0.2)
    finally:
        own.stop()


def test_check_tells_whom_commits_wait_for(tmp_path):
    cluster = Cluster()
    try:
        own = Doornail(cluster, "waiting", tmp_path)
        own.sql("ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (db2)'")
        own.sql("SELECT pg_reload_conf()")
        time.sleep(0.5)
        (finding,) = about_leases(own)
        assert finding[0] == "ok" and "'FIRST 1 (db2)'" in finding[1]
    finally:
        cluster.remove()


def test_check_finds_a_wrong_secret(doornail, node):
    env = {"DOORNAIL_SECRET": doornail.new_secret()}
    for command in (("check",), ("client", "list"), ("serve",)):
        done = doornail.run(*command, env=env, timeout=20)
        assert done.returncode == 1, command
        assert "secret" in (done.stdout + done.stderr).lower()


@pytest.mark.parametrize("level", ["off", "local"])
def test_check_finds_asynchronous_commits(cluster, tmp_path, level):
    """A role's synchronous_commit overrides the server's (POSTGRES.md): nothing works with it."""
    own = Doornail(cluster, f"asynchronous_{level}", tmp_path)
    own.sql(
        f"ALTER ROLE doornail IN DATABASE asynchronous_{level} SET synchronous_commit = {level}"
    )
    done = own.run("check")
    assert done.returncode == 1
    assert "synchronous_commit" in done.stdout + done.stderr
    done = own.run("client", "create", "--id", "x", "--name", "x")
    assert done.returncode == 1 and "synchronous_commit" in done.stderr


@pytest.mark.parametrize(
    "setting, weak",
    [("synchronous_commit", "off"), ("synchronous_commit", "local"), ("fsync", "off"),
     ("full_page_writes", "off")],
)  # fmt: skip
def test_settings_that_are_reloaded(weakened, setting, weak):
    """A setting that loses commits is found under connections that are open, by the next end."""
    cluster, own, node, app = weakened
    token = node.token(app)

    def change(statement):
        with cluster.connect("postgres") as connection:
            connection.execute(statement)
            connection.execute("SELECT pg_reload_conf()")

    change(f"ALTER SYSTEM SET {setting} = {weak}")
    try:
        deadline = time.monotonic() + 10
        while node.revoke(app, token).status_code == 200:
            assert time.monotonic() < deadline, "it is answered all the same"
        assert_unavailable(node.revoke(app, token))
        told = own.run("check")
        assert told.returncode == 1 and f"{setting} is {weak}" in told.stdout + told.stderr
    finally:
        change(f"ALTER SYSTEM RESET {setting}")
    node.wait_until_ready()
    node.end(app, token)


@pytest.fixture(scope="module")
def weakened(tmp_path_factory):
    cluster = Cluster(synchronous_commit=None, fsync=None, full_page_writes=None)
    own = Doornail(cluster, "weakened", tmp_path_factory.mktemp("weakened"))
    node = own.node()
    yield cluster, own, node, own.client("app")
    own.stop()
    cluster.remove()


def test_the_environment_is_not_shown(doornail):
    """The secret is in no process's arguments, and no command prints it."""
    for command in (("check",), ("secret", "list"), ("migrate", "--status")):
        done = doornail.run(*command)
        assert doornail.secret not in done.stdout + done.stderr
    assert os.environ.get("DOORNAIL_SECRET") is None
