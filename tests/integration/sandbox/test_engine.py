"""What every stand-in has from its engine: faults by script, a record of calls, jobs that take time, a command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox import fal, videos_api
from sandbox.cloud import ROOT
from sandbox.serving import serve_in_thread

KEY = {"authorization": "Bearer sk-sandbox"}
RENDER_SECONDS = 100.0

Json = dict[str, Any]


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class StandIn:
    """A running stand-in and its control."""

    def __init__(self, origin: str, clock: Clock) -> None:
        self.clock = clock
        self.http = httpx.Client(base_url=origin, headers=KEY, timeout=10)

    def add_fault(self, on: str, action: Json, *, match: str = "", times: int | None = None) -> httpx.Response:
        rule = {"on": on, "match": match, "times": times, "action": action}
        return self.http.post("/_sandbox/faults", json={"rules": [rule]})

    def send(self, prompt: str = "A kite") -> httpx.Response:
        return self.http.post("/v1/videos", json={"prompt": prompt})

    def create(self, prompt: str = "A kite") -> str:
        video_id = self.send(prompt).json()["id"]
        assert isinstance(video_id, str)
        return video_id

    def retrieve(self, video_id: str) -> Json:
        video: Json = self.http.get(f"/v1/videos/{video_id}").json()
        return video

    def create_finished(self, prompt: str = "A kite") -> str:
        """Let the time of a render pass, and wait until its clip is really there."""
        video_id = self.create(prompt)
        self.clock.now += RENDER_SECONDS
        self.wait_for_clip(video_id)
        return video_id

    def wait_for_clip(self, video_id: str) -> None:
        deadline = time.monotonic() + 30
        while self.http.get(f"/v1/videos/{video_id}").json()["status"] == "in_progress":
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def read_calls(self) -> Json:
        calls: Json = self.http.get("/_sandbox/calls").json()
        return calls


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    clock = Clock()
    with serve_in_thread(videos_api.create_app(render_seconds=RENDER_SECONDS, clock=clock), base_path="") as origin:
        yield StandIn(origin, clock)


@pytest.fixture
def stand_in(running: StandIn) -> StandIn:
    running.http.post("/_sandbox/reset").raise_for_status()
    return running


def test_a_job_is_queued_then_in_progress_then_completed_by_the_clock(stand_in: StandIn) -> None:
    video_id = stand_in.create()

    seen = []
    for seconds in (0, 10, 0.1, 89.8):
        stand_in.clock.now += seconds
        seen.append((stand_in.retrieve(video_id)["status"], stand_in.retrieve(video_id)["progress"]))
    assert seen == [("queued", 0), ("queued", 0), ("in_progress", 10), ("in_progress", 99)]
    stand_in.clock.now += 1
    stand_in.wait_for_clip(video_id)
    assert (stand_in.retrieve(video_id)["status"], stand_in.retrieve(video_id)["progress"]) == ("completed", 100)


def test_a_call_is_recorded_with_its_status_and_a_create_with_its_job(stand_in: StandIn) -> None:
    video_id = stand_in.create("Recorded")
    stand_in.http.get("/v1/videos/unknown")

    create, retrieve = stand_in.read_calls()["calls"]
    assert (create["status"], create["prompt"], create["video_id"]) == (200, "Recorded", video_id)
    assert (retrieve["method"], retrieve["path"], retrieve["status"]) == ("GET", "/v1/videos/unknown", 404)


def test_jobs_are_counted(stand_in: StandIn) -> None:
    for _ in range(2):
        stand_in.create()
    stand_in.create_finished()

    counts = {name: count for name, count in stand_in.read_calls().items() if name != "calls"}
    assert counts == {"creates_accepted": 3, "in_flight": 0, "most_in_flight": 3}


def test_a_reset_forgets_jobs_faults_and_calls(stand_in: StandIn) -> None:
    video_id = stand_in.create()
    stand_in.add_fault("create", {"type": "respond", "status": 500})

    stand_in.http.post("/_sandbox/reset")

    assert stand_in.read_calls() == {"calls": [], "creates_accepted": 0, "in_flight": 0, "most_in_flight": 0}
    assert stand_in.http.get(f"/v1/videos/{video_id}").status_code == 404
    assert stand_in.send().status_code == 200


def test_a_fault_plays_on_the_kind_of_call_and_the_prompts_it_names_as_often_as_it_says(stand_in: StandIn) -> None:
    answer = {"type": "respond", "status": 418, "headers": {"x-why": "tea"}, "body": "garbage"}
    stand_in.add_fault("create", answer, match="kite", times=2)
    stand_in.add_fault("retrieve", {"type": "respond", "status": 404})

    answers = [stand_in.send(prompt) for prompt in ("A kite", "A boat", "A kite", "A kite")]

    assert [each.status_code for each in answers] == [418, 200, 418, 200]
    assert (answers[0].text, answers[0].headers["x-why"]) == ("garbage", "tea")


def test_faults_can_be_taken_out(stand_in: StandIn) -> None:
    stand_in.add_fault("create", {"type": "respond", "status": 500})

    stand_in.http.delete("/_sandbox/faults").raise_for_status()

    assert stand_in.send().status_code == 200


@pytest.mark.parametrize(
    ("on", "action"),
    [
        ("create", {"type": "unheard_of"}),
        ("create", {"type": "truncate", "after_bytes": 1}),
        ("nowhere", {"type": "drop"}),
        ("create", {"type": "delay", "seconds": 0}),
        ("create", {"type": "drop", "after": 1}),
    ],
)
def test_a_fault_that_cannot_be_played_is_refused(stand_in: StandIn, on: str, action: Json) -> None:
    assert stand_in.add_fault(on, action).status_code == 422


@pytest.mark.parametrize(("fault", "left"), [("drop", 0), ("accept_then_drop", 1)])
def test_a_dropped_create_may_or_may_not_have_left_a_job(
    stand_in: StandIn, fault: str, left: int, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.add_fault("create", {"type": fault}, times=1)

    with pytest.raises(httpx.RemoteProtocolError):
        stand_in.send()

    seen = stand_in.read_calls()
    assert (seen["creates_accepted"], seen["calls"][0]["status"]) == (left, None)
    assert not caplog.records


def test_a_create_can_be_accepted_and_answered_with_an_error_or_late(stand_in: StandIn) -> None:
    stand_in.add_fault("create", {"type": "accept_then_respond", "status": 500}, match="Error")
    stand_in.add_fault("create", {"type": "delay", "seconds": 0.3}, match="Late")

    assert stand_in.send("Error").status_code == 500
    late = stand_in.send("Late")

    assert (late.json()["status"], stand_in.read_calls()["creates_accepted"]) == ("queued", 2)
    assert late.elapsed.total_seconds() >= 0.3


def test_a_job_can_be_in_progress_for_ever_or_show_any_word(stand_in: StandIn) -> None:
    stand_in.add_fault("create", {"type": "never_finish"})
    stand_in.add_fault("retrieve", {"type": "status", "status": "processing"}, times=1)
    video_id = stand_in.create()
    stand_in.clock.now += 100 * RENDER_SECONDS

    assert [stand_in.retrieve(video_id)["status"] for _ in range(2)] == ["processing", "in_progress"]


@pytest.mark.parametrize("stalls", [False, True])
def test_a_download_can_be_cut_though_it_declares_its_whole_length(stand_in: StandIn, stalls: bool) -> None:
    path = f"/v1/videos/{stand_in.create_finished()}/content"
    whole = stand_in.http.get(path).content
    cut = {"type": "stall", "seconds": 0.2} if stalls else {"type": "truncate"}
    stand_in.add_fault("content", {**cut, "after_bytes": 1000}, times=1)

    received = b""
    with stand_in.http.stream("GET", path) as answer, pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012
        for part in answer.iter_bytes():
            received += part

    assert (answer.headers["content-length"], received) == (str(len(whole)), whole[:1000])
    rest = stand_in.http.get(path, headers={"range": "bytes=1000-", "if-range": answer.headers["etag"]})
    assert (rest.status_code, received + rest.content) == (206, whole)


def test_a_download_can_be_cut_silently_or_be_a_page(stand_in: StandIn) -> None:
    path = f"/v1/videos/{stand_in.create_finished()}/content"
    stand_in.add_fault("content", {"type": "truncate_silently", "after_bytes": 1000}, times=1)
    stand_in.add_fault("content", {"type": "not_mp4"}, times=1)

    silent, page = stand_in.http.get(path), stand_in.http.get(path)

    assert (silent.status_code, len(silent.content), "content-length" in silent.headers) == (200, 1000, False)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_a_clip_can_have_its_index_last(stand_in: StandIn) -> None:
    stand_in.add_fault("create", {"type": "moov_last"})

    content = stand_in.http.get(f"/v1/videos/{stand_in.create_finished('Index last')}/content").content

    assert content.index(b"mdat") < content.index(b"moov")


def test_a_failed_job_of_vllm_is_the_body_of_an_error(stand_in: StandIn) -> None:
    stand_in.add_fault("create", {"type": "vllm_failed"})
    video_id = stand_in.create()
    stand_in.clock.now += RENDER_SECONDS

    stand_in.wait_for_clip(video_id)
    answer = stand_in.http.get(f"/v1/videos/{video_id}")

    assert (answer.status_code, answer.json()["id"]) == (500, video_id)
    assert answer.json()["error"] == {"code": 500, "message": "The engine died."}


def test_jobs_beyond_the_places_wait_for_one() -> None:
    clock = Clock()
    app = fal.create_app(render_seconds=RENDER_SECONDS, max_concurrent=1, clock=clock)
    with serve_in_thread(app, base_path="") as origin:
        http = httpx.Client(base_url=origin, headers={"authorization": f"Key {fal.API_KEY}"})
        asked = {"prompt": "A kite", "duration": 2, "resolution": "720p"}
        first, second = (http.post("/fal-ai/wan/v2.7/text-to-video", json=asked).json() for _ in range(2))
        clock.now += RENDER_SECONDS / 2
        assert (second["queue_position"], http.get(second["status_url"]).json()["queue_position"]) == (1, 0)

        http.put(first["cancel_url"])
        http.get(second["status_url"])
        clock.now += RENDER_SECONDS / 2

        assert http.get(second["status_url"]).json()["status"] == "IN_PROGRESS"


def test_the_command_prints_its_address_serves_and_ends_on_sigterm() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.videos_api", "--port", "0", "--render-seconds", "2"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        base_url = json.loads(process.stdout.readline())["base_url"]
        assert httpx.get(f"{base_url}/videos", headers=KEY).json()["data"] == []
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode in (0, -signal.SIGTERM)


def test_the_command_ends_with_the_process_that_holds_its_input() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.videos_api", "--until-eof"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline()
    assert process.poll() is None

    process.stdin.close()

    assert process.wait(timeout=60) == 0
