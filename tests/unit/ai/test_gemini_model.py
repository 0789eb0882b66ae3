"""Gemini Omni through the Interactions API: what is sent, and what each answer means."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from mediaposter.ai.catalog import CatalogEntry, parse_size
from mediaposter.ai.gemini_body import MAX_KEPT_BYTES, MAX_STRING_BYTES, BodySkimmer
from mediaposter.ai.gemini_model import GeminiVideoModel
from mediaposter.ai.provider_options import ProviderOption
from mediaposter.ai.video_model_interface import (
    SourceVideo,
    VideoGenerationJob,
    VideoGenerationRequest,
    VideoStatus,
    VideoStream,
)
from mediaposter.domain.errors import (
    ErrorCode,
    SubmissionUnknown,
    VideoModelError,
    WebhookRejected,
)
from mediaposter.http.file_stream import MAX_DOWNLOAD_SECONDS
from mediaposter.http.vendor import MAX_REPLY_BYTES
from tests.fakes.provider import Answer, Body, Calls, Host, Internet, SlowBody, read_reply, row
from tests.unit.ai.signing import sign_standard

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


CALLS = Calls(build, job_id=ID)


# Construction


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


def data_uri(image: bytes) -> str:
    return f"data:;base64,{base64.b64encode(image).decode()}"


def picture(image: bytes, content_type: str) -> dict[str, str]:
    return {"type": "image", "mime_type": content_type, "data": base64.b64encode(image).decode()}


def test_a_first_frame_is_sent_beside_the_prompt_that_binds_it() -> None:
    server = Host(reply("queued"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=data_uri(PNG)))
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


def test_an_acceptance_without_end_is_not_read_to_its_end_and_unknown() -> None:
    endless = Body([b"[1, " * 100_000] * (MAX_KEPT_BYTES // 400_000 + 2), AssertionError("read to its end"))
    assert isinstance(CALLS.creation_error(httpx.Response(200, stream=endless)), SubmissionUnknown)


def test_an_acceptance_that_shows_the_pictures_again_is_a_job() -> None:
    steps = [{"type": "user_input", "content": [picture(bytes(MAX_REPLY_BYTES), "image/png")]}]
    assert CALLS.create(in_pieces(interaction_reply(steps=steps).content, 65_536)).job_id == ID


def test_an_id_without_a_status_is_a_running_job() -> None:
    job = CALLS.create(httpx.Response(200, json={"id": ID}))
    assert (job.job_id, job.status) == (ID, VideoStatus.IN_PROGRESS)


def test_an_error_with_an_id_is_no_job() -> None:
    error = CALLS.creation_error(httpx.Response(200, json={"id": "req_1", "error": {"message": "upstream hung up"}}))
    assert isinstance(error, SubmissionUnknown)
    assert "upstream hung up" in error.message


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("error_invalid", ErrorCode.INVALID_REQUEST),
        ("error_prohibited", ErrorCode.CONTENT_POLICY),
        ("error_key_blocked", ErrorCode.AUTHENTICATION),
    ],
)
def test_the_words_of_a_refusal_decide_its_code(name: str, code: ErrorCode) -> None:
    error = CALLS.creation_error(reply(name))
    assert (error.code, error.transient) == (code, False)


@pytest.mark.parametrize(("headers", "seconds"), [({}, 34.5), ({"retry-after": "7"}, 7.0)])
def test_a_rate_limit_may_pass_after_the_delay_in_its_header_or_its_details(
    headers: dict[str, str], seconds: float
) -> None:
    error = CALLS.creation_error(reply("error_exhausted", **headers))
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, True, seconds)


@pytest.mark.parametrize("details", ["soon", [None], [{"retryDelay": 5}], [{"retryDelay": "-1s"}]])
def test_a_delay_that_cannot_be_read_is_none(details: object) -> None:
    error = CALLS.creation_error(httpx.Response(429, json={"error": {"code": 429, "details": details}}))
    assert (error.code, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, None)


# Asking how a job stands


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("queued", VideoStatus.QUEUED),
        ("requires_action", VideoStatus.IN_PROGRESS),
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


@pytest.mark.parametrize("name", ["completed_without_video", "completed_only_source_video"])
def test_a_completed_interaction_without_a_video_was_blocked(name: str) -> None:
    job = CALLS.status(reply(name))
    assert (job.status, job.error_code) == (VideoStatus.FAILED, ErrorCode.CONTENT_POLICY)
    assert job.error_message == "Google ended the interaction without a video: its filters took it out."


@pytest.mark.parametrize(
    "steps",
    [
        [{"type": "model_output", "content": [{"type": "video", "data": "", "uri": None}]}],
        [{"type": "model_output", "content": [{"type": "image", "uri": "https://h.example/a.png"}]}],
    ],
)
def test_only_a_video_proves_a_success(steps: object) -> None:
    assert CALLS.status(interaction_reply(status="completed", steps=steps)).error_code is ErrorCode.CONTENT_POLICY


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
    job = CALLS.status(reply(name))
    assert (job.status, job.error_code, job.error_message) == (VideoStatus.FAILED, code, message)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "blocked"}, ErrorCode.CONTENT_POLICY),
        ({"code": "https://safety.example/errors/internal"}, ErrorCode.PROVIDER_ERROR),
        ({"code": "https://google.example/errors#safety"}, ErrorCode.CONTENT_POLICY),
        ({"code": 3}, ErrorCode.INVALID_REQUEST),
        ({"code": 13, "status": "INVALID_ARGUMENT"}, ErrorCode.INVALID_REQUEST),
        ({"code": 3, "details": [{"reason": "SAFETY"}]}, ErrorCode.CONTENT_POLICY),
        ({"code": None, "message": "blocked for safety"}, ErrorCode.PROVIDER_ERROR),
        ("SAFETY", ErrorCode.PROVIDER_ERROR),
    ],
)
def test_the_words_of_a_failure_decide_its_code(error: object, code: ErrorCode) -> None:
    assert CALLS.status(interaction_reply(status="failed", errors=[error])).error_code is code


def test_the_error_that_means_something_wins() -> None:
    errors = [{"code": "INTERNAL", "message": "Oops."}, {"code": "SAFETY", "message": "Blocked."}]
    job = CALLS.status(interaction_reply(status="failed", errors=errors))
    assert (job.error_code, job.error_message) == (ErrorCode.CONTENT_POLICY, "Blocked.")


def test_an_answer_may_take_as_long_as_the_clip_in_it() -> None:
    internet = Internet()
    server = Host(httpx.Response(200, stream=SlowBody(internet, seconds_each=100.0)))
    with pytest.raises(VideoModelError) as raised:
        build(server, internet=internet).get_status(ID)
    assert (raised.value.transient, internet.now) == (True, MAX_DOWNLOAD_SECONDS + 100.0)


# A clip inside the answer

CLIP = bytes(range(256)) * 1000  # 341,336 characters of base64
ENCODED = base64.b64encode(CLIP).decode()


def body_of(data: str) -> bytes:
    return inline_reply(data).read()


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


@pytest.mark.parametrize("clip", [CLIP, CLIP[:-1], CLIP[:-2], b"movie"], ids=len)
def test_a_clip_in_the_answer_is_streamed_with_its_length(clip: bytes) -> None:
    server = Host(inline_reply(base64.b64encode(clip).decode()))
    with build(server).open_video(ID) as stream:
        assert (stream.start_byte, stream.size_bytes, stream.content_type) == (0, len(clip), "video/mp4")
        assert b"".join(stream.chunks) == clip
    assert server.paths == [PATH]


@pytest.mark.parametrize("length", [1_021, 65_537])
@pytest.mark.parametrize("slash", ["/", r"\/", r"\u002F"])
def test_a_clip_arrives_whatever_its_pieces_and_escapes(length: int, slash: str) -> None:
    clip = CLIP[:-1]
    content = body_of("DATA").replace(b"DATA", base64.b64encode(clip).replace(b"/", slash.encode()))
    content = content.replace(b"=", rb"\u003d")
    assert CALLS.download(build(Host(in_pieces(content, length)))) == clip


@pytest.mark.parametrize("start_byte", [1, 98_303, 98_304, len(CLIP) - 1])
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
    assert CALLS.download(build(Host(interaction_reply(status="completed", steps=steps)))) == CLIP


@pytest.mark.parametrize("data", [ENCODED[:-1], ENCODED[:-4] + "!!!!", "bW92aWU", "string 0 put aside"])
def test_a_clip_that_is_not_base64_is_an_error(data: str) -> None:
    error = CALLS.download_error(build(Host(inline_reply(data))))
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, True)
    assert "not base64" in error.message


def test_a_clip_that_was_cut_off_is_refused_before_it_is_read() -> None:
    with (
        pytest.raises(VideoModelError, match="341335 characters"),
        build(Host(inline_reply(ENCODED[:-1]))).open_video(ID),
    ):
        pytest.fail("it was opened")


@given(text=st.text(st.characters() | st.sampled_from('"\\\\')), length=st.integers(1, 50))
def test_a_body_without_long_strings_is_left_as_it_is(text: str, length: int) -> None:
    content = json.dumps({text: [text, 7, {"a": text}]}).encode()
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
    assert CALLS.download(build(server)) == b"movie"
    assert server.paths[1:] == [FILE, f"{FILE}:download?alt=media"]


def test_a_file_with_a_strange_name_is_asked_for_by_that_name() -> None:
    server = Host(inline_reply("", uri=f"https://{HOST}/v1beta/files/a%3Fb%23"), reply("file_processing"))
    CALLS.download_error(build(server))
    assert server.paths[1:] == ["/v1beta/files/a%3Fb%23"]


@pytest.mark.parametrize("state", ["PROCESSING", None])
def test_a_file_that_is_not_ready_is_asked_for_again_soon(state: object) -> None:
    server = Host(reply("completed_uri"), httpx.Response(200, json={"name": "files/abc-123xyz", "state": state}))
    error = CALLS.download_error(build(server))
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.PROVIDER_ERROR, True, 2.0)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "code", "transient", "sentence"),
    [
        (reply("file_failed"), ErrorCode.PROVIDER_ERROR, False, "The video could not be encoded."),
        (reply("file_gone"), ErrorCode.EXPIRED, False, "keeps for 48 hours. You do not have permission"),
        (reply("error_unavailable"), ErrorCode.PROVIDER_ERROR, True, "overloaded"),
    ],
)
def test_a_file_that_is_not_there_says_why(answer: Answer, code: ErrorCode, transient: bool, sentence: str) -> None:
    error = CALLS.download_error(build(Host(reply("completed_uri"), answer)))
    assert (error.code, error.transient) == (code, transient)
    assert sentence in error.message


def test_a_file_that_is_refused_may_be_asked_for_again_when_the_details_say() -> None:
    error = CALLS.download_error(build(finished(reply("error_exhausted"))))
    assert (error.transient, error.retry_after_seconds) == (True, 34.5)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"state": "FAILED", "error": {"message": f"Bad key {KEY}"}}),
        httpx.Response(403, json={"error": {"message": f"Bad key {KEY}"}}),
    ],
)
def test_the_sentence_about_a_file_loses_our_key(answer: httpx.Response) -> None:
    assert CALLS.download_error(build(Host(reply("completed_uri"), answer))).message.endswith("Bad key [key]")


def test_an_address_elsewhere_never_sees_the_key() -> None:
    server = Host(reply("completed_elsewhere"))
    internet = Internet()
    assert CALLS.download(build(server, internet=internet)) == b"movie"
    assert len(server.requests) == 1
    assert internet.requests[0].headers["host"] == "storage.googleapis.com"
    assert KEY not in str(internet.requests[0].headers.multi_items())


@pytest.mark.parametrize("path", ["/v1beta/models", f"{FILE}/versions", "/v1beta/files/"])
def test_an_address_of_google_that_is_no_file_is_refused(path: str) -> None:
    server = Host(inline_reply("", uri=f"https://{HOST}{path}"))
    assert CALLS.download_error(build(server)).code is ErrorCode.PROVIDER_ERROR
    assert len(server.requests) == 1


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


def test_a_derived_job_without_a_described_source_is_left_to_google() -> None:
    server = Host(reply("edited"))
    build(server).remix_video(ID, "Warmer")
    assert server.sent_body["response_format"] == {"type": "video", "delivery": "uri"}


def test_a_source_of_a_size_that_gemini_does_not_make_is_refused_before_anything_is_sent() -> None:
    server = Host(reply("edited"))
    with pytest.raises(VideoModelError) as raised:
        build(server).edit_video(ID, "Warmer", source=SourceVideo(1000, 1000, seconds=4))
    assert raised.value.code is ErrorCode.INVALID_REQUEST
    assert server.requests == []


def test_a_running_job_is_cancelled() -> None:
    server = Host(reply("cancelled"))
    build(server).cancel_video(ID)
    assert [(request.method, request.url.path) for request in server.requests] == [("POST", f"{PATH}/cancel")]


def test_a_video_is_deleted() -> None:
    server = Host(httpx.Response(200, json={}))
    build(server).delete_video(ID)
    assert [(request.method, request.url.path) for request in server.requests] == [("DELETE", PATH)]


# Webhooks

SECRET = "whsec_" + base64.b64encode(b"secret of the test, 32 bytes ...").decode()
NOW = datetime(2026, 11, 22, 10, 0, 5, tzinfo=UTC)


def event(kind: str = "interaction.completed", **data: object) -> bytes:
    return json.dumps(
        {"type": kind, "version": "v1", "timestamp": "2026-11-22T10:00:00Z", "data": {"id": ID, **data}}
    ).encode()


def sign(body: bytes) -> dict[str, str]:
    return sign_standard(body, SECRET, webhook_id="msg_1", at=NOW)


@pytest.mark.parametrize(
    "body",
    [
        event("interaction.requires_action"),
        event("video.generated", output_file_uri="https://evil.example/a.mp4", file_name="files/abc-123xyz"),
    ],
)
def test_a_webhook_names_its_interaction_and_nothing_is_asked(body: bytes) -> None:
    server = Host(reply("completed_uri"))
    model = build(server)
    assert model.parse_webhook(sign(body), body, secrets=[SECRET], now=NOW) == model.webhook_key(ID) == ID
    assert server.requests == []


def test_a_webhook_that_was_changed_is_rejected() -> None:
    with pytest.raises(WebhookRejected):
        build(Host()).parse_webhook(sign(event(error_code="x")), event(), secrets=[SECRET], now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        event("batch.succeeded", output_file_uri="gs://my-bucket/results.jsonl"),
        event(id=""),
        b'{"type": "interaction.completed"}',
        b"",
    ],
)
def test_a_webhook_that_tells_of_no_interaction_is_rejected(body: bytes) -> None:
    with pytest.raises(WebhookRejected, match="names no interaction"):
        build(Host()).parse_webhook(sign(body), body, secrets=[SECRET], now=NOW)
