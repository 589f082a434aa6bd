"""Tokens, codes and secrets where none belongs: what is said of such a request does not show them."""

import re
import secrets
from urllib.parse import urlencode

import pytest
from rawhttp import Connection, post
from support import SEEN

PREFIXES = ["dn_at_", "dn_rt_", "dn_ac_", "dn_cs_"]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def secret():
    """Something that looks like one, and that the logs are searched for at the end."""
    value = secrets.token_urlsafe(60)
    SEEN.add(value)
    return value


def raw(node, data):
    with Connection(node) as connection:
        connection.send(data)
        return connection.rest(2)[0]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_logs_show_no_tokens(node, client, app, prefix):
    text = prefix + secret()
    for path in (
        f"/{text}", f"/introspect/{text}", f"/token{text}", f"/authorize?{text}={text}",
        f"/authorize?client_id={text}&redirect_uri={text}",
        f"/authorize?client_id={app.id}&redirect_uri=https://app.example/cb&response_type={text}",
        f"/authorize?client_id={app.id}&redirect_uri=https://app.example/cb&response_type=code"
        f"&scope={text}&prompt={text}&{text}={text}&{text}={text}",
        f"/login?continue={text}", f"/consent?{text}", f"/logout?id_token_hint={text}&{text}={text}",
        f"/account?{text}={text}", f"/userinfo?access_token={text}",
    ):  # fmt: skip
        headers = {"User-Agent": text, "X-Request-ID": text, "tracestate": f"a={text}"}
        node.request("GET", path, headers=headers)
        node.request("POST", path, data={text: text}, headers=FORM | headers)
    grant = {"grant_type": "client_credentials"}
    for form in (
        {"grant_type": text}, grant | {"scope": text}, grant | {"resource": text},
        grant | {"audience": text}, grant | {text: "x"}, grant | {"client_id": text},
        {"grant_type": "authorization_code", "code": text, "redirect_uri": text, "code_verifier": text},
        {"grant_type": "refresh_token", "refresh_token": text, "scope": text},
        {"token": text, "token_type_hint": text}, {"username": text, "password": text},
    ):  # fmt: skip
        for path in ("/token", "/introspect", "/revoke", "/login", "/account"):
            node.request("POST", path, data=form, headers=FORM | client.basic)
            node.request("POST", path, data=form, headers=FORM)
    twice = f"{urlencode(grant)}&{text}=1&{text}=2"
    node.request("POST", "/token", data=twice, headers=FORM | client.basic)
    for data in (
        f"{text} / HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET /{text} HTTP/1.1\r\n{text}: {text}\r\n\r\n",
        f"GET /{text} HTTP/1.1\r\nHost: {text}\r\nX-Forwarded-For: {text}\r\n\r\n",
        f"GET {text} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET http://{text}/{text} HTTP/1.1\r\nHost: x\r\nX-Request-ID: {text}\r\n\r\n",
    ):
        raw(node, data.encode())
    body = urlencode(grant).encode()
    raw(node, post("/token", body, f"Authorization: Basic {text}", f"X-Request-ID: {text}"))
    log = node.log_text()
    assert text[6:26] not in log
    # The lines are there, and say that something was.
    assert re.search(rf'"path":"/{prefix}…"', log)
    assert f'"path":"/introspect/{prefix}…"' in log


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "arguments",
    [
        ("client", "show", "@"),
        ("client", "create", "--id", "x", "--audience", "@ @"),
        ("client", "create", "--id", "é@"),
        ("client", "create", "--id", "x", "--grant", "@"),
        ("user", "show", "@"),
        ("revoke", "client", "@"),
        ("revoke", "grant", "@"),
        ("session", "show", "@"),
        ("@",),
        ("check", "--config", "@"),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_commands_show_no_tokens(doornail, arguments, prefix):
    text = prefix + secret()
    done = doornail.run(*[argument.replace("@", text) for argument in arguments])
    assert done.returncode in (1, 2)
    assert done.stderr and text[6:26] not in done.stderr + done.stdout


def test_settings_show_no_tokens(doornail):
    for name in ("DOORNAIL_LISTEN", "DOORNAIL_ISSUER", "DOORNAIL_TRUSTED_PROXIES", "DOORNAIL_LEASE"):
        text = "dn_cs_" + secret()
        done = doornail.run("check", env={name: text})
        assert done.returncode == 1
        assert text[6:26] not in done.stderr + done.stdout
