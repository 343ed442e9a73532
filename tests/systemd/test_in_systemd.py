"""The service in the hands of a real systemd: ready, wedged, killed, stopped, misconfigured, on a read-only card.

Takes two minutes of wall-clock time, root, and systemd-nspawn; what is done stands
in inside.py.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.systemd.inside import PASSWORD
from tests.systemd.probe import ASKED_FOR

pytestmark = pytest.mark.proof

MACHINE = Path(__file__).parent / "machine.py"
# It comes back for good within: the watchdog, two seconds each to tell where it stands and to rest, and its start.
WATCHDOG_S, RESTART_S, START_S = 10, 4, 4

Found = dict[str, Any]


@pytest.fixture(scope="module")
def found(needs_tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """What each boot has found."""
    for tool in ("systemd-nspawn", "dbus-daemon", "mosquitto", "mosquitto_sub", "espeak-ng", "pkcheck"):
        needs_tool(tool)
    if os.geteuid() != 0:
        pytest.skip("only root may boot a machine in systemd-nspawn")
    unshare = ["unshare", "--mount"]
    if subprocess.run([*unshare, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode != 0:
        pytest.skip("nothing may be mounted here, so no machine can be booted in systemd-nspawn")
    folder = tmp_path_factory.mktemp("machine")
    done = subprocess.run([*unshare, sys.executable, str(MACHINE), str(folder)], capture_output=True, text=True)
    texts = {path.stem: path.read_text() for path in folder.glob("*.json")}
    said = "".join(path.read_text(errors="replace") for path in sorted(folder.glob("*.[cl]o*")))
    assert texts.keys() == {"service", "read_only", "power_cut"}, done.stderr + said
    return {name: json.loads(text) for name, text in texts.items()}


@pytest.fixture
def service(found: dict[str, Found]) -> Found:
    return found["service"]


# --- installing ---


def test_without_yes_it_is_only_told(service: Found) -> None:
    assert service["told"].endswith("Nothing is done yet; --yes does it.\n")
    assert service["told_only"] is True


def test_it_starts_at_once_and_with_the_machine(service: Found) -> None:
    assert service["installed"].endswith("shows the log.\n")
    assert service["enabled"] == "enabled"


def test_only_the_service_reads_the_configuration(service: Found) -> None:
    assert service["configuration"] == "root:hrbridge 640"


def test_installed_again_a_run_goes_on(service: Found) -> None:
    assert "start, unless it runs" in service["installed_again"]
    assert service["left_alone"] is True


def test_removed_nothing_of_it_is_left_to_start(service: Found) -> None:
    assert service["unit_files_left"] == ""
    assert service["rule_left"] is False


def test_removed_configuration_and_runs_stay(service: Found) -> None:
    assert service["kept"] == ["/etc/hrbridge/alex.toml", "/var/lib/hrbridge/alex/journal.sqlite3"]


def test_nothing_is_removed_twice(service: Found) -> None:
    assert service["removed_again"] == "There is nothing to remove.\n"


# --- ready ---


def test_systemd_hears_when_it_is_ready(service: Found) -> None:
    assert (service["type"], service["state_when_started"]) == ("notify", "active")


def test_systemd_shows_what_it_does(service: Found) -> None:
    assert service["status"] == "Running."


def test_the_broker_lets_it_in_with_the_password_that_only_root_reads(service: Found) -> None:
    assert service["password_mode"] == "root 600"
    assert service["online"] == "online"


@pytest.mark.parametrize("place", ["environment", "processes", "whole_log"])
def test_nobody_sees_the_password(service: Found, place: str) -> None:
    assert PASSWORD not in service[place]


def test_it_is_nobody_in_particular(service: Found) -> None:
    assert service["user"] == "hrbridge"
    assert int(service["capabilities"], 16) == 0


@pytest.mark.parametrize("what", ["bus answers", "boot known", "date known"])
def test_its_sandbox_leaves_it_what_it_needs(service: Found, what: str) -> None:
    assert f"{what}: True" in service["probe"]


def test_the_log_holds_no_heart_rate(service: Found) -> None:
    assert re.findall(r"^\d\d:\d\d +(?:warmup|run|walk) .*", service["whole_log"], re.MULTILINE) == []


# --- what goes wrong ---


def test_a_wedged_loop_is_ended_and_started_again(service: Found) -> None:
    assert "Watchdog timeout (limit 10s)!" in service["log_of_the_wedged"]
    assert WATCHDOG_S - 1 <= service["restarted_after_s"] <= WATCHDOG_S + RESTART_S + START_S


def test_a_wedged_loop_tells_where_it_stood(service: Found) -> None:
    assert re.search(r'File ".*/hrbridge/wiring.py", line \d+ in|asyncio/base_events.py', service["log_of_the_wedged"])


def test_after_that_the_run_is_back_and_paused(service: Found) -> None:
    assert service["status_after_restart"] == "Paused."
    assert re.search(
        r"^Interrupted\. The run is back at 00:[01]\d, .*paused", service["log_of_the_wedged"], re.MULTILINE
    )


def test_after_that_it_is_still_one_run(service: Found) -> None:
    assert service["runs_after_restart"] == 1


def test_after_that_the_runner_goes_on(service: Found) -> None:
    assert service["status_after_resume"] == "Running."


def test_killed_it_is_started_again(service: Found) -> None:
    assert service["back_after_kill_s"] <= RESTART_S + START_S


def test_stopped_it_goes_cleanly_and_soon(service: Found) -> None:
    assert service["result_of_stop"] == "success 0"
    assert service["stopped_after_s"] < 4


def test_stopped_it_says_good_bye(service: Found) -> None:
    assert service["offline"] == "offline"


def test_misconfigured_it_is_not_started_again(service: Found) -> None:
    assert service["misconfigured"] == "failed 2 0"


def test_misconfigured_it_says_where(service: Found) -> None:
    assert (
        "/etc/hrbridge/alex.toml: [runner] age_yeers: unknown key; did you mean age_years?"
        in service["log_of_the_misconfigured"]
    )


# --- Bluetooth that hangs ---


def test_without_a_recovery_command_it_may_not_restart_bluetooth(service: Found) -> None:
    assert service["rule_unasked_for"] is False
    assert "systemctl restart bluetooth: False" in service["probe"]


def test_with_one_it_may(service: Found) -> None:
    assert "systemctl restart bluetooth: True" in service["probe_with_rule"]


@pytest.mark.parametrize("other", [words for words in ASKED_FOR if words != "restart bluetooth"])
def test_it_may_do_nothing_else(service: Found, other: str) -> None:
    assert f"systemctl {other}: False" in service["probe_with_rule"]


def test_nobody_else_may(service: Found) -> None:
    assert "Interactive authentication required" in service["asked_by_another"]


def test_a_minute_without_bluetooth_restarts_it(service: Found) -> None:
    assert "[sensor] recovery_command ended with 0" in service["log_of_kim"]
    assert service["bluetooth_after"] != service["bluetooth"]


def test_leave_for_one_runner_leaves_the_run_of_another_alone(service: Found) -> None:
    assert service["left_alone_with_kim"] is True


# --- headset and display ---


@pytest.mark.parametrize("client", ["headset", "display"])
def test_a_client_runs_in_its_sandbox(service: Found, client: str) -> None:
    assert service[f"{client}_state"] == "0 active", service["user_log"]


def test_the_headset_listens(service: Found) -> None:
    assert re.fullmatch(r"hrbridge/alex/client/headset-\w+/status online\n", service["clients_on_the_broker"])


def test_the_clients_are_removed(service: Found) -> None:
    assert service["user_removed"].splitlines()[-1].startswith("Removed.")
    assert service["user_units_left"] == []


# --- a card that is never written, but for the partition of the journal ---


def test_on_a_read_only_card_it_runs(found: dict[str, Found]) -> None:
    there = found["read_only"]
    assert there["root"] == "ro"
    assert (there["state"], there["status"], there["online"]) == ("active", "Running.", "online")


def test_on_a_read_only_card_the_journal_is_written(found: dict[str, Found]) -> None:
    assert found["read_only"]["runs"] == 1


def test_on_a_read_only_card_a_power_cut_leaves_the_run(found: dict[str, Found]) -> None:
    assert found["power_cut"]["status"] == "Paused."
    # "Interrupted", not "Power was lost": in the eyes of its processes a container lives as long as this machine.
    assert re.search(r"^Interrupted\. The run is back at 00:0\d, .*paused", found["power_cut"]["log"], re.MULTILINE)
