"""docs/decisions/README.md lists the decisions, each with its title."""

from __future__ import annotations

from pathlib import Path

DECISIONS = Path(__file__).parents[3] / "docs" / "decisions"


def test_the_index_lists_every_decision_with_its_number_and_title() -> None:
    rows = []
    for page in sorted(DECISIONS.glob("[0-9]*.md")):
        number, _, title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").partition(": ")
        rows.append(f"| [{number}]({page.name}) | {title} |")
    lines = (DECISIONS / "README.md").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if line.startswith("| [")] == rows
