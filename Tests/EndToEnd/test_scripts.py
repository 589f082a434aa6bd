"""`scripts/test`, which `make test` ends with: no failure hides what comes after it."""

import shutil
import subprocess

import pytest

from support import ROOT

PARTS = [
    "OAuthTests|StorageTests|OperationsTests", "WebTests", "PostgresTests",
    "LeaseTests|DutiesTests|ClusterTests", "Tests/EndToEnd", "Tests/Promise",
]  # fmt: skip
# What a part says when it fails, its name being the last argument.
PART = """#!/bin/sh
for name; do :; done
echo "$name" >> ran
case "$FAILING" in *" $name "*) printf '%s\\nFAILED the test of %s\\n' 'much else' "$name"; exit 1;; esac
"""


@pytest.mark.parametrize("failing", [[], ["WebTests"], ["Tests/EndToEnd"], PARTS], ids=len)
def test_every_part_runs(tmp_path, failing):
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/test", tmp_path / "scripts")
    for path in ("scripts/with-postgres", ".venv/bin/python"):
        program = tmp_path / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(PART)
        program.chmod(0o755)
    done = subprocess.run(
        ["scripts/test"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "FAILING": f" {' '.join(failing)} "},
    )  # fmt: skip
    assert (tmp_path / "ran").read_text().split() == PARTS
    assert done.returncode == (1 if failing else 0)
    told = [line for line in done.stderr.splitlines() if line.startswith("FAILED")]
    assert told == [f"FAILED the test of {name}" for name in failing]
    for name in failing:
        assert f"in {name}:" in done.stderr
