"""What the tests share: a cluster for the session, an installation and a node for each module."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from browser import Browser
from postgres import Cluster
from support import BINARY, ISSUER, SEEN, Doornail

TEST_SECONDS = 150
# The slowest first: one of these begun last would keep all the others waiting.
SLOW = [
    "test_dev", "test_writes_by_hand", "test_extreme_rows", "test_crowds", "test_faults",
    "test_openapi", "test_clock_of_the_database", "test_browser", "test_account", "test_guessing",
    "test_end_races", "test_ends", "test_configuration", "test_examples",
]  # fmt: skip


def pytest_configure(config):
    config.addinivalue_line("markers", f"seconds(n): may take longer than {TEST_SECONDS} s")
    if not BINARY.exists():
        raise pytest.UsageError(f"{BINARY} does not exist: build it, or set DOORNAIL_BINARY")
    # Secrets and settings that a group may change are refused, as the umask of some users would make them.
    os.umask(0o022)
    # SIGTERM is an end in order too: the fixtures stop what they started.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))


def pytest_xdist_auto_num_workers(config):
    """For all tests one process more than cores, since many wait; for what was picked just one."""
    picked = config.option.keyword or config.option.capture == "no"
    if picked or not all(Path(argument).is_dir() for argument in config.args):
        return 0
    return min(len(os.sched_getaffinity(0)) + 1, 8)


def pytest_collection_modifyitems(config, items):
    """Where processes share the files, these go to them in the order that items are in."""
    if hasattr(config, "workerinput"):
        rank = {name: number for number, name in enumerate(SLOW)}
        items.sort(key=lambda item: rank.get(item.module.__name__, len(SLOW)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """A test that hangs fails, and the rest goes on."""
    marker = item.get_closest_marker("seconds")
    seconds = marker.args[0] if marker else TEST_SECONDS

    def overdue(*_):
        raise TimeoutError(f"the test took more than {seconds} s")

    signal.signal(signal.SIGALRM, overdue)
    signal.alarm(seconds)
    try:
        return (yield)
    finally:
        signal.alarm(0)


@pytest.fixture(scope="session")
def cluster():
    """The PostgreSQL of the session; in memory where there is room, as nothing outlives the session."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30
    made = Cluster(parent=memory if has_room else "/tmp")
    yield made
    made.remove()


@pytest.fixture(scope="session", autouse=True)
def nothing_leaks():
    """After all tests: no log has a secret, a token or credentials."""
    yield
    leaks = SEEN.leaks()
    assert not leaks, "secrets or tokens in logs:\n" + "\n".join(leaks[:20])


@pytest.fixture(scope="module")
def doornail(cluster, tmp_path_factory, request):
    """An installation on a migrated database of the module's own."""
    name = request.module.__name__
    made = Doornail(cluster, name, tmp_path_factory.mktemp(name))
    # In most modules logins are a way to tokens, and need not take a core's third of a second.
    made.slow_passwords = getattr(request.module, "SLOW_PASSWORDS", False)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def node(doornail):
    """A running server."""
    return doornail.node()


@pytest.fixture(scope="module")
def other(doornail, node):
    """A second one on the same database."""
    return doornail.node()


@pytest.fixture(scope="module")
def client(doornail):
    """A client with scopes."""
    return doornail.client("photos", "--scope", "photos:read photos:write")


@pytest.fixture(scope="module")
def api(doornail):
    """A resource server that is told about all tokens."""
    return doornail.client("api", "--introspects", "any")


@pytest.fixture(scope="module")
def pair(doornail):
    """Two servers behind one name."""
    return [doornail.node(DOORNAIL_ISSUER=ISSUER) for _ in range(2)]


@pytest.fixture(scope="module")
def ada(doornail):
    """A person."""
    return doornail.user("ada")


@pytest.fixture(scope="module")
def bob(doornail):
    """Another one."""
    return doornail.user("bob")


@pytest.fixture(scope="module")
def app(doornail):
    """An application that never asks for consent."""
    return doornail.app("app", "--first-party")


@pytest.fixture
def anonymous(node):
    """A browser that nobody is logged in with."""
    return Browser(node)


@pytest.fixture(scope="module")
def browser(node, ada):
    """A browser in which Ada is logged in; no test may end that."""
    made = Browser(node)
    made.log_in(ada)
    return made
