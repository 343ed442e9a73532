"""The page says what the terminal and the headset say: who needs a look, which words, which tones."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hrbridge.clients import labels
from hrbridge.clients.board import Attention, Need, attention
from hrbridge.clients.scene import View
from hrbridge.clients.tones import BEEPS, Tone
from hrbridge.decisions import Phase, Reason

HERE = Path(__file__).parent
FILES = HERE.parents[1] / "hrbridge" / "clients" / "web"
VECTORS: list[dict[str, Any]] = json.loads((HERE / "attention_vectors.json").read_text(encoding="utf-8"))
WELL = {
    "runner_id": "alex",
    "plan": "easy-4-1",
    "link": "live",
    "fresh": True,
    "age_s": 1.0,
    "phase": "run",
    "remaining_s": 60.0,
    "next_phase": "walk",
    "heart_rate_bpm": 141.0,
    "trust": "good",
    "zone": 3,
    "ceiling_bpm": 150.0,
    "battery_percent": 80,
    "rpe": 5.0,
    "headsets": 1,
    "decided": None,
}
VIEWS = [{**WELL, **vector["view"]} for vector in VECTORS]
SECONDS = [0.0, 0.2, 45.0, 59.0, 59.1, 60.0, 191.5, 192.0, 3599.5, 3725.0]
# A need and when it is felt, s; and what the order goes by: up at once, down after ten seconds of calm.
FELT = [(7, 100.0), (3, 101.0), (7, 105.0), (2, 106.0), (5, 115.0), (5, 117.0), (8, 118.0)]
RANKS = [7, 3, 3, 2, 2, 5, 8]


@pytest.fixture(scope="module")
def page(needs_tool: Callable[[str], str]) -> dict[str, Any]:
    asked = {"views": VIEWS, "seconds": SECONDS, "felt": FELT, "names": ["r10", "r2", "ann", "r1"]}
    words = [needs_tool("node"), str(HERE / "page_modules.mjs")]
    done = subprocess.run(words, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=30)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("number", range(len(VECTORS)), ids=[vector["scenario"] for vector in VECTORS])
def test_the_terminal_knows_who_needs_a_look(number: int) -> None:
    wanted = Attention(Need[VECTORS[number]["need"]], VECTORS[number]["why"])
    assert attention(msgspec.convert(VIEWS[number], View)) == wanted


@pytest.mark.parametrize("number", range(len(VECTORS)), ids=[vector["scenario"] for vector in VECTORS])
def test_the_page_knows_who_needs_a_look(page: dict[str, Any], number: int) -> None:
    wanted = {"need": Need[VECTORS[number]["need"]].value, "why": VECTORS[number]["why"]}
    assert page["attention"][number] == wanted


def test_needs_stand_in_one_order(page: dict[str, Any]) -> None:
    assert page["need"] == {need.name: need.value for need in Need}


def test_on_the_page_nobody_jumps_about(page: dict[str, Any]) -> None:
    assert page["ranks"] == RANKS


def test_r2_stands_before_r10(page: dict[str, Any]) -> None:
    assert page["sorted"] == ["ann", "r1", "r2", "r10"]


def test_nothing_moves_by_itself() -> None:
    style = (FILES / "style.css").read_text(encoding="utf-8")
    assert [word for word in ("transition", "animation", "@keyframes", "scroll-behavior") if word in style] == []


def test_every_reason_is_explained(page: dict[str, Any]) -> None:
    assert set(page["because"]) == {reason.value for reason in Reason}


def test_every_phase_has_its_word(page: dict[str, Any]) -> None:
    assert {phase: word.upper() for phase, word in page["phase"].items()} == {
        phase.value: labels.PHASE[phase] for phase in Phase
    }


def test_times_are_written_alike(page: dict[str, Any]) -> None:
    assert page["clock"] == [labels.clock(seconds) for seconds in SECONDS]
    assert page["left"] == [labels.left(seconds) for seconds in SECONDS]


@pytest.mark.parametrize("tone", list(Tone))
def test_tones_are_the_same(page: dict[str, Any], tone: Tone) -> None:
    heard = [(frequency_hz, for_s) for frequency_hz, for_s, _ in page["beeps"][tone.value]]
    assert heard == [(beep.frequency_hz, beep.for_s) for beep in BEEPS[tone]]
