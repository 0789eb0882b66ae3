"""Workers that are killed at random, a table and a bucket out of order for a while: all is made, and nothing twice.

`MEDIAPOSTER_CHAOS=100` makes it as many videos as the product promises; with `-o log_cli=true
-o log_cli_level=INFO` it tells its figures. It takes about a quarter of an hour.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.stores.posts import PostState
from mediaposter.wire.video_object import VideoObject
from tests.integration.stack import WAIT_SCALE, DeployedStack, new_prompt, wait_for
from tests.integration.troubled_aws import through_trouble

VIDEOS = int(os.environ.get("MEDIAPOSTER_CHAOS", "0"))
PLATFORMS = ("instagram", "threads")
AT_ONCE = 8
# Ten minutes, at the pace at which the machine's waits are let pass.
TROUBLE_SECONDS = 600 * WAIT_SCALE
# One worker each; a video needs some ten calls, so about one in eight of its steps dies.
KILLS_A_VIDEO = 1.25
MORTAL = (
    "StartGenerationFunction",
    "CheckGenerationFunction",
    "StoreVideoFunction",
    "CreatePostFunction",
    "CheckPostFunction",
    "CloseVideoFunction",
    "DispatchFunction",
    "SweepFunction",
)
# What broke off is begun again by the clock on the wall, minutes later.
ENDS_WITHIN_SECONDS = 1_200.0
SETTLED = frozenset({PostState.PUBLISHED, PostState.PARKED, PostState.UNKNOWN})


@pytest.mark.usefixtures("seconds_count")
@pytest.mark.skipif(
    VIDEOS == 0,
    reason="run by hand with MEDIAPOSTER_CHAOS=100: what broke off is begun again by the clock on the wall",
)
def test_after_any_trouble_that_ends_everything_is_made_once(stack: DeployedStack) -> None:
    prompt = new_prompt("Chaos")
    prompts = [f"{prompt} {number:03}" for number in range(VIDEOS)]

    with through_trouble(stack, *MORTAL) as aws, _killing(stack, round(VIDEOS * KILLS_A_VIDEO)) as killed:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            submitted = list(pool.map(lambda text: stack.submit(text, *PLATFORMS), prompts))
        aws.begin()
        time.sleep(TROUBLE_SECONDS)
        aws.end()
        ended = [_follow(stack, video.id) for video in submitted]

    figures = logging.getLogger(__name__)
    figures.info("%d videos, workers killed: %s, calls answered 500: %d", VIDEOS, dict(killed), aws.refused)
    assert aws.refused > 0
    assert Counter(video.status for video in ended) == {VideoStatus.COMPLETED: VIDEOS}, [
        video.error for video in ended if video.error
    ]
    assert {text: stack.count_accepted(text) for text in prompts} == dict.fromkeys(prompts, 1), "each made once"
    posted = Counter((row["text"], row["platform"]) for row in stack.list_posts(prompt))
    assert max(posted.values()) == 1, "none posted twice"
    states = Counter(post.status for video in ended for post in video.posts)
    figures.info("posts: %s", dict(states))
    assert len(posted) >= states[PostState.PUBLISHED], "what is said to be public is"
    for video in ended:
        assert stack.list_versions(video.id) == [
            f"videos/{video.id}/{name}" for name in ("spritesheet.jpg", "thumbnail.webp", "video.mp4")
        ]


def _follow(stack: DeployedStack, video_id: str) -> VideoObject:
    def is_over() -> VideoObject | None:
        video = stack.retrieve(video_id)
        is_done = video.status is VideoStatus.FAILED or video.stage == "done"
        return video if is_done and all(post.status in SETTLED for post in video.posts) else None

    return wait_for(is_over, what=f"the end of {video_id}", timeout_seconds=ENDS_WITHIN_SECONDS)


@contextmanager
def _killing(stack: DeployedStack, kills: int) -> Iterator[Counter[str]]:
    """Kill so many workers while the block runs, at random, and no more."""
    killed: Counter[str] = Counter()
    is_over = threading.Event()
    chance = random.Random(20261130)

    def kill() -> None:
        while sum(killed.values()) < kills and not is_over.wait(chance.uniform(0.1, 1.0)):
            function = chance.choice(MORTAL)
            killed[function] += stack.kill_workers(function)

    thread = threading.Thread(target=kill, name="killer", daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        is_over.set()
        thread.join()


@pytest.fixture
def seconds_count(stack: DeployedStack) -> Iterator[None]:
    """Let the waits after a fault outlast the fault, as they do where a second is one."""
    with stack.waiting(0.1):
        yield
