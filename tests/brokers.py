"""Real MQTT brokers for the tests: a mosquitto of one's own on a free port of the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

# Only where the tests run as root: mosquitto then keeps the right to read the files of a test.
AS_ROOT = "user root"

_PR_SET_PDEATHSIG = 1


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """One mosquitto with the configuration file ``config``, opened with ``with``; may be killed and started again."""

    def __init__(self, needs_tool: Callable[[str], str], config: Path) -> None:
        self._program = needs_tool("mosquitto")
        self._config = config
        self._process: subprocess.Popen[str] | None = None
        self._reading: threading.Thread | None = None

    def start(self) -> None:
        """Returns when it listens."""
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)], stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent
        )
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if " running" in line:
                # Nobody else reads it, and a broker that cannot write its log stands still.
                self._reading = threading.Thread(target=deque, args=(self._process.stderr, 0), daemon=True)
                self._reading.start()
                return
        raise RuntimeError("mosquitto did not start: " + "".join(said))

    def stop(self) -> None:
        """As systemd does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a power cut would: no good-bye to anyone, nothing kept."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """As a network that swallows everything would: connections stay open and nothing comes back."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def cpu_s(self) -> float:
        """CPU time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime, proc(5)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        assert process is not None
        assert process.stderr is not None
        process.send_signal(number)
        process.wait(timeout=5)
        if self._reading is not None:
            self._reading.join()
        process.stderr.close()


class Mosquitto(Process):
    """One with a single listener on a free port.

    ``options`` are lines of its configuration file that belong to the
    listener, ``anonymous`` whether it lets in whoever comes.
    """

    def __init__(
        self,
        needs_tool: Callable[[str], str],
        folder: Path,
        options: Iterable[str] = (),
        *,
        anonymous: bool = True,
        scheme: str = "mqtt",
    ) -> None:
        self.port = free_port()
        self.url = f"{scheme}://localhost:{self.port}"
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {str(anonymous).lower()}",
            "set_tcp_nodelay true",
            AS_ROOT,
            *options,
        ]
        config = folder / f"mosquitto-{self.port}.conf"
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        super().__init__(needs_tool, config)


class Relay:
    """The way to a broker, which can be cut; opened with ``async with``."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._ends: list[asyncio.StreamWriter] = []
        self._open = True
        self._flows = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._flows.set()
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self.cut()

    def cut(self, *, let_through: bool = True) -> None:
        """Without a good-bye to either side. Whoever comes after is let through, or not until ``let_through``."""
        self._open = let_through
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    def let_through(self) -> None:
        self._open = True

    def stall(self) -> None:
        """What is on its way stays there until it ``flows``."""
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    def close(self) -> None:
        """Cut, and let nobody through any more."""
        self._server.close()
        self.cut()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:  # no broker there
            writer.transport.abort()
            return
        ends = [writer, far_writer]
        self._ends += ends
        await asyncio.gather(self._pour(reader, far_writer), self._pour(far_reader, writer))
        self._ends = [end for end in self._ends if end not in ends]

    async def _pour(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(65_536):
                await self._flows.wait()
                writer.write(some)
                await writer.drain()
        writer.close()


def _die_with_parent() -> None:
    """So that a test run that is killed leaves no broker behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
