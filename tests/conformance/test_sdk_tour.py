"""Every method of `client.videos`, by the unchanged SDK and nothing else, sync and async."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx
import openai
import pytest
from openai.types import Video
from PIL import Image

from mediaposter.stores.keys import Scope
from tests.conformance.stack import POLL_MS, Stack
from tests.integration.stack import new_prompt

pytestmark = pytest.mark.both(always=True)

Variant = Literal["video", "thumbnail", "spritesheet"]


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    with stack.sdk() as client:
        yield client


@pytest.fixture(scope="module")
def kept(client: openai.OpenAI) -> Video:
    """Make a video that the cases read; none changes it."""
    video = client.videos.create_and_poll(
        prompt=new_prompt("By the SDK"), model="sora-2", seconds="4", size="720x1280", poll_interval_ms=POLL_MS
    )
    assert video.error is None, video.error
    return video


def draw_picture() -> bytes:
    """Draw a picture of just the size of the video, as OpenAI wants it."""
    file = io.BytesIO()
    Image.new("RGB", (720, 1280), "teal").save(file, "PNG")
    return file.getvalue()


def measure(video: Video) -> tuple[int, int, int]:
    """Tell the width, height and seconds that the kept MP4 has."""
    probe = (video.model_extra or {})["probe"]
    return probe["width"], probe["height"], round(probe["duration_ms"] / 1000)


def test_a_video_is_created_polled_and_retrieved(client: openai.OpenAI, kept: Video) -> None:
    retrieved = client.videos.retrieve(kept.id)

    assert (kept.object, kept.model, kept.seconds, kept.size) == ("video", "sora-2", "4", "720x1280")
    assert (kept.status, retrieved.status, retrieved.progress) == ("completed", "completed", 100)
    assert measure(retrieved) == (720, 1280, 4)
    assert retrieved.completed_at is not None


@pytest.mark.parametrize("form", ["file", "upload"])
def test_a_picture_comes_as_a_file_or_an_upload(client: openai.OpenAI, form: str) -> None:
    picture, prompt = draw_picture(), new_prompt("From a picture")
    if form == "file":
        created = client.videos.create(prompt=prompt, input_reference=("a.png", picture, "image/png"))
    else:
        upload = client.post(
            "/uploads", body={"content_type": "image/png", "size_bytes": len(picture)}, cast_to=dict[str, object]
        )
        put = httpx.put(str(upload["url"]), content=picture, headers=dict(upload["headers"]))  # type: ignore[call-overload]
        assert put.is_success, put.text
        created = client.videos.create(prompt=prompt, extra_body={"input_reference": {"upload_id": upload["id"]}})

    video = client.videos.poll(created.id, poll_interval_ms=POLL_MS)

    assert (video.status, video.error) == ("completed", None)


def test_a_list_pages_by_itself_in_both_directions(stack: Stack) -> None:
    with stack.sdk(stack.make_key(Scope.READ, Scope.CREATE)) as client:
        made = [client.videos.create(prompt=new_prompt("One of three")).id for _ in range(3)]

        newest = [video.id for video in client.videos.list(limit=1, order="desc")]
        oldest = [video.id for video in client.videos.list(limit=2, order="asc")]
        after = [video.id for video in client.videos.list(after=made[0], order="asc")]

        assert (newest, oldest, after) == (made[::-1], made, made[1:])
        # Those that still run are deleted like any other.
        assert all(client.videos.delete(video_id).deleted for video_id in made)
        assert list(client.videos.list()) == []


@pytest.mark.parametrize(
    ("variant", "beginning"),
    [("video", b"ftyp"), ("thumbnail", b"RIFF"), ("spritesheet", b"\xff\xd8\xff")],
    ids=["video", "thumbnail", "spritesheet"],
)
def test_each_variant_is_downloaded(
    client: openai.OpenAI, kept: Video, tmp_path: Path, variant: Variant, beginning: bytes
) -> None:
    content = client.videos.download_content(kept.id, variant=variant)
    content.write_to_file(tmp_path / "whole")
    with client.videos.with_streaming_response.download_content(kept.id, variant=variant) as streamed:
        streamed.stream_to_file(tmp_path / "streamed")

    assert beginning in (tmp_path / "whole").read_bytes()[:8]
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "streamed").read_bytes()


def test_a_part_is_downloaded_by_its_range(client: openai.OpenAI, kept: Video) -> None:
    whole = client.videos.download_content(kept.id)
    part = client.videos.download_content(kept.id, extra_headers={"Range": "bytes=4-7"})

    assert whole.response.headers["content-type"] == "video/mp4"
    assert hashlib.sha256(whole.read()).hexdigest() == (kept.model_extra or {})["sha256"]
    assert (part.response.status_code, part.read()) == (206, whole.read()[4:8])
    assert part.response.headers["content-range"] == f"bytes 4-7/{len(whole.read())}"


def test_a_finished_video_is_remixed(client: openai.OpenAI, kept: Video) -> None:
    remixed = client.videos.remix(kept.id, prompt=new_prompt("At night"))

    polled = client.videos.poll(remixed.id, poll_interval_ms=POLL_MS)

    assert (polled.status, polled.remixed_from_video_id) == ("completed", kept.id)


def test_a_finished_video_is_edited_and_extended_by_its_id(client: openai.OpenAI) -> None:
    # Neither the shape nor the length that Google makes by itself.
    video = client.videos.create_and_poll(
        prompt=new_prompt("To change"),
        model="gemini-omni-1.2-flash",
        size="720x1280",
        seconds="4",
        poll_interval_ms=POLL_MS,
    )
    # The SDK's type says `video={"id": …}`, and its encoder refuses that: the id goes in extra_body, beside a stand-in.
    named = {"video": {"id": video.id}}

    edited = client.videos.edit(prompt=new_prompt("Bluer"), video=b"-", extra_body=named)
    extended = client.videos.extend(prompt=new_prompt("And on"), seconds="4", video=b"-", extra_body=named)

    changed, whole = (client.videos.poll(made.id, poll_interval_ms=POLL_MS) for made in (edited, extended))
    assert (changed.status, changed.seconds, changed.size) == ("completed", "4", "720x1280")
    assert (whole.status, whole.seconds, whole.size) == ("completed", "8", "720x1280")
    assert (measure(changed), measure(whole)) == ((720, 1280, 4), (720, 1280, 8))


def test_characters_are_not_offered(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="No model here offers characters"):
        client.videos.create_character(name="Ann", video=b"-")
    with pytest.raises(openai.BadRequestError, match="No model here offers characters"):
        client.videos.get_character("char_1")


def test_models_are_listed(client: openai.OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}

    assert {"sora-2", "gemini-omni-1.2-flash", "house-wan"} <= models.keys()
    # The stack's own catalog adds a model and its price.
    assert models["house-wan"].to_dict()["price_usd_per_second"] == {"720": "0.05"}


def test_a_refusal_is_the_sdks_own_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.videos.create(prompt="A kite", model="sora-9")

    error = refusal.value
    assert (error.param, error.code, error.type) == ("model", "model_not_found", "invalid_request_error")
    assert error.message
    assert error.request_id


# To a stack it is another client, and no other request.
@pytest.mark.both
def test_the_async_client_does_the_same(stack: Stack) -> None:
    # A key of its own: other tests make sizes that OpenAI's did not have.
    key = stack.make_key(Scope.READ, Scope.CREATE)

    async def use() -> None:
        async with openai.AsyncOpenAI(base_url=stack.base_url, api_key=key, _strict_response_validation=True) as client:
            video = await client.videos.create_and_poll(prompt=new_prompt("Async"), poll_interval_ms=POLL_MS)
            assert video.status == "completed"
            assert (await client.videos.retrieve(video.id)).id == video.id
            assert video.id in [listed.id async for listed in client.videos.list(limit=2)]
            content = await client.videos.download_content(video.id, variant="thumbnail")
            assert (await content.aread())[:4] == b"RIFF"
            remixed = await client.videos.remix(video.id, prompt="Again")
            assert (await client.videos.delete(remixed.id)).deleted
            assert (await client.videos.delete(video.id)).deleted
            with pytest.raises(openai.NotFoundError):
                await client.videos.retrieve(video.id)

    asyncio.run(use())
