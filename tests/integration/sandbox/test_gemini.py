"""Tests of the stand-in for Gemini's Interactions API, over the loopback interface."""

from __future__ import annotations

import base64
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import av
import httpx
import pytest
from PIL import Image
from pydantic import BaseModel, JsonValue
from starlette.testclient import TestClient

from mediaposter.ai.video_model_factory import create_video_model
from mediaposter.ai.video_model_interface import VideoGenerationRequest
from sandbox.faults import (
    AcceptThenDrop,
    AcceptThenRespond,
    Delay,
    Drop,
    NeverFinish,
    NotMp4,
    Respond,
    ShowStatus,
    Stall,
    Truncate,
)
from sandbox.gemini import create_app
from sandbox.gemini_state import (
    BudgetExceeded,
    CallLog,
    CompleteEmpty,
    FailInteraction,
    FileFailed,
    GeminiFaultScript,
    Incomplete,
    InlineAnyway,
    OnContent,
    OnCreate,
    OnRetrieve,
)
from sandbox.gemini_wire import (
    File,
    Interaction,
    InteractionError,
    ModelOutput,
    TextContent,
    Usage,
    UserInput,
    VideoContent,
)
from sandbox.serving import serve_in_thread

REPOSITORY = Path(__file__).parents[3]
RENDER_SECONDS = 100.0
DAY_SECONDS = 24 * 3600.0
KEY = {"x-goog-api-key": "gemini-sandbox-key"}
# Drawn in a moment.
SMALL: dict[str, JsonValue] = {"type": "video", "resolution": "360p", "duration": "3s", "delivery": "uri"}


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Refusal(BaseModel):
    """The inner object of Google's error envelope."""

    code: int
    message: str
    status: str


class Sandbox:
    """A running stand-in and the ways to reach it."""

    def __init__(self, base_url: str, clock: Clock) -> None:
        self.base_url = base_url
        self.clock = clock
        self.http = httpx.Client(base_url=f"{base_url}/v1beta/", headers=KEY, timeout=10)
        self.steering = httpx.Client(base_url=base_url, timeout=10)

    def close(self) -> None:
        self.http.close()
        self.steering.close()

    def add_fault(self, rule: OnCreate | OnRetrieve | OnContent) -> None:
        content = GeminiFaultScript(rules=(rule,)).model_dump_json()
        self.steering.post("/_sandbox/faults", content=content).raise_for_status()

    def read_calls(self) -> CallLog:
        return CallLog.model_validate_json(self.steering.get("/_sandbox/calls").content)

    def post(self, video: dict[str, JsonValue] | None = None, **fields: JsonValue) -> httpx.Response:
        body: dict[str, JsonValue] = {
            "model": "gemini-omni-1.2-flash",
            "input": "A cat",
            "response_format": {**SMALL, **(video or {})},
            "background": True,
            **fields,
        }
        return self.http.post("interactions", json=body)

    def create(self, video: dict[str, JsonValue] | None = None, **fields: JsonValue) -> Interaction:
        return parse(self.post(video, **fields))

    def get(self, interaction: Interaction) -> httpx.Response:
        return self.http.get(f"interactions/{interaction.id}")

    def retrieve(self, interaction: Interaction) -> Interaction:
        return parse(self.get(interaction))

    def finish(self, interaction: Interaction) -> Interaction:
        """Let the time of a render pass, and wait until its file is really there."""
        self.clock.now += RENDER_SECONDS
        deadline = time.monotonic() + 30
        while (seen := self.retrieve(interaction)).status == "in_progress" and time.monotonic() < deadline:
            pass
        return seen

    def create_finished(self, video: dict[str, JsonValue] | None = None, **fields: JsonValue) -> Interaction:
        return self.finish(self.create(video, **fields))

    def create_active(self) -> str:
        """Make a file that can be downloaded; give its address."""
        uri = find_uri(self.create_finished())
        self.clock.now += RENDER_SECONDS * 0.3
        return uri

    def show_file(self, uri: str) -> File:
        return File.model_validate_json(self.get_file(uri).content)

    def get_file(self, uri: str) -> httpx.Response:
        return self.http.get(uri.removesuffix(":download?alt=media"))


def parse(reply: httpx.Response) -> Interaction:
    assert reply.status_code == 200, reply.text
    return Interaction.model_validate_json(reply.content)


