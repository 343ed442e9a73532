"""The page of one run: what it says is what happened, it stands alone, and every kind of run makes a good one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path
from statistics import median

import pytest
import twelve_weeks
from msgspec.structs import replace

from hrbridge import config, trace, wiring
from hrbridge.control.controller import Controller
from hrbridge.decisions import Cue, CueKind, Estimate, Phase, Ratio, Reason, Step, Trust
from hrbridge.events import Action, Command, Rpe, Sample, Tick
from hrbridge.history import report
from hrbridge.history.course import Foretold, Point, course
from hrbridge.history.figures import WalkFigures, figures
from hrbridge.history.page import clock
from hrbridge.history.runs import Run
from hrbridge.journal import End, Energy, Journal, Kind, Note, Session, Soreness, Symptoms, pack
from tests.conftest import Hrbridge

BEGAN = "2026-11-22T07:00:00Z"
WATCH = {"kind": Kind.IMPORTED, "source": "a&b.fit"}


class Written(HTMLParser):
    """The page as it is read: its headings with what follows them, and the rows of its tables by their names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: dict[str, str] = {}
        self.tables: dict[str, list[list[str]]] = {}
        self.drawn: dict[str, list[str]] = {}
        self._title = self._table = ""
        self._in: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self._in.append(tag)
        if tag in ("h1", "h2"):
            self._title = ""
        elif given.get("role") == "region":
            self._table = given["aria-label"] or ""
            self.tables[self._table] = []
        elif tag == "tr":
            self.tables[self._table].append([])
        elif tag in ("td", "th"):
            self.tables[self._table][-1].append("")
        elif tag == "svg":
            self.drawn.setdefault(self._title, []).append(given["aria-label"] or "")
        if tag in ("meta", "link", "path", "use", "br", "span"):
            self._in.pop()

    def handle_endtag(self, tag: str) -> None:
        if self._in and self._in[-1] == tag:
            self._in.pop()

    def handle_data(self, data: str) -> None:
        if self._in[-1:] == ["h2"] or self._in[-1:] == ["h1"]:
            self.sections.pop(self._title, None)
            self._title += data
            self.sections[self._title] = ""
        elif self._in[-1:] in (["td"], ["th"]):
            self.tables[self._table][-1][-1] += data
        elif self._title and "style" not in self._in:
            self.sections[self._title] += data


class Kept:
    """A run, its steps, and its page."""

    def __init__(self, header: trace.Header, steps: Sequence[Step], **changed: object) -> None:
        row = Session(1, "alex", Kind.LIVE, "strap", header, 0.0, BEGAN, False, "", 0.0, End.FINISHED)
        note = changed.pop("note", Note())
        assert isinstance(note, Note)
        self.steps = steps
        self.run = Run(replace(row, **changed), figures(header, steps), note)
        self.way = course(header.plan, steps, self.run.session.began_at_s)
        self.html = report.report(self.run, self.way)
        self.page = Written(self.html)

    @property
    def figures(self) -> report.Figures:
        return self.run.figures

    @property
    def first_line(self) -> str:
        return next(iter(self.page.sections))


def simulated(plan: str, *overrides: str, first: int | None = None) -> tuple[trace.Header, list[Step]]:
    session = wiring.simulated_session(None, wiring.overrides_for(overrides, plan=plan))
    return session.header, list(islice(wiring.steps(session), first))


@pytest.fixture(scope="module")
def novice() -> Kept:
    """Many walks come early and grow, and an effort is reported above target."""
    return Kept(*simulated("easy-4-1", "sensor.runner='novice'", "plan.total_s=1200"))


@pytest.fixture(scope="module")
def dropout() -> Kept:
    return Kept(*simulated("easy-4-1", "plan.total_s=900", "sensor.faults=['dropout@800+90']"))


@pytest.fixture(scope="module")
def surges() -> Kept:
    return Kept(*simulated("surge"))


@pytest.fixture(scope="module")
def silent() -> Kept:
    return Kept(*simulated("easy-4-1", "plan.total_s=600", "sensor.faults=['zero@0+3600']"))


