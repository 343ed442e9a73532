"""What a display writes: phases, times, ratios, whose silence it is, and in plain words why a cue was given."""

from __future__ import annotations

from hrbridge.clients.scene import AGED_S, Link, Said, View
from hrbridge.decisions import CueKind, Phase, Ratio, Reason, Trust

PHASE = {
    Phase.WAITING: "WAITING",
    Phase.WARMUP: "WARM-UP",
    Phase.RUN: "RUN",
    Phase.SURGE: "SURGE",
    Phase.WALK: "WALK",
    Phase.COOLDOWN: "COOL-DOWN",
    Phase.PAUSED: "PAUSED",
    Phase.FINISHED: "DONE",
}
TRUST = {Trust.GOOD: "signal good", Trust.DOUBTFUL: "signal doubtful", Trust.NONE: "no signal"}


def clock(seconds: float) -> str:
    """``0:45``, ``31:20`` or ``1:02:05``; a second that has begun counts as passed."""
    minutes, whole_s = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole_s:02}" if hours else f"{minutes}:{whole_s:02}"


def left(seconds: float) -> str:
    """What a countdown shows: ``3:12``, below a minute ``45``; a second that has begun is still left."""
    whole_s = int(-(-seconds // 1))
    return str(whole_s) if whole_s < 60 else clock(whole_s)


def ratio(of: Ratio | None) -> str:
    """``4:00/1:00``, and where it has changed ``4:00/1:00 → 4:00/1:15``; nothing where there is none."""
    if of is None or not (of.run_s or of.walk_s or of.planned_run_s or of.planned_walk_s):
        return ""
    planned = f"{clock(of.planned_run_s)}/{clock(of.planned_walk_s)}"
    now = f"{clock(of.run_s)}/{clock(of.walk_s)}"
    return now if now == planned else f"{planned} → {now}"


def heart_rate(view: View) -> str:
    """``148``, ``148?`` where it is doubtful, ``--`` without a signal."""
    if view.heart_rate_bpm is None:
        return "--"
    return f"{view.heart_rate_bpm:.0f}{'?' if view.trust is Trust.DOUBTFUL else ''}"


def signal(view: View) -> str:
    """``signal good``, and an old reading with its age: ``signal good, 4 s ago``."""
    if view.heart_rate_bpm is None:
        return TRUST[Trust.NONE]
    aged = view.heart_age_s is not None and view.heart_age_s >= AGED_S
    return f"{TRUST[view.trust]}, {view.heart_age_s:.0f} s ago" if aged else TRUST[view.trust]


def link(view: View) -> str:
    """Nothing while all is well."""
    if view.link is Link.LIVE:
        return ""
    if view.link is Link.NOTHING:
        return f"nothing heard of {view.runner_id} yet"
    if view.age_s is None or view.age_s < AGED_S:
        return view.link.value
    since = f"{view.age_s:.0f} s" if view.age_s < 120 else f"{view.age_s / 60:.0f} min"
    return f"no news for {since}" if view.link is Link.STALE else f"{view.link.value}, last news {since} ago"


def distance(metres: float | None, *, imperial: bool) -> str:
    """``3.21 km`` or ``1.99 mi``; nothing where it is not known."""
    if metres is None:
        return ""
    return f"{metres / 1609.344:.2f} mi" if imperial else f"{metres / 1000:.2f} km"


def one_line(view: View) -> str:
    """All of it in one line, for a pipe and for a terminal of a few columns."""
    if view.phase is None:
        return f"{view.runner_id}  {link(view)}"
    parts = [PHASE[view.phase]]
    if view.remaining_s is not None:
        parts.append(left(view.remaining_s))
    parts.append(f"{heart_rate(view)} bpm")
    if view.next_phase is not None:
        parts.append(f"next {PHASE[view.next_phase].lower()}")
    parts += [ratio(view.ratio), link(view)]
    if view.said is not None:
        parts.append(f"{view.said.say} ({view.said.reason})")
    return "  ".join(filter(None, parts))


def why(view: View) -> str:
    """The last decision in plain words, with the numbers that are known here."""
    said = view.decided
    if said is None:
        return "Nothing has been decided yet."
    words = _BECAUSE[said.reason]
    bpm = f" ({said.heart_rate_bpm:.0f})" if said.heart_rate_bpm is not None else ""
    ceiling = f" of {view.ceiling_bpm:.0f}" if view.ceiling_bpm is not None else ""
    effort = f" {view.rpe:g}" if view.rpe is not None else ""
    below = view.ceiling_bpm is not None and (said.heart_rate_bpm or view.ceiling_bpm) < view.ceiling_bpm
    at = "is close to" if below else "has reached"
    sentences = [f"“{said.say}”", words.format(bpm=bpm, at=at, ceiling=ceiling, effort=effort)]
    if said.kind is CueKind.EXTEND_WALK and said.for_s is not None:
        sentences.append(f"The walk is {said.for_s:.0f} s longer for it.")
    return " ".join([*sentences, *_ratio_in_words(view.ratio)])


def _ratio_in_words(of: Ratio | None) -> list[str]:
    if of is None or (of.run_s, of.walk_s) == (of.planned_run_s, of.planned_walk_s):
        return []
    now = f"Now run {clock(of.run_s)}, walk {clock(of.walk_s)};"
    return [f"{now} the plan was {clock(of.planned_run_s)} and {clock(of.planned_walk_s)}."]


_BECAUSE = {
    Reason.PLANNED: "That is the plan.",
    Reason.RECOVERED: "Your heart rate{bpm} has come down far enough.",
    Reason.NOT_RECOVERED: "Your heart rate{bpm} takes a little longer to come down.",
    Reason.WALK_CAP: "The walk has been as long as a walk may be.",
    Reason.HEART_RATE_CEILING: "Your heart rate{bpm} {at} today's ceiling{ceiling}.",
    Reason.FORECAST_CEILING: "Your heart rate{bpm} is on its way to today's ceiling{ceiling}.",
    Reason.RPE_HIGH: "You said effort{effort}: more than this run is meant to take.",
    Reason.RPE_LIMIT: "You said effort{effort}: plenty for this run.",
    Reason.TREND: "Over the last walks your heart rate stayed a little higher.",
    Reason.RESTORED: "You recover well, so it goes back towards the plan.",
    Reason.EASY_FINISH: "You have run enough for today; an easy finish does the rest.",
    Reason.NO_SIGNAL: "There is no heart rate to go by; the clock leads.",
    Reason.CUE_IGNORED: "Your movement did not follow the cue; it may not have been heard.",
    Reason.BUDGET: "It follows from your goal time.",
    Reason.BATTERY: "It is what the strap says of its battery.",
    Reason.SAFETY: "It keeps this run on the safe side.",
    Reason.COMMAND: "You asked for it.",
}


def said_because(said: Said) -> str:
    """A cue with its reason behind it: ``Still 148. Fifteen more seconds.  · not recovered``."""
    if said.reason is Reason.PLANNED:
        return said.say
    return f"{said.say}  · {said.reason.value.replace('_', ' ')}"
