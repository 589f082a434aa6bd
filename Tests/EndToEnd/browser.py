"""A browser without JavaScript, its pages as a person sees them, and the application behind it."""

import base64
import dataclasses
import hashlib
import http.cookiejar
import secrets
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import requests

from support import REDIRECT, SEEN

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SESSION_COOKIES = ("doornail-session", "__Host-doornail-session")
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}


@dataclasses.dataclass
class Form:
    """A form: where it goes, what it sends, and its buttons."""

    action: str
    method: str
    fields: dict = dataclasses.field(default_factory=dict)
    types: dict = dataclasses.field(default_factory=dict)
    buttons: list = dataclasses.field(default_factory=list)


class Page(HTMLParser):
    """A page: its words, its alerts and its forms. Nothing that was echoed may run in it."""

    def __init__(self, answer):
        super().__init__(convert_charrefs=True)
        self.answer, self.url = answer, answer.at
        self.forms, self.scripts, self._words, self._alerts, self._open = [], [], [], [], []
        check_headers(answer)
        answer.encoding = "utf-8"
        self.html = answer.text
        self.feed(self.html)
        self.close()
        assert not any("alert(" in script for script in self.scripts), self.html

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        for name, value in attributes.items():
            assert not name.startswith("on"), f"<{tag} {name}> in {self.html}"
            if name in ("href", "src", "action", "formaction"):
                scheme = "".join(value.split()).lower()
                if tag == "img":
                    assert scheme.startswith("data:image/"), f"a logo comes along: {self.html}"
                    continue
                assert not scheme.startswith(("javascript:", "data:", "vbscript:")), self.html
        if tag == "form":
            method = attributes.get("method", "get").lower()
            self.forms.append(Form(attributes.get("action", ""), method))
        elif tag in ("input", "button") and self.forms and attributes.get("name"):
            name, kind = attributes["name"], attributes.get("type", "").lower()
            if tag == "button" or kind == "submit":
                self.forms[-1].buttons.append((name, attributes.get("value", "")))
            else:
                self.forms[-1].fields[name] = attributes.get("value", "")
                self.forms[-1].types[name] = kind or "text"
        if tag not in VOID:
            self._open.append((tag, attributes.get("role") == "alert"))

    def handle_endtag(self, tag):
        if any(name == tag for name, _ in self._open):
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data):
        inside = self._open[-1][0] if self._open else ""
        if inside == "script":
            self.scripts.append(data)
        elif inside != "style":
            self._words.append(data)
            if any(is_alert for _, is_alert in self._open):
                self._alerts.append(data)

    @property
    def text(self):
        """All that can be read, with single spaces."""
        return " ".join(" ".join(self._words).split())

    @property
    def alert(self):
        """What is said with role=alert."""
        return " ".join(" ".join(self._alerts).split())

    @property
    def form(self):
        """The one form that is sent by POST."""
        forms = [form for form in self.forms if form.method == "post"]
        assert len(forms) == 1, self.html
        return forms[0]

    @property
    def is_login(self):
        return any("password" in form.fields for form in self.forms)

    @property
    def is_consent(self):
        return any(("decision", "allow") in form.buttons for form in self.forms)


def check_headers(answer):
    """What every page's headers must say: not kept, not framed, nothing told, nothing run."""
    headers = answer.headers
    kind = headers["Content-Type"].lower().replace(" ", "").replace('"', "")
    assert kind == "text/html;charset=utf-8", kind
    assert "no-store" in headers["Cache-Control"]
    assert headers["Referrer-Policy"] in ("no-referrer", "same-origin")
    policy = {}
    for directive in headers["Content-Security-Policy"].split(";"):
        name, _, value = directive.strip().partition(" ")
        policy[name.lower()] = value.strip()
    assert policy["frame-ancestors"] == "'none'", policy
    assert "form-action" in policy, "default-src does not stand in for it"
    scripts = policy.get("script-src", policy.get("default-src", "*"))
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*", "https:", "data:"} & set(scripts.split())


@dataclasses.dataclass
class Cookie:
    """A cookie as it was set; the names of its attributes in lower case."""

    name: str
    value: str
    attributes: dict

    @property
    def is_removal(self):
        age, expires = self.attributes.get("max-age"), self.attributes.get("expires")
        if age is not None:
            return int(age) <= 0
        return expires is not None and parsedate_to_datetime(expires).timestamp() < 1e9


def cookies_of(answer):
    """The cookies that an answer sets or removes."""
    found = []
    for line in answer.raw.headers.getlist("Set-Cookie"):
        pair, *rest = line.split(";")
        name, _, value = pair.strip().partition("=")
        attributes = {}
        for attribute in rest:
            key, _, content = attribute.strip().partition("=")
            attributes[key.lower()] = content
        found.append(Cookie(name, value, attributes))
    return found


