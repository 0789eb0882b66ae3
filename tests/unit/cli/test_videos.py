"""`mediaposter list`, `show`, `watch`, `download`, `cancel`, `delete`, `post`, `approve`, `reject`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from rich.text import Text

from tests.unit.cli.fake_api import VIDEO, FakeApi, a_post, a_video, refuse, reply
from tests.unit.cli.stack import Run

LONG_ID = "video_" + "0" * 32


def a_page(*videos: dict[str, Any], has_more: bool = False) -> httpx.Response:
    return reply({"object": "list", "data": list(videos), "has_more": has_more, "last_id": videos[-1]["id"]})


class TestList:
    def test_a_row_fits_80_columns_with_the_whole_id(
        self, ask: Run, api: FakeApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("FORCE_COLOR", "1")
        api.on("GET", "/videos", a_page(a_video(id=LONG_ID, stage="awaiting_approval", prompt="A long\nprompt " * 20)))

        lines = [Text.from_ansi(line).plain for line in ask("list").out.splitlines()]

        assert max(map(len, lines)) <= 80
        assert lines[1].split()[:2] == [LONG_ID, "approval"]

    def test_pages_are_read_until_there_are_enough(self, ask: Run, api: FakeApi) -> None:
        full = [a_video(id=f"video_{number}") for number in range(100)]
        api.on("GET", "/videos", a_page(*full, has_more=True), a_page(a_video(id="video_100"), has_more=True))

        listed = json.loads(ask("list", "--limit", "101", "--json").out)

        assert (len(listed["data"]), listed["has_more"]) == (101, True)
        assert [dict(request.url.params) for request in api.seen] == [
            {"limit": "100"},
            {"limit": "1", "after": "video_99"},
        ]

    def test_filters_are_sent_and_an_older_stack_says_which_it_lacks(self, ask: Run, api: FakeApi) -> None:
        api.on("GET", "/videos", refuse(400, "stage: is not known here.", code="unknown_parameter", param="stage"))

        outcome = ask("list", "--stage", "done", "--status", "completed", "--batch", "batch_1")

        assert outcome.status == 1
        assert "This stack is older than that option" in outcome.err
        assert dict(api.seen[0].url.params) == {
            "limit": "20", "stage": "done", "status": "completed", "batch_id": "batch_1"
        }  # fmt: skip

    def test_no_video_says_how_to_make_one(self, ask: Run, api: FakeApi) -> None:
        api.on("GET", "/videos", reply({"data": []}))

        assert "mediaposter generate" in ask("list").out


class TestShow:
    def test_what_is_known_is_shown(self, ask: Run, api: FakeApi) -> None:
        posts = [a_post("instagram", "published", url="https://instagram.test/1")]
        api.on("GET", f"/videos/{VIDEO}", reply(a_video(posts=posts, warnings=["It is shorter."])))

        out = ask("show", VIDEO).out

        assert "sora-2, made by sandbox-1 of sandbox" in out
        assert "instagram:807  published  https://instagram.test/1" in out
        assert "It is shorter." in out

    def test_last_is_the_newest(self, ask: Run, api: FakeApi) -> None:
        api.on("GET", "/videos", a_page(a_video(id="video_9")))
        api.on("GET", "/videos/video_9", reply(a_video(id="video_9")))

        assert json.loads(ask("show", "last", "--json").out)["id"] == "video_9"

    @pytest.mark.parametrize("name", ["boat", "batch_1", "video_../keys", "video_é"])
    def test_what_is_no_id_is_not_sent(self, ask: Run, api: FakeApi, name: str) -> None:
        outcome = ask("show", name)

        assert (outcome.status, api.seen) == (2, [])
        assert f"{name} is no id of a video" in outcome.err

    def test_a_record_of_an_older_stack_is_shown_with_what_it_has(self, ask: Run, api: FakeApi) -> None:
        api.on("GET", f"/videos/{VIDEO}", reply({"id": VIDEO, "status": "queued", "warnings": None, "posts": None}))

        assert "queued, 0%" in ask("show", VIDEO).out

    def test_an_answer_that_is_no_video_is_told_without_a_traceback(self, ask: Run, api: FakeApi) -> None:
        api.on("GET", f"/videos/{VIDEO}", reply({"hello": "world"}))

        outcome = ask("show", VIDEO)

        assert outcome.status == 1
        assert "answered what this version does not understand" in outcome.err


class TestWatch:
    def test_json_has_a_line_for_each_change(self, ask: Run, api: FakeApi) -> None:
        states = [
            a_video(status="in_progress", stage="rendering", progress=10),
            a_video(status="in_progress", stage="rendering", progress=10, links={"video": "https://s3.test/2"}),
            a_video(status="in_progress", stage="rendering", progress=50),
            a_video(),
        ]
        api.on("GET", f"/videos/{VIDEO}", *[reply(state) for state in states])

        outcome = ask("watch", VIDEO, "--json")

        assert [json.loads(line)["progress"] for line in outcome.out.splitlines()] == [10, 50, 100]


class TestDownload:
    def test_a_picture_goes_under_its_own_name(self, ask: Run, api: FakeApi, tmp_path: Path) -> None:
        api.on("GET", f"/videos/{VIDEO}", reply(a_video()))
        api.on("GET", f"/videos/{VIDEO}/content", httpx.Response(200, content=b"webp"))

        outcome = ask("download", VIDEO, "--variant", "thumbnail", "--json")

        assert json.loads(outcome.out)["path"] == f"{VIDEO}.webp"
        assert (tmp_path / f"{VIDEO}.webp").read_bytes() == b"webp"
        assert api.seen[-1].url.params["variant"] == "thumbnail"

    def test_a_file_is_replaced_only_if_that_is_said(self, ask: Run, api: FakeApi, tmp_path: Path) -> None:
        api.on("GET", f"/videos/{VIDEO}", reply(a_video()))
        api.on("GET", f"/videos/{VIDEO}/content", httpx.Response(200, content=b"new"))
        path = tmp_path / f"{VIDEO}.mp4"
        path.write_bytes(b"old")

        refused = ask("download", VIDEO)

        assert (refused.status, path.read_bytes()) == (1, b"old")
        assert (ask("download", VIDEO, "--force").status, path.read_bytes()) == (0, b"new")

    @pytest.mark.parametrize(
        ("video", "sentence"),
        [
            (a_video(status="in_progress", stage="rendering"), "is not done: rendering. mediaposter watch"),
            (
                a_video(status="failed", error={"code": "x", "message": "Blocked."}),
                "failed, so there is no file: Blocked.",
            ),
        ],
    )
    def test_a_video_without_a_file_says_why(
        self, ask: Run, api: FakeApi, video: dict[str, Any], sentence: str
    ) -> None:
        api.on("GET", f"/videos/{VIDEO}", reply(video))

        outcome = ask("download", VIDEO)

        assert outcome.status == 1
        assert sentence in outcome.err


class TestEnd:
    def test_a_removal_without_a_terminal_needs_yes(self, ask: Run, api: FakeApi) -> None:
        api.on("DELETE", f"/videos/{VIDEO}", reply({"id": VIDEO, "deleted": True}))

        assert (ask("delete", VIDEO).status, api.seen) == (2, [])
        assert ask("delete", VIDEO, "--yes").out == f"{VIDEO} is removed.\n"

    def test_ctrl_c_at_the_question_removes_nothing(
        self, ask: Run, api: FakeApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def press(*_: object, **__: object) -> bool:
            raise typer.Abort  # as Typer says that Ctrl-C was pressed at its question

        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr("typer.confirm", press)

        outcome = ask("delete", VIDEO)

        assert (outcome.status, api.seen) == (130, [])
        assert "Stopped." in outcome.err

    def test_a_running_video_is_stopped(self, ask: Run, api: FakeApi) -> None:
        api.on("GET", f"/videos/{VIDEO}", reply(a_video(status="in_progress", stage="rendering")))
        api.on("DELETE", f"/videos/{VIDEO}", reply({"id": VIDEO, "deleted": True}))

        assert ask("cancel", VIDEO, "--yes").out == f"{VIDEO} is stopped and removed.\n"

    @pytest.mark.parametrize("stage", ["awaiting_approval", "publishing", "done"])
    def test_a_stored_video_is_never_removed_by_cancel(self, ask: Run, api: FakeApi, stage: str) -> None:
        api.on("GET", f"/videos/{VIDEO}", reply(a_video(stage=stage)))

        outcome = ask("cancel", VIDEO, "--yes")

        assert (outcome.status, api.calls("DELETE", f"/videos/{VIDEO}")) == (1, [])
        assert "Nothing was changed" in outcome.err

    def test_scheduled_posts_are_taken_back(self, ask: Run, api: FakeApi) -> None:
        posts = [a_post("instagram", "scheduled"), a_post("threads", "published")]
        api.on("GET", f"/videos/{VIDEO}", reply(a_video(posts=posts)))
        api.on("DELETE", f"/videos/{VIDEO}/posts/instagram/807", reply({"status": "cancelled"}))

        assert ask("cancel", VIDEO).out == "The post on instagram:807 is taken back.\n"


class TestPosts:
    def test_more_targets_are_posted_to_and_followed(self, ask: Run, api: FakeApi) -> None:
        api.on("POST", f"/videos/{VIDEO}/posts", reply(a_video(stage="publishing")))
        api.on("GET", f"/videos/{VIDEO}", reply(a_video(posts=[a_post("threads", "published")])))

        outcome = ask("post", VIDEO, "--publish", "threads:807", "--text", "Ahoy")

        assert "threads:807  published" in outcome.out
        assert api.bodies("POST", f"/videos/{VIDEO}/posts") == [
            {"publish": [{"platform": "threads", "account_id": "807"}], "text": "Ahoy"}
        ]

    @pytest.mark.parametrize(
        ("command", "route"),
        [
            (("post", VIDEO), "posts"),
            (("approve", VIDEO), "approval"),
            (("resolve", VIDEO, "--send-again"), "posts/threads/807/resolve"),
        ],
    )
    def test_what_is_public_is_sent_once_and_a_lost_answer_says_to_look(
        self, ask: Run, api: FakeApi, command: tuple[str, ...], route: str
    ) -> None:
        api.on("GET", f"/videos/{VIDEO}", reply(a_video(posts=[a_post("threads", "parked")])))
        api.on("POST", f"/videos/{VIDEO}/{route}", httpx.ReadError("broken"))

        outcome = ask(*command)

        assert (outcome.status, len(api.calls("POST", f"/videos/{VIDEO}/{route}"))) == (1, 1)
        assert f"it was not sent again. See mediaposter show {VIDEO}" in outcome.err

    def test_a_decision_is_sent_as_it_is(self, ask: Run, api: FakeApi) -> None:
        api.on("POST", f"/videos/{VIDEO}/approval", reply(a_video()))
        api.on("GET", f"/videos/{VIDEO}", reply(a_video()))

        ask("approve", VIDEO)
        outcome = ask("reject", VIDEO)

        assert [body["decision"] for body in api.bodies("POST", f"/videos/{VIDEO}/approval")] == ["approve", "reject"]
        assert "nothing of it is posted" in outcome.out

    def test_a_scheduled_post_is_moved_to_a_time_with_its_zone(self, ask: Run, api: FakeApi) -> None:
        posts = [a_post("threads", "scheduled"), a_post("bluesky", "published")]
        api.on("GET", f"/videos/{VIDEO}", reply(a_video(posts=posts)))
        api.on("PATCH", f"/videos/{VIDEO}/posts/threads/807", reply(posts[0]))

        outcome = ask("move", VIDEO, "2026-12-24T18:00:00+01:00")

        assert outcome.out == "The post on threads:807 goes out at 2026-12-24T18:00:00+01:00.\n"
        [body] = api.bodies("PATCH", f"/videos/{VIDEO}/posts/threads/807")
        assert body == {"scheduled_time": "2026-12-24T18:00:00+01:00"}

    def test_of_two_posts_one_must_be_named(self, ask: Run, api: FakeApi) -> None:
        posts = [a_post("threads", "scheduled"), a_post("bluesky", "scheduled")]
        api.on("GET", f"/videos/{VIDEO}", reply(a_video(posts=posts)))
        api.on("PATCH", f"/videos/{VIDEO}/posts/bluesky/807", reply(posts[1]))
        time = "2026-12-24T18:00:00+01:00"

        refused = ask("move", VIDEO, time)

        assert (refused.status, len(api.seen)) == (1, 1)
        assert "--post threads:807\n  --post bluesky:807" in refused.err
        assert ask("move", VIDEO, time, "--post", "bluesky:807").status == 0

    @pytest.mark.parametrize(
        ("argv", "body"),
        [
            (("--posted", "https://x.example/1"), {"outcome": "posted", "url": "https://x.example/1"}),
            (("--send-again",), {"outcome": "send_again"}),
        ],
    )
    def test_a_post_in_doubt_is_resolved_as_a_person_saw_it(
        self, ask: Run, api: FakeApi, argv: tuple[str, ...], body: dict[str, str]
    ) -> None:
        api.on("GET", f"/videos/{VIDEO}", reply(a_video(posts=[a_post("threads", "parked")])))
        api.on("POST", f"/videos/{VIDEO}/posts/threads/807/resolve", reply(a_video()))

        assert ask("resolve", VIDEO, *argv).status == 0
        assert api.bodies("POST", f"/videos/{VIDEO}/posts/threads/807/resolve") == [body]

    @pytest.mark.parametrize("argv", [(), ("--send-again", "--posted", "https://x.example/1")])
    def test_a_post_is_not_resolved_on_a_guess(self, ask: Run, api: FakeApi, argv: tuple[str, ...]) -> None:
        assert ask("resolve", VIDEO, *argv).status == 2
        assert api.seen == []
