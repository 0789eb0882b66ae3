"""The table of cases and hosts, printed at the end of a run and written to .local/conformance.md.

tests/conftest.py imports the hook: with pytest-xdist the process that prints collects nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

PROPERTY = "conformance"
HOSTS = ("embedded", "deployed")
TABLE = Path(__file__).parents[2] / ".local" / "conformance.md"
_NOT_ASKED = "not asked"
# How a report is called where pytest counts it.
_OUTCOMES = {"passed": "passed", "failed": "FAILED", "error": "ERROR", "skipped": "skipped"}


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the table, if there are cases."""
    outcomes: dict[str, dict[str, str]] = {}
    seconds = dict.fromkeys(HOSTS, 0.0)
    for outcome, case, host, took in _read_reports(terminalreporter):
        outcomes.setdefault(case, {})[host] = outcome
        seconds[host] += took
    if not outcomes:
        return
    lines = list(write_table(outcomes, seconds))
    terminalreporter.section("conformance: case by host")
    for line in lines:
        terminalreporter.write_line(line)
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_table(outcomes: dict[str, dict[str, str]], seconds: dict[str, float]) -> Iterator[str]:
    """Write a table in Markdown: a line for each case, and one that sums up."""
    rows: list[tuple[str, ...]] = [("case", *HOSTS)]
    # By file, and in a file as they were asked.
    for case, by_host in sorted(outcomes.items(), key=lambda entry: entry[0].partition(":")[0]):
        rows.append((case, *(by_host.get(host, _NOT_ASKED) for host in HOSTS)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        yield f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"
    yield ""
    for host in HOSTS:
        asked = [by_host[host] for by_host in outcomes.values() if host in by_host]
        yield f"{host}: {asked.count('passed')} of {len(asked)} passed in {seconds[host]:.0f} s"
    if not any("deployed" in by_host for by_host in outcomes.values()):
        yield "The template was not asked; MEDIAPOSTER_CONFORMANCE=both asks it everything."
    elif any("deployed" not in by_host for by_host in outcomes.values()):
        yield (
            "The template was asked the SDK's tour and what needs other rights: a case takes it much longer, and "
            "tests/integration asks what is AWS's own. MEDIAPOSTER_CONFORMANCE=both asks it everything."
        )


def _read_reports(reporter: TerminalReporter) -> Iterator[tuple[str, str, str, float]]:
    for key, outcome in _OUTCOMES.items():
        for report in reporter.stats.get(key, []):
            named = dict(report.user_properties).get(PROPERTY) if isinstance(report, pytest.TestReport) else None
            if named is None:
                continue
            host, _, case = str(named).partition(" ")
            reason = f": {report.longrepr[2].removeprefix('Skipped: ')}" if key == "skipped" else ""
            yield outcome + reason, case, host, report.duration
