"""No cue is played late, none in time is lost: in Python, in the browser, and over any network."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from itertools import pairwise
from math import inf, nan
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrbridge.clients.guard import CueGuard, Verdict

HERE = Path(__file__).parent
SCENARIOS: dict[str, list[dict[str, Any]]] = {
    entry["scenario"]: entry["steps"] for entry in json.loads((HERE / "guard_vectors.json").read_text(encoding="utf-8"))
}
JSON_TYPES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["morning", inf, nan])
)
ANY_JSON = st.recursive(
    JSON_TYPES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
ALMOST_A_CUE = st.fixed_dictionaries(
    {},
    optional={
        "v": st.just(1) | ANY_JSON,
        "sid": st.sampled_from(["morning", "evening"]) | ANY_JSON,
        "seq": st.integers(0, 5) | ANY_JSON,
        "ts_ms": st.integers(0, 60_000) | ANY_JSON,
        "ttl_s": st.just(5) | ANY_JSON,
    },
)


# --- the scenarios, in both languages ---


def observe(guard: CueGuard, message: dict[str, Any]) -> None:
    if "from_ms" not in message:
        guard.observe(**message)
        return
    pace = 1 + message.get("drift_ppm", 0) / 1e6
    for ts_ms in range(message["from_ms"], message["until_ms"] + 1, message["every_ms"]):
        received_at_s = message["received_at_s"] + (ts_ms - message["from_ms"]) / 1000 * pace
        guard.observe(message["sid"], ts_ms, received_at_s)


def in_python(steps: list[dict[str, Any]]) -> list[Verdict]:
    guard = CueGuard()
    verdicts = []
    for step in steps:
        if "observe" in step:
            observe(guard, step["observe"])
        else:
            verdicts.append(guard.accept(step["accept"], step["received_at_s"], step.get("retained", False)))
    return verdicts


def in_javascript(node: str, scenarios: dict[str, list[dict[str, Any]]]) -> dict[str, list[Verdict]]:
    text = json.dumps([{"scenario": name, "steps": steps} for name, steps in scenarios.items()])
    done = subprocess.run(
        [node, HERE / "guard_vectors.mjs"], input=text, capture_output=True, text=True, timeout=30, check=True
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {entry["scenario"]: [Verdict(**verdict) for verdict in entry["verdicts"]] for entry in told}


@pytest.fixture(scope="module")
def on_the_page(needs_tool: Callable[[str], str]) -> dict[str, list[Verdict]]:
    return in_javascript(needs_tool("node"), SCENARIOS)


def promised(scenario: str) -> list[Verdict]:
    return [Verdict(**step["verdict"]) for step in SCENARIOS[scenario] if "verdict" in step]


def to_the_ms(verdicts: list[Verdict]) -> list[tuple[bool, str, float]]:
    return [(verdict.play, verdict.why, round(verdict.age_s, 3)) for verdict in verdicts]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_headset_in_python_plays_what_is_fresh(scenario: str) -> None:
    assert to_the_ms(in_python(SCENARIOS[scenario])) == to_the_ms(promised(scenario))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_page_in_the_browser_plays_what_is_fresh(scenario: str, on_the_page: dict[str, list[Verdict]]) -> None:
    assert to_the_ms(on_the_page[scenario]) == to_the_ms(promised(scenario))


def test_the_scenarios_know_every_verdict() -> None:
    whys = {verdict.why.split(":")[0] for scenario in SCENARIOS for verdict in promised(scenario)}
    assert whys == {"fresh", "retained", "malformed", "old run", "seen before", "not yet in step", "too late"}


def bad_day(seed: int) -> list[dict[str, Any]]:
    """Sixty messages of three runs, over a bad network, between clocks that leap now and then."""
    dice = random.Random(seed)
    ts_ms, received_at_s, steps = 10_000, dice.uniform(-1e4, 1e4), []
    for _ in range(60):
        gap_s = dice.choice([0.0, 0.2, 1.0, 1.0, 5.0, 20.0])
        ts_ms += round(1000 * gap_s) + dice.choice([0] * 12 + [-1, 700, -8_000, 40_000, -3_600_000])
        received_at_s += gap_s + dice.choice([0.0] * 12 + [0.3, -0.3, 12.0, -12.0, 37.0])
        sid = dice.choice(["morning"] * 12 + ["noon", "evening"])
        message = {"sid": sid, "ts_ms": ts_ms - dice.choice([0, 0, 0, 100, 6_000, 30_000])}
        if dice.random() < 0.5:
            steps.append({"observe": message | {"received_at_s": received_at_s}})
        else:
            cue = message | {"seq": len(steps) - dice.choice([0, 0, 0, 5]), "ttl_s": dice.choice([2, 5, 30])}
            steps.append({"accept": cue, "received_at_s": received_at_s, "retained": dice.random() < 0.05})
    return steps


def test_both_languages_agree_on_two_hundred_bad_days(needs_tool: Callable[[str], str]) -> None:
    days = {str(seed): bad_day(seed) for seed in range(200)}
    assert in_javascript(needs_tool("node"), days) == {name: in_python(steps) for name, steps in days.items()}


# --- any network ---


class Message(NamedTuple):
    """One message on its way; ``ttl_s`` is 0 for one that is no cue."""

    after_s: float
    delay_s: float
    ttl_s: float


class Journey(NamedTuple):
    """Messages as the receiver's clock sees them arrive, in the order in which they were sent."""

    messages: list[Message]
    ahead_s: float
    drift_ppm: float

    def played(self) -> list[tuple[Message, Verdict, float, float]]:
        """Each cue with its verdict, its time on the way, and the least such time of any message so far."""
        guard, sent_s, arrived_s, least_s, cues = CueGuard(), 0.0, 0.0, inf, []
        for seq, message in enumerate(self.messages):
            sent_s += message.after_s
            arrived_s = max(arrived_s, sent_s + message.delay_s)
            least_s = min(least_s, arrived_s - sent_s)
            received_at_s = self.ahead_s + arrived_s * (1 + self.drift_ppm / 1e6)
            ts_ms = round(1000 * sent_s)
            if message.ttl_s:
                cue = {"sid": "morning", "seq": seq, "ts_ms": ts_ms, "ttl_s": message.ttl_s}
                verdict = guard.accept(cue, received_at_s, False)
                cues.append((message, verdict, arrived_s - sent_s, least_s))
            else:
                guard.observe("morning", ts_ms, received_at_s)
        return cues

    @property
    def doubt_s(self) -> float:
        """What two clocks can do in the whole time, drift and its allowance, and a millisecond of rounding."""
        return 200e-6 * sum(message.after_s + message.delay_s for message in self.messages) + 0.002


