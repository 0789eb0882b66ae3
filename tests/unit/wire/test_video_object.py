"""The Video object, as the openai SDK reads it and as ours adds to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from openai.types import Video as OpenAIVideo

from mediaposter.domain.errors import ErrorCode
from mediaposter.stores.approvals import Approval, Decision
from mediaposter.stores.posts import PostState
from mediaposter.stores.video_record import Candidate, Video, VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.wire.video_object import present_video
from tests.builders import NOW, VIDEO_ID, a_post, a_stored_video, a_target, a_video, an_attempt

CREATED_AT = int(NOW.timestamp())

RECORDS = {
    "queued": a_video(),
    "in_progress": a_video(
        stage=Stage.RENDERING, progress=40, attempts=(an_attempt(provider_job_id="job-1"),), rendering_since=NOW
    ),
    "failed": a_video(
        stage=Stage.RENDERING, failure=VideoFailure(code=ErrorCode.CONTENT_POLICY, message="The prompt was refused.")
    ),
    "completed": a_video(
        stage=Stage.DONE,
        progress=100,
        seconds=8,
        size="1792x1024",
        metadata={"campaign": "kites"},
        cost_micros=812_345,
        stored=a_stored_video(),
        completed_at=NOW + timedelta(seconds=90, milliseconds=700),
    ),
}


def write(video: Video, *posts: Any) -> dict[str, Any]:
    return present_video(video, posts).model_dump(mode="json")


@pytest.mark.parametrize("status", RECORDS)
def test_the_openai_sdk_reads_it_strictly(status: str) -> None:
    written = present_video(RECORDS[status], [a_post()]).model_dump_json()

    video = OpenAIVideo.model_validate_json(written, strict=True)

    assert (video.id, video.object, video.status) == (VIDEO_ID, "video", status)
    assert (video.model, video.prompt) == ("sora-2", "A red kite over the sea")
    assert video.created_at == CREATED_AT
    assert (video.expires_at, video.remixed_from_video_id) == (None, None)
    assert OpenAIVideo.model_fields.keys() <= write(RECORDS[status]).keys()


def test_the_sdk_reads_why_a_video_failed() -> None:
    video = OpenAIVideo.model_validate(write(RECORDS["failed"]), strict=True)

    assert video.error is not None
    assert (video.error.code, video.error.message) == ("content_policy", "The prompt was refused.")


def test_a_kept_video_tells_what_was_kept() -> None:
    written = write(RECORDS["completed"])

    assert (written["size_bytes"], written["sha256"]) == (1_000, "a" * 64)
    assert written["probe"] == {
        "width": 720,
        "height": 1280,
        "duration_ms": 4_000,
        "video_codec": "h264",
        "audio_codec": "aac",
        "provenance": None,
    }
    assert (written["stage"], written["metadata"]) == ("done", {"campaign": "kites"})
    assert (written["created_at"], written["completed_at"], written["seconds"]) == (CREATED_AT, CREATED_AT + 90, "8")
    assert (written["cost_usd"], written["error"], written["approval"]) == ("0.812345", None, None)
    nothing = write(RECORDS["queued"])
    assert [nothing[name] for name in ("size_bytes", "sha256", "probe", "completed_at", "cost_usd")] == [None] * 5


@pytest.mark.parametrize(
    ("micros", "dollars"), [(400_000, "0.4"), (1, "0.000001"), (12_000_000, "12"), (0, "0"), (10_000_000, "10")]
)
def test_money_is_dollars_as_text_without_a_power_of_ten(micros: int, dollars: str) -> None:
    assert write(a_video(cost_estimate_micros=micros))["cost_estimate_usd"] == dollars


def test_an_attempt_tells_the_providers_job_and_why_it_failed_and_what_it_cost() -> None:
    failure = VideoFailure(code=ErrorCode.INSUFFICIENT_CREDIT, message="Top up.")
    [failed] = write(a_video(attempts=(an_attempt(failure=failure, cost_micros=10_000),)))["attempts"]

    assert (failed["error"], failed["cost_usd"]) == ({"code": "insufficient_credit", "message": "Top up."}, "0.01")
    assert write(RECORDS["in_progress"])["attempts"] == [
        {
            "provider": "sora",
            "model": "sora-2",
            "started_at": CREATED_AT,
            "provider_job_id": "job-1",
            "error": None,
            "cost_usd": None,
        }
    ]


def test_what_differs_from_the_request_is_told_with_the_models_still_to_be_tried() -> None:
    candidate = Candidate(
        model="kite-1", provider="kites", seconds=5, size="768x1280", cost_estimate_micros=1, expected_render_seconds=50
    )

    shown = write(a_video(warnings=("seconds: 5 instead of 4",), fallbacks=(candidate,)))

    assert (shown["warnings"], shown["fallback_models"]) == (["seconds: 5 instead of 4"], ["kite-1"])


def test_a_post_tells_where_it_stands() -> None:
    post = a_post(
        a_target("tiktok"),
        state=PostState.PUBLISHED,
        public_url="https://network.example/1",
        submission_id="s-1",
        submitted_at=NOW,
    )

    assert write(RECORDS["completed"], post)["posts"] == [
        {
            "object": "video.post",
            "video_id": VIDEO_ID,
            "platform": "tiktok",
            "account_id": "101",
            "status": "published",
            "url": "https://network.example/1",
            "text": "A red kite over the sea",
            "scheduled_time": None,
            "submitted_at": CREATED_AT,
            "error": None,
        }
    ]


def test_a_post_tells_the_time_that_was_asked_for_unless_it_failed() -> None:
    target = a_target(scheduled_time="2026-12-24T18:00:00Z")
    posts = write(RECORDS["queued"], a_post(target), a_post(target, state=PostState.FAILED))["posts"]

    assert [post["scheduled_time"] for post in posts] == ["2026-12-24T18:00:00Z", None]


def test_an_approval_tells_how_it_stands_and_not_what_the_machine_waits_on() -> None:
    approval = Approval(
        video_id=VIDEO_ID,
        decision=Decision.APPROVED,
        asked_at=NOW,
        expires_at=NOW + timedelta(hours=24),
        decided_at=NOW + timedelta(seconds=1, milliseconds=700),
        decided_by="key_of_ann",
        decided_by_name="Ann",
        comment="Nice.",
        task_token="secret",
    )

    assert present_video(RECORDS["completed"], [], approval).model_dump(mode="json")["approval"] == {
        "status": "approved",
        "expires_at": CREATED_AT + 24 * 3_600,
        "decided_at": CREATED_AT + 1,
        "decided_by": {"id": "key_of_ann", "name": "Ann"},
        "comment": "Nice.",
    }


@pytest.mark.parametrize(("code", "written"), [(ErrorCode.AUTHENTICATION, "authentication"), (None, "unconfirmed")])
def test_a_post_tells_what_went_wrong_or_that_it_is_unknown(code: ErrorCode | None, written: str) -> None:
    post = a_post(state=PostState.IN_DOUBT, error_code=code, error_message="It may be public.")

    assert write(a_video(), post)["posts"][0]["error"] == {"code": written, "message": "It may be public."}


def test_no_address_of_the_publishers_copy_is_shown() -> None:
    post = a_post(state=PostState.CALLING, media_url="https://media.example/secret")

    assert "secret" not in present_video(a_video(), [post]).model_dump_json()
