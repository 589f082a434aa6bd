"""/authorize (RFC 6749 §4.1, RFC 7636, RFC 9207, OpenID Connect §3.1.2)."""

import re
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import psycopg
import pytest

import rawhttp
from browser import Browser, Page, authorization, challenge, new_verifier
from support import REDIRECT

MAIL, OTHER_API = "https://mail.example", "https://other.example"


@pytest.fixture(scope="module")
def app(doornail):
    return doornail.app("app", "--first-party", "--audience", MAIL)


@pytest.fixture(scope="module")
def machine(doornail):
    """A client with a redirect URI that may not use it."""
    return doornail.client("machine", "--redirect-uri", REDIRECT, "--scope", "photos:read")


@pytest.mark.parametrize("hours", [23, 26, 72, 300])
def test_a_login_that_was_not_used_for_a_while(doornail, node, app, hours):
    """A use is noted now and then; an app is reached however long ago that was."""
    person = doornail.user(f"rested-{hours}")
    browser = Browser(node)
    browser.log_in(person)
    doornail.sql(
        "UPDATE sessions SET last_seen_at = last_seen_at - %s * interval '1 hour' "
        "WHERE user_id = %s",
        hours,
        person.id,
    )
    assert browser.tokens(app).access


def test_a_code_of_an_older_node(doornail, node, app, ada):
    """A node of the version before makes its id from the last use; one that is old is no new one else."""
    browser = Browser(node)
    browser.log_in(ada)
    browser.tokens(app)
    old = (
        "INSERT INTO authorization_codes (id, client, client_epoch, user_id, user_epoch, session, scope, "
        "audiences, redirect_uri, redirect_uri_sent, code_challenge, expires_at) "
        "SELECT '01890a5d-ac96-774b-bcce-b302099a8057', client, client_epoch, user_id, user_epoch, "
        "session, scope, audiences, redirect_uri, redirect_uri_sent, code_challenge, expires_at "
        "FROM authorization_codes LIMIT 1"
    )
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation):
        doornail.sql(old)
    doornail.sql(
        "INSERT INTO nodes (id, key_ids, version, lease_ms) "
        "SELECT gen_random_uuid(), key_ids, 'old', 50 FROM nodes LIMIT 1"
    )
    doornail.sql(old)
    doornail.sql("DELETE FROM nodes WHERE version = 'old'")


def url(client, **parameters):
    return "/authorize?" + urlencode(authorization(client, new_verifier(), **parameters), True)


ERRORS = [
    ({"response_type": None}, {"invalid_request"}),
    ({"response_type": ""}, {"invalid_request"}),
    ({"response_type": "token"}, {"unsupported_response_type"}),
    ({"response_type": "id_token"}, {"unsupported_response_type"}),
    ({"response_type": "code token"}, {"unsupported_response_type"}),
    ({"response_type": "Code"}, {"unsupported_response_type"}),
    ({"code_challenge": None}, {"invalid_request"}),
    ({"code_challenge": None, "code_challenge_method": None}, {"invalid_request"}),
    ({"code_challenge": ""}, {"invalid_request"}),
    ({"code_challenge_method": None}, {"invalid_request"}),
    ({"code_challenge_method": ""}, {"invalid_request"}),
    ({"code_challenge_method": "plain"}, {"invalid_request"}),
    ({"code_challenge_method": "s256"}, {"invalid_request"}),
    ({"code_challenge_method": "S512"}, {"invalid_request"}),
    ({"code_challenge": "A" * 42}, {"invalid_request"}),
    ({"code_challenge": "A" * 44}, {"invalid_request"}),
    ({"code_challenge": "A" * 43 + "="}, {"invalid_request"}),
    ({"code_challenge": "A" * 42 + "+"}, {"invalid_request"}),
    ({"code_challenge": "A" * 42 + " "}, {"invalid_request"}),
    ({"code_challenge": "A" * 200}, {"invalid_request"}),
    ({"scope": "photos:read admin"}, {"invalid_scope"}),
    ({"scope": "PHOTOS:READ"}, {"invalid_scope"}),
    ({"scope": 'a"b'}, {"invalid_scope"}),
    ({"scope": "photos:read\té"}, {"invalid_scope"}),
    ({"scope": "x" * 4097}, {"invalid_scope", "invalid_request"}),
    ({"response_mode": "fragment"}, {"invalid_request"}),
    ({"response_mode": "nonsense"}, {"invalid_request"}),
    ({"prompt": "none login"}, {"invalid_request"}),
    ({"prompt": "none consent"}, {"invalid_request"}),
    ({"max_age": "-1"}, {"invalid_request"}),
    ({"max_age": "soon"}, {"invalid_request"}),
    ({"resource": OTHER_API}, {"invalid_target"}),
    ({"resource": "relative"}, {"invalid_target"}),
    ({"resource": MAIL + "#x"}, {"invalid_target"}),
    ({"resource": [MAIL, OTHER_API]}, {"invalid_target"}),
]


