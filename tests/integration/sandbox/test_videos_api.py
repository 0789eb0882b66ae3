"""Tests of the Videos API stand-in, over the loopback interface and with the real `openai` SDK."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import av
import httpx
import openai
import pytest
from PIL import Image
from pydantic import BaseModel
from starlette.testclient import TestClient

from sandbox.calls import CallLog
from sandbox.faults import (
    AcceptThenDrop,
    AcceptThenRespond,
    Delay,
    Drop,
    Fail,
    FaultScript,
    MoovLast,
    NeverFinish,
    NotMp4,
    OnContent,
    OnCreate,
    OnRetrieve,
    Respond,
    SglangVariant,
    ShowStatus,
    Stall,
    Truncate,
    TruncateSilently,
    VllmFailed,
)
from sandbox.render import RenderedVideo
from sandbox.serving import serve_in_thread
from sandbox.videos_api import create_app
from sandbox.videos_state import Job
from sandbox.videos_wire import CreateVideo, Video, VideoPage

# The SDK marks the whole Videos API as deprecated: OpenAI switched its own off.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

REPOSITORY = Path(__file__).parents[3]
RENDER_SECONDS = 100.0


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
        self.http = httpx.Client(base_url=base_url + "/", headers={"authorization": "Bearer sk-sandbox"}, timeout=10)
        self.steering = httpx.Client(base_url=base_url.removesuffix("/v1"), timeout=10)
        self.sdk = openai.OpenAI(base_url=base_url, api_key="sk-sandbox", max_retries=0)

    def close(self) -> None:
        for client in (self.http, self.steering, self.sdk):
            client.close()

    def add_fault(self, rule: OnCreate | OnRetrieve | OnContent) -> None:
        reply = self.steering.post("/_sandbox/faults", content=FaultScript(rules=(rule,)).model_dump_json())
        reply.raise_for_status()

    def read_calls(self) -> CallLog:
        return CallLog.model_validate_json(self.steering.get("/_sandbox/calls").content)

    def create(self, prompt: str = "A cat") -> Video:
        return parse(self.http.post("videos", json={"prompt": prompt}))

    def retrieve(self, video: Video) -> Video:
        return parse(self.http.get(f"videos/{video.id}"))

    def finish(self, video: Video) -> Video:
        """Let the time of a render pass, and wait until its file is really there."""
        self.clock.now += RENDER_SECONDS
        deadline = time.monotonic() + 30
        while (seen := self.retrieve(video)).status == "in_progress" and time.monotonic() < deadline:
            pass
        return seen

    def create_finished(self, prompt: str = "A cat") -> Video:
        return self.finish(self.create(prompt))

    def fetch(self, video: Video, query: str = "", **headers: str) -> httpx.Response:
        return self.http.get(f"videos/{video.id}/content{query}", headers=headers)


def parse(reply: httpx.Response) -> Video:
    assert reply.status_code == 200, reply.text
    return Video.model_validate_json(reply.content)


class Refusal(BaseModel):
    """The inner object of OpenAI's error envelope."""

    message: str
    type: str
    param: str | None
    code: str | None


def parse_refusal(reply: httpx.Response) -> Refusal:
    assert list(reply.json()) == ["error"]
    return Refusal.model_validate(reply.json()["error"])


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    clock = Clock()
    app = create_app(render_seconds=RENDER_SECONDS, clock=clock)
    with serve_in_thread(app) as base_url, closing(Sandbox(base_url, clock)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.steering.post("/_sandbox/reset").raise_for_status()
    return running


def test_the_sdk_creates_follows_and_downloads_a_playable_video(sandbox: Sandbox, tmp_path: Path) -> None:
    created = sandbox.sdk.videos.create(prompt="A cat", model="sora-2", seconds="4", size="1280x720")
    sandbox.finish(Video.model_validate(created.model_dump()))
    finished = sandbox.sdk.videos.poll(created.id)
    assert (created.status, finished.status, finished.progress) == ("queued", "completed", 100)
    sandbox.sdk.videos.download_content(created.id).write_to_file(tmp_path / "video.mp4")
    with av.open(str(tmp_path / "video.mp4")) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, sum(1 for _ in container.decode(video=0))) == (1280, 720, 96)


