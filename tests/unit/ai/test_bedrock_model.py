"""Speaking Amazon Bedrock's asynchronous invocations through a real boto3, over recorded replies."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from pathlib import Path

import boto3
import httpx
import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    ProxyConnectionError,
    SSOTokenLoadError,
    TokenRetrievalError,
)

from mediaposter.ai.bedrock_model import PROMPT_MAX_CHARACTERS, BedrockVideoModel
from mediaposter.ai.catalog import CatalogEntry
from mediaposter.ai.video_model_factory import create_video_model
from mediaposter.ai.video_model_interface import VideoGenerationJob, VideoGenerationRequest, VideoStatus
from mediaposter.domain.errors import ConfigurationError, ErrorCode, SubmissionUnknown, VideoModelError
from mediaposter.http.file_stream import CHUNK_BYTES
from tests.fakes.bedrock import REGION, lead_to, make_session
from tests.fakes.provider import Answer, Body, Calls, Host, Internet, read_reply, row

MODEL = "luma.ray-v2:0"
BUCKET = "videos-of-the-test"
BASE_URL = f"s3://{BUCKET}/renders"
ARN = "arn:aws:bedrock:us-west-2:000000000000:async-invoke/k3v9q0t7m2xa"
REQUEST_ID = "5f1c2a34-8d5e-4c0b-9a55-0f6b7c1d2e3f"
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
JPEG = b"\xff\xd8\xff" + b"pixels"
WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 "
ETAG = '"0123456789abcdef0123456789abcdef"'


def recorded(name: str, **headers: str) -> httpx.Response:
    return read_reply("bedrock", name, **headers)


def invocation(**fields: object) -> httpx.Response:
    return httpx.Response(200, json={**recorded("completed").json(), **fields})


def refusal(name: str, message: str, status_code: int = 400) -> httpx.Response:
    return httpx.Response(status_code, headers={"x-amzn-errortype": name}, json={"message": message})


def build(
    server: Host, *, internet: Internet | None = None, base_url: str = BASE_URL, entry: CatalogEntry | None = None
) -> BedrockVideoModel:
    return BedrockVideoModel(
        entry=entry or row(MODEL),
        base_url=base_url,
        session=make_session(server),
        internet=(internet or Internet()).way,
    )


def request(**fields: object) -> VideoGenerationRequest:
    return VideoGenerationRequest.model_validate({"prompt": "A lake", "duration_seconds": 5, **fields})


CALLS = Calls(build, job_id=ARN, seconds=5)


def sent_input(**fields: object) -> dict[str, object]:
    server = Host(recorded("started"))
    build(server).create_video(request(**fields))
    sent = server.sent_body["modelInput"]
    assert isinstance(sent, dict)
    return sent


def movie(**headers: str) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "video/mp4", "etag": ETAG, **headers}, content=b"movie")


# Construction


@pytest.mark.parametrize(
    ("base_url", "place"),
    [
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/renders/", "s3://bucket/renders"),
    ],
)
def test_bedrock_is_told_to_write_to_base_url(base_url: str, place: str) -> None:
    server = Host(recorded("started"))
    build(server, base_url=base_url).create_video(request())
    assert server.sent_body["outputDataConfig"] == {"s3OutputDataConfig": {"s3Uri": place}}


@pytest.mark.parametrize(
    "base_url",
    [
        "https://bedrock-runtime.us-west-2.amazonaws.com",
        "s3:///renders",
        "s3://Bucket",
        "s3://bucket/a\nb",
        f"s3://bucket/{'x' * 1024}",
    ],
)
def test_another_base_url_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"base_url must read like s3://bucket/prefix"):
        build(Host(), base_url=base_url)


def test_the_model_is_made_without_a_key_and_finds_its_place_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BEDROCK_BASE_URL", BASE_URL)
    model = create_video_model("bedrock", MODEL)
    assert isinstance(model, BedrockVideoModel)
    assert (model.api_key, model.base_url) == ("", BASE_URL)
    assert model.capabilities.idempotent_submit


# What boto3 finds


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take away what boto3 would find on the machine that runs the tests; its default session is made anew."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture
def environment(bare_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def ask_by_default(server: Host) -> None:
    """Ask through boto3's default session, as a Lambda does."""
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    lead_to(server, boto3.DEFAULT_SESSION)
    BedrockVideoModel(entry=row(MODEL), base_url=BASE_URL).get_status(ARN)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        (None, "bedrock-runtime.eu-west-1.amazonaws.com"),
        ("", "bedrock-runtime.eu-west-1.amazonaws.com"),
        ("http://127.0.0.1:4020", "127.0.0.1"),
    ],
)
def test_bedrock_is_where_the_environment_says_and_an_empty_word_says_nothing(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None, host: str
) -> None:
    if endpoint is not None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", endpoint)
    server = Host(recorded("in_progress"))
    ask_by_default(server)
    assert server.requests[0].url.host == host
    assert "/eu-west-1/bedrock/aws4_request" in server.requests[0].headers["authorization"]


