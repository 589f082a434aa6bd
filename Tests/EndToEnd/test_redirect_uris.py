"""Redirect URIs are compared byte by byte (RFC 9700 §2.1); the port of a loopback address is free.

No variant of a registered URI is ever redirected to, also not with an error.
"""

from urllib.parse import quote, urlencode

import pytest

from browser import Browser, Page, authorization, new_verifier
from support import in_parallel

REGISTERED = "https://app.example/cb"
V4, V6, NAMED = "http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb"
NATIVE = "com.example.app:/cb"


def variants():
    """What a pattern, a parser or a careless comparison would take for the registered one."""
    scheme, host, path = "https://", "app.example", "/cb"
    whole = scheme + host + path
    made = {
        "http://app.example/cb",
        "HTTPS://app.example/cb",
        "Https://app.example/cb",
        "https:/app.example/cb",
        "https:app.example/cb",
        "https:///app.example/cb",
        "https:\\\\app.example\\cb",
        "https://app.example\\cb",
        "//app.example/cb",
        "/cb",
        "cb",
        "app.example/cb",
        "ftp://app.example/cb",
        "javascript:alert(1)",
        "javascript://app.example/cb%0aalert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "view-source:https://app.example/cb",
        "blob:https://app.example/cb",
        "about:blank",
        "null",
        "urn:ietf:wg:oauth:2.0:oob",
    }
    # Other hosts that look like it, or contain it.
    hosts = [
        "APP.EXAMPLE", "App.Example", "app.example.", "app.example..", "xapp.example",
        ".app.example", "app-example", "appxexample", "app.example.evil.example",
        "app.exampleevil.example", "evil.example", "www.app.example", "app.exampl", "app.examplee",
        "app%2eexample", "app.example%00.evil.example", "app.example%2f.evil.example",
        "app.example%0d%0a", "app.example@evil.example", "app.example:443@evil.example",
        "user@app.example", "user:password@app.example", "evil.example%40app.example",
        "@app.example", "evil.example@app.example", "app.example:443", "app.example:80",
        "app.example:", "app.example:0", "app.example:8443", "app.example:00443",
        "app.example;evil.example", "app.example,evil.example", "app.example evil.example",
        "app.example\tevil.example", "app.example#evil.example", "app.example?evil.example",
        "app.example\\.evil.example", "app.example\\@evil.example", "evil.example\\app.example",
        "evil.example#app.example", "evil.example?app.example", "evil.example/app.example",
        "evil.example#@app.example", "evil.example?@app.example", "[app.example]", "app。example",
        "app．example", "ａpp.example", "аpp.example", "app.еxample", "app\u00ad.example",
        "app\u200b.example", "localhost", "127.0.0.1", "*.example", "*", "app.example\u0301",
        "xn--app-.example",
    ]  # fmt: skip
    made |= {scheme + one + path for one in hosts}
    # Other paths.
    paths = [
        "", "/", "/c", "/cB", "/CB", "/cb/", "/cb//", "//cb", "/./cb", "/cb/.", "/cb/..",
        "/x/../cb", "/cb/../cb", "/cb/..;/", "/..;/cb", "/cb;", "/cb;x=1", "/cb;/", "/cb%2f",
        "/cb%2F..", "/%63b", "/%63%62", "/c%62", "/cb%20", "/cb%00", "/cb%09", "/cb%0a",
        "/cb%0d%0a", "/cb%23", "/cb%3f", "/cb%3fx", "/cb%5c", "/cb%c0%af", "/cb%252f", "/cb%2e%2e",
        "/cb.", "/cb..", "/cb.html", "/cbx", "/cb/x", "/cb/evil", "/evil/cb", "/evil?/cb",
        "/evil#/cb", "/cb?", "/cb?x", "/cb?x=1", "/cb?/cb", "/cb&x=1", "/cb?code=1", "/cb?state=1",
        "/cb?error=1", "/cb?iss=x", "/cb#", "/cb#x", "/cb#code=1", "/cb#/cb", "/cb?#", "/cb ",
        "/cb\t", "/cb\n", "/cb\r\n", "/cb\r\nLocation: x", "/cb\\", "/cb\\..", "\\cb", "/\\cb",
        "/\tcb", "/\ncb", "\t/cb", "/c\tb", "/c\nb", "/cb\u0301", "/cb\u200b", "/cb\ufeff", "/cｂ",
        "/сb", "/cb'", '/cb"', "/cb<", "/cb>", "/cb<script>", "/cb`", "/cb{}", "/cb|", "/cb^",
        "/cb*", "/*", "/cb$", "/cb^$", "/cb[]", "/cb~", "/cb!", "/cb,/cb",
        "/cb https://evil.example", "/cb,https://evil.example", "/cb;https://evil.example",
        "/cb|https://evil.example", "/cb/%2e%2e/evil", "/cb/..%2fevil", "/cb/..%5cevil",
        "/cb@evil.example", "/cb/@evil.example", "/cb//evil.example", "/cb/\\evil.example",
    ]  # fmt: skip
    made |= {scheme + host + one for one in paths}
    # Around it, and encoded as a whole.
    made |= {
        " " + whole, "\t" + whole, "\n" + whole, "\ufeff" + whole, whole + "\u3000", whole * 2,
        '"' + whole + '"', "<" + whole + ">", quote(whole, safe=""), quote(quote(whole, safe="")),
        whole + " " + whole, whole + "," + whole, whole.upper(), whole.title(),
        whole[:-1], whole[1:], "https://evil.example/?" + whole, "https://evil.example/#" + whole,
        "https://evil.example/" + whole, "https://evil.example?u=" + whole,
    }  # fmt: skip
    made.discard(REGISTERED)
    return sorted(made)


