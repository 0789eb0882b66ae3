"""Every route behind a key, with its sample: what it answers, which scope it takes, and what it never says."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mediaposter.domain.errors import ConfigurationError, ErrorCode
from mediaposter.publishing.blotato_client import BlotatoClient
from mediaposter.stores.approvals import Approval
from mediaposter.stores.batches import Batch, BatchCaller, BatchSource, BatchStage
from mediaposter.stores.posts import PostState
from mediaposter.stores.video_record import VideoFailure
from mediaposter.stores.video_stages import Stage
from sandbox.blotato import ACCOUNTS, create_app
from sandbox.serving import serve_in_thread
from tests.builders import NOW, a_post, a_stored_video, a_target, a_video
from tests.unit.functions.conftest import Invoke
from tests.unit.functions.stack import BUCKET, REPOSITORY, STACK, Event, Stack, read_event

VIDEO_ID = "video_019ad1c2e4f08c1de2f3a4b5c6d7e8f9"
BATCH_ID = "batch_019ad1c2e4f08c1de2f3a4b5c6d7e8f9"
OWNER = "key_5f0c1d2e3a4b5c6d"
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
PROMPT, CAPTION = "A red kite over the sea at dawn", "A red kite, up with the birds"
TASK_TOKEN, BLOTATO_KEY = "task-token-that-nobody-may-see", "blotato-sandbox-key="
SECRETS = (PROMPT, CAPTION, TASK_TOKEN, BLOTATO_KEY, "X-Amz-Signature", "Bearer mp_")
# The scope that each sample takes, and its status in the world below.
ROUTES: dict[str, tuple[str, int]] = {
    "batches-cancel": ("create", 200),
    "batches-create": ("create", 200),
    "batches-list": ("read", 200),
    "batches-results": ("read", 302),
    "batches-retrieve": ("read", 200),
    "library-accounts": ("publish", 200),
    "library-captions": ("create", 400),  # no model is set
    "library-character": ("read", 400),
    "library-content": ("read", 302),
    "library-delete": ("create", 200),
    "library-key": ("", 200),  # every key may ask
    "library-list": ("read", 200),
    "library-models": ("read", 200),
    "library-openapi": ("read", 200),
    "library-retrieve": ("read", 200),
    "library-usage": ("read", 200),
    "posts-again": ("publish", 200),
    "posts-again-elsewhere": ("publish", 200),
    "posts-approve": ("approve", 200),
    "posts-events": ("read", 200),
    "posts-list": ("read", 200),
    "posts-resolve": ("publish", 200),
    "posts-schedules": ("read", 200),
    "posts-store": ("create", 200),
    "submit": ("create", 200),
    "submit-bad-size": ("create", 400),
    "submit-character": ("create", 400),
    "submit-edit": ("create", 400),  # sora-2 offers neither
    "submit-extend": ("create", 400),
    "submit-multipart": ("create", 200),
    "submit-remix": ("create", 200),
    "submit-upload": ("create", 200),
}
ABOUT_A_TIME = ("posts-move", "posts-cancel")


def an_event(name: str, *, scopes: str = "read create publish approve", **changes: Any) -> Event:
    event = {**read_event(name), **changes}
    event["requestContext"]["authorizer"]["scopes"] = scopes
    return event


def function_of(name: str) -> str:
    return "SubmitFunction" if name.startswith("submit") else "ApiFunction"


def keep_world(stack: Stack, name: str = "", *, owner: str = OWNER) -> None:
    """Keep a video with a post and an approval, and a batch, each as a sample asks for it."""
    state = {"posts-resolve": PostState.PARKED, "posts-approve": PostState.PENDING}.get(name, PostState.FAILED)
    fields: dict[str, Any] = {"stage": Stage.DONE, "stored": a_stored_video(VIDEO_ID), "provider_job_id": "job-1"}
    if name == "posts-approve":
        fields |= {"stage": Stage.AWAITING_APPROVAL, "approval_hours": 24}
    if name == "posts-store":
        lost = VideoFailure(code=ErrorCode.PROVIDER_ERROR, message="It did not hand it over.")
        fields = {"stage": Stage.STORING, "provider_job_id": "job-1", "failure": lost}
    approval = Approval(video_id=VIDEO_ID, asked_at=NOW, expires_at=SOON, task_token=TASK_TOKEN)
    caller = BatchCaller(owner=owner, scopes=frozenset())
    source = BatchSource(key="inbox/kites.jsonl", version_id="v1", format="jsonl")
    batch = Batch(id=BATCH_ID, caller=caller, source=source, created_at=NOW, updated_at=NOW)
    if name == "batches-results":
        batch = batch.copy_with(stage=BatchStage.DONE, ended_at=NOW)
    post = a_post(a_target("twitter", "101"), video_id=VIDEO_ID, owner=owner, text=CAPTION, state=state)
    stack.keep(a_video(id=VIDEO_ID, owner=owner, prompt=PROMPT, **fields), post, approval, batch)
    stack.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    put_parameter(stack, "public-url", "https://api.example/v1")


def put_parameter(stack: Stack, name: str, value: str) -> None:
    stack.client("ssm").put_parameter(Name=f"/mediaposter/{STACK}/{name}", Value=value, Type="SecureString")


def list_items(stack: Stack) -> list[Any]:
    return list(stack.client("dynamodb").scan(TableName="library")["Items"])


def code_of(answer: Event) -> tuple[int, str]:
    return answer["statusCode"], json.loads(answer["body"])["error"]["code"]


def test_every_sample_of_a_route_behind_a_key_is_played() -> None:
    samples = {path.stem for path in (REPOSITORY / "events").glob("*.json")}
    routed = {name for name in samples if name.partition("-")[0] in ("batches", "library", "posts", "submit")}

    # The last two ask the publisher.
    assert routed == ROUTES.keys() | {"library-unknown-route", "posts-move", "posts-cancel"}


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_answers_its_sample_and_logs_nothing_that_is_secret(
    stack: Stack, invoke: Invoke, log: io.StringIO, name: str
) -> None:
    keep_world(stack, name)

    answer = invoke(function_of(name), an_event(name))

    assert answer["statusCode"] == ROUTES[name][1], answer["body"]
    assert TASK_TOKEN not in answer["body"]
    assert [secret for secret in SECRETS if secret in log.getvalue()] == []


def test_a_dry_run_tells_who_would_make_it_and_records_nothing(stack: Stack, invoke: Invoke) -> None:
    event = an_event("submit", queryStringParameters={"dry_run": "true"})
    event["multiValueQueryStringParameters"] = {"dry_run": ["true"]}

    answer = invoke("SubmitFunction", event)

    assert "candidates" in json.loads(answer["body"])
    assert (list_items(stack), stack.executions()) == ([], [])


def test_a_key_without_the_scope_of_a_route_is_refused_and_changes_nothing(stack: Stack, invoke: Invoke) -> None:
    keep_world(stack)
    before = list_items(stack)
    scopes = {name: scope for name, (scope, _) in ROUTES.items() if scope} | dict.fromkeys(ABOUT_A_TIME, "publish")

    for name, scope in scopes.items():
        others = " ".join({"read", "create", "publish", "approve"} - {scope})
        answer = invoke(function_of(name), an_event(name, scopes=others))
        assert code_of(answer) == (403, "insufficient_scope"), name

    assert list_items(stack) == before


def test_what_is_another_owners_is_not_there_and_stays_as_it_is(stack: Stack, invoke: Invoke) -> None:
    keep_world(stack, owner="key_of_another")
    before = list_items(stack)

    for name in (*ROUTES, *ABOUT_A_TIME):
        event = an_event(name)
        if VIDEO_ID in json.dumps(event) or BATCH_ID in event["path"]:
            answer = invoke(function_of(name), event)
            assert code_of(answer) == (404, "not_found"), name

    assert list_items(stack) == before


def test_an_id_that_nothing_can_have_is_not_looked_for(stack: Stack, invoke: Invoke) -> None:
    # Of a key that is too long DynamoDB makes a fault.
    stack.tell(LibraryTable="gone")

    for name in (*ROUTES, *ABOUT_A_TIME):
        event = an_event(name)
        path = event["path"].replace(VIDEO_ID, "v" * 3_000).replace(BATCH_ID, "b" * 3_000)
        if path != event["path"]:
            assert code_of(invoke(function_of(name), {**event, "path": path})) == (404, "not_found"), name


@pytest.mark.enable_socket(reason="Blotato's stand-in listens on loopback")
@pytest.mark.parametrize(("name", "state"), [("posts-move", "scheduled"), ("posts-cancel", "cancelled")])
def test_a_scheduled_post_is_changed_at_the_publisher_and_neither_caption_nor_key_is_logged(
    stack: Stack, invoke: Invoke, log: io.StringIO, name: str, state: str
) -> None:
    account_id, media_url = ACCOUNTS["twitter"].id, "https://media.example.com/kite.mp4"
    target = a_target("twitter", account_id)
    put_parameter(stack, "blotato-api-key", BLOTATO_KEY)
    event = an_event(name)
    event["path"] = event["path"].replace("/101", f"/{account_id}")
    with serve_in_thread(create_app(), base_path="/v2") as base_url:
        stack.tell(BlotatoBaseUrl=base_url)
        publisher = BlotatoClient(BLOTATO_KEY, base_url=base_url)
        report = publisher.publish(target, text=CAPTION, media_url=media_url, scheduled_time=SOON)
        fields = {"media_url": media_url, "submission_id": report.submission_id, "scheduled_time": SOON}
        post = a_post(target, video_id=VIDEO_ID, owner=OWNER, text=CAPTION, state=PostState.SCHEDULED, **fields)
        stack.keep(a_video(id=VIDEO_ID, owner=OWNER), post)

        answer = invoke("ApiFunction", event)

    assert (answer["statusCode"], json.loads(answer["body"])["status"]) == (200, state)
    assert [secret for secret in SECRETS if secret in log.getvalue()] == []


def test_a_stack_without_a_key_of_the_publisher_is_a_fault_that_counts_as_an_error(
    stack: Stack, invoke: Invoke
) -> None:
    post = a_post(a_target("twitter", "101"), video_id=VIDEO_ID, owner=OWNER, state=PostState.SCHEDULED)
    stack.keep(a_video(id=VIDEO_ID, owner=OWNER), post.copy_with(scheduled_time=SOON))

    with pytest.raises(ConfigurationError, match="blotato-api-key"):
        invoke("ApiFunction", an_event("posts-cancel"))


def test_a_comment_of_more_than_500_characters_is_refused(stack: Stack, invoke: Invoke) -> None:
    keep_world(stack, "posts-approve")
    body = json.dumps({"decision": "approve", "comment": "x" * 501})

    assert code_of(invoke("ApiFunction", an_event("posts-approve", body=body))) == (400, "invalid_value")