@pytest.fixture(scope="module")
def free() -> Kept:
    """Of a watch: the plan of nobody, no effort, and another name."""
    return Kept(*simulated("free", first=2000), **WATCH)


@pytest.fixture(scope="module")
def as_planned() -> Kept:
    """Two minutes of running, two of walking, from a calm heart."""
    plan = replace(wiring.plans.load("one-one"), warmup_s=0.0, cooldown=0.0, total_s=None, repeats=2)
    header = trace.Header(runner=twelve_weeks.RUNNER, plan=plan, control=twelve_weeks.CONTROL)
    return Kept(header, list(twelve_weeks.run(plan, 500.0, 120.0, 5.0)))


@pytest.fixture(scope="module")
def heart_alone() -> Kept:
    """Eleven minutes of a strap that recorded: no speed, no cadence."""
    plan = wiring.plans.load("free")
    header = trace.Header(runner=twelve_weeks.RUNNER, plan=plan, control=twelve_weeks.CONTROL)
    controller = Controller(plan, header.runner, header.control)
    events = [Command(0.0, Action.START), *(Sample(s, heart_rate_bpm=100 + s % 3) for s in range(1, 661))]
    return Kept(header, [controller.step(event) for event in wiring.timeline.merge(events)], **WATCH)


@pytest.fixture(scope="module")
def six_hours() -> Kept:
    plan = replace(wiring.plans.load("ultra"), warmup_s=0.0, cooldown=0.0, total_s=21_600.0)
    header = trace.Header(runner=twelve_weeks.RUNNER, plan=plan, control=twelve_weeks.CONTROL)
    return Kept(header, list(twelve_weeks.run(plan, 36_000.0, 140.0, 5.0)))


# -- the first line --


def test_the_first_line_says_how_it_went(surges: Kept) -> None:
    minutes, judged = f"{surges.figures.elapsed_s / 60:.0f}", surges.figures.walks_judged
    said = f"Ten of ten cycles of surge, {minutes} minutes, effort {surges.run.rpe:.2g}."
    assert surges.first_line == f"{said} Recovered in {surges.figures.walks_recovered} of {judged} walks."


def test_the_first_line_names_a_ratio_of_the_ladder(novice: Kept) -> None:
    assert re.match(r"[A-Z]\w+ cycles, 4:1 planned, \d+ minutes, effort \d", novice.first_line) is not None


def test_what_is_said_afterwards_counts_for_the_whole_run(surges: Kept) -> None:
    run = Run(surges.run.session, surges.figures, Note(rpe=9.0))
    assert ", effort 9." in report.first_line(run, surges.way)


def test_a_run_that_was_cut_off_goes_so_far(surges: Kept) -> None:
    run = Run(replace(surges.run.session, ended=None), surges.figures, Note())
    assert " minutes so far, effort" in report.first_line(run, surges.way)


def test_a_run_at_ones_own_pace_counts_its_walks(free: Kept) -> None:
    breaks = len(free.figures.walks)
    assert re.match(rf"{report.words.number(breaks).capitalize()} walk breaks? at your own pace", free.first_line)


# -- the numbers are those of the run --


def test_the_tiles_show_the_figures(novice: Kept) -> None:
    tiles = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)<?(?: <small|</dd)", novice.html))
    f = novice.figures
    assert (tiles["in all"], tiles["running"], tiles["walk breaks"]) == tuple(
        clock(seconds) for seconds in (f.elapsed_s, f.run_s, f.walk_s)
    )


def test_heart_rate_is_summed_up_as_in_the_figures(novice: Kept) -> None:
    f = novice.figures
    said = f"Peak {f.peak_heart_rate_bpm:.0f} bpm, mean {f.mean_heart_rate_bpm:.0f} bpm over runs and walk breaks."
    assert f"{said} Above the ceiling for {clock(f.above_ceiling_s)}." in novice.page.sections["Heart rate"]


