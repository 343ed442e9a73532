"""The TOML a runner writes: what may stand in it, and the one line that says what is wrong with it."""

from __future__ import annotations

import json
import logging
import tomllib
from datetime import date
from pathlib import Path

import msgspec
import pytest

from hrbridge import config
from hrbridge.config import Config, Control, PlanTable, PolicyName, Season, SeasonGoal, SensorKind, Units
from hrbridge.control import plan as plans
from hrbridge.control.adaptation import ceiling_bpm
from hrbridge.errors import ConfigError

RUNNER = '[runner]\nid = "alex"\nage_years = 40\n'

# Every key that the manual shows, with a value it may have.
MANUAL = """
[runner]
id = "alex"
age_years = 40
max_heart_rate_bpm = 182
resting_heart_rate_bpm = 58
units = "metric"

[sensor]
kind = "ble"
address = "C0:FF:EE:00:00:01"
name = "Polar H10"
fallback_address = ""
fallback_name = "Forerunner"
speed_address = ""
speed_name = "Treadmill"
bond = true
recovery_command = ["systemctl", "restart", "bluetooth"]
runner = "novice"
seed = 1
faults = ["dropout@300+20"]
file = "run.fit"

[plan]
use = "easy-4-1"
goal_time_s = 12300
goal_distance_m = 42195
run_pace_s_per_km = 300
walk_pace_s_per_km = 600

[control]
policy = "adaptive"
heart_rate_ceiling_bpm = 155
min_drop_bpm = 10
start_after_s = 20

[mqtt]
url = "mqtt://localhost:1883"
base_topic = "hrbridge"
username = "alex"
password_file = "/etc/hrbridge/mqtt-password"
ca_file = ""
cert_file = ""
key_file = ""
protocol = "auto"
home_assistant_discovery = false
insecure = false

[journal]
path = ""

[season]
goal = "twelve-weeks"
runs_per_week = 3
start_ratio = "1:2"
start_minutes = 20
begin = "2026-11-22"
"""
MANUAL_PLAN = """
name = "variable-5-3"
purpose = "long"
rpe_target = [4, 6]
warmup_s = 300
cooldown = "finisher"
total_s = 3600

[[block]]
until = "50%"
segments = [{ kind = "run", for_s = 300 }, { kind = "walk", for_s = 60 }]
[[block]]
repeats = 3
segments = [{ kind = "surge", for_m = 180 }, { kind = "run", for_s = 180 }, { kind = "walk", for_s = 60 }]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "alex.toml"


def read(file: Path, text: str, *overrides: str) -> Config:
    file.write_text(text, encoding="utf-8")
    return config.load(file, overrides)


def complaint(file: Path, text: str, *overrides: str) -> str:
    """What is said about a configuration, without the path before the name of the file."""
    with pytest.raises(ConfigError) as error:
        read(file, text, *overrides)
    return str(error.value).removeprefix(f"{file.parent}/")


# -- what may stand there --


def test_every_key_of_the_manual_is_taken(file: Path) -> None:
    loaded = json.loads(msgspec.json.encode(read(file, MANUAL)))
    expected = tomllib.loads(MANUAL)
    assert {table: {key: loaded[table][key] for key in keys} for table, keys in expected.items()} == expected


def test_every_key_of_a_plan_in_the_manual_is_taken(file: Path) -> None:
    file.write_text(MANUAL_PLAN, encoding="utf-8")
    assert msgspec.to_builtins(plans.load(file)).items() >= {"name": "variable-5-3", "total_s": 3600.0}.items()


def test_the_other_end_of_a_plan_is_taken_too(file: Path) -> None:
    file.write_text(MANUAL_PLAN.replace("total_s = 3600", "distance_m = 5000"), encoding="utf-8")
    assert plans.load(file).distance_m == 5000


@pytest.mark.parametrize("policy", ["adaptive", "fixed", "gate", "rest51", "rest118"])
def test_every_policy_that_exists_is_taken(file: Path, policy: str) -> None:
    assert read(file, f'{RUNNER}[control]\npolicy = "{policy}"').control.policy is PolicyName(policy)


@pytest.mark.parametrize(
    "url",
    ["embedded", "embedded:1884", "none", "mqtt://pi:1883", "mqtts://pi", "ws://pi:9001/mqtt", "wss://pi"],
)
def test_every_kind_of_broker_is_taken(file: Path, url: str) -> None:
    assert read(file, f'{RUNNER}[mqtt]\nurl = "{url}"').mqtt.url == url


def test_an_age_is_enough(file: Path) -> None:
    assert read(file, RUNNER).runner.maximum_bpm == 180  # 208 - 0.7 age


def test_a_maximum_of_ones_own_counts_more_than_an_age(file: Path) -> None:
    assert read(file, f"{RUNNER}max_heart_rate_bpm = 188").runner.maximum_bpm == 188


def test_a_resting_rate_is_assumed_and_said(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert read(file, RUNNER).runner.resting_bpm == 60
    assert caplog.messages == [f"{file}: [runner] assuming resting_heart_rate_bpm = 60"]


def test_nothing_is_said_about_a_runner_who_told_everything(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read(file, f"{RUNNER}resting_heart_rate_bpm = 58")
    assert caplog.messages == []


def test_without_a_file_a_runner_of_forty_is_assumed_and_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert config.load().runner.age_years == 40
    assert caplog.messages == ["defaults: [runner] assuming age_years = 40 and resting_heart_rate_bpm = 60"]


def test_tables_left_out_have_their_defaults(file: Path) -> None:
    loaded = read(file, RUNNER)
    assert (loaded.sensor.kind, loaded.runner.units, loaded.control) == (SensorKind.BLE, Units.METRIC, Control())


def test_a_season_may_begin_on_a_date_as_toml_writes_it(file: Path) -> None:
    assert read(file, f"{RUNNER}[season]\nbegin = 2026-11-22").season.begin == date(2026, 11, 22)


def test_a_season_may_start_on_every_rung_of_the_ladder(file: Path) -> None:
    ratios = [f"{run}:{walk}" for run, walk in plans.LADDER]
    read_back = [read(file, RUNNER, f"season.start_ratio='{ratio}'").season.start_ratio for ratio in ratios]
    assert read_back == ratios


def test_without_a_season_the_ladder_leads(file: Path) -> None:
    assert read(file, RUNNER).season == Season(goal=SeasonGoal.NONE, runs_per_week=3)


# -- one line that names file, table, key and what is allowed --


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[runer]\nage_years = 40", "[runer]: unknown table; did you mean runner?"),
        (
            f"{RUNNER}[radio]\nkind = 1",
            "[radio]: unknown table; allowed: runner, sensor, plan, control, mqtt, display, journal, season, headset",
        ),
        (f"{RUNNER}[control]\nmin_drop = 12", "[control] min_drop: unknown key; did you mean min_drop_bpm?"),
        (f"{RUNNER}[sensor]\nvo2max = 40", "[sensor] vo2max: unknown key; did you mean vo2max_ml_kg_min?"),
        (f"{RUNNER}[sensor]\nresting = 50", "[sensor] resting: unknown key; did you mean resting_heart_rate_bpm?"),
        (
            f"{RUNNER}[control]\nhrr = 0.8",
            "[control] hrr: unknown key; did you mean heart_rate_ceiling_hrr or ready_hrr?",
        ),
        (f"{RUNNER}[journal]\nretries = 1", "[journal] retries: unknown key; allowed: path"),
        (f"{RUNNER}[plan]\nwarmup = 60", "[plan] warmup: unknown key; did you mean warmup_s?"),
        (
            f'{RUNNER}[mqtt]\npassword = "secret"',
            "[mqtt] password: unknown key; did you mean password_file?",
        ),
    ],
)
def test_an_unknown_key_is_named_with_the_one_that_was_meant(file: Path, text: str, said: str) -> None:
    assert complaint(file, text) == f"alex.toml: {said}"


def test_a_password_in_the_file_is_not_repeated(file: Path) -> None:
    assert "secret" not in complaint(file, f'{RUNNER}[mqtt]\npassword = "secret"')


def test_a_password_in_the_url_is_refused_and_not_repeated(file: Path) -> None:
    said = complaint(file, f'{RUNNER}[mqtt]\nurl = "mqtt://alex:secret@pi"')
    assert said.startswith("alex.toml: [mqtt] url: 'mqtt://...@pi' is not allowed; allowed: ")
    assert said.endswith("without user and password")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runner = 3", "runner: 3 is not allowed; allowed: a table with id, age_years, max_heart_rate_bpm, "),
        ("[runner]\nage_years = '40'", "[runner] age_years: '40' is not allowed; allowed: a number from 10 to 100"),
        (f"{RUNNER}[sensor]\nseed = 1.5", "[sensor] seed: 1.5 is not allowed; allowed: a whole number from 0"),
        (f"{RUNNER}[sensor]\nname = 3", "[sensor] name: 3 is not allowed; allowed: text in quotes"),
        (f"{RUNNER}[control]\ntips = 1", "[control] tips: 1 is not allowed; allowed: true or false"),
        (
            f'{RUNNER}[sensor]\nfaults = "zero@3"',
            "[sensor] faults: 'zero@3' is not allowed; allowed: a list, each text in quotes",
        ),
        (
            f"{RUNNER}[plan]\nrpe_target = 5",
            "[plan] rpe_target: 5 is not allowed; allowed: a list of 2, each a number from 0 to 10",
        ),
    ],
)
def test_a_value_of_the_wrong_kind_is_answered_with_the_right_one(file: Path, text: str, said: str) -> None:
    assert complaint(file, text).startswith(f"alex.toml: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[runner]\nage_years = 8", "[runner] age_years: 8 is not allowed; allowed: a number from 10 to 100"),
        (
            f"{RUNNER}[season]\nruns_per_week = 1",
            "[season] runs_per_week: 1 is not allowed; allowed: a whole number from 2 ",
        ),
        (
            f"{RUNNER}[season]\nstart_minutes = 241",
            "[season] start_minutes: 241 is not allowed; allowed: a whole number ",
        ),
        (
            f"{RUNNER}[season]\nbegin = 'spring'",
            "[season] begin: 'spring' is not allowed; allowed: a date like 2026-11-22",
        ),
        ("[runner]\nage_years = nan", "[runner] age_years: nan is not allowed; allowed: a number from 10 to 100"),
        (
            f"{RUNNER}[control]\nmin_drop_bpm = 300",
            "[control] min_drop_bpm: 300 is not allowed; allowed: a number from 1 to 40",
        ),
        (
            f"{RUNNER}[plan]\ntotal_s = 0",
            "[plan] total_s: 0 is not allowed; allowed: a number above 0 to 172800",
        ),
        (
            f"{RUNNER}[plan]\ncooldown = -5",
            '[plan] cooldown: -5 is not allowed; allowed: a number from 0 to 172800 or "finisher"',
        ),
        (
            f"{RUNNER}[plan]\nrpe_target = [4, 60]",
            "[plan] rpe_target 2: 60 is not allowed; allowed: a number from 0 to 10",
        ),
        (
            f"{RUNNER}[[plan.block]]\nsegments = []",
            "[plan.block 1] segments: [] is not allowed; allowed: a list of 1 to 100, each a table with kind, ",
        ),
        (
            f'{RUNNER}[[plan.block]]\nsegments = [{{ kind = "run", for_s = -1 }}]',
            "[plan.block 1.segments 1] for_s: -1 is not allowed; allowed: a number above 0 to 172800",
        ),
    ],
)
def test_a_number_out_of_range_is_answered_with_the_range(file: Path, text: str, said: str) -> None:
    assert complaint(file, text).startswith(f"alex.toml: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[runner]\nid = "Alex B"\nage_years = 40', "[runner] id: 'Alex B' is not allowed; allowed: 1 to 32 of a-z"),
        (
            f'{RUNNER}[season]\nstart_ratio = "3:2"',
            '[season] start_ratio: \'3:2\' is not allowed; allowed: "1:4", "1:3", "1:2", "1:1", ',
        ),
        (
            f'{RUNNER}units = "stone"',
            '[runner] units: \'stone\' is not allowed; allowed: "metric", "imperial"',
        ),
        (
            f'{RUNNER}[sensor]\nkind = "ant"',
            '[sensor] kind: \'ant\' is not allowed; allowed: "ble", "simulated", "replay"',
        ),
        (
            f'{RUNNER}[control]\npolicy = "hard"',
            '[control] policy: \'hard\' is not allowed; allowed: "adaptive", "fixed", "gate", "rest51", "rest118"',
        ),
        (
            f'{RUNNER}[mqtt]\nurl = "http://pi"',
            '[mqtt] url: \'http://pi\' is not allowed; allowed: "embedded", "embedded:PORT", "none" or a URL mqtt://',
        ),
        (
            f'{RUNNER}[mqtt]\nbase_topic = "a/#"',
            "[mqtt] base_topic: 'a/#' is not allowed; allowed: topic levels without + # or blanks",
        ),
        (
            f'{RUNNER}[[plan.block]]\nuntil = "half"\nsegments = [{{ kind = "run", for_s = 9 }}]',
            '[plan.block 1] until: \'half\' is not allowed; allowed: text like "50%", "30min" or "5km"',
        ),
        (
            f'{RUNNER}[[plan.block]]\nsegments = [{{ kind = "walk", for_s = 9 }}, {{ kind = "jog", for_s = 9 }}]',
            '[plan.block 1.segments 2] kind: \'jog\' is not allowed; allowed: "run", "surge", "walk"',
        ),
    ],
)
def test_a_word_that_is_not_allowed_is_answered_with_those_that_are(file: Path, text: str, said: str) -> None:
    assert complaint(file, text).startswith(f"alex.toml: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "[runner]: needs max_heart_rate_bpm (100-240) or age_years (10-100)"),
        ("[runner]\nresting_heart_rate_bpm = 60", "[runner]: needs max_heart_rate_bpm (100-240) or age_years (10-100)"),
        (
            "[runner]\nmax_heart_rate_bpm = 120\nresting_heart_rate_bpm = 100",
            "[runner]: max_heart_rate_bpm must be at least 30 above resting_heart_rate_bpm",
        ),
        (
            f"{RUNNER}[control]\nheart_rate_ceiling_bpm = 150\nheart_rate_ceiling_hrr = 0.7",
            "[control]: takes heart_rate_ceiling_bpm or heart_rate_ceiling_hrr, not both",
        ),
        (
            f"{RUNNER}[control]\nmin_drop_bpm = 20",
            "[control]: min_drop_bpm must not exceed max_drop_bpm",
        ),
        (
            f"{RUNNER}[control]\nclock_after_s = 5",
            "[control]: doubt_after_s must not exceed clock_after_s",
        ),
        (
            f'{RUNNER}[sensor]\naddress = "C0:FF:EE:00:00:01"\nspeed_address = "c0:ff:ee:00:00:01"',
            "[sensor]: address, fallback_address and speed_address must be three devices",
        ),
        (f"{RUNNER}[plan]\ntotal_s = 600\nrepeats = 3", "[plan]: takes one of total_s, repeats and distance_m"),
        (f"{RUNNER}[plan]\nrpe_target = [6, 4]", "[plan]: rpe_target is [lower, upper]"),
        (
            f'{RUNNER}[[plan.block]]\nsegments = [{{ kind = "run" }}]',
            "[plan.block 1] segments 1: needs one of for_s, for_m, every_m and at_m",
        ),
        (
            f'{RUNNER}[[plan.block]]\nsegments = [{{ kind = "run", for_s = 60, for_m = 200 }}]',
            "[plan.block 1] segments 1: needs one of for_s, for_m, every_m and at_m",
        ),
        (
            f'{RUNNER}[[plan.block]]\nuntil = "50%"\nrepeats = 2\nsegments = [{{ kind = "run", for_s = 60 }}]',
            "[plan] block 1: takes until or repeats, not both",
        ),
        (
            f'{RUNNER}[plan]\nblock = [{{ segments = [{{ kind = "run", for_s = 9 }}] }}, '
            '{ segments = [{ kind = "walk", for_s = 9 }] }]',
            "[plan]: every block but the last needs until or repeats",
        ),
        (f"{RUNNER}[[plan.block]]\nrepeats = 2", "[plan.block 1] segments: missing"),
        (
            f"{RUNNER}[[plan.block]]\nsegments = [{{ for_s = 2 }}]",
            "[plan.block 1.segments 1] kind: missing",
        ),
    ],
)
def test_keys_that_do_not_fit_together_are_told(file: Path, text: str, said: str) -> None:
    assert complaint(file, text) == f"alex.toml: {said}"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"/nobody\.toml: no such file$"):
        config.load(tmp_path / "nobody.toml")


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r": cannot be read: Is a directory$"):
        config.load(tmp_path)


def test_a_name_that_no_file_can_have_is_told() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load("alex\0.toml")


def test_broken_toml_names_the_line(file: Path) -> None:
    assert complaint(file, "[runner]\nage_years = forty\n").startswith("alex.toml: not valid TOML: ")
    assert "line 2" in complaint(file, "[runner]\nage_years = forty\n")


def test_brackets_without_end_are_told(file: Path) -> None:
    assert "cannot be read" in complaint(file, f"x = {'[' * 10_000}")


def test_a_file_that_is_not_text_is_told(file: Path) -> None:
    file.write_bytes(b"\xff\xfe[runner]")
    with pytest.raises(ConfigError, match="not valid TOML: the file is not UTF-8 text"):
        config.load(file)


@pytest.mark.parametrize("text", ["age_years = 40", "[runner]\nid = 3", "[runner", "", "[x]"])
def test_a_complaint_is_one_line(file: Path, text: str) -> None:
    assert "\n" not in complaint(file, text)


# -- over the file, from the command line --


def test_set_changes_one_number(file: Path) -> None:
    assert read(file, RUNNER, "control.min_drop_bpm=12").control.min_drop_bpm == 12


def test_set_needs_no_quotes_for_words(file: Path) -> None:
    assert read(file, RUNNER, "sensor.kind=simulated").sensor.kind is SensorKind.SIMULATED


def test_set_takes_quotes_too(file: Path) -> None:
    assert read(file, RUNNER, 'sensor.kind="simulated"').sensor.kind is SensorKind.SIMULATED


def test_set_takes_lists(file: Path) -> None:
    assert read(file, RUNNER, 'sensor.faults=["zero@1", "zero@9"]').sensor.faults == ("zero@1", "zero@9")


def test_set_keeps_the_rest_of_a_table(file: Path) -> None:
    control = read(file, f"{RUNNER}[control]\ntips = false", "control.min_drop_bpm=12").control
    assert (control.tips, control.min_drop_bpm) == (False, 12)


def test_the_last_set_counts(file: Path) -> None:
    assert read(file, RUNNER, "runner.id=a", "runner.id=b").runner.id == "b"


def test_set_replaces_a_whole_table(file: Path) -> None:
    plan = read(file, f"{RUNNER}[plan]\nwarmup_s = 5", "plan={use='surge'}").plan
    assert (plan.use, plan.warmup_s) == ("surge", None)


@pytest.mark.parametrize(
    "override", ["", "=", "control", "control=3", "control.min_drop_bpm", "=3", ".=3", "a..b=3", "control.=3"]
)
def test_set_needs_table_key_and_value(file: Path, override: str) -> None:
    said = f"--set {override}: expected table.key=value, for example control.min_drop_bpm=12"
    assert complaint(file, RUNNER, override) == said


def test_set_cannot_look_into_a_number(file: Path) -> None:
    assert complaint(file, RUNNER, "runner.age_years.x=3") == "--set runner.age_years.x=3: age_years is not a table"


def test_set_is_as_strict_as_the_file(file: Path) -> None:
    assert "unknown key; did you mean min_drop_bpm?" in complaint(file, RUNNER, "control.min_drop=12")


def test_a_trace_of_another_runner_can_be_stepped_with_one_number_changed(file: Path) -> None:
    changed = config.override(read(file, RUNNER), ["control.min_drop_bpm=12"])
    assert changed == read(file, f"{RUNNER}[control]\nmin_drop_bpm = 12")


def test_an_override_that_is_not_allowed_says_where_it_came_from(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--set: \[control\] min_drop_bpm: 99 is not allowed"):
        config.override(read(file, RUNNER), ["control.min_drop_bpm=99"])


# -- the ceiling --


@pytest.mark.parametrize(
    ("key", "plan", "bpm"),
    [
        ("", "easy-4-1", 150),  # 60 + 0.75 x 120
        ("", "return-1-4", 144),  # 60 + 0.70 x 120
        ("heart_rate_ceiling_bpm = 155", "easy-4-1", 155),
        ("heart_rate_ceiling_hrr = 0.8", "easy-4-1", 156),
        ("heart_rate_ceiling_hrr = 0.8", "return-1-4", 156),
    ],
)
def test_the_ceiling(file: Path, key: str, plan: str, bpm: float) -> None:
    loaded = read(file, f"{RUNNER}[control]\n{key}")
    assert ceiling_bpm(loaded.runner, plans.load(plan), loaded.control) == pytest.approx(bpm)


# -- [plan]: a plan by name, and what one changes about it --


def planned(file: Path, text: str) -> plans.Plan:
    return plans.resolve(read(file, f"{RUNNER}{text}").plan, file.parent)


def test_without_a_word_about_it_the_plan_is_easy(file: Path) -> None:
    assert planned(file, "") == plans.load("easy-4-1")


def test_a_plan_by_name(file: Path) -> None:
    assert planned(file, '[plan]\nuse = "surge"') == plans.load("surge")


def test_any_other_key_replaces_the_plans_own(file: Path) -> None:
    plan = planned(file, '[plan]\nuse = "easy-4-1"\nwarmup_s = 60\nrpe_target = [3, 5]')
    assert (plan.warmup_s, plan.rpe_target, plan.total_s) == (60, (3, 5), 2400)


@pytest.mark.parametrize(
    ("use", "key", "value"),
    [
        ("easy-4-1", "warmup_s", 0),
        ("easy-4-1", "cooldown", 0),
        ("surge", "purpose", "easy"),
        ("surge", "rpe_target", [4, 6]),
        ("race-miles", "max_total_s", 21_600),
    ],
)
def test_a_key_counts_also_where_it_says_what_is_usual(file: Path, use: str, key: str, value: object) -> None:
    plan = planned(file, f"[plan]\nuse = {use!r}\n{key} = {value!r}")
    assert json.loads(msgspec.json.encode(plan))[key] == value


def test_another_end_replaces_the_one_the_plan_has(file: Path) -> None:
    plan = planned(file, '[plan]\nuse = "easy-4-1"\nrepeats = 3')
    assert (plan.repeats, plan.total_s) == (3, None)


def test_a_key_without_a_name_changes_the_usual_plan(file: Path) -> None:
    plan = planned(file, "[plan]\ntotal_s = 600")
    assert (plan.name, plan.total_s) == ("easy-4-1", 600)


def test_other_blocks_replace_the_plans_own(file: Path) -> None:
    plan = planned(file, '[plan]\nuse = "easy-4-1"\n[[plan.block]]\nsegments = [{ kind = "run", for_s = 77 }]')
    assert [segment.for_s for block in plan.block for segment in block.segments] == [77]


def test_a_plan_may_stand_in_the_configuration(file: Path) -> None:
    inline = "[plan]\n" + MANUAL_PLAN.replace("[[block]]", "[[plan.block]]")
    file.with_name("plan.toml").write_text(MANUAL_PLAN, encoding="utf-8")
    assert planned(file, inline) == plans.load(file.with_name("plan.toml"))


def test_a_plan_file_is_looked_for_beside_the_configuration(file: Path) -> None:
    file.with_name("mine.toml").write_text(MANUAL_PLAN, encoding="utf-8")
    assert planned(file, '[plan]\nuse = "mine.toml"').name == "variable-5-3"


def test_an_unknown_plan_is_answered_with_those_there_are(file: Path) -> None:
    with pytest.raises(ConfigError, match=r'^\[plan\] use: plan "easy": no such plan; allowed: beginner-1-2, demo, '):
        planned(file, '[plan]\nuse = "easy"')


def test_a_share_of_an_endless_plan_is_refused(file: Path) -> None:
    block = '{ until = "50%", segments = [{ kind = "run", for_s = 60 }] }'
    with pytest.raises(ConfigError, match=r"^\[plan\]: \[block 1\] until: a percentage needs total_s, "):
        planned(file, f"[plan]\nblock = [{block}]")


def test_a_wrong_plan_file_is_named(file: Path) -> None:
    file.write_text(MANUAL_PLAN.replace("warmup_s", "warm_up_s"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"/alex\.toml: warm_up_s: unknown key; did you mean warmup_s\?"):
        plans.load(file)


def test_in_a_plan_file_too_the_block_is_named(file: Path) -> None:
    file.write_text(MANUAL_PLAN.replace('"surge"', '"sprint"'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"\[block 2\.segments 1\] kind: 'sprint' is not allowed; allowed: "):
        plans.load(file)


def test_a_table_knows_which_keys_of_a_plan_it_was_given() -> None:
    assert PlanTable(use="surge", warmup_s=0.0).given == {"warmup_s": 0.0}


def test_the_files_of_a_configuration_are_looked_for_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "alex.toml"
    path.write_text(f'{RUNNER}[mqtt]\npassword_file = "password"\nca_file = "/etc/ca.crt"\n')
    mqtt = config.load(path, ["mqtt.cert_file=mine.crt"]).mqtt
    assert (mqtt.password_file, mqtt.ca_file, mqtt.cert_file) == (str(tmp_path / "password"), "/etc/ca.crt", "mine.crt")


@pytest.mark.parametrize("key", ["tone_only", "leave_out"])
def test_a_warning_is_always_heard(file: Path, key: str) -> None:
    said = complaint(file, f'{RUNNER}[headset]\n{key} = ["tip", "warning"]\n')
    assert said == "alex.toml: [headset]: warning is always heard: neither tone_only nor leave_out may name it"


@pytest.mark.parametrize(
    "line",
    ["volume_percent = 101", "words_per_minute = 79", 'language = "xx"', "primer_s = 3.1", 'leave_out = ["tips"]'],
)
def test_what_a_headset_cannot_do_is_refused(file: Path, line: str) -> None:
    assert complaint(file, f"{RUNNER}[headset]\n{line}\n").startswith("alex.toml: [headset")
