"""The routes about posts: what they answer, what they keep and start, and what they refuse."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx
import pytest

from mediaposter.errors import ConfigurationError, ErrorCode
from mediaposter.library.approvals import Approval, Decision
from mediaposter.library.posts import Post, PostState
from mediaposter.library.videos import Stage, Video
from mediaposter.publishing.blotato_client import BlotatoClient
from sandbox.blotato import ACCOUNTS, Route, create_app
from sandbox.serving import serve_in_thread
from tests.builders import NOW, a_post, a_stored_video, a_target, a_video
from tests.unit.functions.conftest import Invoke
from tests.unit.functions.stack import STACK, Event, Stack, read_event

_VIDEO_ID = "video_019ad1c2e4f08c1de2f3a4b5c6d7e8f9"
_OWNER = "key_5f0c1d2e3a4b5c6d"
_CAPTION = "A red kite, up with the birds"
_TOKEN = "task-token-that-nobody-may-see"
_MEDIA_URL = "https://media.example.com/kite.mp4"
_KEY = "blotato-sandbox-key="
_FUNCTION = "PostsFunction"
_LISTENS = pytest.mark.enable_socket(reason="Blotato's stand-in listens on loopback")
_SCOPE_OF = {
    "posts-again": "publish",
    "posts-again-elsewhere": "publish",
    "posts-list": "read",
    "posts-move": "publish",
    "posts-cancel": "publish",
    "posts-resolve": "publish",
    "posts-approve": "publish",
    "posts-schedules": "read",
}
_WITH_BODIES = ("posts-again-elsewhere", "posts-move", "posts-resolve", "posts-approve")
_ABOUT_ONE_POST = ("posts-move", "posts-cancel", "posts-resolve")
_SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)


def _event(
    name: str,
    *,
    body: object = None,
    scopes: str = "read publish",
    account_id: str = "101",
    query: dict[str, str] | None = None,
) -> Event:
    """Build an event from a sample; `body` is sent as JSON in place of its own, a text as it stands."""
    event = read_event(name)
    event["requestContext"]["authorizer"]["scopes"] = scopes
    event["path"] = event["path"].replace("/101", f"/{account_id}")
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    if query is not None:
        event["queryStringParameters"] = query
        event["multiValueQueryStringParameters"] = {key: [value] for key, value in query.items()}
    return event


def _body(answer: Any) -> Any:
    return json.loads(answer["body"])


def _headers(answer: Any) -> dict[str, str]:
    return {name.lower(): ",".join(values) for name, values in answer["multiValueHeaders"].items()}


def _error(answer: Any) -> Any:
    """Give the error of an envelope, which has nothing else."""
    ((name, error),) = _body(answer).items()
    assert name == "error"
    assert list(error) == ["message", "type", "param", "code"]
    return error


def _a_video(**changes: Any) -> Video:
    fields = {"stage": Stage.DONE, "stored": a_stored_video(_VIDEO_ID), "completed_at": NOW}
    return a_video(**{"id": _VIDEO_ID, "owner": _OWNER, **fields, **changes})


def _a_post(platform: str = "twitter", account_id: str = "101", **changes: Any) -> Post:
    fields = {"video_id": _VIDEO_ID, "owner": _OWNER, "text": _CAPTION}
    return a_post(a_target(platform, account_id), **{**fields, **changes})


def _an_approval(**changes: Any) -> Approval:
    fields = {"video_id": _VIDEO_ID, "asked_at": NOW, "expires_at": _SOON, "task_token": _TOKEN}
    return Approval.model_validate({**fields, **changes})


def _keep_asked(stack: Stack, *posts: Post, **approval: Any) -> None:
    """Keep a video that waits for a person."""
    video = _a_video(stage=Stage.AWAITING_APPROVAL, approval_hours=24)
    stack.keep(video, _an_approval(**approval), *(posts or (_a_post(),)))


class TestAgain:
    def test_what_failed_is_written_down_anew_and_started(self, stack: Stack, invoke: Invoke) -> None:
        failed = _a_post(state=PostState.FAILED, error_code=ErrorCode.PROVIDER_ERROR, error_message="It was refused.")
        stack.keep(_a_video(), failed, _a_post("threads", "303", state=PostState.PUBLISHED))

        answer = invoke(_FUNCTION, _event("posts-again"))

        assert answer["statusCode"] == 200
        video = _body(answer)
        assert (video["id"], video["stage"], video["approval"]) == (_VIDEO_ID, "publishing", None)
        assert [(post["platform"], post["status"], post["error"]) for post in video["posts"]] == [
            ("threads", "published", None),
            ("twitter", "pending", None),
        ]
        references = [{"video_id": _VIDEO_ID, "post_id": "twitter#101"}]
        assert stack.executions() == [
            (f"{_VIDEO_ID}-launch-1", json.dumps({"video_id": _VIDEO_ID, "launch": 1, "posts": references}))
        ]

    @pytest.mark.parametrize("body", ["", "{}"])
    def test_a_body_may_be_empty(self, stack: Stack, invoke: Invoke, body: str) -> None:
        stack.keep(_a_video(), _a_post(state=PostState.FAILED))

        assert invoke(_FUNCTION, _event("posts-again-elsewhere", body=body))["statusCode"] == 200

    def test_a_kept_video_goes_to_one_more_account(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(), _a_post(state=PostState.PUBLISHED))

        assert invoke(_FUNCTION, _event("posts-again-elsewhere"))["statusCode"] == 200

        (post,) = [post for post in stack.posts(_VIDEO_ID) if post.state is PostState.PENDING]
        assert (post.target.post_id, post.text, post.owner) == ("threads#303", "Up with the birds.", _OWNER)

    def test_targets_may_come_as_a_form(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video())
        fields = {"publish[0][platform]": "bluesky", "publish[0][account_id]": "9", "text": "Up."}
        request = httpx.Request("POST", "https://api.example", files={name: (None, fields[name]) for name in fields})
        event = _event("posts-again-elsewhere", body=request.read().decode())
        event["headers"]["Content-Type"] = request.headers["content-type"]

        answer = invoke(_FUNCTION, event)

        assert [(post["platform"], post["text"]) for post in _body(answer)["posts"]] == [("bluesky", "Up.")]

    @pytest.mark.parametrize(
        ("fields", "param", "code"),
        [
            ({"publish": [{"platform": "myspace", "account_id": "1"}]}, "publish[0]", "invalid_value"),
            ({"publish": [{"platform": "facebook", "account_id": "1"}]}, "publish[0].page_id", None),
            ({"publish": [{"platform": "twitter", "account_id": "101", "text": "a\0"}]}, "publish[0].text", None),
            ({"publish": [{"platform": "twitter", "account_id": "101", "text": "x" * 281}]}, "publish[0].text", None),
            ({"publish": [{"platform": "twitter", "account_id": "9"}] * 2}, "publish", "invalid_value"),
            ({"publish": [{"platform": "twitter", "account_id": "101"}]}, "publish[0].account_id", "already_posted"),
            ({"publish": []}, "publish", "nothing_to_post"),
        ],
    )
    def test_a_target_that_cannot_be_is_named_and_nothing_is_written(
        self, stack: Stack, invoke: Invoke, fields: dict[str, Any], param: str, code: str | None
    ) -> None:
        stack.keep(_a_video(), _a_post(state=PostState.PUBLISHED))

        answer = invoke(_FUNCTION, _event("posts-again-elsewhere", body=fields))

        assert (answer["statusCode"], _error(answer)["param"]) == (400, param)
        assert code is None or _error(answer)["code"] == code
        assert (stack.video(_VIDEO_ID).stage, stack.executions()) == (Stage.DONE, [])

    def test_a_video_that_is_not_kept_is_not_posted_and_the_sdk_does_not_try_again(
        self, stack: Stack, invoke: Invoke
    ) -> None:
        stack.keep(_a_video(stage=Stage.RENDERING, stored=None))

        answer = invoke(_FUNCTION, _event("posts-again"))

        assert (answer["statusCode"], _error(answer)["code"]) == (409, "already_decided")
        assert _headers(answer)["x-should-retry"] == "false"
        assert "is in_progress at rendering" in _error(answer)["message"]

    @pytest.mark.parametrize("name", ["posts-again", "posts-again-elsewhere"])
    def test_what_could_not_be_started_is_started_by_the_same_request(
        self, stack: Stack, invoke: Invoke, name: str
    ) -> None:
        stack.keep(_a_video(), _a_post(state=PostState.FAILED))
        machine = stack.environment_of(_FUNCTION)["STATE_MACHINE_ARN"]
        stack.tell(VideoStateMachine="arn:aws:states:us-east-1:123456789012:stateMachine:gone")

        answer = invoke(_FUNCTION, _event(name))

        assert (answer["statusCode"], _error(answer)["code"]) == (503, "not_started")
        assert _headers(answer)["retry-after"] == "5"
        stack.tell(VideoStateMachine=machine)
        assert invoke(_FUNCTION, _event(name))["statusCode"] == 200
        assert [started for started, _ in stack.executions()] == [f"{_VIDEO_ID}-launch-1"]

    def test_while_it_is_being_posted_no_other_targets_are_taken(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(stage=Stage.PUBLISHING, launch=1), _a_post())

        answer = invoke(_FUNCTION, _event("posts-again-elsewhere"))

        assert (answer["statusCode"], _error(answer)["code"]) == (409, "already_decided")

    def test_a_caption_is_not_logged(self, stack: Stack, invoke: Invoke, log: io.StringIO) -> None:
        stack.keep(_a_video(), _a_post(state=PostState.FAILED))

        invoke(_FUNCTION, _event("posts-again"))

        assert _CAPTION not in log.getvalue()


class TestList:
    def test_all_posts_of_a_video_are_answered(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(
            _a_video(),
            _a_post(state=PostState.PUBLISHED, public_url="https://x.example/1", submitted_at=NOW),
            _a_post("threads", "303"),
        )

        answer = invoke(_FUNCTION, _event("posts-list"))

        assert answer["statusCode"] == 200
        listed = _body(answer)
        assert (listed["object"], listed["has_more"]) == ("list", False)
        assert [post["platform"] for post in listed["data"]] == ["threads", "twitter"]
        assert listed["data"][1] == {
            "object": "video.post",
            "video_id": _VIDEO_ID,
            "platform": "twitter",
            "account_id": "101",
            "status": "published",
            "url": "https://x.example/1",
            "text": _CAPTION,
            "scheduled_time": None,
            "submitted_at": int(NOW.timestamp()),
            "error": None,
        }

    def test_an_admin_sees_those_of_everybody(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(owner="key_of_another"), _a_post(owner="key_of_another"))

        assert len(_body(invoke(_FUNCTION, _event("posts-list", scopes="admin")))["data"]) == 1


class Scheduled(NamedTuple):
    """Blotato's stand-in with a post that waits for its time, and the record of it."""

    base_url: str
    client: BlotatoClient
    post: Post

    def break_once(self, route: Route, **action: object) -> None:
        """Let the next call of a route go wrong."""
        root = self.base_url.removesuffix("/v2")
        rules = {"rules": [{"on": route, "times": 1, "action": action}]}
        httpx.post(f"{root}/_sandbox/faults", json=rules).raise_for_status()