def test_every_reason_stands_there_with_its_number(novice: Kept) -> None:
    rows = {row[0].replace(" ", "_"): int(row[2]) for row in novice.page.tables["Reasons"][1:]}
    assert rows == novice.figures.reasons


def test_a_reason_is_told_with_the_times_it_had(novice: Kept) -> None:
    extended = next(s for s in novice.steps for c in s.cues if c.reason is Reason.RPE_HIGH)
    row = next(row for row in novice.page.tables["Reasons"] if row[0] == "rpe high")
    assert row[3].startswith(f"{clock(extended.at_s)} longer walk")


def test_every_reason_has_words() -> None:
    assert report.MEANING.keys() == {*Reason}


def test_every_walk_is_a_row(novice: Kept) -> None:
    rows = [row[:3] + row[5:7] for row in novice.page.tables["The walk breaks"][1:]]
    assert rows == [
        [f"{n}", clock(walk.at_s), clock(walk.for_s), f"{walk.drop_bpm:.0f}", f"{walk.required_drop_bpm:.0f}"]
        for n, walk in enumerate(novice.figures.walks, start=1)
    ]


def test_who_began_to_walk_late_reads_when_and_what_the_end_brought(novice: Kept) -> None:
    late = replace(novice.figures.walks[0], walked=True, overrun_s=15.0)
    sums = replace(novice.figures, walks=(late, *novice.figures.walks[1:]), finisher_drop_60_bpm=31.4)
    page = Written(report.report(Run(novice.run.session, sums, Note()), novice.way))
    assert page.tables["The walk breaks"][1][-1].endswith(", begun 25 s after the cue")
    assert "In the minute after the last run it came down by 31 bpm." in page.sections["Each walk's drop"]


def test_the_walks_that_recovered_are_counted_in_the_table(novice: Kept) -> None:
    judged = [row[-1] for row in novice.page.tables["The walk breaks"]]
    assert judged.count("recovered") == novice.figures.walks_recovered


def test_a_walk_without_a_heart_rate_to_rely_on_has_dashes(dropout: Kept) -> None:
    untold = [n for n, walk in enumerate(dropout.figures.walks, start=1) if walk.drop_60_bpm is None]
    rows = [int(row[0]) for row in dropout.page.tables["The walk breaks"][1:] if row[7] == "–"]
    assert rows == untold


def test_planned_and_adapted_are_told(novice: Kept) -> None:
    run_s, walk_s = novice.figures.last_ratio or (0.0, 0.0)
    last = f"{clock(run_s)} running, {clock(walk_s)} walking."
    said = f"Planned: 4:00 running, 1:00 walking. Set by hrbridge for the last cycle: {last}"
    assert said in novice.page.sections["Planned and adapted"]


def test_what_was_done_stands_beside_what_was_planned(novice: Kept) -> None:
    run_s, walk_s = (median(each) for each in zip(*((c.run_s, c.walk_s) for c in novice.way.cycles), strict=True))
    said = f"Done in a usual cycle: {clock(run_s)} running, {clock(walk_s)} walking."
    assert said in novice.page.sections["Planned and adapted"]


def test_a_run_as_planned_is_of_its_ratio(as_planned: Kept) -> None:
    assert as_planned.first_line.startswith("Two of two cycles of 1:1, 4 minutes")


def test_where_nothing_was_cut_or_longer_nothing_is_counted(as_planned: Kept) -> None:
    told = as_planned.page.sections["Planned and adapted"]
    assert told.strip().splitlines()[0].endswith("Done in a usual cycle: 1:00 running, 1:00 walking.")


def test_early_and_longer_walks_are_counted(novice: Kept) -> None:
    said = f"{novice.figures.runs_cut} walks came early and {novice.figures.walks_extended} were made longer."
    assert said in novice.page.sections["Planned and adapted"]


def test_the_cycles_hold_the_running_and_walking_of_the_run(novice: Kept) -> None:
    done = [(sum(c.run_s for c in novice.way.cycles), sum(c.walk_s for c in novice.way.cycles))]
    assert done == [pytest.approx((novice.figures.run_s, novice.figures.walk_s), abs=0.01)]


