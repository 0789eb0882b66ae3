from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.ai.catalog import built_in_catalog
from mediaposter.ai.runway_model import (
    MAX_DATA_URI_CHARACTERS,
    MAX_DOWNLOAD_SECONDS,
    PROMPT_MAX_UTF16_UNITS,
    RunwayVideoModel,
    _build_http_client,
)
from mediaposter.ai.video_model_factory import create_video_model
from mediaposter.ai.video_model_interface import Capabilities, VideoGenerationJob, VideoGenerationRequest, VideoStatus
from mediaposter.errors import ConfigurationError, ErrorCode, SubmissionUnknown, UnsupportedOperation, VideoModelError
from mediaposter.safe_http import PublicInternet

REPLIES = Path(__file__).parent / "replies" / "runway"
BASE_URL = "https://api.dev.runwayml.com"
STAND_IN = "http://127.0.0.1:4020"
KEY = "key-of-the-test"
TASK_ID = "17f20503-6c24-4c16-946b-35dbbce2af2f"
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"

Answer = httpx.Response | Exception


def reply(name: str, **headers: str) -> httpx.Response:
    """Read a reply in the vendor's format; `headers` are added to its own."""
    recorded = json.loads((REPLIES / f"{name}.json").read_text(encoding="utf-8"))
    return httpx.Response(recorded["status_code"], headers={**recorded["headers"], **headers}, json=recorded["body"])


def task_reply(**fields: object) -> httpx.Response:
    return httpx.Response(200, json={"id": TASK_ID, "status": "RUNNING", **fields})


def video_at(url: str) -> httpx.Response:
    return task_reply(status="SUCCEEDED", output=[url])


class Body(httpx.SyncByteStream):
    """A body that comes in pieces and may break at the end."""

    def __init__(self, pieces: Sequence[bytes], error: Exception | None = None) -> None:
        self._pieces = pieces
        self._error = error
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed = True


class Host:
    """Answers in turn, repeats its last answer, and keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def take(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    @property
    def sent_body(self) -> object:
        """The body of the only request."""
        (request,) = self.requests
        return json.loads(request.content)


class Internet(Host):
    """Every other host: one public address, and a clock that stands still."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(*(answers or [httpx.Response(200, content=b"movie")]))
        self.addresses = ["93.184.215.14"]
        self.now = 0.0

    @property
    def way(self) -> PublicInternet:
        return PublicInternet(
            resolve=lambda _host, _port: self.addresses,
            transport=httpx.MockTransport(self.take),
            clock=lambda: self.now,
        )


ALL = Capabilities(image_input=True, edit=True, cancel=True, delete=True)


def build(
    server: Host,
    *,
    internet: Internet | None = None,
    capabilities: Capabilities = ALL,
    base_url: str = BASE_URL,
    api_key: str = KEY,
    follow_redirects: bool = False,
) -> RunwayVideoModel:
    return RunwayVideoModel(
        model_variant="gen4.5",
        capabilities=capabilities,
        api_key=api_key,
        base_url=base_url,
        http_client=httpx.Client(transport=httpx.MockTransport(server.take), follow_redirects=follow_redirects),
        internet=(internet or Internet()).way,
    )


def create(answer: Answer) -> VideoGenerationJob:
    return build(Host(answer)).create_video(VideoGenerationRequest(prompt="A lake"))


def creation_error(answer: Answer) -> VideoModelError:
    with pytest.raises(VideoModelError) as raised:
        create(answer)
    return raised.value


def status(answer: Answer) -> VideoGenerationJob:
    return build(Host(answer)).get_status(TASK_ID)


def status_error(answer: Answer) -> VideoModelError:
    with pytest.raises(VideoModelError) as raised:
        status(answer)
    return raised.value


def download(model: RunwayVideoModel) -> bytes:
    with model.open_video(TASK_ID) as stream:
        return b"".join(stream.chunks)


def download_error(model: RunwayVideoModel) -> VideoModelError:
    with pytest.raises(VideoModelError) as raised:
        download(model)
    return raised.value


# Construction


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.dev.runwayml.com",
        "ftp://runway.example",
        "https://user:pw@runway.example",
        "https://r.example?a=1",
        "http://r.example:x",
    ],
)
def test_an_address_that_is_no_base_url_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        build(Host(), base_url=base_url)


@pytest.mark.parametrize("api_key", ["", "key-1\n", "key 1", "key-é"])
def test_a_key_that_no_header_takes_is_refused(api_key: str) -> None:
    with pytest.raises(ConfigurationError, match="api_key"):
        build(Host(), api_key=api_key)


