"""The same request sent many times at once is one video, on the deployed stack."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.integration.stack import DeployedStack, new_prompt, wait_for

# A thousand take some minutes on two cores; the claim was made with MEDIAPOSTER_REPEATS=1000.
REPEATS = int(os.environ.get("MEDIAPOSTER_REPEATS", "25"))
AT_ONCE = 32


def post(stack: DeployedStack, prompt: str, **headers: str) -> httpx.Response:
    """Post as a patient client does: what was not answered is sent again, which the key makes safe."""

    def ask() -> httpx.Response | None:
        answer = stack.api.post("/videos", json={"prompt": prompt}, headers=headers)
        return None if answer.status_code in (409, 429) or answer.status_code >= 500 else answer

    return wait_for(ask, what="an answer to POST /videos", timeout_seconds=300)


def test_a_request_sent_many_times_at_once_under_one_key_is_one_video(stack: DeployedStack) -> None:
    prompt = new_prompt("Only once")
    key = {"Idempotency-Key": prompt}

    # They fill the account's Lambdas, so the execution meets faults: its waits after them must outlast the requests.
    with stack.waiting(1.0), ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: post(stack, prompt, **key), range(REPEATS)))

    assert {answer.status_code for answer in answers} == {200}
    ids = {answer.json()["id"] for answer in answers}
    assert len(ids) == 1
    video = stack.follow(ids.pop())
    assert video.error is None
    assert stack.count_accepted(prompt) == 1


def test_a_try_of_the_sdk_whose_answer_was_lost_is_the_same_video(stack: DeployedStack) -> None:
    prompt = new_prompt("Tried again")
    tries = [post(stack, prompt, **{"x-stainless-retry-count": str(count)}) for count in range(3)]

    assert len({answer.json()["id"] for answer in tries}) == 1
    stack.follow(tries[0].json()["id"])
    assert stack.count_accepted(prompt) == 1