@pytest.fixture
def scheduled(stack: Stack) -> Iterator[Scheduled]:
    account_id = ACCOUNTS["twitter"].id
    target = a_target("twitter", account_id)
    with serve_in_thread(create_app(), base_path="/v2") as base_url:
        client = BlotatoClient(_KEY, base_url=base_url)
        report = client.publish(target, text=_CAPTION, media_url=_MEDIA_URL, scheduled_time=_SOON)
        stack.tell(BlotatoBaseUrl=base_url)
        _put_key(stack, _KEY)
        post = _a_post(
            account_id=account_id,
            state=PostState.SCHEDULED,
            media_url=_MEDIA_URL,
            submission_id=report.submission_id,
            scheduled_time=_SOON,
        )
        stack.keep(_a_video(), post)
        yield Scheduled(base_url, client, post)


def _put_key(stack: Stack, key: str) -> None:
    name = f"/mediaposter/{STACK}/blotato-api-key"
    stack.client("ssm").put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)


def _about(post: Post, name: str, **changes: Any) -> Event:
    return _event(name, account_id=post.target.account_id, **changes)


def _write(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


@_LISTENS
class TestSchedule:
    def test_a_scheduled_post_is_moved_at_the_publisher_and_in_the_ledger(
        self, stack: Stack, invoke: Invoke, scheduled: Scheduled
    ) -> None:
        later = _SOON + timedelta(days=1)

        answer = invoke(_FUNCTION, _about(scheduled.post, "posts-move", body={"scheduled_time": _write(later)}))

        assert answer["statusCode"] == 200
        assert (_body(answer)["status"], _body(answer)["scheduled_time"]) == ("scheduled", _write(later))
        assert [schedule.scheduled_time for schedule in scheduled.client.list_schedules()] == [later]
        assert [post.scheduled_time for post in stack.posts(_VIDEO_ID)] == [later]

    def test_a_time_may_have_any_offset(self, invoke: Invoke, scheduled: Scheduled) -> None:
        time = f"{_SOON:%Y-%m-%dT%H:%M:%S}+02:00"

        answer = invoke(_FUNCTION, _about(scheduled.post, "posts-move", body={"scheduled_time": time}))

        assert _body(answer)["scheduled_time"] == _write(_SOON - timedelta(hours=2))

    def test_a_cancelled_post_is_gone_at_the_publisher_and_says_why(
        self, stack: Stack, invoke: Invoke, scheduled: Scheduled
    ) -> None:
        answer = invoke(_FUNCTION, _about(scheduled.post, "posts-cancel"))

        assert (answer["statusCode"], _body(answer)["status"]) == (200, "cancelled")
        assert _body(answer)["error"]["code"] == "cancelled"
        assert scheduled.client.list_schedules() == []
        assert [post.state for post in stack.posts(_VIDEO_ID)] == [PostState.CANCELLED]
        assert _body(invoke(_FUNCTION, _event("posts-schedules")))["data"] == []

    @pytest.mark.parametrize("name", ["posts-move", "posts-cancel"])
    def test_a_publisher_that_does_not_answer_is_asked_again_later(
        self, stack: Stack, invoke: Invoke, scheduled: Scheduled, name: str
    ) -> None:
        scheduled.break_once(Route.LIST_SCHEDULES, type="respond", status=503)
        body = {"scheduled_time": _write(_SOON)} if name == "posts-move" else None

        answer = invoke(_FUNCTION, _about(scheduled.post, name, body=body))

        assert (answer["statusCode"], _headers(answer)["retry-after"]) == (502, "5")
        assert (_error(answer)["type"], _error(answer)["code"]) == ("server_error", "publisher_error")
        assert "x-should-retry" not in _headers(answer)
        assert [post.state for post in stack.posts(_VIDEO_ID)] == [PostState.SCHEDULED]

    def test_a_publisher_that_refuses_the_key_is_not_asked_again(
        self, stack: Stack, invoke: Invoke, scheduled: Scheduled
    ) -> None:
        _put_key(stack, "another-key")

        answer = invoke(_FUNCTION, _about(scheduled.post, "posts-cancel"))

        assert (answer["statusCode"], _headers(answer)["x-should-retry"]) == (502, "false")
        assert "retry-after" not in _headers(answer)

    def test_a_post_that_the_publisher_does_not_know_is_not_moved(
        self, stack: Stack, invoke: Invoke, scheduled: Scheduled
    ) -> None:
        for schedule in scheduled.client.list_schedules():
            scheduled.client.cancel_schedule(schedule.schedule_id)

        answer = invoke(_FUNCTION, _about(scheduled.post, "posts-move", body={"scheduled_time": _write(_SOON)}))

        assert (answer["statusCode"], _error(answer)["code"]) == (409, "already_decided")

    @pytest.mark.parametrize("name", ["posts-move", "posts-cancel"])
    def test_neither_caption_nor_key_is_logged(
        self, invoke: Invoke, scheduled: Scheduled, log: io.StringIO, name: str
    ) -> None:
        invoke(_FUNCTION, _about(scheduled.post, name, body={"scheduled_time": _write(_SOON)}))

        assert _CAPTION not in log.getvalue()
        assert _KEY not in log.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"scheduled_time": None},
        {"scheduled_time": 1_800_000_000},
        {"scheduled_time": "1800000000"},
        {"scheduled_time": "tomorrow"},
        {"scheduled_time": "2100-02-30T00:00:00Z"},
        {"scheduled_time": f"{_SOON:%Y-%m-%dT%H:%M:%S}"},
        {"scheduled_time": "2020-01-01T00:00:00Z"},
        {"scheduled_time": "9999-12-31T23:59:59-23:00"},
        {"scheduled_time": _write(_SOON + timedelta(days=300))},
        {"scheduled_time": _write(_SOON) + "\0"},
    ],
)
def test_a_time_that_cannot_be_is_refused(stack: Stack, invoke: Invoke, body: dict[str, Any]) -> None:
    stack.keep(_a_video(), _a_post(state=PostState.SCHEDULED, scheduled_time=_SOON))

    answer = invoke(_FUNCTION, _event("posts-move", body=body))

    assert (answer["statusCode"], _error(answer)["param"]) == (400, "scheduled_time")
    assert _error(answer)["message"].count("scheduled_time") == 1


