"""Every command and key of the README exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hrbridge import config
from hrbridge.control import plan as plans
from hrbridge.events import Action

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.S)
CONSOLE = [
    line[2:] for kind, text in BLOCKS if kind == "console" for line in text.splitlines() if line.startswith("$ ")
]
# Each command of the README and of the way from a blank card, wherever the program lies there.
CARD = (Path(__file__).parent.parent / "configs" / "README.md").read_text()
SHOWN = [*CONSOLE, *re.findall(r"^ *\$ (.*)$", CARD, re.M)]
COMMANDS = [re.sub(r"^(sudo )?(~|/opt)/hrbridge/bin/", "", re.sub(r"\s+#.*", "", line)) for line in SHOWN]
OURS = [line.split()[1:] for line in COMMANDS if line.startswith("hrbridge ")]


def hrbridge(*words: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from hrbridge.cli import main; main()"
    return subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """The --help of every command, read once."""
    return {}


@pytest.mark.parametrize("words", OURS, ids=" ".join)
def test_every_command_of_the_readme_takes_the_options_shown(words: list[str], helps: dict[str, str]) -> None:
    command = words[:2] if words[0] in ("plan", "config") else words[:1]
    name = " ".join(command)
    if name not in helps:
        helps[name] = hrbridge(*command, "--help").stdout
    options = [word for word in words if word.startswith("--")]
    assert [option for option in options if option not in helps[name]] == []


@pytest.mark.parametrize(
    "action", re.findall(r"`(?:hrbridge control )?([a-z-]+)`", README.split("do what they")[0][-400:])
)
def test_every_action_of_the_readme_exists(action: str) -> None:
    assert action in list(Action)


@pytest.mark.parametrize("toml", [text for kind, text in BLOCKS if kind == "toml"])
def test_the_configuration_of_the_readme_loads(toml: str, tmp_path: Path) -> None:
    path = tmp_path / "readme.toml"
    path.write_text(toml)
    settings = config.load(path)
    assert settings.runner.age_years == 40
    assert plans.resolve(settings.plan).block


def test_the_number_of_plans_is_right() -> None:
    assert len(plans.names()) == 17


@pytest.mark.parametrize("path", re.findall(r"(?<![/\w])(?:configs|systemd|tests)/[\w@./-]*\w", README))
def test_every_file_of_the_readme_is_there(path: str) -> None:
    assert (Path(__file__).parent.parent / path).exists()


@pytest.mark.parametrize("target", re.findall(r"make (\w+)", "\n".join(CONSOLE)))
def test_every_make_target_of_the_readme_exists(target: str) -> None:
    makefile = (Path(__file__).parent.parent / "Makefile").read_text()
    assert re.search(rf"^{target}:", makefile, re.M) is not None


def test_the_first_lines_of_the_demo_are_as_shown() -> None:
    shown = [line for line in dict(BLOCKS[:1])["console"].splitlines() if re.match(r"\d\d:\d\d", line)]
    told = hrbridge("simulate", "--config", str(plans.folder().parent / "demo.toml")).stdout
    assert [line for line in shown if line not in told] == []
