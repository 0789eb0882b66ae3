"""What a crash or an operator left open is closed, with the rights the roles really have."""

from __future__ import annotations

from mediaposter.ai.video_model_interface import VideoStatus
from tests.integration.stack import DeployedStack, new_prompt, wait_for


def test_the_sweep_closes_a_record_that_never_had_an_execution(stack: DeployedStack) -> None:
    copied = stack.submit(new_prompt("Left behind"))
    table, name = stack.aws("dynamodb"), stack.world.stack.table
    item = table.get_item(TableName=name, Key={"pk": {"S": f"VIDEO#{copied.id}"}, "sk": {"S": "VIDEO"}})["Item"]
    left = {
        **item,
        "pk": {"S": "VIDEO#video_left"},
        "id": {"S": "video_left"},
        "created_at": {"S": "2020-01-01T00:00:00Z"},
        "due": {"S": "yes"},
        "due_at": {"S": "2020-01-01T00:05:00.000000+00:00"},
        "stage": {"S": "queued"},
        "status": {"S": "queued"},
    }
    for later in ("deadline_at", "provider_job_id", "rendering_since", "stored", "completed_at", "lease_expires_at"):
        left.pop(later, None)
    table.put_item(TableName=name, Item=left)

    stack.invoke("SweepFunction", {})

    video = stack.retrieve("video_left")
    assert video.status is VideoStatus.FAILED
    assert video.error is not None
    assert video.error.message.endswith("Nothing was generated or spent; send the request again.")


def test_an_execution_that_was_stopped_is_followed_by_another_and_nothing_is_made_twice(stack: DeployedStack) -> None:
    prompt = new_prompt("Stopped")
    stack.play_on_videos(prompt, "create", {"type": "never_finish"})
    submitted = stack.submit(prompt, "instagram")
    wait_for(lambda: stack.retrieve(submitted.id).stage == "rendering", what="the render")
    key = {"pk": {"S": f"VIDEO#{submitted.id}"}, "sk": {"S": "VIDEO"}}
    table, name = stack.aws("dynamodb"), stack.world.stack.table

    stack.aws("stepfunctions").stop_execution(executionArn=stack.execution_arn(submitted.id))
    wait_for(lambda: "fault" in table.get_item(TableName=name, Key=key)["Item"], what="the rule behind the stop")
    table.update_item(
        TableName=name,
        Key=key,
        UpdateExpression="SET due_at = :past",
        ExpressionAttributeValues={":past": {"S": "2020-01-01T00:00:00.000000+00:00"}},
    )
    stack.invoke("SweepFunction", {})

    followed_by = stack.execution_arn(f"{submitted.id}-launch-1")
    assert stack.aws("stepfunctions").describe_execution(executionArn=followed_by)["status"] == "RUNNING"
    assert (stack.retrieve(submitted.id).error, stack.count_accepted(prompt)) == (None, 1)
    stack.api.delete(f"/videos/{submitted.id}").raise_for_status()