@pytest.mark.parametrize("state", [PostState.PENDING, PostState.SUBMITTED, PostState.PUBLISHED, PostState.CANCELLED])
@pytest.mark.parametrize("name", ["posts-move", "posts-cancel"])
def test_only_a_scheduled_post_can_be_moved_or_cancelled(
    stack: Stack, invoke: Invoke, state: PostState, name: str
) -> None:
    stack.keep(_a_video(), _a_post(state=state))

    answer = invoke(_FUNCTION, _event(name, body={"scheduled_time": _write(_SOON)}))

    assert (answer["statusCode"], _error(answer)["code"]) == (409, "already_decided")
    assert f"is {state}" in _error(answer)["message"]


@pytest.mark.parametrize("name", ["posts-move", "posts-cancel"])
def test_a_stack_without_a_key_is_a_fault_that_counts_as_an_error(stack: Stack, invoke: Invoke, name: str) -> None:
    stack.keep(_a_video(), _a_post(state=PostState.SCHEDULED, scheduled_time=_SOON))

    with pytest.raises(ConfigurationError, match="blotato-api-key"):
        invoke(_FUNCTION, _event(name, body={"scheduled_time": _write(_SOON)}))


class TestResolve:
    @pytest.mark.parametrize("state", [PostState.PARKED, PostState.UNKNOWN])
    def test_a_post_that_a_person_found_is_published(self, stack: Stack, invoke: Invoke, state: PostState) -> None:
        stack.keep(_a_video(), _a_post(state=state, error_message="Nobody knows."))

        answer = invoke(_FUNCTION, _event("posts-resolve"))

        assert answer["statusCode"] == 200
        (post,) = _body(answer)["posts"]
        assert (post["status"], post["url"], post["error"]) == (
            "published",
            "https://x.com/example/status/1",
            None,
        )

    @_LISTENS
    def test_a_post_that_is_not_there_is_sent_again(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(), _a_post(state=PostState.PARKED, media_url=_MEDIA_URL))

        with serve_in_thread(create_app(), base_path="/v2") as base_url:
            stack.tell(BlotatoBaseUrl=base_url)
            _put_key(stack, _KEY)
            answer = invoke(_FUNCTION, _event("posts-resolve", body={"outcome": "send_again"}))

        assert (answer["statusCode"], _body(answer)["posts"][0]["status"]) == (200, "pending")
        (post,) = stack.posts(_VIDEO_ID)
        assert (post.media_url, post.owner) == (None, _OWNER)
        assert [name for name, _ in stack.executions()] == [f"{_VIDEO_ID}-launch-1"]

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "outcome"),
            ({"outcome": "lost"}, "outcome"),
            ({"outcome": None}, "outcome"),
            ({"outcome": "posted"}, "url"),
            ({"outcome": "posted", "url": None}, "url"),
            ({"outcome": "posted", "url": "http://x.com/1"}, "url"),
            ({"outcome": "posted", "url": "https://x.com/\0"}, "url"),
            ({"outcome": "posted", "url": ["https://x.com/1"]}, "url"),
            ({"outcome": "posted", "url": "javascript:alert(1)"}, "url"),
            ({"outcome": "send_again", "url": "https://x.com/1"}, "url"),
        ],
    )
    def test_a_word_that_says_nothing_is_refused(
        self, stack: Stack, invoke: Invoke, body: dict[str, Any], param: str
    ) -> None:
        stack.keep(_a_video(), _a_post(state=PostState.PARKED))

        answer = invoke(_FUNCTION, _event("posts-resolve", body=body))

        assert (answer["statusCode"], _error(answer)["param"]) == (400, param)
        assert [post.state for post in stack.posts(_VIDEO_ID)] == [PostState.PARKED]

    @pytest.mark.parametrize("state", [PostState.PUBLISHED, PostState.IN_DOUBT, PostState.FAILED, PostState.PENDING])
    def test_only_a_post_that_waits_for_a_person_is_resolved(
        self, stack: Stack, invoke: Invoke, state: PostState
    ) -> None:
        stack.keep(_a_video(), _a_post(state=state))

        answer = invoke(_FUNCTION, _event("posts-resolve", body={"outcome": "send_again"}))

        assert (answer["statusCode"], _error(answer)["code"]) == (409, "already_decided")
        assert stack.executions() == []


