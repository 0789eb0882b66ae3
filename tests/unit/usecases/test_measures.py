"""What a dashboard is drawn from: the queues after each sweep, and what each video cost and failed by."""

from __future__ import annotations

from functools import partial

from mediaposter.domain.errors import ErrorCode, VideoModelError
from tests.builders import a_caller, a_request
from tests.fakes.answers import Refuse
from tests.fakes.video_model import FakeVideoModel
from tests.fakes.world import World

GONE = VideoModelError(ErrorCode.MODEL_NOT_FOUND, "The model is no longer available.")


def test_what_waits_is_measured_with_the_age_of_the_oldest() -> None:
    world = World(slots={"sora": 1}, ids=("video_1", "video_2", "video_3"))
    for _ in range(3):
        world.submit(a_request(), caller=a_caller())
        world.clock.advance(60)

    assert world.stack.measure_queues() == 2
    assert world.measures == [("VideosWaiting", 2, None), ("OldestWaitingSeconds", 120.0, None)]


def test_an_idle_stack_measures_nothing() -> None:
    world = World()

    assert world.stack.measure_queues() == 0
    assert world.measures == []


def test_a_video_counts_its_cost_and_the_attempts_that_failed_once() -> None:
    world = World(
        model=partial(FakeVideoModel, creates=[Refuse(GONE)]),
        other_models={"kite-1": FakeVideoModel, "glider-1": FakeVideoModel},
    )

    world.deliver(a_request(fallback_models=["kite-1"]))

    cost = (world.video.cost_micros or world.video.cost_estimate_micros) / 1_000_000
    assert world.measures == [("SpentUsd", cost, None), ("ProviderFailures", 1, "sora")]
