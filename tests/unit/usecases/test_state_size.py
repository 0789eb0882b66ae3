"""The data of an execution stays below what Step Functions allows, however much the steps answer.

The service ends an execution with States.DataLimitExceeded when a state, or all variables together, have more than
256 KiB (Step Functions developer guide, "Service quotas"). A state carries what a step answered, and of an error its
name alone; `checks.asl` sees to that. So the greatest lengths of the answers bound it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel, Field

from mediaposter.publishing.targets import TARGETS_MAX
from mediaposter.stores.video_record import VIDEO_ID_MAX_CHARACTERS
from mediaposter.usecases.batches.rows import BatchResult
from mediaposter.usecases.steps import StepResult
from mediaposter.wire.batches import PART_ROWS_MAX, PartLine
from mediaposter.wire.rows import ROWS_MAX

STATE_MAX_BYTES = 262_144
# The longest that the API of Step Functions has (HistoryEvent).
ERROR_MAX_CHARACTERS = 256
# JSON writes a control character with six bytes, and no other of a length with more.
CHARACTER_BYTES = len(json.dumps("\x01")) - 2
NUMBER_BYTES = len("-2.2250738585072014e-308")


def measure_largest(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> float:
    """Measure the longest JSON that fits a schema, in bytes; infinite where nothing bounds it."""
    if "$ref" in schema:
        return measure_largest(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return max(measure_largest(option, definitions) for option in schema["anyOf"])
    if "enum" in schema:
        return max(len(json.dumps(value)) for value in schema["enum"])
    match schema.get("type"):
        case "object" if "properties" in schema:
            fields = schema["properties"].items()
            return 2 + sum(len(f'"{name}":,') + measure_largest(field, definitions) for name, field in fields)
        case "array":
            return 2 + float(schema.get("maxItems", math.inf)) * (1 + measure_largest(schema["items"], definitions))
        case "string":
            return 2 + CHARACTER_BYTES * float(schema.get("maxLength", math.inf))
        case "integer" | "number" | "boolean" | "null":
            return NUMBER_BYTES
    return math.inf


def measure_model(model: type[BaseModel]) -> float:
    schema = model.model_json_schema()
    return measure_largest(schema, schema.get("$defs", {}))


@pytest.mark.parametrize("answer", [StepResult, BatchResult])
def test_what_a_step_answers_is_bounded_in_every_field(answer: type[BaseModel]) -> None:
    assert measure_model(answer) < STATE_MAX_BYTES


def test_the_faults_of_all_posts_fit_beside_what_a_video_carries() -> None:
    fault = {"fault": "\x01" * ERROR_MAX_CHARACTERS}
    carried = {"video_id": "\x01" * VIDEO_ID_MAX_CHARACTERS, **fault, "posts": [fault] * TARGETS_MAX}

    assert len(json.dumps(carried)) < STATE_MAX_BYTES


def test_all_parts_of_a_batch_fit_into_the_result_of_its_map() -> None:
    parts = math.ceil(ROWS_MAX / PART_ROWS_MAX)

    assert parts * (1 + measure_model(PartLine)) < STATE_MAX_BYTES


def test_a_field_without_a_greatest_length_is_boundless() -> None:
    class Answer(BaseModel):
        note: str = Field(max_length=3)
        notes: tuple[str, ...] = Field(default=(), max_length=2)

    assert measure_model(Answer) == math.inf
