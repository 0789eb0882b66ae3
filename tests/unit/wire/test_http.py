"""The wire between API Gateway and the use cases."""

from __future__ import annotations

import base64
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from mediaposter.domain.errors import (
    BudgetExceeded,
    CaptionsError,
    Contention,
    ErrorCode,
    Forbidden,
    IdempotencyKeyReused,
    InvalidRequest,
    NotAllowedInState,
    NotFound,
    NotStarted,
    PartiallyDone,
    PostUnknown,
    PublisherError,
    RateExceeded,
    RequestTooLarge,
    StorageFull,
    UnknownJob,
    VersionConflict,
    VideoDeleted,
    VideoModelError,
    WebhookRejected,
)
from mediaposter.wire.http import (
    authorize,
    create_resolver,
    poll_headers,
    read_body,
    read_request_context,
    redirect,
    reply,
)
from mediaposter.wire.request_context import RequestContext
from tests.unit.functions.stack import shipped_template

AUTHORIZER = {
    "owner": "key_1",
    "key": "key_1",
    "scopes": "read",
    "daily_budget_micros": "",
    "rate_per_minute": "",
    "webhook_url": "",
    "principalId": "key_1",
}


class Answer(BaseModel):
    """Some body."""

    text: str


def call(app: APIGatewayRestResolver, *, path: str = "/videos", **event: object) -> dict[str, Any]:
    """Send an event of a REST API to an app."""
    return app.resolve(
        {
            "path": path,
            "resource": path,
            "httpMethod": "GET",
            "headers": {},
            "multiValueHeaders": {},
            "queryStringParameters": None,
            "multiValueQueryStringParameters": None,
            "requestContext": {"authorizer": AUTHORIZER, "stage": "v1"},
            "body": None,
            "isBase64Encoded": False,
            **event,
        },
        LambdaContext(),
    )


def app_that_raises(error: Exception) -> APIGatewayRestResolver:
    app = create_resolver()

    @app.get("/videos")
    def _answer() -> Response[str]:
        raise error

    return app


def app_that_reads(seen: list[object]) -> APIGatewayRestResolver:
    app = create_resolver()

    @app.get("/videos")
    def _answer() -> Response[str]:
        seen.extend([*read_body(app), authorize(app, "read").owner])
        return reply(Answer(text="ok"), headers=poll_headers())

    return app


def read_error(answer: dict[str, Any]) -> dict[str, object]:
    body: dict[str, dict[str, object]] = json.loads(answer["body"])
    assert list(body) == ["error"]
    return body["error"]


def test_an_unknown_route_is_openais_envelope_too() -> None:
    answer = call(create_resolver(), path="/vidoes")

    assert answer["statusCode"] == 404
    assert read_error(answer)["message"] == "There is no such route."


def test_a_bug_is_not_answered_as_if_it_were_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        call(app_that_raises(ZeroDivisionError()))


@pytest.mark.parametrize(
    ("body", "is_base64", "sent"),
    [
        ('{"prompt": "grün"}', False, '{"prompt": "grün"}'.encode()),
        (None, False, b""),
        (base64.b64encode(b"\xff\x00--").decode(), True, b"\xff\x00--"),
        (base64.b64encode('"\ufffd"'.encode()).decode(), True, '"\ufffd"'.encode()),
        # Half a character is left to its reader.
        ('{"prompt": "\ud83d"}', False, b'{"prompt": "\xed\xa0\xbd"}'),
    ],
)
def test_a_body_is_read_as_it_was_sent_with_its_type_and_owner(body: str | None, is_base64: bool, sent: bytes) -> None:
    seen: list[object] = []

    answer = call(app_that_reads(seen), body=body, isBase64Encoded=is_base64, headers={"Content-Type": "text/x"})

    assert seen == [sent, "text/x", "key_1"]
    assert (answer["statusCode"], answer["body"]) == (200, '{"text":"ok"}')
    assert answer["multiValueHeaders"]["openai-poll-after-ms"] == ["5000"]


