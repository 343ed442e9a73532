"""The table at the end of `make radio`: one row for each scenario, whether it passed or failed."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    reports.sort(key=lambda report: report.start)
    rows = [dict(report.user_properties) for report in reports if report.user_properties]
    if not rows:
        return
    terminalreporter.section("radio")
    widths = {key: max(len(key), *(len(row[key]) for row in rows)) for key in rows[0]}
    for row in ({key: key for key in widths}, *rows):
        terminalreporter.write_line("  ".join(row[key].ljust(width) for key, width in widths.items()).rstrip())
