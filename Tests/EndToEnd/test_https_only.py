"""Every answer of a server that is known by https tells browsers to come by https alone."""

import requests
from rawhttp import Connection, post
from support import ISSUER

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NAME = "Strict-Transport-Security"


def all_answers(node, client, token):
    """An answer of each kind, by name: its headers."""
    basic = f"Authorization: {client.basic['Authorization']}"
    form = b"token=" + token.encode()
    found = {}
    with Connection(node) as connection:
        # The first of these goes to the endpoint, the others are answered on the event loop.
        for number in range(3):
            connection.send(post("/introspect", form, basic))
            found[f"introspection {number}"] = connection.response()[1]
        connection.send(post("/introspect", form, basic, "Origin: https://x.example"))
        found["at the endpoint"] = connection.response()[1]
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        found["no host"] = connection.response()[1]
    for method, path in [
        ("GET", "/nowhere"), ("PUT", "/token"), ("POST", "/token"), ("POST", "/introspect"),
        ("OPTIONS", "/token"), ("GET", "/health/live"), ("HEAD", "/health/live"),
        ("GET", "/jwks.json"), ("GET", "/.well-known/openid-configuration"), ("GET", "/login"),
        ("GET", "/authorize"), ("GET", "/account"), ("GET", "/userinfo"),
    ]:  # fmt: skip
        answer = node.request(method, path, headers=FORM)
        found[f"{method} {path}"] = {name.lower(): value for name, value in answer.headers.items()}
    return found


def test_said_with_every_answer(doornail, client):
    node = doornail.node(DOORNAIL_ISSUER="https://login.example.com")
    answers = all_answers(node, client, node.token(client))
    for name, headers in answers.items():
        assert headers.get(NAME.lower()) == "max-age=31536000", name
    hot, cold = answers["introspection 2"], answers["at the endpoint"]
    assert list(hot) == list(cold), "the same fields in the same order, whichever way"
    # The second listener is no place for browsers, and speaks no TLS.
    assert NAME not in requests.get(node.admin + "/health/live", timeout=5).headers


def test_not_said_where_there_is_no_https(doornail, client):
    node = doornail.node(DOORNAIL_ISSUER=ISSUER)
    for name, headers in all_answers(node, client, node.token(client)).items():
        assert NAME.lower() not in headers, name
