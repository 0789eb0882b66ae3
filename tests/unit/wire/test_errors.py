"""Every error class has a documented answer, and a problem has the same bytes wherever it is stored or answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from mediaposter.domain.errors import ApiError, ErrorCode
from mediaposter.domain.problem import Problem
from mediaposter.stores.table import Record
from mediaposter.stores.video_record import VideoFailure
from mediaposter.wire.batches import (
    OutcomeLine,
    RowLine,
    present_answer,
    read_outcomes,
    read_row_lines,
    write_lines,
    write_row,
)
from mediaposter.wire.results import ResultRow, write_jsonl
from mediaposter.wire.rows import Row
from tests.builders import a_video
from tests.fakes.table import InMemoryTable
from tests.unit.functions.stack import REPOSITORY
from tests.unit.stores.test_checked_model import BATCH, TURN

PROBLEM = Problem(code="invalid_value", message="prompt: missing.", param="prompt")
WITHOUT_PARAM = Problem(code="invalid_value", message="No.")
FAILURE = VideoFailure(code=ErrorCode.TIMEOUT, message="Too late.")


def list_classes(base: type[ApiError]) -> Iterator[type[ApiError]]:
    for error_class in base.__subclasses__():
        if hasattr(error_class, "status"):
            yield error_class
        yield from list_classes(error_class)


def read_documented() -> set[tuple[str, str]]:
    """Read the table of docs/api-errors.md: each status with each of its codes."""
    rows = re.findall(r"^\| (\d{3}) \| ([^|]+) \|", (REPOSITORY / "docs/api-errors.md").read_text(), re.MULTILINE)
    return {(status, code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}


@pytest.mark.parametrize("error_class", list(list_classes(ApiError)), ids=lambda error_class: error_class.__name__)
def test_the_status_and_the_code_of_an_error_are_documented(error_class: type[ApiError]) -> None:
    assert (str(error_class.status.value), error_class.api_code) in read_documented()


# As earlier versions wrote them: an item has no key for what is None.
STORED: dict[str, tuple[Record, str, dict[str, str]]] = {
    "a batch": (
        BATCH.copy_with(failure=PROBLEM),
        "failure",
        {"code": "invalid_value", "message": "prompt: missing.", "param": "prompt"},
    ),
    "a batch without a column": (
        BATCH.copy_with(failure=WITHOUT_PARAM),
        "failure",
        {"code": "invalid_value", "message": "No."},
    ),
    "a run": (TURN.copy_with(error=WITHOUT_PARAM), "error", {"code": "invalid_value", "message": "No."}),
    "a video": (a_video(failure=FAILURE), "failure", {"code": "timeout", "message": "Too late."}),
}


@pytest.mark.parametrize("what", STORED)
def test_a_stored_problem_keeps_its_form_and_is_read_back(what: str) -> None:
    record, name, stored = STORED[what]
    table = InMemoryTable()
    table.create([record])

    item = table.get(record.key)

    assert item[name] == stored
    assert getattr(type(record).model_validate(item), name) == getattr(record, name)
    # A newer version may have written more.
    newer = type(record).model_validate({**item, name: {**stored, "more": "1"}})
    assert getattr(newer, name) == getattr(record, name)


LINES: dict[str, tuple[Callable[[], bytes], bytes]] = {
    "a row": (
        lambda: write_row(Row(1, None, "a", WITHOUT_PARAM, 2)),
        b'{"row":1,"line":2,"row_id":"a","request":null,"error":{"code":"invalid_value","message":"No.","param":null}}\n',
    ),
    "an outcome": (
        lambda: write_lines([OutcomeLine(row=1, line=2, error=WITHOUT_PARAM)]),
        b'{"row":1,"line":2,"error":{"code":"invalid_value","message":"No."}}\n',
    ),
    "the result of a failed video": (
        lambda: b"".join(write_jsonl([ResultRow(row=1, status="failed", error=FAILURE)])),
        (
            b'{"row":1,"line":null,"id":null,"status":"failed","video_id":null,"mp4_url":null,"post_urls":[],'
            b'"error":{"code":"timeout","message":"Too late.","param":null}}\n'
        ),
    ),
    "the answer to a dropped file": (
        lambda: present_answer(BATCH, [], PROBLEM).model_dump_json().encode(),
        (
            b'{"request":{"key":"batches/batch_1/input.jsonl","version_id":"v1"},'
            b'"batch":{"id":"batch_1","rows":0,"refused":0},"rows":[],'
            b'"error":{"message":"prompt: missing.","type":"invalid_request_error","param":"prompt",'
            b'"code":"invalid_value"}}'
        ),
    ),
}


@pytest.mark.parametrize("what", LINES)
def test_a_written_problem_has_the_bytes_it_always_had(what: str) -> None:
    write, content = LINES[what]

    assert write() == content


def test_the_lines_between_the_steps_are_read_back() -> None:
    row = write_row(Row(1, None, "a", PROBLEM, 2))
    outcome = OutcomeLine(row=1, line=2, error=PROBLEM)

    assert read_row_lines(row) == [RowLine(row=1, line=2, row_id="a", error=PROBLEM)]
    assert read_outcomes(write_lines([outcome])) == [outcome]
