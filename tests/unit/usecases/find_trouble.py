"""Tell after how many histories each kind of trouble breaks a promise, and the smallest one that does.

    python -m tests.unit.usecases.find_trouble [--seeds 3] [--examples 300] [--smallest] [theme …]

A product that keeps its promises breaks none.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from statistics import median

from hypothesis import HealthCheck, Phase, find, given, seed, settings

from tests.fakes.trouble.history import History
from tests.fakes.trouble.life import Life
from tests.fakes.trouble.promises import list_broken
from tests.fakes.trouble.themes import THEMES, Theme, draw_histories


def main() -> None:
    """Try the themes that are named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("themes", nargs="*", help=", ".join(THEMES))
    parser.add_argument("--seeds", type=int, default=3, help="how often to begin anew")
    parser.add_argument("--examples", type=int, default=300, help="how many histories to try each time")
    parser.add_argument("--smallest", action="store_true", help="shrink what breaks a promise")
    arguments = parser.parse_args()
    for name in arguments.themes or THEMES:
        began = time.monotonic()
        found: dict[str, list[int]] = defaultdict(list)
        all_tried = 0
        for number in range(arguments.seeds):
            counts, tried = count_until_broken(THEMES[name], number, examples=arguments.examples)
            all_tried += tried
            for promise, count in counts.items():
                found[promise].append(count)
        tell(f"{name}: {(time.monotonic() - began) / all_tried * 1_000:.0f} ms a history")
        for promise, after in sorted(found.items()):
            tell(f"  {promise}: in {len(after)} of {arguments.seeds} runs, after {median(after):.0f} ({after})")
            if arguments.smallest:
                tell(f"    {find_smallest(THEMES[name], promise, examples=2 * arguments.examples)}")


def count_until_broken(theme: Theme, number: int, *, examples: int) -> tuple[dict[str, int], int]:
    """Count the histories of one seed until each promise is broken; and all that were tried."""
    counts: dict[str, int] = {}
    tried = 0

    @seed(number)
    @settings(_settings(examples), phases=[Phase.generate])
    @given(draw_histories(theme))
    def try_history(history: History) -> None:
        nonlocal tried
        tried += 1
        for promise in _live(history):
            counts.setdefault(promise, tried)

    try_history()
    return counts, tried


def find_smallest(theme: Theme, promise: str, *, examples: int) -> str:
    """Give the smallest history that breaks a promise, and of what, on one line."""
    history = find(draw_histories(theme), lambda history: promise in _live(history), settings=_settings(examples))
    return f"{_live(history)[promise]}  <-  {history}"


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _live(history: History) -> dict[str, str]:
    life = Life(history)
    life.happen()
    return dict(reversed(list(list_broken(life))))


def _settings(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))


if __name__ == "__main__":
    main()