def test_efforts_within_the_target_are_counted(novice: Kept) -> None:
    low, high = novice.run.session.header.plan.rpe_target
    reports = [rpe for _, rpe in novice.way.efforts]
    inside = sum(low <= rpe <= high for rpe in reports)
    assert f"{inside} of {len(reports)} reports in the target" in novice.page.sections["Effort"]


# -- forecast --

RATIO = Ratio(240, 60, 240, 60)


def walking(at_s: int, elapsed_s: int, *, forecast_bpm: float | None, trust: Trust = Trust.GOOD) -> Step:
    estimate = Estimate(150.0 - 0.2 * at_s, trust, forecast_bpm=forecast_bpm, forecast_low_bpm=0, forecast_high_bpm=999)
    return Step(Tick(at_s), Phase.WALK, elapsed_s, None, 1, 1, estimate, RATIO)


def foretold(steps: list[Step]) -> list[Foretold]:
    return course(wiring.plans.load("easy-4-1"), steps, 0.0).foretold


def test_a_forecast_is_held_against_what_came_30_seconds_later() -> None:
    steps = [walking(s, s, forecast_bpm=150 - 0.2 * (s + 30) + (3 if s % 2 else -3)) for s in range(61)]
    assert report.mean_error_bpm(foretold(steps)) == pytest.approx(3.0)


@pytest.mark.parametrize(("phase", "ahead_s"), [(Phase.WALK, 30), (Phase.RUN, 10), (Phase.SURGE, 10)])
def test_a_forecast_that_comes_true_is_off_by_nothing(phase: Phase, ahead_s: int) -> None:
    steps = [walking(s, s, forecast_bpm=150 - 0.2 * (s + ahead_s)) for s in range(61)]
    assert report.mean_error_bpm(foretold([replace(step, phase=phase) for step in steps])) == pytest.approx(0)


def test_a_forecast_beyond_the_end_of_its_walk_is_nobodys() -> None:
    steps = [walking(s, s, forecast_bpm=100.0) for s in range(61)]
    steps += [replace(walking(s, s - 61, forecast_bpm=None), phase=Phase.RUN) for s in range(61, 120)]
    assert [each.at_s for each in foretold(steps)] == list(range(30, 61))


def test_a_forecast_is_not_held_against_a_heart_rate_in_doubt() -> None:
    steps = [walking(s, s, forecast_bpm=100.0, trust=Trust.GOOD if s < 40 else Trust.DOUBTFUL) for s in range(61)]
    assert [each.at_s for each in foretold(steps)] == list(range(30, 40))


def test_the_page_says_how_far_off_the_forecast_was(novice: Kept) -> None:
    walks = report.mean_error_bpm([each for each in novice.way.foretold if each.phase is Phase.WALK])
    runs = report.mean_error_bpm([each for each in novice.way.foretold if each.phase is Phase.RUN])
    said = f"off by {walks:.1f} bpm in walks, 30 s ahead and {runs:.1f} bpm in runs, 10 s ahead."
    assert said in novice.page.sections["Foretold and come true"]


# -- what was taken back, and pauses --


def test_a_walk_that_was_undone_is_no_walk() -> None:
    plan, run = wiring.plans.load("easy-4-1"), Estimate(150.0, Trust.GOOD)
    steps = [Step(Tick(s), Phase.RUN, s, None, 1, 1, run, RATIO) for s in range(50)]
    steps += [Step(Tick(s), Phase.WALK, s - 50, None, 1, 1, run, RATIO) for s in range(50, 54)]
    steps += [Step(Command(54, Action.UNDO), Phase.RUN, 54, None, 1, 1, run, RATIO)]
    steps += [Step(Tick(s), Phase.RUN, s, None, 1, 1, run, RATIO) for s in range(55, 80)]
    way = course(plan, steps, 0.0)
    assert (way.of(Phase.RUN), way.of(Phase.WALK)) == ([(0, 50), (50, 79)], [])
    assert [cycle.walk_s for cycle in way.cycles] == [0.0]


