"""What a run leaves in logs and histories: ids, outcomes and codes, and no secret."""

from __future__ import annotations

import json

from mediaposter.ai.video_model_interface import VideoStatus
from sandbox.world import BLOTATO_KEY, VIDEOS_KEY
from tests.integration.stack import DeployedStack, new_prompt, wait_for


def test_no_prompt_key_token_or_presigned_url_is_logged(stack: DeployedStack) -> None:
    canary = new_prompt("canary in a prompt")
    failing = new_prompt("canary in a failing prompt")
    stack.play_on_videos(failing, "create", {"type": "fail"})

    failed_id = stack.submit(failing, "instagram").id
    video_id = stack.submit(canary, "instagram", approval="required").id
    token = wait_for(lambda: read_task_token(stack, video_id), what="the question")
    stack.ask("POST", f"/videos/{video_id}/approval", json={"decision": "approve"}).raise_for_status()
    video, failed = stack.follow(video_id), stack.follow(failed_id)
    stack.api.get(f"/videos/{video.id}/content")
    stack.api.post("/videos", json={"prompt": canary, "size": "1x1"})

    assert (video.status, failed.status) == (VideoStatus.COMPLETED, VideoStatus.FAILED)
    assert [post.status for post in video.posts] == ["published"]
    logs = stack.read_logs()
    # The history of an execution has the token of its wait, as AWS gives it.
    assert token not in logs
    written = logs + stack.read_history(video.id) + stack.read_history(failed.id)
    assert video.id in written
    for secret in (canary, failing, stack.world.stack.api_key, VIDEOS_KEY, BLOTATO_KEY, "X-Amz-Signature"):
        assert secret not in written
        assert json.dumps(secret)[1:-1] not in written


def read_task_token(stack: DeployedStack, video_id: str) -> str | None:
    """Read with what a decision lets the execution of a video go on, once it waits."""
    key = {"pk": {"S": f"VIDEO#{video_id}"}, "sk": {"S": "APPROVAL"}}
    item = stack.aws("dynamodb").get_item(TableName=stack.world.stack.table, Key=key).get("Item", {})
    return str(item["task_token"]["S"]) if "task_token" in item else None
