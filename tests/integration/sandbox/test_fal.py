"""Tests of the stand-in for fal's queue, over the loopback interface."""

from __future__ import annotations

import base64
import io
import json
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, JsonValue

from sandbox.calls import CallLog
from sandbox.fal import create_app
from sandbox.fal_state import (
    Clip,
    Duplicate,
    ExhaustedBalance,
    ExpiredUrl,
    FailModel,
    FailRequest,
    FalFault,
    FalFaultScript,
    IgnoreCancel,
    Job,
    OnContent,
    OnCreate,
    OnResult,
    OnWebhook,
    Unsigned,
)
from sandbox.fal_webhook import KeySet
from sandbox.fal_wire import Order, Output, StatusView
from sandbox.faults import (
    AcceptThenDrop,
    AcceptThenRespond,
    Delay,
    Drop,
    NeverFinish,
    NotMp4,
    OnRetrieve,
    Respond,
    ShowStatus,
    Stall,
    Truncate,
    TruncateSilently,
)
from sandbox.render import RenderedVideo
from sandbox.serving import serve_in_thread

REPOSITORY = Path(__file__).parents[3]
RENDER_SECONDS = 100.0
MAX_CONCURRENT = 3
API_KEY = "sandbox-key-id:sandbox-key-secret"
KEY = {"authorization": f"Key {API_KEY}"}
IMAGE = "https://example.com/cat.png"
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
SEEDANCE = "bytedance/seedance-2.0/text-to-video"
SEEDANCE_IMAGE = "bytedance/seedance-2.0/image-to-video"
KLING = "fal-ai/kling-video/v3/pro/text-to-video"
KLING_IMAGE = "fal-ai/kling-video/v3/pro/image-to-video"
KLING_25 = "fal-ai/kling-video/v2.5-turbo/pro/text-to-video"
KLING_25_IMAGE = "fal-ai/kling-video/v2.5-turbo/pro/image-to-video"
H3 = "minimax/h3/text-to-video"
H3_IMAGE = "minimax/h3/image-to-video"
WAN = "fal-ai/wan/v2.7/text-to-video"
WAN_IMAGE = "fal-ai/wan/v2.7/image-to-video"
PIKA = "fal-ai/pika/v2.2/text-to-video"
PIKA_IMAGE = "fal-ai/pika/v2.2/image-to-video"
Body = dict[str, JsonValue]
TEXT: Body = {"prompt": "A cat", "resolution": "480p", "duration": "4"}


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Sandbox:
    """A running stand-in and the ways to reach it."""

    def __init__(self, base_url: str, clock: Clock) -> None:
        self.base_url = base_url
        self.clock = clock
        self.http = httpx.Client(base_url=base_url, headers=KEY, timeout=10)
        self.keyless = httpx.Client(base_url=base_url, timeout=10)

    def close(self) -> None:
        self.http.close()
        self.keyless.close()

    def add_fault(self, rule: FalFault) -> None:
        reply = self.keyless.post("/_sandbox/faults", content=FalFaultScript(rules=(rule,)).model_dump_json())
        reply.raise_for_status()

    def read_calls(self) -> CallLog:
        return CallLog.model_validate_json(self.keyless.get("/_sandbox/calls").content)

    def submit(self, model_id: str = SEEDANCE, body: Body = TEXT, *, webhook_url: str | None = None) -> StatusView:
        params = {} if webhook_url is None else {"fal_webhook": webhook_url}
        reply = self.http.post(f"/{model_id}", json=body, params=params)
        assert reply.status_code == 200, reply.text
        return StatusView.model_validate_json(reply.content)

    def read_status(self, job: StatusView) -> StatusView:
        reply = self.http.get(job.status_url)
        assert reply.status_code in (200, 202), reply.text
        return StatusView.model_validate_json(reply.content)

    def finish(self, job: StatusView) -> StatusView:
        """Let the time of a render pass, and wait until its file is really there."""
        self.clock.now += RENDER_SECONDS
        deadline = time.monotonic() + 30
        while (seen := self.read_status(job)).status == "IN_PROGRESS" and time.monotonic() < deadline:
            pass
        return seen

    def submit_finished(self) -> Output:
        job = self.submit()
        self.finish(job)
        return self.read_output(job)

    def read_result(self, job: StatusView) -> httpx.Response:
        return self.http.get(job.response_url)

    def read_output(self, job: StatusView) -> Output:
        reply = self.read_result(job)
        assert reply.status_code == 200, reply.text
        return Output.model_validate_json(reply.content)

    def fetch(self, output: Output, **headers: str) -> httpx.Response:
        return self.keyless.get(output.video.url, headers=headers)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    clock = Clock()
    app = create_app(render_seconds=RENDER_SECONDS, max_concurrent=MAX_CONCURRENT, clock=clock)
    with serve_in_thread(app, base_path="") as base_url, closing(Sandbox(base_url, clock)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.keyless.post("/_sandbox/reset").raise_for_status()
    return running


def read_detail(reply: httpx.Response) -> str:
    """Read a refusal by the queue itself."""
    assert list(reply.json()) == ["detail"]
    detail = reply.json()["detail"]
    assert isinstance(detail, str)
    return detail


class Refusal(BaseModel):
    """What a model found wrong, as a client reads it."""

    model_config = ConfigDict(extra="forbid")

    loc: tuple[str | int, ...]
    msg: str
    type: str
    url: str
    input: JsonValue = None


def read_refusal(sandbox: Sandbox, job: StatusView) -> Refusal:
    """Read the first thing that a model found wrong with a request that has ended."""
    reply = sandbox.read_result(job)
    assert (reply.status_code, list(reply.json())) == (422, ["detail"])
    refusal = Refusal.model_validate(reply.json()["detail"][0])
    assert reply.headers["x-fal-error-type"] == refusal.type
    return refusal


def test_a_submitted_request_becomes_a_playable_video(sandbox: Sandbox, tmp_path: Path) -> None:
    output = sandbox.submit_finished()
    (tmp_path / "video.mp4").write_bytes(sandbox.fetch(output).content)
    with av.open(str(tmp_path / "video.mp4")) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, sum(1 for _ in container.decode(video=0))) == (852, 480, 96)