def test_a_pause_parts_a_run_in_two() -> None:
    plan, run = wiring.plans.load("easy-4-1"), Estimate(150.0, Trust.GOOD)
    steps = [Step(Tick(s), Phase.RUN, s, None, 1, 1, run, RATIO) for s in range(50)]
    steps += [Step(Tick(s), Phase.PAUSED, s - 50, None, 1, 1, run, RATIO) for s in range(50, 90)]
    steps += [Step(Tick(s), Phase.RUN, s - 40, None, 1, 1, run, RATIO) for s in range(90, 100)]
    assert course(plan, steps, 0.0).of(Phase.RUN) == [(0, 50), (90, 99)]


def test_times_count_from_the_start_and_not_from_the_wait_before_it(surges: Kept) -> None:
    later = course(surges.run.session.header.plan, surges.steps, -100.0)
    assert later.spans[0].from_s == surges.way.spans[0].from_s + 100


# -- every kind of run --


def test_a_signal_in_doubt_is_shown_as_such(dropout: Kept) -> None:
    assert "heart rate in doubt: nothing was changed" in dropout.page.sections["Heart rate"]


def test_a_good_signal_is_not_doubted(surges: Kept) -> None:
    assert "in doubt" not in surges.page.sections["Heart rate"]


def test_surges_have_a_colour_of_their_own(surges: Kept) -> None:
    keys = surges.page.sections["Heart rate"]
    assert keys.index("■surge") < keys.index("■walk")


def test_a_run_without_heart_rate_says_so_in_place_of_plots(silent: Kept) -> None:
    assert silent.page.sections["Heart rate"].strip() == "No heart rate came in this run; the clock led it."


def test_what_there_is_nothing_to_say_of_has_no_heading(silent: Kept) -> None:
    assert list(silent.page.sections)[1:] == ["Heart rate", "Planned and adapted", "Why", "The walk breaks"]


def test_a_run_without_heart_rate_still_shows_its_cycles(silent: Kept) -> None:
    assert len(silent.page.drawn["Planned and adapted"]) == 2


def test_a_recording_says_where_it_is_from(free: Kept) -> None:
    assert "from a&amp;b.fit: hrbridge was not there, the cues are what it would have said" in free.html


def test_what_nobody_heard_did_nothing() -> None:
    kept = Kept(*simulated("easy-4-1", "sensor.runner='novice'", "plan.total_s=900"), **WATCH)
    counted = f"hrbridge would have called {kept.figures.runs_cut} walks early"
    assert counted in kept.page.sections["Planned and adapted"]
    assert "early walk, unheard" in kept.page.sections["Heart rate"]
    assert kept.page.sections["Why"].strip().startswith("What hrbridge would have said: ")


def test_the_start_of_a_recording_is_no_cue(free: Kept) -> None:
    assert [row for row in free.page.tables.get("Reasons", []) if row[0] == "command"] == []


def test_a_trace_of_a_coached_run_was_heard() -> None:
    kept = Kept(*simulated("easy-4-1", "plan.total_s=300"), kind=Kind.IMPORTED, source="mine.jsonl")
    assert ("· from mine.jsonl</p>" in kept.html, "would have" in kept.html) == (True, False)


def test_of_a_strap_alone_minutes_and_heart_rate_are_told(heart_alone: Kept) -> None:
    tiles = re.findall(r"<dt>(.*?)</dt>", heart_alone.html)
    assert (heart_alone.first_line, tiles) == ("11 minutes of heart rate.", ["in all", "highest"])
    told = heart_alone.page.sections["Heart rate"]
    assert "mean 101 bpm" in told
    assert "Nothing tells when it was running and when walking." in told
    assert "warm-up" not in told


def test_of_a_strap_alone_there_is_nothing_else(heart_alone: Kept) -> None:
    assert list(heart_alone.page.sections)[1:] == ["Heart rate"]


