"""`scripts/graph`, by which `make lint` shows files that use each other in a circle."""

import shutil
import subprocess

import pytest

from support import ROOT

DOOR = "struct Door { enum Side { case left } }\n"
KNOCK = "func knock() { House.open() }\n"
HOUSE = "enum House {}\n"


def graph(folder, **files):
    (folder / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/graph", folder / "scripts")
    (folder / "Sources/Street").mkdir(parents=True)
    for name, text in files.items():
        (folder / f"Sources/Street/{name}.swift").write_text(text)
    done = subprocess.run(
        ["scripts/graph", "--strict"], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


NO_USES = {
    "comment": "/* Door /* */ Door */ // Door",
    "string": r'let a = "Door \" Door" + #"\(Door)"#',
    "lines": 'let a = """\n    Door\n    """',
    "member": "let side = paint.Door + Self.knock()",
    "own-type": "struct Hall { struct Door {}; let door: Door }",
    "own-function": "struct Hall { func knock() {}; func enter() { knock() } }",
}


@pytest.mark.parametrize("text", NO_USES.values(), ids=NO_USES)
def test_what_is_no_use(tmp_path, text):
    assert graph(tmp_path, Door=DOOR + KNOCK, House=HOUSE + text) == (0, "")


USES = {
    "type": "let door: Door?",
    "interpolated": r'let a = "a \(f("\(Door.self)")) b"',
    "raw": r'let a = #"a \#(Door.self)"#',
    "extension": "extension Door {}",
    "function": "let done = knock()",
}


@pytest.mark.parametrize("text", USES.values(), ids=USES)
def test_what_is_a_use(tmp_path, text):
    code, said = graph(tmp_path, Door=DOOR + KNOCK, House=HOUSE + text)
    assert code == 1 and said.startswith("Street has a cycle of 2 files:\n")
    assert "  Street/Door.swift\n    uses Street/House.swift: House\n" in said


def test_an_extension_declares_the_types_inside_it(tmp_path):
    code, said = graph(
        tmp_path, Door=DOOR, Lock="extension Door { struct Lock { let key: Key } }",
        Key="struct Key { var lock: Door.Lock? }",
    )  # fmt: skip
    assert code == 1 and "a cycle of 2 files" in said
    assert "uses Street/Lock.swift: Door.Lock\n" in said