def test_without_an_address_runways_own_is_called() -> None:
    server = Host(reply("running"))
    RunwayVideoModel(
        model_variant="gen4.5",
        capabilities=ALL,
        api_key=KEY,
        http_client=httpx.Client(transport=httpx.MockTransport(server.take)),
    ).get_status(TASK_ID)
    assert str(server.requests[0].url) == f"https://api.dev.runwayml.com/v1/tasks/{TASK_ID}"


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:4020/runway", "http://127.0.0.1:4020/runway/"])
def test_a_proxy_under_a_path_is_called_there(base_url: str) -> None:
    server = Host(reply("running"))
    build(server, base_url=base_url).get_status("a")
    assert server.calls == ["GET /runway/v1/tasks/a"]


def test_the_interface_shows_what_the_model_was_made_with() -> None:
    model = build(Host())
    assert (model.provider, model.model_variant, model.capabilities) == ("runway", "gen4.5", ALL)
    assert (model.api_key, model.base_url) == (KEY, BASE_URL)


def test_every_call_to_the_api_carries_the_key_and_the_version() -> None:
    server = Host(reply("created"), reply("succeeded"), reply("succeeded"), reply("created"), httpx.Response(204))
    model = build(server)
    model.create_video(VideoGenerationRequest(prompt="A lake"))
    model.get_status(TASK_ID)
    model.edit_video(TASK_ID, "Warmer")
    model.delete_video(TASK_ID)
    assert len(server.requests) == 5
    for request in server.requests:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["x-runway-version"] == "2024-11-06"


def test_a_proxy_in_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    client = _build_http_client()
    assert not client.trust_env
    assert not client._mounts


def test_no_connection_is_kept() -> None:
    transport = _build_http_client()._transport
    assert isinstance(transport, httpx.HTTPTransport)
    assert transport._pool._max_keepalive_connections == 0


def test_the_catalog_offers_gen45_by_a_name_with_a_dot() -> None:
    entry = built_in_catalog().get("gen4.5")
    assert (entry.name, entry.provider) == ("gen4.5", "runway")
    assert entry.estimate_cost_micros(seconds=8, size="720x1280") == 960_000
    model = create_video_model("runway", "gen4.5", api_key=KEY, base_url=BASE_URL)
    assert isinstance(model, RunwayVideoModel)


# Creating


def test_a_created_task_is_queued_and_leaves_the_first_wait_to_the_caller() -> None:
    assert create(reply("created")) == VideoGenerationJob(job_id=TASK_ID, status=VideoStatus.QUEUED)


def test_a_wait_that_the_answer_to_a_create_asks_for_is_kept() -> None:
    assert create(reply("created", **{"retry-after": "20"})).retry_after_seconds == 20.0


def test_a_text_is_sent_with_a_ratio_in_pixels_and_whole_seconds() -> None:
    server = Host(reply("created"))
    build(server).create_video(
        VideoGenerationRequest(prompt="Ein See, früh", width=720, height=1280, duration_seconds=10)
    )
    assert server.calls == ["POST /v1/text_to_video"]
    assert server.sent_body == {"model": "gen4.5", "promptText": "Ein See, früh", "ratio": "720:1280", "duration": 10}


def test_a_model_named_in_the_request_wins() -> None:
    server = Host(reply("created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", model="veo3.1"))
    assert isinstance(server.sent_body, dict)
    assert server.sent_body["model"] == "veo3.1"


@pytest.mark.parametrize("prompt", ["x" * PROMPT_MAX_UTF16_UNITS, "é" * PROMPT_MAX_UTF16_UNITS, "🌊" * 500])
def test_a_prompt_of_a_thousand_utf16_units_is_sent(prompt: str) -> None:
    server = Host(reply("created"))
    build(server).create_video(VideoGenerationRequest(prompt=prompt))
    assert len(server.requests) == 1


@pytest.mark.parametrize("prompt", ["x" * (PROMPT_MAX_UTF16_UNITS + 1), "🌊" * 500 + "x"])
@pytest.mark.parametrize(
    "call",
    [
        lambda model, prompt: model.create_video(VideoGenerationRequest(prompt=prompt)),
        lambda model, prompt: model.edit_video(TASK_ID, prompt),
    ],
)
def test_a_longer_prompt_is_refused_before_anything_is_sent(
    call: Callable[[RunwayVideoModel, str], object], prompt: str
) -> None:
    server = Host(reply("created"))
    with pytest.raises(VideoModelError, match="1000 UTF-16 units and this one has 1001") as raised:
        call(build(server), prompt)
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert server.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        reply("error_server"),
        httpx.Response(408),
        httpx.Response(429),
        httpx.Response(503, headers={"retry-after": "1"}),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
    ],
)
def test_a_create_is_sent_once_whatever_comes_of_it(answer: Answer) -> None:
    server = Host(answer)
    with pytest.raises(VideoModelError):
        build(server).create_video(VideoGenerationRequest(prompt="A lake"))
    assert len(server.requests) == 1


