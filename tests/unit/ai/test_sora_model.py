from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser
from urllib.parse import unquote

import httpx
import pytest
from pydantic import JsonValue

from mediaposter.ai.catalog import CatalogEntry, ImageRole
from mediaposter.ai.sora_model import SoraVideoModel
from mediaposter.ai.video_model_interface import Capabilities, VideoGenerationJob, VideoGenerationRequest, VideoStatus
from mediaposter.domain.errors import (
    ConfigurationError,
    ErrorCode,
    InvalidRequest,
    SubmissionUnknown,
    VideoModelError,
    WebhookRejected,
)
from tests.fakes.provider import Calls, Host, Internet, allowing, read_reply, row
from tests.unit.ai.signing import sign_standard

BASE_URL = "https://videos.example/v1"
KEY = "sk-of-the-test"
OPENAI_ID = "video_68e9a1c4d2f08190b7d3a5c1e0f4927b"
CREATED_AT = datetime(2026, 1, 21, 12, 53, 20, tzinfo=UTC)
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"a secret of the test's own").decode()
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
PNG_URI = "data:image/png;base64," + base64.b64encode(PNG).decode()
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


CALLS = Calls(build, job_id="video_1")


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


# Creating


def test_a_created_job_is_queued_and_keeps_the_servers_pace() -> None:
    assert CALLS.create(recorded("openai_created")) == VideoGenerationJob(
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


@pytest.mark.parametrize("picture", [PNG_URI, None])
def test_an_option_never_replaces_a_part_of_the_picture(picture: str | None) -> None:
    server = Host(recorded("openai_created"))
    options = {"input_reference": "other", "input_reference[image_url]": "other"}
    request = VideoGenerationRequest(prompt="A lake", input_image=picture, provider_options={**options})
    build(server, entry=allowing(row("sora-2"), **dict.fromkeys(options, "text"))).create_video(request)
    assert not server.saw("other")


def test_a_picture_is_sent_as_a_file_of_its_type() -> None:
    server = Host(recorded("openai_created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=PNG_URI))
    part = form_of(server.requests[0])["input_reference"]
    sent = part.get_content_type(), part.get_filename(), part.get_payload(decode=True)
    assert sent == ("image/png", "reference.png", PNG)


def test_a_picture_behind_a_url_is_fetched_without_the_key_even_from_the_vendors_own_origin() -> None:
    server, internet = Host(recorded("openai_created")), Internet(httpx.Response(200, content=PNG))
    request = VideoGenerationRequest(prompt="A lake", input_image="https://videos.example/a.png")
    build(server, internet=internet).create_video(request)
    assert form_of(server.requests[0])["input_reference"].get_payload(decode=True) == PNG
    assert internet.calls == ["GET /a.png"]
    assert not internet.saw(KEY)


def test_an_error_in_a_200_is_unknown_and_its_sentence_kept() -> None:
    error = CALLS.creation_error(httpx.Response(200, json={"id": "req_1", "error": {"message": "upstream hung up"}}))
    assert isinstance(error, SubmissionUnknown)
    assert "upstream hung up" in error.message


def test_an_id_without_a_status_is_a_running_job() -> None:
    job = CALLS.create(httpx.Response(202, json={"id": "video_1"}))
    assert (job.job_id, job.status) == ("video_1", VideoStatus.IN_PROGRESS)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("vllm_omni_model_mismatch", ErrorCode.INVALID_REQUEST),
        ("litellm_error_bad_request", ErrorCode.INVALID_REQUEST),
        ("openai_error_moderation", ErrorCode.CONTENT_POLICY),
        ("litellm_error_key", ErrorCode.AUTHENTICATION),
        ("openai_error_billing_limit", ErrorCode.INSUFFICIENT_CREDIT),
        ("litellm_error_rate", ErrorCode.RATE_LIMITED),
    ],
)
def test_every_servers_refusal_is_understood(name: str, code: ErrorCode) -> None:
    error = CALLS.creation_error(recorded(name))
    assert not isinstance(error, SubmissionUnknown)
    assert error.code is code


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("openai_error_invalid_seconds", "Invalid value: '15'. Supported values are: '4', '8', and '12'."),
        ("vllm_omni_invalid_form", "body.size: String should match pattern '^\\d+x\\d+$'"),
        ("sglang_invalid", "input_reference or reference_url is required for image-to-video generation"),
    ],
)
def test_every_servers_sentence_is_found(name: str, sentence: str) -> None:
    error = CALLS.creation_error(recorded(name))
    assert (error.code, error.message) == (ErrorCode.INVALID_REQUEST, sentence)