def assert_sent_back(browser, answer, codes, state):
    """An error at the redirect URI: 303, with state and iss, and no code."""
    location = browser.location(answer)
    base, _, query = location.partition("?")
    assert base == REDIRECT
    told = parse_qs(query, strict_parsing=True)
    assert told["error"][0] in codes and len(told["error"]) == 1, told
    assert told.get("state") == ([state] if state else None)
    assert told["iss"] == [browser.issuer]
    assert "code" not in told
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", told["error_description"][0])
    assert set(told) <= {"error", "error_description", "error_uri", "state", "iss"}


def name_of(value):
    """A set in order, for pytest's processes have to give a test the same name."""
    return str(sorted(value) if isinstance(value, set) else value)[:60]


@pytest.mark.parametrize(("change", "codes"), ERRORS, ids=name_of)
def test_errors_by_redirect(anonymous, app, change, codes):
    """Before anybody is asked to log in."""
    answer = anonymous.get(url(app, state="my state&", **change))
    assert_sent_back(anonymous, answer, codes, "my state&")


def test_a_client_without_the_grant(anonymous, machine):
    answer = anonymous.get(url(machine, state="s"))
    assert_sent_back(anonymous, answer, {"unauthorized_client"}, "s")


def test_errors_without_state(anonymous, app):
    answer = anonymous.get(url(app, state=None, response_type="token"))
    assert_sent_back(anonymous, answer, {"unsupported_response_type"}, None)


@pytest.mark.parametrize(
    "state",
    ["a b&c=d#e;f", "é\u0301\U0001f600", '"><script>', "%41%00"[:3], "x" * 2000, "+", "\\/"],
)
def test_state_comes_back_to_the_letter(browser, app, state):
    assert browser.authorize(app, state=state).code
    assert browser.authorize(app, state=state, prompt="login", max_age="x").error
    assert browser.authorize(app, state=state, response_mode="form_post").code


def assert_error_page(answer):
    """A bad client or redirect URI (RFC 6749 §3.1.2.4): a page, and never a redirect."""
    assert answer.status_code == 400, f"{answer.status_code} {answer.headers.get('Location')}"
    assert "Location" not in answer.headers and "Refresh" not in answer.headers
    page = Page(answer)
    assert page.text and not page.is_login
    return page


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": None},
        {"client_id": ""},
        {"client_id": "nobody"},
        {"client_id": "APP"},
        {"client_id": "app "},
        {"client_id": "é"},
        {"client_id": "x" * 300},
        {"client_id": '"><script>alert(1)</script>'},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": '"><script>alert(1)</script>'},
        {"client_id": ["app", "app"]},
        {"redirect_uri": [REDIRECT, REDIRECT]},
        {"redirect_uri": [REDIRECT, "https://evil.example/"]},
        {f"p{n}": "x" for n in range(201)},
    ],
    ids=lambda change: str(change)[:60],
)
def test_error_pages(node, browser, app, change):
    """Also for who is logged in, and also where something else is wrong too."""
    for one in (browser, Browser(node)):
        assert_error_page(one.get(url(app, **change)))
        assert_error_page(one.get(url(app, **({"response_type": "token"} | change))))


@pytest.mark.parametrize(
    "change", [{"state": ["a", "b"]}, {"scope": ["photos:read"] * 2}, {"prompt": ["none"] * 2}]
)
def test_repeated_parameters(browser, app, change):
    """RFC 6749 §3.1: refused, and if told by redirect, then to the registered URI alone."""
    answer = browser.get(url(app, **change))
    if answer.status_code == 400:
        assert_error_page(answer)
    else:
        location = browser.location(answer)
        assert location.startswith(REDIRECT + "?") and "error=invalid_request" in location
        assert "code=" not in location


