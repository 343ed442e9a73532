"""What is done inside the machine, by its root: each scenario is a boot, and writes down what it found."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PASSWORD = "correct-horse-battery"
HRBRIDGE = "/opt/hrbridge/bin/hrbridge"
SERVICE = "hrbridge@alex.service"
CONFIGURATION = Path("/etc/hrbridge/alex.toml")
JOURNAL = "/var/lib/hrbridge/alex/journal.sqlite3"
RULES = Path("/etc/polkit-1/rules.d/hrbridge.rules")
DROP_IN = Path("/etc/systemd/system/hrbridge@.service.d/test.conf")
OURS = """[runner]
id = "alex"
age_years = 40
resting_heart_rate_bpm = 60

[sensor]
kind = "simulated"

[plan]
use = "easy-4-1"

[mqtt]
url = "mqtt://localhost:1883"
username = "alex"
password_file = "/etc/hrbridge/mqtt-password"
"""
# Bluetooth is dead as long as it runs: there is no bluetoothd, only a unit of that name.
OF_KIM = """[runner]
id = "kim"
age_years = 40
resting_heart_rate_bpm = 60

[sensor]
kind = "ble"
recovery_command = ["systemctl", "restart", "bluetooth"]

[mqtt]
url = "none"
"""
SOURCE = "Environment=PYTHONPATH=/opt/hrbridge/source"
PROBE = "/opt/hrbridge/bin/python /opt/hrbridge/source/tests/systemd/probe.py"
RUNNER, RUNNER_ID = "runner", 1234

found: dict[str, Any] = {}


def run(*words: str, timeout_s: float = 60) -> str:
    """What a command says, both ways."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False)
    return done.stdout + done.stderr


def show(name: str, unit: str = SERVICE) -> str:
    return run("systemctl", "show", unit, "--property", name, "--value").strip()