def parse_refusal(reply: httpx.Response) -> Refusal:
    assert list(reply.json()) == ["error"]
    refusal = Refusal.model_validate(reply.json()["error"])
    assert refusal.code == reply.status_code
    return refusal


def refusal_of(reply: httpx.Response) -> tuple[int, str]:
    refusal = parse_refusal(reply)
    return refusal.code, refusal.status


def find_video(interaction: Interaction) -> VideoContent:
    output = interaction.steps[-1]
    assert isinstance(output, ModelOutput)
    return output.content[0]


def find_uri(interaction: Interaction) -> str:
    uri = find_video(interaction).uri
    assert uri is not None
    return uri


def read_size(content: bytes) -> tuple[int, int, int]:
    with av.open(io.BytesIO(content), "r") as container:
        video = container.streams.video[0]
        return video.width, video.height, sum(1 for _ in container.decode(video=0))


def draw_png(color: str = "black") -> str:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    clock = Clock()
    app = create_app(render_seconds=RENDER_SECONDS, clock=clock)
    with serve_in_thread(app, base_path="") as base_url, closing(Sandbox(base_url, clock)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.steering.post("/_sandbox/reset").raise_for_status()
    return running


def test_a_video_is_created_followed_and_downloaded(sandbox: Sandbox) -> None:
    created = sandbox.create({"aspect_ratio": "9:16"})
    sandbox.clock.now += RENDER_SECONDS / 2
    running = sandbox.retrieve(created)
    uri = find_uri(sandbox.finish(created))
    sandbox.clock.now += RENDER_SECONDS * 0.3
    reply = sandbox.http.get(uri)
    assert (created.status, running.status) == ("queued", "in_progress")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "video/mp4")
    assert int(reply.headers["content-length"]) == len(reply.content)
    assert read_size(reply.content) == (360, 640, 72)


