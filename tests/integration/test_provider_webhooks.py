"""Webhooks of providers on the local cloud: a wait that one ends, and what one that is lost or forged changes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.wire.video_object import VideoObject
from mediaposter.wire.webhooks import sign_webhook
from sandbox.snapshot import PROVIDER_WEBHOOK_SECRET
from tests.integration.conftest import RENDER_SECONDS
from tests.integration.stack import DeployedStack, new_prompt, wait_for

# When they are asked, unless a webhook comes first, follows from CATALOG: late, soon, late.
FAL, QUICK_FAL, GEMINI = "seedance-2.0", "wan-2.7", "gemini-omni-1.1-flash"


@pytest.fixture(autouse=True)
def _in_time(stack: DeployedStack) -> Iterator[None]:
    """Let a second of a wait be a second."""
    with stack.waiting(1.0):
        yield


def submit(stack: DeployedStack, prompt: str, model: str) -> VideoObject:
    return stack.submit(prompt, model=model, seconds="5", size="1280x720")


def find_job(stack: DeployedStack, provider: str, prompt: str) -> str:
    """Give what the provider calls the job of a prompt, once it has one."""

    def look() -> str | None:
        calls = stack.list_calls(provider)
        return next((call.job_id for call in calls if call.prompt == prompt and call.job_id), None)

    return wait_for(look, what=f"a job of {prompt}")


def count_questions(stack: DeployedStack, provider: str, prompt: str) -> int:
    """Count how often the provider was asked how the job of a prompt stands."""
    job = find_job(stack, provider, prompt)
    asked = {"fal": "/status", "gemini": job}[provider]
    calls = stack.list_calls(provider)
    return sum(call.method == "GET" and call.job_id == job and call.path.endswith(asked) for call in calls)


def find_wait(stack: DeployedStack, provider: str, job: str) -> dict[str, Any] | None:
    """Read the item where webhooks and the wait for a job meet."""
    key = {"pk": {"S": f"JOB#{provider}#{job}"}, "sk": {"S": "WAIT"}}
    found = stack.aws("dynamodb").get_item(TableName=stack.world.stack.table, Key=key, ConsistentRead=True)
    item: dict[str, Any] | None = found.get("Item")
    return item


def wait_for_render(stack: DeployedStack, provider: str) -> None:
    """Let the provider come to the end of all its renders: a webhook before that ends a wait in vain."""
    url = f"{stack.world.providers[provider].control_url}/calls"
    wait_for(lambda: stack.outside.get(url).json()["in_flight"] == 0 or None, what=f"the renders of {provider}")


def call(
    stack: DeployedStack,
    job: str,
    *,
    secret: str = PROVIDER_WEBHOOK_SECRET,
    at: datetime | None = None,
    provider: str = "gemini",
) -> httpx.Response:
    """Call as Google would, or another sender."""
    body = json.dumps({"type": "interaction.completed", "data": {"id": job}}).encode()
    signed = sign_webhook("msg_1", body, secret=secret, now=at or datetime.now(UTC))
    url = f"{stack.world.stack.base_url}/webhooks/{provider}"
    return httpx.post(url, content=body, headers={"Content-Type": "application/json", **signed}, timeout=30)


def test_a_webhook_ends_the_wait(stack: DeployedStack) -> None:
    prompt = new_prompt("Heard")

    video = submit(stack, prompt, FAL)

    # Without one the first question comes too late. The second is the download's.
    assert stack.follow(video.id).status is VideoStatus.COMPLETED
    assert count_questions(stack, "fal", prompt) == 2


def test_a_webhook_that_is_lost_costs_the_interval(stack: DeployedStack) -> None:
    prompt = new_prompt("Lost")
    stack.play_on("fal", prompt, "webhook", {"type": "drop"})

    video = submit(stack, prompt, QUICK_FAL)

    assert stack.follow(video.id).status is VideoStatus.COMPLETED


def test_a_webhook_that_comes_before_create_has_returned_is_not_lost(stack: DeployedStack) -> None:
    prompt = new_prompt("Early")
    stack.play_on("fal", prompt, "create", {"type": "delay", "seconds": RENDER_SECONDS + 2})

    video = submit(stack, prompt, FAL)

    assert stack.follow(video.id).status is VideoStatus.COMPLETED
    assert count_questions(stack, "fal", prompt) == 2


def test_a_provider_that_signs_with_a_secret_ends_the_wait_and_a_forgery_does_not(stack: DeployedStack) -> None:
    prompt, began_at = new_prompt("Signed"), datetime.now(UTC)
    video = submit(stack, prompt, GEMINI)
    job = find_job(stack, "gemini", prompt)
    before = wait_for(lambda: find_wait(stack, "gemini", job), what="a wait for the render")

    forged = call(stack, job, secret="whsec_" + base64.b64encode(bytes(32)).decode())
    stale = call(stack, job, at=datetime.now(UTC) - timedelta(seconds=302))
    elsewhere = call(stack, job, provider="sora")

    for answer in (forged, stale, elsewhere):
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_signature")
    assert find_wait(stack, "gemini", job) == before
    wait_for_render(stack, "gemini")

    heard = call(stack, job)

    # Without it the first question would come too late.
    assert heard.status_code == 200
    assert stack.follow(video.id).status is VideoStatus.COMPLETED
    logs = stack.read_logs(since=began_at)
    assert video.id in logs
    for secret in (before["task_token"]["S"], PROVIDER_WEBHOOK_SECRET, heard.request.headers["webhook-signature"]):
        assert secret not in logs
        assert secret not in heard.text