def test_a_submit_answers_an_id_and_addresses_that_name_the_application_alone(sandbox: Sandbox) -> None:
    body = sandbox.http.post(f"/{KLING}", json={"prompt": "A cat"}).json()
    assert str(uuid.UUID(body["request_id"]))
    url = f"{sandbox.base_url}/fal-ai/kling-video/requests/{body['request_id']}"
    assert body == {
        "status": "IN_QUEUE",
        "request_id": body["request_id"],
        "gateway_request_id": body["request_id"],
        "response_url": url,
        "status_url": f"{url}/status",
        "cancel_url": f"{url}/cancel",
        "queue_position": 0,
    }


def test_a_request_goes_from_the_queue_to_a_runner_to_its_end(sandbox: Sandbox) -> None:
    job = sandbox.submit()
    seen = []
    for _ in range(3):
        reply = sandbox.http.get(job.status_url, params={"logs": "1"})
        seen.append((reply.status_code, reply.json()["status"]))
        sandbox.clock.now += RENDER_SECONDS / 3
    assert seen == [(202, "IN_QUEUE"), (202, "IN_PROGRESS"), (202, "IN_PROGRESS")]
    sandbox.finish(job)
    reply = sandbox.http.get(job.status_url)
    assert (reply.status_code, reply.json()["status"], reply.json()["logs"]) == (200, "COMPLETED", [])
    assert reply.json()["metrics"] == {"inference_time": RENDER_SECONDS}
    assert "error" not in reply.json()


def test_a_place_in_the_queue_is_told_only_there_and_logs_only_after(sandbox: Sandbox) -> None:
    job = sandbox.submit()
    assert {"queue_position", "logs"} & set(sandbox.http.get(job.status_url).json()) == {"queue_position"}
    sandbox.clock.now += RENDER_SECONDS / 2
    assert {"queue_position", "logs"} & set(sandbox.http.get(job.status_url).json()) == {"logs"}


def test_a_request_is_not_completed_before_its_file_exists() -> None:
    render: Future[RenderedVideo] = Future()
    order = Order("A cat", 852, 480, 4, has_image=False, tells_seed=True)
    job = Job("1", "bytedance/seedance-2.0", Clip(order, render), None, "/files/b/0/clip.mp4", taken_at=0.0)
    assert job.tell_status(1000, 10) == "IN_PROGRESS"
    render.set_result(RenderedVideo(Path("clip.mp4"), finished_at=1001))
    assert job.tell_status(1002, 10) == "COMPLETED"


@pytest.mark.parametrize(
    ("authorization", "sentence"),
    [
        (None, 'Cannot access application "fal-ai/kling-video". Authentication is required'),
        (f"Bearer {API_KEY}", 'Cannot access application "fal-ai/kling-video". Authentication is required'),
        ("Key other", "No user found for Key ID and Secret"),
    ],
)
def test_a_call_without_the_key_is_refused(sandbox: Sandbox, authorization: str | None, sentence: str) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    reply = sandbox.keyless.post(f"/{KLING}", json={"prompt": "A cat"}, headers=headers)
    assert reply.status_code == 401
    assert read_detail(reply).startswith(sentence)
    assert sandbox.read_calls().creates_accepted == 0


def test_each_call_of_the_queue_needs_the_key(sandbox: Sandbox) -> None:
    job = sandbox.submit()
    assert sandbox.keyless.get(job.status_url).status_code == 401
    assert sandbox.keyless.get(job.response_url).status_code == 401
    assert sandbox.keyless.put(job.cancel_url).status_code == 401


def test_an_application_that_is_not_there_is_not_found(sandbox: Sandbox) -> None:
    reply = sandbox.http.post("/fal-ai/seedance-2.0/text-to-video", json=TEXT)
    assert (reply.status_code, read_detail(reply)) == (404, 'Application "seedance-2.0" not found')
    assert sandbox.read_calls().creates_accepted == 0


