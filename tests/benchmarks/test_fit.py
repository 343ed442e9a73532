"""How well a twin foretells what it has not seen: every recording on foot by itself, beside one pole.

Each half is foretold from speed alone by a twin of the other half
(studies/fit.py); in sample, the twin of the whole is held against all it has
seen. A median over people and recordings has been published for whole runs:
6.1 bpm, out of sample.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.conftest import Ledger

from hrbridge import twin
from hrbridge.errors import InputFileError, UsageError

COLUMNS = ("twin: mean", "RMSE", "in sample", "RMSE", "one pole", "RMSE")


def test_errors_on_halves_left_out(traces: Path, ledger: Ledger) -> None:
    rows: list[tuple[float, ...]] = []
    print(f"\n{'recording':<32} {'min':>4} {'s':>5}  " + " ".join(f"{each:>10}" for each in COLUMNS))
    for file in sorted(traces.iterdir()):
        began_s = perf_counter()
        try:
            (one,) = twin.of_recordings([file], None, ()).fitted.left_out
        except (InputFileError, UsageError) as error:
            print(f"{file.name:<32} {str(error).removeprefix(f'{file}: ')}")
            continue
        errors = [each for kind in (one.twin, one.in_sample, one.one_pole) for each in (kind.mae_bpm, kind.rmse_bpm)]
        rows.append(tuple(errors))
        shown = " ".join(f"{each:>10.1f}" for each in errors)
        print(f"{file.name:<32} {one.minutes:>4.0f} {perf_counter() - began_s:>5.1f}  {shown}")
    medians = [median(column) for column in zip(*rows, strict=True)]
    print(f"{'median':<43}  " + " ".join(f"{each:>10.1f}" for each in medians))
    ledger("error of a twin, unseen half", medians[0], "bpm", medians[4], "one time constant")
    assert medians[0] < medians[4]
