"""The examples' tests use the harnesses of tests/process and tests/interop, each described in its module."""
import shutil
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent
sys.path[:0] = [str(EXAMPLES.parent / "tests/process"), str(EXAMPLES.parent / "tests/interop")]
for module in ("harness", "reference", "cli", "driver", "http_server", "relay"):
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
def cli(request):
    """The ocm CLI (see tests/interop/cli.py) with the test's example installed as its README says. Without a CLI, the test is skipped."""
    from cli import Cli # skips when there is none
    with Cli() as home:
        install(request.path.parent, home)
        yield home


@pytest.fixture
def manager(request):
    """The plugin manager (see tests/interop/driver.py), in the same way."""
    from driver import Manager
    with Manager() as home:
        install(request.path.parent, home)
        yield home


def install(example, home):
    shutil.copytree(example, home.plugins / example.name, ignore=shutil.ignore_patterns("__pycache__"))
