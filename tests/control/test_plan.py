"""A plan walked through: which stretch comes next, when a block changes, where it ends, and how it reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hrbridge import config
from hrbridge.config import Block, Control, Plan, PlanTable, Purpose, Runner, Segment, WalkInstead
from hrbridge.control import plan as plans
from hrbridge.control.controller import Controller
from hrbridge.control.plan import Cursor, Stretch, cooldown_s, describe, describe_in_full, needs_distance, speed_m_s
from hrbridge.decisions import CueKind, Phase, Reason, Step
from hrbridge.errors import ConfigError
from hrbridge.events import Action, Command, Rpe, Speed, Tick

RUN, SURGE, WALK = Phase.RUN, Phase.SURGE, Phase.WALK
MILE_M = 1609.344


def block(*segments: str, **keys: object) -> Block:
    """A block of segments written like "run 240" or "run 400 m"."""
    parts = [segment.split() for segment in segments]
    return Block(
        segments=tuple(
            Segment(kind=part[0], **{"for_m" if part[2:] == ["m"] else "for_s": float(part[1])}) for part in parts
        ),
        **keys,
    )


def length_s(stretch: Stretch) -> float:
    """What the total time leaves of it."""
    return min(stretch.planned_s, stretch.most_s)


def stretches(plan: Plan, at_most: int = 1000) -> list[Stretch]:
    """Every stretch of a run that keeps exactly to the plan; distances at its pace."""
    cursor, elapsed_s, distance_m = Cursor(plan), 0.0, 0.0
    passed: list[Stretch] = []
    while len(passed) < at_most and (stretch := cursor.next(elapsed_s, distance_m)) is not None:
        passed.append(stretch)
        elapsed_s += length_s(stretch)
        distance_m += length_s(stretch) * speed_m_s(plan, walking=stretch.phase is WALK)
    return passed


def lengths(plan: Plan, at_most: int = 1000) -> list[tuple[Phase, float]]:
    return [(stretch.phase, length_s(stretch)) for stretch in stretches(plan, at_most)]


# -- one after the other --


def test_the_segments_of_a_cycle_come_in_order_and_again() -> None:
    plan = Plan(block=(block("surge 30", "run 90", "walk 60"),), repeats=2)
    assert lengths(plan) == [(SURGE, 30), (RUN, 90), (WALK, 60)] * 2


def test_a_plan_by_repeats_has_that_many_cycles() -> None:
    assert lengths(Plan(block=(block("run 60", "walk 30"),), repeats=8)) == [(RUN, 60), (WALK, 30)] * 8


def test_a_plan_by_time_ends_when_the_time_is_up() -> None:
    assert lengths(Plan(block=(block("run 60", "walk 60"),), total_s=360.0)) == [(RUN, 60), (WALK, 60)] * 3


def test_the_last_run_takes_what_is_left_of_the_time() -> None:
    assert lengths(Plan(block=(block("run 60", "walk 60"),), total_s=160.0))[-1] == (RUN, 40)


def test_a_stump_of_a_run_is_left_out() -> None:
    assert lengths(Plan(block=(block("run 60", "walk 60"),), total_s=139.0))[-1] == (WALK, 60)


def test_a_plan_of_short_runs_keeps_its_last_one() -> None:
    assert lengths(Plan(block=(block("run 15", "walk 15"),), total_s=45.0))[-1] == (RUN, 15)


def test_the_last_walk_is_walked_to_its_end() -> None:
    assert lengths(Plan(block=(block("run 60", "walk 60"),), total_s=90.0)) == [(RUN, 60), (WALK, 60)]


def test_a_plan_by_distance_ends_at_its_metre() -> None:
    cursor = Cursor(Plan(block=(block("run 60", "walk 60"),), distance_m=1000.0))
    phases = [stretch.phase if stretch else None for stretch in (cursor.next(0, m) for m in (0, 999.9, 1000))]
    assert phases == [RUN, WALK, None]


def test_a_millimetre_before_the_finish_is_the_finish() -> None:
    assert Cursor(Plan(block=(block("run 60", "walk 60"),), distance_m=1000.0)).next(0, 999.999) is None


def test_a_plan_without_an_end_goes_on_until_the_runner_stops() -> None:
    assert len(stretches(Plan(block=(block("run 240", "walk 60"),)), at_most=500)) == 500


# -- blocks --


def block_of_each_run(first: dict[str, object], **ends: float) -> list[int]:
    """For two blocks of two minutes a cycle; ``first`` says how long the first one lasts."""
    plan = Plan(block=(block("run 60", "walk 60", **first), block("run 90", "walk 30")), **ends)
    return [stretch.block for stretch in stretches(plan) if stretch.phase is RUN]


@pytest.mark.parametrize(
    ("until", "ends"),
    [
        ("50%", {"total_s": 480.0}),
        ("50%", {"repeats": 4}),
        ("240s", {"total_s": 480.0}),
        ("4min", {"repeats": 4}),
        ("300m", {"repeats": 4}),
        ("0.3km", {"repeats": 4}),
    ],
)
def test_a_block_lasts_until_its_share_time_or_distance(until: str, ends: dict[str, float]) -> None:
    assert block_of_each_run({"until": until}, **ends) == [1, 1, 2, 2]


def test_a_share_of_a_distance() -> None:
    cycle_m = 60 * plans.DEFAULT_RUN_M_S + 60 * plans.DEFAULT_WALK_M_S
    assert block_of_each_run({"until": "50%"}, distance_m=4 * cycle_m)[:3] == [1, 1, 2]


def test_a_block_of_so_many_repeats() -> None:
    assert block_of_each_run({"repeats": 3}, total_s=480.0) == [1, 1, 1, 2]


def test_a_change_of_block_waits_for_the_end_of_its_cycle() -> None:
    assert block_of_each_run({"until": "130s"}, total_s=480.0) == [1, 1, 2, 2]


def test_when_the_last_block_is_over_so_is_the_plan() -> None:
    plan = Plan(block=(block("run 60", "walk 60", repeats=1), block("run 30", "walk 30", repeats=2)), total_s=3600.0)
    assert lengths(plan) == [(RUN, 60), (WALK, 60)] + [(RUN, 30), (WALK, 30)] * 2


def test_cycles_are_counted_anew_in_each_block() -> None:
    plan = Plan(block=(block("run 60", "walk 60", repeats=2), block("run 60", "walk 60")), repeats=4)
    assert [(s.block, s.repeat) for s in stretches(plan) if s.phase is RUN] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_looking_ahead_changes_nothing() -> None:
    cursor = Cursor(Plan(block=(block("run 60", "walk 60"),), repeats=2))
    cursor.next(0, 0)
    ahead = [cursor.peek(60, 0) for _ in range(3)]
    assert ahead == [cursor.next(60, 0)] * 3


# -- the ratio a stretch belongs to --


def test_a_cycle_is_the_runs_up_to_a_walk_and_that_walk() -> None:
    plan = Plan(block=(block("surge 30", "run 90", "walk 60", "run 120", "walk 30"),), repeats=1)
    sums = [(s.cycle_run_s, s.cycle_walk_s) for s in stretches(plan)]
    assert sums == [(120, 60)] * 3 + [(120, 30)] * 2


def test_a_plan_of_walks_has_no_running_in_its_ratio() -> None:
    assert {s.cycle_run_s for s in stretches(Plan(block=(block("walk 180", "walk 120"),), repeats=2))} == {0}


def test_distance_counts_at_the_pace_of_the_plan() -> None:
    plan = Plan(block=(block("run 400 m", "walk 100 m"),), repeats=1, run_pace_s_per_km=300.0, walk_pace_s_per_km=600.0)
    assert [(s.planned_m, s.planned_s) for s in stretches(plan)] == [
        (400, pytest.approx(120)),
        (100, pytest.approx(60)),
    ]


def test_without_a_pace_a_usual_one_is_taken() -> None:
    (run,) = stretches(Plan(block=(block("run 2200 m"),), repeats=1))
    assert run.planned_s == pytest.approx(1000)


segments = st.lists(
    st.tuples(st.sampled_from(["run", "surge", "walk"]), st.integers(5, 600)).map(lambda s: f"{s[0]} {s[1]}"),
    min_size=1,
    max_size=4,
)


@settings(deadline=None)
@given(segments, st.integers(1, 1800))
def test_a_plan_by_time_never_runs_longer_than_its_time(parts: list[str], total_s: int) -> None:
    passed = stretches(Plan(block=(block(*parts),), total_s=float(total_s)), at_most=10_000)
    ends_s = [sum(map(length_s, passed[: n + 1])) for n, s in enumerate(passed) if s.phase is not WALK]
    assert max(ends_s, default=0) <= total_s


# -- marks on the course --


def at_marks(*at_m: float, **keys: object) -> Plan:
    """A run to each of these metres, with a minute of walking at each; without any, to every kilometre."""
    run = Segment(kind="run", at_m=at_m) if at_m else Segment(kind="run", every_m=1000)
    return Plan(name="marks", block=(Block(segments=(run, Segment(kind="walk", for_s=60))),), **keys)


@pytest.mark.parametrize(
    ("at_m", "runs_m"), [(0, 1000), (500, 500), (999, 1001), (1070, 930), (1960, 1040), (2090, 910)]
)
def test_a_run_goes_to_the_next_mark_that_is_worth_a_run(at_m: float, runs_m: float) -> None:
    stretch = Cursor(at_marks()).next(0, at_m)
    assert stretch is not None
    assert stretch.metres(1.0) == pytest.approx(runs_m)


@pytest.mark.parametrize(("at_m", "runs_m"), [(0, 2500), (2600, 3400), (5990, 2010), (7990, 2010)])
def test_a_run_goes_to_the_next_of_the_aid_stations_and_then_to_the_finish(at_m: float, runs_m: float) -> None:
    stretch = Cursor(at_marks(2500, 6000, 8000, distance_m=10_000.0)).next(0, at_m)
    assert stretch is not None
    assert stretch.metres(1.0) == pytest.approx(runs_m)


@pytest.mark.parametrize(
    ("keys", "left_s"), [({}, 21_600 - 600), ({"total_s": 3600.0}, 3000), ({"max_total_s": 7200.0}, 6600)]
)
def test_after_the_last_station_of_a_plan_without_a_distance_the_run_goes_on(
    keys: dict[str, float], left_s: float
) -> None:
    stretch = Cursor(at_marks(2000, **keys)).next(600, 2100)
    assert stretch is not None
    assert (stretch.planned_m, length_s(stretch), stretch.mark) == (None, left_s, "end")


def test_a_shortened_run_to_a_mark_is_a_share_of_the_way_from_mark_to_mark() -> None:
    stretch = Cursor(at_marks()).next(0, 1070)
    assert stretch is not None
    assert stretch.metres(0.8) == 800


def test_after_the_walk_of_a_shortened_run_the_same_mark_is_reached() -> None:
    stretch = Cursor(at_marks()).next(0, 840)
    assert stretch is not None
    assert stretch.metres(0.8) == pytest.approx(160)


def test_a_mark_less_than_a_minute_of_running_ahead_counts_as_passed() -> None:
    stretch = Cursor(at_marks()).next(0, 890)
    assert stretch is not None
    assert stretch.metres(1.0) == pytest.approx(1110)


def test_the_last_run_by_distance_takes_what_is_left_of_the_course() -> None:
    stretch = Cursor(Plan(block=(block("run 400 m", "walk 60"),), distance_m=1000.0)).next(0, 850)
    assert stretch is not None
    assert (stretch.metres(1.0), stretch.mark) == (150, "finish")


def test_a_block_by_distance_with_marks_lasts_until_its_metre() -> None:
    run = Segment(kind="run", every_m=1000)
    first = Block(segments=(run, Segment(kind="walk", for_s=60)), until="2km")
    plan = Plan(block=(first, block("run 60", "walk 60")), distance_m=3000.0)
    assert [s.block for s in stretches(plan) if s.phase is RUN][:3] == [1, 1, 2]


def run_course(plan: Plan, run_m_s: float, walk_m_s: float = 1.5, at_most_s: int = 3600) -> list[Step]:
    """Somebody with a foot pod and no strap, at these speeds, doing what is said."""
    controller = Controller(plan, Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60), Control(rpe_prompts=False))
    steps, distance_m = (
        [controller.step(Speed(0.0, 0.0, distance_m=0.0)), controller.step(Command(0.0, Action.START))],
        0.0,
    )
    for second in range(1, at_most_s):
        speed_m_s = run_m_s if steps[-1].phase is RUN else walk_m_s
        distance_m += speed_m_s
        steps.append(controller.step(Speed(float(second), speed_m_s, 168 if speed_m_s > 2 else 110, distance_m)))
        steps.append(controller.step(Tick(float(second))))
        if steps[-1].phase is Phase.FINISHED:
            break
    return steps


def metres_of_walks(steps: list[Step]) -> list[float]:
    """Where on the course each walk was called for, by the foot pod."""
    distance_m, called = 0.0, []
    for step in steps:
        if isinstance(step.event, Speed):
            distance_m = step.event.distance_m or 0.0
        called += [distance_m for cue in step.cues if cue.kind is CueKind.WALK]
    return called


def said(steps: list[Step], *kinds: CueKind) -> list[str]:
    return [cue.say for step in steps for cue in step.cues if cue.kind in kinds]


def test_at_ten_minutes_a_mile_the_walks_come_at_one_two_and_three_miles() -> None:
    ten_minute_mile_m_s = MILE_M / 600
    steps = run_course(plans.load("race-miles"), ten_minute_mile_m_s, at_most_s=2100)
    assert metres_of_walks(steps) == pytest.approx([MILE_M, 2 * MILE_M, 3 * MILE_M], abs=ten_minute_mile_m_s + 0.1)


def test_a_race_of_three_miles_ends_at_the_third() -> None:
    plan = replace(plans.load("race-miles"), distance_m=3 * MILE_M)
    steps = run_course(plan, MILE_M / 600)
    assert said(steps, CueKind.RUN, CueKind.WALK, CueKind.COOLDOWN)[:6] == [
        "Run to the next mile.",
        "Walk forty-five seconds.",
        "Run to the next mile.",
        "Walk forty-five seconds.",
        "Run to the finish, 1.5 kilometres.",
        "Easy walk to finish, two minutes fifteen.",
    ]


def test_a_race_of_ten_kilometres_walks_at_its_stations() -> None:
    steps = run_course(plans.load("race-aid-stations"), 2.8)
    assert metres_of_walks(steps) == pytest.approx([2500, 5000, 7500], abs=3)


def test_a_runner_hears_how_far_it_is_to_the_aid_station() -> None:
    steps = run_course(plans.load("race-aid-stations"), 2.8)
    assert said(steps, CueKind.RUN) == [
        "Run to the aid station, 2.5 kilometres.",
        *["Run to the aid station, 2.4 kilometres."] * 2,
        "Run to the finish, 2.4 kilometres.",
    ]


def test_before_the_finish_no_walk_is_counted_down() -> None:
    steps = run_course(plans.load("race-aid-stations"), 3.4)
    assert said(steps, CueKind.COUNTDOWN)[-2:] == [
        "Cool-down in ten seconds.",
        "Cool-down in three, two, one.",
    ]


def test_after_the_last_station_without_a_finish_it_is_run_to_the_end() -> None:
    steps = run_course(at_marks(600), 2.5, at_most_s=900)
    assert said(steps, CueKind.RUN) == ["Run to the aid station, 600 metres.", "Run to the end."]


# -- a plan as a ratio --


@pytest.mark.parametrize(
    ("text", "run_s", "walk_s"),
    [
        ("1:2", 60, 120),
        ("4:1", 240, 60),
        ("0.5:0.5", 30, 30),
        ("60/120s", 60, 120),
        ("60/120", 60, 120),
        ("1m/2m", 60, 120),
        ("1/2m", 60, 120),
        ("2min/30s", 120, 30),
        ("90s/1m", 90, 60),
    ],
)
def test_a_ratio_is_a_plan_of_that_running_and_walking(text: str, run_s: float, walk_s: float) -> None:
    assert [segment.for_s for segment in plans.load(text).block[0].segments] == [run_s, walk_s]


@pytest.mark.parametrize(("text", "name"), [("1:2", "1:2"), ("60/120s", "1:2"), ("90/30s", "90/30s")])
def test_a_plan_given_as_a_ratio_is_called_by_it(text: str, name: str) -> None:
    assert plans.load(text).name == name


def test_a_ratio_is_an_easy_half_hour_with_warm_up_and_finisher() -> None:
    plan = plans.load("1:2")
    assert (plan.purpose, plan.total_s, plan.warmup_s, plan.cooldown) == (Purpose.EASY, 1800, 300, "finisher")


def test_a_ratio_of_long_runs_has_time_for_one_cycle() -> None:
    assert plans.load("40:5").total_s == 2700


@pytest.mark.parametrize("text", ["0:1", "4:0", "9999:1", "0/60s"])
def test_a_ratio_needs_running_and_walking_of_a_sensible_length(text: str) -> None:
    with pytest.raises(ConfigError, match=rf'^plan "{text}": .* is not allowed; allowed: a number above 0 to'):
        plans.load(text)


@pytest.mark.parametrize("text", ["1.2.3:1", "1:2:3", "a:b", "-1:2", ":"])
def test_what_only_looks_like_a_ratio_is_no_plan(text: str) -> None:
    with pytest.raises(ConfigError, match='a ratio like "4:1" or "60/120s"'):
        plans.load(text)


def test_a_ratio_is_no_path_beside_the_configuration() -> None:
    assert plans.resolve(PlanTable(use="60/120s"), Path("somewhere")).name == "1:2"


# -- the ladder --


def with_keys(use: str, **keys: object) -> Plan:
    """What ``[plan]`` makes of a plan."""
    return plans.resolve(PlanTable(use=use, **keys))


def test_the_ladder_goes_from_one_to_four_to_ten_to_one() -> None:
    assert plans.ladder() == "1:4, 1:3, 1:2, 1:1, 2:1, 3:1, 4:1, 5:1, 9:1, 10:1"


def test_every_rung_of_the_ladder_runs_a_larger_share_than_the_one_before() -> None:
    shares = [run / (run + walk) for run, walk in plans.LADDER]
    assert shares == sorted(set(shares))


@pytest.mark.parametrize(
    ("use", "rung", "name"),
    [
        ("easy-4-1", -1, "3:1"),
        ("easy-4-1", 1, "5:1"),
        ("beginner-1-2", -1, "1:3"),
        ("return-1-4", 1, "1:3"),
        ("long-9-1", 1, "10:1"),
        ("1:1", 1, "2:1"),
        ("120/30s", -1, "90/30s"),
    ],
)
def test_a_rung_is_one_step_on_the_ladder(use: str, rung: int, name: str) -> None:
    assert with_keys(use, rung=rung).name == name


@pytest.mark.parametrize(("use", "rung"), [("return-1-4", -1), ("long-10-1", 1), ("easy-4-1", 0)])
def test_nobody_steps_off_the_ends_of_the_ladder(use: str, rung: int) -> None:
    assert with_keys(use, rung=rung) == plans.load(use)


def test_a_step_on_the_ladder_changes_only_the_ratio() -> None:
    plan, easier = plans.load("return-1-3"), with_keys("return-1-3", rung=-1)
    assert replace(easier, name=plan.name, block=plan.block) == plan


@pytest.mark.parametrize(
    "name", ["surge", "ultra", "variable-5-3", "free", "race-miles", "walk-workout", "7:2", "demo"]
)
def test_a_plan_that_is_not_on_the_ladder_has_no_easier_rung(name: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"^\[plan\]: rung: {name} is not on the ladder; allowed: plans with an end, "
    ):
        with_keys(name, rung=-1)


def test_a_rung_is_one_step_at_most() -> None:
    with pytest.raises(ConfigError, match=r"rung: 2 is not allowed; allowed: a whole number from -1 to 1$"):
        config.load(None, ["plan.rung=2"])


# -- other lengths --


def test_four_to_one_by_half_is_two_minutes_and_half_a_minute() -> None:
    assert [segment.for_s for segment in with_keys("4:1", scale=0.5).block[0].segments] == [120, 30]


def test_a_scale_leaves_the_whole_time_and_the_distances_alone() -> None:
    plan, scaled = plans.load("race-miles"), with_keys("race-miles", scale=2)
    (run, walk), (old_run, _) = scaled.block[0].segments, plan.block[0].segments
    assert (run, walk.for_s) == (old_run, 90)
    assert with_keys("easy-4-1", scale=2).total_s == 2400


def test_a_plan_keeps_no_scale_once_it_is_worked_out() -> None:
    plan = with_keys("easy-4-1", scale=0.5, rung=-1)
    assert (plan.scale, plan.rung, plan.block[0].segments[0].for_s) == (1, 0, 90)


def test_a_plan_file_may_have_a_scale_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'scale = 0.5\n[[block]]\nsegments = [{ kind = "run", for_s = 240 }, { kind = "walk", for_s = 60 }]',
        encoding="utf-8",
    )
    assert describe(plans.load(path)) == "easy; run 120 s / walk 30 s; until you stop"
    assert describe(with_keys(str(path), scale=1.0)) == "easy; run 240 s / walk 60 s; until you stop"


def test_a_plan_without_segments_by_time_has_nothing_to_scale() -> None:
    with pytest.raises(ConfigError, match=r"^\[plan\]: scale: free has no segment by time$"):
        with_keys("free", scale=0.5)


def test_a_scale_that_makes_a_segment_endless_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^\[plan\]: \[block 1.segments 1\] for_s: 600000.0 is not allowed"):
        plans.resolve(PlanTable(use="1000:1", scale=10))


# -- a walk instead --


@pytest.mark.parametrize(("how", "walk_min"), [(WalkInstead.RATIO, 60), (WalkInstead.TIME, 20)])
def test_twenty_minutes_of_running_are_sixty_of_walking_or_twenty(how: WalkInstead, walk_min: float) -> None:
    plan = plans.amend(Plan(block=(block("run 1200"),), repeats=1), PlanTable(walk_instead=how))
    assert lengths(plan) == [(WALK, walk_min * 60)]


@pytest.mark.parametrize(("how", "walk_min"), [(WalkInstead.RATIO, 96), (WalkInstead.TIME, 40)])
def test_walks_between_runs_count_as_time_and_not_as_running(how: WalkInstead, walk_min: float) -> None:
    assert lengths(with_keys("easy-4-1", walk_instead=how)) == [(WALK, walk_min * 60)]


def test_a_walk_instead_is_brisk_and_an_effort_of_three_to_five() -> None:
    plan = with_keys("easy-4-1", walk_instead="ratio")
    assert (plan.name, plan.walk_speed_m_s, plan.rpe_target) == ("easy-4-1-walk", (1.12, 1.79), (3, 5))


@settings(deadline=None)
@given(segments.filter(lambda parts: any("walk" not in part for part in parts)), st.integers(1, 20))
def test_any_run_by_time_becomes_a_walk_of_its_time_or_three_times_its_running(parts: list[str], repeats: int) -> None:
    plan = Plan(block=(block(*parts),), repeats=repeats)
    run_s = sum(s for phase, s in lengths(plan, at_most=10_000) if phase is not WALK)
    ((_, by_ratio_s),) = lengths(plans.amend(plan, PlanTable(walk_instead=WalkInstead.RATIO)))
    ((_, by_time_s),) = lengths(plans.amend(plan, PlanTable(walk_instead=WalkInstead.TIME)))
    assert by_ratio_s == pytest.approx(3 * run_s)
    assert by_time_s == pytest.approx(sum(s for _, s in lengths(plan, at_most=10_000)))


@pytest.mark.parametrize("name", ["free", "ultra", "race-miles", "race-aid-stations"])
def test_a_plan_without_a_length_in_time_has_no_walk_instead(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^\[plan\]: walk_instead: {name} has no length in time; allowed: plans by"):
        with_keys(name, walk_instead="time")


def test_a_walk_has_no_walk_instead() -> None:
    with pytest.raises(ConfigError, match=r"walk_instead: walk-workout is a walk already$"):
        with_keys("walk-workout", walk_instead="ratio")


# -- the second workout of a day --


@pytest.mark.parametrize(("target", "upper"), [((4.0, 6.0), 5), ((7.0, 8.0), 7), ((5.0, 5.0), 5)])
def test_the_second_workout_of_a_day_may_be_one_less_hard(target: tuple[float, float], upper: float) -> None:
    assert plans.as_second_workout(Plan(rpe_target=target)).rpe_target == (target[0], upper)


def ceiling_bpm(plan: Plan, **keys: object) -> float | None:
    """What the controller holds in the first stretch of a plan, for a runner whose easy ceiling is 150."""
    runner = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
    controller = Controller(replace(plan, warmup_s=0), runner, Control(heart_rate_ceiling_bpm=150, **keys))
    return controller.step(Command(0.0, Action.START)).estimate.ceiling_bpm


@pytest.mark.parametrize(
    ("name", "first_bpm", "held_bpm"),
    [
        ("easy-4-1", None, 150),
        ("easy-4-1", 128, 128),
        ("easy-4-1", 160, 150),
        ("surge", None, 160),
        ("surge", 155, 155),
    ],
)
def test_nothing_in_a_second_workout_goes_above_the_mean_of_the_first(
    name: str, first_bpm: float | None, held_bpm: float
) -> None:
    assert ceiling_bpm(plans.load(name), first_workout_mean_bpm=first_bpm) == held_bpm


def test_in_a_second_workout_an_effort_at_the_upper_end_of_the_plan_is_too_much() -> None:
    plan = Plan(block=(block("run 240", "walk 60"),), total_s=3000.0)
    runner = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)
    controller = Controller(plan, runner, Control(first_workout_mean_bpm=128))
    controller.step(Command(0.0, Action.START))
    steps = [controller.step(Tick(float(second))) for second in range(250)] + [controller.step(Rpe(250.0, 6))]
    assert [cue.reason for step in steps for cue in step.cues if cue.kind is CueKind.EXTEND_WALK] == [Reason.RPE_HIGH]


def test_a_mean_heart_rate_of_the_first_workout_is_one_of_a_person() -> None:
    with pytest.raises(
        ConfigError, match="first_workout_mean_bpm: 20 is not allowed; allowed: a number from 30 to 240"
    ):
        config.load(None, ["control.first_workout_mean_bpm=20"])


# -- the methods of the articles --


def test_half_a_minute_each_for_four_hours_are_240_cycles() -> None:
    plan = with_keys("0.5:0.5", total_s=4 * 3600.0)
    assert lengths(plan) == [(RUN, 30), (WALK, 30)] * 240


def test_a_surge_cycle_is_thirty_hard_ninety_easy_sixty_walking() -> None:
    assert lengths(plans.load("surge")) == [(SURGE, 30), (RUN, 90), (WALK, 60)] * 10


def test_the_variable_ratio_changes_at_thirty_minutes_with_one_cue() -> None:
    plan = replace(plans.load("variable-5-3"), warmup_s=0)
    changes = [(step.at_s, cue.say) for step in run_course(plan, 2.5) for cue in step.cues if cue.kind is CueKind.NEXT]
    assert changes == [(1808, "From here: run three minutes, walk one minute.")]
    assert sum(s.planned_s for s in stretches(plan) if s.block == 1) == 1800


@pytest.mark.parametrize(("miles", "least_s", "most_s"), [(6.2, 186, 372), (20, 600, 1200)])
def test_the_finisher_lies_between_half_a_minute_and_a_minute_for_every_mile(
    miles: float, least_s: float, most_s: float
) -> None:
    assert least_s <= cooldown_s(Plan(cooldown="finisher"), miles * MILE_M) <= most_s


def test_in_the_finisher_the_runner_is_told_once_to_drink() -> None:
    steps = run_course(Plan(block=(block("run 300"),), repeats=1, cooldown="finisher"), 2.5)
    drinks = [cue for step in steps for cue in step.cues if "Drink" in cue.say]
    assert [(cue.kind, cue.reason) for cue in drinks] == [(CueKind.TIP, Reason.PLANNED)]


def test_a_cool_down_in_seconds_says_nothing_of_drinking() -> None:
    steps = run_course(Plan(block=(block("run 300"),), repeats=1, cooldown=90.0), 2.5)
    assert [cue for step in steps for cue in step.cues if "Drink" in cue.say] == []


def test_a_walk_on_the_treadmill_says_what_to_set() -> None:
    assert said(run_course(plans.load("walk-workout"), 1.4, 1.4, 890), CueKind.WALK) == [
        "Walk three minutes. Incline four percent.",
        "Walk two minutes. Incline zero percent.",
        "Walk three minutes. Speed 6.1 kilometres per hour.",
        "Walk two minutes. Speed 5.0 kilometres per hour.",
    ]


def test_from_one_walk_to_the_next_the_countdown_says_so() -> None:
    steps = run_course(plans.load("walk-workout"), 1.4, 1.4, 490)
    assert said(steps, CueKind.COUNTDOWN)[-2:] == ["Next walk in ten seconds.", "Next walk in three, two, one."]


def test_a_block_of_walks_is_not_announced_as_a_ratio() -> None:
    plan = Plan(block=(block("run 60", "walk 60", repeats=1), block("walk 90", "walk 60")), repeats=2)
    assert said(run_course(plan, 2.5), CueKind.NEXT) == []


# -- the cool-down --


@pytest.mark.parametrize(
    ("distance_m", "for_s"),
    [(1609.344, 45), (8046.72, 225), (500, 30), (0, 120)],
    ids=["mile", "5 miles", "short", "?"],
)
def test_the_finisher_is_a_walk_for_every_mile(distance_m: float, for_s: float) -> None:
    assert cooldown_s(Plan(cooldown="finisher"), distance_m) == pytest.approx(for_s)


def test_a_cool_down_in_seconds_does_not_ask_for_the_distance() -> None:
    assert cooldown_s(Plan(cooldown=90.0), 8000) == 90


# -- by name and by path --


@pytest.mark.parametrize("name", plans.names())
def test_a_shipped_plan_leads_somewhere(name: str) -> None:
    plan = plans.load(name)
    assert plans.is_free(plan) or len(stretches(plan, at_most=3)) == 3


@pytest.mark.parametrize("name", plans.names())
def test_a_shipped_plan_is_told_in_one_line(name: str) -> None:
    assert "\n" not in describe(plans.load(name))


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r'^plan "easy": no such plan; allowed: beginner-1-2, .*, or the path of a'):
        plans.load("easy")


@pytest.mark.parametrize("name", ["nowhere/mine", "mine.toml", "./easy-4-1"])
def test_what_looks_like_a_path_is_one(name: str) -> None:
    with pytest.raises(ConfigError, match=r": no such file$"):
        plans.load(name)


def test_a_shipped_plan_is_not_hidden_by_a_file_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "surge").write_text("nonsense", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert plans.load("surge").name == "surge"


def test_a_share_of_an_endless_plan_is_refused_with_its_block(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[block]]\nuntil = "50%"\nsegments = [{ kind = "run", for_s = 60 }]', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.toml: \[block 1\] until: a percentage needs total_s, repeats or"):
        plans.load(path)


@pytest.mark.parametrize(
    ("segments", "refused"),
    [
        ('{ kind = "run", every_m = 50 }', "every_m: 50 is not allowed; allowed: a number from 100 to 100000"),
        ('{ kind = "run", at_m = [] }', "at_m: [] is not allowed; allowed: a list of 1 to 100, each a number above 0"),
        ('{ kind = "run", at_m = [200, 100] }', "at_m must rise"),
        ('{ kind = "run", at_m = [200, 200] }', "at_m must rise"),
        ('{ kind = "run", every_m = 100, for_s = 9 }', "needs one of for_s, for_m, every_m and at_m"),
        ('{ kind = "walk", every_m = 1000 }', "every_m and at_m are for runs"),
        ('{ kind = "run", for_s = 9, incline_percent = 2 }', "incline_percent and speed_m_s are for walks"),
        ('{ kind = "surge", for_s = 9, speed_m_s = 2 }', "incline_percent and speed_m_s are for walks"),
        ('{ kind = "walk", for_s = 9, incline_percent = 16 }', "16 is not allowed; allowed: a number from 0 to 15"),
        ('{ kind = "walk", for_s = 9, speed_m_s = 4 }', "4 is not allowed; allowed: a number from 0.3 to 3"),
        ('{ kind = "run", at_m = [900, 6000] }', "[block 1] at_m: 6000 lies beyond distance_m = 5000"),
    ],
)
def test_a_segment_that_makes_no_sense_is_refused_in_one_line(tmp_path: Path, segments: str, refused: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"distance_m = 5000\n[[block]]\nsegments = [{segments}]", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        plans.load(path)
    assert refused in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "refused"),
    [
        ("walk_speed_m_s = [1.8, 1.1]", "walk_speed_m_s is [lower, upper]"),
        ("walk_speed_m_s = [0.1, 1.1]", "walk_speed_m_s 1: 0.1 is not allowed; allowed: a number from 0.3 to 3"),
        ("scale = 0", "scale: 0 is not allowed; allowed: a number from 0.1 to 10"),
        ("rung = -2", "rung: -2 is not allowed; allowed: a whole number from -1 to 1"),
        ('walk_instead = "half"', 'walk_instead: \'half\' is not allowed; allowed: "ratio", "time"'),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_in_one_line(tmp_path: Path, key: str, refused: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'{key}\n[[block]]\nsegments = [{{ kind = "run", for_s = 60 }}]', encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        plans.load(path)
    assert refused in str(error.value)


# -- in words --


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("easy-4-1", "easy; run 240 s / walk 60 s; 40 min"),
        ("surge", "tempo; surge 30 s / run 90 s / walk 60 s; 10 times"),
        ("variable-5-3", "long; run 300 s / walk 60 s, then run 180 s / walk 60 s; 60 min"),
        ("race-miles", "race; run to every mile / walk 45 s; until you stop"),
        ("race-aid-stations", "race; run to 2.5, 5 and 7.5 km / walk 45 s; 10 km"),
        ("4:1", "easy; run 240 s / walk 60 s; 30 min"),
        ("demo", "easy; run 20 s / walk 15 s, then run 40 s / walk 50 s; 2.7 min"),
        ("free", "easy; walk and run as you like"),
    ],
)
def test_a_plan_in_one_line(name: str, words: str) -> None:
    assert describe(plans.load(name)) == words


@pytest.mark.parametrize(
    ("ends", "words"),
    [({"distance_m": 5000.0}, "5 km"), ({"total_s": 172_800.0}, "2880 min"), ({"repeats": 8}, "8 times")],
)
def test_how_long_a_plan_is(ends: dict[str, float], words: str) -> None:
    assert describe(Plan(block=(block("run 60"),), **ends)).endswith(f"; {words}")


def test_a_plan_block_by_block() -> None:
    assert describe_in_full(plans.load("variable-5-3")).splitlines() == [
        "variable-5-3: long; run 300 s / walk 60 s, then run 180 s / walk 60 s; 60 min",
        "  effort     4 to 6 of 10",
        "  warm-up    300 s walk",
        "  block 1    run 300 s / walk 60 s until 50%",
        "  block 2    run 180 s / walk 60 s",
        "  cool-down  30 to 60 s of walking per mile covered",
    ]


def test_a_walking_plan_shows_its_pace_and_what_to_set_on_the_treadmill() -> None:
    lines = describe_in_full(plans.load("walk-workout")).splitlines()
    assert "  walking    1.12 to 1.79 m/s (2.5 to 4.0 mph)" in lines
    assert "  block 1    walk 180 s at 4 % / walk 120 s at 0 % / walk 180 s at 1.7 m/s / walk 120 s at 1.4 m/s" in lines


def test_a_plan_on_the_ladder_shows_the_rungs_beside_it() -> None:
    assert "  ladder     3:1 < 4:1 < 5:1" in describe_in_full(plans.load("easy-4-1")).splitlines()


def test_a_plan_with_repeats_and_a_cool_down_in_seconds() -> None:
    assert describe_in_full(plans.load("demo")).splitlines()[3:] == [
        "  block 1    run 20 s / walk 15 s x 2",
        "  block 2    run 40 s / walk 50 s",
        "  cool-down  12 s walk",
    ]


@pytest.mark.parametrize(
    ("plan", "needed"),
    [
        (Plan(block=(block("run 60", "walk 60"),), total_s=600.0), False),
        (Plan(block=(block("run 60", "walk 60", until="30min"), block("run 60")), total_s=3600.0), False),
        (Plan(block=(block("run 400 m", "walk 60"),), repeats=4), True),
        (Plan(block=(block("run 60", "walk 60"),), distance_m=5000.0), True),
        (plans.load("race-miles"), True),
        (plans.load("race-aid-stations"), True),
        (Plan(block=(block("run 60", "walk 60", until="5km"), block("run 60"))), True),
        (Plan(block=(block("run 60", "walk 60", until="800m"), block("run 60"))), True),
    ],
)
def test_whether_the_clock_alone_is_enough_for_a_plan(plan: Plan, needed: bool) -> None:
    assert needs_distance(plan) is needed
