"""``hrbridge evaluate`` as it is typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hrbridge.studies.evaluate import Evaluation, Hour, summary
from hrbridge.studies.population import Work
from hrbridge.studies.table import ROWS, WIDTH, table
from tests.studies.test_evaluate import rows

PROGRAM = [sys.executable, "-c", "from hrbridge.cli import main; main()", "evaluate"]


def evaluate(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *words], capture_output=True, text=True, timeout=60, check=False)


def test_json_is_one_line_and_the_same_bytes_for_any_number_of_workers() -> None:
    words = ("--runners", "2", "--policy", "fixed", "--seed", "3", "--json")
    one, two = (evaluate(*words, "--workers", workers) for workers in ("1", "2"))
    assert (one.returncode, one.stderr) == (0, "")
    assert one.stdout == two.stdout
    told = json.loads(one.stdout)
    assert (told["runners"], told["seconds"], list(told["policies"])) == (2, 3600, ["fixed"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--policy", "best"], '--policy: "best" is not allowed; allowed, with commas: adaptive, fixed, gate, rest51,'),
        (["--policy", ""], '--policy: "" is not allowed'),
        (["--runners", "0"], "--runners"),
        (["--seed", "-1"], "--seed"),
        (["--workers", "0"], "--workers"),
        (["--effort", "2"], "--effort"),
        (["--warmup", "-5"], "--warmup"),
        (["--cluster", "here"], "--cluster here: allowed: tcp://HOST:PORT"),
        (["--cluster", "tcp://h:1", "--workers", "2"], "--workers: not with --cluster"),
        (["--set", "runner.id=x"], "--set runner.id=x: here only control.key=value counts"),
        (["--set", "control.policy=gate"], "--set control.policy: here it is --policy"),
        (["--set", "control.min_drop_bpm=99"], "[control] min_drop_bpm: 99 is not allowed; allowed: a number from 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_told_in_one_line(words: list[str], told: str) -> None:
    ended = evaluate(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_at_once_with_its_workers(number: int) -> None:
    running, workers = at_work()
    running.send_signal(number)
    # Their standard output is ours: it is closed once the last of them is gone.
    out, err = running.communicate(timeout=20)
    assert (running.returncode, out, err) == (0, "", "")
    assert [pid for pid in workers if alive(pid)] == []


def test_killed_it_takes_its_workers_with_it() -> None:
    running, workers = at_work()
    running.kill()
    running.communicate(timeout=20)
    assert [pid for pid in workers if alive(pid)] == []


def at_work() -> tuple[subprocess.Popen[str], list[str]]:
    """A long evaluation, and its workers."""
    running = subprocess.Popen(
        [*PROGRAM, "--runners", "1000", "--workers", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    return running, children(running)


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(running: subprocess.Popen[str]) -> list[str]:
    """Its worker processes, once there are two of them."""
    of = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    if not of.exists():
        running.kill()
        pytest.skip("this system does not tell the children of a process")
    while True:
        found = [pid for pid in of.read_text().split() if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
        if len(found) == 2:
            return found
        os.sched_yield()


def test_the_table_shows_each_figure_with_its_interval_in_a_hundred_columns() -> None:
    share = dict.fromkeys(Hour.__struct_fields__, 1.0)
    some = rows(
        *(
            share | {"seconds_above_ceiling": 1000.0 + n, "running_s": 3000.0 + n * n, "back_to_plan_s": 1800.0 + n}
            for n in range(40)
        )
    )
    fixed = summary(some, None, 1)
    others = dict.fromkeys(("adaptive", "gate", "rest51", "rest118"), summary(some * 0.5, some, 1))
    text = table(Evaluation(40, 3600, {"fixed": fixed, **others}), Work(), 1)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "…" not in text
    assert [label for label, _ in ROWS.values() if label not in text] == []
    assert "1020" in text
    assert "-50.0" in text


def test_a_figure_that_no_policy_has_is_no_row() -> None:
    fixed = summary(rows(*(dict.fromkeys(Hour.__struct_fields__, 1.0) for _ in range(3))), None, 1)
    assert "against fixed" not in table(Evaluation(3, 3600, {"fixed": fixed}), Work(), 1)


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (Work(), "run 120 s at 55 % of VO2 reserve"),
        (Work(), "after 300 s of warm-up"),
        (Work(obeys_ease_run=True), "they run 8 % slower when asked to"),
        (Work(), "they do not run slower when asked to and are not asked for their effort"),
        (Work(answers_rpe=True), "tell their effort"),
        (Work(), "recover faster than people's: 31.7 bpm in a minute of walking, where real ones lose 21.1"),
        (Work(recovery=1.6), "take 1.6 times as long to fall as the model's, which recover too fast"),
    ],
)
def test_below_the_table_stands_what_was_simulated(work: Work, words: str) -> None:
    text = table(Evaluation(1, 3600, {"fixed": summary(rows({}), None, 1)}), work, 9)
    below = " ".join(text.split("\n\n")[-1].split())
    assert "1 simulated runner (seed 9) for 60 min" in below
    assert words in below