# Asking how a job stands


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("SUCCEEDED", VideoStatus.COMPLETED),
        ("pending", VideoStatus.QUEUED),
        ("cancelled", VideoStatus.FAILED),
        ("cancelling", VideoStatus.IN_PROGRESS),
        (None, VideoStatus.IN_PROGRESS),
    ],
)
def test_a_word_for_a_status_is_understood_and_an_unknown_one_is_never_success(
    word: object, expected: VideoStatus
) -> None:
    assert CALLS.status(job_reply(status=word)).status is expected


def status_with(field: str, value: str) -> VideoGenerationJob:
    """Ask for a job with a value as it stands in JSON."""
    content = f'{{"id": "video_1", "status": "running", "{field}": {value}}}'
    return CALLS.status(httpx.Response(200, content=content.encode()))


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        ("37.6", 38),
        ("-5", 0),
        (f"1{'0' * 400}", 100),
        ("true", None),
        ("1e999", None),
    ],
)
def test_progress_is_a_percentage_or_nothing(progress: str, expected: int | None) -> None:
    assert status_with("progress", progress).progress == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai_in_progress", (VideoStatus.IN_PROGRESS, 42)),
        ("vllm_omni_in_progress", (VideoStatus.IN_PROGRESS, 0)),
        ("litellm_processing", (VideoStatus.IN_PROGRESS, 38)),
        ("sglang_cancelling", (VideoStatus.IN_PROGRESS, 0)),
        ("vllm_omni_completed", (VideoStatus.COMPLETED, 100)),
        ("sglang_completed", (VideoStatus.COMPLETED, 100)),
        ("litellm_completed", (VideoStatus.COMPLETED, 100)),
    ],
)
def test_every_servers_job_is_read(name: str, expected: tuple[VideoStatus, int]) -> None:
    job = CALLS.status(recorded(name))
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
        ("sglang_failed", ErrorCode.PROVIDER_ERROR, "Worker ran out of memory"),
        ("sglang_deleted", ErrorCode.CANCELLED, "The provider says that the job was deleted."),
        ("litellm_cancelled", ErrorCode.CANCELLED, "The provider says that the job was cancelled."),
        ("litellm_failed", ErrorCode.PROVIDER_ERROR, "The prompt was refused."),
    ],
)
def test_every_servers_failed_job_is_an_answer(name: str, code: ErrorCode, message: str) -> None:
    job = CALLS.status(recorded(name))
    assert (job.status, job.error_code, job.error_message) == (VideoStatus.FAILED, code, message)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ({"code": "content_policy_violation", "message": "No."}, ErrorCode.CONTENT_POLICY, "No."),
        ({"code": 422}, ErrorCode.INVALID_REQUEST, "The provider gave no reason for the failure."),
        ("moderation_blocked", ErrorCode.PROVIDER_ERROR, "moderation_blocked"),
        (None, ErrorCode.PROVIDER_ERROR, "The provider gave no reason for the failure."),
    ],
)
def test_a_failed_jobs_error_is_translated(error: object, code: ErrorCode, message: str) -> None:
    job = CALLS.status(job_reply(status="failed", error=error))
    assert (job.error_code, job.error_message) == (code, message)


def test_an_expired_job_has_expired() -> None:
    assert CALLS.status(job_reply(status="expired")).error_code is ErrorCode.EXPIRED


