"""What a stranger sends must not stop the others: floods, locks held for long, odd paths."""

import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from support import BINARY, free_port


@pytest.fixture(scope="module")
def node(doornail):
    return doornail.node(DOORNAIL_POOL="4")


@pytest.fixture(scope="module")
def app(doornail, node):
    return doornail.client("app", "--audience", "https://api.example.com")


@pytest.fixture(scope="module")
def api(doornail, node):
    return doornail.client("api", "--audience", "https://api.example.com", grant=None)


@pytest.mark.parametrize(
    "path", ["/token/", "//token", "/revoke/", "/introspect//", "/health/live/", "/Token"]
)
def test_a_path_has_one_spelling(node, app, path):
    answer = requests.post(
        node.root + path, data={"grant_type": "client_credentials"}, headers=app.basic, timeout=10
    )
    assert answer.status_code == 404
    assert answer.json()["error"] == "not_found"


def test_guesses_do_not_take_the_pool(doornail, node, app, api):
    """Wrong secrets are counted in one row; who holds it up holds up nobody else."""
    token = node.token(app)

    def guess(_):
        form = {"grant_type": "client_credentials", "client_id": app.id, "client_secret": "wrong"}
        return node.post("/token", form).status_code

    assert guess(0) == 401
    with doornail.cluster.connect(doornail.database, autocommit=False) as connection:
        connection.execute("SELECT * FROM throttles FOR UPDATE")
        with ThreadPoolExecutor(30) as threads:
            guesses = [threads.submit(guess, number) for number in range(30)]
            time.sleep(0.5)
            for _ in range(20):
                assert node.is_active(api, token)
            connection.rollback()
            assert {guess.result() for guess in guesses} <= {401, 503}
    # Past the limit a flood only reads.
    for _ in range(60):
        guess(0)
    before = doornail.sql("SELECT xmin, failures FROM throttles")
    assert guess(0) == 429
    assert doornail.sql("SELECT xmin, failures FROM throttles") == before
    assert node.token(app), "the right secret is never throttled"


def test_health_checks_do_not_take_the_pool(node, app, api):
    token = node.token(app)
    over = threading.Event()

    def check():
        while not over.is_set():
            requests.get(node.root + "/health/ready", timeout=10)

    checkers = [threading.Thread(target=check) for _ in range(40)]
    for checker in checkers:
        checker.start()
    try:
        for _ in range(50):
            assert node.is_active(api, token)
    finally:
        over.set()
        for checker in checkers:
            checker.join()


def test_one_deadline_for_all_that_a_request_asks(doornail, node, app, api):
    """The client's row comes late and the token's state never: 503 within 5 s, not twice that."""
    token = node.token(app)
    with doornail.cluster.connect(doornail.database, autocommit=False) as late:
        with doornail.cluster.connect(doornail.database, autocommit=False) as never:
            late.execute("LOCK TABLE clients")
            never.execute("LOCK TABLE revoked_tokens")
            timer = threading.Timer(3, late.rollback)
            timer.start()
            start = time.monotonic()
            answer = node.post("/introspect", {"token": token}, api)
            took = time.monotonic() - start
            timer.join()
            never.rollback()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"].isdigit()
    assert 3 < took < 7
    node.wait_until_ready()
    assert node.is_active(api, token)


def test_a_log_that_nobody_reads_stops_nobody(doornail):
    port = free_port()
    environment = doornail.environment(
        DOORNAIL_LISTEN=f"127.0.0.1:{port}", DOORNAIL_ADMIN_LISTEN=f"127.0.0.1:{free_port()}"
    )
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [BINARY, "serve"], env=environment, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer
    )
    os.close(writer)
    try:
        deadline = time.monotonic() + 20
        with requests.Session() as session:
            session.trust_env = False
            while True:
                try:
                    session.get(f"http://127.0.0.1:{port}/health/live", timeout=5)
                    break
                except requests.ConnectionError:
                    assert process.poll() is None and time.monotonic() < deadline
                    time.sleep(0.05)
            # Far more than a pipe holds.
            for _ in range(2000):
                answer = session.get(f"http://127.0.0.1:{port}/nowhere", timeout=5)
                assert answer.status_code == 404
    finally:
        process.terminate()
        threading.Thread(target=lambda: os.read(reader, 1 << 20), daemon=True).start()
        process.wait(20)
        os.close(reader)


@pytest.mark.parametrize("arguments", [["revoke"], ["client"]])
def test_a_command_cut_short_does_not_look_done(doornail, arguments):
    done = doornail.run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""


def test_two_tokens_at_once_are_refused_rather_than_one_forgotten(doornail, node, app, api):
    first, second = node.token(app), node.token(app)
    done = doornail.run("revoke", "token", stdin=f"{first}\n{second}\n")
    assert done.returncode == 2
    assert node.is_active(api, first) and node.is_active(api, second)


def test_what_is_no_token_is_not_said_to_be_ended(doornail, node, app, api):
    token = node.token(app)
    done = doornail.run("revoke", "token", stdin=token[:-1])
    assert done.returncode == 1
    assert node.is_active(api, token)
