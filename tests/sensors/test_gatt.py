"""What a strap, a treadmill and a foot pod say in bytes.

Vectors without another source are built by hand from the specification; the
letters name where the others were captured or published:
a Auuki test suite; b cal-id/Polar-H7-Pi; c, d stackoverflow 60599696, 67024800
(d: Polar H10); e TrackMyIndoorWorkout test suite (Polar H7 and others);
f Garmin forum 319496 (HRM-Dual); g movisens SmartGattLib; h web-bluetooth#493.
"""

from __future__ import annotations

import pytest
from bumble.profiles.heart_rate_service import HeartRateService
from hypothesis import given
from hypothesis import strategies as st

from hrbridge.errors import MalformedPacket
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


def hr(bpm, contact=None, energy_kj=None, rr_raw=(), truncated=False):
    return HeartRateMeasurement(bpm, contact, energy_kj, tuple(raw / 1024 for raw in rr_raw), truncated)


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
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
    ],
)
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
@given(packet=st.binary(max_size=64))
def test_any_bytes_give_a_value_or_a_refusal(decode, packet):
    try:
        value = decode(packet)
    except MalformedPacket:
        assert len(packet) < 4  # every mandatory part fits into four bytes
    else:
        assert value is None or isinstance(value, int | HeartRateMeasurement | TreadmillData | RscMeasurement)


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
    packet = bytes.fromhex("8c05 6400 140000 0000 0000 0500 e700 03 00 5b00")
    assert decode_treadmill_data(packet) == TreadmillData(
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
    record.add(decode_treadmill_data(bytes.fromhex("0000 e803")))
    assert record.add(decode_treadmill_data(bytes.fromhex("0000 e803"))) == TreadmillData(
        speed_m_s=pytest.approx(10 / 3.6)
    )


def test_a_record_with_a_cut_part_is_truncated():
    record = TreadmillRecord()
    record.add(decode_treadmill_data(bytes.fromhex("0500 1400")))
    whole = record.add(decode_treadmill_data(bytes.fromhex("0000 e803")))
    assert whole.truncated is True


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
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
    ],
)
def test_a_foot_pod_packet_reads_as(packet, expected):
    assert decode_rsc_measurement(bytes.fromhex(packet)) == expected


@pytest.mark.parametrize("packet", ["", "00", "00 00", "00 0005"])
def test_a_foot_pod_packet_without_cadence_is_refused(packet):
    with pytest.raises(MalformedPacket):
        decode_rsc_measurement(bytes.fromhex(packet))
