"""Many simulated runners at their work: each heart with a controller of its own, in a closed loop.

The loop is that of a live run: every second a Sample and then a Tick. What
the runners hear they do two seconds later; there is no strap, no broker and
no clock. Speed is not told, as with a strap alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hrbridge.config import Block, Control, Plan, PolicyName, Runner, Segment, SegmentKind
from hrbridge.control.controller import Controller
from hrbridge.decisions import CueKind, Step
from hrbridge.events import Action, Command, Rpe, Sample, Tick
from hrbridge.runner_file import RunnerFile
from hrbridge.runner_model import EASED_RUN, Array, RunnerModel

# A brisk walk, for everybody: 5.2 km/h.
WALK_SPEED_M_S = 1.45
# From a cue to the doing.
REACTION_S = 2
# Between hearing "Effort, zero to ten?" and the answer; of the sensor's simulated runners it is the mean.
RPE_ANSWER_S = 7
# Time constant of falling heart rate, of people who recover more slowly: fits the first minute of real walk breaks.
SLOW_RECOVERY = 1.6

# What these cues ask for; True: running.
GAIT = {
    CueKind.WARMUP: False,
    CueKind.RUN: True,
    CueKind.SURGE: True,
    CueKind.WALK: False,
    CueKind.COOLDOWN: False,
    CueKind.FINISH: False,
}


class Work(Struct, frozen=True):
    """What everybody does, by default the reference work: 120 s of running and 60 s of walking, for an hour.

    Running costs the share ``effort`` of VO2 reserve, at 1.9 to 4.0 m/s;
    walking goes at 1.45 m/s. ``warmup_s`` of walking come first and count in
    ``total_s``: five minutes as in the shipped plans, for a controller adapts
    nothing in its first two minutes. ``obeys_ease_run``: "A little slower."
    makes the rest of that run 8 % slower, or nothing. ``answers_rpe``: effort
    is asked for and told, or not asked for. ``recovery`` stretches the time
    that the fast part of a heart takes to fall. ``like``: all of them could be
    the runner of this file, and run and walk at its speeds.
    """

    effort: float = 0.55
    warmup_s: float = 300.0
    obeys_ease_run: bool = False
    answers_rpe: bool = False
    recovery: float = 1.0
    total_s: int = 3600
    run_s: float = 120.0
    walk_s: float = 60.0
    control: Control = Control()
    like: RunnerFile | None = None

    @property
    def walk_speed_m_s(self) -> float:
        return WALK_SPEED_M_S if self.like is None else self.like.runner.walk_speed_m_s

    def run_speed_m_s(self, people: RunnerModel) -> Array:
        """Of each of these people, shape (runners,)."""
        if self.like is None:
            return people.self_paced_speed_m_s(self.effort)
        return np.full(people.runners, self.like.runner.run_speed_m_s)

    def plan(self) -> Plan:
        run = Segment(kind=SegmentKind.RUN, for_s=self.run_s)
        walk = Segment(kind=SegmentKind.WALK, for_s=self.walk_s)
        return Plan(
            name="reference",
            warmup_s=self.warmup_s,
            total_s=self.total_s - self.warmup_s,
            block=(Block(segments=(run, walk)),),
        )

    def people(self, seed: int, first: int, runners: int) -> RunnerModel:
        """Runners number ``first``, ``first + 1``, ... of the population of the seed, or of those like the one."""
        if self.like is None:
            model = RunnerModel.population(runners, seed, first)
        else:
            model = RunnerModel.like(self.like, runners, seed, first)
        if self.recovery == 1:
            return model
        return RunnerModel(replace(model.traits, tau_off_s=self.recovery * model.traits.tau_off_s), seed, first)


@dataclass(frozen=True)
class Diary:
    """What one runner went through.

    ``true_bpm`` (seconds + 1,): the heart rate without noise at 0, 1, 2, ... s;
    ``running`` (seconds,): the gait in each second; ``told``: every step that
    said something, in order.
    """

    runner: Runner
    true_bpm: Array
    running: NDArray[np.bool_]
    told: tuple[Step, ...]


def follow(work: Work, policy: PolicyName, seed: int, first: int, runners: int) -> list[Diary]:
    """The diaries of runners number ``first``, ``first + 1``, ...; the same whatever the company they are in."""
    model = work.people(seed, first, runners)
    traits = model.traits
    bodies = [
        Runner(max_heart_rate_bpm=max_bpm, resting_heart_rate_bpm=resting_bpm)
        for max_bpm, resting_bpm in zip(
            traits.max_heart_rate_bpm.tolist(), traits.resting_heart_rate_bpm.tolist(), strict=True
        )
    ]
    plan = work.plan()
    settings = msgspec.structs.replace(work.control, policy=policy, rpe_prompts=work.answers_rpe)
    controllers = [Controller(plan, body, settings) for body in bodies]
    run_speed_m_s = work.run_speed_m_s(model)

    true_bpm = np.empty((work.total_s + 1, runners))
    true_bpm[0] = model.heart_rate_bpm
    ran = np.empty((work.total_s, runners), dtype=np.bool_)
    told: list[list[Step]] = [[] for _ in controllers]
    running, pace = np.zeros(runners, dtype=np.bool_), np.ones(runners)
    # What is still to be done, and who is to answer, by the second.
    to_do: list[list[tuple[int, CueKind]]] = [[] for _ in range(work.total_s + REACTION_S + 1)]
    asked: list[list[int]] = [[] for _ in range(work.total_s + RPE_ANSWER_S + 1)]

    def hear(number: int, at_s: int) -> None:
        step = controllers[number].describe()
        told[number].append(step)
        for cue in step.cues:
            if cue.kind in GAIT or cue.kind is CueKind.EASE_RUN:
                to_do[at_s + REACTION_S].append((number, cue.kind))
            elif cue.kind is CueKind.RPE_PROMPT:
                asked[at_s + RPE_ANSWER_S].append(number)

    for number, controller in enumerate(controllers):
        controller.take(Command(0, Action.START))
        hear(number, 0)
    for at_s in range(1, work.total_s + 1):
        measured_bpm = model.step(np.where(running, run_speed_m_s * pace, work.walk_speed_m_s), running)
        true_bpm[at_s], ran[at_s - 1] = model.heart_rate_bpm, running
        # Asked of everybody every second: who answers must not change what others would say.
        felt = model.report_rpe() if work.answers_rpe else None
        tick = Tick(at_s)
        for number, (controller, bpm) in enumerate(zip(controllers, measured_bpm.astype(int).tolist(), strict=True)):
            if controller.take(Sample(at_s, bpm)):
                hear(number, at_s)
            if felt is not None and number in asked[at_s] and controller.take(Rpe(at_s, felt[number].item())):
                hear(number, at_s)
            if controller.take(tick):
                hear(number, at_s)
        for number, kind in to_do[at_s]:
            if kind is CueKind.EASE_RUN:
                if work.obeys_ease_run and running[number]:
                    pace[number] = EASED_RUN
            elif GAIT[kind] != running[number]:
                running[number], pace[number] = GAIT[kind], 1.0
    return [
        Diary(body, np.ascontiguousarray(true_bpm[:, n]), ran[:, n].copy(), tuple(told[n]))
        for n, body in enumerate(bodies)
    ]
