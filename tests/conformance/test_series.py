"""A series is made by a command, and each of its runs takes a row of its sheet: each row once."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mediaposter.wire.intake import write_schedule_event
from tests.conformance.stack import Stack
from tests.integration.stack import new_prompt, wait_for

pytestmark = pytest.mark.both(always=True)

TURNS = [datetime(2026, 12, day, 8, tzinfo=UTC) for day in range(1, 8)]


def create(stack: Stack, directory: Path, *prompts: str) -> str:
    """Make a series of these prompts, and give its name."""
    name, sheet = f"series-{uuid.uuid4().hex}", directory / "sheet.csv"
    sheet.write_text("\n".join(["prompt", *prompts]))
    stack.run("schedule", "create", name, "--sheet", str(sheet), "--at", "daily 08:00", "--owner", "studio")
    return name


def run_schedule(stack: Stack, name: str, scheduled_at: datetime) -> None:
    """Say that a run has come, as the clock of series does."""
    message = write_schedule_event(name).replace("<aws.scheduler.execution-id>", uuid.uuid4().hex)
    stack.queue_request(message.replace("<aws.scheduler.scheduled-time>", f"{scheduled_at:%Y-%m-%dT%H:%M:%SZ}"))


def wait_for_rows(stack: Stack, name: str, *states: str) -> list[dict[str, Any]]:
    """Wait until the rows stand so, and every one that was taken has its video."""

    def look() -> list[dict[str, Any]] | None:
        rows: list[dict[str, Any]] = json.loads(stack.run("schedule", "show", name, "--json"))["rows"]
        is_done = all(row["video_id"] or row["state"] != "taken" for row in rows)
        return rows if is_done and [row["state"] for row in rows] == [*states] else None

    return wait_for(look, what=f"the rows of {name} to be {states}")


def test_each_turn_takes_one_row_until_the_sheet_is_used_up(stack: Stack, tmp_path: Path) -> None:
    prompts = [new_prompt("First"), new_prompt("Second")]
    name = create(stack, tmp_path, *prompts)

    run_schedule(stack, name, TURNS[0])
    wait_for_rows(stack, name, "taken", "waiting")
    for scheduled_at in (TURNS[0], TURNS[1], TURNS[2]):
        run_schedule(stack, name, scheduled_at)
    rows = wait_for_rows(stack, name, "taken", "taken")

    videos = [stack.follow(row["video_id"]) for row in rows]
    assert [video["prompt"] for video in videos] == prompts
    assert [stack.count_jobs(prompt) for prompt in prompts] == [1, 1]
    [line] = [line for line in json.loads(stack.run("schedule", "list", "--json")) if line["name"] == name]
    assert (line["state"], line["waiting"]) == ("sheet is used up", 0)
    stack.run("schedule", "remove", name)
    assert name not in stack.run("schedule", "list")