class TestApproval:
    def test_an_approved_video_is_posted_as_it_is(self, stack: Stack, invoke: Invoke) -> None:
        _keep_asked(stack)

        answer = invoke(_FUNCTION, _event("posts-approve"))

        assert answer["statusCode"] == 200
        video = _body(answer)
        assert (video["stage"], video["approval"]["status"]) == ("publishing", "approved")
        assert video["approval"]["expires_at"] == int(_SOON.timestamp())
        assert isinstance(video["approval"]["decided_at"], int)
        assert [(post["status"], post["text"]) for post in video["posts"]] == [("pending", _CAPTION)]

    def test_edits_replace_what_was_planned(self, stack: Stack, invoke: Invoke) -> None:
        _keep_asked(stack)
        edits = {"publish": [{"platform": "bluesky", "account_id": "9", "text": "Up."}]}

        answer = invoke(_FUNCTION, _event("posts-approve", body={"decision": "approve", "edits": edits}))

        assert [(post["platform"], post["text"]) for post in _body(answer)["posts"]] == [("bluesky", "Up.")]
        assert [post.owner for post in stack.posts(_VIDEO_ID)] == [_OWNER]

    def test_edits_may_be_to_the_words_alone(self, stack: Stack, invoke: Invoke) -> None:
        _keep_asked(stack)

        answer = invoke(_FUNCTION, _event("posts-approve", body={"decision": "approve", "edits": {"text": "Down."}}))

        assert [(post["platform"], post["text"]) for post in _body(answer)["posts"]] == [("twitter", "Down.")]

    def test_a_rejected_video_is_not_posted(self, stack: Stack, invoke: Invoke) -> None:
        _keep_asked(stack)

        answer = invoke(_FUNCTION, _event("posts-approve", body={"decision": "reject"}))

        video = _body(answer)
        assert (video["stage"], video["approval"]["status"]) == ("done", "rejected")
        assert [(post["status"], post["error"]["code"]) for post in video["posts"]] == [("cancelled", "cancelled")]

    def test_the_first_decision_holds(self, stack: Stack, invoke: Invoke) -> None:
        _keep_asked(stack)
        invoke(_FUNCTION, _event("posts-approve"))

        answer = invoke(_FUNCTION, _event("posts-approve", body={"decision": "reject"}))

        assert (answer["statusCode"], _error(answer)["code"]) == (409, "already_decided")
        assert "is approved since" in _error(answer)["message"]
        assert _headers(answer)["x-should-retry"] == "false"

    def test_after_its_time_nobody_decides(self, stack: Stack, invoke: Invoke) -> None:
        _keep_asked(stack, expires_at=datetime.now(UTC) - timedelta(seconds=1))

        answer = invoke(_FUNCTION, _event("posts-approve"))

        assert (answer["statusCode"], _error(answer)["code"]) == (409, "already_decided")
        assert "is expired since" in _error(answer)["message"]
        assert [post.state for post in stack.posts(_VIDEO_ID)] == [PostState.CANCELLED]

    def test_where_nobody_was_asked_there_is_nothing_to_decide(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(), _a_post())

        answer = invoke(_FUNCTION, _event("posts-approve"))

        assert (answer["statusCode"], _error(answer)["message"]) == (404, "There is no such approval.")

    @pytest.mark.parametrize(
        ("body", "param", "code"),
        [
            ({}, "decision", "missing_required_parameter"),
            ({"decision": "maybe"}, "decision", "invalid_value"),
            ({"decision": True}, "decision", "invalid_value"),
            ({"decision": "approve\0"}, "decision", "invalid_value"),
            ({"decision": "reject", "edits": {"text": "Up."}}, "edits", "invalid_value"),
            ({"decision": "approve", "edits": {}}, "edits", "invalid_value"),
            ({"decision": "approve", "edits": {"title": "Kites"}}, "edits", "invalid_value"),
            ({"decision": "approve", "edits": "soon"}, "edits", "invalid_value"),
            ({"decision": "approve", "edits": {"text": "a\0"}}, "edits.text", "invalid_value"),
            ({"decision": "approve", "edits": {"text": "a", "colour": 1}}, "edits.colour", "unknown_parameter"),
            (
                {"decision": "approve", "edits": {"text": "a", "approval": "required"}},
                "edits.approval",
                "unknown_parameter",
            ),
            (
                {"decision": "approve", "edits": {"publish": [{"platform": "bluesky"}]}},
                "edits.publish[0].account_id",
                "missing_required_parameter",
            ),
            (
                {"decision": "approve", "edits": {"publish": [{"platform": "myspace"}]}},
                "edits.publish[0]",
                "invalid_value",
            ),
        ],
    )
    def test_a_decision_that_cannot_be_decides_nothing(
        self, stack: Stack, invoke: Invoke, body: dict[str, Any], param: str, code: str
    ) -> None:
        _keep_asked(stack)

        answer = invoke(_FUNCTION, _event("posts-approve", body=body))

        assert (answer["statusCode"], _error(answer)["param"], _error(answer)["code"]) == (400, param, code)
        assert stack.video(_VIDEO_ID).stage is Stage.AWAITING_APPROVAL

    @pytest.mark.parametrize("body", [{"decision": "approve"}, {"decision": "reject"}])
    def test_nobody_sees_what_the_machine_waits_on(
        self, stack: Stack, invoke: Invoke, log: io.StringIO, body: dict[str, str]
    ) -> None:
        _keep_asked(stack)

        answer = invoke(_FUNCTION, _event("posts-approve", body=body))

        assert _TOKEN not in answer["body"] + log.getvalue()

    @pytest.mark.parametrize(
        ("decision", "decided_at", "shown"), [(Decision.WAITING, None, None), (Decision.REJECTED, NOW, 1_796_126_400)]
    )
    def test_a_video_tells_how_its_approval_stands(
        self, stack: Stack, invoke: Invoke, decision: Decision, decided_at: datetime | None, shown: int | None
    ) -> None:
        _keep_asked(stack, decision=decision, decided_at=decided_at)

        answer = invoke("LibraryFunction", read_event("library-retrieve"))

        approval = {"status": decision, "expires_at": int(_SOON.timestamp()), "decided_at": shown}
        assert _body(answer)["approval"] == approval

    def test_a_video_that_is_not_made_yet_has_no_approval(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(stage=Stage.RENDERING, stored=None, approval_hours=24))

        assert _body(invoke("LibraryFunction", read_event("library-retrieve")))["approval"] is None


