"""The bodies and the paths of the routes about posts, and what is refused in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from mediaposter.domain.errors import NotFound
from mediaposter.publishing.targets import AnyTarget
from mediaposter.wire.post_requests import (
    ApprovalRequest,
    MoveRequest,
    PostEdits,
    PublishAgainRequest,
    ResolveRequest,
    parse_approval,
    parse_move,
    parse_post_path,
    parse_publish_again,
    parse_resolve,
)
from tests.builders import a_target
from tests.unit.wire.sending import JSON, TWITTER, refusal_of, send_form, send_json

VIDEO_ID = "video_0193d2a5b6c7"
URL = "https://x.com/kites/status/1"


class TestPublishAgain:
    @pytest.mark.parametrize(("body", "content_type"), [(b"", ""), (b"{}", JSON), (b'{"publish": []}', JSON)])
    def test_it_may_name_no_target(self, body: bytes, content_type: str) -> None:
        assert parse_publish_again(body, content_type) == PublishAgainRequest()

    def test_it_takes_what_a_request_for_a_video_says_of_its_posts(self) -> None:
        fields = {"publish": [TWITTER], "text": "{title}", "title": "Dusk", "stagger_minutes": "30"}

        request = parse_publish_again(*send_json({**fields, "delivery": "verified"}))

        assert [target.post_id for target in request.publish] == ["twitter#101"]
        assert (request.text, request.title, request.stagger_minutes) == ("{title}", "Dusk", 30)
        assert request.delivery == "verified"

    def test_it_may_be_a_form_without_files(self) -> None:
        fields = {"publish[0][platform]": "twitter", "publish[0][account_id]": "101", "text": "Up."}

        request = parse_publish_again(*send_form(fields))

        assert request == parse_publish_again(*send_json({"publish": [TWITTER], "text": "Up."}))
        refusal = refusal_of(parse_publish_again, *send_form(fields, {"video": b"moov"}))
        assert (refusal.param, refusal.code) == ("video", "unsupported_file")

    @pytest.mark.parametrize("field", ["approval", "approval_hours"])
    def test_no_field_of_an_approval_is_taken(self, field: str) -> None:
        refusal = refusal_of(parse_publish_again, *send_json({"publish": [TWITTER], field: "required"}))

        assert (refusal.param, refusal.code) == (field, "unknown_parameter")

    @pytest.mark.parametrize(("field", "value"), [("text", ""), ("title", "Dusk"), ("stagger_minutes", 1)])
    @pytest.mark.parametrize("publish", [{}, {"publish": []}])
    def test_words_for_what_failed_are_refused_rather_than_ignored(
        self, field: str, value: object, publish: dict[str, Any]
    ) -> None:
        refusal = refusal_of(parse_publish_again, *send_json({**publish, field: value}))

        assert refusal.param == field
        assert refusal.message.startswith(f"{field}: needs publish: ")


CAPTION = {"platform": "twitter", "account_id": "1", "text": "As I say"}


class TestApproval:
    @pytest.mark.parametrize("decision", ["approve", "reject"])
    def test_a_decision_is_a_word(self, decision: str) -> None:
        assert parse_approval(*send_json({"decision": decision})) == ApprovalRequest.model_validate(
            {"decision": decision}
        )

    @pytest.mark.parametrize("edits", [{"text": "Up."}, {"text": ""}, {"publish": [TWITTER]}, {"captions": [CAPTION]}])
    def test_what_is_posted_may_be_changed(self, edits: dict[str, Any]) -> None:
        request = parse_approval(*send_json({"decision": "approve", "edits": edits}))

        assert request.edits == PostEdits.model_validate(edits)

    @pytest.mark.parametrize("edits", [{}, {"publish": []}, {"title": "Dusk"}])
    def test_edits_that_change_nothing_are_refused(self, edits: dict[str, Any]) -> None:
        refusal = refusal_of(parse_approval, *send_json({"decision": "approve", "edits": edits}))

        # Taken, they would put the prompt in the place of the request's text.
        assert refusal.message == "edits: needs publish, text or captions; to post it as it is, leave the edits out."
        assert refusal.param == "edits"

    @pytest.mark.parametrize(
        "edits", [{"captions": [CAPTION, CAPTION]}, {"captions": [CAPTION], "text": "Up."}], ids=["twice", "two ways"]
    )
    def test_captions_name_each_post_once_and_stand_alone(self, edits: dict[str, Any]) -> None:
        refusal = refusal_of(parse_approval, *send_json({"decision": "approve", "edits": edits}))

        assert str(refusal.param).startswith("edits")

    def test_what_is_rejected_cannot_be_changed(self) -> None:
        refusal = refusal_of(parse_approval, *send_json({"decision": "reject", "edits": {"text": "Up."}}))

        assert refusal.message.startswith("edits: a rejected video is not posted")

    @pytest.mark.parametrize("decision", ["", "Approve", "approved", "approve\0", True, ["approve"]])
    def test_any_other_word_is_refused(self, decision: object) -> None:
        assert refusal_of(parse_approval, *send_json({"decision": decision})).param == "decision"

    @pytest.mark.parametrize(
        ("edits", "param", "message"),
        [
            ("soon", "edits", "edits: "),
            ({"text": "a", "approval": "required"}, "edits.approval", "edits.approval: "),
            ({"publish": "{"}, "edits.publish", "edits.publish: is not valid JSON: line 1, column 2: "),
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
        refusal = refusal_of(parse_approval, *send_json({"decision": "approve", "edits": edits}))

        assert refusal.param == param
        assert refusal.message.startswith(message)


class TestResolve:
    def test_a_post_that_is_there_has_a_url(self) -> None:
        request = parse_resolve(*send_json({"outcome": "posted", "url": URL}))

        assert request == ResolveRequest(outcome="posted", url=URL)

    @pytest.mark.parametrize("fields", [{}, {"url": None}])
    def test_one_that_is_to_be_sent_again_has_none(self, fields: dict[str, Any]) -> None:
        assert parse_resolve(*send_json({"outcome": "send_again", **fields})) == ResolveRequest(outcome="send_again")

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"url": URL}, "outcome"),
            ({"outcome": "lost", "url": URL}, "outcome"),
            ({"outcome": "posted"}, "url"),
            ({"outcome": "send_again", "url": URL}, "url"),
            ({"outcome": "posted", "url": ""}, "url"),
            ({"outcome": "posted", "url": "http://x.com/1"}, "url"),
        ],
    )
    def test_what_says_nothing_clearly_is_refused(self, fields: dict[str, Any], param: str) -> None:
        assert refusal_of(parse_resolve, *send_json(fields)).param == param


class TestMove:
    @pytest.mark.parametrize("text", ["2026-12-24T18:00:00Z", "2026-12-24T19:00:00+01:00", "2026-12-24 18:00:00Z"])
    def test_a_time_is_read_with_its_offset(self, text: str) -> None:
        request = parse_move(*send_json({"scheduled_time": text}))

        assert request == MoveRequest(scheduled_time=datetime(2026, 12, 24, 18, tzinfo=UTC))

    @pytest.mark.parametrize(
        "time", [1_800_000_000, "1800000000", "2026-12-24", "2026-12-24T18:00:00", "2026-12-24T18:00:00Z\0", ""]
    )
    def test_anything_else_is_no_time(self, time: object) -> None:
        refusal = refusal_of(parse_move, *send_json({"scheduled_time": time}))

        assert (refusal.param, refusal.code) == ("scheduled_time", "invalid_value")


class TestPaths:
    @pytest.mark.parametrize("target_type", get_args(get_args(AnyTarget)[0]))
    def test_every_network_can_be_named(self, target_type: Any) -> None:
        (platform,) = get_args(target_type.model_fields["platform"].annotation)

        path = parse_post_path(VIDEO_ID, platform, "101")

        assert path.post_id == a_target(platform, "101").post_id

    @pytest.mark.parametrize(
        ("video_id", "platform", "account_id"),
        [
            (VIDEO_ID, "myspace", "101"),
            (VIDEO_ID, "twitter", "1\n"),
            (VIDEO_ID, "twitter", "1" * 65),
            ("a b", "twitter", "101"),
        ],
    )
    def test_what_can_be_no_post_is_not_there(self, video_id: str, platform: str, account_id: str) -> None:
        with pytest.raises(NotFound) as caught:
            parse_post_path(video_id, platform, account_id)

        assert caught.value.what == "post"
