"""What is to be seen of a runner, and whether it may be believed as the present."""

from __future__ import annotations

import pytest
from scenes import beat, cued, last_cue, state, told

from hrbridge.clients.follower import About, Happening, Joined, Left, Status, Summed
from hrbridge.clients.scene import Link, Scene
from hrbridge.decisions import CueKind, Phase, Reason, Trust
from hrbridge.messages import Info, Summary


def watching(*happenings: Happening, at_s: float = 500.0) -> Scene:
    """A display that has joined and heard these, all at once."""
    scene = Scene("alex")
    for happening in (Joined(), *happenings):
        scene.take(happening, at_s)
    return scene


def test_the_countdown_goes_on_between_two_states() -> None:
    scene = watching(told(phase_remaining_s=192.0))
    assert scene.view(503.5).remaining_s == pytest.approx(188.5)


def test_the_countdown_ends_at_nothing() -> None:
    assert watching(told(phase_remaining_s=3.0)).view(507.0).remaining_s == 0


def test_a_time_that_nobody_knows_stays_unknown() -> None:
    view = watching(told(phase_remaining_s=None, phase_elapsed_s=5.0)).view(502.0)
    assert view.remaining_s is None
    assert view.phase_elapsed_s == pytest.approx(7.0)


def test_in_a_pause_no_time_goes_by() -> None:
    view = watching(told(phase=Phase.PAUSED, phase_remaining_s=40.0)).view(504.0)
    assert (view.remaining_s, view.elapsed_s) == (40.0, 1880.0)


@pytest.mark.parametrize(
    ("phase", "run_s", "walk_s"),
    [(Phase.RUN, 1204.0, 300.0), (Phase.WALK, 1200.0, 304.0), (Phase.WARMUP, 1200.0, 300.0)],
)
def test_what_was_run_and_walked_grows_with_what_the_runner_does(phase: Phase, run_s: float, walk_s: float) -> None:
    view = watching(told(phase=phase)).view(504.0)
    assert (view.run_s, view.walk_s) == (pytest.approx(run_s), pytest.approx(walk_s))


@pytest.mark.parametrize(("after_s", "fresh", "link"), [(9.9, True, Link.LIVE), (10.1, False, Link.STALE)])
def test_what_is_older_than_ten_seconds_is_grey(after_s: float, fresh: bool, link: Link) -> None:
    view = watching(told()).view(500.0 + after_s)
    assert (view.fresh, view.link) == (fresh, link)


@pytest.mark.parametrize("ours_s", [-1e6, 0.0, 3e9])
def test_whatever_our_clock_says_a_state_is_as_old_as_it_is(ours_s: float) -> None:
    scene = watching(told(60.0), at_s=ours_s)
    scene.take(told(65.0), ours_s + 5.0)
    assert scene.view(ours_s + 7.0).age_s == pytest.approx(2.0)


def test_what_a_black_hole_gave_back_is_grey_from_the_first_moment() -> None:
    scene = watching(told(60.0))
    scene.take(told(65.0), 517.0)
    view = scene.view(517.0)
    assert (view.fresh, view.age_s) == (False, pytest.approx(12.0, abs=0.01))


def test_what_the_broker_has_kept_is_grey_until_its_age_is_known() -> None:
    scene = watching(told(60.0, kept=True))
    assert (scene.view(500.0).fresh, scene.view(500.0).link) == (False, Link.UNSURE)
    scene.take(beat(64.0), 500.5)
    view = scene.view(500.5)
    assert (view.fresh, view.age_s, view.remaining_s) == (True, pytest.approx(4.0), pytest.approx(188.0))


def test_what_the_broker_has_kept_of_another_run_stays_grey() -> None:
    scene = watching(told(60.0, kept=True), beat(64.0, sid="run-2"))
    assert not scene.view(500.0).fresh


def test_a_bridge_whose_clock_begins_anew_is_believed_again() -> None:
    scene = watching(told(3600.0))
    scene.take(told(2.0), 540.0)
    assert scene.view(541.0).age_s == pytest.approx(1.0)


def test_a_day_of_two_clocks_that_drift_apart_is_not_grey() -> None:
    scene = watching(told(0.0))
    for second in range(0, 86_400, 5):
        scene.take(told(second * (1 - 90e-6)), 500.0 + second)
    assert scene.view(500.0 + 86_400).age_s == pytest.approx(5.0, abs=1.0)


def test_without_a_broker_the_run_is_shown_until_it_is_old() -> None:
    scene = watching(told(), Left("the connection was lost"))
    assert (scene.view(505.0).link, scene.view(505.0).fresh) == (Link.NO_BROKER, True)
    assert not scene.view(511.0).fresh


def test_a_bridge_that_has_gone_is_grey_at_once_and_its_timer_stands() -> None:
    view = watching(told(phase_remaining_s=60.0), Status("alex", False)).view(505.0)
    assert (view.link, view.fresh, view.remaining_s) == (Link.OFFLINE, False, 60.0)