class TestSchedules:
    def _keep_scheduled(self, stack: Stack, *hours: float, owner: str = _OWNER) -> None:
        for number, hour in enumerate(hours):
            stack.keep(
                a_post(
                    a_target("twitter", f"{number}"),
                    video_id=f"video_{owner}",
                    owner=owner,
                    state=PostState.SCHEDULED,
                    scheduled_time=_SOON + timedelta(hours=hour),
                )
            )

    def test_the_soonest_comes_first(self, stack: Stack, invoke: Invoke) -> None:
        self._keep_scheduled(stack, 2, 0.5, 1)

        listed = _body(invoke(_FUNCTION, _event("posts-schedules")))

        assert (listed["object"], listed["has_more"]) == ("list", False)
        assert [(post["video_id"], post["account_id"], post["status"]) for post in listed["data"]] == [
            (f"video_{_OWNER}", account_id, "scheduled") for account_id in ("1", "2", "0")
        ]

    def test_what_is_somebody_elses_or_does_not_wait_is_not_listed(self, stack: Stack, invoke: Invoke) -> None:
        self._keep_scheduled(stack, 1, owner="key_of_another")
        stack.keep(_a_post(state=PostState.PUBLISHED, scheduled_time=_SOON))

        assert _body(invoke(_FUNCTION, _event("posts-schedules"))) == {
            "object": "list",
            "data": [],
            "has_more": False,
            "first_id": None,
            "last_id": None,
        }

    def test_its_pages_hold_each_post_once_though_all_go_out_at_once(self, stack: Stack, invoke: Invoke) -> None:
        self._keep_scheduled(stack, *[1] * 5)
        seen: list[str] = []
        query = {"limit": "2"}

        for expected_more in (True, True, False):
            page = _body(invoke(_FUNCTION, _event("posts-schedules", query=query)))
            seen += [post["account_id"] for post in page["data"]]
            assert page["has_more"] is expected_more
            query = {"limit": "2", "after": page["last_id"]}

        assert seen == ["0", "1", "2", "3", "4"]

    def test_what_a_page_ends_with_needs_no_escaping_in_a_url(self, stack: Stack, invoke: Invoke) -> None:
        self._keep_scheduled(stack, 1)

        last_id = _body(invoke(_FUNCTION, _event("posts-schedules")))["last_id"]

        assert str(httpx.URL("https://api.example", params={"after": last_id})).endswith(last_id.replace(":", "%3A"))
        assert not set(last_id) & set(" #+&%?/")

    def test_an_admin_may_ask_for_those_of_an_owner(self, stack: Stack, invoke: Invoke) -> None:
        self._keep_scheduled(stack, 1, owner="key_of_another")

        event = _event("posts-schedules", scopes="admin", query={"owner": "key_of_another"})

        assert len(_body(invoke(_FUNCTION, event))["data"]) == 1

    def test_nobody_else_may(self, stack: Stack, invoke: Invoke) -> None:
        self._keep_scheduled(stack, 1, owner="key_of_another")

        answer = invoke(_FUNCTION, _event("posts-schedules", query={"owner": "key_of_another"}))

        assert (answer["statusCode"], _error(answer)["message"]) == (404, "There is no such owner.")

    @pytest.mark.parametrize(
        ("query", "param", "code"),
        [
            ({"limit": "0"}, "limit", "invalid_value"),
            ({"limit": "101"}, "limit", "invalid_value"),
            ({"limit": "few"}, "limit", "invalid_value"),
            ({"after": ""}, "after", "invalid_value"),
            ({"after": "a\0"}, "after", "invalid_value"),
            ({"after": "é"}, "after", "invalid_value"),
            ({"after": "x" * 257}, "after", "invalid_value"),
            ({"owner": ""}, "owner", "invalid_value"),
            ({"order": "desc"}, "order", "unknown_parameter"),
        ],
    )
    def test_a_question_that_makes_no_sense_is_refused(
        self, invoke: Invoke, query: dict[str, str], param: str, code: str
    ) -> None:
        answer = invoke(_FUNCTION, _event("posts-schedules", query=query))

        assert (answer["statusCode"], _error(answer)["param"], _error(answer)["code"]) == (400, param, code)

    def test_a_place_that_never_was_is_only_a_place(self, stack: Stack, invoke: Invoke) -> None:
        self._keep_scheduled(stack, 1)

        assert len(_body(invoke(_FUNCTION, _event("posts-schedules", query={"after": "0"})))["data"]) == 1


