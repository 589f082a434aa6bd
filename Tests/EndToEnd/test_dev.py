"""`doornail dev` and its private cluster: nothing is left running, and nothing is lost."""

import atexit
import contextlib
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from postgres import descendants, dies_with_us, free_port, program
from support import BINARY

IS_ROOT = os.geteuid() == 0
STARTS_WITHIN = 60
ENDS_WITHIN = 20


def processes(needle):
    """The ids of all processes that have the text in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if needle.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def is_alive(pid):
    """Whether a process is there and not merely a zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(check, what, seconds=ENDS_WITHIN):
    """Waits until something holds."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


@functools.cache
def binary_for_everybody():
    """A copy of the binary where any user can run it: the tests may lie in root's own folder."""
    folder = Path(tempfile.mkdtemp(prefix="dn-binary-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    return shutil.copy(BINARY, folder / "doornail")


class Dev:
    """A `doornail dev` on a data folder."""

    def __init__(self, data, user=None, path=None, ready=True):
        self.data = Path(data)
        self.port, self.admin = free_port(), free_port()
        self.output = Path(tempfile.mkstemp(prefix="doornail-dev-")[1])
        environment = {
            "PATH": path or os.environ["PATH"],
            "HOME": "/",
            "DOORNAIL_LISTEN": f"127.0.0.1:{self.port}",
            "DOORNAIL_ADMIN_LISTEN": f"127.0.0.1:{self.admin}",
            # Variables of the caller's that must not move or break the private server.
            "PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere.invalid",
        }
        become = {}
        if user:
            entry = pwd.getpwnam(user)
            become = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [BINARY if user is None else binary_for_everybody(), "dev", "--data", str(data)], env=environment, cwd="/",
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                # Ctrl-C in a terminal goes to a process group: this one's.
                start_new_session=True, preexec_fn=dies_with_us(signal.SIGKILL), **become,
            )
        if ready:
            self.wait_until_ready()

    @property
    def text(self):
        return self.output.read_text(errors="replace")

    def wait_until_ready(self):
        eventually(
            lambda: self.is_ready or self.process.poll() is not None, "serves", STARTS_WITHIN)
        assert self.is_ready, self.text

    @property
    def is_ready(self):
        # Listening, and named in the log, it may yet fail.
        return f"Doornail is running at http://127.0.0.1:{self.port}" in self.text

    @property
    def home(self):
        """Where the cluster is: for root, where the pointer says."""
        pointer = self.data / "cluster"
        return Path(pointer.read_text().strip()) if pointer.exists() else self.data

    @property
    def postmaster(self):
        """The lines of the server's postmaster.pid."""
        return (self.home / "postgres" / "postmaster.pid").read_text().splitlines()

    @property
    def postgres(self):
        return int(self.postmaster[0])

    @property
    def socket(self):
        return Path(self.postmaster[4])

    @property
    def watchdog(self):
        """The process that started PostgreSQL."""
        stat = Path(f"/proc/{self.postgres}/stat").read_text()
        return int(stat.rpartition(")")[2].split()[1])

    def sql(self, statement):
        """Runs a statement on the private database."""
        with psycopg.connect(
            host=str(self.socket), port=5432, user="doornail", dbname="doornail", autocommit=True
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else None

    def remember(self, value):
        """Commits a row that has to be there after whatever happens next."""
        self.sql("CREATE TABLE IF NOT EXISTS test_dev (value text)")
        self.sql(f"INSERT INTO test_dev VALUES ('{value}')")

    def remembers(self, *values):
        return {row[0] for row in self.sql("SELECT value FROM test_dev")} == set(values)

    def end(self, how=signal.SIGINT):
        """Ends it by a signal and returns its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, how)
        return self.process.wait(ENDS_WITHIN)

    def ends_by_itself(self):
        """Its exit code and what it printed."""
        code = self.process.wait(STARTS_WITHIN)
        return code, self.text


class Sandbox:
    """Starts `doornail dev`s and sees to it that none is left."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.started = []

    def begin_with(self, dev):
        """Makes the data folder a copy of that of another run, which has ended."""
        data = self.folder / "data"
        subprocess.run(["cp", "-a", dev.data, data], check=True)
        if dev.home != dev.data:
            home = tempfile.mkdtemp(prefix="dev-", dir=dev.home.parent)
            subprocess.run(["cp", "-a", f"{dev.home}/.", home], check=True)
            (data / "cluster").write_text(home)

    def dev(self, data=None, **options):
        dev = Dev(data or self.folder / "data", **options)
        self.started.append(dev)
        return dev

    def assert_nothing_runs(self, dev, sockets=()):
        """No process of the cluster, and no socket, is left."""
        home = str(dev.home)
        eventually(lambda: not processes(f"{home}/postgres"), f"no process on {home}")
        for socket in sockets:
            eventually(lambda folder=socket: not folder.exists(), f"{socket} is gone")

    def close(self):
        for dev in self.started:
            if dev.process.poll() is None:
                dev.end()
        for dev in self.started:
            dev.output.unlink(missing_ok=True)
            if dev.home != dev.data:
                self.assert_nothing_runs(dev)
                shutil.rmtree(dev.home, ignore_errors=True)


@pytest.fixture
def sandbox(tmp_path):
    made = Sandbox(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A run that has ended."""
    made = Sandbox(tmp_path_factory.mktemp("earlier"))
    dev = made.dev()
    assert dev.end() == 0, dev.text
    yield dev
    made.close()


@pytest.fixture
def used(sandbox, earlier):
    """The data folder is that of an earlier run, for tests that are not about the first start."""
    sandbox.begin_with(earlier)


@pytest.fixture(scope="module")
def somebody():
    """A user who is not root, where root runs the tests."""
    if not IS_ROOT:
        pytest.skip("only root can become another user")
    name = f"dn{os.getpid()}"
    subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", name], check=True)
    yield name
    subprocess.run(["userdel", name], check=False, capture_output=True)


@pytest.fixture
def public_folder(somebody):
    """A folder that the other user owns and can reach."""
    folder = Path(tempfile.mkdtemp(prefix="dn-user-", dir="/var/tmp"))
    shutil.chown(folder, somebody, somebody)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
@pytest.mark.usefixtures("used")
def test_an_orderly_end_stops_postgres_and_keeps_the_data(sandbox, how):
    first = sandbox.dev()
    socket = first.socket
    first.remember("first")
    assert first.end(how) == 0, first.text
    # Already now, not eventually: the command ends after its server.
    assert not processes(f"{first.home}/postgres")
    assert not socket.exists()
    assert not (first.home / "postgres/postmaster.pid").exists()

    second = sandbox.dev()
    assert second.remembers("first")


@pytest.mark.usefixtures("used")
def test_kill_9_stops_postgres_and_loses_nothing(sandbox):
    first = sandbox.dev()
    socket = first.socket
    first.remember("first")
    first.end(signal.SIGKILL)
    sandbox.assert_nothing_runs(first, [socket])
    second = sandbox.dev()
    assert second.remembers("first")


@pytest.mark.usefixtures("used")
def test_it_starts_again_at_once_after_kill_9(sandbox):
    values = []
    for number in range(4):
        dev = sandbox.dev()
        if values:
            assert dev.remembers(*values)
        values.append(str(number))
        dev.remember(values[-1])
        dev.end(signal.SIGKILL)


@pytest.mark.parametrize("group", [False, True], ids=["watchdog", "watchdog and its group"])
@pytest.mark.usefixtures("used")
def test_kill_9_of_the_watchdog_too(sandbox, group):
    first = sandbox.dev()
    socket = first.socket
    first.remember("first")
    watchdog = first.watchdog
    first.process.kill()
    # The group has the postmaster in it, whose crash PostgreSQL then recovers from.
    (os.killpg if group else os.kill)(watchdog, signal.SIGKILL)
    first.process.wait()
    second = sandbox.dev()
    assert second.remembers("first")
    assert second.socket != socket
    eventually(lambda: not socket.exists(), "the old socket is gone")


@pytest.mark.usefixtures("used")
def test_a_postgres_that_takes_its_time_to_end(sandbox):
    """Its file goes before it does; the next start waits for it, and says so."""
    first = sandbox.dev()
    first.remember("first")
    watchdog, postgres, file = first.watchdog, first.postgres, first.home / "postgres/postmaster.pid"
    os.kill(postgres, signal.SIGSTOP)
    try:
        first.process.kill()
        os.kill(watchdog, signal.SIGKILL)
        first.process.wait()
        second = sandbox.dev(ready=False)
        eventually(
            lambda: "waiting for the PostgreSQL of an earlier run" in second.text, "it says so")
        file.unlink()
        time.sleep(6)
        assert second.process.poll() is None, second.text
        assert not second.is_ready
    finally:
        os.kill(postgres, signal.SIGCONT)
    second.wait_until_ready()
    assert second.remembers("first")


@pytest.mark.usefixtures("used")
def test_the_watchdog_alone_is_killed(sandbox):
    dev = sandbox.dev()
    os.kill(dev.watchdog, signal.SIGKILL)
    code, _ = dev.ends_by_itself()
    assert code == 1
    sandbox.assert_nothing_runs(dev)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGQUIT], ids=lambda how: how.name)
@pytest.mark.usefixtures("used")
def test_postgres_dies_by_itself(sandbox, how):
    dev = sandbox.dev()
    dev.remember("first")
    os.kill(dev.postgres, how)
    code, text = dev.ends_by_itself()
    assert code == 1
    assert "postgres" in text.lower()
    assert sandbox.dev().remembers("first")


@pytest.mark.usefixtures("used")
def test_ctrl_c_in_the_terminal_does_not_reach_postgres(sandbox):
    dev = sandbox.dev()
    assert os.getsid(dev.watchdog) != os.getsid(dev.process.pid)
    assert os.getpgid(dev.postgres) != os.getpgid(dev.process.pid)


@pytest.mark.usefixtures("used")
def test_two_on_the_same_data(sandbox):
    first = sandbox.dev()
    code, text = sandbox.dev(ready=False).ends_by_itself()
    assert code == 1
    assert f"already running (pid {first.process.pid})" in text
    # The first one goes on.
    assert first.sql("SELECT 1") == [(1,)]


def test_two_at_once_on_new_data(sandbox):
    both = [sandbox.dev(ready=False) for _ in range(2)]
    eventually(lambda: any(dev.process.poll() is not None for dev in both), "one ends", 60)
    loser, winner = sorted(both, key=lambda dev: dev.process.poll() is None)
    assert loser.process.returncode == 1
    assert "already running" in loser.text
    winner.wait_until_ready()


def test_two_on_different_data(sandbox):
    one, two = sandbox.dev(sandbox.folder / "one"), sandbox.dev(sandbox.folder / "two")
    one.remember("one")
    two.remember("two")
    assert one.remembers("one") and two.remembers("two")


@pytest.mark.parametrize("after", [0.05, 0.15, 0.3, 0.6, 1.0, 1.4])
def test_a_first_start_that_is_cut_short(sandbox, after):
    first = sandbox.dev(ready=False)
    time.sleep(after)
    first.end(signal.SIGKILL)
    second = sandbox.dev()
    assert second.sql("SELECT 1") == [(1,)]
    drafts = [name for name in os.listdir(second.home) if name.startswith("postgres.new")]
    assert not drafts, drafts


@pytest.mark.parametrize(
    "name",
    ["a b", "it's", 'say "hi"', "$HOME `id` $(id)", "back\\slash", "ümlaut é", "-dash", "a\nb"],
)
def test_awkward_names(sandbox, name):
    dev = sandbox.dev(sandbox.folder / name / "data")
    assert dev.sql("SELECT current_database(), current_user") == [("doornail", "doornail")]
    dev.remember("x")
    assert dev.end() == 0
    assert sandbox.dev(sandbox.folder / name / "data").remembers("x")


def test_a_very_long_path(sandbox, somebody, public_folder):
    deep = public_folder.joinpath(*["d" * 100] * 6)
    assert sandbox.dev(deep, user=somebody).sql("SELECT 1") == [(1,)]
    code, text = sandbox.dev(deep.joinpath(*["d" * 100] * 5), user=somebody, ready=False)\
        .ends_by_itself()
    assert code == 1
    assert "too long" in text and "--data" in text


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_root_in_a_folder_that_only_root_can_enter(sandbox):
    sandbox.folder.chmod(0o700)
    dev = sandbox.dev()
    assert dev.home.parent == Path("/var/lib/doornail")
    assert dev.home.owner() == "postgres"
    assert dev.home.stat().st_mode & 0o777 == 0o700
    assert dev.data.stat().st_mode & 0o777 == 0o700
    for pid in (dev.watchdog, dev.postgres):
        status = Path(f"/proc/{pid}/status").read_text()
        identity = pwd.getpwnam("postgres")
        assert f"Uid:\t{identity.pw_uid}\t{identity.pw_uid}\t{identity.pw_uid}" in status
        assert "Groups:\t \n" in status


def test_a_user_who_is_not_root(sandbox, somebody, public_folder):
    data = public_folder / "data"
    dev = sandbox.dev(data, user=somebody)
    assert dev.home == data
    assert (data / "postgres").owner() == somebody
    dev.remember("x")
    dev.end(signal.SIGKILL)
    sandbox.assert_nothing_runs(dev)
    again = sandbox.dev(data, user=somebody)
    assert again.remembers("x")
    again.end()
    # As root, the same folder is not silently begun anew.
    code, text = sandbox.dev(data, ready=False).ends_by_itself()
    assert code == 1 and "belongs to another user" in text


def test_a_folder_of_somebody_elses(sandbox, somebody, public_folder):
    data = public_folder / "data"
    data.mkdir(mode=0o755)
    code, text = sandbox.dev(data, user=somebody, ready=False).ends_by_itself()
    assert code == 1
    assert "belongs to another user" in text and "--data" in text


KEPT = ["secret", "demo-user.password", "demo-app.secret", "demo-mail.secret", "demo-api.secret"]
WRITTEN = ["lock", "cluster", "env", *KEPT]
DRAFTS = [f"{name}.new" for name in WRITTEN]


class Bait:
    """A file and a folder of root's, which links lead to."""

    def __init__(self, folder):
        self.folder = folder / "bait"
        self.folder.mkdir(mode=0o700)
        self.file = self.folder / "file"
        self.file.write_text("a text of root's own, which is longer than thirty-two bytes\n")
        self.before = self.state()

    def state(self):
        return [
            (path.name, path.stat().st_uid, path.stat().st_mode, path.stat().st_mtime_ns)
            for path in (self.folder, *sorted(self.folder.iterdir()))
        ]

    def plant(self, folder, names, is_there=True):
        """Puts links in a folder: to the file, or to where a file could be made."""
        for name in names:
            (folder / name).symlink_to(self.file if is_there else self.folder / name)

    def assert_untouched(self):
        assert self.state() == self.before
        assert self.file.read_text().startswith("a text of root's own")


@pytest.mark.parametrize("is_there", [True, False], ids=["to a file", "to nothing"])
def test_root_in_the_folder_of_somebody_who_planted_links(
    sandbox, somebody, public_folder, is_there
):
    data, bait = public_folder / "data", Bait(sandbox.folder)
    data.mkdir()
    names = [*WRITTEN, *DRAFTS, "postgres", "postgres.log", "postgres.log.1"]
    bait.plant(data, names, is_there)
    shutil.chown(data, somebody, somebody)
    code, text = sandbox.dev(data, ready=False).ends_by_itself()
    assert code == 1
    assert "belongs to another user" in text and "--data" in text
    bait.assert_untouched()


def test_root_where_others_could_change_the_way(sandbox, somebody, public_folder):
    """A folder that anybody may write to, or a link that another user has made."""
    bait = Bait(sandbox.folder)
    shared = sandbox.folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    link = public_folder / "data"
    link.symlink_to(bait.folder)
    user = pwd.getpwnam(somebody)
    os.chown(link, user.pw_uid, user.pw_gid, follow_symlinks=False)
    for data, part in ((shared / "data", shared), (link, link), (link / "data", link)):
        code, text = sandbox.dev(data, ready=False).ends_by_itself()
        assert code == 1
        assert f"Others could change where {part} leads" in text and "--data" in text
    # Where each may remove their own files alone it is the folder itself that counts.
    shared.chmod(0o1777)
    code, text = sandbox.dev(shared, ready=False).ends_by_itself()
    assert code == 1 and "others may write to it" in text
    assert not list(shared.iterdir())
    bait.assert_untouched()


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
@pytest.mark.parametrize("name", ["lock", "cluster", "secret", "demo-user.password"])
def test_links_in_the_data_folder_are_not_followed(sandbox, name):
    bait = Bait(sandbox.folder)
    data = sandbox.folder / "data"
    data.mkdir(mode=0o700)
    bait.plant(data, [name])
    code, text = sandbox.dev(data, ready=False).ends_by_itself()
    assert code == 1
    assert f"{data}/{name}" in text and "remove" in text
    bait.assert_untouched()


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_links_in_the_place_of_what_is_written_are_replaced(sandbox):
    bait = Bait(sandbox.folder)
    data = sandbox.folder / "data"
    data.mkdir(mode=0o700)
    bait.plant(data, [*DRAFTS, "env"])
    dev = sandbox.dev(data)
    assert not (data / "env").is_symlink() and "DOORNAIL_ISSUER" in (data / "env").read_text()
    dev.end()
    bait.assert_untouched()


@pytest.mark.usefixtures("used")
def test_a_postmaster_pid_that_names_another_folder(sandbox):
    """PostgreSQL's user may write there what they want; nothing of anybody else's is removed."""
    first = sandbox.dev()
    stale, lines = first.home / "postgres/postmaster.pid", first.postmaster
    first.end()
    bait = Bait(sandbox.folder)
    with tempfile.TemporaryDirectory(prefix="dn-", dir="/tmp") as way:
        lines[4] = f"{way}/../..{bait.folder}"
        stale.write_text("\n".join(["2", *lines[1:]]) + "\n")
        shutil.chown(stale, (first.home / "postgres").owner())
        stale.chmod(0o600)
        assert sandbox.dev().sql("SELECT 1") == [(1,)]
    bait.assert_untouched()


def test_a_folder_that_cannot_be_made(sandbox, somebody):
    code, text = sandbox.dev("/var/lib/dn-not-mine/data", user=somebody, ready=False)\
        .ends_by_itself()
    assert code == 1
    assert "/var/lib/dn-not-mine" in text and "Permission denied" in text


def test_data_that_is_a_file(sandbox):
    (sandbox.folder / "data").write_text("")
    code, text = sandbox.dev(ready=False).ends_by_itself()
    assert code == 1
    assert "cannot be made" in text


def damage_version(cluster):
    (cluster / "PG_VERSION").unlink()


def damage_other_version(cluster):
    (cluster / "PG_VERSION").write_text("9\n")


def damage_control(cluster):
    (cluster / "global/pg_control").write_bytes(b"\0" * 100)


def damage_configuration(cluster):
    (cluster / "postgresql.conf").write_text("no_such_setting = 1\n")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_version, ["PG_VERSION", "--data"]),
        (damage_other_version, ["PostgreSQL 9", "postgresql-9"]),
        (damage_control, ["pg_control", "--data"]),
        (damage_configuration, ["no_such_setting", "--data"]),
    ],
)
@pytest.mark.usefixtures("used")
def test_damaged_data(sandbox, damage, words):
    first = sandbox.dev()
    first.end()
    damage(first.home / "postgres")
    before = sorted(os.listdir(first.home / "postgres"))
    code, text = sandbox.dev(ready=False).ends_by_itself()
    assert code == 1
    for word in words:
        assert word in text
    # Whatever is wrong with data, they are never deleted.
    after = set(os.listdir(first.home / "postgres")) - {"postmaster.pid", "postmaster.opts"}
    assert after >= set(before) - {"postmaster.pid", "postmaster.opts"}
    assert not processes(f"{first.home}/postgres")