def test_a_live_state_tells_that_the_bridge_is_there() -> None:
    assert watching(Status("alex", False), told()).view(500.0).link is Link.LIVE


def test_a_runner_of_whom_nothing_has_come() -> None:
    view = watching().view(500.0)
    assert (view.link, view.phase, view.fresh) == (Link.NOTHING, None, False)


def test_the_newest_reading_is_shown() -> None:
    scene = watching(told(60.0, heart_rate_bpm=148.0), beat(61.0, 151))
    assert scene.view(500.0).heart_rate_bpm == 151


def test_the_reading_of_the_same_step_is_not_older_than_its_state() -> None:
    scene = watching(told(60.005, heart_rate_bpm=148.0), beat(60.0, 151))
    assert scene.view(500.0).heart_rate_bpm == 151


def test_a_state_that_is_newer_than_the_last_reading_is_shown() -> None:
    scene = watching(beat(57.0, 151), told(60.0, heart_rate_bpm=148.0))
    assert scene.view(500.0).heart_rate_bpm == 148


def test_a_heart_rate_without_trust_is_not_shown() -> None:
    view = watching(told(), beat(60.0, 200, Trust.NONE)).view(500.0)
    assert (view.heart_rate_bpm, view.zone, view.trust) == (None, None, Trust.NONE)


def test_a_heart_rate_tells_its_age_and_is_gone_after_ten_seconds() -> None:
    scene = watching(told(60.0), beat(61.0, 151))
    assert scene.view(504.0).heart_age_s == pytest.approx(4.0)
    assert scene.view(511.0).heart_rate_bpm is None


def test_behind_a_countdown_stands_what_was_decided() -> None:
    scene = watching(
        told(),
        cued(7, CueKind.EXTEND_WALK, "Still 148.", reason=Reason.NOT_RECOVERED, for_s=15.0, heart_rate_bpm=148.0),
        cued(8, CueKind.COUNTDOWN, "Three."),
    )
    view = scene.view(500.0)
    assert view.said is not None
    assert view.said.say == "Three."
    assert view.decided is not None
    assert (view.decided.reason, view.decided.for_s, view.decided.heart_rate_bpm) == (Reason.NOT_RECOVERED, 15.0, 148.0)


def test_a_cue_keeps_its_numbers_when_the_state_tells_of_it_again() -> None:
    scene = watching(
        told(),
        cued(7, CueKind.RUN, "Run.", heart_rate_bpm=126.0),
        told(last_cue=last_cue(CueKind.RUN, Reason.PLANNED, "Run.", seq=7)),
    )
    decided = scene.view(500.0).decided
    assert decided is not None
    assert decided.heart_rate_bpm == 126.0


def test_a_late_cue_is_not_shown() -> None:
    scene = watching(told(), cued(7, CueKind.WALK, "Walk.", play=False))
    assert scene.view(500.0).said is None


def test_a_new_run_begins_without_the_cues_of_the_last() -> None:
    scene = watching(told(), cued(7, CueKind.RUN, "Run."), told(1.0, sid="run-2"))
    assert scene.view(500.0).said is None


def test_the_sum_is_that_of_this_run() -> None:
    summary = Summary(sid="run-0", plan="", elapsed_s=1, run_s=1, walk_s=1, walks=6, walks_recovered=5, distance_m=None)
    scene = watching(told(), Summed("alex", summary))
    assert scene.view(500.0).summary is None
    scene.take(told(sid="run-0"), 500.0)
    assert scene.view(500.0).summary == summary


def test_a_rehearsal_at_ten_times_the_speed_counts_down_as_fast() -> None:
    scene = watching(told(60.0, elapsed_s=100.0))
    scene.take(told(65.0, elapsed_s=150.0, phase_remaining_s=100.0), 505.0)
    assert scene.view(507.0).remaining_s == pytest.approx(80.0)


def test_states_that_come_a_little_early_are_no_rehearsal() -> None:
    scene = watching(told(60.0, elapsed_s=100.0))
    scene.take(told(64.0, elapsed_s=105.0, phase_remaining_s=100.0), 504.0)
    assert scene.view(506.0).remaining_s == pytest.approx(98.0)


def test_nobody_moves_our_cursor_from_afar() -> None:
    info = Info(sid="run-1", version="1", sensor="x", plan="easy\x1b[2J", capabilities=())
    scene = watching(told(), About("alex", info), cued(7, CueKind.RUN, "Run\x07\x1b]0;x\x07."))
    view = scene.view(500.0)
    assert view.said is not None
    assert (view.plan, view.said.say) == ("easy [2J", "Run  ]0;x .")


def test_a_view_has_all_that_the_state_has() -> None:
    view, sent = watching(told()).view(500.0), state()
    names = set(view.__struct_fields__) & set(sent.__struct_fields__) - {"heart_rate_bpm"}
    assert {name: getattr(view, name) for name in names} == {name: getattr(sent, name) for name in names}
