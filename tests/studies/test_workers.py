"""Processes and clusters: the same figures, and one line where there is none."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children
from multiprocessing.process import BaseProcess

import pytest

from hrbridge.config import PolicyName
from hrbridge.errors import ClusterError, UsageError
from hrbridge.studies.evaluate import evaluate
from hrbridge.studies.population import Work
from hrbridge.studies.workers import cluster, cores, processes

WORK = Work(warmup_s=0.0, total_s=200, effort=0.7)
POLICIES = [PolicyName.ADAPTIVE, PolicyName.FIXED]


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A Dask cluster of two processes."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as local:
        yield local.scheduler_address


def free_port() -> int:
    with socket.socket() as unbound:
        unbound.bind(("127.0.0.1", 0))
        return int(unbound.getsockname()[1])


def test_a_cluster_gives_the_same_figures(scheduler: str) -> None:
    with ThreadPoolExecutor(1) as here:
        alone = evaluate(here, WORK, POLICIES, 5, 1)
    with cluster(scheduler) as there:
        assert evaluate(there, WORK, POLICIES, 5, 1, chunk=2) == alone


def test_a_cluster_that_fails_is_told_in_one_line(scheduler: str) -> None:
    with (
        pytest.raises(ClusterError, match=r"the same hrbridge: No module named 'nowhere'"),
        cluster(scheduler) as there,
    ):
        there.submit(__import__, "nowhere").result()


def test_work_that_a_cluster_gives_up_is_told_in_one_line(scheduler: str) -> None:
    with pytest.raises(ClusterError, match="has not done its work"), cluster(scheduler) as there:
        given_up(there)


def given_up(there: Executor) -> None:
    task = there.submit(os.strerror, 1)
    task.cancel()
    task.result()


def test_no_scheduler_is_told_in_one_line() -> None:
    with (
        pytest.raises(ClusterError, match="no Dask scheduler answers there"),
        cluster(f"tcp://127.0.0.1:{free_port()}"),
    ):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "http://127.0.0.1:8786", "tcp://host", "tcp://host:port", ""])
def test_only_addresses_of_schedulers_are_taken(address: str) -> None:
    with pytest.raises(UsageError, match="allowed: tcp://HOST:PORT"), cluster(address):
        pass


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'hrbridge\[cluster\]'"), cluster("tcp://127.0.0.1:8786"):
        pass


def test_interrupted_processes_are_gone() -> None:
    others = active_children()
    with pytest.raises(KeyboardInterrupt), processes(2) as executor:
        interrupted_at_work(executor, others)
    assert set(active_children()) == set(others)


def interrupted_at_work(executor: Executor, others: list[BaseProcess]) -> None:
    executor.submit(signal.pause)
    assert len(active_children()) == len(others) + 2
    raise KeyboardInterrupt


def test_a_process_that_dies_is_told_in_one_line() -> None:
    with pytest.raises(ClusterError, match="a worker process died") as told, processes(1) as executor:
        executor.submit(os._exit, 1).result()
    assert isinstance(told.value.__cause__, BrokenProcessPool)


def test_there_is_at_least_one_core() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
