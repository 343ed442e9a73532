"""How long an hour of many runners takes, where it goes, and what a second worker brings: processes, then Dask."""

from __future__ import annotations

import os
import time
from concurrent.futures import Executor

import numpy as np
import pytest
from benchmarks.conftest import Ledger

from hrbridge.config import PolicyName
from hrbridge.studies.evaluate import evaluate
from hrbridge.studies.population import WALK_SPEED_M_S, Work
from hrbridge.studies.workers import cluster, processes

RUNNERS = 200
# A population that nothing was tuned on.
COMPARED, COMPARED_SEED = 100, 11
# Two workers on two free cores are nearly twice as fast; on a busy machine they should at least not stand in each
# other's way.
LEAST_TIMES_AS_FAST = 0.6
# What is computed for all at once costs little beside the controllers.
MOST_SHARE_OF_HEARTS = 0.2


def taken_s(executor: Executor, work: Work) -> float:
    """After a first task each: a worker has everything loaded then."""
    evaluate(executor, Work(warmup_s=0.0, total_s=5), [PolicyName.FIXED], 20, 1, chunk=1)
    started_s = time.perf_counter()
    evaluate(executor, work, [PolicyName.FIXED], RUNNERS, 1)
    return time.perf_counter() - started_s


def told(where: str, one_s: float, two_s: float, ledger: Ledger) -> None:
    per_runner_ms = 1000 * two_s / RUNNERS
    print(
        f"\n{where}: {RUNNERS} runners for an hour in {one_s:.1f} s by one worker, {two_s:.1f} s by two "
        f"({one_s / two_s:.2f} times as fast; {per_runner_ms:.0f} ms a runner: 1,000 in {per_runner_ms:.0f} s)"
    )
    ledger(f"{RUNNERS} runner-hours on two {where}", two_s, "s", one_s, "on one; 0.5 is the best")


def test_a_second_process_brings_nearly_twice_as_much(ledger: Ledger) -> None:
    with processes(1) as alone:
        one_s = taken_s(alone, Work())
    with processes(2) as both:
        two_s = taken_s(both, Work())
    told("processes", one_s, two_s, ledger)
    assert one_s / two_s >= LEAST_TIMES_AS_FAST


def test_a_second_dask_worker_brings_nearly_twice_as_much(ledger: Ledger) -> None:
    distributed = pytest.importorskip("distributed")
    took_s = []
    for workers in (1, 2):
        with (
            distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
            ) as local,
            cluster(local.scheduler_address) as executor,
        ):
            took_s.append(taken_s(executor, Work()))
    told("Dask workers", *took_s, ledger)
    assert took_s[0] / took_s[1] >= LEAST_TIMES_AS_FAST


def test_adapting_beside_simpler_rules(ledger: Ledger) -> None:
    policies = (PolicyName.ADAPTIVE, PolicyName.GATE, PolicyName.FIXED)
    with processes(os.cpu_count() or 1) as executor:
        found = evaluate(executor, Work(), policies, COMPARED, COMPARED_SEED).policies
    adaptive, gate, fixed = (found[policy] for policy in policies)
    by_the_clock = "the plan by the clock"
    walk_until = "walking until 65 % of maximum"
    ledger(
        "above the ceiling in an hour",
        adaptive.seconds_above_ceiling,
        "s",
        fixed.seconds_above_ceiling,
        by_the_clock,
        0.25,
    )
    ledger("overshoot, 95th percentile", adaptive.overshoot_p95_bpm, "bpm", fixed.overshoot_p95_bpm, by_the_clock)
    price_s, gate_price_s = adaptive.running_lost_per_second_avoided, gate.running_lost_per_second_avoided
    ledger("running lost per second avoided", price_s, "s", gate_price_s, walk_until)
    assert price_s < gate_price_s


def test_hearts_cost_little_beside_their_controllers() -> None:
    with processes(1) as executor:
        whole_s = taken_s(executor, Work()) / RUNNERS
    model = Work().people(1, 0, 25)
    running = np.zeros(25, dtype=np.bool_)
    started_s = time.perf_counter()
    for _ in range(3600):
        model.step(WALK_SPEED_M_S, running)
    hearts_s = (time.perf_counter() - started_s) / 25
    print(f"\na runner's hour: {1000 * whole_s:.0f} ms, of it the heart {1000 * hearts_s:.0f} ms")
    assert hearts_s / whole_s <= MOST_SHARE_OF_HEARTS