LOOPBACK = [
    "http://127.0.0.1:65536/cb", "http://127.0.0.1:99999/cb", "http://127.0.0.1:100000/cb",
    "http://127.0.0.1:-1/cb", "http://127.0.0.1:+80/cb", "http://127.0.0.1:0x50/cb",
    "http://127.0.0.1:80a/cb", "http://127.0.0.1:8 0/cb", "http://127.0.0.1:80:80/cb",
    "http://127.0.0.1:٨٠/cb", "http://127.0.0.1:80@evil.example/cb",
    "http://127.0.0.1:80.evil.example/cb", "http://127.0.0.1@evil.example/cb",
    "http://127.0.0.1.evil.example/cb", "http://127.0.0.1:80\\@evil.example/cb",
    "http://127.0.0.1:80#@evil.example/cb", "http://127.0.0.1:80?@evil.example/cb",
    "http://evil.example@127.0.0.1:80/cb", "http://user:80@127.0.0.1:80/cb",
    "http://127.0.0.1:80/cb/", "http://127.0.0.1:80/cb?x=1", "http://127.0.0.1:80/cb#x",
    "http://127.0.0.1:80/CB", "http://127.0.0.1:80/", "http://127.0.0.1:80",
    "http://127.0.0.1:80//cb", "http://127.0.0.1:80/x/../cb", "http://127.0.0.1:80/%63b",
    "http://127.0.0.1:80\\cb", "https://127.0.0.1:80/cb", "HTTP://127.0.0.1:80/cb",
    "https://127.0.0.1/cb", "http://127.0.0.2:80/cb", "http://127.1:80/cb", "http://127.0.1:80/cb",
    "http://2130706433:80/cb", "http://0x7f.0.0.1:80/cb", "http://0177.0.0.1:80/cb",
    "http://127.0.0.01:80/cb", "http://127.000.000.001:80/cb", "http://127.0.0.1.:80/cb",
    "http://0.0.0.0:80/cb", "http://[::ffff:127.0.0.1]:80/cb", "http://[::1]:65536/cb",
    "http://[::1]:80a/cb", "http://[::1]80/cb", "http://[::1].evil.example/cb",
    "http://[::1]@evil.example/cb", "http://[::1]:80@evil.example/cb", "http://[::01]:80/cb",
    "http://[0:0:0:0:0:0:0:1]:80/cb", "http://[::1%25lo]:80/cb", "http://[::2]:80/cb",
    "http://[::]:80/cb", "http://::1:80/cb", "https://[::1]:80/cb", "http://[::1]:80/cb/",
    # Not localhost: its name may lead elsewhere (RFC 8252 §8.3).
    "http://localhost:80/cb", "http://localhost:51004/cb", "http://LOCALHOST/cb",
    "http://localhost./cb", "http://localhost.evil.example/cb", "http://localhost@evil.example/cb",
    "com.example.app:/cb/", "com.example.app://cb", "com.example.app:cb", "COM.EXAMPLE.APP:/cb",
    "com.example.app:/cb?x", "com.example.app:80/cb", "com.example.apps:/cb",
]  # fmt: skip


