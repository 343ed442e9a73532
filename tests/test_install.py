"""hrbridge install-service: what it tells, what it does, what it leaves alone, and when it says no.

What systemd makes of it is tested in tests/systemd, with a real one.
"""

from __future__ import annotations

import configparser
import getpass
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hrbridge import install
from hrbridge.errors import ConfigError, OutputError, UsageError
from hrbridge.install import Delete, Run, Write
from tests.conftest import Hrbridge

PROGRAM = Path("/opt/hrbridge/bin/hrbridge")
PYTHON = Path("/usr/bin/python3")
RECOVERS = '[sensor]\nrecovery_command = ["systemctl", "restart", "bluetooth"]\n'
ALEX = '[runner]\nid = "alex"\nage_years = 40\nresting_heart_rate_bpm = 60\n'


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that runs systemd and has nothing of ours yet, below ``tmp_path``."""
    for name in ("BOOTED", "UNITS", "SYSUSERS", "RULES", "CONFIGURATIONS", "LINGERING"):
        monkeypatch.setattr(install, name, tmp_path / getattr(install, name).relative_to("/"))
    install.BOOTED.mkdir(parents=True)
    install.CONFIGURATIONS.mkdir(parents=True)
    install.RULES.parent.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("SUDO_USER", raising=False)
    return tmp_path


@pytest.fixture
def alex(tmp_path: Path) -> Path:
    file = tmp_path / "my.toml"
    file.write_text(ALEX, encoding="utf-8")
    return file


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Programs that only write down how they were called, in place of those of systemd; gives what they wrote."""
    folder, record = tmp_path / "programs", tmp_path / "called"
    folder.mkdir()
    for name in ("systemctl", "loginctl", "systemd-sysusers"):
        (folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {record}\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return lambda: record.read_text().splitlines() if record.exists() else []


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program beside an interpreter of its own, for commands that want to know where hrbridge lies."""
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    python.with_name("hrbridge").touch()
    monkeypatch.setattr(sys, "executable", str(python))
    return python.with_name("hrbridge")


def written(acts: list[install.Act]) -> dict[str, str]:
    """The files that are to be written, by their names."""
    return {act.path.name: act.text for act in acts if isinstance(act, Write)}


def run(acts: list[install.Act]) -> list[str]:
    return [" ".join(act.words) for act in acts if isinstance(act, Run)]


def service(text: str) -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(text)
    return unit["Service"]


# --- the bridge ---


def test_a_configuration_becomes_that_of_its_runner(alex: Path) -> None:
    assert written(install.bridge(PROGRAM, PYTHON, alex))["alex.toml"] == ALEX


def test_only_the_service_may_read_it(alex: Path) -> None:
    (act,) = (act for act in install.bridge(PROGRAM, PYTHON, alex) if isinstance(act, Write) and act.text == ALEX)
    assert (act.path, act.mode, act.group) == (install.CONFIGURATIONS / "alex.toml", 0o640, "hrbridge")


def test_the_unit_is_as_it_was_shipped(alex: Path) -> None:
    shipped = (install.shipped() / "hrbridge@.service").read_text(encoding="utf-8")
    assert written(install.bridge(PROGRAM, PYTHON, alex))["hrbridge@.service"] == shipped


def test_the_unit_starts_the_hrbridge_that_was_asked(alex: Path) -> None:
    unit = written(install.bridge(Path("/srv/run/bin/hrbridge"), PYTHON, alex))["hrbridge@.service"]
    assert service(unit)["ExecStart"] == "/srv/run/bin/hrbridge run /etc/hrbridge/%i.toml"


def test_the_user_is_made_before_a_file_is_given_to_it(alex: Path) -> None:
    acts = install.bridge(PROGRAM, PYTHON, alex)
    made = next(number for number, act in enumerate(acts) if isinstance(act, Run) and "sysusers" in act.words[0])
    given = next(number for number, act in enumerate(acts) if isinstance(act, Write) and act.group)
    assert made < given


def test_a_copy_that_cannot_be_used_is_found_before_anything_starts(alex: Path) -> None:
    commands = run(install.bridge(PROGRAM, PYTHON, alex))
    check = commands.index(f"{PROGRAM} config check {install.CONFIGURATIONS / 'alex.toml'}")
    assert check < commands.index("systemctl restart hrbridge@alex.service")


def test_every_configuration_that_is_there_is_started() -> None:
    for name in ("alex", "kim"):
        (install.CONFIGURATIONS / f"{name}.toml").write_text(ALEX)
    acts = install.bridge(PROGRAM, PYTHON, None)
    assert run(acts)[-2:] == [
        "systemctl enable hrbridge@alex.service hrbridge@kim.service",
        "systemctl restart hrbridge@alex.service hrbridge@kim.service",
    ]


def test_with_nothing_new_a_run_that_goes_on_is_left_alone(alex: Path) -> None:
    for act in install.bridge(PROGRAM, PYTHON, alex):
        if isinstance(act, Write):
            act.path.parent.mkdir(parents=True, exist_ok=True)
            act.path.write_text(act.text, encoding="utf-8")
    again = install.bridge(PROGRAM, PYTHON, alex)
    assert written(again) == {}
    assert run(again)[-1] == "systemctl start hrbridge@alex.service"


def test_without_any_configuration_it_asks_for_one() -> None:
    with pytest.raises(UsageError, match="name yours: --config FILE"):
        install.bridge(PROGRAM, PYTHON, None)


def test_a_wrong_configuration_is_refused(alex: Path) -> None:
    alex.write_text("[runner]\nage_yeers = 40\n")
    with pytest.raises(ConfigError, match=r"\[runner\] age_yeers: unknown key"):
        install.bridge(PROGRAM, PYTHON, alex)


@pytest.mark.parametrize("home", ["/home/pi/venv/bin/hrbridge", "/root/venv/bin/hrbridge"])
def test_a_program_in_a_home_directory_is_refused_with_the_remedy(home: str, alex: Path) -> None:
    with pytest.raises(UsageError, match=f"^{home} lies in a home directory.*python3 -m venv /opt/hrbridge"):
        install.bridge(Path(home), PYTHON, alex)


def test_an_interpreter_in_a_home_directory_is_refused_too(
    alex: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "HOMES", (tmp_path / "home",))
    python = tmp_path / "python"
    python.symlink_to(tmp_path / "home" / "pi" / ".pyenv" / "bin" / "python3")
    with pytest.raises(UsageError, match="lies in a home directory"):
        install.bridge(PROGRAM, python, alex)


def test_what_was_started_is_stopped_before_its_unit_goes(machine: Path) -> None:
    wants = install.UNITS / "multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "hrbridge@alex.service").touch()
    (install.UNITS / "hrbridge@.service").touch()
    first, second, *_ = install.without_bridge()
    assert isinstance(first, Run)
    assert first.words == ("systemctl", "disable", "--now", "hrbridge@alex.service")
    assert second == Delete(install.UNITS / "hrbridge@.service")


def test_configurations_are_never_deleted(alex: Path) -> None:
    (install.CONFIGURATIONS / "alex.toml").write_text(ALEX)
    install.UNITS.mkdir(parents=True)
    (install.UNITS / "hrbridge@.service").touch()
    assert [act.path for act in install.without_bridge() if isinstance(act, Delete)] == [
        install.UNITS / "hrbridge@.service"
    ]


def test_where_nothing_is_nothing_is_removed() -> None:
    assert install.without_bridge() == []


# --- its leave to restart Bluetooth ---


def test_who_restarts_bluetooth_gets_leave_for_it(alex: Path) -> None:
    alex.write_text(ALEX + RECOVERS)
    shipped = (install.shipped() / "hrbridge.rules").read_text(encoding="utf-8")
    assert written(install.bridge(PROGRAM, PYTHON, alex))["hrbridge.rules"] == shipped


def test_it_is_given_for_a_configuration_that_is_there_already() -> None:
    (install.CONFIGURATIONS / "kim.toml").write_text(ALEX + RECOVERS)
    assert "hrbridge.rules" in written(install.bridge(PROGRAM, PYTHON, None))


@pytest.mark.parametrize("command", ['["/opt/reset-usb", "1-1"]', '["systemctl", "restart", "mosquitto"]', "[]"])
def test_who_does_not_gets_none(alex: Path, command: str) -> None:
    alex.write_text(f"{ALEX}[sensor]\nrecovery_command = {command}\n")
    assert "hrbridge.rules" not in written(install.bridge(PROGRAM, PYTHON, alex))


def test_leave_that_nobody_wants_any_more_is_taken_back(alex: Path) -> None:
    install.RULES.touch()
    assert Delete(install.RULES) in install.bridge(PROGRAM, PYTHON, alex)


def test_a_configuration_that_has_become_wrong_is_told_before_leave_is_taken_back(alex: Path) -> None:
    install.RULES.touch()
    kim = install.CONFIGURATIONS / "kim.toml"
    kim.write_text("[runner]\nage_yeers = 40\n")
    acts = install.bridge(PROGRAM, PYTHON, alex)
    told = next(number for number, act in enumerate(acts) if isinstance(act, Run) and str(kim) in act.words)
    assert told < acts.index(Delete(install.RULES))


def test_new_leave_ends_no_run() -> None:
    (install.CONFIGURATIONS / "kim.toml").write_text(ALEX + RECOVERS)
    (first,) = (
        act for act in install.bridge(PROGRAM, PYTHON, None) if isinstance(act, Write) and "sysusers" in str(act)
    )
    unit = install.UNITS / "hrbridge@.service"
    for path, text in ((first.path, first.text), (unit, (install.shipped() / unit.name).read_text(encoding="utf-8"))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    again = install.bridge(PROGRAM, PYTHON, None)
    assert written(again).keys() == {"hrbridge.rules"}
    assert run(again)[-1] == "systemctl start hrbridge@kim.service"


def test_without_polkit_there_is_none_and_the_remedy_is_told(alex: Path) -> None:
    install.RULES.parent.rmdir()
    alex.write_text(ALEX + RECOVERS)
    with pytest.raises(UsageError, match=r"recovery_command: only polkit .* sudo apt install polkitd$"):
        install.bridge(PROGRAM, PYTHON, alex)


def test_leave_goes_with_the_service() -> None:
    install.RULES.touch()
    assert Delete(install.RULES) in install.without_bridge()


# --- headset and display ---


def test_headset_and_display_read_the_configuration_where_it_lies(alex: Path) -> None:
    units = written(install.clients(PROGRAM, alex))
    assert service(units["hrbridge-headset.service"])["ExecStart"] == f"{PROGRAM} headset --config {alex}"
    assert service(units["hrbridge-display.service"])["ExecStart"] == f"{PROGRAM} display --web --config {alex}"


def test_they_may_lie_in_a_home_directory(alex: Path) -> None:
    program = Path("/home/pi/hrbridge/bin/hrbridge")
    unit = written(install.clients(program, alex))["hrbridge-headset.service"]
    assert service(unit)["ExecStart"].startswith(str(program))


@pytest.mark.parametrize(
    ("name", "word"),
    [("my run.toml", '"{}/my run.toml"'), ("100%.toml", "{}/100%%.toml"), ('a"$b.toml', '"{}/a\\"$$b.toml"')],
)
def test_odd_names_are_written_as_systemd_reads_them(tmp_path: Path, name: str, word: str) -> None:
    file = tmp_path / name
    file.write_text(ALEX)
    unit = written(install.clients(PROGRAM, file))["hrbridge-headset.service"]
    assert service(unit)["ExecStart"] == f"{PROGRAM} headset --config {word.format(tmp_path)}"


def test_they_start_with_the_machine(alex: Path) -> None:
    assert run(install.clients(PROGRAM, alex))[0] == f"loginctl enable-linger {getpass.getuser()}"


def test_who_lingers_is_not_told_to_linger(alex: Path) -> None:
    install.LINGERING.mkdir(parents=True)
    (install.LINGERING / getpass.getuser()).touch()
    assert not any("linger" in command for command in run(install.clients(PROGRAM, alex)))


def test_a_client_without_its_library_is_left_out(alex: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(install.CLIENTS, "hrbridge-headset.service", ("no_such_library", "speaks", "headset"))
    assert written(install.clients(PROGRAM, alex)).keys() == {"hrbridge-display.service"}
    assert install.missing_clients() == [
        "not hrbridge-headset, which needs no_such_library: pip install 'hrbridge[headset]'"
    ]


def test_without_any_library_there_is_nothing_to_start(alex: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for unit in install.CLIENTS:
        monkeypatch.setitem(install.CLIENTS, unit, ("no_such_library", "", ""))
    with pytest.raises(UsageError, match="neither headset nor display is installed"):
        install.clients(PROGRAM, alex)


def test_done_and_undone_by_a_user(
    hrbridge: Hrbridge, alex: Path, installed: Path, commands: Callable[[], list[str]]
) -> None:
    assert hrbridge("install-service", "--user", "--config", alex, "--yes").code == 0
    units = install.user_units()
    assert {path.name for path in units.iterdir()} == {"hrbridge-headset.service", "hrbridge-display.service"}
    assert hrbridge("install-service", "--user", "--remove", "--yes").code == 0
    assert list(units.iterdir()) == []
    both = "hrbridge-headset.service hrbridge-display.service"
    assert commands() == [
        f"loginctl enable-linger {getpass.getuser()}",
        "systemctl --user daemon-reload",
        f"systemctl --user enable {both}",
        f"systemctl --user restart {both}",
        f"systemctl --user disable --now {both}",
        "systemctl --user daemon-reload",
    ]


# --- told and done ---


def test_without_yes_nothing_happens(
    hrbridge: Hrbridge, alex: Path, installed: Path, commands: Callable[[], list[str]]
) -> None:
    told = hrbridge("install-service", "--user", "--config", alex)
    assert told.code == 0
    assert told.out.endswith("Nothing is done yet; --yes does it.\n")
    assert commands() == []
    assert not install.user_units().exists()


def test_every_file_and_command_is_told_with_its_purpose(hrbridge: Hrbridge, alex: Path, installed: Path) -> None:
    lines = hrbridge("install-service", "--user", "--config", alex).out.splitlines()
    assert f"write  {install.user_units() / 'hrbridge-headset.service'}: speaks the cues" in lines
    assert "run    systemctl --user daemon-reload: let systemd read what is new" in lines


def test_nothing_to_remove_is_said(hrbridge: Hrbridge) -> None:
    told = hrbridge("install-service", "--user", "--remove")
    assert (told.code, told.out) == (0, "There is nothing to remove.\n")


def test_a_command_that_fails_ends_it_with_its_own_words(tmp_path: Path) -> None:
    program = tmp_path / "systemctl"
    program.write_text("#!/bin/sh\necho no bus today >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(OutputError, match=f"^{program} start: no bus today$"):
        Run((str(program), "start"), "").do()


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be run: No such file or directory$"):
        Run((str(tmp_path / "systemctl"),), "").do()


def test_a_file_is_written_whole_and_for_whom_it_is(tmp_path: Path) -> None:
    path = tmp_path / "card" / "alex.toml"
    Write(path, ALEX, "", 0o640).do()
    assert path.read_text() == ALEX
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "card").touch()
    with pytest.raises(OutputError, match=r"card/alex\.toml: cannot be written: "):
        Write(tmp_path / "card" / "alex.toml", ALEX, "").do()


# --- refused ---


def test_without_systemd_it_is_refused(hrbridge: Hrbridge, alex: Path, installed: Path) -> None:
    install.BOOTED.rmdir()
    told = hrbridge("install-service", "--config", alex, "--yes")
    assert told.code == 2
    assert "does not run systemd" in told.err


def test_without_root_the_command_for_root_is_given(
    hrbridge: Hrbridge, alex: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    told = hrbridge("install-service", "--config", alex, "--yes")
    assert told.code == 2
    assert told.err == (
        f"hrbridge: install-service: only root may; run: sudo {installed} install-service --config {alex} --yes\n"
    )


def test_a_headset_is_not_installed_with_sudo(
    hrbridge: Hrbridge, alex: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "pi")
    told = hrbridge("install-service", "--user", "--config", alex, "--yes")
    assert told.code == 2
    assert "as yourself, without sudo" in told.err


def test_remove_takes_no_configuration(hrbridge: Hrbridge, alex: Path) -> None:
    told = hrbridge("install-service", "--remove", "--config", alex)
    assert told.code == 2
    assert "--config: not with --remove" in told.err


def test_beside_a_checkout_there_is_no_program(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such program: install hrbridge into an environment"):
        install.program(tmp_path / "python")


def test_a_configuration_of_ones_own_is_asked_for() -> None:
    with pytest.raises(UsageError, match=r"\.config/hrbridge/hrbridge\.toml yet; name yours: --config FILE"):
        install.clients(PROGRAM, None)
