"""The process tests' harness is used here, too."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "process"))
for module in ("harness", "reference", "cli", "driver"):
    pytest.register_assert_rewrite(module)

from harness import OCMLUA  # noqa: E402


def pytest_sessionstart():
    if not OCMLUA.exists():
        pytest.exit(f"{OCMLUA} is not there: build it, or set OCMLUA", returncode=2)
