"""Many videos that finish at once queue up for Blotato's limits, which its stand-in enforces: each is posted once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.world import run_world
from tests.integration.stack import DeployedStack, new_prompt

# Two hundred take some minutes on two cores; the claim is made with MEDIAPOSTER_BURST=200.
VIDEOS = int(os.environ.get("MEDIAPOSTER_BURST", "8"))
# Blotato's own limits would make a test of half an hour; what counts is that they are enforced on both sides.
RATE_SCALE = 6
AT_ONCE = 8


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedStack]:
    """Deploy a stack that keeps to the limits of its Blotato, in real time."""
    directory = tmp_path_factory.mktemp("limited")
    with run_world(directory, concurrency=8, render_seconds=0.5, rate_scale=RATE_SCALE, lease_seconds=60) as world:
        yield DeployedStack(world)


def test_a_burst_is_posted_once_each_and_hardly_ever_refused(limited: DeployedStack) -> None:
    prompt = new_prompt("Burst")
    prompts = [f"{prompt} {number:03}" for number in range(VIDEOS)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        submitted = list(pool.map(lambda text: limited.submit(text, "threads"), prompts))
    ended = [limited.follow(video.id, timeout_seconds=120 + 3 * VIDEOS) for video in submitted]

    assert [post.status for video in ended for post in video.posts] == ["published"] * VIDEOS
    assert sorted(row["text"] for row in limited.list_posts(prompt)) == prompts
    calls = limited.outside.get(f"{limited.world.blotato.control_url}/calls").json()["calls"]
    refused = [call for call in calls if call["status"] == 429]
    assert len(refused) <= len(calls) / 100, f"{len(refused)} of {len(calls)} calls were answered 429"