@pytest.mark.skipif(not IS_ROOT, reason="only root has a pointer")
@pytest.mark.usefixtures("used")
def test_a_pointer_to_nothing(sandbox):
    first = sandbox.dev()
    first.end()
    aside = first.home.with_name(first.home.name + ".aside")
    first.home.rename(aside)
    code, text = sandbox.dev(ready=False).ends_by_itself()
    assert code == 1
    assert str(first.data / "cluster") in text
    aside.rename(first.home)
    sandbox.dev()


@pytest.mark.usefixtures("used")
def test_a_stale_postmaster_pid_of_a_process_that_is_not_postgres(sandbox):
    """As after a crash of the machine: the number is somebody else's, who gets no signal."""
    first = sandbox.dev()
    first.remember("x")
    stale = first.home / "postgres/postmaster.pid"
    lines = first.postmaster
    first.end()
    with subprocess.Popen(["sleep", "100"]) as bystander:
        try:
            stale.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
            shutil.chown(stale, (first.home / "postgres").owner())
            stale.chmod(0o600)
            second = sandbox.dev()
            assert second.remembers("x")
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_no_postgresql(sandbox):
    """PATH alone cannot hide Debian's folder, so this needs a mount namespace of its own."""
    if not IS_ROOT:
        pytest.skip("needs root")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    script = 'mount -t tmpfs none /usr/lib/postgresql && exec "$0" "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(BINARY), "dev", "--data",
         str(sandbox.folder / "data")],
        env={"PATH": "/usr/bin:/bin", "HOME": "/"}, cwd="/", capture_output=True, text=True,
        timeout=STARTS_WITHIN, check=False,
    )
    if "mount" in done.stderr and "denied" in done.stderr:
        pytest.skip("no mounts allowed here")
    assert done.returncode == 1
    assert "initdb" in done.stderr + done.stdout
    assert "apt-get install postgresql" in done.stderr + done.stdout


