"""openapi.yaml is valid, and says of the live server what is true (schemathesis)."""

import os
import subprocess
import sys

import pytest
import requests
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from support import ROOT

SPECIFICATION = ROOT / "openapi.yaml"
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
]


@pytest.fixture(scope="module")
def specification():
    return yaml.safe_load(SPECIFICATION.read_text())


def test_valid(specification):
    OpenAPIV31SpecValidator(specification).validate()


def test_examples_fit_their_schemas(specification):
    """What a reader copies is right."""
    components = {"components": specification["components"]}
    checked = 0

    def walk(value):
        nonlocal checked
        if isinstance(value, list):
            for one in value:
                walk(one)
        if not isinstance(value, dict):
            return
        if "schema" in value:
            examples = [one["value"] for one in value.get("examples", {}).values()]
            examples += [value["example"]] if "example" in value else []
            for example in examples:
                Draft202012Validator(value["schema"] | components).validate(example)
                checked += 1
        for one in value.values():
            walk(one)

    walk(specification)
    assert checked > 20


def test_every_path_is_served(specification, node):
    for path, item in specification["paths"].items():
        root = node.admin if "servers" in item else node.root
        for method in ("get", "head", "post", "put", "patch", "delete", "options"):
            answer = requests.request(method, root + path, timeout=5)
            assert answer.status_code != 404, f"{method} {path}"
            assert (answer.status_code == 405) == (method not in item), f"{method} {path}"


@pytest.mark.seconds(200)
@pytest.mark.parametrize("authenticated", [True, False])
def test_schemathesis(node, api, tmp_path, authenticated):
    """No 5xx, no answer that is not documented; with credentials and without."""
    # No header of the machine's own proxies, and the same cases at each run.
    environment = os.environ | {"NO_PROXY": "*", "NO_COLOR": "1"}
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        str(SPECIFICATION),
        "--url",
        node.url,
        "--exclude-path",
        "/metrics",
        "--checks",
        ",".join(CHECKS),
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        "60",
        "--generation-deterministic",
        "--continue-on-failure",
        "--request-timeout",
        "6",
        "--suppress-health-check",
        "all",
        "--max-failures",
        "20",
    ]
    if authenticated:
        command += ["--auth", f"{api.id}:{api.secret}"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=190,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).replace(api.secret, "***")[-12000:]