@pytest.mark.parametrize(("content_type", "code"), [("application/JSON; x=y", "invalid_json"), ("", "invalid_body")])
def test_a_text_body_that_the_gateway_could_not_decode_is_refused(content_type: str, code: str) -> None:
    """API Gateway puts U+FFFD for each byte that is not UTF-8."""
    seen: list[object] = []

    answer = call(app_that_reads(seen), body='{"prompt": "caf\ufffd"}', headers={"Content-Type": content_type})

    assert (answer["statusCode"], read_error(answer)["code"], seen) == (400, code, [])
    assert "not UTF-8" in str(read_error(answer)["message"])


@pytest.mark.parametrize("name", ["video_\ud83d", "video_\0"])
def test_a_path_that_no_id_can_be_made_of_is_refused_before_anything_is_looked_up(name: str) -> None:
    app = create_resolver()

    @app.get("/videos/<video_id>")
    def _answer(video_id: str) -> Response[str]:
        raise AssertionError(video_id)

    answer = call(app, path=f"/videos/{name}")

    assert (answer["statusCode"], read_error(answer)["code"]) == (400, "invalid_value")


REQUEST_CONTEXT = {"authorizer": AUTHORIZER, "stage": "v1", "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"}


@pytest.mark.parametrize(
    ("app", "path"),
    [(app_that_reads([]), "/videos"), (create_resolver(), "/vidoes"), (app_that_reads([]), "/videos\ud83d")],
)
def test_every_answer_names_its_request(app: APIGatewayRestResolver, path: str) -> None:
    answer = call(app, path=path, requestContext=REQUEST_CONTEXT)

    assert answer["multiValueHeaders"]["x-request-id"] == [REQUEST_CONTEXT["requestId"]]


def test_every_refusal_of_the_gateway_names_its_request() -> None:
    api = shipped_template().resources["VideosApi"].properties
    refusals = api["GatewayResponses"]

    assert {"DEFAULT_4XX", "DEFAULT_5XX", "UNAUTHORIZED", "ACCESS_DENIED"} <= refusals.keys()
    for refusal in refusals.values():
        assert refusal["ResponseParameters"]["Headers"]["x-request-id"] == "context.requestId"


@pytest.mark.parametrize("body", ["a", "YQ==!"])
def test_a_binary_body_that_did_not_arrive_whole_is_refused(body: str) -> None:
    answer = call(app_that_reads([]), body=body, isBase64Encoded=True)

    assert (answer["statusCode"], read_error(answer)["code"]) == (400, "invalid_body")


def test_a_redirect_is_not_kept_by_anyone() -> None:
    response = redirect("https://bucket.example/video.mp4?signature=1")

    assert response.status_code == 302
    assert response.headers["Location"] == "https://bucket.example/video.mp4?signature=1"
    assert response.headers["Cache-Control"] == "no-store"


LATE = PublisherError(ErrorCode.RATE_LIMITED, "later", transient=True, retry_after_seconds=12.2)
FINAL = PublisherError(ErrorCode.AUTHENTICATION, "No key.")


WRONG, LIMIT, SERVER = "invalid_request_error", "rate_limit_error", "server_error"


