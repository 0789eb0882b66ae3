from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.parser import BytesParser
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from mediaposter.ai.catalog import CatalogEntry, ImageRole
from mediaposter.ai.reference_image import MAX_IMAGE_BYTES
from mediaposter.ai.sora_model import SoraVideoModel
from mediaposter.ai.video_model_interface import Capabilities, VideoGenerationJob, VideoGenerationRequest, VideoStatus
from mediaposter.errors import (
    ConfigurationError,
    ErrorCode,
    InvalidRequest,
    SubmissionUnknown,
    UnsupportedOperation,
    VideoModelError,
    WebhookRejected,
)
from mediaposter.http_reply import MAX_SENTENCE_LENGTH
from tests.fakes.provider import Answer, Body, Host, Internet, allowing, read_reply, row

BASE_URL = "https://videos.example/v1"
KEY = "sk-of-the-test"
OPENAI_ID = "video_68e9a1c4d2f08190b7d3a5c1e0f4927b"
CREATED_AT = datetime(2026, 1, 21, 12, 53, 20, tzinfo=UTC)
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"a secret of the test's own").decode()
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
PNG_URI = "data:image/png;base64," + base64.b64encode(PNG).decode()
JPEG = b"\xff\xd8\xff\xe0pixels"
WEBP = b"RIFF\x10\x00\x00\x00WEBPpixels"

ALL = Capabilities(
    image_roles=(ImageRole.FIRST_FRAME,),
    remix=True,
    extend=True,
    edit=True,
    cancel=True,
    delete=True,
    list_jobs=True,
    webhook=True,
)


def recorded(name: str, **headers: str) -> httpx.Response:
    return read_reply("sora", name, **headers)


def job_reply(**fields: object) -> httpx.Response:
    return httpx.Response(200, json={"id": "video_1", "status": "in_progress", **fields})


