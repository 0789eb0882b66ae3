"""docs/events: the schemas are the models', and what is really told and asked for fits them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import JsonValue

from checks.events import DIRECTORY
from mediaposter.domain.errors import ErrorCode
from mediaposter.events import (
    SOURCE,
    AnyAnswer,
    AnyEvent,
    BatchEvent,
    BudgetEvent,
    PostEvent,
    SeriesExhausted,
    VideoEvent,
    VideoQueued,
    VideoRejected,
)

CHECKOUT = Path(__file__).parents[3]
THEN = datetime(2026, 12, 1, 12, tzinfo=UTC)
VIDEO: Any = {"video_id": "video_1", "owner": "ann", "occurred_at": THEN}
POST: Any = {**VIDEO, "platform": "twitter", "account_id": "101"}
BATCH: Any = {
    "batch_id": "batch_1",
    "owner": "ann",
    "occurred_at": THEN,
    "rows": 3,
    "completed": 1,
    "failed": 1,
    "refused": 1,
}
ANSWER: Any = {"request_id": "7a0d2d4c", "owner": "ann", "occurred_at": THEN}
TOLD: tuple[AnyEvent | AnyAnswer | SeriesExhausted, ...] = (
    VideoEvent(type="video.completed", **VIDEO),
    VideoEvent(type="video.failed", error_code=ErrorCode.TIMEOUT, webhook_url="https://hooks.example/1", **VIDEO),
    VideoEvent(type="video.awaiting_approval", expires_at=THEN, **VIDEO),
    PostEvent(type="post.published", url="https://x.example/1", **POST),
    PostEvent(type="post.failed", error_code=ErrorCode.TIMEOUT, **POST),
    PostEvent(type="post.in_doubt", **POST),
    BatchEvent(type="batch.completed", **BATCH),
    BatchEvent(type="batch.cancelled", webhook_url="https://hooks.example/1", **BATCH),
    BatchEvent(type="batch.failed", error_code="unsupported_file", **BATCH),
    BudgetEvent(
        owner="ann",
        occurred_at=THEN,
        scope="key",
        period="month",
        period_name="2026-12",
        limit_usd="20",
        used_usd="16.4",
        renews_at=THEN,
    ),
    VideoQueued(video_id="video_1", correlation_id="order-1", **ANSWER),
    VideoQueued(video_id="video_1", **ANSWER),
    VideoRejected(error_code="invalid_value", error_message="No.", error_param="size", **ANSWER),
    SeriesExhausted(series="morning-kites", owner="ann", scheduled_at=THEN, occurred_at=THEN),
)
PROMPT: dict[str, JsonValue] = {"prompt": "A red kite over the sea"}


def fits(detail: object, event_type: str) -> bool:
    schema = json.loads((CHECKOUT / DIRECTORY / f"{event_type}.json").read_text(encoding="utf-8"))
    return jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(detail)


def test_every_event_has_a_file() -> None:
    files = {path.stem for path in (CHECKOUT / DIRECTORY).glob("*.json")}

    assert files == {*(event.type for event in TOLD), "video.requested"}


@pytest.mark.parametrize("event", TOLD, ids=lambda event: event.type)
def test_what_is_told_fits_its_schema(event: AnyEvent | AnyAnswer | SeriesExhausted) -> None:
    detail = json.loads(event.model_dump_json(exclude_none=True))

    assert fits(detail, event.type)


def test_an_event_does_not_fit_the_schema_of_another() -> None:
    detail = json.loads(TOLD[0].model_dump_json(exclude_none=True))

    assert not fits(detail, "video.failed")


def test_a_request_fits_its_schema_unless_it_is_refused() -> None:
    right = {
        **PROMPT,
        "correlation_id": "order-1",
        "seconds": "8",
        "publish": [{"platform": "twitter", "account_id": "1"}],
    }

    assert fits({**right, "input_reference": None}, "video.requested")
    for wrong in ({}, {**PROMPT, "correlation_id": ""}, {**PROMPT, "publish": [{"platform": "x"}]}):
        assert not fits(wrong, "video.requested")


def test_the_example_rules_are_about_what_is_told() -> None:
    text = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
    patterns = [json.loads(found) for found in re.findall(r"--event-pattern '(.*?)'", text, re.DOTALL)]

    assert len(patterns) >= 3
    for pattern in patterns:
        assert pattern["source"] == [SOURCE]
        for event_type in pattern["detail-type"]:
            schema = json.loads((CHECKOUT / DIRECTORY / f"{event_type}.json").read_text())
            assert pattern.get("detail", {}).keys() <= schema["properties"].keys()