def test_a_created_interaction_looks_as_documented(sandbox: Sandbox) -> None:
    body = sandbox.post().json()
    created = datetime.fromtimestamp(int(sandbox.clock.now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert body.pop("id").startswith("v1_")
    assert body == {
        "object": "interaction",
        "status": "queued",
        "model": "gemini-omni-1.2-flash",
        "created": created,
        "updated": created,
        "steps": [],
    }


def test_a_completed_interaction_looks_as_documented(sandbox: Sandbox) -> None:
    interaction = sandbox.create_finished()
    body = sandbox.get(interaction).json()
    uri = body["steps"][2]["content"][0].pop("uri")
    assert body["status"] == "completed"
    assert body["steps"] == [
        {"type": "user_input", "content": [{"type": "text", "text": "A cat"}]},
        {"type": "thought", "signature": body["steps"][1]["signature"]},
        {"type": "model_output", "content": [{"type": "video", "mime_type": "video/mp4"}]},
    ]
    assert uri.startswith(f"{sandbox.base_url}/v1beta/files/")
    assert uri.endswith(":download?alt=media")
    assert body["usage"] == {"total_output_tokens": 3 * 5792}


def test_inline_delivery_is_the_default_and_gives_base64(sandbox: Sandbox) -> None:
    form: JsonValue = {"type": "video", "resolution": "360p", "duration": "3s"}
    video = find_video(sandbox.finish(sandbox.create(response_format=form)))
    assert video.uri is None
    assert read_size(base64.b64decode(video.data or "")) == (640, 360, 72)


def test_both_versions_of_the_api_are_there(sandbox: Sandbox) -> None:
    interaction = sandbox.create()
    assert parse(sandbox.http.get(f"{sandbox.base_url}/v1/interactions/{interaction.id}")) == interaction


def test_without_background_the_answer_has_the_video() -> None:
    with TestClient(create_app(render_seconds=0.1), headers=KEY) as client:
        body = {"model": "gemini-omni-1.1-flash", "input": "A cat", "response_format": SMALL, "store": False}
        reply = client.post("/v1beta/interactions", json=body)
        assert find_uri(Interaction.model_validate_json(reply.content))
        assert client.get(f"/v1beta/interactions/{reply.json()['id']}").status_code == 404


def test_a_create_in_the_background_answers_queued_however_fast_the_render_is() -> None:
    with TestClient(create_app(render_seconds=0), headers=KEY) as client:
        body = {"model": "gemini-omni-1.1-flash", "input": "A cat", "response_format": SMALL, "background": True}
        replies = [client.post("/v1beta/interactions", json=body) for _ in range(2)]
    assert [reply.json()["status"] for reply in replies] == ["queued", "queued"]


@pytest.mark.parametrize("key", [{}, {"x-goog-api-key": "wrong"}, {"authorization": "Bearer gemini-sandbox-key"}])
def test_a_call_without_the_key_is_refused(sandbox: Sandbox, key: dict[str, str]) -> None:
    reply = httpx.post(f"{sandbox.base_url}/v1beta/interactions", headers=key, json={})
    assert refusal_of(reply) == (401, "UNAUTHENTICATED")


def test_a_download_without_the_key_is_forbidden(sandbox: Sandbox) -> None:
    assert refusal_of(httpx.get(sandbox.create_active())) == (403, "PERMISSION_DENIED")


def test_an_unknown_model_is_not_found(sandbox: Sandbox) -> None:
    reply = sandbox.post(model="gemini-omni-flash-preview")
    assert refusal_of(reply) == (404, "NOT_FOUND")
    assert "gemini-omni-flash-preview" in parse_refusal(reply).message


@pytest.mark.parametrize(
    ("model", "duration", "status_code"),
    [
        ("gemini-omni-1.2-flash", "2.9s", 400),
        ("gemini-omni-1.2-flash", "3s", 200),
        ("gemini-omni-1.2-flash", "15s", 200),
        ("gemini-omni-1.2-flash", "15.1s", 400),
        ("gemini-omni-1.1-flash", "2s", 400),
        ("gemini-omni-1.1-flash", "10s", 200),
        ("gemini-omni-1.1-flash", "11s", 400),
        ("gemini-omni-1.2-flash", "8", 400),
        ("gemini-omni-1.2-flash", "eight", 400),
    ],
)
def test_a_duration_is_within_what_the_model_makes(
    sandbox: Sandbox, model: str, duration: str, status_code: int
) -> None:
    assert sandbox.post({"duration": duration}, model=model).status_code == status_code


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("aspect_ratio", "1:1"),
        ("resolution", "720"),
        ("duration", 8),
        ("delivery", "gcs"),
        ("type", "image"),
        ("gcs_uri", "gs://bucket/"),
        ("seed", 1),
    ],
)
def test_a_wrong_field_of_the_video_is_refused_by_name(sandbox: Sandbox, field: str, value: JsonValue) -> None:
    reply = sandbox.post({field: value})
    assert refusal_of(reply) == (400, "INVALID_ARGUMENT")
    assert f"response_format.{field}" in parse_refusal(reply).message
    assert sandbox.read_calls().creates_accepted == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", "A cat"),
        ("background", "true"),
        ("store", "yes"),
        ("input", None),
        ("input", []),
        ("input", ""),
        ("input", [{"type": "user_input", "content": []}]),
        ("input", [{"type": "video", "uri": "https://example.com/a.mp4"}]),
        ("generation_config", {"temperature": 1}),
        ("generation_config", {"video_config": {"task": "dance"}}),
        ("webhook_config", {"url": "https://example.com"}),
    ],
)
def test_a_wrong_field_is_refused_by_name(sandbox: Sandbox, field: str, value: JsonValue) -> None:
    fields: dict[str, JsonValue] = {"model": "gemini-omni-1.2-flash", "input": "A cat", field: value}
    reply = sandbox.http.post("interactions", json=fields)
    assert refusal_of(reply) == (400, "INVALID_ARGUMENT")
    assert field in parse_refusal(reply).message


@pytest.mark.parametrize("body", ["{", "[]", '"text"'])
def test_a_body_that_is_no_json_object_is_refused(sandbox: Sandbox, body: str) -> None:
    assert refusal_of(sandbox.http.post("interactions", content=body)) == (400, "INVALID_ARGUMENT")


def test_the_background_needs_a_store(sandbox: Sandbox) -> None:
    assert refusal_of(sandbox.post(store=False)) == (400, "INVALID_ARGUMENT")
    assert sandbox.post(store=True).status_code == 200


def test_every_documented_field_is_taken(sandbox: Sandbox) -> None:
    reply = sandbox.post(
        generation_config={
            "video_config": {"task": "text_to_video"},
            "thinking_level": "low",
            "thinking_summaries": "auto",
        },
        webhook_config={"uris": ["https://example.com/hook"], "user_metadata": {"job": "1"}},
        store=True,
    )
    assert reply.status_code == 200


