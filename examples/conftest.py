"""The examples' tests use the harnesses of tests/process and tests/interop, each described in its module."""
import shutil
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent
sys.path[:0] = [str(EXAMPLES.parent / "tests/process"), str(EXAMPLES.parent / "tests/interop")]
for module in ("harness", "reference", "cli", "driver"):
    pytest.register_assert_rewrite(module)

from harness import OCMLUA, Folder  # noqa: E402


def pytest_sessionstart():
    if not OCMLUA.exists():
        pytest.exit(f"{OCMLUA} is not there: build it, or set OCMLUA", returncode=2)


@pytest.fixture
def folder():
    """An empty directory, removed afterwards."""
    with Folder() as path:
        yield path


@pytest.fixture
def install():
    """install(home, name): the example's folder, copied into the plugin directory of a home, as its README says."""
    def copy(home, name):
        shutil.copytree(EXAMPLES / name, home.plugins / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy
