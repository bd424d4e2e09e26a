"""Fixtures of the process tests."""
import pytest

pytest.register_assert_rewrite("harness")

from harness import OCMLUA, Folder  # noqa: E402

# Faults that are known and not yet mended: parts of the ids of the tests that show them.
KNOWN = [
    "test_command_line.py::test_linked_binary",
]


def pytest_collection_modifyitems(items):
    for item in items:
        if any(known in item.nodeid for known in KNOWN):
            item.add_marker(pytest.mark.xfail(reason="a known fault"))


def pytest_sessionstart():
    if not OCMLUA.exists():
        pytest.exit(f"{OCMLUA} is not there: build it, or set OCMLUA", returncode=2)


@pytest.fixture
def folder():
    """An empty directory with a short path, removed afterwards."""
    with Folder() as path:
        yield path
