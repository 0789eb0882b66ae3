"""Records and requests with defaults, so that a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from mediaposter.ai.catalog import parse_catalog
from mediaposter.ai.video_model_interface import VideoGenerationJob, VideoStatus
from mediaposter.media.inspection import Inspection
from mediaposter.media.probe import Probe
from mediaposter.publishing.targets import AnyTarget, PublishTarget
from mediaposter.stores.keys import Scope
from mediaposter.stores.media import StoredVideo
from mediaposter.stores.posts import Post
from mediaposter.stores.video_record import Attempt, Reservation, Video
from mediaposter.wire.caller import Caller
from mediaposter.wire.requests import CreateVideoRequest

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
VIDEO_ID = "video_1"
OWNER = "key_of_the_test"
CATALOG = parse_catalog(
    """
    [models.sora-2]
    provider = "sora"
    durations_seconds = [4, 8]
    sizes = ["720x1280", "1280x720"]
    price_usd_per_second = { "720" = "0.10" }
    expected_render_seconds = 100
    options = { seed = { type = "integer" }, guidance = { type = "number" } }

    [models.kite-1]
    provider = "kites"
    durations_seconds = [5, 10]
    sizes = ["768x1280", "1280x768"]
    price_usd_per_second = { "768" = "0.20" }
    expected_render_seconds = 50
    capabilities = { extend = true }
    extended_seconds_max = 20
    options = { seed = { type = "integer", max = 99 } }

    [models.glider-1]
    provider = "gliders"
    durations_seconds = { min = 3, max = 15 }
    sizes = ["720x1280", "1280x720"]
    price_usd_per_second = { "720" = "0.05" }
    expected_render_seconds = 50
    retires_on = 2027-01-01
    replaced_by = "kite-1"

    [aliases]
    sora-2-pro = "kite-1"

    [gone]
    balloon-1 = { retired_on = 2026-09-24, replaced_by = "kite-1" }
    """
)

# What a video of the builder was promised of its day.
RESERVATION = Reservation(on=NOW.date(), micros=400_000)

_TARGET: TypeAdapter[AnyTarget] = TypeAdapter(AnyTarget)


def a_target(platform: str = "twitter", account_id: str = "101", **fields: object) -> PublishTarget:
    """Build a target; TikTok and the others get what they require."""
    required: dict[str, dict[str, object]] = {
        "facebook": {"page_id": "12345"},
        "tiktok": {"privacy_level": "PUBLIC_TO_EVERYONE"},
        "youtube": {"title": "A film"},
        "pinterest": {"board_id": "board-1"},
    }
    return _TARGET.validate_python(
        {"platform": platform, "account_id": account_id, **required.get(platform, {}), **fields}
    )


def a_caller(**changes: Any) -> Caller:
    """Build a caller who may do everything but see what is others'."""
    scopes = frozenset({Scope.READ, Scope.CREATE, Scope.PUBLISH, Scope.APPROVE})
    return Caller.model_validate({"owner": OWNER, "scopes": scopes, **changes})


def a_request(**changes: Any) -> CreateVideoRequest:
    """Build a request for a four-second video without posts."""
    return CreateVideoRequest.model_validate({"prompt": "A red kite over the sea", **changes})


def a_video(**changes: Any) -> Video:
    """Build a new record."""
    fields = {
        "id": VIDEO_ID,
        "owner": OWNER,
        "created_at": NOW,
        "updated_at": NOW,
        "prompt": "A red kite over the sea",
        "model": "sora-2",
        "resolved_model": "sora-2",
        "provider": "sora",
        "seconds": 4,
        "size": "720x1280",
        "cost_estimate_micros": 400_000,
        "expected_render_seconds": 100,
    }
    return Video.model_validate({**fields, **changes})


def an_attempt(**changes: Any) -> Attempt:
    """Build a submission to the provider."""
    return Attempt.model_validate(
        {"provider": "sora", "model": "sora-2", "started_at": NOW, "estimate_micros": 400_000, **changes}
    )


def a_stored_video(video_id: str = VIDEO_ID) -> StoredVideo:
    """Build what is known of a kept MP4."""
    return StoredVideo(
        key=f"videos/{video_id}/video.mp4",
        thumbnail_key=f"videos/{video_id}/thumbnail.webp",
        spritesheet_key=f"videos/{video_id}/spritesheet.jpg",
        size_bytes=1_000,
        sha256="a" * 64,
        probe=Probe(width=720, height=1280, duration_ms=4_000, video_codec="h264", audio_codec="aac"),
    )


def an_inspection() -> Inspection:
    """Build what a decoder says of that MP4."""
    return Inspection(probe=a_stored_video().probe, thumbnail=b"RIFF", spritesheet=b"\xff\xd8")


def a_post(target: PublishTarget | None = None, **changes: Any) -> Post:
    """Build a post that waits to be made."""
    fields = {
        "video_id": VIDEO_ID,
        "target": target or a_target(),
        "text": "A red kite over the sea",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Post.model_validate({**fields, **changes})


def a_job(status: VideoStatus = VideoStatus.IN_PROGRESS, **changes: Any) -> VideoGenerationJob:
    """Build a provider's answer about its first job."""
    return VideoGenerationJob.model_validate({"job_id": "job-1", "status": status, **changes})
