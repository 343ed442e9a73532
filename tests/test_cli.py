"""The commands as a runner types them: what they print, what they write, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from hrbridge import __version__, trace
from hrbridge.control import plan as plans
from hrbridge.decisions import CueKind, Phase, Reason
from tests.conftest import Ended, Hrbridge

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "configs" / "demo.toml"
PROGRAM = [sys.executable, "-c", "from hrbridge.cli import main; main()"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
IN_TIME_S = 20.0

# Two rounds of a minute running and 45 s walking: the second round shows what the first one led to.
TWO_ROUNDS = """
name = "two-rounds"
warmup_s = 60
cooldown = 10
repeats = 2

[[block]]
segments = [{ kind = "run", for_s = 60 }, { kind = "walk", for_s = 45 }]
"""
# Far above what this hour brings, so that only recovery decides.
NO_CEILING = ("--set", "control.heart_rate_ceiling_hrr=0.95")
# The whole first walk, at its longest.
NO_RECOVERY = ("--fault", "no_recovery@118+95")


@pytest.fixture
def two_rounds(tmp_path: Path) -> Path:
    path = tmp_path / "two-rounds.toml"
    path.write_text(TWO_ROUNDS, encoding="utf-8")
    return path


@pytest.fixture
def demo_trace(hrbridge: Hrbridge, tmp_path: Path) -> Path:
    """The trace of a simulated run of three minutes."""
    path = tmp_path / "demo.jsonl"
    hrbridge("simulate", "--plan", "demo", "--trace", path)
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Five minutes of a watch: run, walk, a minute of standing still with the watch stopped, run."""
    path = tmp_path / "run.csv"
    rows = ["time,heart_rate_bpm,speed_m_s"]
    for second in (*range(220), *range(280, 360)):
        walking = 140 <= second < 200
        bpm = 146 - (second - 140) // 2 if walking else min(146, 90 + second)
        rows.append(f"2026-11-22T07:{second // 60:02}:{second % 60:02}Z,{bpm + second % 2},{1.4 if walking else 2.6}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


# -- what there is --

COMMANDS = [
    ("run",),
    ("replay",),
    ("expect",),
    ("simulate",),
    ("scan",),
    ("pair",),
    ("plan", "list"),
    ("plan", "show"),
    ("plan", "check"),
    ("rpe",),
    ("control",),
    ("config", "check"),
    ("history", "delete"),
    ("export",),
    ("report",),
    ("log",),
    ("next",),
    ("import",),
]


@pytest.mark.parametrize("command", [(), ("plan",), ("config",), ("history",), *COMMANDS], ids=" ".join)
def test_every_command_explains_itself(hrbridge: Hrbridge, command: tuple[str, ...]) -> None:
    ended = hrbridge(*command, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(" ".join(["Usage: hrbridge", *command]))


@pytest.mark.parametrize("group", [(), ("plan",), ("config",), ("history",)], ids=" ".join)
def test_the_list_of_commands_breaks_off_nowhere(hrbridge: Hrbridge, group: tuple[str, ...]) -> None:
    assert "..." not in hrbridge(*group, "--help").out.partition("Commands:")[2]


@pytest.mark.parametrize("group", [(), ("plan",), ("config",)], ids=" ".join)
def test_who_asks_for_nothing_is_shown_what_there_is(hrbridge: Hrbridge, group: tuple[str, ...]) -> None:
    ended = hrbridge(*group)
    assert ended.code == 2
    assert "Commands:" in ended.out


def test_the_version_is_told(hrbridge: Hrbridge) -> None:
    assert hrbridge("--version") == Ended(0, f"hrbridge {__version__}\n", "")


# -- one line for whoever mistyped --

IN_THE_OPEN = "is another machine, and heart rate would travel in the open"
WRONG = [
    (("nonsense",), "No such command 'nonsense'"),
    (("simulate", "--sede", "3"), "No such option: --sede"),
    (("replay",), "Missing argument 'FILE|ID'"),
    (("simulate", "--seed", "many"), "'--seed': 'many' is not a whole number"),
    (("simulate", "--seed", "-1"), "'--seed': -1 is not in the range"),
    (("simulate", "--plan", "easy"), 'plan "easy": no such plan; allowed: beginner-1-2, demo, '),
    (("simulate", "--plan", "mine.toml"), "mine.toml: no such file"),
    (
        ("simulate", "--why", "soon"),
        "'--why': 'soon' is not a time in a run; give seconds (612) or minutes and seconds",
    ),
    (("simulate", "--why", "-5"), "'--why': '-5' is not a time in a run"),
    (("simulate", "--plan", "demo", "--why", "10:00"), "--why 600: this session has the seconds 0 to 180"),
    (("simulate", "--plan", "demo", "--why", "60", "--json"), "--why: explains one second in words; without --trace"),
    (("simulate", "--plan", "demo", "--why", "60", "--trace", "x.jsonl"), "--why: explains one second in words"),
    (("simulate", "--runner", "usain"), '[sensor] runner: "usain" is not allowed; allowed: "novice", '),
    (("simulate", "--fault", "hiccup@3"), '"hiccup@3": there is no fault "hiccup"; allowed: dropout, '),
    (("simulate", "--fault", "dropout"), '"dropout" is not allowed; allowed: NAME@T or NAME@T+FOR in seconds'),
    (("simulate", "--set", "control"), "--set control: expected table.key=value"),
    (("simulate", "--set", "control.min_drop=3"), "[control] min_drop: unknown key; did you mean min_drop_bpm?"),
    (("simulate", "--set", "control.min_drop_bpm=99"), "99 is not allowed; allowed: a number from 1 to 40"),
    (("simulate", "--config", "nobody.toml"), "nobody.toml: no such file"),
    (("run", "nobody.toml"), "nobody.toml: no such file"),
    (("run", "--sensor", "nonsense"), "--sensor nonsense: allowed: ble, simulated, replay:FILE"),
    (("run", "--sensor", "replay"), "--sensor replay: allowed: ble, simulated, replay:FILE"),
    (("run", "--sensor", "ble:strap"), "--sensor ble:strap: allowed: ble, simulated, replay:FILE"),
    (("run", "--sensor", "replay:nothing.fit", "--mqtt", "none"), "nothing.fit: no such file"),
    (("run", "--sensor", "ble", "--mqtt", "none", "--speed", "2"), "--speed: a live sensor has its own time"),
    (("run", "--speed", "fast"), "'--speed': 'fast' is not a number"),
    (("run", "--speed", "0"), "--speed 0: allowed: 0.01 to 100000"),
    (("run", "--speed", "nan"), "--speed nan: allowed: 0.01 to 100000"),
    (("run", "--mqtt", "http://pi"), "[mqtt] url: 'http://pi' is not allowed; allowed: \"embedded\", "),
    (("run", "--sensor", "simulated", "--mqtt", "mqtt://pi"), f"[mqtt] url: pi {IN_THE_OPEN}; use mqtts://, or set "),
    (("run", "--sensor", "simulated", "--mqtt", "ws://pi"), f"[mqtt] url: pi {IN_THE_OPEN}; use wss://, or set "),
    (("rpe", "7", "--mqtt", "mqtt://pi"), f"[mqtt] url: pi {IN_THE_OPEN}"),
    (("control", "pause", "--mqtt", "ws://pi"), f"[mqtt] url: pi {IN_THE_OPEN}"),
    (("run", "--set", "sensor.kind=replay"), '[sensor] kind = "replay" needs file, or --sensor replay:FILE'),
    (("replay", "nothing.fit"), "nothing.fit: no such file"),
    (("replay", str(ROOT)), ": cannot be read: Is a directory"),
    (("replay", str(DEMO)), "demo.toml: not a recording: expected FIT, TCX, GPX, Polar HRM, CSV or a trace"),
    (("expect", "nothing.jsonl"), "nothing.jsonl: no such file"),
    (("expect", str(DEMO)), "demo.toml: line 1: not a trace"),
    (("scan", "--for", "0"), "'--for': 0.0 is not in the range"),
    (("pair",), "no terminal to ask on: say which strap is yours with --pulse BPM or --address ADDRESS"),
    (("pair", "nobody.toml", "--yes"), "nobody.toml: no such file: first copy there "),
    (("pair", str(ROOT / "README.md"), "--yes"), "README.md: not valid TOML: "),
    (("pair", "--pulse", "20"), "'--pulse': 20.0 is not in the range"),
    (("pair", "--address", "Polar"), "--address Polar: expected one like C0:FF:EE:00:00:01"),
    (("pair", "--pulse", "120", "--yes"), "pair: takes one of --pulse, --address and --yes"),
    (("plan", "show", "easy"), 'plan "easy": no such plan'),
    (("plan", "check", "mine"), "mine: no such file"),
    (("plan", "check", str(DEMO)), "demo.toml: not a plan: it has a [runner]; for a configuration: hrbridge config"),
    (("config", "check", "nobody.toml"), "nobody.toml: no such file"),
    (("rpe", "11"), "rpe 11: rpe is a number from 0 to 10 in halves"),
    (("rpe", "5.3"), "rpe 5.3: rpe is a number from 0 to 10 in halves"),
    (("control", "jump"), "'jump' is not one of 'start', 'pause', "),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=[" ".join(words)[-60:] for words, _ in WRONG])
def test_a_mistake_is_answered_in_one_line(hrbridge: Hrbridge, words: tuple[str, ...], said: str) -> None:
    ended = hrbridge(*words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("hrbridge: ")
    assert ended.err.count("\n") == 1
    assert said in ended.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[runner]\nage_years = forty", "alex.toml: not valid TOML: "),
        ("[runner]\nage_year = 40", "alex.toml: [runner] age_year: unknown key; did you mean age_years?"),
        ("[runner]\nage_years = 400", "alex.toml: [runner] age_years: 400 is not allowed; allowed: a number from 10"),
        ('[runner]\nage_years = 40\n[plan]\nuse = "easy"', 'alex.toml: [plan] use: plan "easy": no such plan; allowed'),
        ('[runner]\nage_years = 40\n[plan]\nuse = "x.toml"', "alex.toml: [plan] use: "),
    ],
)
@pytest.mark.parametrize("command", [("config", "check"), ("run",), ("simulate", "--config")], ids=" ".join)
def test_a_wrong_configuration_names_file_table_and_key(
    hrbridge: Hrbridge, tmp_path: Path, command: tuple[str, ...], text: str, said: str
) -> None:
    path = tmp_path / "alex.toml"
    path.write_text(text, encoding="utf-8")
    ended = hrbridge(*command, path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1].startswith(f"hrbridge: {tmp_path}/{said}")


@pytest.mark.parametrize("url", ["mqtt://pi", "ws://pi:9001"])
def test_a_configuration_that_shows_heart_rate_to_the_network_is_not_fine(
    hrbridge: Hrbridge, tmp_path: Path, url: str
) -> None:
    path = tmp_path / "alex.toml"
    path.write_text(f'[runner]\nage_years = 40\n[mqtt]\nurl = "{url}"', encoding="utf-8")
    ended = hrbridge("config", "check", path)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1].startswith(f"hrbridge: {path}: [mqtt] url: pi {IN_THE_OPEN}")


