"""Tests of the stand-in for Runway's API, over the loopback interface."""

from __future__ import annotations

import base64
import io
import json
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import av
import httpx
import pytest
from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_camel

from sandbox.calls import CallLog
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
from sandbox.runway import create_app
from sandbox.runway_state import (
    OUTPUT_LIFETIME_SECONDS,
    CancelTask,
    ExpiredUrl,
    FailTask,
    OnContent,
    OnCreate,
    RunwayFault,
    RunwayFaultScript,
    Task,
    ThrottleTask,
)
from sandbox.runway_wire import Created, Order
from sandbox.serving import serve_in_thread

REPOSITORY = Path(__file__).parents[3]
RENDER_SECONDS = 100.0
MAX_CONCURRENT = 3
HEADERS = {"authorization": "Bearer key_runway-sandbox", "x-runway-version": "2024-11-06"}
IMAGE = "https://example.com/cat.png"
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
TEXT: dict[str, JsonValue] = {"model": "gen4.5", "promptText": "A cat", "ratio": "1280:720", "duration": 2}

Body = dict[str, JsonValue]


class Cost(BaseModel):
    """What a task costs."""

    credits: int


class Seen(BaseModel):
    """A task as a client reads it, whatever its status."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)

    id: str
    status: str
    created_at: str
    progress: float | None = None
    output: tuple[str, ...] = ()
    failure: str | None = None
    failure_code: str | None = None
    estimated_cost: Cost | None = None
    cost: Cost | None = None


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
        self.http = httpx.Client(base_url=base_url, headers=HEADERS, timeout=10)
        self.keyless = httpx.Client(base_url=base_url, timeout=10)

    def close(self) -> None:
        self.http.close()
        self.keyless.close()

    def add_fault(self, rule: RunwayFault) -> None:
        reply = self.keyless.post("/_sandbox/faults", content=RunwayFaultScript(rules=(rule,)).model_dump_json())
        reply.raise_for_status()

    def read_calls(self) -> CallLog:
        return CallLog.model_validate_json(self.keyless.get("/_sandbox/calls").content)

    def post(self, kind: str, **fields: JsonValue) -> httpx.Response:
        return self.http.post(f"/v1/{kind}", json=fields)

    def create(self, **changes: JsonValue) -> str:
        reply = self.post("text_to_video", **{**TEXT, **changes})
        assert reply.status_code == 200, reply.text
        return Created.model_validate_json(reply.content).id

    def retrieve(self, task_id: str) -> Seen:
        reply = self.http.get(f"/v1/tasks/{task_id}")
        assert reply.status_code == 200, reply.text
        return Seen.model_validate_json(reply.content)

    def finish(self, task_id: str) -> Seen:
        """Let the time of a render pass, and wait until its file is really there."""
        self.clock.now += RENDER_SECONDS
        deadline = time.monotonic() + 30
        while (seen := self.retrieve(task_id)).status == "RUNNING" and time.monotonic() < deadline:
            pass
        return seen

    def create_finished(self) -> Seen:
        return self.finish(self.create())

    def fetch(self, seen: Seen, **headers: str) -> httpx.Response:
        return self.keyless.get(seen.output[0], headers=headers)

    def read_balance(self) -> int:
        balance = self.http.get("/v1/organization").json()["creditBalance"]
        assert isinstance(balance, int)
        return balance


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


def read_error(reply: httpx.Response) -> str:
    assert list(reply.json()) == ["error"]
    error = reply.json()["error"]
    assert isinstance(error, str)
    return error


def test_a_created_task_becomes_a_playable_video(sandbox: Sandbox, tmp_path: Path) -> None:
    finished = sandbox.create_finished()
    (tmp_path / "video.mp4").write_bytes(sandbox.fetch(finished).content)
    with av.open(str(tmp_path / "video.mp4")) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, sum(1 for _ in container.decode(video=0))) == (1280, 720, 48)


def test_a_create_answers_an_id_and_what_it_may_cost(sandbox: Sandbox) -> None:
    body = sandbox.post("text_to_video", **TEXT).json()
    assert str(uuid.UUID(body.pop("id")))
    assert body == {"estimatedCost": {"credits": 2 * 12}}


def test_a_task_goes_from_pending_to_running_to_succeeded(sandbox: Sandbox) -> None:
    task_id = sandbox.create()
    pending = sandbox.retrieve(task_id)
    assert (pending.status, pending.progress, pending.estimated_cost) == ("PENDING", None, Cost(credits=24))
    progress = []
    for _ in range(4):
        sandbox.clock.now += RENDER_SECONDS / 5
        progress.append((sandbox.retrieve(task_id).status, sandbox.retrieve(task_id).progress))
    assert progress == [("RUNNING", 0.2), ("RUNNING", 0.4), ("RUNNING", 0.6), ("RUNNING", 0.8)]
    succeeded = sandbox.finish(task_id)
    assert (succeeded.status, succeeded.cost, len(succeeded.output)) == ("SUCCEEDED", Cost(credits=24), 1)


def test_a_task_tells_when_it_was_created(sandbox: Sandbox) -> None:
    sandbox.clock.now = 1_900_000_000.25
    assert sandbox.retrieve(sandbox.create()).created_at == "2030-03-17T17:46:40.250000Z"


def test_a_task_does_not_succeed_before_its_file_exists() -> None:
    render: Future[RenderedVideo] = Future()
    order = Order("gen4.5", "A cat", 1280, 720, 2, 24, has_image=False)
    task = Task("task_1", order, 0.0, render, None, enqueued_at=0.0)
    assert (task.tell_status(1000, 10), task.tell_progress(1000, 10)) == ("RUNNING", 0.99)
    render.set_result(RenderedVideo(Path("clip.mp4"), finished_at=1001))
    assert task.tell_status(1002, 10) == "SUCCEEDED"


@pytest.mark.parametrize("authorization", [None, "Bearer key_other", "key_runway-sandbox"])
def test_a_call_without_the_key_is_refused(sandbox: Sandbox, authorization: str | None) -> None:
    headers = {"x-runway-version": "2024-11-06"} | ({"authorization": authorization} if authorization else {})
    reply = sandbox.keyless.post("/v1/text_to_video", json=TEXT, headers=headers)
    assert reply.status_code == 401
    assert "key_" not in read_error(reply)
    assert sandbox.read_calls().creates_accepted == 0


@pytest.mark.parametrize("version", [None, "2024-09-13"])
def test_a_call_without_the_version_is_refused(sandbox: Sandbox, version: str | None) -> None:
    headers = {"authorization": HEADERS["authorization"]} | ({"x-runway-version": version} if version else {})
    reply = sandbox.keyless.post("/v1/text_to_video", json=TEXT, headers=headers)
    assert reply.status_code == 400
    assert "X-Runway-Version" in read_error(reply)


@pytest.mark.parametrize(
    ("kind", "body", "credits_asked"),
    [
        ("text_to_video", TEXT | {"ratio": "720:1280", "duration": 10, "seed": 7}, 120),
        ("text_to_video", TEXT | {"contentModeration": {"publicFigureThreshold": "low"}}, 24),
        ("text_to_video", {"model": "veo3.1", "promptText": "A cat", "ratio": "1920:1080", "duration": 4}, 160),
        (
            "text_to_video",
            {"model": "veo3.1", "promptText": "A cat", "ratio": "1280:720", "duration": 4, "audio": False},
            80,
        ),
        ("text_to_video", {"model": "seedance2_5", "ratio": "854:480"}, 100),
        ("text_to_video", {"model": "seedance2_5", "references": [{"uri": IMAGE}]}, 150),
        ("text_to_video", {"model": "seedance2_5", "ratio": "1920:1080", "duration": 4}, 272),
        ("image_to_video", TEXT | {"promptImage": IMAGE, "ratio": "1584:672"}, 24),
        ("image_to_video", TEXT | {"promptImage": [{"uri": PNG, "position": "first"}]}, 24),
        ("image_to_video", {"model": "gen4_turbo", "promptImage": "runway://abc", "ratio": "960:960"}, 50),
        (
            "image_to_video",
            {
                "model": "veo3.1",
                "ratio": "1280:720",
                "promptImage": [{"uri": PNG, "position": "last"}, {"uri": PNG, "position": "first"}],
            },
            320,
        ),
        ("image_to_video", {"model": "seedance2_5", "promptImage": [{"uri": IMAGE}]}, 150),
        ("video_to_video", {"model": "aleph2", "videoUri": "https://example.com/cat.mp4"}, 140),
        ("video_to_video", {"model": "seedance2_5", "promptVideo": "https://example.com/cat.mp4"}, 150),
    ],
)
def test_each_model_takes_what_is_its_own(sandbox: Sandbox, kind: str, body: Body, credits_asked: int) -> None:
    reply = sandbox.post(kind, **body)
    assert (reply.status_code, reply.json()["estimatedCost"]["credits"]) == (200, credits_asked)
    assert sandbox.read_calls().calls[0].input_reference == (kind == "image_to_video")


@pytest.mark.parametrize(
    ("kind", "changes", "field"),
    [
        ("text_to_video", {"model": "gen3a_turbo"}, "body"),
        ("text_to_video", {"model": "gen4_turbo"}, "body"),
        ("text_to_video", {"ratio": "1104:832"}, "ratio"),
        ("text_to_video", {"ratio": "1280x720"}, "ratio"),
        ("text_to_video", {"ratio": "16:9"}, "ratio"),
        ("text_to_video", {"duration": 1}, "duration"),
        ("text_to_video", {"duration": 11}, "duration"),
        ("text_to_video", {"duration": "5"}, "duration"),
        ("text_to_video", {"promptText": ""}, "promptText"),
        ("text_to_video", {"promptText": "x" * 1001}, "promptText"),
        ("text_to_video", {"promptText": "🐈" * 501}, "promptText"),
        ("text_to_video", {"prompt_text": "A cat"}, "prompt_text"),
        ("text_to_video", {"promptImage": IMAGE}, "promptImage"),
        ("text_to_video", {"seed": None}, "body"),
        ("text_to_video", {"seed": -1}, "seed"),
        ("text_to_video", {"contentModeration": {"publicFigureThreshold": "none"}}, "contentModeration"),
        ("image_to_video", {}, "promptImage"),
        ("image_to_video", {"promptImage": []}, "promptImage"),
        ("image_to_video", {"promptImage": [{"uri": IMAGE, "position": "last"}]}, "promptImage.0.position"),
        ("image_to_video", {"promptImage": [{"uri": IMAGE, "position": "first"}] * 2}, "promptImage"),
        ("image_to_video", {"promptImage": "http://example.com/cat.png"}, "promptImage.0.uri"),
        ("image_to_video", {"promptImage": "https://127.0.0.1/cat.png"}, "promptImage.0.uri"),
        ("image_to_video", {"promptImage": "https://example.com/" + "x" * 2029}, "promptImage.0.uri"),
        ("image_to_video", {"promptImage": "runway://"}, "promptImage.0.uri"),
        ("image_to_video", {"promptImage": "data:image/gif;base64,R0lG"}, "promptImage.0.uri"),
        ("image_to_video", {"promptImage": "data:image/png,abcd"}, "promptImage.0.uri"),
        ("image_to_video", {"promptImage": "data:image/png;base64,???"}, "promptImage.0.uri"),
        ("video_to_video", {"model": "aleph2"}, "videoUri"),
    ],
)
def test_a_wrong_field_is_refused_by_name(sandbox: Sandbox, kind: str, changes: Body, field: str) -> None:
    reply = sandbox.post(kind, **{**TEXT, **changes})
    assert reply.status_code == 400
    assert read_error(reply).startswith(f"Validation of body failed: {field}")
    assert sandbox.read_calls().creates_accepted == 0


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text_to_video", {"model": "veo3.1", "promptText": "A cat", "ratio": "1280:720", "duration": 5}),
        ("text_to_video", {"model": "veo3.1", "ratio": "1280:720"}),
        ("image_to_video", {"model": "veo3.1", "ratio": "1280:720", "promptImage": [{"uri": PNG, "position": "last"}]}),
        (
            "image_to_video",
            {"model": "seedance2_5", "promptImage": [{"uri": PNG}, {"uri": PNG, "position": "first"}]},
        ),
        ("image_to_video", {"model": "gen4_turbo", "ratio": "1280:720", "promptText": "A cat"}),
        ("video_to_video", {"model": "aleph2", "videoUri": "https://example.com/cat.mp4", "duration": 5}),
    ],
)
def test_a_model_refuses_what_is_not_its_own(sandbox: Sandbox, kind: str, body: Body) -> None:
    assert sandbox.post(kind, **body).status_code == 400


@pytest.mark.parametrize("prompt", ["x" * 1000, "🐈" * 500])
def test_a_prompt_is_measured_in_utf16_units(sandbox: Sandbox, prompt: str) -> None:
    assert sandbox.retrieve(sandbox.create(promptText=prompt)).status == "PENDING"


@pytest.mark.parametrize(("size_bytes", "status"), [(5 * 1024 * 1024 - 2, 200), (5 * 1024 * 1024 + 2, 400)])
def test_a_data_uri_is_measured_as_it_is_sent(sandbox: Sandbox, size_bytes: int, status: int) -> None:
    head = "data:image/png;base64,"
    uri = head + "A" * ((size_bytes - len(head)) // 4 * 4)
    assert sandbox.post("image_to_video", **TEXT, promptImage=uri).status_code == status


@pytest.mark.parametrize("body", ["{", "[]", '"text"', "{}"])
def test_a_body_that_is_no_create_is_refused(sandbox: Sandbox, body: str) -> None:
    reply = sandbox.http.post("/v1/text_to_video", content=body)
    assert reply.status_code == 400
    assert read_error(reply).startswith("Validation of body failed")


@pytest.mark.parametrize("path", ["/v1/tasks/x", "/v1/videos", "/outputs/x/0.mp4", "/"])
def test_what_does_not_exist_is_not_found(sandbox: Sandbox, path: str) -> None:
    reply = (sandbox.keyless if path.startswith("/outputs") else sandbox.http).get(path)
    assert reply.status_code == 404
    read_error(reply)


def test_a_wrong_method_is_refused(sandbox: Sandbox) -> None:
    reply = sandbox.http.get("/v1/text_to_video")
    assert reply.status_code == 405
    read_error(reply)


def test_tasks_beyond_the_limit_wait_and_move_up_in_their_order(sandbox: Sandbox) -> None:
    tasks = [sandbox.create() for _ in range(MAX_CONCURRENT + 2)]
    assert [sandbox.retrieve(task).status for task in tasks] == ["PENDING"] * MAX_CONCURRENT + ["THROTTLED"] * 2
    sandbox.http.delete(f"/v1/tasks/{tasks[0]}").raise_for_status()
    assert [sandbox.retrieve(task).status for task in tasks[-2:]] == ["PENDING", "THROTTLED"]
    sandbox.finish(tasks[1])
    assert sandbox.retrieve(tasks[-1]).status == "PENDING"


def test_the_limit_is_each_models_own(sandbox: Sandbox) -> None:
    for _ in range(MAX_CONCURRENT):
        sandbox.create()
    other = sandbox.post("image_to_video", model="gen4_turbo", promptImage=IMAGE, ratio="1280:720", duration=2)
    assert sandbox.retrieve(other.json()["id"]).status == "PENDING"


def test_a_waiting_task_has_an_estimate_and_no_progress(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=ThrottleTask(seconds=50)))
    body = sandbox.http.get(f"/v1/tasks/{sandbox.create()}").json()
    assert sorted(body) == ["createdAt", "estimatedCost", "id", "status"]


def test_a_task_may_be_held_back_for_a_while(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=ThrottleTask(seconds=50)))
    task = sandbox.create()
    sandbox.clock.now += 49
    assert sandbox.retrieve(task).status == "THROTTLED"
    sandbox.clock.now += 1
    assert sandbox.retrieve(task).status == "PENDING"
    assert sandbox.finish(task).status == "SUCCEEDED"


@pytest.mark.parametrize(("age_seconds", "cost_credits"), [(0.0, 0), (RENDER_SECONDS / 2, 24)])
def test_a_cancelled_task_is_gone_and_paid_back_unless_it_ran(
    sandbox: Sandbox, age_seconds: float, cost_credits: int
) -> None:
    balance = sandbox.read_balance()
    task = sandbox.create()
    sandbox.clock.now += age_seconds
    assert sandbox.http.delete(f"/v1/tasks/{task}").status_code == 204
    assert sandbox.http.get(f"/v1/tasks/{task}").status_code == 404
    assert sandbox.http.delete(f"/v1/tasks/{task}").status_code == 404
    assert balance - sandbox.read_balance() == cost_credits
    assert sandbox.read_calls().in_flight == 0


def test_a_deleted_task_takes_its_output_along_and_stays_paid(sandbox: Sandbox) -> None:
    balance = sandbox.read_balance()
    finished = sandbox.create_finished()
    assert sandbox.http.delete(f"/v1/tasks/{finished.id}").status_code == 204
    assert sandbox.http.get(f"/v1/tasks/{finished.id}").status_code == 404
    assert sandbox.fetch(finished).status_code == 404
    assert balance - sandbox.read_balance() == 24


def test_the_organization_tells_its_limits_and_what_it_used(sandbox: Sandbox) -> None:
    sandbox.create()
    organization = sandbox.http.get("/v1/organization").json()
    assert organization["tier"]["models"]["gen4.5"]["maxConcurrentGenerations"] == MAX_CONCURRENT
    assert organization["usage"]["models"]["gen4.5"] == {"dailyGenerations": 1}
    sandbox.clock.now += 24 * 3600
    organization = sandbox.http.get("/v1/organization").json()
    assert organization["usage"]["models"]["gen4.5"] == {"dailyGenerations": 0}


def test_an_output_is_an_address_on_this_server_that_looks_signed(sandbox: Sandbox) -> None:
    finished = sandbox.create_finished()
    url = httpx.URL(finished.output[0])
    assert str(url).startswith(f"{sandbox.base_url}/outputs/{finished.id}/0.mp4?_jwt=")
    assert len(url.params["_jwt"].split(".")) == 3


def test_an_output_has_its_type_and_length(sandbox: Sandbox) -> None:
    reply = sandbox.fetch(sandbox.create_finished())
    assert (reply.status_code, reply.headers["content-type"]) == (200, "video/mp4")
    assert int(reply.headers["content-length"]) == len(reply.content) > 0


def test_a_key_sent_to_an_output_is_refused(sandbox: Sandbox) -> None:
    finished = sandbox.create_finished()
    reply = sandbox.fetch(finished, Authorization=HEADERS["authorization"])
    assert (reply.status_code, "key_" in read_error(reply)) == (400, False)
    assert sandbox.read_calls().calls[-1].status == 400


def test_an_output_needs_its_own_token(sandbox: Sandbox) -> None:
    first, second = sandbox.create_finished(), sandbox.create_finished()
    url = httpx.URL(first.output[0])
    others = httpx.URL(second.output[0]).params["_jwt"]
    for token in (None, "", others, url.params["_jwt"] + "x"):
        params = {} if token is None else {"_jwt": token}
        assert sandbox.keyless.get(url.copy_with(params=params)).status_code == 403


def test_an_output_expires_and_the_task_gives_a_fresh_one(sandbox: Sandbox) -> None:
    finished = sandbox.create_finished()
    sandbox.clock.now += OUTPUT_LIFETIME_SECONDS - 1
    assert sandbox.fetch(finished).status_code == 200
    sandbox.clock.now += 1
    assert sandbox.fetch(finished).status_code == 403
    assert sandbox.fetch(sandbox.retrieve(finished.id)).status_code == 200


def test_an_output_may_be_expired_early_and_the_task_gives_a_fresh_one(sandbox: Sandbox) -> None:
    finished = sandbox.create_finished()
    sandbox.add_fault(OnContent(times=1, action=ExpiredUrl()))
    assert [sandbox.fetch(finished).status_code for _ in range(2)] == [403, 403]
    assert sandbox.fetch(sandbox.retrieve(finished.id)).status_code == 200


def test_a_range_with_the_right_etag_is_the_rest_also_at_a_fresh_address(sandbox: Sandbox) -> None:
    finished = sandbox.create_finished()
    whole = sandbox.fetch(finished)
    etag, size = whole.headers["etag"], len(whole.content)
    rest = sandbox.fetch(sandbox.retrieve(finished.id), Range="bytes=1000-", **{"If-Range": etag})
    assert not etag.startswith("W/")
    assert (rest.status_code, rest.headers["content-range"]) == (206, f"bytes 1000-{size - 1}/{size}")
    assert rest.content == whole.content[1000:]


def test_a_range_with_another_etag_is_the_whole(sandbox: Sandbox) -> None:
    finished = sandbox.create_finished()
    reply = sandbox.fetch(finished, Range="bytes=1000-", **{"If-Range": '"another"'})
    assert (reply.status_code, reply.content) == (200, sandbox.fetch(finished).content)


def test_a_call_is_told_with_its_status_and_a_create_with_its_task(sandbox: Sandbox) -> None:
    finished = sandbox.create_finished()
    sandbox.fetch(finished)
    create, *retrieves, fetch = sandbox.read_calls().calls
    assert (create.method, create.path, create.status) == ("POST", "/v1/text_to_video", 200)
    assert (create.video_id, create.prompt, create.input_reference) == (finished.id, "A cat", False)
    assert (retrieves[0].method, retrieves[0].status, retrieves[0].video_id) == ("GET", 200, finished.id)
    assert (fetch.path, fetch.status, fetch.video_id) == (f"/outputs/{finished.id}/0.mp4", 200, finished.id)


def test_tasks_in_flight_are_counted(sandbox: Sandbox) -> None:
    sandbox.create()
    sandbox.finish(sandbox.create())
    sandbox.create()
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.in_flight, log.most_in_flight) == (3, 1, 2)


def test_a_reset_forgets_tasks_faults_and_calls(sandbox: Sandbox) -> None:
    task = sandbox.create()
    sandbox.add_fault(OnCreate(action=Drop()))
    sandbox.keyless.post("/_sandbox/reset").raise_for_status()
    assert sandbox.read_calls() == CallLog(calls=(), creates_accepted=0, in_flight=0, most_in_flight=0)
    assert sandbox.http.get(f"/v1/tasks/{task}").status_code == 404
    assert sandbox.retrieve(sandbox.create()).status == "PENDING"


def test_a_scripted_answer_goes_out_with_its_headers_and_nothing_is_accepted(sandbox: Sandbox) -> None:
    sandbox.add_fault(
        OnCreate(times=1, action=Respond(status=429, headers={"Retry-After": "7"}, body={"error": "Slow."}))
    )
    refused = sandbox.post("text_to_video", **TEXT)
    assert (refused.status_code, refused.headers["retry-after"], read_error(refused)) == (429, "7", "Slow.")
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.calls[0].prompt, log.calls[0].video_id) == (0, "A cat", None)
    assert sandbox.post("text_to_video", **TEXT).status_code == 200


def test_a_fault_plays_on_the_prompts_it_matches(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(match="dog", action=Respond(status=503)))
    replies = [sandbox.post("text_to_video", **{**TEXT, "promptText": prompt}) for prompt in ("A cat", "A dog")]
    assert [reply.status_code for reply in replies] == [200, 503]


def test_cleared_faults_play_no_more(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Respond(status=503)))
    sandbox.keyless.delete("/_sandbox/faults").raise_for_status()
    assert sandbox.post("text_to_video", **TEXT).status_code == 200


def test_a_dropped_create_is_not_accepted(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Drop()))
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.post("text_to_video", **TEXT)
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.calls[0].status) == (0, None)


def test_a_create_accepted_and_then_dropped_left_a_task(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=AcceptThenDrop()))
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.post("text_to_video", **TEXT)
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.calls[0].status) == (1, None)
    assert sandbox.retrieve(str(log.calls[0].video_id)).status == "PENDING"


def test_a_create_accepted_and_then_answered_with_500_left_a_task(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=AcceptThenRespond(status=500)))
    assert sandbox.post("text_to_video", **TEXT).status_code == 500
    assert sandbox.read_calls().creates_accepted == 1


def test_a_client_that_gives_up_on_a_late_answer_left_a_task(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Delay(seconds=0.3)))
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.post("/v1/text_to_video", json=TEXT, timeout=0.1)
    assert sandbox.read_calls().creates_accepted == 1


@pytest.mark.parametrize(
    ("failure_code", "cost_credits"),
    [
        ("SAFETY.INPUT.TEXT", 24),
        ("INPUT_PREPROCESSING.SAFETY.TEXT", 24),
        ("ASSET.INVALID", 0),
        ("INTERNAL.BAD_OUTPUT", 0),
        (None, 0),
    ],
)
def test_a_failing_task_tells_why_and_only_a_blocked_one_is_charged(
    sandbox: Sandbox, failure_code: str | None, cost_credits: int
) -> None:
    sandbox.add_fault(OnCreate(action=FailTask(failure="It went wrong.", failure_code=failure_code)))
    task = sandbox.create()
    sandbox.clock.now += RENDER_SECONDS / 2
    assert sandbox.retrieve(task).status == "RUNNING"
    sandbox.finish(task)
    body = sandbox.http.get(f"/v1/tasks/{task}").json()
    assert (body["status"], body["failure"], body["failureCode"]) == ("FAILED", "It went wrong.", failure_code)
    assert body["cost"] == {"credits": cost_credits}
    assert "output" not in body


def test_a_failure_may_be_scripted_as_runway_spells_it(sandbox: Sandbox) -> None:
    action = {"type": "fail", "failure": "Blocked.", "failureCode": "SAFETY.OUTPUT.VIDEO"}
    script = {"rules": [{"on": "create", "action": action}]}
    sandbox.keyless.post("/_sandbox/faults", json=script).raise_for_status()
    assert sandbox.create_finished().failure_code == "SAFETY.OUTPUT.VIDEO"


def test_a_task_may_never_finish(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=NeverFinish()))
    task = sandbox.create()
    sandbox.clock.now += 1000 * RENDER_SECONDS
    assert (sandbox.retrieve(task).status, sandbox.retrieve(task).progress) == ("RUNNING", 0.99)


def test_a_task_may_be_cancelled_by_somebody_else(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=CancelTask()))
    cancelled = sandbox.create_finished()
    assert (cancelled.status, cancelled.cost, cancelled.output) == ("CANCELLED", Cost(credits=24), ())


def test_a_status_may_be_any_word(sandbox: Sandbox) -> None:
    task = sandbox.create()
    sandbox.add_fault(OnRetrieve(times=1, action=ShowStatus(status="ARCHIVED")))
    assert [sandbox.retrieve(task).status for _ in range(2)] == ["ARCHIVED", "PENDING"]


def test_a_retrieve_may_be_answered_otherwise_dropped_or_late(sandbox: Sandbox) -> None:
    task = sandbox.create()
    sandbox.add_fault(OnRetrieve(times=1, action=Respond(status=502)))
    sandbox.add_fault(OnRetrieve(times=1, action=Drop()))
    sandbox.add_fault(OnRetrieve(times=1, action=Delay(seconds=0.3)))
    assert sandbox.http.get(f"/v1/tasks/{task}").status_code == 502
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.http.get(f"/v1/tasks/{task}")
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.get(f"/v1/tasks/{task}", timeout=0.1)


def read_until_it_breaks(sandbox: Sandbox, seen: Seen, timeout_seconds: float = 10) -> tuple[httpx.Response, bytes]:
    """Read a body up to the point where the connection fails, which it must."""
    received = io.BytesIO()
    with sandbox.keyless.stream("GET", seen.output[0], timeout=timeout_seconds) as reply:
        with pytest.raises(httpx.TransportError):
            received.writelines(reply.iter_raw())
        return reply, received.getvalue()


def test_a_cut_download_declares_its_whole_length_and_can_be_resumed(sandbox: Sandbox) -> None:
    finished = sandbox.create_finished()
    whole = sandbox.fetch(finished).content
    sandbox.add_fault(OnContent(times=1, action=Truncate(after_bytes=10_000)))
    reply, received = read_until_it_breaks(sandbox, finished)
    assert (int(reply.headers["content-length"]), received) == (len(whole), whole[:10_000])
    rest = sandbox.fetch(finished, Range="bytes=10000-", **{"If-Range": reply.headers["etag"]})
    assert received + rest.content == whole


def test_a_silently_cut_download_looks_whole(sandbox: Sandbox) -> None:
    finished = sandbox.create_finished()
    sandbox.add_fault(OnContent(times=1, action=TruncateSilently(after_bytes=1000)))
    reply = sandbox.fetch(finished)
    assert (reply.status_code, len(reply.content), "content-length" in reply.headers) == (200, 1000, False)


def test_a_stalled_download_sends_no_more(sandbox: Sandbox) -> None:
    finished = sandbox.create_finished()
    sandbox.add_fault(OnContent(times=1, action=Stall(after_bytes=1000, seconds=30)))
    _, received = read_until_it_breaks(sandbox, finished, timeout_seconds=0.2)
    assert len(received) == 1000


def test_a_download_may_be_a_page(sandbox: Sandbox) -> None:
    finished = sandbox.create_finished()
    sandbox.add_fault(OnContent(action=NotMp4()))
    reply = sandbox.fetch(finished)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_a_download_may_be_dropped_refused_or_late(sandbox: Sandbox) -> None:
    finished = sandbox.create_finished()
    sandbox.add_fault(OnContent(times=1, action=Drop()))
    sandbox.add_fault(OnContent(times=1, action=Respond(status=502)))
    sandbox.add_fault(OnContent(times=1, action=Delay(seconds=0.3)))
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.fetch(finished)
    assert sandbox.fetch(finished).status_code == 502
    with pytest.raises(httpx.ReadTimeout):
        sandbox.keyless.get(finished.output[0], timeout=0.1)


@pytest.mark.parametrize(
    "rule",
    [
        {"on": "create", "action": {"type": "explode"}},
        {"on": "delete", "action": {"type": "drop"}},
        {"on": "retrieve", "action": {"type": "expired_url"}},
        {"on": "create", "action": {"type": "throttled_for", "seconds": 0}},
        {"on": "create", "times": 0, "action": {"type": "drop"}},
    ],
)
def test_a_fault_that_cannot_be_played_is_refused(sandbox: Sandbox, rule: Body) -> None:
    assert sandbox.keyless.post("/_sandbox/faults", json={"rules": [rule]}).status_code == 400
    assert sandbox.post("text_to_video", **TEXT).status_code == 200


def test_the_process_prints_its_address_serves_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "sandbox.runway", "--port", "0", "--api-key", "key_other", "--max-concurrent", "9"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base_url = json.loads(process.stdout.readline())["base_url"]
            reply = httpx.get(f"{base_url}/v1/organization", headers=HEADERS | {"authorization": "Bearer key_other"})
            assert reply.json()["tier"]["models"]["gen4.5"]["maxConcurrentGenerations"] == 9
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=15) == -signal.SIGTERM
        finally:
            process.kill()