GAPS_S = st.sampled_from([0.0, 0.001, 0.25, 1.0, 1.0, 5.0]) | st.floats(0, 10)
DELAYS_S = st.sampled_from([0.02, 0.02, 0.3, 2.2, 5.3, 12.0]) | st.floats(0.01, 1) | st.floats(0.01, 60)
TTLS_S = st.sampled_from([0, 2, 5, 30])
AHEAD_S = st.floats(-1e5, 1e5)
DRIFT_PPM = st.floats(-100, 100)
# The road is never quicker than this, and this quick for a headset that joins in peace.
QUICKEST_S = 0.01
PEACE = [Message(1.0, QUICKEST_S, 0)] * 2
MESSAGES = st.lists(st.builds(Message, GAPS_S, DELAYS_S, TTLS_S), max_size=40)


@given(st.sampled_from([[], PEACE]), MESSAGES, AHEAD_S, DRIFT_PPM)
def test_no_cue_is_played_that_took_longer_than_the_quickest_message_and_its_worth(
    before: list[Message], messages: list[Message], ahead_s: float, drift_ppm: float
) -> None:
    journey = Journey([*before, *messages], ahead_s, drift_ppm)
    for message, verdict, took_s, least_s in journey.played():
        too_late = took_s > least_s + message.ttl_s + journey.doubt_s
        assert not (verdict.play and too_late)


@given(MESSAGES, AHEAD_S, DRIFT_PPM)
def test_once_in_step_every_cue_in_time_is_played(messages: list[Message], ahead_s: float, drift_ppm: float) -> None:
    journey = Journey([*PEACE, *messages], ahead_s, drift_ppm)
    for message, verdict, took_s, _ in journey.played():
        in_time = took_s < QUICKEST_S + message.ttl_s - journey.doubt_s
        assert verdict.play or not in_time


@given(st.lists(st.floats(0, 30), max_size=20), AHEAD_S, DRIFT_PPM)
def test_whoever_joins_in_a_black_hole_hears_of_what_pours_out_of_it_no_more_than_its_first_half_second(
    ages_s: list[float], ahead_s: float, drift_ppm: float
) -> None:
    oldest_first = sorted(ages_s, reverse=True)
    gaps_s = [before_s - after_s for before_s, after_s in pairwise([30.0, *oldest_first])]
    messages = [Message(gap_s, age_s, 5) for gap_s, age_s in zip(gaps_s, oldest_first, strict=True)]
    journey = Journey([Message(0, 30.0, 5), *messages], ahead_s, drift_ppm)
    played = [verdict.play for _, verdict, _, _ in journey.played()]
    later = [30.0 - age_s > 0.51 for age_s in (30.0, *oldest_first)]
    assert [play for play, late in zip(played, later, strict=True) if late and play] == []


@given(st.lists(st.tuples(ANY_JSON | ALMOST_A_CUE, st.floats(0, 60) | ANY_JSON, st.booleans()), max_size=8))
def test_whatever_is_delivered_gets_a_verdict(arrivals: list[tuple[Any, Any, bool]]) -> None:
    guard = CueGuard()
    verdicts = [guard.accept(cue, received_at_s, retained) for cue, received_at_s, retained in arrivals]
    assert [verdict for verdict in verdicts if not (verdict.age_s >= 0 and verdict.why)] == []


@given(
    st.lists(st.tuples(st.just("morning") | ANY_JSON, st.integers(0, 60_000) | ANY_JSON, st.floats(0, 60) | ANY_JSON))
)
def test_whatever_is_observed_a_new_run_is_heard(arrivals: list[tuple[Any, Any, Any]]) -> None:
    guard = CueGuard()
    for sid, ts_ms, received_at_s in arrivals:
        guard.observe(sid, ts_ms, received_at_s)
    guard.observe("tomorrow", 0, 100.0)
    cue = {"sid": "tomorrow", "seq": 0, "ts_ms": 1000, "ttl_s": 5}
    assert guard.accept(cue, 101.0, False).play
