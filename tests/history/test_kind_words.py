"""Whatever hrbridge says of past runs it says kindly: no word of failure stands where it could be printed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hrbridge import cli_history, history

# As a runner would hear them.
UNKIND = (
    r"abandoned|bad(ly)?|behind|blame|didn't|disappoint\w*|fail(s|ed|ing|ure)?|lazy|los(e|ing|t)|miss(es|ed)?|mistake"
    r"|neglected|only|overdue|poor(ly)?|quit(ting)?|regressed|shame|sorry|struggl\w+|unfit|unfortunately|unsuccessful"
    r"|useless|weak|worse|worst|worthless|wrong"
)
# An answer that runners may give of their symptoms; what options do.
ALLOWED = ("none, same or worse", "Print only", "takes only")
SOURCES = sorted([*Path(history.__file__).parent.rglob("*.py"), Path(cli_history.__file__)])


def sentences(source: str) -> Iterator[str]:
    """Every text in a program but what it says to whoever reads it."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and node.body]
    unsaid = {id(each.value) for each in bodies if isinstance(each, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in unsaid:
            yield node.value


def unkind(text: str) -> list[str]:
    """The words of failure in it."""
    for allowed in ALLOWED:
        text = text.replace(allowed, "")
    return [found[0] for found in re.finditer(rf"\b({UNKIND})\b", text.lower())]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_no_word_of_failure(source: Path):
    assert [text for text in sentences(source.read_text(encoding="utf-8")) if unkind(text)] == []


def test_words_of_failure_are_found_wherever_they_stand():
    assert unkind("Only 2 of 3: you fell behind.") == ["only", "behind"]


def test_what_is_said_to_programmers_is_their_own_affair():
    assert list(sentences('"""Never fails."""\ndef f():\n    """Bad."""\n    return f"{1} lost"')) == [" lost"]