def test_a_run_that_ended_in_its_warm_up_is_one_of_warm_up(surges: Kept) -> None:
    kept = Kept(surges.run.session.header, surges.steps[:200], ended=End.STOPPED)
    assert kept.first_line == f"Surge, {kept.figures.elapsed_s:.0f} s of warm-up."
    assert list(kept.page.sections)[1:] == ["Heart rate"]


def test_a_plan_of_walks_alone_has_no_runs() -> None:
    kept = Kept(*simulated("walk-workout", first=400))
    assert "This plan has no runs" in kept.page.sections["Planned and adapted"]


# -- what the runner said --


def test_what_was_said_afterwards_is_told(surges: Kept) -> None:
    note = Note(rpe=6.5, soreness=Soreness.MILD, symptoms=Symptoms.SAME, energy=Energy.HIGH, text="Hot.")
    kept = Kept(surges.run.session.header, surges.steps, note=note)
    told = kept.page.sections["Effort"]
    assert "Afterwards you said: RPE 6.5, soreness mild, symptoms same, energy high." in told
    assert "afterwards, of the whole run" in told


def test_who_said_nothing_afterwards_is_told_nothing(surges: Kept) -> None:
    assert "fterwards" not in surges.page.sections["Effort"]


def test_what_was_said_without_a_number_is_told_too(as_planned: Kept) -> None:
    steps = [step for step in as_planned.steps if not isinstance(step.event, Rpe)]
    kept = Kept(as_planned.run.session.header, steps, note=Note(soreness=Soreness.NONE))
    assert kept.page.sections["How it was"].strip() == "Afterwards you said: soreness none."


# -- how a walk was judged --

WALK = WalkFigures(0.0, 60.0, 60.0, 150.0, 139.0, 8.0, 11.0, 11.0, 14.0, 40.0, True, True, None, False)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, "recovered: low enough at 139"),
        ({"drop_bpm": 14.0}, "recovered"),
        ({"recovered": False}, "still coming down"),
        ({"recovered": False, "drop_bpm": 16.0}, "not yet for 5 s"),
        ({"recovered": False, "drop_bpm": 16.0, "end_bpm": 151.0}, "above the ceiling"),
        ({"recovered": None}, "left open"),
        ({"walked": False}, "you ran on"),
    ],
)
def test_what_the_drop_alone_does_not_tell_is_said(as_planned: Kept, changed: dict[str, object], told: str) -> None:
    run = Run(as_planned.run.session, replace(as_planned.figures, walks=(replace(WALK, **changed),)), Note())
    way = replace(as_planned.way, points=[Point(60.0, 140.0, Trust.GOOD, 150.0, 0)])
    assert Written(report.report(run, way)).tables["The walk breaks"][1][-1] == told


def test_the_line_below_which_anybody_is_ready_is_named(novice: Kept) -> None:
    runner = novice.run.session.header.runner
    ready_bpm = runner.resting_bpm + 0.65 * runner.reserve_bpm
    told = f"down by what was asked for, or at {ready_bpm:.0f} bpm or less, for 5 s, and not above the ceiling."
    assert told in novice.page.sections["The walk breaks"]


def test_beats_are_counted_whole(any_run: Kept) -> None:
    assert re.findall(r">\d+\.5</text>", "".join(re.findall(r'id="drops".*?</figure>', any_run.html, re.DOTALL))) == []


def test_a_run_at_ones_own_pace_has_no_plan_to_hold_it_against(free: Kept) -> None:
    assert "Planned and adapted" not in free.page.drawn


def test_a_run_without_efforts_has_no_effort_to_show() -> None:
    kept = Kept(*simulated("easy-4-1", "plan.total_s=300", "control.rpe_prompts=false"))
    assert "Effort" not in kept.page.sections


def test_a_run_that_ended_at_once_makes_a_page(surges: Kept) -> None:
    kept = Kept(surges.run.session.header, surges.steps[:3], ended=End.INTERRUPTED)
    assert kept.first_line == "Surge, 0 s so far."