class Browser:
    """A person's browser. It knows the issuer's URL alone; the test chooses which node answers."""

    def __init__(self, node, user_agent=FIREFOX, **headers):
        self.node = node
        self.issuer = node.environment["DOORNAIL_ISSUER"]
        self.cookies = {}
        authority = urlsplit(self.issuer).netloc
        self.headers = {"User-Agent": user_agent, "Accept": "text/html", "Host": authority}
        self.headers |= headers
        self._http = requests.Session()
        self._http.trust_env = False
        # The cookies are kept here, where a test can see, copy and plant them.
        policy = http.cookiejar.DefaultCookiePolicy(allowed_domains=[])
        self._http.cookies.set_policy(policy)

    def via(self, node):
        """From now on another node of the same name answers."""
        assert node.environment["DOORNAIL_ISSUER"] == self.issuer
        self.node = node
        return self

    def twin(self):
        """Another browser with the same cookies: a thief's, or the same one, asked later."""
        made = Browser(self.node, self.headers["User-Agent"])
        made.cookies = dict(self.cookies)
        return made

    @property
    def session(self):
        """The value of the session's cookie, None where there is none."""
        return next((self.cookies[name] for name in SESSION_COOKIES if name in self.cookies), None)

    def forget_session(self):
        """Loses the session's cookie, and keeps the others."""
        for name in SESSION_COOKIES:
            self.cookies.pop(name, None)

    def is_ours(self, url):
        """Whether a URL leads to the issuer, read as browsers read it."""
        read = "".join(c for c in url if c not in "\t\r\n").strip().replace("\\", "/")
        mine = urlsplit(self.issuer)
        return urlsplit(read)[:2] == (mine.scheme, mine.netloc)

    def request(self, method, url, data=None, headers=None):
        """A request with this browser's cookies; redirects are not followed."""
        url = urljoin(self.issuer + "/", url)
        assert self.is_ours(url), url
        split = urlsplit(url)
        target = self.node.root + split.path + (f"?{split.query}" if split.query else "")
        headers = self.headers | (headers or {})
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{n}={v}" for n, v in self.cookies.items())
        answer = self._http.request(
            method, target, data=data, headers=headers, timeout=40, allow_redirects=False
        )
        answer.at = url
        assert answer.headers.get("X-Request-ID"), f"{method} {url}: no X-Request-ID"
        assert "no-store" in answer.headers.get("Cache-Control", ""), f"{method} {url}"
        for cookie in cookies_of(answer):
            if cookie.is_removal or not cookie.value:
                self.cookies.pop(cookie.name, None)
            else:
                SEEN.add_tail(cookie.value)
                self.cookies[cookie.name] = cookie.value
        return answer

    def get(self, url, **arguments):
        return self.request("GET", url, **arguments)

    def location(self, answer):
        """Where a 303 leads."""
        assert answer.status_code == 303, f"{answer.status_code} {answer.text}"
        return urljoin(answer.at, answer.headers["Location"])

    def follow(self, answer):
        """The page that an answer is, or leads to without leaving the issuer."""
        for _ in range(8):
            if answer.status_code != 303:
                page = Page(answer)
                for form in page.forms:
                    SEEN.add_tail(form.fields.get("form_token", ""))
                return page
            answer = self.get(self.location(answer))
        raise AssertionError(f"redirects without an end: {answer.headers['Location']}")

    def open(self, url, **arguments):
        """A page, through redirects."""
        return self.follow(self.get(url, **arguments))

    def submit(self, page, **values):
        """Sends a page's form; None leaves a field out."""
        form = page.form
        data = {n: v for n, v in (form.fields | values).items() if v is not None}
        return self.request("POST", urljoin(page.url, form.action or page.url), data=data)

    def login(self, name, password, page=None):
        """Sends the login page's form, whatever comes of it."""
        page = page or self.open("/login?prompt=login")
        return self.submit(page, username=name, password=password)

    def log_in(self, person):
        """Logs a person in; it must succeed."""
        before = self.session
        answer = self.login(person.name, person.password)
        assert answer.status_code == 303, f"{answer.status_code} {answer.text}"
        assert self.session and self.session != before, self.follow(answer).text
        return answer

    def is_logged_in(self, client):
        """Whether the cookie gets an answer without a question, for a first-party client."""
        outcome = self.authorize(client, prompt="none")
        if outcome.error is None:
            return True
        assert outcome.error == "login_required", outcome.answer
        return False

    def authorize(self, client, person=None, decision="allow", method="GET", **parameters):
        """An authorization request from its beginning to its answer at the redirect URI."""
        verifier = parameters.pop("verifier", None) or new_verifier()
        sent = authorization(client, verifier, **parameters)
        if method == "POST":
            answer = self.request("POST", "/authorize", data=sent)
        else:
            answer = self.get("/authorize?" + urlencode(sent))
        asked = []
        for _ in range(10):
            if answer.status_code == 303:
                location = self.location(answer)
                if not self.is_ours(location):
                    return Outcome.of(self, client, sent, verifier, asked, location)
                answer = self.get(location)
                continue
            page = self.follow(answer)
            assert answer.status_code == 200, f"{answer.status_code} {page.text}"
            if page.is_login:
                assert person is not None, f"a login was not expected: {page.text}"
                assert "login" not in asked, f"asked to log in again: {page.text}"
                asked.append("login")
                answer = self.login(person.name, person.password, page)
            elif page.is_consent:
                assert "consent" not in asked, f"asked for consent again: {page.text}"
                asked.append("consent")
                answer = self.submit(page, decision=decision)
            else:
                # form_post: a browser with JavaScript would send it by itself.
                assert not self.is_ours(urljoin(page.url, page.form.action)), page.text
                return Outcome.of(
                    self, client, sent, verifier, asked, page.form.action, page.form.fields
                )
        raise AssertionError(f"no end: {asked}")

    def tokens(self, client, person=None, **parameters):
        """Logs in through an application, and what it gets for that."""
        return Tokens.of(client, self.authorize(client, person, **parameters).redeem(self.node))


