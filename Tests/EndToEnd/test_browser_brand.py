"""Chromium once more: pages in German, and pages of somebody else's brand."""

import os
from pathlib import Path

import pytest

from chromium import DARK, LIGHT, PHONE, SMALL_PHONE, WIDE, App, Device, Request, until, watched
from support import Client

# docs/pages.md says how its screenshots are made.
SCREENSHOTS = os.environ.get("DOORNAIL_SCREENSHOTS")
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 32">
<circle cx="16" cy="16" r="15" fill="#e4007c"/><circle cx="48" cy="16" r="15" fill="#ffb000"/>
<circle cx="80" cy="16" r="15" fill="#0091d5"/></svg>"""
# Of all colours, those with which text is hardest to read: by day, in the dark, on itself.
COLORS = {"yellow": "#ffe600", "navy": "#000080", "gray": "#777777"}


@pytest.fixture(scope="module")
def app():
    made = App()
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(doornail):
    made = doornail.cli(
        "client", "create", "--id", "photos", "--name", "Photos of the World", "--grant",
        "authorization_code,refresh_token", "--scope", "openid email photos:read offline_access",
        "--redirect-uri", "http://127.0.0.1/cb",
    )  # fmt: skip
    return Client(made["client_id"], made["client_secret"])


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    made = Device(tmp_path_factory.mktemp("reader"), languages="de-AT,de")
    yield made
    made.close()


@pytest.fixture
def reader(profile):
    """A browser of somebody who reads German."""
    with watched(profile) as made:
        yield made


@pytest.fixture(scope="module")
def logo(doornail):
    path = doornail.folder / "logo.svg"
    path.write_text(LOGO)
    return str(path)


def problems(device, name):
    """What is wrong with a page, light and dark, wide and on phones; and its screenshots."""
    found = []
    for scheme in (LIGHT, DARK):
        for width in (WIDE, PHONE, SMALL_PHONE):
            device.look(width, scheme)
            here = device.layout_problems(width)
            if width != SMALL_PHONE:
                here += device.accessibility_problems()
            if SCREENSHOTS and width == PHONE:
                device.screenshot(Path(SCREENSHOTS) / f"{name}-{scheme}.png")
            found += [f"{name}, {scheme}, {width} px: {problem}" for problem in here]
    return found


def sign_in(device, person, password):
    device.fill("username", person.name)
    device.fill("password", password)
    device.press("Anmelden")


def test_german(node, app, client, ada, reader):
    """A dance in German from the login to the app; words are longer, and nothing overflows."""
    asked = Request(node, app, client, scope="openid email photos:read offline_access")
    reader.open(asked.url, "Anmelden")
    assert reader.driver.execute_script("return document.documentElement.lang") == "de"
    found = problems(reader, "german-login")
    sign_in(reader, ada, "wrong")
    until(lambda: "passen nicht zusammen" in reader.alert(), "nothing said")
    found += problems(reader, "german-login-failed")
    sign_in(reader, ada, ada.password)
    reader.reads("Zugriff für Photos of the World erlauben?")
    found += problems(reader, "german-consent")
    reader.press("Erlauben")
    reader.reads("Back at the app")
    assert asked.tokens().access
    for path, heading in (
        ("/account", "Ihr Konto"),
        ("/login", "Sie sind angemeldet"),
        ("/logout", "In diesem Browser abmelden?"),
        ("/authorize", "Diese Anfrage lässt sich nicht beantworten"),
        ("/nothing", "Diese Seite gibt es nicht"),
    ):
        reader.open(node.url + path, heading)
        found += problems(reader, f"german-{path[1:]}")
    reader.open(f"{node.url}/logout", "In diesem Browser abmelden?")
    reader.press("Abmelden")
    reader.reads("Sie sind abgemeldet")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("color", COLORS)
def test_brand(doornail, app, client, ada, reader, logo, color):
    """Somebody else's name, logo and colour: all of it is read, whatever the colour."""
    node = doornail.node(
        DOORNAIL_BRAND_NAME="Fotoverein Graz",
        DOORNAIL_BRAND_LOGO=logo,
        DOORNAIL_BRAND_COLOR=COLORS[color],
    )
    asked = Request(node, app, client, scope="email photos:read", prompt="consent", ui_locales="en")
    reader.open(asked.url, "Sign in")
    assert reader.driver.title == "Sign in - Fotoverein Graz"
    # The policy lets it through, and it is a picture.
    assert reader.driver.execute_script(
        "const i = document.querySelector('header img'); return i.complete && i.naturalWidth > 0"
    )
    found = problems(reader, f"brand-{color}-login")
    reader.sign_in(ada)
    reader.reads("Allow")
    found += problems(reader, f"brand-{color}-consent")
    reader.press("Allow")
    reader.reads("Back at the app")
    assert asked.tokens().access
    reader.open(f"{node.url}/account", "Ihr Konto")
    found += problems(reader, f"brand-{color}-account")
    assert not found, "\n".join(found)
