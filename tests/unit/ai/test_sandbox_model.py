"""The local world's own model: the wire of `sora`, without a key."""

from __future__ import annotations

import pytest

from mediaposter.ai.catalog import Catalog, CatalogEntry
from mediaposter.ai.sandbox_model import SandboxVideoModel
from mediaposter.ai.video_model_factory import create_video_model
from mediaposter.ai.video_model_interface import VideoGenerationRequest
from mediaposter.domain.errors import ConfigurationError
from sandbox.world import VIDEOS_KEY
from tests.fakes.provider import Host, read_reply, row

BASE_URL = "http://127.0.0.1:4010/v1"
REQUEST = VideoGenerationRequest(prompt="A lake")


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SANDBOX_API_KEY", "SANDBOX_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


def sandbox_row() -> CatalogEntry:
    return row("sora-2").model_copy(update={"name": "sandbox-1", "provider": "sandbox"})


def sandbox_catalog() -> Catalog:
    return Catalog(models={"sandbox-1": sandbox_row()})


def test_without_a_key_the_one_that_the_local_world_lets_in_is_sent() -> None:
    server = Host(read_reply("sora", "openai_created"))
    SandboxVideoModel(entry=sandbox_row(), base_url=BASE_URL, http_client=server.client()).create_video(REQUEST)
    assert server.calls == ["POST /v1/videos"]
    assert server.requests[0].headers["authorization"] == f"Bearer {VIDEOS_KEY}"


def test_a_key_that_is_given_is_sent() -> None:
    server = Host(read_reply("sora", "openai_created"))
    model = SandboxVideoModel(entry=sandbox_row(), api_key="sk-other", base_url=BASE_URL, http_client=server.client())
    model.create_video(REQUEST)
    assert server.requests[0].headers["authorization"] == "Bearer sk-other"


def test_without_an_address_it_says_which_variable_to_set() -> None:
    with pytest.raises(ConfigurationError, match="The provider sandbox needs SANDBOX_BASE_URL in the environment"):
        create_video_model("sandbox", catalog=sandbox_catalog())
