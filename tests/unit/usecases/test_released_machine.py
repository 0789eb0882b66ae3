"""An update while videos are under way: the definition of the last release, with the steps of today.

Step Functions keeps the definition that an execution began with; the functions that it calls are those of the update.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from checks.upgrade import RELEASED
from mediaposter.ai.video_model_interface import Capabilities, VideoStatus
from mediaposter.domain.errors import ErrorCode, VideoModelError
from mediaposter.stores.posts import PostState
from mediaposter.stores.video_stages import Stage
from tests.builders import a_request, a_target
from tests.fakes.answers import Refuse
from tests.fakes.state_machine import Status
from tests.fakes.video_model import FakeVideoModel, RenderingModel
from tests.fakes.world import World

RELEASED_MACHINE = Path(__file__).parents[3] / RELEASED / "video.asl.json"
GONE = VideoModelError(ErrorCode.MODEL_NOT_FOUND, "The model is no longer available.")
TWO_POSTS = [a_target("instagram", "101"), a_target("threads", "102")]


@pytest.mark.parametrize("listens_to", [[], ["sora"]], ids=["by polling", "by webhook"])
def test_a_video_with_posts_goes_to_its_end_on_the_released_machine(listens_to: list[str]) -> None:
    model = RenderingModel(capabilities=Capabilities(webhook=True))
    model.render_seconds = 120
    world = World(model=lambda _: model, listens_to=listens_to)
    model.clock = world.clock
    world.definition = RELEASED_MACHINE

    world.deliver(a_request(publish=TWO_POSTS))

    assert (world.video.stage, world.statuses) == (Stage.DONE, [Status.SUCCEEDED])
    assert [post.state for post in world.posts] == [PostState.PUBLISHED] * 2


def test_a_fallback_goes_to_its_end_on_the_released_machine() -> None:
    world = World(
        model=partial(FakeVideoModel, creates=[Refuse(GONE)]),
        other_models={"kite-1": FakeVideoModel, "glider-1": FakeVideoModel},
    )
    world.definition = RELEASED_MACHINE

    world.deliver(a_request(fallback_models=["kite-1"]))

    assert (world.video.status, world.statuses) == (VideoStatus.COMPLETED, [Status.SUCCEEDED])