def test_a_full_disk(sandbox, somebody):
    folder = Path(tempfile.mkdtemp(prefix="dn-full-", dir="/var/tmp"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m,mode=0777", "none", folder],
        capture_output=True, check=False,
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("no mounts allowed here")
    try:
        code, text = sandbox.dev(folder / "data", user=somebody, ready=False).ends_by_itself()
        assert code == 1
        assert "full" in text and "free some space" in text
        # Nothing half-made takes up the space that is left.
        assert not [n for n in os.listdir(folder / "data") if n.startswith("postgres")]
    finally:
        subprocess.run(["umount", folder], check=False)
        folder.rmdir()


@pytest.mark.usefixtures("used")
def test_the_log_is_kept_and_bounded(sandbox):
    first = sandbox.dev()
    log = first.home / "postgres.log"
    first.sql("DO $$ BEGIN RAISE LOG 'a line of ours'; END $$")
    first.end()
    assert "a line of ours" in log.read_text()
    with log.open("ab") as file:
        file.truncate(11_000_000)
    second = sandbox.dev()
    second.end()
    assert log.stat().st_size < 1_000_000
    assert (first.home / "postgres.log.1").stat().st_size == 11_000_000


def test_settings(sandbox):
    dev = sandbox.dev()
    wanted = {
        "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
        "listen_addresses": "", "server_encoding": "UTF8", "max_connections": "50",
    }
    for name, value in wanted.items():
        assert dev.sql(f"SHOW {name}") == [(value,)], name
    assert dev.socket.stat().st_mode & 0o777 == 0o700
    assert len(str(dev.socket)) < 20
    # The server is this command's own and nobody else's: it listens nowhere else.
    assert len(descendants(dev.watchdog)) > 3
    assert os.access(program("initdb"), os.X_OK)