@pytest.mark.parametrize("status_code", [408, 409, 500, 502, 503, 504, 520])
def test_a_fault_after_which_the_task_may_exist_is_unknown(status_code: int) -> None:
    assert isinstance(creation_error(httpx.Response(status_code)), SubmissionUnknown)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.ReadError("connection reset by peer"),
        httpx.WriteError("broken pipe"),
        httpx.CloseError(""),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.LocalProtocolError("too much data"),
        httpx.DecodingError("not gzip"),
    ],
)
def test_a_break_after_something_was_sent_is_unknown(error: httpx.RequestError) -> None:
    assert isinstance(creation_error(error), SubmissionUnknown)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("[Errno 111] Connection refused"),
        httpx.ConnectTimeout("timed out"),
        httpx.PoolTimeout("no connection is free"),
        httpx.ProxyError("403 Forbidden"),
        httpx.UnsupportedProtocol("unknown scheme"),
    ],
)
def test_a_break_before_anything_was_sent_is_certain_and_may_be_tried_again(error: httpx.RequestError) -> None:
    raised = creation_error(error)
    assert not isinstance(raised, SubmissionUnknown)
    assert (raised.code, raised.transient) == (ErrorCode.PROVIDER_ERROR, True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'{"id": ""}',
        b'{"id": null}',
        b'{"id": "17',
        b'{"id": "a", "error": "x"}',
    ],
)
def test_an_acceptance_that_cannot_be_read_is_unknown(content: bytes) -> None:
    assert isinstance(creation_error(httpx.Response(200, content=content)), SubmissionUnknown)


def test_an_acceptance_whose_body_breaks_off_is_unknown() -> None:
    broken = httpx.Response(200, stream=Body([b'{"id": "17'], httpx.ReadError("reset")))
    assert isinstance(creation_error(broken), SubmissionUnknown)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply("error_ratio"), ErrorCode.INVALID_REQUEST),
        # A sentence alone never decides.
        (reply("error_credits"), ErrorCode.INVALID_REQUEST),
        (reply("error_key"), ErrorCode.AUTHENTICATION),
        (httpx.Response(403), ErrorCode.AUTHENTICATION),
        (httpx.Response(402), ErrorCode.INSUFFICIENT_CREDIT),
        (reply("error_model"), ErrorCode.MODEL_NOT_FOUND),
        (httpx.Response(410), ErrorCode.MODEL_NOT_FOUND),
        (httpx.Response(405), ErrorCode.PROVIDER_ERROR),
        (httpx.Response(302, headers={"location": "https://elsewhere.example/v1"}), ErrorCode.PROVIDER_ERROR),
    ],
)
def test_a_refusal_is_certain_and_final(answer: httpx.Response, code: ErrorCode) -> None:
    error = creation_error(answer)
    assert not isinstance(error, SubmissionUnknown)
    assert (error.code, error.transient) == (code, False)


def test_the_daily_cap_may_pass() -> None:
    error = creation_error(reply("error_daily_cap"))
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, True, 3600.0)


def test_the_daily_cap_until_a_date_is_read() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    seconds = creation_error(reply("error_daily_cap", **{"retry-after": moment})).retry_after_seconds
    assert seconds == pytest.approx(90, abs=5)


def test_a_refusal_keeps_the_vendors_sentence_without_our_key() -> None:
    assert creation_error(reply("error_ratio")).message.startswith("Validation of body failed: `ratio`")
    assert creation_error(httpx.Response(401, json={"error": f"Bad key {KEY}."})).message == "Bad key [key]."


def test_a_redirect_of_a_create_is_not_followed_even_by_a_client_that_would() -> None:
    server = Host(httpx.Response(307, headers={"location": "https://elsewhere.example/v1/text_to_video"}))
    with pytest.raises(VideoModelError, match="base_url"):
        build(server, follow_redirects=True).create_video(VideoGenerationRequest(prompt="A lake"))
    assert len(server.requests) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "status", "error", "output", "progress", "cost", "credits", "failureCode"])
            | st.text(),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(body=JSON, status_code=st.sampled_from([200, 302, 400, 404, 429, 500]))
def test_any_answer_to_a_create_is_a_task_or_a_known_error(body: object, status_code: int) -> None:
    outcome: VideoGenerationJob | VideoModelError
    try:
        outcome = create(httpx.Response(status_code, content=json.dumps(body).encode()))
    except VideoModelError as error:
        outcome = error
    assert isinstance(outcome, VideoGenerationJob | SubmissionUnknown) == (status_code in (200, 500))


@given(fields=st.dictionaries(st.sampled_from(["output", "progress", "cost", "failure", "failureCode"]), JSON))
@pytest.mark.parametrize("word", ["RUNNING", "SUCCEEDED", "FAILED"])
def test_fields_of_any_type_do_no_harm(word: str, fields: dict[str, object]) -> None:
    content = json.dumps({"id": TASK_ID, "status": word, **fields}).encode()
    job = status(httpx.Response(200, content=content))
    assert (job.status is VideoStatus.COMPLETED) == (job.video_url is not None and word == "SUCCEEDED")


