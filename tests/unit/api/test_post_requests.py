"""The bodies and the paths of the routes about posts, and what is refused in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, get_args

import httpx
import pytest

from mediaposter.api.post_requests import (
    ApprovalRequest,
    MoveRequest,
    PostEdits,
    PostPath,
    PublishAgainRequest,
    ResolveRequest,
    parse_approval,
    parse_move,
    parse_post_path,
    parse_publish_again,
    parse_resolve,
)
from mediaposter.api.requests import check_video_id
from mediaposter.errors import InvalidRequest, NotFound
from mediaposter.publishing.targets import AnyTarget
from tests.builders import a_target

JSON = "application/json"
TWITTER = {"platform": "twitter", "account_id": "101"}
INSTAGRAM = {"platform": "instagram", "account_id": "101"}
VIDEO_ID = "video_0193d2a5b6c7"
URL = "https://x.com/kites/status/1"

Parse = Callable[[bytes, str], object]
PARSERS: dict[str, tuple[Parse, dict[str, Any]]] = {
    "publish again": (parse_publish_again, {"publish": [TWITTER]}),
    "approval": (parse_approval, {"decision": "approve"}),
    "resolve": (parse_resolve, {"outcome": "send_again"}),
    "move": (parse_move, {"scheduled_time": "2026-12-24T18:00:00Z"}),
}


def send(fields: object) -> tuple[bytes, str]:
    return json.dumps(fields).encode(), JSON


def refusal_of(parse: Parse, fields: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refusal:
        parse(*send(fields))
    return refusal.value


class TestEveryBody:
    @pytest.mark.parametrize("name", PARSERS)
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"{", "invalid_json"),
            (b"[]", "invalid_json"),
            (b"null", "invalid_json"),
            (b'"approve"', "invalid_json"),
            (b"\0", "invalid_json"),
            (b"\xff", "invalid_json"),
            (b" ", "invalid_json"),
            (b"[" * 100_000, "invalid_json"),
            (b'{"a": 1, "a": 1}', "duplicate_field"),
            (b'{"edits": {"text": "a", "text": "b"}}', "duplicate_field"),
        ],
    )
    def test_one_that_cannot_be_read_in_one_way_is_refused(self, name: str, body: bytes, code: str) -> None:
        with pytest.raises(InvalidRequest) as refusal:
            PARSERS[name][0](body, JSON)

        assert refusal.value.code == code

    @pytest.mark.parametrize("name", PARSERS)
    def test_a_field_that_there_is_not_is_named(self, name: str) -> None:
        parse, fields = PARSERS[name]

        refusal = refusal_of(parse, {**fields, "colour": "red"})

        assert (refusal.param, refusal.code) == ("colour", "unknown_parameter")

    @pytest.mark.parametrize("name", [name for name in PARSERS if name != "publish again"])
    @pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", ""])
    def test_what_is_json_alone_says_so(self, name: str, content_type: str) -> None:
        with pytest.raises(InvalidRequest, match=r"send application/json\.$") as refusal:
            PARSERS[name][0](send(PARSERS[name][1])[0], content_type)

        assert refusal.value.code == "unsupported_content_type"

    @pytest.mark.parametrize("name", [name for name in PARSERS if name != "publish again"])
    def test_one_that_is_empty_is_no_json(self, name: str) -> None:
        with pytest.raises(InvalidRequest) as refusal:
            PARSERS[name][0](b"", JSON)

        assert refusal.value.code == "invalid_json"


class TestPublishAgain:
    @pytest.mark.parametrize("body", [b"", b"{}", b'{"publish": []}'])
    @pytest.mark.parametrize("content_type", [JSON, "application/json; charset=utf-8"])
    def test_it_may_name_no_target(self, body: bytes, content_type: str) -> None:
        assert parse_publish_again(body, content_type) == PublishAgainRequest()

    def test_an_empty_body_needs_no_content_type(self) -> None:
        assert parse_publish_again(b"", "") == PublishAgainRequest()

    def test_it_takes_what_a_request_for_a_video_says_of_its_posts(self) -> None:
        fields = {"publish": [TWITTER], "text": "{title}", "title": "Dusk", "stagger_minutes": "30"}

        request = parse_publish_again(*send({**fields, "delivery": "verified"}))

        assert [target.post_id for target in request.publish] == ["twitter#101"]
        assert (request.text, request.title, request.stagger_minutes) == ("{title}", "Dusk", 30)
        assert request.delivery == "verified"

    def test_it_may_be_a_form(self) -> None:
        fields = {"publish[0][platform]": "twitter", "publish[0][account_id]": "101", "text": "Up."}
        form = httpx.Request("POST", "https://api.example", files={name: (None, fields[name]) for name in fields})

        request = parse_publish_again(form.read(), form.headers["content-type"])

        assert request == parse_publish_again(*send({"publish": [TWITTER], "text": "Up."}))

    def test_a_form_has_no_files(self) -> None:
        form = httpx.Request("POST", "https://api.example", files={"video": ("a.mp4", b"moov")})

        with pytest.raises(InvalidRequest) as refusal:
            parse_publish_again(form.read(), form.headers["content-type"])

        assert (refusal.value.param, refusal.value.code) == ("video", "unsupported_file")

    @pytest.mark.parametrize("field", ["approval", "approval_hours"])
    def test_nobody_is_asked_who_is_not_asked_when_it_is_made(self, field: str) -> None:
        refusal = refusal_of(parse_publish_again, {"publish": [TWITTER], field: "required"})

        assert (refusal.param, refusal.code) == (field, "unknown_parameter")

    @pytest.mark.parametrize(
        ("field", "value"), [("text", "Up."), ("text", ""), ("title", "Dusk"), ("stagger_minutes", 1)]
    )
    @pytest.mark.parametrize("publish", [{}, {"publish": []}])
    def test_words_for_what_failed_are_refused_rather_than_ignored(
        self, field: str, value: object, publish: dict[str, Any]
    ) -> None:
        refusal = refusal_of(parse_publish_again, {**publish, field: value})

        assert refusal.param == field
        assert refusal.message.startswith(f"{field}: needs publish: ")

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"publish": "soon"}, "publish"),
            ({"publish": TWITTER}, "publish"),
            ({"publish": [{"platform": "myspace", "account_id": "1"}]}, "publish[0]"),
            ({"publish": [TWITTER, TWITTER]}, "publish"),
            ({"publish": [{**TWITTER, "account_id": "1\0"}]}, "publish[0].account_id"),
            ({"publish": [{**TWITTER, "account_id": 1}]}, "publish[0].account_id"),
            ({"publish": [{**TWITTER, "text": "a\0"}]}, "publish[0].text"),
            ({"publish": [{**TWITTER, "id": "1"}]}, "publish[0].id"),
            ({"publish": [{**TWITTER, "account_id": str(number)} for number in range(21)]}, "publish"),
            ({"publish": [TWITTER], "text": "a\0"}, "text"),
            ({"publish": [TWITTER], "title": " "}, "title"),
        ],
    )
    def test_a_target_that_cannot_be_is_named(self, fields: dict[str, Any], param: str) -> None:
        assert refusal_of(parse_publish_again, fields).param == param


class TestApproval:
    @pytest.mark.parametrize("decision", ["approve", "reject"])
    def test_a_decision_is_a_word(self, decision: str) -> None:
        assert parse_approval(*send({"decision": decision})) == ApprovalRequest.model_validate({"decision": decision})

    @pytest.mark.parametrize("edits", [{"text": "Up."}, {"text": ""}, {"publish": [TWITTER]}])
    def test_what_is_posted_may_be_changed(self, edits: dict[str, Any]) -> None:
        request = parse_approval(*send({"decision": "approve", "edits": edits}))

        assert request.edits == PostEdits.model_validate(edits)

    @pytest.mark.parametrize("edits", [{}, {"publish": []}, {"title": "Dusk"}])
    def test_edits_that_change_nothing_are_refused(self, edits: dict[str, Any]) -> None:
        refusal = refusal_of(parse_approval, {"decision": "approve", "edits": edits})

        # Taken, they would put the prompt in the place of the request's text.
        assert refusal.message == "edits: needs publish or text; to post it as it is, leave the edits out."
        assert refusal.param == "edits"

    def test_what_is_rejected_cannot_be_changed(self) -> None:
        refusal = refusal_of(parse_approval, {"decision": "reject", "edits": {"text": "Up."}})

        assert refusal.message.startswith("edits: a rejected video is not posted")

    @pytest.mark.parametrize("decision", [None, "", "Approve", "approved", "approve\0", True, 1, ["approve"]])
    def test_any_other_word_is_refused(self, decision: object) -> None:
        assert refusal_of(parse_approval, {"decision": decision}).param == "decision"

    @pytest.mark.parametrize(
        ("edits", "param", "message"),
        [
            ("soon", "edits", "edits: "),
            ([], "edits", "edits: "),
            ({"text": 1}, "edits.text", "edits.text: "),
            ({"text": "a\0"}, "edits.text", "edits.text: must not have null characters."),
            ({"text": "a", "approval": "required"}, "edits.approval", "edits.approval: "),
            ({"publish": "{"}, "edits.publish", "edits.publish: is not valid JSON: line 1, column 2: "),
            ({"publish": [{"platform": "myspace"}]}, "edits.publish[0]", "edits.publish[0]: "),
            (
                {"publish": [{**INSTAGRAM, "text": "#a " * 6}]},
                "edits.publish[0].text",
                "edits.publish[0] (instagram account 101): hashtags: at most 5, got 6.",
            ),
            (
                {"publish": [{"platform": "bluesky"}]},
                "edits.publish[0].account_id",
                "edits.publish[0] (bluesky): account_id: is required.",
            ),
        ],
    )
    def test_a_change_that_cannot_be_is_named_with_where_it_stands(
        self, edits: object, param: str, message: str
    ) -> None:
        refusal = refusal_of(parse_approval, {"decision": "approve", "edits": edits})

        assert refusal.param == param
        assert refusal.message.startswith(message)


class TestResolve:
    def test_a_post_that_is_there_has_a_url(self) -> None:
        request = parse_resolve(*send({"outcome": "posted", "url": URL}))

        assert request == ResolveRequest(outcome="posted", url=URL)

    @pytest.mark.parametrize("fields", [{}, {"url": None}])
    def test_one_that_is_to_be_sent_again_has_none(self, fields: dict[str, Any]) -> None:
        assert parse_resolve(*send({"outcome": "send_again", **fields})) == ResolveRequest(outcome="send_again")

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"url": URL}, "outcome"),
            ({"outcome": "lost", "url": URL}, "outcome"),
            ({"outcome": None}, "outcome"),
            ({"outcome": "posted"}, "url"),
            ({"outcome": "send_again", "url": URL}, "url"),
            ({"outcome": "posted", "url": ""}, "url"),
            ({"outcome": "posted", "url": 1}, "url"),
            ({"outcome": "posted", "url": f"{URL}\0"}, "url"),
            ({"outcome": "posted", "url": "http://x.com/1"}, "url"),
            ({"outcome": "posted", "url": "https://ann:pass@x.com/1"}, "url"),
            ({"outcome": "posted", "url": "https://x.com/" + "a" * 2_048}, "url"),
        ],
    )
    def test_what_says_nothing_clearly_is_refused(self, fields: dict[str, Any], param: str) -> None:
        assert refusal_of(parse_resolve, fields).param == param


class TestMove:
    @pytest.mark.parametrize("text", ["2026-12-24T18:00:00Z", "2026-12-24T19:00:00+01:00", "2026-12-24 18:00:00Z"])
    def test_a_time_is_read_with_its_offset(self, text: str) -> None:
        request = parse_move(*send({"scheduled_time": text}))

        assert request == MoveRequest(scheduled_time=datetime(2026, 12, 24, 18, tzinfo=UTC))

    @pytest.mark.parametrize(
        "time", [1_800_000_000, "1800000000", "2026-12-24", "2026-12-24T18:00:00", "2026-12-24T18:00:00Z\0", ""]
    )
    def test_anything_else_is_no_time(self, time: object) -> None:
        refusal = refusal_of(parse_move, {"scheduled_time": time})

        assert (refusal.param, refusal.code) == ("scheduled_time", "invalid_value")

    def test_without_a_time_there_is_nothing_to_do(self) -> None:
        assert refusal_of(parse_move, {}).code == "missing_required_parameter"


class TestPaths:
    @pytest.mark.parametrize("target_type", get_args(get_args(AnyTarget)[0]))
    def test_every_network_can_be_named(self, target_type: Any) -> None:
        (platform,) = get_args(target_type.model_fields["platform"].annotation)

        path = parse_post_path(VIDEO_ID, platform, "101")

        assert path.post_id == a_target(platform, "101").post_id

    def test_no_other_can(self) -> None:
        assert len(get_args(PostPath.model_fields["platform"].annotation)) == len(get_args(get_args(AnyTarget)[0]))

    @pytest.mark.parametrize(
        ("video_id", "platform", "account_id"),
        [
            (VIDEO_ID, "myspace", "101"),
            (VIDEO_ID, "", "101"),
            (VIDEO_ID, "twitter\0", "101"),
            (VIDEO_ID, "twitter", ""),
            (VIDEO_ID, "twitter", "a#b"),
            (VIDEO_ID, "twitter", "1\n"),
            (VIDEO_ID, "twitter", "1" * 65),
            ("a b", "twitter", "101"),
            ("v" * 129, "twitter", "101"),
        ],
    )
    def test_what_can_be_no_post_is_not_there(self, video_id: str, platform: str, account_id: str) -> None:
        with pytest.raises(NotFound) as caught:
            parse_post_path(video_id, platform, account_id)

        assert caught.value.what == "post"

    @pytest.mark.parametrize("video_id", ["", "a b", "v" * 129, "video\0", "video_1\n", "video#1"])
    def test_what_can_be_no_video_is_not_there(self, video_id: str) -> None:
        with pytest.raises(NotFound):
            check_video_id(video_id)

    def test_an_id_is_passed_on(self) -> None:
        assert check_video_id(VIDEO_ID) == VIDEO_ID
