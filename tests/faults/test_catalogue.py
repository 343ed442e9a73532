"""README tells of the same faults as the tests play."""

from __future__ import annotations

from pathlib import Path

from hrbridge.clients import phrases

from .catalogue import FAULTS, LINK_LOST, readme_table

README = Path(__file__).parents[2] / "README.md"


def test_the_table_of_the_readme_is_that_of_the_faults() -> None:
    assert readme_table() in README.read_text()


def test_no_fault_is_told_twice() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_the_headset_says_what_the_table_says_it_does() -> None:
    assert LINK_LOST in Path(phrases.__file__).read_text()