EVERY_CALL: list[Callable[[BedrockVideoModel], object]] = [
    lambda model: model.create_video(request()),
    lambda model: model.get_status(ARN),
    lambda model: model.open_video(ARN).__enter__(),
]


def refuse_settings(session: boto3.Session, sentence: str) -> None:
    for call in EVERY_CALL:
        with pytest.raises(VideoModelError, match=sentence) as raised:
            call(BedrockVideoModel(entry=row(MODEL), base_url=BASE_URL, session=session))
        assert not isinstance(raised.value, SubmissionUnknown)
        assert (raised.value.code, raised.value.transient) == (ErrorCode.AUTHENTICATION, False)


@pytest.mark.usefixtures("bare_environment")
def test_without_credentials_nothing_is_sent_and_the_error_says_what_is_missing() -> None:
    server = Host(recorded("completed"))
    session = lead_to(server, boto3.Session(region_name=REGION))
    refuse_settings(session, r"so nothing was sent: Unable to locate credentials\. It needs credentials and a region: ")
    assert server.requests == []


@pytest.mark.usefixtures("bare_environment")
def test_without_a_region_nothing_is_sent() -> None:
    session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")
    refuse_settings(session, "You must specify a region")


@pytest.mark.usefixtures("environment")
def test_an_endpoint_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in ("BEDROCK_RUNTIME", "S3"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", "nowhere")
    refuse_settings(boto3.Session(), "Invalid endpoint: nowhere")


# Creating


def test_an_invocation_that_was_started_is_a_queued_job_with_its_arn() -> None:
    assert CALLS.create(recorded("started")) == VideoGenerationJob(job_id=ARN, status=VideoStatus.QUEUED)


def test_a_request_is_said_in_lumas_words() -> None:
    server = Host(recorded("started"))
    build(server).create_video(
        request(prompt="Ein See, früh", width=540, height=1260, duration_seconds=9, idempotency_key="video_1-1")
    )
    assert server.calls == ["POST /async-invoke"]
    assert server.sent_body == {
        "clientRequestToken": "video_1-1",
        "modelId": "luma.ray-v2:0",
        "modelInput": {"prompt": "Ein See, früh", "aspect_ratio": "9:21", "resolution": "540p", "duration": "9s"},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": BASE_URL}},
    }


def test_a_submission_without_a_key_has_a_token_of_its_own() -> None:
    server = Host(recorded("started"))
    for _ in range(2):
        build(server).create_video(request())
    tokens = [json.loads(sent.content)["clientRequestToken"] for sent in server.requests]
    assert len({uuid.UUID(token) for token in tokens}) == 2


def refuse_before_sending(**fields: object) -> VideoModelError:
    server = Host(recorded("started"))
    with pytest.raises(VideoModelError) as raised:
        build(server).create_video(request(**fields))
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert server.requests == []
    return raised.value


def test_a_longer_prompt_is_refused_before_anything_is_sent() -> None:
    error = refuse_before_sending(prompt="é" * (PROMPT_MAX_CHARACTERS + 1))
    assert "up to 5000 characters and this one has 5001; nothing was submitted" in error.message


# What comes of a submission


@pytest.mark.parametrize(
    ("answer", "code", "sentence"),
    [
        (recorded("error_access"), ErrorCode.AUTHENTICATION, "You don't have access to the model with the specified"),
        (refusal("ExpiredTokenException", "Expired."), ErrorCode.AUTHENTICATION, "Expired."),
        (recorded("error_input"), ErrorCode.INVALID_REQUEST, "Malformed input request: #/duration: 8s is not a valid"),
        (recorded("error_model"), ErrorCode.MODEL_NOT_FOUND, "The provided model identifier is invalid. Bedrock has"),
        (recorded("error_output"), ErrorCode.AUTHENTICATION, "Invalid Output Config/Credentials. Bedrock writes with"),
        (recorded("error_blocked"), ErrorCode.CONTENT_POLICY, "This request has been blocked by our content filters."),
        (refusal("ValidationException", "Frame Moderation failed"), ErrorCode.CONTENT_POLICY, "Frame Moderation faile"),
        # Where the error has a name of its own, its sentence does not decide.
        (refusal("AccessDeniedException", "No moderation.", 403), ErrorCode.AUTHENTICATION, "No moderation."),
    ],
)
def test_a_refusal_is_certain_and_final_and_keeps_awss_sentence(
    answer: httpx.Response, code: ErrorCode, sentence: str
) -> None:
    error = CALLS.creation_error(answer)
    assert not isinstance(error, SubmissionUnknown)
    assert (error.code, error.transient) == (code, False)
    assert error.message.startswith(sentence)


def test_a_refusal_of_the_bucket_says_what_to_mend() -> None:
    message = CALLS.creation_error(recorded("error_output")).message
    assert "base_url names" in message
    assert "s3:PutObject" in message


def test_what_aws_quotes_of_a_request_is_not_repeated() -> None:
    message = "The signature does not match.\n\nThe Canonical String should have been\nx-amz-security-token:IQoJ"
    assert (
        CALLS.creation_error(refusal("InvalidSignatureException", message, 403)).message
        == "The signature does not match."
    )


@pytest.mark.parametrize(
    "answer",
    [
        recorded("error_unavailable"),
        # Started before under the same token, from something that has changed since: a picture behind a URL, say.
        recorded("error_conflict"),
        # More than boto3 has errors for.
        OSError("reset"),
        ValueError("not HTTP"),
    ],
)
def test_an_answer_after_which_the_invocation_may_exist_is_unknown(answer: Answer) -> None:
    server = Host(answer)
    with pytest.raises(SubmissionUnknown):
        build(server).create_video(request())
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (ConnectTimeoutError(endpoint_url="https://b.example"), "Connect timeout on endpoint"),
        (EndpointConnectionError(endpoint_url="https://b.example"), "Could not connect to the endpoint"),
        (ProxyConnectionError(proxy_url="https://p.example"), "Failed to connect to proxy"),
    ],
)
def test_a_bedrock_that_cannot_be_reached_has_accepted_nothing(broken: Exception, sentence: str) -> None:
    error = CALLS.creation_error(broken)
    assert not isinstance(error, SubmissionUnknown)
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, True)
    assert error.message.startswith(f"Amazon Bedrock cannot be reached, so nothing was submitted: {sentence}")


