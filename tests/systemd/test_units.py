"""The units we ship, as systemd reads them: without a mistake, and with little in their reach."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hrbridge import config, install

UNITS = Path(__file__).parent.parent.parent / "systemd"
SERVICES = ["hrbridge@.service", "hrbridge-headset.service", "hrbridge-display.service"]
OF_A_USER = SERVICES[1:]
# As systemd-analyze reckons it, from 0 to 10; an ordinary service has 9.6.
MOST_EXPOSURE = 1.5


@pytest.fixture
def analyze(needs_tool: Callable[[str], str], tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    program = needs_tool("systemd-analyze")

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [program, *map(str, words)]
        environment = {"XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=20)

    return run


def settings(unit: str, key: str) -> list[str]:
    """Every value a unit gives to a key."""
    return re.findall(rf"^{key}=(.*)$", (UNITS / unit).read_text(encoding="utf-8"), re.MULTILINE)


def test_these_are_all_units() -> None:
    assert sorted(path.name for path in UNITS.glob("*.service")) == sorted(SERVICES)


@pytest.mark.parametrize("unit", SERVICES)
def test_systemd_reads_the_unit_without_complaint(
    unit: str, analyze: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    text = (UNITS / unit).read_text(encoding="utf-8").replace(install.SHIPPED_PROGRAM, "/bin/true")
    copy = tmp_path / unit
    copy.write_text(text, encoding="utf-8")
    done = analyze(*(["--user"] if unit in OF_A_USER else []), "verify", "--man=no", copy)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize("unit", SERVICES)
def test_little_is_in_reach_of_a_unit(unit: str, analyze: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = analyze("security", "--offline=true", "--no-pager", UNITS / unit)
    (exposure,) = re.findall(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    assert float(exposure) <= MOST_EXPOSURE


@pytest.mark.parametrize("unit", SERVICES)
def test_a_unit_has_no_capability(unit: str, analyze: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    report = json.loads(analyze("security", "--offline=true", "--json=short", UNITS / unit).stdout)
    capabilities = [each for each in report if each["name"].startswith("CapabilityBoundingSet")]
    assert {each["set"] for each in capabilities} == {True}


@pytest.mark.parametrize("unit", SERVICES)
def test_a_unit_comes_back_for_ever_but_not_on_a_wrong_configuration(unit: str) -> None:
    assert settings(unit, "Restart") == ["on-failure"]
    assert settings(unit, "RestartPreventExitStatus") == ["2"]
    assert settings(unit, "StartLimitIntervalSec") == ["0"]


@pytest.mark.parametrize("unit", SERVICES)
def test_what_a_unit_logs_is_bounded(unit: str) -> None:
    (interval_s,), (lines,) = settings(unit, "LogRateLimitIntervalSec"), settings(unit, "LogRateLimitBurst")
    # Of a hundred bytes each, in a day: a thousandth of a small card.
    assert 86_400 / int(interval_s) * int(lines) * 100 <= 16e6


@pytest.mark.parametrize("unit", SERVICES)
def test_a_unit_leaves_no_picture_of_its_memory(unit: str) -> None:
    assert settings(unit, "LimitCORE") == ["0"]


def test_the_bridge_waits_for_bluetooth_and_broker_and_does_without() -> None:
    assert settings("hrbridge@.service", "Wants") == ["bluetooth.service mosquitto.service"]
    assert settings("hrbridge@.service", "Requires") == []
    (after,) = settings("hrbridge@.service", "After")
    assert {"bluetooth.service", "mosquitto.service"} <= set(after.split())


def test_the_bridge_is_watched() -> None:
    assert settings("hrbridge@.service", "Type") == ["notify"]
    assert settings("hrbridge@.service", "WatchdogSec") == ["10"]


def test_the_bridge_is_given_the_password_of_the_manual() -> None:
    (credential,) = settings("hrbridge@.service", "LoadCredential")
    assert credential == "mqtt-password:/etc/hrbridge/mqtt-password"


def test_the_password_that_is_loaded_is_the_one_the_configuration_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "alex.toml"
    file.write_text('[runner]\nage_years = 40\n[mqtt]\npassword_file = "/etc/hrbridge/mqtt-password"\n')
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    (name, _, _) = settings("hrbridge@.service", "LoadCredential")[0].partition(":")
    (credentials / name).write_text("secret\n")
    assert config.load(file).mqtt.password_file == str(credentials / name)


def test_no_password_is_an_empty_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "alex.toml"
    file.write_text('[runner]\nage_years = 40\n[mqtt]\npassword_file = "/etc/hrbridge/mqtt-password"\n')
    (name, _, default) = settings("hrbridge@.service", "SetCredential")[0].partition(":")
    (tmp_path / name).write_text(default.replace(r"\n", "\n"))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert config.load(file).mqtt.password_file == "/etc/hrbridge/mqtt-password"


def test_the_user_of_the_bridge_is_made_as_systemd_wants_it(needs_tool: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    command = [needs_tool("systemd-sysusers"), f"--root={tmp_path}", str(UNITS / "hrbridge.sysusers")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("hrbridge:")]
    assert line.endswith(":/var/lib/hrbridge:/usr/sbin/nologin")
