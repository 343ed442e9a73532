"""Who does the work: processes of this machine, or a Dask cluster, behind the same Executor."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from threading import Thread

from hrbridge.errors import ClusterError, UsageError

# A scheduler in the same network answers in milliseconds.
ANSWERS_WITHIN_S = 4.0


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """So many processes; when their work is given up (Ctrl-C) they end at once.

    Raises ClusterError when one of them dies.
    """
    others = active_children()
    # Not forked: numpy has threads, and a fork of those may stand still for ever.
    executor = ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent)
    try:
        _begin(executor, workers)
        yield executor
    except BaseException as error:
        for child in active_children():
            if child not in others:
                child.kill()
        executor.shutdown(cancel_futures=True)
        if isinstance(error, BrokenExecutor):
            raise ClusterError("a worker process died, of too little memory perhaps: try fewer --workers") from error
        raise
    executor.shutdown()


def _end_with_parent() -> None:
    """A parent that is killed can tell its workers nothing."""
    Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _begin(executor: Executor, workers: int) -> None:
    """Start them all, deaf to Ctrl-C in the terminal from their first moment: who ends them is their parent.

    It hears Ctrl-C itself when they are started: one that is left half-way ends with a traceback. To block the
    signals is not enough for that, as they may come by any other thread (of numpy).
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    came: list[int] = []
    handlers = [signal.signal(number, lambda number, _frame: came.append(number)) for number in numbers]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        for _ in range(workers):
            executor.submit(os.getpid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of the Dask scheduler at ``tcp://HOST:PORT``; each needs the same hrbridge installed.

    Raises UsageError for another address or without the extra, ClusterError
    when there is no scheduler, none of its workers, or they cannot do it.
    """
    if not re.fullmatch(r"tcp://[^/\s]+:\d{1,5}", address):
        raise UsageError(f"--cluster {address}: allowed: tcp://HOST:PORT of a Dask scheduler")
    try:
        import distributed
    except ImportError as error:
        raise UsageError("a cluster needs Dask: pip install 'hrbridge[cluster]'") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what it says is said here in one line
    try:
        client = distributed.Client(address, timeout=ANSWERS_WITHIN_S, set_as_default=False)
    except (OSError, ValueError) as error:  # nobody there; a port that is none
        raise ClusterError(f"--cluster {address}: no Dask scheduler answers there") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=ANSWERS_WITHIN_S)
        except TimeoutError as error:
            raise ClusterError(f"--cluster {address}: the scheduler has no workers; start dask worker") from error
        try:
            yield client.get_executor(pure=False)
        except ImportError as error:
            raise ClusterError(f"--cluster {address}: its workers need the same hrbridge: {error}") from error
        except (CancelledError, OSError, RuntimeError) as error:
            raise ClusterError(f"--cluster {address}: the cluster has not done its work: {error}") from error
