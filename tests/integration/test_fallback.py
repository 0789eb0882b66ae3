"""What becomes of a video whose model does not deliver, on the deployed stack."""

from __future__ import annotations

from pydantic import JsonValue

from mediaposter.ai.video_model_interface import VideoStatus
from tests.integration.stack import DeployedStack, new_prompt

GONE: JsonValue = {"error": "Model gen4.5 is no longer available."}
NO_CREDIT: JsonValue = {"error": {"code": 402, "status": "FAILED_PRECONDITION", "message": "Billing is disabled."}}


def test_the_first_is_gone_the_second_has_no_credit_and_the_third_delivers(stack: DeployedStack) -> None:
    prompt = new_prompt("A chain")
    stack.play_on("runway", prompt, "create", {"type": "respond", "status": 404, "body": GONE})
    stack.play_on("gemini", prompt, "create", {"type": "respond", "status": 402, "body": NO_CREDIT})

    sent = stack.submit(
        prompt, "instagram", model="gen4.5", fallback_models=["gemini-omni-1.2-flash", "sora-2"], size="720x1280"
    )
    video = stack.follow(sent.id)

    assert (sent.fallback_models, video.fallback_models) == (["gemini-omni-1.2-flash", "sora-2"], [])
    assert (video.status, video.error, video.model) == (VideoStatus.COMPLETED, None, "gen4.5")
    assert [(attempt.model, attempt.error and attempt.error.code, attempt.cost_usd) for attempt in video.attempts] == [
        ("gen4.5", "model_not_found", "0"),
        ("gemini-omni-1.2-flash", "insufficient_credit", "0"),
        ("sora-2", None, None),
    ]
    assert [stack.count_accepted(prompt, provider=name) for name in ("runway", "gemini", "sora")] == [0, 0, 1]
    assert (video.resolved_model, video.cost_estimate_usd) == ("sora-2", "0.4")
    assert [post.status for post in video.posts] == ["published"]


def test_an_owner_can_have_a_lost_submission_sent_again(stack: DeployedStack) -> None:
    prompt = new_prompt("Lost for good")
    stack.play_on("runway", prompt, "create", {"type": "accept_then_drop"}, times=1)

    video = stack.follow(stack.submit(prompt, model="gen4.5", resubmit=True, size="720x1280").id)

    assert video.status is VideoStatus.COMPLETED
    assert stack.count_accepted(prompt, provider="runway") == 2, "the risk that the owner took"
    assert video.warnings == ["resubmit: a submission to runway was lost and sent again."]


def test_an_alias_makes_the_nearest_video_and_says_what_is_different(stack: DeployedStack) -> None:
    video = stack.follow(stack.submit(new_prompt("Near"), model="house-model", seconds="12", size="1024x1792").id)

    assert (video.resolved_model, video.seconds, video.size) == ("gen4.5", "10", "720x1280")
    assert video.warnings == [
        "seconds: gen4.5 makes no video of 12 seconds; it becomes 10.",
        "size: gen4.5 makes no video of 1024x1792; it becomes 720x1280.",
    ]
    assert video.cost_estimate_usd == "1.5", "the price of this stack's own catalog"