@pytest.mark.parametrize("name", [name for name in _SCOPE_OF if name != "posts-schedules"])
@pytest.mark.parametrize("video", [[], [_a_video(owner="key_of_another")]], ids=["none", "somebody else's"])
def test_a_video_that_is_not_the_callers_is_not_there(
    stack: Stack, invoke: Invoke, name: str, video: list[Video]
) -> None:
    posts = [_a_post(state=PostState.SCHEDULED, owner="key_of_another")] if video else []
    if video:
        stack.keep(*video, *posts, _an_approval())

    answer = invoke(_FUNCTION, _event(name))

    assert (answer["statusCode"], _error(answer)["code"]) == (404, "not_found")
    assert _error(answer)["message"] == "There is no such video."
    assert stack.posts(_VIDEO_ID) == posts


@pytest.mark.parametrize("name", _ABOUT_ONE_POST)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/twitter/", "/threads/"),
        ("/twitter/", "/myspace/"),
        ("/twitter/", "/TWITTER/"),
        ("/101", "/999"),
        ("/101", "/a b"),
        ("/101", "/101#"),
        ("/101", f"/{'1' * 65}"),
        (_VIDEO_ID, "v" * 3_000),
    ],
)
def test_a_post_that_is_not_there_is_not_found(stack: Stack, invoke: Invoke, name: str, old: str, new: str) -> None:
    stack.keep(_a_video(), _a_post(state=PostState.SCHEDULED))
    event = _event(name)

    answer = invoke(_FUNCTION, {**event, "path": event["path"].replace(old, new)})

    assert (answer["statusCode"], _error(answer)["code"]) == (404, "not_found")
    assert "video" not in _error(answer)["message"]