@pytest.mark.parametrize("key", ["error", "detail"])
def test_a_failed_job_is_found_inside_an_error(key: str) -> None:
    inner = {"id": "video_1", "status": "failed", "error": {"code": "moderation_blocked", "message": "Blocked."}}
    job = CALLS.status(httpx.Response(500, json={key: inner}))
    assert (job.status, job.error_code) == (VideoStatus.FAILED, ErrorCode.CONTENT_POLICY)


@pytest.mark.parametrize("word", ["completed", "in_progress", "error"])
def test_an_error_that_only_looks_like_a_job_is_an_error(word: str) -> None:
    assert CALLS.status_error(httpx.Response(503, json={"id": "req_1", "status": word})).transient


@pytest.mark.parametrize("key", ["url", "video_url"])
def test_the_address_of_a_video_is_kept(key: str) -> None:
    job = CALLS.status(job_reply(status="completed", **{key: "https://bucket.s3.example/a.mp4"}))
    assert job.video_url == "https://bucket.s3.example/a.mp4"


@pytest.mark.parametrize("key", ["created_at", "created"])
def test_the_time_of_a_job_is_told_in_utc(key: str) -> None:
    assert CALLS.status(job_reply(**{key: 1_769_000_000})).created_at == CREATED_AT


@pytest.mark.parametrize("moment", ['"yesterday"', "true", "0", "1769000000000", f"1{'0' * 400}", "NaN"])
def test_a_time_that_is_no_unix_time_is_absent(moment: str) -> None:
    assert status_with("created_at", moment).created_at is None


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [('"8"', 8), ("8.0", 8), ("8.5", None), ('"8s"', None), ('"\u0668"', None), ('"80000"', None), ("true", None)],
)
def test_a_length_is_whole_seconds_or_nothing(seconds: str, expected: int | None) -> None:
    assert status_with("seconds", seconds).seconds == expected


@pytest.mark.parametrize(("prompt", "expected"), [(" A lake\n", " A lake\n"), (7, None)])
def test_the_prompt_of_a_job_is_told_exactly_or_not_at_all(prompt: object, expected: str | None) -> None:
    assert CALLS.status(job_reply(prompt=prompt)).prompt == expected


@pytest.mark.parametrize(
    ("name", "headers", "seconds"),
    [
        ("openai_in_progress", {}, 2.5),
        ("openai_in_progress", {"retry-after": "9"}, 2.5),
        ("openai_in_progress", {"openai-poll-after-ms": "soon"}, None),
        ("sglang_created", {"retry-after": "9"}, 9.0),
    ],
)
def test_the_servers_pace_is_kept_and_the_vendors_own_header_wins(
    name: str, headers: dict[str, str], seconds: float | None
) -> None:
    assert CALLS.status(recorded(name, **headers)).retry_after_seconds == seconds


def test_a_long_id_with_slashes_arrives_as_it_is() -> None:
    created = CALLS.create(recorded("litellm_created"))
    server = Host(recorded("litellm_processing"))
    assert build(server).get_status(created.job_id).job_id == created.job_id
    assert unquote(server.paths[0].removeprefix("/v1/videos/")) == created.job_id
    assert server.paths[0].count("/") == 3


def test_an_id_that_no_key_of_ours_could_hold_is_none() -> None:
    assert isinstance(CALLS.creation_error(job_reply(id="x" * 3000)), SubmissionUnknown)


# The finished video


def finished(content: httpx.Response, name: str = "openai_completed") -> Host:
    return Host(recorded(name), content)


def test_the_video_is_asked_for_with_the_key_and_without_a_variant() -> None:
    server = finished(httpx.Response(200, content=b"movie"))
    assert CALLS.download(build(server)) == b"movie"
    assert server.paths == ["/v1/videos/video_1", "/v1/videos/video_1/content"]
    assert server.requests[1].headers["authorization"] == f"Bearer {KEY}"