def build(
    server: Host,
    *,
    internet: Internet | None = None,
    capabilities: Capabilities = ALL,
    base_url: str = BASE_URL,
    follow_redirects: bool = False,
    provider_model: str = "sora-2",
    entry: CatalogEntry | None = None,
) -> SoraVideoModel:
    return SoraVideoModel(
        entry=entry or row("sora-2", capabilities).model_copy(update={"provider_model": provider_model}),
        api_key=KEY,
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
    return build(Host(answer)).get_status("video_1")


def status_error(answer: Answer) -> VideoModelError:
    with pytest.raises(VideoModelError) as raised:
        status(answer)
    return raised.value


def download(model: SoraVideoModel, job_id: str = "video_1") -> bytes:
    with model.open_video(job_id) as stream:
        return b"".join(stream.chunks)


def download_error(model: SoraVideoModel) -> VideoModelError:
    with pytest.raises(VideoModelError) as raised:
        download(model)
    return raised.value


def form_of(request: httpx.Request) -> dict[str, Message]:
    """Take a multipart form apart: its parts by field name."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + request.content)
    parts = message.get_payload()
    assert isinstance(parts, list)
    named = {}
    for part in parts:
        assert isinstance(part, Message)
        named[str(part.get_param("name", header="content-disposition"))] = part
    return named


def text_of(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


# Construction


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.openai.com/v1",
        "https://API.OpenAI.com/v1",
        "https://api.openai.com./v1",
        "https://api.openai.com:443/v1",
        "https://eu.api.openai.com/v1",
    ],
)
def test_openai_itself_is_refused_with_what_to_do_instead(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"2026-09-24.*vLLM-Omni, SGLang, LiteLLM or Bifrost"):
        build(Host(), base_url=base_url)


def test_an_address_that_is_no_base_url_is_refused_with_what_one_looks_like() -> None:
    with pytest.raises(ConfigurationError, match="https://host/v1"):
        build(Host(), base_url="videos.example/v1")


def test_a_self_hosted_server_on_plain_http_is_taken() -> None:
    server = Host(recorded("vllm_omni_in_progress"))
    build(server, base_url="http://localhost:8091/v1/").get_status("a")
    assert str(server.requests[0].url) == "http://localhost:8091/v1/videos/a"


def test_nothing_of_the_environment_reaches_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", f"leak-{name}")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://leak.example/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer leak-header\nX-Leak: leak-header")
    server = Host(recorded("openai_created"), recorded("openai_completed"), httpx.Response(200, content=b"movie"))
    model = build(server)
    model.create_video(VideoGenerationRequest(prompt="A lake"))
    download(model)
    for request in server.requests:
        assert request.url.host == "videos.example"
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert "leak" not in str(request.headers.multi_items())
        assert not [name for name in request.headers if name.startswith("openai")]


# Creating


def test_a_created_job_is_queued_and_keeps_the_servers_pace() -> None:
    job = create(recorded("openai_created"))
    assert job == VideoGenerationJob(
        job_id=OPENAI_ID,
        status=VideoStatus.QUEUED,
        progress=0,
        retry_after_seconds=10.0,
        prompt="A lake at sunset",
        model="sora-2",
        size="1280x720",
        seconds=8,
        created_at=CREATED_AT,
    )


@pytest.mark.parametrize("name", ["openai_created", "vllm_omni_created", "sglang_created", "litellm_created"])
def test_every_servers_new_job_is_read(name: str) -> None:
    assert not create(recorded(name)).status.is_terminal


def test_the_request_goes_as_a_form_with_seconds_and_size_as_text() -> None:
    server = Host(recorded("openai_created"))
    build(server).create_video(
        VideoGenerationRequest(prompt="Ein See, früh", width=720, height=1280, duration_seconds=12)
    )
    form = form_of(server.requests[0])
    assert {name: text_of(part) for name, part in form.items()} == {
        "prompt": "Ein See, früh",
        "model": "sora-2",
        "seconds": "12",
        "size": "720x1280",
    }
    # A part with a file's name is a file to FastAPI.
    assert not any(part.get_filename() for part in form.values())
    assert server.calls == ["POST /v1/videos"]


def test_the_model_goes_by_its_name_at_the_server() -> None:
    server = Host(recorded("openai_created"))
    build(server, provider_model="minimax/h3").create_video(VideoGenerationRequest(prompt="A lake"))
    assert text_of(form_of(server.requests[0])["model"]) == "minimax/h3"


def test_a_servers_own_options_become_fields_of_the_form() -> None:
    server = Host(recorded("openai_created"))
    entry = allowing(row("sora-2"), negative_prompt="text", seed="integer", generate_sound="boolean")
    options: dict[str, JsonValue] = {"negative_prompt": "Nebel, früh", "seed": "7", "generate_sound": False}
    build(server, entry=entry).create_video(VideoGenerationRequest(prompt="A lake", provider_options=options))
    form = form_of(server.requests[0])
    assert {name: text_of(form[name]) for name in options} == {
        "negative_prompt": "Nebel, früh",
        "seed": "7",
        "generate_sound": "false",
    }


@pytest.mark.parametrize(
    "name", ["prompt", "model", "seconds", "size", "input_reference", "input_reference[image_url]"]
)
@pytest.mark.parametrize("picture", [PNG_URI, None])
def test_an_option_never_replaces_what_the_request_says(name: str, picture: str | None) -> None:
    server = Host(recorded("openai_created"))
    request = VideoGenerationRequest(prompt="A lake", input_image=picture, provider_options={name: "other"})
    build(server, entry=allowing(row("sora-2"), **{name: "text"})).create_video(request)
    assert b"other" not in server.requests[0].content
    assert len(form_of(server.requests[0])) == (4 if picture is None else 5)


def test_a_model_named_in_the_request_wins() -> None:
    server = Host(recorded("openai_created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", model="runway/gen4.5"))
    assert text_of(form_of(server.requests[0])["model"]) == "runway/gen4.5"


@pytest.mark.parametrize(
    "answer",
    [
        recorded("openai_error_server"),
        httpx.Response(408),
        httpx.Response(409),
        httpx.Response(429),
        httpx.Response(503, headers={"x-should-retry": "true"}),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
    ],
)
def test_a_create_is_sent_once_whatever_comes_of_it(answer: Answer) -> None:
    server = Host(answer)
    with pytest.raises(VideoModelError):
        build(server).create_video(VideoGenerationRequest(prompt="A lake"))
    assert len(server.requests) == 1


@pytest.mark.parametrize("status_code", [408, 409, 500, 502, 503, 504, 520, 529])
def test_a_fault_after_which_the_job_may_exist_is_unknown(status_code: int) -> None:
    assert isinstance(creation_error(httpx.Response(status_code)), SubmissionUnknown)


def test_an_unknown_submission_keeps_the_servers_sentence_and_request_id() -> None:
    error = creation_error(recorded("openai_error_server"))
    assert "The server had an error while processing your request." in error.message
    assert error.request_id == "req_broken"


def test_a_break_after_something_was_sent_is_unknown() -> None:
    assert isinstance(creation_error(httpx.ReadTimeout("slow")), SubmissionUnknown)


def test_a_break_before_anything_was_sent_is_certain_and_may_be_tried_again() -> None:
    raised = creation_error(httpx.ConnectError("[Errno 111] Connection refused"))
    assert not isinstance(raised, SubmissionUnknown)
    assert (raised.code, raised.transient) == (ErrorCode.PROVIDER_ERROR, True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>ok</html>",
        b"null",
        b"[]",
        b'"video_1"',
        b"{}",
        b'{"id": ""}',
        b'{"id": null}',
        b'{"id": "video',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_an_acceptance_that_cannot_be_read_is_unknown(content: bytes) -> None:
    assert isinstance(creation_error(httpx.Response(200, content=content)), SubmissionUnknown)


def test_an_acceptance_whose_body_breaks_off_is_unknown() -> None:
    broken = httpx.Response(200, stream=Body([b'{"id": "vi'], httpx.ReadError("reset")))
    assert isinstance(creation_error(broken), SubmissionUnknown)


def test_an_error_in_a_200_is_unknown_and_its_sentence_kept() -> None:
    error = creation_error(httpx.Response(200, json={"id": "req_1", "error": {"message": "upstream hung up"}}))
    assert isinstance(error, SubmissionUnknown)
    assert "upstream hung up" in error.message


def test_an_id_without_a_status_is_a_running_job() -> None:
    job = create(httpx.Response(202, json={"id": "video_1"}))
    assert (job.job_id, job.status) == ("video_1", VideoStatus.IN_PROGRESS)


def test_a_job_that_is_refused_at_once_is_a_failed_job() -> None:
    assert create(recorded("openai_failed_moderation")).error_code is ErrorCode.CONTENT_POLICY


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (recorded("openai_error_invalid_seconds"), ErrorCode.INVALID_REQUEST),
        (recorded("vllm_omni_model_mismatch"), ErrorCode.INVALID_REQUEST),
        (recorded("vllm_omni_invalid_form"), ErrorCode.INVALID_REQUEST),
        (recorded("sglang_invalid"), ErrorCode.INVALID_REQUEST),
        (recorded("litellm_error_bad_request"), ErrorCode.INVALID_REQUEST),
        (httpx.Response(413), ErrorCode.INVALID_REQUEST),
        (recorded("openai_error_moderation"), ErrorCode.CONTENT_POLICY),
        (httpx.Response(400, json={"error": {"code": "content_policy_violation"}}), ErrorCode.CONTENT_POLICY),
        (httpx.Response(400, json={"error": {"type": "content_policy_violation"}}), ErrorCode.CONTENT_POLICY),
        (httpx.Response(403, json={"error": {"code": "moderation_blocked"}}), ErrorCode.CONTENT_POLICY),
        (recorded("openai_error_key"), ErrorCode.AUTHENTICATION),
        (recorded("litellm_error_key"), ErrorCode.AUTHENTICATION),
        (httpx.Response(403), ErrorCode.AUTHENTICATION),
        (httpx.Response(402), ErrorCode.INSUFFICIENT_CREDIT),
        (recorded("openai_error_quota"), ErrorCode.INSUFFICIENT_CREDIT),
        (recorded("openai_error_billing_limit"), ErrorCode.INSUFFICIENT_CREDIT),
        (recorded("openai_error_model"), ErrorCode.MODEL_NOT_FOUND),
        (httpx.Response(404, json={"detail": "Not Found"}), ErrorCode.MODEL_NOT_FOUND),
        (httpx.Response(410), ErrorCode.MODEL_NOT_FOUND),
        (httpx.Response(405), ErrorCode.PROVIDER_ERROR),
        (httpx.Response(302, headers={"location": "https://elsewhere.example/v1/videos"}), ErrorCode.PROVIDER_ERROR),
    ],
)
def test_a_refusal_is_certain_and_final(answer: httpx.Response, code: ErrorCode) -> None:
    error = creation_error(answer)
    assert not isinstance(error, SubmissionUnknown)
    assert (error.code, error.transient) == (code, False)


@pytest.mark.parametrize(("name", "seconds"), [("openai_error_rate", 20.0), ("litellm_error_rate", 3.0)])
def test_a_rate_limit_may_pass(name: str, seconds: float) -> None:
    error = creation_error(recorded(name))
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, True, seconds)


def test_a_rate_limit_until_a_date_is_read() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    seconds = creation_error(recorded("openai_error_rate", **{"retry-after": moment})).retry_after_seconds
    assert seconds == pytest.approx(90, abs=5)


def test_a_sentence_alone_never_decides_the_code() -> None:
    answer = httpx.Response(400, json={"error": {"message": "moderation_blocked content_policy_violation"}})
    assert creation_error(answer).code is ErrorCode.INVALID_REQUEST


def test_a_refusal_keeps_the_vendors_sentence_and_request_id() -> None:
    error = creation_error(recorded("openai_error_invalid_seconds"))
    assert error.message == "Invalid value: '15'. Supported values are: '4', '8', and '12'."
    assert error.request_id == "req_refused"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (recorded("vllm_omni_invalid_form"), "body.size: String should match pattern '^\\d+x\\d+$'"),
        (recorded("sglang_invalid"), "input_reference or reference_url is required for image-to-video generation"),
        (httpx.Response(400, json={"error": "no such size"}), "no such size"),
        (httpx.Response(400, json={"detail": {"error": "no such size"}}), "no such size"),
        (httpx.Response(400, json={"object": "error", "message": "no such size", "code": 400}), "no such size"),
        (httpx.Response(400, text="no such size"), "no such size"),
        (httpx.Response(400, html="<h1>Bad Request</h1>"), "videos.example answered 400 without an explanation."),
    ],
)
def test_a_sentence_is_found_in_every_form(answer: httpx.Response, sentence: str) -> None:
    assert creation_error(answer).message == sentence


def test_a_sentence_loses_our_key_and_the_signatures_of_urls() -> None:
    said = f"Bad key {KEY}; see https://s3.example/a.mp4?X-Amz-Signature=secret for more"
    message = creation_error(httpx.Response(401, json={"detail": said})).message
    assert message == "Bad key [key]; see https://s3.example/a.mp4 for more"


def test_the_sentence_of_a_failed_job_loses_them_too() -> None:
    said = f"Bad key {KEY}; see https://s3.example/a.mp4?X-Amz-Signature=secret for more"
    job = build(Host(job_reply(status="failed", error={"code": "x", "message": said}))).get_status("video_1")
    assert job.error_message == "Bad key [key]; see https://s3.example/a.mp4 for more"


def test_a_sentence_is_cut_to_a_length_that_a_record_takes() -> None:
    assert len(creation_error(httpx.Response(400, json={"detail": "x" * 10_000})).message) == MAX_SENTENCE_LENGTH


def test_a_refused_list_is_an_error_whatever_its_body_looks_like() -> None:
    with pytest.raises(VideoModelError) as raised:
        build(Host(httpx.Response(403, json={"object": "list", "data": []}))).list_jobs()
    assert raised.value.code is ErrorCode.AUTHENTICATION


def test_a_redirect_of_a_create_is_not_followed_even_by_a_client_that_would() -> None:
    server = Host(httpx.Response(307, headers={"location": "https://elsewhere.example/v1/videos"}))
    with pytest.raises(VideoModelError, match="base_url"):
        build(server, follow_redirects=True).create_video(VideoGenerationRequest(prompt="A lake"))
    assert len(server.requests) == 1


FIELDS = [
    *("id", "status", "progress", "url", "prompt", "created_at"),
    *("error", "detail", "code", "message", "loc", "msg"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS) | st.text(),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(body=JSON, status_code=st.sampled_from([200, 202, 302, 400, 404, 429, 500]))
def test_any_answer_to_a_create_is_a_job_or_a_known_error(body: object, status_code: int) -> None:
    content = json.dumps(body).encode()
    outcome: VideoGenerationJob | VideoModelError
    try:
        outcome = create(httpx.Response(status_code, content=content))
    except VideoModelError as error:
        outcome = error
    may_exist = isinstance(outcome, VideoGenerationJob | SubmissionUnknown)
    assert may_exist == (status_code in (200, 202, 500))


# The reference image


@pytest.mark.parametrize(
    ("content", "content_type", "filename"),
    [
        (PNG, "image/png", "reference.png"),
        (JPEG, "image/jpeg", "reference.jpeg"),
        (WEBP, "image/webp", "reference.webp"),
    ],
)
def test_an_image_is_sent_as_a_file_of_its_type(
    tmp_path: Path, content: bytes, content_type: str, filename: str
) -> None:
    path = tmp_path / "an image"
    path.write_bytes(content)
    server = Host(recorded("openai_created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=str(path)))
    part = form_of(server.requests[0])["input_reference"]
    assert (part.get_content_type(), part.get_filename(), part.get_payload(decode=True)) == (
        content_type,
        filename,
        content,
    )


@pytest.mark.parametrize(
    "uri",
    [
        PNG_URI,
        "data:;base64," + base64.b64encode(PNG).decode().replace("=", "%3D"),
        "data:image/png,%89PNG%0D%0A%1A%0Apixels",
    ],
)
def test_an_image_in_a_data_uri_is_sent_as_a_file(uri: str) -> None:
    server = Host(recorded("openai_created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=uri))
    assert form_of(server.requests[0])["input_reference"].get_payload(decode=True) == PNG


def test_an_image_behind_a_url_is_fetched_without_the_key_and_sent_as_a_file() -> None:
    server = Host(recorded("openai_created"))
    internet = Internet(httpx.Response(200, content=PNG))
    build(server, internet=internet).create_video(
        VideoGenerationRequest(prompt="A lake", input_image="https://images.example/a.png")
    )
    assert form_of(server.requests[0])["input_reference"].get_payload(decode=True) == PNG
    assert "authorization" not in internet.requests[0].headers


@pytest.mark.parametrize("image", ["http://images.example/a.png", "file:///etc/passwd", "https://images.example/a.png"])
def test_an_image_behind_a_url_that_may_not_be_fetched_is_refused(image: str) -> None:
    server = Host(recorded("openai_created"))
    internet = Internet()
    internet.addresses = ["169.254.169.254"]
    with pytest.raises(VideoModelError) as raised:
        build(server, internet=internet).create_video(VideoGenerationRequest(prompt="A lake", input_image=image))
    assert raised.value.code is ErrorCode.INVALID_REQUEST
    assert server.requests == []


@pytest.mark.parametrize(
    "image",
    [
        f"data:image/png;base64,{base64.b64encode(PNG).decode()}#",
        "data:image/png;base64,",
        "data:image/png",
        f"data:image/webp;base64,{base64.b64encode(b'RIFF----WAVEfmt ').decode()}",
        "/nowhere/a.png",
    ],
)
def test_an_image_that_cannot_be_read_is_refused_before_anything_is_sent(image: str) -> None:
    server = Host(recorded("openai_created"))
    with pytest.raises(VideoModelError) as raised:
        build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=image))
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert server.requests == []


def test_a_path_never_sends_a_file_that_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "environ"
    path.write_bytes(b"AWS_SECRET_ACCESS_KEY=secret")
    server = Host(recorded("openai_created"))
    with pytest.raises(VideoModelError, match="PNG, JPEG or WebP"):
        build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=str(path)))
    assert server.requests == []


def test_an_image_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG.ljust(MAX_IMAGE_BYTES + 1, b"\0"))
    with pytest.raises(VideoModelError, match="longer than"):
        create(recorded("openai_created"), VideoGenerationRequest(prompt="A lake", input_image=str(path)))


@pytest.mark.parametrize("field", ["input_image", "last_frame_image"])
def test_a_model_that_takes_no_image_refuses_one(field: str) -> None:
    server = Host(recorded("openai_created"))
    request = VideoGenerationRequest.model_validate({"prompt": "A lake", field: PNG_URI})
    with pytest.raises(VideoModelError) as raised:
        build(server, capabilities=Capabilities()).create_video(request)
    assert raised.value.code is ErrorCode.INVALID_REQUEST
    assert server.requests == []


# Asking how a job stands


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("queued", VideoStatus.QUEUED),
        ("pending", VideoStatus.QUEUED),
        ("in_progress", VideoStatus.IN_PROGRESS),
        ("processing", VideoStatus.IN_PROGRESS),
        ("running", VideoStatus.IN_PROGRESS),
        ("completed", VideoStatus.COMPLETED),
        ("SUCCEEDED", VideoStatus.COMPLETED),
        ("failed", VideoStatus.FAILED),
        ("cancelled", VideoStatus.FAILED),
        ("canceled", VideoStatus.FAILED),
        ("deleted", VideoStatus.FAILED),
        ("expired", VideoStatus.FAILED),
        ("cancelling", VideoStatus.IN_PROGRESS),
        ("done", VideoStatus.IN_PROGRESS),
        ("", VideoStatus.IN_PROGRESS),
        (None, VideoStatus.IN_PROGRESS),
        (7, VideoStatus.IN_PROGRESS),
    ],
)
def test_a_word_for_a_status_is_understood_and_an_unknown_one_is_never_success(
    word: object, expected: VideoStatus
) -> None:
    assert status(job_reply(status=word)).status is expected


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (42, 42),
        (37.6, 38),
        (0, 0),
        (-5, 0),
        (250, 100),
        (10**400, 100),
        (None, None),
        ("40%", None),
        (True, None),
        ([1], None),
    ],
)
def test_progress_is_a_percentage_or_nothing(progress: object, expected: int | None) -> None:
    assert status(job_reply(progress=progress)).progress == expected


@pytest.mark.parametrize("progress", ["NaN", "Infinity", "1e999"])
def test_progress_that_is_no_number_is_nothing(progress: str) -> None:
    content = f'{{"id": "video_1", "status": "running", "progress": {progress}}}'.encode()
    assert status(httpx.Response(200, content=content)).progress is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai_in_progress", (VideoStatus.IN_PROGRESS, 42)),
        ("vllm_omni_in_progress", (VideoStatus.IN_PROGRESS, 0)),
        ("litellm_processing", (VideoStatus.IN_PROGRESS, 38)),
        ("sglang_cancelling", (VideoStatus.IN_PROGRESS, 0)),
        ("openai_completed", (VideoStatus.COMPLETED, 100)),
        ("vllm_omni_completed", (VideoStatus.COMPLETED, 100)),
        ("sglang_completed", (VideoStatus.COMPLETED, 100)),
        ("litellm_completed", (VideoStatus.COMPLETED, 100)),
    ],
)
def test_every_servers_job_is_read(name: str, expected: tuple[VideoStatus, int]) -> None:
    job = status(recorded(name))
    assert (job.status, job.progress) == expected
    assert (job.error_code, job.error_message) == (None, None)


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("openai_failed_moderation", ErrorCode.CONTENT_POLICY, "Your request was blocked by our moderation system."),
        ("openai_failed_sentinel", ErrorCode.CONTENT_POLICY, "Output blocked."),
        ("openai_failed_processing", ErrorCode.PROVIDER_ERROR, "The video could not be rendered."),
        ("vllm_omni_failed_400", ErrorCode.INVALID_REQUEST, "This model does not take an input image."),
        ("vllm_omni_failed_500", ErrorCode.PROVIDER_ERROR, "CUDA out of memory."),
        ("vllm_omni_failed_503", ErrorCode.PROVIDER_ERROR, "The engine is shutting down."),
        ("sglang_failed", ErrorCode.PROVIDER_ERROR, "Worker ran out of memory"),
        ("sglang_deleted", ErrorCode.CANCELLED, "The provider says that the job was deleted."),
        ("litellm_cancelled", ErrorCode.CANCELLED, "The provider says that the job was cancelled."),
        ("litellm_failed", ErrorCode.PROVIDER_ERROR, "The prompt was refused."),
    ],
)
def test_every_servers_failed_job_is_an_answer(name: str, code: ErrorCode, message: str) -> None:
    job = status(recorded(name))
    assert (job.status, job.error_code, job.error_message) == (VideoStatus.FAILED, code, message)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "content_policy_violation"}, ErrorCode.CONTENT_POLICY),
        ({"code": "insufficient_quota"}, ErrorCode.INSUFFICIENT_CREDIT),
        ({"code": "rate_limit_exceeded"}, ErrorCode.RATE_LIMITED),
        ({"code": 422}, ErrorCode.INVALID_REQUEST),
        ({"code": "anything"}, ErrorCode.PROVIDER_ERROR),
        ({"code": None}, ErrorCode.PROVIDER_ERROR),
        ({"code": {"deep": 1}}, ErrorCode.PROVIDER_ERROR),
        ({}, ErrorCode.PROVIDER_ERROR),
        (None, ErrorCode.PROVIDER_ERROR),
        ("moderation_blocked", ErrorCode.PROVIDER_ERROR),
        (["moderation_blocked"], ErrorCode.PROVIDER_ERROR),
    ],
)
def test_a_failed_jobs_code_is_translated(error: object, code: ErrorCode) -> None:
    assert status(job_reply(status="failed", error=error)).error_code is code


def test_a_failed_jobs_error_may_be_a_bare_sentence() -> None:
    assert status(job_reply(status="failed", error="Out of GPUs.")).error_message == "Out of GPUs."


def test_a_failure_without_a_reason_says_so() -> None:
    assert status(job_reply(status="failed")).error_message == "The provider gave no reason for the failure."


def test_an_expired_job_has_expired() -> None:
    assert status(job_reply(status="expired")).error_code is ErrorCode.EXPIRED


@pytest.mark.parametrize("key", ["error", "detail"])
def test_a_failed_job_is_found_inside_an_error(key: str) -> None:
    inner = {"id": "video_1", "status": "failed", "error": {"code": "moderation_blocked", "message": "Blocked."}}
    job = status(httpx.Response(500, json={key: inner}))
    assert (job.status, job.error_code) == (VideoStatus.FAILED, ErrorCode.CONTENT_POLICY)


@pytest.mark.parametrize("word", ["completed", "in_progress", "error"])
def test_an_error_that_only_looks_like_a_job_is_an_error(word: str) -> None:
    assert status_error(httpx.Response(503, json={"id": "req_1", "status": word})).transient


@pytest.mark.parametrize("key", ["url", "video_url"])
def test_the_address_of_a_video_is_kept(key: str) -> None:
    job = status(job_reply(status="completed", **{key: "https://bucket.s3.example/a.mp4"}))
    assert job.video_url == "https://bucket.s3.example/a.mp4"


@pytest.mark.parametrize("key", ["created_at", "created"])
def test_the_time_of_a_job_is_told_in_utc(key: str) -> None:
    assert status(job_reply(**{key: 1_769_000_000})).created_at == CREATED_AT


@pytest.mark.parametrize(
    "moment", ["yesterday", "2026-01-21T12:53:20Z", None, True, [], 0, -1, 1_769_000_000_000, 10**400, 1e300]
)
def test_a_time_that_is_no_unix_time_is_absent(moment: object) -> None:
    assert status(job_reply(created_at=moment)).created_at is None


@pytest.mark.parametrize("moment", ["NaN", "Infinity"])
def test_a_time_that_is_no_number_is_absent(moment: str) -> None:
    content = f'{{"id": "video_1", "status": "running", "created_at": {moment}}}'.encode()
    assert status(httpx.Response(200, content=content)).created_at is None


@pytest.mark.parametrize(("prompt", "expected"), [(" A lake\n", " A lake\n"), (None, None), (7, None), (["A"], None)])
def test_the_prompt_of_a_job_is_told_exactly_or_not_at_all(prompt: object, expected: str | None) -> None:
    assert status(job_reply(prompt=prompt)).prompt == expected


def test_fields_of_any_type_that_we_do_not_use_do_no_harm() -> None:
    answer = job_reply(seconds=8, size=None, model={"name": "x"}, url=7, usage=[1])
    assert status(answer).status is VideoStatus.IN_PROGRESS


def test_the_servers_pace_is_kept() -> None:
    assert status(recorded("openai_in_progress")).retry_after_seconds == 2.5


def test_retry_after_is_a_pace_too() -> None:
    assert status(recorded("sglang_created", **{"retry-after": "9"})).retry_after_seconds == 9.0


def test_the_vendors_own_header_wins_over_retry_after() -> None:
    assert status(recorded("openai_in_progress", **{"retry-after": "9"})).retry_after_seconds == 2.5


@pytest.mark.parametrize("pace", ["soon", "nan", "-1000"])
def test_a_pace_that_cannot_be_kept_is_none_or_zero(pace: str) -> None:
    assert not status(recorded("openai_in_progress", **{"openai-poll-after-ms": pace})).retry_after_seconds


def test_a_long_id_with_slashes_arrives_as_it_is() -> None:
    created = create(recorded("litellm_created"))
    server = Host(recorded("litellm_processing"))
    job = build(server).get_status(created.job_id)
    assert job.job_id == created.job_id
    assert unquote(server.paths[0].removeprefix("/v1/videos/")) == created.job_id
    assert server.paths[0].count("/") == 3


def test_the_id_that_was_asked_for_is_kept_when_the_server_answers_with_another() -> None:
    assert build(Host(job_reply(id="inner"))).get_status("outer").job_id == "outer"


@pytest.mark.parametrize("job_id", ["", ".", ".."])
def test_an_id_that_would_name_another_path_is_refused(job_id: str) -> None:
    server = Host(job_reply())
    with pytest.raises(VideoModelError):
        build(server).get_status(job_id)
    assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "code", "transient"),
    [
        (httpx.Response(429), ErrorCode.RATE_LIMITED, True),
        (recorded("openai_error_quota"), ErrorCode.INSUFFICIENT_CREDIT, True),
        (httpx.Response(500), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(503), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(408), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(409), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(200, text="<html>"), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(200, json={"status": "completed"}), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(302, headers={"location": "/login"}), ErrorCode.PROVIDER_ERROR, True),
        (httpx.ConnectError("refused"), ErrorCode.PROVIDER_ERROR, True),
        (httpx.ReadTimeout("slow"), ErrorCode.PROVIDER_ERROR, True),
        (httpx.RemoteProtocolError("closed"), ErrorCode.PROVIDER_ERROR, True),
        (recorded("openai_error_key"), ErrorCode.AUTHENTICATION, False),
        (httpx.Response(403), ErrorCode.AUTHENTICATION, False),
        (httpx.Response(402), ErrorCode.INSUFFICIENT_CREDIT, False),
        (httpx.Response(400), ErrorCode.INVALID_REQUEST, False),
        (recorded("vllm_omni_not_found"), ErrorCode.EXPIRED, False),
        (recorded("openai_error_video_gone"), ErrorCode.EXPIRED, False),
        (httpx.Response(410), ErrorCode.EXPIRED, False),
    ],
)
def test_a_question_that_was_not_answered_is_an_error(answer: Answer, code: ErrorCode, transient: bool) -> None:
    error = status_error(answer)
    assert (error.code, error.transient) == (code, transient)


def test_an_unanswered_question_says_when_to_ask_again() -> None:
    assert status_error(httpx.Response(503, headers={"retry-after": "7"})).retry_after_seconds == 7.0


def test_a_job_that_is_gone_is_said_to_be_gone_with_the_vendors_sentence() -> None:
    error = status_error(recorded("openai_error_video_gone"))
    assert error.message == ("The provider no longer knows this job or its video. Video with id 'video_x' not found.")
    assert error.request_id == "req_gone"


def test_a_question_is_asked_once() -> None:
    server = Host(httpx.Response(503))
    with pytest.raises(VideoModelError):
        build(server).get_status("video_1")
    assert len(server.requests) == 1


# The finished video


def finished(content: httpx.Response, name: str = "openai_completed") -> Host:
    return Host(recorded(name), content)


def test_the_video_is_streamed_with_its_length_and_type() -> None:
    headers = {"content-type": "video/mp4", "etag": '"v1"'}
    server = finished(httpx.Response(200, headers=headers, content=b"movie"))
    with build(server).open_video("video_1") as stream:
        assert (stream.start_byte, stream.size_bytes, stream.content_type, stream.validator) == (
            0,
            5,
            "video/mp4",
            '"v1"',
        )
        assert b"".join(stream.chunks) == b"movie"
    assert server.paths == ["/v1/videos/video_1", "/v1/videos/video_1/content"]


def test_a_variant_is_never_sent() -> None:
    server = finished(httpx.Response(200, content=b"movie"))
    download(build(server))
    assert server.requests[1].url.query == b""


def test_the_bytes_are_asked_for_as_they_are_with_the_key() -> None:
    server = finished(httpx.Response(200, content=b"movie"))
    download(build(server))
    assert server.requests[1].headers["accept-encoding"] == "identity"
    assert server.requests[1].headers["authorization"] == f"Bearer {KEY}"


def test_a_resumed_download_asks_for_the_rest_of_the_same_video() -> None:
    server = finished(httpx.Response(206, headers={"content-range": "bytes 3-4/5"}, content=b"ie"))
    with build(server).open_video("video_1", start_byte=3, validator='"v1"') as stream:
        assert (stream.start_byte, stream.size_bytes, b"".join(stream.chunks)) == (3, 5, b"ie")
    assert server.requests[1].headers["range"] == "bytes=3-"
    assert server.requests[1].headers["if-range"] == '"v1"'


def test_a_server_that_ignores_the_range_starts_at_zero() -> None:
    server = finished(httpx.Response(200, content=b"movie"))
    with build(server).open_video("video_1", start_byte=3) as stream:
        assert stream.start_byte == 0


def test_the_videos_own_address_wins_and_never_sees_the_key() -> None:
    server = Host(recorded("sglang_completed_cloud"))
    internet = Internet()
    assert download(build(server, internet=internet)) == b"movie"
    assert len(server.requests) == 1
    assert internet.requests[0].headers["host"] == "bucket.s3.example"
    assert "authorization" not in internet.requests[0].headers


def test_a_resume_at_the_videos_own_address_asks_for_the_rest() -> None:
    internet = Internet(httpx.Response(206, headers={"content-range": "bytes 3-4/5"}, content=b"ie"))
    with build(Host(recorded("sglang_completed_cloud")), internet=internet).open_video(
        "video_1", start_byte=3, validator='"v1"'
    ) as stream:
        assert stream.start_byte == 3
    assert internet.requests[0].headers["if-range"] == '"v1"'


@pytest.mark.parametrize(
    "url", ["https://videos.example/files/a.mp4", "https://VIDEOS.example:443/files/a.mp4", "/files/a.mp4"]
)
def test_an_address_of_the_server_itself_gets_the_key(url: str) -> None:
    server = Host(job_reply(status="completed", url=url), httpx.Response(200, content=b"movie"))
    internet = Internet()
    assert download(build(server, internet=internet)) == b"movie"
    assert server.paths[1] == "/files/a.mp4"
    assert server.requests[1].headers["authorization"] == f"Bearer {KEY}"
    assert internet.requests == []


@pytest.mark.parametrize("follow_redirects", [False, True])
def test_a_redirect_to_another_host_does_not_carry_the_key(follow_redirects: bool) -> None:
    redirect = httpx.Response(302, headers={"location": "https://bucket.s3.example/a.mp4?sig=1"})
    server = finished(redirect)
    internet = Internet()
    assert download(build(server, internet=internet, follow_redirects=follow_redirects)) == b"movie"
    assert len(server.requests) == 2
    assert internet.requests[0].headers["host"] == "bucket.s3.example"
    assert "authorization" not in internet.requests[0].headers


def test_a_job_that_still_runs_has_no_video_yet() -> None:
    server = Host(recorded("openai_in_progress"))
    error = download_error(build(server))
    assert (error.transient, error.retry_after_seconds) == (True, 2.5)
    assert len(server.requests) == 1


def test_a_failed_job_has_no_video_and_says_why() -> None:
    error = download_error(build(Host(recorded("vllm_omni_failed_400"))))
    assert (error.code, error.message) == (ErrorCode.INVALID_REQUEST, "This model does not take an input image.")


@pytest.mark.parametrize(
    ("content", "code", "transient"),
    [
        (httpx.Response(404, json={"detail": "Generated video file not found on disk"}), ErrorCode.EXPIRED, False),
        (httpx.Response(410), ErrorCode.EXPIRED, False),
        (httpx.Response(401), ErrorCode.AUTHENTICATION, False),
        (recorded("vllm_omni_content_failed"), ErrorCode.INVALID_REQUEST, False),
        (httpx.Response(416), ErrorCode.PROVIDER_ERROR, False),
        (httpx.Response(429), ErrorCode.RATE_LIMITED, True),
        (httpx.Response(503), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(204), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(206, content=b"ie"), ErrorCode.PROVIDER_ERROR, False),
    ],
)
def test_an_answer_that_is_no_video_is_an_error(content: httpx.Response, code: ErrorCode, transient: bool) -> None:
    error = download_error(build(finished(content)))
    assert (error.code, error.transient) == (code, transient)


def test_the_sentence_of_a_refused_download_is_kept() -> None:
    content = httpx.Response(404, json={"detail": "Generated video file not found on disk"})
    assert "Generated video file not found on disk" in download_error(build(finished(content))).message


# A server of the operator's own

CONTENT_ROUTE = httpx.Response(200, content=b"from its route")


@pytest.mark.parametrize(
    "url",
    [
        # Behind a proxy for TLS, by its address in the cluster, by its own idea of its name, and a store beside it.
        "http://videos.example/v1/videos/video_1/content",
        "http://10.0.0.5:30000/v1/videos/video_1/content",
        "http://localhost:8000/v1/videos/video_1/content",
        "http://minio:9000/videos/video_1.mp4",
        "http://169.254.169.254/latest/meta-data",
        "https://xn--/a.mp4",
        "file:///outputs/video_1.mp4",
    ],
)
def test_where_no_call_may_go_to_the_videos_address_the_servers_own_route_is_tried(url: str) -> None:
    server = Host(job_reply(status="completed", url=url), CONTENT_ROUTE)
    internet = Internet()
    internet.addresses = ["10.0.0.7"]
    assert download(build(server, internet=internet)) == b"from its route"
    assert (server.paths[1:], internet.requests) == (["/v1/videos/video_1/content"], [])


def test_where_that_route_is_closed_the_address_is_what_is_told() -> None:
    # As SGLang answers that has uploaded a video to a store of its own.
    closed = httpx.Response(400, json={"detail": "Video has been uploaded to cloud storage."})
    server = Host(job_reply(status="completed", url="http://minio:9000/videos/video_1.mp4"), closed)
    error = download_error(build(server))
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, False)
    assert "name it in ProviderBaseUrls: <provider>-files=http://minio:9000." in error.message


def test_a_route_that_fails_for_now_is_tried_again() -> None:
    server = Host(job_reply(status="completed", url="http://minio:9000/videos/video_1.mp4"), httpx.Response(503))
    assert download_error(build(server)).transient


def test_a_video_comes_from_the_operators_own_store_without_the_key() -> None:
    server = Host(job_reply(status="completed", url="http://minio:9000/videos/video_1.mp4?sig=1"))
    internet = Internet()
    internet.addresses = ["10.0.0.7"]
    internet.own_origins = frozenset({"http://minio:9000"})
    assert download(build(server, internet=internet)) == b"movie"
    assert internet.calls == ["GET /videos/video_1.mp4?sig=1"]
    assert not internet.saw(KEY)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://10.0.0.5:30000/files/a.mp4", "/files/a.mp4"),
        ("/files/a.mp4", "/files/a.mp4"),
        ("videos/video_1/content", "/v1/videos/video_1/content"),
    ],
)
def test_a_private_server_over_plain_http_is_its_own_origin(url: str, path: str) -> None:
    server = Host(job_reply(status="completed", url=url), httpx.Response(200, content=b"movie"))
    assert download(build(server, base_url="http://10.0.0.5:30000/v1")) == b"movie"
    assert server.paths[1] == path
    assert server.requests[1].headers["authorization"] == f"Bearer {KEY}"


def test_a_job_whose_prompt_was_cut_in_the_middle_of_an_emoji_is_not_lost() -> None:
    content = b'{"id": "video_1", "status": "queued", "prompt": "A lake \\ud83d"}'
    assert create(httpx.Response(200, content=content)).job_id == "video_1"


def test_an_id_that_no_key_of_ours_could_hold_is_none() -> None:
    assert isinstance(creation_error(job_reply(id="x" * 3000)), SubmissionUnknown)


@pytest.mark.parametrize("value", ["1e308", "9" * 300, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_vendor_puts_a_question_off_by_more_than_a_day(value: str) -> None:
    headers = {"retry-after": value}
    assert creation_error(httpx.Response(429, headers=headers)).retry_after_seconds == 86_400.0
    assert status_error(httpx.Response(503, headers=headers)).retry_after_seconds == 86_400.0


def test_a_break_while_the_video_comes_is_transient() -> None:
    body = Body([b"mo"], httpx.ReadError("reset"))
    assert download_error(build(finished(httpx.Response(200, stream=body)))).transient
    assert body.closed


def test_a_video_is_written_whole_to_a_file(make_video: Callable[[], Path], tmp_path: Path) -> None:
    content = make_video().read_bytes()
    server = finished(httpx.Response(200, content=content))
    assert build(server).download_video("video_1", tmp_path / "a.mp4").read_bytes() == content


# Remixing, deleting, listing


def test_a_remix_is_a_new_job() -> None:
    server = Host(recorded("openai_remixed"))
    job = build(server).remix_video(OPENAI_ID, "Warmer")
    assert job.job_id == "video_remixed"
    assert server.paths == [f"/v1/videos/{OPENAI_ID}/remix"]
    assert json.loads(server.requests[0].content) == {"prompt": "Warmer"}
    assert server.requests[0].headers["content-type"] == "application/json"


DERIVE: list[Callable[[SoraVideoModel], VideoGenerationJob]] = [
    lambda model: model.remix_video("video_1", "Warmer"),
    lambda model: model.edit_video("video_1", "Warmer"),
    lambda model: model.extend_video("video_1", "On", 4),
]


@pytest.mark.parametrize("derive", DERIVE)
def test_a_derived_video_that_may_have_been_accepted_is_unknown_and_sent_once(
    derive: Callable[[SoraVideoModel], VideoGenerationJob],
) -> None:
    server = Host(httpx.Response(502))
    with pytest.raises(SubmissionUnknown):
        derive(build(server))
    assert len(server.requests) == 1


@pytest.mark.parametrize("derive", DERIVE)
def test_a_video_derived_from_one_that_is_gone_has_expired(
    derive: Callable[[SoraVideoModel], VideoGenerationJob],
) -> None:
    with pytest.raises(VideoModelError) as raised:
        derive(build(Host(recorded("openai_error_video_gone"))))
    assert raised.value.code is ErrorCode.EXPIRED


def test_an_edit_is_a_form_that_names_the_finished_video() -> None:
    server = Host(recorded("openai_created"))
    assert build(server).edit_video("video_1", "Warmer").job_id == OPENAI_ID
    assert server.calls == ["POST /v1/videos/edits"]
    form = form_of(server.requests[0])
    assert {name: text_of(part) for name, part in form.items()} == {"prompt": "Warmer", "video[id]": "video_1"}


def test_an_extension_is_a_form_with_the_length_that_is_added() -> None:
    server = Host(recorded("openai_created"))
    assert build(server).extend_video("video_1", "On", 8).job_id == OPENAI_ID
    assert server.calls == ["POST /v1/videos/extensions"]
    form = form_of(server.requests[0])
    assert {name: text_of(part) for name, part in form.items()} == {
        "prompt": "On",
        "seconds": "8",
        "video[id]": "video_1",
    }


@pytest.mark.parametrize("name", ["openai_deleted", "vllm_omni_deleted", "sglang_deleted"])
def test_a_video_is_deleted(name: str) -> None:
    server = Host(recorded(name))
    build(server).delete_video("video_1")
    assert [(request.method, request.url.path) for request in server.requests] == [("DELETE", "/v1/videos/video_1")]


@pytest.mark.parametrize("name", ["vllm_omni_deleted", "sglang_cancelling"])
def test_a_running_job_is_cancelled_by_deleting_it(name: str) -> None:
    server = Host(recorded(name))
    build(server).cancel_video("video_1")
    assert server.requests[0].method == "DELETE"


@pytest.mark.parametrize(
    ("answer", "transient"),
    [
        (recorded("vllm_omni_cancelling"), True),
        (recorded("openai_not_deleted"), True),
        (recorded("vllm_omni_not_found"), False),
    ],
)
def test_a_video_that_was_not_deleted_is_an_error(answer: httpx.Response, transient: bool) -> None:
    with pytest.raises(VideoModelError) as raised:
        build(Host(answer)).delete_video("video_1")
    assert raised.value.transient is transient


def test_the_latest_jobs_are_listed() -> None:
    server = Host(recorded("openai_list"))
    jobs = build(server).list_jobs(2)
    assert [(job.job_id, job.status, job.prompt, job.created_at) for job in jobs] == [
        ("video_2", VideoStatus.IN_PROGRESS, "A lake at sunset", CREATED_AT),
        ("video_1", VideoStatus.COMPLETED, "A lake at sunset", CREATED_AT),
    ]
    assert dict(server.requests[0].url.params) == {"limit": "2", "order": "desc"}


def test_a_list_without_cursors_is_read() -> None:
    jobs = build(Host(recorded("sglang_list"))).list_jobs()
    assert [job.error_code for job in jobs] == [None, ErrorCode.PROVIDER_ERROR]


@pytest.mark.parametrize("limit", [0, 101])
def test_a_list_longer_than_a_page_is_refused(limit: int) -> None:
    with pytest.raises(InvalidRequest):
        build(Host(recorded("openai_list"))).list_jobs(limit)


@pytest.mark.parametrize("answer", [httpx.Response(200, json={"data": [{}]}), httpx.Response(503)])
def test_a_list_that_cannot_be_read_is_an_error(answer: httpx.Response) -> None:
    with pytest.raises(VideoModelError) as raised:
        build(Host(answer)).list_jobs()
    assert raised.value.transient


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.remix_video("video_1", "Warmer"),
        lambda model: model.cancel_video("video_1"),
        lambda model: model.delete_video("video_1"),
        lambda model: model.list_jobs(),
        lambda model: model.extend_video("video_1", "On", 4),
        lambda model: model.edit_video("video_1", "Warmer"),
        lambda model: model.parse_webhook({}, b"", secrets=[WEBHOOK_SECRET], now=CREATED_AT),
    ],
)
def test_what_the_catalog_does_not_offer_is_not_sent(call: Callable[[SoraVideoModel], object]) -> None:
    server = Host(job_reply())
    with pytest.raises(UnsupportedOperation):
        call(build(server, capabilities=Capabilities()))
    assert server.requests == []


# Webhooks


def event(**fields: object) -> bytes:
    whole = {
        "id": "evt_1",
        "object": "event",
        "type": "video.completed",
        "created_at": 1_769_000_000,
        "data": {"id": OPENAI_ID},
    }
    return json.dumps({**whole, **fields}).encode()


def sign(body: bytes, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    seconds = str(int(CREATED_AT.timestamp()))
    signature = base64.b64encode(hmac.digest(key, f"evt_1.{seconds}.".encode() + body, "sha256")).decode()
    return {"webhook-id": "evt_1", "webhook-timestamp": seconds, "webhook-signature": f"v1,{signature}"}


def parse(body: bytes, headers: dict[str, str]) -> str:
    return build(Host()).parse_webhook(headers, body, secrets=[WEBHOOK_SECRET], now=CREATED_AT)


@pytest.mark.parametrize("kind", ["video.completed", "video.failed"])
def test_a_webhook_names_the_job_that_has_ended(kind: str) -> None:
    body = event(type=kind)
    assert parse(body, sign(body)) == OPENAI_ID


def test_a_webhook_that_someone_else_signed_is_rejected() -> None:
    body = event()
    other = "whsec_" + base64.b64encode(b"another secret of 24 bytes").decode()
    with pytest.raises(WebhookRejected, match="No signature"):
        parse(body, sign(body, other))


@pytest.mark.parametrize(
    "body",
    [
        event(type="batch.completed"),
        event(type="video.started"),
        event(object="video"),
        event(data={}),
        event(data={"id": ""}),
        event(data=OPENAI_ID),
        b'{"type": "video.completed"}',
        b"[]",
        b"",
        b"\xff",
    ],
)
def test_a_signed_webhook_that_tells_of_no_video_is_rejected(body: bytes) -> None:
    with pytest.raises(WebhookRejected, match=r"video\.completed and video\.failed"):
        parse(body, sign(body))