def test_a_model_that_its_application_does_not_have_is_accepted_and_then_not_found(sandbox: Sandbox) -> None:
    job = sandbox.submit("fal-ai/kling-video/v9/text-to-video")
    sandbox.clock.now += RENDER_SECONDS / 5
    assert sandbox.read_status(job).status == "COMPLETED"
    reply = sandbox.read_result(job)
    assert (reply.status_code, read_detail(reply)) == (404, "Path /v9/text-to-video not found")


@pytest.mark.parametrize(
    ("model_id", "body"),
    [
        (SEEDANCE, {"prompt": "A cat", "aspect_ratio": "9:16"}),
        (SEEDANCE, {"prompt": "A cat", "duration": "15", "resolution": "480p", "generate_audio": False}),
        (SEEDANCE_IMAGE, {"prompt": "A cat", "image_url": PNG, "end_image_url": IMAGE, "resolution": "480p"}),
        (KLING, {"prompt": "A cat", "duration": "3", "aspect_ratio": "1:1", "generate_audio": False}),
        (KLING, {"multi_prompt": [{"prompt": "A cat", "duration": "1"}, {"prompt": "A dog"}]}),
        (KLING_IMAGE, {"prompt": "A cat", "start_image_url": IMAGE, "end_image_url": IMAGE, "cfg_scale": 1}),
        (KLING_25, {"prompt": "A cat", "duration": "10", "negative_prompt": "dogs"}),
        (KLING_25_IMAGE, {"prompt": "A cat", "image_url": IMAGE, "tail_image_url": IMAGE}),
        (H3, {"prompt": "A cat", "duration": 5, "resolution": "768P", "aspect_ratio": "21:9"}),
        (H3_IMAGE, {"prompt": "A cat", "image_url": IMAGE, "duration": 15, "resolution": "480P"}),
        (WAN, {"prompt": "A cat", "duration": 2, "resolution": "720p", "seed": 7, "negative_prompt": None}),
        (WAN_IMAGE, {"image_url": IMAGE, "resolution": "720p"}),
        (PIKA, {"prompt": "A cat", "duration": 5, "resolution": "720p", "aspect_ratio": "4:5"}),
        (PIKA_IMAGE, {"prompt": "A cat", "image_url": IMAGE, "seed": -1}),
    ],
)
def test_each_model_takes_what_is_its_own(sandbox: Sandbox, model_id: str, body: Body) -> None:
    job = sandbox.submit(model_id, body)
    # One that refused would have ended by now.
    sandbox.clock.now += RENDER_SECONDS / 2
    assert sandbox.read_status(job).status == "IN_PROGRESS"
    assert sandbox.read_calls().calls[0].input_reference == model_id.endswith("image-to-video")


@pytest.mark.parametrize(
    ("model_id", "body", "place", "error_type"),
    [
        (SEEDANCE, {}, "prompt", "missing"),
        (SEEDANCE, {"prompt": None}, "prompt", "string_type"),
        (SEEDANCE, {"prompt": "A cat", "duration": 5}, "duration", "literal_error"),
        (SEEDANCE, {"prompt": "A cat", "duration": "3"}, "duration", "literal_error"),
        (SEEDANCE, {"prompt": "A cat", "resolution": "768P"}, "resolution", "literal_error"),
        (SEEDANCE, {"prompt": "A cat", "aspect_ratio": None}, "aspect_ratio", "literal_error"),
        (SEEDANCE, {"prompt": "A cat", "image_url": IMAGE}, "image_url", "extra_forbidden"),
        (SEEDANCE_IMAGE, {"prompt": "A cat"}, "image_url", "missing"),
        (SEEDANCE_IMAGE, {"prompt": "A cat", "image_url": "cat.png"}, "image_url", "file_download_error"),
        (SEEDANCE_IMAGE, {"prompt": "A cat", "image_url": "data:image/png,x"}, "image_url", "file_download_error"),
        (KLING, {"prompt": "A cat", "duration": "2"}, "duration", "literal_error"),
        (KLING, {"prompt": "x" * 2501}, "prompt", "string_too_long"),
        (KLING, {"prompt": "A cat", "cfg_scale": 1.1}, "cfg_scale", "less_than_equal"),
        (KLING, {"prompt": "A cat", "aspect_ratio": "21:9"}, "aspect_ratio", "literal_error"),
        (KLING_IMAGE, {"prompt": "A cat", "image_url": IMAGE}, "start_image_url", "missing"),
        (KLING_25, {"prompt": "A cat", "duration": "7"}, "duration", "literal_error"),
        (KLING_25, {"prompt": "A cat", "generate_audio": True}, "generate_audio", "extra_forbidden"),
        (KLING_25_IMAGE, {"prompt": "A cat", "start_image_url": IMAGE}, "image_url", "missing"),
        (H3, {"prompt": "A cat", "duration": 4}, "duration", "greater_than_equal"),
        (H3, {"prompt": "A cat", "duration": 16}, "duration", "less_than_equal"),
        (H3, {"prompt": "A cat", "resolution": "720p"}, "resolution", "literal_error"),
        (H3, {"prompt": "x" * 7001}, "prompt", "string_too_long"),
        (H3_IMAGE, {"prompt": "A cat", "image_url": IMAGE, "aspect_ratio": "16:9"}, "aspect_ratio", "extra_forbidden"),
        (WAN, {"prompt": "A cat", "duration": "5"}, "duration", "literal_error"),
        (WAN, {"prompt": "A cat", "duration": 16}, "duration", "literal_error"),
        (WAN, {"prompt": "x" * 5001}, "prompt", "string_too_long"),
        (WAN, {"prompt": "A cat", "resolution": "480p"}, "resolution", "literal_error"),
        (PIKA, {"prompt": "A cat", "duration": 6}, "duration", "literal_error"),
        (PIKA, {"prompt": "A cat", "duration": "5"}, "duration", "literal_error"),
        (
            PIKA_IMAGE,
            {"prompt": "A cat", "image_url": IMAGE, "aspect_ratio": "16:9"},
            "aspect_ratio",
            "extra_forbidden",
        ),
    ],
)
def test_a_model_refuses_a_wrong_field_by_name(
    sandbox: Sandbox, model_id: str, body: Body, place: str, error_type: str
) -> None:
    reply = sandbox.http.post(f"/{model_id}", json=body)
    job = StatusView.model_validate_json(reply.content)
    sandbox.clock.now += RENDER_SECONDS / 5
    details = sandbox.read_result(job).json()["detail"]
    assert (("body", place), error_type) in [(tuple(detail["loc"]), detail["type"]) for detail in details]


