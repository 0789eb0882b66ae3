"""What a provider's refusals and faults become: a shared code, a sentence, and no post."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from mediaposter.ai.video_model_interface import VideoStatus
from tests.integration.stack import DeployedStack, new_prompt

ENVELOPE: dict[str, JsonValue] = {"error": {"message": "The vendor's own sentence.", "type": "x", "param": None}}


def respond(status: int, code: str | None = None, **headers: JsonValue) -> dict[str, JsonValue]:
    body: JsonValue = {"error": {"message": "The vendor's own sentence.", "type": "x", "param": None, "code": code}}
    return {"type": "respond", "status": status, "headers": headers, "body": body}


CREATE_REFUSALS: dict[str, tuple[dict[str, JsonValue], str]] = {
    "400 by moderation": (respond(400, "moderation_blocked"), "content_policy"),
    "429 for ever": (respond(429, **{"Retry-After": "1"}), "rate_limited"),
    "500": (respond(500), "submission_unknown"),
    "never finished": ({"type": "never_finish"}, "timeout"),
    "a failed job behind a 500": ({"type": "vllm_failed"}, "provider_error"),
}

CONTENT_FAULTS: dict[str, dict[str, JsonValue]] = {
    "truncated without a length": {"type": "truncate_silently", "after_bytes": 2000},
    "gone": {"type": "respond", "status": 404, "body": ENVELOPE},
}


@pytest.mark.parametrize("what", CREATE_REFUSALS)
def test_a_refusal_fails_the_video_once_and_posts_nothing(stack: DeployedStack, what: str) -> None:
    action, code = CREATE_REFUSALS[what]
    prompt = new_prompt("Refused")
    stack.play_on_videos(prompt, "create", action)

    video = stack.follow_beyond_its_time(stack.submit(prompt, "instagram").id)

    assert video.status is VideoStatus.FAILED
    assert video.error is not None
    assert video.error.code == code
    assert len(video.error.message) > 10
    assert [post.status for post in video.posts] == ["failed"]
    assert stack.list_posts(prompt) == []
    assert stack.count_accepted(prompt) <= 1


def test_a_job_behind_a_500_is_found_in_the_provider_s_list_and_not_paid_for_again(stack: DeployedStack) -> None:
    prompt = new_prompt("Taken")
    stack.play_on_videos(prompt, "create", {"type": "accept_then_respond", "status": 500})

    video = stack.follow_beyond_its_time(stack.submit(prompt, "instagram").id)

    assert video.status is VideoStatus.COMPLETED
    assert len(stack.list_posts(prompt)) == 1
    assert stack.count_accepted(prompt) == 1


@pytest.mark.parametrize("what", CONTENT_FAULTS)
def test_a_file_that_is_not_a_whole_mp4_is_never_kept(stack: DeployedStack, what: str) -> None:
    prompt = new_prompt("Broken file")
    stack.play_on_videos(prompt, "content", CONTENT_FAULTS[what])

    video = stack.follow_beyond_its_time(stack.submit(prompt, "instagram").id)

    assert video.status is VideoStatus.FAILED
    assert video.error is not None
    assert stack.list_versions(video.id) == []
    assert stack.count_uploads_in_progress(video.id) == 0
    assert stack.list_posts(prompt) == []


@pytest.mark.parametrize(
    ("on", "action", "times"),
    [
        ("create", respond(429, **{"Retry-After": "2"}), 2),
        ("retrieve", respond(500), 3),
        ("retrieve", respond(429, **{"Retry-After": "3"}), 3),
        ("retrieve", respond(401), 3),
        ("retrieve", {"type": "respond", "status": 200, "body": "garbage"}, 3),
        ("retrieve", {"type": "drop"}, 3),
        ("retrieve", {"type": "status", "status": "processing"}, 3),
        ("content", respond(503), 2),
        ("content", {"type": "truncate", "after_bytes": 2000}, 1),
        ("content", {"type": "moov_last"}, None),
    ],
    ids=str,
)
def test_a_passing_fault_never_costs_a_render(
    stack: DeployedStack, on: str, action: dict[str, JsonValue], times: int | None
) -> None:
    prompt = new_prompt("Passing fault")
    if action["type"] == "moov_last":
        stack.play_on_videos(prompt, "create", action)
    else:
        stack.play_on_videos(prompt, on, action, times=times)

    video = stack.follow(stack.submit(prompt, "instagram").id)

    assert video.status is VideoStatus.COMPLETED
    assert [post.status for post in video.posts] == ["published"]
    assert stack.count_accepted(prompt) == 1
