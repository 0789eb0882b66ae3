"""Speaking Runway's API. What every adapter's calls promise is tested in test_provider_connection."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from mediaposter.ai.catalog import Capabilities, CatalogEntry, ImageRole
from mediaposter.ai.runway_model import MAX_DATA_URI_CHARACTERS, PROMPT_MAX_UTF16_UNITS, RunwayVideoModel
from mediaposter.ai.video_model_interface import SourceVideo, VideoGenerationJob, VideoGenerationRequest, VideoStatus
from mediaposter.errors import ErrorCode, SubmissionUnknown, UnsupportedOperation, VideoModelError
from tests.fakes.provider import Answer, Host, Internet, allowing, read_reply, row

BASE_URL = "https://api.dev.runwayml.com"
STAND_IN = "http://127.0.0.1:4020"
KEY = "key-of-the-test"
TASK_ID = "17f20503-6c24-4c16-946b-35dbbce2af2f"
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"

ALL = Capabilities(image_roles=(ImageRole.FIRST_FRAME,), edit=True, cancel=True, delete=True)


def recorded(name: str, **headers: str) -> httpx.Response:
    return read_reply("runway", name, **headers)


def task_reply(**fields: object) -> httpx.Response:
    return httpx.Response(200, json={"id": TASK_ID, "status": "RUNNING", **fields})


def video_at(url: str) -> httpx.Response:
    return task_reply(status="SUCCEEDED", output=[url])


def build(
    server: Host,
    *,
    internet: Internet | None = None,
    capabilities: Capabilities = ALL,
    base_url: str = BASE_URL,
    entry: CatalogEntry | None = None,
) -> RunwayVideoModel:
    return RunwayVideoModel(
        entry=entry or row("gen4.5", capabilities),
        api_key=KEY,
        base_url=base_url,
        http_client=server.client(),
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


def test_without_an_address_runways_own_is_called() -> None:
    server = Host(recorded("running"))
    RunwayVideoModel(entry=row("gen4.5"), api_key=KEY, http_client=server.client()).get_status(TASK_ID)
    assert str(server.requests[0].url) == f"https://api.dev.runwayml.com/v1/tasks/{TASK_ID}"


def test_the_interface_shows_what_the_model_was_made_with() -> None:
    model = build(Host())
    assert (model.provider, model.model_variant, model.capabilities) == ("runway", "gen4.5", ALL)
    assert (model.api_key, model.base_url) == (KEY, BASE_URL)


def test_every_call_to_the_api_carries_the_key_and_the_version() -> None:
    server = Host(
        recorded("created"), recorded("succeeded"), recorded("succeeded"), recorded("created"), httpx.Response(204)
    )
    model = build(server)
    model.create_video(VideoGenerationRequest(prompt="A lake"))
    model.get_status(TASK_ID)
    model.edit_video(TASK_ID, "Warmer")
    model.delete_video(TASK_ID)
    assert len(server.requests) == 5
    for request in server.requests:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["x-runway-version"] == "2024-11-06"


# Creating


def test_a_created_task_is_queued_and_leaves_the_first_wait_to_the_caller() -> None:
    assert create(recorded("created")) == VideoGenerationJob(job_id=TASK_ID, status=VideoStatus.QUEUED)


def test_a_wait_that_the_answer_to_a_create_asks_for_is_kept() -> None:
    assert create(recorded("created", **{"retry-after": "20"})).retry_after_seconds == 20.0


def test_a_text_is_sent_with_a_ratio_in_pixels_and_whole_seconds() -> None:
    server = Host(recorded("created"))
    build(server).create_video(
        VideoGenerationRequest(prompt="Ein See, früh", width=720, height=1280, duration_seconds=10)
    )
    assert server.calls == ["POST /v1/text_to_video"]
    assert server.sent_body == {"model": "gen4.5", "promptText": "Ein See, früh", "ratio": "720:1280", "duration": 10}


def test_the_model_goes_by_its_name_at_runway() -> None:
    server = Host(recorded("created"))
    entry = row("gen4.5", ALL).model_copy(update={"provider_model": "gen5"})
    RunwayVideoModel(entry=entry, api_key=KEY, http_client=server.client()).create_video(
        VideoGenerationRequest(prompt="A lake")
    )
    assert server.sent_body["model"] == "gen5"


def test_a_model_named_in_the_request_wins() -> None:
    server = Host(recorded("created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", model="veo3.1"))
    assert server.sent_body["model"] == "veo3.1"


def test_runways_own_options_are_sent_and_never_replace_what_the_request_says(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    server = Host(recorded("created"))
    ours = ("model", "promptText", "ratio", "duration", "promptImage")
    options: dict[str, JsonValue] = {"seed": 7, **dict.fromkeys(ours, "theirs")}
    entry = allowing(row("gen4.5"), seed="integer", **dict.fromkeys(ours, "text"))
    request = VideoGenerationRequest(prompt="A lake", input_image=str(path), provider_options=options)
    build(server, entry=entry).create_video(request)
    assert server.sent_body["seed"] == 7
    assert set(server.sent_body) == {"seed", *ours}
    assert "theirs" not in server.sent_body.values()


@pytest.mark.parametrize("prompt", ["x" * PROMPT_MAX_UTF16_UNITS, "é" * PROMPT_MAX_UTF16_UNITS, "🌊" * 500])
def test_a_prompt_of_a_thousand_utf16_units_is_sent(prompt: str) -> None:
    server = Host(recorded("created"))
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
    server = Host(recorded("created"))
    with pytest.raises(VideoModelError, match="1000 UTF-16 units and this one has 1001") as raised:
        call(build(server), prompt)
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert server.requests == []


@pytest.mark.parametrize("status_code", [408, 409, 500, 502, 503, 504, 520])
def test_a_fault_after_which_the_task_may_exist_is_unknown(status_code: int) -> None:
    assert isinstance(creation_error(httpx.Response(status_code)), SubmissionUnknown)


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


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (recorded("error_ratio"), ErrorCode.INVALID_REQUEST),
        # A sentence alone never decides.
        (recorded("error_credits"), ErrorCode.INVALID_REQUEST),
        (recorded("error_key"), ErrorCode.AUTHENTICATION),
        (httpx.Response(403), ErrorCode.AUTHENTICATION),
        (httpx.Response(402), ErrorCode.INSUFFICIENT_CREDIT),
        (recorded("error_model"), ErrorCode.MODEL_NOT_FOUND),
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
    error = creation_error(recorded("error_daily_cap"))
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.RATE_LIMITED, True, 3600.0)


def test_a_refusal_keeps_the_vendors_sentence_without_our_key() -> None:
    assert creation_error(recorded("error_ratio")).message.startswith("Validation of body failed: `ratio`")
    assert creation_error(httpx.Response(401, json={"error": f"Bad key {KEY}."})).message == "Bad key [key]."


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
    server = Host(recorded("created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=str(path)))
    assert server.calls == ["POST /v1/image_to_video"]
    assert server.sent_body == {
        "model": "gen4.5",
        "promptText": "A lake",
        "ratio": "1280:720",
        "duration": 8,
        "promptImage": "data:image/png;base64," + base64.b64encode(PNG).decode(),
    }


def png_whose_data_uri_has(characters: int) -> bytes:
    """Base64 makes four characters of three bytes."""
    return PNG.ljust((characters - len("data:image/png;base64,")) // 4 * 3, b"\0")


def test_an_image_whose_data_uri_is_below_five_megabytes_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_whose_data_uri_has(MAX_DATA_URI_CHARACTERS - 1))
    server = Host(recorded("created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=str(path)))
    assert len(server.requests) == 1


def test_a_longer_image_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_whose_data_uri_has(MAX_DATA_URI_CHARACTERS + 3))
    server = Host(recorded("created"))
    with pytest.raises(VideoModelError, match="nothing was submitted") as raised:
        build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=str(path)))
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert server.requests == []


def test_a_model_that_takes_no_image_refuses_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    server = Host(recorded("created"))
    with pytest.raises(VideoModelError, match="takes no picture as first frame; nothing was submitted") as raised:
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
    job = status(recorded(name))
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
    job = status(recorded(name))
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
    assert status(recorded("succeeded")).cost_micros == 960_000


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
    assert status(recorded("running")).cost_micros is None


@pytest.mark.parametrize(("headers", "seconds"), [({}, 5.0), ({"retry-after": "1"}, 5.0), ({"retry-after": "9"}, 9.0)])
def test_a_task_is_asked_for_no_more_often_than_every_five_seconds(headers: dict[str, str], seconds: float) -> None:
    assert status(recorded("running", **headers)).retry_after_seconds == seconds


def test_the_id_that_was_asked_for_is_kept() -> None:
    assert build(Host(task_reply(id="inner"))).get_status("outer").job_id == "outer"


def test_an_id_with_slashes_stays_one_segment() -> None:
    server = Host(task_reply())
    build(server).get_status("../organization?a=1")
    assert server.calls == ["GET /v1/tasks/..%2Forganization%3Fa%3D1"]


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
        (recorded("error_key"), ErrorCode.AUTHENTICATION, False),
        (httpx.Response(402), ErrorCode.INSUFFICIENT_CREDIT, False),
        (recorded("error_gone"), ErrorCode.EXPIRED, False),
        (httpx.Response(410), ErrorCode.EXPIRED, False),
    ],
)
def test_a_question_that_was_not_answered_is_an_error(answer: Answer, code: ErrorCode, transient: bool) -> None:
    error = status_error(answer)
    assert (error.code, error.transient) == (code, transient)


def test_an_error_that_looks_like_a_task_is_an_error() -> None:
    error = status_error(httpx.Response(503, json={"id": TASK_ID, "status": "FAILED"}))
    assert error.transient


# The finished video


def test_the_video_is_streamed_from_its_own_address_without_the_key() -> None:
    server = Host(recorded("succeeded"))
    internet = Internet(httpx.Response(200, headers={"content-type": "video/mp4", "etag": '"v1"'}, content=b"movie"))
    with build(server, internet=internet).open_video(TASK_ID) as stream:
        assert (stream.start_byte, stream.size_bytes, stream.content_type) == (0, 5, "video/mp4")
        assert stream.validator == '"v1"'
        assert b"".join(stream.chunks) == b"movie"
    assert server.calls == [f"GET /v1/tasks/{TASK_ID}"]
    assert internet.calls == ["GET /clip.mp4?_jwt=signed"]
    assert internet.requests[0].headers["host"] == "outputs.example"
    assert not internet.saw(KEY)


def test_each_opening_asks_for_a_fresh_url() -> None:
    server = Host(video_at("https://outputs.example/a.mp4?_jwt=1"), video_at("https://outputs.example/a.mp4?_jwt=2"))
    internet = Internet()
    model = build(server, internet=internet)
    download(model)
    download(model)
    assert internet.calls == ["GET /a.mp4?_jwt=1", "GET /a.mp4?_jwt=2"]


def test_a_resumed_download_asks_for_the_rest_of_the_same_video() -> None:
    internet = Internet(httpx.Response(206, headers={"content-range": "bytes 3-4/5"}, content=b"ie"))
    with build(Host(recorded("succeeded")), internet=internet).open_video(
        TASK_ID, start_byte=3, validator='"v1"'
    ) as stream:
        assert (stream.start_byte, stream.size_bytes, b"".join(stream.chunks)) == (3, 5, b"ie")
    assert internet.requests[0].headers["range"] == "bytes=3-"
    assert internet.requests[0].headers["if-range"] == '"v1"'


@pytest.mark.parametrize("status_code", [401, 403, 404, 410])
def test_a_url_that_has_died_may_be_replaced_by_opening_again(status_code: int) -> None:
    error = download_error(build(Host(recorded("succeeded")), internet=Internet(httpx.Response(status_code))))
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.EXPIRED, True, 5.0)
    assert "fresh URL" in error.message


@pytest.mark.parametrize(
    ("answer", "transient"),
    [(httpx.Response(503), True), (httpx.ConnectError("no"), True), (httpx.Response(400), False)],
)
def test_another_fault_of_the_videos_server_is_its_own(answer: Answer, transient: bool) -> None:
    error = download_error(build(Host(recorded("succeeded")), internet=Internet(answer)))
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, transient)


def test_a_video_at_a_stand_ins_own_origin_comes_from_there_without_the_key() -> None:
    server = Host(video_at(f"{STAND_IN}/files/a.mp4"), httpx.Response(200, content=b"movie"))
    internet = Internet()
    assert download(build(server, internet=internet, base_url=STAND_IN)) == b"movie"
    assert server.calls[1] == "GET /files/a.mp4"
    assert "authorization" not in server.requests[1].headers
    assert server.requests[1].headers["accept-encoding"] == "identity"
    assert internet.requests == []


@pytest.mark.parametrize("url", [f"{BASE_URL}/files/a.mp4", f"{BASE_URL}:443/files/a.mp4", "/files/a.mp4"])
def test_a_video_at_the_apis_own_origin_never_sees_the_key(url: str) -> None:
    server = Host(video_at(url), httpx.Response(200, content=b"movie"))
    assert download(build(server)) == b"movie"
    assert server.calls[1] == "GET /files/a.mp4"
    assert "authorization" not in server.requests[1].headers


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


def test_a_task_that_still_runs_has_no_video_yet() -> None:
    server = Host(recorded("running"))
    error = download_error(build(server))
    assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.PROVIDER_ERROR, True, 5.0)
    assert len(server.requests) == 1


def test_a_failed_task_has_no_video_and_says_why() -> None:
    error = download_error(build(Host(recorded("failed_safety"))))
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
    server = Host(recorded("succeeded"), httpx.Response(200, json={"id": "task-2"}))
    job = build(server).edit_video(TASK_ID, "Warmer", source=SourceVideo(1280, 720, seconds=5))
    assert (job.job_id, job.status) == ("task-2", VideoStatus.QUEUED)
    assert server.calls == [f"GET /v1/tasks/{TASK_ID}", "POST /v1/video_to_video"]
    assert json.loads(server.requests[1].content) == {
        "model": "gen4.5",
        "promptText": "Warmer",
        "videoUri": "https://outputs.example/clip.mp4?_jwt=signed",
    }


def test_an_edit_that_may_have_been_accepted_is_unknown_and_sent_once() -> None:
    server = Host(recorded("succeeded"), httpx.Response(502))
    with pytest.raises(SubmissionUnknown):
        build(server).edit_video(TASK_ID, "Warmer")
    assert server.calls.count("POST /v1/video_to_video") == 1


@pytest.mark.parametrize("name", ["running", "failed_internal", "error_gone"])
def test_an_edit_of_a_video_that_is_not_there_is_not_sent(name: str) -> None:
    server = Host(recorded(name))
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
        (recorded("error_gone"), ErrorCode.EXPIRED, False),
        (recorded("error_key"), ErrorCode.AUTHENTICATION, False),
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
    server = Host(recorded("succeeded"))
    with pytest.raises(UnsupportedOperation):
        call(build(server, capabilities=Capabilities()))
    assert server.requests == []