@pytest.mark.parametrize(
    ("error", "status", "told", "message"),
    [
        (InvalidRequest("No.", param="size", code="x"), 400, (WRONG, "x", None), "No."),
        (RequestTooLarge("big"), 413, (WRONG, "request_too_large", None), "big"),
        (WebhookRejected("forged"), 401, (WRONG, "invalid_signature", None), "forged"),
        (UnknownJob("early"), 401, (WRONG, "unknown_job", None), "early"),
        (Forbidden("No scope.", scope="publish"), 403, (WRONG, "insufficient_scope", None), "No scope."),
        (NotFound("There is no VIDEO#1."), 404, (WRONG, "not_found", None), "There is no such video."),
        (NotFound("VIDEO#1", what="owner"), 404, (WRONG, "not_found", None), "There is no such owner."),
        (IdempotencyKeyReused("used"), 422, (WRONG, "idempotency_key_reused", None), "used"),
        (BudgetExceeded("spent"), 429, (LIMIT, "budget_exceeded", None), "spent"),
        (RateExceeded("fast"), 429, (LIMIT, "rate_limit_exceeded", "60"), "fast"),
        (VideoDeleted("gone"), 410, (WRONG, "video_deleted", None), "gone"),
        (PartiallyDone("half"), 409, (WRONG, "conflict", "1"), "half"),
        (NotAllowedInState("over"), 409, (WRONG, "already_decided", "never"), "over"),
        (NotStarted("not yet"), 503, (SERVER, "not_started", "5"), "not yet"),
        (StorageFull("/srv/VIDEO#1"), 503, (SERVER, "storage_full", "60"), StorageFull.public_message),
        (FINAL, 502, (SERVER, "publisher_error", "never"), "The publisher did not do this: No key."),
        (CaptionsError("No.", passes=False), 502, (SERVER, "captions_error", "never"), "No."),
        (CaptionsError("Later.", passes=True), 502, (SERVER, "captions_error", "5"), "Later."),
        (PublisherError(ErrorCode.TIMEOUT, "", transient=True), 502, (SERVER, "publisher_error", "5"), None),
        (LATE, 502, (SERVER, "publisher_error", "13"), None),
        (VideoModelError(ErrorCode.TIMEOUT, "slow"), 503, (SERVER, "provider_error", "60"), "slow"),
        (VideoModelError(ErrorCode.TIMEOUT, "", retry_after_seconds=7.1), 503, (SERVER, "provider_error", "8"), None),
        (PostUnknown("lost"), 502, (SERVER, "publisher_error", "never"), None),
        (Contention("VIDEO#1"), 409, (WRONG, "conflict", "1"), None),
        (VersionConflict("VIDEO#1"), 409, (WRONG, "conflict", "1"), None),
    ],
)
def test_each_refusal_has_its_status_its_word_and_when_to_send_it_again(
    error: Exception, status: int, told: tuple[str, str, str | None], message: str | None
) -> None:
    kind, code, wait_seconds = told

    answer = call(app_that_raises(error))

    detail = read_error(answer)
    param = "size" if status == 400 else None
    assert detail == {"message": message or detail["message"], "type": kind, "param": param, "code": code}
    headers = answer["multiValueHeaders"]
    assert (answer["statusCode"], headers["Content-Type"]) == (status, ["application/json"])
    assert headers.get("Retry-After") == ([wait_seconds] if wait_seconds not in {None, "never"} else None)
    # Without this the SDK sends again what stays refused.
    assert headers.get("x-should-retry") == (["false"] if wait_seconds == "never" else None)
    assert "VIDEO#1" not in answer["body"]


def test_a_key_without_the_scope_is_told_so() -> None:
    app = create_resolver()

    @app.get("/videos")
    def _answer() -> Response[str]:
        authorize(app, "create")
        return reply(Answer(text="never"))

    answer = call(app)

    assert (answer["statusCode"], json.loads(answer["body"])["error"]["code"]) == (403, "insufficient_scope")


def request_context(**headers: str) -> object:
    seen: list[object] = []
    app = create_resolver()

    @app.get("/videos")
    def _answer() -> Response[str]:
        seen.append(read_request_context(app))
        return reply(Answer(text="read"))

    answer = call(app, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return seen[0] if seen else json.loads(answer["body"])["error"]["param"]


def test_a_callers_key_is_read_whatever_its_case() -> None:
    assert (
        request_context(Idempotency_Key="order 1")
        == request_context(idempotency_key="order 1")
        == RequestContext("order 1", None)
    )
    assert request_context(idempotency_key="k" * 255) == RequestContext("k" * 255, None)


@pytest.mark.parametrize(
    ("count", "read"), [("0", 0), ("999", 999), ("", None), ("-1", None), ("9999", None), ("\u0662", None)]
)
def test_the_tries_of_the_sdk_are_counted(count: str, read: int | None) -> None:
    assert request_context(x_stainless_retry_count=count) == RequestContext(None, read)


@pytest.mark.parametrize("key", ["", "k" * 256, "\ud83d"])
def test_a_key_that_is_empty_too_long_or_no_text_is_refused(key: str) -> None:
    assert request_context(idempotency_key=key) == "Idempotency-Key"


def test_the_first_requests_of_a_route_may_come_at_once() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(50):
                app = app_that_reads([])
                answers = list(pool.map(lambda _, app=app: call(app), range(8)))
                assert [answer["statusCode"] for answer in answers] == [200] * 8
    finally:
        sys.setswitchinterval(before)