@pytest.mark.parametrize(
    ("model_id", "body"),
    [
        (KLING, {"duration": "5"}),
        (KLING, {"prompt": "A cat", "multi_prompt": [{"prompt": "A cat"}]}),
        (WAN_IMAGE, {"image_url": IMAGE, "video_url": "https://example.com/cat.mp4"}),
    ],
)
def test_a_model_refuses_fields_that_exclude_each_other(sandbox: Sandbox, model_id: str, body: Body) -> None:
    job = sandbox.submit(model_id, body)
    sandbox.clock.now += RENDER_SECONDS / 5
    assert read_refusal(sandbox, job).loc == ("body",)


def test_a_refused_input_is_accepted_first_and_its_status_tells_why(sandbox: Sandbox) -> None:
    job = sandbox.submit(SEEDANCE, {"prompt": "A cat", "duration": 5})
    assert sandbox.read_calls().creates_accepted == 1
    assert sandbox.read_status(job).status == "IN_QUEUE"
    sandbox.clock.now += RENDER_SECONDS / 5
    seen = sandbox.read_status(job)
    refusal = read_refusal(sandbox, job)
    assert (seen.status, seen.error, seen.error_type) == ("COMPLETED", refusal.msg, "literal_error")
    assert (refusal.url, refusal.input) == ("https://docs.fal.ai/errors/#literal_error", 5)


@pytest.mark.parametrize("body", ["{", "[]", '"text"'])
def test_a_body_that_is_no_object_is_refused_in_the_end(sandbox: Sandbox, body: str) -> None:
    job = StatusView.model_validate_json(sandbox.http.post(f"/{SEEDANCE}", content=body).content)
    sandbox.clock.now += RENDER_SECONDS / 5
    assert read_refusal(sandbox, job).loc == ("body",)


@pytest.mark.parametrize(
    ("model_id", "body", "size"),
    [
        (SEEDANCE, {"prompt": "A", "resolution": "480p", "duration": "4", "aspect_ratio": "9:16"}, (480, 852)),
        (H3, {"prompt": "A", "resolution": "480P", "aspect_ratio": "1:1"}, (480, 480)),
        (H3, {"prompt": "A", "resolution": "480P", "aspect_ratio": "21:9"}, (1120, 480)),
        (PIKA, {"prompt": "A", "aspect_ratio": "4:5"}, (720, 900)),
    ],
)
def test_a_clip_has_the_size_that_was_asked_for(
    sandbox: Sandbox, tmp_path: Path, model_id: str, body: Body, size: tuple[int, int]
) -> None:
    job = sandbox.submit(model_id, body)
    sandbox.finish(job)
    (tmp_path / "video.mp4").write_bytes(sandbox.fetch(sandbox.read_output(job)).content)
    with av.open(str(tmp_path / "video.mp4")) as container:
        video = container.streams.video[0]
        assert (video.width, video.height) == size


@pytest.mark.parametrize("path", ["/status", ""])
def test_a_request_is_found_only_under_its_application(sandbox: Sandbox, path: str) -> None:
    job = sandbox.submit()
    assert sandbox.http.get(f"/fal-ai/wan/requests/{job.request_id}{path}").status_code == 404
    assert sandbox.http.get(f"/{SEEDANCE}/requests/{job.request_id}{path}").status_code == 405


def test_a_request_that_does_not_exist_is_not_found_in_three_ways(sandbox: Sandbox) -> None:
    url = "/fal-ai/wan/requests/00000000-0000-0000-0000-000000000000"
    status, result, cancel = sandbox.http.get(f"{url}/status"), sandbox.http.get(url), sandbox.http.put(f"{url}/cancel")
    assert [reply.status_code for reply in (status, result, cancel)] == [404] * 3
    assert (status.json(), cancel.json()) == ({"status": "NOT_FOUND"}, {"status": "NOT_FOUND"})
    assert read_detail(result) == "Request not found"


