"""`mediaposter generate`, `remix`, `edit`, `extend`: what is asked for, followed, and left on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from mediaposter.cli.targets import PLATFORMS
from mediaposter.wire.post_requests import PostPath
from tests.unit.cli.fake_api import VIDEO, FakeApi, a_post, a_video, refuse, reply
from tests.unit.cli.stack import Run

MP4 = b"\0\0\0\x18ftypisom" + b"x" * 100
QUEUED = a_video(status="queued", stage="queued", progress=0, completed_at=None)
RENDERING = a_video(status="in_progress", stage="rendering", progress=40, completed_at=None)
DONE = a_video(size_bytes=len(MP4), sha256=hashlib.sha256(MP4).hexdigest())


def serve(api: FakeApi, *states: dict[str, Any], content: bytes = MP4) -> None:
    """Make a video go through these states."""
    api.on("POST", "/videos", reply(QUEUED))
    api.on("GET", f"/videos/{VIDEO}", *[reply(state) for state in states])
    api.on("GET", f"/videos/{VIDEO}/content", httpx.Response(200, content=content))


def test_a_video_is_followed_stage_by_stage_until_it_is_done(ask: Run, api: FakeApi) -> None:
    serve(api, RENDERING, RENDERING, DONE)

    outcome = ask("generate", "A paper boat")

    assert (outcome.status, outcome.out) == (0, f"{VIDEO} is done in 1:05.\n")
    assert [line.split()[-1] for line in outcome.err.splitlines() if line.startswith(" 0:0")] == ["queued", "rendering"]
    assert api.bodies("POST", "/videos") == [{"prompt": "A paper boat"}]


@pytest.mark.parametrize(
    "words",
    [("--captions", "write"), ("--publish", "threads:908", "--captions", "invent"), ("--max-cost", "-1")],
    ids=["no posts", "another word", "no amount"],
)
def test_captions_and_a_price_that_make_no_sense_are_wrong_usage(
    ask: Run, api: FakeApi, words: tuple[str, ...]
) -> None:
    outcome = ask("generate", "A boat", *words)

    assert (outcome.status, api.bodies("POST", "/videos")) == (2, [])


def test_every_option_is_a_field_of_the_request(ask: Run, api: FakeApi, tmp_path: Path) -> None:
    serve(api, DONE)
    (tmp_path / "boat.png").write_bytes(b"png")

    ask(
        *("generate", "A boat", "--model", "gen4.5", "--seconds", "5", "--size", "1280x720", "--image", "boat.png"),
        *("--publish", "instagram:807", "--publish", "youtube:905,privacy_status=public", "--title", "Boat"),
        *(
            "--text",
            "Ahoy",
            "--schedule",
            "2026-12-24T18:00+01:00",
            "--approval",
            "--max-cost",
            "0.50",
            "--output",
            ".",
        ),
    )

    time = "2026-12-24T18:00:00+01:00"
    assert api.bodies("POST", "/videos") == [
        {
            "prompt": "A boat",
            "model": "gen4.5",
            "seconds": "5",
            "size": "1280x720",
            "text": "Ahoy",
            "title": "Boat",
            "publish": [
                {"platform": "instagram", "account_id": "807", "scheduled_time": time},
                {
                    "platform": "youtube",
                    "account_id": "905",
                    "scheduled_time": time,
                    "title": "Boat",
                    "privacy_status": "public",
                },
            ],
            "approval": "required",
            "max_cost_usd": "0.50",
            "input_reference": {"image_url": "data:image/png;base64,cG5n"},
        }
    ]
    # A folder gets a file that is named by the video.
    assert (tmp_path / f"{VIDEO}.mp4").read_bytes() == MP4
    ask("generate", "A boat", "--publish", "threads:908", "--captions", "write", "--no-wait")
    assert api.bodies("POST", "/videos")[-1]["captions"] == "write"


def test_a_large_picture_is_uploaded_before(ask: Run, api: FakeApi, tmp_path: Path) -> None:
    serve(api, DONE)
    api.on("POST", "/uploads", reply({"id": "upload_1", "url": "https://s3.test/put", "headers": {}}))
    api.on("PUT", "https://s3.test/put", httpx.Response(200))
    (tmp_path / "boat.webp").write_bytes(b"x" * 3_000_001)

    ask("generate", "A boat", "--image", "boat.webp")

    assert api.bodies("POST", "/uploads") == [{"content_type": "image/webp", "size_bytes": 3_000_001}]
    assert api.bodies("POST", "/videos")[0]["input_reference"] == {"upload_id": "upload_1"}


def test_the_file_is_saved_under_its_name_when_it_is_whole(ask: Run, api: FakeApi, tmp_path: Path) -> None:
    serve(api, DONE)

    outcome = ask("generate", "A boat", "--output", "boat.mp4")

    assert (outcome.status, (tmp_path / "boat.mp4").read_bytes()) == (0, MP4)
    assert "Saved boat.mp4" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["boat.mp4"]


def test_a_file_that_came_broken_is_not_kept(ask: Run, api: FakeApi, tmp_path: Path) -> None:
    serve(api, DONE, content=MP4[:-1] + b"y")

    outcome = ask("generate", "A boat", "--output", "boat.mp4")

    assert outcome.status == 1
    assert "its SHA-256 is not the one that was stored" in outcome.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--output", "there.mp4"), "there.mp4 is there already"),
        (("--output", "no/such/boat.mp4"), "There is no folder no/such"),
        (("--image", "boat.gif"), "boat.gif is no picture"),
        (("--image", "none.png"), "none.png cannot be read"),
    ],
)
def test_nothing_is_asked_for_if_a_file_is_wrong(
    ask: Run, api: FakeApi, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "there.mp4").touch()

    outcome = ask("generate", "A boat", *words)

    assert (outcome.status, api.calls("POST", "/videos")) == (1, [])
    assert sentence in outcome.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--output", "boat.mp4", "--no-wait"), "leave out --no-wait"),
        (("--publish", "myspace:1"), "myspace is no network"),
        (("--publish", "{not json"), "is JSON, and this is not"),
        (("--schedule", "tomorrow", "--publish", "x:1"), "a time is written as 2026-12-24T18:00"),
        (("--schedule", "next"), "say where with --publish"),
        (("--seconds", "four"), "Invalid value for '--seconds'"),
    ],
)
def test_a_wrong_command_line_is_2_with_a_sentence(
    ask: Run, api: FakeApi, words: tuple[str, ...], sentence: str
) -> None:
    outcome = ask("generate", "A boat", *words)

    assert (outcome.status, outcome.out, api.calls("POST", "/videos")) == (2, "", [])
    assert sentence in outcome.err
    assert "Traceback" not in outcome.err


def test_without_waiting_the_id_is_all_of_stdout(ask: Run, api: FakeApi) -> None:
    serve(api, DONE)

    outcome = ask("generate", "A boat", "--no-wait")

    assert (outcome.status, outcome.out) == (0, f"{VIDEO}\n")
    assert f"mediaposter watch {VIDEO}" in outcome.err
    assert api.calls("GET", f"/videos/{VIDEO}") == []


def test_json_is_one_document_as_the_api_gave_it(ask: Run, api: FakeApi) -> None:
    serve(api, RENDERING, DONE)

    outcome = ask("generate", "A boat", "--json")

    assert json.loads(outcome.out) == DONE


def test_a_video_that_fails_is_1_with_the_reason(ask: Run, api: FakeApi) -> None:
    error = {"code": "content_policy", "message": "Blocked by moderation."}
    serve(api, a_video(status="failed", stage="rendering", error=error))

    outcome = ask("generate", "A boat")

    assert (outcome.status, outcome.out) == (
        1,
        f"{VIDEO} failed while rendering: Blocked by moderation. (content_policy)\n",
    )


def test_a_post_that_fails_is_1_and_says_how_to_repeat_it(ask: Run, api: FakeApi) -> None:
    posts = [a_post("instagram", "failed", error={"code": "x", "message": "Too long."}), a_post("threads", "published")]
    serve(api, a_video(posts=posts))

    outcome = ask("generate", "A boat", "--publish", "instagram:807")

    assert outcome.status == 1
    assert "instagram:807  failed: Too long." in outcome.out
    assert f"mediaposter post {VIDEO}" in outcome.out


def test_a_video_that_waits_for_approval_ends_the_wait_and_says_how_to_decide(ask: Run, api: FakeApi) -> None:
    serve(api, a_video(stage="awaiting_approval", approval={"status": "waiting", "expires_at": 1_800_086_400}))

    outcome = ask("generate", "A boat", "--publish", "instagram:807", "--approval")

    assert outcome.status == 0
    assert f"mediaposter approve {VIDEO}" in outcome.out


def test_a_refusal_is_1_with_the_sentence_and_the_id_of_the_request(ask: Run, api: FakeApi) -> None:
    api.on("POST", "/videos", refuse(400, "sora-2 takes 2 to 20 seconds, not 300.", param="seconds"))

    outcome = ask("generate", "A boat", "--seconds", "300")

    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.splitlines()[-2:] == ["sora-2 takes 2 to 20 seconds, not 300.", "x-request-id: req_7"]


def test_a_request_whose_answer_is_lost_says_how_to_repeat_it_without_a_second_video(ask: Run, api: FakeApi) -> None:
    api.on("POST", "/videos", httpx.ReadError("broken"))

    outcome = ask("generate", "A boat", "--idempotency-key", "boat-1")

    assert outcome.status == 1
    assert "--idempotency-key boat-1: that never makes a second video" in outcome.err
    assert {request.headers["idempotency-key"] for request in api.seen} == {"boat-1"}


def test_a_network_that_goes_is_waited_for_and_told_once(ask: Run, api: FakeApi) -> None:
    serve(api)
    gone = httpx.ConnectError("Network is unreachable")
    api.on("GET", f"/videos/{VIDEO}", gone, gone, gone, reply({}, status=502), reply(DONE))

    outcome = ask("generate", "A boat")

    assert (outcome.status, outcome.err.count("Waiting for it"), outcome.err.count("It answers again")) == (0, 1, 1)
    assert api.slept[-4:] == [0.5, 1.0, 2.0, 4.0]


def test_a_video_that_is_deleted_meanwhile_ends_the_wait(ask: Run, api: FakeApi) -> None:
    serve(api)
    api.on("GET", f"/videos/{VIDEO}", refuse(404, "There is no such video.", code="not_found"))

    outcome = ask("generate", "A boat")

    assert outcome.status == 1
    assert "There is no such video." in outcome.err


def test_ctrl_c_leaves_the_video_running_and_says_how_to_come_back(ask: Run, api: FakeApi) -> None:
    def press(_: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    serve(api)
    api.on("GET", f"/videos/{VIDEO}", press)

    outcome = ask("generate", "A boat")

    assert outcome.status == 130
    assert f"mediaposter watch {VIDEO}" in outcome.err
    assert api.calls("DELETE", f"/videos/{VIDEO}") == []


def test_ctrl_c_in_the_request_says_how_to_repeat_it(ask: Run, api: FakeApi) -> None:
    def press(_: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    api.on("POST", "/videos", press)

    outcome = ask("generate", "A boat", "--idempotency-key", "boat-1")

    assert outcome.status == 130
    assert "--idempotency-key boat-1" in outcome.err


def test_a_dry_run_says_who_would_make_it_and_asks_for_nothing(ask: Run, api: FakeApi) -> None:
    candidate = {
        "model": "gen4.5",
        "provider": "runway",
        "seconds": "5",
        "size": "1280x720",
        "cost_estimate_usd": "0.60",
    }
    api.on("POST", "/videos", reply({"reserved_usd": "0.60", "candidates": [candidate]}))

    outcome = ask("generate", "A boat", "--dry-run")

    assert "Made by gen4.5 of runway: 5 s, 1280x720, about $0.60." in outcome.out
    assert api.seen[0].url.params["dry_run"] == "true"


def test_the_networks_are_those_that_the_api_knows() -> None:
    assert get_args(PostPath.model_fields["platform"].annotation) == PLATFORMS


class TestPublishWithoutAnAccount:
    def test_the_accounts_of_the_network_are_listed(self, ask: Run, api: FakeApi) -> None:
        pages = [{"id": "9030001", "name": "Boats"}]
        accounts = [
            {"id": "903", "platform": "facebook", "name": "Ann", "username": None, "pages": pages},
            {"id": "907", "platform": "instagram", "name": "Ann", "username": "ann.sails"},
        ]
        api.on("GET", "/accounts", reply({"object": "list", "data": accounts}))

        outcome = ask("generate", "A boat", "--publish", "facebook")

        assert outcome.status == 2
        assert "facebook:903  Ann\n    facebook:903,page_id=9030001  Boats" in outcome.err
        assert "907" not in outcome.err

    def test_an_older_stack_says_where_else_they_are(self, ask: Run) -> None:
        outcome = ask("generate", "A boat", "--publish", "facebook")

        assert outcome.status == 1
        assert "This stack does not list its accounts over HTTP yet." in outcome.err


def test_a_remix_is_made_of_the_video_that_is_named(ask: Run, api: FakeApi) -> None:
    serve(api, DONE)
    api.on("POST", f"/videos/{VIDEO}/remix", reply(QUEUED))

    outcome = ask("remix", VIDEO, "At night")

    assert (outcome.status, api.bodies("POST", f"/videos/{VIDEO}/remix")) == (0, [{"prompt": "At night"}])


@pytest.mark.parametrize(
    ("command", "route", "more"),
    [
        pytest.param(("edit",), "/videos/edits", {}, id="edit"),
        pytest.param(("extend", "--seconds", "8"), "/videos/extensions", {"seconds": "8"}, id="extend"),
    ],
)
def test_an_edit_and_an_extension_name_their_video(
    ask: Run, api: FakeApi, command: tuple[str, ...], route: str, more: dict[str, str]
) -> None:
    serve(api, DONE)
    api.on("POST", route, reply(QUEUED))

    outcome = ask(*command, VIDEO, "At night", "--no-approval")

    assert outcome.status == 0
    assert api.bodies("POST", route) == [{"video": {"id": VIDEO}, "prompt": "At night", "approval": "none", **more}]
    [sent] = api.calls("POST", route)
    assert sent.headers["idempotency-key"]
