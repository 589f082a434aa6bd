"""What Doornail is for, as a story: two devices, two apps, one API, two servers."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from browser import Browser, Tokens, refresh
from support import INACTIVE

API = "https://api.example"


@pytest.fixture(scope="module")
def photos(doornail):
    """A web application with a secret."""
    return doornail.app("photos", "--first-party", "--audience", API)


@pytest.fixture(scope="module")
def notes(doornail):
    """An application without one, on the devices themselves."""
    return doornail.app("notes", "--public", "--audience", API, scope="notes:read notes:write")


@pytest.fixture(scope="module")
def the_api(doornail):
    """The resource server that both apps call; it is told about tokens for it, and no others."""
    return doornail.client("the-api", "--audience", API, grant=None)


def test_the_story(doornail, pair, photos, notes, the_api):
    here, there = pair
    grace = doornail.user("grace", "--name", "Grace")

    def api_accepts(tokens):
        """Both servers are asked, and they agree."""
        told = [server.introspect(the_api, tokens.access) for server in pair]
        assert told[0] == told[1]
        if told[0] == INACTIVE:
            return False
        assert told[0]["username"] == "grace" and told[0]["sub"] == grace.id
        assert told[0]["client_id"] == tokens.client.id and told[0]["aud"] == API
        return True

    def can_refresh(tokens):
        """Whether an app gets on with what it has; it is refused at both servers or at neither."""
        answers = [refresh(server, tokens.client, tokens.refresh) for server in pair]
        assert len({answer.status_code for answer in answers}) == 1
        if answers[0].status_code == 400:
            assert answers[0].json()["error"] == "invalid_grant"
            return False
        # The second one lost its answer on the way, as it were: it is told the same.
        return len({Tokens.of(tokens.client, answer).refresh for answer in answers}) == 1

    # Grace logs in on her laptop, through Photos. Notes finds her logged in already and only asks
    # whether it may; Photos belongs to the house.
    laptop = Browser(here, user_agent="Grace's laptop")
    outcome = laptop.authorize(photos, grace)
    assert outcome.asked == ["login"]
    laptop_photos = Tokens.of(photos, outcome.redeem(there))
    outcome = laptop.via(there).authorize(notes)
    assert outcome.asked == ["consent"]
    laptop_notes = Tokens.of(notes, outcome.redeem(here))

    # And on her phone, through Notes, where the other server happens to answer.
    phone = Browser(there, user_agent="Grace's phone")
    outcome = phone.authorize(notes, grace)
    assert outcome.asked == ["login", "consent"]
    phone_notes = Tokens.of(notes, outcome.redeem(here))
    phone_photos = phone.via(here).tokens(photos)

    everything = [laptop_photos, laptop_notes, phone_notes, phone_photos]
    assert all(api_accepts(tokens) for tokens in everything)

    # Two devices are listed, each with its apps.
    listed = {one["user_agent"]: one for one in doornail.sessions(grace)}
    assert set(listed) == {"Grace's laptop", "Grace's phone"}
    for one in listed.values():
        assert one["address"] == "127.0.0.1"
        assert set(one["clients"]) == {"photos", "notes"}

    # She logs out on the phone. What the phone had is dead: for the API, at both servers, at once;
    # its apps cannot refresh; its browser is a stranger's, also with a copy of the old cookie.
    copy = phone.twin()
    answer = phone.submit(phone.open("/logout"))
    assert "logged out" in phone.follow(answer).text.lower()
    assert not api_accepts(phone_photos) and not api_accepts(phone_notes)
    assert not can_refresh(phone_photos) and not can_refresh(phone_notes)
    for server in pair:
        assert not phone.via(server).is_logged_in(photos)
        assert not copy.via(server).is_logged_in(photos)

    # The laptop noticed nothing.
    assert api_accepts(laptop_photos) and api_accepts(laptop_notes)
    assert can_refresh(laptop_photos) and can_refresh(laptop_notes)
    assert laptop.is_logged_in(photos)
    assert [one["user_agent"] for one in doornail.sessions(grace)] == ["Grace's laptop"]

    # She logs in on the phone again, and this time loses it: she wants out everywhere. Her apps
    # refresh all the while, at both servers.
    phone.log_in(grace)
    phone_photos, phone_notes = phone.tokens(photos), phone.tokens(notes)
    laptop_photos, laptop_notes = laptop.tokens(photos), laptop.tokens(notes)
    everything = [laptop_photos, laptop_notes, phone_photos, phone_notes]
    minted, over = [], threading.Event()

    def keep_refreshing(index):
        tokens = everything[index]
        while not over.is_set():
            answer = refresh(pair[index % 2], tokens.client, tokens.refresh)
            if answer.status_code != 200:
                assert answer.json()["error"] in ("invalid_grant", "temporarily_unavailable")
                return
            tokens = Tokens.of(tokens.client, answer)
            minted.append(tokens)

    with ThreadPoolExecutor(len(everything)) as apps:
        running = [apps.submit(keep_refreshing, index) for index in range(len(everything))]
        try:
            time.sleep(0.5)
            doornail.cli("revoke", "user", "grace")
            # It has been said: what was there is dead now, whoever is still asking.
            assert not any(api_accepts(tokens) for tokens in everything + minted[-20:])
        finally:
            over.set()
        for future in running:
            future.result()

    # The refreshes that were under way minted nothing that lives.
    assert minted
    for tokens in everything + minted[-40:]:
        assert not api_accepts(tokens)
    for tokens in everything + minted[-8:]:
        assert not can_refresh(tokens)
    for device in (laptop, phone):
        for server in pair:
            assert not device.twin().via(server).is_logged_in(photos)
    assert doornail.sessions(grace) == []

    # And tomorrow is another day.
    laptop.log_in(grace)
    assert api_accepts(laptop.tokens(photos))