@pytest.mark.parametrize(
    "missing",
    [
        CredentialRetrievalError(provider="p", error_msg="gone"),
        SSOTokenLoadError(error_msg="gone"),
        TokenRetrievalError(provider="p", error_msg="gone"),
    ],
)
def test_credentials_that_cannot_be_renewed_are_refused_before_anything_is_sent(missing: Exception) -> None:
    for error in (CALLS.creation_error(missing), CALLS.status_error(missing)):
        assert not isinstance(error, SubmissionUnknown)
        assert (error.code, error.transient) == (ErrorCode.AUTHENTICATION, False)


@pytest.mark.parametrize("name", ["error_access", "error_server"])
def test_an_error_names_awss_id_of_the_call(name: str) -> None:
    assert CALLS.creation_error(recorded(name)).request_id == REQUEST_ID
    assert CALLS.status_error(recorded(name)).request_id == REQUEST_ID


# Pictures


def data_uri(content: bytes) -> str:
    return f"data:;base64,{base64.b64encode(content).decode()}"


def test_pictures_are_sent_as_frames_of_their_types() -> None:
    frames = {
        name: {
            "type": "image",
            "source": {"type": "base64", "media_type": kind, "data": base64.b64encode(content).decode()},
        }
        for name, content, kind in (("frame0", PNG, "image/png"), ("frame1", JPEG, "image/jpeg"))
    }
    both = sent_input(input_image=data_uri(PNG), last_frame_image=data_uri(JPEG))
    last = sent_input(last_frame_image=data_uri(JPEG))
    assert (both["keyframes"], last["keyframes"]) == (frames, {"frame1": frames["frame1"]})


