"""What the runner hears, and what not: in the hand of a test second by second, and over a real broker into a file."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tracemalloc
import wave
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiomqtt
import numpy as np
import pytest
from brokers import Mosquitto, free_port
from conversation import BASE, HandClock, coaching, hear, hear_json, step
from listening import Listening

from hrbridge.clients.follower import Beat, Cued, Follower, Happening, Left, Silent, Told
from hrbridge.clients.guard import Verdict
from hrbridge.clients.headset import Cut, Drop, Headset, Mouth, Start, Wake, listen
from hrbridge.clients.phrases import PHRASES
from hrbridge.clients.player import Player, Track, open_output
from hrbridge.clients.tones import BEEPS, RATE_HZ, Tone
from hrbridge.clients.voice import Voice
from hrbridge.config import Headset as Settings
from hrbridge.config import Language, Mqtt
from hrbridge.decisions import Cue, CueKind, Phase, Ratio, Reason, Trust
from hrbridge.errors import BrokerError
from hrbridge.events import Sample
from hrbridge.messages import CueMessage, HeartRate, State, tone

LASTS_S = 2.0
FRESH = Verdict(True, "fresh", 0.0)
FOUR_ONE = Ratio(planned_run_s=240, planned_walk_s=60, run_s=240, walk_s=60)


def cued(kind: CueKind, say: str = "", ttl_s: float = 5.0, **keys: Any) -> Cued:
    """A cue as it comes, in time unless another verdict is given."""
    reason, verdict = keys.pop("reason", Reason.PLANNED), keys.pop("verdict", FRESH)
    cue = CueMessage(
        sid="run-1",
        seq=keys.pop("seq", 7),
        ts_ms=0,
        ttl_s=ttl_s,
        kind=kind,
        reason=reason,
        say=say or kind.value,
        tone=keys.pop("tone", tone(kind)),
        for_s=None,
        heart_rate_bpm=None,
    )
    return Cued("alex", cue, verdict)


def told(phase: Phase, remaining_s: float | None, *, age_s: float | None = 0.0, **keys: Any) -> Told:
    """A state as it comes."""
    next_phase = keys.pop("next_phase", Phase.RUN if phase is Phase.WALK else Phase.WALK)
    state = State(
        sid="run-1",
        seq=1,
        ts_ms=0,
        phase=phase,
        phase_elapsed_s=keys.pop("elapsed_s", 12.0),
        phase_remaining_s=remaining_s,
        next_phase=next_phase,
        heart_rate_bpm=141.0,
        trust=Trust.GOOD,
        zone=3,
        battery_percent=None,
        rpe=None,
        ratio=FOUR_ONE,
        last_cue=None,
        headsets=1,
        elapsed_s=600.0,
        run_s=400.0,
        walk_s=200.0,
        distance_m=None,
    )
    return Told("alex", state, keys.pop("present", False), age_s=age_s)


def beat(ts_ms: int = 0) -> Beat:
    return Beat(
        "alex", HeartRate(sid="run-1", ts_ms=ts_ms, heart_rate_bpm=141, rr_s=(), contact=True, trust=Trust.GOOD)
    )


class Ear:
    """Hears a headset whose every sound lasts two seconds; the time begins at 0 and is in the hand of the test."""

    def __init__(self, **settings: Any) -> None:
        self.headset = Headset(Settings(**settings))
        self.now_s = 0.0
        self.heard: list[tuple[float, str]] = []
        self.tones: list[Tone] = []
        self.dropped: list[tuple[float, str]] = []
        self.cut_s: list[float] = []
        self.woken_s: list[float] = []

    def hear(self, *happenings: Happening) -> Ear:
        for happening in happenings:
            self.headset.hear(happening, self.now_s)
            self._act()
        return self

    def until(self, at_s: float) -> Ear:
        while (again_s := self.headset.look_again_s(self.now_s)) <= at_s:
            self.now_s = again_s
            self._act()
        self.now_s = at_s
        self._act()
        return self

    @property
    def said(self) -> list[str]:
        return [say for _, say in self.heard]

    def _act(self) -> None:
        for act in self.headset.act(self.now_s):
            match act:
                case Start(utterance=utterance):
                    self.heard.append((self.now_s, utterance.say))
                    self.tones.append(utterance.tone)
                    self.headset.sounds(self.now_s + LASTS_S)
                case Cut():
                    self.cut_s.append(self.now_s)
                case Drop(why=why):
                    self.dropped.append((self.now_s, why))
                case Wake():
                    self.woken_s.append(self.now_s)


# -- one cue --


def test_a_cue_in_time_is_heard_at_once_with_its_tone():
    ear = Ear().hear(cued(CueKind.RUN, "Run four minutes."))
    assert (ear.heard, ear.tones) == ([(0.0, "Run four minutes.")], [Tone.RUN])


def test_a_tone_that_nobody_knows_is_a_note():
    assert Ear().hear(cued(CueKind.RUN, tone="trumpet")).tones == [Tone.NOTE]


@pytest.mark.parametrize("why", ["retained", "seen before", "not yet in step", "too late"])
def test_a_cue_that_may_not_be_played_is_not(why: str):
    ear = Ear().hear(cued(CueKind.RUN, verdict=Verdict(False, why, 9.0)))
    assert (ear.heard, ear.dropped) == ([], [(0.0, why)])


def test_what_the_runner_leaves_out_is_not_heard():
    ear = Ear(leave_out=(CueKind.TIP,)).hear(cued(CueKind.TIP))
    assert (ear.heard, ear.dropped) == ([], [(0.0, "left out")])


def test_what_the_runner_does_not_want_spoken_has_its_tone():
    ear = Ear(tone_only=(CueKind.COUNTDOWN,)).hear(cued(CueKind.COUNTDOWN))
    assert (ear.said, ear.tones) == ([""], [Tone.TICK])


# -- never two at once --


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        (CueKind.RUN, CueKind.WARNING),
        (CueKind.COUNTDOWN, CueKind.RUN),
        (CueKind.EASE_RUN, CueKind.COUNTDOWN),
        (CueKind.EASE_RUN, CueKind.WALK),
        (CueKind.TIP, CueKind.RATIO),
        (CueKind.RPE_PROMPT, CueKind.PAUSE),
        (CueKind.BATTERY, CueKind.FINISH),
    ],
)
def test_what_matters_more_cuts_the_other_short(lower: CueKind, higher: CueKind):
    ear = Ear().hear(cued(lower)).until(0.5).hear(cued(higher)).until(20)
    assert (ear.heard, ear.cut_s) == ([(0.0, lower.value), (0.5, higher.value)], [0.5])


@pytest.mark.parametrize("second", [CueKind.EASE_WALK, CueKind.TIP])
def test_what_matters_no_more_waits_for_its_turn(second: CueKind):
    ear = Ear().hear(cued(CueKind.RATIO)).until(0.5).hear(cued(second)).until(20)
    assert (ear.heard, ear.cut_s) == ([(0.0, "ratio"), (2.0, second.value)], [])


def test_what_would_be_too_late_after_waiting_is_dropped_then():
    ear = Ear().hear(cued(CueKind.RATIO)).hear(cued(CueKind.TIP, ttl_s=1.0)).until(20)
    assert (ear.said, [why for _, why in ear.dropped]) == (["ratio"], ["waited too long"])
    assert 1.0 < ear.dropped[0][0] <= 2.0


def test_the_age_it_came_with_counts():
    late = cued(CueKind.TIP, ttl_s=5.0, verdict=Verdict(True, "fresh", 4.5))
    ear = Ear().hear(cued(CueKind.RATIO), late).until(20)
    assert (ear.said, ear.dropped[0][1]) == (["ratio"], "waited too long")


def test_of_those_that_wait_the_most_important_comes_first_and_of_equals_the_first():
    ear = Ear().hear(cued(CueKind.WARNING, ttl_s=9.0))
    for kind in (CueKind.TIP, CueKind.EASE_RUN, CueKind.RATIO, CueKind.COUNTDOWN):
        ear.hear(cued(kind, ttl_s=20.0))
    assert ear.until(20).said == ["warning", "countdown", "ease_run", "ratio", "tip"]


def test_a_change_that_waits_gives_way_to_a_newer_one():
    ear = Ear().hear(cued(CueKind.WARNING), cued(CueKind.RUN), cued(CueKind.WALK)).until(20)
    assert (ear.said, ear.dropped) == (["warning", "walk"], [(0.0, "overtaken")])


def test_a_countdown_that_waits_is_overtaken_by_its_change():
    ear = Ear().hear(cued(CueKind.WARNING), cued(CueKind.COUNTDOWN), cued(CueKind.WALK)).until(20)
    assert ear.said == ["warning", "walk"]


def test_a_flood_is_bounded_and_the_least_of_it_goes():
    ear = Ear().hear(cued(CueKind.WARNING, ttl_s=60.0), cued(CueKind.TIP, ttl_s=60.0))
    for _ in range(8):
        ear.hear(cued(CueKind.EASE_RUN, ttl_s=60.0))
    assert ear.dropped == [(0.0, "too many")]
    assert ear.until(60).said == ["warning", *["ease_run"] * 8]


# -- the quiet after a change --


def test_for_eight_seconds_after_a_change_advice_waits():
    ear = Ear().hear(cued(CueKind.RUN)).until(4).hear(cued(CueKind.EASE_RUN)).until(20)
    assert ear.heard == [(0.0, "run"), (8.0, "ease_run")]


def test_advice_that_cannot_wait_so_long_is_dropped():
    ear = Ear().hear(cued(CueKind.RUN)).until(1).hear(cued(CueKind.EASE_RUN)).until(20)
    assert (ear.said, ear.dropped[0][1]) == (["run"], "waited too long")


@pytest.mark.parametrize("kind", [CueKind.WARNING, CueKind.WALK, CueKind.COUNTDOWN])
def test_safety_and_changes_do_not_wait(kind: CueKind):
    ear = Ear().hear(cued(CueKind.RUN)).until(3).hear(cued(kind)).until(20)
    assert ear.heard == [(0.0, "run"), (3.0, kind.value)]


def test_the_answer_to_a_wish_does_not_wait():
    ear = Ear().hear(cued(CueKind.WALK)).until(3).hear(cued(CueKind.EXTEND_WALK, reason=Reason.COMMAND))
    assert ear.said == ["walk", "extend_walk"]


# -- where the run stands --


def test_whoever_joins_hears_once_where_the_run_stands():
    ear = Ear().hear(told(Phase.WALK, 40.0, present=True)).until(2).hear(told(Phase.WALK, 38.0)).until(5)
    assert (ear.heard, ear.tones) == ([(0.0, "Walking. Forty seconds left.")], [Tone.READY])


def test_before_the_start_it_says_that_it_is_ready():
    assert Ear().hear(told(Phase.WAITING, None, present=True)).said == ["Ready."]


def test_after_a_break_it_says_that_the_link_is_back():
    ear = Ear().hear(told(Phase.RUN, 200.0, present=True)).until(30).hear(told(Phase.WALK, 55.0, present=True))
    assert ear.said[1] == "Connected again. Walking. Fifty-five seconds left."


def test_the_time_left_is_that_of_now():
    assert Ear().hear(told(Phase.RUN, 130.0, present=True, age_s=4.0)).said == ["Running. Two minutes five left."]


def test_right_after_a_change_it_has_just_been_said():
    ear = Ear().hear(cued(CueKind.WALK)).until(2).hear(told(Phase.WALK, 58.0, present=True)).until(30)
    assert ear.said == ["walk"]


def test_after_a_beep_of_its_own_it_is_said_all_the_same():
    ear = running(3.0).until(4).hear(told(Phase.WALK, 59.0, present=True)).until(30)
    assert ear.said == ["Walk.", "Walking. One minute left."]


def test_a_change_that_comes_meanwhile_says_more():
    ear = Ear().hear(told(Phase.RUN, 0.0, present=True), cued(CueKind.WALK))
    assert (ear.said[1], ear.cut_s) == ("walk", [0.0])


# -- the end of a phase, without the bridge --


def running(remaining_s: float) -> Ear:
    """Four minutes of running, of which so much is left."""
    return Ear().hear(told(Phase.RUN, remaining_s))


def test_with_a_lost_link_the_end_of_the_phase_is_beeped_at_its_second_and_once():
    ear = running(30.0).hear(Left("gone")).until(200)
    assert (ear.heard, ear.tones) == ([(30.0, "Walk.")], [Tone.WALK])


def test_the_age_of_the_state_is_taken_off():
    ear = Ear().hear(told(Phase.WALK, 30.0, age_s=2.0), Left("gone")).until(200)
    assert (ear.heard, ear.tones) == ([(28.0, "Run.")], [Tone.RUN])


def test_in_a_hole_that_nobody_has_noticed_yet_it_is_half_a_second_late():
    assert running(3.0).until(6.0).heard == [(3.5, "Walk.")]


def test_as_long_as_readings_come_the_bridge_decides():
    ear = running(30.0)
    for at_s in range(1, 40):
        ear.until(at_s).hear(beat())
    assert ear.heard == []


def test_when_the_bridge_has_said_it_there_is_no_beep():
    ear = running(3.0).until(3.0).hear(cued(CueKind.WALK, "Walk one minute.")).hear(Left("gone")).until(60)
    assert ear.said == ["Walk one minute."]


def test_an_end_that_moves_is_beeped_where_it_moved_to():
    ear = running(10.0).until(5).hear(told(Phase.RUN, 20.0)).hear(Left("gone")).until(60)
    assert ear.heard == [(25.0, "Walk.")]


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.PAUSED, Phase.FINISHED])
def test_where_nobody_moves_no_end_is_beeped(phase: Phase):
    assert Ear().hear(told(phase, 30.0), Left("gone")).until(60).heard == []


def test_a_state_that_somebody_kept_tells_no_end():
    assert Ear().hear(told(Phase.RUN, 30.0, age_s=None), Left("gone")).until(60).heard == []


def test_what_follows_and_is_not_known_is_a_note():
    ear = Ear().hear(told(Phase.COOLDOWN, 30.0, next_phase=None), Left("gone")).until(60)
    assert (ear.said, ear.tones) == ([""], [Tone.NOTE])


# -- a headset that falls silent is a failure that a runner cannot hear --


def test_a_lost_link_is_told_and_then_more_and_more_rarely():
    ear = Ear().hear(told(Phase.RUN, None)).until(8).hear(Silent()).until(1000)
    assert ear.heard == [(at_s, "Connection lost.") for at_s in (8.0, 68.0, 188.0, 428.0, 908.0)]
    assert set(ear.tones) == {Tone.LINK_LOST}


def test_when_the_link_is_back_it_is_not_told_any_more():
    ear = Ear().hear(told(Phase.RUN, None)).until(8).hear(Silent()).until(20).hear(told(Phase.RUN, None)).until(500)
    assert ear.said == ["Connection lost."]


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.FINISHED])
def test_before_and_after_a_run_nobody_misses_the_bridge(phase: Phase):
    assert Ear().hear(told(phase, None)).until(8).hear(Silent()).until(1000).heard == []


def test_a_bridge_that_was_never_there_is_waited_for_aloud_once():
    assert Ear().until(8).hear(Silent()).until(1000).heard == [(8.0, "Waiting for hrbridge.")]


# -- waking a headset that sleeps --


def test_a_second_before_the_countdowns_the_headset_is_woken():
    assert running(100.0).hear(beat()).until(97).woken_s[:2] == [89.0, 96.0]


def test_short_phases_have_no_notice_to_be_woken_for():
    ear = Ear().hear(told(Phase.RUN, 15.0, elapsed_s=5.0)).until(14)
    assert ear.woken_s[0] == 11.0


# -- what is rendered ahead --


def test_what_the_bridge_will_say_at_the_next_change_is_guessed():
    ahead = PHRASES[Language.EN].ahead(told(Phase.RUN, 100.0).state)
    assert {"Walk one minute.", "Walk in ten seconds.", "Walk in three, two, one."} <= set(ahead)


def test_every_language_has_words_for_every_phase():
    for phrases in PHRASES.values():
        assert phrases.doing.keys() == {*Phase}


# -- for hours --


class Drain:
    """An output that counts what it takes."""

    def __init__(self, track: Track) -> None:
        self._track = track
        self.frames = 0

    def until(self, now_s: float) -> None:
        while (due := round(now_s * RATE_HZ) - self.frames) > 0:
            self.frames += len(self._track.read(min(due, RATE_HZ)))

    def resume(self) -> None: ...

    def rest(self) -> None: ...

    def tell(self, begin_s: float, end_s: float, what: str) -> None: ...

    def close(self) -> None: ...


def test_four_hours_need_no_more_memory_than_one(needs_tool: Callable[[str], str]):
    needs_tool("espeak-ng")
    track, headset = Track(), Headset(Settings())
    player = Player(Drain(track), track)
    sizes = []
    with Voice(Settings()) as voice:
        mouth = Mouth(voice, player)
        tracemalloc.start()
        for at_s in range(4 * 3600):
            in_cycle_s = at_s % 300
            phase, remaining_s = (Phase.RUN, 240 - in_cycle_s) if in_cycle_s < 240 else (Phase.WALK, 300 - in_cycle_s)
            happenings: list[Happening] = [beat(1000 * at_s)]
            if at_s % 5 == 0:
                happenings.append(told(phase, float(remaining_s)))
            if in_cycle_s in (0, 240):
                happenings.append(cued(CueKind(phase.value), "Run four minutes." if in_cycle_s == 0 else "Walk."))
            if in_cycle_s % 60 == 30:
                happenings.append(cued(CueKind.EASE_RUN, f"Still {130 + at_s // 60 % 20}."))
            for happening in happenings:
                headset.hear(happening, at_s)
            if mouth.seeks_words:
                headset.sounds(mouth.go_on(at_s))
            for act in headset.act(at_s):
                match act:
                    case Start(utterance=utterance):
                        headset.sounds(mouth.begin(utterance, at_s))
                    case Cut():
                        mouth.cut(at_s)
                    case Wake():
                        player.wake(at_s)
            player.tend(at_s)
            if at_s % 3600 == 3599:
                sizes.append(tracemalloc.get_traced_memory()[0] - voice.kept_bytes)
        tracemalloc.stop()
    assert sizes[-1] - sizes[0] < 100_000


# -- over a real broker --


@pytest.fixture
def mosquitto(needs_tool: Callable[[str], str], tmp_path: Path) -> Any:
    needs_tool("espeak-ng")
    with Mosquitto(needs_tool, tmp_path) as broker:
        yield broker


async def test_a_run_as_it_is_heard(mosquitto: Mosquitto, tmp_path: Path):
    """Countdown, change and a warning in its midst; every cue is acknowledged."""
    clock, headset, acks = HandClock(), Listening(tmp_path), []
    script = [
        (CueKind.EASE_RUN, "A little slower."),
        (CueKind.COUNTDOWN, "Walk in three, two, one."),
        (CueKind.WALK, "Walk one minute."),
        (CueKind.WARNING, "Walk now. Check the strap."),
    ]
    async with (
        coaching(Mqtt(url=mosquitto.url), clock=clock) as bridge,
        aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger,
        headset.to(mosquitto.port, clock, [say for _, say in script]) as follower,
    ):
        await stranger.subscribe(f"{BASE}/cue/ack")
        await stranger.subscribe(f"{BASE}/client/+/status")
        await hear(stranger, f"{BASE}/client/{follower.name}/status")
        for seq, (kind, say) in enumerate(script):
            clock.at_s += 3 if kind is CueKind.WALK else 1
            bridge.take(step(Sample(clock.at_s, 141), cues=(Cue(seq, kind, Reason.PLANNED, say, 5.0),)))
            acks.append(await hear_json(stranger, f"{BASE}/cue/ack", seq=seq))
    # What becomes of the first depends on whether a state came before it.
    assert acks[0]["why"] in ("not yet in step", "")
    assert [(ack["result"], ack["why"]) for ack in acks[1:]] == [("played", "")] * 3
    heard = {what: (begin_s, end_s) for begin_s, end_s, what in headset.labels}
    # The clock stands while a thread writes, a period more or less.
    assert heard["tick"][0] == pytest.approx(2.0, abs=0.1)
    assert heard["walk"][0] == pytest.approx(5.0, abs=0.1)
    assert heard["warning"][0] == pytest.approx(6.02, abs=0.1)
    assert heard["Walk one minute."][1] == pytest.approx(heard["warning"][0])
    assert 1.0 < heard["Walk now. Check the strap."][1] - heard["Walk now. Check the strap."][0] < 3.0
    ordered = [(begin_s, end_s) for begin_s, end_s, _ in headset.labels]
    assert all(end_s <= begin_s + 0.001 for (_, end_s), (begin_s, _) in pairwise(ordered))
    beep = headset.part(heard["walk"][0], heard["walk"][0] + BEEPS[Tone.WALK][0].for_s)
    spectrum = np.abs(np.fft.rfft(beep * np.hanning(len(beep)), 2**16))
    assert np.argmax(spectrum) * RATE_HZ / 2**16 == pytest.approx(BEEPS[Tone.WALK][0].frequency_hz, rel=0.01)


async def test_a_broker_that_is_not_there_at_the_start_is_told(tmp_path: Path):
    clock = HandClock()
    track = Track()
    player = Player(open_output(str(tmp_path / "heard.wav"), track, clock.now_s()), track)
    with Voice(Settings()) as voice:
        async with Follower(Mqtt(url=f"mqtt://127.0.0.1:{free_port()}"), "alex", "headset", clock) as follower:
            with pytest.raises(BrokerError, match="nothing listens there"):
                async with asyncio.timeout(5):
                    await listen(follower, Headset(Settings()), voice, player, clock)
    player.close(clock.now_s())


async def test_told_to_stop_it_says_goodbye_and_leaves_a_whole_file(mosquitto: Mosquitto, tmp_path: Path):
    program = "import sys; sys.argv[0] = 'hrbridge'; from hrbridge.cli import main; main()"
    words = ["headset", "--mqtt", mosquitto.url, "--runner", "alex", "--output", str(tmp_path / "heard.wav")]
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as stranger:
        await stranger.subscribe(f"{BASE}/client/+/status")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, *words, env=dict(os.environ), stderr=asyncio.subprocess.PIPE
        )
        said = []
        async with asyncio.timeout(10):
            async for message in stranger.messages:
                said.append(bytes(message.payload))
                if len(said) == 1:
                    process.send_signal(signal.SIGTERM)
                else:
                    break
            _, errors = await process.communicate()
    assert said == [b"online", b"offline"]
    assert (process.returncode, errors) == (0, b"connected\n")
    with wave.open(str(tmp_path / "heard.wav")) as file:
        assert file.getframerate() == RATE_HZ
