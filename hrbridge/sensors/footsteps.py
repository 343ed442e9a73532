"""Turns what a treadmill or a foot pod sends into Speed events.

One reader per device, for the whole session: what it has learnt of the device
and the metres it has counted outlive every loss of the link. Its events are as
honest as the device allows: what neither feet nor belts do is absent.
"""

from __future__ import annotations

from hrbridge.events import Speed
from hrbridge.sensors.gatt import TreadmillRecord, decode_rsc_measurement, decode_treadmill_data

FASTEST_M_S = 12.0  # the fastest sprinters, for some seconds
STEEPEST_PERCENT = 45.0  # the steepest treadmills sold reach 40
FASTEST_FEET_SPM = 250.0  # sprinters; runners stay below 220
# Feet that step less often than 110 times a minute walk, and no walking step is 1.2 m long. Measured on eight public
# recordings: with both feet counted at most 3 s of any run look like this (someone stops, and the speed lags behind);
# with one foot counted 90 to 100 % of it, ten seconds in a row within half a minute.
WALKING_FEET_SPM = 110.0
LONGEST_WALKING_STEP_M = 1.2
# Over three times the longest stretch that was seen by mistake.
OTHER_FEET_AFTER_S = 10.0
# A packet speaks for the time since the one before, but not for a silence.
LONGEST_INTERVAL_S = 2.0
# Treadmills count in steps of up to 16 m (0.01 mile), and the radio may deliver late.
COARSEST_STEP_M = 20.0


class Treadmill:
    """Reads characteristic 2ACD."""

    def __init__(self) -> None:
        self._record = TreadmillRecord()
        self._odometer = Odometer()

    def read(self, at_s: float, packet: bytes, source: str) -> Speed | None:
        """The speed, distance and incline of a whole record; None while it is not complete, or tells neither.

        Raises MalformedPacket.
        """
        record = self._record.add(decode_treadmill_data(packet))
        if record is None:
            return None
        speed_m_s = _at_most(FASTEST_M_S, record.speed_m_s)
        distance_m = self._odometer.read(at_s, record.distance_m)
        if speed_m_s is None and distance_m is None:
            return None
        incline_percent = _at_most(STEEPEST_PERCENT, record.incline_percent)
        return Speed(at_s, speed_m_s, distance_m=distance_m, incline_percent=incline_percent, source=source)


class FootPod:
    """Reads characteristic 2A53; finds out whether the pod counts the steps of both feet or of its own only."""

    def __init__(self) -> None:
        self._odometer = Odometer()
        self._steps_per_count = 1
        self._heard_s: float | None = None
        self._impossible_s = 0.0

    def read(self, at_s: float, packet: bytes, source: str) -> Speed | None:
        """The speed, the steps of both feet, and the distance where it is sent; None when all is implausible.

        Raises MalformedPacket.
        """
        measurement = decode_rsc_measurement(packet)
        speed_m_s = _at_most(FASTEST_M_S, measurement.speed_m_s)
        cadence_spm = self._count_both_feet(at_s, speed_m_s, measurement.cadence_spm)
        distance_m = self._odometer.read(at_s, measurement.distance_m)
        if speed_m_s is None and cadence_spm is None and distance_m is None:
            return None
        return Speed(at_s, speed_m_s, cadence_spm, distance_m, source=source)

    def _count_both_feet(self, at_s: float, speed_m_s: float | None, count_per_min: int) -> float | None:
        """Steps per minute; None where feet cannot do that.

        Nothing in the packet tells whether one foot is counted or both: only
        what feet can do. A count that makes impossible steps is not told, and
        after ten seconds of them the other one holds. So it finds its way back
        from an error as well.
        """
        interval_s = 0.0 if self._heard_s is None else min(at_s - self._heard_s, LONGEST_INTERVAL_S)
        self._heard_s = at_s
        if _feet_can(count_per_min * self._steps_per_count, speed_m_s):
            self._impossible_s = 0.0
            return count_per_min * self._steps_per_count
        other = 2 if self._steps_per_count == 1 else 1
        if not _feet_can(count_per_min * other, speed_m_s):
            return None
        self._impossible_s += interval_s
        if self._impossible_s < OTHER_FEET_AFTER_S:
            return None
        self._steps_per_count, self._impossible_s = other, 0.0
        return count_per_min * other


class Odometer:
    """Metres since the first packet, out of a counter of the device that may stand still, restart, wrap or jump."""

    def __init__(self) -> None:
        self._distance_m = 0.0
        self._counted_m: float | None = None
        self._changed_s = 0.0
        self._counts = False

    def read(self, at_s: float, counted_m: float | None) -> float | None:
        """Never falls. None until the counter has moved: some never fill the field they send, and speed knows more."""
        if counted_m is None:
            return None
        if self._counted_m is None:
            self._counted_m, self._changed_s = counted_m, at_s
        moved_m = counted_m - self._counted_m
        if moved_m:
            # Nobody runs further: a counter came back from nought, or another session was loaded.
            if 0 < moved_m <= COARSEST_STEP_M + FASTEST_M_S * (at_s - self._changed_s):
                self._distance_m += moved_m
                self._counts = True
            self._counted_m, self._changed_s = counted_m, at_s
        return self._distance_m if self._counts else None


def _feet_can(cadence_spm: float, speed_m_s: float | None) -> bool:
    if cadence_spm > FASTEST_FEET_SPM:
        return False
    # No steps at all: who stands, or a pod that does not count.
    if speed_m_s is None or not 0 < cadence_spm < WALKING_FEET_SPM:
        return True
    return speed_m_s * 60 / cadence_spm <= LONGEST_WALKING_STEP_M


def _at_most(limit: float, value: float | None) -> float | None:
    return value if value is not None and abs(value) <= limit else None
