"""What a stranger installs and types: the wheel, the pinned versions, the commands of the Makefile, the service."""

from __future__ import annotations

import ast
import configparser
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hrbridge
from hrbridge.errors import ConfigError

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [*PROJECT["dependencies"], *chain.from_iterable(PROJECT["optional-dependencies"].values())]
PIN = re.compile(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.!+]*)")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel as it would be published."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def files(folder: str) -> list[str]:
    """Every file below a folder of the checkout, as the wheel should name it."""
    return sorted(f"hrbridge/{path.relative_to(ROOT)}" for path in (ROOT / folder).rglob("*") if path.is_file())


# --- the wheel ---


@pytest.mark.parametrize("folder", ["configs", "systemd"])
def test_what_is_to_be_copied_travels_inside_the_wheel(wheel: zipfile.ZipFile, folder: str) -> None:
    assert sorted(name for name in wheel.namelist() if name.startswith(f"hrbridge/{folder}/")) == files(folder)


def test_the_page_brings_its_guard(wheel: zipfile.ZipFile) -> None:
    assert wheel.read("hrbridge/clients/web/guard.js") == (ROOT / "hrbridge/clients/web/guard.js").read_bytes()


def test_the_wheel_brings_no_tests(wheel: zipfile.ZipFile) -> None:
    assert [name for name in wheel.namelist() if re.search(r"(^|/)(tests?|test_[^/]*|conftest\.py)(/|$)", name)] == []


def test_the_wheel_brings_nothing_but_hrbridge(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"hrbridge", f"hrbridge-{hrbridge.__version__}.dist-info"}


def test_the_wheel_carries_its_licence(wheel: zipfile.ZipFile) -> None:
    (licence,) = (name for name in wheel.namelist() if name.endswith("/licenses/LICENSE"))
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_type_checkers_see_our_types(wheel: zipfile.ZipFile) -> None:
    assert "hrbridge/py.typed" in wheel.namelist()


# --- the pinned versions ---


def pins() -> dict[str, str]:
    """constraints.txt: each package, by its canonical name, and its version."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    matches = [PIN.fullmatch(line) for line in lines]
    return {canonicalize_name(match[1]): match[2] for match in matches if match}


def wanted(requirement: Requirement) -> set[str]:
    """The packages a requirement brings on this machine, itself and all below it."""
    found: set[tuple[str, str]] = set()
    queue = [(requirement, "")]
    while queue:
        requirement, for_extra = queue.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": for_extra}):
            continue
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) not in found:
                found.add((name, extra))
                queue += [(Requirement(line), extra) for line in metadata.requires(name) or ()]
    return {name for name, _ in found}


def test_the_pins_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#") and not PIN.fullmatch(line)] == []


def test_the_pins_say_what_they_are_for_in_one_line() -> None:
    first, *others = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert first.startswith("# ")
    assert [line for line in others if line.startswith("#")] == []


@pytest.mark.parametrize("requirement", [line for line in REQUIREMENTS if not line.startswith("hrbridge[")])
def test_whatever_we_need_is_pinned_with_all_it_brings(requirement: str) -> None:
    assert wanted(Requirement(requirement)) - pins().keys() == set()


@pytest.mark.parametrize("line", [line for line in REQUIREMENTS if not line.startswith("hrbridge[")])
def test_a_pinned_version_is_one_we_allow(line: str) -> None:
    requirement = Requirement(line)
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


# --- what the program imports ---


def foreign_imports() -> set[str]:
    """The packages, by canonical name, that any file of hrbridge imports from outside."""
    trees = [ast.parse(path.read_bytes()) for path in (ROOT / "hrbridge").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {
        (node.module or "").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and not node.level
    }
    providers = metadata.packages_distributions()
    foreign = modules - sys.stdlib_module_names - {"hrbridge"}
    return {canonicalize_name(providers.get(module, [module])[0]) for module in foreign}


def test_the_program_imports_only_what_it_asks_for_itself() -> None:
    extras = (lines for extra, lines in PROJECT["optional-dependencies"].items() if extra != "test")
    declared = {canonicalize_name(Requirement(line).name) for line in (*PROJECT["dependencies"], *chain(*extras))}
    assert foreign_imports() - declared == set()


# --- make ---


@pytest.mark.parametrize("target", ["demo", "test", "check", "lint", "bench", "proof", "radio", "clean"])
def test_make_knows_the_command(target: str, needs_tool: Callable[[str], str]) -> None:
    # A make that runs this very test hands down its flags; a dry run must not obey them.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    dry_run = [needs_tool("make"), "--dry-run", "--always-make", target]
    done = subprocess.run(dry_run, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" not in done.stdout


def test_ci_runs_what_the_readme_tells_everybody_to_run() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", ["run", "apt-install"])
def test_the_scripts_can_be_started(name: str) -> None:
    assert os.access(ROOT / ".ci" / name, os.X_OK)


# --- version and changes ---


def test_the_newest_changes_are_those_of_this_version_or_not_yet_released() -> None:
    newest = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[0]
    assert newest in ("Unreleased", hrbridge.__version__)


# --- the service ---


@pytest.fixture(scope="module")
def service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None, delimiters=("=",), strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(ROOT / "systemd" / "hrbridge@.service", encoding="utf-8")
    return unit["Service"]


def test_each_runner_has_a_service_with_a_file_of_their_own(service: configparser.SectionProxy) -> None:
    assert service["ExecStart"] == "/opt/hrbridge/bin/hrbridge run /etc/hrbridge/%i.toml"


def test_the_service_comes_back_after_a_failure(service: configparser.SectionProxy) -> None:
    assert service["Restart"] == "on-failure"


def test_the_service_gives_up_on_a_wrong_configuration(service: configparser.SectionProxy) -> None:
    assert int(service["RestartPreventExitStatus"]) == ConfigError.exit_code


def test_the_service_has_time_to_let_go_of_the_strap(service: configparser.SectionProxy) -> None:
    assert int(service["TimeoutStopSec"]) >= 10


def test_the_service_is_a_user_that_d_bus_accepts(service: configparser.SectionProxy) -> None:
    assert service["User"] == "hrbridge"
    assert "DynamicUser" not in service


@pytest.mark.parametrize("family", ["AF_UNIX", "AF_INET", "AF_INET6"])
def test_the_service_reaches_bluetooth_and_broker(service: configparser.SectionProxy, family: str) -> None:
    assert family in service["RestrictAddressFamilies"].split()
