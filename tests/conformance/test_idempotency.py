"""One request is one video, however often it is sent."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.stack import Stack, expect, read_error
from tests.integration.stack import new_prompt

pytestmark = pytest.mark.both

AT_ONCE = 16
REPEATS = int(os.environ.get("MEDIAPOSTER_REPEATS", "16"))


def test_a_request_under_one_key_at_once_is_one_video_and_one_job(stack: Stack) -> None:
    prompt = new_prompt("Only once")
    body, headers = {"prompt": prompt}, {"Idempotency-Key": prompt}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: stack.api.post("/videos", json=body, headers=headers), range(REPEATS)))

    # What meets another of them in the middle is asked to come again.
    assert {answer.status_code for answer in answers} <= {200, 409, 429}
    again = expect(200, stack.api.post("/videos", json=body, headers=headers))
    assert {answer.json()["id"] for answer in answers if answer.status_code == 200} <= {again["id"]}
    assert stack.follow(again["id"])["error"] is None
    assert stack.count_jobs(prompt) == 1


def test_another_request_under_the_same_key_is_refused(stack: Stack) -> None:
    prompt = new_prompt("Named")
    headers = {"Idempotency-Key": prompt}
    first = expect(200, stack.api.post("/videos", json={"prompt": prompt}, headers=headers))

    answer = stack.api.post("/videos", json={"prompt": f"{prompt}!"}, headers=headers)

    expected = ("invalid_request_error", None, "idempotency_key_reused")
    assert (answer.status_code, read_error(answer)) == (422, expected)
    stack.ask("DELETE", f"/videos/{first['id']}")


def test_a_try_of_the_sdk_whose_answer_was_lost_is_the_same_video(stack: Stack) -> None:
    prompt = new_prompt("Tried again")

    tries = [
        expect(
            200, stack.api.post("/videos", json={"prompt": prompt}, headers={"x-stainless-retry-count": str(number)})
        )
        for number in range(3)
    ]

    assert len({video["id"] for video in tries}) == 1
    stack.ask("DELETE", f"/videos/{tries[0]['id']}")


def test_a_request_whose_video_was_deleted_says_so(stack: Stack) -> None:
    prompt = new_prompt("Deleted")
    headers = {"Idempotency-Key": prompt}
    video = expect(200, stack.api.post("/videos", json={"prompt": prompt}, headers=headers))
    stack.ask("DELETE", f"/videos/{video['id']}")

    answer = stack.api.post("/videos", json={"prompt": prompt}, headers=headers)

    assert (answer.status_code, read_error(answer)[2]) == (410, "video_deleted")