# The reference image


def test_an_image_is_sent_as_a_data_uri_of_its_type(tmp_path: Path) -> None:
    path = tmp_path / "an image"
    path.write_bytes(PNG)
    server = Host(reply("created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=str(path)))
    assert server.calls == ["POST /v1/image_to_video"]
    assert server.sent_body == {
        "model": "gen4.5",
        "promptText": "A lake",
        "ratio": "1280:720",
        "duration": 8,
        "promptImage": "data:image/png;base64," + base64.b64encode(PNG).decode(),
    }


def test_an_image_behind_a_url_is_fetched_without_the_key() -> None:
    server = Host(reply("created"))
    internet = Internet(httpx.Response(200, content=PNG))
    build(server, internet=internet).create_video(
        VideoGenerationRequest(prompt="A lake", input_image="https://images.example/a.png")
    )
    assert server.calls == ["POST /v1/image_to_video"]
    assert "authorization" not in internet.requests[0].headers


def png_whose_data_uri_has(characters: int) -> bytes:
    """Base64 makes four characters of three bytes."""
    return PNG.ljust((characters - len("data:image/png;base64,")) // 4 * 3, b"\0")


def test_an_image_whose_data_uri_is_below_five_megabytes_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_whose_data_uri_has(MAX_DATA_URI_CHARACTERS - 1))
    server = Host(reply("created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=str(path)))
    assert len(server.requests) == 1


def test_a_longer_image_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_whose_data_uri_has(MAX_DATA_URI_CHARACTERS + 3))
    server = Host(reply("created"))
    with pytest.raises(VideoModelError, match="nothing was submitted") as raised:
        build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=str(path)))
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert server.requests == []


def test_a_path_never_sends_a_file_that_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "environ"
    path.write_bytes(b"AWS_SECRET_ACCESS_KEY=secret")
    server = Host(reply("created"))
    with pytest.raises(VideoModelError, match="PNG, JPEG or WebP"):
        build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=str(path)))
    assert server.requests == []


def test_a_model_that_takes_no_image_refuses_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    server = Host(reply("created"))
    with pytest.raises(VideoModelError, match="takes no reference image") as raised:
        build(server, capabilities=Capabilities()).create_video(
            VideoGenerationRequest(prompt="A lake", input_image=str(path))
        )
    assert raised.value.code is ErrorCode.INVALID_REQUEST
    assert server.requests == []


# Asking how a task stands


@pytest.mark.parametrize(
    ("name", "expected", "progress"),
    [
        ("pending", VideoStatus.QUEUED, None),
        ("throttled", VideoStatus.QUEUED, None),
        ("running", VideoStatus.IN_PROGRESS, 42),
        ("succeeded", VideoStatus.COMPLETED, None),
    ],
)
def test_a_task_that_has_not_failed_is_read(name: str, expected: VideoStatus, progress: int | None) -> None:
    job = status(reply(name))
    assert (job.job_id, job.status, job.progress) == (TASK_ID, expected, progress)
    assert (job.error_code, job.error_message) == (None, None)


@pytest.mark.parametrize("word", ["RETRYING", "done", "", None, 7])
def test_an_unknown_word_means_that_it_still_runs(word: object) -> None:
    assert status(task_reply(status=word, output=["https://o.example/a.mp4"])).status is VideoStatus.IN_PROGRESS


@pytest.mark.parametrize(
    ("progress", "expected"),
    [(0, 0), (0.376, 38), (1, 100), (-0.5, 0), (37.0, 100), (10**400, None), ("0.4", None), (True, None), (None, None)],
)
def test_progress_is_a_fraction_or_nothing(progress: object, expected: int | None) -> None:
    assert status(task_reply(progress=progress)).progress == expected


@pytest.mark.parametrize("progress", ["NaN", "Infinity", "1e999"])
def test_progress_that_is_no_number_is_nothing(progress: str) -> None:
    content = f'{{"id": "a", "status": "RUNNING", "progress": {progress}}}'.encode()
    assert status(httpx.Response(200, content=content)).progress is None


def test_the_first_output_is_the_video() -> None:
    outputs = ["https://outputs.example/a.mp4?_jwt=1", "https://outputs.example/b.mp4"]
    assert status(task_reply(status="SUCCEEDED", output=outputs)).video_url == "https://outputs.example/a.mp4?_jwt=1"


@pytest.mark.parametrize("output", [[], None, "https://o.example/a.mp4", [""], [None], [7], {"url": "x"}])
def test_a_success_without_a_video_is_a_failure(output: object) -> None:
    job = status(task_reply(status="SUCCEEDED", output=output))
    assert (job.status, job.error_code) == (VideoStatus.FAILED, ErrorCode.PROVIDER_ERROR)
    assert job.error_message == "The provider says that the task succeeded, but gave no video."