@pytest.mark.parametrize("age_seconds", [0.0, RENDER_SECONDS / 2])
def test_a_result_is_not_there_before_the_end(sandbox: Sandbox, age_seconds: float) -> None:
    job = sandbox.submit()
    sandbox.clock.now += age_seconds
    reply = sandbox.read_result(job)
    assert (reply.status_code, read_detail(reply)) == (400, "Request is still in progress")


def test_a_result_describes_its_file_and_names_its_request(sandbox: Sandbox) -> None:
    job = sandbox.submit()
    sandbox.finish(job)
    reply = sandbox.read_result(job)
    output = Output.model_validate_json(reply.content)
    assert reply.headers["x-fal-request-id"] == job.request_id
    assert (output.video.content_type, output.video.file_size) == ("video/mp4", len(sandbox.fetch(output).content))
    assert output.video.url.endswith(f"/{output.video.file_name}")
    assert output.seed is not None
    assert sandbox.read_output(job) == output


def test_a_model_without_a_seed_tells_none(sandbox: Sandbox) -> None:
    job = sandbox.submit(PIKA, {"prompt": "A cat"})
    sandbox.finish(job)
    assert list(sandbox.read_result(job).json()) == ["video"]


def test_requests_beyond_the_limit_wait_and_move_up_in_their_order(sandbox: Sandbox) -> None:
    jobs = [sandbox.submit() for _ in range(MAX_CONCURRENT + 2)]
    assert [job.queue_position for job in jobs] == list(range(MAX_CONCURRENT + 2))
    sandbox.clock.now += RENDER_SECONDS / 2
    waiting = [sandbox.read_status(job) for job in jobs[MAX_CONCURRENT:]]
    assert [(job.status, job.queue_position) for job in waiting] == [("IN_QUEUE", 0), ("IN_QUEUE", 1)]
    sandbox.finish(jobs[0])
    sandbox.clock.now += RENDER_SECONDS / 2
    assert sandbox.read_status(jobs[-1]).status == "IN_PROGRESS"


def test_a_submit_may_refuse_to_wait_behind_too_many(sandbox: Sandbox) -> None:
    for _ in range(2):
        sandbox.submit()
    replies = [sandbox.http.post(f"/{SEEDANCE}", json=TEXT, params={"fal_max_queue_length": n}) for n in (1, 2)]
    assert [reply.status_code for reply in replies] == [429, 200]
    read_detail(replies[0])


def test_a_request_in_the_queue_is_cancelled_at_once(sandbox: Sandbox) -> None:
    job = sandbox.submit()
    reply = sandbox.http.put(job.cancel_url)
    assert (reply.status_code, reply.json()) == (200, {"status": "OK"})
    seen = sandbox.read_status(job)
    assert (seen.status, seen.error_type) == ("COMPLETED", "client_cancelled")
    assert sandbox.read_result(job).status_code == 499
    assert sandbox.read_calls().in_flight == 0


def test_a_request_that_a_runner_has_is_asked_to_stop(sandbox: Sandbox) -> None:
    job = sandbox.submit()
    sandbox.clock.now += RENDER_SECONDS / 2
    reply = sandbox.http.put(job.cancel_url)
    assert (reply.status_code, reply.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    assert sandbox.read_result(job).status_code == 499


def test_a_model_may_not_heed_a_cancel(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=IgnoreCancel()))
    job = sandbox.submit()
    sandbox.clock.now += RENDER_SECONDS / 2
    assert sandbox.http.put(job.cancel_url).status_code == 202
    sandbox.finish(job)
    assert sandbox.fetch(sandbox.read_output(job)).status_code == 200


def test_a_request_that_has_ended_cannot_be_cancelled(sandbox: Sandbox) -> None:
    job = sandbox.submit()
    sandbox.finish(job)
    reply = sandbox.http.put(job.cancel_url)
    assert (reply.status_code, reply.json()) == (400, {"status": "ALREADY_COMPLETED"})
    assert sandbox.read_output(job)


def test_a_file_has_its_type_and_length(sandbox: Sandbox) -> None:
    reply = sandbox.fetch(sandbox.submit_finished())
    assert (reply.status_code, reply.headers["content-type"]) == (200, "video/mp4")
    assert int(reply.headers["content-length"]) == len(reply.content) > 0


def test_a_key_sent_to_a_file_is_refused(sandbox: Sandbox) -> None:
    reply = sandbox.fetch(sandbox.submit_finished(), Authorization=KEY["authorization"])
    assert (reply.status_code, "sandbox-key" in read_detail(reply)) == (400, False)


def test_a_file_that_does_not_exist_is_not_found(sandbox: Sandbox) -> None:
    assert sandbox.keyless.get("/files/b/0000/clip.mp4").status_code == 404


def test_a_file_may_expire_and_the_result_gives_no_other(sandbox: Sandbox) -> None:
    job = sandbox.submit()
    sandbox.finish(job)
    output = sandbox.read_output(job)
    sandbox.add_fault(OnContent(times=1, action=ExpiredUrl()))
    assert [sandbox.fetch(output).status_code for _ in range(2)] == [404, 404]
    assert sandbox.fetch(sandbox.read_output(job)).status_code == 404


