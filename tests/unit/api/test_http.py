"""The wire between API Gateway and the use cases."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from checks.cloudformation import read_template
from mediaposter.api.errors import invalid_request, server_error
from mediaposter.api.http import authorize, create_resolver, poll_headers, read_body, read_sent_as, redirect, reply
from mediaposter.api.sent_as import SentAs
from mediaposter.errors import (
    AlreadyDecided,
    BudgetExceeded,
    Busy,
    Conflict,
    ErrorCode,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    NotStarted,
    PostUnknown,
    PublisherError,
    RateExceeded,
    Unfinished,
    VideoDeleted,
)

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


def test_a_refusal_is_openais_envelope() -> None:
    answer = call(app_that_raises(InvalidRequest("seconds: too long.", param="seconds", code="invalid_value")))

    assert answer["statusCode"] == 400
    assert answer["multiValueHeaders"]["Content-Type"] == ["application/json"]
    assert read_error(answer) == {
        "message": "seconds: too long.",
        "type": "invalid_request_error",
        "param": "seconds",
        "code": "invalid_value",
    }


def test_what_is_not_there_is_not_named() -> None:
    answer = call(app_that_raises(NotFound("There is no VIDEO#video_of_another.")))

    assert answer["statusCode"] == 404
    assert read_error(answer) == {
        "message": "There is no such video.",
        "type": "invalid_request_error",
        "param": None,
        "code": "not_found",
    }


def test_an_owner_that_may_not_be_seen_is_not_called_a_video() -> None:
    answer = call(app_that_raises(NotFound("There is no owner ann.", what="owner")))

    assert (answer["statusCode"], read_error(answer)["message"]) == (404, "There is no such owner.")


def test_a_video_that_was_not_started_may_be_sent_again_soon() -> None:
    answer = call(app_that_raises(NotStarted("video_1: send the request again.")))

    assert (answer["statusCode"], answer["multiValueHeaders"]["Retry-After"]) == (503, ["5"])
    assert read_error(answer) == {
        "message": "video_1: send the request again.",
        "type": "server_error",
        "param": None,
        "code": "not_started",
    }


def test_an_unknown_route_is_openais_envelope_too() -> None:
    answer = call(create_resolver(), path="/vidoes")

    assert answer["statusCode"] == 404
    assert read_error(answer)["message"] == "There is no such route."


def test_a_bug_is_not_answered_as_if_it_were_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        call(app_that_raises(ZeroDivisionError()))


def test_a_text_body_is_read_as_it_was_sent_with_its_type_and_owner() -> None:
    seen: list[object] = []

    answer = call(app_that_reads(seen), body='{"prompt": "grün"}', headers={"Content-Type": "application/json"})

    assert seen == ['{"prompt": "grün"}'.encode(), "application/json", "key_1"]
    assert (answer["statusCode"], answer["body"]) == (200, '{"text":"ok"}')


def test_a_binary_body_is_read_as_it_was_sent() -> None:
    seen: list[object] = []

    call(app_that_reads(seen), body=base64.b64encode(b"\xff\x00--").decode(), isBase64Encoded=True)

    assert seen[:2] == [b"\xff\x00--", ""]


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=latin-1"])
def test_a_text_body_that_the_gateway_could_not_decode_is_refused(content_type: str) -> None:
    """API Gateway puts U+FFFD for each byte that is not UTF-8."""
    seen: list[object] = []

    answer = call(app_that_reads(seen), body='{"prompt": "caf\ufffd"}', headers={"Content-Type": content_type})

    assert (answer["statusCode"], read_error(answer)["code"], seen) == (400, "invalid_json", [])
    assert "not UTF-8" in str(read_error(answer)["message"])


def test_a_binary_body_may_have_that_character() -> None:
    seen: list[object] = []
    sent = '{"prompt": "\ufffd"}'.encode()

    call(app_that_reads(seen), body=base64.b64encode(sent).decode(), isBase64Encoded=True)

    assert seen[0] == sent


def test_half_a_character_in_a_body_is_left_to_its_reader() -> None:
    seen: list[object] = []

    call(app_that_reads(seen), body='{"prompt": "\ud83d"}')

    assert seen[0] == b'{"prompt": "\xed\xa0\xbd"}'


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
    [
        (app_that_reads([]), "/videos"),
        (app_that_raises(InvalidRequest("no")), "/videos"),
        (app_that_raises(Busy("VIDEO#1")), "/videos"),
        (app_that_raises(NotFound("VIDEO#1")), "/videos"),
        (create_resolver(), "/vidoes"),
        (app_that_reads([]), "/videos\ud83d"),
    ],
)
def test_every_answer_names_its_request(app: APIGatewayRestResolver, path: str) -> None:
    answer = call(app, path=path, requestContext=REQUEST_CONTEXT)

    assert answer["multiValueHeaders"]["x-request-id"] == [REQUEST_CONTEXT["requestId"]]


def test_every_refusal_of_the_gateway_names_its_request() -> None:
    api = read_template(Path(__file__).parents[3] / "template.yaml").resources["VideosApi"].properties
    refusals = api["GatewayResponses"]

    assert {"DEFAULT_4XX", "DEFAULT_5XX", "UNAUTHORIZED", "ACCESS_DENIED"} <= refusals.keys()
    for refusal in refusals.values():
        assert refusal["ResponseParameters"]["Headers"]["x-request-id"] == "context.requestId"


def test_no_body_is_an_empty_one() -> None:
    seen: list[object] = []

    call(app_that_reads(seen))

    assert seen[0] == b""


@pytest.mark.parametrize("body", ["a", "%%%%", "YQ=", "YQ==!"])
def test_a_binary_body_that_did_not_arrive_whole_is_refused(body: str) -> None:
    answer = call(app_that_reads([]), body=body, isBase64Encoded=True)

    assert (answer["statusCode"], read_error(answer)["code"]) == (400, "invalid_body")


def test_the_sdk_is_told_how_long_to_wait_between_two_polls() -> None:
    answer = call(app_that_reads([]))

    assert answer["multiValueHeaders"]["openai-poll-after-ms"] == ["5000"]


def test_a_redirect_is_not_kept_by_anyone() -> None:
    response = redirect("https://bucket.example/video.mp4?signature=1")

    assert response.status_code == 302
    assert response.headers["Location"] == "https://bucket.example/video.mp4?signature=1"
    assert response.headers["Cache-Control"] == "no-store"


def test_the_two_kinds_of_errors_are_those_the_sdk_knows() -> None:
    refused = invalid_request("No.", param="size", code=None).model_dump()
    broken = server_error("Oh.", code="not_started").model_dump()

    assert refused == {"error": {"message": "No.", "type": "invalid_request_error", "param": "size", "code": None}}
    assert broken == {"error": {"message": "Oh.", "type": "server_error", "param": None, "code": "not_started"}}


@pytest.mark.parametrize(
    ("error", "status", "kind", "code", "wait_seconds"),
    [
        (IdempotencyKeyReused("used"), 422, "invalid_request_error", "idempotency_key_reused", None),
        (BudgetExceeded("spent"), 429, "rate_limit_error", "budget_exceeded", None),
        (RateExceeded("fast"), 429, "rate_limit_error", "rate_limit_exceeded", "60"),
        (VideoDeleted("gone"), 410, "invalid_request_error", "video_deleted", None),
        (Unfinished("half"), 409, "invalid_request_error", "conflict", "1"),
        (AlreadyDecided("over"), 409, "invalid_request_error", "already_decided", None),
        (PublisherError(ErrorCode.AUTHENTICATION, "no"), 502, "server_error", "publisher_error", None),
        (PublisherError(ErrorCode.TIMEOUT, "slow", transient=True), 502, "server_error", "publisher_error", "5"),
        (
            PublisherError(ErrorCode.RATE_LIMITED, "later", transient=True, retry_after_seconds=12.2),
            502,
            "server_error",
            "publisher_error",
            "13",
        ),
        (PostUnknown("lost"), 502, "server_error", "publisher_error", None),
        (Busy("VIDEO#1"), 409, "invalid_request_error", "conflict", "1"),
        (Conflict("VIDEO#1"), 409, "invalid_request_error", "conflict", "1"),
        (InvalidRequest("big", code="request_too_large"), 413, "invalid_request_error", "request_too_large", None),
    ],
)
def test_each_refusal_has_its_status_and_its_word(
    error: Exception, status: int, kind: str, code: str, wait_seconds: str | None
) -> None:
    answer = call(app_that_raises(error))

    detail = json.loads(answer["body"])["error"]
    assert (answer["statusCode"], detail["type"], detail["code"]) == (status, kind, code)
    assert answer["multiValueHeaders"].get("Retry-After") == ([wait_seconds] if wait_seconds else None)
    assert "VIDEO#1" not in answer["body"]


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (AlreadyDecided("over"), True),
        (PublisherError(ErrorCode.AUTHENTICATION, "no"), True),
        (PublisherError(ErrorCode.TIMEOUT, "slow", transient=True), False),
        (Conflict("VIDEO#1"), False),
        (NotStarted("not yet"), False),
    ],
)
def test_the_sdk_is_told_not_to_try_again_what_stays_refused(error: Exception, is_final: bool) -> None:
    answer = call(app_that_raises(error))

    assert answer["multiValueHeaders"].get("x-should-retry") == (["false"] if is_final else None)


def test_what_the_publisher_said_is_passed_on() -> None:
    answer = call(app_that_raises(PublisherError(ErrorCode.INVALID_REQUEST, "No such schedule.")))

    assert read_error(answer)["message"] == "The publisher did not do it: No such schedule."


@pytest.mark.parametrize(
    "error",
    [
        VideoDeleted("video_1 is deleted."),
        Unfinished("video_1 is half deleted."),
        AlreadyDecided("video_1 is approved."),
    ],
)
def test_what_became_of_a_video_is_told_in_its_own_sentence(error: Exception) -> None:
    assert read_error(call(app_that_raises(error)))["message"] == str(error)


def test_a_key_without_the_scope_is_told_so() -> None:
    app = create_resolver()

    @app.get("/videos")
    def _answer() -> Response[str]:
        authorize(app, "create")
        return reply(Answer(text="never"))

    answer = call(app)

    assert (answer["statusCode"], json.loads(answer["body"])["error"]["code"]) == (403, "insufficient_scope")


def sent_as(**headers: str) -> object:
    seen: list[object] = []
    app = create_resolver()

    @app.get("/videos")
    def _answer() -> Response[str]:
        seen.append(read_sent_as(app))
        return reply(Answer(text="read"))

    answer = call(app, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return seen[0] if seen else json.loads(answer["body"])["error"]["param"]


@pytest.mark.parametrize("name", ["Idempotency_Key", "idempotency_key"])
def test_a_callers_key_is_read_whatever_its_case(name: str) -> None:
    assert sent_as(**{name: "order 1"}) == SentAs("order 1", None)


@pytest.mark.parametrize(("count", "read"), [("0", 0), ("2", 2), ("", None), ("-1", None), ("x", None), ("9999", None)])
def test_the_tries_of_the_sdk_are_counted(count: str, read: int | None) -> None:
    assert sent_as(x_stainless_retry_count=count) == SentAs(None, read)


@pytest.mark.parametrize("key", ["", "k" * 256, "\ud83d", "a\0"])
def test_a_key_that_is_empty_too_long_or_no_text_is_refused(key: str) -> None:
    assert sent_as(idempotency_key=key) == "Idempotency-Key"
