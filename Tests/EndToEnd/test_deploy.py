"""What is deployed and documented names only what is there: variables, flags, metrics, traps."""

import json
import re
import shutil
import subprocess

import pytest

from support import BINARY, ROOT

UNIT = ROOT / "deploy" / "doornail.service"
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
OPERATING = ROOT / "docs" / "operating.md"
PROMISE = ROOT / "docs" / "promise.md"


def sources(folder="Sources"):
    return "\n".join(path.read_text() for path in sorted((ROOT / folder).rglob("*.swift")))


@pytest.mark.parametrize("path", [UNIT, CONTAINERFILE, OPERATING], ids=lambda path: path.name)
def test_every_variable_is_a_setting(path):
    declarations = (ROOT / "Sources/doornail/Configuration/Declarations.swift").read_text()
    known = set(re.findall(r'"((?:DOORNAIL|DATABASE)_[A-Z_]+)"', declarations))
    known.add("DOORNAIL_CONFIG")
    named = set(re.findall(r"\b(?:DOORNAIL|DATABASE)_[A-Z_]+", path.read_text()))
    assert named and named <= known, named - known


def test_what_is_started_is_there(doornail):
    commands = re.findall(r"^ExecStart=\S+ (.*)$", UNIT.read_text(), re.M)
    commands += re.findall(r'^CMD \["(.*)"\]$', CONTAINERFILE.read_text(), re.M)
    assert commands == ["serve", "serve"]
    told = doornail.run("serve", "--help").stdout
    for flag in ("--lease", "--cache"):
        assert f"`{flag}`" in OPERATING.read_text() and flag in told


def test_the_unit_is_understood(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/doornail", str(BINARY)))
    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    # Other units of this machine may be incomplete.
    assert UNIT.name not in done.stderr, done.stderr


def test_the_container_knows_whether_it_lives(node):
    (line,) = re.findall(r"HEALTHCHECK .*? CMD (\[.*\])$", CONTAINERFILE.read_text(), re.M)
    command = json.loads(line)
    assert "/4445 " in command[-1]
    command[-1] = command[-1].replace("/4445 ", f"/{node.admin_port} ")
    assert subprocess.run(command, check=False, timeout=10).returncode == 0
    command[-1] = command[-1].replace("/health/live", "/health/none")
    assert subprocess.run(command, check=False, timeout=10).returncode != 0


def test_the_container_has_all_that_the_package_names():
    package = (ROOT / "Package.swift").read_text()
    copied = re.findall(r"^COPY (\S+) \S+$", CONTAINERFILE.read_text(), re.M)
    named = re.findall(r'path: "([^"]+)"', package)
    named += [
        f"{'Tests' if kind == 'testTarget' else 'Sources'}/{name}"
        for kind, name, path in re.findall(
            r'\.(target|executableTarget|systemLibrary|testTarget)\(\s*name: "(\w+)",(.*?)(?=\n        \.|\Z)',
            package, re.S)
        if "path:" not in path
    ]
    assert len(named) > 12
    for path in named:
        assert (ROOT / path).is_dir(), path
        assert any(f"{path}/".startswith(f"{folder}/") for folder in copied), path


def test_every_metric_is_there():
    labels = set(re.findall(r'label: "(doornail_[a-z_]+)"', sources()))
    labels |= set(re.findall(r'"(doornail_http_[a-z_]+)"', sources()))
    text = OPERATING.read_text()
    named = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for name in re.findall(r"\bdoornail_[a-z]+_[a-z_]*[a-z]", text)
    }
    assert named <= labels, named - labels
    # Those of leases are all told of; the cache's share a line.
    for label in labels:
        if label.startswith(("doornail_lease_", "doornail_log_")):
            assert label in named, label


def test_the_number_of_statements_is_right():
    text = (ROOT / "Sources/Storage/Statements.swift").read_text()
    pooled = text.partition("pooled: [any PreparableStatement] = [")[2].partition("\n    ]")[0]
    log = (ROOT / "Sources/Storage/NodePolls.swift").read_text()
    followed = re.search(r"statements: \[any PreparableStatement\] = \[(.*?)\]", log, re.S)
    count = len(re.findall(r"\b[A-Z]\w+\.\w+", pooled)) + len(followed.group(1).split(","))
    said = re.search(r"there\s+are\s+(\d+)\s+statements", OPERATING.read_text())
    assert int(said.group(1)) == count


def test_every_trap_is_told_of():
    traps = (ROOT / "Sources/Postgres/Traps.swift", ROOT / "Sources/Lease/Traps.swift")
    known = [
        name for file in traps for name in re.findall(r'case \w+ = "([a-z0-9-]+)"', file.read_text())
    ]
    told = re.findall(r"^\| `([a-z0-9-]+)` \|", PROMISE.read_text(), re.M)
    assert sorted(known) == sorted(told)
