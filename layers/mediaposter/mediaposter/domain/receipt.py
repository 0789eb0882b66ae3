"""The answer of a receiver, as far as it is read."""

from __future__ import annotations

from typing import NamedTuple


class Receipt(NamedTuple):
    """The status of a response, and after how many seconds its server wants to be asked again, if it says so."""

    status_code: int
    retry_after_seconds: float | None = None
