"""Run a check from the command line: it prints what it finds, and exits 1 if that is anything."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(check: Callable[[Path], Iterable[str]]) -> None:
    """Check this repository."""
    findings = list(check(ROOT))
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


def keep(generate: Callable[[Path], Mapping[str, str]], check: Callable[[Path], Iterable[str]]) -> None:
    """Check generated files; with `--write`, write them first."""
    if "--write" in sys.argv[1:]:
        for name, text in generate(ROOT).items():
            (ROOT / name).write_text(text, encoding="utf-8")
    run(check)


def compare(root: Path, generated: Mapping[str, str], command: str) -> Iterator[str]:
    """Find the files, by their path from the root, that differ from what the command would write."""
    for name, text in generated.items():
        found = (root / name).read_text(encoding="utf-8") if (root / name).exists() else ""
        if found != text:
            lines = enumerate(zip_longest(found.splitlines(), text.splitlines()), 1)
            first = next((number for number, (one, other) in lines if one != other), 1)
            yield f"{name}:{first}: not what `{command}` writes"
