"""The same request over every provider, with the rights and the key of each: only the model's name differs."""

from __future__ import annotations

import pytest

from mediaposter.ai.catalog import parse_size
from mediaposter.ai.video_model_interface import VideoStatus
from tests.integration.stack import DeployedStack, new_prompt


@pytest.mark.parametrize(
    ("model", "resolved_model", "provider"),
    [
        # Others are asked of sora, the sandbox, Gemini and fal.
        ("gen4.5", "gen4.5", "runway"),
        # These make no four seconds, or no such size: by an alias they make what is nearest.
        ("our-pika", "pika-2.2", "pika"),
        ("our-ray", "luma.ray-v2:0", "bedrock"),
    ],
)
def test_the_video_is_kept_and_posted_with_the_key_of_its_provider(
    stack: DeployedStack, model: str, resolved_model: str, provider: str
) -> None:
    prompt = new_prompt("The same request")

    video = stack.follow(stack.submit(prompt, "instagram", model=model, seconds="4", size="720x1280").id)

    assert video.error is None, video.error.message
    assert (video.status, video.provider, video.resolved_model) == (VideoStatus.COMPLETED, provider, resolved_model)
    assert video.probe is not None
    width, height = parse_size(video.size)
    # A vendor that is asked for a shape and a resolution rounds the longer side in its own way.
    assert (video.probe.width, video.probe.height) == pytest.approx((width, height), rel=0.005)
    assert video.probe.duration_ms == int(video.seconds) * 1000
    assert bool(video.warnings) is ((video.size, video.seconds) != ("720x1280", "4"))
    assert [post.status for post in video.posts] == ["published"]
    assert len(stack.list_posts(prompt)) == 1