@pytest.fixture(scope="module")
def web(doornail):
    return doornail.app("web", "--first-party", redirect=REGISTERED)


@pytest.fixture(scope="module")
def native(doornail):
    """An application on a device: public, with all that such ones may register."""
    more = [flag for uri in (V6, NAMED, NATIVE) for flag in ("--redirect-uri", uri)]
    return doornail.app("native", "--public", "--first-party", *more, redirect=V4)


def attempt(browser, client, uri, **parameters):
    """The answer to a request with a redirect URI; it must be an error page of ours."""
    request = authorization(client, new_verifier(), redirect_uri=uri, **parameters)
    answer = browser.get("/authorize?" + urlencode(request))
    assert answer.status_code == 400, f"{uri!r}: {answer.status_code} {answer.headers}"
    assert "Location" not in answer.headers and "Refresh" not in answer.headers, uri
    page = Page(answer)
    assert not page.forms, f"{uri!r} became a form"
    assert "http-equiv" not in page.html.lower(), uri


def attempt_all(browsers, client, uris, **parameters):
    size = len(browsers)
    in_parallel(
        size,
        lambda lane: [attempt(browsers[lane], client, u, **parameters) for u in uris[lane::size]],
    )


def test_the_corpus_is_one(web):
    assert len(variants()) >= 200


@pytest.mark.parametrize(
    "parameters",
    [{}, {"response_mode": "form_post"}, {"prompt": "none"}, {"response_type": "token"}],
    ids=str,
)
def test_variants_for_who_is_logged_in(browser, web, parameters):
    """Neither a code nor an error goes to an address that was not registered."""
    attempt_all([browser.twin(), browser.twin()], web, variants(), **parameters)
    assert browser.authorize(web, redirect_uri=REGISTERED).code


def test_variants_for_strangers(node, web):
    attempt_all([Browser(node), Browser(node)], web, variants())


def test_variants_of_loopback(browser, native):
    attempt_all([browser.twin(), browser.twin()], native, LOOPBACK)


@pytest.mark.parametrize("origin", ["http://127.0.0.1", "http://[::1]"])
@pytest.mark.parametrize("port", ["", ":1", ":80", ":8080", ":51004", ":65535"])
def test_any_port_of_a_loopback_address(node, browser, native, origin, port):
    """RFC 8252 §7.3: an application takes the port it gets; the code is bound to that."""
    uri = f"{origin}{port}/cb"
    outcome = browser.authorize(native, redirect_uri=uri)
    assert outcome.uri == uri
    for other in (f"{origin}:2/cb", f"{origin}/cb" if port else f"{origin}:80/cb", NAMED):
        answer = outcome.redeem(node, redirect_uri=other)
        assert answer.status_code == 400 and answer.json()["error"] == "invalid_grant"
    assert outcome.redeem(node).status_code == 200


@pytest.mark.parametrize("uri", [NAMED, NATIVE])
def test_what_is_registered_works(node, browser, native, uri):
    outcome = browser.authorize(native, redirect_uri=uri)
    assert outcome.redeem(node).status_code == 200


def test_errors_go_to_loopback_too(browser, native):
    outcome = browser.authorize(native, redirect_uri="http://127.0.0.1:51004/cb", scope="admin")
    assert outcome.error == "invalid_scope"


def test_one_clients_uri_is_not_anothers(browser, web, native):
    attempt(browser, web, V4)
    attempt(browser, native, REGISTERED)
