"""The search stays where a model can be."""

from __future__ import annotations

import numpy as np
import pytest

from hrbridge.studies.fit import Heart, parameters
from hrbridge.studies.search import Problem

PROBLEM = Problem((), (), parameters(Heart(180, 0, 60, 8)))


def test_what_is_known_is_not_searched() -> None:
    names = [each.name for each in PROBLEM.searched]
    assert not PROBLEM.free[names.index("max_heart_rate_bpm")]
    assert PROBLEM.free.sum() == len(names) - 1


def test_no_difference_leads_beyond_the_limits() -> None:
    highest = PROBLEM.limits[1]
    around = PROBLEM.values(PROBLEM.around(highest))
    assert (around <= PROBLEM.values(highest) * (1 + 1e-9)).all()


def test_the_usual_runner_is_where_nothing_is_known() -> None:
    values = dict(
        zip((each.name for each in PROBLEM.searched), PROBLEM.values(np.zeros(len(PROBLEM.free))), strict=True)
    )
    assert values["vo2max_ml_kg_min"] == pytest.approx(40)
    assert values["tau_off_s"] == pytest.approx(26)