def test_a_configuration_that_shows_it_on_purpose_is_fine(hrbridge: Hrbridge, tmp_path: Path) -> None:
    path = tmp_path / "alex.toml"
    path.write_text('[runner]\nage_years = 40\n[mqtt]\nurl = "mqtt://pi"\ninsecure = true', encoding="utf-8")
    assert hrbridge("config", "check", path).code == 0


@pytest.mark.parametrize("command", [("run",), ("simulate", "--config", DEMO), ("replay", DEMO)], ids=lambda c: c[0])
def test_a_wrong_plan_on_the_command_line_is_not_blamed_on_a_file(
    hrbridge: Hrbridge, command: tuple[str | Path, ...]
) -> None:
    assert hrbridge(*command, "--plan", "easy").err.startswith('hrbridge: plan "easy": no such plan; allowed: ')


def test_a_damaged_recording_names_its_line(hrbridge: Hrbridge, recording: Path) -> None:
    recording.write_text(recording.read_text(encoding="utf-8").replace(",92,", ",fast,", 1), encoding="utf-8")
    ended = hrbridge("replay", recording)
    assert (ended.code, ended.out) == (2, "")
    assert f"{recording}: line 3: " in ended.err


def test_what_a_damaged_recording_still_gives_is_used_when_asked_for(hrbridge: Hrbridge, recording: Path) -> None:
    recording.write_text(recording.read_text(encoding="utf-8").replace(",92,", ",fast,", 1), encoding="utf-8")
    ended = hrbridge("replay", recording, "--lenient", "--json")
    assert ended.json["elapsed_s"] == 359
    assert "damaged at line 3" in ended.err