def test_a_webp_is_refused_before_anything_is_sent() -> None:
    error = refuse_before_sending(input_image=data_uri(WEBP))
    assert error.message.endswith(
        "takes pictures as PNG or JPEG and this one is image/webp; nothing was submitted. Convert it."
    )


# Asking how an invocation stands


def test_an_invocation_that_has_not_failed_is_read() -> None:
    server = Host(recorded("completed"))
    assert build(server).get_status(ARN) == VideoGenerationJob(job_id=ARN, status=VideoStatus.COMPLETED)
    assert server.calls == [
        "GET /async-invoke/arn%3Aaws%3Abedrock%3Aus-west-2%3A000000000000%3Aasync-invoke%2Fk3v9q0t7m2xa"
    ]


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("failed", ErrorCode.PROVIDER_ERROR, "The system encountered an unexpected error during processing."),
        ("failed_moderation", ErrorCode.CONTENT_POLICY, "Advanced prompt moderation failed"),
        ("failed_silent", ErrorCode.PROVIDER_ERROR, "The provider gave no reason for the failure."),
    ],
)
def test_a_failed_invocation_says_why(name: str, code: ErrorCode, message: str) -> None:
    job = CALLS.status(recorded(name))
    assert (job.status, job.error_code, job.error_message) == (VideoStatus.FAILED, code, message)


def test_a_failure_at_the_bucket_says_what_to_mend() -> None:
    job = CALLS.status(recorded("failed_output"))
    assert job.error_code is ErrorCode.AUTHENTICATION
    assert job.error_message is not None
    assert "s3:PutObject" in job.error_message


@pytest.mark.parametrize(
    "answer",
    [
        invocation(status=None),
        invocation(outputDataConfig={}),
        invocation(outputDataConfig={"s3OutputDataConfig": {"s3Uri": "https://example.com"}}),
        OSError("reset"),
    ],
)
def test_an_answer_that_tells_of_no_invocation_may_be_asked_for_again(answer: Answer) -> None:
    error = CALLS.status_error(answer)
    assert not isinstance(error, SubmissionUnknown)
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, True)


# The finished video


def test_a_finished_video_is_read_from_the_folder_of_its_invocation() -> None:
    server = Host(recorded("completed"), movie())
    with build(server).open_video(ARN) as stream:
        assert b"".join(stream.chunks) == b"movie"
    assert (stream.start_byte, stream.size_bytes, stream.content_type, stream.validator) == (0, 5, "video/mp4", ETAG)
    asked = server.requests[1]
    assert (asked.method, asked.url.host) == ("GET", f"{BUCKET}.s3.{REGION}.amazonaws.com")
    assert asked.url.path == "/renders/k3v9q0t7m2xa/output.mp4"
    assert "range" not in asked.headers
    assert "if-match" not in asked.headers


