"""A person's browser, as far as the promise needs one: log in, authorize, log out."""

import base64
import hashlib
import html
import re
import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit

from wire import Unanswered

HIDDEN = re.compile(r'<input[^>]*type="hidden"[^>]*>')
ATTRIBUTE = re.compile(r'(name|value)="([^"]*)"')
REDIRECT = "https://app.example/cb"
STEPS = 8
LOGGED_OUT = "You are logged out"


def hidden_fields(page):
    """The hidden fields of a page's form that is sent by POST."""
    start = re.search(r'<form[^>]*method="post"', page, re.IGNORECASE)
    fields = {}
    for tag in HIDDEN.findall(page[start.start() :] if start else ""):
        attributes = dict(ATTRIBUTE.findall(tag))
        fields[attributes["name"]] = html.unescape(attributes.get("value", ""))
    return fields


class Browser:
    """Cookies of one issuer, whose nodes share them."""

    def __init__(self, issuer):
        self.issuer = issuer
        self.cookies = {}

    async def request(self, endpoint, method, url, form=None):
        target = url.removeprefix(self.issuer)
        headers = ""
        if self.cookies:
            headers = "Cookie: " + "; ".join(f"{n}={v}" for n, v in self.cookies.items()) + "\r\n"
        answer = await endpoint.request(method, target, form, headers, timeout=20)
        for cookie in answer.cookies:
            pair, _, attributes = cookie.partition(";")
            name, _, value = pair.partition("=")
            if value and "max-age=0" not in attributes.lower():
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        if answer.status >= 500 or answer.status == 429:
            raise Unanswered(f"{url.partition('?')[0]}: {answer.status}")
        return answer

    async def log_in(self, endpoint, name, password):
        """True once logged in."""
        page = await self.request(endpoint, "GET", "/login?prompt=login")
        form = hidden_fields(page.text) | {"username": name, "password": password}
        answer = await self.request(endpoint, "POST", "/login", form)
        location = answer.headers.get("location", "")
        if answer.status != 303 or "failed=" in location or "full=" in location:
            raise Unanswered(f"the login was refused: {answer.status} {location}")

    async def authorize(self, endpoint, client_id, scope):
        """A code and its verifier; None where a login is asked for again."""
        verifier = secrets.token_urlsafe(32)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": REDIRECT,
            "scope": scope,
            "state": "s",
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        answer = await self.request(endpoint, "GET", "/authorize?" + urlencode(query))
        for _ in range(STEPS):
            location = answer.headers.get("location", "")
            if location.startswith(REDIRECT):
                given = dict(parse_qsl(urlsplit(location).query))
                return (given["code"], verifier) if "code" in given else None
            path = urlsplit(location).path
            if path == "/login":
                return None
            if path == "/consent":
                page = await self.request(endpoint, "GET", location)
                form = hidden_fields(page.text) | {"decision": "allow"}
                answer = await self.request(endpoint, "POST", location, form)
            elif answer.status == 303:
                answer = await self.request(endpoint, "GET", location)
            else:
                raise Unanswered(f"/authorize: {answer.status}")
        raise Unanswered("/authorize without an end")

    async def log_out(self, endpoint):
        """True if the server said that the login has ended."""
        page = await self.request(endpoint, "GET", "/logout")
        form = hidden_fields(page.text)
        if "form_token" not in form:
            return LOGGED_OUT in page.text
        answer = await self.request(endpoint, "POST", "/logout", form)
        # What the page after it will say, which asks nothing of the database but this ticket.
        return answer.status == 303 and "ended=" in answer.headers["location"]