def test_a_trace_that_cannot_be_written_fails(hrbridge: Hrbridge, tmp_path: Path) -> None:
    ended = hrbridge("simulate", "--plan", "demo", "--json", "--trace", tmp_path / "nowhere" / "x.jsonl")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.endswith("/nowhere/x.jsonl: cannot write the trace: No such file or directory\n")


def test_a_command_to_nobody_fails(hrbridge: Hrbridge) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        ended = hrbridge("control", "pause", "--mqtt", f"mqtt://127.0.0.1:{taken.getsockname()[1]}")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("hrbridge: MQTT broker 127.0.0.1:")


# -- plans and configurations --


def test_every_plan_is_listed_with_what_it_is(hrbridge: Hrbridge) -> None:
    lines = hrbridge("plan", "list").out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == plans.names()


def test_the_list_of_plans_ends_with_the_ladder_from_easy_to_hard(hrbridge: Hrbridge) -> None:
    last = hrbridge("plan", "list").out.splitlines()[-1]
    assert last.endswith(": 1:4, 1:3, 1:2, 1:1, 2:1, 3:1, 4:1, 5:1, 9:1, 10:1")


def test_a_ratio_can_be_shown_like_a_plan(hrbridge: Hrbridge) -> None:
    assert hrbridge("plan", "show", "1:2").out.startswith("1:2: easy; run 60 s / walk 120 s; 30 min\n")


