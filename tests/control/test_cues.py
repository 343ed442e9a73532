"""What is said when: quiet times, what comes first, what falls silent, and what is not worth saying any more."""

from __future__ import annotations

import pytest

from hrbridge.control.cues import Cues
from hrbridge.decisions import Cue, CueKind, Reason

ADVICE = [CueKind.EASE_RUN, CueKind.EASE_WALK, CueKind.WALK, CueKind.RUN]


class Voice:
    """Cues with a clock: asks for them second by second."""

    def __init__(self) -> None:
        self.cues = Cues()
        self.now_s = 0.0
        self.next_change_s: float | None = None
        self.trusted = True
        self.runs = False
        self.heard: list[tuple[float, CueKind]] = []

    def go(self, seconds: int) -> Voice:
        for _ in range(seconds):
            self.now_s += 1
            self.step()
        return self

    def step(self) -> tuple[Cue, ...]:
        cues = self.cues.collect(self.now_s, self.next_change_s, trusted=self.trusted, listening=True)
        self.heard += [(self.now_s, cue.kind) for cue in cues]
        return cues

    def wish(self, *kinds: CueKind) -> Voice:
        for kind in kinds:
            self.cues.say_when_quiet(self.now_s, kind, Reason.PLANNED, kind.value)
        return self

    def change(self, for_s: int = 0) -> Voice:
        """The next segment begins, and lasts so long."""
        self.runs = not self.runs  # run, walk, run: a run begins a cycle
        self.cues.change(self.now_s, new_cycle=self.runs)
        return self.go(for_s)


# -- now --


def test_what_is_said_now_comes_with_this_step() -> None:
    voice = Voice()
    voice.cues.say_now(CueKind.WALK, Reason.PLANNED, "Walk one minute.", 60)
    assert voice.step() == (Cue(1, CueKind.WALK, Reason.PLANNED, "Walk one minute.", 5.0, 60),)


def test_nothing_is_said_twice() -> None:
    voice = Voice()
    voice.cues.say_now(CueKind.WALK, Reason.PLANNED, "Walk one minute.", 60)
    voice.step()
    assert voice.step() == ()


def test_cues_are_numbered_from_one_on() -> None:
    voice = Voice()
    for _ in range(3):
        voice.cues.say_now(CueKind.COUNTDOWN, Reason.PLANNED, "Run in three, two, one.")
    assert [cue.seq for cue in voice.step()] == [1, 2, 3]


def test_a_change_may_be_said_right_after_another_cue() -> None:
    voice = Voice()
    voice.cues.say_now(CueKind.COUNTDOWN, Reason.PLANNED, "Run in three, two, one.")
    voice.go(1)
    voice.cues.say_now(CueKind.RUN, Reason.PLANNED, "Run.")
    assert [cue.kind for cue in voice.step()] == [CueKind.RUN]


@pytest.mark.parametrize(
    ("kind", "ttl_s"),
    [(CueKind.COUNTDOWN, 2), (CueKind.TIP, 10), (CueKind.RATIO, 15), (CueKind.FINISH, 30), (CueKind.WALK, 5)],
)
def test_a_late_countdown_is_worthless_a_late_tip_is_not(kind: CueKind, ttl_s: float) -> None:
    voice = Voice()
    voice.cues.say_now(kind, Reason.PLANNED, "...")
    assert [cue.ttl_s for cue in voice.step()] == [ttl_s]


def test_the_length_goes_out_to_the_millisecond() -> None:
    voice = Voice()
    voice.cues.say_now(CueKind.RUN, Reason.PLANNED, "Run.", 1 / 3)
    assert [cue.for_s for cue in voice.step()] == [0.333]


# -- when it is quiet --


def test_what_can_wait_waits_eight_seconds_after_a_change() -> None:
    assert Voice().change().wish(CueKind.TIP).go(20).heard == [(8, CueKind.TIP)]


def test_four_seconds_lie_between_two_things_that_can_wait() -> None:
    voice = Voice().wish(CueKind.TIP, CueKind.BATTERY).go(20)
    assert [at_s for at_s, _ in voice.heard] == [1, 5]


def test_nothing_that_can_wait_is_said_within_five_seconds_of_the_next_change() -> None:
    voice = Voice().go(10)
    voice.next_change_s = 15.5
    voice.wish(CueKind.TIP)
    assert voice.go(5).heard == []


def test_until_five_seconds_before_the_next_change_there_is_time() -> None:
    voice = Voice().go(9)
    voice.next_change_s = 15
    assert voice.wish(CueKind.TIP).go(5).heard == [(10, CueKind.TIP)]


def test_what_has_its_own_moment_goes_alone() -> None:
    voice = Voice().wish(CueKind.TIP)
    voice.cues.say_now(CueKind.COUNTDOWN, Reason.PLANNED, "Run in three, two, one.")
    assert [cue.kind for cue in voice.step()] == [CueKind.COUNTDOWN]


def test_what_waits_comes_by_its_weight() -> None:
    voice = Voice().wish(
        CueKind.TIP, CueKind.RPE_PROMPT, CueKind.BATTERY, CueKind.RATIO, CueKind.SIGNAL_LOST, CueKind.WARNING
    )
    assert [kind for _, kind in voice.go(28).heard] == [
        CueKind.WARNING,
        CueKind.SIGNAL_LOST,
        CueKind.RATIO,
        CueKind.BATTERY,
        CueKind.RPE_PROMPT,
        CueKind.TIP,
    ]


