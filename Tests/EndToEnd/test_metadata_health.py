"""Metadata (RFC 8414), health, CORS, request ids, and what is where."""

import re

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from support import SEEN, assert_error

WELL_KNOWN = "/.well-known/oauth-authorization-server"
ORIGIN = {"Origin": "https://app.example.com"}


def expected_metadata(issuer):
    methods = ["client_secret_basic", "client_secret_post"]
    return {
        "issuer": issuer,
        "authorization_endpoint": issuer + "/authorize",
        "token_endpoint": issuer + "/token",
        "revocation_endpoint": issuer + "/revoke",
        "introspection_endpoint": issuer + "/introspect",
        "userinfo_endpoint": issuer + "/userinfo",
        "jwks_uri": issuer + "/jwks.json",
        "end_session_endpoint": issuer + "/logout",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": [*methods, "none"],
        "revocation_endpoint_auth_methods_supported": [*methods, "none"],
        "introspection_endpoint_auth_methods_supported": methods,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": [
            *("sub", "preferred_username", "name", "updated_at", "email", "email_verified"),
            *("iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"),
        ],
        "acr_values_supported": ["1"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": ["en", "de"],
    }


def test_metadata(node):
    answer = node.request("GET", WELL_KNOWN)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
    assert answer.json() == expected_metadata(node.url)
    assert not [name for name, value in answer.json().items() if value == []]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example.com"},
        {"X-Forwarded-Host": "evil.example.com", "X-Forwarded-Proto": "https"},
        {"Forwarded": "host=evil.example.com;proto=https"},
        {"X-Forwarded-Prefix": "/evil", "X-Original-URL": "/evil"},
    ],
)
def test_metadata_is_made_from_the_issuer_alone(node, headers):
    answer = node.request("GET", WELL_KNOWN, headers=headers)
    assert answer.status_code == 200 and answer.json() == expected_metadata(node.url)


@pytest.mark.parametrize("path", [WELL_KNOWN, "/health/live", "/health/ready"])
def test_head_is_get_without_the_body(node, path):
    get, head = node.request("GET", path), node.request("HEAD", path)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == get.headers[name]


def test_a_query_changes_nothing(node):
    assert node.request("GET", WELL_KNOWN + "?x=1").status_code == 200
    assert node.request("GET", "/health/live?x=1").status_code == 200


def test_health(node):
    for root in (node.root, node.admin):
        live = requests.get(root + "/health/live", timeout=5)
        assert (live.status_code, live.json()) == (200, {"status": "live"})
        ready = requests.get(root + "/health/ready", timeout=5)
        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


@pytest.mark.parametrize("slash", ["", "/"])
def test_issuer_with_a_path(doornail, client, api, slash):
    node = doornail.node(path="/tenant/a" + slash)
    base = node.root + "/tenant/a"
    inserted = requests.get(node.root + WELL_KNOWN + "/tenant/a", timeout=5)
    assert inserted.status_code == 200
    assert inserted.json() == expected_metadata(base)
    assert requests.get(node.root + "/health/live", timeout=5).status_code == 200
    assert requests.get(node.root + "/health/ready", timeout=5).status_code == 200

    def post(url, data, who):
        return requests.post(url, data, headers=who.basic, timeout=5)

    grant = {"grant_type": "client_credentials"}
    token = post(base + "/token", grant, client).json()["access_token"]
    SEEN.add(token)
    assert post(base + "/introspect", {"token": token}, api).json()["iss"] == base
    assert post(base + "/revoke", {"token": token}, client).status_code == 200
    assert post(base + "/introspect", {"token": token}, api).json() == {"active": False}
    # Nothing else is at the root, and health is not below the path.
    for path in ("/token", "/introspect", "/revoke", "/tenant/token", "/tenant/a/b/token"):
        assert post(node.root + path, grant, client).status_code == 404
    for path in (
        WELL_KNOWN,
        WELL_KNOWN + "/tenant",
        "/tenant/a" + WELL_KNOWN,
        "/tenant/a/health/live",
    ):
        assert requests.get(node.root + path, timeout=5).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nothing"),
        ("POST", "/nothing"),
        ("GET", "/metrics"),
        ("GET", "/health"),
        ("GET", "/health/live/x"),
        ("GET", WELL_KNOWN + "/x"),
        ("POST", "/token/x"),
        ("POST", "/Token"),
        ("GET", "/.well-known/../metrics"),
        ("GET", "/%2e%2e/metrics"),
        ("OPTIONS", "/nothing"),
        ("DELETE", "/nothing"),
    ],
)
def test_unknown_paths(node, method, path):
    assert_error(node.request(method, path), 404, "not_found")


