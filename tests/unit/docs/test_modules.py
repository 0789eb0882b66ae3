"""docs/modules.md lists the modules of the package, each once."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "layers" / "mediaposter" / "mediaposter"


def test_the_map_lists_every_module_once_and_no_other() -> None:
    text = (ROOT / "docs" / "modules.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    listed = sorted(name for row in rows for name in re.findall(r"`([^`]+)`", row))
    parts = (path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py"))
    there = sorted(".".join(each[:-1] if each[-1] == "__init__" else each) for each in parts)

    assert listed == [name for name in there if name not in ("", "__main__", *PARENTS)]


# Their own modules are listed.
PARENTS = (
    *("ai", "domain", "host", "host.pretend", "http", "media", "publishing", "stores", "usecases", "wire"),
    *(f"usecases.{name}" for name in ("agents", "batches", "generation", "posting", "requests", "scheduled", "videos")),
)
