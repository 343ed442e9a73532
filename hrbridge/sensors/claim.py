"""One process per sensor: two that hold the same strap break off each other's connection."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import struct
import sys
from collections.abc import Iterator

from hrbridge.errors import SensorError


@contextlib.contextmanager
def claimed(address: str) -> Iterator[None]:
    """Hold the sensor of this address; raises SensorError when another process does.

    A socket in the abstract namespace (unix(7)): it has no file that could be
    left behind or lie in another /tmp, and ends with its process, however that
    ends. On other systems than Linux nothing is claimed.
    """
    if sys.platform != "linux":
        yield
        return
    # Another bus is another BlueZ with its own sensors.
    bus = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", "")
    name = b"\0hrbridge/" + hashlib.sha256(f"{bus} {address.upper()}".encode()).hexdigest().encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as claim:
        try:
            claim.bind(name)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise SensorError(f"{address}: cannot be claimed: {error.strerror}") from error
            raise SensorError(f"{address} is in use by another hrbridge{_holder(name)}: stop that one first") from None
        claim.listen()
        yield


def _holder(name: bytes) -> str:
    """Who holds a claim, as " (process 123)"; empty when it has gone meanwhile."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as question:
        question.setblocking(False)
        try:
            question.connect(name)
        except OSError:
            return ""
        process, _user, _group = struct.unpack("3i", question.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return f" (process {process})"