@pytest.mark.parametrize("in_a_step", [True, False])
def test_an_input_may_be_parts_with_images(sandbox: Sandbox, in_a_step: bool) -> None:
    parts: JsonValue = [
        {"type": "text", "text": "A cat"},
        {"type": "image", "mime_type": "image/png", "data": draw_png()},
        {"type": "text", "text": "like <FIRST_FRAME>"},
    ]
    assert sandbox.post(input=[{"type": "user_input", "content": parts}] if in_a_step else parts).status_code == 200
    call = sandbox.read_calls().calls[0]
    assert (call.prompt, call.images) == ("A cat\nlike <FIRST_FRAME>", 1)


@pytest.mark.parametrize(
    ("mime_type", "data"),
    [
        ("image/heic", "not base64!"),
        ("image/png", base64.b64encode(b"no image").decode()),
        ("application/pdf", draw_png()),
        (None, draw_png()),
    ],
)
def test_an_unfit_image_is_refused(sandbox: Sandbox, mime_type: str | None, data: str) -> None:
    reply = sandbox.post(input=[{"type": "image", "mime_type": mime_type, "data": data}])
    assert refusal_of(reply) == (400, "INVALID_ARGUMENT")


def show_pictures(prompt: str, count: int) -> JsonValue:
    picture: JsonValue = {"type": "image", "mime_type": "image/png", "data": draw_png()}
    return [{"type": "text", "text": prompt}, *[picture] * count]


@pytest.mark.parametrize(
    ("prompt", "images"),
    [
        ("From one to the other", 2),
        ("<FIRST_FRAME> A cat", 1),
        ("<FIRST_FRAME> <LAST_FRAME> A cat", 2),
        ("<FIRST_FRAME> A cat like <IMAGE_REF_0>", 2),
        ("[# Sources <FIRST_FRAME>@Image1 <LAST_FRAME>@Image2] A cat", 2),
        ("[# Sources <FIRST_FRAME>@Image1 <LAST_FRAME>@Image1] A cat that goes round and round", 1),
    ],
)
def test_pictures_are_bound_to_frames_by_tags_in_the_prompt(sandbox: Sandbox, prompt: str, images: int) -> None:
    config: JsonValue = {"video_config": {"task": "image_to_video"}}
    assert sandbox.create(input=show_pictures(prompt, images), generation_config=config).status == "queued"
    call = sandbox.read_calls().calls[0]
    assert (call.prompt, call.images) == (prompt, images)


@pytest.mark.parametrize(
    ("prompt", "images"),
    [
        ("<LAST_FRAME> A cat", 1),
        ("<LAST_FRAME> A cat", 2),
        ("<FIRST_FRAME> A cat", 0),
        ("<FIRST_FRAME> <LAST_FRAME> A cat", 1),
        ("[# Sources <FIRST_FRAME>@Image1 <LAST_FRAME>@Image3] A cat", 2),
    ],
)
def test_a_frame_without_its_picture_or_its_first_frame_is_refused(sandbox: Sandbox, prompt: str, images: int) -> None:
    assert refusal_of(sandbox.post(input=show_pictures(prompt, images))) == (400, "INVALID_ARGUMENT")
    assert sandbox.read_calls().creates_accepted == 0


def test_the_models_two_frames_are_taken_in_their_order(sandbox: Sandbox) -> None:
    model = create_video_model("gemini", api_key=KEY["x-goog-api-key"], base_url=sandbox.base_url)
    first, last = (f"data:;base64,{draw_png(color)}" for color in ("red", "blue"))
    job = model.create_video(VideoGenerationRequest(prompt="A cat", input_image=first, last_frame_image=last))
    model.cancel_video(job.job_id)
    interaction = parse(sandbox.http.get(f"interactions/{job.job_id}"))
    assert isinstance(interaction.steps[0], UserInput)
    assert [part.text if isinstance(part, TextContent) else part.data for part in interaction.steps[0].content] == [
        "<FIRST_FRAME> <LAST_FRAME> A cat",
        draw_png("red"),
        draw_png("blue"),
    ]


def test_a_video_is_changed_by_naming_its_interaction(sandbox: Sandbox) -> None:
    first = sandbox.create_finished()
    second = sandbox.create(input="At night", previous_interaction_id=first.id)
    assert second.previous_interaction_id == first.id


