"""A runner on paper: one sample and one tick per second, with a heart that follows the phase."""

from __future__ import annotations

from collections.abc import Callable
from math import exp

import pytest

from hrbridge.config import Block, Control, Plan, Runner, Segment
from hrbridge.control.controller import Controller
from hrbridge.decisions import Cue, CueKind, Phase, Reason, Step
from hrbridge.events import Action, Command, Event, Rpe, Sample, Speed, Tick

Heart = Callable[[Phase, float], float | None]
RUNNING = (Phase.RUN, Phase.SURGE)


def run_walk(*parts_s: float, **keys: object) -> Plan:
    """A plan of alternating runs and walks; without a warm-up key, two minutes of it (nothing is adapted before)."""
    segments = tuple(Segment(kind="walk" if n % 2 else "run", for_s=s) for n, s in enumerate(parts_s))
    return Plan(**{"name": "paper", "warmup_s": 120.0, "block": (Block(segments=segments),), **keys})


def rising(from_bpm: float, to_bpm: float, elapsed_s: float) -> float:
    """As a heart does: fast at first, then ever more slowly."""
    return to_bpm - (to_bpm - from_bpm) * exp(-elapsed_s / 15)


def recovering(run_bpm: float = 145, walk_bpm: float = 105) -> Heart:
    """Falls to the walking value within half a minute."""

    def heart(phase: Phase, elapsed_s: float) -> float:
        if phase in RUNNING:
            return rising(walk_bpm, run_bpm, elapsed_s)
        return max(walk_bpm, run_bpm - 1.3 * elapsed_s) if phase is Phase.WALK else walk_bpm

    return heart


def stubborn(run_bpm: float = 146, drop_bpm: float = 2) -> Heart:
    """Hardly falls in a walk break."""

    def heart(phase: Phase, elapsed_s: float) -> float:
        if phase in RUNNING:
            return rising(min(120.0, run_bpm), run_bpm, elapsed_s)
        return run_bpm - min(drop_bpm, elapsed_s / 20) if phase is Phase.WALK else 105

    return heart


class PaperRun:
    """Steps a controller second by second; ``heart`` sees the present phase and the seconds in it."""

    def __init__(
        self, plan: Plan, heart: Heart, *, settings: Control | None = None, runner: Runner | None = None
    ) -> None:
        self.runner = runner or Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
        self.controller = Controller(plan, self.runner, settings or Control(tips=False, rpe_prompts=False))
        self.heart = heart
        self.running: bool | None = None
        self.source: str | None = None
        self.now_s = 0
        self.steps: list[Step] = []
        self.tell(Command(0.0, Action.START))

    def tell(self, event: Event) -> Step:
        step = self.controller.step(event)
        self.steps.append(step)
        return step

    def go(self, seconds: int) -> PaperRun:
        """Let time pass."""
        for _ in range(seconds):
            self.now_s += 1
            at_s = float(self.now_s)
            last = self.steps[-1]
            bpm = self.heart(last.phase, at_s - last.at_s + last.phase_elapsed_s)
            if bpm is not None:
                # Not a flat line: a real heart moves, and a frozen value is a fault.
                self.tell(Sample(at_s, round(bpm) + self.now_s % 2, source=self.source))
            if self.running is not None:
                self.tell(Speed(at_s, 2.6 if self.running else 1.4))
            self.tell(Tick(at_s))
        return self

    def until(self, phase: Phase, at_most_s: int = 3600) -> PaperRun:
        """Go on until a phase begins anew."""
        for _ in range(at_most_s):
            before = self.steps[-1]
            self.go(1)
            now = self.steps[-1]
            if now.phase is phase and (before.phase is not phase or now.phase_elapsed_s < before.phase_elapsed_s):
                return self
        raise AssertionError(f"no {phase} within {at_most_s} s")

    def command(self, action: Action) -> Step:
        return self.tell(Command(float(self.now_s), action))

    def effort(self, rpe: float) -> Step:
        return self.tell(Rpe(float(self.now_s), rpe))

    @property
    def cues(self) -> list[tuple[float, Cue]]:
        return [(step.at_s, cue) for step in self.steps for cue in step.cues]

    def said(self, kind: CueKind, reason: Reason | None = None) -> list[tuple[float, Cue]]:
        return [(s, cue) for s, cue in self.cues if cue.kind is kind and reason in (None, cue.reason)]

    def reasons(self, *kinds: CueKind) -> list[tuple[CueKind, Reason]]:
        """The cues of these kinds in order, with their reasons."""
        return [(cue.kind, cue.reason) for _, cue in self.cues if cue.kind in kinds]

    def lengths_s(self, phase: Phase) -> list[float]:
        """How long each finished stretch of a phase was."""
        lengths, last = [], self.steps[0]
        for step in self.steps[1:]:
            if last.phase is phase and (step.phase is not phase or step.phase_elapsed_s < last.phase_elapsed_s):
                lengths.append(round(last.phase_elapsed_s + step.at_s - last.at_s - step.phase_elapsed_s, 3))
            last = step
        return lengths

    @property
    def ratio(self) -> tuple[float, float]:
        ratio = self.steps[-1].ratio
        return ratio.run_s, ratio.walk_s


@pytest.fixture(name="paper_run")
def _paper_run() -> type[PaperRun]:
    return PaperRun
