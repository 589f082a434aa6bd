"""/account: people see where they are logged in, end it, and are told the truth about it."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest

from browser import Browser, Page, alive, cookies_of, refresh
from proxy import Proxy
from support import ISSUER, in_parallel, new_password

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
OFFLINE = "photos:read offline_access"


@pytest.fixture(scope="module")
def node(pair):
    return pair[0]


@pytest.fixture
def eve(doornail):
    """A person of the test's own."""
    return doornail.user(f"eve-{uuid.uuid4().hex[:12]}")


def device(node, person, user_agent=LINUX):
    """A browser in which a person is logged in."""
    made = Browser(node, user_agent=user_agent)
    made.log_in(person)
    return made


def forms(page, action):
    return [form for form in page.forms if form.fields.get("action") == action]


def send(browser, page, action, index=0, **values):
    """Sends one of the page's forms; None leaves a field out."""
    form = forms(page, action)[index]
    data = {n: v for n, v in (form.fields | values).items() if v is not None}
    return browser.request("POST", urljoin(page.url, form.action), data=data)


def press(browser, action, index=0, **values):
    """Opens the page, sends a form of it, and returns the page that follows."""
    page = browser.open("/account")
    return browser.follow(send(browser, page, action, index, **values))


def change(browser, current, new, again=None):
    return press(
        browser,
        "password",
        current_password=current,
        new_password=new,
        new_password_again=new if again is None else again,
    )


def sids(doornail, person):
    return {session["id"] for session in doornail.sessions(person)}


def sid_of(browser, page=None):
    """The session that the page calls this device."""
    return forms(page or browser.open("/account"), "session")[0].fields["id"]


def log_of(doornail, person):
    """Why a person's logins were ended, in order."""
    rows = doornail.sql(
        "SELECT reason FROM revocations WHERE subject = %s ORDER BY number", person.id
    )
    return [reason for (reason,) in rows]


def assert_logged_out(browser, app):
    assert not browser.is_logged_in(app)
    location = urlsplit(browser.location(browser.get("/account")))
    assert location.path == "/login" and parse_qs(location.query) == {"to": ["account"]}


def test_what_it_shows(doornail, pair, eve, app):
    """This device, the other one, its place, its words for itself, and the apps."""
    here, there = device(pair[0], eve), device(pair[1], eve, WINDOWS)
    there.tokens(app)
    page = here.open("/account")
    words = page.text
    assert eve.name in words
    this, others = words.index("This device"), words.index("Other devices")
    assert this < words.index("Firefox on Linux") < others < words.index("Firefox on Windows")
    assert "Last used just now from 127.0.0.1" in words
    assert words.index("Apps with access through this login: app") > others
    assert LINUX in words and WINDOWS in words
    assert page.html.count("<details>") == 2 and "<details open" not in page.html
    assert page.html.count('<time datetime="20') == 4
    assert {form.method for form in page.forms} == {"post"}
    assert {form.types["form_token"] for form in page.forms} == {"hidden"}
    assert len(forms(page, "session")) == 2
    assert {f.fields["id"] for f in forms(page, "session")} == sids(doornail, eve)
    (password,) = forms(page, "password")
    assert [n for n, kind in password.types.items() if kind == "password"] == [
        "current_password",
        "new_password",
        "new_password_again",
    ]
    # The same at the other device, the other way round; a HEAD has no body.
    words = there.via(pair[0]).open("/account").text
    assert words.index("Firefox on Windows") < words.index("Firefox on Linux")
    head = here.request("HEAD", "/account")
    assert head.status_code == 200 and not head.content
    # The signed-in page leads there.
    assert "/account" in here.open("/login").html


