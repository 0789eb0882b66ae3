"""Webhooks of providers on the local cloud: a wait that one ends, and what one that is lost or forged changes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.wire.video_object import VideoObject
from mediaposter.wire.webhooks import sign_webhook
from sandbox.cloud import PROVIDER_WEBHOOK_SECRET
from sandbox.world import run_world
from tests.integration.stack import DeployedStack, new_prompt, wait_for

RENDER_SECONDS = 3.0
# Of the first a stack that has learned nothing asks after two minutes; of the second after five seconds.
FAL, QUICK_FAL, GEMINI = "seedance-2.0", "wan-2.7", "gemini-omni-1.2-flash"
CATALOG = """
[models."wan-2.7"]
expected_render_seconds = 4
"""


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedStack]:
    """Deploy a stack that listens; here a second of a wait is a second."""
    with run_world(
        tmp_path_factory.mktemp("heard"),
        render_seconds=RENDER_SECONDS,
        rate_scale=1000,
        lease_seconds=20,
        provider_webhooks=("fal", "gemini"),
        catalog=CATALOG,
    ) as world:
        yield DeployedStack(world)


def submit(stack: DeployedStack, prompt: str, model: str) -> VideoObject:
    return stack.submit(prompt, model=model, seconds="5", size="1280x720")


def follow(stack: DeployedStack, video: VideoObject, *, within_seconds: float) -> VideoObject:
    return stack.follow(video.id, timeout_seconds=within_seconds)


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


def test_a_webhook_ends_the_wait(heard: DeployedStack) -> None:
    prompt = new_prompt("Heard")

    video = submit(heard, prompt, FAL)

    # Without one the first question comes after two minutes. The second is the download's.
    assert follow(heard, video, within_seconds=30).status is VideoStatus.COMPLETED
    assert count_questions(heard, "fal", prompt) == 2


def test_a_webhook_that_is_lost_costs_the_interval(heard: DeployedStack) -> None:
    prompt = new_prompt("Lost")
    heard.play_on("fal", prompt, "webhook", {"type": "drop"})

    video = submit(heard, prompt, QUICK_FAL)

    assert follow(heard, video, within_seconds=30).status is VideoStatus.COMPLETED


def test_a_webhook_that_comes_before_create_has_returned_is_not_lost(heard: DeployedStack) -> None:
    prompt = new_prompt("Early")
    heard.play_on("fal", prompt, "create", {"type": "delay", "seconds": RENDER_SECONDS + 2})

    video = submit(heard, prompt, FAL)

    assert follow(heard, video, within_seconds=30).status is VideoStatus.COMPLETED
    assert count_questions(heard, "fal", prompt) == 2


def test_a_provider_that_signs_with_a_secret_ends_the_wait(heard: DeployedStack) -> None:
    prompt = new_prompt("Gemini")
    video = submit(heard, prompt, GEMINI)
    job = find_job(heard, "gemini", prompt)
    wait_for(lambda: find_wait(heard, "gemini", job), what="a wait for the render")
    time.sleep(RENDER_SECONDS)

    assert call(heard, job).status_code == 200

    # Without it the first question would come after 45 seconds.
    assert follow(heard, video, within_seconds=20).status is VideoStatus.COMPLETED


def test_a_forgery_is_refused_and_changes_nothing(heard: DeployedStack) -> None:
    prompt = new_prompt("Forged")
    video = submit(heard, prompt, GEMINI)
    job = find_job(heard, "gemini", prompt)
    before = wait_for(lambda: find_wait(heard, "gemini", job), what="a wait for the render")

    forged = call(heard, job, secret="whsec_" + base64.b64encode(bytes(32)).decode())
    stale = call(heard, job, at=datetime.now(UTC) - timedelta(seconds=302))
    elsewhere = call(heard, job, provider="sora")

    for answer in (forged, stale, elsewhere):
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_signature")
    assert find_wait(heard, "gemini", job) == before
    wait_for_render(heard, "gemini")
    assert call(heard, job).status_code == 200
    follow(heard, video, within_seconds=60)


def test_no_task_token_and_no_secret_is_in_a_log_or_an_answer(heard: DeployedStack) -> None:
    prompt = new_prompt("Quiet")
    video = submit(heard, prompt, GEMINI)
    job = find_job(heard, "gemini", prompt)
    wait = wait_for(lambda: find_wait(heard, "gemini", job), what="a wait for the render")
    wait_for_render(heard, "gemini")
    answer = call(heard, job)
    follow(heard, video, within_seconds=60)

    logs = heard.read_logs()

    for secret in (wait["task_token"]["S"], PROVIDER_WEBHOOK_SECRET, answer.request.headers["webhook-signature"]):
        assert secret not in logs
        assert secret not in answer.text