@pytest.mark.parametrize("name", [name for name in _SCOPE_OF if name not in (*_ABOUT_ONE_POST, "posts-schedules")])
@pytest.mark.parametrize("video_id", ["v" * 3_000, "video~1"])
def test_an_id_that_no_video_can_have_is_not_looked_for(stack: Stack, invoke: Invoke, name: str, video_id: str) -> None:
    # Of a key that is too long DynamoDB makes a fault.
    stack.tell(LibraryTable="gone")
    event = _event(name)

    answer = invoke(_FUNCTION, {**event, "path": event["path"].replace(_VIDEO_ID, video_id)})

    assert (answer["statusCode"], _error(answer)["code"]) == (404, "not_found")


@pytest.mark.parametrize(("name", "scope"), _SCOPE_OF.items())
def test_a_key_without_the_scope_may_not(stack: Stack, invoke: Invoke, name: str, scope: str) -> None:
    _keep_asked(stack, _a_post(state=PostState.PARKED))
    others = " ".join(other for other in ("read", "create", "publish") if other != scope)

    answer = invoke(_FUNCTION, _event(name, scopes=others))

    assert (answer["statusCode"], _error(answer)["code"]) == (403, "insufficient_scope")
    assert [post.state for post in stack.posts(_VIDEO_ID)] == [PostState.PARKED]
    assert stack.video(_VIDEO_ID).stage is Stage.AWAITING_APPROVAL


