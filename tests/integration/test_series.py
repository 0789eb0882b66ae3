"""A series is made on the command line, and its runs become videos: each row once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.cli import main
from mediaposter.cli.deployed_stack import open_stack
from mediaposter.cli.session import Session
from mediaposter.stores.dynamodb_table import LibraryTable
from mediaposter.stores.videos import VideoStore
from mediaposter.wire.intake import write_schedule_event
from sandbox.cloud import REGION
from sandbox.snapshot import STACK_NAME
from tests.integration.stack import DeployedStack, new_prompt, wait_for
from tests.integration.test_intake import find_queue

TURNS = [datetime(2026, 12, day, 8, tzinfo=UTC) for day in range(1, 8)]

Run = Callable[..., str]


@pytest.fixture
def run(stack: DeployedStack, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a way to run a command about series of this stack."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)

    def run_command(*argv: str) -> str:
        address = ("--stack", STACK_NAME, "--endpoint-url", stack.world.stack.endpoint_url)
        status = main(["schedule", *argv, *address], session=Session(open_stack=partial(open_stack, session=session)))
        out, err = capsys.readouterr()
        assert (status, err) == (0, "")
        return out

    return run_command


def new_series() -> str:
    return f"series-{uuid.uuid4().hex}"


def write_sheet(directory: Path, *prompts: str) -> str:
    path = directory / "sheet.csv"
    path.write_text("\n".join(["id,prompt", *(f"row-{number},{text}" for number, text in enumerate(prompts, start=1))]))
    return str(path)


def tell(stack: DeployedStack, name: str, scheduled_at: datetime) -> None:
    """Put a message into the queue as Scheduler does; MiniStack's fires, but leaves the attributes as they are."""
    message = write_schedule_event(name).replace("<aws.scheduler.execution-id>", uuid.uuid4().hex)
    message = message.replace("<aws.scheduler.scheduled-time>", f"{scheduled_at:%Y-%m-%dT%H:%M:%SZ}")
    stack.aws("sqs").send_message(QueueUrl=find_queue(stack, "IntakeQueue"), MessageBody=message)


def wait_for_rows(run: Run, name: str, *states: str) -> list[dict[str, Any]]:
    """Wait until the rows stand so, and every one that was taken has its video."""

    def read_rows() -> list[dict[str, Any]] | None:
        rows: list[dict[str, Any]] = json.loads(run("show", name, "--json"))["rows"]
        is_done = all(row["video_id"] or row["state"] != "taken" for row in rows)
        return rows if is_done and [row["state"] for row in rows] == list(states) else None

    return wait_for(read_rows, what=f"the rows of {name} to be {states}")


def test_two_turns_are_two_rows_and_two_videos(stack: DeployedStack, run: Run, tmp_path: Path) -> None:
    name, prompts = new_series(), [new_prompt("First"), new_prompt("Second"), new_prompt("Third")]
    run("create", name, "--sheet", write_sheet(tmp_path, *prompts), "--at", "daily 08:00", "--owner", "studio")

    for scheduled_at in TURNS[:2]:
        tell(stack, name, scheduled_at)
    rows = wait_for_rows(run, name, "taken", "taken", "waiting")

    video_store = VideoStore(LibraryTable(stack.aws("dynamodb"), stack.world.stack.table))
    videos = [video_store.get_unchecked(row["video_id"]) for row in rows[:2]]
    assert [(video.prompt, video.owner) for video in videos] == [(prompt, "studio") for prompt in prompts[:2]]
    assert [stack.follow(video.id).status for video in videos] == [VideoStatus.COMPLETED] * 2


def test_a_used_up_sheet_says_so_and_another_one_goes_on(stack: DeployedStack, run: Run, tmp_path: Path) -> None:
    name, prompts, began_at = new_series(), [new_prompt("Last"), new_prompt("New")], datetime.now(UTC)
    run("create", name, "--sheet", write_sheet(tmp_path, prompts[0]), "--at", "daily 08:00")
    tell(stack, name, TURNS[0])
    wait_for_rows(run, name, "taken")

    tell(stack, name, TURNS[1])
    wait_for(lambda: f"The sheet of the series {name} is used up" in stack.read_logs(since=began_at), what="the word")
    (line,) = [line for line in json.loads(run("list", "--json")) if line["name"] == name]
    run("replace-sheet", name, "--sheet", write_sheet(tmp_path, *prompts))
    tell(stack, name, TURNS[2])

    assert (line["state"], line["waiting"]) == ("sheet is used up", 0)
    wait_for_rows(run, name, "taken", "taken")


def test_the_entry_is_as_scheduler_takes_it_and_goes_with_the_series(
    stack: DeployedStack, run: Run, tmp_path: Path
) -> None:
    name, scheduler = new_series(), stack.aws("scheduler")
    run(
        *("create", name, "--sheet", write_sheet(tmp_path, "A kite")),
        *("--at", "weekdays 09:00", "--timezone", "Europe/Berlin"),
    )
    run("pause", name)
    entry = scheduler.get_schedule(Name=name, GroupName=STACK_NAME)
    run("remove", name)

    assert (entry["ScheduleExpression"], entry["ScheduleExpressionTimezone"], entry["State"]) == (
        "cron(0 9 ? * MON-FRI *)",
        "Europe/Berlin",
        "DISABLED",
    )
    assert entry["Target"]["Arn"].rpartition(":")[2] == find_queue(stack, "IntakeQueue").rpartition("/")[2]
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.get_schedule(Name=name, GroupName=STACK_NAME)
    assert name not in run("list")