@pytest.mark.parametrize(
    ("name", "code", "message", "cost_micros"),
    [
        ("failed_safety", ErrorCode.CONTENT_POLICY, "The output was flagged by our moderation.", 960_000),
        ("failed_safety_text", ErrorCode.CONTENT_POLICY, "The prompt was flagged by our moderation.", 960_000),
        ("failed_asset", ErrorCode.INVALID_REQUEST, "The image could not be used.", 0),
        ("failed_internal", ErrorCode.PROVIDER_ERROR, "An unexpected error occurred.", 0),
        ("failed_without_code", ErrorCode.PROVIDER_ERROR, "An unexpected error occurred.", 0),
        ("cancelled", ErrorCode.CANCELLED, "The provider says that the task was cancelled.", None),
    ],
)
def test_a_failed_task_is_an_answer_and_may_cost(
    name: str, code: ErrorCode, message: str, cost_micros: int | None
) -> None:
    job = status(reply(name))
    assert (job.status, job.error_code, job.error_message) == (VideoStatus.FAILED, code, message)
    assert job.cost_micros == cost_micros


@pytest.mark.parametrize(
    ("failure_code", "code"),
    [
        ("SAFETY", ErrorCode.CONTENT_POLICY),
        ("safety.input.text", ErrorCode.CONTENT_POLICY),
        ("INPUT_PREPROCESSING.SAFETY", ErrorCode.CONTENT_POLICY),
        ("ASSET.INVALID.DIMENSIONS", ErrorCode.INVALID_REQUEST),
        ("ASSET", ErrorCode.PROVIDER_ERROR),
        ("ASSET.UNREACHABLE", ErrorCode.PROVIDER_ERROR),
        ("SAFETYNET.DOWN", ErrorCode.PROVIDER_ERROR),
        ("INTERNAL.SAFETY", ErrorCode.PROVIDER_ERROR),
        ("INPUT_PREPROCESSING.INTERNAL", ErrorCode.PROVIDER_ERROR),
        ("THIRD_PARTY.UNAVAILABLE", ErrorCode.PROVIDER_ERROR),
        ("", ErrorCode.PROVIDER_ERROR),
        ({"deep": 1}, ErrorCode.PROVIDER_ERROR),
    ],
)
def test_a_failure_is_judged_by_the_beginning_of_its_code(failure_code: object, code: ErrorCode) -> None:
    job = status(task_reply(status="FAILED", failure="SAFETY first", failureCode=failure_code))
    assert job.error_code is code


def test_a_failure_without_a_sentence_shows_its_code() -> None:
    assert status(task_reply(status="FAILED", failureCode="INTERNAL")).error_message == "INTERNAL"


def test_a_failure_without_a_reason_says_so() -> None:
    assert status(task_reply(status="FAILED")).error_message == "The provider gave no reason for the failure."


def test_the_sentence_of_a_failed_task_loses_the_key_and_the_signatures_of_urls() -> None:
    said = f"Bad key {KEY}; see https://o.example/a.mp4?_jwt=secret for more"
    job = status(task_reply(status="FAILED", failure=said))
    assert job.error_message == "Bad key [key]; see https://o.example/a.mp4 for more"


def test_a_credit_is_a_cent() -> None:
    assert status(reply("succeeded")).cost_micros == 960_000


@pytest.mark.parametrize(
    ("cost", "micros"),
    [
        ({"credits": 12.5}, 125_000),
        ({"credits": 0}, 0),
        ({"credits": -1}, None),
        ({"credits": True}, None),
        ({"credits": "12"}, None),
        ({}, None),
        (12, None),
        (None, None),
    ],
)
def test_a_cost_is_credits_or_nothing(cost: object, micros: int | None) -> None:
    assert status(task_reply(status="FAILED", cost=cost)).cost_micros == micros


def test_an_estimate_is_no_cost() -> None:
    assert status(reply("running")).cost_micros is None


@pytest.mark.parametrize(("headers", "seconds"), [({}, 5.0), ({"retry-after": "1"}, 5.0), ({"retry-after": "9"}, 9.0)])
def test_a_task_is_asked_for_no_more_often_than_every_five_seconds(headers: dict[str, str], seconds: float) -> None:
    assert status(reply("running", **headers)).retry_after_seconds == seconds


def test_the_id_that_was_asked_for_is_kept() -> None:
    assert build(Host(task_reply(id="inner"))).get_status("outer").job_id == "outer"


def test_an_id_with_slashes_stays_one_segment() -> None:
    server = Host(task_reply())
    build(server).get_status("../organization?a=1")
    assert server.calls == ["GET /v1/tasks/..%2Forganization%3Fa%3D1"]


