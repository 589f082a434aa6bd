"""The short form: three nodes on one PostgreSQL, a few faults, less than a minute."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BINARY = Path(
    os.environ.get("DOORNAIL_BINARY", HERE.parents[1] / ".build/debug/doornail")
).absolute()
SECONDS = 20
LIMIT_SECONDS = 140


@pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} does not exist")
def test_the_promise_holds_under_a_few_faults():
    command = [sys.executable, HERE / "promise.py", "--binary", BINARY]
    command += ["--short", "--seconds", str(SECONDS)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        out, _ = process.communicate(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        # It ends what it started.
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
        pytest.fail(f"no end within {LIMIT_SECONDS} s: {out}")
    assert process.returncode == 0, out
    assert "the promise held" in out
