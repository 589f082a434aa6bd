"""The database's clock is wrong for a while, and is put right again."""

import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest

from browser import Browser
from postgres import Cluster
from support import ROOT, Doornail

sys.path.append(str(ROOT / "Tests" / "Promise"))
import clocks  # noqa: E402

# A node removes what is over each 20 to 40 seconds.
TIDIED_SECONDS = 43


@pytest.fixture(scope="module")
def clock():
    # PostgreSQL's user has to get there, which pytest's own folders keep from others.
    folder = Path(tempfile.mkdtemp(prefix="dn-clock-", dir="/tmp"))
    folder.chmod(0o755)
    preload = clocks.build(folder)
    if preload is None:
        pytest.skip("there is no C compiler")
    yield clocks.Clock(folder, "database", preload)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stepped(clock, tmp_path_factory):
    cluster = Cluster(environment=clock.environment)
    made = Doornail(cluster, "stepped", tmp_path_factory.mktemp("stepped"))
    yield made
    made.stop()
    cluster.remove()


@pytest.mark.seconds(300)
def test_a_step_ahead_and_back_revives_nothing(stepped, clock):
    """Twice a node removes what it takes for over, by a clock that is 2.1 hours and a year ahead;
    meanwhile tokens are ended that this clock takes for expired."""
    nodes = [stepped.node(), stepped.node()]
    app = stepped.client("app")
    api = stepped.client("api", "--introspects", "any")
    for step in (2.1 * 3600, 365 * 86400):
        ended, late, alive = (nodes[0].token(app) for _ in range(3))
        nodes[0].end(app, ended)
        clock.step(step)
        deadline = time.monotonic() + TIDIED_SECONDS
        assert stepped.sql("SELECT clock_timestamp() > now() - interval '1 s'")
        # By this clock it expired long ago, and it is ended all the same.
        time.sleep(1)
        nodes[1].end(app, late)
        while time.monotonic() < deadline:
            assert not any(node.is_active(api, t) for node in nodes for t in (ended, late))
            time.sleep(0.5)
        clock.step(0)
        time.sleep(1)
        for node in nodes:
            assert not node.is_active(api, ended)
            assert not node.is_active(api, late)
            # The clock was wrong: what nobody ended has not expired.
            assert node.is_active(api, alive)


def test_logins_while_it_is_ahead_and_after(stepped, clock):
    """What begins under a wrong clock can be ended as anything can."""
    node = stepped.nodes[0] if stepped.nodes else stepped.node()
    app = stepped.client("later")
    api = stepped.client("ask", "--introspects", "any")
    clock.step(30 * 86400)
    time.sleep(1)
    token = node.token(app)
    assert node.is_active(api, token)
    clock.step(-2 * 3600)
    time.sleep(1)
    assert node.is_active(api, token)
    node.end(app, token)
    for seconds in (0, -86400, 30 * 86400, 0):
        clock.step(seconds)
        time.sleep(0.6)
        assert not node.is_active(api, token)


@pytest.mark.parametrize("days", [-3, -400])
def test_logins_while_it_is_behind_the_horizon(stepped, clock, days):
    """All times go by the horizon meanwhile: people get in, refresh, lose an answer and ask again."""
    node = stepped.nodes[0] if stepped.nodes else stepped.node()
    app = stepped.app(f"app{days}", "--first-party")
    api = stepped.client(f"api{days}", "--introspects", "any")
    person = stepped.user(f"ada{days}")
    clock.step(days * 86400)
    try:
        time.sleep(1)
        browser = Browser(node)
        browser.log_in(person)
        assert not browser.authorize(app, max_age="60").error
        first = browser.tokens(app)
        second = first.rotate(node)
        again = first.rotate(node)
        assert again.refresh == second.refresh
        assert node.is_active(api, second.access) and node.is_active(api, again.access)
        third = second.rotate(node)
        assert node.is_active(api, third.access)
        assert "Log out" in browser.open("/account").text
    finally:
        clock.step(0)
    time.sleep(1)
    assert node.is_active(api, third.rotate(node).access)
