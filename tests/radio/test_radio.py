"""Does the heart rate come back? The whole program on a real bluetoothd, with one trouble after the other.

Run by `make radio`. HRBRIDGE_RADIO_VM names a program that boots a machine with bluetoothd, mosquitto, Python of this
version and a virtual radio, and runs a command in it. There `strap JSON` makes faults of a heart-rate strap, and
`bluez start`, `stop`, `kill` or `restart` is done to bluetoothd:

    PROGRAM -m HOSTDIR:GUESTDIR (read-only) -o DIR (is /out) -t SECONDS -s 'ARGUMENTS OF THE RADIO' -c 'SHELL'

Each scenario has a machine of its own. In it hrbridge coaches runs and walks of 15 s; after twelve seconds of
heart rate something goes wrong and is put right again, and when heart rate has been back for a while, SIGTERM ends it.

All times are CLOCK_MONOTONIC of the machine: the radio logs it ("m"), the shell reads /proc/uptime (the same clock in a
machine that never sleeps), and a trace is put on it by its cues, which mosquitto_sub stamps on arrival. It stamps wall
time; the radio logs both.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sysconfig
from collections import Counter
from pathlib import Path

import pytest
from msgspec import Struct

from hrbridge import trace
from hrbridge.decisions import Phase, Trust
from hrbridge.events import Sample

pytestmark = pytest.mark.radio

CHECKOUT = Path(__file__).resolve().parents[2]
MINE, OTHER = "C0:FF:EE:00:00:00", "C0:FF:EE:00:00:01"
SEGMENT_S = 15  # shorter, and there would be no quiet moment to say "no heart rate" in
# What must hold.
BACK_WITHIN_S = 15.0
LEFT_WITHIN_S = 4.0
LATE_S = 1.5  # a change of phase: the tick after its time, and the machine shares our processor
MISSED_S = 2.5  # a strap sends once per second: two in a row are missing
# A machine in which nothing comes back ends by itself after that.
PATIENCE_S = 30
MACHINE_S = 240

# Never the same for long, or it would be taken for frozen; far below any ceiling.
PULSE = [[at_s, 100 + at_s % 40] for at_s in range(0, MACHINE_S, 20)]
STRAP = {"name": "HRM-0", "address": MINE, "hr": PULSE}
ANOTHER = {"name": "HRM-1", "address": OTHER, "hr": [[0, 170]]}
ALIKE = {"name": "HRM-0", "address": OTHER, "hr": [[0, 170]], "adv": False}

CONFIG = f"""\
[runner]
id = "alex"
age_years = 40
resting_heart_rate_bpm = 60
[plan]
warmup_s = 0
total_s = 1800
block = [{{ segments = [{{ kind = "run", for_s = {SEGMENT_S} }}, {{ kind = "walk", for_s = {SEGMENT_S} }}] }}]
[control]
start_after_s = 3
[sensor]
kind = "ble"
"""

# hrbridge as it is, but every line of its log says when and how grave.
PROGRAM = """\
import logging, time
from hrbridge.cli import main

class Line(logging.LogRecord):
    def getMessage(self):
        return f"{time.monotonic():.3f} {self.levelname} {super().getMessage()}"