def test_a_part_is_asked_for_alone_and_the_beginning_whatever_it_was_before() -> None:
    part = httpx.Response(206, headers={"content-range": "bytes 3-4/5"}, content=b"ie")
    server = Host(recorded("completed"), part, recorded("completed"), movie())
    with build(server).open_video(ARN, start_byte=3) as stream:
        assert stream.start_byte == 3
    with build(server).open_video(ARN, validator='"of the first"') as stream:
        assert stream.start_byte == 0
    assert all("if-match" not in request.headers for request in server.requests)


def test_the_body_is_closed_when_the_stream_is_left_before_its_end() -> None:
    body = Body([bytes(CHUNK_BYTES), b"movie"])
    server = Host(recorded("completed"), httpx.Response(200, stream=body))
    with build(server).open_video(ARN) as stream:
        assert len(next(stream.chunks)) == CHUNK_BYTES
        assert not body.closed
    assert body.closed


def test_the_body_is_closed_of_an_object_that_cannot_be_taken_as_it_is() -> None:
    body = Body([b"mo", b"vie"])
    answer = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=body)
    error = CALLS.download_error(build(Host(recorded("completed"), answer)))
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, False)
    assert body.closed


def test_a_body_that_breaks_off_may_be_asked_for_again() -> None:
    failure = CALLS.download_error(
        build(Host(recorded("completed"), httpx.Response(200, stream=Body([b"mo"], OSError("reset")))))
    )
    assert (failure.code, failure.transient) == (ErrorCode.PROVIDER_ERROR, True)
    assert failure.message.startswith("Amazon S3 gave no answer: ")


def test_a_download_has_a_quarter_of_an_hour() -> None:
    internet = Internet()
    server = Host(recorded("completed"), movie())
    with build(server, internet=internet).open_video(ARN) as stream:
        internet.now = 901.0
        with pytest.raises(VideoModelError) as raised:
            next(stream.chunks)
    assert (raised.value.code, raised.value.transient) == (ErrorCode.TIMEOUT, True)


def test_an_object_that_was_removed_has_expired() -> None:
    error = CALLS.download_error(build(Host(recorded("completed"), recorded("s3_no_key"))))
    assert (error.code, error.transient) == (ErrorCode.EXPIRED, False)
    assert error.message == (
        "The provider no longer knows this job or its video. S3 answered NoSuchKey for "
        f"{BASE_URL}/k3v9q0t7m2xa/output.mp4: The specified key does not exist."
    )
    assert error.request_id == "0A1B2C3D4E5F6071"


@pytest.mark.parametrize(
    ("answer", "code", "transient"),
    [
        (recorded("s3_denied"), ErrorCode.AUTHENTICATION, False),
        (recorded("s3_changed"), ErrorCode.PROVIDER_ERROR, False),
        (recorded("s3_slow_down"), ErrorCode.PROVIDER_ERROR, True),
        (httpx.ReadTimeout("slow"), ErrorCode.PROVIDER_ERROR, True),
    ],
)
def test_an_object_that_s3_does_not_hand_over_is_asked_for_once_and_is_an_error(
    answer: Answer, code: ErrorCode, transient: bool
) -> None:
    server = Host(recorded("completed"), answer)
    with pytest.raises(VideoModelError) as raised:
        CALLS.download(build(server))
    assert (raised.value.code, raised.value.transient) == (code, transient)
    assert len(server.requests) == 2


def test_another_bucket_is_not_read() -> None:
    elsewhere = {"s3OutputDataConfig": {"s3Uri": "s3://somebody-elses/renders/k3v9q0t7m2xa"}}
    server = Host(invocation(outputDataConfig=elsewhere), movie())
    with pytest.raises(VideoModelError, match="in the bucket somebody-elses, and base_url names") as raised:
        CALLS.download(build(server))
    assert (raised.value.code, raised.value.transient) == (ErrorCode.PROVIDER_ERROR, False)
    assert len(server.requests) == 1