def measure(interaction: Interaction) -> tuple[int, int, float]:
    """Tell the width, the height and the seconds of a finished clip that is inside its interaction."""
    width, height, frames = read_size(base64.b64decode(find_video(interaction).data or ""))
    return width, height, frames / 24


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ({"aspect_ratio": "9:16", "resolution": "360p", "duration": "4s"}, (360, 640, 4)),
        # What the interaction before it was told holds for that one alone.
        ({}, (1280, 720, 10)),
    ],
)
def test_a_video_made_from_another_is_as_its_own_format_says(
    sandbox: Sandbox, asked: dict[str, JsonValue], made: tuple[int, int, int]
) -> None:
    first = sandbox.create_finished({"aspect_ratio": "9:16"})
    second = sandbox.create_finished(
        input="At night", previous_interaction_id=first.id, response_format={"type": "video", **asked}
    )
    assert measure(second) == made


def test_an_extension_is_the_whole_and_charges_what_was_added(sandbox: Sandbox) -> None:
    first = sandbox.create_finished({"aspect_ratio": "9:16"})
    longer = sandbox.create_finished(
        {"duration": "4s", "delivery": "inline"}, input="Extend this video: on", previous_interaction_id=first.id
    )
    assert measure(longer) == (360, 640, 7)
    assert longer.usage == Usage(total_output_tokens=4 * 5792)


@pytest.mark.parametrize("task", ["text_to_video", "edit", "extend"])
def test_a_task_is_refused_beside_an_earlier_interaction(sandbox: Sandbox, task: str) -> None:
    first = sandbox.create_finished()
    config: JsonValue = {"video_config": {"task": task}}
    reply = sandbox.post(input="At night", previous_interaction_id=first.id, generation_config=config)
    assert refusal_of(reply) == (400, "INVALID_ARGUMENT")
    assert "previous_interaction_id is not allowed when video task is set" in parse_refusal(reply).message


def test_a_task_for_a_video_needs_one(sandbox: Sandbox) -> None:
    reply = sandbox.post(generation_config={"video_config": {"task": "edit"}})
    assert refusal_of(reply) == (400, "INVALID_ARGUMENT")


def test_a_video_is_extended_to_thirty_seconds_and_no_further(sandbox: Sandbox) -> None:
    first = sandbox.create_finished({"duration": "15s"})
    longer = sandbox.create_finished({"duration": "10s"}, input="Extend this video", previous_interaction_id=first.id)
    reply = sandbox.post({"duration": "6s"}, input="The scene continues", previous_interaction_id=longer.id)
    assert refusal_of(reply) == (400, "INVALID_ARGUMENT")


def test_a_previous_interaction_must_exist(sandbox: Sandbox) -> None:
    assert refusal_of(sandbox.post(previous_interaction_id="v1_x")) == (404, "NOT_FOUND")


def test_a_previous_interaction_must_be_completed(sandbox: Sandbox) -> None:
    reply = sandbox.post(previous_interaction_id=sandbox.create().id)
    assert refusal_of(reply) == (400, "FAILED_PRECONDITION")


@pytest.mark.parametrize("path", ["interactions/v1_x", "files/x", "files/x:download?alt=media", "models"])
def test_what_does_not_exist_is_not_found(sandbox: Sandbox, path: str) -> None:
    assert refusal_of(sandbox.http.get(path)) == (404, "NOT_FOUND")


def test_a_wrong_method_is_refused_in_the_envelope(sandbox: Sandbox) -> None:
    assert refusal_of(sandbox.http.put("interactions", json={})) == (405, "UNIMPLEMENTED")


def test_a_running_interaction_is_cancelled_for_good(sandbox: Sandbox) -> None:
    interaction = sandbox.create()
    cancelled = parse(sandbox.http.post(f"interactions/{interaction.id}/cancel"))
    sandbox.clock.now += RENDER_SECONDS
    assert (cancelled.status, sandbox.retrieve(interaction).status) == ("cancelled", "cancelled")
    assert sandbox.read_calls().in_flight == 0


def test_an_ended_interaction_is_not_cancelled(sandbox: Sandbox) -> None:
    interaction = sandbox.create_finished()
    assert refusal_of(sandbox.http.post(f"interactions/{interaction.id}/cancel")) == (400, "FAILED_PRECONDITION")
    assert sandbox.retrieve(interaction).status == "completed"


def test_an_interaction_that_its_caller_waits_for_is_not_cancelled(sandbox: Sandbox) -> None:
    body = {"model": "gemini-omni-1.2-flash", "input": "A cat", "response_format": SMALL}
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.post("interactions", json=body, timeout=0.1)
    interaction_id = sandbox.read_calls().calls[0].interaction_id
    reply = sandbox.http.post(f"interactions/{interaction_id}/cancel")
    assert refusal_of(reply) == (400, "FAILED_PRECONDITION")


