"""A broker inside the program, for people without one: for this machine, and one runner."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Self

from hrbridge.broker import EMBEDDED_PORT
from hrbridge.errors import BrokerError, UsageError

if TYPE_CHECKING:
    from amqtt.broker import Broker

HOST = "127.0.0.1"  # no passwords, no access list: it must not be reached from elsewhere
DEFAULT_PORT = EMBEDDED_PORT

_LISTENER = "default"  # the one name that amqtt insists on


class EmbeddedBroker:
    """amqtt, opened with ``async with``; speaks MQTT 3.1.1 at ``url``. Port 0 takes any that is free.

    Raises UsageError when amqtt is not installed or the port none, BrokerError
    when the port is taken.
    """

    def __init__(self, port: int = DEFAULT_PORT) -> None:
        if port > 65_535:
            raise UsageError(f"embedded:{port}: a port is at most 65535; embedded:0 takes any free one")
        self.port = port
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def url(self) -> str:
        """Where it is to be found once it is open."""
        return f"mqtt://{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        try:
            from amqtt.broker import Broker
        except ImportError as error:
            raise UsageError("an embedded broker needs amqtt: pip install 'hrbridge[embedded]'") from error
        # It would warn of every MQTT 5 client that it turns away, our own first attempt among them.
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        logging.getLogger("transitions").setLevel(logging.CRITICAL)
        # We listen ourselves: amqtt would tell neither the port it got nor, in words, that one is taken.
        anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        self._broker: Broker = Broker({"listeners": {_LISTENER: {"type": "external"}}, "plugins": anonymous})
        try:
            self._server = await asyncio.start_server(self._serve, HOST, self.port, start_serving=False)
        except OSError as error:
            raise BrokerError(
                f"the embedded broker cannot use port {self.port}: {os.strerror(error.errno or 0)}: "
                f"if a broker runs there already, use it with --mqtt mqtt://localhost:{self.port}; "
                "--mqtt embedded:0 takes any free port"
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]
        await self._broker.start()
        await self._server.start_serving()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        await self._broker.shutdown()  # says good-bye to everybody who has introduced himself
        for writer in self._connections.values():
            writer.transport.abort()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter

        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs every connection in one
        self._connections[task] = writer
        try:
            await self._broker.external_connected(StreamReaderAdapter(reader), StreamWriterAdapter(writer), _LISTENER)
        finally:
            del self._connections[task]
            writer.close()
