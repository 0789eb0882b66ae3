"""The same request over every provider: only the model's name differs."""

from __future__ import annotations

import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from tests.integration.stack import DeployedStack, new_prompt


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("sora-2", "sora"),
        ("sora-2-pro", "sora"),
        ("gemini-omni-1.2-flash", "gemini"),
        ("gemini-omni-1.1-flash", "gemini"),
        ("gen4.5", "runway"),
        ("sandbox-1", "sandbox"),
        ("seedance-2.0", "fal"),
        ("kling-3.0-pro", "fal"),
        ("minimax-h3", "fal"),
        ("wan-2.7", "fal"),
        ("pika-2.2", "pika"),
        ("luma.ray-v2:0", "bedrock"),
        ("house-wan", "sora"),
    ],
)
def test_the_video_is_kept_and_posted_whoever_renders_it(stack: DeployedStack, model: str, provider: str) -> None:
    prompt = new_prompt("The same request")

    video = stack.follow(stack.submit(prompt, "instagram", model=model, seconds="4", size="720x1280").id)

    assert video.error is None
    assert (video.status, video.provider, video.resolved_model) == (VideoStatus.COMPLETED, provider, model)
    assert video.probe is not None
    assert (video.probe.width, video.probe.height, video.probe.duration_ms) == (720, 1280, 4000)
    assert [post.status for post in video.posts] == ["published"]
    assert len(stack.list_posts(prompt)) == 1
