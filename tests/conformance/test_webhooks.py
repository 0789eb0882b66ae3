"""A receiver is told of what happened, signed, and once more if it did not take it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from openai import OpenAI
from pydantic import JsonValue

from mediaposter.ai.webhook_signature import verify_standard_webhook
from sandbox.faults import Respond
from sandbox.hooks import Deliveries, Delivery, HookScript, OnDelivery, create_app
from sandbox.serving import serve_in_thread
from tests.conformance.stack import Stack
from tests.integration.stack import new_prompt, wait_for

# The API of AWS takes receivers over https alone: there tests/integration writes them into the records.


class Receiver:
    """A receiver on loopback, and what it was sent."""

    def __init__(self, base_url: str) -> None:
        self.url = f"{base_url}/mediaposter"
        self._http = httpx.Client(base_url=base_url, timeout=10)

    def play(self, match: str, action: Respond, *, times: int | None = None) -> None:
        script = HookScript(rules=(OnDelivery(match=match, action=action, times=times),))
        self._http.post("/_sandbox/faults", content=script.model_dump_json()).raise_for_status()

    def wait_for_deliveries(self, path: str, count: int) -> list[Delivery]:
        def look() -> list[Delivery] | None:
            calls = Deliveries.model_validate_json(self._http.get("/_sandbox/calls").content).calls
            found = [call for call in calls if call.path.endswith(path)]
            return found if len(found) >= count else None

        return wait_for(look, what=f"{count} deliveries to {path}")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with serve_in_thread(create_app(), base_path="") as base_url:
        yield Receiver(base_url)


def read_body(delivery: Delivery) -> dict[str, JsonValue]:
    body: dict[str, JsonValue] = json.loads(delivery.body)
    return body


def test_the_receiver_of_a_video_is_told_of_its_post_and_of_its_end(stack: Stack, receiver: Receiver) -> None:
    video_id = stack.submit(new_prompt("Told"), "twitter", webhook_url=f"{receiver.url}/told")["id"]

    deliveries = receiver.wait_for_deliveries("/told", 2)
    video = stack.follow(video_id)

    posted, ended = sorted(map(read_body, deliveries), key=lambda body: str(body["type"]))
    assert (ended["type"], ended["data"]) == ("video.completed", {"id": video_id})
    [post] = video["posts"]
    assert (posted["type"], posted["data"]) == (
        "post.published",
        {"video_id": video_id, "platform": "twitter", "account_id": post["account_id"], "url": post["url"]},
    )
    secret = stack.webhook_secret(stack.api_key)
    for delivery in deliveries:
        OpenAI(api_key="unused").webhooks.verify_signature(delivery.body, delivery.headers, secret=secret)
        verified_id = verify_standard_webhook(
            delivery.headers, delivery.body.encode(), secrets=[secret], now=datetime.now(UTC)
        )
        assert verified_id == read_body(delivery)["id"]


def test_a_receiver_that_does_not_take_an_event_gets_the_same_once_more(stack: Stack, receiver: Receiver) -> None:
    prompt = new_prompt("Refused")
    stack.play_on("sora", prompt, "create", {"type": "fail"})
    receiver.play("/busy", Respond(status=503), times=1)

    video_id = stack.submit(prompt, webhook_url=f"{receiver.url}/busy")["id"]
    first, second = receiver.wait_for_deliveries("/busy", 2)

    assert (first.body, first.webhook_id, second.status) == (second.body, second.webhook_id, 200)
    assert int(second.webhook_timestamp) - int(first.webhook_timestamp) >= 4
    body = read_body(first)
    assert body["type"] == "video.failed"
    assert isinstance(body["data"], dict)
    assert body["data"]["id"] == video_id


def test_the_receiver_is_told_where_a_person_approves_a_video(stack: Stack, receiver: Receiver) -> None:
    asked = stack.submit(new_prompt("Asked"), "twitter", webhook_url=f"{receiver.url}/asked", approval="required")

    (delivery,) = receiver.wait_for_deliveries("/asked", 1)

    body = read_body(delivery)
    data = body["data"]
    assert isinstance(data, dict)
    assert body["type"] == "video.awaiting_approval"
    assert str(data["approval_url"]).endswith(f"/v1/studio#/approvals/{asked['id']}")
