"""The rows of a batch between its steps: their files, their outcomes, and the results of the steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import IO, Protocol

from pydantic import BaseModel, ConfigDict

from mediaposter.domain.problem import Problem
from mediaposter.stores.batches import Batch
from mediaposter.stores.idempotency import IdempotencyStore, identify_request
from mediaposter.wire.batches import OutcomeLine, RowLine, present_answer

# How long rows wait for their key's rate limit. An execution ends after a day, and the idempotency records of the rows
# are kept as long.
TAKING_MAX = timedelta(hours=20)

NOT_TAKEN = Problem(
    code="not_taken",
    message="The service was too busy to take this row, or failed. Nothing was rendered; send it again.",
)
# A postponed row is not over: a later try submits it.
PUT_OFF = Problem(
    code="rate_limit_exceeded",
    message="The key's rate limit had no room for this row. Nothing was recorded for it; send it again.",
)
# By code: a step may read an outcome that an earlier version of this stack wrote, with another message.
_NOT_OVER = frozenset({NOT_TAKEN.code, PUT_OFF.code})


class BatchOutcome(StrEnum):
    """Which way the state machine continues."""

    READ = "read"  # submit the rows next
    TAKEN = "taken"  # the videos are being made
    CANCELLED = "cancelled"  # cancel the videos next
    OVER = "over"  # nothing is left to do


class BatchResult(BaseModel):
    """The result of a step."""

    model_config = ConfigDict(frozen=True)

    outcome: BatchOutcome


class RowFiles(Protocol):
    """Stores the files of batches."""

    def open_version(self, key: str, version_id: str) -> AbstractContextManager[Iterator[bytes]]:
        """Open a version of a file for one read. Raises NotFound."""

    def read(self, key: str) -> bytes:
        """Read a file. Raises NotFound."""

    def read_range(self, key: str, first_byte: int, size_bytes: int) -> bytes:
        """Read some of a file. Raises NotFound."""

    def put(self, key: str, content: bytes, *, content_type: str = ...) -> object:
        """Put a file; it replaces an earlier one."""

    def write(self, *keys: str) -> AbstractContextManager[IO[bytes]]:
        """Write a file under several keys when the block ends without an error."""


def is_open(outcome: OutcomeLine) -> bool:
    """Tell whether a later try may still submit the row."""
    return outcome.error is not None and outcome.error.code in _NOT_OVER


def find_taken(requests: IdempotencyStore, batch: Batch, row: int, *, now: datetime) -> str | None:
    """Find the video that a row became."""
    # The lookup uses only the name; the request and the video are in the record that is found.
    known = requests.find(identify_request(batch.caller.owner, name_row(batch.id, row), "", "", now=now), now=now)
    return known.video_id if known else None


def name_row(batch_id: str, row: int) -> str:
    """Name a row for its idempotency record."""
    return f"batch:{batch_id}:{row}"


def describe_outcome(line: RowLine, *, video_id: str | None = None, error: Problem | None = None) -> OutcomeLine:
    """Describe what became of a row."""
    return OutcomeLine(row=line.row, line=line.line, row_id=line.row_id, video_id=video_id, error=error)


def write_result(files: RowFiles, batch: Batch, outcomes: list[OutcomeLine], failure: Problem | None = None) -> None:
    """Write the result for the file of a batch, if it came from the inbox."""
    stem = batch.source.answer_stem
    if stem is not None:
        content = present_answer(batch, outcomes, failure).model_dump_json().encode()
        files.put(f"{stem}.result.json", content, content_type="application/json")
