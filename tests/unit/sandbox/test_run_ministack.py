"""What sandbox/run_ministack.py knows of MiniStack's inside is true of one version."""

from __future__ import annotations

import re
from pathlib import Path

from sandbox.run_ministack import MADE_FOR

PINS = Path(__file__).parents[3] / "tools" / "ministack.in"


def test_the_wrappers_are_made_for_the_ministack_that_is_installed() -> None:
    pinned = re.search(r"^ministack==(\S+)$", PINS.read_text(encoding="utf-8"), re.MULTILINE)

    assert pinned is not None
    assert pinned[1] == MADE_FOR, (
        "MiniStack is another one: run tests/integration/sandbox/test_run_ministack.py without each wrapper, delete "
        "those that are not needed any more, make the others fit, and set MADE_FOR in sandbox/run_ministack.py."
    )
