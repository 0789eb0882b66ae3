"""From an HTTPS request to the posts, on the deployed template."""

from __future__ import annotations

import hashlib
import os

import httpx

from mediaposter.ai.video_model_interface import VideoStatus
from tests.integration.stack import DeployedStack, new_prompt

# Fifty take a minute or two on two cores; the claim is made with MEDIAPOSTER_AT_ONCE=50.
VIDEOS_AT_ONCE = int(os.environ.get("MEDIAPOSTER_AT_ONCE", "10"))


def test_a_prompt_becomes_a_kept_video_and_a_post_on_each_network(stack: DeployedStack) -> None:
    prompt = new_prompt("A paper boat")

    video = stack.follow(stack.submit(prompt, "instagram", "tiktok", "youtube").id)

    assert video.status is VideoStatus.COMPLETED
    assert video.error is None
    assert video.probe is not None
    assert (video.probe.width, video.probe.height, video.probe.duration_ms) == (720, 1280, 4000)
    assert video.probe.video_codec == "h264"
    assert [(post.platform, post.status) for post in video.posts] == [
        ("instagram", "published"),
        ("tiktok", "published"),
        ("youtube", "published"),
    ]
    assert all(post.url for post in video.posts)
    posts = stack.list_posts(prompt)
    assert sorted(post["platform"] for post in posts) == ["instagram", "tiktok", "youtube"]
    assert next(post for post in posts if post["platform"] == "tiktok")["target"]["isAiGenerated"] is True
    assert stack.count_accepted(prompt) == 1


def test_the_content_is_the_bytes_that_were_hashed(stack: DeployedStack) -> None:
    video = stack.follow(stack.submit(new_prompt("A lighthouse")).id)

    redirect = stack.api.get(f"/videos/{video.id}/content")
    content = httpx.get(redirect.headers["location"])

    assert redirect.status_code == 302
    assert content.headers["content-type"] == "video/mp4"
    assert len(content.content) == video.size_bytes
    assert hashlib.sha256(content.content).hexdigest() == video.sha256
    assert stack.list_versions(video.id) == [
        f"videos/{video.id}/{name}" for name in ("spritesheet.jpg", "thumbnail.webp", "video.mp4")
    ]


def test_many_videos_at_once_all_end_done(stack: DeployedStack) -> None:
    prompt = new_prompt("One of fifty")

    # Eight Lambdas at once serve fifty executions: most steps are throttled at first and come back later,
    # so the machine's waits must outlast the rush.
    with stack.waiting(0.5):
        submitted = [stack.submit(f"{prompt} number {number}", "threads") for number in range(VIDEOS_AT_ONCE)]
        videos = [stack.follow(video.id, timeout_seconds=300) for video in submitted]

    assert {video.status for video in videos} == {VideoStatus.COMPLETED}
    assert {post.status for video in videos for post in video.posts} == {"published"}
    texts = [post["text"] for post in stack.list_posts(prompt)]
    assert len(texts) == len(set(texts)) == VIDEOS_AT_ONCE
