"""Run a check from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path


def run(check: Callable[[Path], Iterable[str]]) -> None:
    """Print what a check finds, and exit 1 if it is anything.

    The command line may name another root than this repository.
    """
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent
    findings = list(check(root))
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
