"""A machine of its own with a real systemd: this one's files under an overlay, booted in systemd-nspawn, twice more.

Run as `unshare --mount python machine.py FOLDER`: the mounts end with it. What
is done inside stands in inside.py; what was found comes out in FOLDER, a file
for each boot.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent
HERE = Path("/opt/hrbridge")
BOOT_TIMEOUT_S = 240
# Starts with the machine, does what inside.py says, and ends it like a plug that is pulled: nobody is told.
SCENARIO = """[Unit]
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate
Wants=dbus.service systemd-journald.service
After=dbus.service
[Service]
Type=oneshot
ExecStart=/opt/hrbridge/bin/python /opt/hrbridge/source/tests/systemd/inside.py {scenario}
StandardOutput=file:/out/{scenario}.log
StandardError=inherit
TimeoutStartSec=200
"""
PROGRAM = """#!/opt/hrbridge/bin/python
import sys
sys.path.insert(0, "/opt/hrbridge/source")
from hrbridge.cli import main
main()
"""


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *map(str, words)], check=True)


def furnish(root: Path) -> list[str]:
    """hrbridge in an environment under /opt, as the README has it; returns what nspawn is to show inside."""
    packages = Path(sysconfig.get_path("purelib"))
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    home = root / HERE.relative_to("/")
    for folder in (home / "bin", home / "source", home / "lib" / python / "site-packages", root / "opt/python"):
        folder.mkdir(parents=True)
    (root / "out").mkdir()
    (home / "pyvenv.cfg").write_text("home = /opt/python/bin\n")
    (home / "bin" / "python").symlink_to(f"/opt/python/bin/{python}")
    (home / "bin" / "hrbridge").write_text(PROGRAM)
    (home / "bin" / "hrbridge").chmod(0o755)
    # An interpreter that was built in a home directory finds its library where it lies now.
    (root / "etc/ld.so.conf.d/000-hrbridge.conf").write_text("/opt/python/lib\n")
    (root / "etc/machine-id").unlink(missing_ok=True)
    shutil.rmtree(root / "etc/hrbridge", ignore_errors=True)
    return [
        f"--bind-ro={sys.base_prefix}:/opt/python",
        f"--bind-ro={packages}:{HERE}/lib/{python}/site-packages",
        f"--bind-ro={REPOSITORY}:{HERE}/source",
    ]


def boot(root: Path, out: Path, scenario: str, *more: str) -> None:
    unit = root / "etc/systemd/system/scenario.service"
    unit.write_text(SCENARIO.format(scenario=scenario))
    booted_by_systemd = Path("/run/systemd/system").is_dir()
    command = ["systemd-nspawn", "--quiet", f"--directory={root}", "--register=no", "--private-network"]
    # To ask for the date is forbidden to containers, not to machines.
    command += ["--console=pipe", "--system-call-filter=adjtimex clock_adjtime", f"--bind={out}:/out", *more]
    command += [] if booted_by_systemd else ["--keep-unit"]
    with (out / f"{scenario}.console").open("wb") as console:
        subprocess.run(
            [*command, "--boot", "systemd.unit=scenario.service"],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            timeout=BOOT_TIMEOUT_S,
            check=False,
        )
    if not booted_by_systemd:
        sweep()


def sweep() -> None:
    """What nspawn leaves behind where no systemd looks after control groups."""
    groups = Path("/sys/fs/cgroup")
    for name in ("payload", "supervisor"):
        for top in (*groups.glob(name), *groups.glob(f"*/{name}")):
            for group in sorted(top.rglob("*/"), reverse=True):
                with contextlib.suppress(OSError):
                    group.rmdir()
            with contextlib.suppress(OSError):
                top.rmdir()


def main(folder: Path) -> None:
    memory = folder / "memory"
    memory.mkdir()
    mount("-t", "tmpfs", "tmpfs", memory)
    upper, work, root, partition = (memory / name for name in ("upper", "work", "root", "partition"))
    for each in (upper, work, root, partition):
        each.mkdir()
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", root)
    shown = furnish(root)
    boot(root, folder, "service", *shown)
    # The rest of the card is never written again; the journal has a partition of its own.
    read_only = ["--read-only", "--tmpfs=/var/log", f"--bind={partition}:/var/lib/hrbridge"]
    boot(root, folder, "read_only", *shown, *read_only)
    boot(root, folder, "power_cut", *shown, *read_only)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
