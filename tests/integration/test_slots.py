"""More videos than a provider renders at once: the others wait without an execution, and all are made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from mediaposter.ai.catalog import built_in_catalog
from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.wire.video_object import VideoObject
from tests.integration.stack import DeployedStack, new_prompt

MODEL = "gen4.5"
PROVIDER = "runway"
SLOTS = built_in_catalog().count_renders_at_once(PROVIDER)
VIDEOS = 3 * SLOTS


@pytest.fixture(scope="module")
def submitted(stack: DeployedStack) -> list[VideoObject]:
    """Submit more than the provider renders at once, and follow them to their ends."""
    prompt = new_prompt("Slots")
    with ThreadPoolExecutor(4) as pool:
        videos = list(pool.map(lambda number: stack.submit(f"{prompt} {number}", model=MODEL), range(VIDEOS)))
        return list(pool.map(lambda video: stack.follow(video.id), videos))


def test_all_are_made(submitted: list[VideoObject]) -> None:
    assert [video.status for video in submitted] == [VideoStatus.COMPLETED] * VIDEOS


def test_the_provider_was_never_asked_for_more_at_once(stack: DeployedStack, submitted: list[VideoObject]) -> None:
    assert len(submitted) > SLOTS
    seen = stack.outside.get(f"{stack.world.providers[PROVIDER].control_url}/calls").json()

    assert seen["most_in_flight"] == SLOTS


def test_those_that_waited_have_one_execution_each_and_no_transition_for_the_wait(
    stack: DeployedStack, submitted: list[VideoObject]
) -> None:
    machine = stack.aws("stepfunctions")
    executions = stack.world.stack.state_machine_arn.replace(":stateMachine:", ":execution:")

    histories = [machine.get_execution_history(executionArn=f"{executions}:{video.id}") for video in submitted]

    entered = [
        [
            event["stateEnteredEventDetails"]["name"]
            for event in history["events"]
            if "stateEnteredEventDetails" in event
        ]
        for history in histories
    ]
    assert all(names.count("Start Generation") == 1 and "Wait To Start" not in names for names in entered)


def test_no_slot_is_left_taken(stack: DeployedStack, submitted: list[VideoObject]) -> None:
    assert submitted
    table = stack.aws("dynamodb")

    item = table.get_item(
        TableName=stack.world.stack.table, Key={"pk": {"S": f"SLOTS#{PROVIDER}"}, "sk": {"S": "SLOTS"}}
    )["Item"]

    assert (item["in_flight"]["N"], item["waiting"]["N"]) == ("0", "0")
