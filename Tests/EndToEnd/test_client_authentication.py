"""How clients prove who they are (RFC 6749 §2.3, RFC 7617), and how guessing is slowed down."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

import rawhttp
from support import SEEN, Client, assert_error, in_parallel

GRANT = {"grant_type": "client_credentials"}


def basic(user, secret, scheme="Basic"):
    return raw(f"{user}:{secret}".encode(), scheme)


def raw(content, scheme="Basic"):
    encoded = base64.b64encode(content).decode()
    SEEN.add(encoded)
    return {"Authorization": f"{scheme} {encoded}"}


def test_basic_and_body(node, client):
    assert node.post("/token", GRANT, client).status_code == 200
    assert node.post("/token", GRANT | client.body).status_code == 200


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "bAsIc", "Basic "])
def test_the_scheme_has_no_case(node, client, scheme):
    headers = basic(client.id, client.secret, scheme)
    assert node.post("/token", GRANT, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "name", ["a:b", "50%", "a+b", "a&b=c", "urn:x:~!*'()", "{[|]}", "https://app.example.com/x"]
)
def test_ids_are_form_decoded_after_base64(doornail, node, name):
    made = doornail.client(name)
    for encode in (quote_plus, lambda text: quote(text, safe="")):
        headers = basic(encode(name), encode(made.secret))
        assert node.post("/token", GRANT, headers=headers).status_code == 200
    assert node.post("/token", GRANT | made.body).status_code == 200


def test_body_client_id_beside_basic(node, client):
    same = node.post("/token", GRANT | {"client_id": client.id}, client)
    assert same.status_code == 200
    other = node.post("/token", GRANT | {"client_id": "somebody"}, client)
    assert_error(other, 400, "invalid_request")


def test_two_methods_at_once(node, client):
    for path, data in (
        ("/token", GRANT),
        ("/introspect", {"token": "x"}),
        ("/revoke", {"token": "x"}),
    ):
        assert_error(node.post(path, data | client.body, client), 400, "invalid_request")


def wrong_headers(client):
    encoded = base64.b64encode(f"{client.id}:{client.secret}".encode()).decode()
    return {
        "wrong secret": basic(client.id, "dn_cs_wrong"),
        "secret cut": basic(client.id, client.secret[:-1]),
        "secret in another case": basic(client.id, client.secret.swapcase()),
        "secret and more": basic(client.id, client.secret + "x"),
        "empty secret": basic(client.id, ""),
        "unknown client": basic("nobody", client.secret),
        "client in another case": basic(client.id.upper(), client.secret),
        "empty client": basic("", client.secret),
        "no colon": raw(client.id.encode()),
        "nothing": {"Authorization": "Basic"},
        "empty": {"Authorization": "Basic "},
        "no base64": {"Authorization": "Basic !!!!"},
        "base64url": {
            "Authorization": "Basic " + base64.urlsafe_b64encode(b"\xff\xfe:\xfb").decode()
        },
        "not UTF-8": raw(b"\xff\xfe:" + client.secret.encode()),
        "broken escape": basic("%zz", client.secret),
        "bad padding": {"Authorization": f"Basic {encoded}="},
        "another scheme": {"Authorization": f"Digest {encoded}"},
        "bearer": {"Authorization": f"Bearer {client.secret}"},
        "no scheme": {"Authorization": encoded},
        "NUL": raw(f"{client.id}\0:{client.secret}".encode()),
    }


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
def test_what_is_refused(node, doornail, path):
    client = doornail.client("refused-" + path[1:])
    data = GRANT if path == "/token" else {"token": "x"}
    descriptions = set()
    for name, headers in wrong_headers(client).items():
        answer = node.post(path, data, headers=headers)
        assert answer.status_code == 401, name
        assert_error(answer, 401, "invalid_client")
        if name in ("wrong secret", "unknown client", "empty client", "secret cut"):
            descriptions.add(answer.text)
    assert len(descriptions) == 1, "unknown client and wrong secret read the same"
    assert node.post(path, data, client).status_code == 200


def test_two_authorization_headers(node, client):
    header = "Authorization: " + client.basic["Authorization"]
    with rawhttp.Connection(node) as connection:
        connection.send(rawhttp.post("/token", b"grant_type=client_credentials", header, header))
        status, _, body = connection.response()
    assert status == 400 and json.loads(body)["error"] == "invalid_request"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"client_id": "photos"},
        {"client_id": "photos", "client_secret": ""},
        {"client_id": "photos", "client_secret": "wrong"},
        {"client_secret": "wrong"},
        {"client_id": "", "client_secret": "x"},
        {"client_id": "x" * 300, "client_secret": "x"},
        {"client_id": "a b", "client_secret": "x"},
        {"client_id": "é", "client_secret": "x"},
    ],
)
def test_bodies_that_are_refused(node, client, data):
    assert_error(node.post("/token", GRANT | data), 401, "invalid_client")


def test_methods_as_registered(doornail, node):
    by_basic = doornail.client("by-basic", "--auth-method", "basic")
    by_post = doornail.client("by-post", "--auth-method", "post")
    assert node.post("/token", GRANT, by_basic).status_code == 200
    assert_error(node.post("/token", GRANT | by_basic.body), 401, "invalid_client")
    assert node.post("/token", GRANT | by_post.body).status_code == 200
    assert_error(node.post("/token", GRANT, by_post), 401, "invalid_client")


def test_public_client_with_a_secret(doornail, node):
    public = doornail.client("pub", "--public", grant=None)
    assert public.secret is None
    data = {"token": "x", "client_id": "pub"}
    assert node.post("/revoke", data).status_code == 200
    assert_error(node.post("/revoke", data | {"client_secret": "x"}), 401, "invalid_client")
    answer = node.post("/revoke", {"token": "x"}, headers=basic("pub", "x"))
    assert_error(answer, 401, "invalid_client")


def test_two_secrets_while_rotating(doornail, node):
    """The one before stays good until the next rotation, not longer."""
    first = doornail.client("rotating")
    second = Client(
        "rotating", doornail.cli("client", "rotate-secret", "rotating")["client_secret"]
    )
    assert first.secret != second.secret
    assert node.post("/token", GRANT, first).status_code == 200
    assert node.post("/token", GRANT, second).status_code == 200
    third = Client("rotating", doornail.cli("client", "rotate-secret", "rotating")["client_secret"])
    assert_error(node.post("/token", GRANT, first), 401, "invalid_client")
    assert node.post("/token", GRANT, second).status_code == 200
    assert node.post("/token", GRANT, third).status_code == 200


def test_throttle(doornail, node, other):
    """50 wrong secrets are borne, then 429, at every node; the right one is always accepted."""
    client = doornail.client("guessed")
    headers = basic(client.id, "dn_cs_guess")
    answers = in_parallel(
        50, lambda index: (node, other)[index % 2].post("/token", GRANT, headers=headers)
    )
    assert [answer.status_code for answer in answers] == [401] * 50
    for place in (node, other):
        for path, data in (
            ("/token", GRANT),
            ("/introspect", {"token": "x"}),
            ("/revoke", {"token": "x"}),
        ):
            answer = place.post(path, data, headers=headers)
            assert_error(answer, 429, "too_many_requests")
            assert 1 <= int(answer.headers["Retry-After"]) <= 300
            body = node.post(path, data | {"client_id": client.id, "client_secret": "guess"})
            assert_error(body, 429, "too_many_requests")
            assert place.post(path, data, client).status_code == 200
    # Neither other clients nor names that do not exist are throttled by it.
    stranger = doornail.client("not-guessed")
    assert_error(node.post("/token", GRANT, headers=basic(stranger.id, "x")), 401, "invalid_client")
    assert_error(node.post("/token", GRANT, headers=basic("nobody", "x")), 401, "invalid_client")


def test_right_secrets_are_never_counted(doornail, node):
    client = doornail.client("busy")
    assert {node.post("/token", GRANT, client).status_code for _ in range(120)} == {200}
    assert_error(node.post("/token", GRANT, headers=basic("busy", "x")), 401, "invalid_client")