def test_times_and_unknown_things(doornail, node, eve):
    here, there = device(node, eve), device(node, eve, "x" * 40)
    there_sid = sid_of(there)
    doornail.sql(
        "UPDATE sessions SET last_seen_at = now() - interval '30 hours', address = NULL,"
        " authenticated_at = now() - interval '3 days' WHERE id = %s",
        there_sid,
    )
    words = here.open("/account").text
    assert "A browser Last used yesterday from an address that is not known." in words
    assert "Logged in 3 days ago" in words
    assert "noted at most once in 34 hours" in words
    doornail.sql("UPDATE sessions SET user_agent = NULL WHERE id = %s", there_sid)
    assert "It did not say what it is." in here.open("/account").text


def test_hostile_browsers(node, eve):
    """What a browser says of itself is text, wherever it stands."""
    agent = "Firefox/1 \"><script src=x> (Linux' onload=alert(1))"
    here = device(node, eve)
    device(node, eve, agent)
    page = here.open("/account")
    assert agent in page.text and "Firefox on Linux" in page.text
    page = press(here, "session", 1)
    assert "Firefox on Linux was logged out." in page.text


def test_without_a_login(doornail, node, eve, anonymous):
    """The login page comes first, and leads back; by a fixed word, never to another address."""
    page = anonymous.open("/account")
    assert page.is_login and urlsplit(page.url).path == "/login"
    # A wrong password keeps the way.
    page = anonymous.follow(anonymous.login(eve.name, new_password(), page))
    assert page.alert and page.form.fields["to"] == "account"
    answer = anonymous.login(eve.name, eve.password, page)
    assert urlsplit(anonymous.location(answer)).path == "/account"
    assert "This device" in anonymous.follow(answer).text
    # Who is logged in goes there at once.
    answer = anonymous.get("/login?to=account")
    assert urlsplit(anonymous.location(answer)).path == "/account"
    for word in ("https://evil.example/", "//evil.example", "/token", "Account", "account/.."):
        fresh = Browser(node)
        page = fresh.open("/login?" + urlencode({"to": word}))
        assert "to" not in page.form.fields
        answer = fresh.login(eve.name, eve.password, page)
        assert urlsplit(fresh.location(answer)).path == "/login"
        answer = fresh.get("/login?" + urlencode({"to": word}))
        assert answer.status_code == 200


def test_end_one_device(doornail, pair, eve, app, api):
    """Its cookie and the tokens of its apps die, at every node; nothing else does."""
    here, there = device(pair[0], eve), device(pair[1], eve, WINDOWS)
    third = device(pair[0], eve)
    mine, online = here.tokens(app), there.tokens(app)
    kept = there.tokens(app, scope=OFFLINE)
    page = here.open("/account")
    sid = sid_of(there)
    index = [form.fields["id"] for form in forms(page, "session")].index(sid)
    answer = send(here, page, "session", index)
    location = urlsplit(here.location(answer))
    assert location.path == "/account" and parse_qs(location.query)["done"] == ["session"]
    after = here.follow(answer)
    assert "Firefox on Windows was logged out. Its apps lost their access, on all servers." in (
        after.text
    )
    assert "Apps that keep their access are listed below." in after.text
    assert sid not in after.html and sid not in sids(doornail, eve)
    for one in pair:
        assert_logged_out(there.twin().via(one), app)
    assert not alive(pair, api, online.access) and not alive(pair, api, online.refresh)
    assert alive(pair, api, mine.access) and alive(pair, api, kept.access)
    assert here.is_logged_in(app) and third.is_logged_in(app)
    # The same form again: it is not there any more, and nothing else is ended for it.
    again = here.follow(send(here, page, "session", index))
    assert "not there any more" in again.alert and "was logged out" not in again.text
    assert sids(doornail, eve) == {sid_of(here), sid_of(third)}
    # The sentence belongs to this browser and login, and to what really ended.
    sentence = here.location(answer)
    assert "was logged out" not in third.open(sentence).text
    forged = sentence.replace("done=session", "done=others")
    assert "logged out, and" not in here.open(forged).text
    for query in ("done=others", "done=password&ended=x", "done=session&ended=", "failed=x"):
        page = here.open("/account?" + query)
        assert not page.alert and "was logged out" not in page.text
        assert "were logged out" not in page.text and "was changed" not in page.text