def new_verifier():
    """A PKCE verifier (RFC 7636 §4.1)."""
    verifier = secrets.token_urlsafe(32)
    SEEN.add(verifier)
    return verifier


def challenge(verifier):
    """Its S256 challenge (RFC 7636 §4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def authorization(client, verifier, **parameters):
    """The parameters of an authorization request; None leaves one out."""
    usual = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": REDIRECT,
        "state": secrets.token_urlsafe(12),
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (usual | parameters).items() if value is not None}


@dataclasses.dataclass
class Outcome:
    """What came back at the redirect URI."""

    client: object
    sent: dict
    verifier: str
    asked: list
    uri: str
    answer: dict

    @classmethod
    def of(cls, browser, client, sent, verifier, asked, location, fields=None):
        if fields is None:
            # What was registered with a query keeps it.
            base, _, query = location.partition("?")
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
            assert len(dict(pairs)) == len(pairs), location
            answer, uri = dict(pairs), base
        else:
            answer, uri = dict(fields), location
        if "redirect_uri" in sent:
            assert uri == sent["redirect_uri"].partition("?")[0], location
        assert answer.get("state") == sent.get("state"), answer
        assert answer.get("iss") == browser.issuer, answer
        assert ("code" in answer) != ("error" in answer), answer
        SEEN.add(answer.get("code"))
        return cls(client, sent, verifier, asked, uri, answer)

    @property
    def code(self):
        assert self.error is None, self.answer
        return self.answer["code"]

    @property
    def error(self):
        return self.answer.get("error")

    def redeem(self, node, client=None, **changes):
        """Asks for the code's tokens; None leaves a parameter out."""
        data = {
            "grant_type": "authorization_code",
            "code": self.code,
            "redirect_uri": self.sent.get("redirect_uri"),
            "code_verifier": self.verifier,
        } | changes
        data = {name: value for name, value in data.items() if value is not None}
        return ask(node, client or self.client, "/token", data)


def ask(node, client, path, data):
    """A client's request: with its secret, or by its name alone where it has none."""
    if client.secret is None:
        return node.post(path, data | {"client_id": client.id})
    return node.post(path, data, client)


def refresh(node, client, token, **parameters):
    """A request for the successor of a refresh token, whatever comes of it."""
    data = {"grant_type": "refresh_token", "refresh_token": token} | parameters
    return ask(node, client, "/token", data)


@dataclasses.dataclass(frozen=True)
class Tokens:
    """What a client got from /token."""

    client: object
    access: str
    refresh: str | None
    scope: str
    body: dict

    @classmethod
    def of(cls, client, answer):
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        body = answer.json()
        assert body["token_type"] == "Bearer" and body["access_token"].startswith("dn_at_")
        assert body.get("refresh_token", "dn_rt_").startswith("dn_rt_")
        return cls(
            client, body["access_token"], body.get("refresh_token"), body.get("scope", ""), body
        )

    def rotate(self, node, **parameters):
        """The tokens after these; it must succeed."""
        return Tokens.of(self.client, refresh(node, self.client, self.refresh, **parameters))


def alive(nodes, api, token):
    """Whether a token is alive, on which all nodes must agree."""
    told = {node.is_active(api, token) for node in nodes}
    assert len(told) == 1, "the nodes do not agree"
    return told.pop()


def new_rows(doornail, table, work):
    """What work answers, and the ids of the rows that it added to a table."""
    statement = f"SELECT id FROM {table}"
    before = set(doornail.sql(statement))
    result = work()
    return result, [row[0] for row in set(doornail.sql(statement)) - before]
