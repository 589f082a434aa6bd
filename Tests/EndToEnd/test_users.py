"""`doornail user` and `doornail session`: people and their logins, on the command line."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from browser import Browser
from support import BINARY, new_password

# How long a password takes matters here (conftest.py).
SLOW_PASSWORDS = True

SID = "019b7a5e-4f00-7c3a-9d51-3f6f2b8d9e10"


def create(doornail, name, *flags, stdin=None):
    password = new_password() + "\n" if stdin is None else stdin
    return doornail.run(
        "user", "create", "--username", name, "--password-stdin", *flags, stdin=password
    )


def test_the_life_of_a_user(doornail, pair, app):
    """create, show, list, log in, disable, enable, set-password, delete."""
    flags = ["--name", "Grace Hopper", "--email", "grace@example.com", "--email-verified"]
    grace = doornail.user("Grace", *flags)
    shown = doornail.cli("user", "show", "grace")
    assert shown["id"] == grace.id and shown["username"] == "Grace"
    assert shown["name"] == "Grace Hopper" and shown["email"] == "grace@example.com"
    assert shown["email_verified"] is True and shown["disabled"] is False
    assert shown["apps"] == []
    assert doornail.cli("user", "show", grace.id)["id"] == grace.id
    assert [one["username"] for one in doornail.cli("user", "list")].count("Grace") == 1
    for text in (json.dumps(shown), doornail.run("user", "show", "grace").stdout):
        assert "scrypt" not in text and grace.password not in text

    browser = Browser(pair[0], user_agent="Grace's browser \N{SNOWMAN}".encode())
    browser.log_in(grace)
    tokens = browser.tokens(app, scope="photos:read offline_access")
    assert tokens.refresh
    session = doornail.sessions(grace)[0]
    assert set(session) >= {
        "id",
        "user",
        "user_agent",
        "address",
        "created_at",
        "last_seen_at",
        "expires_at",
        "clients",
    }
    assert session["user"] == "Grace" and session["address"] == "127.0.0.1"
    assert session["clients"] == [app.id]
    shown = doornail.cli("session", "show", session["id"])
    assert shown["state"] == "alive" and [g["client_id"] for g in shown["grants"]] == [app.id]
    assert shown["grants"][0]["offline"] is True
    assert doornail.cli("user", "show", "grace")["apps"][0]["client_id"] == app.id

    doornail.cli("user", "disable", "GRACE")
    assert doornail.cli("user", "show", "grace")["disabled"] is True
    assert doornail.sessions(grace) == []
    assert doornail.cli("session", "show", session["id"])["state"] != "alive"
    assert not browser.is_logged_in(app)
    doornail.cli("user", "enable", "grace")
    assert not browser.is_logged_in(app)
    assert doornail.cli("user", "show", "grace")["apps"] == []
    browser.log_in(grace)
    assert browser.is_logged_in(app)
    old = grace.password
    doornail.set_password(grace)
    assert not browser.is_logged_in(app)
    answer = browser.login("grace", old)
    assert browser.follow(answer).alert
    browser.log_in(grace)
    doornail.cli("user", "delete", "grace")
    assert not browser.is_logged_in(app)
    assert doornail.run("user", "show", "grace").returncode == 1

    again = doornail.user("grace")
    assert again.id != grace.id
    assert not browser.is_logged_in(app)


def test_names(doornail):
    """One person, one name, whatever the case; a taken name is 1 and changes nothing."""
    first = doornail.user("Émile")
    for same in ("émile", "ÉMILE", "E\N{COMBINING ACUTE ACCENT}mile"):
        done = create(doornail, same)
        assert done.returncode == 1 and "exists" in done.stderr, done.stderr
        assert doornail.cli("user", "show", same)["id"] == first.id


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[2Jb", "x" * 256, SID, "a\u202eb"])
def test_bad_names(doornail, name):
    done = create(doornail, name)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.strip()
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("stdin", ["", "\n", "short\n", "1234567\n", "x" * 1025 + "\n", "a" * 9 + "\nb\n"])
def test_bad_passwords(doornail, stdin):
    """Refused before anything is written, and never repeated."""
    done = create(doornail, "nopassword", stdin=stdin)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.strip()
    assert doornail.run("user", "show", "nopassword").returncode == 1


@pytest.mark.parametrize("password", ["12345678", "x" * 1024, "  blanks around  ", "p\N{SNOWMAN}ss wörd"])
def test_passwords_at_the_limits(doornail, pair, app, password):
    name = f"limit{len(password)}"
    assert create(doornail, name, stdin=password + "\n").returncode == 0
    browser = Browser(pair[0])
    browser.login(name, password)
    assert browser.is_logged_in(app)
    stripped = Browser(pair[0])
    stripped.login(name, password.strip() + "x")
    assert not stripped.session


@pytest.mark.parametrize("flags", [["--email", "nobody"], ["--email", "a b@c"], ["--email-verified"]])
def test_bad_emails(doornail, flags):
    assert create(doornail, "noemail", *flags).returncode == 2


def test_without_a_terminal(doornail):
    """It says how to give the password, and does not wait for one."""
    done = doornail.run("user", "create", "--username", "nobody")
    assert done.returncode == 2 and "--password-stdin" in done.stderr


def at_a_terminal(doornail, *arguments):
    """A command with a terminal of its own."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [BINARY, *arguments],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=doornail.environment(),
        cwd=doornail.folder,
        start_new_session=True,
        preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0),
    )
    os.close(terminal)
    return process, controller


def read_until(controller, text, seconds=20):
    seen = ""
    deadline = time.monotonic() + seconds
    while text not in seen.lower():
        assert time.monotonic() < deadline, seen
        if select.select([controller], [], [], 0.2)[0]:
            try:
                seen += os.read(controller, 4096).decode(errors="replace")
            except OSError:
                break
    return seen


def test_at_a_terminal(doornail):
    """The password is asked for twice and never shown."""
    password = new_password()
    process, controller = at_a_terminal(doornail, "user", "create", "--username", "typed")
    seen = read_until(controller, "password")
    os.write(controller, password.encode() + b"\n")
    time.sleep(0.3)
    seen += read_until(controller, "again")
    os.write(controller, password.encode() + b"\n")
    seen += read_until(controller, "typed\r\n")
    assert process.wait(20) == 0, seen
    assert password not in seen
    assert doornail.cli("user", "show", "typed")["username"] == "typed"
    os.close(controller)


def test_ctrl_c_at_the_prompt(doornail):
    """It ends, makes nobody, and the terminal echoes again."""
    import termios

    process, controller = at_a_terminal(doornail, "user", "create", "--username", "untyped")
    read_until(controller, "password")
    time.sleep(0.3)
    assert not termios.tcgetattr(controller)[3] & termios.ECHO
    os.write(controller, b"half\x03")
    code = process.wait(20)
    assert code in (-signal.SIGINT, 130), code
    assert termios.tcgetattr(controller)[3] & termios.ECHO
    assert doornail.run("user", "show", "untyped").returncode == 1
    os.close(controller)


def test_lists_for_people(doornail, pair, app, ada):
    """What came from a browser cannot write to the terminal."""
    browser = Browser(pair[0], user_agent="evil \x9b31m agent")
    browser.log_in(ada)
    text = doornail.run("session", "list").stdout
    assert "evil" in text and not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert "ada" in doornail.run("user", "list").stdout