def test_a_range_with_the_right_etag_is_the_rest(sandbox: Sandbox) -> None:
    output = sandbox.submit_finished()
    whole = sandbox.fetch(output)
    rest = sandbox.fetch(output, Range="bytes=1000-", **{"If-Range": whole.headers["etag"]})
    assert (rest.status_code, rest.content) == (206, whole.content[1000:])


def test_a_call_is_told_with_its_status_and_a_submit_with_its_request(sandbox: Sandbox) -> None:
    job = sandbox.submit()
    sandbox.finish(job)
    sandbox.fetch(sandbox.read_output(job))
    submit, *statuses, result, fetch = sandbox.read_calls().calls
    assert (submit.method, submit.path, submit.status) == ("POST", f"/{SEEDANCE}", 200)
    assert (submit.video_id, submit.prompt, submit.input_reference) == (job.request_id, "A cat", False)
    assert (statuses[-1].status, statuses[-1].video_id) == (200, job.request_id)
    assert (result.status, result.video_id) == (200, job.request_id)
    assert (fetch.status, fetch.video_id) == (200, job.request_id)


def test_requests_in_flight_are_counted(sandbox: Sandbox) -> None:
    sandbox.submit()
    sandbox.finish(sandbox.submit())
    sandbox.submit()
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.in_flight, log.most_in_flight) == (3, 1, 2)


def test_a_reset_forgets_requests_faults_and_calls(sandbox: Sandbox) -> None:
    job = sandbox.submit()
    sandbox.add_fault(OnCreate(action=Drop()))
    sandbox.keyless.post("/_sandbox/reset").raise_for_status()
    assert sandbox.read_calls() == CallLog(calls=(), creates_accepted=0, in_flight=0, most_in_flight=0)
    assert sandbox.http.get(job.status_url).status_code == 404
    assert sandbox.submit().status == "IN_QUEUE"


def test_an_exhausted_balance_refuses_a_submit_and_not_what_is_under_way(sandbox: Sandbox) -> None:
    job = sandbox.submit()
    sandbox.add_fault(OnCreate(action=ExhaustedBalance()))
    reply = sandbox.http.post(f"/{SEEDANCE}", json=TEXT)
    assert reply.status_code == 403
    assert read_detail(reply).startswith("User is locked. Reason: Exhausted balance.")
    assert sandbox.read_calls().creates_accepted == 1
    sandbox.finish(job)
    assert sandbox.read_output(job)


def test_a_completed_request_may_turn_out_to_be_blocked(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=FailModel()))
    job = sandbox.submit()
    seen = sandbox.finish(job)
    refusal = read_refusal(sandbox, job)
    assert (seen.status, seen.error, seen.error_type) == ("COMPLETED", refusal.msg, "content_policy_violation")
    assert (refusal.loc, refusal.type, refusal.input) == (("body", "prompt"), "content_policy_violation", "A cat")


def test_a_completed_request_may_turn_out_to_have_broken_its_model(sandbox: Sandbox) -> None:
    action = FailModel(status=500, error_type="internal_server_error", message="Internal server error")
    sandbox.add_fault(OnCreate(action=action))
    job = sandbox.submit()
    sandbox.finish(job)
    reply = sandbox.read_result(job)
    assert (reply.status_code, reply.headers["x-fal-error-type"]) == (500, "internal_server_error")


def test_a_completed_request_may_turn_out_never_to_have_reached_its_model(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=FailRequest()))
    job = sandbox.submit()
    sandbox.finish(job)
    reply = sandbox.read_result(job)
    assert (reply.status_code, reply.headers["x-fal-error-type"]) == (504, "request_timeout")
    assert reply.json() == {"detail": "Request timed out", "error_type": "request_timeout"}


def test_a_request_may_never_finish(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=NeverFinish()))
    job = sandbox.submit()
    sandbox.clock.now += 1000 * RENDER_SECONDS
    assert sandbox.read_status(job).status == "IN_PROGRESS"


def test_a_scripted_answer_goes_out_with_its_headers_and_nothing_is_accepted(sandbox: Sandbox) -> None:
    action = Respond(status=429, headers={"Retry-After": "7"}, body={"detail": "Slow."})
    sandbox.add_fault(OnCreate(times=1, action=action))
    refused = sandbox.http.post(f"/{SEEDANCE}", json=TEXT)
    assert (refused.status_code, refused.headers["retry-after"], read_detail(refused)) == (429, "7", "Slow.")
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.calls[0].prompt, log.calls[0].video_id) == (0, "A cat", None)
    assert sandbox.submit()


def test_a_fault_plays_on_the_prompts_it_matches(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(match="dog", action=Respond(status=503)))
    replies = [sandbox.http.post(f"/{SEEDANCE}", json={"prompt": prompt}) for prompt in ("A cat", "A dog")]
    assert [reply.status_code for reply in replies] == [200, 503]


def test_cleared_faults_play_no_more(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Respond(status=503)))
    sandbox.keyless.delete("/_sandbox/faults").raise_for_status()
    assert sandbox.submit()