def test_a_create_and_a_retrieve_say_when_to_ask_again(sandbox: Sandbox) -> None:
    created = sandbox.http.post("videos", json={"prompt": "A cat"})
    retrieved = sandbox.http.get(f"videos/{created.json()['id']}")
    for reply in (created, retrieved):
        assert reply.headers["openai-poll-after-ms"] == str(int(RENDER_SECONDS * 100))


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_sdk_pages_through_a_list(sandbox: Sandbox, order: str) -> None:
    ids = [sandbox.create().id for _ in range(5)]
    listed = sandbox.sdk.videos.list(limit=2, order="asc" if order == "asc" else "desc")
    assert [video.id for video in listed] == (ids if order == "asc" else ids[::-1])
    assert len(sandbox.read_calls().calls) == 5 + 3


def test_the_sdk_deletes_a_finished_video(sandbox: Sandbox) -> None:
    video = sandbox.create_finished()
    deleted = sandbox.sdk.videos.delete(video.id)
    assert (deleted.id, deleted.deleted, deleted.object) == (video.id, True, "video.deleted")
    with pytest.raises(openai.NotFoundError):
        sandbox.sdk.videos.retrieve(video.id)


def test_the_sdk_remixes_a_finished_video(sandbox: Sandbox) -> None:
    source = sandbox.create_finished()
    remix = sandbox.sdk.videos.remix(source.id, prompt="The same cat, at night")
    assert (remix.remixed_from_video_id, remix.prompt) == (source.id, "The same cat, at night")
    assert (remix.seconds, remix.size, remix.model) == (source.seconds, source.size, source.model)


def test_the_sdk_sees_a_wrong_key_as_an_authentication_error(sandbox: Sandbox) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        openai.OpenAI(base_url=sandbox.base_url, api_key="sk-wrong", max_retries=0).videos.list()
    assert (refused.value.code, "sk-wrong" in refused.value.message) == ("invalid_api_key", False)


def test_a_call_without_a_key_is_refused(sandbox: Sandbox) -> None:
    reply = httpx.get(f"{sandbox.base_url}/videos")
    assert reply.status_code == 401
    assert "didn't provide an API key" in parse_refusal(reply).message


def test_a_created_video_has_every_field_of_the_reference(sandbox: Sandbox) -> None:
    body = sandbox.http.post("videos", json={"prompt": "A cat", "seconds": "8"}).json()
    assert body.pop("id").startswith("video_")
    assert body == {
        "object": "video",
        "status": "queued",
        "progress": 0,
        "model": "sora-2",
        "created_at": int(sandbox.clock.now),
        "completed_at": None,
        "expires_at": None,
        "seconds": "8",
        "size": "720x1280",
        "prompt": "A cat",
        "remixed_from_video_id": None,
        "error": None,
    }


def test_a_finished_video_expires_a_day_later(sandbox: Sandbox) -> None:
    video = sandbox.create_finished()
    assert video.completed_at is not None
    assert video.completed_at >= video.created_at + RENDER_SECONDS
    assert video.expires_at == video.completed_at + 24 * 3600


def test_a_create_answers_queued_however_fast_the_render_is() -> None:
    with TestClient(create_app(render_seconds=0), headers={"authorization": "Bearer sk-sandbox"}) as client:
        replies = [client.post("/v1/videos", json={"prompt": "A cat"}) for _ in range(2)]
    assert [reply.json()["status"] for reply in replies] == ["queued", "queued"]


def test_progress_rises_with_the_clock(sandbox: Sandbox) -> None:
    video = sandbox.create()
    seen = []
    for _ in range(4):
        sandbox.clock.now += RENDER_SECONDS / 5
        seen.append(sandbox.retrieve(video))
    assert [(v.status, v.progress) for v in seen] == [("in_progress", percent) for percent in (20, 40, 60, 80)]


def test_a_job_is_not_completed_before_its_file_exists() -> None:
    render: Future[RenderedVideo] = Future()
    job = Job("video_1", CreateVideo(prompt="A cat"), 0.0, render, None, None)
    late = job.describe(now=1000, render_seconds=10)
    assert (late.status, late.progress) == ("in_progress", 99)
    render.set_result(RenderedVideo(Path("clip.mp4"), finished_at=1001))
    assert job.describe(now=1002, render_seconds=10).completed_at == 1001


