"""Many videos that finish at once queue up for Blotato's limits, which its stand-in enforces: each is posted once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.stack import DONE_TIMEOUT_SECONDS, DeployedStack, new_prompt

# Fewer than Blotato takes in a minute are never refused, and so many take minutes.
VIDEOS = int(os.environ.get("MEDIAPOSTER_BURST", "0"))
AT_ONCE = 8
WAIT_SCALE = 0.4


@pytest.mark.skipif(VIDEOS == 0, reason="run by hand with MEDIAPOSTER_BURST=200: Blotato's limits are by the minute")
def test_a_burst_is_posted_once_each_and_hardly_ever_refused(stack: DeployedStack) -> None:
    prompt = new_prompt("Burst")
    prompts = [f"{prompt} {number:03}" for number in range(VIDEOS)]

    # The limits are real; waits that are shorter use up more tries on them.
    with stack.waiting(WAIT_SCALE), ThreadPoolExecutor(AT_ONCE) as pool:
        submitted = list(pool.map(lambda text: stack.submit(text, "threads"), prompts))
        ended = [stack.follow(video.id, timeout_seconds=DONE_TIMEOUT_SECONDS + 3 * VIDEOS) for video in submitted]

    assert [post.status for video in ended for post in video.posts] == ["published"] * VIDEOS
    assert sorted(row["text"] for row in stack.list_posts(prompt)) == prompts
    calls = stack.outside.get(f"{stack.world.blotato.control_url}/calls").json()["calls"]
    refused = [call for call in calls if call["status"] == 429]
    assert len(refused) <= len(calls) / 100, f"{len(refused)} of {len(calls)} calls were answered 429"