def test_a_head_of_an_unknown_path(node):
    assert node.request("HEAD", "/nothing").status_code == 404


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/token", {"POST", "OPTIONS"}),
        ("/revoke", {"POST", "OPTIONS"}),
        ("/introspect", {"POST"}),
        (WELL_KNOWN, {"GET", "HEAD", "OPTIONS"}),
        ("/health/live", {"GET", "HEAD"}),
        ("/health/ready", {"GET", "HEAD"}),
    ],
)
def test_other_methods(node, path, allowed):
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"}
    for method in sorted(methods - allowed):
        answer = node.request(method, path)
        assert answer.status_code == 405, f"{method} {path}"
        named = {one.strip() for one in answer.headers["Allow"].split(",")}
        assert named <= allowed and named >= allowed - {"OPTIONS"}
        if method != "HEAD":
            assert_error(answer, 405, "invalid_request")


@pytest.mark.parametrize(
    ("path", "method"), [("/token", "POST"), ("/revoke", "POST"), (WELL_KNOWN, "GET")]
)
def test_cors_preflight(node, path, method):
    headers = ORIGIN | {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = node.request("OPTIONS", path, headers=headers)
    assert answer.status_code == 204 and answer.content == b""
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert method in answer.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    if path != WELL_KNOWN:
        named = answer.headers["Access-Control-Allow-Headers"].lower()
        assert {"authorization", "content-type"} <= {one.strip() for one in named.split(",")}


def test_cors_answers_and_errors(node, client):
    """A page must be able to read errors as well, also those without a client."""
    grant = {"grant_type": "client_credentials"}
    answers = [
        node.post("/token", grant, client, headers=ORIGIN),
        node.post("/token", grant, headers=ORIGIN),
        node.post("/token", {}, client, headers=ORIGIN),
        node.post("/revoke", {"token": "x"}, client, headers=ORIGIN),
        node.request("GET", WELL_KNOWN, headers=ORIGIN),
        node.post("/token", grant, client, headers={"Origin": "null"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 400, 200, 200, 200]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_no_cors_elsewhere(node, client):
    answers = [
        node.post("/introspect", {"token": "x"}, client, headers=ORIGIN),
        node.request("GET", "/health/live", headers=ORIGIN),
        node.request("OPTIONS", "/introspect", headers=ORIGIN),
        node.request("GET", "/nothing", headers=ORIGIN),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 405, 404]
    for answer in answers:
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_request_ids(node):
    """A proper one is taken over and logged, any other replaced."""
    for given in ("a", "A.b_c-9", "x" * 128):
        answer = node.request("GET", WELL_KNOWN, headers={"X-Request-ID": given})
        assert answer.headers["X-Request-ID"] == given
    assert node.logged('"A.b_c-9"')
    for given in ("", "x" * 129, "a b", "a/b", "a\tb", 'a"b', "é".encode().decode("latin-1")):
        answer = node.request("GET", WELL_KNOWN, headers={"X-Request-ID": given})
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.headers["X-Request-ID"])
        assert answer.headers["X-Request-ID"] != given
    made = {node.request("GET", "/health/live").headers["X-Request-ID"] for _ in range(50)}
    assert len(made) == 50


def test_errors_carry_the_request_id(node, client):
    given = {"X-Request-ID": "errors-too"}
    for answer in (
        node.request("GET", "/nothing", headers=given),
        node.request("GET", "/token", headers=given),
        node.post("/token", {}, headers=given),
        node.request("POST", "/token", json={}, headers=given),
    ):
        assert answer.status_code >= 400
        assert answer.headers["X-Request-ID"] == "errors-too"


def test_metrics(node, client, api):
    """Prometheus can read them; they count by endpoint and outcome, and their labels are few."""
    node.introspect(api, node.token(client))
    for path in ("/one", "/two", "/three"):
        node.request("GET", path)
    answer = requests.get(node.admin + "/metrics", timeout=5)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert {
        "doornail_http_requests",
        "doornail_http_request_seconds",
        "doornail_build_info",
        "doornail_postgres_statement_seconds",
        "doornail_postgres_connections",
        "process_resident_memory_bytes",
        "process_cpu_seconds",
        "process_open_fds",
        "process_start_time_seconds",
    } <= set(families)
    requests_total = families["doornail_http_requests"].samples
    endpoints = {sample.labels["endpoint"] for sample in requests_total}
    assert {"/token", "/introspect", "other"} <= endpoints
    assert not endpoints & {"/one", "/two", "/three"}
    assert families["doornail_http_request_seconds"].type == "histogram"
    for family in families.values():
        for sample in family.samples:
            for value in sample.labels.values():
                assert "dn_" not in value and "?" not in value


def test_the_admin_listener_serves_nothing_else(node, client):
    for path in ("/token", "/introspect", "/revoke"):
        assert requests.post(node.admin + path, {"token": "x"}, timeout=5).status_code == 404
    assert requests.post(node.admin + "/metrics", timeout=5).status_code == 405


def test_the_access_log_has_no_query(node):
    for path in ("/health/live", WELL_KNOWN, "/nothing"):
        given = {"X-Request-ID": f"no-query{path.replace('/', '-')}"}
        node.request("GET", path + "?secret=swordfish", headers=given)
    # That it lives is not worth a line.
    assert len(node.logged("no-query", 2)) == 2
    assert "swordfish" not in node.log_text()