def test_a_page_of_the_list_names_its_ends(sandbox: Sandbox) -> None:
    first, second = sandbox.create(), sandbox.create()
    page = VideoPage.model_validate_json(sandbox.http.get("videos?limit=1").content)
    assert (page.first_id, page.last_id, page.has_more) == (second.id, second.id, True)
    last_page = VideoPage.model_validate_json(sandbox.http.get(f"videos?after={second.id}").content)
    assert (last_page.first_id, last_page.last_id, last_page.has_more) == (first.id, first.id, False)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "prompt", "missing_required_parameter"),
        ({"prompt": ""}, "prompt", "string_below_min_length"),
        ({"prompt": "x" * 32_001}, "prompt", "string_above_max_length"),
        ({"prompt": "A cat", "seconds": "5"}, "seconds", "invalid_value"),
        ({"prompt": "A cat", "seconds": 4}, "seconds", "invalid_type"),
        ({"prompt": "A cat", "size": "640x480"}, "size", "invalid_value"),
        ({"prompt": "A cat", "size": "1024x1792"}, "size", "invalid_value"),
        ({"prompt": "A cat", "quality": "high"}, "quality", "unknown_parameter"),
    ],
)
def test_a_wrong_field_is_refused_by_name(sandbox: Sandbox, body: dict[str, str], param: str, code: str) -> None:
    reply = sandbox.http.post("videos", json=body)
    refusal = parse_refusal(reply)
    assert (reply.status_code, refusal.param, refusal.code) == (400, param, code)
    assert sandbox.read_calls().creates_accepted == 0


def test_the_longest_prompt_is_accepted(sandbox: Sandbox) -> None:
    assert sandbox.create("x" * 32_000).status == "queued"


@pytest.mark.parametrize("model", ["sora-2-pro", "sora-2-pro-2025-10-06"])
def test_the_large_sizes_belong_to_pro(sandbox: Sandbox, model: str) -> None:
    reply = sandbox.http.post("videos", json={"prompt": "A cat", "model": model, "size": "1792x1024"})
    assert parse(reply).size == "1792x1024"


def test_an_unknown_model_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        sandbox.sdk.videos.create(prompt="A cat", model="sora-3")
    assert refused.value.code == "model_not_found"


