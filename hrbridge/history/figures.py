"""What one run adds up to: times, distance, heart rate, each walk break judged, what was done of the plan."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from math import inf
from statistics import fmean, linear_regression, median

from msgspec import Struct

from hrbridge.config import Plan, Segment, SegmentKind
from hrbridge.control.plan import PHASE_OF, is_free, speed_m_s
from hrbridge.control.progress import ACTIVE, MAIN, RUNNING
from hrbridge.decisions import CueKind, Phase, Ratio, Reason, Step
from hrbridge.events import Rpe
from hrbridge.stretches import READ_WITHIN_S, SAME_MOMENT_S, Stretch, Stretches, trusted_bpm
from hrbridge.trace import Header

# Raised whenever the arithmetic changes: what the journal keeps of an older one is worked out anew.
VERSION = 2

# Who is still seen running later than this after the cue has missed it; until then it is a reaction.
REACTION_S = 10.0
# A walk is on a hill after so many seconds of 4 % or more, a whole run when a tenth of it is.
HILL_FOR_S = 10.0
HILLY_SHARE = 0.1
# The 5 s median at the end of a run looks back so far.
MEDIAN_OVER_S = 5.0
JUDGED_FROM_S = 30.0
# Drift: enough runs, over long enough, alike within a tenth.
DRIFT_RUNS = 4
DRIFT_OVER_S = 900.0
ALIKE = 0.1
RECOVERED_FOR_S = 60.0
# After a run shorter than this heart rate is still on its way up: nothing to recover from.
STUMP_S = 30.0
CUTS = (Reason.HEART_RATE_CEILING, Reason.FORECAST_CEILING, Reason.RPE_LIMIT)
ENDS = (CueKind.COOLDOWN, CueKind.FINISH)


class WalkFigures(Struct, frozen=True):
    """One walk break. Everything from heart rate is null where it could not be trusted over the whole of its span.

    ``drop_30_bpm`` and ``drop_60_bpm``: what the heart rate had fallen from its
    peak (``control.recovery``) by 30 and 60 s after the walk cue; null in walks
    that were shorter. ``ready_after_s``: until recovered. ``drop_bpm`` and
    ``required_drop_bpm`` stand at its end, ``recovered`` is the judgement there.
    ``walked`` is false where the runner ran through it. ``overrun_s``: how much
    longer than 10 s after the cue the runner was seen running on; null without
    a source of speed and in plan ``free``. ``hill``: 4 % or more for 10 s, not
    to be compared.
    """

    at_s: float
    planned_s: float | None
    for_s: float
    peak_bpm: float | None
    end_bpm: float | None
    drop_30_bpm: float | None
    drop_60_bpm: float | None
    drop_bpm: float | None
    required_drop_bpm: float | None
    ready_after_s: float | None
    recovered: bool | None
    walked: bool | None
    overrun_s: float | None
    hill: bool


class Figures(Struct, frozen=True):
    """The sum of a session; bpm only from trusted heart rate, metres and their shares null without a source.

    ``mean_heart_rate_bpm`` is that of runs and walk breaks, without warm-up and
    cool-down; ``peak_heart_rate_bpm`` the highest 5 s median. ``elapsed_s``
    counts from the start to the end, pauses not; ``main_s`` runs and walk breaks
    alone. ``planned_ratio`` and ``last_ratio`` are (run, walk) in seconds, of
    the first and as it stood in the last cycle; null in plan ``free``.
    ``completion`` is the share of the planned structure that was done, 0 to 1;
    a walk made longer or a run made shorter by hrbridge takes nothing away, null
    without an end in the plan. ``rpe`` is the mean of what was reported during
    the run. ``finisher_drop_60_bpm``: what heart rate falls in the first minute
    after the last run, where a cool-down follows. ``drift_bpm_per_10_min``: how run-end heart rates
    rise over the main part (at least 4 runs over 15 min, of one length).
    ``longest_run_s``: with the surges in it. ``hilly``: 4 % or more in a tenth
    of the runs and walk breaks.
    ``minute_bpm``: the mean of each minute; null where nothing could be trusted.
    """

    steps: int
    elapsed_s: float
    main_s: float
    warmup_s: float
    run_s: float
    walk_s: float
    cooldown_s: float
    paused_s: float
    distance_m: float | None
    run_distance_m: float | None
    walk_distance_m: float | None
    mean_heart_rate_bpm: float | None
    peak_heart_rate_bpm: float | None
    trusted_s: float
    above_ceiling_s: float
    longest_run_s: float
    planned_ratio: tuple[float, float] | None
    last_ratio: tuple[float, float] | None
    completion: float | None
    rpe: float | None
    finisher_drop_60_bpm: float | None
    drift_bpm_per_10_min: float | None
    walks: tuple[WalkFigures, ...]
    walks_recovered: int
    walks_judged: int
    walks_extended: int
    runs_cut: int
    hilly: bool
    cues: dict[str, int]
    reasons: dict[str, int]
    minute_bpm: tuple[float | None, ...] = ()


def figures(header: Header, steps: Iterable[Step]) -> Figures:
    """What the steps of one session add up to; one pass, and of the steps only the last minute is remembered."""
    total = _Sum(header.plan)
    for step in steps:
        total.take(step)
    return total.figures()


class _Sum:
    """Adds up steps as they come, and stretches as they are over."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._free = is_free(plan)
        self._stretches = Stretches(plan)
        self._last: Step | None = None
        self._steps = 0
        self._cues: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._efforts: list[float] = []
        self._trusted_s = self._main_trusted_s = self._main_beats = self._above_ceiling_s = 0.0
        self._peak_bpm: float | None = None
        self._minutes: defaultdict[int, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))  # beats, seconds
        self._first_ratio: Ratio | None = None
        self._last_ratio: Ratio | None = None
        self._finisher = _Finisher()
        self._before: Stretch | None = None
        self._began_s = 0.0
        self._ended_s: float | None = None
        self._seconds: defaultdict[Phase, float] = defaultdict(float)
        self._metres: defaultdict[Phase, float] = defaultdict(float)
        self._hill_s = 0.0
        self._walks: list[WalkFigures] = []
        self._run_s = self._longest_run_s = 0.0
        self._run_paused = False
        self._run_ends: list[tuple[float, float, float]] = []
        self._runs_cut = 0
        self._structure = _Structure(plan)

    # -- steps --

    def take(self, step: Step) -> None:
        self._steps += 1
        for cue in step.cues:
            self._cues[cue.kind] += 1
            self._reasons[cue.reason] += 1
        if isinstance(step.event, Rpe) and step.phase not in (Phase.WAITING, Phase.FINISHED):
            self._efforts.append(step.event.rpe)
        if step.phase in MAIN and not self._free:
            self._first_ratio = self._first_ratio or step.ratio
            self._last_ratio = step.ratio
        self._weigh(step)
        for stretch in self._stretches.take(step):
            self._add(stretch)
        self._finisher.take(step, self._stretches)
        self._last = step

    def _weigh(self, step: Step) -> None:
        """The seconds since the last step, by what was known then."""
        last = self._last
        if last is not None and last.phase in ACTIVE and (bpm := trusted_bpm(last.estimate)) is not None:
            passed_s = step.at_s - last.at_s
            self._trusted_s += passed_s
            self._peak_bpm = max(self._peak_bpm or bpm, bpm)
            beats, seconds = self._minutes[int(last.at_s // 60)]
            self._minutes[int(last.at_s // 60)] = beats + bpm * passed_s, seconds + passed_s
            if last.phase in MAIN:
                self._main_trusted_s += passed_s
                self._main_beats += bpm * passed_s
                if bpm > (last.estimate.ceiling_bpm or inf):
                    self._above_ceiling_s += passed_s

    # -- stretches --

    def _add(self, stretch: Stretch) -> None:
        before, self._before = self._before, stretch
        if not self._free:
            self._structure.follow(before, stretch)
        if before is None:
            self._began_s = stretch.started_s
        elif before.phase in RUNNING:
            self._leave_run(before, stretch)
        if stretch.phase is Phase.FINISHED:
            self._ended_s = stretch.started_s
            return
        self._seconds[stretch.phase] += stretch.for_s
        self._metres[stretch.phase] += stretch.metres
        if stretch.phase in MAIN:
            self._hill_s += stretch.hill_s
        if stretch.phase in RUNNING:
            self._run_s += stretch.for_s
            self._run_paused |= stretch.paused
            self._longest_run_s = max(self._longest_run_s, self._run_s)
        elif stretch.phase is Phase.WALK:
            self._walks.append(_walk(stretch, free=self._free))

    def _leave_run(self, run: Stretch, after: Stretch) -> None:
        cut = any(cue.kind is CueKind.WALK and cue.reason in CUTS for cue in after.cues)
        self._runs_cut += cut
        if after.phase in RUNNING:
            return
        bpm = trusted_bpm(run.end.estimate)
        if bpm is not None and run.trusted_from(run.ended_s - MEDIAN_OVER_S) and not (cut or self._run_paused):
            self._run_ends.append((run.ended_s, bpm, self._run_s))
        self._run_s, self._run_paused = 0.0, False

    # -- the sum --

    def figures(self) -> Figures:
        for stretch in self._stretches.rest():
            self._add(stretch)
        if not self._free:
            self._structure.follow(self._before, None)
        ended_s = self._ended_s
        if ended_s is None:  # cut off: it goes on, or power went
            ended_s = self._last.at_s if self._last is not None and self._before is not None else 0.0
        seconds, metres = self._seconds, self._metres
        run_s = sum(seconds[phase] for phase in RUNNING)
        main_s = run_s + seconds[Phase.WALK]
        elapsed_s = sum(seconds.values())
        run_m = sum(metres[phase] for phase in RUNNING)
        measured = self._stretches.measured
        main_m = run_m + metres[Phase.WALK]
        if not measured:  # as the plan counts them then
            main_m = run_s * speed_m_s(self._plan, walking=False) + seconds[Phase.WALK] * speed_m_s(
                self._plan, walking=True
            )
        first, last = self._first_ratio, self._last_ratio
        judged = [walk.recovered for walk in self._walks if walk.recovered is not None]
        return Figures(
            steps=self._steps,
            elapsed_s=round(elapsed_s, 3),
            main_s=round(main_s, 3),
            warmup_s=round(seconds[Phase.WARMUP], 3),
            run_s=round(run_s, 3),
            walk_s=round(seconds[Phase.WALK], 3),
            cooldown_s=round(seconds[Phase.COOLDOWN], 3),
            paused_s=round(max(0.0, ended_s - self._began_s - elapsed_s), 3),
            distance_m=round(sum(metres.values()), 1) if measured else None,
            run_distance_m=round(run_m, 1) if measured else None,
            walk_distance_m=round(metres[Phase.WALK], 1) if measured else None,
            mean_heart_rate_bpm=round(self._main_beats / self._main_trusted_s, 1) if self._main_trusted_s else None,
            peak_heart_rate_bpm=self._peak_bpm,
            trusted_s=round(self._trusted_s, 3),
            above_ceiling_s=round(self._above_ceiling_s, 3),
            longest_run_s=round(self._longest_run_s, 3),
            planned_ratio=(first.planned_run_s, first.planned_walk_s) if first is not None else None,
            last_ratio=(last.run_s, last.walk_s) if last is not None else None,
            completion=self._structure.share(main_s, main_m),
            rpe=round(fmean(self._efforts), 1) if self._efforts else None,
            finisher_drop_60_bpm=self._finisher.drop_60_bpm,
            drift_bpm_per_10_min=_drift(self._run_ends),
            walks=tuple(self._walks),
            walks_recovered=sum(judged),
            walks_judged=len(judged),
            walks_extended=sum(walk.for_s >= walk.planned_s + 1 for walk in self._walks if walk.planned_s is not None),
            runs_cut=self._runs_cut,
            hilly=self._hill_s > 0 and self._hill_s >= HILLY_SHARE * main_s,
            cues=dict(sorted(self._cues.items())),
            reasons=dict(sorted(self._reasons.items())),
            minute_bpm=self._minute_bpm(),
        )

    def _minute_bpm(self) -> tuple[float | None, ...]:
        whole = range(min(self._minutes, default=0), max(self._minutes, default=-1) + 1)
        sums = [self._minutes.get(minute, (0.0, 0.0)) for minute in whole]
        return tuple(round(beats / seconds, 1) if seconds else None for beats, seconds in sums)


class _Finisher:
    """The first minute after the last run, where a cool-down follows: how far heart rate falls in it."""

    def __init__(self) -> None:
        self._run_ended_s = inf
        self._run_end_bpm = 0.0
        self._drop_bpm: float | None = None
        self._cooling = False
        self._last: Step | None = None

    @property
    def drop_60_bpm(self) -> float | None:
        return self._drop_bpm if self._cooling else None

    def take(self, step: Step, stretches: Stretches) -> None:
        last, self._last = self._last, step
        if step.phase in RUNNING:
            self._run_ended_s, self._drop_bpm, self._cooling = inf, None, False
            return
        if step.phase is Phase.PAUSED:
            self._run_ended_s = inf
        if last is not None and last.phase in RUNNING and (bpm := trusted_bpm(last.estimate)) is not None:
            began_s, ended_s = last.at_s - last.phase_elapsed_s, step.at_s - step.phase_elapsed_s
            if ended_s - began_s >= STUMP_S:
                self._run_ended_s, self._run_end_bpm = ended_s, bpm
        self._cooling |= step.phase is Phase.COOLDOWN
        rested_s, bpm = step.at_s - self._run_ended_s, trusted_bpm(step.estimate)
        if (
            self._drop_bpm is None
            and RECOVERED_FOR_S <= rested_s < RECOVERED_FOR_S + READ_WITHIN_S
            and step.phase in (Phase.WALK, Phase.COOLDOWN)
            and bpm is not None
            and stretches.good_since_s <= self._run_ended_s
            and stretches.movement.running is not True
        ):
            self._drop_bpm = round(self._run_end_bpm - bpm, 1)


class _Structure:
    """How much of the plan is done: by cycles, seconds or metres, whichever the plan ends by."""

    def __init__(self, plan: Plan) -> None:
        self._weights_s = [[_length_s(plan, segment) for segment in block.segments] for block in plan.block]
        self._kinds = [[PHASE_OF[segment.kind] for segment in block.segments] for block in plan.block]
        self._cycles, self._total_s, self._total_m = _ends(plan)
        by_blocks = bool(plan.block) and (plan.block[-1].until or plan.block[-1].repeats)
        self._endless = not (self._cycles or self._total_s or self._total_m or by_blocks)
        self._cycles_done = 0.0
        self._segment = 0
        self._done = False

    def follow(self, before: Stretch | None, after: Stretch | None) -> None:
        """What hrbridge ends counts as done, with all it passes over; of what the runner ends, as much as was."""
        goes_on = after if after is not None and after.phase in MAIN else None
        if before is not None and before.phase in MAIN:
            if after is not None and goes_on is None:
                limit = any(cue.kind in ENDS and cue.reason is Reason.SAFETY for cue in after.cues)
                self._done = before.advised_end if after.willed else not limit
            weights_s, here = self._weights_s[before.block - 1], self._segment
            same = goes_on is not None and (before.block, before.repeat) == (goes_on.block, goes_on.repeat)
            if goes_on is None or goes_on.willed:
                done_s = min(before.for_s, weights_s[here])
            else:
                done_s = sum(weights_s[here : self._index(goes_on, here) if same else None])
            self._cycles_done += done_s / sum(weights_s)
            if goes_on is not None:
                self._segment = self._index(goes_on, here if same else -1)
        elif goes_on is not None:
            self._segment = self._index(goes_on, -1)

    def _index(self, stretch: Stretch, after: int) -> int:
        """Which segment of its block it is; a walk that was put in belongs to the run before it."""
        kinds = self._kinds[stretch.block - 1]
        later = (n for n, kind in enumerate(kinds) if n > after and kind is stretch.phase)
        return next(later, max(after, 0))

    def share(self, main_s: float, main_m: float) -> float | None:
        """0 to 1; None where the plan has no end, or none that can be told beforehand."""
        if self._endless:
            return None
        if self._done:
            return 1.0
        for whole, done in ((self._cycles, self._cycles_done), (self._total_s, main_s), (self._total_m, main_m)):
            if whole is not None:
                return round(min(1.0, done / whole), 3)
        return None


def _length_s(plan: Plan, segment: Segment) -> float:
    """In seconds at the plan's pace; of a run to marks, the first leg."""
    if segment.for_s is not None:
        return segment.for_s
    length_m = segment.for_m or segment.every_m or (segment.at_m or (1.0,))[0]
    return length_m / speed_m_s(plan, walking=segment.kind is SegmentKind.WALK)


def _ends(plan: Plan) -> tuple[float | None, float | None, float | None]:
    """The cycles, seconds or metres after which the plan ends; none of them where only its end itself tells."""
    if plan.repeats or plan.total_s or plan.distance_m:
        return plan.repeats, plan.total_s, plan.distance_m
    repeats = [block.repeats for block in plan.block if block.repeats is not None]
    if repeats and len(repeats) == len(plan.block):
        return sum(repeats), None, None
    until = plan.block[-1].until if plan.block else None
    if until is None:
        return None, None, None
    unit = until.lstrip("0123456789.")
    value = float(until.removesuffix(unit))
    if unit in ("min", "s"):
        return None, value * (60 if unit == "min" else 1), None
    return None, None, value * (1000 if unit == "km" else 1)


def _walk(walk: Stretch, *, free: bool) -> WalkFigures:
    """One walk break, and how much of what was measured in it counts."""
    end, for_s = walk.end.estimate, walk.for_s
    bpm = trusted_bpm(end)
    interrupted = walk.paused or (for_s >= JUDGED_FROM_S and bpm is not None and end.recovered is None)
    compared = end.walked is not False and not interrupted
    whole = compared and bpm is not None and walk.trusted_from(walk.started_s + SAME_MOMENT_S)
    planned_s = None if free else walk.ratio.planned_walk_s or None
    ran_s = None if free or walk.paused or walk.ran_until_s is None else walk.ran_until_s - walk.started_s
    peak_bpm, ready_after_s = walk.peak_bpm, walk.ready_after_s
    if whole and bpm is not None and end.drop_bpm is not None:
        peak_bpm = bpm + end.drop_bpm
    return WalkFigures(
        at_s=round(walk.started_s, 3),
        planned_s=planned_s,
        for_s=for_s,
        peak_bpm=_rounded(peak_bpm) if compared else None,
        end_bpm=_rounded(bpm) if whole else None,
        drop_30_bpm=walk.drop_30_bpm if compared and for_s >= 30 else None,
        drop_60_bpm=walk.drop_60_bpm if compared and for_s >= 60 else None,
        drop_bpm=end.drop_bpm if whole else None,
        required_drop_bpm=end.required_drop_bpm if whole else None,
        ready_after_s=ready_after_s if compared and ready_after_s is not None and ready_after_s <= for_s else None,
        recovered=end.recovered if whole else None,
        walked=end.walked,
        overrun_s=round(max(0.0, ran_s - REACTION_S), 3) if ran_s is not None else None,
        hill=walk.hill_s >= HILL_FOR_S,
    )


def _rounded(bpm: float | None) -> float | None:
    return None if bpm is None else round(bpm, 1)


def _drift(run_ends: Sequence[tuple[float, float, float]]) -> float | None:
    """The slope through (at_s, bpm, length_s) of the run-ends, of those runs that are about as long as most."""
    if not run_ends:
        return None
    usual_s = median(length_s for _, _, length_s in run_ends)
    alike = [(at_s, bpm) for at_s, bpm, length_s in run_ends if abs(length_s - usual_s) <= ALIKE * usual_s]
    if len(alike) < DRIFT_RUNS or alike[-1][0] - alike[0][0] < DRIFT_OVER_S:
        return None
    return round(600 * linear_regression(*zip(*alike, strict=True)).slope, 1)