logging.setLogRecordFactory(Line)
main()
"""

SHELL = """\
export PYTHONPATH=/mnt/checkout:/mnt/site
mark() { read -r up_s _ </proc/uptime; echo "$1 $up_s" >>/out/marks; }
coach() {
  rm -f /root/.local/state/hrbridge/journal.sqlite3*  # each start a new run, not the one before taken up again
  python3 /out/program.py run /out/config.toml --once --trace "/out/$1.jsonl" >"/out/$1.out" 2>"/out/$1.log" & app=$!
}
heard() { grep -c /heart_rate /out/mqtt; }
wait_for_more() {
  enough=$(($(heard) + $1)) tries=0
  until [ "$(heard)" -ge $enough ] || [ $tries -ge $2 ]; do sleep 0.5; tries=$((tries + 1)); done
}
mosquitto -d -p 1883
until mosquitto_pub -h 127.0.0.1 -t ready -n 2>/dev/null; do sleep 0.2; done
mosquitto_sub -h 127.0.0.1 -t 'hrbridge/alex/#' -F '%U %t %p' >/out/mqtt &
PREPARE
coach first
wait_for_more 12 60
mark begins
CAUSE
mark ends
wait_for_more AFTERWARDS PATIENCE
mark told_to_leave
kill -TERM $app
wait $app
echo "exit $?" >>/out/marks
mark left
sleep 1
"""


class Scenario(Struct, frozen=True, kw_only=True):
    """``cause``: shell from the moment it goes wrong to the moment it is right again; ``prepare``: before hrbridge."""

    name: str
    cause: str
    prepare: str = ""
    sensor: str = f'address = "{MINE}"'
    straps: tuple[dict, ...] = (STRAP,)
    announced: int = 0  # how often "no heart rate" and "heart rate is back" are said: only of gaps of more than 30 s
    afterwards: int = 8  # heart rates to wait for: "heart rate is back" comes after 20 s, and in a quiet moment


def fault(do: str, for_s: float | None = None, **more: str | float) -> str:
    """The shell that makes the radio do something, and waits until that has been undone."""
    event = {"do": do, **more} | ({} if for_s is None else {"for": for_s})
    return f"strap '{json.dumps(event)}'"


SCENARIOS = (
    Scenario(name="nothing", cause=":"),
    Scenario(name="strap drops for 3 s", cause=fault("drop", 3)),
    Scenario(name="strap silent for 12 s", cause=fault("silence", 12)),
    Scenario(name="out of range for 40 s", cause=fault("vanish", 40), announced=1, afterwards=36),
    Scenario(name="garbage", cause=fault("garbage")),
    Scenario(name="adapter off for 8 s", cause="bluetoothctl power off; sleep 8; bluetoothctl power on"),
    Scenario(name="adapter gone for 8 s", cause=fault("adapter_gone", 8)),
    Scenario(name="adapter hung for 12 s", cause=fault("adapter_hang", 12)),
    Scenario(name="adapter hung for 18 s", cause=fault("adapter_hang", 18)),
    Scenario(name="adapter hung for 12 s, link lost", cause=fault("adapter_hang", 12, link="lost")),
    Scenario(name="bluetoothd restarted", cause="bluez restart"),
    Scenario(name="bluetoothd stopped for 5 s", cause="bluez stop; sleep 5; bluez start"),
    Scenario(name="bluetoothd killed for 1 s", cause="bluez kill; sleep 1; bluez start"),
    Scenario(name="bluetoothd killed for 5 s", cause="bluez kill; sleep 5; bluez start"),
    Scenario(name="hrbridge killed", cause="kill -KILL $app; sleep 1; coach second"),
    Scenario(name="slow strap drops for 3 s", prepare=fault("slow", value=0.5), cause=fault("drop", 3)),
    Scenario(name="pinned strap drops, another is there", straps=(STRAP, ANOTHER), cause=fault("drop", 8)),
    Scenario(
        name="unnamed strap drops, its like appears",
        sensor="",
        straps=(STRAP, ALIKE),
        cause=f"{fault('appear', strap=1)}; {fault('drop', 8)}",
    ),
)


class Outcome(Struct, kw_only=True):
    """What a scenario left in its folder, in seconds of the machine's clock."""

    marks: dict[str, float]
    exit_code: int
    heard_s: list[float]  # heart rate that was trusted
    sources: set[str]
    changes: list[tuple[float, Phase]]  # of the last trace, by its own clock, as is the next
    stopped_s: float
    told: Counter[str]
    warnings: list[str]  # of the log, since it went wrong
    strap: list[tuple[float, str]]

    @property
    def gap(self) -> tuple[float, float]:
        """The longest time without heart rate since it went wrong: when it began and ended; the end may be never."""
        told_s = self.marks["told_to_leave"]
        heard_s = self.heard_s or [self.marks["begins"]]
        lost_for_good = told_s - heard_s[-1] > MISSED_S
        pairs = itertools.pairwise([*heard_s, float("inf") if lost_for_good else told_s])
        since = [(began_s, ended_s) for began_s, ended_s in pairs if ended_s > self.marks["begins"]]
        return max(since, key=lambda pair: pair[1] - pair[0])

    @property
    def back_after_s(self) -> float:
        """From the end of the cause to the heart rate that ended the gap; 0 if none was missed."""
        began_s, ended_s = self.gap
        return max(0.0, ended_s - self.marks["ends"]) if ended_s - began_s > MISSED_S else 0.0

    @property
    def free_s(self) -> float:
        """When the strap was let go for good; infinite while it is held."""
        at_s, last = next(x for x in reversed(self.strap) if x[1] in ("connected", "disconnected"))
        return at_s if last == "disconnected" else float("inf")


