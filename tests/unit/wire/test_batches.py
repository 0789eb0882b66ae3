"""What callers send and are sent about batches, and about files that become one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import JsonValue

from mediaposter.domain.errors import InvalidRequest, NotFound
from mediaposter.events import AnyEvent, BatchEvent
from mediaposter.wire.batches import (
    CancelBatchRequest,
    CreateBatchRequest,
    check_batch_id,
    parse_cancel_batch,
    parse_create_batch,
    write_input,
)
from mediaposter.wire.rows import ROWS_MAX, read_jsonl
from mediaposter.wire.uploads import UPLOAD_MAX_BYTES, parse_upload
from mediaposter.wire.webhooks import present_event
from tests.builders import NOW

JSON = "application/json"
FILE_MAX_BYTES = 100 * 1024**2
EVENT: Any = {
    "batch_id": "batch_1",
    "owner": "ann",
    "occurred_at": NOW,
    "rows": 4,
    "completed": 2,
    "failed": 1,
    "refused": 1,
}


def write(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_rows_are_taken_as_they_are() -> None:
    rows = [{"prompt": "A kite"}, 7, None]

    assert parse_create_batch(write(rows=rows), JSON).rows == rows


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({}, None),
        ({"rows": [{}], "file": f"upload_{'a' * 32}"}, None),
        ({"rows": []}, "rows"),
        ({"rows": [1] * (ROWS_MAX + 1)}, "rows"),
        ({"file": "upload_1"}, "file"),
    ],
)
def test_what_is_no_batch_is_refused(sent: Any, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_create_batch(write(**sent), JSON)

    assert caught.value.param == param


def test_a_refusal_says_nothing_of_a_prompt() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_create_batch(write(rows="A secret"), JSON)

    assert "secret" not in str(caught.value)


def test_a_request_has_the_same_fingerprint_in_any_order() -> None:
    first = CreateBatchRequest(rows=[{"prompt": "A kite", "seconds": 4}])
    second = CreateBatchRequest(rows=[{"seconds": 4, "prompt": "A kite"}])

    assert first.fingerprint() == second.fingerprint()
    assert first.fingerprint() != CreateBatchRequest(rows=[{"prompt": "A kite"}]).fingerprint()


@pytest.mark.parametrize(("body", "running"), [(b"", False), (b"{}", False), (write(running=True), True)])
def test_a_cancellation_may_have_no_body(body: bytes, running: bool) -> None:
    assert parse_cancel_batch(body, JSON if body else "") == CancelBatchRequest(running=running)


@pytest.mark.parametrize("batch_id", ["video_1", "", "batch_" + "1" * 60])
def test_what_can_be_no_id_is_not_found(batch_id: str) -> None:
    with pytest.raises(NotFound) as caught:
        check_batch_id(batch_id)

    assert caught.value.what == "batch"


def test_rows_are_written_as_a_file_that_is_read_back() -> None:
    rows: list[JsonValue] = [{"id": "a", "prompt": "Möwe\n🪁 \u2028"}, {"id": "b"}]

    read = list(read_jsonl([write_input(rows)]))

    assert [row.row_id for row in read] == ["a", "b"]
    assert read[0].request is not None
    assert read[0].request.prompt == "Möwe\n🪁 \u2028"


@pytest.mark.parametrize("content_type", ["text/csv", "application/jsonl"])
def test_a_file_of_requests_may_be_larger_than_a_picture(content_type: str) -> None:
    sent = write(content_type=content_type, size_bytes=FILE_MAX_BYTES)

    assert parse_upload(sent, JSON).size_bytes == FILE_MAX_BYTES


@pytest.mark.parametrize(
    ("content_type", "size_bytes"),
    [("image/png", UPLOAD_MAX_BYTES + 1), ("text/csv", FILE_MAX_BYTES + 1), ("text/csv", 0)],
)
def test_what_is_too_large_or_empty_is_no_upload(content_type: str, size_bytes: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_upload(write(content_type=content_type, size_bytes=size_bytes), JSON)

    assert caught.value.param == "size_bytes"
    assert "Value error" not in caught.value.message


@pytest.mark.parametrize(("code", "error"), [(None, None), ("empty_file", {"code": "empty_file"})])
def test_a_receiver_is_told_which_batch_ended_and_what_of_its_rows_became(code: str | None, error: Any) -> None:
    event: AnyEvent = BatchEvent(type="batch.failed" if code else "batch.completed", error_code=code, **EVENT)

    told = present_event(event).model_dump()

    assert told["id"] == event.id
    assert told["type"] == event.type
    assert told["data"] == {"id": "batch_1", "rows": 4, "completed": 2, "failed": 1, "refused": 1, "error": error}
