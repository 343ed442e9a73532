"""A file that is written whole or not at all: a full disk leaves no half of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from hrbridge.errors import OutputError


def write(out: Path, parts: Iterable[bytes]) -> int:
    """Written beside, then renamed; returns how many parts there were. Raises OutputError."""
    target = out.resolve()  # a link stays one
    is_pipe = target.exists() and not target.is_file()  # or a device, or a folder: nothing to put in its place
    beside = target if is_pipe else target.with_name(f".{target.name}.{os.getpid()}")
    number = 0
    try:
        with beside.open("wb") as file:
            for part in parts:
                file.write(part)
                number += 1
            if not is_pipe:
                file.flush()
                os.fsync(file.fileno())
        if not is_pipe:
            beside.replace(target)
    except BaseException as error:
        if not is_pipe:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
        if isinstance(error, FileNotFoundError):
            raise OutputError(f"{out}: cannot be written: no folder {target.parent}") from error
        if isinstance(error, OSError):
            raise OutputError(f"{out}: cannot be written: {error.strerror}") from error
        raise
    return number
