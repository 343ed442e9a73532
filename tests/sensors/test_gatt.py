"""What a strap, a treadmill and a foot pod say in bytes.

Vectors without another source are built by hand from the specification; the
letters name where the others were captured or published:
a Auuki test suite; b cal-id/Polar-H7-Pi; c, d stackoverflow 60599696, 67024800
(d: Polar H10); e TrackMyIndoorWorkout test suite (Polar H7 and others);
f Garmin forum 319496 (HRM-Dual); g movisens SmartGattLib; h web-bluetooth#493.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from random import Random

import pytest
from bluetooth_sig.gatt.characteristics import rsc_measurement, treadmill_data
from bumble.profiles.heart_rate_service import HeartRateService
from hypothesis import given
from hypothesis import strategies as st

from hrbridge.errors import MalformedPacket
from hrbridge.sensors.footsteps import FootPod, Treadmill
from hrbridge.sensors.gatt import (
    BodySensorLocation,
    HeartRateMeasurement,
    RscMeasurement,
    TreadmillData,
    TreadmillRecord,
    decode_battery_level,
    decode_body_sensor_location,
    decode_heart_rate_measurement,
    decode_rsc_measurement,
    decode_treadmill_data,
)

MATRIX_TREADMILL = bytes.fromhex("9e1f c603 9402 3e0100 5a00 ff7f 3200 ffff 2500 f4")
KETTLER_TREADMILL = bytes.fromhex("8c05 6400 140000 0000 0000 0500 e700 03 00 5b00")


def hr(bpm, contact=None, energy_kj=None, rr_raw=(), truncated=False):
    return HeartRateMeasurement(bpm, contact, energy_kj, tuple(raw / 1024 for raw in rr_raw), truncated)


HEART_RATE_PACKETS = [
    pytest.param("00 48", hr(72), id="1-plain"),
    pytest.param("02 4b", hr(75), id="2-contact-bit-without-support"),
    pytest.param("04 4b", hr(75, contact=False), id="3-no-contact"),
    pytest.param("06 4b", hr(75, contact=True), id="4-contact"),
    pytest.param("01 2c 01", hr(300), id="5-two-bytes-a"),
    pytest.param("08 43 d0 07", hr(67, energy_kj=2000), id="6-energy-a"),
    pytest.param("08 43 ff ff", hr(67, energy_kj=65535), id="7-energy-saturated"),
    pytest.param("10 43 72 03", hr(67, rr_raw=[882]), id="8-one-rr-a"),
    pytest.param("10 67 72 03 8a 03 95 04", hr(103, rr_raw=[882, 906, 1173]), id="9-three-rr-a"),
    pytest.param("18 43 d0 07 72 03", hr(67, energy_kj=2000, rr_raw=[882]), id="10-energy-and-rr-a"),
    pytest.param("19 2c 01 d0 07 72 03", hr(300, energy_kj=2000, rr_raw=[882]), id="11-everything-moves"),
    pytest.param("06 3c", hr(60, contact=True), id="12-h7-without-rr-b"),
    pytest.param("16 3c 11 04", hr(60, contact=True, rr_raw=[1041]), id="13-h7-b"),
    pytest.param("16 34 e4 04", hr(52, contact=True, rr_raw=[1252]), id="14-captured-c"),
    pytest.param("10 3b 53 04", hr(59, rr_raw=[1107]), id="15-h10-tells-no-contact-d"),
    pytest.param("16 73 10 02 0d 02", hr(115, contact=True, rr_raw=[528, 525]), id="16-h7-two-rr-e"),
    pytest.param("16 59 a2 02", hr(89, contact=True, rr_raw=[674]), id="17-h7-e"),
    pytest.param("04 54", hr(84, contact=False), id="18-rate-without-contact-is-kept-e"),
    pytest.param("10 38 2d 04 35 00", hr(56, rr_raw=[1069, 53]), id="19-bogus-rr-is-not-filtered-here-f"),
    pytest.param("16 48 54 01 ec 02", hr(72, contact=True, rr_raw=[340, 748]), id="20-g"),
    pytest.param("10 3e b1 03 de", hr(62, rr_raw=[945], truncated=True), id="21-odd-tail-h"),
    pytest.param("10 50" + " 00 04" * 9, hr(80, rr_raw=[1024] * 9), id="22-nine-rr-fill-a-packet"),
    pytest.param("00 00", hr(0), id="23-no-reading"),
    pytest.param("10 50", hr(80), id="24-rr-announced-but-none"),
    pytest.param("08 43 05", hr(67, truncated=True), id="25-energy-cut"),
    pytest.param("18 50 05 00", hr(80, energy_kj=5), id="26-energy-then-no-rr"),
    pytest.param("00 48 01", hr(72), id="27-undeclared-byte"),
    pytest.param("e0 48", hr(72), id="28-reserved-bits"),
    pytest.param("10 40 ff ff 00 00", hr(64, rr_raw=[65535, 0]), id="29-impossible-rr-is-not-filtered-here"),
    pytest.param("10 50" + " 00 04" * 20, hr(80, rr_raw=[1024] * 20), id="a-larger-mtu-holds-more-rr"),
    pytest.param("18 43 05", hr(67, truncated=True), id="energy-cut-leaves-no-rr"),
]
FOOT_POD_PACKETS = [
    pytest.param(
        "07 8002 50 2003 00100000",
        RscMeasurement(2.5, 80, running=True, stride_length_m=8.0, distance_m=409.6),
        id="nordic-android-ble-library",
    ),
    pytest.param(
        "02 0005 50 ffff0001", RscMeasurement(5.0, 80, running=False, distance_m=1684275.1), id="walking-opentracks"
    ),
    pytest.param("04 0003 aa", RscMeasurement(3.0, 170, running=True), id="running"),
    pytest.param("05 8002 aa 7800", RscMeasurement(2.5, 170, running=True, stride_length_m=1.2), id="stride"),
    pytest.param(
        "07 8002 aa 7800 e8030000",
        RscMeasurement(2.5, 170, running=True, stride_length_m=1.2, distance_m=100.0),
        id="everything",
    ),
    pytest.param("02 0005 50 ffff00", RscMeasurement(5.0, 80, running=False, truncated=True), id="distance-cut"),
    pytest.param("f8 0005 50", RscMeasurement(5.0, 80, running=False), id="reserved-bits"),
]


@pytest.mark.parametrize(("packet", "expected"), HEART_RATE_PACKETS)
def test_a_heart_rate_packet_reads_as(packet, expected):
    assert decode_heart_rate_measurement(bytes.fromhex(packet)) == expected


@pytest.mark.parametrize("packet", ["", "00", "01 50", "10", "19 50"])  # 30 and 31 among them
def test_a_packet_without_a_heart_rate_is_refused(packet):
    with pytest.raises(MalformedPacket):
        decode_heart_rate_measurement(bytes.fromhex(packet))


def test_the_refusal_shows_the_bytes():
    with pytest.raises(MalformedPacket, match="without heart rate: 01 50"):
        decode_heart_rate_measurement(bytes.fromhex("01 50"))


@given(
    bpm=st.integers(0, 0xFFFF),
    contact=st.none() | st.booleans(),
    energy_kj=st.none() | st.integers(0, 0xFFFF),
    rr_raw=st.none() | st.lists(st.integers(0, 0xFFFF), max_size=30),
)
def test_what_bumble_encodes_is_read_back(bpm, contact, energy_kj, rr_raw):
    rr_s = None if rr_raw is None else [raw / 1024 for raw in rr_raw]
    packet = bytes(HeartRateService.HeartRateMeasurement(bpm, contact, energy_kj, rr_s))
    assert decode_heart_rate_measurement(packet) == hr(bpm, contact, energy_kj, rr_raw or ())


@pytest.mark.parametrize(("packet", "percent"), [("00", 0), ("57", 87), ("64", 100), ("65", None), ("ff", None)])
def test_battery_level_is_a_percentage_or_unknown(packet, percent):
    assert decode_battery_level(bytes.fromhex(packet)) == percent


def test_an_empty_battery_packet_is_refused():
    with pytest.raises(MalformedPacket):
        decode_battery_level(b"")


@pytest.mark.parametrize(
    ("packet", "place"), [("00", BodySensorLocation.OTHER), ("01", BodySensorLocation.CHEST), ("07", None)]
)
def test_body_sensor_location_names_the_place(packet, place):
    assert decode_body_sensor_location(bytes.fromhex(packet)) is place


def test_a_kettler_treadmill_reads_as_published():  # knallfahrrad.de p=1236
    assert decode_treadmill_data(KETTLER_TREADMILL) == TreadmillData(
        speed_m_s=pytest.approx(1.00 / 3.6),
        distance_m=20,
        incline_percent=0.0,
        ramp_angle_deg=0.0,
        energy_kcal=5,
        energy_kcal_per_h=231,
        energy_kcal_per_min=3,
        heart_rate_bpm=0,
        elapsed_s=91,
    )


def test_a_matrix_treadmill_cut_at_twenty_bytes_keeps_its_complete_fields():  # TrackMyIndoorWorkout test suite
    assert decode_treadmill_data(MATRIX_TREADMILL) == TreadmillData(
        speed_m_s=pytest.approx(9.66 / 3.6),
        average_speed_m_s=pytest.approx(6.60 / 3.6),
        distance_m=318,
        incline_percent=9.0,
        ramp_angle_deg=None,
        elevation_gain_m=5.0,
        elevation_loss_m=None,
        energy_kcal=37,
        truncated=True,
    )


def test_the_last_fields_of_a_treadmill_packet_stand_behind_all_others():
    packet = bytes.fromhex("001f 2c01 96 50 1e00 3c00 f6ff 2c01")
    assert decode_treadmill_data(packet) == TreadmillData(
        speed_m_s=pytest.approx(3.00 / 3.6),
        heart_rate_bpm=150,
        metabolic_equivalent=8.0,
        elapsed_s=30,
        remaining_s=60,
        force_n=-10,
        power_w=300,
    )


def test_downhill_is_negative():
    assert decode_treadmill_data(bytes.fromhex("0800 e803 ecff 0000")).incline_percent == -2.0


def test_everything_not_available_is_none():
    packet = bytes.fromhex("9f1f" + "ffff ffffff ff7f ff7f ffff ffff ffff ffff ff ff ff ffff ffff ff7f ff7f")
    assert decode_treadmill_data(packet) == TreadmillData(more_data=True)


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param("6004 e803 64 64 5b00", id="first-edition-one-byte"),
        pytest.param("6004 e803 8601 8601 5b00", id="later-editions-two-bytes"),
    ],
)
def test_fields_behind_the_pace_are_found_in_either_edition(packet):
    assert decode_treadmill_data(bytes.fromhex(packet)).elapsed_s == 91


@pytest.mark.parametrize("packet", ["", "00"])
def test_a_treadmill_packet_without_flags_is_refused(packet):
    with pytest.raises(MalformedPacket):
        decode_treadmill_data(bytes.fromhex(packet))


def test_a_record_split_over_two_packets_is_joined():
    record = TreadmillRecord()
    first = record.add(decode_treadmill_data(bytes.fromhex("0500 140000")))
    whole = record.add(decode_treadmill_data(bytes.fromhex("0004 e803 5b00")))
    assert first is None
    assert whole == TreadmillData(speed_m_s=pytest.approx(10 / 3.6), distance_m=20, elapsed_s=91)


def test_a_joined_record_does_not_colour_the_next():
    record = TreadmillRecord()
    record.add(decode_treadmill_data(bytes.fromhex("0500 140000")))
    record.add(decode_treadmill_data(bytes.fromhex("0000 ffff")))
    assert record.add(decode_treadmill_data(bytes.fromhex("0000 e803"))) == TreadmillData(
        speed_m_s=pytest.approx(10 / 3.6)
    )


@pytest.mark.parametrize("next_record", [["0500 280000", "0000 e803"], ["0400 e803 280000"]], ids=["split", "whole"])
def test_a_record_whose_end_was_lost_does_not_colour_the_next(next_record):
    record = TreadmillRecord()
    record.add(decode_treadmill_data(bytes.fromhex("0d00 140000 1400 0000")))
    *_, whole = [record.add(decode_treadmill_data(bytes.fromhex(part))) for part in next_record]
    assert whole == TreadmillData(speed_m_s=pytest.approx(10 / 3.6), distance_m=40)


def test_a_lost_record_that_was_cut_does_not_make_the_next_one_truncated():
    record = TreadmillRecord()
    record.add(decode_treadmill_data(bytes.fromhex("0d00 140000 1400")))
    record.add(decode_treadmill_data(bytes.fromhex("0500 280000")))
    assert record.add(decode_treadmill_data(bytes.fromhex("0000 e803"))).truncated is False


def test_a_record_with_a_cut_part_is_truncated():
    record = TreadmillRecord()
    record.add(decode_treadmill_data(bytes.fromhex("0500 1400")))
    whole = record.add(decode_treadmill_data(bytes.fromhex("0000 e803")))
    assert whole.truncated is True


@pytest.mark.parametrize(("packet", "expected"), FOOT_POD_PACKETS)
def test_a_foot_pod_packet_reads_as(packet, expected):
    assert decode_rsc_measurement(bytes.fromhex(packet)) == expected


@pytest.mark.parametrize("packet", ["", "00", "00 00", "00 0005"])
def test_a_foot_pod_packet_without_cadence_is_refused(packet):
    with pytest.raises(MalformedPacket):
        decode_rsc_measurement(bytes.fromhex(packet))


U8, U16, S16 = (
    st.integers(0, 0xFE),
    st.integers(0, 0xFFFE),
    st.integers(-0x8000, 0x7FFE),
)  # the largest: "not available"


def tenths(raw):
    return None if raw is None else raw / 10


@given(
    speed=st.none() | U16,
    average=st.none() | U16,
    distance_m=st.none() | st.integers(0, 0xFFFFFE),
    incline=st.none() | st.tuples(S16, S16),
    elevation=st.none() | st.tuples(U16, U16),
    paces=st.tuples(st.none() | U16, st.none() | U16),
    energy=st.none() | st.tuples(U16, U16, U8),
    heart_rate_bpm=st.none() | U8,
    met=st.none() | U8,
    times_s=st.tuples(st.none() | U16, st.none() | U16),
    force_and_power=st.none() | st.tuples(S16, S16),
)
def test_what_bluetooth_sig_encodes_for_a_treadmill_is_read_back(
    speed, average, distance_m, incline, elevation, paces, energy, heart_rate_bpm, met, times_s, force_and_power
):
    incline, elevation, force_and_power = (
        incline or (None,) * 2,
        elevation or (None,) * 2,
        force_and_power or (None,) * 2,
    )
    energy = energy or (None,) * 3
    packet = treadmill_data.TreadmillDataCharacteristic().build_value(
        treadmill_data.TreadmillData(
            flags=treadmill_data.TreadmillDataFlags(0),  # worked out from what is present
            instantaneous_speed=None if speed is None else speed / 100,
            average_speed=None if average is None else average / 100,
            total_distance=distance_m,
            inclination=tenths(incline[0]),
            ramp_angle_setting=tenths(incline[1]),
            positive_elevation_gain=tenths(elevation[0]),
            negative_elevation_gain=tenths(elevation[1]),
            instantaneous_pace=paces[0],
            average_pace=paces[1],
            total_energy=energy[0],
            energy_per_hour=energy[1],
            energy_per_minute=energy[2],
            heart_rate=heart_rate_bpm,
            metabolic_equivalent=tenths(met),
            elapsed_time=times_s[0],
            remaining_time=times_s[1],
            force_on_belt=force_and_power[0],
            power_output=force_and_power[1],
        )
    )
    assert decode_treadmill_data(bytes(packet)) == TreadmillData(
        speed_m_s=None if speed is None else speed / 360,
        average_speed_m_s=None if average is None else average / 360,
        distance_m=distance_m,
        incline_percent=tenths(incline[0]),
        ramp_angle_deg=tenths(incline[1]),
        elevation_gain_m=tenths(elevation[0]),
        elevation_loss_m=tenths(elevation[1]),
        energy_kcal=energy[0],
        energy_kcal_per_h=energy[1],
        energy_kcal_per_min=energy[2],
        heart_rate_bpm=heart_rate_bpm,
        metabolic_equivalent=tenths(met),
        elapsed_s=times_s[0],
        remaining_s=times_s[1],
        force_n=force_and_power[0],
        power_w=force_and_power[1],
        more_data=speed is None,
    )


@given(
    speed=st.integers(0, 0xFFFF),
    cadence_spm=st.integers(0, 0xFF),
    running=st.booleans(),
    stride_length_cm=st.none() | st.integers(0, 0xFFFF),
    distance_dm=st.none() | st.integers(0, 0xFFFFFFFF),
)
def test_what_bluetooth_sig_encodes_for_a_foot_pod_is_read_back(
    speed, cadence_spm, running, stride_length_cm, distance_dm
):
    stride_length_m = None if stride_length_cm is None else stride_length_cm / 100
    packet = rsc_measurement.RSCMeasurementCharacteristic().build_value(
        rsc_measurement.RSCMeasurementData(
            instantaneous_speed=speed / 256,
            instantaneous_cadence=cadence_spm,
            flags=rsc_measurement.RSCMeasurementFlags(4 * running),
            instantaneous_stride_length=stride_length_m,
            total_distance=tenths(distance_dm),
        )
    )
    assert decode_rsc_measurement(bytes(packet)) == RscMeasurement(
        speed / 256, cadence_spm, running, stride_length_m, tenths(distance_dm)
    )


# -- a million packets, spread over all who read them --

EACH = 1_000_000 // 7 + 1
PUBLISHED = [
    KETTLER_TREADMILL,
    MATRIX_TREADMILL,
    *(bytes.fromhex(packet.values[0]) for packet in HEART_RATE_PACKETS + FOOT_POD_PACKETS),
]


def garbled(seed: str) -> Iterator[bytes]:
    """Noise, and what was published with its end cut off or with one bit turned over."""
    random = Random(seed)
    while True:
        packet = random.choice(PUBLISHED)
        yield random.randbytes(random.randrange(65))
        yield packet[: random.randrange(len(packet))]
        yield (int.from_bytes(packet) ^ 1 << random.randrange(8 * len(packet))).to_bytes(len(packet))


@pytest.mark.parametrize(
    "decode",
    [
        decode_heart_rate_measurement,
        decode_treadmill_data,
        decode_rsc_measurement,
        decode_battery_level,
        decode_body_sensor_location,
    ],
)
def test_any_bytes_give_a_value_and_only_short_ones_are_refused(decode):
    refused = set()
    for packet in islice(garbled(decode.__name__), EACH):
        try:
            decode(packet)
        except MalformedPacket:
            refused.add(packet)
    assert max(map(len, refused)) < 4  # every mandatory part fits into four bytes


@pytest.mark.parametrize("reader", [Treadmill, FootPod])
def test_from_any_bytes_comes_only_what_a_runner_can_do(reader):
    read, told = reader().read, []
    for second, packet in enumerate(islice(garbled(reader.__name__), EACH)):
        try:
            told.append(read(float(second), packet, "hall"))
        except MalformedPacket:
            assert len(packet) < 4
    speeds = [speed for speed in told if speed is not None]
    distances_m = [speed.distance_m for speed in speeds if speed.distance_m is not None]
    assert max(speed.speed_m_s or 0 for speed in speeds) <= 12
    assert min(speed.speed_m_s or 0 for speed in speeds) >= 0
    assert max(speed.cadence_spm or 0 for speed in speeds) <= 250
    assert max(abs(speed.incline_percent or 0) for speed in speeds) <= 45
    assert distances_m == sorted(distances_m)
    assert distances_m[-1] <= 12 * EACH + 20 * len(distances_m)
