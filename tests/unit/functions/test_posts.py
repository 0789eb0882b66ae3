"""The routes about posts: what they answer, what they keep and start, and what they refuse."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx
import pytest

from mediaposter.domain.errors import ConfigurationError, ErrorCode
from mediaposter.publishing.blotato_client import BlotatoClient
from mediaposter.stores.approvals import Approval, Decision
from mediaposter.stores.posts import Post, PostState
from mediaposter.stores.video_record import Video, VideoFailure
from mediaposter.stores.video_stages import Stage
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
_FUNCTION = "ApiFunction"
_LISTENS = pytest.mark.enable_socket(reason="Blotato's stand-in listens on loopback")
_SCOPE_OF = {
    "posts-again": "publish",
    "posts-again-elsewhere": "publish",
    "posts-list": "read",
    "posts-events": "read",
    "posts-move": "publish",
    "posts-cancel": "publish",
    "posts-resolve": "publish",
    "posts-approve": "approve",
    "posts-schedules": "read",
    "posts-store": "create",
}
_WITH_BODIES = ("posts-again-elsewhere", "posts-move", "posts-resolve", "posts-approve")
_ABOUT_ONE_POST = ("posts-move", "posts-cancel", "posts-resolve")
_SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)


def _event(
    name: str,
    *,
    body: object = None,
    scopes: str = "read create publish approve",
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


@pytest.mark.parametrize(
    ("name", "state"),
    [("posts-again-elsewhere", PostState.PUBLISHED), ("posts-resolve", PostState.PARKED), ("posts-approve", None)],
)
def test_what_continues_a_kept_video_answers_its_links(
    stack: Stack, invoke: Invoke, name: str, state: PostState | None
) -> None:
    if state is None:
        _keep_asked(stack)
    else:
        stack.keep(_a_video(), _a_post(state=state))

    answer = invoke(_FUNCTION, _event(name))

    assert (answer["statusCode"], "X-Amz-Signature" in _body(answer)["links"]["video"]) == (200, True)


class TestAgain:
    def test_a_kept_video_goes_to_one_more_account(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(), _a_post(state=PostState.PUBLISHED))

        assert invoke(_FUNCTION, _event("posts-again-elsewhere"))["statusCode"] == 200

        (post,) = [post for post in stack.posts(_VIDEO_ID) if post.state is PostState.PENDING]
        assert (post.target.post_id, post.text, post.owner) == ("threads#303", "Up with the birds.", _OWNER)

    def test_a_video_that_is_not_kept_is_not_posted_and_the_sdk_does_not_try_again(
        self, stack: Stack, invoke: Invoke
    ) -> None:
        stack.keep(_a_video(stage=Stage.RENDERING, stored=None))

        answer = invoke(_FUNCTION, _event("posts-again"))

        assert (answer["statusCode"], _error(answer)["code"]) == (409, "already_decided")
        assert _headers(answer)["x-should-retry"] == "false"
        assert "is in_progress at rendering" in _error(answer)["message"]

    def test_what_could_not_be_started_is_started_by_the_same_request(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(), _a_post(state=PostState.FAILED))
        machine = stack.environment_of(_FUNCTION)["STATE_MACHINE_ARN"]
        stack.tell(VideoStateMachine="arn:aws:states:us-east-1:123456789012:stateMachine:gone")

        answer = invoke(_FUNCTION, _event("posts-again"))

        assert (answer["statusCode"], _error(answer)["code"]) == (503, "not_started")
        assert _headers(answer)["retry-after"] == "5"
        stack.tell(VideoStateMachine=machine)
        assert invoke(_FUNCTION, _event("posts-again"))["statusCode"] == 200
        assert [started for started, _ in stack.executions()] == [f"{_VIDEO_ID}-launch-1"]

    def test_a_caption_is_not_logged(self, stack: Stack, invoke: Invoke, log: io.StringIO) -> None:
        stack.keep(_a_video(), _a_post(state=PostState.FAILED))

        invoke(_FUNCTION, _event("posts-again"))

        assert _CAPTION not in log.getvalue()


class TestStore:
    def test_a_download_that_failed_is_taken_up_again_with_its_posts(self, stack: Stack, invoke: Invoke) -> None:
        lost = VideoFailure(code=ErrorCode.PROVIDER_ERROR, message="It did not hand it over.")
        video = _a_video(stage=Stage.STORING, stored=None, completed_at=None, provider_job_id="job-1", failure=lost)
        failed = _a_post(state=PostState.FAILED, error_code=ErrorCode.PROVIDER_ERROR, error_message="Not posted.")
        stack.keep(video, failed)

        answer = invoke(_FUNCTION, _event("posts-store", scopes="create publish"))

        taken_up = _body(answer)
        assert (answer["statusCode"], taken_up["stage"], taken_up["error"]) == (200, "storing", None)
        assert [post["status"] for post in taken_up["posts"]] == ["pending"]
        assert stack.executions() == [(f"{_VIDEO_ID}-launch-1", json.dumps({"video_id": _VIDEO_ID, "launch": 1}))]


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

    def test_those_beyond_one_are_asked_for_by_it(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(), _a_post("threads", "303"), _a_post("twitter", "101"), _a_post("twitter", "1010"))
        query = {"queryStringParameters": {"after": "twitter~101"}}

        page = _body(invoke(_FUNCTION, {**_event("posts-list"), **query}))

        assert [post["account_id"] for post in page["data"]] == ["1010"]
        assert (page["has_more"], page["last_id"]) == (False, "twitter~1010")


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
    def test_a_publisher_that_does_not_answer_is_asked_again_later(
        self, stack: Stack, invoke: Invoke, scheduled: Scheduled
    ) -> None:
        scheduled.break_once(Route.LIST_SCHEDULES, type="respond", status=503)

        answer = invoke(_FUNCTION, _about(scheduled.post, "posts-cancel"))

        assert (answer["statusCode"], _headers(answer)["retry-after"]) == (502, "5")
        assert "x-should-retry" not in _headers(answer)
        assert [post.state for post in stack.posts(_VIDEO_ID)] == [PostState.SCHEDULED]

    def test_a_publisher_that_refuses_the_key_is_not_asked_again(
        self, stack: Stack, invoke: Invoke, scheduled: Scheduled
    ) -> None:
        _put_key(stack, "another-key")

        answer = invoke(_FUNCTION, _about(scheduled.post, "posts-cancel"))

        assert (answer["statusCode"], _headers(answer)["x-should-retry"]) == (502, "false")
        assert "retry-after" not in _headers(answer)

    def test_neither_caption_nor_key_is_logged(self, invoke: Invoke, scheduled: Scheduled, log: io.StringIO) -> None:
        invoke(_FUNCTION, _about(scheduled.post, "posts-move", body={"scheduled_time": _write(_SOON)}))

        assert _CAPTION not in log.getvalue()
        assert _KEY not in log.getvalue()


@pytest.mark.parametrize(
    ("name", "body", "param"),
    [
        ("posts-again-elsewhere", {"publish": [{"platform": "myspace", "account_id": "1"}]}, "publish[0]"),
        ("posts-move", {"scheduled_time": "tomorrow"}, "scheduled_time"),
        ("posts-move", {"scheduled_time": "2020-01-01T00:00:00Z"}, "scheduled_time"),
        ("posts-resolve", {"outcome": "posted"}, "url"),
        (
            "posts-approve",
            {"decision": "approve", "edits": {"publish": [{"platform": "bluesky"}]}},
            "edits.publish[0].acc",
        ),
    ],
)
def test_what_is_asked_for_and_cannot_be_is_named_and_changes_nothing(
    stack: Stack, invoke: Invoke, name: str, body: dict[str, Any], param: str
) -> None:
    post = _a_post(state=PostState.SCHEDULED, scheduled_time=_SOON)
    _keep_asked(stack, post)

    answer = invoke(_FUNCTION, _event(name, body=body))

    assert (answer["statusCode"], _error(answer)["param"].startswith(param)) == (400, True)
    assert (stack.posts(_VIDEO_ID), stack.executions()) == ([post], [])
    assert stack.video(_VIDEO_ID).stage is Stage.AWAITING_APPROVAL


def test_a_stack_without_a_key_is_a_fault_that_counts_as_an_error(stack: Stack, invoke: Invoke) -> None:
    stack.keep(_a_video(), _a_post(state=PostState.SCHEDULED, scheduled_time=_SOON))

    with pytest.raises(ConfigurationError, match="blotato-api-key"):
        invoke(_FUNCTION, _event("posts-cancel"))


class TestResolve:
    def test_a_post_that_a_person_found_is_published(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(), _a_post(state=PostState.PARKED, error_message="Nobody knows."))

        answer = invoke(_FUNCTION, _event("posts-resolve"))

        assert answer["statusCode"] == 200
        (post,) = _body(answer)["posts"]
        assert (post["status"], post["url"], post["error"]) == (
            "published",
            "https://x.com/example/status/1",
            None,
        )


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

    def test_without_an_approval_there_is_nothing_to_decide(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(), _a_post())

        answer = invoke(_FUNCTION, _event("posts-approve"))

        assert (answer["statusCode"], _error(answer)["message"]) == (404, "There is no such approval.")

    def test_the_task_token_is_in_no_answer_and_no_log(self, stack: Stack, invoke: Invoke, log: io.StringIO) -> None:
        _keep_asked(stack)

        answer = invoke(_FUNCTION, _event("posts-approve"))

        assert _TOKEN not in answer["body"] + log.getvalue()

    def test_a_video_tells_how_its_approval_stands(self, stack: Stack, invoke: Invoke) -> None:
        decided = {"decision": Decision.REJECTED, "decided_at": NOW, "decided_by": _OWNER, "decided_by_name": "Ann"}
        _keep_asked(stack, **decided, comment="Not this one.")

        answer = invoke("ApiFunction", read_event("library-retrieve"))

        assert _body(answer)["approval"] == {
            "status": "rejected",
            "expires_at": int(_SOON.timestamp()),
            "decided_at": 1_796_126_400,
            "decided_by": {"id": _OWNER, "name": "Ann"},
            "comment": "Not this one.",
        }

    def test_a_decision_is_in_the_trail_with_its_comment(self, stack: Stack, invoke: Invoke) -> None:
        _keep_asked(stack)
        invoke(_FUNCTION, _event("posts-approve", body={"decision": "approve", "comment": "Lovely."}))

        page = _body(invoke(_FUNCTION, read_event("posts-events")))

        (decided,) = page["data"]
        assert (decided["type"], decided["by"]["id"], decided["comment"]) == ("approval.approved", _OWNER, "Lovely.")

    def test_the_trail_of_another_owners_video_is_not_found(self, stack: Stack, invoke: Invoke) -> None:
        stack.keep(_a_video(owner="key_of_another"))

        assert invoke(_FUNCTION, read_event("posts-events"))["statusCode"] == 404

    def test_a_comment_of_more_than_500_characters_is_refused(self, stack: Stack, invoke: Invoke) -> None:
        _keep_asked(stack)

        answer = invoke(_FUNCTION, _event("posts-approve", body={"decision": "approve", "comment": "x" * 501}))

        assert (answer["statusCode"], _error(answer)["param"]) == (400, "comment")


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

    def test_another_owners_post_and_one_that_does_not_wait_are_not_listed(self, stack: Stack, invoke: Invoke) -> None:
        self._keep_scheduled(stack, 1, owner="key_of_another")
        stack.keep(_a_post(state=PostState.PUBLISHED, scheduled_time=_SOON))

        assert _body(invoke(_FUNCTION, _event("posts-schedules"))) == {
            "object": "list",
            "data": [],
            "has_more": False,
            "first_id": None,
            "last_id": None,
        }

    def test_what_a_page_ends_with_needs_no_escaping_in_a_url(self, stack: Stack, invoke: Invoke) -> None:
        self._keep_scheduled(stack, 1)

        last_id = _body(invoke(_FUNCTION, _event("posts-schedules")))["last_id"]

        assert str(httpx.URL("https://api.example", params={"after": last_id})).endswith(last_id.replace(":", "%3A"))
        assert not set(last_id) & set(" #+&%?/")

    def test_an_admin_may_ask_for_those_of_an_owner(self, stack: Stack, invoke: Invoke) -> None:
        self._keep_scheduled(stack, 1, owner="key_of_another")

        event = _event("posts-schedules", scopes="admin", query={"owner": "key_of_another"})

        assert len(_body(invoke(_FUNCTION, event))["data"]) == 1

    def test_no_other_key_may(self, stack: Stack, invoke: Invoke) -> None:
        self._keep_scheduled(stack, 1, owner="key_of_another")

        answer = invoke(_FUNCTION, _event("posts-schedules", query={"owner": "key_of_another"}))

        assert (answer["statusCode"], _error(answer)["message"]) == (404, "There is no such owner.")

    def test_a_question_that_makes_no_sense_is_refused(self, invoke: Invoke) -> None:
        for query, param in (({"limit": "101"}, "limit"), ({"order": "desc"}, "order")):
            answer = invoke(_FUNCTION, _event("posts-schedules", query=query))
            assert (answer["statusCode"], _error(answer)["param"]) == (400, param)


@pytest.mark.parametrize("name", [name for name in _SCOPE_OF if name != "posts-schedules"])
def test_a_video_that_is_not_the_callers_is_not_there(stack: Stack, invoke: Invoke, name: str) -> None:
    post = _a_post(state=PostState.SCHEDULED, owner="key_of_another")
    stack.keep(_a_video(owner="key_of_another"), post, _an_approval())

    answer = invoke(_FUNCTION, _event(name))

    assert (answer["statusCode"], _error(answer)["code"]) == (404, "not_found")
    assert _error(answer)["message"] == "There is no such video."
    assert stack.posts(_VIDEO_ID) == [post]


@pytest.mark.parametrize("name", _ABOUT_ONE_POST)
def test_a_post_that_is_not_there_is_not_found(stack: Stack, invoke: Invoke, name: str) -> None:
    stack.keep(_a_video(), _a_post(state=PostState.SCHEDULED))
    event = _event(name)

    for old, new in (("/twitter/", "/threads/"), ("/twitter/", "/myspace/"), (_VIDEO_ID, "v" * 3_000)):
        answer = invoke(_FUNCTION, {**event, "path": event["path"].replace(old, new)})
        assert (answer["statusCode"], _error(answer)["code"]) == (404, "not_found")
        assert "video" not in _error(answer)["message"]


@pytest.mark.parametrize("name", [name for name in _SCOPE_OF if name not in (*_ABOUT_ONE_POST, "posts-schedules")])
def test_an_id_that_no_video_can_have_is_not_looked_for(stack: Stack, invoke: Invoke, name: str) -> None:
    # Of a key that is too long DynamoDB makes a fault.
    stack.tell(LibraryTable="gone")
    event = _event(name)

    answer = invoke(_FUNCTION, {**event, "path": event["path"].replace(_VIDEO_ID, "v" * 3_000)})

    assert (answer["statusCode"], _error(answer)["code"]) == (404, "not_found")


@pytest.mark.parametrize(("name", "scope"), _SCOPE_OF.items())
def test_a_key_without_the_scope_may_not(stack: Stack, invoke: Invoke, name: str, scope: str) -> None:
    _keep_asked(stack, _a_post(state=PostState.PARKED))
    others = " ".join(other for other in ("read", "create", "publish", "approve") if other != scope)

    answer = invoke(_FUNCTION, _event(name, scopes=others))

    assert (answer["statusCode"], _error(answer)["code"]) == (403, "insufficient_scope")
    assert [post.state for post in stack.posts(_VIDEO_ID)] == [PostState.PARKED]
    assert stack.video(_VIDEO_ID).stage is Stage.AWAITING_APPROVAL


@pytest.mark.parametrize("name", _WITH_BODIES)
def test_a_body_that_cannot_be_read_changes_nothing(stack: Stack, invoke: Invoke, name: str) -> None:
    post = _a_post(state=PostState.SCHEDULED, scheduled_time=_SOON)
    _keep_asked(stack, post)

    answer = invoke(_FUNCTION, _event(name, body="{\0"))

    assert (answer["statusCode"], _error(answer)["code"]) == (400, "invalid_json")
    assert stack.posts(_VIDEO_ID) == [post]
