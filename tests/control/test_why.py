"""Why was that said? What an answer claims is tried: the same beats again, with the one thing that it names changed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from hrbridge.config import Control, Plan, PolicyName, Runner
from hrbridge.control.controller import Controller
from hrbridge.control.why import GATED, RULES, explain
from hrbridge.decisions import REASONS, CueKind, Phase, Reason, Step
from hrbridge.events import Action, Event, Rpe, Sample

from .conftest import PaperRun, recovering, rising, run_walk, stubborn

RUNNER = Runner(max_heart_rate_bpm=180, resting_heart_rate_bpm=60)  # a ceiling of 150
QUIET = Control(tips=False, rpe_prompts=False)
EVERY_RULE = [
    pytest.param(*rule, id=f"{kind}-{reason}") for rules in (RULES, GATED) for (kind, reason), rule in rules.items()
]


def four_one(**keys: object) -> Plan:
    return run_walk(240, 60, total_s=3000, **keys)


def hot(to_bpm: float) -> Callable[[Phase, float], float]:
    """Rises in every run, recovers in every walk."""
    return lambda phase, s: rising(110, to_bpm, s / 3) if phase is Phase.RUN else max(100, to_bpm - 1.2 * s)


def why(run: PaperRun, plan: Plan, at_s: float, settings: Control = QUIET) -> list[str]:
    return explain(run.steps, at_s, plan, RUNNER, settings)


def line(lines: list[str], label: str) -> str:
    """The line that begins with this word, without it."""
    (text,) = [text for text in lines if text.startswith(label)]
    return text.partition(": ")[2]


# -- the table --


def test_every_cue_with_every_reason_can_be_explained() -> None:
    assert set(RULES) == {(kind, reason) for kind, reasons in REASONS.items() for reason in reasons}


@pytest.mark.parametrize(("words", "change"), EVERY_RULE)
def test_a_rule_is_a_sentence(words: str, change: object) -> None:
    assert re.fullmatch(r"[A-Z0-9][^{}]+[.?]", words.format(settings=Control()))


@pytest.mark.parametrize(("words", "change"), EVERY_RULE)
def test_a_rule_neither_blames_nor_plays_the_doctor(words: str, change: object) -> None:
    never = (
        r"\b(you|your|should|must|fail\w*|wrong|bad|fault|patient|cardi\w+|diagnos\w+|symptom\w*|danger\w*|risk\w*)\b"
    )
    assert re.findall(never, f"{words} {change}".lower()) == []


# -- what would have changed it --


def again(run: PaperRun, plan: Plan, change: Callable[[Event], Event], settings: Control = QUIET) -> list[Step]:
    controller = Controller(plan, RUNNER, settings)
    return [controller.step(change(step.event)) for step in run.steps]


def other_heart(by_bpm: float, from_s: float) -> Callable[[Event], Event]:
    """From then on, reached within ten seconds: a heart that beats so much faster."""

    def change(event: Event) -> Event:
        if not isinstance(event, Sample) or event.at_s < from_s:
            return event
        share = min((event.at_s - from_s) / 10, 1)
        return replace(event, heart_rate_bpm=event.heart_rate_bpm + round(share * by_bpm))

    return change


def named_bpm(change: str) -> int:
    number, more_or_less = re.match(r"With (\d+) bpm (less|more) ", change).groups()
    return int(number) * (1 if more_or_less == "more" else -1)


def slightly_less(bpm: int) -> int:
    return bpm - 1 if bpm > 0 else bpm + 1


def heard(steps: list[Step], kind: CueKind, from_s: float, to_s: float) -> bool:
    return any(cue.kind is kind for step in steps if from_s <= step.at_s <= to_s for cue in step.cues)


# In the first run (from 120 s on) and the first walk (from 360 s on, its reference settled at 380 s): how the heart
# beats, the cue to be explained, and from when on another heart is tried.
RUN_S, WALK_S = 120.0, 380.0
SCENES = {
    "extension": (stubborn(drop_bpm=4), CueKind.EXTEND_WALK, Reason.NOT_RECOVERED, WALK_S),
    "slower walk": (stubborn(), CueKind.EASE_WALK, Reason.NOT_RECOVERED, WALK_S),
    "cut by heart rate": (hot(155), CueKind.WALK, Reason.HEART_RATE_CEILING, RUN_S),
    "cut by forecast": (hot(158), CueKind.WALK, Reason.FORECAST_CEILING, RUN_S),
    "slower run": (hot(147), CueKind.EASE_RUN, Reason.HEART_RATE_CEILING, RUN_S),
    "run at the cap": (stubborn(run_bpm=144), CueKind.RUN, Reason.WALK_CAP, WALK_S),
    "run by the plan": (recovering(), CueKind.RUN, Reason.PLANNED, WALK_S),
    "walk by the plan": (hot(140), CueKind.WALK, Reason.PLANNED, RUN_S),
    "countdown": (recovering(), CueKind.COUNTDOWN, Reason.PLANNED, RUN_S),
    "easy finish": (stubborn(run_bpm=152, drop_bpm=6), CueKind.TIP, Reason.EASY_FINISH, 145.0 + 20),
    "shorter runs": (stubborn(run_bpm=144), CueKind.RATIO, Reason.WALK_CAP, WALK_S),
}
# So far above that only the heart rate itself decides.
NO_FORECAST = replace(QUIET, ceiling_forecast_margin_bpm=20)


class Scene:
    """A cue on paper, with the answer to why."""

    def __init__(self, name: str) -> None:
        heart, self.kind, reason, self.began_s = SCENES[name]
        self.settings = NO_FORECAST if name == "cut by heart rate" else QUIET
        self.run = PaperRun(four_one(), heart, settings=self.settings, runner=RUNNER).go(600)
        self.at_s = next(at_s for at_s, _ in self.run.said(self.kind, reason) if at_s > self.began_s)
        self.answer = why(self.run, four_one(), self.at_s, self.settings)
        self.change = line(self.answer, "Change")

    def steps(self, by_bpm: float) -> list[Step]:
        return again(self.run, four_one(), other_heart(by_bpm, self.began_s), self.settings)

    def decided(self, by_bpm: float) -> bool:
        """Sooner is another decision where the heart beats faster; a walk can still be made longer until it ends."""
        from_s = self.at_s if by_bpm > 0 else self.began_s
        until_s = 420.0 if self.kind is CueKind.EXTEND_WALK else self.at_s
        return heard(self.steps(by_bpm), self.kind, from_s, until_s)


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param)


def test_the_heart_rate_that_is_named_would_have_changed_it(scene: Scene) -> None:
    assert not scene.decided(named_bpm(scene.change))


def test_one_beat_less_would_not(scene: Scene) -> None:
    assert scene.decided(slightly_less(named_bpm(scene.change)))


@pytest.mark.parametrize("name", ["cut by heart rate", "cut by forecast"])
def test_a_higher_ceiling_is_named_with_its_key_and_would_have_let_the_run_go_on(name: str) -> None:
    scene = Scene(name)
    ceiling_bpm = float(re.search(r"control\.heart_rate_ceiling_bpm = ([\d.]+)\)", scene.change)[1])

    def phase(ceiling_bpm: float) -> Phase:
        settings = replace(scene.settings, heart_rate_ceiling_bpm=ceiling_bpm)
        steps = again(scene.run, four_one(), lambda event: event, settings)
        return [step.phase for step in steps if step.at_s <= scene.at_s][-1]

    assert (phase(ceiling_bpm), phase(ceiling_bpm - 1)) == (Phase.RUN, Phase.WALK)


def test_a_run_that_is_said_to_have_gone_on_goes_on() -> None:
    scene = Scene("cut by forecast")
    assert scene.change.endswith("the run would have gone on.")
    (phase,) = {step.phase for step in scene.steps(named_bpm(scene.change)) if step.at_s == scene.at_s}
    assert phase is Phase.RUN


def test_a_walk_that_is_said_to_have_come_sooner_comes_sooner() -> None:
    scene = Scene("walk by the plan")
    assert scene.change.endswith("the walk would have come sooner.")
    assert heard(scene.steps(named_bpm(scene.change)), CueKind.WALK, scene.began_s, scene.at_s - 1)


def test_a_walk_that_would_not_have_been_longer_ends_as_planned() -> None:
    scene = Scene("extension")
    assert scene.change.endswith("heart rate would not have made that walk longer.")
    assert (
        next(step.at_s for step in scene.steps(named_bpm(scene.change)) if step.at_s > 360 and step.phase is Phase.RUN)
        == 420
    )


def test_two_extensions_are_not_explained_away_by_losing_one() -> None:
    run = PaperRun(four_one(), stubborn(), settings=QUIET, runner=RUNNER).go(500)
    (first_s, _), (second_s, _) = run.said(CueKind.EXTEND_WALK)
    bpm = named_bpm(line(why(run, four_one(), second_s), "Change"))
    steps = again(run, four_one(), other_heart(bpm, 380))
    assert not heard(steps, CueKind.EXTEND_WALK, first_s, second_s)


@pytest.fixture
def hard() -> PaperRun:
    """A fine heart rate, and an effort of 7.5 reported 20 s into the first walk."""
    run = PaperRun(four_one(), recovering(), settings=QUIET, runner=RUNNER).go(380)
    run.effort(7.5)
    return run.go(300)


def test_the_effort_that_is_named_would_not_have_made_the_walk_longer(hard: PaperRun) -> None:
    change = line(why(hard, four_one(), 380), "Change")
    assert change == "With an effort of 6 instead of 7.5, this would not have been said."
    steps = again(hard, four_one(), lambda event: replace(event, rpe=6.0) if isinstance(event, Rpe) else event)
    assert not heard(steps, CueKind.EXTEND_WALK, 0, 380)


def test_half_a_point_more_effort_would_have(hard: PaperRun) -> None:
    steps = again(hard, four_one(), lambda event: replace(event, rpe=6.5) if isinstance(event, Rpe) else event)
    assert heard(steps, CueKind.EXTEND_WALK, 380, 380)


def test_a_shorter_run_for_effort_names_the_effort_that_would_have_kept_it() -> None:
    run = PaperRun(four_one(), recovering(), settings=QUIET, runner=RUNNER).go(250)
    run.effort(8)
    run.go(200)
    (at_s, _), *_ = run.said(CueKind.RATIO, Reason.RPE_HIGH)
    change = line(why(run, four_one(), at_s), "Change")
    assert change == "With an effort of 6 instead of 8, run and walk would have kept their lengths."


def test_a_run_that_begins_too_high_needs_less_of_it() -> None:
    run = PaperRun(four_one(), lambda phase, s: 147, settings=QUIET, runner=RUNNER).go(150)
    (at_s, _), *_ = run.said(CueKind.EASE_RUN)
    change = line(why(run, four_one(), at_s), "Change")
    assert change == "With 7 bpm less as that run began, this would not have been said."
    said = [heard(again(run, four_one(), other_heart(bpm, 110)), CueKind.EASE_RUN, 120, at_s) for bpm in (-7, -6)]
    assert said == [False, True]


def test_where_no_heart_rate_would_have_changed_it_that_is_said() -> None:
    settings = replace(QUIET, policy=PolicyName.FIXED)
    run = PaperRun(four_one(), recovering(), settings=settings, runner=RUNNER).go(400)
    change = line(why(run, four_one(), 120, settings), "Change")
    assert change == "48 bpm more in that warm-up, reached within 10 s, would not have changed it."


def test_beats_in_a_packet_move_with_the_heart_rate() -> None:
    """Otherwise beats and heart rate would disagree, and doubt would change the decision."""
    run = PaperRun(four_one(), recovering(), settings=QUIET, runner=RUNNER)
    tell = run.tell
    run.tell = lambda event: tell(
        replace(event, rr_s=(60 / event.heart_rate_bpm,)) if isinstance(event, Sample) else event
    )
    assert line(why(run.go(450), four_one(), 420), "Change") == Scene("run by the plan").change


# -- the answer --


def test_a_decision_is_told_with_its_rule_its_numbers_and_what_would_have_changed_it() -> None:
    answer = Scene("extension").answer
    assert [text.partition(":")[0] for text in answer[1:]] == ["Said", "Rule", "Numbers", "Planned -> now", "Change"]


def test_the_numbers_are_those_of_the_step() -> None:
    scene = Scene("extension")
    e = next(step.estimate for step in scene.run.steps if step.cues and step.at_s == scene.at_s)
    assert line(scene.answer, "Numbers") == (
        f"heart rate {e.heart_rate_bpm:g} bpm (trust good), ceiling 150, down {e.drop_bpm:g} of "
        f"{e.required_drop_bpm:g}, forecast {e.forecast_bpm:g} in 30 s ({e.forecast_low_bpm:g} to "
        f"{e.forecast_high_bpm:g}), ready in {e.ready_in_s:g} s."
    )


def test_a_forecast_that_ended_a_run_is_above_the_line_that_the_rule_names() -> None:
    answer = Scene("cut by forecast").answer
    assert line(answer, "Rule") == (
        "A walk is due when the forecast 10 s ahead is above the ceiling by more than "
        "control.ceiling_forecast_margin_bpm = 0."
    )
    assert float(re.search(r"forecast ([\d.]+) in 10 s", line(answer, "Numbers"))[1]) > 150


def test_a_run_that_was_cut_short_is_told_with_the_heart_rate_that_cut_it() -> None:
    run = PaperRun(four_one(), recovering(), settings=QUIET, runner=RUNNER)
    for second in range(1, 200):
        run.tell(Sample(float(second), max(100, second - 20)))
    (at_s, _), *_ = run.said(CueKind.WALK)
    last, said = [step.estimate.heart_rate_bpm for step in run.steps if at_s - 1 <= step.at_s <= at_s]
    assert said == last + 1
    assert line(why(run, four_one(), at_s), "Numbers").startswith(f"heart rate {said:g} bpm")


def test_a_rule_has_the_runners_own_setting() -> None:
    settings = replace(QUIET, ceiling_forecast_margin_bpm=3.5)
    run = PaperRun(four_one(), hot(160), settings=settings, runner=RUNNER).go(400)
    (at_s, _), *_ = run.said(CueKind.WALK)
    assert "by more than control.ceiling_forecast_margin_bpm = 3.5." in line(
        why(run, four_one(), at_s, settings), "Rule"
    )


def test_a_shorter_run_has_plan_and_present_side_by_side() -> None:
    assert line(Scene("shorter runs").answer, "Planned") == "run 240 -> 192 s; walk 60 -> 120 s."


def test_what_begins_a_walk_was_decided_at_the_end_of_the_run() -> None:
    answer = Scene("walk by the plan").answer
    assert line(answer, "Numbers at the end of that run").startswith("heart rate 140 bpm")


def test_an_answer_has_at_most_ten_lines() -> None:
    run = PaperRun(four_one(), stubborn(), settings=QUIET, runner=RUNNER).go(700)
    assert max(len(why(run, four_one(), at_s)) for at_s in range(5, 700, 35)) <= 10


# -- when nothing was said --


def silence(run: PaperRun, at_s: float, plan: Plan | None = None, settings: Control = QUIET) -> str:
    return line(why(run, plan or four_one(), at_s, settings), "Nothing")


def test_the_last_cue_is_explained_with_how_long_ago_it_was() -> None:
    run = PaperRun(four_one(), recovering(), settings=QUIET, runner=RUNNER).go(400)
    assert line(why(run, four_one(), 399.7), "Said 39 s before") == '"Walk one minute." (walk, planned)'


def test_what_comes_later_is_not_known_yet() -> None:
    run = PaperRun(four_one(), recovering(), settings=QUIET, runner=RUNNER).go(400)
    assert "Walk one minute" not in "".join(why(run, four_one(), 359))


def test_in_a_run_the_way_to_the_ceiling_is_told() -> None:
    run = PaperRun(four_one(), recovering(run_bpm=139), settings=QUIET, runner=RUNNER).go(300)
    assert re.match(r'no "walk": heart rate is 1[01] bpm below the ceiling, the forecast 1\d', silence(run, 300))


def test_a_moment_above_the_ceiling_is_told() -> None:
    run = PaperRun(four_one(), hot(155), settings=NO_FORECAST, runner=RUNNER).go(360)
    (cut_s, _), *_ = run.said(CueKind.WALK)
    assert silence(run, cut_s - 4, settings=NO_FORECAST) == 'no "walk" yet: above the ceiling, but not for 10 s.'


AT_LEAST_ITS_SHARE = "heart rate is down enough, and the walk lasts at least its share of the run before it."
KEEPS_ITS_TIME = "heart rate is down enough, and the walk keeps its time (control.allow_early_run = false)."


def too_high_after(seconds: float) -> Callable[[Phase, float], float]:
    def heart(phase: Phase, s: float) -> float:
        if phase is Phase.WALK:
            return max(100, 156 - 2 * s)
        return 156 if phase is Phase.RUN and s > seconds else 110

    return heart


def told_in_walk(run: PaperRun, settings: Control = QUIET) -> str:
    """Half a minute into the next walk."""
    run.until(Phase.WALK).go(35)
    return silence(run, run.now_s, settings=settings)


@pytest.mark.parametrize(("seconds", "said"), [(185, AT_LEAST_ITS_SHARE), (300, KEEPS_ITS_TIME)])
def test_a_walk_after_a_run_that_was_cut_short_is_told_to_be_shorter(seconds: float, said: str) -> None:
    assert told_in_walk(PaperRun(four_one(), too_high_after(seconds), settings=QUIET, runner=RUNNER)) == said


@pytest.mark.parametrize(("walking_bpm", "min_drop_bpm"), [(143, 10), (138, 35)])
def test_recovered_or_ten_below_the_ceiling_is_down_enough_for_that(walking_bpm: float, min_drop_bpm: float) -> None:
    """The first is recovered and near the ceiling; the second is not, for nobody comes down by 35 beats here."""
    settings = replace(QUIET, min_drop_bpm=min_drop_bpm, max_drop_bpm=max(15, min_drop_bpm), ready_hrr=0.4)
    run = PaperRun(four_one(), too_high_after(185), settings=settings, runner=RUNNER)
    run.heart = lambda phase, s: walking_bpm if phase is Phase.WALK else too_high_after(185)(phase, s)
    assert told_in_walk(run, settings) == AT_LEAST_ITS_SHARE


def test_the_walk_after_a_whole_run_keeps_its_time_whatever_was_cut_before() -> None:
    run = PaperRun(four_one(), too_high_after(185), settings=QUIET, runner=RUNNER).until(Phase.WALK).until(Phase.RUN)
    run.heart = recovering(140)
    assert told_in_walk(run) == KEEPS_ITS_TIME


def test_so_does_the_walk_after_a_run_that_is_back_at_the_plan() -> None:
    run = PaperRun(four_one(), too_high_after(215), settings=QUIET, runner=RUNNER)
    for _ in range(3):
        run.until(Phase.WALK)
    run.until(Phase.RUN).heart = recovering(140)
    assert run.ratio[0] == 220
    while run.ratio[0] < 240:
        run.until(Phase.RUN)
    assert told_in_walk(run) == KEEPS_ITS_TIME


@pytest.fixture
def shortened() -> PaperRun:
    """To the third walk in a row after a run that was cut short."""
    run = PaperRun(four_one(), too_high_after(185), settings=QUIET, runner=RUNNER)
    for _ in range(3):
        run.until(Phase.WALK)
    return run


def test_so_is_the_walk_after_a_run_that_is_shorter_for_the_ceiling(shortened: PaperRun) -> None:
    shortened.until(Phase.RUN).heart = recovering(140)
    assert told_in_walk(shortened) == AT_LEAST_ITS_SHARE
    assert shortened.lengths_s(Phase.RUN)[-1] == shortened.ratio[0] < 240


def test_the_rule_of_a_shorter_run_names_the_shortest_and_the_floor(shortened: PaperRun) -> None:
    shortened.go(40)
    ((at_s, _),) = shortened.said(CueKind.RATIO, Reason.HEART_RATE_CEILING)
    assert line(why(shortened, four_one(), at_s), "Rule") == (
        "3 runs in a row were cut short by the ceiling: runs take the length of the shortest of them, "
        "though not less than 0.3 of the plan or 20 s."
    )


def test_in_the_last_ten_seconds_a_walk_keeps_its_time() -> None:
    """ "Run in ten seconds" has been said."""
    run = PaperRun(four_one(), too_high_after(220), settings=QUIET, runner=RUNNER).until(Phase.WALK).go(51)
    assert run.lengths_s(Phase.RUN)[0] < 240
    assert silence(run, run.now_s) == KEEPS_ITS_TIME


@pytest.mark.parametrize(
    ("at_s", "said"),
    [
        (60, "nothing is judged in the warm-up."),
        (134, "heart rate decides nothing here: no run is cut short in its first 15 s."),
        (135, 'no "walk": heart rate is 21 bpm below the ceiling, the forecast 16.3 bpm below what would end the run.'),
        (380, "heart rate decides nothing here: a walk is judged from 30 s on."),
        (395, KEEPS_ITS_TIME),
        (358, "the run ends as announced."),
    ],
)
def test_what_was_not_said_has_its_reason(at_s: float, said: str) -> None:
    run = PaperRun(four_one(), recovering(), settings=QUIET, runner=RUNNER).go(400)
    assert silence(run, at_s) == said


def test_the_first_two_minutes_are_left_alone() -> None:
    plan = run_walk(240, 60, warmup_s=0.0)
    run = PaperRun(plan, recovering(), settings=QUIET, runner=RUNNER).go(60)
    assert silence(run, 60, plan) == "heart rate decides nothing here: the first 120 s are left alone."


def test_a_walk_that_lags_behind_waits_for_its_test() -> None:
    run = PaperRun(four_one(), stubborn(), settings=QUIET, runner=RUNNER).go(400)
    assert silence(run, 396) == "whether this walk needs more time is tested 12 s before its end."


def test_a_walk_that_is_held_says_what_is_missing() -> None:
    run = PaperRun(four_one(), stubborn(run_bpm=149), settings=QUIET, runner=RUNNER).go(500)
    assert re.fullmatch(r'no "run" yet: 1\d\.\d bpm are missing\.', silence(run, 500))


def test_without_a_heart_rate_its_trust_is_told() -> None:
    run = PaperRun(four_one(), lambda phase, s: None, settings=QUIET, runner=RUNNER).go(200)
    assert silence(run, 200) == "heart rate decides nothing here: its trust is none."


def test_the_fixed_policy_is_told() -> None:
    settings = replace(QUIET, policy=PolicyName.FIXED)
    run = PaperRun(four_one(), stubborn(), settings=settings, runner=RUNNER).go(400)
    assert silence(run, 400, settings=settings) == "heart rate decides nothing here: the policy is fixed."


GATE = replace(QUIET, policy=PolicyName.GATE)  # at 0.65 of 180: 117


@pytest.fixture
def gated() -> PaperRun:
    """Falls by a beat in two seconds, from 146: to 117 in 58 s of the walk that begins at 360 s."""
    run = PaperRun(four_one(), lambda phase, s: 105 if phase is Phase.WARMUP else 110, settings=GATE, runner=RUNNER)
    run.heart = lambda phase, s: 146 - s / 2 if phase is Phase.WALK else recovering(146)(phase, s)
    return run.go(450)


@pytest.mark.parametrize(
    ("at_s", "said"),
    [
        (300, "heart rate decides nothing here: the policy is gate."),
        (370, 'no "run" yet: heart rate is 26 bpm above 117, 0.65 of the maximum.'),
        (410, 'no "run" yet: heart rate is 6 bpm above 117, 0.65 of the maximum.'),
        (422, "the walk ends as announced."),
    ],
)
def test_under_the_gate_heart_rate_decides_in_walks(gated: PaperRun, at_s: float, said: str) -> None:
    assert silence(gated, at_s, settings=GATE) == said


def test_under_the_gate_a_walk_of_a_low_heart_lasts_half_a_minute() -> None:
    run = PaperRun(four_one(), lambda *_: 105, settings=GATE, runner=RUNNER).go(400)
    said = "heart rate is down at 0.65 of the maximum, and a walk lasts 30 s at least."
    assert [silence(run, at_s, settings=GATE) for at_s in (365, 385, 388)] == [
        said,
        said,
        "the walk ends as announced.",
    ]


def test_what_the_gate_says_has_the_rule_of_the_gate(gated: PaperRun) -> None:
    (longer_s, _), *_ = gated.said(CueKind.EXTEND_WALK)
    (runs_s, _), *_ = gated.said(CueKind.RUN, Reason.RECOVERED)
    longer, runs = (line(why(gated, four_one(), at_s, GATE), "Rule") for at_s in (longer_s, runs_s))
    assert longer == "Under the policy gate a walk goes on while heart rate is above 0.65 of the maximum."
    assert runs.startswith("Under the policy gate a walk ends once heart rate is down at 0.65 of the maximum")


def test_a_lower_heart_rate_would_have_ended_the_longest_walk_of_the_gate_sooner() -> None:
    run = PaperRun(four_one(), recovering(146, walk_bpm=130), settings=GATE, runner=RUNNER).go(600)
    ((at_s, _),) = run.said(CueKind.RUN, Reason.WALK_CAP)
    assert line(why(run, four_one(), at_s, GATE), "Change") == "A lower heart rate would have ended it sooner."
    steps = again(run, four_one(), other_heart(-40, 380), GATE)
    assert heard(steps, CueKind.RUN, 380, at_s - 1)


def test_adapting_switched_off_is_told() -> None:
    run = PaperRun(four_one(), stubborn(), settings=QUIET, runner=RUNNER).go(300)
    run.command(Action.ADAPT_OFF)
    assert silence(run.go(100), 400) == "heart rate decides nothing here: adapting is switched off."


def test_a_walk_that_is_run_through_is_told_without_blame() -> None:
    run = PaperRun(four_one(), stubborn(), settings=QUIET, runner=RUNNER)
    run.running = True
    assert silence(run.go(416), 416) == "heart rate decides nothing here: speed or cadence look like running."


def test_a_pause_is_told() -> None:
    run = PaperRun(four_one(), stubborn(), settings=QUIET, runner=RUNNER).go(300)
    run.command(Action.PAUSE)
    assert silence(run.go(5), 304) == "the session is paused."


def two_sensors(beats: Callable[[Phase, float], float], turned_s: int, by_bpm: float) -> PaperRun:
    """A second sensor from then on, which reads so much more."""
    run = PaperRun(four_one(), beats, settings=QUIET, runner=RUNNER)
    run.source = "strap"
    run.go(turned_s)
    run.source, run.heart = "watch", lambda phase, s: beats(phase, s) + by_bpm
    return run


def test_a_walk_on_two_sensors_is_told() -> None:
    run = two_sensors(stubborn(run_bpm=140), 380, -5).go(25)
    said = "heart rate decides nothing here: a pause came in between, or another sensor, or the start of the walk is "
    assert silence(run, 405).startswith(said)


def test_a_forecast_that_is_told_is_of_one_sensor() -> None:
    run = two_sensors(lambda *_: 138, 200, 15).go(30)
    ((at_s, _),) = run.said(CueKind.WALK)
    assert re.search(r"forecast ([\d.]+) in 10 s", line(why(run, four_one(), at_s), "Numbers"))[1] == "153"


def test_a_walk_that_was_interrupted_is_told() -> None:
    run = PaperRun(four_one(), stubborn(), settings=QUIET, runner=RUNNER).go(380)
    run.command(Action.PAUSE)
    run.go(5).command(Action.RESUME)
    assert silence(run.go(20), 405).startswith("heart rate decides nothing here: a pause came in between")


# -- the plan "free" --


FREE = Plan(name="free")


def free_run(seconds: int, to_bpm: float = 170, settings: Control = QUIET) -> PaperRun:
    """Two minutes of walking, then running."""
    run = PaperRun(FREE, lambda phase, s: rising(105, to_bpm, s) if phase is Phase.RUN else 105, settings=settings)
    run.running = False
    run.go(130)
    run.running = True
    return run.go(seconds)


def test_in_free_a_walk_is_advised_once_in_a_run() -> None:
    run = free_run(120)
    assert silence(run, 250, FREE) == ("a walk has been advised once in this run; the choice is the runner's.")


# -- short walks --


def test_a_walk_too_short_to_judge_is_tested_four_seconds_before_its_end() -> None:
    plan = run_walk(30, 30)
    run = PaperRun(plan, stubborn(run_bpm=140), settings=QUIET, runner=RUNNER).go(173)
    assert silence(run, 173, plan) == "whether this walk needs more time is tested 4 s before its end."