@pytest.mark.parametrize("body", ["{", "[]", '"text"'])
def test_a_body_that_is_no_json_object_is_refused(sandbox: Sandbox, body: str) -> None:
    reply = sandbox.http.post("videos", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400
    assert parse_refusal(reply).message.startswith("The body of the request is not")


def test_another_content_type_is_refused(sandbox: Sandbox) -> None:
    reply = sandbox.http.post("videos", data={"prompt": "A cat"})
    assert (reply.status_code, parse_refusal(reply).code) == (400, "unsupported_content_type")


def test_a_running_video_is_not_deleted(sandbox: Sandbox) -> None:
    video = sandbox.create()
    reply = sandbox.http.delete(f"videos/{video.id}")
    assert reply.status_code == 400
    parse_refusal(reply)
    assert sandbox.retrieve(video).status == "queued"


def test_a_running_video_is_not_remixed(sandbox: Sandbox) -> None:
    reply = sandbox.http.post(f"videos/{sandbox.create().id}/remix", json={"prompt": "More"})
    assert reply.status_code == 404
    assert sandbox.read_calls().creates_accepted == 1


@pytest.mark.parametrize("path", ["videos/video_x", "videos/video_x/content", "images"])
def test_what_does_not_exist_is_not_found(sandbox: Sandbox, path: str) -> None:
    reply = sandbox.http.get(path)
    assert reply.status_code == 404
    parse_refusal(reply)


def test_a_wrong_method_is_refused_in_the_envelope(sandbox: Sandbox) -> None:
    reply = sandbox.http.put("videos", json={})
    assert reply.status_code == 405
    parse_refusal(reply)


@pytest.mark.parametrize("query", ["limit=101", "limit=-1", "limit=x", "order=up", "after=video_x", "page=2"])
def test_a_wrong_list_query_is_refused(sandbox: Sandbox, query: str) -> None:
    reply = sandbox.http.get(f"videos?{query}")
    assert (reply.status_code, parse_refusal(reply).param) == (400, query.partition("=")[0])


def draw_png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


def test_an_uploaded_image_of_the_videos_size_is_taken(sandbox: Sandbox) -> None:
    sandbox.sdk.videos.create(prompt="A cat", input_reference=("cat.png", draw_png(720, 1280), "image/png"))
    assert sandbox.read_calls().calls[0].input_reference


@pytest.mark.parametrize(
    ("content", "content_type", "message"),
    [
        (draw_png(720, 720), "image/png", "must match the requested width and height"),
        (draw_png(720, 1280), "image/gif", "unsupported mimetype"),
        (b"no image", "image/png", "Invalid image file"),
    ],
)
def test_an_unfit_image_is_refused(sandbox: Sandbox, content: bytes, content_type: str, message: str) -> None:
    with pytest.raises(openai.BadRequestError, match=message) as refused:
        sandbox.sdk.videos.create(prompt="A cat", input_reference=("cat.png", content, content_type))
    assert refused.value.param == "input_reference"


def test_an_image_may_come_as_an_address_in_a_form_field(sandbox: Sandbox) -> None:
    link = {"image_url": "https://example.com/cat.png"}
    sandbox.sdk.videos.create(prompt="A cat", extra_body={"input_reference": link})
    assert sandbox.read_calls().calls[0].input_reference


def test_an_unknown_file_part_is_refused(sandbox: Sandbox) -> None:
    reply = sandbox.http.post("videos", files={"prompt": (None, "A cat"), "audio": ("a.mp3", b"x")})
    assert (reply.status_code, parse_refusal(reply).param) == (400, "audio")


@pytest.mark.parametrize(
    ("query", "content_type"),
    [
        ("", "video/mp4"),
        ("?variant=video", "video/mp4"),
        ("?variant=thumbnail", "image/webp"),
        ("?variant=spritesheet", "image/jpeg"),
    ],
)
def test_each_variant_has_its_type_and_length(sandbox: Sandbox, query: str, content_type: str) -> None:
    reply = sandbox.fetch(sandbox.create_finished(), query)
    assert (reply.status_code, reply.headers["content-type"]) == (200, content_type)
    assert int(reply.headers["content-length"]) == len(reply.content) > 0


def test_content_is_not_found_before_the_video_is_completed(sandbox: Sandbox) -> None:
    reply = sandbox.fetch(sandbox.create())
    assert reply.status_code == 404
    assert "not ready" in parse_refusal(reply).message


def test_an_unknown_variant_is_refused(sandbox: Sandbox) -> None:
    reply = sandbox.fetch(sandbox.create_finished(), "?variant=gif")
    assert (reply.status_code, parse_refusal(reply).param) == (400, "variant")


def test_a_range_with_the_right_etag_is_the_rest(sandbox: Sandbox) -> None:
    video = sandbox.create_finished()
    whole = sandbox.fetch(video)
    etag, size = whole.headers["etag"], len(whole.content)
    rest = sandbox.fetch(video, Range="bytes=1000-", **{"If-Range": etag})
    assert whole.headers["accept-ranges"] == "bytes"
    assert not etag.startswith("W/")
    assert (rest.status_code, rest.headers["content-range"]) == (206, f"bytes 1000-{size - 1}/{size}")
    assert rest.content == whole.content[1000:]


def test_a_range_with_another_etag_is_the_whole(sandbox: Sandbox) -> None:
    video = sandbox.create_finished()
    reply = sandbox.fetch(video, Range="bytes=1000-", **{"If-Range": '"another"'})
    assert (reply.status_code, reply.content) == (200, sandbox.fetch(video).content)


def test_a_range_beyond_the_end_is_not_satisfiable(sandbox: Sandbox) -> None:
    assert sandbox.fetch(sandbox.create_finished(), Range="bytes=999999999-").status_code == 416


def test_every_reply_carries_its_own_request_id(sandbox: Sandbox) -> None:
    replies = [sandbox.http.get("videos"), sandbox.http.get("videos/video_x"), httpx.get(f"{sandbox.base_url}/videos")]
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert len(set(ids)) == 3
    assert [call.request_id for call in sandbox.read_calls().calls] == ids


def test_a_call_is_told_with_its_status_and_a_create_with_its_job(sandbox: Sandbox) -> None:
    video = sandbox.create("A cat")
    sandbox.retrieve(video)
    create, retrieve = sandbox.read_calls().calls
    assert (create.method, create.path, create.status) == ("POST", "/v1/videos", 200)
    assert (create.video_id, create.prompt, create.input_reference) == (video.id, "A cat", False)
    assert (retrieve.method, retrieve.status, retrieve.video_id) == ("GET", 200, video.id)


def test_jobs_in_flight_are_counted(sandbox: Sandbox) -> None:
    sandbox.create()
    sandbox.finish(sandbox.create())
    sandbox.create()
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.in_flight, log.most_in_flight) == (3, 1, 2)