@pytest.mark.parametrize("job_id", ["", ".", ".."])
def test_an_id_that_would_name_another_path_is_refused(job_id: str) -> None:
    server = Host(task_reply())
    with pytest.raises(VideoModelError):
        build(server).get_status(job_id)
    assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "code", "transient"),
    [
        (httpx.Response(429), ErrorCode.RATE_LIMITED, True),
        (httpx.Response(500), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(503), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(200, text="<html>"), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(200, json={"status": "SUCCEEDED"}), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(302, headers={"location": "/login"}), ErrorCode.PROVIDER_ERROR, True),
        (httpx.ConnectError("refused"), ErrorCode.PROVIDER_ERROR, True),
        (httpx.ReadTimeout("slow"), ErrorCode.PROVIDER_ERROR, True),
        (reply("error_key"), ErrorCode.AUTHENTICATION, False),
        (httpx.Response(402), ErrorCode.INSUFFICIENT_CREDIT, False),
        (reply("error_gone"), ErrorCode.EXPIRED, False),
        (httpx.Response(410), ErrorCode.EXPIRED, False),
    ],
)
def test_a_question_that_was_not_answered_is_an_error(answer: Answer, code: ErrorCode, transient: bool) -> None:
    error = status_error(answer)
    assert (error.code, error.transient) == (code, transient)


def test_an_error_that_looks_like_a_task_is_an_error() -> None:
    error = status_error(httpx.Response(503, json={"id": TASK_ID, "status": "FAILED"}))
    assert error.transient


def test_a_question_is_asked_once() -> None:
    server = Host(httpx.Response(503))
    with pytest.raises(VideoModelError):
        build(server).get_status(TASK_ID)
    assert len(server.requests) == 1


# The finished video


def test_the_video_is_streamed_from_its_own_address_without_the_key() -> None:
    server = Host(reply("succeeded"))
    internet = Internet(httpx.Response(200, headers={"content-type": "video/mp4", "etag": '"v1"'}, content=b"movie"))
    with build(server, internet=internet).open_video(TASK_ID) as stream:
        assert (stream.start_byte, stream.size_bytes, stream.content_type) == (0, 5, "video/mp4")
        assert stream.validator == '"v1"'
        assert b"".join(stream.chunks) == b"movie"
    assert server.calls == [f"GET /v1/tasks/{TASK_ID}"]
    assert internet.calls == ["GET /clip.mp4?_jwt=signed"]
    assert internet.requests[0].headers["host"] == "outputs.example"
    assert KEY not in str(internet.requests[0].headers)


def test_each_opening_asks_for_a_fresh_url() -> None:
    server = Host(video_at("https://outputs.example/a.mp4?_jwt=1"), video_at("https://outputs.example/a.mp4?_jwt=2"))
    internet = Internet()
    model = build(server, internet=internet)
    download(model)
    download(model)
    assert internet.calls == ["GET /a.mp4?_jwt=1", "GET /a.mp4?_jwt=2"]


def test_a_resumed_download_asks_for_the_rest_of_the_same_video() -> None:
    internet = Internet(httpx.Response(206, headers={"content-range": "bytes 3-4/5"}, content=b"ie"))
    with build(Host(reply("succeeded")), internet=internet).open_video(
        TASK_ID, start_byte=3, validator='"v1"'
    ) as stream:
        assert (stream.start_byte, stream.size_bytes, b"".join(stream.chunks)) == (3, 5, b"ie")
    assert internet.requests[0].headers["range"] == "bytes=3-"
    assert internet.requests[0].headers["if-range"] == '"v1"'


@pytest.mark.parametrize("status_code", [401, 403, 404, 410])
def test_a_url_that_has_died_may_be_replaced_by_opening_again(status_code: int) -> None:
    error = download_error(build(Host(reply("succeeded")), internet=Internet(httpx.Response(status_code))))
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.EXPIRED, True, 5.0)
    assert "fresh URL" in error.message


@pytest.mark.parametrize(
    ("answer", "transient"),
    [(httpx.Response(503), True), (httpx.ConnectError("no"), True), (httpx.Response(400), False)],
)
def test_another_fault_of_the_videos_server_is_its_own(answer: Answer, transient: bool) -> None:
    error = download_error(build(Host(reply("succeeded")), internet=Internet(answer)))
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, transient)


@pytest.mark.parametrize(
    "url",
    [
        "http://outputs.example/a.mp4",
        "https://user:pw@outputs.example/a.mp4",
        "https://inner.example/a.mp4",
        "https://h:port/",
    ],
)
def test_an_address_that_may_not_be_fetched_is_refused(url: str) -> None:
    internet = Internet()
    internet.addresses = ["10.0.0.8"]
    server = Host(video_at(url))
    assert not download_error(build(server, internet=internet)).transient
    assert (len(server.requests), internet.requests) == (1, [])


