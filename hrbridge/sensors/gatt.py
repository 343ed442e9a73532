"""Turns the packets of standard Bluetooth sensors into numbers: heart rate, battery, treadmill, foot pod.

Pure functions. What a packet must hold is demanded (MalformedPacket); all that
follows is best effort: a field that is cut off is absent and ``truncated``
says so, bits reserved for future use and bytes nobody declared are ignored.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

from hrbridge.errors import MalformedPacket

HEART_RATE_SERVICE = "0000180d-0000-1000-8000-00805f9b34fb"
RUNNING_SPEED_SERVICE = "00001814-0000-1000-8000-00805f9b34fb"
FITNESS_MACHINE_SERVICE = "00001826-0000-1000-8000-00805f9b34fb"
HEART_RATE_MEASUREMENT = "00002a37-0000-1000-8000-00805f9b34fb"
BODY_SENSOR_LOCATION = "00002a38-0000-1000-8000-00805f9b34fb"
BATTERY_LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"
RSC_MEASUREMENT = "00002a53-0000-1000-8000-00805f9b34fb"
TREADMILL_DATA = "00002acd-0000-1000-8000-00805f9b34fb"


class HeartRateMeasurement(Struct, frozen=True):
    """One packet of characteristic 2A37.

    ``heart_rate_bpm`` is 0 to 65535 as sent (0: no reading). ``contact`` is
    None where the sensor cannot tell. ``energy_kj`` counts up until it is
    reset and stops at 65535. ``rr_s`` holds raw/1024 s, oldest first,
    unfiltered: some straps send intervals that no heart makes.
    """

    heart_rate_bpm: int
    contact: bool | None = None
    energy_kj: int | None = None
    rr_s: tuple[float, ...] = ()
    truncated: bool = False


class BodySensorLocation(IntEnum):
    """Where the sensor is worn, by the values of characteristic 2A38."""

    OTHER = 0
    CHEST = 1
    WRIST = 2
    FINGER = 3
    HAND = 4
    EAR_LOBE = 5
    FOOT = 6


class TreadmillData(Struct, frozen=True):
    """One packet of characteristic 2ACD; None where absent, cut off or "not available".

    Distance and elevation count up since the session began. ``more_data``: the
    record goes on in the next packet (see TreadmillRecord). Pace is left out:
    its unit differs between editions of the specification, and speed says the
    same.
    """

    speed_m_s: float | None = None
    average_speed_m_s: float | None = None
    distance_m: int | None = None
    incline_percent: float | None = None
    ramp_angle_deg: float | None = None
    elevation_gain_m: float | None = None
    elevation_loss_m: float | None = None
    energy_kcal: int | None = None
    energy_kcal_per_h: int | None = None
    energy_kcal_per_min: int | None = None
    heart_rate_bpm: int | None = None
    metabolic_equivalent: float | None = None
    elapsed_s: int | None = None
    remaining_s: int | None = None
    force_n: int | None = None
    power_w: int | None = None
    more_data: bool = False
    truncated: bool = False


class RscMeasurement(Struct, frozen=True):
    """One packet of characteristic 2A53 (running speed and cadence).

    ``cadence_spm`` is the byte as sent. The profile means steps of both feet,
    yet some pods count only the foot they sit on (about 80 at a run instead of
    160), and nothing in the packet tells which. ``distance_m`` counts up since
    the pod was reset.
    """

    speed_m_s: float
    cadence_spm: int
    running: bool
    stride_length_m: float | None = None
    distance_m: float | None = None
    truncated: bool = False


def decode_heart_rate_measurement(packet: bytes) -> HeartRateMeasurement:
    """Decode characteristic 2A37 (Heart Rate Service 1.0, section 3.1).

    Raises MalformedPacket when the flags or the heart rate are missing.
    """
    fields = _Fields(packet)
    flags = fields.must("flags", 1)
    heart_rate_bpm = fields.must("heart rate", 2 if flags & 0x01 else 1)
    energy_kj = fields.take(2) if flags & 0x08 else None
    rr_s: list[float] = []
    if flags & 0x10:
        while fields.left:
            raw = fields.take(2)
            if raw is not None:
                rr_s.append(raw / 1024)
    return HeartRateMeasurement(
        heart_rate_bpm=heart_rate_bpm,
        contact=bool(flags & 0x02) if flags & 0x04 else None,
        energy_kj=energy_kj,
        rr_s=tuple(rr_s),
        truncated=fields.truncated,
    )


def decode_battery_level(packet: bytes) -> int | None:
    """Decode characteristic 2A19: 0 to 100 %, None for the reserved values above. Raises MalformedPacket when empty."""
    percent = _Fields(packet).must("battery level", 1)
    return percent if percent <= 100 else None


def decode_body_sensor_location(packet: bytes) -> BodySensorLocation | None:
    """Decode characteristic 2A38; None for reserved values. Raises MalformedPacket when empty."""
    location = _Fields(packet).must("body sensor location", 1)
    return BodySensorLocation(location) if location <= BodySensorLocation.FOOT else None


def decode_rsc_measurement(packet: bytes) -> RscMeasurement:
    """Decode characteristic 2A53 (Running Speed and Cadence Service 1.0, section 3.1).

    Raises MalformedPacket when flags, speed or cadence are missing.
    """
    fields = _Fields(packet)
    flags = fields.must("flags", 1)
    speed = fields.must("speed", 2)
    cadence_spm = fields.must("cadence", 1)
    stride_length_cm = fields.take(2) if flags & 0x01 else None
    distance_dm = fields.take(4) if flags & 0x02 else None
    return RscMeasurement(
        speed_m_s=speed / 256,
        cadence_spm=cadence_spm,
        running=bool(flags & 0x04),
        stride_length_m=None if stride_length_cm is None else stride_length_cm / 100,
        distance_m=None if distance_dm is None else distance_dm / 10,
        truncated=fields.truncated,
    )


class _Field(NamedTuple):
    """A number in a treadmill packet: its size, and what to divide it by to get the unit in its name."""

    name: str
    size: int
    divisor: int = 1
    signed: bool = False


# The fields that each bit of the flags announces (Fitness Machine Service 1.0, section 4.9.1.1), in order of the bits.
_TREADMILL_FIELDS = (
    (_Field("speed_m_s", 2, divisor=360),),  # sent in 0.01 km/h
    (_Field("average_speed_m_s", 2, divisor=360),),
    (_Field("distance_m", 3),),
    (_Field("incline_percent", 2, divisor=10, signed=True), _Field("ramp_angle_deg", 2, divisor=10, signed=True)),
    (_Field("elevation_gain_m", 2, divisor=10), _Field("elevation_loss_m", 2, divisor=10)),
    (_Field("pace", 1),),
    (_Field("average_pace", 1),),
    (_Field("energy_kcal", 2), _Field("energy_kcal_per_h", 2), _Field("energy_kcal_per_min", 1)),
    (_Field("heart_rate_bpm", 1),),
    (_Field("metabolic_equivalent", 1, divisor=10),),
    (_Field("elapsed_s", 2),),
    (_Field("remaining_s", 2),),
    (_Field("force_n", 2, signed=True), _Field("power_w", 2, signed=True)),
)
_PACES = ("pace", "average_pace")


def decode_treadmill_data(packet: bytes) -> TreadmillData:
    """Decode characteristic 2ACD (Fitness Machine Service 1.0, section 4.9.1).

    The largest value of a field means "not available". Raises MalformedPacket
    when the flags are missing.
    """
    fields = _Fields(packet)
    flags = fields.must("flags", 2)
    announced = flags ^ 0x01  # bit 0, "more data", is inverted: 0 means that speed is present
    present = [field for bit, group in enumerate(_TREADMILL_FIELDS) if announced >> bit & 1 for field in group]
    # Pace has one byte in the first edition and two in later ones; only the length of the packet can tell.
    paces = sum(field.name in _PACES for field in present)
    wide_pace = fields.left == sum(field.size for field in present) + paces
    values: dict[str, Any] = {}
    for field in present:
        if field.name in _PACES:
            fields.take(field.size + wide_pace)
            continue
        raw = fields.take(field.size, signed=field.signed)
        if raw is not None and raw != (1 << 8 * field.size - field.signed) - 1:
            values[field.name] = raw if field.divisor == 1 else raw / field.divisor
    return TreadmillData(**values, more_data=bool(flags & 0x01), truncated=fields.truncated)


class TreadmillRecord:
    """Joins a record that a treadmill spreads over several packets because it does not fit into one."""

    def __init__(self) -> None:
        self._begun: dict[str, Any] = {}
        self._truncated = False

    def add(self, part: TreadmillData) -> TreadmillData | None:
        """The whole record with its last packet (``more_data`` false), else None."""
        fields = {name: value for name, value in asdict(part).items() if value is not None}
        del fields["more_data"], fields["truncated"]
        if fields.keys() & self._begun.keys():  # no record holds a field twice: the end of the one before was lost
            self._begun, self._truncated = {}, False
        self._begun |= fields
        self._truncated |= part.truncated
        if part.more_data:
            return None
        record = TreadmillData(**self._begun, truncated=self._truncated)
        self._begun, self._truncated = {}, False
        return record


class _Fields:
    """Takes little-endian numbers from the front of a packet."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self._at = 0
        self.truncated = False

    @property
    def left(self) -> int:
        return len(self._packet) - self._at

    def take(self, size: int, *, signed: bool = False) -> int | None:
        """The next ``size`` bytes; None when they are cut off, and then nothing is left to take."""
        raw = self._packet[self._at : self._at + size]
        self._at += len(raw)
        if len(raw) < size:
            self.truncated = True
            return None
        return int.from_bytes(raw, "little", signed=signed)

    def must(self, name: str, size: int) -> int:
        value = self.take(size)
        if value is None:
            raise MalformedPacket(f"Bluetooth packet without {name}: {self._packet.hex(' ') or 'empty'}")
        return value
