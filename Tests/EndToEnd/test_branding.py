"""DOORNAIL_BRAND_*: whose pages they are, and what is refused."""

import base64
import json
import re

import pytest
import requests

from browser import Browser

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><circle r="9"/></svg>'


@pytest.fixture
def logo(tmp_path):
    # By its content: the name says something else.
    path = tmp_path / "logo.txt"
    path.write_text(SVG)
    return path


def test_a_brand(doornail, logo):
    """The name in place of ours, the logo in the page itself, the colour on buttons and links."""
    node = doornail.node(
        DOORNAIL_BRAND_NAME='Acme & "Söhne"',
        DOORNAIL_BRAND_LOGO=str(logo),
        DOORNAIL_BRAND_COLOR="#FFCC00",
    )
    # Read once: what becomes of the file afterwards has no effect.
    logo.unlink()
    for path in ("/login", "/logout", "/authorize", "/nothing"):
        page = Browser(node).open(path)
        assert "Doornail" not in page.text, path
        assert 'Acme & "Söhne"' in page.text
        assert " - Acme &amp; &quot;Söhne&quot;</title>" in page.html
        (source,) = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="">', page.html)
        assert base64.b64decode(source, validate=True).decode() == SVG
        assert "--accent: #ffcc00; --on-accent: #000000;" in page.html
        policy = page.answer.headers["Content-Security-Policy"]
        assert "; img-src data:;" in policy and policy.startswith("default-src 'none';")


def test_no_brand(node):
    """Without a logo no page may show a picture."""
    page = Browser(node).open("/login")
    assert "Doornail" in page.text and "<title>Sign in - Doornail</title>" in page.html
    assert "img-src" not in page.answer.headers["Content-Security-Policy"]
    assert "<img" not in page.html


def test_from_flags_and_file(doornail, tmp_path, logo):
    """As any setting: flags, the environment, the file."""
    config = tmp_path / "doornail.json"
    config.write_text(
        json.dumps({"brand_name": "Acme", "brand_logo": str(logo), "brand_color": "#123456"})
    )
    done = doornail.run("check", "--config", str(config))
    assert done.returncode == 0, done.stdout + done.stderr
    config.write_text(json.dumps({"brand_color": "blue"}))
    done = doornail.run("check", "--config", str(config))
    assert done.returncode == 1 and "DOORNAIL_BRAND_COLOR (--brand-color)" in done.stdout
    done = doornail.run("check", "--config", str(config), "--brand-color", "#123456")
    assert done.returncode == 0, done.stdout + done.stderr
    done = doornail.run("serve", "--brand-color", "blue")
    assert done.returncode == 2 and "--brand-color" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("NAME", "x" * 65, "longer than 64 bytes; shorten it"),
        ("NAME", " ", "is blank"),
        ("NAME", "a\nb", "control character"),
        ("COLOR", "blue", "is no colour like #1d5a4b; write # and six digits"),
        ("COLOR", "#fff", "is no colour"),
        ("COLOR", "#ffffff; }", "is no colour"),
        ("LOGO", "/no/such/file.svg", "/no/such/file.svg, which cannot be read"),
        ("LOGO", "/", "names the file /, which cannot be read"),
    ],
)
def test_refused(doornail, variable, value, words):
    """check and serve say what is wrong and what to do, before anything listens."""
    env = {f"DOORNAIL_BRAND_{variable}": value}
    for command, stream in (("check", "stdout"), ("serve", "stderr")):
        done = doornail.run(command, env=env, timeout=20)
        assert done.returncode == 1, command
        said = getattr(done, stream)
        assert f"DOORNAIL_BRAND_{variable} (--brand-{variable.lower()})" in said
        assert words in said, said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no SVG, PNG, JPEG or WebP; give one of these"),
        (b"GIF89a", "is no SVG, PNG, JPEG or WebP"),
        (b"<html>" + SVG.encode(), "is no SVG, PNG, JPEG or WebP"),
        (b"\x89PNG\r\n\x1a\n" + bytes(65536), "is larger than 64 KiB; make it smaller"),
    ],
)
def test_refused_logos(doornail, tmp_path, content, words):
    path = tmp_path / "logo.svg"
    path.write_bytes(content)
    done = doornail.run("serve", env={"DOORNAIL_BRAND_LOGO": str(path)}, timeout=20)
    assert done.returncode == 1
    assert f"names the file {path}, which {words}" in done.stderr, done.stderr


def test_the_largest_logo(doornail, tmp_path):
    path = tmp_path / "logo"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(65536 - 8))
    node = doornail.node(DOORNAIL_BRAND_LOGO=str(path))
    answer = requests.get(node.root + "/login", timeout=5)
    assert answer.status_code == 200 and "data:image/png;base64," in answer.text
