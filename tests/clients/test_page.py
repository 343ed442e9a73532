"""The page for people who write a headset: its program as it stands there, with a real broker and a running session."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import shlex
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import aiomqtt
import msgspec
import pytest
from brokers import Mosquitto
from jsonschema import Draft202012Validator

from hrbridge import messages, schema

PAGE = (Path(__file__).parents[2] / "hrbridge" / "clients" / "README.md").read_text(encoding="utf-8")
WITH_GUARD, HEADSET = re.findall(r"```python\n(.*?)```", PAGE, re.S)
HRBRIDGE = "import sys; from hrbridge.cli import main; main()"
EXAMPLES = {name: json.loads(msgspec.json.encode(each)) for name, each in schema.EXAMPLES.items()}


@pytest.fixture
def mosquitto(needs_tool: Callable[[str], str], tmp_path: Path) -> Any:
    with Mosquitto(needs_tool, tmp_path) as broker:
        yield broker


class Program:
    """A process whose lines are read as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self, *, like: str, within_s: float = 10.0) -> str:
        """The next line that a pattern fits."""
        assert self.process.stdout is not None
        async with asyncio.timeout(within_s):
            async for raw in self.process.stdout:
                if re.fullmatch(like, raw.decode().strip()):
                    return raw.decode().strip()
        raise AssertionError(f"the program ended without a line like {like}")


@asynccontextmanager
async def program(*words: str) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def headset(mosquitto: Mosquitto) -> AsyncIterator[Program]:
    async with program("-c", HEADSET, "127.0.0.1", str(mosquitto.port), "alex") as printing:
        yield printing


@asynccontextmanager
async def session(mosquitto: Mosquitto) -> AsyncIterator[Program]:
    """A simulated runner, ten times as fast; what the network sees is in real time all the same."""
    words = ["run", "--mqtt", mosquitto.url, "--set", "runner.id='alex'", "--speed", "10"]
    async with program("-c", HRBRIDGE, *words) as running:
        yield running


@asynccontextmanager
async def broker_client(mosquitto: Mosquitto) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        yield client


async def hear(client: aiomqtt.Client, like: str) -> tuple[str, bytes]:
    """Topic and payload of the next message whose topic a pattern fits."""
    async with asyncio.timeout(10):
        async for message in client.messages:
            if re.fullmatch(like, str(message.topic)):
                return str(message.topic), bytes(message.payload)
    raise AssertionError("the broker has gone")


# -- one run --


class Run(NamedTuple):
    """What the headset of the page printed in a run, and what it told the bridge of each cue, by ``seq``."""

    lines: list[str]
    acks: dict[int, dict[str, Any]]


KEPT, LATE = {**EXAMPLES["cue"], "seq": 8888}, {**EXAMPLES["cue"], "seq": 9999}


