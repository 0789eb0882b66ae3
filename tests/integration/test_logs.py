"""What a run leaves in logs and histories: ids, outcomes and codes, and no secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from mediaposter.ai.video_model_interface import VideoStatus
from sandbox.world import BLOTATO_KEY, VIDEOS_KEY
from tests.integration.stack import DeployedStack, new_prompt, wait_for


def test_no_prompt_key_or_presigned_url_is_logged(stack: DeployedStack) -> None:
    canary = new_prompt("canary in a prompt")
    failing = new_prompt("canary in a failing prompt")
    stack.play_on_videos(failing, "create", {"type": "fail"})

    video = stack.follow(stack.submit(canary, "instagram").id)
    failed = stack.follow(stack.submit(failing, "instagram").id)
    stack.api.get(f"/videos/{video.id}/content")
    stack.api.post("/videos", json={"prompt": canary, "size": "1x1"})

    assert (video.status, failed.status) == (VideoStatus.COMPLETED, VideoStatus.FAILED)
    written = stack.read_logs() + stack.read_history(video.id) + stack.read_history(failed.id)
    assert video.id in written
    for secret in (canary, failing, stack.world.stack.api_key, VIDEOS_KEY, BLOTATO_KEY, "X-Amz-Signature"):
        assert secret not in written
        assert json.dumps(secret)[1:-1] not in written


def test_no_caption_of_a_post_that_is_looked_for_is_logged(stack: DeployedStack) -> None:
    lost = new_prompt("canary in a lost caption")
    stack.play_on_blotato(lost, "POST /posts", {"type": "accept_then_drop"}, times=1)
    began_at = datetime.now(UTC)

    video_id = stack.submit(new_prompt("Silent"), "twitter", text=lost).id
    wait_for(lambda: _stands(stack, video_id, "in_doubt"), what="the doubt")
    wait_for(lambda: [row["state"] for row in stack.list_posts(lost)] == ["published"], what="the network")
    stack.age_posts(video_id, 600)
    wait_for(lambda: _is_published_after_a_sweep(stack, video_id), what="the post to be adopted")

    written = stack.read_logs(since=began_at) + stack.read_history(video_id)
    assert video_id in written
    for secret in (lost, BLOTATO_KEY):
        assert secret not in written


def test_the_token_of_an_approval_is_logged_nowhere(stack: DeployedStack) -> None:
    video_id = stack.submit(new_prompt("May I"), "instagram", approval="required").id
    key = {"pk": {"S": f"VIDEO#{video_id}"}, "sk": {"S": "APPROVAL"}}

    def read_token() -> str | None:
        item = stack.aws("dynamodb").get_item(TableName=stack.world.stack.table, Key=key).get("Item", {})
        return str(item["task_token"]["S"]) if "task_token" in item else None

    token = wait_for(read_token, what="the token")
    stack.ask("POST", f"/videos/{video_id}/approval", json={"decision": "reject"}).raise_for_status()

    assert [post.status for post in stack.follow(video_id).posts] == ["cancelled"]
    assert token not in stack.read_logs()


def _is_published_after_a_sweep(stack: DeployedStack, video_id: str) -> bool:
    stack.sweep()
    return _stands(stack, video_id, "published")


def _stands(stack: DeployedStack, video_id: str, status: str) -> bool:
    return [post.status for post in stack.retrieve(video_id).posts] == [status]