def test_a_video_at_a_stand_ins_own_origin_comes_from_there_without_the_key() -> None:
    server = Host(video_at(f"{STAND_IN}/files/a.mp4"), httpx.Response(200, content=b"movie"))
    internet = Internet()
    assert download(build(server, internet=internet, base_url=STAND_IN)) == b"movie"
    assert server.calls[1] == "GET /files/a.mp4"
    assert KEY not in str(server.requests[1].headers)
    assert server.requests[1].headers["accept-encoding"] == "identity"
    assert internet.requests == []


def test_a_resume_at_a_stand_in_asks_for_the_rest() -> None:
    rest = httpx.Response(206, headers={"content-range": "bytes 3-4/5"}, content=b"ie")
    server = Host(video_at(f"{STAND_IN}/a.mp4"), rest)
    with build(server, base_url=STAND_IN).open_video(TASK_ID, start_byte=3, validator='"v1"') as stream:
        assert (stream.start_byte, stream.size_bytes) == (3, 5)
    assert server.requests[1].headers["if-range"] == '"v1"'


@pytest.mark.parametrize("url", [f"{BASE_URL}/files/a.mp4", f"{BASE_URL}:443/files/a.mp4", "/files/a.mp4"])
def test_a_video_at_the_apis_own_origin_never_sees_the_key(url: str) -> None:
    server = Host(video_at(url), httpx.Response(200, content=b"movie"))
    assert download(build(server)) == b"movie"
    assert server.calls[1] == "GET /files/a.mp4"
    assert KEY not in str(server.requests[1].headers)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:4021/a.mp4",
        "https://127.0.0.1:4020/a.mp4",
        "http://user:pw@127.0.0.1:4020/a.mp4",
        "http://localhost:4020/a.mp4",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_an_address_that_only_resembles_a_stand_ins_is_a_strangers(url: str) -> None:
    internet = Internet()
    internet.addresses = ["127.0.0.1"]
    server = Host(video_at(url), httpx.Response(200, content=b"movie"))
    assert not download_error(build(server, internet=internet, base_url=STAND_IN)).transient
    assert (len(server.requests), internet.requests) == (1, [])


@pytest.mark.parametrize("follow_redirects", [False, True])
def test_a_redirect_of_a_stand_in_to_another_host_is_a_strangers(follow_redirects: bool) -> None:
    redirect = httpx.Response(302, headers={"location": "https://outputs.example/a.mp4?_jwt=1"})
    server = Host(video_at(f"{STAND_IN}/a.mp4"), redirect)
    internet = Internet()
    model = build(server, internet=internet, base_url=STAND_IN, follow_redirects=follow_redirects)
    assert download(model) == b"movie"
    assert len(server.requests) == 2
    assert internet.requests[0].headers["host"] == "outputs.example"


def test_redirects_within_a_stand_in_end() -> None:
    server = Host(video_at(f"{STAND_IN}/a.mp4"), httpx.Response(302, headers={"location": "/again"}))
    download_error(build(server, base_url=STAND_IN))
    assert len(server.requests) == 5


@pytest.mark.parametrize(
    ("content", "code", "transient"),
    [
        (httpx.Response(403), ErrorCode.EXPIRED, True),
        (httpx.Response(404), ErrorCode.EXPIRED, True),
        (httpx.Response(416), ErrorCode.PROVIDER_ERROR, False),
        (httpx.Response(429), ErrorCode.RATE_LIMITED, True),
        (httpx.Response(503), ErrorCode.PROVIDER_ERROR, True),
        (httpx.Response(206, content=b"ie"), ErrorCode.PROVIDER_ERROR, False),
        (httpx.ConnectError("refused"), ErrorCode.PROVIDER_ERROR, True),
    ],
)
def test_an_answer_of_a_stand_in_that_is_no_video_is_an_error(
    content: Answer, code: ErrorCode, transient: bool
) -> None:
    error = download_error(build(Host(video_at(f"{STAND_IN}/a.mp4"), content), base_url=STAND_IN))
    assert (error.code, error.transient) == (code, transient)


def test_a_break_while_a_stand_ins_video_comes_is_transient() -> None:
    body = Body([b"mo"], httpx.ReadError("reset"))
    server = Host(video_at(f"{STAND_IN}/a.mp4"), httpx.Response(200, stream=body))
    assert download_error(build(server, base_url=STAND_IN)).transient
    assert body.closed


