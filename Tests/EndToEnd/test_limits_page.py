"""docs/limits.md names bounds and tests that there are."""

import re

import pytest
from support import ROOT

PAGE = (ROOT / "docs/limits.md").read_text()
SOURCES = "\n".join(path.read_text() for path in sorted(ROOT.glob("Sources/**/*.swift")))
TESTS = {path.stem: path.read_text() for path in sorted(ROOT.glob("Tests/*/*[Tt]est*.*")) if path.suffix != ".pyc"}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE))))
def test_end_to_end_tests_are_there(name):
    assert any(f"def {name}(" in text for text in TESTS.values())


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+Tests\.\w+)`", PAGE))))
def test_swift_tests_are_there(name):
    suite, function = name.split(".")
    assert f"func {function}(" in TESTS[suite]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([a-z]+[A-Z]\w+)`", PAGE))))
def test_constants_are_there(name):
    assert re.search(rf"(let|var) {name}\b|\b{name}: ", SOURCES)
