"""An app that people log in to and out of by OpenID Connect; it notices a logout elsewhere."""

import logging
import os
import secrets
import signal
import threading
from urllib.parse import urlsplit

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask, abort, redirect, render_template, request, session
from joserfc.errors import JoseError
from werkzeug.serving import make_server

ISSUER = os.environ["DOORNAIL_ISSUER"]
CLIENT_ID, CLIENT_SECRET = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
API, PORT = os.environ["API"], int(os.environ["PORT"])
# Made from what is configured, never from the request's Host header.
HERE = f"http://127.0.0.1:{PORT}"
SECONDS = 10

app = Flask(__name__)
# The cookie holds a random name for the login and no token: those stay here, so that a copy of the
# cookie is worth nothing after the logout. (SESSION_COOKIE_SECURE belongs here once it is https.)
app.config.update(
    SECRET_KEY=secrets.token_bytes(32),
    SESSION_COOKIE_NAME="example-app",
    SESSION_COOKIE_SAMESITE="Lax",
    MAX_CONTENT_LENGTH=64 * 1024,
)
doornail = OAuth(app).register(
    "doornail",
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    server_metadata_url=ISSUER + "/.well-known/openid-configuration",
    client_kwargs={
        "scope": "openid profile photos:read",
        "code_challenge_method": "S256",
        "default_timeout": SECONDS,
    },
)


class LoginEnded(Exception):
    """The login was ended elsewhere: Doornail does not refresh it any more."""


class Login:
    """Somebody who is logged in to this app."""

    def __init__(self, token, person):
        self.token, self.person = token, person
        self.form_token = secrets.token_urlsafe(32)
        self.lock = threading.Lock()

    def refresh(self, stale):
        """New tokens, unless another request has fetched them already."""
        with self.lock:
            if self.token["access_token"] != stale:
                return
            try:
                new = doornail.fetch_access_token(
                    grant_type="refresh_token", refresh_token=self.token["refresh_token"]
                )
            except OAuthError as error:
                if error.error == "invalid_grant":
                    raise LoginEnded from None
                raise
            # Some servers keep the refresh token, and not every answer has an ID token.
            self.token = self.token | new

    def photos(self):
        """What the API has; an access token that is over is refreshed, once."""
        for _ in range(2):
            token = self.token["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            answer = requests.get(API + "/photos", headers=headers, timeout=SECONDS)
            if answer.status_code != 401:
                break
            self.refresh(stale=token)
        answer.raise_for_status()
        return answer.text


# In memory: a restart logs everybody out of the app. A real one keeps them in its database.
logins = {}


def current():
    return logins.get(session.get("login"))


def forget():
    logins.pop(session.get("login"), None)
    session.clear()


def page(message="", status=200, login=None, photos=""):
    return render_template("page.html", message=message, login=login, photos=photos), status


@app.get("/")
def home():
    login = current()
    return page(login=login, photos=login.photos()) if login else page("You are logged out.")


@app.get("/login")
def log_in():
    # State, nonce and PKCE verifier are Authlib's, kept in this browser's cookie; those of a login
    # that was begun before are given up, so that it does not grow.
    for name in [name for name in session if name != "login"]:
        del session[name]
    return doornail.authorize_redirect(HERE + "/callback")


@app.get("/callback")
def callback():
    # RFC 9207: an answer of another server is none.
    if request.args.get("iss") != ISSUER:
        abort(400)
    # Authlib compares state and nonce, and verifies the signature by /jwks.json.
    wanted = {
        "iss": {"essential": True, "value": ISSUER},
        "aud": {"essential": True, "value": CLIENT_ID},
        "at_hash": {"essential": True},
    }
    token = dict(doornail.authorize_access_token(claims_options=wanted))
    claims = token.pop("userinfo", None)
    if not claims:
        abort(400)
    # Who the person is; of somebody else it is none (OpenID Connect Core 5.3.2).
    person = doornail.userinfo(token=token)
    if person["sub"] != claims["sub"]:
        abort(400)
    forget()
    session["login"] = secrets.token_urlsafe(32)
    logins[session["login"]] = Login(token, person)
    return redirect("/")


@app.post("/logout")
def log_out():
    login = current()
    if login is None:
        return redirect("/")
    if not secrets.compare_digest(request.form.get("form_token", ""), login.form_token):
        abort(403)
    # The tokens first. Only a 200 says that they are dead; without it nobody is told so, and the
    # login is still there to try again.
    metadata = doornail.load_server_metadata()
    with OAuth2Session(CLIENT_ID, CLIENT_SECRET, default_timeout=SECONDS) as client:
        client.revoke_token(
            metadata["revocation_endpoint"],
            login.token["refresh_token"],
            token_type_hint="refresh_token",
        ).raise_for_status()
    forget()
    # Then the login at Doornail, which other apps may hang on, by way of the browser.
    return doornail.logout_redirect(
        post_logout_redirect_uri=HERE + "/logged-out", id_token_hint=login.token["id_token"]
    )


@app.get("/logged-out")
def logged_out():
    doornail.validate_logout_response()
    return page("You are logged out, here and at Doornail.")


@app.errorhandler(LoginEnded)
def login_ended(_):
    forget()
    return page("Your login was ended elsewhere, so you are logged out here too.")


@app.errorhandler(OAuthError)
@app.errorhandler(JoseError)
def refused(error):
    return page(f"That did not work: {error}", 400)


@app.errorhandler(requests.RequestException)
def unreachable(_):
    # Nothing is known, so nothing is given up: the login may be alive.
    answer = page("Doornail or the API gives no answer at present. Try again.", 503)
    return *answer, {"Retry-After": "1"}


@app.after_request
def guard(answer):
    """Pages are not kept, not framed and run no scripts; the code in the URL is told to nobody."""
    # A form's POST may lead on to Doornail, which form-action has to allow.
    at = urlsplit(ISSUER)
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {at.scheme}://{at.netloc}"
    )
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


if __name__ == "__main__":
    # Its access log would show the codes.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server("127.0.0.1", PORT, app, threaded=True)
    print(f"The app is running at {HERE}", flush=True)
    # An exception of Ctrl-C's could be raised where it is ignored.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    server.serve_forever()
