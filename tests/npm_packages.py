"""Packages of npm that tests look through: each in a folder of its own in the user's cache, taken once."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

# Whatever a package needs is taken as it was on this day.
AS_OF = "2026-11-20"
INSTALL_TIMEOUT_S = 120


def installed(needs_tool: Callable[[str], str], package: str) -> Path:
    """The ``node_modules`` with ``name@version`` in it; without a network the test is skipped, in CI it fails."""
    npm = needs_tool("npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hrbridge-tests"
    home = cache / f"{package.replace('/', '-')}-{AS_OF}"
    if not home.exists():
        _install(npm, package, home)
    return home / "node_modules"


def _install(npm: str, package: str, home: Path) -> None:
    """Given its name when it is whole."""
    home.parent.mkdir(parents=True, exist_ok=True)
    quietly = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        fresh = Path(folder) / "package"
        words = [npm, "install", "--prefix", str(fresh), *quietly, f"--before={AS_OF}", package]
        try:
            subprocess.run(words, capture_output=True, text=True, check=True, timeout=INSTALL_TIMEOUT_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            message = f"npm could not install {package}, perhaps for want of a network"
            if os.environ.get("CI") == "true":
                pytest.fail(f"{message}: {error.stderr}")
            pytest.skip(message)
        with contextlib.suppress(OSError):  # another process was quicker
            fresh.rename(home)
