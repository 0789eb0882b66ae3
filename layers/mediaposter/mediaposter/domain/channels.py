"""Where the people of a stack can be told that a video waits for approval."""

from __future__ import annotations

from typing import Literal

Channel = Literal["slack", "telegram", "email"]
