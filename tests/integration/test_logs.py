"""What a run leaves in logs and histories: ids, outcomes and codes, and no secret."""

from __future__ import annotations

import json

from mediaposter.ai.video_model_interface import VideoStatus
from sandbox.world import BLOTATO_KEY, VIDEOS_KEY
from tests.integration.stack import DeployedStack, new_prompt


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