def test_a_deleted_interaction_leaves_its_file(sandbox: Sandbox) -> None:
    interaction = sandbox.create_finished()
    deleted = sandbox.http.delete(f"interactions/{interaction.id}")
    assert (deleted.status_code, deleted.json()) == (200, {})
    assert sandbox.get(interaction).status_code == 404
    assert sandbox.get_file(find_uri(interaction)).status_code == 200


def test_a_file_looks_as_documented(sandbox: Sandbox) -> None:
    uri = sandbox.create_active()
    body = sandbox.get_file(uri).json()
    file_id = body["name"].removeprefix("files/")
    assert sorted(body) == sorted(
        ["name", "mimeType", "sizeBytes", "createTime", "expirationTime", "uri", "downloadUri", "state", "source"]
    )
    assert (body["mimeType"], body["source"], body["downloadUri"]) == ("video/mp4", "GENERATED", uri)
    assert body["sizeBytes"] == str(len(sandbox.http.get(uri).content))
    assert body["uri"] == f"{sandbox.base_url}/v1beta/files/{file_id}"


def test_a_file_becomes_active_after_its_interaction_is_completed(sandbox: Sandbox) -> None:
    uri = find_uri(sandbox.create_finished())
    sandbox.clock.now += RENDER_SECONDS * 0.3 - 1
    early = (sandbox.show_file(uri).state, refusal_of(sandbox.http.get(uri)))
    sandbox.clock.now += 1
    assert early == ("PROCESSING", (400, "FAILED_PRECONDITION"))
    assert (sandbox.show_file(uri).state, sandbox.http.get(uri).status_code) == ("ACTIVE", 200)


def test_a_file_is_gone_after_two_days(sandbox: Sandbox) -> None:
    uri = find_uri(sandbox.create_finished())
    sandbox.clock.now += 2 * DAY_SECONDS - 1
    assert sandbox.http.get(uri).status_code == 200
    sandbox.clock.now += 1
    assert refusal_of(sandbox.http.get(uri)) == (404, "NOT_FOUND")
    assert refusal_of(sandbox.get_file(uri)) == (404, "NOT_FOUND")


def test_a_download_needs_alt_media(sandbox: Sandbox) -> None:
    reply = sandbox.http.get(sandbox.create_active().removesuffix("?alt=media"))
    assert refusal_of(reply) == (400, "INVALID_ARGUMENT")


def test_a_range_with_the_right_etag_is_the_rest(sandbox: Sandbox) -> None:
    uri = sandbox.create_active()
    whole = sandbox.http.get(uri)
    etag, size = whole.headers["etag"], len(whole.content)
    rest = sandbox.http.get(uri, headers={"Range": "bytes=1000-", "If-Range": etag})
    assert not etag.startswith("W/")
    assert (rest.status_code, rest.headers["content-range"]) == (206, f"bytes 1000-{size - 1}/{size}")
    assert rest.content == whole.content[1000:]


def test_a_range_with_another_etag_is_the_whole(sandbox: Sandbox) -> None:
    uri = sandbox.create_active()
    reply = sandbox.http.get(uri, headers={"Range": "bytes=1000-", "If-Range": '"another"'})
    assert (reply.status_code, reply.content) == (200, sandbox.http.get(uri).content)


def test_a_call_is_told_with_its_status_and_a_create_with_its_interaction(sandbox: Sandbox) -> None:
    interaction = sandbox.create()
    sandbox.retrieve(interaction)
    create, retrieve = sandbox.read_calls().calls
    assert (create.method, create.path, create.status) == ("POST", "/v1beta/interactions", 200)
    assert (create.interaction_id, create.prompt, create.images) == (interaction.id, "A cat", 0)
    assert (retrieve.method, retrieve.status, retrieve.interaction_id) == ("GET", 200, interaction.id)


def test_interactions_in_flight_are_counted(sandbox: Sandbox) -> None:
    sandbox.create()
    sandbox.finish(sandbox.create())
    sandbox.create()
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.in_flight, log.most_in_flight) == (3, 1, 2)


