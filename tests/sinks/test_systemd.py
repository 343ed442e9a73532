"""What systemd hears of a session, on a socket like its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hrbridge import wiring
from hrbridge.control.controller import Controller
from hrbridge.events import Action, Command, Event, Sample, Tick
from hrbridge.sinks.systemd import Systemd

Hear = Callable[[], list[list[str]]]


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


@pytest.fixture
def hear(listener: socket.socket) -> Hear:
    """The messages that have come since the last time, each as its lines."""

    def read() -> list[list[str]]:
        messages = []
        with contextlib.suppress(BlockingIOError):
            while True:
                messages.append(listener.recv(4096).decode().split("\n"))
        return messages

    return read


@pytest.fixture
def systemd(listener: socket.socket) -> Iterator[Systemd]:
    with Systemd(listener.getsockname()) as sink:
        yield sink


@pytest.fixture
def controller() -> Controller:
    return wiring.simulated_session(None, ["plan.use=easy-4-1", "control.start_after_s=3"]).controller()


def step(systemd: Systemd, controller: Controller, *events: Event) -> None:
    for event in events:
        systemd.take(controller.step(event))


def status(message: list[str]) -> str:
    (said,) = [line for line in message if line.startswith("STATUS=")]
    return said.removeprefix("STATUS=")


def test_nothing_is_ready_before_a_second_has_passed(systemd: Systemd, controller: Controller, hear: Hear) -> None:
    step(systemd, controller, Sample(0.2, heart_rate_bpm=70))
    assert hear() == []


def test_ready_and_alive_with_each_second(systemd: Systemd, controller: Controller, hear: Hear) -> None:
    step(systemd, controller, Tick(1), Tick(2))
    first, second = hear()
    assert {"READY=1", "WATCHDOG=1"} <= set(first)
    assert "WATCHDOG=1" in second


def test_without_a_pulse_it_waits_for_the_strap(systemd: Systemd, controller: Controller, hear: Hear) -> None:
    step(systemd, controller, Tick(1))
    assert status(hear()[-1]) == "Waiting for the strap."


def test_with_a_pulse_it_waits_for_the_start(systemd: Systemd, controller: Controller, hear: Hear) -> None:
    step(systemd, controller, *(Sample(at_s / 10, heart_rate_bpm=70) for at_s in range(10)), Tick(1))
    assert status(hear()[-1]) == "Waiting for the start."


def test_without_a_strap_it_runs_by_the_clock(systemd: Systemd, controller: Controller, hear: Hear) -> None:
    step(systemd, controller, Command(0.5, Action.START), Tick(1))
    assert status(hear()[-1]) == "Running by the clock, without heart rate."


@pytest.mark.parametrize(
    ("action", "said"), [(Action.PAUSE, "Paused."), (Action.STOP, "Finished."), (Action.SKIP, "Running.")]
)
def test_it_tells_what_the_session_does(
    systemd: Systemd, controller: Controller, hear: Hear, action: Action, said: str
) -> None:
    heart = [Sample(at_s / 10, heart_rate_bpm=70) for at_s in range(20)]
    step(systemd, controller, *heart, Command(2.1, Action.START), Command(2.2, action), Tick(3))
    assert status(hear()[-1]) == said


def test_no_heart_rate_is_told(systemd: Systemd, controller: Controller, hear: Hear) -> None:
    step(systemd, controller, *(Sample(at_s / 10, heart_rate_bpm=173) for at_s in range(10)), Tick(1))
    assert "173" not in str(hear())


def test_it_says_when_it_stops(listener: socket.socket, hear: Hear) -> None:
    with Systemd(listener.getsockname()):
        pass
    assert hear() == [["STOPPING=1", "STATUS=Stopping."]]


def test_an_address_without_a_file_is_understood(controller: Controller) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.setblocking(False)
        listener.bind("")  # one of the abstract ones, of the kernel's choice
        address = listener.getsockname().decode().replace("\0", "@", 1)
        with Systemd(address) as systemd:
            step(systemd, controller, Tick(1))
        assert b"READY=1" in listener.recv(4096)


def test_a_systemd_that_does_not_listen_stops_no_run(controller: Controller, tmp_path: Path) -> None:
    with Systemd(str(tmp_path / "nobody")) as systemd:
        step(systemd, controller, Tick(1))
        assert controller.step(Tick(2)).at_s == 2


def test_one_that_reads_no_more_stops_no_run(systemd: Systemd, controller: Controller, hear: Hear) -> None:
    step(systemd, controller, *(Tick(at_s) for at_s in range(1, 2000)))
    assert 0 < len(hear()) < 2000


def session() -> wiring.Session:
    return wiring.simulated_session(None, ["plan.use=demo", "mqtt.url=none"])


def coach() -> None:
    asyncio.run(wiring.coach(session(), speed=100_000, trace_path=None, journal_path=None, once=True, sinks=[]))


def test_a_run_tells_the_systemd_that_started_it(
    listener: socket.socket, hear: Hear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", listener.getsockname())
    coach()
    assert hear()[0][0] == "READY=1"


def test_a_run_that_nobody_started_tells_nobody(hear: Hear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    coach()
    assert hear() == []
