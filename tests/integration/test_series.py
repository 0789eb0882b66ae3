"""A series that is made on the command line has its entry at EventBridge Scheduler."""

from __future__ import annotations

import uuid
from functools import partial
from pathlib import Path

import boto3
import pytest

from mediaposter.cli import main
from mediaposter.cli.deployed_stack import open_stack
from mediaposter.cli.session import Session
from sandbox.cloud import REGION
from sandbox.snapshot import STACK_NAME
from tests.integration.stack import DeployedStack
from tests.integration.test_intake import find_queue


def test_the_entry_is_as_scheduler_takes_it_and_goes_with_the_series(
    stack: DeployedStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    name, scheduler, sheet = f"series-{uuid.uuid4().hex}", stack.aws("scheduler"), tmp_path / "sheet.csv"
    sheet.write_text("prompt\nA kite\n")

    def run(*argv: str) -> str:
        address = ("--stack", STACK_NAME, "--endpoint-url", stack.world.stack.endpoint_url)
        status = main(["schedule", *argv, *address], session=Session(open_stack=partial(open_stack, session=session)))
        out, err = capsys.readouterr()
        assert (status, err) == (0, "")
        return out

    run("create", name, "--sheet", str(sheet), "--at", "weekdays 09:00", "--timezone", "Europe/Berlin")
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