def test_a_stand_ins_video_that_trickles_in_meets_the_deadline() -> None:
    internet = Internet()

    class Trickle(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(100):
                internet.now += 100.0
                yield b"x"

    server = Host(video_at(f"{STAND_IN}/a.mp4"), httpx.Response(200, stream=Trickle()))
    error = download_error(build(server, internet=internet, base_url=STAND_IN))
    assert (error.code, internet.now) == (ErrorCode.TIMEOUT, MAX_DOWNLOAD_SECONDS + 100.0)


def test_a_readers_own_error_is_left_as_it_is() -> None:
    def read() -> None:
        with build(Host(reply("succeeded"))).open_video(TASK_ID):
            raise VideoModelError(ErrorCode.EXPIRED, "the reader's own")

    with pytest.raises(VideoModelError, match="the reader's own") as raised:
        read()
    assert not raised.value.transient


def test_a_task_that_still_runs_has_no_video_yet() -> None:
    server = Host(reply("running"))
    error = download_error(build(server))
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.PROVIDER_ERROR, True, 5.0)
    assert len(server.requests) == 1


def test_a_failed_task_has_no_video_and_says_why() -> None:
    error = download_error(build(Host(reply("failed_safety"))))
    assert (error.code, error.transient) == (ErrorCode.CONTENT_POLICY, False)
    assert error.message == "The output was flagged by our moderation."


def test_a_download_whose_url_has_died_goes_on_with_a_fresh_one(tmp_path: Path, moov_first_mp4: bytes) -> None:
    server = Host(video_at("https://outputs.example/a.mp4?_jwt=1"), video_at("https://outputs.example/a.mp4?_jwt=2"))
    internet = Internet(httpx.Response(403), httpx.Response(200, content=moov_first_mp4))
    waits: list[float] = []
    path = build(server, internet=internet).download_video(TASK_ID, tmp_path / "a.mp4", sleep=waits.append)
    assert path.read_bytes() == moov_first_mp4
    assert (internet.calls, waits) == (["GET /a.mp4?_jwt=1", "GET /a.mp4?_jwt=2"], [5.0])


# Editing, cancelling, deleting


def test_an_edit_is_a_new_task_that_takes_the_finished_video() -> None:
    server = Host(reply("succeeded"), httpx.Response(200, json={"id": "task-2"}))
    job = build(server).edit_video(TASK_ID, "Warmer")
    assert (job.job_id, job.status) == ("task-2", VideoStatus.QUEUED)
    assert server.calls == [f"GET /v1/tasks/{TASK_ID}", "POST /v1/video_to_video"]
    assert json.loads(server.requests[1].content) == {
        "model": "gen4.5",
        "promptText": "Warmer",
        "videoUri": "https://outputs.example/clip.mp4?_jwt=signed",
    }


def test_an_edit_that_may_have_been_accepted_is_unknown_and_sent_once() -> None:
    server = Host(reply("succeeded"), httpx.Response(502))
    with pytest.raises(SubmissionUnknown):
        build(server).edit_video(TASK_ID, "Warmer")
    assert server.calls.count("POST /v1/video_to_video") == 1


@pytest.mark.parametrize("name", ["running", "failed_internal", "error_gone"])
def test_an_edit_of_a_video_that_is_not_there_is_not_sent(name: str) -> None:
    server = Host(reply(name))
    with pytest.raises(VideoModelError):
        build(server).edit_video(TASK_ID, "Warmer")
    assert len(server.requests) == 1


@pytest.mark.parametrize("call", [RunwayVideoModel.cancel_video, RunwayVideoModel.delete_video])
def test_a_task_is_stopped_or_removed_by_deleting_it(call: Callable[[RunwayVideoModel, str], None]) -> None:
    server = Host(httpx.Response(204))
    call(build(server), TASK_ID)
    assert server.calls == [f"DELETE /v1/tasks/{TASK_ID}"]


@pytest.mark.parametrize(
    ("answer", "code", "transient"),
    [
        (reply("error_gone"), ErrorCode.EXPIRED, False),
        (reply("error_key"), ErrorCode.AUTHENTICATION, False),
        (httpx.Response(503), ErrorCode.PROVIDER_ERROR, True),
        (httpx.ReadTimeout("slow"), ErrorCode.PROVIDER_ERROR, True),
    ],
)
def test_a_task_that_was_not_deleted_is_an_error(answer: Answer, code: ErrorCode, transient: bool) -> None:
    with pytest.raises(VideoModelError) as raised:
        build(Host(answer)).delete_video(TASK_ID)
    assert (raised.value.code, raised.value.transient) == (code, transient)


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.edit_video(TASK_ID, "Warmer"),
        lambda model: model.cancel_video(TASK_ID),
        lambda model: model.delete_video(TASK_ID),
        lambda model: model.remix_video(TASK_ID, "Warmer"),
        lambda model: model.extend_video(TASK_ID, "On", 4),
        lambda model: model.list_jobs(),
    ],
)
def test_what_the_catalog_does_not_offer_is_not_sent(call: Callable[[RunwayVideoModel], object]) -> None:
    server = Host(reply("succeeded"))
    with pytest.raises(UnsupportedOperation):
        call(build(server, capabilities=Capabilities()))
    assert server.requests == []