def wait(until: Callable[[], bool], limit_s: float) -> float:
    """How long it took, or infinity."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < limit_s:
        if until():
            return time.monotonic() - began_s
        time.sleep(0.05)
    return float("inf")


def log(unit: str = SERVICE) -> str:
    return run("journalctl", "--unit", unit, "--output", "cat", "--no-pager")


def retained(topic: str) -> str:
    words = ("-u", "alex", "-P", PASSWORD, "-t", f"hrbridge/alex/{topic}", "-C", "1", "-W", "3")
    return run("mosquitto_sub", *words).strip()


def runs() -> int:
    """How many the journal has."""
    said = run(HRBRIDGE, "history", "--json", "--journal", JOURNAL, "--runner", "alex")
    return len(json.loads(said)["runs"])


def prepare() -> None:
    """A broker that wants a password, and what a runner has before hrbridge becomes a service."""
    run("ldconfig")
    run("mosquitto_passwd", "-b", "-c", "/etc/mosquitto/accounts", "alex", PASSWORD)
    Path("/etc/mosquitto/accounts").chmod(0o644)
    Path("/etc/mosquitto/conf.d/test.conf").write_text(
        "listener 1883 127.0.0.1\nallow_anonymous false\npassword_file /etc/mosquitto/accounts\n"
    )
    Path("/etc/systemd/system/bluetooth.service").write_text("[Service]\nExecStart=sleep infinity\n")
    CONFIGURATION.parent.mkdir(exist_ok=True)
    password = CONFIGURATION.parent / "mqtt-password"
    password.touch(mode=0o600)
    password.write_text(f"{PASSWORD}\n")
    Path("/root/my.toml").write_text(OURS)
    # A simulated run enters the journal only when that is asked for.
    DROP_IN.parent.mkdir(parents=True)
    journal = JOURNAL.replace("alex", "%i")
    DROP_IN.write_text(f"[Service]\nExecStart=\nExecStart={HRBRIDGE} run /etc/hrbridge/%i.toml --journal {journal}\n")


def service() -> None:
    prepare()
    installing()
    sandbox()
    wedged()
    bluetooth_died()
    killed()
    stopped()
    misconfigured()
    of_a_user()
    bluetooth_restarted()
    removed()
    reinstalled()


def installing() -> None:
    found["told"] = run(HRBRIDGE, "install-service", "--config", "/root/my.toml")
    found["told_only"] = not CONFIGURATION.exists()
    # systemctl returns when the service is ready.
    found["installed"] = run(HRBRIDGE, "install-service", "--config", "/root/my.toml", "--yes")
    found["state_when_started"] = show("ActiveState")
    found["type"] = show("Type")
    wait(lambda: show("StatusText") == "Running.", 10)
    found["status"] = show("StatusText")
    found["enabled"] = run("systemctl", "is-enabled", SERVICE).strip()
    found["configuration"] = run("stat", "--format", "%U:%G %a", str(CONFIGURATION)).strip()
    before = show("MainPID")
    found["installed_again"] = run(HRBRIDGE, "install-service", "--config", "/root/my.toml", "--yes")
    found["left_alone"] = show("MainPID") == before
    wait(lambda: retained("status") == "online", 10)
    found["online"] = retained("status")


def sandbox() -> None:
    process = Path("/proc") / show("MainPID")
    found["environment"] = (process / "environ").read_text(errors="replace")
    found["processes"] = run("ps", "axwwe", "-o", "args")
    found["user"] = run("stat", "--format", "%U", str(process)).strip()
    found["password_mode"] = run("stat", "--format", "%U %a", "/etc/hrbridge/mqtt-password").strip()
    status = (process / "status").read_text()
    found["capabilities"] = next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd"))
    unit = Path("/etc/systemd/system/hrbridge@.service").read_text()
    lines = [line for line in unit.splitlines() if not line.startswith(("ExecStart=", "Type=", "Restart=", "Standard"))]
    lines.insert(lines.index("[Service]") + 1, f"Type=oneshot\n{SOURCE}\nExecStart={PROBE}")
    Path("/etc/systemd/system/probe@.service").write_text("\n".join(lines))
    run("systemctl", "daemon-reload")
    found["probe"] = _probed("alex")
    found["rule_unasked_for"] = RULES.exists()


def _probed(name: str) -> list[str]:
    run("systemctl", "start", f"probe@{name}.service")
    return log(f"probe@{name}.service").splitlines()


def bluetooth_died() -> None:
    """A minute later hrbridge does something about it."""
    (CONFIGURATION.parent / "kim.toml").write_text(OF_KIM)
    before = show("MainPID")
    found["installed_for_kim"] = run(HRBRIDGE, "install-service", "--yes")
    found["left_alone_with_kim"] = show("MainPID") == before
    found["probe_with_rule"] = _probed("kim")
    found["bluetooth"] = show("InvocationID", "bluetooth.service")


def bluetooth_restarted() -> None:
    wait(lambda: "recovery_command ended" in log("hrbridge@kim.service"), 80)
    found["bluetooth_after"] = show("InvocationID", "bluetooth.service")
    found["log_of_kim"] = log("hrbridge@kim.service")
    found["asked_by_another"] = _as_runner("systemctl", "restart", "bluetooth")
    (CONFIGURATION.parent / "kim.toml").unlink()


def wedged() -> None:
    """A loop that does not turn any more: to its systemd no other than a process that has been stopped."""
    time.sleep(3)  # some of the run is to be in the journal
    os.kill(int(show("MainPID")), signal.SIGSTOP)
    found["restarted_after_s"] = wait(lambda: show("NRestarts") == "1" and show("ActiveState") == "active", 30)
    found["log_of_the_wedged"] = log()
    wait(lambda: show("StatusText") == "Paused.", 5)
    found["status_after_restart"] = show("StatusText")
    found["runs_after_restart"] = runs()
    run(HRBRIDGE, "control", "resume", "--config", str(CONFIGURATION))
    wait(lambda: show("StatusText") == "Running.", 5)
    found["status_after_resume"] = show("StatusText")


def killed() -> None:
    os.kill(int(show("MainPID")), signal.SIGKILL)
    found["back_after_kill_s"] = wait(lambda: show("NRestarts") == "2" and show("ActiveState") == "active", 15)


def stopped() -> None:
    began_s = time.monotonic()
    run("systemctl", "stop", SERVICE)
    found["stopped_after_s"] = time.monotonic() - began_s
    found["result_of_stop"] = f"{show('Result')} {show('ExecMainStatus')}"
    found["offline"] = retained("status")
    found["whole_log"] = log()


def misconfigured() -> None:
    CONFIGURATION.write_text(OURS.replace("age_years", "age_yeers"))
    run("systemctl", "reset-failed", SERVICE)
    run("systemctl", "start", SERVICE)
    time.sleep(5)  # twice RestartSec
    found["misconfigured"] = f"{show('ActiveState')} {show('ExecMainStatus')} {show('NRestarts')}"
    found["log_of_the_misconfigured"] = log()
    CONFIGURATION.write_text(OURS)


def of_a_user() -> None:
    """Headset and display; nobody hears, for there is no sound card."""
    run("useradd", "--create-home", "--uid", str(RUNNER_ID), RUNNER)
    # nspawn puts a pipe there, which the systemd of a user cannot hide; a machine has a file.
    run("umount", "/proc/kmsg")
    run("systemctl", "start", "systemd-logind", "systemd-user-sessions", "mosquitto")
    home = Path("/home") / RUNNER
    Path("/etc/mosquitto/conf.d/test.conf").write_text("listener 1883 127.0.0.1\nallow_anonymous true\n")
    run("systemctl", "restart", "mosquitto")
    configuration = OURS.split("[mqtt]")[0] + "[display]\nport = 0\n"
    (home / "my run.toml").write_text(configuration)
    drop_in = home / ".config/systemd/user/hrbridge-headset.service.d/test.conf"
    command = f'ExecStart={HRBRIDGE} headset --output null --config "{home}/my run.toml"'
    _as_runner("mkdir", "--parents", str(drop_in.parent))
    drop_in.write_text(f"[Service]\nExecStart=\n{command}\n")
    run("loginctl", "enable-linger", RUNNER)
    wait(lambda: Path(f"/run/user/{RUNNER_ID}/bus").exists(), 10)
    found["user_installed"] = _as_runner(
        HRBRIDGE, "install-service", "--user", "--config", f"{home}/my run.toml", "--yes"
    )
    time.sleep(3)  # whatever goes wrong with them has gone wrong by now
    for client in ("headset", "display"):
        state = _as_runner(
            "systemctl", "--user", "show", f"hrbridge-{client}", "--property", "ActiveState,NRestarts", "--value"
        )
        found[f"{client}_state"] = " ".join(state.split())
    found["clients_on_the_broker"] = run(
        "mosquitto_sub", "-t", "hrbridge/alex/client/+/status", "-F", "%t %p", "-C", "1", "-W", "3"
    )
    found["user_removed"] = _as_runner(HRBRIDGE, "install-service", "--user", "--remove", "--yes")
    found["user_units_left"] = [path.name for path in (home / ".config/systemd/user").glob("*.service")]
    found["user_log"] = run("journalctl", f"_UID={RUNNER_ID}", "--output", "cat", "--no-pager")


def _as_runner(*words: str) -> str:
    environment = [f"XDG_RUNTIME_DIR=/run/user/{RUNNER_ID}", f"HOME=/home/{RUNNER}"]
    return run("runuser", "--user", RUNNER, "--", "env", *environment, *words)


def removed() -> None:
    found["removed"] = run(HRBRIDGE, "install-service", "--remove", "--yes")
    found["unit_files_left"] = run("systemctl", "list-unit-files", "--no-legend", "hrbridge*")
    found["kept"] = [str(path) for path in (CONFIGURATION, Path(JOURNAL)) if path.exists()]
    found["rule_left"] = RULES.exists()
    found["removed_again"] = run(HRBRIDGE, "install-service", "--remove", "--yes")


def reinstalled() -> None:
    """For the boots that follow; their partition is still empty."""
    run(HRBRIDGE, "install-service", "--yes")
    run("systemctl", "stop", SERVICE)


def read_only() -> None:
    run("systemctl", "start", "mosquitto")
    found["root"] = run("findmnt", "--noheadings", "--output", "OPTIONS", "/").split(",")[0]
    run("systemctl", "start", SERVICE)
    time.sleep(4)
    found["state"] = show("ActiveState")
    found["status"] = show("StatusText")
    found["online"] = retained("status")
    found["runs"] = runs()
    found["log"] = log()


def power_cut() -> None:
    run("systemctl", "start", "mosquitto")
    run("systemctl", "start", SERVICE)
    wait(lambda: show("StatusText") == "Paused.", 5)
    found["status"] = show("StatusText")
    found["log"] = log()
    run("systemctl", "stop", SERVICE)


if __name__ == "__main__":
    scenario = sys.argv[1]
    with contextlib.suppress(FileNotFoundError):
        Path(f"/out/{scenario}.json").unlink()
    try:
        {"service": service, "read_only": read_only, "power_cut": power_cut}[scenario]()
    finally:
        Path(f"/out/{scenario}.json").write_text(json.dumps(found, indent=1))