def test_of_a_kind_that_waits_the_newest_counts() -> None:
    voice = Voice()
    for say in ("Run three minutes.", "Run two minutes."):
        voice.cues.say_when_quiet(0, CueKind.RATIO, Reason.NOT_RECOVERED, say)
    assert [cue.say for cue in voice.step()] == ["Run two minutes."]


def test_warnings_of_different_things_do_not_replace_one_another() -> None:
    voice = Voice()
    for reason in (Reason.PLANNED, Reason.NO_SIGNAL, Reason.NO_SIGNAL):
        voice.cues.say_when_quiet(0, CueKind.WARNING, reason, "...")
    assert [kind for _, kind in voice.go(12).heard] == [CueKind.WARNING] * 2


def test_what_waits_can_be_forgotten_by_its_reason() -> None:
    voice = Voice()
    for reason in (Reason.PLANNED, Reason.NO_SIGNAL):
        voice.cues.say_when_quiet(0, CueKind.WARNING, reason, "...")
    voice.cues.forget(CueKind.WARNING, Reason.NO_SIGNAL)
    assert [cue.reason for cue in voice.step()] == [Reason.PLANNED]
    assert voice.go(8).step() == ()


def test_what_has_waited_half_a_minute_is_not_said_any_more() -> None:
    voice = Voice().wish(CueKind.TIP)
    voice.next_change_s = 0
    voice.go(30)
    voice.next_change_s = None
    assert voice.go(10).heard == []


def test_what_has_waited_almost_half_a_minute_is_still_said() -> None:
    voice = Voice().wish(CueKind.TIP)
    voice.next_change_s = 0
    voice.go(29)
    voice.next_change_s = None
    assert voice.go(10).heard == [(30, CueKind.TIP)]


def test_what_is_forgotten_is_not_said() -> None:
    voice = Voice().wish(CueKind.EASE_RUN)
    voice.cues.forget(CueKind.EASE_RUN)
    assert voice.go(10).heard == []


def test_a_cycle_knows_how_much_was_said_in_it() -> None:
    voice = Voice().wish(CueKind.TIP, CueKind.BATTERY).go(10)
    assert voice.cues.said_in_cycle == 2


def test_what_had_its_own_moment_does_not_count_as_chatter() -> None:
    voice = Voice()
    voice.cues.say_now(CueKind.WALK, Reason.PLANNED, "Walk one minute.")
    voice.step()
    assert voice.cues.said_in_cycle == 0


@pytest.mark.parametrize(("new_cycle", "said"), [(True, 0), (False, 1)])
def test_chatter_is_counted_by_the_cycle(new_cycle: bool, said: int) -> None:
    voice = Voice().wish(CueKind.TIP).go(5)
    voice.cues.change(voice.now_s, new_cycle=new_cycle)
    assert voice.cues.said_in_cycle == said


# -- advice --


@pytest.mark.parametrize("kind", ADVICE)
def test_advice_for_a_phase_that_is_over_is_forgotten(kind: CueKind) -> None:
    assert Voice().change(1).wish(kind).change(20).heard == []


def test_news_outlive_a_change() -> None:
    assert [kind for _, kind in Voice().change(1).wish(CueKind.RATIO).change(20).heard] == [CueKind.RATIO]


@pytest.mark.parametrize("kind", ADVICE)
def test_no_advice_rests_on_a_doubtful_signal(kind: CueKind) -> None:
    voice = Voice().wish(kind)
    voice.trusted = False
    voice.go(10)
    voice.trusted = True
    assert voice.go(10).heard == []


def test_that_the_signal_is_lost_is_said_without_one() -> None:
    voice = Voice().wish(CueKind.SIGNAL_LOST)
    voice.trusted = False
    assert voice.go(10).heard == [(1, CueKind.SIGNAL_LOST)]


def advised(*segments: int, of: int = 14) -> list[int]:
    """In which segments "a little slower" is said, when it is wished for in these; odd ones are runs."""
    voice, said = Voice(), []
    for segment in range(1, of + 1):
        before = len(voice.heard)
        voice.change()
        voice.wish(*[CueKind.EASE_RUN] * (segment in segments)).go(20)
        said += [segment] * (len(voice.heard) - before)
    return said


def test_the_same_advice_in_two_runs_then_falls_silent_for_three() -> None:
    assert advised(1, 3, 5, 7, 9, 11) == [1, 3, 11]


def test_advice_with_a_run_between_is_not_nagging() -> None:
    assert advised(1, 5, 9, 13) == [1, 5, 9, 13]


def test_other_advice_is_not_silenced() -> None:
    voice = Voice()
    for _ in range(3):
        voice.change().wish(CueKind.EASE_RUN).go(20)
        voice.change().wish(CueKind.EASE_WALK).go(20)
    assert [kind for _, kind in voice.heard] == [CueKind.EASE_RUN, CueKind.EASE_WALK] * 2


def test_a_prompt_is_not_advice_and_never_falls_silent() -> None:
    voice = Voice()
    for _ in range(5):
        voice.change().wish(CueKind.RPE_PROMPT).go(20)
    assert len(voice.heard) == 5


@pytest.mark.parametrize("kind", [CueKind.RPE_PROMPT, CueKind.TIP])
def test_a_question_or_a_tip_does_not_outlive_its_walk(kind: CueKind) -> None:
    voice = Voice()
    voice.change(3).wish(kind).change(30)
    assert voice.heard == []
