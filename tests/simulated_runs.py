"""Runs of the simulated runner for tests that need the steps of a whole one: computed once."""

from __future__ import annotations

from functools import cache

from hrbridge import trace, wiring
from hrbridge.decisions import Step


@cache
def simulated_run(*overrides: str) -> tuple[trace.Header, tuple[Step, ...]]:
    """Header and steps of ``hrbridge simulate --set ...``."""
    session = wiring.simulated_session(None, overrides)
    return session.header, tuple(wiring.steps(session))
