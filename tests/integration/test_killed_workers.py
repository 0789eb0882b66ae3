"""A Lambda that dies in the middle: nothing is made, paid for or posted twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from sandbox.world import BLOTATO_KEY
from tests.integration.stack import DeployedStack, new_prompt, wait_for


@pytest.fixture
def unhurried(stack: DeployedStack) -> Iterator[None]:
    """Let the machine's wait after a crash outlast the lease of the call that was announced."""
    with stack.waiting(0.25):
        yield


def test_killed_while_storing_keeps_exactly_one_object(stack: DeployedStack) -> None:
    prompt = new_prompt("Killed while storing")
    stack.play_on_videos(prompt, "content", {"type": "stall", "after_bytes": 5000, "seconds": 30}, times=1)
    submitted = stack.submit(prompt, "instagram", "youtube")

    wait_for(lambda: _asks_for_content(stack, submitted.id), what="the download")
    assert stack.kill_workers("StoreVideoFunction") >= 1
    video = stack.follow(submitted.id)

    assert video.status is VideoStatus.COMPLETED
    assert stack.list_versions(video.id) == [
        f"videos/{video.id}/{name}" for name in ("spritesheet.jpg", "thumbnail.webp", "video.mp4")
    ]
    assert [post.status for post in video.posts] == ["published", "published"]
    assert sorted(post["platform"] for post in stack.list_posts(prompt)) == ["instagram", "youtube"]
    assert stack.count_accepted(prompt) == 1


def test_killed_while_posting_leaves_one_post_which_is_looked_for_and_adopted(stack: DeployedStack) -> None:
    prompt, began_at = new_prompt("Killed while posting"), datetime.now(UTC)
    stack.play_on_blotato(prompt, "POST /posts", {"type": "delay", "seconds": 30}, times=1)
    submitted = stack.submit(prompt, "instagram")

    wait_for(lambda: stack.list_posts(prompt), what="the post")
    assert stack.kill_workers("CreatePostFunction") >= 1
    wait_for(lambda: _is_after_a_sweep(stack, submitted.id, "in_doubt"), what="the lease of the call to end")
    wait_for(lambda: stack.list_posts(prompt)[0]["state"] == "published", what="the network")
    stack.age_posts(submitted.id, 600)
    wait_for(lambda: _is_after_a_sweep(stack, submitted.id, "published"), what="the post to be adopted")

    assert stack.retrieve(submitted.id).status is VideoStatus.COMPLETED
    assert len(stack.list_posts(prompt)) == 1
    # It is found by its caption, and by that of every other post in the list.
    written = stack.read_logs(since=began_at) + stack.read_history(submitted.id)
    assert submitted.id in written
    assert [secret for secret in (prompt, BLOTATO_KEY) if secret in written] == []


@pytest.mark.usefixtures("unhurried")
def test_killed_while_submitting_never_submits_again(stack: DeployedStack) -> None:
    prompt = new_prompt("Killed while submitting")
    stack.play_on_videos(prompt, "create", {"type": "delay", "seconds": 30}, times=1)
    submitted = stack.submit(prompt, "instagram")

    wait_for(lambda: stack.retrieve(submitted.id).stage == "submitting", what="the submission")
    assert stack.kill_workers("StartGenerationFunction") >= 1
    video = stack.follow(submitted.id)

    # The server had taken it, and lists its jobs: it is found there.
    assert (video.status, video.error) == (VideoStatus.COMPLETED, None)
    assert stack.count_accepted(prompt) == 1
    assert len(stack.list_posts(prompt)) == 1


def _is_after_a_sweep(stack: DeployedStack, video_id: str, status: str) -> bool:
    stack.sweep()
    return [post.status for post in stack.retrieve(video_id).posts] == [status]


def _asks_for_content(stack: DeployedStack, video_id: str) -> bool:
    job_ids = [attempt.provider_job_id for attempt in stack.retrieve(video_id).attempts]
    return any(call.path.endswith(f"{job_id}/content") for job_id in job_ids for call in stack.list_calls("sora"))