def test_a_reset_forgets_interactions_files_faults_and_calls(sandbox: Sandbox) -> None:
    interaction = sandbox.create_finished()
    sandbox.add_fault(OnCreate(action=Drop()))
    sandbox.steering.post("/_sandbox/reset").raise_for_status()
    assert sandbox.read_calls() == CallLog(calls=(), creates_accepted=0, in_flight=0, most_in_flight=0)
    assert sandbox.get(interaction).status_code == 404
    assert sandbox.get_file(find_uri(interaction)).status_code == 404
    assert sandbox.create().status == "queued"


def test_a_scripted_quota_refusal_goes_out_whole_and_nothing_is_accepted(sandbox: Sandbox) -> None:
    retry: JsonValue = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}
    body: JsonValue = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota.", "details": [retry]}}
    sandbox.add_fault(OnCreate(action=Respond(status=429, headers={"Retry-After": "7"}, body=body)))
    reply = sandbox.post()
    assert (reply.status_code, reply.headers["retry-after"], reply.json()) == (429, "7", body)
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.calls[0].prompt, log.calls[0].interaction_id) == (0, "A cat", None)


def test_a_scripted_body_may_be_garbage(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Respond(status=200, body="<html>")))
    assert sandbox.post().text == "<html>"


def test_a_fault_plays_as_often_as_it_says_on_the_prompts_it_matches(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(match="dog", times=2, action=Respond(status=503)))
    statuses = [sandbox.post(input=prompt).status_code for prompt in ("A cat", "A dog", "A dog", "A dog")]
    assert statuses == [200, 503, 503, 200]


def test_cleared_faults_play_no_more(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Respond(status=503)))
    sandbox.steering.delete("/_sandbox/faults").raise_for_status()
    assert sandbox.create().status == "queued"


def test_a_dropped_create_is_not_accepted(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Drop()))
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.post()
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.calls[0].status) == (0, None)


def test_a_create_accepted_and_then_dropped_left_an_interaction(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=AcceptThenDrop()))
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.post()
    log = sandbox.read_calls()
    assert (log.creates_accepted, log.calls[0].status) == (1, None)
    assert sandbox.http.get(f"interactions/{log.calls[0].interaction_id}").status_code == 200


def test_a_create_accepted_and_then_answered_with_500_left_an_interaction(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=AcceptThenRespond(status=500)))
    assert sandbox.post().status_code == 500
    assert sandbox.read_calls().creates_accepted == 1


def test_a_client_that_gives_up_on_a_late_answer_left_an_interaction(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=Delay(seconds=0.3)))
    body = {"model": "gemini-omni-1.2-flash", "input": "A cat", "response_format": SMALL, "background": True}
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.post("interactions", json=body, timeout=0.1)
    assert sandbox.read_calls().creates_accepted == 1


def test_a_failed_interaction_tells_why(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=FailInteraction(code="safety", message="Blocked.")))
    failed = sandbox.create_finished()
    assert (failed.status, failed.errors) == ("failed", (InteractionError(code="safety", message="Blocked."),))
    assert not any(isinstance(step, ModelOutput) for step in failed.steps)


def test_a_blocked_interaction_is_completed_without_a_video(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=CompleteEmpty()))
    blocked = sandbox.create_finished()
    assert (blocked.status, blocked.usage, blocked.errors) == ("completed", Usage(total_output_tokens=0), None)
    assert not any(isinstance(step, ModelOutput) for step in blocked.steps)


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (Incomplete(), "incomplete"),
        (BudgetExceeded(), "budget_exceeded"),
        (ShowStatus(status="requires_action"), "requires_action"),
    ],
)
def test_an_interaction_may_end_otherwise(
    sandbox: Sandbox, action: Incomplete | BudgetExceeded | ShowStatus, status: str
) -> None:
    sandbox.add_fault(OnCreate(action=action))
    ended = sandbox.create_finished()
    assert ended.status == status
    assert not any(isinstance(step, ModelOutput) for step in ended.steps)
    assert sandbox.read_calls().in_flight == 0


def test_an_interaction_may_never_finish(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=NeverFinish()))
    interaction = sandbox.create()
    sandbox.clock.now += 1000 * RENDER_SECONDS
    assert sandbox.retrieve(interaction).status == "in_progress"


def test_a_video_may_come_inline_though_a_uri_was_asked_for(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=InlineAnyway()))
    video = find_video(sandbox.create_finished())
    assert video.uri is None
    assert read_size(base64.b64decode(video.data or "")) == (640, 360, 72)


