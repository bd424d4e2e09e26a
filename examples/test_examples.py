"""All examples together: each is whole, and told of in both tables, with the capabilities that it has."""
import json
import os
import re
from pathlib import Path

import pytest
from harness import run

EXAMPLES = Path(__file__).resolve().parent
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if (path / path.name).is_file())


def table(file, folder):
    """{name: (capabilities, what it is for)} of the table of examples in a README."""
    return {name: (set(re.findall(r"`(\w+)`", capabilities)), purpose) for name, capabilities, purpose in
            re.findall(rf"^\| \[([\w-]+)\]\({folder}\1\) \| (.*?) \| (.*?) \|$", file.read_text(), re.MULTILINE)}


def test_tables_have_every_example_in_the_same_words():
    here = table(EXAMPLES / "README.md", "")
    assert list(here) == NAMES
    assert table(EXAMPLES.parent / "README.md", "examples/") == here


def test_every_example_is_registered():
    listed = re.search(r"set\(examples\n(.*?)\)", (EXAMPLES / "CMakeLists.txt").read_text(), re.DOTALL).group(1).split()
    assert listed == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_example_is_whole_and_has_the_capabilities_that_are_told(name):
    folder, underscored = EXAMPLES / name, name.replace("-", "_")
    for file in "README.md", f"{underscored}_test.lua", f"test_{underscored}.py":
        assert (folder / file).is_file(), file
    assert os.access(folder / name, os.X_OK)
    assert not [path for path in folder.rglob("*") if "." not in path.name and path.is_file() and path.name != name], "the manager would run it"
    declared = json.loads(run(folder / name, "capabilities").stdout)["capabilities"]
    assert {capability["type"] for capability in declared} == table(EXAMPLES / "README.md", "")[name][0]
