"""What every test may ask for: the folder of recordings, and tools that must be there in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

# The same examples every time: a suite that passes must pass again.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")

IN_CI = os.environ.get("CI") == "true"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="simulate the golden runs anew (see tests/test_golden.py)")


@pytest.fixture(scope="session")
def traces() -> Path:
    """The folder of real recordings; they are not ours to publish, so it is named by HRBRIDGE_TRACES."""
    folder = os.environ.get("HRBRIDGE_TRACES", "")
    if not folder:
        pytest.skip("HRBRIDGE_TRACES is not set: no real recordings to test with")
    return Path(folder)


@pytest.fixture(scope="session")
def needs_tool() -> Callable[[str], str]:
    """The path of a program; without it the test is skipped, in CI it fails."""

    def find(name: str) -> str:
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if path is None:
            message = f"{name} is not installed"
            if IN_CI:
                pytest.fail(message)
            pytest.skip(message)
        return path

    return find
