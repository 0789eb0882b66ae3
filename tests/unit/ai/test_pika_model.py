"""Asking fal for Pika's models; how fal is spoken to is tested in test_fal_model."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import pytest

from mediaposter.ai.pika_model import PikaVideoModel
from mediaposter.ai.video_model_factory import create_video_model, find_model_class
from mediaposter.ai.video_model_interface import VideoGenerationJob, VideoGenerationRequest, VideoStatus
from mediaposter.errors import ErrorCode, VideoModelError
from tests.fakes.provider import Host, Internet, read_reply, row

KEY = "key-id:key-secret"
REQUEST_PATH = "/fal-ai/pika/requests/764cabcf-b745-4b3e-ae38-1200304cf45b"
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"


def recorded(name: str) -> httpx.Response:
    return read_reply("pika", name)


def build(server: Host) -> PikaVideoModel:
    return PikaVideoModel(entry=row("pika-2.2"), api_key=KEY, http_client=server.client(), internet=Internet().way)


def test_pika_is_found_by_its_name_and_not_fals() -> None:
    assert find_model_class("pika") is PikaVideoModel
    model = create_video_model("pika", api_key=KEY)
    assert (model.provider, model.model_variant, model.base_url) == ("pika", "pika-2.2", "https://queue.fal.run")


def test_pikas_key_and_address_are_fals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_KEY", KEY)
    monkeypatch.setenv("FAL_BASE_URL", "https://queue.falrun.com")
    model = create_video_model("pika")
    assert (model.api_key, model.base_url) == (KEY, "https://queue.falrun.com")


def test_a_text_is_sent_to_pika_at_fal() -> None:
    server = Host(recorded("created"))
    request = VideoGenerationRequest(prompt="A lake", width=1080, height=1350, duration_seconds=10)
    build(server).create_video(request)
    assert server.calls == ["POST /fal-ai/pika/v2.2/text-to-video"]
    assert server.requests[0].headers["authorization"] == f"Key {KEY}"
    assert server.sent_body == {"prompt": "A lake", "duration": 10, "aspect_ratio": "4:5", "resolution": "1080p"}


def test_a_first_frame_gives_the_video_its_shape(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    server = Host(recorded("created"))
    request = VideoGenerationRequest(prompt="A lake", duration_seconds=5, input_image=str(path))
    build(server).create_video(request)
    assert server.calls == ["POST /fal-ai/pika/v2.2/image-to-video"]
    assert server.sent_body == {
        "prompt": "A lake",
        "duration": 5,
        "resolution": "720p",
        "image_url": "data:image/png;base64," + base64.b64encode(PNG).decode(),
    }


def test_a_last_frame_is_refused() -> None:
    server = Host(recorded("created"))
    request = VideoGenerationRequest(prompt="A lake", input_image="a.png", last_frame_image="b.png")
    with pytest.raises(VideoModelError, match="no picture as last frame") as raised:
        build(server).create_video(request)
    assert raised.value.code is ErrorCode.INVALID_REQUEST
    assert server.requests == []


def test_a_video_of_pikas_is_followed_to_its_end() -> None:
    server = Host(*map(recorded, ("created", "in_queue", "in_progress", "completed", "result")))
    model = build(server)
    job = model.create_video(VideoGenerationRequest(prompt="A lake", duration_seconds=5))
    assert model.get_status(job.job_id).status is VideoStatus.QUEUED
    assert model.get_status(job.job_id).status is VideoStatus.IN_PROGRESS
    assert model.get_status(job.job_id) == VideoGenerationJob(
        job_id=job.job_id,
        status=VideoStatus.COMPLETED,
        video_url="https://v3b.fal.media/files/b/0a8d04e2/idOb9V-Q9ujlggPSKqsfS_output.mp4",
    )
    assert server.calls[1:] == [f"GET {REQUEST_PATH}/status"] * 3 + [f"GET {REQUEST_PATH}"]


def test_a_video_that_pika_refuses_fails() -> None:
    server = Host(*map(recorded, ("created", "completed", "result_blocked")))
    model = build(server)
    job_id = model.create_video(VideoGenerationRequest(prompt="A lake", duration_seconds=5)).job_id
    job = model.get_status(job_id)
    assert (job.status, job.error_code) == (VideoStatus.FAILED, ErrorCode.CONTENT_POLICY)
