"""SIGTERM under load: what was accepted is answered, then the process ends with 0."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from postgres import Cluster
from rawhttp import Connection, post
from support import assert_unavailable, locked

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this module's own, since it is frozen."""
    made = Cluster()
    yield made
    made.remove()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_accepted_requests_are_answered(doornail, client, number):
    """Twenty requests wait for the database when the signal comes: all get their answer."""
    node = doornail.node()
    tokens = [node.token(client) for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        with locked(doornail):
            running = [
                pool.submit(node.post, "/introspect", {"token": token}, client) for token in tokens
            ]
            time.sleep(1)
            node.process.send_signal(number)
            time.sleep(0.5)
            with pytest.raises(requests.ConnectionError):
                requests.get(node.root + "/health/live", timeout=2)
        answers = [future.result() for future in running]
    assert [answer.status_code for answer in answers] == [200] * 20
    assert all(answer.json()["active"] for answer in answers)
    assert node.process.wait(15) == 0
    node.process = None


def test_sigterm_under_load(doornail, client):
    """No answer is cut in two; clients that keep their connections do not hold the end up."""
    node = doornail.node()
    token = node.token(client)
    body = f"token={token}".encode()
    data = post("/introspect", body, "Authorization: " + client.basic["Authorization"])
    problems, answered = [], []

    def load(_):
        while True:
            try:
                connection = Connection(node)
            except OSError:
                return
            with connection:
                try:
                    for _ in range(50):
                        connection.send(data)
                        status, headers, _ = connection.response()
                        answered.append(status)
                        if headers.get("connection", "").lower() == "close":
                            return
                except OSError:
                    # Closed between two requests is in order; in the middle of an answer not.
                    if connection.buffer:
                        problems.append(connection.buffer)
                    return

    with ThreadPoolExecutor(16) as pool:
        running = [pool.submit(load, index) for index in range(16)]
        time.sleep(2)
        began = time.monotonic()
        node.process.terminate()
        assert node.process.wait(15) == 0
        assert time.monotonic() - began < 10
        for future in running:
            future.result()
    node.process = None
    assert not problems, problems
    assert len(answered) > 100 and set(answered) == {200}


def test_stops_while_the_database_is_frozen(doornail, cluster, client):
    node = doornail.node()
    cluster.freeze()
    try:
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(node.post, "/token", GRANT, client)
            time.sleep(0.5)
            node.process.terminate()
            assert_unavailable(running.result())
            assert node.process.wait(15) == 0
        node.process = None
    finally:
        cluster.thaw()


def test_port_in_use(doornail, node):
    """A clear sentence and exit code 1, for each listener."""
    for variable, port in (
        ("DOORNAIL_LISTEN", node.port),
        ("DOORNAIL_ADMIN_LISTEN", node.admin_port),
    ):
        env = {"DOORNAIL_LISTEN": "127.0.0.1:0", "DOORNAIL_ADMIN_LISTEN": "127.0.0.1:0"}
        done = doornail.run("serve", env=env | {variable: f"127.0.0.1:{port}"}, timeout=20)
        assert done.returncode == 1
        assert str(port) in done.stderr
