"""Asking fal for Pika's models; how fal is spoken to is tested in test_fal_model."""

from __future__ import annotations

import httpx

from mediaposter.ai.pika_model import PikaVideoModel
from mediaposter.ai.video_model_factory import create_video_model, find_model_class
from mediaposter.ai.video_model_interface import VideoGenerationRequest
from tests.fakes.provider import Host, Internet, read_reply, row

KEY = "key-id:key-secret"


def recorded(name: str) -> httpx.Response:
    return read_reply("pika", name)


def build(server: Host) -> PikaVideoModel:
    return PikaVideoModel(entry=row("pika-2.2"), api_key=KEY, http_client=server.client(), internet=Internet().way)


def test_pika_is_found_by_its_name_and_not_fals() -> None:
    assert find_model_class("pika") is PikaVideoModel
    model = create_video_model("pika", api_key=KEY)
    assert (model.provider, model.model_variant, model.base_url) == ("pika", "pika-2.2", "https://queue.fal.run")


def test_a_text_is_sent_to_pika_at_fal() -> None:
    server = Host(recorded("created"))
    request = VideoGenerationRequest(prompt="A lake", width=1080, height=1350, duration_seconds=10)
    build(server).create_video(request)
    assert server.calls == ["POST /fal-ai/pika/v2.2/text-to-video"]
    assert server.requests[0].headers["authorization"] == f"Key {KEY}"
    assert server.sent_body == {"prompt": "A lake", "duration": 10, "aspect_ratio": "4:5", "resolution": "1080p"}