def test_a_file_may_fail(sandbox: Sandbox) -> None:
    sandbox.add_fault(OnCreate(action=FileFailed()))
    uri = sandbox.create_active()
    assert sandbox.show_file(uri).state == "FAILED"
    assert refusal_of(sandbox.http.get(uri)) == (400, "FAILED_PRECONDITION")


def test_a_retrieve_may_show_any_word(sandbox: Sandbox) -> None:
    interaction = sandbox.create()
    sandbox.add_fault(OnRetrieve(times=1, action=ShowStatus(status="requires_continuation")))
    assert [sandbox.retrieve(interaction).status for _ in range(2)] == ["requires_continuation", "queued"]


def test_a_retrieve_may_be_refused_dropped_or_late(sandbox: Sandbox) -> None:
    interaction = sandbox.create()
    for action in (Respond(status=503), Drop(), Delay(seconds=0.3)):
        sandbox.add_fault(OnRetrieve(times=1, action=action))
    assert sandbox.get(interaction).status_code == 503
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.get(interaction)
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.get(f"interactions/{interaction.id}", timeout=0.1)
    assert sandbox.retrieve(interaction).status == "queued"


def read_until_it_breaks(sandbox: Sandbox, uri: str, timeout_seconds: float = 10) -> tuple[httpx.Response, bytes]:
    """Read a body up to the point where the connection fails, which it must."""
    received = io.BytesIO()
    with sandbox.http.stream("GET", uri, timeout=timeout_seconds) as reply:
        with pytest.raises(httpx.TransportError):
            received.writelines(reply.iter_raw())
        return reply, received.getvalue()


def test_a_cut_download_declares_its_whole_length_and_can_be_resumed(sandbox: Sandbox) -> None:
    uri = sandbox.create_active()
    whole = sandbox.http.get(uri).content
    sandbox.add_fault(OnContent(times=1, action=Truncate(after_bytes=10_000)))
    reply, received = read_until_it_breaks(sandbox, uri)
    assert (int(reply.headers["content-length"]), received) == (len(whole), whole[:10_000])
    rest = sandbox.http.get(uri, headers={"Range": "bytes=10000-", "If-Range": reply.headers["etag"]})
    assert received + rest.content == whole


def test_a_stalled_download_sends_no_more(sandbox: Sandbox) -> None:
    uri = sandbox.create_active()
    sandbox.add_fault(OnContent(times=1, action=Stall(after_bytes=1000, seconds=30)))
    started = time.monotonic()
    _, received = read_until_it_breaks(sandbox, uri, timeout_seconds=0.2)
    assert len(received) == 1000
    assert 0.2 <= time.monotonic() - started < 10


def test_a_download_may_be_a_page(sandbox: Sandbox) -> None:
    uri = sandbox.create_active()
    sandbox.add_fault(OnContent(action=NotMp4()))
    reply = sandbox.http.get(uri)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_a_download_may_be_dropped_refused_or_late(sandbox: Sandbox) -> None:
    uri = sandbox.create_active()
    for action in (Drop(), Respond(status=502), Delay(seconds=0.3)):
        sandbox.add_fault(OnContent(times=1, action=action))
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.http.get(uri)
    assert sandbox.http.get(uri).status_code == 502
    with pytest.raises(httpx.ReadTimeout):
        sandbox.http.get(uri, timeout=0.1)


@pytest.mark.parametrize(
    "rule",
    [
        {"on": "create", "action": {"type": "explode"}},
        {"on": "delete", "action": {"type": "drop"}},
        {"on": "retrieve", "action": {"type": "truncate", "after_bytes": 1}},
        {"on": "create", "matches": "cat", "action": {"type": "drop"}},
    ],
)
def test_a_fault_that_cannot_be_played_is_refused(sandbox: Sandbox, rule: dict[str, JsonValue]) -> None:
    reply = sandbox.steering.post("/_sandbox/faults", json={"rules": [rule]})
    assert refusal_of(reply) == (400, "INVALID_ARGUMENT")
    assert sandbox.create().status == "queued"


def test_the_process_prints_its_address_serves_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "sandbox.gemini", "--port", "0", "--render-seconds", "1", "--api-key", "other"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base_url = json.loads(process.stdout.readline())["base_url"]
            reply = httpx.get(f"{base_url}/v1beta/interactions/v1_x", headers={"x-goog-api-key": "other"})
            assert (reply.status_code, parse_refusal(reply).status) == (404, "NOT_FOUND")
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=15) == -signal.SIGTERM
        finally:
            process.kill()
