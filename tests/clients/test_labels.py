"""The words of a display."""

from __future__ import annotations

import pytest
from scenes import beat, cued, last_cue, told

from hrbridge.clients import labels
from hrbridge.clients.follower import Happening, Joined, Status
from hrbridge.clients.scene import Scene, View
from hrbridge.decisions import CueKind, Phase, Ratio, Reason, Trust


def view(*happenings: Happening, after_s: float = 0.0) -> View:
    scene = Scene("alex")
    for happening in (Joined(), *happenings):
        scene.take(happening, 500.0)
    return scene.view(500.0 + after_s)


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "0:00"), (45.9, "0:45"), (1880.0, "31:20"), (3725.0, "1:02:05")])
def test_a_time_gone_by(seconds: float, text: str) -> None:
    assert labels.clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0"), (0.2, "1"), (59.0, "59"), (59.1, "1:00"), (191.5, "3:12"), (192.0, "3:12")]
)
def test_a_time_left(seconds: float, text: str) -> None:
    assert labels.left(seconds) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (Ratio(240, 60, 240, 60), "4:00/1:00"),
        (Ratio(240, 60, 240, 75), "4:00/1:00 → 4:00/1:15"),
        (Ratio(0, 0, 0, 0), ""),
        (None, ""),
    ],
)
def test_the_ratio_planned_and_now(ratio: Ratio | None, text: str) -> None:
    assert labels.ratio(ratio) == text


def test_a_heart_rate_with_its_trust() -> None:
    assert labels.heart_rate(view(told())) == "148"
    assert labels.heart_rate(view(told(trust=Trust.DOUBTFUL))) == "148?"
    assert labels.heart_rate(view(told(trust=Trust.NONE))) == "--"


def test_the_signal_and_its_age() -> None:
    assert labels.signal(view(told(), beat(61.0), after_s=2.9)) == "signal good"
    assert labels.signal(view(told(), beat(61.0), after_s=4.0)) == "signal good, 4 s ago"
    assert labels.signal(view(told(trust=Trust.NONE))) == "no signal"


def test_whose_silence_it_is() -> None:
    assert labels.link(view(told())) == ""
    assert labels.link(view(told(), after_s=12.0)) == "no news for 12 s"
    assert labels.link(view(told(), after_s=600.0)) == "no news for 10 min"
    assert labels.link(view(told(), Status("alex", False), after_s=7.0)) == "bridge offline, last news 7 s ago"
    assert labels.link(view()) == "nothing heard of alex yet"
    assert labels.link(view(told(kept=True))) == "waiting for news"


@pytest.mark.parametrize("units", [(False, "3.21 km"), (True, "1.99 mi")])
def test_the_way(units: tuple[bool, str]) -> None:
    imperial, text = units
    assert labels.distance(3210.0, imperial=imperial) == text


def test_all_of_it_in_one_line() -> None:
    seen = view(told(last_cue=last_cue(CueKind.RUN, Reason.RECOVERED, "Recovered, 126.")))
    assert labels.one_line(seen) == "RUN  3:12  148 bpm  next walk  4:00/1:00  Recovered, 126. (recovered)"


def test_why_with_the_numbers_that_are_known() -> None:
    held = cued(7, CueKind.EXTEND_WALK, "Still 148.", reason=Reason.NOT_RECOVERED, for_s=15.0, heart_rate_bpm=148.0)
    assert labels.why(view(told(ratio=Ratio(240, 60, 240, 75)), held)) == (
        "“Still 148.” Your heart rate (148) takes a little longer to come down. The walk is 15 s longer for it. "
        "Now run 4:00, walk 1:15; the plan was 4:00 and 1:00."
    )


@pytest.mark.parametrize(("bpm", "words"), [(152.0, "(152) is close to"), (156.0, "(156) has reached")])
def test_why_at_the_ceiling(bpm: float, words: str) -> None:
    eased = cued(7, CueKind.EASE_RUN, "A little slower.", reason=Reason.HEART_RATE_CEILING, heart_rate_bpm=bpm)
    assert f"{words} today's ceiling of 155." in labels.why(view(told(), eased))


def test_why_before_anything_was_said() -> None:
    assert labels.why(view(told())) == "Nothing has been decided yet."


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    said = labels.why(view(told(rpe=7.0), cued(7, CueKind.WALK, "Walk.", reason=reason, heart_rate_bpm=150.0)))
    assert "{" not in said
    assert len(said) > len("“Walk.” ")


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_a_word(phase: Phase) -> None:
    assert labels.PHASE[phase].isupper()
