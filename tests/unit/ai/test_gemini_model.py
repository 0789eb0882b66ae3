"""Gemini Omni through the Interactions API: what is sent, and what each answer means."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from mediaposter.ai.catalog import Capabilities, CatalogEntry, ImageRole, parse_size
from mediaposter.ai.gemini_model import GeminiVideoModel
from mediaposter.ai.gemini_wire import MAX_KEPT_BYTES, MAX_STRING_BYTES, BodySkimmer
from mediaposter.ai.provider_connection import MAX_DOWNLOAD_SECONDS, MAX_REPLY_BYTES
from mediaposter.ai.provider_options import ProviderOption
from mediaposter.ai.video_model_interface import (
    SourceVideo,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoStatus,
    VideoStream,
)
from mediaposter.errors import (
    ConfigurationError,
    ErrorCode,
    SubmissionUnknown,
    UnsupportedOperation,
    VideoModelError,
    WebhookRejected,
)
from tests.fakes.provider import Answer, Body, Host, Internet, read_reply, row

HOST = "generativelanguage.googleapis.com"
NAME = "gemini-omni-1.2-flash"
KEY = "key-of-the-test"
ID = "v1_ChdGcm9tVGhlVGVzdA"
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
JPEG = b"\xff\xd8\xff" + b"pixels"
PATH = f"/v1beta/interactions/{ID}"
FILE = "/v1beta/files/abc-123xyz"


def reply(name: str, **headers: str) -> httpx.Response:
    return read_reply("gemini", name, **headers)


def interaction_reply(**fields: object) -> httpx.Response:
    return httpx.Response(200, json={"id": ID, "status": "in_progress", **fields})


def inline_reply(data: str, **content: object) -> httpx.Response:
    video = {"type": "video", "mime_type": "video/mp4", "data": data, **content}
    return interaction_reply(status="completed", steps=[{"type": "model_output", "content": [video]}])


def in_pieces(content: bytes, length: int) -> httpx.Response:
    return httpx.Response(200, stream=Body([content[at : at + length] for at in range(0, len(content), length)]))


def build(
    server: Host,
    *,
    internet: Internet | None = None,
    entry: CatalogEntry | None = None,
    base_url: str = f"https://{HOST}",
    api_key: str = KEY,
    follow_redirects: bool = False,
) -> GeminiVideoModel:
    return GeminiVideoModel(
        entry=entry or row(NAME),
        api_key=api_key,
        base_url=base_url,
        http_client=server.client(follow_redirects=follow_redirects),
        internet=(internet or Internet()).way,
    )


def create(answer: Answer, request: VideoGenerationRequest | None = None) -> VideoGenerationJob:
    return build(Host(answer)).create_video(request or VideoGenerationRequest(prompt="A lake"))


def creation_error(answer: Answer) -> VideoModelError:
    with pytest.raises(VideoModelError) as raised:
        create(answer)
    return raised.value


def status(answer: Answer) -> VideoGenerationJob:
    return build(Host(answer)).get_status(ID)


def status_error(answer: Answer) -> VideoModelError:
    with pytest.raises(VideoModelError) as raised:
        status(answer)
    return raised.value


def download(model: GeminiVideoModel) -> bytes:
    with model.open_video(ID) as stream:
        return b"".join(stream.chunks)


def download_error(model: GeminiVideoModel) -> VideoModelError:
    with pytest.raises(VideoModelError) as raised:
        download(model)
    return raised.value


# Construction


def test_an_address_that_is_no_base_url_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=f"base_url must read like https://{HOST}"):
        build(Host(), base_url=f"ftp://{HOST}")


def test_a_key_that_no_header_takes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="api_key"):
        build(Host(), api_key="key\n")


def test_google_is_asked_unless_another_address_is_given() -> None:
    server = Host(reply("in_progress"))
    GeminiVideoModel(entry=row(NAME), api_key=KEY, http_client=server.client()).get_status(ID)
    assert str(server.requests[0].url) == f"https://{HOST}{PATH}"


def test_each_wait_for_google_is_bounded() -> None:
    server = Host(reply("in_progress"))
    GeminiVideoModel(entry=row(NAME), api_key=KEY, http_client=server.client(), timeout_seconds=7).get_status(ID)
    assert set(server.requests[0].extensions["timeout"].values()) == {7}


def test_another_address_is_taken_with_its_path() -> None:
    server = Host(reply("in_progress"))
    build(server, base_url="http://localhost:8091/google/").get_status(ID)
    assert str(server.requests[0].url) == f"http://localhost:8091/google{PATH}"


# Creating


def test_a_prompt_is_submitted_with_the_format_of_its_video() -> None:
    server = Host(reply("queued"))
    build(server).create_video(VideoGenerationRequest(prompt="Ein See, früh", width=720, height=1280))
    assert (server.requests[0].method, server.paths) == ("POST", ["/v1beta/interactions"])
    assert server.requests[0].headers["x-goog-api-key"] == KEY
    assert server.requests[0].headers["content-type"] == "application/json"
    assert server.sent_body == {
        "model": "gemini-omni-1.2-flash",
        "input": "Ein See, früh",
        "response_format": {
            "type": "video",
            "aspect_ratio": "9:16",
            "resolution": "720p",
            "duration": "8s",
            "delivery": "uri",
        },
        "background": True,
        "store": True,
    }


@pytest.mark.parametrize(
    ("size", "aspect_ratio", "resolution"),
    [
        ("640x360", "16:9", "360p"),
        ("360x640", "9:16", "360p"),
        ("1280x720", "16:9", "720p"),
        ("1920x1080", "16:9", "1080p"),
        ("1080x1920", "9:16", "1080p"),
        ("3840x2160", "16:9", "4k"),
        ("2160x3840", "9:16", "4k"),
    ],
)
def test_a_size_is_said_as_a_ratio_and_a_resolution(size: str, aspect_ratio: str, resolution: str) -> None:
    server = Host(reply("queued"))
    width, height = parse_size(size)
    build(server).create_video(VideoGenerationRequest(prompt="A lake", width=width, height=height, duration_seconds=15))
    assert server.sent_body["response_format"] == {
        "type": "video",
        "aspect_ratio": aspect_ratio,
        "resolution": resolution,
        "duration": "15s",
        "delivery": "uri",
    }


@pytest.mark.parametrize(
    "size", ["1024x1024", "1024x1792", "720x720", "1280x721", "854x480", "2560x1440", "720x1080", "1600x900"]
)
def test_a_size_that_gemini_does_not_make_is_refused_before_anything_is_sent(size: str) -> None:
    server = Host(reply("queued"))
    width, height = parse_size(size)
    with pytest.raises(VideoModelError, match=f"not {size}") as raised:
        build(server).create_video(VideoGenerationRequest(prompt="A lake", width=width, height=height))
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert server.requests == []


def test_a_model_named_in_the_request_wins() -> None:
    server = Host(reply("queued"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", model="gemini-omni-1.1-flash"))
    assert server.sent_body["model"] == "gemini-omni-1.1-flash"


def test_the_vendors_name_of_the_model_is_sent() -> None:
    server = Host(reply("edited"))
    model = build(server, entry=row(NAME).model_copy(update={"provider_model": "gemini-omni-next"}))
    model.create_video(VideoGenerationRequest(prompt="A lake"))
    model.remix_video(ID, "Warmer")
    assert [json.loads(request.content)["model"] for request in server.requests] == ["gemini-omni-next"] * 2


def data_uri(image: bytes) -> str:
    return f"data:;base64,{base64.b64encode(image).decode()}"


def picture(image: bytes, content_type: str) -> dict[str, str]:
    return {"type": "image", "mime_type": content_type, "data": base64.b64encode(image).decode()}


def test_a_first_frame_is_sent_beside_the_prompt_that_binds_it(tmp_path: Path) -> None:
    path = tmp_path / "an image"
    path.write_bytes(PNG)
    server = Host(reply("queued"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=str(path)))
    text = {"type": "text", "text": "<FIRST_FRAME> A lake"}
    assert server.sent_body["input"] == [{"type": "user_input", "content": [text, picture(PNG, "image/png")]}]
    assert server.sent_body["generation_config"] == {"video_config": {"task": "image_to_video"}}


def test_a_last_frame_follows_the_first_one() -> None:
    server = Host(reply("queued"))
    build(server).create_video(
        VideoGenerationRequest(prompt="A lake", input_image=data_uri(PNG), last_frame_image=data_uri(JPEG))
    )
    text = {"type": "text", "text": "<FIRST_FRAME> <LAST_FRAME> A lake"}
    pictures = [picture(PNG, "image/png"), picture(JPEG, "image/jpeg")]
    assert server.sent_body["input"] == [{"type": "user_input", "content": [text, *pictures]}]
    assert server.sent_body["generation_config"] == {"video_config": {"task": "image_to_video"}}


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        ("<FIRST_FRAME> <LAST_FRAME> A lake", "<FIRST_FRAME> <LAST_FRAME> A lake"),
        ("From <FIRST_FRAME> on, a lake", "<LAST_FRAME> From <FIRST_FRAME> on, a lake"),
        (
            "[# Sources <FIRST_FRAME>@Image1 <LAST_FRAME>@Image2] A lake",
            "[# Sources <FIRST_FRAME>@Image1 <LAST_FRAME>@Image2] A lake",
        ),
    ],
)
def test_a_tag_that_the_caller_wrote_is_not_written_again(prompt: str, sent: str) -> None:
    server = Host(reply("queued"))
    build(server).create_video(
        VideoGenerationRequest(prompt=prompt, input_image=data_uri(PNG), last_frame_image=data_uri(PNG))
    )
    assert f'"text":{json.dumps(sent)}'.encode() in server.requests[0].content


def test_a_last_frame_alone_is_refused_before_anything_is_sent() -> None:
    server = Host(reply("queued"))
    with pytest.raises(VideoModelError, match="only together with a first one; nothing was submitted") as raised:
        build(server).create_video(VideoGenerationRequest(prompt="A lake", last_frame_image=data_uri(PNG)))
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert server.requests == []


def test_pictures_behind_urls_are_fetched_without_the_key() -> None:
    server = Host(reply("queued"))
    internet = Internet(httpx.Response(200, content=PNG))
    build(server, internet=internet).create_video(
        VideoGenerationRequest(
            prompt="A lake",
            input_image="https://images.example/a.png",
            last_frame_image="https://images.example/b.png",
        )
    )
    assert len(server.requests) == 1
    assert internet.calls == ["GET /a.png", "GET /b.png"]
    assert all(KEY not in str(request.headers.multi_items()) for request in internet.requests)


@pytest.mark.parametrize("image", ["data:text/plain,hello", "data:;base64,!"])
def test_a_picture_that_cannot_be_used_is_refused_before_anything_is_sent(image: str) -> None:
    server = Host(reply("queued"))
    for images in ({"input_image": image}, {"input_image": data_uri(PNG), "last_frame_image": image}):
        with pytest.raises(VideoModelError) as raised:
            build(server).create_video(VideoGenerationRequest.model_validate({"prompt": "A lake", **images}))
        assert raised.value.code is ErrorCode.INVALID_REQUEST
    assert server.requests == []


@pytest.mark.parametrize("roles", [(), (ImageRole.FIRST_FRAME,)])
def test_a_picture_in_a_role_that_the_model_lacks_is_refused_before_anything_is_sent(
    roles: tuple[ImageRole, ...],
) -> None:
    server = Host(reply("queued"))
    request = VideoGenerationRequest(prompt="A lake", input_image=data_uri(PNG), last_frame_image=data_uri(PNG))
    with pytest.raises(VideoModelError, match="takes no picture") as raised:
        build(server, entry=row(NAME, Capabilities(image_roles=roles))).create_video(request)
    assert raised.value.code is ErrorCode.INVALID_REQUEST
    assert server.requests == []


OURS: dict[str, JsonValue] = {
    "model": "another",
    "input": "Another",
    "response_format": {"type": "text", "aspect_ratio": "1:1", "resolution": "4k", "duration": "99s"},
    "generation_config": {"video_config": {"task": "edit"}},
    "background": False,
    "store": False,
}


def list_option(value: JsonValue) -> ProviderOption:
    """List an option that takes such a value."""
    match value:
        case dict():
            return ProviderOption(type="object", fields={name: list_option(inner) for name, inner in value.items()})
        case bool():
            return ProviderOption(type="boolean")
    return ProviderOption(type="text")


def allow(name: str, value: JsonValue) -> CatalogEntry:
    return row(NAME).model_copy(update={"options": {name: list_option(value)}})


def test_what_an_operator_lists_is_laid_beside_ours() -> None:
    server = Host(reply("queued"))
    thinking: dict[str, JsonValue] = {"thinking_level": "low"}
    request = VideoGenerationRequest(
        prompt="A lake", input_image=data_uri(PNG), provider_options={"generation_config": thinking}
    )
    build(server, entry=allow("generation_config", thinking)).create_video(request)
    assert server.sent_body["generation_config"] == {**thinking, "video_config": {"task": "image_to_video"}}


@pytest.mark.parametrize("name", OURS)
def test_what_an_operator_lists_never_replaces_ours(name: str) -> None:
    server = Host(reply("queued"))
    request = VideoGenerationRequest(prompt="A lake", input_image=data_uri(PNG))
    build(server).create_video(request)
    options = {"provider_options": {name: OURS[name]}}
    build(server, entry=allow(name, OURS[name])).create_video(request.model_copy(update=options))
    assert json.loads(server.requests[1].content) == json.loads(server.requests[0].content)


@pytest.mark.parametrize(
    "answer",
    [
        reply("error_internal"),
        reply("error_unavailable"),
        reply("error_exhausted"),
        httpx.Response(408),
        httpx.Response(409),
        httpx.Response(307, headers={"location": "https://elsewhere.example/v1beta/interactions"}),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
    ],
)
def test_a_create_is_sent_once_whatever_comes_of_it(answer: Answer) -> None:
    server = Host(answer)
    with pytest.raises(VideoModelError):
        build(server, follow_redirects=True).create_video(VideoGenerationRequest(prompt="A lake"))
    assert len(server.requests) == 1


@pytest.mark.parametrize("status_code", [408, 409, 500, 502, 503, 504])
def test_a_fault_after_which_the_job_may_exist_is_unknown(status_code: int) -> None:
    assert isinstance(creation_error(httpx.Response(status_code)), SubmissionUnknown)


def test_a_break_after_something_was_sent_is_unknown() -> None:
    assert isinstance(creation_error(httpx.RemoteProtocolError("Server disconnected.")), SubmissionUnknown)


def test_a_break_before_anything_was_sent_is_certain_and_may_be_tried_again() -> None:
    raised = creation_error(httpx.ConnectError("[Errno 111] Connection refused"))
    assert not isinstance(raised, SubmissionUnknown)
    assert (raised.code, raised.transient) == (ErrorCode.PROVIDER_ERROR, True)


def test_an_acceptance_whose_body_breaks_off_is_unknown() -> None:
    broken = httpx.Response(200, stream=Body([b'{"id": "v1_'], httpx.ReadError("reset")))
    assert isinstance(creation_error(broken), SubmissionUnknown)


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"null", b"[]", b"{}", b'{"id": ""}', b'{"id": "v1', b"[" * 100_000, b"\xff"]
)
def test_an_acceptance_that_cannot_be_read_is_unknown(content: bytes) -> None:
    assert isinstance(creation_error(httpx.Response(200, content=content)), SubmissionUnknown)


def test_an_acceptance_without_end_is_not_read_to_its_end_and_unknown() -> None:
    endless = Body([b"[1, " * 100_000] * (MAX_KEPT_BYTES // 400_000 + 2), AssertionError("read to its end"))
    assert isinstance(creation_error(httpx.Response(200, stream=endless)), SubmissionUnknown)


def test_an_acceptance_that_shows_the_pictures_again_is_a_job() -> None:
    steps = [{"type": "user_input", "content": [picture(bytes(MAX_REPLY_BYTES), "image/png")]}]
    assert create(in_pieces(interaction_reply(steps=steps).content, 65_536)).job_id == ID


def test_an_id_without_a_status_is_a_running_job() -> None:
    job = create(httpx.Response(200, json={"id": ID}))
    assert (job.job_id, job.status) == (ID, VideoStatus.IN_PROGRESS)


def test_an_error_with_an_id_is_no_job() -> None:
    error = creation_error(httpx.Response(200, json={"id": "req_1", "error": {"message": "upstream hung up"}}))
    assert isinstance(error, SubmissionUnknown)
    assert "upstream hung up" in error.message


@pytest.mark.parametrize("status_code", [400, 503])
def test_an_error_that_looks_like_an_interaction_is_an_error(status_code: int) -> None:
    answer = httpx.Response(status_code, json={"id": ID, "status": "queued"})
    assert isinstance(creation_error(answer), SubmissionUnknown) == (status_code == 503)
    assert status_error(answer).transient == (status_code == 503)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply("error_invalid"), ErrorCode.INVALID_REQUEST),
        (reply("error_prohibited"), ErrorCode.CONTENT_POLICY),
        (reply("error_key"), ErrorCode.AUTHENTICATION),
        (reply("error_key_blocked"), ErrorCode.AUTHENTICATION),
        (httpx.Response(401), ErrorCode.AUTHENTICATION),
        (httpx.Response(403), ErrorCode.AUTHENTICATION),
        (httpx.Response(402), ErrorCode.INSUFFICIENT_CREDIT),
        (reply("error_model"), ErrorCode.MODEL_NOT_FOUND),
        (httpx.Response(410), ErrorCode.MODEL_NOT_FOUND),
        (httpx.Response(400, json={"error": {"message": "safety prohibited"}}), ErrorCode.INVALID_REQUEST),
        (httpx.Response(405), ErrorCode.PROVIDER_ERROR),
        (httpx.Response(302, headers={"location": "https://elsewhere.example/"}), ErrorCode.PROVIDER_ERROR),
    ],
)
def test_a_refusal_is_certain_and_final(answer: httpx.Response, code: ErrorCode) -> None:
    error = creation_error(answer)
    assert not isinstance(error, SubmissionUnknown)
    assert (error.code, error.transient) == (code, False)


def test_a_rate_limit_may_pass_after_the_delay_in_its_details() -> None:
    error = creation_error(reply("error_exhausted"))
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, True, 34.5)


def test_a_retry_after_header_wins_over_the_details() -> None:
    assert creation_error(reply("error_exhausted", **{"retry-after": "7"})).retry_after_seconds == 7


def test_a_retry_after_header_may_be_a_date() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    error = creation_error(reply("error_exhausted", **{"retry-after": moment}))
    assert error.retry_after_seconds == pytest.approx(90, abs=15)


@pytest.mark.parametrize(
    "details", [None, "soon", [None], [{"retryDelay": 5}], [{"retryDelay": "soon"}], [{"retryDelay": "-1s"}]]
)
def test_a_delay_that_cannot_be_read_is_none(details: object) -> None:
    error = creation_error(httpx.Response(429, json={"error": {"code": 429, "details": details}}))
    assert (error.code, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, None)


def test_a_refusal_keeps_googles_sentence_without_our_key() -> None:
    said = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": f"Bad key {KEY}"}}
    assert creation_error(httpx.Response(400, json=said)).message == "Bad key [key]"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "status", "error", "errors", "steps", "outputs", "content", "type", "code", "details", "reason"]
            )
            | st.text(),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(body=JSON, status_code=st.sampled_from([200, 302, 400, 404, 429, 500]))
def test_any_answer_to_a_create_is_a_job_or_a_known_error(body: object, status_code: int) -> None:
    content = json.dumps(body).encode()
    outcome: VideoGenerationJob | VideoModelError
    try:
        outcome = create(httpx.Response(status_code, content=content))
    except VideoModelError as error:
        outcome = error
    may_exist = isinstance(outcome, VideoGenerationJob | SubmissionUnknown)
    assert may_exist == (status_code in (200, 500))


# Asking how a job stands


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("queued", VideoStatus.QUEUED),
        ("in_progress", VideoStatus.IN_PROGRESS),
        ("requires_action", VideoStatus.IN_PROGRESS),
        ("requires_continuation", VideoStatus.IN_PROGRESS),
        ("completed_uri", VideoStatus.COMPLETED),
        ("completed_elsewhere", VideoStatus.COMPLETED),
        ("completed_inline", VideoStatus.COMPLETED),
        ("completed_first_revision", VideoStatus.COMPLETED),
    ],
)
def test_an_interaction_is_read(name: str, expected: VideoStatus) -> None:
    server = Host(reply(name))
    job = build(server).get_status(ID)
    assert job == VideoGenerationJob(job_id=ID, status=expected)
    assert (server.requests[0].method, server.paths) == ("GET", [PATH])
    assert server.requests[0].headers["x-goog-api-key"] == KEY


@pytest.mark.parametrize("word", ["cancelling", "done", "succeeded", "", None, 7, ["completed"]])
def test_an_unknown_word_means_that_the_job_still_runs(word: object) -> None:
    assert status(interaction_reply(status=word)).status is VideoStatus.IN_PROGRESS


@pytest.mark.parametrize("name", ["completed_without_video", "completed_only_source_video"])
def test_a_completed_interaction_without_a_video_was_blocked(name: str) -> None:
    job = status(reply(name))
    assert (job.status, job.error_code) == (VideoStatus.FAILED, ErrorCode.CONTENT_POLICY)
    assert job.error_message == "Google ended the interaction without a video: its filters took it out."


@pytest.mark.parametrize(
    "steps",
    [
        None,
        {},
        ["video"],
        [{"type": "model_output"}],
        [{"type": "model_output", "content": "video"}],
        [{"type": "model_output", "content": [{"type": "video", "mime_type": "video/mp4"}]}],
        [{"type": "model_output", "content": [{"type": "video", "data": "", "uri": None}]}],
        [{"type": "model_output", "content": [{"type": "image", "uri": "https://h.example/a.png"}]}],
    ],
)
def test_only_a_video_proves_a_success(steps: object) -> None:
    assert status(interaction_reply(status="completed", steps=steps)).error_code is ErrorCode.CONTENT_POLICY


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("failed_safety", ErrorCode.CONTENT_POLICY, "The prompt was blocked by our safety filters."),
        ("failed_exhausted", ErrorCode.RATE_LIMITED, "Resource has been exhausted (e.g. check quota)."),
        ("failed_invalid", ErrorCode.INVALID_REQUEST, "The duration does not fit the task."),
        ("failed_internal", ErrorCode.PROVIDER_ERROR, "An internal error has occurred."),
        ("failed_silent", ErrorCode.PROVIDER_ERROR, "Google gave no reason for the failure."),
        ("cancelled", ErrorCode.CANCELLED, "Google says that the interaction was cancelled."),
        (
            "incomplete",
            ErrorCode.PROVIDER_ERROR,
            "Google says that the interaction ended before it was complete.",
        ),
        ("budget_exceeded", ErrorCode.INSUFFICIENT_CREDIT, "Google says that the budget is used up."),
    ],
)
def test_a_failed_interaction_is_an_answer(name: str, code: ErrorCode, message: str) -> None:
    job = status(reply(name))
    assert (job.status, job.error_code, job.error_message) == (VideoStatus.FAILED, code, message)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "SAFETY"}, ErrorCode.CONTENT_POLICY),
        ({"code": "blocked"}, ErrorCode.CONTENT_POLICY),
        ({"code": "PROHIBITED_CONTENT"}, ErrorCode.CONTENT_POLICY),
        ({"code": "https://safety.example/errors/internal"}, ErrorCode.PROVIDER_ERROR),
        ({"code": "RESOURCE_EXHAUSTED"}, ErrorCode.RATE_LIMITED),
        ({"code": "BILLING_DISABLED"}, ErrorCode.INSUFFICIENT_CREDIT),
        ({"code": 3}, ErrorCode.INVALID_REQUEST),
        ({"code": 7}, ErrorCode.AUTHENTICATION),
        ({"code": 16}, ErrorCode.AUTHENTICATION),
        ({"code": 13, "status": "INVALID_ARGUMENT"}, ErrorCode.INVALID_REQUEST),
        ({"code": 3, "details": [{"reason": "SAFETY"}]}, ErrorCode.CONTENT_POLICY),
        ({"code": None, "message": "blocked for safety"}, ErrorCode.PROVIDER_ERROR),
        ({"code": {"deep": 1}}, ErrorCode.PROVIDER_ERROR),
        ("SAFETY", ErrorCode.PROVIDER_ERROR),
    ],
)
def test_the_words_of_a_failure_decide_its_code(error: object, code: ErrorCode) -> None:
    assert status(interaction_reply(status="failed", errors=[error])).error_code is code


def test_the_error_that_means_something_wins() -> None:
    errors = [{"code": "INTERNAL", "message": "Oops."}, {"code": "SAFETY", "message": "Blocked."}]
    job = status(interaction_reply(status="failed", errors=errors))
    assert (job.error_code, job.error_message) == (ErrorCode.CONTENT_POLICY, "Blocked.")


def test_the_sentence_of_a_failed_job_loses_our_key() -> None:
    errors = [{"code": "INTERNAL", "message": f"Bad key {KEY}; see https://h.example/a?sig=secret"}]
    message = status(interaction_reply(status="failed", errors=errors)).error_message
    assert message == "Bad key [key]; see https://h.example/a"


@pytest.mark.parametrize(
    ("answer", "code", "transient"),
    [
        (reply("error_exhausted"), ErrorCode.RATE_LIMITED, True),
        (reply("error_internal"), ErrorCode.PROVIDER_ERROR, True),
        (reply("error_unavailable"), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(200, text="<html>"), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(302, headers={"location": "/login"}), ErrorCode.PROVIDER_ERROR, True),
        (httpx.ConnectError("refused"), ErrorCode.PROVIDER_ERROR, True),
        (httpx.ReadTimeout("slow"), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(200, stream=Body([b"{"], httpx.ReadError("reset"))), ErrorCode.PROVIDER_ERROR, True),
        (reply("error_key"), ErrorCode.AUTHENTICATION, False),
        (httpx.Response(401), ErrorCode.AUTHENTICATION, False),
        (httpx.Response(403), ErrorCode.AUTHENTICATION, False),
        (httpx.Response(402), ErrorCode.INSUFFICIENT_CREDIT, False),
        (reply("error_invalid"), ErrorCode.INVALID_REQUEST, False),
        (reply("error_gone"), ErrorCode.EXPIRED, False),
        (httpx.Response(410), ErrorCode.EXPIRED, False),
    ],
)
def test_a_question_that_was_not_answered_is_an_error(answer: Answer, code: ErrorCode, transient: bool) -> None:
    error = status_error(answer)
    assert (error.code, error.transient) == (code, transient)


@pytest.mark.parametrize("job_id", ["", ".", ".."])
def test_an_id_that_would_name_another_path_is_refused(job_id: str) -> None:
    server = Host(reply("in_progress"))
    model = build(server)
    calls: list[Callable[[], object]] = [
        lambda: model.get_status(job_id),
        lambda: model.edit_video(job_id, "Warmer"),
        lambda: model.delete_video(job_id),
    ]
    for call in calls:
        with pytest.raises(VideoModelError, match="is not the id"):
            call()
    assert server.requests == []


def test_an_id_with_slashes_arrives_as_it_is() -> None:
    server = Host(reply("in_progress"))
    assert build(server).get_status("a/../b?c").job_id == "a/../b?c"
    assert server.paths == ["/v1beta/interactions/a%2F..%2Fb%3Fc"]


def test_an_answer_that_trickles_in_meets_the_deadline() -> None:
    internet = Internet()

    class Trickle(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(100):
                internet.now += 100.0
                yield b" "

    with pytest.raises(VideoModelError) as raised:
        build(Host(httpx.Response(200, stream=Trickle())), internet=internet).get_status(ID)
    assert (raised.value.transient, internet.now) == (True, MAX_DOWNLOAD_SECONDS + 100.0)


# A clip inside the answer

CLIP = bytes(range(256)) * 1000  # 341,336 characters of base64
ENCODED = base64.b64encode(CLIP).decode()


def body_of(data: str) -> bytes:
    return inline_reply(data).read()


def test_a_clip_in_the_answer_is_a_finished_job() -> None:
    assert status(inline_reply(ENCODED)).status is VideoStatus.COMPLETED


def test_a_long_string_never_stays_in_memory() -> None:
    assert len(BodySkimmer().read([body_of("A" * 100 * MAX_STRING_BYTES)])) < 1_000


def test_a_long_string_is_put_aside_while_it_comes() -> None:
    aside = BytesIO()

    def pieces() -> Iterator[bytes]:
        yield b'{"data": "' + b"A" * MAX_STRING_BYTES
        yield b"A" * 4
        assert aside.tell() == MAX_STRING_BYTES + 4
        yield b'"}'

    assert json.loads(BodySkimmer(aside).read(pieces())).keys() == {"data"}


def test_an_escape_that_comes_in_parts_is_read_whole() -> None:
    aside = BytesIO()
    BodySkimmer(aside).read([b'["' + b"A" * MAX_STRING_BYTES + b"A\\u0", b"03", b"d\\", b'/"]'])
    assert aside.getvalue() == b"A" * MAX_STRING_BYTES + b"A=/"


def test_a_clip_that_does_not_fit_beside_is_refused() -> None:
    with pytest.raises(VideoModelError, match="a smaller size or a shorter video"):
        BodySkimmer(BytesIO(), max_aside_bytes=len(ENCODED) - 1).read([body_of(ENCODED)])
    BodySkimmer(BytesIO(), max_aside_bytes=len(ENCODED)).read([body_of(ENCODED)])


@pytest.mark.parametrize("clip", [CLIP, CLIP[:-1], CLIP[:-2], b"movie"], ids=["whole", "one less", "two less", "short"])
def test_a_clip_in_the_answer_is_streamed_with_its_length(clip: bytes) -> None:
    server = Host(inline_reply(base64.b64encode(clip).decode()))
    with build(server).open_video(ID) as stream:
        assert (stream.start_byte, stream.size_bytes, stream.content_type) == (0, len(clip), "video/mp4")
        assert b"".join(stream.chunks) == clip
    assert server.paths == [PATH]


@pytest.mark.parametrize("length", [1_021, 65_536, 65_537])
@pytest.mark.parametrize("slash", ["/", r"\/", r"\u002f", r"\u002F"])
def test_a_clip_arrives_whatever_its_pieces_and_escapes(length: int, slash: str) -> None:
    clip = CLIP[:-1]
    content = body_of("DATA").replace(b"DATA", base64.b64encode(clip).replace(b"/", slash.encode()))
    content = content.replace(b"=", rb"\u003d")
    assert download(build(Host(in_pieces(content, length)))) == clip


@pytest.mark.parametrize("start_byte", [1, 2, 3, 98_303, 98_304, 131_072, len(CLIP) - 1])
def test_a_clip_in_the_answer_goes_on_where_it_was_left(start_byte: int) -> None:
    with build(Host(inline_reply(ENCODED))).open_video(ID, start_byte=start_byte) as stream:
        assert (stream.start_byte, stream.size_bytes) == (start_byte, len(CLIP))
        assert b"".join(stream.chunks) == CLIP[start_byte:]


def test_a_place_behind_the_end_of_a_clip_starts_it_again() -> None:
    with build(Host(inline_reply(ENCODED))).open_video(ID, start_byte=len(CLIP)) as stream:
        assert (stream.start_byte, b"".join(stream.chunks)) == (0, CLIP)


def test_the_models_last_clip_is_taken_among_other_long_strings() -> None:
    def video(data: str) -> dict[str, str]:
        return {"type": "video", "data": data}

    steps = [
        {"type": "user_input", "content": [video("A" * 100_000)]},
        {"type": "thought", "signature": "\\" * 100_000 + '"'},
        {"type": "model_output", "content": [video("B" * 100_000), video(ENCODED)]},
        {"type": "user_input", "content": [video("C" * 100_000)]},
    ]
    assert download(build(Host(interaction_reply(status="completed", steps=steps)))) == CLIP


@pytest.mark.parametrize(
    "data", [ENCODED[:-1], ENCODED[:-4] + "!!!!", "-_-_" + ENCODED, "bW92aWU", "string 0 put aside"]
)
def test_a_clip_that_is_not_base64_is_an_error(data: str) -> None:
    error = download_error(build(Host(inline_reply(data))))
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, True)
    assert "not base64" in error.message


def test_a_clip_that_was_cut_off_is_refused_before_it_is_read() -> None:
    with (
        pytest.raises(VideoModelError, match="341335 characters"),
        build(Host(inline_reply(ENCODED[:-1]))).open_video(ID),
    ):
        pytest.fail("it was opened")


@given(body=JSON, length=st.integers(1, 50))
def test_a_body_without_long_strings_is_left_as_it_is(body: object, length: int) -> None:
    content = json.dumps(body).encode()
    assert BodySkimmer().read([content[at : at + length] for at in range(0, len(content), length)]) == content


# The finished video as a file


def finished(*answers: Answer) -> Host:
    return Host(reply("completed_uri"), reply("file_active"), *answers)


def test_the_file_is_streamed_with_its_length_and_type() -> None:
    server = finished(httpx.Response(200, headers={"content-type": "video/mp4", "etag": '"v1"'}, content=b"movie"))
    with build(server).open_video(ID) as stream:
        whole = VideoStream(stream.chunks, 0, 5, "video/mp4", '"v1"')
        assert stream == whole
        assert b"".join(stream.chunks) == b"movie"
    assert server.paths == [PATH, FILE, f"{FILE}:download?alt=media"]
    assert {request.headers["x-goog-api-key"] for request in server.requests} == {KEY}
    assert server.requests[2].headers["accept-encoding"] == "identity"


def test_the_address_of_the_first_revision_is_a_file_too() -> None:
    server = Host(reply("completed_first_revision"), reply("file_active"), httpx.Response(200, content=b"movie"))
    assert download(build(server)) == b"movie"
    assert server.paths[1:] == [FILE, f"{FILE}:download?alt=media"]


def test_a_resumed_download_asks_for_the_rest_of_the_same_file() -> None:
    server = finished(httpx.Response(206, headers={"content-range": "bytes 3-4/5"}, content=b"ie"))
    with build(server).open_video(ID, start_byte=3, validator='"v1"') as stream:
        assert (stream.start_byte, stream.size_bytes, b"".join(stream.chunks)) == (3, 5, b"ie")
    assert (server.requests[2].headers["range"], server.requests[2].headers["if-range"]) == ("bytes=3-", '"v1"')


def test_a_file_with_a_strange_name_is_asked_for_by_that_name() -> None:
    server = Host(inline_reply("", uri=f"https://{HOST}/v1beta/files/a%3Fb%23"), reply("file_processing"))
    download_error(build(server))
    assert server.paths[1:] == ["/v1beta/files/a%3Fb%23"]


@pytest.mark.parametrize("state", ["PROCESSING", "STATE_UNSPECIFIED", "", None])
def test_a_file_that_is_not_ready_is_asked_for_again_soon(state: object) -> None:
    server = Host(reply("completed_uri"), httpx.Response(200, json={"name": "files/abc-123xyz", "state": state}))
    error = download_error(build(server))
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.PROVIDER_ERROR, True, 2.0)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "code", "transient", "sentence"),
    [
        (reply("file_failed"), ErrorCode.PROVIDER_ERROR, False, "The video could not be encoded."),
        (reply("file_gone"), ErrorCode.EXPIRED, False, "keeps for 48 hours. You do not have permission"),
        (reply("error_gone"), ErrorCode.EXPIRED, False, "Requested entity was not found."),
        (reply("error_unavailable"), ErrorCode.PROVIDER_ERROR, True, "overloaded"),
        (httpx.ConnectError("refused"), ErrorCode.PROVIDER_ERROR, True, "refused"),
    ],
)
def test_a_file_that_is_not_there_says_why(answer: Answer, code: ErrorCode, transient: bool, sentence: str) -> None:
    error = download_error(build(Host(reply("completed_uri"), answer)))
    assert (error.code, error.transient) == (code, transient)
    assert sentence in error.message


@pytest.mark.parametrize(
    ("answer", "code", "transient"),
    [
        (reply("file_gone"), ErrorCode.EXPIRED, False),
        (httpx.Response(404), ErrorCode.EXPIRED, False),
        (httpx.Response(401), ErrorCode.AUTHENTICATION, False),
        (httpx.Response(416), ErrorCode.PROVIDER_ERROR, False),
        (reply("error_exhausted"), ErrorCode.RATE_LIMITED, True),
        (reply("error_internal"), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(206, content=b"ie"), ErrorCode.PROVIDER_ERROR, False),
        (httpx.ReadTimeout("slow"), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(200, stream=Body([b"mo"], httpx.ReadError("reset"))), ErrorCode.PROVIDER_ERROR, True),
    ],
)
def test_an_answer_that_is_no_video_is_an_error(answer: Answer, code: ErrorCode, transient: bool) -> None:
    error = download_error(build(finished(answer)))
    assert (error.code, error.transient) == (code, transient)


def test_a_download_is_asked_for_again_when_the_details_of_its_refusal_say() -> None:
    assert download_error(build(finished(reply("error_exhausted")))).retry_after_seconds == 34.5


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"state": "FAILED", "error": {"message": f"Bad key {KEY}"}}),
        httpx.Response(403, json={"error": {"message": f"Bad key {KEY}"}}),
    ],
)
def test_the_sentence_about_a_file_loses_our_key(answer: httpx.Response) -> None:
    assert download_error(build(Host(reply("completed_uri"), answer))).message.endswith("Bad key [key]")


def test_an_address_elsewhere_never_sees_the_key() -> None:
    server = Host(reply("completed_elsewhere"))
    internet = Internet()
    assert download(build(server, internet=internet)) == b"movie"
    assert len(server.requests) == 1
    assert internet.requests[0].headers["host"] == "storage.googleapis.com"
    assert KEY not in str(internet.requests[0].headers.multi_items())


def test_a_resume_at_an_address_elsewhere_asks_for_the_rest() -> None:
    internet = Internet(httpx.Response(206, headers={"content-range": "bytes 3-4/5"}, content=b"ie"))
    with build(Host(reply("completed_elsewhere")), internet=internet).open_video(
        ID, start_byte=3, validator='"v1"'
    ) as stream:
        assert stream.start_byte == 3
    assert internet.requests[0].headers["if-range"] == '"v1"'


@pytest.mark.parametrize(
    "uri",
    [
        f"https://{HOST}:8443{FILE}",
        f"https://{HOST}.evil.example{FILE}",
        f"//evil.example{FILE}",
        f"https://evil.example/@{HOST}{FILE}",
    ],
)
def test_an_address_that_only_resembles_googles_does_not_get_the_key(uri: str) -> None:
    server = Host(inline_reply("", uri=uri))
    internet = Internet()
    assert download(build(server, internet=internet)) == b"movie"
    assert len(server.requests) == 1
    assert "x-goog-api-key" not in internet.requests[0].headers


@pytest.mark.parametrize(
    "uri", [f"http://{HOST}{FILE}", "https://inner.example/a.mp4", "gs://bucket/a.mp4", "https://h:port/"]
)
def test_an_address_that_may_not_be_fetched_is_refused(uri: str) -> None:
    internet = Internet()
    internet.addresses = ["10.0.0.8"]
    server = Host(inline_reply("", uri=uri))
    assert not download_error(build(server, internet=internet)).transient
    assert (len(server.requests), internet.requests) == (1, [])


@pytest.mark.parametrize("path", ["/v1beta/models", f"{FILE}/versions", "/v1beta/files/"])
def test_an_address_of_google_that_is_no_file_is_refused(path: str) -> None:
    server = Host(inline_reply("", uri=f"https://{HOST}{path}"))
    assert download_error(build(server)).code is ErrorCode.PROVIDER_ERROR
    assert len(server.requests) == 1


@pytest.mark.parametrize("follow_redirects", [False, True])
def test_a_redirect_to_another_host_does_not_carry_the_key(follow_redirects: bool) -> None:
    server = finished(httpx.Response(302, headers={"location": "https://storage.googleapis.com/a.mp4?sig=1"}))
    internet = Internet()
    assert download(build(server, internet=internet, follow_redirects=follow_redirects)) == b"movie"
    assert len(server.requests) == 3
    assert "x-goog-api-key" not in internet.requests[0].headers


def test_a_redirect_within_google_is_followed_with_the_key() -> None:
    redirect = httpx.Response(302, headers={"location": "/download/v1beta/files/abc-123xyz:download?alt=media"})
    server = finished(redirect, httpx.Response(200, content=b"movie"))
    assert download(build(server)) == b"movie"
    assert server.requests[3].headers["x-goog-api-key"] == KEY


def test_a_job_that_still_runs_has_no_video_yet() -> None:
    server = Host(reply("in_progress", **{"retry-after": "4"}))
    error = download_error(build(server))
    assert (error.transient, error.retry_after_seconds, len(server.requests)) == (True, 4.0, 1)


@pytest.mark.parametrize("name", ["failed_safety", "completed_without_video"])
def test_a_failed_job_has_no_video_and_says_why(name: str) -> None:
    assert download_error(build(Host(reply(name)))).code is ErrorCode.CONTENT_POLICY


def test_a_reader_that_stops_early_closes_the_connection() -> None:
    body = Body([b"movie"])
    with build(finished(httpx.Response(200, stream=body))).open_video(ID):
        assert not body.closed
    assert body.closed


# Remixing, editing, extending, cancelling, deleting

UPRIGHT = SourceVideo(width=1080, height=1920, seconds=4)
DERIVATIONS: dict[str, Callable[[GeminiVideoModel], VideoGenerationJob]] = {
    "remix": lambda model: model.remix_video(ID, "Warmer", source=UPRIGHT),
    "edit": lambda model: model.edit_video(ID, "Warmer", source=UPRIGHT),
    "extend": lambda model: model.extend_video(ID, "Warmer", 7, source=UPRIGHT),
}


@pytest.mark.parametrize(
    ("name", "prompt", "duration"),
    [("remix", "Warmer", "4s"), ("edit", "Warmer", "4s"), ("extend", "Extend this video: Warmer", "7s")],
)
def test_a_derived_job_is_told_its_sources_shape_and_length(name: str, prompt: str, duration: str) -> None:
    server = Host(reply("edited"))
    job = DERIVATIONS[name](build(server))
    assert (job.job_id, job.status) == ("v1_Edited", VideoStatus.IN_PROGRESS)
    assert server.paths == ["/v1beta/interactions"]
    assert server.sent_body == {
        "model": "gemini-omni-1.2-flash",
        "previous_interaction_id": ID,
        "input": prompt,
        "response_format": {
            "type": "video",
            "delivery": "uri",
            "aspect_ratio": "9:16",
            "resolution": "1080p",
            "duration": duration,
        },
        "background": True,
        "store": True,
    }


def test_a_derived_job_whose_source_nobody_describes_is_left_to_google() -> None:
    server = Host(reply("edited"))
    build(server).remix_video(ID, "Warmer")
    assert server.sent_body["response_format"] == {"type": "video", "delivery": "uri"}


@pytest.mark.parametrize("size", [(1000, 1000), (720, 720)])
def test_a_source_of_a_size_that_gemini_does_not_make_is_refused_before_anything_is_sent(size: tuple[int, int]) -> None:
    server = Host(reply("edited"))
    with pytest.raises(VideoModelError) as raised:
        build(server).edit_video(ID, "Warmer", source=SourceVideo(*size, seconds=4))
    assert raised.value.code is ErrorCode.INVALID_REQUEST
    assert server.requests == []


@pytest.mark.parametrize("name", DERIVATIONS)
def test_a_derivation_that_may_have_been_accepted_is_unknown_and_sent_once(name: str) -> None:
    server = Host(reply("error_internal"))
    with pytest.raises(SubmissionUnknown):
        DERIVATIONS[name](build(server))
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", DERIVATIONS)
def test_a_derivation_of_a_video_that_is_gone_has_expired(name: str) -> None:
    with pytest.raises(VideoModelError) as raised:
        DERIVATIONS[name](build(Host(reply("error_gone"))))
    assert raised.value.code is ErrorCode.EXPIRED


def test_a_running_job_is_cancelled() -> None:
    server = Host(reply("cancelled"))
    build(server).cancel_video(ID)
    assert [(request.method, request.url.path) for request in server.requests] == [("POST", f"{PATH}/cancel")]


def test_a_video_is_deleted() -> None:
    server = Host(httpx.Response(200, json={}))
    build(server).delete_video(ID)
    assert [(request.method, request.url.path) for request in server.requests] == [("DELETE", PATH)]


@pytest.mark.parametrize(
    ("answer", "code"), [(reply("error_gone"), ErrorCode.EXPIRED), (reply("error_internal"), ErrorCode.PROVIDER_ERROR)]
)
def test_an_order_that_was_not_carried_out_is_an_error(answer: httpx.Response, code: ErrorCode) -> None:
    model = build(Host(answer))
    for call in (model.cancel_video, model.delete_video):
        with pytest.raises(VideoModelError) as raised:
            call(ID)
        assert raised.value.code is code


def test_what_the_catalog_does_not_offer_is_refused_before_anything_is_sent() -> None:
    server = Host(reply("edited"))
    model = build(server, entry=row(NAME, Capabilities()))
    orders: list[Callable[[], object]] = [
        lambda: model.parse_webhook(sign(event()), event(), secrets=[SECRET], now=NOW),
        lambda: model.cancel_video(ID),
        lambda: model.delete_video(ID),
        *(lambda derive=derive: derive(model) for derive in DERIVATIONS.values()),
    ]
    for order in orders:
        with pytest.raises(UnsupportedOperation):
            order()
    assert server.requests == []


# Webhooks

SECRET = "whsec_" + base64.b64encode(b"secret of the test, 32 bytes ...").decode()
NOW = datetime(2026, 11, 22, 10, 0, 5, tzinfo=UTC)


def event(kind: str = "interaction.completed", **data: object) -> bytes:
    return json.dumps(
        {"type": kind, "version": "v1", "timestamp": "2026-11-22T10:00:00Z", "data": {"id": ID, **data}}
    ).encode()


def sign(body: bytes, *, secret: str = SECRET) -> dict[str, str]:
    """Sign a body as Standard Webhooks prescribe."""
    timestamp = str(int(NOW.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, f"msg_1.{timestamp}.".encode() + body, hashlib.sha256)).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}


@pytest.mark.parametrize(
    "body",
    [
        event("interaction.completed"),
        event("interaction.failed", error_code="internal", error_message="Oops."),
        event("interaction.cancelled"),
        event("interaction.requires_action"),
        event("video.generated", output_file_uri="https://evil.example/a.mp4", file_name="files/abc-123xyz"),
    ],
)
def test_a_webhook_names_its_interaction_and_nothing_is_asked(body: bytes) -> None:
    server = Host(reply("completed_uri"))
    model = build(server)
    assert model.parse_webhook(sign(body), body, secrets=[SECRET], now=NOW) == model.webhook_key(ID) == ID
    assert server.requests == []


@pytest.mark.parametrize(
    ("headers", "now"),
    [
        ({}, NOW),
        (sign(event(), secret="whsec_" + base64.b64encode(b"secret of another, 32 bytes long").decode()), NOW),
        (sign(event(error_code="internal")), NOW),
        (sign(event()), NOW + timedelta(minutes=6)),
    ],
    ids=["unsigned", "of another", "changed", "stale"],
)
def test_a_webhook_that_does_not_show_that_it_is_googles_is_rejected(headers: dict[str, str], now: datetime) -> None:
    with pytest.raises(WebhookRejected):
        build(Host()).parse_webhook(headers, event(), secrets=[SECRET], now=now)


@pytest.mark.parametrize(
    "body",
    [
        event("batch.succeeded", output_file_uri="gs://my-bucket/results.jsonl"),
        event("interaction"),
        event(id=""),
        event(id=7),
        event(id=None),
        b'{"type": "interaction.completed"}',
        b'{"type": "interaction.completed", "data": "v1_x"}',
        b"[]",
        b"null",
        b"",
        b"\xff",
    ],
)
def test_a_webhook_that_tells_of_no_interaction_is_rejected(body: bytes) -> None:
    with pytest.raises(WebhookRejected, match="tells of no interaction"):
        build(Host()).parse_webhook(sign(body), body, secrets=[SECRET], now=NOW)


# The catalog's rows


@pytest.mark.parametrize(
    ("name", "longest", "micros"),
    [
        ("gemini-omni-1.2-flash", 15, {"640x360": 23_000, "720x1280": 70_000, "1920x1080": 105_000}),
        ("gemini-omni-1.1-flash", 10, {"640x360": 30_000, "720x1280": 100_000, "2160x3840": 300_000}),
    ],
)
def test_the_catalog_says_what_google_offers(name: str, longest: int, micros: dict[str, int]) -> None:
    entry = row(name)
    assert (entry.provider, entry.durations_seconds) == ("gemini", tuple(range(3, longest + 1)))
    assert {size: entry.estimate_cost_micros(seconds=1, size=size) for size in micros} == micros
    assert entry.capabilities == Capabilities(
        audio=True,
        image_roles=(ImageRole.FIRST_FRAME, ImageRole.LAST_FRAME),
        remix=True,
        extend=True,
        edit=True,
        cancel=True,
        delete=True,
        webhook=True,
    )