def test_the_videos_own_address_wins_and_never_sees_the_key() -> None:
    server = Host(recorded("sglang_completed_cloud"))
    internet = Internet()
    assert CALLS.download(build(server, internet=internet)) == b"movie"
    assert len(server.requests) == 1
    assert internet.requests[0].headers["host"] == "bucket.s3.example"
    assert not internet.saw(KEY)


def test_a_failure_of_a_job_that_its_content_tells_of_is_its_own() -> None:
    error = CALLS.download_error(build(finished(recorded("vllm_omni_content_failed"))))
    assert (error.code, error.transient) == (ErrorCode.INVALID_REQUEST, False)


# A server of the operator's own

CONTENT_ROUTE = httpx.Response(200, content=b"from its route")


@pytest.mark.parametrize(
    "url",
    [
        # Behind a proxy for TLS, and by its address in the cluster.
        "http://videos.example/v1/videos/video_1/content",
        "http://10.0.0.5:30000/v1/videos/video_1/content",
        "http://169.254.169.254/latest/meta-data",
        "https://xn--/a.mp4",
        "file:///outputs/video_1.mp4",
    ],
)
def test_where_no_call_may_go_to_the_videos_address_the_servers_own_route_is_tried(url: str) -> None:
    server = Host(job_reply(status="completed", url=url), CONTENT_ROUTE)
    internet = Internet()
    internet.addresses = ["10.0.0.7"]
    assert CALLS.download(build(server, internet=internet)) == b"from its route"
    assert (server.paths[1:], internet.requests) == (["/v1/videos/video_1/content"], [])


def test_where_that_route_is_closed_the_address_is_what_is_told() -> None:
    # As SGLang answers that has uploaded a video to a store of its own.
    closed = httpx.Response(400, json={"detail": "Video has been uploaded to cloud storage."})
    server = Host(job_reply(status="completed", url="http://minio:9000/videos/video_1.mp4"), closed)
    error = CALLS.download_error(build(server))
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, False)
    assert "name it in ProviderBaseUrls: <provider>-files=http://minio:9000." in error.message


def test_a_route_that_fails_for_now_is_tried_again() -> None:
    server = Host(job_reply(status="completed", url="http://minio:9000/videos/video_1.mp4"), httpx.Response(503))
    assert CALLS.download_error(build(server)).transient


def test_a_video_comes_from_the_operators_own_store_without_the_key() -> None:
    server = Host(job_reply(status="completed", url="http://minio:9000/videos/video_1.mp4?sig=1"))
    internet = Internet()
    internet.addresses = ["10.0.0.7"]
    internet.own_origins = frozenset({"http://minio:9000"})
    assert CALLS.download(build(server, internet=internet)) == b"movie"
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
    assert CALLS.download(build(server, base_url="http://10.0.0.5:30000/v1")) == b"movie"
    assert server.paths[1] == path
    assert server.requests[1].headers["authorization"] == f"Bearer {KEY}"


# Remixing, deleting, listing


def test_a_remix_is_a_new_job() -> None:
    server = Host(recorded("openai_remixed"))
    job = build(server).remix_video(OPENAI_ID, "Warmer")
    assert job.job_id == "video_remixed"
    assert server.paths == [f"/v1/videos/{OPENAI_ID}/remix"]
    assert json.loads(server.requests[0].content) == {"prompt": "Warmer"}
    assert server.requests[0].headers["content-type"] == "application/json"


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


@pytest.mark.parametrize("name", ["openai_deleted", "sglang_deleted"])
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


def test_a_list_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(VideoModelError) as raised:
        build(Host(httpx.Response(200, json={"data": [{}]}))).list_jobs()
    assert raised.value.transient


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
    return sign_standard(body, secret, webhook_id="evt_1", at=CREATED_AT)


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
    [event(type="video.started"), event(object="video"), event(data={"id": ""}), b'{"type": "video.completed"}', b""],
)
def test_a_signed_webhook_that_tells_of_no_video_is_rejected(body: bytes) -> None:
    with pytest.raises(WebhookRejected, match=r"video\.completed and video\.failed"):
        parse(body, sign(body))
