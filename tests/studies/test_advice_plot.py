"""The advice as a picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from hrbridge.errors import OutputError
from hrbridge.studies.advice_plot import draw
from tests.studies.test_advise import advised

BEGINNINGS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def pace(speed_m_s: float) -> str:
    return f"{speed_m_s:.1f} m/s"


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_the_picture_is_of_the_kind_its_name_says(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"advice.{kind}"
    draw(advised(150), path, pace)
    assert path.read_bytes().startswith(BEGINNINGS[kind])


def test_a_pace_without_walking_can_be_drawn(tmp_path: Path) -> None:
    draw(advised(179), tmp_path / "a.png", pace)
    assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.parametrize(("name", "told"), [("a.word", "a picture ends in"), ("nowhere/a.png", "cannot be written")])
def test_what_cannot_be_drawn_is_told(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(OutputError, match=told):
        draw(advised(150), tmp_path / name, pace)