@pytest.mark.parametrize("broken", ["&x=%zz", "&x=%f", "&x=%ff", "&x=%00", "&x=%e9", "&%ff=x"])
def test_unparsable_requests(node, app, broken):
    with rawhttp.Connection(node) as connection:
        target = url(app) + broken
        connection.send(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        status, headers, body = connection.response()
    assert status == 400 and "location" not in headers
    assert headers["content-type"].startswith("text/html") and body


def test_a_disabled_client(doornail, browser):
    client = doornail.app("disabled", "--first-party")
    assert browser.authorize(client).code
    doornail.cli("client", "disable", client.id)
    assert_error_page(browser.get(url(client)))
    doornail.cli("client", "enable", client.id)
    assert browser.authorize(client).code


def test_the_answer(doornail, node, browser, app):
    """303 with code, state and iss; nothing else, and nothing cached."""
    answer = browser.get(url(app, state="s"))
    assert answer.status_code == 303
    told = parse_qs(urlsplit(browser.location(answer)).query)
    assert set(told) == {"code", "state", "iss"}
    assert re.fullmatch(r"dn_ac_[A-Za-z0-9_-]{22,}", told["code"][0])
    metadata = node.request("GET", "/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == told["iss"][0]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["authorization_endpoint"] == node.url + "/authorize"
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["response_types_supported"] == ["code"]
    assert set(metadata["response_modes_supported"]) == {"query", "form_post"}
    assert {"authorization_code", "refresh_token"} <= set(metadata["grant_types_supported"])


def test_unknown_and_empty_parameters_count_for_nothing(browser, app):
    assert browser.authorize(app, unknown="x", nonce="n", display="page", prompt="", scope="").code


def test_a_redirect_uri_may_be_left_out_where_there_is_one(doornail, node, browser, app):
    """RFC 6749 §3.1.2.3; with two, the request has to say which."""
    outcome = browser.authorize(app, redirect_uri=None)
    assert outcome.uri == REDIRECT
    assert outcome.redeem(node).status_code == 200
    second = ("--redirect-uri", "https://app.example/second")
    both = doornail.app("two-uris", "--first-party", *second)
    assert_error_page(browser.get(url(both, redirect_uri=None)))
    assert browser.authorize(both, redirect_uri="https://app.example/second").code


def test_a_redirect_uri_keeps_its_query(doornail, node, browser):
    redirect = "https://app.example/cb?tenant=a%20b&x="
    client = doornail.app("queried", "--first-party", redirect=redirect)
    answer = browser.get(url(client, redirect_uri=redirect))
    location = browser.location(answer)
    assert location.startswith(redirect + "&")
    assert {"code", "state", "iss", "tenant"} <= set(parse_qs(urlsplit(location).query))


@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_prompt_none(node, browser, anonymous, app, doornail, verb):
    """Never a page: a code, or an error that says what it would take."""
    assert browser.authorize(app, prompt="none", method=verb).asked == []
    assert anonymous.authorize(app, prompt="none", method=verb).error == "login_required"
    asking = doornail.app(f"asking-{verb.lower()}")
    assert browser.authorize(asking, prompt="none", method=verb).error == "consent_required"
    assert browser.authorize(asking).asked == ["consent"]
    assert browser.authorize(asking, prompt="none", method=verb).code
    assert browser.authorize(app, prompt="none", max_age="0").error == "login_required"


def test_prompt_login_and_max_age(node, app, ada):
    """A new login although there is a session; once, and then the request goes on."""
    browser = Browser(node)
    browser.log_in(ada)
    assert browser.authorize(app, max_age="10000").asked == []
    assert browser.authorize(app, ada, prompt="login").asked == ["login"]
    assert browser.authorize(app).asked == []
    time.sleep(2.1)
    assert browser.authorize(app, ada, max_age="1").asked == ["login"]
    assert browser.authorize(app).asked == []


def test_a_login_page_does_not_let_who_is_logged_in_pass(node, browser, app):
    """prompt=login is not answered by asking again without it having happened."""
    request = url(app, prompt="login")
    for _ in range(2):
        answer = browser.get(request)
        location = browser.location(answer)
        assert urlsplit(location).path == "/login"
        assert Page(browser.get(location)).is_login
    # Nor by taking the page's own "continue" as the next address, without having logged in.
    onward = parse_qs(urlsplit(location).query)["continue"][0]
    if onward.startswith("/") or browser.is_ours(onward):
        answer = browser.get(onward)
        assert answer.status_code in (303, 400)
        if answer.status_code == 303:
            assert urlsplit(browser.location(answer)).path == "/login"


def test_form_post(node, browser, app):
    """The answer is a form that sends itself; no code is in any URL."""
    answer = browser.get(url(app, state='"><script>alert(1)</script>', response_mode="form_post"))
    assert answer.status_code == 200
    page = Page(answer)
    assert page.form.action == REDIRECT
    assert set(page.form.fields) == {"code", "state", "iss"}
    assert page.form.fields["state"] == '"><script>alert(1)</script>'
    assert set(page.form.types.values()) == {"hidden"}
    assert "<script" in page.html, "it sends itself"
    assert page.form.buttons or "<button" in page.html, "and can be sent without JavaScript"
    policy = page.answer.headers["Content-Security-Policy"]
    assert "https://app.example" in re.search(r"form-action ([^;]*)", policy).group(1)
    assert browser.authorize(app, response_mode="form_post").redeem(node).status_code == 200


def test_errors_by_form_post(anonymous, app):
    outcome = anonymous.authorize(app, response_mode="form_post", prompt="none")
    assert outcome.error == "login_required"
    assert anonymous.authorize(app, response_mode="form_post", scope="admin").error


def test_post(browser, app):
    """A form is turned into the same request by GET, since cookies may come with that alone."""
    sent = authorization(app, new_verifier(), state="a&b=é", resource=MAIL)
    answer = browser.request("POST", "/authorize", data=sent)
    location = urlsplit(browser.location(answer))
    assert location.path == "/authorize"
    assert {name: values for name, values in parse_qs(location.query).items()} == {
        name: [value] for name, value in sent.items()
    }
    assert browser.authorize(app, method="POST").code


def test_post_of_something_else(browser, app):
    sent = urlencode(authorization(app, new_verifier()))
    for kind in ("text/plain", "application/json", "multipart/form-data; boundary=x"):
        answer = browser.request("POST", "/authorize", data=sent, headers={"Content-Type": kind})
        assert answer.status_code in (400, 415)


def test_the_pkce_matrix(node, browser, app):
    """Verifier right, wrong, absent; too short, too long, of other characters (RFC 7636 §4)."""
    for verifier in ("a" * 43, "Z" * 128, "-._~" * 20 + "x"):
        outcome = browser.authorize(app, verifier=verifier)
        wrong = {
            "another": new_verifier(),
            "absent": None,
            "empty": "",
            "the challenge": challenge(verifier),
            "cut": verifier[:-1],
            "extended": verifier + "a",
            "42": "a" * 42,
            "129": "a" * 129,
            "character": verifier[:-1] + "é",
            "space": verifier + " ",
            "case": verifier.swapcase(),
        }
        for name, value in wrong.items():
            answer = outcome.redeem(node, code_verifier=value)
            assert answer.status_code == 400, name
            assert answer.json()["error"] in ("invalid_grant", "invalid_request"), name
            if name == "another":
                assert answer.json()["error"] == "invalid_grant"
        assert outcome.redeem(node).status_code == 200, "nothing of that consumed the code"


@pytest.mark.parametrize(
    "verifier", ["a" * 42, "a" * 129, "a" * 42 + "!", "a" * 42 + "é", "a" * 42 + "%"]
)
def test_verifiers_that_are_none(node, browser, app, verifier):
    """Not even where the challenge fits: 42, 129 and a bad character fail."""
    outcome = browser.authorize(app, verifier=verifier)
    answer = outcome.redeem(node)
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_grant", "invalid_request")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
        {"Forwarded": "host=evil.example;proto=https"},
        {"X-Forwarded-Prefix": "/evil.example", "X-Original-URL": "//evil.example/"},
        {"X-Host": "evil.example", "X-Forwarded-Server": "evil.example"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/authorize", "/login", "/logout", "/consent"])
def test_hostile_hosts(node, browser, app, path, headers):
    """No header makes a URL of ours: neither in a Location nor on a page nor in a cookie."""
    target = url(app) if path == "/authorize" else path
    for one in (browser, Browser(node)):
        for answer in (
            one.get(target, headers=headers),
            one.request("POST", path, data=authorization(app, new_verifier()), headers=headers),
        ):
            assert "evil" not in str(answer.headers)
            assert "evil" not in answer.text


@pytest.mark.parametrize("count", [1, 40])
def test_long_requests(anonymous, app, count):
    """What fits into a request comes back whole; what does not is refused in order."""
    state = "s" * (200 * count)
    answer = anonymous.get(url(app, state=state, prompt="none"))
    assert answer.status_code in ((303,) if count == 1 else (303, 400, 414))
    if answer.status_code == 303:
        assert_sent_back(anonymous, answer, {"login_required", "invalid_request"}, state)
