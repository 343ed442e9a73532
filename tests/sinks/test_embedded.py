"""The broker inside the program: there in a moment, on this machine only, and one line when its port is taken."""

from __future__ import annotations

import socket

import aiomqtt
import pytest

from hrbridge.errors import BrokerError, UsageError
from hrbridge.sinks.embedded import EmbeddedBroker


async def test_it_carries_messages() -> None:
    async with EmbeddedBroker(0) as broker:
        port = int(broker.url.rpartition(":")[2])
        async with aiomqtt.Client("127.0.0.1", port) as ear, aiomqtt.Client("127.0.0.1", port) as mouth:
            await ear.subscribe("a/b", qos=1)
            await mouth.publish("a/b", "heard", qos=1)
            assert (await anext(ear.messages)).payload == b"heard"


async def test_it_listens_on_this_machine_only() -> None:
    async with EmbeddedBroker(0) as broker:
        assert broker.url.startswith("mqtt://127.0.0.1:")


async def test_a_taken_port_is_one_line_with_the_way_out() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BrokerError) as taken:
            async with EmbeddedBroker(port):
                pass
    assert str(port) in str(taken.value)
    assert "embedded:0" in str(taken.value)


async def test_its_port_is_free_again_afterwards() -> None:
    async with EmbeddedBroker(0) as broker:
        port = int(broker.url.rpartition(":")[2])
        async with aiomqtt.Client("127.0.0.1", port) as client:
            await client.publish("a", "b")
    async with EmbeddedBroker(port) as again:
        assert again.url.endswith(f":{port}")


def test_a_port_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError):
        EmbeddedBroker(70_000)