def test_end_this_device_by_its_form(pair, eve, app):
    here, there = device(pair[0], eve), device(pair[1], eve)
    answer = send(here, here.open("/account"), "session", 0)
    assert urlsplit(here.location(answer)).path == "/logout" and here.session is None
    assert "You are logged out" in here.follow(answer).text
    assert_logged_out(here, app)
    assert there.is_logged_in(app)


def test_end_an_app(doornail, pair, eve, app, api):
    """One access at a time: of an app that keeps it, or that has it through this login."""
    here = device(pair[0], eve)
    online = here.tokens(app)
    first, second = here.tokens(app, scope=OFFLINE), here.tokens(app, scope=OFFLINE)
    page = here.open("/account")
    words = page.text
    assert words.index("Apps with access through this login:") < words.index("Other devices")
    # This device's come first; of those that are kept, the newest.
    assert len(forms(page, "app")) == 3
    assert "Use photos:read" in words and "Keep its access after you log out" in words
    after = here.follow(send(here, page, "app", 1))
    assert "app lost this access, on all servers. It still has the other access" in after.text
    assert not alive(pair, api, second.access) and not alive(pair, api, second.refresh)
    assert alive(pair, api, first.access) and alive(pair, api, online.access)
    gone = here.follow(send(here, page, "app", 1))
    assert "not there any more" in gone.alert
    after = press(here, "app", 1)
    assert "app lost this access" in after.text and "There are none." in after.text
    assert not alive(pair, api, first.refresh) and alive(pair, api, online.refresh)
    assert refresh(pair[1], app, first.refresh).json()["error"] == "invalid_grant"
    # What it has through this login ends alone, and the login goes on.
    after = press(here, "app")
    assert "app lost this access, on all servers." in after.text
    assert "Apps with access through this login" not in after.text
    assert not alive(pair, api, online.access) and not alive(pair, api, online.refresh)
    assert not forms(after, "app") and here.is_logged_in(app)


def test_an_app_that_stays(doornail, pair, eve, app, api):
    """What hangs on the login that is kept outlives the end of all others, and can be ended."""
    here = device(pair[0], eve)
    online = here.tokens(app)
    page = press(here, "others")
    assert alive(pair, api, online.access)
    assert len(forms(page, "app")) == 1
    assert "app lost this access" in press(here, "app").text
    assert not alive(pair, api, online.access) and not alive(pair, api, online.refresh)


def add_logins(doornail, session, count, idle_since, idle_until="interval '1 day'"):
    """Puts more logins of the same person beside one."""
    doornail.sql(
        f"""
        ALTER TABLE sessions DISABLE TRIGGER USER;
        INSERT INTO sessions (
            id, user_id, user_epoch, secret_hash, amr, last_seen_at, idle_expires_at, expires_at)
        SELECT gen_random_uuid(), s.user_id, s.user_epoch, sha256('x'), '{{pwd}}',
               now() - {idle_since}, now() + {idle_until}, now() + interval '1 day'
        FROM sessions AS s, generate_series(1, {count}) AS n WHERE s.id = '{session}';
        ALTER TABLE sessions ENABLE TRIGGER USER
        """
    )


def test_many_logins(doornail, pair, eve, app):
    """However many there were, the page is quick; what it does not show, it counts."""
    here = device(pair[0], eve)
    add_logins(
        doornail, sid_of(here), 20000, idle_since="n * interval '1 second'",
        idle_until="CASE WHEN n > 150 THEN -1 ELSE 1 END * interval '1 day'",
    )  # fmt: skip
    page = here.open("/account")
    assert len(forms(page, "session")) == 101
    assert "And 50 more, not shown here. “Log out all other devices” ends them, too." in page.text
    page = press(here, "others")
    assert "You are logged in nowhere else." in page.text and "not shown" not in page.text


