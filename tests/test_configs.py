"""What we ship to be copied: every plan says what the articles say, and every key in an example is a real one."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from hrbridge import config
from hrbridge.config import PolicyName, Purpose, SegmentKind, SensorKind
from hrbridge.control import plan as plans

CONFIGS = Path(__file__).parent.parent / "configs"
EXAMPLES = sorted(CONFIGS.glob("*.toml"))
NAMES = [
    "beginner-1-2",
    "demo",
    "easy-4-1",
    "easy-5-1",
    "free",
    "long-10-1",
    "long-9-1",
    "one-one",
    "race-aid-stations",
    "race-miles",
    "return-1-3",
    "return-1-4",
    "surge",
    "two-one",
    "ultra",
    "variable-5-3",
    "walk-workout",
]
HARD = ["race-aid-stations", "race-miles", "surge"]
RUN, SURGE, WALK = SegmentKind.RUN, SegmentKind.SURGE, SegmentKind.WALK


def cycle(name: str, block: int = 0) -> list[tuple[SegmentKind, float | None]]:
    """One cycle of a plan as pairs of kind and seconds."""
    return [(segment.kind, segment.for_s) for segment in plans.load(name).block[block].segments]


def uncommented(text: str) -> str:
    """An example with the keys it only suggests switched on."""
    return re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE)


# --- plans ---


def test_the_plans_are_those_the_manual_names() -> None:
    assert plans.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_is_called_like_its_file(name: str) -> None:
    assert plans.load(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_begins_by_saying_what_it_is_for(name: str) -> None:
    text = (CONFIGS / "plans" / f"{name}.toml").read_text(encoding="utf-8")
    assert re.match(r"# [A-Z].{30,}\.\n", text)


@pytest.mark.parametrize(
    ("name", "run_min", "walk_min"),
    [
        ("beginner-1-2", 1, 2),
        ("one-one", 1, 1),
        ("two-one", 2, 1),
        ("easy-4-1", 4, 1),
        ("easy-5-1", 5, 1),
        ("long-9-1", 9, 1),
        ("long-10-1", 10, 1),
        ("return-1-3", 1, 3),
        ("return-1-4", 1, 4),
        ("ultra", 4, 1),
    ],
)
def test_minutes_of_running_and_walking(name: str, run_min: int, walk_min: int) -> None:
    assert cycle(name) == [(RUN, run_min * 60), (WALK, walk_min * 60)]


@pytest.mark.parametrize(
    ("name", "total_min"),
    [
        ("beginner-1-2", 20),
        ("one-one", 30),
        ("two-one", 40),
        ("easy-4-1", 40),
        ("easy-5-1", 36),
        ("long-9-1", 90),
        ("long-10-1", 110),
        ("return-1-3", 20),
        ("return-1-4", 20),
        ("variable-5-3", 60),
    ],
)
def test_minutes_from_the_first_run_to_the_cool_down(name: str, total_min: int) -> None:
    assert plans.load(name).total_s == total_min * 60


@pytest.mark.parametrize(
    ("name", "purpose"),
    [
        ("beginner-1-2", Purpose.EASY),
        ("easy-4-1", Purpose.EASY),
        ("long-9-1", Purpose.LONG),
        ("long-10-1", Purpose.LONG),
        ("return-1-3", Purpose.RETURN),
        ("return-1-4", Purpose.RETURN),
        ("variable-5-3", Purpose.LONG),
        ("surge", Purpose.TEMPO),
        ("race-miles", Purpose.RACE),
        ("race-aid-stations", Purpose.RACE),
    ],
)
def test_what_a_plan_is_for(name: str, purpose: Purpose) -> None:
    assert plans.load(name).purpose is purpose


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(HARD)))
def test_no_easy_plan_asks_for_more_effort_than_six(name: str) -> None:
    assert plans.load(name).rpe_target[1] <= 6


@pytest.mark.parametrize("name", HARD)
def test_a_hard_plan_asks_for_an_effort_of_seven_to_eight(name: str) -> None:
    assert plans.load(name).rpe_target == (7, 8)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"demo", "free", "race-aid-stations", "race-miles"}))
def test_five_minutes_of_walking_come_first(name: str) -> None:
    assert plans.load(name).warmup_s == 300


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"free"}))
def test_a_walk_comes_last(name: str) -> None:
    assert plans.cooldown_s(plans.load(name), distance_m=0) > 0


def test_the_variable_ratio_eases_at_half_time() -> None:
    plan = plans.load("variable-5-3")
    assert [block.until for block in plan.block] == ["50%", None]
    assert cycle("variable-5-3", 0) == [(RUN, 300), (WALK, 60)]
    assert cycle("variable-5-3", 1) == [(RUN, 180), (WALK, 60)]


def test_a_surge_is_followed_by_easy_running_and_a_walk() -> None:
    assert cycle("surge") == [(SURGE, 30), (RUN, 90), (WALK, 60)]


def test_ten_surges_take_half_an_hour() -> None:
    plan = plans.load("surge")
    assert plan.repeats == 10


def test_a_race_is_run_from_mile_to_mile() -> None:
    run, _ = plans.load("race-miles").block[0].segments
    assert (run.kind, run.every_m) == (RUN, 1609.344)


@pytest.mark.parametrize("name", ["race-aid-stations", "race-miles"])
def test_a_race_is_walked_for_half_a_minute_to_a_minute_at_each_mile_or_station(name: str) -> None:
    _, walk = plans.load(name).block[0].segments
    assert walk.kind is WALK
    assert walk.for_s == pytest.approx(45, abs=15)


def test_a_race_leaves_time_for_a_slow_marathon() -> None:
    assert plans.load("race-miles").max_total_s == 8 * 3600


def test_aid_stations_are_one_to_two_miles_apart() -> None:
    run, _ = plans.load("race-aid-stations").block[0].segments
    assert run.at_m is not None
    assert {after - before for before, after in pairwise((0, *run.at_m, 10_000))} == {2500}


def test_nobody_runs_in_a_walking_workout() -> None:
    assert {kind for kind, _ in cycle("walk-workout")} == {WALK}


def test_a_walking_workout_is_brisk_from_two_and_a_half_to_four_miles_an_hour() -> None:
    band = plans.load("walk-workout").walk_speed_m_s
    assert band is not None
    assert [m_s * 3600 / 1609.344 for m_s in band] == pytest.approx([2.5, 4.0], abs=0.01)


def test_a_walking_workout_is_half_an_hour_with_a_step_uphill_and_a_faster_one() -> None:
    plan = plans.load("walk-workout")
    (block,) = plan.block
    assert sum(s.for_s or 0 for s in block.segments) * (plan.repeats or 0) == 1800
    assert [(s.incline_percent, s.speed_m_s) for s in block.segments] == [
        (4, None),
        (0, None),
        (None, 1.7),
        (None, 1.4),
    ]


@pytest.mark.parametrize(
    ("name", "conflict"),
    [
        ("easy-4-1", "60 minutes of it, their table 50"),
        ("easy-4-1", "little gained by runs over 4 minutes or walks over 1"),
        ("long-9-1", "minutes or a mere ratio"),
        ("long-9-1", "little gained by runs over 4 minutes"),
    ],
)
def test_where_the_articles_disagree_the_plan_says_so(name: str, conflict: str) -> None:
    assert conflict in (CONFIGS / "plans" / f"{name}.toml").read_text(encoding="utf-8")


def test_only_the_runner_ends_an_ultra() -> None:
    plan = plans.load("ultra")
    assert (plan.total_s, plan.repeats, plan.distance_m) == (None, None, None)
    assert plan.max_total_s == 48 * 3600


def test_the_free_plan_leaves_every_phase_to_the_runner() -> None:
    plan = plans.load("free")
    assert plans.is_free(plan)
    assert (plan.warmup_s, plan.cooldown) == (0, 0)


def test_the_demo_changes_phase_at_least_every_twenty_seconds_at_first() -> None:
    plan = plans.load("demo")
    assert plan.warmup_s <= 10
    assert max(for_s for _, for_s in cycle("demo") if for_s is not None) <= 20


def test_the_demo_takes_three_minutes() -> None:
    plan = plans.load("demo")
    assert plan.total_s is not None
    assert plan.warmup_s + plan.total_s + plans.cooldown_s(plan, distance_m=0) == 180


def test_the_demo_ends_on_a_walk_long_enough_to_be_judged() -> None:
    kind, for_s = cycle("demo", 1)[-1]
    assert kind is WALK
    assert for_s is not None
    assert for_s >= 45


# --- configurations ---


def test_the_examples_are_those_the_manual_names() -> None:
    assert [path.name for path in EXAMPLES] == ["demo.toml", "pi.toml", "treadmill.toml"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_as_it_stands(path: Path) -> None:
    assert plans.resolve(config.load(path).plan, path.parent).name in NAMES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_suggests_only_keys_that_exist(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    everything = tmp_path / path.name
    everything.write_text(uncommented(text), encoding="utf-8")
    suggested = re.findall(r"^# \w+ = ", text, flags=re.MULTILINE)
    before, after = tomllib.loads(text), tomllib.loads(uncommented(text))
    assert sum(map(len, after.values())) == sum(map(len, before.values())) + len(suggested)
    assert config.load(everything).runner.id == before["runner"]["id"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_key_of_an_example_is_explained(path: Path) -> None:
    keys = re.findall(r"^(?:# )?\w+ = .*", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    explained = re.compile(r'= ("[^"]*"|\S+|\[.*\]) +# .{5,}')
    assert [line for line in keys if not explained.search(line)] == []


def test_the_demo_needs_neither_strap_nor_broker() -> None:
    demo = config.load(CONFIGS / "demo.toml")
    assert demo.sensor.kind is SensorKind.SIMULATED
    assert demo.mqtt.url == "embedded:0"


def test_the_demo_listens_to_the_heart() -> None:
    assert config.load(CONFIGS / "demo.toml").control.policy is PolicyName.ADAPTIVE


def test_the_pi_listens_to_one_strap_only() -> None:
    assert re.fullmatch(r"([0-9A-F]{2}:){5}[0-9A-F]{2}", config.load(CONFIGS / "pi.toml").sensor.address)


def test_the_pi_speaks_to_its_own_broker() -> None:
    assert config.load(CONFIGS / "pi.toml").mqtt.url == "mqtt://localhost:1883"


def test_the_pi_starts_by_itself() -> None:
    assert config.load(CONFIGS / "pi.toml").control.start_after_s == 20


def test_the_treadmill_takes_whichever_strap_is_there() -> None:
    sensor = config.load(CONFIGS / "treadmill.toml").sensor
    assert (sensor.kind, sensor.address, sensor.name) == (SensorKind.BLE, "", "")


def test_the_treadmill_needs_no_broker() -> None:
    assert config.load(CONFIGS / "treadmill.toml").mqtt.url == "embedded"