def test_a_dropped_submit_is_not_accepted(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Drop()))
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.http.post(f"/{SEEDANCE}", json=TEXT)
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.calls[0].status) == (0, None)


def test_a_submit_accepted_and_then_dropped_left_a_request(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=AcceptThenDrop()))
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.http.post(f"/{SEEDANCE}", json=TEXT)
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.calls[0].status) == (1, None)
    status_url = f"/bytedance/seedance-2.0/requests/{log.calls[0].video_id}/status"
    assert sandbox.http.get(status_url).json()["status"] == "IN_QUEUE"


def test_a_submit_accepted_and_then_answered_with_502_left_a_request(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=AcceptThenRespond(status=502)))
    assert sandbox.http.post(f"/{SEEDANCE}", json=TEXT).status_code == 502
    assert sandbox.read_calls().creates_accepted == 1


def test_a_client_that_gives_up_on_a_late_answer_left_a_request(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Delay(seconds=0.3)))
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.post(f"/{SEEDANCE}", json=TEXT, timeout=0.1)
    assert sandbox.read_calls().creates_accepted == 1


def test_a_status_may_be_any_word(sandbox: Sandbox) -> None:
    job = sandbox.submit()
    sandbox.add_fault(OnRetrieve(times=1, action=ShowStatus(status="ARCHIVED")))
    assert [sandbox.http.get(job.status_url).json()["status"] for _ in range(2)] == ["ARCHIVED", "IN_QUEUE"]


@pytest.mark.parametrize("rule", [OnRetrieve, OnResult])
def test_a_status_and_a_result_may_be_answered_otherwise_dropped_or_late(
    sandbox: Sandbox, rule: type[OnRetrieve | OnResult]
) -> None:
    job = sandbox.submit()
    sandbox.add_fault(rule(times=1, action=Respond(status=502)))
    sandbox.add_fault(rule(times=1, action=Drop()))
    sandbox.add_fault(rule(times=1, action=Delay(seconds=0.3)))
    url = job.status_url if rule is OnRetrieve else job.response_url
    assert sandbox.http.get(url).status_code == 502
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.http.get(url)
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.get(url, timeout=0.1)


def read_until_it_breaks(sandbox: Sandbox, output: Output, timeout_seconds: float = 10) -> tuple[httpx.Response, bytes]:
    """Read a body up to the point where the connection fails, which it must."""
    received = io.BytesIO()
    with sandbox.keyless.stream("GET", output.video.url, timeout=timeout_seconds) as reply:
        with pytest.raises(httpx.TransportError):
            received.writelines(reply.iter_raw())
        return reply, received.getvalue()


def test_a_cut_download_declares_its_whole_length_and_can_be_resumed(sandbox: Sandbox) -> None:
    output = sandbox.submit_finished()
    whole = sandbox.fetch(output).content
    sandbox.add_fault(OnContent(times=1, action=Truncate(after_bytes=10_000)))
    reply, received = read_until_it_breaks(sandbox, output)
    assert (int(reply.headers["content-length"]), received) == (len(whole), whole[:10_000])
    rest = sandbox.fetch(output, Range="bytes=10000-", **{"If-Range": reply.headers["etag"]})
    assert received + rest.content == whole


def test_a_silently_cut_download_looks_whole(sandbox: Sandbox) -> None:
    output = sandbox.submit_finished()
    sandbox.add_fault(OnContent(times=1, action=TruncateSilently(after_bytes=1000)))
    reply = sandbox.fetch(output)
    assert (reply.status_code, len(reply.content), "content-length" in reply.headers) == (200, 1000, False)


def test_a_stalled_download_sends_no_more(sandbox: Sandbox) -> None:
    output = sandbox.submit_finished()
    sandbox.add_fault(OnContent(times=1, action=Stall(after_bytes=1000, seconds=30)))
    _, received = read_until_it_breaks(sandbox, output, timeout_seconds=0.2)
    assert len(received) == 1000


def test_a_download_may_be_a_page_dropped_or_refused(sandbox: Sandbox) -> None:
    output = sandbox.submit_finished()
    sandbox.add_fault(OnContent(times=1, action=NotMp4()))
    sandbox.add_fault(OnContent(times=1, action=Drop()))
    sandbox.add_fault(OnContent(times=1, action=Respond(status=502)))
    assert sandbox.fetch(output).headers["content-type"] == "text/html; charset=utf-8"
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.fetch(output)
    assert sandbox.fetch(output).status_code == 502


@pytest.mark.parametrize(
    "rule",
    [
        {"on": "create", "action": {"type": "explode"}},
        {"on": "delete", "action": {"type": "drop"}},
        {"on": "retrieve", "action": {"type": "expired_url"}},
        {"on": "create", "action": {"type": "fail_model", "status": 200}},
        {"on": "create", "times": 0, "action": {"type": "drop"}},
    ],
)
def test_a_fault_that_cannot_be_played_is_refused(sandbox: Sandbox, rule: Body) -> None:
    assert sandbox.keyless.post("/_sandbox/faults", json={"rules": [rule]}).status_code == 400
    assert sandbox.submit()