def test_a_login_that_does_not_begin_ends_none(doornail, pair, eve):
    """Another person's login in this browser goes on where there is no room for the new one."""
    mine = doornail.user("mallory")
    here = device(pair[0], mine)
    doornail.sql(
        f"""
        ALTER TABLE sessions DISABLE TRIGGER USER;
        INSERT INTO sessions (
            id, user_id, user_epoch, secret_hash, amr, idle_expires_at, expires_at)
        SELECT gen_random_uuid(), id, epoch, sha256('x'), '{{pwd}}', now() + interval '1 day',
               now() + interval '1 day' FROM users, generate_series(1, 100) WHERE id = '{eve.id}';
        ALTER TABLE sessions ENABLE TRIGGER USER
        """
    )
    try:
        page = here.follow(here.login(eve.name, eve.password, here.open("/login?prompt=login")))
        assert page.is_login, (page.url, page.text)
        assert "on 100 devices" in page.alert
        assert mine.name in here.open("/account").text
    finally:
        doornail.cli("revoke", "user", eve.name)


def test_one_login_too_many(doornail, pair, eve, app):
    """The least recently used ends: by itself once it has rested, and else if the person wants it."""
    here = device(pair[0], eve)
    add_logins(doornail, sid_of(here), 99, idle_since="n * interval '1 minute'")
    by_use = "SELECT id FROM sessions WHERE user_id = %s AND revoked_at IS NULL ORDER BY last_seen_at"
    alive_before = doornail.sql(by_use, eve.id)
    assert "You can be logged in on 100 devices." in here.open("/account").text

    # All are in use: nothing ends, and nobody is logged in.
    there = Browser(pair[1])
    page = there.follow(there.login(eve.name, eve.password, there.open("/login?to=account")))
    assert page.is_login and "on 100 devices, as many as there may be" in page.alert
    assert there.session is None and doornail.sql(by_use, eve.id) == alive_before
    # A wrong password ends nothing either.
    assert "do not belong together" in there.follow(there.login(eve.name, "wrong", page)).alert
    assert doornail.sql(by_use, eve.id) == alive_before

    # Who gives it once more, there, logs in, and goes on to where the login led; also after a slip.
    page = there.follow(there.login(eve.name, "wrong", page))
    assert "do not belong together" in page.alert
    page = there.follow(there.login(eve.name, eve.password, page))
    assert urlsplit(page.url).path == "/account" and there.session
    ended = "SELECT revoked_reason, revoked_by FROM sessions WHERE id = %s"
    assert doornail.sql(ended, alive_before[0][0]) == [
        ("logged out by the person, to log in elsewhere", f"user:{eve.id}")
    ]

    # One that rested makes room by itself.
    rested = alive_before[50][0]
    doornail.sql(
        "UPDATE sessions SET last_seen_at = now() - interval '3 days' WHERE id = %s", rested
    )
    device(pair[0], eve)
    assert doornail.sql(ended, rested) == [("too many logins of one person", "doornail")]
    assert len(doornail.sql(by_use, eve.id)) == 100
    assert here.is_logged_in(app) and there.is_logged_in(app)
    # Who was logged in here before takes no more room.
    here.log_in(eve)
    assert len(doornail.sql(by_use, eve.id)) == 100