@pytest.mark.parametrize("name", _WITH_BODIES)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{\0", "invalid_json"),
        ('{"decision": "approve", "decision": "reject"}', "duplicate_field"),
    ],
)
def test_a_body_that_cannot_be_read_changes_nothing(
    stack: Stack, invoke: Invoke, name: str, body: str, code: str
) -> None:
    post = _a_post(state=PostState.SCHEDULED, scheduled_time=_SOON)
    _keep_asked(stack, post)

    answer = invoke(_FUNCTION, _event(name, body=body))

    assert (answer["statusCode"], _error(answer)["code"]) == (400, code)
    assert stack.posts(_VIDEO_ID) == [post]


@pytest.mark.parametrize("name", ["posts-move", "posts-resolve", "posts-approve"])
@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", ""])
def test_what_must_be_json_is_refused_as_anything_else(
    stack: Stack, invoke: Invoke, name: str, content_type: str
) -> None:
    stack.keep(_a_video(), _a_post())
    event = _event(name)
    event["headers"]["Content-Type"] = content_type

    answer = invoke(_FUNCTION, event)

    assert (answer["statusCode"], _error(answer)["code"]) == (400, "unsupported_content_type")
    assert _error(answer)["message"].endswith("send application/json.")


def test_an_unknown_route_is_answered_in_the_envelope(invoke: Invoke) -> None:
    answer = invoke(_FUNCTION, {**_event("posts-list"), "path": f"/videos/{_VIDEO_ID}/likes"})

    assert (answer["statusCode"], _error(answer)["message"]) == (404, "There is no such route.")
