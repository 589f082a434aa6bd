"""The README's sixty seconds to a dead token, and its logouts, run as they stand."""

import os
import re
import signal
import subprocess
import time

import pytest
import requests

from postgres import dies_with_us
from support import BINARY, ROOT, SEEN

SECTIONS = ("Sixty seconds to a dead token", "Two devices, two apps, one logout")
MARK = "--- the second section ---"


def blocks(title):
    """Every block marked `sh` of a section, in order."""
    text = (ROOT / "README.md").read_text()
    section = re.search(rf"^(#+) +{title}.*?$(.*?)(?=^#+ |\Z)", text, re.M | re.S)
    assert section, f"README.md has no section '{title}'"
    found = re.findall(r"^```sh\n(.*?)^```$", section.group(2), re.M | re.S)
    assert found, f"'{title}' has no block marked sh"
    return "\n".join(found)


@pytest.fixture
def dev(tmp_path):
    """`doornail dev` where it is by default, which is what the README's lines speak to."""
    for port in (4444, 4445):
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{port}/", timeout=2)
    log = tmp_path / "dev.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [BINARY, "dev"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=dies_with_us(signal.SIGTERM),
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        )
    try:
        deadline = time.monotonic() + 60
        while "Doornail is running at http://127.0.0.1:4444" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        ready = requests.get("http://127.0.0.1:4444/health/ready", timeout=10)
        assert ready.status_code == 200, log.read_text()
        yield process
    finally:
        process.terminate()
        process.wait(30)


def test_the_readme(dev, tmp_path):
    script = f"\necho '{MARK}'\n".join(blocks(title) for title in SECTIONS)
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "doornail").symlink_to(BINARY)
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
    }
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    said = done.stdout + done.stderr
    for token in re.findall(r"dn_(?:at|rt|cs)_[A-Za-z0-9_-]+", said):
        SEEN.add(token)
    assert done.returncode == 0, said
    assert time.monotonic() - began < 60
    first, _, second = said.partition(MARK)
    alive = first.find('"active":true')
    dead = first.find('{"active":false}')
    assert 0 <= alive < dead, said
    # The laptop's, the phone's; then the phone's and the mail app's.
    answers = re.findall(r'"active":(true|false)', second)
    assert answers == ["false", "true", "false", "false"], said
    assert '"error":"invalid_grant"' in second, said
