"""A real Chromium for each device of a person, and an application that people come back to."""

import html
import os
import shutil
import signal
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from urllib.parse import parse_qsl, urlencode, urlsplit

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import Tokens, ask, authorization, new_verifier
from postgres import dies_with_us
from support import SEEN

# scripts/install looks for the same names, in the same order.
NAMES = ("chromium", "google-chrome")
AXE = (files("axe_core_python") / "axe.min.js").read_text()
DARK, LIGHT = "dark", "light"
WIDE, PHONE, SMALL_PHONE = 1280, 390, 320
FLAGS = [
    "--headless=new",
    # Nothing but the tests' own servers is to be reached, and nothing asked of anybody.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    # A container's /dev/shm may be small.
    "--disable-dev-shm-usage",
]


def until(condition, problem, seconds=10):
    """What a condition says once it says something; pages need a moment."""
    deadline = time.monotonic() + seconds
    while True:
        error = None
        # A page that is on its way out may not answer.
        try:
            if value := condition():
                return value
        except WebDriverException as caught:
            error = caught
        if time.monotonic() > deadline:
            raise AssertionError(f"{problem() if callable(problem) else problem} {error or ''}")
        time.sleep(0.02)


class Device:
    """One Chromium with a profile of its own. What its console says is kept, and asked for."""

    def __init__(self, folder, scripts=True, languages=None):
        options = webdriver.ChromeOptions()
        options.binary_location = next(path for path in map(shutil.which, NAMES) if path)
        for flag in [*FLAGS, f"--user-data-dir={folder}", f"--window-size={WIDE},900"]:
            options.add_argument(flag)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.accept_insecure_certs = True
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        preferences = {}
        if not scripts:
            preferences["profile.managed_default_content_settings.javascript"] = 2
        if languages:
            preferences["intl.accept_languages"] = languages
        if preferences:
            options.add_experimental_option("prefs", preferences)
        service = Service(
            shutil.which("chromedriver"), popen_kw={"preexec_fn": dies_with_us(signal.SIGTERM)}
        )
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(20)
        self.driver.set_script_timeout(10)
        self._console = []

    def close(self):
        self.driver.quit()

    def cdp(self, command, **parameters):
        """A command of the Chrome DevTools Protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def forget(self):
        """As new: one tab, no cookies, nothing emulated, and a silent console."""
        first, *others = self.driver.window_handles
        for tab in others:
            self.driver.switch_to.window(tab)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.driver.get("about:blank")
        self.cdp("Network.enable")
        self.cdp("Network.clearBrowserCookies")
        self.cdp("Page.resetNavigationHistory")
        self.cdp("Emulation.clearDeviceMetricsOverride")
        self.cdp("Emulation.setEmulatedMedia", features=[])
        self.console()

    # What a person sees.

    def find(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    @property
    def url(self):
        return self.driver.current_url

    @property
    def heading(self):
        return " ".join(element.text for element in self.find("h1"))

    @property
    def words(self):
        """All that can be read, with single spaces."""
        return " ".join(" ".join(element.text for element in self.find("body")).split())

    def alert(self):
        return " ".join(element.text for element in self.find("[role=alert]"))

    def open(self, url, heading=None):
        self.driver.get(url)
        return self.reads(heading) if heading else self

    def reads(self, heading):
        """Waits for a page by its heading."""
        until(
            lambda: heading in self.heading and self.driver.execute_script(
                "return document.readyState"
            ) == "complete",
            lambda: f"no page says {heading!r}, but {self.url} says {self.words}",
        )  # fmt: skip
        return self

    # What a person does.

    def fill(self, name, text):
        (field,) = self.find(f"input[name={name}]")
        field.clear()
        field.send_keys(text)

    def press(self, words):
        """Clicks a button or follows a link, by its words."""
        (found,) = [e for e in self.find("button, a") if e.text == words]
        found.click()

    def sign_in(self, person, password=None):
        self.reads("Sign in")
        self.fill("username", person.name)
        self.fill("password", password or person.password)
        self.press("Sign in")

    def type(self, *keys):
        """Keys alone, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def type_back(self):
        """Shift and Tab."""
        keys = ActionChains(self.driver).key_down(Keys.SHIFT)
        keys.send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()

    # What Chromium knows.

    def cookies(self, url):
        """The cookies that it has for a URL, as it understood them."""
        found = self.cdp("Network.getCookies", urls=[url])["cookies"]
        for cookie in found:
            SEEN.add_tail(cookie["value"])
        return {cookie["name"]: cookie for cookie in found}

    def console(self):
        """What the console said since it was asked last."""
        said, self._console = self._console + self.driver.get_log("browser"), []
        return [entry["message"] for entry in said]

    def violations(self):
        """What was refused because of a policy, or went wrong in a script."""
        quiet = ("favicon.ico", "status of 4", "Clear-Site-Data header")
        return [said for said in self.console() if not any(word in said for word in quiet)]

    # How a page looks.

    def look(self, width=WIDE, scheme=LIGHT):
        """Another width, another colour scheme; a phone is one with a phone's viewport."""
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=800, deviceScaleFactor=1, mobile=width <= PHONE,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.cdp("Emulation.setEmulatedMedia", features=features)
        dark = "return matchMedia('(prefers-color-scheme: dark)').matches"
        assert self.driver.execute_script(dark) == (scheme == DARK)

    def accessibility_problems(self):
        """What axe finds, and where it cannot tell whether a contrast suffices."""
        # Scripts of the driver are not the page's, so the page's policy stays as it is.
        self.driver.execute_script(AXE)
        unfold = "document.querySelectorAll('details').forEach(e => e.open = {})"
        self.driver.execute_script(unfold.format("true"))
        found = self.driver.execute_async_script(
            "const done = arguments[0];"
            "axe.run(document).then(done, error => done({error: String(error)}))"
        )
        self.driver.execute_script(unfold.format("false"))
        assert "error" not in found, found["error"]
        assert len(found["passes"]) >= 10, "axe looked at nothing"
        unsure = [rule for rule in found["incomplete"] if rule["id"] == "color-contrast"]
        return [
            f"{rule['id']}: {rule['help']}: {node['html'][:90]} {node.get('failureSummary', '')}"
            for rule in found["violations"] + unsure
            for node in rule["nodes"]
        ]

    def layout_problems(self, width):
        """What a person with a phone would trip over."""
        return self.driver.execute_script(
            """
            const wide = arguments[0], found = [], root = document.documentElement;
            if (root.scrollWidth > wide || innerWidth > wide)
                found.push(`scrolls sideways: ${root.scrollWidth}, ${innerWidth} > ${wide}`);
            for (const e of document.querySelectorAll("button, input:not([type=hidden])")) {
                const box = e.getBoundingClientRect();
                if (e.checkVisibility() && box.height < 44)
                    found.push(`${e.outerHTML}: ${box.height} px high`);
            }
            for (const e of document.querySelectorAll("body *")) {
                const box = e.getBoundingClientRect();
                if (box.width && box.right > wide + .5) found.push(`${e.tagName}: ${box.right}`);
            }
            return found;
            """,
            width,
        )

    def focus(self):
        """What has the focus, by its words or its name; it must be seen that it has."""
        words, seen, style = self.driver.execute_script(
            """
            const e = document.activeElement, style = getComputedStyle(e);
            return [e.name && e.tagName == "INPUT" ? e.name : e.textContent,
                e.matches(":focus-visible") && style.outlineStyle == "solid"
                    && parseFloat(style.outlineWidth) >= 2
                    && style.outlineColor != getComputedStyle(document.body).backgroundColor,
                style.outline];
            """
        )
        assert seen, f"{words}: nobody sees that it has the focus: {style}"
        return words

    def screenshot(self, path):
        """A page as a phone shows it, without the ground below."""
        bottom = "return Math.ceil(document.querySelector('main').getBoundingClientRect().bottom)"
        height = self.driver.execute_script(bottom) + 24
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=PHONE, height=height, deviceScaleFactor=1, mobile=True,
        )  # fmt: skip
        self.driver.save_screenshot(str(path))


