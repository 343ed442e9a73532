"""Lines a person can read: every cue with its time, phase and heart rate, and the table of walks at the end."""

from __future__ import annotations

from typing import TextIO

import msgspec

from hrbridge.decisions import Cue, Step, Trust
from hrbridge.errors import OutputError
from hrbridge.sinks.summary import Summary, Walk


class Console:
    """A sink that prints the cues as they would be heard; raises OutputError when nobody can read them."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def take(self, step: Step) -> None:
        try:
            for cue in step.cues:
                print(cue_line(step, cue), file=self._out, flush=True)
            if step.refused is not None:
                print(f"{clock(step.at_s)}  not done: {step.refused}", file=self._out, flush=True)
        except OSError as error:
            raise OutputError(f"standard output: {error.strerror}") from error


def cue_line(step: Step, cue: Cue) -> str:
    """``12:04  walk      148  Still 148. Fifteen more seconds.  (not_recovered)``."""
    bpm = step.estimate.heart_rate_bpm
    doubt = "" if step.estimate.trust is Trust.GOOD else "?"
    heart_rate = "  -" if bpm is None else f"{bpm:3.0f}{doubt}"
    why = "" if cue.reason == "planned" else f"  ({cue.reason})"
    return f"{clock(step.at_s)}  {step.phase.value:<8} {heart_rate:<4}  {cue.say}{why}"


def clock(at_s: float) -> str:
    """``62:05`` minutes and seconds, or ``1:02:05``."""
    minutes, seconds = divmod(int(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def walk_table(walks: list[Walk]) -> str:
    """One line per walk break."""
    lines = ["walk at  planned  walked for  drop  required  judged"]
    for walk in walks:
        planned = "-" if walk.planned_s is None else f"{walk.planned_s:.0f} s"
        drop = "-" if walk.drop_bpm is None else f"{round(walk.drop_bpm)}"
        required = "-" if walk.required_drop_bpm is None else f"{round(walk.required_drop_bpm)}"
        if walk.walked is False:
            judged = "not walked"
        elif walk.recovered is None:
            judged = "not judged"
        else:
            judged = "recovered" if walk.recovered else "not recovered"
        lines.append(
            f"{clock(walk.at_s):>7}  {planned:>7}  {f'{walk.for_s:.0f} s':>10}  {drop:>4}  {required:>8}  {judged}"
        )
    return "\n".join(lines)


def summary_lines(summary: Summary) -> str:
    """The end of a session in words."""
    head = (
        f"{clock(summary.elapsed_s)} in all: {clock(summary.run_s)} running, {clock(summary.walk_s)} in walk breaks; "
        f"heart rate trusted for {clock(summary.trust_s[Trust.GOOD])}."
    )
    return f"{head}\n\n{walk_table(summary.walks)}" if summary.walks else head


def difference_lines(path: str, difference: tuple[Step, Step]) -> str:
    """Where a trace and the present controller part: the event, what each made of it, and both reasons."""
    recorded, now = difference
    before, after = _flat(msgspec.to_builtins(recorded)), _flat(msgspec.to_builtins(now))
    lines = [f"{path}: at {recorded.at_s} s the trace and this hrbridge differ"]
    lines.append(f"  event   {msgspec.json.encode(recorded.event).decode()}")
    lines += [
        f"  {key}: trace {before.get(key)}, now {after.get(key)}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    lines.append(f"  trace   {_in_short(recorded)}")
    lines.append(f"  now     {_in_short(now)}")
    return "\n".join(lines)


def _flat(value: object, name: str = "") -> dict[str, object]:
    """Nested fields by their dotted names."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in _flat(inner, f"{name}.{key}".lstrip(".")).items()}
    if isinstance(value, tuple) and name == "cues":
        return {k: v for number, inner in enumerate(value) for k, v in _flat(inner, f"{name}.{number}").items()}
    return {name: value}


def _in_short(step: Step) -> str:
    said = "; ".join(f'{cue.kind} because {cue.reason}: "{cue.say}"' for cue in step.cues) or "says nothing"
    return f"{step.phase} for {step.phase_elapsed_s} s, {said}"