def test_ids_of_others(doornail, pair, eve, bob, app, api):
    """Another person's id, or garbage, ends nothing, and looks like one that is gone."""
    here, theirs = device(pair[0], eve), device(pair[1], bob)
    online, kept = theirs.tokens(app), theirs.tokens(app, scope=OFFLINE)
    own = here.tokens(app)
    before = doornail.sql("SELECT last_number FROM revocation_clock")
    grants = [str(row[0]) for row in doornail.sql("SELECT id FROM grants")]
    # The page offers this device's own, and no other.
    (offered,) = forms(here.open("/account"), "app")
    assert offered.fields["id"] in grants
    for bad in (sid_of(theirs), str(uuid.uuid4()), "x", "'; --", None, *grants):
        page = press(here, "session", id=bad)
        assert "not there any more" in page.alert
    page = here.open("/account")
    (form,) = forms(page, "session")
    online_grants = [
        str(row[0])
        for row in doornail.sql(
            "SELECT id FROM grants WHERE NOT is_offline AND user_id <> %s", eve.id
        )
    ]
    theirs_kept = doornail.sql("SELECT id FROM grants WHERE user_id = %s AND is_offline", bob.id)
    for bad in (form.fields["id"], "x", None, str(theirs_kept[0][0]), *online_grants):
        data = form.fields | {"action": "app", "id": bad}
        answer = here.request("POST", "/account", data={n: v for n, v in data.items() if v})
        assert "not there any more" in here.follow(answer).alert
    for action in ("x", "", None, "logout"):
        data = form.fields | {"action": action}
        answer = here.request("POST", "/account", data={n: v for n, v in data.items() if v})
        assert urlsplit(here.location(answer)).path == "/account"
    assert doornail.sql("SELECT last_number FROM revocation_clock") == before
    for tokens in (online, kept, own):
        assert alive(pair, api, tokens.access)
    assert theirs.is_logged_in(app) and here.is_logged_in(app)


def test_all_others(doornail, pair, eve, bob, app, api):
    """Every other device and every app that keeps its access; this one goes on."""
    here, theirs = device(pair[0], eve), device(pair[0], bob)
    others = [device(pair[i % 2], eve, WINDOWS) for i in range(3)]
    mine, kept = here.tokens(app), here.tokens(app, scope=OFFLINE)
    dead = [other.tokens(app) for other in others]
    dead += [others[0].tokens(app, scope=OFFLINE), kept]
    thief = here.twin()
    page = press(here, "others")
    # A copy of this browser's cookie is one of the others.
    assert not thief.is_logged_in(app)
    assert "All other devices were logged out" in page.text and "on all servers" in page.text
    assert "You are logged in nowhere else." in page.text and "There are none." in page.text
    for other in others:
        for one in pair:
            assert_logged_out(other.twin().via(one), app)
    for tokens in dead:
        assert not alive(pair, api, tokens.access) and not alive(pair, api, tokens.refresh)
    assert alive(pair, api, mine.access)
    assert mine.rotate(pair[1]).refresh
    for one in pair:
        assert here.via(one).is_logged_in(app)
    assert theirs.is_logged_in(app)
    assert log_of(doornail, eve) == ["logged out by the person, with all but one"]
    # Once more, which is no harm; and who logs in afterwards stays.
    press(here, "others")
    later = device(pair[1], eve)
    assert later.is_logged_in(app) and here.is_logged_in(app)


def test_everywhere(doornail, pair, eve, app, api):
    here, there = device(pair[0], eve), device(pair[1], eve)
    tokens = [here.tokens(app), there.tokens(app), here.tokens(app, scope=OFFLINE)]
    copy, page = here.twin(), here.open("/account")
    answer = send(here, page, "everywhere")
    assert urlsplit(here.location(answer)).path == "/logout"
    removed = {cookie.name: cookie for cookie in cookies_of(answer)}["doornail-session"]
    assert removed.is_removal and here.session is None
    assert "You are logged out" in here.follow(answer).text
    for browser in (copy, there):
        for one in pair:
            assert_logged_out(browser.via(one), app)
    for one in tokens:
        assert not alive(pair, api, one.access) and not alive(pair, api, one.refresh)
    assert not doornail.sessions(eve)
    # Back in the browser: the page is not kept, and asks the server, which shows nothing.
    assert page.answer.headers["Cache-Control"] == "no-store"
    assert here.open("/account").is_login and copy.open("/account").is_login
    # An old form of a login that is over ends nothing.
    before = doornail.sql("SELECT last_number FROM revocation_clock")
    answer = send(copy, page, "others")
    assert urlsplit(copy.location(answer)).path == "/login"
    assert doornail.sql("SELECT last_number FROM revocation_clock") == before