def test_a_date_that_no_clock_told_is_marked(surges: Kept) -> None:
    kept = Kept(surges.run.session.header, surges.steps[:3], date_estimated=True)
    assert "2026" in kept.html.split("(date estimated)")[0][-60:]


def test_a_run_without_a_date_has_a_page(surges: Kept) -> None:
    assert "without a date" in Kept(surges.run.session.header, surges.steps[:3], started_at=None).html


def test_miles_for_who_counts_in_miles(surges: Kept) -> None:
    header = surges.run.session.header
    imperial = replace(header, runner=replace(header.runner, units=config.Units.IMPERIAL))
    kept = Kept(imperial, surges.steps[:2000])
    assert f"<dd>{(kept.figures.distance_m or 0) / 1609.344:.2f} <small>mi</small>" in kept.html


def test_recordings_make_pages(traces: Path) -> None:
    file = traces / "run_fenix2.fit"
    session = wiring.replay_session(file, None, [])
    kept = Kept(session.header, list(wiring.steps(session)), kind=Kind.IMPORTED, source=file.name)
    assert len(kept.page.drawn["Each walk's drop"]) == 2


# -- one file that stands alone --


@pytest.fixture(params=["novice", "dropout", "surges", "silent", "free", "six_hours"])
def any_run(request: pytest.FixtureRequest) -> Kept:
    kept = request.getfixturevalue(request.param)
    assert isinstance(kept, Kept)
    return kept


def test_nothing_leads_elsewhere(any_run: Kept) -> None:
    assert re.findall(r"""(?:src|href)=["']?(?!["']?(?:#|data:,))|url\((?!#)|@import|https?:""", any_run.html) == []


def test_no_script(any_run: Kept) -> None:
    assert "<script" not in any_run.html


def test_the_name_of_a_plan_is_not_broken(novice: Kept) -> None:
    assert 'plan <span class="whole">easy-4-1</span>' in novice.html


def test_a_name_longer_than_a_phone_may_be_broken(surges: Kept) -> None:
    long = Kept(surges.run.session.header, surges.steps[:3], kind=Kind.IMPORTED, source="a-b" * 20 + ".fit")
    assert '<span class="whole">a-b' not in long.html


def test_a_page_is_smaller_than_a_photograph(any_run: Kept) -> None:
    assert len(any_run.html.encode()) < 300_000


def test_every_plot_is_told_in_words(any_run: Kept) -> None:
    assert [told for both in any_run.page.drawn.values() for told in both if len(told) < 20] == []


def test_no_name_is_given_twice(any_run: Kept) -> None:
    names = re.findall(r' id="([^"]+)"', any_run.html)
    assert len(names) == len({*names})


def test_what_the_page_refers_to_is_there(any_run: Kept) -> None:
    wanted = {*re.findall(r"(?:href=\"|url\()#([^\")]+)", any_run.html)}
    assert wanted - {*re.findall(r' id="([^"]+)"', any_run.html)} == set()


def test_every_colour_is_one_of_the_page(any_run: Kept) -> None:
    assert re.findall(r"(?:fill|stroke): #[0-9a-f]+", any_run.html) == []


def test_the_same_run_makes_the_same_page(silent: Kept) -> None:
    assert report.report(silent.run, silent.way) == silent.html


def test_names_and_notes_are_text(surges: Kept) -> None:
    header = surges.run.session.header
    plan = replace(header.plan, name="<b>plan</b>")
    hostile = '</p><script>alert("x")</script>'
    note, cue = Note(text=hostile), Cue(1, CueKind.TIP, Reason.PLANNED, hostile, 5)
    steps = [replace(step, cues=(cue,)) for step in surges.steps[:3]]
    html = Kept(replace(header, plan=plan), steps, note=note, source=hostile, kind=Kind.SIMULATED).html
    assert re.findall(r"<script|<b>", html) == []


def test_a_note_is_shown(surges: Kept) -> None:
    kept = Kept(surges.run.session.header, surges.steps[:3], note=Note(text="First frost & new shoes."))
    assert "<blockquote>First frost &amp; new shoes.</blockquote>" in kept.html


