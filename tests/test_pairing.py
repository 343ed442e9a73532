"""Which strap is mine, and the configuration that remembers it: nothing else in it may change."""

from __future__ import annotations

import difflib
import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hrbridge import config, pairing
from hrbridge.errors import ConfigError, OutputError, SensorError, UsageError
from hrbridge.sensors.survey import Found, Kind

CONFIGS = Path(__file__).parent.parent / "configs"
MINE = Found(
    address="A0:9E:1A:11:22:33",
    name="Polar H10 1234ABCD",
    kinds=(Kind.HEART_RATE,),
    rssi_dbm=-60,
    heart_rate_bpm=120,
    battery_percent=87,
)
OTHER = replace(MINE, address="C4:00:00:00:00:02", name="HRM-Dual", heart_rate_bpm=132)
WATCH = replace(MINE, address="5B:00:00:00:00:07", name="Forerunner 255", changes_address=True)
TREADMILL = Found(address="11:22:33:44:55:66", name="FitRun", kinds=(Kind.TREADMILL,))


# which one


@pytest.mark.parametrize("counted_bpm", [114, 120, 125])
def test_the_strap_that_shows_my_pulse_is_mine(counted_bpm: int) -> None:
    assert pairing.choose([OTHER, TREADMILL, MINE], counted_bpm, "") == MINE


@pytest.mark.parametrize(("counted_bpm", "said"), [(100, "no strap shows 100 bpm"), (126, "2 straps show 126 bpm")])
def test_a_pulse_that_fits_none_or_several_chooses_nobody(counted_bpm: int, said: str) -> None:
    with pytest.raises(SensorError, match=said):
        pairing.choose([MINE, OTHER], counted_bpm, "")


def test_the_strap_that_was_named_is_mine_whatever_it_shows() -> None:
    silent = replace(OTHER, heart_rate_bpm=None, why="connected, but silent: worn, and wet?")
    assert pairing.choose([MINE, silent], None, "c4:00:00:00:00:02") == silent


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (OTHER, "A0:9E:1A:11:22:33 not heard: worn, wet"),
        (
            replace(TREADMILL, address=MINE.address),
            r"FitRun \(A0.*\) tells speed: it goes into \[sensor\] speed_address",
        ),
        (replace(MINE, kinds=(), why="measures no heart rate"), r"Polar .*: measures no heart rate"),
    ],
    ids=["not-heard", "treadmill", "no-strap"],
)
def test_a_named_device_that_will_not_do_is_refused(found: Found, said: str) -> None:
    with pytest.raises(SensorError, match=said):
        pairing.choose([found], None, MINE.address)


def test_the_only_strap_is_mine() -> None:
    assert pairing.choose([TREADMILL, MINE], None, "") == MINE


@pytest.mark.parametrize(("found", "said"), [([MINE, OTHER], "2 straps in range"), ([TREADMILL], "no straps in range")])
def test_of_two_straps_or_none_no_only_one_is_chosen(found: list[Found], said: str) -> None:
    with pytest.raises(SensorError, match=said):
        pairing.choose(found, None, "")


# what is said of it


def test_what_is_remembered_is_told_with_battery_and_strength() -> None:
    assert pairing.in_words(MINE) == "Polar H10 1234ABCD (A0:9E:1A:11:22:33), 120 bpm, -60 dBm, battery 87 %"


def test_a_name_cannot_steer_the_terminal() -> None:
    assert pairing.in_words(replace(TREADMILL, name="\x1b[31mRed\n")) == "?[31mRed? (11:22:33:44:55:66)"


@pytest.mark.parametrize(("percent", "warned"), [(20, 1), (21, 0), (None, 0)])
def test_a_low_battery_is_warned_of(percent: int | None, warned: int) -> None:
    assert len(pairing.warnings(replace(MINE, battery_percent=percent))) == warned


# remembering

COMMENTED = """\
# Alex's Pi.
sensor.kind = "simulated"  # for now

[runner]  # whose heart
age_years=40
id = 'alex'

# the end
"""