class Delivery(BaseModel):
    """A webhook as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """A server that takes webhooks, and answers each as it is told."""

    def __init__(self, url: str, deliveries: queue.Queue[Delivery]) -> None:
        self.url = url
        self._deliveries = deliveries

    def wait(self) -> Delivery:
        return self._deliveries.get(timeout=10)

    @property
    def is_empty(self) -> bool:
        return self._deliveries.empty()


@contextmanager
def receive_webhooks(answer: Callable[[int], int] = lambda _: 200) -> Iterator[Receiver]:
    """Run a receiver; `answer` gives the status for the nth delivery, from 0."""
    deliveries: queue.Queue[Delivery] = queue.Queue()
    statuses = map(answer, range(1000))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            deliveries.put(Delivery(path=self.path, headers=headers, body=body))
            self.send_response(next(statuses))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the base class's)
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Receiver(f"http://127.0.0.1:{server.server_port}/hook", deliveries)
        server.shutdown()


def verify(sandbox: Sandbox, delivery: Delivery) -> None:
    """Verify a webhook in the way fal's documents tell."""
    keys = KeySet.model_validate_json(sandbox.keyless.get("/.well-known/jwks.json").content).keys
    public_key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(keys[0].x + "="))
    parts = [delivery.headers[f"x-fal-webhook-{name}"] for name in ("request-id", "user-id", "timestamp")]
    message = "\n".join([*parts, sha256(delivery.body).hexdigest()])
    public_key.verify(bytes.fromhex(delivery.headers["x-fal-webhook-signature"]), message.encode())


def test_a_webhook_brings_the_result_and_its_signature_is_right(sandbox: Sandbox) -> None:
    with receive_webhooks() as receiver:
        job = sandbox.submit(webhook_url=receiver.url + "?video=7")
        sandbox.finish(job)
        delivery = receiver.wait()
    assert delivery.path == "/hook?video=7"
    assert json.loads(delivery.body) == {
        "request_id": job.request_id,
        "gateway_request_id": job.request_id,
        "status": "OK",
        "payload": sandbox.read_result(job).json(),
    }
    assert delivery.headers["x-fal-webhook-request-id"] == job.request_id
    assert delivery.headers["x-fal-webhook-timestamp"] == str(int(sandbox.clock.now))
    verify(sandbox, delivery)


def test_a_webhook_that_was_changed_has_no_right_signature(sandbox: Sandbox) -> None:
    with receive_webhooks() as receiver:
        sandbox.finish(sandbox.submit(webhook_url=receiver.url))
        delivery = receiver.wait()
    with pytest.raises(InvalidSignature):
        verify(sandbox, delivery.model_copy(update={"body": delivery.body + b" "}))


def test_a_webhook_brings_what_the_model_found_wrong(sandbox: Sandbox) -> None:
    with receive_webhooks() as receiver:
        job = sandbox.submit(SEEDANCE, {"prompt": "A cat", "duration": 5}, webhook_url=receiver.url)
        sandbox.clock.now += RENDER_SECONDS / 5
        body = json.loads(receiver.wait().body)
    assert (body["status"], body["error"]) == ("ERROR", "Invalid status code: 422")
    assert body["payload"] == sandbox.read_result(job).json()


def test_a_webhook_does_not_come_before_the_end(sandbox: Sandbox) -> None:
    with receive_webhooks() as receiver:
        job = sandbox.submit(webhook_url=receiver.url)
        sandbox.clock.now += RENDER_SECONDS / 2
        assert sandbox.read_status(job).status == "IN_PROGRESS"
        assert receiver.is_empty
        sandbox.finish(job)
        receiver.wait()


def test_a_webhook_comes_again_until_it_is_taken(sandbox: Sandbox) -> None:
    with receive_webhooks(lambda number: 503 if number == 0 else 204) as receiver:
        sandbox.finish(sandbox.submit(webhook_url=receiver.url))
        assert receiver.wait().body == receiver.wait().body


def test_a_webhook_comes_twice_or_unsigned_or_not_at_all_as_told(sandbox: Sandbox) -> None:
    with receive_webhooks() as receiver:
        sandbox.add_fault(OnWebhook(times=1, action=Duplicate()))
        sandbox.finish(sandbox.submit(webhook_url=receiver.url))
        assert receiver.wait().body == receiver.wait().body

        sandbox.add_fault(OnWebhook(times=1, action=Unsigned()))
        sandbox.finish(sandbox.submit(webhook_url=receiver.url))
        assert "x-fal-webhook-signature" not in receiver.wait().headers

        sandbox.add_fault(OnWebhook(times=1, action=Drop()))
        sandbox.finish(sandbox.submit(webhook_url=receiver.url))
        sandbox.finish(sandbox.submit(webhook_url=receiver.url))
        receiver.wait()
        assert receiver.is_empty


def test_the_process_prints_its_address_serves_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "sandbox.fal", "--port", "0", "--render-seconds", "9", "--api-key", "id:other"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base_url = json.loads(process.stdout.readline())["base_url"]
            reply = httpx.post(f"{base_url}/{SEEDANCE}", json=TEXT, headers={"authorization": "Key id:other"})
            assert reply.json()["status"] == "IN_QUEUE"
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=15) == -signal.SIGTERM
        finally:
            process.kill()