# -- hrbridge report --


@pytest.fixture
def journal(surges: Kept, tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite3"
    header = surges.run.session.header
    now = wiring.timeline.moment()
    with Journal(path, create=True) as opened, opened.transaction():
        number = opened.begin(header, Kind.LIVE, "strap", began_at_s=0.0, started_at=BEGAN, now=now)
        opened.append_packed(number, 0, pack(map(trace.encode, surges.steps)))
        opened.end(number, End.FINISHED)
        opened.put_note(number, Note(rpe=6.5))
    return path


def test_a_report_says_what_it_says_first(hrbridge: Hrbridge, journal: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.html"
    said = hrbridge("report", "1", out, "--journal", journal)
    assert said.out.startswith(f"{out}: Ten of ten cycles of surge, 24 minutes, effort 6.5. Recovered in ")


def test_the_last_run_needs_no_number(hrbridge: Hrbridge, journal: Path, tmp_path: Path) -> None:
    hrbridge("report", tmp_path / "run.html", "--journal", journal)
    assert "Ten of ten cycles of surge" in (tmp_path / "run.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "example"),
    [([], "last run"), (["1"], "last run"), (["last"], "last run"), (["--season"], "--season season")],
)
def test_without_a_file_to_write_it_is_asked_for(
    hrbridge: Hrbridge, journal: Path, words: list[str], example: str
) -> None:
    said = hrbridge("report", *words, "--journal", journal)
    assert (said.code, said.err) == (
        2,
        f"hrbridge: report: needs the file to write: hrbridge report {example}.html\n",
    )


@pytest.mark.parametrize("words", [[], ["1"], ["--season"]])
def test_no_page_is_written_over_a_file_that_is_something_else(
    hrbridge: Hrbridge, journal: Path, tmp_path: Path, words: list[str]
) -> None:
    mine = tmp_path / "my.toml"
    mine.write_text("[runner]\n", encoding="utf-8")
    said = hrbridge("report", *words, mine, "--journal", journal)
    assert (said.code, mine.read_text(encoding="utf-8")) == (2, "[runner]\n")
    assert said.err.startswith(f"hrbridge: report {mine}: the file to write ends in .html: hrbridge report ")


def test_a_season_has_no_number(hrbridge: Hrbridge, journal: Path) -> None:
    assert hrbridge("report", "--season", "1", "x.html", "--journal", journal).code == 2


def test_a_run_that_is_not_there_is_said_in_one_line(hrbridge: Hrbridge, journal: Path, tmp_path: Path) -> None:
    said = hrbridge("report", "7", tmp_path / "x.html", "--journal", journal)
    assert (said.code, said.err) == (1, f"hrbridge: {journal}: no run 7; the newest is 1\n")


def test_a_folder_that_is_not_there_is_said_in_one_line(hrbridge: Hrbridge, journal: Path, tmp_path: Path) -> None:
    out = tmp_path / "none" / "x.html"
    said = hrbridge("report", "1", out, "--journal", journal)
    assert (said.code, said.err) == (1, f"hrbridge: {out}: cannot be written: no folder {out.parent}\n")


def test_a_page_is_not_mixed_with_what_is_said_of_it(hrbridge: Hrbridge, journal: Path) -> None:
    said = hrbridge("report", "1", "-", "--journal", journal)
    assert (said.code, said.out, said.err) == (2, "", "hrbridge: report -: needs a file to write\n")


@pytest.mark.parametrize("words", [["1"], ["--season"]])
def test_a_missing_extra_is_said_in_one_line(
    hrbridge: Hrbridge, journal: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    said = hrbridge("report", *words, "x.html", "--journal", journal)
    assert (said.code, said.err) == (
        2,
        "hrbridge: a report needs matplotlib: pip install 'hrbridge[report]'\n",
    )


def test_the_program_starts_without_matplotlib() -> None:
    code = "import sys, hrbridge.cli, hrbridge.history.report; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