@pytest.fixture
def alex(tmp_path: Path) -> Path:
    path = tmp_path / "alex.toml"
    path.write_text((CONFIGS / "pi.toml").read_text())
    return path


def changed_lines(before: str, after: str) -> list[str]:
    """The lines that are gone (-) and new (+)."""
    marked = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in marked if line[0] in "+-" and line[:3] not in ("+++", "---")]


@pytest.mark.parametrize("name", ["pi.toml", "treadmill.toml", "demo.toml"])
def test_a_shipped_configuration_remembers_the_strap(name: str, tmp_path: Path) -> None:
    path = tmp_path / "alex.toml"
    path.write_text((CONFIGS / name).read_text())
    pairing.remember(path, MINE)
    before, after = config.load(CONFIGS / name), config.load(path)
    assert after == replace(before, sensor=replace(before.sensor, kind="ble", name="", address=MINE.address))


def test_only_the_address_changes_and_every_comment_stays(alex: Path) -> None:
    before = alex.read_text()
    pairing.remember(alex, MINE)
    gone, new = changed_lines(before, alex.read_text())
    assert gone.startswith('-address = "C0:FF:EE:00:00:01"      # a placeholder')
    assert new == gone.replace("-", "+", 1).replace("C0:FF:EE:00:00:01", MINE.address)


def test_remembering_twice_changes_nothing(alex: Path) -> None:
    pairing.remember(alex, MINE)
    once = alex.read_bytes()
    pairing.remember(alex, MINE)
    assert alex.read_bytes() == once


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        pytest.param(
            "[runner]\nage_years = 40\n",
            ["+", "+[sensor]", '+kind = "ble"', '+address = "A0:9E:1A:11:22:33"'],
            id="no-table",
        ),
        pytest.param(
            COMMENTED,
            [
                '-sensor.kind = "simulated"  # for now',
                '+sensor.kind = "ble"  # for now',
                '+sensor.address = "A0:9E:1A:11:22:33"',
            ],
            id="dotted",
        ),
        pytest.param(
            '[sensor]\nkind = "ble"\nname = "Polar"\nbond = true\n\n[runner]\nage_years = 40\n',
            ['-name = "Polar"', '+address = "A0:9E:1A:11:22:33"'],
            id="by-name",
        ),
        pytest.param(
            '[sensor]\nname = "Polar" # the old one\nkind = "ble"\n[runner]\nage_years = 40\n',
            ['-name = "Polar" # the old one', '+address = "A0:9E:1A:11:22:33"', '+# name = "Polar"  # the old one'],
            id="by-name-with-a-note",
        ),
        pytest.param(
            'sensor = { kind = "ble", name = "Polar" } # mine\nrunner = { age_years = 40 }\n',
            [
                '-sensor = { kind = "ble", name = "Polar" } # mine',
                '+sensor = { kind = "ble",  address = "A0:9E:1A:11:22:33"} # mine',
            ],
            id="inline",
        ),
    ],
)
def test_however_it_is_written_nothing_else_changes(tmp_path: Path, text: str, changes: list[str]) -> None:
    path = tmp_path / "alex.toml"
    path.write_text(text)
    pairing.remember(path, MINE)
    assert changed_lines(text, path.read_text()) == changes


def test_a_new_key_stands_with_its_table_and_not_below_the_title_of_the_next(tmp_path: Path) -> None:
    path = tmp_path / "alex.toml"
    path.write_text('[sensor]\nkind = "ble"\n\n# What to run.\n[plan]\nuse = "demo"\n[runner]\nage_years = 40\n')
    pairing.remember(path, MINE)
    assert path.read_text().startswith('[sensor]\nkind = "ble"\naddress = "A0:9E:1A:11:22:33"\n\n# What to run.\n')


def test_a_file_from_windows_keeps_its_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "alex.toml"
    path.write_bytes(b'[sensor]\r\nkind = "ble"\r\naddress = "x"\r\n[runner]\r\nage_years = 40\r\n')
    pairing.remember(path, MINE)
    assert path.read_bytes().count(b"\r\n") == path.read_bytes().count(b"\n") == 5


