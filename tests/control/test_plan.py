"""A plan walked through: which stretch comes next, when a block changes, where it ends, and how it reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrbridge.config import Block, Plan, Segment
from hrbridge.control import plan as plans
from hrbridge.control.plan import Cursor, Stretch, cooldown_s, describe, describe_in_full, needs_distance, speed_m_s
from hrbridge.decisions import Phase
from hrbridge.errors import ConfigError

RUN, SURGE, WALK = Phase.RUN, Phase.SURGE, Phase.WALK


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


# -- in words --


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("easy-4-1", "easy; run 240 s / walk 60 s; 40 min"),
        ("surge", "tempo; surge 30 s / run 90 s / walk 60 s; 10 times"),
        ("variable-5-3", "long; run 300 s / walk 60 s, then run 180 s / walk 60 s; 60 min"),
        ("race-miles", "race; run one mile / walk 45 s; until you stop"),
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
        (Plan(block=(block("run 60", "walk 60", until="5km"), block("run 60"))), True),
        (Plan(block=(block("run 60", "walk 60", until="800m"), block("run 60"))), True),
    ],
)
def test_whether_the_clock_alone_is_enough_for_a_plan(plan: Plan, needed: bool) -> None:
    assert needs_distance(plan) is needed
