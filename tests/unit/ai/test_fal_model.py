"""Speaking fal's queue API. What every adapter's calls promise is tested in test_vendor."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mediaposter.ai.catalog import Capabilities, CatalogEntry, FieldMap, ImageRole
from mediaposter.ai.fal_model import KEY_SET_URL, FalVideoModel
from mediaposter.ai.video_model_interface import VideoGenerationRequest, VideoStatus
from mediaposter.domain.errors import (
    ConfigurationError,
    ErrorCode,
    SubmissionUnknown,
    VideoModelError,
    WebhookRejected,
)
from tests.fakes.provider import Answer, Body, Calls, Host, Internet, read_reply, row

BASE_URL = "https://queue.fal.run"
STAND_IN = "http://127.0.0.1:4030"
KEY = "key-id:key-secret"
REQUEST_ID = "764cabcf-b745-4b3e-ae38-1200304cf45b"
APP_PATH = "/bytedance/seedance-2.0"
REQUEST_PATH = f"{APP_PATH}/requests/{REQUEST_ID}"
FLAGGED = "The content could not be processed because it contained material flagged by a content checker."
VIDEO_URL = "https://v3b.fal.media/files/b/0a8d04e2/idOb9V-Q9ujlggPSKqsfS_video.mp4"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
JPEG = b"\xff\xd8\xff" + b"pixels"


def recorded(name: str, **headers: str) -> httpx.Response:
    return read_reply("fal", name, **headers)


def fields_of(name: str) -> FieldMap:
    fields = row(name).fields
    assert fields is not None
    return fields


def build(
    server: Host,
    *,
    internet: Internet | None = None,
    entry: CatalogEntry | None = None,
    base_url: str = BASE_URL,
) -> FalVideoModel:
    return FalVideoModel(
        entry=entry or row("seedance-2.0"),
        api_key=KEY,
        base_url=base_url,
        http_client=server.client(),
        internet=(internet or Internet()).way,
    )


JOB_ID = build(Host(recorded("created"))).create_video(VideoGenerationRequest(prompt="A lake")).job_id
CALLS = Calls(build, job_id=JOB_ID)


def completed(**fields: object) -> httpx.Response:
    return httpx.Response(200, json={"status": "COMPLETED", "request_id": REQUEST_ID, **fields})


def result(url: str) -> httpx.Response:
    return httpx.Response(200, json={"video": {"url": url}})


# Construction, and the rows of the catalog


def test_a_row_that_does_not_say_how_its_model_is_asked_is_refused() -> None:
    entry = row("seedance-2.0").model_copy(update={"fields": None})
    with pytest.raises(ConfigurationError, match=r"how fal serves seedance-2\.0"):
        build(Host(), entry=entry)


def test_a_row_with_a_last_frame_and_no_field_for_it_is_refused() -> None:
    fields = fields_of("seedance-2.0").model_copy(update={"last_frame": None})
    with pytest.raises(ConfigurationError, match="last_frame"):
        build(Host(), entry=row("seedance-2.0").model_copy(update={"fields": fields}))


def test_every_call_to_the_queue_carries_the_key() -> None:
    server = Host(recorded("created"), recorded("completed"), recorded("result"), recorded("cancel_requested"))
    model = build(server)
    model.create_video(VideoGenerationRequest(prompt="A lake"))
    model.get_status(JOB_ID)
    model.cancel_video(JOB_ID)
    assert [request.headers["authorization"] for request in server.requests] == [f"Key {KEY}"] * 4


# Creating


def test_a_created_request_is_queued_and_keeps_fals_paths() -> None:
    server = Host(recorded("created", **{"retry-after": "2"}), recorded("in_progress"), recorded("cancel_requested"))
    model = build(server)
    job = model.create_video(VideoGenerationRequest(prompt="A lake"))
    assert (job.status, job.retry_after_seconds) == (VideoStatus.QUEUED, 2.0)
    assert model.get_status(job.job_id).status is VideoStatus.IN_PROGRESS
    model.cancel_video(job.job_id)
    assert server.calls[1:] == [f"GET {REQUEST_PATH}/status", f"PUT {REQUEST_PATH}/cancel"]


def test_fal_is_told_not_to_run_a_request_twice() -> None:
    server = Host(recorded("created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake"))
    assert server.requests[0].headers["x-fal-no-retry"] == "1"


@pytest.mark.parametrize(
    ("name", "call", "fields"),
    [
        (
            "seedance-2.0",
            "POST /bytedance/seedance-2.0/text-to-video",
            {"duration": "10", "aspect_ratio": "9:16", "resolution": "1080p", "generate_audio": True},
        ),
        (
            "kling-3.0-pro",
            "POST /fal-ai/kling-video/v3/pro/text-to-video",
            {"duration": "10", "aspect_ratio": "9:16", "generate_audio": True},
        ),
        (
            "wan-2.7",
            "POST /fal-ai/wan/v2.7/text-to-video",
            {"duration": 10, "aspect_ratio": "9:16", "resolution": "1080p"},
        ),
    ],
)
def test_a_text_is_sent_in_the_models_own_fields(name: str, call: str, fields: dict[str, object]) -> None:
    server = Host(recorded("created"))
    request = VideoGenerationRequest(prompt="Ein See, früh", width=1080, height=1920, duration_seconds=10)
    build(server, entry=row(name)).create_video(request)
    assert server.calls == [call]
    assert server.sent_body == {"prompt": "Ein See, früh", **fields}


@pytest.mark.parametrize(
    ("name", "width", "height", "fields"),
    [
        ("seedance-2.5", 854, 480, {"duration": "8", "aspect_ratio": "16:9", "resolution": "480p"}),
        ("minimax-h3", 2560, 1440, {"duration": 8, "aspect_ratio": "16:9", "resolution": "2K"}),
        ("minimax-h3", 768, 1366, {"duration": 8, "aspect_ratio": "9:16", "resolution": "768P"}),
    ],
)
def test_a_size_is_sent_in_the_models_own_words(name: str, width: int, height: int, fields: dict[str, object]) -> None:
    server = Host(recorded("created"))
    build(server, entry=row(name)).create_video(VideoGenerationRequest(prompt="A lake", width=width, height=height))
    assert fields.items() <= server.sent_body.items()


@pytest.mark.parametrize(("form", "written"), [("number", 8), ("text", "8"), ("text_with_unit", "8s")])
def test_seconds_are_written_in_the_models_form(form: str, written: object) -> None:
    fields = fields_of("seedance-2.0").model_copy(update={"duration_form": form, "duration": "length"})
    server = Host(recorded("created"))
    entry = row("seedance-2.0").model_copy(update={"fields": fields})
    build(server, entry=entry).create_video(VideoGenerationRequest(prompt="A lake"))
    assert server.sent_body["length"] == written
    assert "duration" not in server.sent_body


def test_a_name_of_a_field_may_be_left_empty_where_there_is_none() -> None:
    fields = FieldMap.model_validate({"text_to_video": "a/b", "aspect_ratio": "", "resolution": ""})
    server = Host(recorded("created"))
    entry = row("wan-2.7", Capabilities()).model_copy(update={"fields": fields})
    build(server, entry=entry).create_video(VideoGenerationRequest(prompt="A lake"))
    assert server.sent_body == {"prompt": "A lake", "duration": "8"}


def refusal(status_code: int, *details: dict[str, object]) -> httpx.Response:
    return httpx.Response(status_code, json={"detail": list(details)})


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal(422, {"type": "missing"}, {"type": "content_policy_violation"}), ErrorCode.CONTENT_POLICY),
        (httpx.Response(422, headers={"x-fal-error-type": "content_policy_violation"}), ErrorCode.CONTENT_POLICY),
        (
            httpx.Response(400, json={"detail": "No.", "error_type": "content_policy_violation"}),
            ErrorCode.CONTENT_POLICY,
        ),
        (httpx.Response(403, json={"detail": "User is locked. Reason: TOP_UP."}), ErrorCode.INSUFFICIENT_CREDIT),
        # Locked for another reason; and a sentence alone decides of nothing else.
        (recorded("error_locked"), ErrorCode.AUTHENTICATION),
        (httpx.Response(403, json={"detail": "Exhausted balance"}), ErrorCode.AUTHENTICATION),
        (
            httpx.Response(422, json={"detail": "User is locked. Reason: Exhausted balance."}),
            ErrorCode.INVALID_REQUEST,
        ),
    ],
)
def test_the_type_of_a_refusal_decides_and_a_lock_for_want_of_money(answer: httpx.Response, code: ErrorCode) -> None:
    error = CALLS.creation_error(answer)
    assert not isinstance(error, SubmissionUnknown)
    assert error.code is code


def test_a_refusal_keeps_the_vendors_sentences_and_the_id_of_the_call() -> None:
    error = CALLS.creation_error(
        httpx.Response(
            422,
            headers={"x-fal-request-id": "call-1"},
            json={
                "detail": [
                    {"loc": ["body", "duration"], "msg": "Input should be '5'", "type": "literal_error"},
                    {"loc": ["body", "prompt"], "msg": f"Field required by {KEY}", "type": "missing"},
                ]
            },
        )
    )
    assert error.message == "body.duration: Input should be '5'; body.prompt: Field required by [key]"
    assert error.request_id == "call-1"


def test_a_refusal_that_repeats_a_whole_picture_still_says_why() -> None:
    said = (
        b'{"detail": [{"loc": ["body", "image_url"], "msg": "Flagged.", "type": "content_policy_violation", "input": "'
    )
    error = CALLS.creation_error(httpx.Response(422, stream=Body([said, *[b"A" * 1_000_000] * 6, b'"}]}'])))
    assert (error.code, error.message) == (ErrorCode.CONTENT_POLICY, "body.image_url: Flagged.")


# The addresses that fal gives, and the id that carries them


@pytest.mark.parametrize("base_url", [BASE_URL, "https://queue.falrun.com", "https://proxy.example/fal"])
@pytest.mark.parametrize("host", ["https://queue.fal.run", "https://queue.falrun.com", "https://queue.fal.run:443"])
def test_an_address_at_either_of_fals_hosts_is_called_at_our_own(base_url: str, host: str) -> None:
    ticket = {"request_id": REQUEST_ID, "status_url": f"{host}/a/b/c/{REQUEST_ID}/status?x=1"}
    server = Host(httpx.Response(200, json=ticket), recorded("in_queue"))
    model = build(server, base_url=base_url)
    model.get_status(model.create_video(VideoGenerationRequest(prompt="A lake")).job_id)
    assert str(server.requests[1].url) == f"{base_url}/a/b/c/{REQUEST_ID}/status?x=1"


@pytest.mark.parametrize("address", ["https://proxy.example/fal/a/1/status", "https://proxy.example/a/1/status"])
def test_an_address_at_a_proxy_under_a_path_is_called_there(address: str) -> None:
    server = Host(httpx.Response(200, json={"request_id": REQUEST_ID, "status_url": address}), recorded("in_queue"))
    model = build(server, base_url="https://proxy.example/fal")
    model.get_status(model.create_video(VideoGenerationRequest(prompt="A lake")).job_id)
    assert str(server.requests[1].url) == "https://proxy.example/fal/a/1/status"


@pytest.mark.parametrize(
    "address",
    [
        None,
        "https://queue.fal.run.evil.example/a/status",
        "http://queue.fal.run/a/status",
        "https://queue.fal.run:8443/a/status",
        "https://user:pw@queue.fal.run/a/status",
        "/a/status",
        "https://queue.fal.run:port/a/status",
        f"https://queue.fal.run/{'x' * 1024}",
    ],
)
def test_the_key_never_goes_to_another_address_and_the_request_is_not_lost(address: object) -> None:
    ticket = {"request_id": REQUEST_ID, "status_url": address, "response_url": address, "cancel_url": address}
    server = Host(
        httpx.Response(200, json=ticket), recorded("completed"), recorded("result"), recorded("cancel_requested")
    )
    internet = Internet()
    model = build(server, internet=internet, entry=row("kling-3.0-pro"))
    request = VideoGenerationRequest(prompt="A lake", width=1920, height=1080)
    job_id = model.create_video(request).job_id
    model.get_status(job_id)
    model.cancel_video(job_id)
    own = f"https://queue.fal.run/fal-ai/kling-video/requests/{REQUEST_ID}"
    assert [str(request.url) for request in server.requests[1:]] == [f"{own}/status", own, f"{own}/cancel"]
    assert internet.requests == []


def encode(request_id: str, paths: object) -> str:
    return f"{request_id}.{base64.urlsafe_b64encode(json.dumps(paths).encode()).decode().rstrip('=')}"


@pytest.mark.parametrize(
    "job_id",
    [
        REQUEST_ID,
        JOB_ID[:-6],
        encode(REQUEST_ID, ["/a", "/b", "/c"]),
        encode(REQUEST_ID, ["", "/a", "/b", "@evil.example/c"]),
        encode("../a", ["/", "a", "b", "c"]),
    ],
)
def test_an_id_that_is_not_ours_is_refused(job_id: str) -> None:
    server = Host(recorded("in_queue"))
    model = build(server)
    calls: list[Callable[[str], object]] = [
        model.get_status,
        model.cancel_video,
        model.webhook_key,
        lambda job_id: model.open_video(job_id).__enter__(),
    ]
    for call in calls:
        with pytest.raises(VideoModelError, match="is not the id of a job at fal") as raised:
            call(job_id)
        assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert server.requests == []


# Pictures


def data_uri(image: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def test_a_first_frame_goes_to_the_models_other_address_as_a_data_uri() -> None:
    server = Host(recorded("created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=data_uri(PNG, "png")))
    assert server.calls == [f"POST {APP_PATH}/image-to-video"]
    assert server.sent_body == {
        "prompt": "A lake",
        "duration": "8",
        "aspect_ratio": "16:9",
        "resolution": "720p",
        "generate_audio": True,
        "image_url": data_uri(PNG, "png"),
    }


def test_both_frames_go_into_the_fields_that_the_row_names() -> None:
    server = Host(recorded("created"))
    frames = {"input_image": data_uri(PNG, "png"), "last_frame_image": data_uri(JPEG, "jpeg")}
    request = VideoGenerationRequest(prompt="A lake", width=1920, height=1080, **frames)
    build(server, entry=row("kling-3.0-pro")).create_video(request)
    assert server.calls == ["POST /fal-ai/kling-video/v3/pro/image-to-video"]
    assert server.sent_body == {
        "prompt": "A lake",
        "duration": "8",
        "generate_audio": True,
        "start_image_url": frames["input_image"],
        "end_image_url": frames["last_frame_image"],
    }


def test_the_shape_is_the_first_frames_where_the_model_says_so() -> None:
    server = Host(recorded("created"))
    request = VideoGenerationRequest(prompt="A lake", input_image=data_uri(PNG, "png"))
    build(server, entry=row("wan-2.7")).create_video(request)
    assert "aspect_ratio" not in server.sent_body
    assert "resolution" in server.sent_body


def test_a_picture_goes_to_the_only_address_where_there_is_one() -> None:
    fields = FieldMap.model_validate({"text_to_video": "a/b/video"})
    entry = row("wan-2.7", Capabilities(image_roles=(ImageRole.FIRST_FRAME,))).model_copy(update={"fields": fields})
    server = Host(recorded("created"))
    build(server, entry=entry).create_video(VideoGenerationRequest(prompt="A lake", input_image=data_uri(PNG, "png")))
    assert server.calls == ["POST /a/b/video"]
    assert "image_url" in server.sent_body


def test_a_last_frame_alone_is_refused_before_anything_is_sent() -> None:
    server = Host(recorded("created"))
    with pytest.raises(
        VideoModelError, match="a last frame only together with a first one; nothing was submitted"
    ) as raised:
        build(server).create_video(VideoGenerationRequest(prompt="A lake", last_frame_image="a.png"))
    assert (raised.value.code, server.requests) == (ErrorCode.INVALID_REQUEST, [])


# Asking how a request stands


@pytest.mark.parametrize("body", [{"seed": 1}, {"video": None}, {"video": {"url": ""}}])
def test_a_success_without_a_video_is_a_failure(body: object) -> None:
    job = CALLS.status(recorded("completed"), httpx.Response(200, json=body))
    assert (job.status, job.error_code) == (VideoStatus.FAILED, ErrorCode.PROVIDER_ERROR)
    assert job.error_message == "The provider says that the request is completed, but gave no video."


def test_a_success_without_a_video_says_why_where_its_status_did() -> None:
    job = CALLS.status(completed(error="Flagged.", error_type="content_policy_violation"), httpx.Response(200, json={}))
    assert (job.error_code, job.error_message) == (ErrorCode.CONTENT_POLICY, "Flagged.")


def test_a_video_proves_success_whatever_its_status_says() -> None:
    assert CALLS.status(completed(error="Odd."), recorded("result")).status is VideoStatus.COMPLETED


@pytest.mark.parametrize(
    ("stands", "came_to", "code", "message"),
    [
        ("completed", "result_blocked", ErrorCode.CONTENT_POLICY, f"body.prompt: {FLAGGED}"),
        (
            "completed",
            "result_invalid",
            ErrorCode.INVALID_REQUEST,
            "body.duration: unexpected value; permitted: 'auto', '4', '5'",
        ),
        ("completed", "result_failed", ErrorCode.PROVIDER_ERROR, "body: Internal server error"),
        ("completed_timeout", "result_timeout", ErrorCode.PROVIDER_ERROR, "Request timed out"),
        ("completed_cancelled", "result_cancelled", ErrorCode.CANCELLED, "The request was cancelled."),
        ("completed_bad_path", "result_bad_path", ErrorCode.MODEL_NOT_FOUND, "Path /text-to-video not found"),
        # fal no longer has the result, or does not show it.
        ("completed_timeout", "error_gone", ErrorCode.PROVIDER_ERROR, "Request timed out"),
        ("completed_timeout", "error_credit", ErrorCode.PROVIDER_ERROR, "Request timed out"),
    ],
)
def test_a_failed_request_is_an_answer(stands: str, came_to: str, code: ErrorCode, message: str) -> None:
    job = CALLS.status(recorded(stands), recorded(came_to))
    assert (job.status, job.error_code, job.error_message) == (VideoStatus.FAILED, code, message)
    assert job.cost_micros is None


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal(504, {"type": "generation_timeout"}), ErrorCode.PROVIDER_ERROR),
        (refusal(400, {"type": "downstream_service_error"}), ErrorCode.PROVIDER_ERROR),
        (refusal(422, {"type": "file_download_error"}), ErrorCode.INVALID_REQUEST),
        (httpx.Response(503, headers={"x-fal-error-type": "runner_disconnected"}), ErrorCode.PROVIDER_ERROR),
        (httpx.Response(400, json={"detail": "x", "error_type": "bad_request"}), ErrorCode.INVALID_REQUEST),
        (httpx.Response(499, json={"detail": "x", "error_type": "client_cancelled"}), ErrorCode.CANCELLED),
    ],
)
def test_a_result_with_a_type_is_the_requests_own_failure(answer: httpx.Response, code: ErrorCode) -> None:
    job = CALLS.status(recorded("completed"), answer)
    assert (job.status, job.error_code) == (VideoStatus.FAILED, code)
    assert job.error_message


@pytest.mark.parametrize(
    ("answer", "code", "transient"),
    [
        (httpx.Response(504, json={"detail": "Gateway timeout"}), ErrorCode.PROVIDER_ERROR, True),
        (recorded("error_rate"), ErrorCode.RATE_LIMITED, True),
        (httpx.Response(202, json={"status": "IN_PROGRESS"}), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(200, json=["x"]), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(401, headers={"x-fal-error-type": "auth_error"}), ErrorCode.AUTHENTICATION, False),
        (recorded("error_credit"), ErrorCode.INSUFFICIENT_CREDIT, False),
        (httpx.Response(404, headers={"x-fal-error-type": "not_found"}), ErrorCode.EXPIRED, False),
        (httpx.Response(400, json={"detail": "Request is still in progress"}), ErrorCode.INVALID_REQUEST, False),
    ],
)
def test_a_result_that_did_not_come_is_no_failure_of_the_request(
    answer: Answer, code: ErrorCode, transient: bool
) -> None:
    error = CALLS.status_error(recorded("completed"), answer)
    assert (error.code, error.transient) == (code, transient)


@pytest.mark.parametrize(
    "answer", [recorded("error_server"), recorded("error_rate"), httpx.Response(302), httpx.ConnectError("refused")]
)
def test_the_reason_of_a_failure_is_asked_for_again_when_only_the_answer_failed(answer: Answer) -> None:
    assert CALLS.status_error(recorded("completed_timeout"), answer).transient


def test_a_failure_is_judged_by_the_type_in_its_status_where_its_result_has_none() -> None:
    said = completed(error="Flagged.", error_type="content_policy_violation")
    job = CALLS.status(said, httpx.Response(400, json={"detail": "Flagged, in more words."}))
    assert (job.error_code, job.error_message) == (ErrorCode.CONTENT_POLICY, "Flagged, in more words.")


def test_a_failure_without_a_sentence_shows_its_type_or_says_that_there_is_none() -> None:
    job = CALLS.status(completed(error_type="startup_timeout"), httpx.Response(404))
    assert job.error_message == "startup_timeout"
    job = CALLS.status(recorded("completed"), httpx.Response(422))
    assert job.error_message == "The provider gave no reason for the failure."


# The finished video


def test_a_video_at_the_queues_own_origin_never_sees_the_key() -> None:
    server = Host(recorded("completed"), result(f"{BASE_URL}/files/a.mp4"), httpx.Response(200, content=b"movie"))
    assert CALLS.download(build(server)) == b"movie"
    assert server.calls[2] == "GET /files/a.mp4"
    assert "authorization" not in server.requests[2].headers


@pytest.mark.parametrize("status_code", [401, 403, 404, 410])
def test_a_file_that_is_gone_stays_gone(status_code: int) -> None:
    elsewhere = CALLS.download_error(
        build(Host(recorded("completed"), recorded("result")), internet=Internet(httpx.Response(status_code)))
    )
    server = Host(recorded("completed"), result(f"{STAND_IN}/a.mp4"), httpx.Response(status_code))
    own = CALLS.download_error(build(server, base_url=STAND_IN))
    for error in (elsewhere, own):
        assert (error.code, error.transient) == (ErrorCode.EXPIRED, False)
        assert "gives no other URL" in error.message


# Cancelling


def test_a_cancel_that_comes_too_late_says_so() -> None:
    with pytest.raises(VideoModelError, match="there is nothing to cancel") as raised:
        build(Host(recorded("cancel_too_late"))).cancel_video(JOB_ID)
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)


# Webhooks

BODY = json.dumps({"request_id": REQUEST_ID, "status": "OK", "payload": {}}).encode()


class Signer:
    """Signs as fal says that it does."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    @property
    def key_set(self) -> httpx.Response:
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        return httpx.Response(200, json={"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]})

    def sign(self, *, at: datetime = NOW) -> dict[str, str]:
        timestamp = str(int(at.timestamp()))
        message = "\n".join((REQUEST_ID, "user-1", timestamp, hashlib.sha256(BODY).hexdigest()))
        return {
            "x-fal-webhook-request-id": REQUEST_ID,
            "x-fal-webhook-user-id": "user-1",
            "x-fal-webhook-timestamp": timestamp,
            "x-fal-webhook-signature": self._key.sign(message.encode()).hex(),
        }


FAL, STRANGER = Signer(), Signer()


def after(**lapse: float) -> datetime:
    return NOW + timedelta(**lapse)


def test_a_webhook_gives_the_key_of_the_job_it_speaks_of() -> None:
    internet = Internet(FAL.key_set)
    model = build(Host(), internet=internet)
    assert model.parse_webhook(FAL.sign(), BODY, now=NOW) == model.webhook_key(JOB_ID) == REQUEST_ID
    assert [request.headers["host"] for request in internet.requests] == ["rest.fal.ai"]
    assert internet.calls == ["GET /.well-known/jwks.json"]
    assert "authorization" not in internet.requests[0].headers
    assert KEY_SET_URL == "https://rest.fal.ai/.well-known/jwks.json"


def test_another_address_for_fals_queue_is_also_that_of_its_keys() -> None:
    proxy, internet = Host(FAL.key_set), Internet()
    model = build(proxy, internet=internet, base_url="https://proxy.example/fal")
    assert model.parse_webhook(FAL.sign(), BODY, now=NOW) == REQUEST_ID
    assert [str(request.url) for request in proxy.requests] == ["https://proxy.example/fal/.well-known/jwks.json"]
    assert internet.requests == []


def test_keys_that_a_proxy_does_not_have_verify_nothing() -> None:
    model = build(Host(httpx.Response(404)), base_url="https://proxy.example/fal")
    with pytest.raises(VideoModelError) as raised:
        model.parse_webhook(FAL.sign(), BODY, now=NOW)
    assert raised.value.transient


def test_a_submission_names_the_address_of_its_webhook() -> None:
    server = Host(recorded("created"))
    request = VideoGenerationRequest(prompt="A lake", webhook_url="https://api.example/v1/webhooks/fal?a=b&c")
    build(server).create_video(request)
    assert server.requests[0].url.params["fal_webhook"] == "https://api.example/v1/webhooks/fal?a=b&c"


def test_the_keys_are_fetched_once_a_day() -> None:
    internet = Internet(FAL.key_set)
    model = build(Host(), internet=internet)
    for moment in (NOW, after(minutes=5), after(hours=23, minutes=59)):
        model.parse_webhook(FAL.sign(at=moment), BODY, now=moment)
    assert len(internet.requests) == 1
    model.parse_webhook(FAL.sign(at=after(hours=24)), BODY, now=after(hours=24))
    assert len(internet.requests) == 2


def test_keys_of_yesterday_verify_nothing() -> None:
    internet = Internet(FAL.key_set, httpx.Response(503))
    model = build(Host(), internet=internet)
    model.parse_webhook(FAL.sign(), BODY, now=NOW)
    with pytest.raises(VideoModelError) as raised:
        model.parse_webhook(FAL.sign(at=after(hours=24)), BODY, now=after(hours=24))
    assert raised.value.transient


def test_keys_that_fal_has_changed_are_fetched_again() -> None:
    old, new = Signer(), Signer()
    internet = Internet(old.key_set, new.key_set)
    model = build(Host(), internet=internet)
    model.parse_webhook(old.sign(), BODY, now=NOW)
    later = after(minutes=1)
    assert model.parse_webhook(new.sign(at=later), BODY, now=later) == REQUEST_ID
    assert len(internet.requests) == 2


def test_a_stranger_makes_us_fetch_keys_no_more_than_once_a_minute() -> None:
    internet = Internet(FAL.key_set)
    model = build(Host(), internet=internet)
    for seconds in range(0, 120, 5):
        moment = after(seconds=seconds)
        with pytest.raises(WebhookRejected):
            model.parse_webhook(STRANGER.sign(at=moment), BODY, now=moment)
    assert len(internet.requests) == 2
    # And fal's own are still taken meanwhile.
    assert model.parse_webhook(FAL.sign(at=after(seconds=119)), BODY, now=after(seconds=119)) == REQUEST_ID


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, content=FAL.key_set.content + b" " * 70_000),
    ],
)
def test_without_keys_a_webhook_is_neither_taken_nor_rejected(answer: Answer) -> None:
    internet = Internet(answer, FAL.key_set)
    model = build(Host(), internet=internet)
    for moment in (NOW, after(seconds=59)):
        with pytest.raises(VideoModelError) as raised:
            model.parse_webhook(FAL.sign(at=moment), BODY, now=moment)
        assert (raised.value.code, raised.value.transient) == (ErrorCode.PROVIDER_ERROR, True)
    assert len(internet.requests) == 1
    later = after(minutes=1)
    assert model.parse_webhook(FAL.sign(at=later), BODY, now=later) == REQUEST_ID
