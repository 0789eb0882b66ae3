"""What becomes of a video whose provider does not deliver: a code and a sentence, or another model."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from tests.conformance.stack import Stack, list_states
from tests.integration.stack import new_prompt

pytestmark = pytest.mark.both


def respond(status: int, code: str | None = None, **headers: JsonValue) -> dict[str, JsonValue]:
    body: JsonValue = {"error": {"message": "The vendor's own sentence.", "type": "x", "param": None, "code": code}}
    return {"type": "respond", "status": status, "headers": headers, "body": body}


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (respond(400, "moderation_blocked"), "content_policy"),
        ({"type": "vllm_failed"}, "provider_error"),
    ],
    ids=["moderation", "a failed job behind a 500"],
)
def test_a_refusal_fails_the_video_and_posts_nothing(stack: Stack, action: dict[str, JsonValue], code: str) -> None:
    prompt = new_prompt("Refused")
    stack.play_on("sora", prompt, "create", action)

    video = stack.follow(stack.submit(prompt, "instagram")["id"])

    assert (video["status"], video["error"]["code"], list_states(video)) == ("failed", code, {"instagram": "failed"})
    assert len(video["error"]["message"]) > 10
    assert stack.list_posts(prompt) == []
    assert stack.count_jobs(prompt) <= 1


@pytest.mark.parametrize(
    ("on", "action", "times"),
    [
        ("retrieve", respond(500), 3),
        ("content", {"type": "truncate", "after_bytes": 2000}, 1),
    ],
    ids=["a status that fails", "a file that is cut off"],
)
def test_a_passing_fault_never_costs_a_render(stack: Stack, on: str, action: dict[str, JsonValue], times: int) -> None:
    prompt = new_prompt("Passing fault")
    stack.play_on("sora", prompt, on, action, times=times)

    video = stack.follow(stack.submit(prompt, "instagram")["id"])

    assert (video["error"], list_states(video)) == (None, {"instagram": "published"})
    assert stack.count_jobs(prompt) == 1


def test_a_model_without_credit_is_followed_by_the_next(stack: Stack) -> None:
    prompt = new_prompt("A chain")
    no_credit: JsonValue = {"error": {"code": 402, "status": "FAILED_PRECONDITION", "message": "Billing is disabled."}}
    stack.play_on("gemini", prompt, "create", {"type": "respond", "status": 402, "body": no_credit})

    sent = stack.submit(prompt, model="gemini-omni-1.2-flash", fallback_models=["sora-2"], size="720x1280")
    video = stack.follow(sent["id"])

    attempts = [(attempt["model"], attempt["error"] and attempt["error"]["code"]) for attempt in video["attempts"]]
    assert attempts == [("gemini-omni-1.2-flash", "insufficient_credit"), ("sora-2", None)]
    assert (video["error"], video["model"], video["resolved_model"]) == (None, "gemini-omni-1.2-flash", "sora-2")
    assert [stack.count_jobs(prompt, vendor) for vendor in ("gemini", "sora")] == [0, 1]
