"""Speaking Runway's API. What every adapter's calls promise is tested in test_vendor."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from mediaposter.ai.catalog import Capabilities, CatalogEntry, ImageRole
from mediaposter.ai.runway_model import MAX_DATA_URI_CHARACTERS, PROMPT_MAX_UTF16_UNITS, RunwayVideoModel
from mediaposter.ai.video_model_interface import SourceVideo, VideoGenerationJob, VideoGenerationRequest, VideoStatus
from mediaposter.domain.errors import ErrorCode, SubmissionUnknown, VideoModelError
from tests.fakes.provider import Calls, Host, Internet, read_reply, row

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


CALLS = Calls(build, job_id=TASK_ID)


# Construction


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
    assert CALLS.create(recorded("created")) == VideoGenerationJob(job_id=TASK_ID, status=VideoStatus.QUEUED)
    assert CALLS.create(recorded("created", **{"retry-after": "20"})).retry_after_seconds == 20.0


def test_a_text_is_sent_with_a_ratio_in_pixels_and_whole_seconds() -> None:
    server = Host(recorded("created"))
    build(server).create_video(
        VideoGenerationRequest(prompt="Ein See, früh", width=720, height=1280, duration_seconds=10)
    )
    assert server.calls == ["POST /v1/text_to_video"]
    assert server.sent_body == {"model": "gen4.5", "promptText": "Ein See, früh", "ratio": "720:1280", "duration": 10}


@pytest.mark.parametrize("prompt", ["é" * PROMPT_MAX_UTF16_UNITS, "🌊" * 500])
def test_a_prompt_of_a_thousand_utf16_units_is_sent(prompt: str) -> None:
    server = Host(recorded("created"))
    build(server).create_video(VideoGenerationRequest(prompt=prompt))
    assert len(server.requests) == 1


def test_a_longer_prompt_is_refused_before_anything_is_sent() -> None:
    server = Host(recorded("created"))
    model, prompt = build(server), "🌊" * 500 + "x"
    calls: list[Callable[[], object]] = [
        lambda: model.create_video(VideoGenerationRequest(prompt=prompt)),
        lambda: model.edit_video(TASK_ID, prompt),
    ]
    for call in calls:
        with pytest.raises(VideoModelError, match="1000 UTF-16 units and this one has 1001") as raised:
            call()
        assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert server.requests == []


def test_an_acceptance_with_an_error_beside_its_id_is_unknown() -> None:
    assert isinstance(CALLS.creation_error(httpx.Response(200, json={"id": "a", "error": "x"})), SubmissionUnknown)


@pytest.mark.parametrize(
    ("name", "code"),
    # A sentence alone never decides.
    [("error_ratio", ErrorCode.INVALID_REQUEST), ("error_credits", ErrorCode.INVALID_REQUEST)],
)
def test_a_refusal_is_judged_by_its_status(name: str, code: ErrorCode) -> None:
    error = CALLS.creation_error(recorded(name))
    assert error.code is code
    assert error.message == recorded(name).json()["error"]


# The reference image


def test_an_image_is_sent_as_a_data_uri_of_its_type() -> None:
    uri = "data:image/png;base64," + base64.b64encode(PNG).decode()
    server = Host(recorded("created"))
    build(server).create_video(VideoGenerationRequest(prompt="A lake", input_image=uri))
    assert server.calls == ["POST /v1/image_to_video"]
    assert server.sent_body == {
        "model": "gen4.5",
        "promptText": "A lake",
        "ratio": "1280:720",
        "duration": 8,
        "promptImage": uri,
    }


@pytest.mark.parametrize("characters_more", [-1, 3])
def test_an_image_whose_data_uri_has_five_megabytes_is_refused_before_anything_is_sent(
    tmp_path: Path, characters_more: int
) -> None:
    path = tmp_path / "a.png"
    # Base64 makes four characters of three bytes.
    characters = MAX_DATA_URI_CHARACTERS + characters_more - len("data:image/png;base64,")
    path.write_bytes(PNG.ljust(characters // 4 * 3, b"\0"))
    server = Host(recorded("created"))
    call = partial(build(server).create_video, VideoGenerationRequest(prompt="A lake", input_image=str(path)))
    if characters_more < 0:
        assert call().job_id == TASK_ID
        return
    with pytest.raises(VideoModelError, match="nothing was submitted") as raised:
        call()
    assert (raised.value.code, raised.value.transient) == (ErrorCode.INVALID_REQUEST, False)
    assert server.requests == []


# Asking how a task stands


@pytest.mark.parametrize(
    ("name", "expected", "progress"),
    [
        ("throttled", VideoStatus.QUEUED, None),
        ("running", VideoStatus.IN_PROGRESS, 42),
        ("succeeded", VideoStatus.COMPLETED, None),
    ],
)
def test_a_task_that_has_not_failed_is_read(name: str, expected: VideoStatus, progress: int | None) -> None:
    job = CALLS.status(recorded(name))
    assert (job.job_id, job.status, job.progress) == (TASK_ID, expected, progress)
    assert (job.error_code, job.error_message) == (None, None)


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        ("0.376", 38),
        ("-0.5", 0),
        (f"1{'0' * 400}", None),
        ("true", None),
    ],
)
def test_progress_is_a_fraction_or_nothing(progress: str, expected: int | None) -> None:
    content = f'{{"id": "a", "status": "RUNNING", "progress": {progress}}}'.encode()
    assert CALLS.status(httpx.Response(200, content=content)).progress == expected


def test_the_first_output_is_the_video() -> None:
    outputs = ["https://outputs.example/a.mp4?_jwt=1", "https://outputs.example/b.mp4"]
    assert (
        CALLS.status(task_reply(status="SUCCEEDED", output=outputs)).video_url == "https://outputs.example/a.mp4?_jwt=1"
    )


@pytest.mark.parametrize("output", ["https://o.example/a.mp4", [""]])
def test_a_success_without_a_video_is_a_failure(output: object) -> None:
    job = CALLS.status(task_reply(status="SUCCEEDED", output=output))
    assert (job.status, job.error_code) == (VideoStatus.FAILED, ErrorCode.PROVIDER_ERROR)
    assert job.error_message == "The provider says that the task succeeded, but gave no video."


@pytest.mark.parametrize(
    ("name", "code", "message", "cost_micros"),
    [
        ("failed_safety", ErrorCode.CONTENT_POLICY, "The output was flagged by our moderation.", 960_000),
        ("failed_asset", ErrorCode.INVALID_REQUEST, "The image could not be used.", 0),
        ("failed_internal", ErrorCode.PROVIDER_ERROR, "An unexpected error occurred.", 0),
        ("cancelled", ErrorCode.CANCELLED, "The provider says that the task was cancelled.", None),
    ],
)
def test_a_failed_task_is_an_answer_and_may_cost(
    name: str, code: ErrorCode, message: str, cost_micros: int | None
) -> None:
    job = CALLS.status(recorded(name))
    assert (job.status, job.error_code, job.error_message) == (VideoStatus.FAILED, code, message)
    assert job.cost_micros == cost_micros


@pytest.mark.parametrize(
    ("failure_code", "code"),
    [
        ("safety.input.text", ErrorCode.CONTENT_POLICY),
        ("INPUT_PREPROCESSING.SAFETY", ErrorCode.CONTENT_POLICY),
        ("ASSET", ErrorCode.PROVIDER_ERROR),
        ("SAFETYNET.DOWN", ErrorCode.PROVIDER_ERROR),
        ("INTERNAL.SAFETY", ErrorCode.PROVIDER_ERROR),
    ],
)
def test_a_failure_is_judged_by_the_beginning_of_its_code(failure_code: object, code: ErrorCode) -> None:
    job = CALLS.status(task_reply(status="FAILED", failure="SAFETY first", failureCode=failure_code))
    assert job.error_code is code


def test_a_failure_without_a_sentence_shows_its_code() -> None:
    assert CALLS.status(task_reply(status="FAILED", failureCode="INTERNAL")).error_message == "INTERNAL"


@pytest.mark.parametrize(
    ("cost", "micros"),
    [
        ({"credits": 12.5}, 125_000),
        ({"credits": 0}, 0),
        ({"credits": -1}, None),
        ({"credits": 10**10}, None),
        (12, None),
    ],
)
def test_a_cost_is_credits_or_nothing(cost: object, micros: int | None) -> None:
    assert CALLS.status(task_reply(status="FAILED", cost=cost)).cost_micros == micros


def test_an_estimate_is_no_cost_and_a_credit_is_a_cent() -> None:
    assert CALLS.status(recorded("running")).cost_micros is None
    assert CALLS.status(recorded("succeeded")).cost_micros == 960_000


@pytest.mark.parametrize(("headers", "seconds"), [({"retry-after": "1"}, 5.0), ({"retry-after": "9"}, 9.0)])
def test_a_task_is_asked_for_no_more_often_than_every_five_seconds(headers: dict[str, str], seconds: float) -> None:
    assert CALLS.status(recorded("running", **headers)).retry_after_seconds == seconds


# The finished video


def test_each_opening_asks_for_a_fresh_url() -> None:
    server = Host(video_at("https://outputs.example/a.mp4?_jwt=1"), video_at("https://outputs.example/a.mp4?_jwt=2"))
    internet = Internet()
    model = build(server, internet=internet)
    CALLS.download(model)
    CALLS.download(model)
    assert internet.calls == ["GET /a.mp4?_jwt=1", "GET /a.mp4?_jwt=2"]


@pytest.mark.parametrize("status_code", [401, 403, 404, 410])
def test_a_url_that_has_died_may_be_replaced_by_opening_again(status_code: int) -> None:
    answer = httpx.Response(status_code)
    elsewhere = CALLS.download_error(build(Host(recorded("succeeded")), internet=Internet(answer)))
    own = CALLS.download_error(build(Host(video_at(f"{STAND_IN}/a.mp4"), answer), base_url=STAND_IN))
    for error in (elsewhere, own):
        assert (error.code, error.transient, error.retry_after_seconds) == (ErrorCode.EXPIRED, True, 5.0)
        assert "fresh URL" in error.message


def test_another_fault_of_the_videos_server_is_its_own() -> None:
    server = Host(video_at(f"{STAND_IN}/a.mp4"), httpx.Response(503))
    error = CALLS.download_error(build(server, base_url=STAND_IN))
    assert (error.code, error.transient) == (ErrorCode.PROVIDER_ERROR, True)


def test_a_video_at_the_apis_own_origin_never_sees_the_key() -> None:
    server = Host(video_at("/files/a.mp4"), httpx.Response(200, content=b"movie"))
    assert CALLS.download(build(server)) == b"movie"
    assert server.calls[1] == "GET /files/a.mp4"
    assert "authorization" not in server.requests[1].headers


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


@pytest.mark.parametrize("name", ["running", "failed_internal"])
def test_an_edit_of_a_video_that_is_not_there_is_not_sent(name: str) -> None:
    server = Host(recorded(name))
    with pytest.raises(VideoModelError):
        build(server).edit_video(TASK_ID, "Warmer")
    assert len(server.requests) == 1


def test_a_task_is_stopped_or_removed_by_deleting_it() -> None:
    server = Host(httpx.Response(204))
    build(server).cancel_video(TASK_ID)
    build(server).delete_video(TASK_ID)
    assert server.calls == [f"DELETE /v1/tasks/{TASK_ID}"] * 2