class App:
    """An application's own web server: its redirect URI, and any page that a test puts there."""

    BACK = """<!doctype html><html lang="en"><meta charset="utf-8"><title>App</title>
        <h1>Back at the app</h1><p id="p">without scripts</p>
        <script>document.getElementById("p").textContent = "with scripts"</script>"""

    def __init__(self):
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.take(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.take(parse_qsl(body, keep_blank_values=True))

            def take(self, fields):
                path = urlsplit(self.path).path
                status, page, headers = 404, "", {}
                if path == "/cb":
                    SEEN.add(dict(fields).get("code"))
                    app.answers.append((self.command, dict(fields)))
                    status, page = 200, app.BACK
                elif path in app.pages:
                    page, headers = app.pages[path]
                    status = 303 if "Location" in headers else 200
                self.send_response(status)
                for name, value in ({"Content-Type": "text/html"} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *_):
                pass

        self.answers, self.pages = [], {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.root = f"http://127.0.0.1:{self.server.server_port}"
        # For a browser another site than Doornail's, which the redirect URI is not.
        self.foreign_root = f"http://localhost:{self.server.server_port}"
        self.callback = f"{self.root}/cb"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self, path, body, **headers):
        """Serves a page, and says where the browser finds it on another site."""
        start = "<!doctype html><html lang=en><title>A page</title>"
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = start + body, names
        return self.foreign_root + path

    def form(self, path, action, fields):
        """Serves a page that sends a form at once, as an attacker's would."""
        inputs = "".join(
            f'<input type=hidden name="{n}" value="{html.escape(v)}">' for n, v in fields.items()
        )
        return self.page(
            path, f'<form method=post action="{html.escape(action)}">{inputs}</form>'
            "<script>document.forms[0].submit()</script>",
        )  # fmt: skip

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Request:
    """One authorization request, and what came back for it."""

    def __init__(self, node, app, client, **parameters):
        self.node, self.app, self.client, self.verifier = node, app, client, new_verifier()
        parameters = {"redirect_uri": app.callback} | parameters
        self.sent = authorization(client, self.verifier, **parameters)
        self.url = f"{node.url}/authorize?{urlencode(self.sent)}"

    def answer(self, method="GET"):
        """The one answer that the application got for it."""
        state = self.sent["state"]
        took = until(
            lambda: [a for a in self.app.answers if a[1].get("state") == state],
            "the application got no answer",
        )
        assert [a[0] for a in took] == [method], took
        assert took[0][1]["iss"] == self.node.url
        return took[0][1]

    def tokens(self, method="GET"):
        data = {
            "grant_type": "authorization_code",
            "code": self.answer(method)["code"],
            "redirect_uri": self.sent["redirect_uri"],
            "code_verifier": self.verifier,
        }
        return Tokens.of(self.client, ask(self.node, self.client, "/token", data))


@contextmanager
def watched(device):
    """A device as new, whose console must be silent in the end."""
    device.forget()
    yield device
    said = device.violations()
    assert not said, said