def test_a_reset_forgets_jobs_faults_and_calls(sandbox: Sandbox) -> None:
    video = sandbox.create()
    sandbox.add_fault(OnCreate(action=Drop()))
    sandbox.steering.post("/_sandbox/reset").raise_for_status()
    assert sandbox.read_calls() == CallLog(calls=(), creates_accepted=0, in_flight=0, most_in_flight=0)
    assert sandbox.http.get(f"videos/{video.id}").status_code == 404
    assert sandbox.create().status == "queued"


def test_a_scripted_answer_goes_out_with_its_headers_and_nothing_is_accepted(sandbox: Sandbox) -> None:
    error = {"error": {"message": "Slow down.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}
    sandbox.add_fault(OnCreate(action=Respond(status=429, headers={"Retry-After": "7"}, body=error)))
    with pytest.raises(openai.RateLimitError) as refused:
        sandbox.sdk.videos.create(prompt="A cat")
    assert (refused.value.response.headers["retry-after"], refused.value.code) == ("7", "rate_limit_exceeded")
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.calls[0].prompt, log.calls[0].video_id) == (0, "A cat", None)


def test_a_scripted_body_may_be_garbage(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Respond(status=200, body="<html>")))
    reply = sandbox.http.post("videos", json={"prompt": "A cat"})
    assert (reply.status_code, reply.text) == (200, "<html>")


def test_a_fault_plays_as_often_as_it_says(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(times=2, action=Respond(status=503)))
    statuses = [sandbox.http.post("videos", json={"prompt": "A cat"}).status_code for _ in range(3)]
    assert statuses == [503, 503, 200]


def test_a_fault_plays_on_the_prompts_it_matches(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(match="dog", action=Respond(status=503)))
    replies = [sandbox.http.post("videos", json={"prompt": prompt}) for prompt in ("A cat", "A dog")]
    assert [reply.status_code for reply in replies] == [200, 503]


def test_a_fault_plays_on_its_own_kind_of_call(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnRetrieve(action=Respond(status=503)))
    assert sandbox.create().status == "queued"


def test_cleared_faults_play_no_more(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Respond(status=503)))
    sandbox.steering.delete("/_sandbox/faults").raise_for_status()
    assert sandbox.create().status == "queued"


def test_a_remix_meets_the_faults_of_a_create(sandbox: Sandbox) -> None:
    source = sandbox.create_finished()
    sandbox.add_fault(OnCreate(match="night", action=Respond(status=503)))
    assert sandbox.http.post(f"videos/{source.id}/remix", json={"prompt": "At night"}).status_code == 503
    assert sandbox.read_calls().calls[-1].video_id is None


def test_a_dropped_create_is_not_accepted(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Drop()))
    with pytest.raises(openai.APIConnectionError):
        sandbox.sdk.videos.create(prompt="A cat")
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.calls[0].status) == (0, None)


def test_a_dropped_connection_is_no_error_of_the_server(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    sandbox.add_fault(OnCreate(action=Drop()))
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.http.post("videos", json={"prompt": "A cat"})
    sandbox.read_calls()
    assert [record for record in caplog.records if record.name == "uvicorn.error"] == []


def test_a_create_accepted_and_then_dropped_left_a_job(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(times=1, action=AcceptThenDrop()))
    with pytest.raises(openai.APIConnectionError):
        sandbox.sdk.videos.create(prompt="A cat")
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.calls[0].status) == (1, None)
    assert [video.id for video in sandbox.sdk.videos.list()] == [log.calls[0].video_id]


def test_a_create_accepted_and_then_answered_with_500_left_a_job(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=AcceptThenRespond(status=500)))
    with pytest.raises(openai.InternalServerError):
        sandbox.sdk.videos.create(prompt="A cat")
    assert sandbox.read_calls().creates_accepted == 1