def test_forged_forms(doornail, pair, eve, bob, app):
    """A foreign page cannot do anything here: 303 to the page, and all is as it was."""
    here, there, theirs = device(pair[0], eve), device(pair[1], eve), device(pair[0], bob)
    page, new = here.open("/account"), new_password()
    values = {"current_password": eve.password, "new_password": new, "new_password_again": new}
    before = doornail.sql("SELECT last_number FROM revocation_clock")
    for token in (
        None,
        "",
        "A" * len(page.forms[0].fields["form_token"]),
        theirs.open("/account").forms[0].fields["form_token"],
        here.open("/login?prompt=login").form.fields["form_token"],
    ):
        for action in ("session", "others", "everywhere", "password"):
            more = values if action == "password" else {}
            answer = send(here, page, action, form_token=token, **more)
            location = urlsplit(here.location(answer))
            assert (location.path, location.query) == ("/account", "")
            assert here.session and not any(cookie.is_removal for cookie in cookies_of(answer))
    # Nor can another site's page, whose form arrives without the cookies.
    answer = send(Browser(pair[0]), page, "everywhere")
    assert answer.status_code == 303
    assert doornail.sql("SELECT last_number FROM revocation_clock") == before
    assert here.is_logged_in(app) and there.is_logged_in(app)
    device(pair[0], eve)


def test_change_the_password(doornail, pair, eve, app, api):
    here, there = device(pair[0], eve), device(pair[1], eve, WINDOWS)
    mine, theirs = here.tokens(app), there.tokens(app)
    kept = here.tokens(app, scope=OFFLINE)
    old, new = eve.password, new_password()
    thief = here.twin()
    page = change(here, old, new)
    assert not thief.is_logged_in(app)
    assert "Your password was changed." in page.text and not page.alert
    assert "All other devices were logged out" in page.text
    assert_logged_out(there, app)
    assert not alive(pair, api, theirs.refresh) and not alive(pair, api, kept.refresh)
    assert alive(pair, api, mine.access) and here.via(pair[1]).is_logged_in(app)
    assert log_of(doornail, eve) == ["password changed by the person"]
    stranger = Browser(pair[0])
    assert stranger.follow(stranger.login(eve.name, old)).alert
    eve.password = new
    device(pair[1], eve)
    # The browser is known to the account under its new epoch, and counted by itself.
    before = doornail.sql("SELECT count(*) FROM throttles WHERE failures > 0")
    assert "not your current password" in change(here, old, new_password()).alert
    assert doornail.sql("SELECT count(*) FROM throttles WHERE failures > 0")[0][0] == (
        before[0][0] + 1
    )


def test_passwords_that_are_not_changed(doornail, pair, eve, app):
    here, there = device(pair[0], eve), device(pair[1], eve)
    right, fine = eve.password, "good enough 1"
    before = doornail.sql("SELECT password_hash, epoch FROM users WHERE id = %s", eve.id)
    for current, new, again, words in (
        ("wrong", fine, fine, "not your current password"),
        (None, fine, fine, "not your current password"),
        (right, fine, "good enough 2", "not the same"),
        (right, fine, None, "not the same"),
        (right, "caf\u00e9 caf\u00e9", "cafe\u0301 cafe\u0301", "not the same"),
        (right, "1234567", "1234567", "at least 8 characters"),
        (right, "x" * 1025, "x" * 1025, "at most 1024 bytes"),
        (right, None, None, "at least 8 characters"),
    ):
        values = {"current_password": current, "new_password": new, "new_password_again": again}
        page = press(here, "password", **values)
        assert words in page.alert and "Nothing was changed." in page.alert
    after = doornail.sql("SELECT password_hash, epoch FROM users WHERE id = %s", eve.id)
    assert after == before
    assert here.is_logged_in(app) and there.is_logged_in(app)


