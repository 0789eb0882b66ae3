"""Asks the deployed stack for batches, and follows them."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import httpx
from pydantic import JsonValue

from mediaposter.stores.batches import BatchStage
from tests.integration.stack import DONE_TIMEOUT_SECONDS, DeployedStack, wait_for

Batch = dict[str, Any]

ENDED = {"completed", "failed", "cancelled"}


def create(stack: DeployedStack, **body: JsonValue) -> Batch:
    """Ask for a batch to be made."""
    answer = stack.ask("POST", "/batches", json=body)
    assert answer.status_code == 200, answer.text
    batch: Batch = answer.json()
    return batch


def retrieve(stack: DeployedStack, batch_id: str) -> Batch:
    """Ask how a batch stands."""
    answer = stack.ask("GET", f"/batches/{batch_id}")
    assert answer.status_code == 200, answer.text
    batch: Batch = answer.json()
    return batch


def follow(
    stack: DeployedStack,
    batch_id: str,
    *,
    timeout_seconds: float = DONE_TIMEOUT_SECONDS,
    look_again_seconds: float = 0.5,
) -> Batch:
    """Follow a batch to its end; its minutes pass as fast as those of the machines."""

    too_many = stack.aws("lambda").exceptions.TooManyRequestsException

    def look() -> Batch | None:
        make_due(stack, batch_id)
        with suppress(too_many):  # its schedule comes again, too
            stack.sweep()
        batch = retrieve(stack, batch_id)
        if batch["status"] in ENDED:
            return batch
        time.sleep(look_again_seconds)
        return None

    return wait_for(look, what=f"the end of {batch_id}", timeout_seconds=timeout_seconds)


def make_due(stack: DeployedStack, batch_id: str) -> None:
    """Let the minute pass after which the sweep comes back to a batch whose rows are taken."""
    with suppress(stack.aws("dynamodb").exceptions.ConditionalCheckFailedException):
        stack.aws("dynamodb").update_item(
            TableName=stack.world.stack.table,
            Key={"pk": {"S": f"BATCH#{batch_id}"}, "sk": {"S": "BATCH"}},
            UpdateExpression="SET due_at = :then",
            ConditionExpression="attribute_exists(due) AND NOT stage IN (:reading, :taking)",
            ExpressionAttributeValues={
                ":then": {"S": "2020-01-01T00:00:00.000000+00:00"},
                ":reading": {"S": BatchStage.READING},
                ":taking": {"S": BatchStage.TAKING},
            },
        )


def read_rows(stack: DeployedStack, batch: Batch) -> list[dict[str, Any]]:
    """Follow the link to the results."""
    answer = httpx.get(
        batch["results"]["jsonl"],
        headers={"Authorization": f"Bearer {stack.world.stack.api_key}"},
        follow_redirects=True,
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]
