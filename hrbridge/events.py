"""What happened: everything that can enter the controller, stamped with the time since the session began."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import force_setattr


class Action(StrEnum):
    """What a runner (or a coach) may ask for, as in ``hrbridge control``."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    SKIP = "skip"
    EXTEND = "extend"
    WALK = "walk"
    RUN = "run"
    ADAPT_OFF = "adapt-off"
    ADAPT_ON = "adapt-on"
    UNDO = "undo"
    STOP = "stop"


class Stamped(Struct, frozen=True, tag_field="type", omit_defaults=True, forbid_unknown_fields=True):
    """The time of an event in seconds since the session began, to the millisecond.

    Values are rounded here, when the event is made, so that a trace read back
    holds exactly what the controller saw.
    """

    at_s: float

    def __post_init__(self) -> None:
        at_s = float(self.at_s)
        # Most are whole seconds, and rounding costs more than all the rest.
        force_setattr(self, "at_s", at_s if at_s.is_integer() else round(at_s, 3))


class Sample(Stamped, frozen=True, tag="sample"):
    """One notification of a heart-rate sensor.

    ``heart_rate_bpm`` is None where the sensor had no reading (a strap sends 0
    or 255 for that); ``rr_s`` holds the RR intervals of the packet in seconds,
    oldest first; ``contact`` is None where the sensor does not tell.
    """

    heart_rate_bpm: int | None = None
    rr_s: tuple[float, ...] = ()
    contact: bool | None = None
    energy_kj: int | None = None
    battery_percent: int | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        Stamped.__post_init__(self)
        if self.heart_rate_bpm is not None:
            force_setattr(self, "heart_rate_bpm", round(self.heart_rate_bpm))
        if self.rr_s:
            force_setattr(self, "rr_s", tuple(round(rr, 3) for rr in self.rr_s))


class SignalLost(Stamped, frozen=True, tag="signal_lost"):
    """The sensor knows that nothing comes any more; ``why`` in words."""

    why: str = ""


class SignalBack(Stamped, frozen=True, tag="signal_back"):
    """The sensor is connected again."""


class Speed(Stamped, frozen=True, tag="speed"):
    """What a treadmill, a foot pod or a recording knows of the movement.

    ``cadence_spm`` counts both feet (steps per minute); ``distance_m`` is
    cumulative since the source began.
    """

    speed_m_s: float | None = None
    cadence_spm: float | None = None
    distance_m: float | None = None
    incline_percent: float | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        Stamped.__post_init__(self)
        for name, digits in (("speed_m_s", 3), ("cadence_spm", 0), ("distance_m", 1), ("incline_percent", 1)):
            value = getattr(self, name)
            if value is not None:
                force_setattr(self, name, float(round(value, digits)))


class Rpe(Stamped, frozen=True, tag="rpe"):
    """Perceived exertion, 0 to 10 in halves (CR-10)."""

    rpe: float

    def __post_init__(self) -> None:
        Stamped.__post_init__(self)
        force_setattr(self, "rpe", float(self.rpe))


class Command(Stamped, frozen=True, tag="command"):
    """The will of the runner; ``why`` in words, where it was not the runner's own (a power cut pauses a run)."""

    action: Action
    why: str = ""

    def __post_init__(self) -> None:
        Stamped.__post_init__(self)
        force_setattr(self, "action", Action(self.action))


class Tick(Stamped, frozen=True, tag="tick"):
    """One whole second has passed."""


Event = Sample | Tick | SignalLost | SignalBack | Speed | Rpe | Command


def order(event: Event) -> tuple[float, int]:
    """Sort key of a merged list: by time; at equal times sensor, command, tick."""
    rank = 2 if isinstance(event, Tick) else 1 if isinstance(event, Rpe | Command) else 0
    return event.at_s, rank