def test_guessing_the_current_password(doornail, pair, eve, app):
    """Whoever has somebody's open browser does not guess on: 20, then 429, at every node."""
    here = device(pair[0], eve)
    page = here.open("/account")
    new = new_password()

    def guess(lane):
        copy = here.twin().via(pair[lane % 2])
        values = {"new_password": new, "new_password_again": new}
        statuses = []
        for _ in range(6):
            answer = send(copy, page, "password", current_password=new_password(), **values)
            statuses.append(answer.status_code)
        return statuses

    statuses = [status for lane in in_parallel(4, guess) for status in lane]
    assert statuses.count(303) == 20 and statuses.count(429) == 4
    values = {"current_password": eve.password, "new_password": new, "new_password_again": new}
    answer = send(here, page, "password", **values)
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) >= 1
    assert here.follow(answer).text
    # Everything else still works.
    assert "All other devices were logged out" in press(here, "others").text


def test_two_devices_at_once(doornail, pair, eve, app):
    """Both press "all others": at most one is left, and nobody is told what is not so."""
    for _ in range(4):
        both = [device(pair[0], eve), device(pair[1], eve)]
        pages = [browser.open("/account") for browser in both]
        answers = in_parallel(2, lambda i: send(both[i], pages[i], "others"))
        told = ["were logged out" in b.follow(a).text for b, a in zip(both, answers, strict=True)]
        lives = [browser.is_logged_in(app) for browser in both]
        assert sum(lives) == 1 and told == lives
        assert len(doornail.sessions(eve)) == 1


def test_a_password_change_and_other_ends(doornail, pair, eve, app):
    """Log out everywhere, or an administrator, at the same moment: nothing survives either."""

    def everywhere(there, page):
        return send(there, page, "everywhere")

    def disable(*_):
        doornail.cli("user", "disable", eve.name)
        doornail.cli("user", "enable", eve.name)

    for rival in (everywhere, disable):
        here, there = device(pair[0], eve), device(pair[1], eve)
        page, other, new = here.open("/account"), there.open("/account"), new_password()
        values = {"current_password": eve.password, "new_password": new, "new_password_again": new}
        with ThreadPoolExecutor(2) as pool:
            changing = pool.submit(send, here, page, "password", **values)
            pool.submit(rival, there, other).result()
            answer = changing.result()
        assert answer.status_code == 303
        # Whichever came first: this login is over unless the rival's own was over before it acted.
        if here.is_logged_in(app):
            assert rival is everywhere and not there.is_logged_in(app)
        else:
            assert not there.is_logged_in(app)
        known = Browser(pair[0])
        known.login(eve.name, new)
        if known.session:
            eve.password = new
        device(pair[0], eve)


def test_an_outage_changes_nothing(doornail, cluster, pair, eve, app):
    proxy = Proxy(cluster.port)
    remote = doornail.node(
        DOORNAIL_ISSUER=ISSUER, DATABASE_URL=cluster.url(doornail.database, port=proxy.port)
    )
    try:
        here, there = device(remote, eve), device(pair[0], eve)
        page, new = here.open("/account"), new_password()
        values = {"current_password": eve.password, "new_password": new, "new_password_again": new}
        proxy.cut()
        kept = here.session
        assert here.get("/account").status_code == 503
        for action in ("everywhere", "password"):
            answer = send(here, page, action, **(values if action == "password" else {}))
            assert answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1
            said = Page(answer)
            assert "ask again" in said.text.lower() and "logged out" not in said.text
            assert here.session == kept and not any(c.is_removal for c in cookies_of(answer))
        assert here.twin().via(pair[0]).is_logged_in(app) and there.is_logged_in(app)
        proxy.mend()
        remote.wait_until_ready(10)
        assert "All other devices were logged out" in press(here, "others").text
        assert_logged_out(there, app)
        remote.stop()
    finally:
        proxy.cut()


def test_disabled_and_deleted_people(doornail, pair, eve, app):
    here = device(pair[0], eve)
    page = here.open("/account")
    doornail.cli("user", "disable", eve.name)
    for action in ("others", "everywhere", "session"):
        assert urlsplit(here.location(send(here, page, action))).path == "/login"
    doornail.cli("user", "delete", eve.name)
    assert here.open("/account").is_login
    device(pair[0], doornail.user(eve.name))
    # The old login is nothing of the new person's.
    assert here.open("/account").is_login
