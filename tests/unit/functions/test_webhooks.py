"""The route that providers call: no key opens it, and only a signature does anything."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mediaposter.stores.job_callbacks import name_job
from mediaposter.stores.table import Key
from mediaposter.stores.videos import JobClaim
from mediaposter.wire.http import WEBHOOK_MAX_BYTES
from mediaposter.wire.webhooks import sign_webhook
from tests.builders import VIDEO_ID
from tests.unit.functions.conftest import Invoke
from tests.unit.functions.stack import STACK, Event, Stack, read_event

JOB = "v1_example-interaction"
OLD, NEW = ("whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


@pytest.fixture(autouse=True)
def listen(stack: Stack) -> None:
    """Let the stack listen to Gemini, while its secret is replaced."""
    stack.tell(ProviderWebhooks="fal, gemini")
    stack.client("ssm").put_parameter(
        Name=f"/mediaposter/{STACK}/webhooks/gemini-secret", Value=f"{OLD}\n{NEW}", Type="SecureString"
    )


def a_webhook(*, secret: str = NEW, at: datetime | None = None, provider: str = "gemini") -> Event:
    event = read_event("providerwebhooks-completed")
    signed = sign_webhook("msg_1", event["body"].encode(), secret=secret, now=at or datetime.now(UTC))
    event["headers"] |= signed
    event["multiValueHeaders"] |= {name: [value] for name, value in signed.items()}
    event["path"] = f"/webhooks/{provider}"
    event["pathParameters"] = {"provider": provider}
    return event


def read_code(answer: Any) -> str:
    return str(json.loads(answer["body"])["error"]["code"])


def find_items(stack: Stack) -> list[Any]:
    return list(stack.client("dynamodb").scan(TableName="library")["Items"])


def test_a_webhook_about_a_job_of_ours_is_taken_and_its_repetition_changes_nothing(
    stack: Stack, invoke: Invoke
) -> None:
    stack.keep(JobClaim(provider="gemini", job=JOB, video_id=VIDEO_ID))
    event = a_webhook()

    answer = invoke("ProviderWebhooksFunction", event)

    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == {"object": "webhook.receipt", "repeated": False}
    assert "hinted_at" in stack.table.get(Key(name_job("gemini", JOB), "WAIT"))
    before = find_items(stack)
    again = invoke("ProviderWebhooksFunction", event)
    assert (again["statusCode"], json.loads(again["body"])["repeated"], find_items(stack)) == (200, True, before)


def test_while_a_secret_is_replaced_a_body_in_base64_is_taken_as_it_was(stack: Stack, invoke: Invoke) -> None:
    stack.keep(JobClaim(provider="gemini", job=JOB, video_id=VIDEO_ID))
    event = a_webhook(secret=OLD)
    event |= {"body": base64.b64encode(event["body"].encode()).decode(), "isBase64Encoded": True}

    assert invoke("ProviderWebhooksFunction", event)["statusCode"] == 200


@pytest.mark.parametrize(
    "event",
    [a_webhook(secret="whsec_" + base64.b64encode(bytes(32)).decode()), a_webhook(provider="nobody")],
    ids=["a stranger's", "no provider"],
)
def test_a_webhook_that_shows_nothing_is_refused_and_nothing_is_written(
    stack: Stack, invoke: Invoke, event: Event
) -> None:
    stack.keep(JobClaim(provider="gemini", job=JOB, video_id=VIDEO_ID))
    before = find_items(stack)

    answer = invoke("ProviderWebhooksFunction", event)

    assert (answer["statusCode"], read_code(answer)) == (401, "invalid_signature")
    assert find_items(stack) == before


def test_a_webhook_about_an_unknown_job_is_refused_by_another_code(invoke: Invoke) -> None:
    answer = invoke("ProviderWebhooksFunction", a_webhook())

    assert (answer["statusCode"], read_code(answer)) == (401, "unknown_job")


def test_a_webhook_that_is_too_large_is_refused(stack: Stack, invoke: Invoke) -> None:
    event = a_webhook()
    event["body"] = "x" * (WEBHOOK_MAX_BYTES + 1)

    answer = invoke("ProviderWebhooksFunction", event)

    assert (answer["statusCode"], read_code(answer)) == (413, "request_too_large")
    assert find_items(stack) == []


def test_the_log_tells_who_called_and_what_became_of_it_and_nothing_that_was_sent(
    stack: Stack, invoke: Invoke, log: io.StringIO
) -> None:
    stack.keep(JobClaim(provider="gemini", job=JOB, video_id=VIDEO_ID))
    event = a_webhook()

    invoke("ProviderWebhooksFunction", event)
    invoke("ProviderWebhooksFunction", a_webhook(provider="a name of theirs"))

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    told = [(line["provider"], line["outcome"]) for line in lines if line["message"] == "webhook"]
    assert told == [("gemini", "heard"), ("", "refused")]
    for secret in (JOB, event["headers"]["webhook-signature"], NEW, "name of theirs"):
        assert secret not in log.getvalue()
