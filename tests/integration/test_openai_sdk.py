"""Every method of `client.videos`, by the unchanged SDK and nothing else, sync and async, on the deployed stack."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai.types import Video
from PIL import Image

from tests.integration.stack import DeployedStack, new_prompt

# The pictures have the size of the video, as OpenAI wants it.
SIZE = (720, 1280)


@pytest.fixture
def client(stack: DeployedStack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=stack.world.stack.base_url, api_key=stack.world.stack.api_key, _strict_response_validation=True
    ) as client:
        yield client


def draw_picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", SIZE, "teal").save(file, "PNG")
    return file.getvalue()


def make_video(client: openai.OpenAI, **fields: str) -> Video:
    return client.videos.create_and_poll(prompt=new_prompt("By the SDK"), **fields)  # type: ignore[arg-type]  # text all


def measure(video: Video) -> tuple[int, int, int]:
    """Tell the width, height and seconds that the kept MP4 has."""
    probe = (video.model_extra or {})["probe"]
    return probe["width"], probe["height"], round(probe["duration_ms"] / 1000)


def test_a_video_is_created_polled_retrieved_and_listed(client: openai.OpenAI) -> None:
    created = client.videos.create(prompt=new_prompt("A start"), model="sora-2", seconds="4", size="720x1280")
    assert (created.object, created.model, created.seconds, created.size) == ("video", "sora-2", "4", "720x1280")
    assert created.status in ("queued", "in_progress")

    polled = client.videos.poll(created.id)
    retrieved = client.videos.retrieve(created.id)

    assert (polled.status, retrieved.status, retrieved.progress) == ("completed", "completed", 100)
    assert retrieved.completed_at is not None
    assert created.id in [video.id for video in client.videos.list()]


@pytest.mark.parametrize("form", ["file", "upload"])
def test_a_picture_comes_as_a_file_or_an_upload(client: openai.OpenAI, form: str) -> None:
    picture = draw_picture()
    prompt = new_prompt("From a picture")
    if form == "file":
        video = client.videos.create_and_poll(prompt=prompt, input_reference=("a.png", picture, "image/png"))
    else:
        upload = client.post(
            "/uploads", body={"content_type": "image/png", "size_bytes": len(picture)}, cast_to=dict[str, object]
        )
        put = client._client.put(str(upload["url"]), content=picture, headers=dict(upload["headers"]))  # type: ignore[call-overload]
        assert put.is_success, put.text
        created = client.videos.create(prompt=prompt, extra_body={"input_reference": {"upload_id": upload["id"]}})
        video = client.videos.poll(created.id)

    assert video.error is None, video.error
    assert video.status == "completed"


def test_a_list_pages_by_itself_in_both_directions(client: openai.OpenAI) -> None:
    made = [client.videos.create(prompt=new_prompt("One of three")).id for _ in range(3)]

    newest = [video.id for video, _ in zip(client.videos.list(limit=1, order="desc"), range(50), strict=False)]
    oldest = [video.id for video in client.videos.list(limit=2, order="asc")]

    assert [video_id for video_id in newest if video_id in made] == made[::-1]
    assert [video_id for video_id in oldest if video_id in made] == made
    assert oldest == sorted(oldest)


def test_each_variant_is_downloaded(client: openai.OpenAI, tmp_path: Path) -> None:
    video = make_video(client)

    for variant, beginning in (("video", b"ftyp"), ("thumbnail", b"RIFF"), ("spritesheet", b"\xff\xd8\xff")):
        content = client.videos.download_content(video.id, variant=variant)  # type: ignore[arg-type]  # a literal
        content.write_to_file(tmp_path / "whole")
        with client.videos.with_streaming_response.download_content(video.id, variant=variant) as streamed:  # type: ignore[arg-type]
            streamed.stream_to_file(tmp_path / "streamed")
        assert beginning in (tmp_path / "whole").read_bytes()[:8]
        assert (tmp_path / "whole").read_bytes() == (tmp_path / "streamed").read_bytes()


def test_a_finished_video_is_remixed(client: openai.OpenAI) -> None:
    video = make_video(client)

    remixed = client.videos.poll(client.videos.remix(video.id, prompt=new_prompt("At night")).id)

    assert (remixed.status, remixed.remixed_from_video_id) == ("completed", video.id)


def test_a_finished_video_is_edited_and_extended_by_its_id(client: openai.OpenAI) -> None:
    # Neither the shape nor the length that Google makes by itself.
    video = make_video(client, model="gemini-omni-1.2-flash", size="720x1280", seconds="4")
    # The SDK's type says `video={"id": …}`, and its encoder refuses that: the id goes in extra_body, beside a stand-in.
    named = {"video": {"id": video.id}}

    edited = client.videos.edit(prompt=new_prompt("Bluer"), video=b"-", extra_body=named)
    extended = client.videos.extend(prompt=new_prompt("And on"), seconds="4", video=b"-", extra_body=named)

    changed, whole = client.videos.poll(edited.id), client.videos.poll(extended.id)
    assert (changed.status, changed.seconds, changed.size) == ("completed", "4", "720x1280")
    assert (whole.status, whole.seconds, whole.size) == ("completed", "8", "720x1280")
    assert (measure(changed), measure(whole)) == ((720, 1280, 4), (720, 1280, 8))


def test_characters_are_not_offered(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="No model here offers characters"):
        client.videos.create_character(name="Ann", video=b"-")
    with pytest.raises(openai.BadRequestError, match="No model here offers characters"):
        client.videos.get_character("char_1")


def test_a_video_is_deleted(client: openai.OpenAI) -> None:
    video = make_video(client)

    deleted = client.videos.delete(video.id)

    assert (deleted.id, deleted.deleted, deleted.object) == (video.id, True, "video.deleted")
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(video.id)
    assert video.id not in [listed.id for listed in client.videos.list(limit=100)]


def test_a_running_video_is_deleted_too(client: openai.OpenAI) -> None:
    created = client.videos.create(prompt=new_prompt("Never mind"))

    assert client.videos.delete(created.id).deleted


def test_models_are_listed(client: openai.OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}

    assert {"sora-2", "gemini-omni-1.2-flash", "house-wan"} <= models.keys()
    assert models["house-model"].to_dict()["alias_of"] == "gen4.5"


def test_a_refusal_is_the_sdks_own_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.videos.create(prompt="A kite", model="sora-9")

    error = refusal.value
    assert (error.param, error.code, error.type) == ("model", "model_not_found", "invalid_request_error")
    assert error.message


def test_the_async_client_does_the_same(stack: DeployedStack) -> None:
    async def use() -> None:
        async with openai.AsyncOpenAI(
            base_url=stack.world.stack.base_url, api_key=stack.world.stack.api_key, _strict_response_validation=True
        ) as client:
            video = await client.videos.create_and_poll(prompt=new_prompt("Async"))
            assert video.status == "completed"
            assert (await client.videos.retrieve(video.id)).id == video.id
            assert video.id in [listed.id async for listed in client.videos.list(limit=2)]
            content = await client.videos.download_content(video.id, variant="thumbnail")
            assert (await content.aread())[:4] == b"RIFF"
            remixed = await client.videos.remix(video.id, prompt="Again")
            assert (await client.videos.poll(remixed.id)).status == "completed"
            assert (await client.videos.delete(video.id)).deleted
            with pytest.raises(openai.NotFoundError):
                await client.videos.retrieve(video.id)

    asyncio.run(use())