def test_a_watch_that_changes_its_address_is_remembered_by_its_name(alex: Path) -> None:
    pairing.remember(alex, WATCH)
    sensor = config.load(alex).sensor
    assert (sensor.name, sensor.address) == ("Forerunner 255", "")
    assert "by its name" in pairing.warnings(WATCH)[0]


def test_a_nameless_watch_is_remembered_by_its_address_with_a_warning(alex: Path) -> None:
    nameless = replace(WATCH, name="")
    pairing.remember(alex, nameless)
    assert config.load(alex).sensor.address == WATCH.address
    assert "will not hold for long" in pairing.warnings(nameless)[0]


@pytest.mark.parametrize("name", ['The "Beast" \\o/', "Läufer ♥ \x07"])
def test_a_strange_name_survives_the_file(alex: Path, name: str) -> None:
    pairing.remember(alex, replace(WATCH, name=name))
    assert config.load(alex).sensor.name == name


def test_the_lines_for_the_hand_mean_the_same(alex: Path) -> None:
    alex.write_text(f"[runner]\nage_years = 40\n{pairing.lines(MINE)}\n")
    sensor = config.load(alex).sensor
    assert (sensor.kind, sensor.address) == ("ble", MINE.address)


def test_a_link_stays_a_link_and_the_file_keeps_its_mode(alex: Path, tmp_path: Path) -> None:
    alex.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(alex)
    pairing.remember(link, MINE)
    assert link.is_symlink()
    assert config.load(alex).sensor.address == MINE.address
    assert alex.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_file_keeps_its_owner(alex: Path) -> None:
    os.chown(alex, 1234, 4321)
    pairing.remember(alex, MINE)
    assert (alex.stat().st_uid, alex.stat().st_gid) == (1234, 4321)


# when it cannot be


@pytest.fixture
def my_folder() -> Iterator[Path]:
    """A folder, for the time of a test without the powers of root."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder:
        if root:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            if root:
                os.seteuid(0)
            Path(folder).chmod(0o700)


def in_folder(folder: Path) -> Path:
    path = folder / "alex.toml"
    path.write_text('[runner]\nage_years = 40\n[sensor]\nname = "Polar"\n')
    return path


@pytest.mark.parametrize(("file_mode", "folder_mode"), [(0o444, 0o755), (0o644, 0o555)], ids=["file", "folder"])
def test_a_read_only_configuration_is_told_and_stays(my_folder: Path, file_mode: int, folder_mode: int) -> None:
    path = in_folder(my_folder)
    before = path.read_text()
    path.chmod(file_mode)
    my_folder.chmod(folder_mode)
    with pytest.raises(
        OutputError, match=r"alex.toml: cannot be written: Permission denied; put these lines in by hand"
    ):
        pairing.remember(path, MINE)
    assert path.read_text() == before
    assert list(my_folder.iterdir()) == [path]


def test_a_full_disk_is_told_and_nothing_is_lost(alex: Path, tmp_path: Path) -> None:
    before = alex.read_text()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"alex.toml: cannot be written: File too large"):
            pairing.remember(alex, MINE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert alex.read_text() == before
    assert list(tmp_path.iterdir()) == [alex]


def test_a_configuration_that_went_wrong_meanwhile_is_left_as_it_is(alex: Path) -> None:
    alex.write_text("[sensor\n")
    with pytest.raises(ConfigError, match=r"alex.toml: not valid TOML"):
        pairing.remember(alex, MINE)
    assert alex.read_text() == "[sensor\n"


def test_without_a_configuration_the_shipped_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"alex.toml: no such file: .*configs/pi.toml .*configs/treadmill.toml"):
        pairing.check(tmp_path / "alex.toml", CONFIGS)


def test_a_wrong_configuration_is_told_before_anybody_looks_for_straps(alex: Path) -> None:
    alex.write_text("[runner]\nage_year = 40\n")
    with pytest.raises(ConfigError, match="did you mean age_years"):
        pairing.check(alex, CONFIGS)
