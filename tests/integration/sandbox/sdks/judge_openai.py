"""The SDK of OpenAI on the stand-in for a Videos API server; every answer is checked against the SDK's own types."""

from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import Video

from tests.integration.sandbox.sdks.stand_in import ORIGIN, SERVER_ERROR, draw_picture, is_mp4, play

WANTED: Any = {"model": "sora-2", "seconds": "4", "size": "720x1280"}


def connect(api_key: str = "sk-sandbox", max_retries: int = 0) -> OpenAI:
    return OpenAI(base_url=f"{ORIGIN}/v1", api_key=api_key, max_retries=max_retries, _strict_response_validation=True)


@pytest.fixture(scope="module")
def client() -> OpenAI:
    return connect()


@pytest.fixture(scope="module")
def video(client: OpenAI) -> Video:
    return client.videos.create_and_poll(prompt="A kite", **WANTED)


def test_a_video_is_made_from_a_text_and_downloaded(client: OpenAI, video: Video) -> None:
    assert (video.status, video.progress, video.seconds, video.size) == ("completed", 100, "4", "720x1280")
    assert video.completed_at is not None
    assert video.expires_at is not None
    assert is_mp4(client.videos.download_content(video.id).read())


def test_a_video_is_made_from_a_picture(client: OpenAI) -> None:
    picture = ("frame.png", draw_picture(1280, 720), "image/png")

    video = client.videos.create_and_poll(prompt="A kite", input_reference=picture, seconds="4", size="1280x720")

    assert (video.status, video.size) == ("completed", "1280x720")


def test_a_video_is_remixed(client: OpenAI, video: Video) -> None:
    remix = client.videos.remix(video.id, prompt="A red kite")

    assert (remix.status, remix.remixed_from_video_id, remix.prompt) == ("queued", video.id, "A red kite")


def test_videos_are_listed_over_pages_and_deleted(client: OpenAI, video: Video) -> None:
    mine = client.videos.create_and_poll(prompt="A kite", **WANTED)

    listed = [each.id for each in client.videos.list(limit=1, order="asc")]
    assert listed.index(video.id) < listed.index(mine.id)
    assert client.videos.delete(mine.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(mine.id)


def test_a_video_that_is_not_ready_has_no_content_and_is_not_deleted(client: OpenAI) -> None:
    play("create", "Slow", type="never_finish")
    video = client.videos.create(prompt="Slow", **WANTED)

    with pytest.raises(openai.NotFoundError, match="not ready yet"):
        client.videos.download_content(video.id)
    with pytest.raises(openai.BadRequestError, match="cannot be deleted"):
        client.videos.delete(video.id)


@pytest.mark.parametrize(
    ("wrong", "param", "code"),
    [
        ({"size": "1x1"}, "size", "invalid_value"),
        ({"size": "1024x1792"}, "size", "invalid_value"),
        ({"seconds": "5"}, "seconds", "invalid_value"),
        ({"prompt": ""}, "prompt", "string_below_min_length"),
        ({"extra_body": {"seed": "1"}}, "seed", "unknown_parameter"),
        ({"input_reference": ("a.png", draw_picture(8, 8), "image/png")}, "input_reference", None),
        ({"input_reference": ("a.gif", b"GIF89a", "image/gif")}, "input_reference", "unsupported_file_mimetype"),
    ],
)
def test_what_is_wrong_is_a_bad_request_that_names_it(
    client: OpenAI, wrong: dict[str, Any], param: str, code: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.videos.create(**{"prompt": "A kite", **WANTED, **wrong})

    assert (refused.value.param, refused.value.code) == (param, code)


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.videos.create(prompt="A kite", model="sora-9")

    assert refused.value.code == "model_not_found"


def test_a_wrong_key_is_an_authentication_error() -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        connect("sk-wrong").videos.create(prompt="A kite")

    assert refused.value.code == "invalid_api_key"
    assert refused.value.request_id


def test_an_unknown_video_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve("video_unknown")


def test_a_rate_limit_tells_how_long_to_wait(client: OpenAI) -> None:
    play(
        "create", "Busy", type="respond", status=429, headers={"retry-after": "7"}, body={"error": {"message": "Wait"}}
    )

    with pytest.raises(openai.RateLimitError) as refused:
        client.videos.create(prompt="Busy", **WANTED)

    assert refused.value.response.headers["retry-after"] == "7"


def test_a_server_error_is_the_sdks_own_and_the_sdk_tries_again(client: OpenAI) -> None:
    play("create", "Broken", **SERVER_ERROR)
    with pytest.raises(openai.InternalServerError):
        client.videos.create(prompt="Broken", **WANTED)

    play("create", "Mended", **SERVER_ERROR)
    assert connect(max_retries=1).videos.create(prompt="Mended", **WANTED).status == "queued"


def test_a_cut_connection_is_a_connection_error(client: OpenAI) -> None:
    play("create", "Cut", type="drop")

    with pytest.raises(openai.APIConnectionError):
        client.videos.create(prompt="Cut", **WANTED)


def test_a_failed_render_tells_why(client: OpenAI) -> None:
    play("create", "Blocked", type="fail")

    video = client.videos.create_and_poll(prompt="Blocked", **WANTED)

    assert video.status == "failed"
    assert video.error is not None
    assert video.error.code == "moderation_blocked"