@pytest.fixture(scope="session")
def machine() -> str:
    program = os.environ.get("HRBRIDGE_RADIO_VM", "")
    if not program:
        pytest.skip("HRBRIDGE_RADIO_VM is not set: no machine with a radio to test with")
    return program


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_heart_rate_comes_back_and_the_clock_goes_on(scenario, machine, tmp_path, record_property):
    play(scenario, machine, tmp_path)
    seen = look(tmp_path)
    for column, text in row(scenario, seen).items():
        record_property(column, text)

    assert seen.back_after_s <= BACK_WITHIN_S
    assert seen.told["signal_lost"] == scenario.announced
    assert seen.told["signal_back"] == scenario.announced
    assert seen.told["warning"] == 0
    assert len(seen.warnings) == len(set(seen.warnings))
    assert seen.sources == {MINE}
    changes_s, phases = zip(*seen.changes, strict=True)
    planned = [
        (changes_s[0] + number * SEGMENT_S, (Phase.RUN, Phase.WALK)[number % 2]) for number in range(len(phases))
    ]
    assert list(phases) == [phase for _, phase in planned]
    assert list(changes_s) == pytest.approx([at_s for at_s, _ in planned], abs=LATE_S)
    assert seen.stopped_s - changes_s[-1] <= SEGMENT_S + LATE_S
    assert seen.marks["left"] - seen.marks["told_to_leave"] <= LEFT_WITHIN_S
    assert seen.free_s <= seen.marks["left"]
    assert seen.exit_code == 0


def play(scenario: Scenario, machine: str, folder: Path) -> None:
    (folder / "config.toml").write_text(CONFIG + scenario.sensor + "\n")
    (folder / "program.py").write_text(PROGRAM)
    (folder / "radio.json").write_text(json.dumps({"straps": scenario.straps}))
    shell = SHELL.replace("PREPARE", scenario.prepare).replace("CAUSE", scenario.cause)
    shell = shell.replace("AFTERWARDS", str(scenario.afterwards)).replace("PATIENCE", str(2 * PATIENCE_S))
    mounts = ["-m", f"{CHECKOUT}:/mnt/checkout", "-m", f"{sysconfig.get_paths()['purelib']}:/mnt/site"]
    radio = "--scenario /out/radio.json"
    subprocess.run(
        [machine, *mounts, "-o", folder, "-t", str(MACHINE_S), "-s", radio, "-c", shell],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def look(folder: Path) -> Outcome:
    waves = [json.loads(line) for line in (folder / "strap.jsonl").read_text().splitlines()]
    wall_ahead_s = waves[0]["wall"] - waves[0]["m"]
    messages = [line.split(" ", 2) for line in (folder / "mqtt").read_text().splitlines()]
    cues = [(float(at_s) - wall_ahead_s, json.loads(text)) for at_s, topic, text in messages if topic.endswith("/cue")]
    marks = dict(line.split() for line in (folder / "marks").read_text().splitlines())
    outcome = Outcome(
        exit_code=int(marks.pop("exit")),
        marks={name: float(at_s) for name, at_s in marks.items()},
        heard_s=[],
        sources=set(),
        changes=[],
        stopped_s=0.0,
        told=Counter(cue["kind"] for _, cue in cues),
        warnings=[],
        strap=[(wave["m"], wave["ev"]) for wave in waves if wave.get("strap") == 0],
    )
    runs = list(dict.fromkeys(cue["sid"] for _, cue in cues))
    for name, sid in zip(("first", "second"), runs, strict=False):
        steps = trace.read(folder / f"{name}.jsonl").steps
        said_s = {cue.seq: step.at_s for step in steps for cue in step.cues}
        started_s = min(at_s - said_s[cue["seq"]] for at_s, cue in cues if cue["sid"] == sid and cue["seq"] in said_s)
        for step in steps:
            if isinstance(step.event, Sample) and step.estimate.trust is Trust.GOOD:
                outcome.heard_s.append(started_s + step.at_s)
                outcome.sources.add(step.event.source or "")
        outcome.stopped_s = steps[-1].at_s
        pairs = itertools.pairwise(steps)
        outcome.changes = [(step.at_s, step.phase) for before, step in pairs if step.phase is not before.phase]
        log = [line.split(" ", 2) for line in (folder / f"{name}.log").read_text().splitlines()]
        grave = [(float(line[0]), line[2]) for line in log if line[1:2] in (["WARNING"], ["ERROR"])]
        outcome.warnings += [text for at_s, text in grave if at_s >= outcome.marks["begins"]]
    return outcome


def row(scenario: Scenario, seen: Outcome) -> dict[str, str]:
    began_s, ended_s = seen.gap
    told = [f"{number} {kind}" for kind in ("signal_lost", "signal_back", "warning") if (number := seen.told[kind])]
    told += [f"{number} x {text}" for text, number in Counter(seen.warnings).items()]
    return {
        "scenario": scenario.name,
        "lasted_s": f"{seen.marks['ends'] - seen.marks['begins']:.1f}",
        "gap_s": f"{ended_s - began_s:.1f}",
        "back_after_s": f"{seen.back_after_s:.1f}",
        "left_after_s": f"{seen.marks['left'] - seen.marks['told_to_leave']:.1f}",
        "free_after_s": f"{max(0.0, seen.free_s - seen.marks['told_to_leave']):.1f}",
        "told": "; ".join(told),
    }