@pytest.fixture(scope="module")
def run(needs_tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Up to the first walk, with a cue that somebody kept on the broker, and one that was 5.6 s on its way."""
    with Mosquitto(needs_tool, tmp_path_factory.mktemp("mosquitto")) as broker:
        yield asyncio.run(first_walk(broker))


async def first_walk(mosquitto: Mosquitto) -> Run:
    lines, acks = [], {}
    async with broker_client(mosquitto) as client, broker_client(mosquitto) as told:
        await told.subscribe("hrbridge/alex/cue/ack")
        await client.publish("hrbridge/alex/cue", json.dumps(KEPT), qos=1, retain=True)
        async with headset(mosquitto) as ear:
            lines.append(await ear.line(like="dropped.*"))
            async with session(mosquitto):
                lines.append(await ear.line(like="now.*"))
                lines.append(await ear.line(like=r"\[walk\].*"))
                await client.subscribe("hrbridge/alex/heart_rate")
                now = json.loads((await hear(client, ".*/heart_rate"))[1])
                late = {**LATE, "sid": now["sid"], "ts_ms": now["ts_ms"] - 5_600}
                await client.publish("hrbridge/alex/cue", json.dumps(late), qos=1)
                lines.append(await ear.line(like="dropped 9999.*"))
                while 9999 not in acks:
                    ack = json.loads((await hear(told, ".*/cue/ack"))[1])
                    acks[ack["seq"]] = ack
    return Run(lines, acks)


def test_the_headset_of_the_page_drops_what_somebody_kept(run: Run) -> None:
    assert run.lines[0] == "dropped 8888, retained"


def test_the_headset_of_the_page_begins_with_the_present_phase(run: Run) -> None:
    assert re.fullmatch(r"now (warmup|run) \d+ s left", run.lines[1]) is not None


def test_the_headset_of_the_page_says_a_cue(run: Run) -> None:
    assert run.lines[2] == "[walk] Walk fifteen seconds."


def test_the_headset_of_the_page_drops_what_comes_too_late(run: Run) -> None:
    assert run.lines[3] == "dropped 9999, too late"


def test_the_headset_of_the_page_acknowledges_as_the_schema_says(run: Run) -> None:
    acks = Draft202012Validator(schema.json_schemas()["mqtt"]["cue/ack"])
    assert [error.message for ack in run.acks.values() for error in acks.iter_errors(ack)] == []


def test_the_headset_of_the_page_acknowledges_what_it_says_and_what_it_drops(run: Run) -> None:
    told = {(ack["result"], ack["why"]) for ack in run.acks.values()}
    assert told >= {("played", ""), ("dropped", "retained"), ("dropped", "too late")}


# -- coming and going --


async def test_the_headset_of_the_page_is_born_and_dies_as_the_bridge_expects(mosquitto: Mosquitto) -> None:
    async with broker_client(mosquitto) as client:
        await client.subscribe("hrbridge/alex/client/+/status")
        async with headset(mosquitto):
            topic, birth = await hear(client, ".*/status")
        again, will = await hear(client, ".*/status")
    assert (birth, will, again) == (messages.ONLINE, messages.OFFLINE, topic)


async def test_after_the_broker_was_gone_the_headset_of_the_page_says_the_phase_once_more(mosquitto: Mosquitto) -> None:
    async with headset(mosquitto) as ear, session(mosquitto):
        await ear.line(like=r"\[walk\] .*")
        mosquitto.kill()
        mosquitto.start()
        await ear.line(like=r"now .*")
        assert (await ear.line(like=r"(now|\[).*")).startswith("[")


@pytest.mark.proof
async def test_a_headset_of_the_page_that_hears_nothing_says_so(mosquitto: Mosquitto) -> None:
    async with headset(mosquitto) as ear:
        async with session(mosquitto):
            await ear.line(like=r"\[walk\] .*")
        assert await ear.line(like=r"\[warning\] .*", within_s=12) == "[warning] link lost"


# -- whoever only looks --

LOOKING = re.findall(r"^\$ (mosquitto_sub .*)$", PAGE, re.M)


@asynccontextmanager
async def looking(needs_tool: Callable[[str], str], mosquitto: Mosquitto, words: str) -> AsyncIterator[Program]:
    """A command of the page, with the broker of the test for the one it names."""
    _, *told = shlex.split(words.replace("broker.local", f"localhost -p {mosquitto.port}"))
    subscriber = needs_tool("mosquitto_sub")
    process = await asyncio.create_subprocess_exec(subscriber, *told, stdout=asyncio.subprocess.PIPE)
    try:
        yield Program(process)
    finally:
        process.terminate()
        await process.wait()


def test_three_commands_of_the_page_look() -> None:
    assert [" -R " in words for words in LOOKING] == [False, False, True]


async def test_home_assistant_hears_who_is_there_and_where_the_run_stands(
    needs_tool: Callable[[str], str], mosquitto: Mosquitto
) -> None:
    async with looking(needs_tool, mosquitto, LOOKING[0]) as house, session(mosquitto):
        assert await house.line(like=r"hrbridge/alex/status .*") == "hrbridge/alex/status online"
        _, state = (await house.line(like=r"hrbridge/alex/state .*")).split(" ", 1)
        assert json.loads(state)["phase"] == "warmup"


async def test_a_panel_that_wakes_up_has_a_picture_at_once(
    needs_tool: Callable[[str], str], mosquitto: Mosquitto
) -> None:
    async with session(mosquitto), headset(mosquitto) as ear:
        await ear.line(like=r"now .*")
        async with looking(needs_tool, mosquitto, LOOKING[1]) as panel:
            assert json.loads(await panel.line(like=r"{.*}"))["next_phase"] is not None


async def test_glasses_see_the_cue_and_nothing_that_was_kept(
    needs_tool: Callable[[str], str], mosquitto: Mosquitto
) -> None:
    async with broker_client(mosquitto) as client:
        await client.publish("hrbridge/alex/cue", json.dumps(KEPT), qos=1, retain=True)
    async with looking(needs_tool, mosquitto, LOOKING[2]) as glasses, session(mosquitto):
        _, cue = (await glasses.line(like=r"hrbridge/alex/cue .*")).split(" ", 1)
        assert json.loads(cue)["say"] == "Warm-up: walk eight seconds."


# -- the page itself --


def test_with_the_guard_of_hrbridge_a_cue_that_comes_after_a_state_is_played() -> None:
    names = {"state": EXAMPLES["state"], "cue": EXAMPLES["cue"], "message": SimpleNamespace(retain=False), "time": time}
    exec(WITH_GUARD, names)
    assert names["verdict"].play is True


def test_the_headset_of_the_page_needs_paho_and_nothing_else() -> None:
    nodes = list(ast.walk(ast.parse(HEADSET)))
    modules = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert (modules - sys.stdlib_module_names, froms) == ({"paho"}, [])


@pytest.mark.parametrize("name", re.findall(r"^\| `([a-z_/]+)` \|", PAGE, re.M))
def test_every_topic_of_the_page_exists(name: str) -> None:
    assert f"hrbridge/alex/{name}" in [topic.under("hrbridge", "alex") for topic in messages.TOPICS]


def test_the_rules_of_the_page_stay_on_one_screen() -> None:
    assert len(PAGE.split("## A whole headset")[0].splitlines()) <= 60