def test_a_plan_is_shown_block_by_block(hrbridge: Hrbridge) -> None:
    assert hrbridge("plan", "show", "surge").out == plans.describe_in_full(plans.load("surge")) + "\n"


def test_a_plan_of_ones_own_can_be_shown(hrbridge: Hrbridge, two_rounds: Path) -> None:
    assert "run 60 s / walk 45 s" in hrbridge("plan", "show", two_rounds).out


def test_a_good_plan_file_is_fine(hrbridge: Hrbridge, two_rounds: Path) -> None:
    assert hrbridge("plan", "check", two_rounds) == Ended(
        0, f"{two_rounds}: fine. easy; run 60 s / walk 45 s; 2 times\n", ""
    )


def test_a_plan_file_need_not_be_called_toml(
    hrbridge: Hrbridge, two_rounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(two_rounds.parent)
    two_rounds.rename("mine")
    assert hrbridge("plan", "check", "mine").code == 0


def test_a_bad_plan_file_is_told(hrbridge: Hrbridge, two_rounds: Path) -> None:
    two_rounds.write_text(TWO_ROUNDS.replace("for_s = 45", "for = 45"), encoding="utf-8")
    ended = hrbridge("plan", "check", two_rounds)
    assert (ended.code, ended.out) == (2, "")
    assert "two-rounds.toml: [block 1.segments 2] for: unknown key; did you mean for_s?" in ended.err


def test_a_good_configuration_is_told_in_words(hrbridge: Hrbridge) -> None:
    ended = hrbridge("config", "check", DEMO)
    assert ended == Ended(
        0,
        f"{DEMO}: fine. Runner demo, maximum 180, resting 60, ceiling 150 bpm; "
        "plan demo; sensor simulated; MQTT embedded:0.\n",
        "",
    )


def test_a_plan_on_the_command_line_stands_for_that_of_the_configuration(hrbridge: Hrbridge, tmp_path: Path) -> None:
    config, out = tmp_path / "alex.toml", tmp_path / "out.jsonl"
    inline = TWO_ROUNDS.replace("[[block]]", "[[plan.block]]")
    config.write_text(f"[runner]\nage_years = 40\n[plan]{inline}", encoding="utf-8")
    hrbridge("simulate", "--config", config, "--plan", "demo", "--trace", out)
    assert trace.read(out).header.plan == plans.load("demo")


def test_a_plan_file_on_the_command_line_is_looked_for_where_one_stands(
    hrbridge: Hrbridge, two_rounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(two_rounds.parent)
    assert hrbridge("simulate", "--config", DEMO, "--plan", two_rounds.name, "--json").json["run_s"] == 120


# -- simulate --


def test_a_simulated_run_is_told_cue_by_cue(hrbridge: Hrbridge) -> None:
    ended = hrbridge("simulate", "--plan", "demo")
    lines = ended.out.splitlines()
    assert lines[0] == "simulated runner typical; plan demo."
    assert lines[2].startswith("00:00  warmup ")
    assert "walk at  planned  walked for  drop  required  judged" in lines


def test_the_summary_has_the_shape_of_the_manual(hrbridge: Hrbridge) -> None:
    summary = hrbridge("simulate", "--plan", "demo", "--json").json
    assert list(summary) == [
        "steps",
        "elapsed_s",
        "run_s",
        "walk_s",
        "cues",
        "reasons",
        "walks",
        "trust_s",
        "trace_sha256",
    ]
    assert list(summary["walks"][0]) == [
        "at_s",
        "planned_s",
        "for_s",
        "drop_bpm",
        "required_drop_bpm",
        "recovered",
        "walked",
    ]
    assert list(summary["trust_s"]) == ["good", "doubtful", "none"]


def test_the_fingerprint_is_that_of_the_file(hrbridge: Hrbridge, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    summary = hrbridge("simulate", "--plan", "demo", "--json", "--trace", path).json
    assert summary["trace_sha256"] == sha256(path.read_bytes()).hexdigest()


def test_a_simulated_run_has_no_date(demo_trace: Path) -> None:
    assert json.loads(demo_trace.read_bytes().splitlines()[0])["started_at"] is None


def fingerprint(hrbridge: Hrbridge, *words: str) -> object:
    return hrbridge("simulate", "--plan", "demo", "--json", *words).json["trace_sha256"]


def test_the_same_seed_is_the_same_run(hrbridge: Hrbridge) -> None:
    assert fingerprint(hrbridge, "--seed", "7") == fingerprint(hrbridge, "--seed", "7")


def test_another_seed_is_another_day(hrbridge: Hrbridge) -> None:
    assert fingerprint(hrbridge, "--seed", "7") != fingerprint(hrbridge, "--seed", "8")


def test_another_runner_is_another_run(hrbridge: Hrbridge) -> None:
    assert fingerprint(hrbridge, "--runner", "fit") != fingerprint(hrbridge, "--runner", "novice")


def test_a_fault_makes_another_run(hrbridge: Hrbridge) -> None:
    summary = hrbridge("simulate", "--plan", "demo", "--json", "--fault", "zero@20", "--fault", "zero@60").json
    assert summary["cues"]["signal_lost"] == 1


# -- what the runner hears --


def simulated(hrbridge: Hrbridge, two_rounds: Path, *words: str) -> trace.Trace:
    path = two_rounds.with_name("simulated.jsonl")
    hrbridge("simulate", "--plan", two_rounds, "--trace", path, *NO_CEILING, *words)
    return trace.read(path)


def decisions(run: trace.Trace) -> list[tuple[CueKind, Reason]]:
    """What was said for any other reason than the plan."""
    quiet = (CueKind.COUNTDOWN, CueKind.WARMUP)
    cues = [cue for step in run.steps for cue in step.cues]
    return [(cue.kind, cue.reason) for cue in cues if cue.reason is not Reason.PLANNED and cue.kind not in quiet]


@pytest.mark.parametrize("seed", range(1, 6))
def test_who_does_not_recover_walks_slower_then_longer_then_runs_less(
    hrbridge: Hrbridge, two_rounds: Path, seed: int
) -> None:
    run = simulated(hrbridge, two_rounds, *NO_RECOVERY, "--seed", str(seed))
    assert decisions(run) == [
        (CueKind.EASE_WALK, Reason.NOT_RECOVERED),
        (CueKind.EXTEND_WALK, Reason.NOT_RECOVERED),
        (CueKind.EXTEND_WALK, Reason.NOT_RECOVERED),
        (CueKind.RUN, Reason.WALK_CAP),
        (CueKind.RATIO, Reason.WALK_CAP),
    ]


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_run_after_a_walk_without_recovery_is_a_fifth_shorter(
    hrbridge: Hrbridge, two_rounds: Path, seed: int
) -> None:
    run = simulated(hrbridge, two_rounds, *NO_RECOVERY, "--seed", str(seed))
    ran_s = [cue.for_s for step in run.steps for cue in step.cues if cue.kind is CueKind.RUN]
    assert ran_s == [60, 48]


@pytest.mark.parametrize("runner", ["typical", "fit"])
@pytest.mark.parametrize("seed", range(1, 6))
def test_who_recovers_gets_the_plan_as_written(hrbridge: Hrbridge, two_rounds: Path, runner: str, seed: int) -> None:
    run = simulated(hrbridge, two_rounds, "--runner", runner, "--seed", str(seed))
    assert decisions(run) == []
    assert {(step.ratio.run_s, step.ratio.walk_s) for step in run.steps} == {(60, 45)}


def test_a_change_of_the_ratio_has_its_numbers_beside_it(hrbridge: Hrbridge, two_rounds: Path) -> None:
    run = simulated(hrbridge, two_rounds, *NO_RECOVERY)
    (step,) = [step for step in run.steps if any(cue.kind is CueKind.RATIO for cue in step.cues)]
    assert (step.ratio.planned_run_s, step.ratio.run_s) == (60, 48)


def test_an_extension_stands_beside_the_drop_that_was_missing(hrbridge: Hrbridge, two_rounds: Path) -> None:
    run = simulated(hrbridge, two_rounds, *NO_RECOVERY)
    missing = [
        step.estimate.required_drop_bpm - step.estimate.drop_bpm
        for step in run.steps
        for cue in step.cues
        if cue.kind is CueKind.EXTEND_WALK
    ]
    assert min(missing) > 2


# -- expect --


def test_a_trace_is_as_expected(hrbridge: Hrbridge, demo_trace: Path) -> None:
    ended = hrbridge("expect", demo_trace)
    assert ended == Ended(0, f"{demo_trace}: 543 steps, all as expected\n", "")


def test_a_cut_trace_is_as_expected_up_to_there(hrbridge: Hrbridge, demo_trace: Path) -> None:
    demo_trace.write_bytes(demo_trace.read_bytes()[:-30])
    ended = hrbridge("expect", demo_trace)
    assert ended == Ended(0, f"{demo_trace}: 542 steps, all as expected; 1 cut-off line dropped\n", "")


def changed(path: Path, line: int, before: str, after: str) -> Path:
    """A trace with one thing changed in one line, counted from 1."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert before in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(before, after, 1)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def line_of_cue(path: Path, kind: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return 1 + next(n for n, line in enumerate(lines) if f'"kind":"{kind}"' in line and n > 0)


def test_a_cue_with_another_reason_is_shown_with_both(hrbridge: Hrbridge, demo_trace: Path) -> None:
    line = line_of_cue(demo_trace, "walk")
    event = msgspec.json.encode(trace.read(demo_trace).steps[line - 2].event).decode()
    ended = hrbridge("expect", changed(demo_trace, line, '"reason":"planned"', '"reason":"heart_rate_ceiling"'))
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.splitlines() == [
        f"{demo_trace}: at 28.0 s the trace and this hrbridge differ",
        f"  event   {event}",
        "  cues.0.reason: trace heart_rate_ceiling, now planned",
        '  trace   walk for 0.0 s, walk because heart_rate_ceiling: "Walk fifteen seconds."',
        '  now     walk for 0.0 s, walk because planned: "Walk fifteen seconds."',
    ]


def test_one_other_heartbeat_makes_a_difference(hrbridge: Hrbridge, demo_trace: Path) -> None:
    ended = hrbridge("expect", changed(demo_trace, 2, '"heart_rate_bpm":59,', '"heart_rate_bpm":69,'))
    assert ended.code == 1
    assert "  estimate.heart_rate_bpm: trace 59.0, now 69.0" in ended.out.splitlines()


def test_another_maximum_makes_a_difference(hrbridge: Hrbridge, demo_trace: Path) -> None:
    ended = hrbridge("expect", changed(demo_trace, 1, '"max_heart_rate_bpm":180.0', '"max_heart_rate_bpm":170.0'))
    assert ended.code == 1
    assert "  estimate.ceiling_bpm: trace 150.0, now 142.5" in ended.out.splitlines()


def test_only_the_first_difference_is_shown(hrbridge: Hrbridge, demo_trace: Path) -> None:
    ended = hrbridge("expect", changed(demo_trace, 1, '"warmup_s":8.0', '"warmup_s":9.0'))
    assert ended.out.count("the trace and this hrbridge differ") == 1


# -- replay --


def test_a_recording_is_told_cue_by_cue(hrbridge: Hrbridge, recording: Path) -> None:
    lines = hrbridge("replay", recording).out.splitlines()
    assert lines[:2] == [
        "run.csv: recording; plan free; maximum 180, resting 60.",
        "Open loop: whoever ran this did not hear these cues.",
    ]
    assert lines[3] == "00:00  warmup    90   Run and walk as you like.  (command)"


def test_the_walk_of_a_recording_is_judged(hrbridge: Hrbridge, recording: Path) -> None:
    (walk,) = hrbridge("replay", recording, "--json").json["walks"]
    assert (walk["at_s"], walk["planned_s"], walk["for_s"], walk["recovered"]) == (140, None, 60, True)


def test_a_recording_keeps_its_date(hrbridge: Hrbridge, recording: Path, tmp_path: Path) -> None:
    hrbridge("replay", recording, "--trace", tmp_path / "out.jsonl")
    assert trace.read(tmp_path / "out.jsonl").header.started_at == "2026-11-22T07:00:00Z"


def test_on_another_plan_a_walk_that_was_run_through_is_not_judged(
    hrbridge: Hrbridge, recording: Path, two_rounds: Path
) -> None:
    walk = hrbridge("replay", recording, "--plan", two_rounds, "--json").json["walks"][0]
    assert (walk["at_s"], walk["walked"], walk["recovered"]) == (120, False, None)


def test_a_key_of_the_plan_is_a_plan_too(hrbridge: Hrbridge, recording: Path, tmp_path: Path) -> None:
    hrbridge("replay", recording, "--set", "plan.use=surge", "--trace", tmp_path / "out.jsonl")
    assert trace.read(tmp_path / "out.jsonl").header.plan.name == "surge"


def replayed(hrbridge: Hrbridge, file: Path, name: str) -> bytes:
    out = file.with_name(name)
    hrbridge("replay", file, "--trace", out)
    return out.read_bytes()


def test_a_replay_is_the_same_every_time(hrbridge: Hrbridge, recording: Path) -> None:
    assert replayed(hrbridge, recording, "a.jsonl") == replayed(hrbridge, recording, "b.jsonl")


def test_a_replayed_trace_is_the_trace_again(hrbridge: Hrbridge, demo_trace: Path) -> None:
    assert replayed(hrbridge, demo_trace, "again.jsonl") == demo_trace.read_bytes()


def test_a_replayed_recording_replays_to_the_same_again(hrbridge: Hrbridge, recording: Path) -> None:
    first = replayed(hrbridge, recording, "first.jsonl")
    assert replayed(hrbridge, recording.with_name("first.jsonl"), "second.jsonl") == first


def test_a_trace_is_replayed_with_its_own_runner_and_plan(hrbridge: Hrbridge, two_rounds: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    words = ("--runner", "fit", "--set", "control.min_drop_bpm=12", "--set", "control.tips=false")
    hrbridge("simulate", "--plan", two_rounds, "--trace", before, *words)
    hrbridge("replay", before, "--trace", after)
    assert after.read_bytes() == before.read_bytes()


def test_a_trace_can_be_replayed_with_one_number_changed(hrbridge: Hrbridge, demo_trace: Path) -> None:
    out = demo_trace.with_name("out.jsonl")
    hrbridge("replay", demo_trace, "--trace", out, "--set", "control.min_drop_bpm=12", "--set", "plan.warmup_s=9")
    before, after = trace.read(demo_trace).header, trace.read(out).header
    assert (after.control.min_drop_bpm, after.plan.warmup_s) == (12, 9)
    assert (after.runner, after.plan.block) == (before.runner, before.plan.block)


def test_a_trace_can_be_replayed_on_another_plan(hrbridge: Hrbridge, demo_trace: Path, two_rounds: Path) -> None:
    out = demo_trace.with_name("out.jsonl")
    hrbridge("replay", demo_trace, "--trace", out, "--plan", two_rounds)
    assert trace.read(out).header.plan == plans.load(two_rounds)


# -- why --


def test_a_second_of_a_recording_is_explained(hrbridge: Hrbridge, recording: Path) -> None:
    lines = hrbridge("replay", recording, "--why", "150").out.splitlines()
    assert lines[0] == "02:30  Walk for 10 s."
    assert [line.partition(":")[0] for line in lines[-3:]] == ["Rule", "Numbers", "Change"]


@pytest.mark.parametrize("same", ["150", "150.4", "2:30", "02:30", "0:02:30"])
def test_a_second_may_be_named_as_it_is_read(hrbridge: Hrbridge, recording: Path, same: str) -> None:
    assert hrbridge("replay", recording, "--why", same) == hrbridge("replay", recording, "--why", "150")


def test_a_trace_is_explained_as_the_session_it_came_from(hrbridge: Hrbridge, demo_trace: Path) -> None:
    from_trace = hrbridge("replay", demo_trace, "--why", "118")
    assert from_trace.out.startswith('01:58  Walk for 0 s, 50 s left.\nSaid: "Walk fifty seconds." (walk, planned)\n')
    assert from_trace.out == hrbridge("simulate", "--plan", "demo", "--why", "118").out


def test_the_last_second_of_a_session_can_be_asked_for(hrbridge: Hrbridge) -> None:
    assert 'Said: "Done. Well run." (finish, planned)' in hrbridge("simulate", "--plan", "demo", "--why", "180").out


def test_a_cut_trace_is_replayed_and_the_cut_is_said(hrbridge: Hrbridge, demo_trace: Path) -> None:
    demo_trace.write_bytes(demo_trace.read_bytes()[:-30])
    ended = hrbridge("replay", demo_trace, "--json")
    assert ended.code == 0
    assert "the last line is cut off: dropped" in ended.err


def test_the_highest_rate_that_was_held_is_taken_for_possible(hrbridge: Hrbridge, recording: Path) -> None:
    rows = [f"{second},{190 + second % 2}" for second in range(120)]
    recording.write_text("\n".join(["at_s,heart_rate_bpm", *rows]), encoding="utf-8")
    ended = hrbridge("replay", recording)
    assert "maximum 190" in ended.out.splitlines()[0]
    assert "assuming max_heart_rate_bpm = 190, which was held for a minute" in ended.err


# -- run: the same in time --


def ran(hrbridge: Hrbridge, out: Path, *words: str | Path) -> bytes:
    ended = hrbridge("run", *words, "--mqtt", "none", "--speed", "100000", "--trace", out, "--json")
    assert ended.code == 0
    return out.read_bytes()


def test_a_recording_run_in_time_is_the_replay_byte_for_byte(
    hrbridge: Hrbridge, recording: Path, tmp_path: Path
) -> None:
    replay = replayed(hrbridge, recording, "replay.jsonl")
    assert ran(hrbridge, tmp_path / "run.jsonl", "--sensor", f"replay:{recording}") == replay


def test_a_trace_run_in_time_is_the_trace_byte_for_byte(hrbridge: Hrbridge, demo_trace: Path, tmp_path: Path) -> None:
    assert ran(hrbridge, tmp_path / "run.jsonl", "--sensor", f"replay:{demo_trace}") == demo_trace.read_bytes()


@pytest.mark.parametrize("name", ["runwalk_fr110_smartrec.fit", "rr_exercise.hrm"])
def test_a_real_recording_run_in_time_is_the_replay_byte_for_byte(
    hrbridge: Hrbridge, traces: Path, tmp_path: Path, name: str
) -> None:
    hrbridge("replay", traces / name, "--trace", tmp_path / "replay.jsonl")
    run = ran(hrbridge, tmp_path / "run.jsonl", "--sensor", f"replay:{traces / name}")
    assert run == (tmp_path / "replay.jsonl").read_bytes()


def test_a_simulated_runner_hears_the_same_in_time(hrbridge: Hrbridge, tmp_path: Path) -> None:
    hrbridge("simulate", "--config", DEMO, "--trace", tmp_path / "simulate.jsonl")
    run = ran(hrbridge, tmp_path / "run.jsonl", "--sensor", "simulated")
    assert run == (tmp_path / "simulate.jsonl").read_bytes()


def test_a_run_prints_the_cues_as_the_simulation_does(hrbridge: Hrbridge) -> None:
    heard = hrbridge("run", "--mqtt", "none", "--speed", "100000").out
    assert hrbridge("simulate", "--config", DEMO).out.endswith(heard)


def test_a_run_of_a_configuration_with_a_recording_finds_it_beside_the_file(
    hrbridge: Hrbridge, recording: Path, tmp_path: Path
) -> None:
    config = recording.with_name("alex.toml")
    config.write_text('[runner]\nage_years = 40\n[sensor]\nkind = "replay"\nfile = "run.csv"\n', encoding="utf-8")
    replay = replayed(hrbridge, recording, "replay.jsonl")
    assert ran(hrbridge, tmp_path / "run.jsonl", config) == replay


def test_a_run_ends_with_the_same_summary(hrbridge: Hrbridge, recording: Path) -> None:
    run = hrbridge("run", "--sensor", f"replay:{recording}", "--mqtt", "none", "--speed", "100000", "--json")
    assert run.json == hrbridge("replay", recording, "--json").json


# -- processes: signals and readers that leave --


@contextlib.asynccontextmanager
async def started(*words: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """hrbridge in a process of its own, killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *map(str, words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # who runs the tests may ignore it: nohup
    )
    try:
        async with asyncio.timeout(IN_TIME_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_run_that_is_stopped_ends_well(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out.jsonl"
    async with started("run", "--sensor", "simulated", "--mqtt", "none", "--trace", out) as process:
        await process.stdout.readline()
        process.send_signal(number)
        said, complaints = await process.communicate()
    assert (process.returncode, complaints) == (0, b"")
    assert b" in all: " in said
    assert trace.read(out).steps[-1].phase is Phase.WARMUP


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["simulate --plan easy-4-1", "plan list"])
def test_whoever_stops_reading_gets_no_complaint(words: str, unbuffered: str) -> None:
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    command = [*PROGRAM, *words.split()]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        complaints = process.stderr.read()
        assert (process.wait(IN_TIME_S), complaints) == (0, b"")


full_disk = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="/dev/full is not there: no full disk to write to"
)


@full_disk
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["simulate --plan demo", "simulate --plan demo --json", "plan list"])
def test_output_that_cannot_be_written_is_told_in_one_line(words: str, unbuffered: str) -> None:
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*PROGRAM, *words.split()], env=environment, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, b"hrbridge: standard output: No space left on device\n")


@full_disk
async def test_a_full_disk_is_told_in_one_line() -> None:
    async with started("simulate", "--plan", "demo", "--json", "--trace", "/dev/full") as process:
        said, complaints = await process.communicate()
    assert (process.returncode, said) == (1, b"")
    assert complaints == b"hrbridge: /dev/full: the trace is incomplete: No space left on device\n"


@full_disk
async def test_a_run_goes_on_when_its_trace_cannot() -> None:
    words = ("run", "--mqtt", "none", "--speed", "100000", "--trace", "/dev/full")
    async with started(*words) as process:
        said, complaints = await process.communicate()
    assert process.returncode == 0
    assert b"Done. Well run." in said
    assert complaints.count(b"the run goes on without it") == 1


async def test_a_process_ends_with_the_code_and_the_line() -> None:
    async with started("plan", "show", "easy") as process:
        said, complaints = await process.communicate()
    assert (process.returncode, said) == (2, b"")
    assert complaints.startswith(b'hrbridge: plan "easy": no such plan')
    assert complaints.count(b"\n") == 1