def test_a_client_that_gives_up_on_a_late_answer_left_a_job(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Delay(seconds=0.3)))
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.post("videos", json={"prompt": "A cat"}, timeout=0.1)
    assert sandbox.read_calls().creates_accepted == 1


def test_a_late_answer_comes(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Delay(seconds=0.1)))
    started = time.monotonic()
    assert sandbox.create().status == "queued"
    assert time.monotonic() - started >= 0.1


def test_a_failing_job_tells_why(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Fail(code="moderation_blocked", message="Blocked.")))
    failed = sandbox.create_finished()
    assert failed.error is not None
    assert (failed.status, failed.error.code, failed.error.message) == ("failed", "moderation_blocked", "Blocked.")
    assert sandbox.fetch(failed).status_code == 404


def test_a_failed_video_is_deleted(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Fail()))
    assert sandbox.sdk.videos.delete(sandbox.create_finished().id).deleted


def test_a_job_may_never_finish(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=NeverFinish()))
    video = sandbox.create()
    sandbox.clock.now += 1000 * RENDER_SECONDS
    assert (sandbox.retrieve(video).status, sandbox.retrieve(video).progress) == ("in_progress", 99)


def test_a_clip_may_have_its_index_last(sandbox: Sandbox) -> None:
    first = sandbox.fetch(sandbox.create_finished()).content
    sandbox.add_fault(OnCreate(action=MoovLast()))
    last = sandbox.fetch(sandbox.create_finished()).content
    assert first.index(b"moov") < first.index(b"mdat")
    assert last.index(b"moov") > last.index(b"mdat")


def test_a_failed_job_of_vllm_is_the_body_of_an_error(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=VllmFailed(status=503, code=503, message="The engine died.")))
    video = sandbox.create()
    sandbox.clock.now += RENDER_SECONDS / 2
    assert sandbox.retrieve(video).status == "in_progress"
    sandbox.clock.now += RENDER_SECONDS
    deadline = time.monotonic() + 30
    while (reply := sandbox.http.get(f"videos/{video.id}")).status_code == 200 and time.monotonic() < deadline:
        pass
    body = reply.json()
    assert (reply.status_code, body["id"], body["status"]) == (503, video.id, "failed")
    assert body["error"] == {"code": 503, "message": "The engine died."}


def test_a_status_may_be_any_word(sandbox: Sandbox) -> None:
    video = sandbox.create()
    sandbox.add_fault(OnRetrieve(times=1, action=ShowStatus(status="processing")))
    assert sandbox.http.get(f"videos/{video.id}").json()["status"] == "processing"
    assert sandbox.retrieve(video).status == "queued"


def test_a_retrieve_may_be_gone(sandbox: Sandbox) -> None:
    video = sandbox.create()
    sandbox.add_fault(OnRetrieve(action=Respond(status=410)))
    assert sandbox.http.get(f"videos/{video.id}").status_code == 410


def test_a_retrieve_may_be_dropped(sandbox: Sandbox) -> None:
    video = sandbox.create()
    sandbox.add_fault(OnRetrieve(times=1, action=Drop()))
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.http.get(f"videos/{video.id}")
    assert sandbox.retrieve(video).status == "queued"


def test_a_retrieve_may_be_late(sandbox: Sandbox) -> None:
    video = sandbox.create()
    sandbox.add_fault(OnRetrieve(times=1, action=Delay(seconds=0.3)))
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.get(f"videos/{video.id}", timeout=0.1)


def read_until_it_breaks(sandbox: Sandbox, video: Video, timeout_seconds: float = 10) -> tuple[httpx.Response, bytes]:
    """Read a body up to the point where the connection fails, which it must."""
    received = io.BytesIO()
    with sandbox.http.stream("GET", f"videos/{video.id}/content", timeout=timeout_seconds) as reply:
        with pytest.raises(httpx.TransportError):
            received.writelines(reply.iter_raw())
        return reply, received.getvalue()


