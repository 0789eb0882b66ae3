"""What refusals and faults of a provider become; which there are, tests/unit/ai and tests/unit/usecases ask."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from mediaposter.ai.video_model_interface import VideoStatus
from tests.integration.stack import DeployedStack, new_prompt


def respond(status: int, code: str | None = None, **headers: JsonValue) -> dict[str, JsonValue]:
    body: JsonValue = {"error": {"message": "The vendor's own sentence.", "type": "x", "param": None, "code": code}}
    return {"type": "respond", "status": status, "headers": headers, "body": body}


def test_a_refusal_fails_the_video_once_and_posts_nothing(stack: DeployedStack) -> None:
    prompt = new_prompt("Refused")
    stack.play_on_videos(prompt, "create", respond(400, "moderation_blocked"))

    video = stack.follow(stack.submit(prompt, "instagram").id)

    assert video.status is VideoStatus.FAILED
    assert video.error is not None
    assert video.error.code == "content_policy"
    assert [post.status for post in video.posts] == ["failed"]
    assert stack.list_posts(prompt) == []
    assert stack.count_accepted(prompt) == 0


def test_a_job_behind_a_500_is_found_in_the_provider_s_list_and_not_paid_for_again(stack: DeployedStack) -> None:
    prompt = new_prompt("Taken")
    stack.play_on_videos(prompt, "create", {"type": "accept_then_respond", "status": 500})

    video = stack.follow_beyond_its_time(stack.submit(prompt, "instagram").id)

    assert video.status is VideoStatus.COMPLETED
    assert len(stack.list_posts(prompt)) == 1
    assert stack.count_accepted(prompt) == 1


def test_a_file_that_is_not_a_whole_mp4_is_never_kept(stack: DeployedStack) -> None:
    prompt = new_prompt("Broken file")
    stack.play_on_videos(prompt, "content", {"type": "truncate_silently", "after_bytes": 2000})

    video = stack.follow_beyond_its_time(stack.submit(prompt, "instagram").id)

    assert video.status is VideoStatus.FAILED
    assert video.error is not None
    assert stack.list_versions(video.id) == []
    assert stack.count_uploads_in_progress(video.id) == 0
    assert stack.list_posts(prompt) == []


@pytest.mark.parametrize(
    ("on", "action"),
    [("retrieve", respond(500)), ("content", {"type": "truncate", "after_bytes": 2000})],
    ids=["a question", "the download"],
)
def test_a_passing_fault_never_costs_a_render(stack: DeployedStack, on: str, action: dict[str, JsonValue]) -> None:
    prompt = new_prompt("Passing fault")
    stack.play_on_videos(prompt, on, action, times=1)

    video = stack.follow(stack.submit(prompt, "instagram").id)

    assert video.status is VideoStatus.COMPLETED
    assert [post.status for post in video.posts] == ["published"]
    assert stack.count_accepted(prompt) == 1
