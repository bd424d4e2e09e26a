"""Fixtures of the process tests."""
import pytest

pytest.register_assert_rewrite("harness")

from harness import OCMLUA, Folder  # noqa: E402


def pytest_sessionstart():
    if not OCMLUA.exists():
        pytest.exit(f"{OCMLUA} is not there: build it, or set OCMLUA", returncode=2)


@pytest.fixture
def folder():
    """An empty directory with a short path, removed afterwards."""
    with Folder() as path:
        yield path