def test_a_cut_download_declares_its_whole_length_and_can_be_resumed(sandbox: Sandbox) -> None:
    video = sandbox.create_finished()
    whole = sandbox.fetch(video).content
    sandbox.add_fault(OnContent(times=1, action=Truncate(after_bytes=70_000)))
    reply, received = read_until_it_breaks(sandbox, video)
    assert (int(reply.headers["content-length"]), received) == (len(whole), whole[:70_000])
    rest = sandbox.fetch(video, Range="bytes=70000-", **{"If-Range": reply.headers["etag"]})
    assert received + rest.content == whole


def test_a_silently_cut_download_looks_whole(sandbox: Sandbox) -> None:
    video = sandbox.create_finished()
    sandbox.add_fault(OnContent(times=1, action=TruncateSilently(after_bytes=1000)))
    reply = sandbox.fetch(video)
    assert (reply.status_code, len(reply.content), "content-length" in reply.headers) == (200, 1000, False)


def test_a_stalled_download_sends_no_more(sandbox: Sandbox) -> None:
    video = sandbox.create_finished()
    sandbox.add_fault(OnContent(times=1, action=Stall(after_bytes=1000, seconds=30)))
    started = time.monotonic()
    _, received = read_until_it_breaks(sandbox, video, timeout_seconds=0.2)
    assert len(received) == 1000
    assert 0.2 <= time.monotonic() - started < 10


def test_a_stalled_download_breaks_in_the_end(sandbox: Sandbox) -> None:
    video = sandbox.create_finished()
    sandbox.add_fault(OnContent(times=1, action=Stall(after_bytes=1000, seconds=0.2)))
    started = time.monotonic()
    _, received = read_until_it_breaks(sandbox, video)
    assert len(received) == 1000
    assert time.monotonic() - started >= 0.2


def test_a_download_may_be_a_page(sandbox: Sandbox) -> None:
    video = sandbox.create_finished()
    sandbox.add_fault(OnContent(action=NotMp4()))
    reply = sandbox.fetch(video)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_a_download_may_be_dropped_refused_or_late(sandbox: Sandbox) -> None:
    video = sandbox.create_finished()
    sandbox.add_fault(OnContent(times=1, action=Drop()))
    sandbox.add_fault(OnContent(times=1, action=Respond(status=502)))
    sandbox.add_fault(OnContent(times=1, action=Delay(seconds=0.3)))
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.fetch(video)
    assert sandbox.fetch(video).status_code == 502
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.get(f"videos/{video.id}/content", timeout=0.1)


def test_sglang_knows_no_named_variant(sandbox: Sandbox) -> None:
    video = sandbox.create_finished()
    sandbox.add_fault(OnContent(action=SglangVariant()))
    assert sandbox.fetch(video, "?variant=video").status_code == 404
    assert sandbox.fetch(video).status_code == 200


@pytest.mark.parametrize(
    "rule",
    [
        {"on": "create", "action": {"type": "explode"}},
        {"on": "delete", "action": {"type": "drop"}},
        {"on": "retrieve", "action": {"type": "truncate", "after_bytes": 1}},
        {"on": "create", "action": {"type": "drop", "after": 1}},
        {"on": "create", "times": 0, "action": {"type": "drop"}},
        {"on": "create", "matches": "cat", "action": {"type": "drop"}},
    ],
)
def test_a_fault_that_cannot_be_played_is_refused(sandbox: Sandbox, rule: dict[str, str]) -> None:
    reply = sandbox.steering.post("/_sandbox/faults", json={"rules": [rule]})
    assert reply.status_code == 400
    assert sandbox.create().status == "queued"


def test_a_dropped_connection_needs_the_loopback_server() -> None:
    with TestClient(create_app(), headers={"authorization": "Bearer sk-sandbox"}) as client:
        client.post("/_sandbox/faults", json={"rules": [{"on": "create", "action": {"type": "drop"}}]})
        with pytest.raises(RuntimeError, match=r"serve the stand-in with sandbox\.serving"):
            client.post("/v1/videos", json={"prompt": "A cat"})


def test_the_process_prints_its_address_serves_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "sandbox.videos_api", "--port", "0", "--api-key", "sk-other"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base_url = json.loads(process.stdout.readline())["base_url"]
            reply = httpx.get(f"{base_url}/videos", headers={"authorization": "Bearer sk-other"})
            assert (reply.status_code, reply.json()["data"]) == (200, [])
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=15) == -signal.SIGTERM
        finally:
            process.kill()
